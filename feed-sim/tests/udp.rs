//! Events as packets: a real feed on the loopback interface, and an engine written by hand.

mod listener;

use listener::{Listener, Place};
use serde_json::Value;
use std::fs;
use tickspin_feed_sim::source::synth::{Synth, SynthSpec};
use tickspin_host::clock::ticks;
use tickspin_recording::tape::{Record, TapeHead, TapeWriter};
use tickspin_ring::State;
use tickspin_testkit::process::Running;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::moldudp64::{Content, Request, Session};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// What an event says, stamps and the price tick of a definition apart.
fn said(event: &Event) -> (u64, u8, u64, u64, u64, u16, Option<Px>) {
    let px = (event.kind() != Some(Kind::Definition)).then_some(event.px);
    let Event { exchange_ns, kind_side, order_id, second_id, qty, instrument, .. } = *event;
    (exchange_ns, kind_side, order_id, second_id, qty.0, instrument.0, px)
}

fn synth(count: usize) -> Vec<Event> {
    let spec = SynthSpec { seed: 5, instruments: 4, rate: 20_000.0, bursts: None };
    let mut synth = Synth::new(spec);
    (0..count).map(|_| synth.next_tick().event).collect()
}

const SYNTH: [&str; 7] = ["synth", "--seed", "5", "--instruments", "4", "--rate", "20000"];

fn same(taken: &[Event], expected: &[Event]) {
    assert_eq!(taken.len(), expected.len());
    for (index, (taken, expected)) in taken.iter().zip(expected).enumerate() {
        assert_eq!(said(taken), said(expected), "event {}", index + 1);
    }
}

fn number(json: &Value, path: &str) -> u64 {
    json.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {json}"))
}

/// A recording of ours.
fn tape(place: &Place, events: &[Event]) -> String {
    let mut tape = TapeWriter::new(Vec::new(), &TapeHead::default()).unwrap();
    for (seq, &event) in (1..).zip(events) {
        tape.append(seq, Record { event, recorded_ticks: 0 }).unwrap();
    }
    let path = place.temp.path().join("tape");
    fs::write(&path, tape.finish(0).unwrap()).unwrap();
    path.display().to_string()
}

fn event(kind: Kind, at: u64) -> Event {
    Event {
        exchange_ns: 34_200_000_000_000 + at * 1_000_000,
        order_id: at,
        px: if kind == Kind::Add { Px::from_1e4(1_000_000) } else { Px::NONE },
        qty: Qty(if kind == Kind::Delete { 0 } else { 100 }),
        instrument: InstrumentId(1),
        kind_side: Event::pack(kind, if kind == Kind::Add { Side::Bid } else { Side::None }),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

#[test]
fn every_message_comes_once_from_one_line_the_other_or_the_server() {
    const COUNT: usize = 6_000;
    let place = Place::new();
    let faults = ["--loss", "0.05", "--duplicate", "0.05", "--reorder", "0.05", "--sink-seed", "7"];
    let started = ticks();
    let mut feed = place.feed(&SYNTH, &[&["--count", "6000"][..], &faults].concat());
    let (listener, finished) = Listener::meet(&place, &mut feed).patient().finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    same(&listener.taken, &synth(COUNT));
    assert_eq!(listener.number, COUNT as u64 + 1, "and the end");

    // Stamps: as the events left, in order, those of answers as they were.
    let now = ticks();
    assert!(listener.taken.iter().all(|event| (started..now).contains(&event.sent_ticks)));
    assert!(listener.taken.is_sorted_by_key(|event| event.sent_ticks));
    let warm_up = listener.taken.iter().filter(|event| event.is_warm_up()).count();
    assert_eq!(warm_up, 100.max(synth_preface()));

    let first = &listener.heard[0];
    assert_eq!((first.content, first.number), (Content::Heartbeat, 1), "the session is announced");
    assert_eq!(first.session, Session::of_run(listener.epoch(), 1));
    assert!(listener.heard.iter().any(|heard| heard.content == Content::EndOfSession));

    let json = place.json();
    let packets = &json["packets"];
    assert_eq!((number(&json, "/sent"), number(packets, "/messages")), (6_000, 6_000));
    let sent = number(packets, "/packets");
    for (line, name) in [(0, "A"), (1, "B")] {
        let of = |key: &str| number(packets, &format!("/lines/{line}/{key}"));
        assert_eq!(of("sent") + of("lost") + of("unsent"), sent, "line {name}: {packets}");
        let share = of("lost") as f64 / sent as f64;
        assert!((0.02..0.08).contains(&share), "line {name} lost {share}");
        assert!(of("duplicated") > 0 && of("reordered") > 0, "{packets}");
        let brought = listener.numbers(line).len() as u64;
        assert_eq!(brought, of("sent") + of("duplicated"), "line {name}");
    }
    assert!(listener.recovered > 0, "the lines lost nothing in common");
    assert!(number(packets, "/resend/messages") >= listener.recovered);
    assert_eq!(number(packets, "/resend/unkept"), 0);
}

fn synth_preface() -> usize {
    let spec = SynthSpec { seed: 5, instruments: 4, rate: 1.0, bursts: None };
    Synth::new(spec).preface() as usize
}

/// With real hosts between, as far as namespaces are hosts: UDP, and past the kernel.
#[test]
fn a_cable_carries_what_the_loopback_carries() {
    let sinks = if cfg!(feature = "xdp") { &["udp", "xdp"][..] } else { &["udp"] };
    for sink in sinks {
        let Some(place) = Place::on_cable() else { return };
        let arguments = ["--count", "6000", "--loss", "0.05", "--sink", sink];
        let (taken, recovered, finished) = place.near(|| {
            let mut feed = place.feed(&SYNTH, &arguments);
            let (listener, finished) = Listener::meet(&place, &mut feed).patient().finish();
            (listener.taken, listener.recovered, finished)
        });
        assert_eq!(finished.code, 0, "{sink}: {finished:?}");
        same(&taken, &synth(6_000));
        let packets = &place.json()["packets"];
        assert_eq!(number(packets, "/lines/0/unsent"), 0, "{sink}: {packets}");
        assert!(recovered > 0, "{sink}");
    }
}

#[test]
fn in_step_the_same_seed_loses_the_same_packets_and_a_lost_tail_is_found() {
    let run = |seed: &str| {
        let place = Place::new();
        let arguments = ["--count", "400", "--lockstep", "--speed", "max", "--loss", "0.2,0.3"];
        let mut feed = place.feed(&SYNTH, &[&arguments[..], &["--sink-seed", seed]].concat());
        let (listener, finished) = Listener::meet(&place, &mut feed).patient().finish();
        assert_eq!(finished.code, 0, "{finished:?}");
        same(&listener.taken, &synth(400));
        assert!(number(&place.json(), "/packets/heartbeats") > 1, "said where it stands");
        (listener.numbers(0), listener.numbers(1), place.json()["packets"]["lines"].to_string())
    };
    let (a, b, _) = run("3");
    assert!(a != b && (280..360).contains(&a.len()) && (240..320).contains(&b.len()));
    let again = run("3");
    assert_eq!((&a, &b), (&again.0, &again.1));
    assert_ne!(a, run("4").0);
}

#[test]
fn a_loop_is_a_session_of_another_name_and_a_gap_is_numbers_left_out() {
    let place = Place::new();
    let gap = Event { order_id: 4, second_id: 3, px: Px::NONE, ..event(Kind::Gap, 4) };
    let gap = Event { instrument: InstrumentId::ALL, qty: Qty(0), ..gap };
    let start = Event { order_id: 0, second_id: 1, ..event(Kind::SessionStart, 1) };
    let start = Event { instrument: InstrumentId::ALL, qty: Qty(0), ..start };
    let round = [
        start,
        event(Kind::Add, 1),
        event(Kind::Add, 2),
        event(Kind::Add, 3),
        gap,
        event(Kind::Delete, 5),
    ];
    let path = tape(&place, &round);
    // Two rounds and a half; what leads a round of the recording and what opens ours is counted.
    let arguments = ["--loop", "--count", "18", "--warm-up", "0", "--loss", "0.2"];
    let mut feed = place.feed(&["replay", &path], &arguments);
    let (listener, finished) = Listener::meet(&place, &mut feed).finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    let kinds: Vec<Kind> = listener.taken.iter().map(|event| event.kind().unwrap()).collect();
    use Kind::{Add, Clear, Delete, Gap, SessionStart};
    let one = [Add, Add, Add, Gap, Delete];
    let opened = [Clear, SessionStart];
    assert_eq!(kinds, [&one[..], &opened, &one, &opened, &[Add]].concat());
    assert!(listener.taken.iter().all(|e| e.kind() != Some(Gap) || e.second_id == 3));
    let mut sessions: Vec<Session> = listener.heard.iter().map(|heard| heard.session).collect();
    sessions.dedup();
    assert_eq!(sessions, [1, 2, 3].map(|count| Session::of_run(listener.epoch(), count)));
    let json = place.json();
    // Each number counts, the gaps' too; the recording's own SessionStart does not.
    assert_eq!(number(&json, "/sent"), 15 + 2 * 2);
    assert_eq!(listener.number, 15 + 2 * 2 + 1);
    assert_eq!(number(&json, "/packets/skipped"), 6);
    assert_eq!(number(&json, "/packets/sessions"), 3);
}

#[test]
fn what_nobody_brings_is_a_gap_and_the_numbers_hold() {
    let place = Place::new();
    let arguments =
        ["--count", "150", "--lockstep", "--speed", "max", "--loss", "0.3", "--recovery", "none"];
    let mut feed = place.feed(&SYNTH, &arguments);
    let (listener, finished) = Listener::meet(&place, &mut feed).finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    let gaps: Vec<_> =
        listener.taken.iter().filter(|event| event.kind() == Some(Kind::Gap)).collect();
    let lost: u64 = gaps.iter().map(|gap| gap.second_id).sum();
    assert!((3..40).contains(&lost), "{lost} of 150 on both lines");
    assert_eq!(listener.taken.len() as u64 + lost - gaps.len() as u64, 150);
    assert_eq!(listener.number, 151, "a gap stands for all that it names");
    assert!(place.json()["packets"]["resend"].is_null());
}

#[test]
fn silence_is_filled_with_heartbeats_and_requests_are_told_apart() {
    let place = Place::new();
    let arguments = ["--count", "1000000", "--heartbeat", "20ms", "--line-b", "none"];
    let rate = ["synth", "--rate", "5"];
    let mut listener = Listener::meet(&place, &mut place.feed(&rate, &arguments));
    let heartbeats = |heard: &Listener| {
        heard.heard.iter().filter(|heard| heard.content == Content::Heartbeat).count()
    };
    listener.until(|listener| heartbeats(listener) >= 10);
    assert!(listener.heard.iter().all(|heard| heard.line == 0), "one line alone");
    assert_eq!(listener.feed_state(), Some(State::Run));
    let session = listener.heard[0].session;
    // The preface left in packets of several messages; an answer has those that left together.
    let asked = |listener: &mut Listener, session, first, count| {
        listener.ask(&Request { session, first, count })
    };
    assert!(matches!(asked(&mut listener, session, 2, 3), Some((2, 1..=3))));
    assert_eq!(asked(&mut listener, session, 100_000, 1), None);
    assert_eq!(asked(&mut listener, Session(*b"another   "), 1, 1), None);
    let (_, finished) = listener.leave();
    assert_eq!(finished.code, 1, "the engine left first: {finished:?}");
    let resend = &place.json()["packets"]["resend"];
    assert_eq!((number(resend, "/beyond"), number(resend, "/other_session")), (1, 1), "{resend}");
}

/// One line, the exit code, nothing left.
fn fails(place: &Place, source: &[&str], arguments: &[&str], code: i32, words: &[&str]) {
    let mut command = place.feed(source, &[arguments, &["--wait-peer", "1ms"]].concat());
    let finished = Running::start(&mut command).unwrap().finish_within(listener::PATIENCE).unwrap();
    assert_eq!(finished.code, code, "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word}: {finished:?}");
    }
    assert!(!place.out().exists());
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_is() {
    let place = Place::new();
    fails(&place, &["synth"], &["--interface", "no-such0"], 4, &["no-such0", "there are: "]);
    fails(&place, &["synth"], &["--recovery", "192.0.2.1:9000"], 4, &["192.0.2.1:9000", "ip -4"]);
    fails(&place, &["synth"], &["--sink", "ring"], 2, &["interface", "--sink udp or xdp"]);
    let is_built = cfg!(feature = "xdp");
    if !is_built {
        fails(&place, &["synth"], &["--sink", "xdp"], 2, &["--features xdp"]);
    }
    let path = tape(&place, &[event(Kind::Add, 1), event(Kind::Level, 2), event(Kind::Add, 3)]);
    fails(&place, &["replay", &path], &[], 2, &["event 2", "level", "ITCH", "ring"]);
    let finer = Event { px: Px(12_345), ..event(Kind::Add, 1) };
    let path = tape(&place, &[finer]);
    fails(&place, &["replay", &path], &[], 2, &["event 1", "add", "ring"]);
}

#[test]
fn an_event_that_cannot_be_said_ends_the_run_there() {
    let place = Place::new();
    let mut events: Vec<Event> = (1..=200).map(|at| event(Kind::Add, at)).collect();
    events.push(event(Kind::Level, 201));
    let path = tape(&place, &events);
    // Decoded beside the run: not seen before it.
    let mut feed = place.feed(&["replay", &path], &["--ahead", "64"]);
    let (listener, finished) = Listener::meet(&place, &mut feed).finish();
    assert_eq!((finished.code, listener.taken.len()), (1, 200), "{finished:?}");
    assert!(finished.stderr.contains("event 201, level"), "{finished:?}");
    assert_eq!(listener.feed_state(), Some(State::Fail));
}
