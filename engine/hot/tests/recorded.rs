//! Real recordings: after every message the book stands where the naive one stands.

mod common;

use common::{Memory, lines};
use std::path::PathBuf;
use tickspin_hot::book::BookSize;
use tickspin_hot::decode::check;
use tickspin_testkit::twin::Twin;
use tickspin_wire::binaryfile::{Framing, PREFIX_BYTES, Step};
use tickspin_wire::event::Event;
use tickspin_wire::normalize::itch_event;
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// A recording, or `None` where the data folder is missing; with `CI=true` that is a failure.
fn recording(name: &str) -> Option<Vec<u8>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("TICKSPIN_DATA").map_or(default.into(), PathBuf::from);
    let path = folder.join("itch").join(name);
    if path.exists() {
        return Some(std::fs::read(path).expect("readable"));
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", path.display());
    println!("skipped: {} is missing", path.display());
    None
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let mut framing = Framing::new();
    let mut rest = bytes;
    let mut events = Vec::new();
    while let Step::Record(record) = framing.step(rest) {
        events.push(itch_event(record).expect("a whole message"));
        rest = &rest[PREFIX_BYTES + record.len()..];
    }
    framing.finish(rest).expect("a whole file");
    events
}

fn agree(name: &str) {
    let Some(bytes) = recording(name) else { return };
    let events = events(&bytes);
    assert!(!events.is_empty(), "{name}");
    let size = BookSize { instruments: 65_535, orders: 1 << 18, levels: 1 << 16 };
    let mut memory = Memory::new(size);
    let mut book = memory.book();
    let mut twin = Twin::new();
    let best = |twin: &Twin, instrument, side| {
        twin.best(instrument, side).map_or((Px::NONE, Qty(0)), |(px, qty, _)| (px, qty))
    };
    for (at, event) in events.iter().enumerate() {
        let change = book.apply(&check(*event).expect("a good event"));
        twin.apply(event);
        let instrument = change.instrument;
        if instrument != InstrumentId::ALL {
            let top = book.top(instrument);
            let message = at + 1;
            assert_eq!((top.bid, top.bid_qty), best(&twin, instrument, Side::Bid), "{message}");
            assert_eq!((top.ask, top.ask_qty), best(&twin, instrument, Side::Ask), "{message}");
        }
    }
    let (stats, counts) = (book.stats(), twin.counts());
    assert_eq!(lines(&book), twin.lines(), "{name}");
    assert_eq!(stats.unknown, counts.unknown_orders);
    assert_eq!(stats.duplicate, counts.duplicate_orders);
    assert_eq!(stats.over_taken, counts.excess);
    assert_eq!(stats.refused(), counts.malformed);
    assert_eq!(stats.orders, twin.open_orders() as u64);
}

#[test]
fn apple_as_cut_from_the_middle_of_a_day() {
    agree("aapl_20190130_first3000.itch50");
}

#[test]
fn the_head_of_a_nasdaq_day() {
    agree("nasdaq_day_head_1000.itch50");
}

#[test]
fn samples_of_three_venues() {
    for venue in ["nasdaq", "bx", "psx"] {
        agree(&format!("{venue}_20230822.itch50"));
    }
}
