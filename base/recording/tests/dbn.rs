//! Every file of the Databento corpus is read as the vendor's own decoder reads it, or refused with
//! its reason; two seconds of CME give the expected books.

mod data;

use dbn::decode::DecodeRecordRef;
use dbn::decode::dbn::{Decoder, RecordDecoder};
use dbn::{MboMsg, RType, Record, VersionUpgradePolicy};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use tickspin_recording::{DbnFile, EventReader, Fault, TreeBook};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Side};

const ES: &str = "dbn/es_mbo_20240508_2s.dbn.zst";

/// The file's bytes, unpacked.
fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("readable");
    if !bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        return bytes;
    }
    let mut out = Vec::new();
    zstd::Decoder::new(&bytes[..]).expect("memory").read_to_end(&mut out).expect("whole");
    out
}

fn events(file: &mut impl EventReader) -> Vec<(u64, Event)> {
    std::iter::from_fn(|| {
        let event = file.next_event().expect("the file is whole")?;
        Some((file.position(), event))
    })
    .collect()
}

fn corpus() -> Option<Vec<PathBuf>> {
    let any = data::path("dbn/corpus/test_data.mbo.dbn")?;
    let folder = any.parent().expect("a folder");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    Some(files)
}

/// Records by the crate's own name of their type, read by the crate's own decoder.
fn counted_by_the_crate(bytes: &[u8]) -> BTreeMap<RType, u64> {
    let mut counts = BTreeMap::new();
    let mut count = |rtype| *counts.entry(rtype).or_default() += 1;
    if bytes.starts_with(b"DBN") {
        let mut decoder =
            Decoder::with_upgrade_policy(bytes, VersionUpgradePolicy::AsIs).expect("metadata");
        while let Some(record) = decoder.decode_record_ref().expect("a record") {
            count(record.rtype().expect("known"));
        }
    } else {
        let mut decoder = RecordDecoder::with_version(bytes, 3, VersionUpgradePolicy::AsIs, false)
            .expect("a decoder");
        while let Some(record) = decoder.decode_record_ref().expect("a record") {
            count(record.rtype().expect("known"));
        }
    }
    counts
}

/// How many records of what a corpus file holds: by the schema in its name.
fn expected_of(name: &str) -> (&'static str, u64) {
    let schema = name.trim_start_matches("test_data.").split('.').next().unwrap_or("");
    match schema {
        "multi-frame" => ("definition", 8),
        "bbo-1m" => ("bbo-1m", 4),
        "bbo-1s" => ("bbo-1s", 4),
        "cbbo-1s" => ("cbbo-1s", 2),
        "cmbp-1" => ("cmbp-1", 2),
        "definition" => ("definition", 2),
        "imbalance" => ("imbalance", 2),
        "mbo" => ("mbo", 2),
        "mbp-1" => ("mbp-1", 2),
        "mbp-10" => ("mbp-10", 2),
        "ohlcv-1d" => ("ohlcv-1d", 0),
        "ohlcv-1h" => ("ohlcv-1h", 2),
        "ohlcv-1m" => ("ohlcv-1m", 2),
        "ohlcv-1s" => ("ohlcv-1s", 2),
        "statistics" => ("statistics", 2),
        "status" => ("status", 4),
        "tbbo" => ("tbbo", 2),
        "trades" => ("trades", 2),
        other => panic!("a schema without expectation: {other}"),
    }
}

#[test]
fn every_file_of_the_corpus_is_read_as_the_vendor_reads_it_or_refused_by_name() {
    let Some(files) = corpus() else { return };
    let (mut read, mut refused) = (0, 0);
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".dbz") {
            let error = tickspin_recording::open(&path).err().expect("refused");
            assert!(matches!(error.fault(), Fault::Foreign { .. }), "{error}");
            assert!(error.to_string().contains("not a DBN recording: it is DBZ"), "{error}");
            refused += 1;
            continue;
        }
        let mut file = tickspin_recording::open(&path).expect(&name);
        let got = {
            let mut got = Vec::new();
            while let Some(event) = file.next_event().expect(&name) {
                got.push((file.position(), event));
            }
            got
        };
        let facts = file.facts();
        let (schema, records) = expected_of(&name);
        assert_eq!(
            (facts.messages, facts.skipped(), facts.truncated),
            (records, 0, false),
            "{name}"
        );
        assert_eq!(counted_by_the_crate(&unpacked(&path)).values().sum::<u64>(), records, "{name}");
        if records > 0 {
            assert_eq!(facts.by_type, BTreeMap::from([(schema.to_owned(), records)]), "{name}");
        }
        // Every record is at least one event.
        let mut positions: Vec<u64> = got.iter().map(|&(position, _)| position).collect();
        positions.dedup();
        assert!(positions.into_iter().eq(0..records), "{name}");
        let is_fragment = name.contains(".frag");
        let said = if is_fragment { "dbn fragment" } else { "dbn v" };
        assert!(facts.container.contains(said), "{name}: {}", facts.container);
        read += 1;
    }
    assert_eq!((read, refused), (71, 10));
}

#[test]
fn mbo_fields_are_those_of_the_vendors_decoder() {
    let Some(path) = data::path(ES) else { return };
    let bytes = unpacked(&path);
    let mut decoder =
        Decoder::with_upgrade_policy(&bytes[..], VersionUpgradePolicy::AsIs).expect("metadata");
    let mut file = DbnFile::open(&path).expect("a recording");
    let mut records = 0;
    while let Some(record) = decoder.decode_record_ref().expect("a record") {
        let record = record.get::<MboMsg>().expect("MBO only");
        let mut event = file.next_event().expect("whole").expect("as many");
        if event.kind() == Some(Kind::Definition) {
            event = file.next_event().expect("whole").expect("as many");
        }
        assert_eq!((event.exchange_ns, event.instrument), (record.hd.ts_event, InstrumentId(0)));
        let kind = match record.action as u8 {
            b'A' => Kind::Add,
            b'C' => Kind::Reduce,
            b'M' => Kind::Modify,
            b'R' => Kind::Clear,
            b'T' => Kind::Trade,
            _ => Kind::Info,
        };
        assert_eq!(event.kind(), Some(kind), "record {records}");
        if matches!(kind, Kind::Add | Kind::Modify) {
            assert_eq!((event.order_id, event.px.0), (record.order_id, record.price));
        }
        if matches!(kind, Kind::Add | Kind::Modify | Kind::Reduce) {
            let side = if record.side as u8 == b'A' { Side::Ask } else { Side::Bid };
            assert_eq!((event.qty.0, event.side()), (record.size.into(), Some(side)));
        }
        assert_eq!(event.flags & flag::COMPLETE != 0, record.flags.is_last());
        assert_eq!(event.flags & flag::SNAPSHOT != 0, record.flags.is_snapshot());
        assert_eq!(file.position(), records);
        records += 1;
    }
    assert!(file.next_event().expect("whole").is_none());
    assert_eq!((records, file.of(0xA0), file.maybe_bad_book()), (13_796, 13_796, 0));
    let facts = file.facts();
    assert_eq!(facts.container, "zstd, dbn v1");
    assert_eq!(facts.sessions[0].id, "GLBX.MDP3");
    assert_eq!(file.symbols().len(), 1);
}

type Touch = [u64; 6];

fn touch(book: &TreeBook) -> Touch {
    let [bid, ask] = book.best(InstrumentId(0)).map(|best| {
        best.map_or([0; 3], |(px, level)| [px.0.cast_unsigned(), level.qty, level.orders])
    });
    [bid[0], bid[1], bid[2], ask[0], ask[1], ask[2]]
}

#[test]
fn two_seconds_of_es_give_the_expected_touch_and_the_expected_book() {
    let Some(path) = data::path(ES) else { return };
    let expected = data::path("expected/es_20240508_bbo_changes.csv").expect("beside it");
    let expected = fs::read_to_string(expected).expect("readable");
    let mut file = DbnFile::open(&path).expect("a recording");
    let (mut book, mut rows, mut before) = (TreeBook::default(), Vec::new(), None);
    while let Some(event) = file.next_event().expect("whole") {
        book.apply(&event);
        if event.flags & flag::COMPLETE == 0 {
            continue;
        }
        let now = touch(&book);
        if before.replace(now) != Some(now) {
            let values = now.map(|value| value.to_string()).join(",");
            rows.push(format!("{},{},{values}", file.position(), event.exchange_ns));
        }
    }
    let expected: Vec<&str> = expected.lines().skip(1).collect();
    assert_eq!(rows.len(), expected.len(), "no row comes before those of the file");
    assert_eq!(rows, expected);
    assert!(rows[0].starts_with("13600,"), "the last record of the snapshot is the first LAST");

    let expected = data::path("expected/es_20240508_final_book.json").expect("beside it");
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(expected).expect("readable")).expect("JSON");
    for (side, name) in [(Side::Bid, "bids"), (Side::Ask, "asks")] {
        let levels: Vec<serde_json::Value> = book
            .levels(InstrumentId(0), side)
            .map(|(px, level)| serde_json::json!([px.0, level.qty, level.orders]))
            .collect();
        assert_eq!(expected[name], serde_json::Value::Array(levels), "{name}");
    }
}

#[test]
fn a_rewound_recording_gives_the_same_again() {
    let Some(path) = data::path(ES) else { return };
    let mut file = DbnFile::open(&path).expect("a recording");
    let (first, facts) = (events(&mut file), file.facts());
    file.rewind().expect("a file can be rewound");
    assert_eq!(file.facts().messages, 0);
    assert!(events(&mut file) == first && file.facts() == facts);
}

#[test]
fn quotes_levels_and_definitions_of_the_corpus_say_what_the_records_say() {
    let Some(path) = data::path("dbn/corpus/test_data.mbp-1.dbn") else { return };
    let got = events(&mut DbnFile::open(&path).expect("a recording"));
    let kinds: Vec<_> = got.iter().map(|(_, event)| event.kind().expect("ours")).collect();
    assert_eq!(kinds, [Kind::Definition, Kind::Quote, Kind::Quote, Kind::Quote, Kind::Quote]);
    let complete: Vec<_> = got.iter().map(|(_, event)| event.flags & flag::COMPLETE).collect();
    assert_eq!(complete, [0, 0, 1, 0, 1]);
    let quote = got[1].1;
    assert_eq!((quote.px, quote.side()), (Px(3_720_250_000_000), Some(Side::Bid)));

    let path = data::path("dbn/corpus/test_data.mbp-10.dbn").expect("beside it");
    let got = events(&mut DbnFile::open(&path).expect("a recording"));
    let mut book = TreeBook::default();
    got.iter().for_each(|(_, event)| book.apply(event));
    assert_eq!(book.levels(InstrumentId(0), Side::Bid).count(), 10);
    assert_eq!(book.levels(InstrumentId(0), Side::Ask).count(), 10);
    let of_second = got.iter().filter(|(position, _)| *position == 1).count();
    assert!((1..20).contains(&of_second), "only what changed: {of_second}");

    for version in ["v1", "v2", "v3"] {
        let name = format!("dbn/corpus/test_data.definition.{version}.dbn.zst");
        let mut file = DbnFile::open(data::path(&name).expect("beside it")).expect("a recording");
        let got = events(&mut file);
        // The venue renumbers its stocks every day: the second is the same stock's new number.
        let kinds: Vec<_> = got.iter().map(|(_, event)| event.kind().expect("ours")).collect();
        assert_eq!(kinds, [Kind::Definition, Kind::Clear, Kind::Definition], "{version}");
        for (_, event) in [got[0], got[2]] {
            let (bytes, len) = event.symbol_bytes();
            assert_eq!(
                file.symbols().name(event.instrument).map(str::as_bytes),
                Some(&bytes[..len])
            );
        }
    }
    let path = data::path("dbn/corpus/test_data.tbbo.dbn").expect("beside it");
    let got = events(&mut DbnFile::open(&path).expect("a recording"));
    let kinds: Vec<_> = got[1..4].iter().map(|(_, event)| event.kind().expect("ours")).collect();
    assert_eq!(kinds, [Kind::Trade, Kind::Quote, Kind::Quote]);
}
