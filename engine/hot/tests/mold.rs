//! MoldUDP64 on two lines: each message once and in order, whatever the lines do; every number is
//! delivered, recovered or declared lost.

#![allow(clippy::disallowed_methods, reason = "a test may allocate")]

use proptest::prelude::*;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Split};
use std::collections::BTreeMap;
use tickspin_hot::input::mold::{
    Arbiter, Deliver, Join, Line, MoldTerms, ParkedPacket, ParkingMemory,
};
use tickspin_wire::moldudp64::{PacketWriter, Request, Session, end_of_session, heartbeat};

const ONE: Session = Session(*b"SESSION001");
const TWO: Session = Session(*b"SESSION002");
const TERMS: MoldTerms = MoldTerms {
    join: Join::At(1),
    asks: true,
    ours: None,
    wait_ticks: 200,
    retry_ticks: 1_000,
    give_up_ticks: 100_000,
};

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Message(u64, u64),
    Gap(u64, u64),
    Session(Session, u64, bool),
    End,
}

/// Takes all, or so much at a time.
struct Sink {
    said: Vec<Said>,
    room: usize,
}

impl Deliver for Sink {
    fn has_room(&self) -> bool {
        self.room > 0
    }
    fn message(&mut self, number: u64, bytes: &[u8]) {
        self.room -= 1;
        self.said.push(Said::Message(number, u64::from_be_bytes(bytes.try_into().unwrap())));
    }
    fn gap(&mut self, first: u64, missing: u64) {
        self.said.push(Said::Gap(first, missing));
    }
    fn session(&mut self, session: Session, first: u64, replaces: bool) {
        self.said.push(Said::Session(session, first, replaces));
    }
    fn end(&mut self) {
        self.said.push(Said::End);
    }
}

/// Each message carries a number of its own, so that a wrong one is seen.
const fn content(session: Session, number: u64) -> u64 {
    number.wrapping_mul(1_000) + session.0[9] as u64
}

fn packet(session: Session, first: u64, count: u64) -> Vec<u8> {
    let mut out = [0; 1_472];
    let mut writer = PacketWriter::new(&mut out, session, first).unwrap();
    for number in first..first + count {
        assert!(writer.push(&content(session, number).to_be_bytes()));
    }
    let len = writer.finish();
    out[..len].to_vec()
}

/// An arbiter with all around it.
struct Rig<'m> {
    arbiter: Arbiter<'m>,
    sink: Sink,
    requests: ringbuf::HeapProd<Request>,
    asked: ringbuf::HeapCons<Request>,
}

fn with_rig<T>(places: usize, terms: MoldTerms, work: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    let mut slots = vec![ParkedPacket::default(); places];
    let (mut order, mut free) = (vec![0; places], vec![0; places]);
    let memory = ParkingMemory { slots: &mut slots, order: &mut order, free: &mut free };
    let (requests, asked) = HeapRb::new(16).split();
    let sink = Sink { said: Vec::new(), room: usize::MAX };
    work(&mut Rig { arbiter: Arbiter::new(memory, terms), sink, requests, asked })
}

impl Rig<'_> {
    fn bring(&mut self, line: Line, bytes: &[u8], now: u64) {
        self.arbiter.datagram(line, bytes, now, &mut self.sink);
    }

    fn attend(&mut self, now: u64) {
        self.arbiter.attend(now, &mut self.sink, &mut self.requests);
    }

    fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.sink.said)
    }

    /// Numbers of the messages since the last call, each with its own content.
    fn numbers(&mut self) -> Vec<u64> {
        let said = self.said();
        let numbers = said.into_iter().filter_map(|said| match said {
            Said::Message(number, found) => {
                assert!([ONE, TWO].iter().any(|&session| content(session, number) == found));
                Some(number)
            }
            _ => None,
        });
        numbers.collect()
    }

    /// Every number was passed once.
    fn adds_up(&self) {
        let counts = self.arbiter.counts();
        assert_eq!(counts.passed, counts.delivered() + counts.lost, "{counts:?}");
    }
}

#[test]
fn the_first_copy_is_taken_and_the_other_dropped() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 3), 0);
        rig.bring(Line::B, &packet(ONE, 1, 3), 1);
        rig.bring(Line::B, &packet(ONE, 4, 2), 2);
        rig.bring(Line::A, &packet(ONE, 4, 2), 3);
        assert_eq!(rig.said()[0], Said::Session(ONE, 1, false));
        let counts = *rig.arbiter.counts();
        assert_eq!((counts.line(Line::A).first, counts.line(Line::B).first), (3, 2));
        assert_eq!((counts.line(Line::A).duplicates, counts.line(Line::B).duplicates), (2, 3));
        assert!((counts.first_share(Line::A) - 0.6).abs() < 1e-12);
        assert!(!rig.arbiter.is_waiting());
        rig.adds_up();
    });
}

#[test]
fn packets_that_overlap_give_what_is_new_in_them() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 5), 0);
        rig.bring(Line::B, &packet(ONE, 3, 6), 0);
        rig.bring(Line::A, &packet(ONE, 12, 4), 0);
        rig.bring(Line::B, &packet(ONE, 10, 4), 0);
        rig.bring(Line::A, &packet(ONE, 14, 4), 0);
        rig.bring(Line::B, &packet(ONE, 9, 2), 0);
        assert_eq!(rig.numbers(), (1..=17).collect::<Vec<_>>());
        rig.adds_up();
    });
}

#[test]
fn a_long_hole_takes_as_many_requests_as_answers_and_no_more() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 1), 0);
        rig.bring(Line::A, &packet(ONE, 2_001, 1), 1_000);
        let (mut now, mut requests) = (1_000, 0);
        while rig.arbiter.is_waiting() {
            now += 100;
            rig.attend(now);
            let Some(request) = rig.asked.try_pop() else { continue };
            requests += 1;
            // 64 packets of a message each, one after the other, as our server answers.
            for number in request.first..(request.first + 64).min(2_001) {
                now += 10;
                rig.bring(Line::Recovery, &packet(ONE, number, 1), now);
                rig.attend(now);
                assert!(rig.asked.try_pop().is_none(), "the answer is not over");
            }
            rig.said();
        }
        assert_eq!(requests, 2_000_u64.div_ceil(64));
        assert_eq!(rig.arbiter.counts().lost, 0);
        rig.adds_up();
    });
}

#[test]
fn holes_behind_the_first_are_asked_for_with_it_and_not_twice() {
    with_rig(16, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 1), 0);
        for (first, now) in [(3, 100), (5, 110), (7, 120), (9, 290)] {
            rig.bring(Line::A, &packet(ONE, first, 1), now);
        }
        rig.attend(320);
        // The hole before 9 is too young: the other line may still bring it.
        for first in [2, 4, 6] {
            assert_eq!(rig.asked.try_pop(), Some(Request { session: ONE, first, count: 1 }));
        }
        assert!(rig.asked.try_pop().is_none());
        // The first answer comes; the next holes wait for theirs.
        rig.bring(Line::Recovery, &packet(ONE, 2, 1), 400);
        rig.attend(700);
        assert!(rig.asked.try_pop().is_none());
        rig.bring(Line::Recovery, &packet(ONE, 4, 1), 710);
        // The third one's answer is lost: asked for again when its time is over, and 8 with it.
        rig.attend(1_319);
        assert!(rig.asked.try_pop().is_none());
        rig.attend(1_320);
        for first in [6, 8] {
            assert_eq!(rig.asked.try_pop(), Some(Request { session: ONE, first, count: 1 }));
        }
        rig.bring(Line::Recovery, &packet(ONE, 6, 1), 1_400);
        rig.bring(Line::Recovery, &packet(ONE, 8, 1), 1_410);
        assert_eq!(rig.numbers(), (1..=9).collect::<Vec<_>>());
        rig.adds_up();
    });
}

#[test]
fn a_feed_of_ours_is_followed_by_the_names_of_its_sessions() {
    let (first, second) = (Session::of_run(7, 1), Session::of_run(7, 2));
    with_rig(8, TERMS.of_ours(7), |rig| {
        rig.bring(Line::A, &packet(first, 1, 2), 0);
        rig.said();
        // Another run on the same groups, and whoever else is there.
        for other in [Session::of_run(8, 2), ONE] {
            rig.bring(Line::A, &heartbeat(other, 900), 10);
            rig.bring(Line::B, &packet(other, 1, 5), 20);
        }
        assert!(rig.said().is_empty());
        assert_eq!(rig.arbiter.counts().refused, 4);
        // What was lost of a session is told before the next one, so that each number has its place.
        rig.bring(Line::A, &packet(first, 5, 2), 30);
        rig.bring(Line::A, &packet(second, 1, 1), 40);
        let said = rig.said();
        assert_eq!(said[0], Said::Gap(3, 4), "{said:?}");
        assert_eq!(said.len(), 3, "the gap, the session, its message: {said:?}");
        // The old one is over, however late its packets are.
        rig.bring(Line::B, &packet(first, 3, 2), 50);
        rig.bring(Line::B, &packet(second, 2, 1), 60);
        assert_eq!(rig.said().len(), 1);
        assert_eq!((rig.arbiter.counts().late, rig.arbiter.counts().sessions), (1, 2));
        rig.adds_up();
    });
}

#[test]
fn a_hole_waits_for_the_other_line_then_is_asked_for_then_given_up() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 2), 0);
        rig.bring(Line::A, &packet(ONE, 5, 2), 1_000);
        for now in [1_001, 1_199] {
            rig.attend(now);
            assert!(rig.asked.try_pop().is_none(), "not yet at {now}");
        }
        for now in [1_200, 2_200, 3_200] {
            rig.attend(now - 1);
            assert!(rig.asked.try_pop().is_none());
            rig.attend(now);
            assert_eq!(rig.asked.try_pop(), Some(Request { session: ONE, first: 3, count: 2 }));
        }
        // An answer with a part: the rest is asked for when no more of it comes.
        rig.bring(Line::Recovery, &packet(ONE, 3, 1), 3_300);
        rig.attend(3_499);
        assert!(rig.asked.try_pop().is_none());
        rig.attend(3_500);
        assert_eq!(rig.asked.try_pop(), Some(Request { session: ONE, first: 4, count: 1 }));
        rig.attend(100_999);
        assert_eq!(rig.numbers(), [1, 2, 3]);
        rig.attend(101_000);
        assert_eq!(
            rig.said(),
            [Said::Gap(4, 1), Said::Message(5, content(ONE, 5)), Said::Message(6, content(ONE, 6))]
        );
        // Too late: it is declared.
        rig.bring(Line::Recovery, &packet(ONE, 4, 1), 101_001);
        assert!(rig.said().is_empty() && !rig.arbiter.is_waiting());
        let counts = rig.arbiter.counts();
        assert_eq!((counts.recovered(), counts.lost, counts.gaps), (1, 1, 1));
        rig.adds_up();
    });
}

#[test]
fn without_a_server_nothing_is_asked_for() {
    let terms = MoldTerms { asks: false, give_up_ticks: 2_000, ..TERMS };
    with_rig(8, terms, |rig| {
        rig.bring(Line::B, &packet(ONE, 3, 1), 10);
        rig.attend(2_009);
        assert!(rig.asked.try_pop().is_none());
        rig.attend(2_010);
        assert_eq!(rig.said()[1], Said::Gap(1, 2));
        rig.adds_up();
    });
}

#[test]
fn heartbeats_show_a_hole_at_the_tail_and_the_end_comes_after_all() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 2), 0);
        rig.bring(Line::A, &heartbeat(ONE, 3), 10);
        assert!(!rig.arbiter.is_waiting());
        rig.bring(Line::B, &heartbeat(ONE, 6), 20);
        assert!(rig.arbiter.is_waiting());
        rig.attend(220);
        assert_eq!(rig.asked.try_pop(), Some(Request { session: ONE, first: 3, count: 3 }));
        rig.bring(Line::A, &end_of_session(ONE, 7), 230);
        rig.bring(Line::Recovery, &packet(ONE, 3, 3), 240);
        assert_eq!(rig.numbers(), [1, 2, 3, 4, 5]);
        assert!(!rig.arbiter.is_over());
        rig.bring(Line::B, &packet(ONE, 6, 1), 250);
        assert_eq!(rig.said(), [Said::Message(6, content(ONE, 6)), Said::End]);
        assert!(rig.arbiter.is_over() && !rig.arbiter.is_waiting());
        rig.bring(Line::A, &end_of_session(ONE, 7), 260);
        rig.bring(Line::A, &packet(ONE, 7, 1), 270);
        assert!(rig.said().is_empty());
        rig.adds_up();
    });
}

#[test]
fn an_end_that_nothing_follows_is_given_up_like_any_tail() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 1), 0);
        rig.bring(Line::A, &end_of_session(ONE, 4), 50);
        rig.attend(100_050);
        assert_eq!(rig.said()[2..], [Said::Gap(2, 2), Said::End]);
        rig.adds_up();
    });
}

#[test]
fn another_name_is_another_session_and_the_old_ones_packets_are_late() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 2), 0);
        rig.bring(Line::A, &packet(ONE, 4, 2), 0);
        rig.said();
        rig.bring(Line::A, &packet(TWO, 1, 2), 10);
        assert_eq!(rig.said()[0], Said::Session(TWO, 1, true));
        rig.bring(Line::B, &packet(ONE, 3, 1), 20);
        rig.bring(Line::B, &packet(TWO, 1, 3), 30);
        assert_eq!(rig.numbers(), [3]);
        let counts = rig.arbiter.counts();
        // Number 3 of the first session, and 4 and 5, which waited for it.
        assert_eq!((counts.lost, counts.late, counts.sessions), (3, 1, 2));
        rig.bring(Line::Recovery, &packet(Session([7; 10]), 1, 1), 40);
        rig.bring(Line::A, &packet(Session([7; 10]), 1, 1), 40);
        assert_eq!(rig.arbiter.counts().refused, 2, "no name, and not from an answer");
        rig.adds_up();
    });
}

#[test]
fn a_feed_is_joined_where_it_stands_or_from_its_start() {
    for (join, first) in [(Join::Here, 700), (Join::At(1), 1), (Join::At(650), 650)] {
        with_rig(8, MoldTerms { join, ..TERMS }, |rig| {
            rig.bring(Line::B, &packet(ONE, 700, 1), 0);
            assert_eq!(rig.said()[0], Said::Session(ONE, first, false));
            rig.attend(200);
            let asked = rig.asked.try_pop().map(|request| (request.first, request.count));
            assert_eq!(asked, (first < 700).then_some((first, 700 - first as u16)));
        });
    }
}

#[test]
fn a_number_far_ahead_is_believed_when_the_line_goes_on_there() {
    with_rig(8, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 2), 0);
        let far = 1 << 40;
        for stray in 0..7 {
            rig.bring(Line::A, &packet(ONE, far + stray, 1), 10);
            rig.bring(Line::A, &heartbeat(ONE, far), 10);
            rig.bring(Line::A, &end_of_session(ONE, far), 10);
            assert!(!rig.arbiter.is_waiting(), "one packet makes no hole of a million millions");
        }
        // The feed goes on: what was far ahead was nonsense.
        rig.bring(Line::A, &packet(ONE, 3, 1), 20);
        assert_eq!(rig.numbers(), [1, 2, 3]);
        for stray in 0..9 {
            rig.bring(Line::A, &packet(ONE, far + stray, 1), 30);
        }
        assert_eq!(rig.said(), [Said::Gap(4, far - 4)]);
        rig.bring(Line::B, &packet(ONE, far, 7), 40);
        assert_eq!(rig.numbers(), (far..far + 9).collect::<Vec<_>>());
        rig.adds_up();
    });
}

#[test]
fn a_session_that_begins_again_under_its_name_is_followed() {
    with_rig(64, TERMS, |rig| {
        for number in 1..=100 {
            rig.bring(Line::A, &packet(ONE, number, 1), number);
            rig.bring(Line::B, &packet(ONE, number, 1), number);
        }
        assert_eq!(rig.numbers().len(), 100);
        for number in 1..=7 {
            rig.bring(Line::A, &packet(ONE, number, 1), 200);
        }
        // Seven may be copies that the network made; so may seven more of the same.
        rig.bring(Line::A, &packet(ONE, 101, 1), 210);
        for number in 1..=10 {
            rig.bring(Line::A, &packet(ONE, number, 1), 220);
        }
        let said = rig.said();
        assert_eq!(said[..2], [Said::Message(101, content(ONE, 101)), Said::Session(ONE, 1, true)]);
        assert_eq!(said.len(), 2);
        // The other line lags, then follows.
        rig.bring(Line::B, &packet(ONE, 101, 1), 230);
        for number in 1..=12 {
            rig.bring(Line::B, &packet(ONE, number, 1), 240);
        }
        assert_eq!(rig.numbers(), (1..=12).collect::<Vec<_>>());
        let counts = rig.arbiter.counts();
        assert_eq!((counts.restarts, counts.sessions, counts.late), (1, 2, 1));
        rig.adds_up();
    });
}

#[test]
fn copies_of_a_few_packets_are_no_restart() {
    with_rig(8, TERMS, |rig| {
        for round in 0..20 {
            let first = 1 + round * 5;
            for copy in [0, 1] {
                for number in first..first + 5 {
                    rig.bring(Line::A, &packet(ONE, number, 1), round * 10 + copy);
                }
            }
        }
        assert_eq!(rig.numbers(), (1..=100).collect::<Vec<_>>());
        assert_eq!(rig.arbiter.counts().restarts, 0);
    });
}

#[test]
fn where_there_is_no_more_room_to_park_the_first_hole_is_given_up() {
    with_rig(4, TERMS, |rig| {
        rig.bring(Line::A, &packet(ONE, 1, 1), 0);
        for number in [3, 5, 7, 9, 11] {
            rig.bring(Line::A, &packet(ONE, number, 1), 1);
        }
        assert_eq!(rig.said()[2..], [Said::Gap(2, 1), Said::Message(3, content(ONE, 3))]);
        rig.bring(Line::B, &packet(ONE, 4, 7), 2);
        assert_eq!(rig.numbers(), (4..=11).collect::<Vec<_>>());
        rig.adds_up();
    });
}

#[test]
fn a_packet_for_which_there_is_no_room_is_delivered_in_parts() {
    with_rig(8, TERMS, |rig| {
        rig.sink.room = 3;
        rig.bring(Line::A, &packet(ONE, 1, 10), 0);
        rig.bring(Line::B, &packet(ONE, 11, 1), 0);
        let mut numbers = rig.numbers();
        for now in 1..=8 {
            assert!(rig.arbiter.is_waiting());
            rig.sink.room = 1;
            rig.attend(now);
            numbers.extend(rig.numbers());
        }
        assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
        assert!(!rig.arbiter.is_waiting() && rig.asked.try_pop().is_none());
        assert_eq!(rig.arbiter.counts().line(Line::A).first, 10);
        rig.adds_up();
    });
}

#[test]
fn broken_packets_give_what_is_whole_and_the_rest_is_a_hole() {
    with_rig(8, TERMS, |rig| {
        let whole = packet(ONE, 1, 4);
        rig.bring(Line::A, &whole[..whole.len() - 1], 0);
        assert_eq!(rig.numbers(), [1, 2, 3]);
        assert!(rig.arbiter.is_waiting());
        rig.bring(Line::A, &whole[..19], 0);
        rig.bring(Line::A, &packet(ONE, 0, 1), 0);
        rig.bring(Line::A, &packet(ONE, u64::MAX - 5, 1), 0);
        rig.bring(Line::B, &whole, 1);
        assert_eq!(rig.numbers(), [4]);
        let counts = rig.arbiter.counts();
        assert_eq!((counts.broken, counts.refused, counts.lost), (2, 2, 0));
        rig.adds_up();
    });
}

/// What happens to one packet on one line.
#[derive(Clone, Copy, Debug)]
struct Fate {
    is_lost: bool,
    copies: u64,
    delay: u64,
}

fn fate(losses_percent: u32, delay_max: u64) -> impl Strategy<Value = Fate> {
    (0..100_u32, 0..20_u64, 0..=delay_max).prop_map(move |(luck, copies, delay)| Fate {
        is_lost: luck < losses_percent,
        copies: if copies == 0 { 2 } else { 1 },
        delay,
    })
}

/// A day of the feed: sizes of packets, and what both lines do to each.
fn day(losses_percent: u32) -> impl Strategy<Value = Vec<(u64, [Fate; 2])>> {
    let one = (1..6_u64, fate(losses_percent, 120), fate(losses_percent, 120));
    proptest::collection::vec(one.prop_map(|(count, a, b)| (count, [a, b])), 1..150)
}

/// Runs a day; what was delivered and lost, and how many numbers there were.
fn run(day: &[(u64, [Fate; 2])], places: usize, terms: MoldTerms, answers: bool) -> Outcome {
    // What arrives when; the second number keeps those of one moment apart.
    let mut wire: BTreeMap<(u64, usize), (Line, Vec<u8>)> = BTreeMap::new();
    let (mut first, mut on_both) = (1, Vec::new());
    let mut add = |at, line, bytes| {
        let place = (at, wire.len());
        wire.insert(place, (line, bytes));
    };
    for (index, &(count, fates)) in day.iter().enumerate() {
        let bytes = packet(ONE, first, count);
        for (line, fate) in [Line::A, Line::B].into_iter().zip(fates) {
            for copy in 0..if fate.is_lost { 0 } else { fate.copies } {
                add(index as u64 * 20 + fate.delay + copy * 3, line, bytes.clone());
            }
        }
        if fates.iter().all(|fate| fate.is_lost) {
            on_both.extend(first..first + count);
        }
        first += count;
    }
    let over = day.len() as u64 * 20 + 200;
    for line in [Line::A, Line::B] {
        add(over, line, end_of_session(ONE, first).to_vec());
    }
    with_rig(places, terms, |rig| {
        let mut answered: Vec<(u64, Vec<u8>)> = Vec::new();
        for now in 0..over + 300_000 {
            while let Some(entry) = wire.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let (line, bytes) = entry.remove();
                rig.bring(line, &bytes, now);
            }
            answered.retain(|(at, bytes)| {
                if *at <= now {
                    rig.bring(Line::Recovery, bytes, now);
                }
                *at > now
            });
            rig.attend(now);
            while let Some(request) = rig.asked.try_pop() {
                // The server answers 90 ticks later, with at most seven messages.
                let count = u64::from(request.count).min(7);
                if answers {
                    answered.push((now + 90, packet(ONE, request.first, count)));
                }
            }
            if rig.arbiter.is_over() {
                break;
            }
        }
        assert!(rig.arbiter.is_over() && !rig.arbiter.is_waiting(), "{:?}", rig.arbiter.counts());
        rig.adds_up();
        let counts = *rig.arbiter.counts();
        assert_eq!(counts.passed, first - 1);
        // In order, each once: messages and gaps together make the sequence.
        let (mut next, mut lost) = (1, Vec::new());
        for said in rig.said() {
            match said {
                Said::Message(number, found) => {
                    assert_eq!((number, found), (next, content(ONE, number)));
                    next += 1;
                }
                Said::Gap(first, missing) => {
                    assert_eq!(first, next);
                    next += missing;
                    lost.extend(first..next);
                }
                Said::Session(_, first, replaces) => assert_eq!((first, replaces), (1, false)),
                Said::End => assert_eq!(next, first),
            }
        }
        assert_eq!(counts.lost, lost.len() as u64);
        Outcome { lost, on_both, recovered: counts.recovered() }
    })
}

struct Outcome {
    lost: Vec<u64>,
    on_both: Vec<u64>,
    recovered: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_a_server_nothing_is_lost(day in day(30)) {
        let outcome = run(&day, 256, TERMS, true);
        prop_assert_eq!(outcome.lost, Vec::<u64>::new());
        // Nothing is asked for that a line still brings: lines differ by less than the wait.
        prop_assert_eq!(outcome.recovered, outcome.on_both.len() as u64);
    }

    #[test]
    fn without_one_exactly_what_both_lines_lost_is(day in day(30)) {
        let terms = MoldTerms { asks: false, give_up_ticks: 300, ..TERMS };
        let outcome = run(&day, 256, terms, false);
        prop_assert_eq!(outcome.lost, outcome.on_both);
    }

    #[test]
    fn with_little_room_and_a_dead_server_every_number_is_passed_all_the_same(day in day(60)) {
        let outcome = run(&day, 3, TERMS, false);
        prop_assert!(outcome.on_both.iter().all(|number| outcome.lost.contains(number)));
    }

    #[test]
    fn any_bytes_leave_the_sums_right(
        packets in proptest::collection::vec(
            (0_u16..3, prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                (1_u64..40, 0_u64..5, any::<bool>()).prop_map(|(first, count, second)| {
                    packet(if second { TWO } else { ONE }, first, count)
                }),
                (1_u64..60).prop_map(|next| heartbeat(ONE, next).to_vec()),
                (1_u64..60).prop_map(|next| end_of_session(ONE, next).to_vec()),
            ]),
            0..120),
    ) {
        with_rig(4, TERMS, |rig| {
            for (now, (line, bytes)) in packets.iter().enumerate() {
                rig.bring(Line::of_flow(*line).unwrap(), bytes, now as u64 * 500);
                rig.attend(now as u64 * 500 + 250);
                rig.adds_up();
            }
            // A hole a look; four places hold four holes, the tail is one more.
            (1..=5).for_each(|look| rig.attend(look * (u64::MAX / 8)));
            assert!(!rig.arbiter.is_waiting(), "nothing waits for ever");
        });
    }
}
