//! The LOBSTER sample gives every expected number, and one step of a book made from it is the next
//! row of the order book file.

mod data;

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use tempfile::TempDir;
use tickspin_recording::lobster::{LobsterFile, Row};
use tickspin_recording::{EventReader, Fault, RecordingError, TreeBook};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const MESSAGES: &str = "lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv";
const BOOK: &str = "lobster/AAPL_2012-06-21_34200000_57600000_orderbook_10.csv";
const STOCK: InstrumentId = InstrumentId(0);

/// A row of the order book file as levels: price and size, asks and bids by turns, the best first.
fn levels(row: &str) -> Vec<(i64, u64)> {
    let numbers: Vec<i64> = row.split(',').map(|it| it.parse().expect("a number")).collect();
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1] as u64)).collect()
}

/// The book that a row shows, one order a level: its id is the price.
fn book_of(row: &str) -> TreeBook {
    let mut book = TreeBook::default();
    for (index, &(price, size)) in levels(row).iter().enumerate() {
        let side = if index % 2 == 0 { Side::Ask } else { Side::Bid };
        if size > 0 {
            book.apply(&Event {
                px: Px(price * Px::PER_1E4),
                qty: Qty(size),
                order_id: price as u64,
                instrument: STOCK,
                kind_side: Event::pack(Kind::Add, side),
                ..Event::EMPTY
            });
        }
    }
    book
}

/// One step: the message is about the level at its price, as a row has no orders.
fn step(book: &mut TreeBook, row: &Row) {
    let mut event = row.event();
    match event.kind() {
        Some(Kind::Add) => {
            let levels: Vec<_> = book.levels(STOCK, row.side).collect();
            let there = levels.iter().find(|(px, _)| *px == event.px).map_or(0, |(_, it)| it.qty);
            event.qty.0 += there;
            event.order_id = row.price_1e4 as u64;
            event.kind_side = Event::pack(Kind::Modify, row.side);
        }
        Some(Kind::Delete | Kind::Reduce | Kind::Execute) => {
            event.qty = Qty(row.size);
            event.order_id = row.price_1e4 as u64;
            event.kind_side = Event::pack(Kind::Reduce, row.side);
        }
        _ => return,
    }
    book.apply(&event);
}

#[test]
fn the_sample_gives_every_expected_number() {
    let Some(path) = data::path(MESSAGES) else { return };
    let json = data::path("expected/lobster_golden.json").expect("beside it");
    let expected: Value = serde_json::from_slice(&fs::read(json).expect("readable")).expect("JSON");
    let book_rows = fs::read_to_string(data::path(BOOK).expect("beside it")).expect("readable");
    let book_rows: Vec<&str> = book_rows.lines().collect();

    let mut file = LobsterFile::open(&path).expect("a recording");
    let mut rows = Vec::new();
    while let Some(row) = file.next_row().expect("whole, without its last newline") {
        rows.push(row);
    }
    let number = |name: &str| expected[name].as_u64().expect("a number");
    assert_eq!((rows.len() as u64, book_rows.len() as u64), (number("rows"), number("rows")));
    let facts = file.facts();
    assert_eq!(serde_json::json!(facts.by_type), expected["types"]);
    let shares = |kind| rows.iter().filter(|row| row.kind == kind).map(|row| row.size).sum::<u64>();
    assert_eq!(shares(4), number("visible_exec_shares"));
    assert_eq!(shares(5), number("hidden_exec_shares"));
    for (row, name) in [(rows.first(), "first"), (rows.last(), "last")] {
        let columns: Vec<&str> =
            expected[name].as_array().expect("a row").iter().filter_map(Value::as_str).collect();
        assert_eq!(row.copied(), Row::parse(columns.join(",").as_bytes()), "{name}");
    }

    let mut hash = Sha256::new();
    for (row, text) in rows.iter().zip(&book_rows) {
        let best = levels(text);
        let ((ask_px, ask), (bid_px, bid)) = (best[0], best[1]);
        hash.update(format!("{},{bid_px},{bid},{ask_px},{ask}\n", row.ns));
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, expected["l1_line_sha256"].as_str().expect("text"));

    let (mut equal, mut differs) = (0, 0);
    for (index, pair) in book_rows.windows(2).enumerate() {
        let mut book = book_of(pair[0]);
        step(&mut book, &rows[index + 1]);
        let [bid, ask] = book.best(STOCK).map(|best| best.map(|(px, it)| (px, it.qty)));
        let shown = levels(pair[1]);
        let best = |(price, size): (i64, u64)| Some((Px(price * Px::PER_1E4), size));
        match (ask, bid) == (best(shown[0]), best(shown[1])) {
            true => equal += 1,
            false => differs += 1,
        }
    }
    assert_eq!(equal, number("one_step_replay_best_level_equal"));
    assert_eq!(differs, number("one_step_replay_differs"));
}

#[test]
fn events_are_one_a_row_behind_the_definition() {
    let Some(path) = data::path(MESSAGES) else { return };
    let mut file = tickspin_recording::open(&path).expect("a recording");
    let mut book = TreeBook::default();
    let mut kinds = Vec::new();
    while let Some(event) = file.next_event().expect("whole") {
        assert_eq!(file.position() as usize, kinds.len().saturating_sub(1));
        book.apply(&event);
        kinds.push(event.kind().expect("ours"));
    }
    assert_eq!((kinds.len(), kinds[0]), (1_000, Kind::Definition));
    assert_eq!(file.symbols().name(STOCK), Some("AAPL"));
    assert!(book.unknown() > 0, "orders from before the recording");
    let facts = file.facts();
    assert_eq!((facts.container.as_str(), facts.reversals), ("plain, csv", 0));
    file.rewind().expect("a file can be rewound");
    let again: Vec<_> = std::iter::from_fn(|| file.next_event().expect("whole"))
        .filter_map(|it| it.kind())
        .collect();
    assert_eq!(again, kinds);
}

#[test]
fn the_order_book_file_is_refused_by_its_name() {
    let Some(path) = data::path(BOOK) else { return };
    let error = tickspin_recording::open(&path).err().expect("refused");
    let text = error.to_string();
    assert!(matches!(error.fault(), Fault::Foreign { .. }), "{text}");
    assert!(text.contains("LOBSTER order book file of 10 levels"), "{text}");
}

const SMALL: &str =
    "34200.1,1,7,18,5853300,1\n34200.2,3,7,18,5853300,1\nwhat\n34200.3,5,0,9,5853400,-1";

fn read(bytes: &[u8]) -> Result<(Vec<Event>, Option<RecordingError>, LobsterFile), RecordingError> {
    let folder: TempDir = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("recording");
    fs::write(&path, bytes).expect("the temporary folder is writable");
    let mut file = LobsterFile::open(path)?;
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
fn a_file_cut_at_any_byte_gives_the_rows_before_the_cut() {
    let (all, error, file) = read(SMALL.as_bytes()).expect("a recording");
    assert!(error.is_none() && all.len() == 4);
    assert_eq!((file.first_strange_line(), file.facts().skipped()), (Some(3), 1));
    assert_eq!(file.symbols().name(STOCK), Some("LOBSTER"));
    let mut opened = 0;
    for len in 1..SMALL.len() {
        let Ok((events, error, _)) = read(&SMALL.as_bytes()[..len]) else {
            assert!(len < SMALL.find('\n').expect("lines"), "cut after {len} bytes");
            continue;
        };
        opened += 1;
        assert!(all.starts_with(&events), "cut after {len} bytes");
        let ends = SMALL[len..].starts_with('\n') || SMALL[..len].ends_with('\n');
        let is_cut = matches!(error.as_ref().map(RecordingError::fault), Some(Fault::Cut(_)));
        assert!(is_cut || ends, "cut after {len} bytes: {error:?}");
    }
    assert!(opened > 50);
}

proptest! {
    #[test]
    fn whatever_follows_a_good_row_is_no_panic(tail in "[0-9,.\\-\n\r a]{0,200}", bytes in any::<Vec<u8>>()) {
        let mut file = format!("34200.1,1,7,18,5853300,1\n{tail}").into_bytes();
        file.extend(bytes);
        let (events, ..) = read(&file).expect("its first row is good");
        prop_assert!(events.len() >= 2);
    }
}
