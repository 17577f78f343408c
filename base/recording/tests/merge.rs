//! Several recordings as one stream: order, numbers, ids, books that are cleared, faults.

use std::collections::VecDeque;
use std::path::PathBuf;
use tickspin_recording::{
    EventReader, Facts, Fault, MergedFile, Protocol, RecordingError, Relation, Symbols,
};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const DAY_2024_NS: u64 = 1_715_126_400_000_000_000;

/// A recording in memory.
#[derive(Clone)]
struct Memory {
    events: Vec<Event>,
    left: VecDeque<Event>,
    symbols: Symbols,
    protocol: Protocol,
    /// After the last event an error, once.
    fails: bool,
}

impl EventReader for Memory {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        if self.left.is_empty() && std::mem::take(&mut self.fails) {
            let gone = tickspin_recording::open(std::path::Path::new("no such file"));
            return gone.map(|_| None);
        }
        Ok(self.left.pop_front())
    }
    fn rewind(&mut self) -> Result<(), RecordingError> {
        self.left = self.events.iter().copied().collect();
        Ok(())
    }
    fn position(&self) -> u64 {
        (self.events.len() - self.left.len()) as u64
    }
    fn facts(&self) -> Facts {
        let messages = self.events.len() as u64;
        Facts { protocol: self.protocol, messages, ..Facts::default() }
    }
    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

fn event(kind: Kind, at: u64, instrument: u16, order_id: u64) -> Event {
    Event {
        exchange_ns: at,
        order_id,
        second_id: 0,
        px: Px(100),
        qty: Qty(1),
        instrument: InstrumentId(instrument),
        kind_side: Event::pack(kind, Side::Bid),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

fn file(events: &[Event], names: &[(u16, &str)]) -> Memory {
    let mut symbols = Symbols::default();
    names.iter().for_each(|&(number, name)| symbols.learn(InstrumentId(number), name));
    let events = events.to_vec();
    let left = events.iter().copied().collect();
    Memory { events, left, symbols, protocol: Protocol::Dbn, fails: false }
}

fn merged(files: &[Memory], relation: Relation) -> MergedFile {
    let named = files.iter().enumerate().map(|(index, file)| {
        let reader: Box<dyn EventReader + Send> = Box::new(file.clone());
        (PathBuf::from(format!("file{index}")), reader)
    });
    MergedFile::new(named.collect(), relation).unwrap()
}

fn all(file: &mut MergedFile) -> Vec<Event> {
    std::iter::from_fn(|| file.next_event().unwrap()).collect()
}

#[test]
fn time_decides_ties_go_by_file_and_a_file_keeps_its_own_order() {
    let add = |at, id| event(Kind::Add, at, 0, id);
    let one = file(&[add(10, 1), add(5, 2), add(30, 3)], &[]);
    let two = file(&[add(7, 1), add(10, 2), add(20, 3)], &[]);
    let mut merged = merged(&[one, two], Relation::Separate);
    let seen: Vec<(u64, u64)> =
        all(&mut merged).iter().map(|e| (e.order_id >> 56, e.order_id & 0xFF)).collect();
    // The second event of file 0 ran backwards to 5: it stays behind the first.
    let expected = [(1, 1), (0, 1), (0, 2), (1, 2), (1, 3), (0, 3)];
    assert_eq!(seen, expected);
    assert_eq!(merged.position(), 5);
    merged.rewind().unwrap();
    let again: Vec<(u64, u64)> =
        all(&mut merged).iter().map(|e| (e.order_id >> 56, e.order_id & 0xFF)).collect();
    assert_eq!(again, expected);
    assert_eq!(merged.facts().messages, 6);
}

#[test]
fn separate_markets_share_neither_numbers_nor_ids_and_clear_only_their_own_books() {
    let mut replace = event(Kind::Replace, 3, 500, 9);
    replace.second_id = 10;
    let mut trade = event(Kind::Execute, 4, 500, 10);
    trade.second_id = 77;
    let clear = Event { instrument: InstrumentId::ALL, ..event(Kind::Clear, 5, 0, 0) };
    let one = file(&[event(Kind::Add, 1, 7, 9)], &[(7, "AAPL")]);
    let two = file(
        &[event(Kind::Add, 2, 500, 9), replace, trade, event(Kind::Add, 4, 2, 1), clear],
        &[(500, "AAPL"), (2, "MSFT")],
    );
    let mut merged = merged(&[one, two], Relation::Separate);
    let events = all(&mut merged);
    let numbers: Vec<u16> = events.iter().map(|event| event.instrument.0).collect();
    assert_eq!(numbers, [0, 1, 1, 1, 2, 2, 1]);
    let top = 1 << 56;
    assert_eq!((events[1].order_id, events[0].order_id), (top | 9, 9));
    assert_eq!((events[2].order_id, events[2].second_id), (top | 9, top | 10));
    assert_eq!((events[3].order_id, events[3].second_id), (top | 10, 77), "a match number stays");
    let clears: Vec<(Option<Kind>, u8)> =
        events[5..].iter().map(|event| (event.kind(), event.flags)).collect();
    assert_eq!(clears, [(Some(Kind::Clear), 0), (Some(Kind::Clear), flag::COMPLETE)]);
    assert_eq!(merged.symbols().name(InstrumentId(0)), Some("AAPL"));
    assert_eq!(merged.symbols().name(InstrumentId(1)), Some("AAPL"));
    assert_eq!(merged.symbols().name(InstrumentId(2)), Some("MSFT"));
}

#[test]
fn parts_of_one_recording_go_on_where_the_last_one_ended() {
    let clear = Event { instrument: InstrumentId::ALL, ..event(Kind::Clear, 2, 0, 0) };
    let one = file(&[event(Kind::Add, 1, 0, u64::MAX), clear], &[(0, "A")]);
    let two = file(
        &[event(Kind::Add, 3, 0, 5), event(Kind::Delete, 4, 1, u64::MAX)],
        &[(0, "B"), (1, "A")],
    );
    let mut joined = merged(&[one.clone(), two.clone()], Relation::Parts);
    let seen: Vec<(u16, u64)> =
        all(&mut joined).iter().map(|event| (event.instrument.0, event.order_id)).collect();
    assert_eq!(seen, [(0, u64::MAX), (InstrumentId::ALL.0, 0), (1, 5), (0, u64::MAX)]);
    let itch = |file: Memory| Memory { protocol: Protocol::Itch50, ..file };
    let mut joined = merged(&[itch(one.clone()), itch(two.clone())], Relation::Parts);
    let numbers: Vec<u16> = all(&mut joined).iter().map(|event| event.instrument.0).collect();
    assert_eq!(numbers, [0, InstrumentId::ALL.0, 0, 1], "the venue's own numbers");
    let error = merged(&[one, itch(two)], Relation::Parts).next_event().unwrap_err();
    assert!(error.to_string().contains("file1: ") && error.to_string().contains("part"), "{error}");
}

#[test]
fn what_cannot_be_merged_is_refused_by_name() {
    let since_1970 = file(&[event(Kind::Add, DAY_2024_NS, 0, 1)], &[]);
    let since_midnight = file(&[event(Kind::Add, 34_200_000_000_000, 0, 1)], &[]);
    let mut mixed = merged(&[since_1970, since_midnight], Relation::Separate);
    let error = mixed.next_event().unwrap_err();
    assert!(matches!(error.fault(), Fault::Foreign { .. }));
    let line = error.to_string();
    assert!(line.contains("file1: ") && line.contains("from midnight"), "{line}");
    assert!(mixed.next_event().unwrap().is_none(), "told once");

    let unreadable = Memory { fails: true, ..file(&[], &[]) };
    let since_1970 = file(&[event(Kind::Add, DAY_2024_NS, 0, 1)], &[]);
    let since_midnight = file(&[event(Kind::Add, 34_200_000_000_000, 0, 1)], &[]);
    let mut mixed = merged(&[unreadable, since_1970, since_midnight], Relation::Separate);
    assert!(mixed.next_event().unwrap_err().to_string().contains("from midnight"));
    assert!(mixed.next_event().unwrap().is_none(), "and what a file kept for the end no more");

    let large = file(&[event(Kind::Add, 1, 0, 1 << 56)], &[]);
    let small = file(&[event(Kind::Add, 2, 0, 1)], &[]);
    let error = merged(&[small, large], Relation::Separate).next_event().unwrap_err();
    assert!(error.to_string().contains("top byte"), "{error}");
}

#[test]
fn more_instruments_than_numbers_are_counted_and_left_out() {
    let events: Vec<Event> =
        (0..40_000).map(|n| event(Kind::Add, u64::from(n), n, u64::from(n))).collect();
    let files = [file(&events, &[]), file(&events, &[])];
    let mut merged = merged(&files, Relation::Separate);
    assert_eq!(all(&mut merged).len(), 65_535);
    assert_eq!(merged.facts().skipped(), 80_000 - 65_535);
}
