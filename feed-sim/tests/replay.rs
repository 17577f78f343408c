//! Recorded files as a source: times, touches, rounds, faults.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tickspin_feed_sim::source::replay::{Replay, ReplaySpec};
use tickspin_feed_sim::source::{Due, Source, Tick, Touch};
use tickspin_recording::place::Place;
use tickspin_recording::{EventReader, Facts, ItchFile, RecordingError, Symbols, TreeBook};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// A recording in memory.
struct Memory {
    events: Vec<Event>,
    left: VecDeque<Event>,
    symbols: Symbols,
}

impl EventReader for Memory {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
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
        let mut facts = Facts::default();
        facts.skipped_by.insert("planted", 2);
        facts
    }
    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

fn replay(times: &[u64], spec: ReplaySpec) -> Replay {
    replay_of(times, 0, spec)
}

/// Adds; before `open_ns` messages about the venue.
fn replay_of(times: &[u64], open_ns: u64, spec: ReplaySpec) -> Replay {
    let kind = |at: u64| if at < open_ns { Kind::System } else { Kind::Add };
    let event = |(id, &exchange_ns): (usize, &u64)| Event {
        exchange_ns,
        order_id: id as u64 + 1,
        px: Px(100 + id as i64),
        qty: Qty(1),
        instrument: InstrumentId(5),
        kind_side: Event::pack(kind(exchange_ns), Side::Bid),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    };
    let events: Vec<Event> = times.iter().enumerate().map(event).collect();
    let left = events.iter().copied().collect();
    Replay::new(
        Box::new(Memory { events, left, symbols: Symbols::default() }),
        "memory".to_owned(),
        spec,
    )
}

fn take(replay: &mut Replay, most: usize) -> Vec<Tick> {
    std::iter::from_fn(|| replay.next_tick().unwrap()).take(most).collect()
}

fn offsets(ticks: &[Tick]) -> Vec<Option<u64>> {
    let offset = |tick: &Tick| match tick.due {
        Due::AtOnce => None,
        Due::After(ns) => Some(ns),
    };
    ticks.iter().map(offset).collect()
}

#[test]
fn the_pace_is_the_recorded_one_and_reversals_are_clamped() {
    let mut replay = replay(&[1_000, 1_500, 1_200, 3_000], ReplaySpec::default());
    let ticks = take(&mut replay, 99);
    assert_eq!(offsets(&ticks), [Some(0), Some(500), Some(500), Some(2_000)]);
    let times: Vec<u64> = ticks.iter().map(|tick| tick.event.exchange_ns).collect();
    assert_eq!(times, [1_000, 1_500, 1_500, 3_000]);
    assert_eq!((replay.facts().reversals, replay.facts().skipped), (1, 2));
}

#[test]
fn what_lies_before_from_is_due_at_once() {
    let spec = ReplaySpec { from: Some(Place::Ns(1_500)), ..ReplaySpec::default() };
    let ticks = take(&mut replay(&[1_000, 1_400, 1_600, 3_000], spec), 99);
    assert_eq!(offsets(&ticks), [None, None, Some(0), Some(1_400)]);
    assert_eq!(ticks[2].touch.bid, Px(102), "the book was built all the way");
}

#[test]
fn both_ends_are_times_or_messages_and_what_begins_at_the_end_does_not_belong() {
    let times = [1_000, 1_400, 1_600, 3_000, 3_500];
    let spec = |from, to| ReplaySpec { from, to, ..ReplaySpec::default() };
    for (from, to, expected) in [
        (None, Some(Place::Ns(3_000)), &[Some(0), Some(400), Some(600)][..]),
        (Some(Place::Ns(1_400)), Some(Place::Ns(1_600)), &[None, Some(0)]),
        // The reader here numbers its messages from 1.
        (Some(Place::Index(3)), Some(Place::Index(5)), &[None, None, Some(0), Some(1_400)]),
        (Some(Place::TimeOfDay(1_600)), None, &[None, None, Some(0), Some(1_400), Some(1_900)]),
        (None, Some(Place::Ns(1)), &[]),
    ] {
        let ticks = take(&mut replay(&times, spec(from, to)), 99);
        assert_eq!(offsets(&ticks), expected, "{from:?} {to:?}");
    }
    // A date means nothing where times count from midnight.
    let error = replay(&times, spec(Some(Place::Date(5)), None)).next_tick().unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let line = error.to_string();
    assert!(line.starts_with("from") && line.contains("midnight"), "{line}");
}

#[test]
fn a_round_that_ends_early_begins_again_where_it_ended() {
    for keep_max in [99, 1] {
        let to = Some(Place::Ns(3_000));
        let spec = ReplaySpec { is_loop: true, keep_max, to, ..ReplaySpec::default() };
        let ticks = take(&mut replay(&[1_000, 1_500, 4_000], spec), 8);
        let expected = [0, 500, 500, 500, 500, 1_000, 1_000, 1_000];
        assert_eq!(offsets(&ticks), expected.map(Some), "keep {keep_max}");
    }
}

#[test]
fn only_the_wanted_instruments_pass_and_the_recorded_pace_stays() {
    for keep_max in [99, 1] {
        let event = |at: u64, instrument: u16| Event {
            exchange_ns: at,
            order_id: at,
            px: Px(100),
            qty: Qty(1),
            instrument: InstrumentId(instrument),
            kind_side: Event::pack(Kind::Add, Side::Bid),
            flags: flag::COMPLETE,
            ..Event::EMPTY
        };
        let mut symbols = Symbols::default();
        symbols.learn(InstrumentId(5), "AAPL");
        symbols.learn(InstrumentId(6), "MSFT");
        let system =
            Event { kind_side: Event::pack(Kind::System, Side::None), ..event(2, u16::MAX) };
        let events =
            vec![event(1, 6), system, event(10, 5), event(20, 6), event(30, 5), event(90, 6)];
        let left = events.iter().copied().collect();
        let symbols_wanted = vec!["AAPL".to_owned(), "TSLA".to_owned()];
        let spec = ReplaySpec {
            symbols: symbols_wanted,
            is_loop: true,
            keep_max,
            ..ReplaySpec::default()
        };
        let memory = Memory { events, left, symbols };
        let mut replay = Replay::new(Box::new(memory), "memory".to_owned(), spec);
        let ticks = take(&mut replay, 8);
        let seen: Vec<u16> = ticks.iter().map(|tick| tick.event.instrument.0).collect();
        const ALL: u16 = u16::MAX;
        assert_eq!(seen, [ALL, 5, 5, ALL, ALL, ALL, 5, 5], "keep {keep_max}");
        // The round ends with the recording, not with the last event that passed.
        let expected = [None, Some(0), Some(20), Some(80), Some(80), None, Some(80), Some(100)];
        assert_eq!(offsets(&ticks), expected, "keep {keep_max}");
        assert_eq!(replay.facts().notes, ["--symbols: what was played has no TSLA"]);
    }
}

#[test]
fn the_same_events_come_at_any_speed() {
    use tickspin_feed_sim::ahead::{Ahead, Limits, Preparer, Room};
    use tickspin_feed_sim::pace::{AT_ONCE, Scale, Speed};
    use tickspin_host::clock::Clock;
    let Some(path) = data("itch/aapl_20190130_first3000.itch50") else { return };
    let events = |speed| {
        let spec =
            ReplaySpec { from: Some(Place::TimeOfDay(34_200_000_000_000)), ..Default::default() };
        let source =
            Source::Replay(Box::new(Replay::open(std::slice::from_ref(&path), spec).unwrap()));
        let scale = Scale::new(Clock::with_frequency(1_000_000_000), speed);
        let preparer = Preparer::new(source, scale, Limits { warm_up: 7, ..Limits::default() });
        let ahead = Ahead::new(preparer, Room::of(4_096)).unwrap();
        (0..ahead.len()).map(|n| *ahead.get(n).unwrap()).collect::<Vec<_>>()
    };
    let (fast, ten, one) =
        (events(Speed::Max), events(Speed::Times(10.0)), events(Speed::Times(1.0)));
    assert_eq!((fast.len(), ten.len()), (3_000, 3_000));
    assert!(fast.iter().zip(&ten).all(|(a, b)| (a.event, a.touch) == (b.event, b.touch)));
    for (ten, one) in ten.iter().zip(&one).filter(|(ten, _)| ten.offset != AT_ONCE) {
        assert!(one.offset.abs_diff(ten.offset * 10) <= 10, "{} {}", one.offset, ten.offset);
    }
}

#[test]
fn a_rate_replaces_the_recorded_pace() {
    let spec = ReplaySpec { rate: Some(1e6), ..ReplaySpec::default() };
    let ticks = take(&mut replay(&[0, 5, 900, 900, 1_000_000], spec), 99);
    assert_eq!(offsets(&ticks), [0, 1_000, 2_000, 3_000, 4_000].map(Some));
}

#[test]
fn each_round_begins_with_a_clear_and_goes_on_in_time_from_memory_and_file_alike() {
    for keep_max in [99, 1] {
        let spec = ReplaySpec { is_loop: true, keep_max, ..ReplaySpec::default() };
        let mut replay = replay(&[1_000, 1_500, 4_000], spec);
        let ticks = take(&mut replay, 13);
        assert_eq!(replay.is_in_memory(), keep_max == 99);
        let kinds: Vec<_> = ticks.iter().map(|tick| tick.event.kind().unwrap()).collect();
        use Kind::{Add, Clear, SessionStart};
        let round = [Clear, SessionStart, Add, Add, Add];
        assert_eq!(kinds, [&[Add; 3][..], &round, &round].concat(), "keep {keep_max}");
        let expected = [0, 500, 3_000, 3_000, 3_000, 3_000, 3_500, 6_000, 6_000, 6_000, 6_000];
        assert_eq!(offsets(&ticks[..11]), expected.map(Some));
        let times: Vec<u64> = ticks.iter().map(|tick| tick.event.exchange_ns).collect();
        assert_eq!(times[..8], [1_000, 1_500, 4_000, 4_000, 4_000, 4_000, 4_500, 7_000]);
        assert!(times.is_sorted());
        // The book begins anew: after a round's first add there is one order.
        assert_eq!((ticks[5].touch.bid, ticks[5].event.order_id), (Px(100), 1));
        assert_eq!(ticks[3].event.instrument, InstrumentId::ALL);
        assert_eq!(ticks[4].event.order_id.to_le_bytes(), *b"00000001");
        assert_eq!(
            (ticks[9].event.order_id.to_le_bytes(), ticks[9].event.second_id),
            (*b"00000002", 1)
        );
    }
}

#[test]
fn what_comes_before_the_first_order_is_not_sat_through_in_any_round() {
    for keep_max in [99, 1] {
        let spec = ReplaySpec { is_loop: true, keep_max, ..ReplaySpec::default() };
        let mut replay = replay_of(&[1_000, 30_000, 31_000, 34_000], 31_000, spec);
        let ticks = take(&mut replay, 10);
        let round = [None, None, Some(3_000), Some(6_000)];
        assert_eq!(offsets(&ticks[..4]), [None, None, Some(0), Some(3_000)]);
        assert_eq!(offsets(&ticks[6..]), round, "keep {keep_max}");
        let times: Vec<u64> = ticks.iter().map(|tick| tick.event.exchange_ns).collect();
        let expected =
            [1_000, 30_000, 31_000, 34_000, 34_000, 34_000, 34_000, 34_000, 34_000, 37_000];
        assert_eq!(times, expected, "keep {keep_max}");
    }
}

#[test]
fn a_loop_over_nothing_to_pace_ends() {
    let spec = ReplaySpec { is_loop: true, from: Some(Place::Ns(9_999)), ..ReplaySpec::default() };
    assert_eq!(take(&mut replay(&[1, 2, 3], spec), 99).len(), 3);
    let spec = ReplaySpec { is_loop: true, ..ReplaySpec::default() };
    assert_eq!(take(&mut replay(&[], spec), 99).len(), 0);
}

fn data(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = std::env::var("TICKSPIN_DATA").unwrap_or_else(|_| default.to_owned());
    let path = Path::new(&root).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").is_err(), "{}: missing, and CI is set", path.display());
    eprintln!("SKIPPED: {} is not here; TICKSPIN_DATA names the folder", path.display());
    None
}

#[test]
fn touches_over_a_real_morning_are_those_of_an_independent_reader() {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    let Some(path) = data("itch/aapl_20190130_first3000.itch50") else { return };
    let mut replay = Replay::open(std::slice::from_ref(&path), ReplaySpec::default()).unwrap();
    let mut file = ItchFile::open(&path).unwrap();
    let mut book = TreeBook::default();
    let (mut lines, mut last, mut rows) = (String::new(), String::new(), 0);
    for index in 0.. {
        let Some(event) = file.next_event().unwrap() else { break };
        let tick = replay.next_tick().unwrap().expect("one tick a message");
        assert_eq!(tick.event.kind_side, event.kind_side);
        book.apply(&event);
        let [bid, ask] = book.best(event.instrument);
        let px = |best: Option<(Px, _)>| best.map_or(Px::NONE, |(px, _)| px);
        assert_eq!(tick.touch, Touch { bid: px(bid), ask: px(ask) }, "message {index}");
        if event.kind_side & 0x3F > Kind::Quote as u8 {
            continue;
        }
        let mut values = String::new();
        for side in [bid, ask] {
            let (px, level) =
                side.map_or((0, Default::default()), |(px, level)| (px.to_1e4().unwrap(), level));
            write!(values, ",{px},{},{}", level.qty, level.orders).unwrap();
        }
        if values != last {
            writeln!(lines, "{index},{}{values}", event.exchange_ns).unwrap();
            last = values;
            rows += 1;
        }
    }
    assert!(replay.next_tick().unwrap().is_none());
    let hex: String = Sha256::digest(&lines).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(rows, 1_154);
    assert_eq!(hex, "9158bd6dccbb239ce1d1b760ef2a4f5ab093bf18eebb97367f2170e86e2cc619");
}

#[test]
fn a_cut_file_gives_what_is_whole_and_then_says_where() {
    let Some(path) = data("itch/aapl_20190130_first3000.itch50") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.itch50");
    std::fs::write(&cut, &std::fs::read(path).unwrap()[..50_001]).unwrap();
    let mut source = Source::Replay(Box::new(Replay::open(&[cut], ReplaySpec::default()).unwrap()));
    let mut count = 0;
    let error = loop {
        match source.next_tick() {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("the cut went unnoticed"),
            Err(error) => break error,
        }
    };
    assert!(count > 1_000, "{count}");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("cut.itch50: cut inside record"), "{error}");
}

#[test]
fn a_snapshot_is_delivered_at_once_whatever_its_times() {
    let event = |order_id, exchange_ns, flags| Event {
        exchange_ns,
        order_id,
        px: Px(100),
        qty: Qty(1),
        instrument: InstrumentId(5),
        kind_side: Event::pack(Kind::Add, Side::Bid),
        flags,
        ..Event::EMPTY
    };
    let events = vec![
        event(1, 10, flag::SNAPSHOT),
        event(2, 7_000_000_000, flag::SNAPSHOT | flag::COMPLETE),
        event(3, 90_000_000_000, flag::COMPLETE),
        event(4, 90_000_000_500, flag::COMPLETE),
    ];
    let left = events.iter().copied().collect();
    let memory = Memory { events, left, symbols: Symbols::default() };
    let mut replay = Replay::new(Box::new(memory), "memory".to_owned(), ReplaySpec::default());
    assert_eq!(offsets(&take(&mut replay, 9)), [None, None, Some(0), Some(500)]);
}
