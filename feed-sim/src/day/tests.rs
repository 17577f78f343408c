//! A synthetic day: same seed same bytes, its mix, its books, its file.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use tickspin_recording::TreeBook;
use tickspin_wire::binaryfile::Records;
use tickspin_wire::normalize::itch_event;
use tickspin_wire::num::InstrumentId;

fn bytes(spec: DaySpec) -> (Vec<u8>, DayFacts) {
    let mut day = Day::new(spec).unwrap();
    let mut all = Vec::new();
    let mut chunk = Vec::new();
    while day.fill(&mut chunk, 10_000) {
        all.append(&mut chunk);
    }
    (all, day.facts().clone())
}

const SMALL: DaySpec = DaySpec { seed: 7, instruments: 50, messages: 100_000 };

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let (one, _) = bytes(SMALL);
    let hash: String = Sha256::digest(&one).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "58948c5103726c691739650fa3c17a2a3de4c2be60b3d1e5b385ccdeecb1c616");
    assert_ne!(one, bytes(DaySpec { seed: 8, ..SMALL }).0);
}

#[test]
fn chunks_of_any_size_make_the_same_day() {
    let mut day = Day::new(SMALL).unwrap();
    let mut whole = Vec::new();
    assert!(day.fill(&mut whole, usize::MAX));
    assert!(!day.fill(&mut whole, usize::MAX));
    assert_eq!(whole, bytes(SMALL).0);
}

#[test]
fn a_day_is_consistent_with_its_own_book() {
    let (all, facts) = bytes(SMALL);
    let mut book = TreeBook::default();
    let mut kinds: HashMap<u8, u64> = HashMap::new();
    let (mut last_ns, mut messages) = (0, 0);
    for record in Records::new(&all) {
        let record = record.unwrap();
        let event = itch_event(record).unwrap();
        assert!(event.exchange_ns >= last_ns, "time runs forwards");
        last_ns = event.exchange_ns;
        let before = book.open_orders();
        book.apply(&event);
        let change = book.open_orders() as i64 - before as i64;
        match record[0] {
            b'A' | b'F' => assert_eq!(change, 1),
            b'D' => assert_eq!(change, -1),
            b'E' | b'C' => assert!(change == 0 || change == -1),
            _ => assert_eq!(change, 0),
        }
        if event.instrument != InstrumentId::ALL
            && let [Some((bid, _)), Some((ask, _))] = book.best(event.instrument)
        {
            assert!(bid.0 < ask.0, "locked or crossed after {messages}");
        }
        *kinds.entry(record[0]).or_default() += 1;
        messages += 1;
    }
    assert_eq!(messages, SMALL.messages);
    assert_eq!(facts.messages, messages);
    assert_eq!(book.unknown(), 0, "no event is about an order that is not there");
    assert_eq!(book.open_orders() as u64, facts.live);
    assert_eq!(book.open_orders_peak() as u64, facts.live_peak);
    for (kind, count) in kinds {
        assert_eq!(facts.by_type[usize::from(kind)], count);
    }
}

#[test]
fn the_mix_and_the_number_of_live_orders_are_those_of_the_document() {
    let spec = DaySpec { seed: 1, instruments: 200, messages: 400_000 };
    let (_, facts) = bytes(spec);
    let share = |kinds: &[u8]| {
        let count: u64 = kinds.iter().map(|&kind| facts.by_type[usize::from(kind)]).sum();
        100.0 * count as f64 / facts.messages as f64
    };
    for (kinds, percent, within) in [
        (&b"AF"[..], 45.0, 2.5),
        (b"D", 40.0, 2.5),
        (b"U", 8.0, 0.5),
        (b"EC", 4.0, 0.5),
        (b"X", 2.0, 0.5),
        (b"P", 1.0, 0.5),
    ] {
        let share = share(kinds);
        assert!((share - percent).abs() < within, "{}: {share} %", kinds.escape_ascii());
    }
    assert_eq!((facts.by_type[usize::from(b'R')], facts.by_type[usize::from(b'H')]), (200, 200));
    assert_eq!(facts.by_type[usize::from(b'S')], 6);
    assert!((10_000..14_000).contains(&facts.live_peak), "{}", facts.live_peak);
}

#[test]
fn a_day_too_small_for_its_stocks_is_none() {
    let least = DaySpec { messages: SMALL.messages_min(), ..SMALL };
    assert_eq!(bytes(least).1.messages, least.messages);
    assert!(Day::new(DaySpec { messages: least.messages - 1, ..SMALL }).is_none());
    assert!(Day::new(DaySpec { instruments: 0, ..SMALL }).is_none());
    assert!(Day::new(DaySpec { instruments: u16::MAX, ..SMALL }).is_none());
}
