//! A DBN file that is cut, damaged or made up: what is whole before the damage is delivered, the
//! error names the place, and nothing panics or takes memory that the file does not have.

use dbn::encode::EncodeRecord;
use dbn::encode::dbn::Encoder;
use dbn::{MboMsg, MetadataBuilder, RecordHeader, SType, Schema, TradeMsg, WithTsOut, rtype};
use proptest::prelude::*;
use std::fs;
use tickspin_recording::{DbnFile, EventReader, Fault, RecordingError};
use tickspin_wire::event::{Event, Kind};

const HEADER_NS: u64 = 1_715_126_400_000_000_000;

fn metadata(ts_out: bool) -> dbn::Metadata {
    MetadataBuilder::new()
        .version(3)
        .dataset("GLBX.MDP3")
        .schema(Some(Schema::Mbo))
        .start(HEADER_NS)
        .stype_in(Some(SType::RawSymbol))
        .stype_out(SType::InstrumentId)
        .ts_out(ts_out)
        .build()
}

fn mbo(order_id: u64, instrument_id: u32) -> MboMsg {
    MboMsg {
        hd: RecordHeader::new::<MboMsg>(rtype::MBO, 1, instrument_id, HEADER_NS + order_id),
        order_id,
        price: 5_000_000_000,
        size: 3,
        action: b'A' as std::ffi::c_char,
        side: b'B' as std::ffi::c_char,
        ..MboMsg::default()
    }
}

/// A file of MBO records: its bytes and where the records begin.
fn written(records: u64) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, &metadata(false)).expect("memory");
    (1..=records).for_each(|id| encoder.encode_record(&mbo(id, 7)).expect("memory"));
    let head = bytes.len() - records as usize * size_of::<MboMsg>();
    (bytes, head)
}

type Read = (Vec<Event>, Option<RecordingError>, DbnFile);

fn read(bytes: &[u8]) -> Result<Read, RecordingError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("recording");
    fs::write(&path, bytes).expect("the temporary folder is writable");
    let mut file = DbnFile::open(path)?;
    let mut events = Vec::new();
    loop {
        match file.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return Ok((events, None, file)),
            Err(error) => {
                assert!(file.next_event().expect("an error is told once").is_none());
                return Ok((events, Some(error), file));
            }
        }
    }
}

#[test]
fn a_file_cut_at_any_byte_gives_the_records_before_the_cut() {
    let (bytes, head) = written(4);
    let all = read(&bytes).expect("a recording").0;
    assert_eq!(all.len(), 5, "a definition, then one event a record");
    for len in 1..bytes.len() {
        match read(&bytes[..len]) {
            Err(error) if len < 3 => assert!(matches!(error.fault(), Fault::Foreign { .. })),
            Err(error) => {
                assert!(len < head && matches!(error.fault(), Fault::Cut(_)), "{len}: {error}");
            }
            Ok((events, error, file)) => {
                let whole = (len - head) / size_of::<MboMsg>();
                assert_eq!(file.records(), whole as u64, "cut after {len} bytes");
                assert_eq!(events, all[..if whole == 0 { 0 } else { whole + 1 }]);
                let partial = (len - head) % size_of::<MboMsg>();
                let Some(error) = error else {
                    assert_eq!(partial, 0, "the cut after {len} bytes went unnoticed");
                    continue;
                };
                let Fault::Cut(damage) = error.fault() else { panic!("{error}") };
                assert_eq!((damage.record, damage.partial), (whole as u64, partial as u64));
                assert_eq!(damage.offset, len as u64);
                assert!(file.facts().truncated);
            }
        }
    }
}

#[test]
fn what_is_not_known_is_stepped_over_by_its_length_and_counted() {
    let (mut bytes, head) = written(3);
    let at = |record: usize| head + record * size_of::<MboMsg>();
    bytes[at(1) + 1] = 0x77;
    let (events, error, file) = read(&bytes).expect("a recording");
    assert!(error.is_none());
    assert_eq!((events.len(), file.records()), (3, 3));
    assert_eq!(file.facts().skipped_by["unknown type"], 1);
    // A known type with a length it does not have: ten words, the fourteen of the record hold more.
    let (mut bytes, _) = written(3);
    bytes[at(1)] = 10;
    bytes.drain(at(1) + 40..at(2));
    let (events, error, file) = read(&bytes).expect("a recording");
    assert!(error.is_none());
    assert_eq!(events.len(), 3);
    assert_eq!((file.position(), file.facts().skipped_by["unexpected length"]), (2, 1));
}

#[test]
fn a_record_shorter_than_its_header_ends_the_file_with_place_and_rule() {
    for words in 0..4 {
        let (mut bytes, head) = written(3);
        bytes[head + 56] = words;
        let (events, error, _) = read(&bytes).expect("a recording");
        assert_eq!(events.len(), 2);
        let error = error.expect("corrupt");
        let Fault::Corrupt { damage, rule } = error.fault() else { panic!("{error}") };
        assert_eq!((damage.record, damage.offset), (1, head as u64 + 56));
        assert!(rule.contains("its header alone has 16"), "{rule}");
    }
}

#[test]
fn records_with_a_send_time_are_the_same_records() {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, &metadata(true)).expect("memory");
    for id in 1..=3 {
        encoder.encode_record(&WithTsOut::new(mbo(id, 7), 9)).expect("memory");
    }
    let with = read(&bytes).expect("a recording");
    assert_eq!((with.2.records(), with.2.facts().skipped()), (3, 0));
    assert_eq!(with.0, read(&written(3).0).expect("a recording").0);
}

#[test]
fn heads_that_are_not_read_say_what_they_are() {
    let (bytes, head) = written(1);
    let mut newer = bytes.clone();
    newer[3] = 4;
    let error = read(&newer).expect_err("refused").to_string();
    assert!(error.contains("it is DBN version 4; versions 1 to 3 are read"), "{error}");
    let mut huge = bytes.clone();
    huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&huge).expect_err("refused").to_string();
    assert!(error.contains("metadata would have 4294967295 bytes"), "{error}");
    // A count of symbols that the metadata has no room for, at the end of its fixed part.
    let mut many = bytes.clone();
    many[8 + 100..8 + 104].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&many).expect_err("refused").to_string();
    assert!(error.contains("its metadata is damaged"), "{error}");
    // Without its head it is a fragment.
    let (events, error, file) = read(&bytes[head..]).expect("a fragment");
    assert!(error.is_none() && events.len() == 2 && file.version().is_none());
    assert_eq!(file.symbols().iter().next().map(|(_, name)| name), Some("7"));
}

#[test]
fn instruments_of_one_file_have_their_numbers_in_the_order_of_appearance() {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, &metadata(false)).expect("memory");
    for (id, instrument) in [(1, 900), (2, 20), (3, 900), (4, 4_000_000_000)] {
        encoder.encode_record(&mbo(id, instrument)).expect("memory");
    }
    let trade = TradeMsg {
        hd: RecordHeader::new::<TradeMsg>(rtype::MBP_0, 1, 20, HEADER_NS),
        action: b'T' as std::ffi::c_char,
        side: b'A' as std::ffi::c_char,
        size: 2,
        price: 1,
        ..TradeMsg::default()
    };
    encoder.encode_record(&trade).expect("memory");
    let (events, _, file) = read(&bytes).expect("a recording");
    let got: Vec<_> = events.iter().map(|e| (e.kind().expect("ours"), e.instrument.0)).collect();
    let (defined, add) = (Kind::Definition, Kind::Add);
    let expected =
        [(defined, 0), (add, 0), (defined, 1), (add, 1), (add, 0), (defined, 2), (add, 2)];
    assert_eq!(got[..7], expected);
    assert_eq!(got[7..], [(Kind::Trade, 1)]);
    assert_eq!(file.symbols().number("4000000000").map(|it| it.0), Some(2));
}

proptest! {
    #[test]
    fn whatever_follows_a_good_head_is_no_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..2_000),
        records in 0_u64..3,
    ) {
        let (mut bytes, _) = written(records);
        bytes.extend_from_slice(&tail);
        let (events, ..) = read(&bytes).expect("its head is good");
        prop_assert!(events.len() as u64 >= records);
    }

    #[test]
    fn a_record_of_any_type_with_any_content_is_no_panic(
        rtype in any::<u8>(),
        words in 4_u8..=255,
        body in proptest::collection::vec(any::<u8>(), 1_020),
    ) {
        let (mut bytes, _) = written(1);
        for _ in 0..2 {
            let start = bytes.len();
            bytes.extend_from_slice(&body[..usize::from(words) * 4]);
            (bytes[start], bytes[start + 1]) = (words, rtype);
        }
        let (_, error, file) = read(&bytes).expect("its head is good");
        prop_assert!(error.is_none() && file.records() == 3);
        file.facts();
    }

    #[test]
    fn a_damaged_head_is_no_panic(at in 0_usize..300, value in any::<u8>()) {
        let (mut bytes, head) = written(2);
        bytes[at % head] = value;
        if let Ok((.., file)) = read(&bytes) {
            file.facts();
        }
    }
}
