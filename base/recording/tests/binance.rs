//! A recorded hour of Binance spot gives every number and every hash that is expected of it.

mod data;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use tempfile::TempDir;
use tickspin_recording::binance::{BinanceFile, Body};
use tickspin_recording::{EventReader, Fault, RecordingError, TreeBook};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Side};

const SPOT: &str = "binance/ethusdt_20240808.gz";
const EXPECTED: &str = "expected/binance_spot_ethusdt_20240808.json";
const ETH: InstrumentId = InstrumentId(0);

/// Our prices are in 1e-9, the venue's in 1e-8.
fn px_1e8(px: Px) -> i64 {
    assert_eq!(px.0 % 10, 0);
    px.0 / 10
}

fn hash(lines: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    lines.into_iter().for_each(|line| hash.update(line + "\n"));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn expected() -> Option<(PathBuf, Value)> {
    let path = data::path(SPOT)?;
    let json = data::path(EXPECTED)?;
    Some((path, serde_json::from_slice(&fs::read(json).expect("readable")).expect("JSON")))
}

fn touch(book: &TreeBook) -> Option<[i64; 4]> {
    let [bid, ask] = book.best(ETH);
    let ((bid_px, bid), (ask_px, ask)) = (bid?, ask?);
    Some([px_1e8(bid_px), bid.qty as i64, px_1e8(ask_px), ask.qty as i64])
}

#[test]
fn the_spot_recording_gives_every_expected_number() {
    let Some((path, expected)) = expected() else { return };
    let mut file = BinanceFile::open(&path).expect("a recording");
    let mut book = TreeBook::default();
    let (mut rows, mut changes, mut before) = (Vec::new(), Vec::new(), None);
    let (mut trades, mut id_gaps, mut last_id) = (0_u64, 0_u64, None);
    let (mut qty_sum, mut buy_sum, mut notional) = (0_u64, 0_u64, 0_u128);
    let mut latencies = Vec::new();
    while let Some(event) = file.next_event().expect("whole") {
        book.apply(&event);
        if event.kind() == Some(Kind::Trade) {
            trades += 1;
            id_gaps += u64::from(last_id.is_some_and(|last| event.second_id != last + 1));
            last_id = Some(event.second_id);
            qty_sum += event.qty.0;
            buy_sum += if event.side() == Some(Side::Bid) { event.qty.0 } else { 0 };
            notional += px_1e8(event.px) as u128 * u128::from(event.qty.0);
            latencies.push(file.local_ns().cast_signed() - event.exchange_ns.cast_signed());
        }
        if event.flags & flag::COMPLETE != 0 {
            let now = touch(&book).expect("both sides");
            let row = format!("{},{}", file.position(), now.map(|n| n.to_string()).join(","));
            if before.replace(now) != Some(now) {
                changes.push(row.clone());
            }
            rows.push(row);
        }
    }
    let number = |name: &str| expected[name].as_u64().expect("a number");
    assert_eq!(trades, number("trades"));
    assert_eq!(id_gaps, number("trade_id_gaps"));
    assert_eq!(qty_sum, number("trade_qty"));
    assert_eq!(buy_sum, number("taker_buy_qty"));
    // Above what a JSON number can hold exactly once it is parsed: as the text has it.
    let text = fs::read_to_string(data::path(EXPECTED).expect("beside it")).expect("readable");
    assert!(text.contains(&format!("\"trade_notional\": {notional},")), "{notional}");
    latencies.sort_unstable();
    let latency = &expected["local_minus_exch_T_ns"];
    assert_eq!(latencies[0], latency["min"].as_i64().expect("a number"));
    assert_eq!(*latencies.last().expect("trades"), latency["max"].as_i64().expect("a number"));
    assert_eq!(latencies[latencies.len() / 2], latency["median"].as_i64().expect("a number"));

    assert_eq!(file.depth_applied(), number("depth_applied"));
    assert_eq!(file.depth_dropped(), number("depth_dropped_before_snapshot"));
    assert_eq!(rows.len() as u64, number("bbo_rows"));
    assert_eq!(hash(rows), expected["bbo_sha256"].as_str().expect("text"));
    assert_eq!(changes.len() as u64, number("bbo_changes"));
    assert_eq!(hash(changes), expected["bbo_changes_sha256"].as_str().expect("text"));
    let levels = |side| book.levels(ETH, side).map(|(px, level)| (px_1e8(px), level.qty));
    let counts = [Side::Bid, Side::Ask].map(|side| levels(side).count());
    assert_eq!(serde_json::json!(counts), expected["final_levels"]);
    assert_eq!(serde_json::json!(touch(&book)), expected["final_bbo"]);

    let side =
        |side| levels(side).map(|(px, qty)| format!("{px}:{qty}")).collect::<Vec<_>>().join("|");
    let whole = format!("{}#{}", side(Side::Bid), side(Side::Ask));
    let whole: String = Sha256::digest(whole).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(whole, expected["final_book_sha256"].as_str().expect("text"));

    let facts = file.facts();
    let types: BTreeMap<String, u64> =
        serde_json::from_value(expected["streams"].clone()).expect("counts");
    assert_eq!((facts.by_type, facts.messages), (types, number("lines")));
    assert_eq!(facts.sessions[0].id, "ETHUSDT");
    assert_eq!(facts.sessions[0].gaps, number("depth_discontinuities"));
    assert!(facts.latency_ns.expect("trades").1 < 0 && facts.negative_latencies > 0);
    assert_eq!(file.first_strange_line(), None);
}

#[test]
fn the_recorded_touch_is_that_of_the_book() {
    let Some((path, expected)) = expected() else { return };
    let mut file = BinanceFile::open(&path).expect("a recording");
    let (mut rows, mut goes_back, mut last) = (Vec::new(), 0, 0);
    while let Some(message) = file.next_message().expect("whole") {
        let Body::BookTicker { update_id, bid, ask } = message.body else { continue };
        goes_back += u64::from(update_id < last);
        last = update_id;
        let (bid_px, ask_px) = (px_1e8(bid.0), px_1e8(ask.0));
        rows.push(format!("{update_id},{bid_px},{},{ask_px},{}", bid.1.0, ask.1.0));
    }
    assert_eq!(Some(rows.len() as u64), expected["bookTicker_rows"].as_u64());
    assert_eq!(Some(goes_back), expected["bookTicker_u_goes_back"].as_u64());
    let by_id: BTreeMap<u64, String> = rows
        .iter()
        .filter_map(|row| row.split_once(','))
        .map(|(id, rest)| (id.parse().expect("an id"), rest.to_owned()))
        .collect();
    assert_eq!(hash(rows), expected["bookTicker_sha256"].as_str().expect("text"));

    // Against the book after each depth event: the last touch at or before its update id.
    file.rewind().expect("a file can be rewound");
    let (mut book, mut states, mut equal) = (TreeBook::default(), 0_u64, 0_u64);
    while let Some(event) = file.next_event().expect("whole") {
        book.apply(&event);
        if event.flags & flag::COMPLETE != 0 {
            states += 1;
            let now = touch(&book).expect("both sides").map(|n| n.to_string()).join(",");
            let then = by_id.range(..=file.position()).next_back().map(|(_, row)| row);
            equal += u64::from(then == Some(&now));
        }
    }
    let versus = &expected["book_vs_bookTicker"];
    assert_eq!(Some(states), versus["states"].as_u64());
    assert_eq!(Some(equal), versus["bbo_with_qty_equal"].as_u64());
}

fn opened(folder: &TempDir, bytes: &[u8]) -> Result<BinanceFile, RecordingError> {
    let path = folder.path().join("recording");
    fs::write(&path, bytes).expect("the temporary folder is writable");
    BinanceFile::open(path)
}

fn events(bytes: &[u8]) -> (Vec<(u64, Event)>, Option<RecordingError>, BinanceFile) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut file = opened(&folder, bytes).expect("a recording");
    let mut events = Vec::new();
    loop {
        match file.next_event() {
            Ok(Some(event)) => events.push((file.position(), event)),
            Ok(None) => return (events, None, file),
            Err(error) => {
                assert!(file.next_event().expect("an error is told once").is_none());
                return (events, Some(error), file);
            }
        }
    }
}

const FUTURES: &str = r#"1700000000000000000 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000001,"T":1700000000000,"s":"BTCUSDT","U":90,"u":99,"pu":80,"b":[["1.0","1"]],"a":[]}}
1700000000000000001 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000002,"T":1700000000001,"s":"BTCUSDT","U":100,"u":110,"pu":99,"b":[["2.0","1"]],"a":[]}}
1700000000000000002 {"lastUpdateId":105,"E":1700000000002,"T":1700000000001,"bids":[["1.5","3"]],"asks":[["3","4"]]}
not a line of it
1700000000000000003 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000003,"T":1700000000002,"s":"BTCUSDT","U":120,"u":130,"pu":110,"b":[],"a":[]}}
1700000000000000004 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000004,"T":1700000000003,"s":"BTCUSDT","U":150,"u":160,"pu":140,"b":[["9","9"]],"a":[]}}
1700000000000000005 {"lastUpdateId":160,"E":1700000000004,"T":1700000000003,"bids":[["1","1"]],"asks":[["3","4"]]}
"#;

#[test]
fn futures_join_their_snapshot_and_a_hole_voids_the_book() {
    let (events, error, file) = events(FUTURES.as_bytes());
    assert!(error.is_none());
    let kinds: Vec<_> =
        events.iter().map(|(at, event)| (*at, event.kind().expect("ours"))).collect();
    let expected = [
        (99, Kind::Definition),
        (99, Kind::Info),
        (110, Kind::Info),
        (105, Kind::Clear),
        (105, Kind::Level),
        (105, Kind::Level),
        (110, Kind::Level),
        (130, Kind::Info),
        (160, Kind::Clear),
        (160, Kind::Gap),
        (160, Kind::Clear),
        (160, Kind::Level),
        (160, Kind::Level),
        (160, Kind::Level),
    ];
    assert_eq!(kinds, expected);
    let complete = |index: usize| events[index].1.flags & flag::COMPLETE != 0;
    assert_eq!((0..events.len()).filter(|&index| complete(index)).collect::<Vec<_>>(), [6, 7, 13]);
    assert_eq!((events[9].1.order_id, events[9].1.second_id), (131, 19));
    let facts = file.facts();
    assert_eq!((facts.sessions[0].gaps, facts.sessions[0].missing), (1, 19));
    assert_eq!(facts.skipped_by["line not of the format"], 1);
    assert_eq!(file.first_strange_line(), Some(4));
    assert_eq!((file.depth_applied(), file.depth_dropped()), (3, 1));
}

#[test]
fn a_file_cut_at_any_byte_gives_the_lines_before_the_cut() {
    let whole = FUTURES.as_bytes();
    let all = events(whole).0;
    for len in 22..whole.len() {
        let (events, error, _) = events(&whole[..len]);
        assert!(all.starts_with(&events), "cut after {len} bytes");
        let line_ends = whole[len - 1] == b'\n' || whole[len] == b'\n';
        let is_whole = line_ends || whole[..len].ends_with(b"line of it");
        let is_cut = matches!(error.as_ref().map(RecordingError::fault), Some(Fault::Cut(_)));
        // The line that is none is no cut where it ends, and one where it does not.
        assert!(is_cut || is_whole, "cut after {len} bytes: {error:?}");
    }
}

#[test]
fn a_touch_alone_is_the_book_and_beside_depth_it_is_not() {
    let ticker = r#"{"u":7,"s":"X","b":"1","B":"2","a":"3","A":"4"}"#;
    let line = format!("1700000000000000000 {ticker}\n");
    let (alone, ..) = events(line.as_bytes());
    let kinds: Vec<_> = alone.iter().map(|(_, event)| event.kind().expect("ours")).collect();
    assert_eq!(kinds, [Kind::Definition, Kind::Quote, Kind::Quote]);
    assert_eq!(alone[2].1.flags, flag::COMPLETE);
    let (beside, ..) = events(format!("{line}{FUTURES}").as_bytes());
    assert_eq!(beside[1].1.kind(), Some(Kind::Info));
}

proptest! {
    #[test]
    fn whatever_follows_a_good_line_is_no_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..FUTURES.len(),
        flip in any::<u8>(),
    ) {
        let mut bytes = FUTURES.as_bytes().to_vec();
        if at > 22 {
            bytes[at] ^= flip;
        }
        bytes.extend_from_slice(&tail);
        let folder = tempfile::tempdir().expect("temporary folder");
        if let Ok(mut file) = opened(&folder, &bytes) {
            while let Ok(Some(_)) = file.next_event() {}
            file.facts();
        }
    }
}

#[test]
fn the_file_is_found_by_its_content() {
    let Some(path) = data::path(SPOT) else { return };
    let file = tickspin_recording::open(&path).expect("a recording");
    assert_eq!(file.facts().container, "gzip, lines of json");
    let mut head = [0; 64];
    GzDecoder::new(fs::File::open(path).expect("readable")).read_exact(&mut head).expect("long");
    assert!(BinanceFile::claims(&head) && !BinanceFile::claims(&head[1..14]));
}
