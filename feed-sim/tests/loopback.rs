//! The pinned loop against an engine written by hand, in this process, through real rings.

mod rig;

use rig::{Rig, new_order};
use std::time::Duration;
use tickspin_feed_sim::args::Flags;
use tickspin_feed_sim::control::Order;
use tickspin_feed_sim::source::Source;
use tickspin_feed_sim::source::replay::{Replay, ReplaySpec};
use tickspin_feed_sim::spin::Ended;
use tickspin_ring::State;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Side};
use tickspin_wire::order::{Reason, ReportKind};

fn flags(speed: &str, count: i64) -> Flags {
    let speed = Some(speed.to_owned());
    Flags { speed, count: Some(count), ..Flags::default() }
}

#[test]
fn a_recorded_file_goes_through_the_ring_message_by_message() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = std::env::var("TICKSPIN_DATA").unwrap_or_else(|_| default.to_owned());
    let path = std::path::Path::new(&root).join("itch/nasdaq_20230822.itch50");
    if !path.exists() {
        assert!(std::env::var("CI").is_err(), "{}: missing, and CI is set", path.display());
        eprintln!("SKIPPED: {} is not here; TICKSPIN_DATA names the folder", path.display());
        return;
    }
    let source = Source::Replay(Box::new(
        Replay::open(std::slice::from_ref(&path), ReplaySpec::default()).unwrap(),
    ));
    let flags = Flags { speed: Some("max".into()), warm_up: Some(7), ..Flags::default() };
    let mut rig = Rig::with_source(&flags, source);
    let mut events = rig.take_until_end();
    let left = rig.finish();
    assert!(matches!(left.outcome.ended, Ended::Stream), "{:?}", left.outcome.ended);
    assert_eq!(events.pop().unwrap().kind(), Some(Kind::End));

    let mut file = tickspin_recording::ItchFile::open(&path).unwrap();
    for (index, event) in events.iter().enumerate() {
        let recorded = file.next_event().unwrap().expect("no event that was not recorded");
        let content = |event: &Event| (event.kind_side, event.order_id, event.px, event.qty);
        assert_eq!(content(event), content(&recorded));
        assert_eq!(event.is_warm_up(), index < 7);
        assert!(event.sent_ticks > 0);
    }
    assert!(file.next_event().unwrap().is_none(), "all of the file came");
    let sink = left.outcome.sink;
    assert_eq!((sink.published, sink.warm_up, sink.dropped), (events.len() as u64, 7, 0));
    assert_eq!(left.lag.count(), sink.published - 7);
    assert_eq!(left.states, (Some(State::Halt), Some(State::Halt)));
}

/// Far more than leaves in time: nearly all of it goes in batches, and each event of one knows its
/// own instant.
#[test]
fn events_that_are_due_at_once_keep_order_and_their_own_instants() {
    let rate = Some(50_000_000.0);
    let mut rig = Rig::new(&Flags { rate, ring_slots: Some(64), ..flags("1", 20_000) });
    let mut events = rig.take_until_end();
    let left = rig.finish();
    assert_eq!(events.pop().unwrap().kind(), Some(Kind::End));
    assert_eq!(events.len(), 20_000);
    // The preface is due at once; the flow behind it has a schedule.
    events.retain(|event| !event.is_warm_up() && event.kind() != Some(Kind::Definition));
    let instants: Vec<u64> =
        events.iter().map(|event| event.sent_ticks - u64::from(event.lag_ticks)).collect();
    let clock = tickspin_host::clock::Clock::calibrate(Duration::from_millis(20)).unwrap();
    let paced = events.len() - events.len() / 2;
    let (first, last) = (events[paced], events[events.len() - 1]);
    let span = clock.ns(instants[events.len() - 1] - instants[paced]);
    assert!(span.abs_diff(last.exchange_ns - first.exchange_ns) < 1_000, "{span}");
    assert!(instants[paced..].is_sorted(), "the schedule goes on, however late events leave");
    assert!(events.is_sorted_by_key(|event| event.sent_ticks));
    assert_eq!(left.lag.count(), left.outcome.sink.published - left.outcome.sink.warm_up);
}

#[test]
fn at_full_speed_batches_keep_order_and_count() {
    let mut rig = Rig::new(&Flags { ring_slots: Some(64), ..flags("max", 50_000) });
    let events = rig.take_until_end();
    let left = rig.finish();
    assert_eq!(events.len(), 50_001);
    assert!(events.is_sorted_by_key(|event| event.sent_ticks));
    assert_eq!((left.outcome.sink.published, left.outcome.sink.dropped), (50_000, 0));
    assert!(left.outcome.full_turns > 0, "64 slots were never full");
}

#[test]
fn a_slow_engine_shows_as_lag_of_the_events_behind_it() {
    let rate = Some(100_000.0);
    let flags = Flags { rate, ring_slots: Some(16), warm_up: Some(0), ..flags("1", 3_000) };
    let mut rig = Rig::new(&flags);
    let mut events = Vec::new();
    while events.len() < 1_000 {
        events.push(rig.take());
    }
    // The engine is away for 50 ms, some 5,000 arrivals; the ring holds 16.
    std::thread::sleep(Duration::from_millis(50));
    events.extend(rig.take_until_end());
    let clock = rig.clock;
    let left = rig.finish();
    assert_eq!(events.len(), 3_001, "nothing is lost");
    let late = |event: &&Event| clock.ns(event.lag_ticks.into()) > 20_000_000;
    let count = events.iter().filter(late).count();
    assert!(count > 1_000, "{count} events know that they were late");
    // The schedule did not move: intended instants are those of the arrivals.
    let paced: Vec<_> = events.iter().filter(|event| !event.is_warm_up()).collect();
    let span = paced[paced.len() - 1].intended_ticks() - paced[0].intended_ticks();
    let span_ms = clock.ns(span) / 1_000_000;
    assert!((24..36).contains(&span_ms), "2,920 arrivals at 100,000 a second in {span_ms} ms");
    let recorded = left.lag.values().filter(|(ns, _)| *ns > 20_000_000);
    assert!(recorded.map(|(_, count)| count).sum::<u64>() >= count as u64);
    assert!(left.outcome.full_turns > 0);
}

#[test]
fn what_is_dropped_is_counted_and_told() {
    let policy = Some(tickspin_feed_sim::args::PolicyName::Drop);
    let flags = Flags { policy, ring_slots: Some(64), ..flags("max", 20_000) };
    let mut rig = Rig::new(&flags);
    let mut events = Vec::new();
    loop {
        // Slower than the feed.
        std::thread::sleep(Duration::from_micros(20));
        let some: Vec<Event> = (0..16).map_while(|_| rig.try_take()).collect();
        events.extend(some);
        if events.last().is_some_and(|event| event.kind() == Some(Kind::End)) {
            break;
        }
    }
    let left = rig.finish();
    let sink = left.outcome.sink;
    assert!(sink.dropped > 0, "{sink:?}");
    // Published = delivered; offered = published + dropped, gaps and end aside.
    assert_eq!(sink.published, events.len() as u64 - 1);
    assert_eq!(sink.published - sink.gaps + sink.dropped, 20_000);
    let gaps: Vec<_> = events.iter().filter(|event| event.kind() == Some(Kind::Gap)).collect();
    assert_eq!(gaps.len() as u64, sink.gaps);
    assert_eq!(gaps.iter().map(|gap| gap.second_id).sum::<u64>(), sink.dropped);
    // What each gap names lies exactly between its neighbours.
    let mut next = 1;
    for event in &events[..events.len() - 1] {
        if event.kind() == Some(Kind::Gap) {
            assert_eq!(event.order_id, next);
            next += event.second_id;
        } else {
            next += 1;
        }
    }
    assert_eq!(next, 20_001);
}

#[test]
fn requests_are_answered_timed_and_never_lost_when_reports_find_no_room() {
    let mut config = flags("1", 10_000_000);
    config.rate = Some(20_000.0);
    let mut rig = Rig::with_report_slots(&config, 2);
    let mut sent = 0;
    let mut events = Vec::new();
    // Nobody reads reports: two fit, the others wait, requests stay on their ring.
    while sent < 40 {
        events.push(rig.take());
        if rig.quotable(&events[events.len() - 1]) {
            sent += 1;
            rig.send(new_order(&rig, sent, &events[events.len() - 1], 1));
        }
    }
    std::thread::sleep(Duration::from_millis(20));
    let mut reports = Vec::new();
    let mut stalled = false;
    while reports.len() < 40 {
        stalled |= rig.requests_waiting() > 0;
        if let Some(report) = rig.try_report() {
            reports.push(report);
        }
        if let Some(event) = rig.try_take() {
            events.push(event);
        }
    }
    assert!(stalled, "no request had to wait on its ring");
    rig.control.ask(Order::End);
    rig.take_until_end();
    let left = rig.finish();
    let numbers: Vec<u64> = reports.iter().map(|report| report.client_id).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    assert!(reports.iter().all(|report| report.kind() == Some(ReportKind::Acknowledged)));
    assert_eq!((left.outcome.session.requests, left.outcome.session.acknowledged), (40, 40));
    assert!(left.outcome.stalled > 0);
    assert_eq!(left.exchange.count() + left.exchange.negative, 40 - left.unmeasured);
}

#[test]
fn a_fill_reaches_the_engine_at_the_touch() {
    let mut rig = Rig::new(&Flags { rate: Some(20_000.0), ..flags("1", 10_000_000) });
    let event = loop {
        let event = rig.take();
        if rig.quotable(&event) {
            break event;
        }
    };
    // Far through the touch: it trades at once.
    rig.send(new_order(&rig, 1, &event, 1_000_000_000_000));
    let foreign = tickspin_wire::Request { kind: 77, ..new_order(&rig, 2, &event, 1) };
    rig.send(foreign);
    let mut reports = Vec::new();
    while reports.len() < 3 {
        reports.extend(rig.try_report());
        rig.try_take();
    }
    let kinds: Vec<_> = reports.iter().map(|report| report.kind().unwrap()).collect();
    assert_eq!(kinds, [ReportKind::Acknowledged, ReportKind::Filled, ReportKind::Rejected]);
    assert!(reports[1].px < reports[0].px && reports[1].leaves.0 == 0);
    assert_eq!(Reason::from_wire(reports[2].reason), Some(Reason::Malformed));
    rig.control.ask(Order::End);
    rig.take_until_end();
    assert_eq!(rig.finish().outcome.session.foreign, 1);
}

#[test]
fn in_lockstep_each_report_stands_before_the_next_event_and_hashes_repeat() {
    let run = |seed| {
        let flags = Flags { lockstep: true, seed: Some(seed), ..flags("max", 1_000) };
        let mut rig = Rig::new(&flags);
        let (mut number, mut seq, mut answered) = (0, 0, Vec::new());
        loop {
            let event = rig.take();
            seq += 1;
            // Reports that stand now apply after an event that was finished before.
            while let Some(report) = rig.try_report() {
                assert!(report.after_seq < seq, "{report:?} before event {seq}");
                answered.push((report.after_seq, report.client_id, report.kind));
            }
            if event.kind() == Some(Kind::End) {
                break;
            }
            if rig.quotable(&event) {
                number += 1;
                rig.send(new_order(&rig, number, &event, 1));
            }
            rig.finish_event();
        }
        let left = rig.finish();
        assert_eq!(left.outcome.session.requests, number);
        assert!(answered.iter().filter(|answer| answer.2 == 1).count() as u64 >= number - 1);
        (left.outcome.orders_hash.unwrap(), answered)
    };
    let first = run(5);
    assert_eq!(first, run(5));
    assert_ne!(first.0, run(6).0);
}

#[test]
fn each_way_to_end_early_is_told_apart() {
    let endless = || Flags { rate: Some(10_000.0), ..flags("1", 10_000_000) };
    // Asked: an End like any other.
    let mut rig = Rig::new(&endless());
    (0..200).for_each(|_| assert!(rig.take().sent_ticks > 0));
    rig.control.ask(Order::End);
    let events = rig.take_until_end();
    assert_eq!(events.last().unwrap().kind(), Some(Kind::End));
    let left = rig.finish();
    assert!(matches!(left.outcome.ended, Ended::Asked) && left.outcome.is_drained);
    // The engine halts its requests.
    let mut rig = Rig::new(&endless());
    (0..200).for_each(|_| assert!(rig.take().sent_ticks > 0));
    let left = rig.finish();
    assert!(matches!(left.outcome.ended, Ended::EngineLeft(State::Halt)), "{:?}", left.outcome);
    // Cold saw it die.
    let mut rig = Rig::new(&endless());
    (0..200).for_each(|_| assert!(rig.take().sent_ticks > 0));
    rig.control.ask(Order::Abandon);
    let left = rig.finish();
    assert!(matches!(left.outcome.ended, Ended::EngineDied) && !left.outcome.is_drained);
}

#[test]
fn orders_of_another_instrument_or_epoch_are_refused_by_name() {
    let mut rig = Rig::new(&Flags { rate: Some(20_000.0), ..flags("1", 10_000_000) });
    let event = loop {
        let event = rig.take();
        if rig.quotable(&event) {
            break event;
        }
    };
    let good = new_order(&rig, 1, &event, 1);
    rig.send(tickspin_wire::Request { instrument: InstrumentId(60_000), ..good });
    rig.send(tickspin_wire::Request { cause_epoch: good.cause_epoch ^ 1, ..good });
    rig.send(tickspin_wire::Request { side: Side::None as u8, ..good });
    let mut reports = Vec::new();
    while reports.len() < 3 {
        reports.extend(rig.try_report());
        rig.try_take();
    }
    let reasons: Vec<_> = reports.iter().map(|r| Reason::from_wire(r.reason).unwrap()).collect();
    assert_eq!(reasons, [Reason::Malformed, Reason::UnknownCause, Reason::Malformed]);
    rig.control.ask(Order::End);
    rig.take_until_end();
    rig.finish();
}
