//! Sequences followed through loss, duplication and disorder, in captures made here: each message is
//! handed out once and in order, or declared missing.

use proptest::prelude::*;
use std::fs::File;
use std::io::BufWriter;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickspin_recording::capture::Writer;
use tickspin_recording::session::{
    Content, HELD_PACKETS, Head, LineId, REORDER_NS, SessionId, Sessions, Step,
};
use tickspin_recording::{EventReader, Facts, PacketFile, SessionFacts, open};
use tickspin_wire::Event;
use tickspin_wire::event::Kind;
use tickspin_wire::itch50::{self, Header, Message, OrderDelete};
use tickspin_wire::moldudp64::{self, PacketWriter, Session};
use tickspin_wire::net::Envelope;

const NAME: Session = Session(*b"000010059B");
const OTHER: Session = Session(*b"000010060A");
const START_NS: i64 = 1_692_711_000_000_000_000;
/// Between two packets, ns.
const STEP_NS: i64 = 1_000;

/// A datagram of a capture.
#[derive(Clone, Debug)]
struct Datagram {
    ns: i64,
    line: u8,
    payload: Vec<u8>,
}

/// A message that knows its run and its number.
fn message(run: u64, sequence: u64) -> Vec<u8> {
    let header = Header { locate: 7, tracking: 0, timestamp_ns: 34_200_000_000_000 + sequence };
    let message = Message::from(OrderDelete { header, order_ref: run << 32 | sequence });
    let mut bytes = [0; itch50::MESSAGE_BYTES_MAX];
    let len = itch50::encode(&message, &mut bytes).expect("room");
    bytes[..len].to_vec()
}

/// A packet of messages `first..first + count` of a run.
fn packet(name: Session, run: u64, first: u64, count: u64) -> Vec<u8> {
    let mut out = vec![0; 65_000];
    let mut writer = PacketWriter::new(&mut out, name, first).expect("room");
    for sequence in first..first + count {
        assert!(writer.push(&message(run, sequence)));
    }
    let len = writer.finish();
    out.truncate(len);
    out
}

/// Datagrams of line 0 in this order, a step apart.
fn alone(payloads: impl IntoIterator<Item = Vec<u8>>) -> Vec<Datagram> {
    let payloads = payloads.into_iter().zip(0..);
    payloads.map(|(payload, at)| Datagram { ns: at * STEP_NS, line: 0, payload }).collect()
}

fn written(path: PathBuf, datagrams: &[Datagram]) -> PathBuf {
    let file = BufWriter::new(File::create(&path).expect("the temporary folder is writable"));
    let mut writer = Writer::new(file).expect("writable");
    for Datagram { ns, line, payload } in datagrams {
        let dst = SocketAddrV4::new(Ipv4Addr::new(233, 54, 12, 111 + line), 26_477);
        let src = SocketAddrV4::new(Ipv4Addr::new(206, 200, 127, 138), 49_653);
        let envelope = Envelope { src, dst, vlans: &[141] };
        writer.datagram(START_NS + ns, &envelope, payload).expect("writable");
    }
    path
}

/// What came out: numbers of the messages with their run, and our own events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Message(u64, u64),
    Gap(u64, u64),
    Clear,
    Start(u64),
}
use Out::{Clear, Gap, Start};

fn outcome(reader: &mut dyn EventReader) -> (Vec<Out>, Facts) {
    let mut out = Vec::new();
    while let Some(event) = reader.next_event().expect("a whole capture") {
        let Event { order_id, second_id, .. } = event;
        out.push(match event.kind() {
            Some(Kind::Delete) => {
                assert_eq!(reader.position(), (order_id & 0xFFFF_FFFF) - 1);
                Out::Message(order_id >> 32, order_id & 0xFFFF_FFFF)
            }
            Some(Kind::Gap) => Gap(order_id, second_id),
            Some(Kind::Clear) => Clear,
            Some(Kind::SessionStart) => Start(second_id),
            other => panic!("{other:?}"),
        });
    }
    let facts = reader.facts();
    let messages = out.iter().filter(|out| matches!(out, Out::Message(..))).count() as u64;
    assert_eq!(facts.messages, messages);
    (out, facts)
}

fn run(datagrams: &[Datagram]) -> (Vec<Out>, Facts) {
    let folder = TempDir::new().expect("temporary folder");
    let path = written(folder.path().join("capture"), datagrams);
    let mut reader = open(&path).expect("a capture");
    let first = outcome(reader.as_mut());
    reader.rewind().expect("a file can be rewound");
    assert_eq!(outcome(reader.as_mut()), first, "the same again");
    first
}

/// Messages of run 0.
fn span(first: u64, end: u64) -> impl Iterator<Item = Out> {
    (first..end).map(|sequence| Out::Message(0, sequence))
}

fn again(run: u64, first: u64, end: u64) -> impl Iterator<Item = Out> {
    (first..end).map(move |sequence| Out::Message(run, sequence))
}

fn out(parts: Vec<Vec<Out>>) -> Vec<Out> {
    parts.concat()
}

fn only(facts: &Facts) -> &SessionFacts {
    assert_eq!(facts.sessions.len(), 1, "{:?}", facts.sessions);
    &facts.sessions[0]
}

#[test]
fn a_whole_session_comes_as_it_is() {
    let (events, facts) = run(&alone([
        packet(NAME, 0, 1, 3),
        moldudp64::heartbeat(NAME, 4).to_vec(),
        packet(NAME, 0, 4, 1),
        moldudp64::end_of_session(NAME, 5).to_vec(),
        moldudp64::end_of_session(NAME, 5).to_vec(),
    ]));
    assert_eq!(events, out(vec![vec![Start(1)], span(1, 5).collect()]));
    let session = SessionFacts {
        id: "000010059B".into(),
        first: 1,
        last: 4,
        heartbeats: 1,
        is_ended: true,
        ..SessionFacts::default()
    };
    assert_eq!(*only(&facts), session);
    assert_eq!((facts.packets, facts.by_type["D"]), (5, 4));
}

#[test]
fn a_hole_is_a_gap_and_what_was_seen_is_left_out() {
    let (events, facts) = run(&alone([
        packet(NAME, 0, 1, 3),
        packet(NAME, 0, 6, 2),
        packet(NAME, 0, 6, 2),
        // Its first two were seen.
        packet(NAME, 0, 6, 4),
        packet(NAME, 0, 10, 1),
    ]));
    let expected =
        vec![vec![Start(1)], span(1, 4).collect(), vec![Gap(4, 2)], span(6, 11).collect()];
    assert_eq!(events, out(expected));
    let session = only(&facts);
    assert_eq!((session.gaps, session.missing, session.duplicates), (1, 2, 4));
    assert_eq!((session.first, session.last, session.restarts), (1, 10, 0));
}

#[test]
fn packets_in_the_wrong_order_are_put_right_and_late_ones_are_dropped() {
    let swapped = [packet(NAME, 0, 1, 1), packet(NAME, 0, 4, 2), packet(NAME, 0, 2, 2)];
    let (events, facts) = run(&alone(swapped.clone()));
    assert_eq!(events, out(vec![vec![Start(1)], span(1, 6).collect()]));
    assert_eq!((only(&facts).gaps, only(&facts).duplicates, only(&facts).late), (0, 0, 0));
    // The same, but it takes too long.
    let mut late = alone(swapped);
    late[2].ns += 2 * REORDER_NS;
    late.insert(
        2,
        Datagram { ns: REORDER_NS + 2 * STEP_NS, line: 0, payload: packet(NAME, 0, 6, 1) },
    );
    let (events, facts) = run(&late);
    let expected =
        vec![vec![Start(1)], span(1, 2).collect(), vec![Gap(2, 2)], span(4, 7).collect()];
    assert_eq!(events, out(expected));
    assert_eq!((only(&facts).gaps, only(&facts).missing, only(&facts).late), (1, 2, 2));
    assert_eq!(only(&facts).duplicates, 0);
}

#[test]
fn a_hole_is_given_up_when_too_much_stands_behind_it() {
    let mut packets = vec![packet(NAME, 0, 1, 1)];
    packets.extend((3..4 + HELD_PACKETS as u64).map(|first| packet(NAME, 0, first, 1)));
    packets.push(packet(NAME, 0, 2, 1));
    let mut datagrams = alone(packets);
    datagrams.iter_mut().for_each(|datagram| datagram.ns = 0);
    let (_, facts) = run(&datagrams);
    assert_eq!((only(&facts).missing, only(&facts).late), (1, 1));
}

#[test]
fn a_heartbeat_or_the_end_reveals_a_gap_at_the_tail() {
    for tail in [moldudp64::heartbeat(NAME, 6), moldudp64::end_of_session(NAME, 6)] {
        let (events, facts) = run(&alone([packet(NAME, 0, 1, 3), tail.to_vec()]));
        assert_eq!(events, out(vec![vec![Start(1)], span(1, 4).collect(), vec![Gap(4, 2)]]));
        assert_eq!((only(&facts).gaps, only(&facts).missing, only(&facts).last), (1, 2, 3));
    }
    // One at the front says where to begin.
    let (events, _) = run(&alone([moldudp64::heartbeat(NAME, 6).to_vec(), packet(NAME, 0, 8, 1)]));
    assert_eq!(events, out(vec![vec![Start(6), Gap(6, 2)], span(8, 9).collect()]));
}

#[test]
fn going_back_to_the_start_and_on_from_there_is_a_restart() {
    for (first_run, second_run) in [(0, 1), (0, 0)] {
        let (events, facts) = run(&alone([
            packet(NAME, first_run, 1, 2),
            packet(NAME, first_run, 3, 2),
            packet(NAME, second_run, 1, 1),
            packet(NAME, second_run, 2, 1),
            packet(NAME, second_run, 3, 9),
        ]));
        let second = again(second_run, 1, 12).collect();
        let expected = vec![vec![Start(1)], span(1, 5).collect(), vec![Clear, Start(1)], second];
        assert_eq!(events, out(expected));
        assert_eq!(facts.sessions.iter().map(|session| session.restarts).sum::<u64>(), 1);
        let ends: Vec<_> = facts.sessions.iter().map(|run| (run.first, run.last)).collect();
        assert_eq!(ends, [(1, 4), (1, 11)]);
        assert!(facts.sessions.iter().all(|run| run.gaps == 0 && run.duplicates == 0));
    }
}

#[test]
fn a_longer_first_packet_and_a_last_one_make_a_restart_too() {
    // Twelve runs of one packet, each longer than the one before.
    let (events, facts) = run(&alone((0..12).map(|run| packet(NAME, run, 1, run + 1))));
    let mut expected = vec![Start(1), Out::Message(0, 1)];
    for run in 1..12 {
        expected.extend([Clear, Start(1)]);
        expected.extend(again(run, 1, run + 2));
    }
    assert_eq!(events, expected);
    assert_eq!((facts.sessions.len(), facts.sessions[0].restarts), (12, 11));
}

#[test]
fn a_second_copy_of_the_first_packet_is_a_duplicate() {
    for copies_behind in [1, 2, 4] {
        let mut packets: Vec<_> = (0..5).map(|at| packet(NAME, 0, 1 + 2 * at, 2)).collect();
        packets.insert(copies_behind, packets[0].clone());
        let (events, facts) = run(&alone(packets));
        assert_eq!(events, out(vec![vec![Start(1)], span(1, 11).collect()]), "{copies_behind}");
        assert_eq!((only(&facts).duplicates, only(&facts).restarts), (2, 0));
        assert_eq!(only(&facts).arbitrated, 0);
    }
}

#[test]
fn a_restart_whose_first_packets_are_lost_is_seen_after_a_while() {
    let mut packets = vec![packet(NAME, 0, 1, 100)];
    packets.extend((0..20).map(|at| packet(NAME, 1, 5 + 2 * at, 2)));
    let (events, facts) = run(&alone(packets));
    let second = again(1, 5, 45).collect();
    let expected =
        vec![vec![Start(1)], span(1, 101).collect(), vec![Clear, Start(1), Gap(1, 4)], second];
    assert_eq!(events, out(expected));
    assert_eq!((facts.sessions[0].restarts, facts.sessions[1].missing), (1, 4));
}

#[test]
fn a_new_name_on_a_line_is_a_new_session_and_elsewhere_one_more() {
    let mut datagrams = alone([
        packet(NAME, 0, 1, 2),
        packet(NAME, 0, 5, 1),
        packet(OTHER, 1, 1, 2),
        packet(OTHER, 1, 3, 1),
    ]);
    let (events, facts) = run(&datagrams);
    let expected = vec![
        vec![Start(1)],
        span(1, 3).collect(),
        vec![Gap(3, 2)],
        span(5, 6).collect(),
        vec![Clear, Start(1)],
        again(1, 1, 4).collect(),
    ];
    assert_eq!(events, out(expected));
    assert_eq!(
        facts.sessions.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(),
        ["000010059B", "000010060A"]
    );
    // On a line of its own it voids nothing.
    datagrams[2].line = 9;
    datagrams[3].line = 9;
    let (events, facts) = run(&datagrams);
    assert!(!events.contains(&Clear));
    assert_eq!((facts.messages, facts.sessions.len()), (6, 2));
    assert!(facts.sessions.iter().all(|run| run.restarts == 0));
    // Names that take turns on one line stand beside each other.
    let turns = (1..20).flat_map(|at| [packet(NAME, 0, at, 1), packet(OTHER, 1, at, 1)]);
    let (events, facts) = run(&alone(turns));
    assert_eq!((facts.messages, facts.sessions.len()), (38, 2));
    assert!(events.iter().filter(|&&event| event == Clear).count() <= 1);
}

#[test]
fn a_line_that_comes_after_a_new_session_does_not_bring_the_old_one_back() {
    let mut datagrams = alone([
        packet(NAME, 0, 1, 2),
        packet(NAME, 0, 1, 2),
        packet(OTHER, 1, 1, 1),
        packet(NAME, 0, 3, 1),
        packet(OTHER, 1, 1, 1),
        packet(OTHER, 1, 2, 1),
    ]);
    for (datagram, line) in datagrams.iter_mut().zip([0, 1, 0, 1, 1, 0]) {
        datagram.line = line;
    }
    let (events, facts) = run(&datagrams);
    let expected =
        vec![vec![Start(1)], span(1, 3).collect(), vec![Clear, Start(1)], again(1, 1, 3).collect()];
    assert_eq!(events, out(expected));
    assert_eq!((facts.sessions[0].late, facts.sessions[1].arbitrated), (1, 1));
}

#[test]
fn both_lines_restart_and_it_is_one_restart() {
    for lag in [0, 1, 3, 10] {
        let mut datagrams = Vec::new();
        for (at, (run, first)) in
            (0..2).flat_map(|run| (0..30).map(move |at| (run, 1 + 2 * at))).enumerate()
        {
            for line in 0..2 {
                let ns = (at as i64 + i64::from(line) * lag) * STEP_NS + i64::from(line);
                datagrams.push(Datagram { ns, line, payload: packet(NAME, run, first, 2) });
            }
        }
        datagrams.sort_by_key(|datagram| datagram.ns);
        let (events, facts) = run(&datagrams);
        let expected = vec![
            vec![Start(1)],
            span(1, 61).collect(),
            vec![Clear, Start(1)],
            again(1, 1, 61).collect(),
        ];
        assert_eq!(events, out(expected), "lag {lag}");
        assert_eq!(facts.sessions[0].restarts, 1, "lag {lag}");
        assert!(facts.sessions.iter().all(|run| run.gaps == 0 && run.missing == 0));
    }
}

#[test]
fn messages_without_numbers_come_as_they_are() {
    let blank = Session([0; 10]);
    let zeroed = |run| {
        let mut bytes = packet(blank, run, 1, 2);
        bytes[10..18].fill(0);
        bytes
    };
    let folder = TempDir::new().expect("temporary folder");
    let path = written(folder.path().join("capture"), &alone([zeroed(3), zeroed(3), zeroed(1)]));
    let mut reader = open(&path).expect("a capture");
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().expect("a whole capture") {
        events.push((event.order_id, reader.position()));
    }
    let id = |run: u64, sequence: u64| run << 32 | sequence;
    let ids = [id(3, 1), id(3, 2), id(3, 1), id(3, 2), id(1, 1), id(1, 2)];
    assert_eq!(events, ids.into_iter().zip(0..).collect::<Vec<_>>());
    let facts = reader.facts();
    assert_eq!((facts.unsequenced, facts.messages, facts.sessions.len()), (6, 6, 0));
}

#[test]
fn broken_packets_give_what_is_whole_in_them_and_the_other_line_the_rest() {
    let whole = packet(NAME, 0, 3, 3);
    let cut = whole[..whole.len() - 1].to_vec();
    let (events, facts) =
        run(&alone([packet(NAME, 0, 1, 2), cut.clone(), packet(NAME, 0, 6, 1), vec![1, 2, 3]]));
    let expected =
        vec![vec![Start(1)], span(1, 5).collect(), vec![Gap(5, 1)], span(6, 7).collect()];
    assert_eq!(events, out(expected));
    assert_eq!(facts.skipped_by["broken packet"], 2);
    let mut datagrams = alone([packet(NAME, 0, 1, 2), cut, packet(NAME, 0, 6, 1), whole]);
    datagrams[3].line = 1;
    let (events, facts) = run(&datagrams);
    assert_eq!(events, out(vec![vec![Start(1)], span(1, 7).collect()]));
    assert_eq!((facts.skipped_by["broken packet"], only(&facts).gaps), (1, 0));
}

#[test]
fn other_traffic_is_counted_and_stepped_over() {
    let mut datagrams = alone((1..9).map(|at| packet(NAME, 0, at, 1)));
    for (at, line) in [(7, 5), (4, 6), (1, 5)] {
        datagrams.insert(at, Datagram { ns: 0, line, payload: vec![at as u8; 300] });
    }
    let (_, facts) = run(&datagrams);
    assert_eq!((facts.messages, facts.packets, facts.skipped_by["other udp"]), (8, 11, 3));
    assert_eq!(only(&facts).gaps, 0);
}

/// What a session makes of packets `(line, first, count, sent_ns)` that say when they were sent.
fn timed(packets: &[(u8, u64, u32, i64)]) -> (Vec<(u64, u64)>, Vec<SessionFacts>) {
    let mut sessions = Sessions::default();
    for (&(line, first, count, sent_ns), at) in packets.iter().zip(0..) {
        let dst = SocketAddrV4::new(Ipv4Addr::new(224, 2, 3, line), 16_648).into();
        let session = SessionId::Iex { protocol: 0x8004, channel: 1, session: 9 };
        let content = if count == 0 { Content::Heartbeat } else { Content::Messages(count) };
        let sent_ns = Some(sent_ns);
        let head = Head { session, first, content, sent_ns, header_bytes: 40, is_cut: false };
        sessions.accept(LineId { capture: 0, dst }, &head, &[0; 60], Some(at * STEP_NS));
    }
    sessions.finish();
    let mut out = Vec::new();
    while let Some(step) = sessions.next_step() {
        match step {
            Step::Packet(packet) => {
                let first = packet.first + u64::from(packet.skip);
                out.push((first, packet.first + u64::from(packet.count)));
            }
            Step::Start { .. } => out.push((0, 0)),
            Step::Gap { first, missing, .. } => panic!("a gap of {missing} from {first}"),
        }
    }
    (out, sessions.facts().to_vec())
}

#[test]
fn a_send_time_tells_a_restart_from_a_copy_at_once() {
    // Copies of the first packets, as a block; then a restart, of which one packet is all there is.
    let (out, facts) = timed(&[
        (0, 1, 2, 10),
        (0, 3, 2, 20),
        (0, 1, 2, 10),
        (0, 3, 2, 20),
        (0, 5, 0, 25),
        (0, 1, 0, 30),
        (0, 1, 2, 40),
    ]);
    assert_eq!(out, [(0, 0), (1, 3), (3, 5), (0, 0), (1, 3)]);
    assert_eq!((facts[0].duplicates, facts[0].restarts, facts[0].heartbeats), (4, 1, 2));
    // A second line has clocks of its own and still brings copies.
    let (out, facts) = timed(&[(0, 1, 2, 10), (1, 1, 2, 11), (0, 3, 2, 20), (1, 3, 2, 21)]);
    assert_eq!(out, [(0, 0), (1, 3), (3, 5)]);
    assert_eq!((facts[0].duplicates, facts[0].arbitrated, facts[0].restarts), (4, 4, 0));
}

/// What happens to a packet on one line.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Sent,
    Lost,
    Twice,
    /// So many packets later.
    Delayed(u8),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Sent),
        3 => Just(Fate::Lost),
        2 => Just(Fate::Twice),
        2 => (1..9_u8).prop_map(Fate::Delayed),
    ]
}

/// One line's copy of the packets, with the number of each.
fn line_of(packets: &[Vec<u8>], fates: &[Fate], line: u8, lag_ns: i64) -> Vec<(usize, Datagram)> {
    let mut sent = Vec::new();
    for (at, (payload, fate)) in packets.iter().zip(fates).enumerate() {
        let ns = at as i64 * STEP_NS + lag_ns;
        let datagram = |ns| (at, Datagram { ns, line, payload: payload.clone() });
        match *fate {
            Fate::Sent => sent.push(datagram(ns)),
            Fate::Lost => {}
            Fate::Twice => sent.extend([datagram(ns), datagram(ns + 3 * STEP_NS / 2)]),
            Fate::Delayed(by) => {
                sent.push(datagram(ns + i64::from(by) * STEP_NS + STEP_NS / 2));
            }
        }
    }
    sent
}

/// Every number of the session is there once: as a message or in a gap.
fn assert_complete(out: &[Out], first: u64, end: u64, lost: &[u64]) {
    let mut next = first;
    let mut missing = Vec::new();
    for &event in &out[1..] {
        match event {
            Out::Message(0, sequence) => {
                assert_eq!(sequence, next);
                next += 1;
            }
            Gap(first, count) => {
                assert_eq!(first, next);
                missing.extend(first..first + count);
                next += count;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((next, missing.as_slice()), (end, lost));
}

/// Sizes of the packets, and what the lines do with each.
type Lines = (Vec<u64>, Vec<Vec<Fate>>, i64);

fn lines(count: usize) -> impl Strategy<Value = Lines> {
    (5..60_usize).prop_flat_map(move |packets| {
        (
            proptest::collection::vec(1..5_u64, packets),
            proptest::collection::vec(proptest::collection::vec(fate(), packets), count),
            0..20 * STEP_NS,
        )
    })
}

/// Packets, the datagrams of each line, the numbers that no line has, and the number after the last.
type Made = (Vec<Vec<u8>>, Vec<Vec<Datagram>>, Vec<u64>, u64);

/// The packets, and what each line makes of them; the first and the last are lost on no line, so that
/// the span is known.
fn made((sizes, mut fates, lag_ns): Lines) -> Made {
    let mut first = 1;
    let mut packets = Vec::new();
    let mut lost = Vec::new();
    let last = sizes.len() - 1;
    for fates in &mut fates {
        (fates[0], fates[last]) = (Fate::Sent, Fate::Sent);
    }
    for (at, size) in sizes.into_iter().enumerate() {
        packets.push(packet(NAME, 0, first, size));
        if fates.iter().all(|fates| matches!(fates[at], Fate::Lost)) {
            lost.extend(first..first + size);
        }
        first += size;
    }
    let lines = fates.iter().zip(0..).map(|(fates, line)| {
        let line = line_of(&packets, fates, line, i64::from(line) * lag_ns);
        let mut line: Vec<_> = line.into_iter().map(|(_, datagram)| datagram).collect();
        line.sort_by_key(|datagram| datagram.ns);
        line
    });
    let lines = lines.collect();
    (packets, lines, lost, first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_line_gives_each_message_once_or_declares_it_missing(seeds in lines(1)) {
        let (_, lines, lost, end) = made(seeds);
        let (events, facts) = run(&lines[0]);
        assert_complete(&events, 1, end, &lost);
        let session = only(&facts);
        prop_assert_eq!(session.missing, lost.len() as u64);
        prop_assert_eq!((session.restarts, session.arbitrated), (0, 0));
    }

    #[test]
    fn two_lines_in_one_capture_or_in_two_give_what_either_had(seeds in lines(2)) {
        let (_, lines, lost, end) = made(seeds);
        let mut both = lines.concat();
        both.sort_by_key(|datagram| datagram.ns);
        let total: u64 = both.iter().map(|datagram| u64::from(datagram.payload[19])).sum();
        let (events, facts) = run(&both);
        assert_complete(&events, 1, end, &lost);
        let session = only(&facts);
        prop_assert_eq!(session.missing, lost.len() as u64);
        prop_assert_eq!(facts.messages + session.duplicates + session.late, total);
        prop_assert_eq!((session.restarts, session.late), (0, 0));

        let folder = TempDir::new().expect("temporary folder");
        let paths: Vec<_> = lines.iter().zip(["a", "b"])
            .map(|(line, name)| written(folder.path().join(name), line)).collect();
        let mut reader = PacketFile::open_lines(&paths).expect("captures");
        let (together, _) = outcome(&mut reader);
        prop_assert_eq!(together, events);
    }

    #[test]
    fn any_datagrams_are_read_to_their_end(
        headers in proptest::collection::vec((0..3_u8, 0..40_u64, 0..4_u16, 0..3_u8, any::<u8>()), 0..80)
    ) {
        // Packets whose numbers, names and counts have nothing to do with each other.
        let datagrams = headers.into_iter().zip(0..).map(|((name, first, count, line, cut), at)| {
            let mut name_bytes = *NAME.0.first_chunk::<10>().expect("ten");
            name_bytes[9] += name;
            let mut payload = packet(Session(name_bytes), 0, first.max(1), 3);
            payload[10..18].copy_from_slice(&match first { 39 => u64::MAX, n => n }.to_be_bytes());
            let count = match count { 3 => 0xFFFF, n => n };
            payload[18..20].copy_from_slice(&count.to_be_bytes());
            if count == 0 || count == 0xFFFF { payload.truncate(20) }
            if cut > 250 { payload.truncate(usize::from(cut) % payload.len()) }
            Datagram { ns: at * STEP_NS, line, payload }
        });
        let datagrams: Vec<_> = datagrams.collect();
        let folder = TempDir::new().expect("temporary folder");
        let path = written(folder.path().join("capture"), &datagrams);
        read_to_end(&path);
    }

    #[test]
    fn any_bytes_in_a_capture_never_panic(
        at in 24..2_000_usize, bytes in proptest::collection::vec(any::<u8>(), 1..40)
    ) {
        let folder = TempDir::new().expect("temporary folder");
        let datagrams = alone((0..20).map(|at| packet(NAME, 0, 1 + 2 * at, 2)));
        let path = written(folder.path().join("capture"), &datagrams);
        let mut file = std::fs::read(&path).expect("readable");
        let at = at.min(file.len() - bytes.len());
        file[at..at + bytes.len()].copy_from_slice(&bytes);
        std::fs::write(&path, file).expect("writable");
        read_to_end(&path);
    }
}

fn read_to_end(path: &Path) {
    let mut reader = open(path).expect("a capture");
    let mut events = 0_u64;
    loop {
        match reader.next_event() {
            Ok(Some(_)) => events += 1,
            Ok(None) => break,
            Err(error) => assert!(error.is_damage(), "{error}"),
        }
        assert!(events < 100_000, "no end");
    }
    assert!(reader.facts().messages <= events);
}
