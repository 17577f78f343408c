//! Whole sessions: an engine process, and a feed written by hand in this process.

mod feed;

use feed::{PATIENCE, Place, Waiting, build_id, event, finish, market, start};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tickspin_results::hlog;
use tickspin_ring::region::Policy;
use tickspin_ring::rendezvous::Served;
use tickspin_testkit::process::wait_until;
use tickspin_testkit::syscalls::SyscallCounter;
use tickspin_testkit::twin::Twin;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Side};
use tickspin_wire::order::Request;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

fn twin_of(events: &[Event]) -> Twin {
    let mut twin = Twin::new();
    events.iter().for_each(|event| twin.apply(event));
    twin
}

fn hash_of(twin: &Twin) -> String {
    tickspin_engine::book_hash::hex(&Sha256::digest(twin.lines()))
}

#[test]
fn events_go_in_orders_come_out_and_every_file_is_written() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&["--strategy", "probe", "--json"]));
    let mut feed = waiting.meet();
    let events = market(20_000);
    for (at, &event) in events.iter().enumerate() {
        let warm_up = if at < 100 { flag::WARM_UP } else { 0 };
        feed.send(Event { flags: event.flags | warm_up, ..event });
        feed.answer();
    }
    let requests = feed.end();
    let finished = finish(engine);
    assert_eq!(finished.code, 0, "{finished:?}");

    let json = place.json();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&finished.stdout).unwrap(), json);
    let twin = twin_of(&events);
    assert_eq!(json["ended"], "end of stream");
    assert_eq!(json["received"], 20_000, "all events, without the end");
    assert_eq!(json["warm_up"], 100);
    assert_eq!(json["orders_sent"], requests.len());
    assert_eq!(json["reports"], requests.len());
    assert!(requests.len() > 10_000, "the probe answers nearly every tick: {}", requests.len());
    assert_eq!(json["unknown_orders"], twin.counts().unknown_orders);
    assert_eq!(json["duplicate_orders"], twin.counts().duplicate_orders);
    assert_eq!(json["book_orders"], twin.open_orders());
    assert_eq!(json["book_hash"], hash_of(&twin));

    // Every measured event has its place in every histogram that is over all events.
    let measured = 20_000 - 100;
    for stage in ["ring_wait", "book", "strategy", "service", "response"] {
        assert_eq!(json["latency_ns"][stage]["count"], measured, "{stage}");
    }
    let with_orders = json["latency_ns"]["tick_to_order"]["count"].as_u64().unwrap();
    assert!(with_orders > 10_000 && with_orders <= requests.len() as u64);
    let log = std::fs::read(place.out().join("engine.hlog")).unwrap();
    let (intervals, cut) = hlog::read(&log, false).unwrap();
    assert_eq!(cut, 0);
    let service = intervals.iter().filter(|interval| interval.tag == "service");
    assert_eq!(service.map(|interval| interval.values.len()).sum::<u64>(), measured);
    for stage in ["ring_wait", "book", "strategy", "risk_order", "tick_to_order", "response"] {
        let text = std::fs::read_to_string(place.out().join(format!("{stage}.hgrm"))).unwrap();
        assert!(text.contains("#[Mean"), "{text}");
    }
    // Spinning between the marks: the kernel had nothing to do with it.
    let usage = &json["usage"];
    assert_eq!(usage["waiting"], "spin");
    for zero in ["minor_faults", "major_faults", "voluntary_switches"] {
        assert_eq!(usage[zero], 0, "{usage}");
    }
    assert!(place.runs().is_empty(), "left behind: {:?}", place.runs());
}

/// The requests of a market maker over the same events, in lock-step.
fn in_step() -> (Vec<Request>, serde_json::Value) {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Lockstep);
    let engine = start(&mut place.engine(&["--strategy", "market-maker", "--stamps", "ends"]));
    let mut feed = waiting.meet();
    for event in market(4_000) {
        feed.send_in_step(event);
    }
    let requests = feed.end();
    let finished = finish(engine);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("tick_to_order"), "the table: {}", finished.stdout);
    assert!(finished.stdout.contains("tickspin-hot on core"), "the plan: {}", finished.stdout);
    let json = place.json();
    assert_eq!(json["latency_ns"]["book"]["count"], 0, "--stamps ends");
    assert_eq!(json["usage"]["minor_faults"], 0, "the rehearsal has touched what the loop needs");
    assert!(!place.out().join("book.hgrm").exists(), "a stage without values leaves no file");
    (requests, json)
}

#[test]
fn in_lock_step_the_same_events_give_the_same_requests() {
    let [(one, json), (other, other_json)] = [in_step(), in_step()];
    let without_epoch = |requests: &[Request]| -> Vec<Request> {
        requests.iter().map(|&request| Request { cause_epoch: 0, ..request }).collect()
    };
    assert!(one.len() > 100, "the market maker quotes: {}", one.len());
    assert_eq!(without_epoch(&one), without_epoch(&other));
    assert_eq!(json["book_hash"], other_json["book_hash"]);
    assert_eq!(json["book_hash"], hash_of(&twin_of(&market(4_000))));
}

#[test]
fn the_armed_thread_makes_no_system_call() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&["--strategy", "probe"]));
    let mut feed = waiting.meet();
    let events = market(30_000);
    let hot = engine.thread("tickspin-hot").expect("the pinned thread has its name");
    let counter = SyscallCounter::seize(engine.pid(), hot).unwrap();
    for &event in &events {
        feed.send(event);
        feed.answer();
    }
    let counts = counter.count_for(Duration::from_millis(200)).unwrap();
    assert!(!counts.ended, "it was still armed");
    assert_eq!(counts.total(), 0, "{counts:?}");
    feed.end();
    assert_eq!(finish(engine).code, 0);
    assert_eq!(place.json()["received"], 30_000);
}

/// The control of the test above: the same count, where calls are meant to happen.
#[test]
fn a_yielding_thread_is_seen_to_make_system_calls() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&["--strategy", "probe", "--yield"]));
    let feed = waiting.meet();
    let hot = engine.thread("tickspin-hot").unwrap();
    let counter = SyscallCounter::seize(engine.pid(), hot).unwrap();
    let counts = counter.count_for(Duration::from_millis(200)).unwrap();
    assert!(counts.total() > 10, "{counts:?}");
    feed.end();
    assert_eq!(finish(engine).code, 0);
    assert_eq!(place.json()["usage"]["waiting"], "yield");
}

#[test]
fn a_dead_feed_is_named_and_the_files_are_written() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&["--json"]));
    let mut feed = waiting.meet();
    market(1_000).into_iter().for_each(|event| {
        feed.send(event);
    });
    feed.die();
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("feed died"), "{finished:?}");
    let json = place.json();
    assert_eq!(json["ended"], "feed died");
    assert_eq!(json["received"], 1_000, "what was published before the death was taken");
    assert!(place.out().join("service.hgrm").exists() && place.out().join("engine.hlog").exists());
    assert!(place.runs().is_empty(), "left behind: {:?}", place.runs());
}

#[test]
fn a_signal_ends_the_run_with_its_code_and_its_files() {
    for (signal, code, words) in
        [(SIGINT, 130, "SIGINT, the feed went on"), (SIGTERM, 143, "SIGTERM, the feed went on")]
    {
        let place = Place::new();
        let waiting = Waiting::new(&place, Policy::Wait);
        let engine = start(&mut place.engine(&["--strategy", "market-maker"]));
        let mut feed = waiting.meet();
        market(500).into_iter().for_each(|event| {
            feed.send(event);
        });
        engine.signal(signal).unwrap();
        let halted = wait_until(PATIENCE, || {
            feed.answer();
            feed.requests.ended().is_some()
        });
        assert!(halted, "the engine says that it leaves");
        let finished = finish(engine);
        assert_eq!(finished.code, code, "{finished:?}");
        assert_eq!(place.json()["ended"], words);
        assert_eq!(place.json()["received"], 500);
    }
}

#[test]
fn a_signalled_engine_still_takes_the_end_of_its_feed() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&[]));
    let mut feed = waiting.meet();
    feed.send(market(1)[0]);
    engine.signal(SIGTERM).unwrap();
    feed.end();
    let finished = finish(engine);
    assert_eq!(finished.code, 143, "{finished:?}");
    assert_eq!(place.json()["ended"], "SIGTERM, then end of stream");
    assert_eq!(place.json()["received"], 1);
}

#[test]
fn foreign_bytes_end_the_run_by_name() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&[]));
    let mut feed = waiting.meet();
    let good = event(Kind::Info, Side::None, InstrumentId(1));
    feed.send(good);
    feed.send(Event { flags: 0x80, ..good });
    feed.send(good);
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    let json = place.json();
    assert_eq!(json["ended"], "foreign bytes in event 2: Flags(128)");
    assert_eq!((&json["received"], &json["foreign"]), (&1.into(), &1.into()));
}

#[test]
fn a_feed_that_halts_without_an_end_is_a_failure() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&[]));
    let mut feed = waiting.meet();
    feed.send(market(1)[0]);
    feed.events.halt();
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert_eq!(place.json()["ended"], "feed left without an end of stream");
}

#[test]
fn a_feed_of_another_build_sends_the_engine_away() {
    let place = Place::new();
    let mut waiting = Waiting::of_build(&place, Policy::Wait, "another-build");
    let engine = start(&mut place.engine(&[]));
    assert!(matches!(waiting.serve(), Served::Refused(_)));
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains(&build_id()), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(!place.out().exists(), "nothing was measured, nothing is left");
}

#[test]
fn a_feed_without_a_reports_ring_is_refused_by_name() {
    let place = Place::new();
    let mut waiting = Waiting::new(&place, Policy::Wait);
    let engine = start(&mut place.engine(&[]));
    assert!(matches!(waiting.serve_without_reports(), Served::Attached(_)));
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("ring reports: it was not sent"), "{finished:?}");
    assert!(!place.out().exists());
}

#[test]
fn a_second_engine_of_the_same_name_is_told_who_the_first_is() {
    let place = Place::new();
    let waiting = Waiting::new(&place, Policy::Wait);
    let first = start(&mut place.engine(&[]));
    let feed = waiting.meet();
    let second = finish(start(place.engine(&["--wait-feed", "1s", "--force"]).arg("--json")));
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains(&format!("process {}", first.pid())), "{second:?}");
    feed.end();
    assert_eq!(finish(first).code, 0, "the first was not disturbed");
}
