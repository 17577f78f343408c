//! A feed on two lines that each lose 2 % of their packets, over `AF_XDP` and a real kernel: every
//! message comes once and in order, and every packet is accounted for.
//!
//! ```text
//!  namespace near                               namespace far
//!  sender, AF_XDP ── A, B less 2 % ── veth ──► XdpSource ─► MoldInput ─► compared with the day
//!  server, UDP    ◄──── requests ──── veth ─── cold ◄─ queue ◄─┘ ▲
//!                 ───── answers ────────────► cold ─► queue ─────┘
//! ```
//!
//! Nothing hangs on speed: the sender waits for the receiver, and the server answers for a packet only
//! when the receiver has taken all that the lines bring of it. So what is recovered is what the seed
//! took from both lines, to the message, however the threads are scheduled.
#![cfg(feature = "xdp")]
#![allow(clippy::disallowed_methods, reason = "a test may allocate and read the clock")]

mod day;

use day::{EACH, FLOWS, Room, SESSION, message, packet, with_input, write_packet};
use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;
use tickspin_host::netns::{Cable, FAR, NEAR};
use tickspin_host::packets::{NotSent, PacketSink, PacketSource, SourceHealth};
use tickspin_host::xdp::{ModeWish, XdpConfig, XdpSender, XdpSenderConfig, XdpSource, ZeroCopy};
use tickspin_hot::input::mold::{Join, Line, MoldCounts, MoldTerms, Reply};
use tickspin_hot::input::{Input, PeerEnd, Polled};
use tickspin_hot::stamps::EndStamps;
use tickspin_wire::event::Kind;
use tickspin_wire::itch50::MESSAGE_BYTES_MAX;
use tickspin_wire::moldudp64::{Request, end_of_session};
use tickspin_wire::{Event, normalize};

/// Packets of the day; each goes out on both lines.
const PACKETS: u64 = 200_000;
/// One of so many is lost, on each line by itself.
const LOST_OF: u64 = 50;
const SEED: u64 = 0x7151_C0DE;
/// Line B is so many packets late.
const LAG: u64 = 8;
/// Packets that the sender may be ahead of what was taken (the receiver has four times as many
/// frames), and of what was passed (half of what can be parked).
const AHEAD_MAX: u64 = 2_048;
const PARKED: usize = 4_096;
/// Packets of one system call of the sender's.
const BATCH: u64 = 16;
/// The server's address, and the receiver's for answers.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 77, 0, 1), 15_200);
const ASKING: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 77, 0, 2), 15_201);
/// Who waits for another thread looks again after so long.
const NAP: Duration = Duration::from_micros(50);
/// For all of it. Seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(200);

/// Whether the seed takes this packet, from 0, from this line (SplitMix64).
fn is_lost(line: u64, packet: u64) -> bool {
    let mut word = SEED.wrapping_add((packet * 2 + line + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (word ^ (word >> 31)).is_multiple_of(LOST_OF)
}

/// What is sent and what is not, known beforehand.
struct Plan {
    /// Packets on A and B.
    sent: [u64; 2],
    /// Lost on both.
    both: u64,
    /// For each packet how many have been sent, of all, when both lines had their turn with it.
    brought: Vec<u64>,
}

/// Every packet in the order of its sending: line and number.
fn sends() -> impl Iterator<Item = (u64, u64)> {
    let turn = |at| [(0, Some(at)), (1, u64::checked_sub(at, LAG))];
    let all = (0..PACKETS + LAG).flat_map(turn);
    all.filter_map(|(line, packet)| Some((line, packet.filter(|packet| *packet < PACKETS)?)))
}

fn plan() -> Plan {
    let mut plan = Plan { sent: [0, 0], both: 0, brought: Vec::new() };
    for (line, packet) in sends() {
        let lost = is_lost(line, packet);
        plan.sent[line as usize] += u64::from(!lost);
        if line == 1 {
            plan.both += u64::from(lost && is_lost(0, packet));
            plan.brought.push(plan.sent.iter().sum());
        }
    }
    plan
}

/// What the threads know of one another.
#[derive(Default)]
struct Progress {
    /// Packets with messages that the input has taken from the lines.
    taken: AtomicU64,
    /// Numbers that it has passed.
    passed: AtomicU64,
    is_over: AtomicBool,
}

impl Progress {
    fn publish(&self, counts: &MoldCounts) {
        let taken = counts.line(Line::A).packets + counts.line(Line::B).packets;
        self.taken.store(taken, Ordering::Release);
        self.passed.store(counts.passed, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Naps until `is_so` or all is over.
    fn wait(&self, is_so: impl Fn() -> bool) {
        while !is_so() && !self.is_over() {
            thread::sleep(NAP);
        }
    }
}

/// Said also where the receiver panics: no thread is to wait for ever.
struct Over<'a>(&'a Progress);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

/// Puts one packet into the queue; the kernel may first have to send others.
fn put(sender: &mut XdpSender, line: u16, payload: &[u8]) {
    while let Err(error) = sender.send(line, payload) {
        assert_eq!(error, NotSent::NoRoom);
        flush(sender);
    }
}

fn flush(sender: &mut XdpSender) {
    while let Err(error) = sender.flush() {
        assert_eq!(error, NotSent::NoRoom);
        thread::yield_now();
    }
}

fn send_day(mut sender: XdpSender, progress: &Progress) {
    let (mut sent, mut payload) = (0, [0; 1_472]);
    for (line, packet) in sends() {
        if is_lost(line, packet) {
            continue;
        }
        let first = 1 + packet * EACH;
        let len = write_packet(first, &mut payload);
        put(&mut sender, line as u16, &payload[..len]);
        sent += 1;
        if sent % BATCH == 0 {
            flush(&mut sender);
            progress.wait(|| {
                let taken = progress.taken.load(Ordering::Acquire);
                let passed = progress.passed.load(Ordering::Acquire);
                sent < taken + AHEAD_MAX && first < passed + AHEAD_MAX * EACH
            });
        }
    }
    for line in 0..2 {
        put(&mut sender, line, &end_of_session(SESSION, 1 + PACKETS * EACH));
    }
    flush(&mut sender);
    assert_eq!(sender.invalid(), 0);
}

/// Answers what it is asked; of a packet that the lines are still to bring, later.
fn serve(socket: &UdpSocket, plan: &Plan, progress: &Progress) {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut bytes = [0; 64];
    while !progress.is_over() {
        let Ok((len, from)) = socket.recv_from(&mut bytes) else { continue };
        let request = Request::decode(&bytes[..len]).unwrap();
        assert_eq!((request.session, (request.first - 1) % EACH), (SESSION, 0), "{request:?}");
        let brought = plan.brought[((request.first - 1) / EACH) as usize];
        progress.wait(|| progress.taken.load(Ordering::Acquire) >= brought);
        // One packet an answer: for the rest of a longer hole it is asked again.
        socket.send_to(&packet(request.first), from).unwrap();
    }
}

/// The cold side of the input: requests out, answers in.
fn ask(
    socket: &UdpSocket,
    asked: &mut HeapCons<Request>,
    answers: &mut HeapProd<Reply>,
    progress: &Progress,
) {
    socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 2_048];
    while !progress.is_over() {
        while let Some(request) = asked.try_pop() {
            socket.send_to(&request.encode(), SERVER).unwrap();
        }
        match socket.recv(&mut bytes) {
            // One that finds no place is asked for again.
            Ok(len) => drop(answers.try_push(Reply::of(&bytes[..len]).unwrap())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                thread::sleep(NAP);
            }
        }
    }
}

/// The events of the day from its messages, one by one.
fn expected() -> impl Iterator<Item = Event> {
    (1..=PACKETS * EACH).filter_map(|number| {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let len = message(number, &mut bytes);
        normalize::itch_event(&bytes[..len]).ok()
    })
}

/// Polls to the end of the session and compares; what then is counted.
fn receive<S: PacketSource>(
    input: &mut day::Rig<'_, S, EndStamps>,
    progress: &Progress,
    datagrams: u64,
) -> (MoldCounts, SourceHealth) {
    let since = Instant::now();
    let (mut expected, mut polls) = (expected(), 0_u64);
    let mut ours = [Kind::SessionStart, Kind::End].into_iter();
    while input.ended() != Some(PeerEnd::Halted) {
        polls += 1;
        match input.poll() {
            Polled::Slot { words, .. } => {
                let event = Event { sent_ticks: 0, ..Event::from_words(words) };
                match event.kind() {
                    Some(kind @ (Kind::SessionStart | Kind::End)) => {
                        assert_eq!(Some(kind), ours.next());
                    }
                    _ => assert_eq!(Some(event), expected.next(), "{:?}", input.counts()),
                }
            }
            // Perhaps the sender waits, and perhaps for this very core.
            Polled::Empty => {
                progress.publish(input.counts());
                thread::yield_now();
            }
            Polled::Foreign(stamp) => panic!("{stamp}"),
        }
        if polls.is_multiple_of(64) {
            progress.publish(input.counts());
            assert!(since.elapsed() < LIMIT, "{:?}", input.counts());
        }
    }
    assert_eq!((expected.next(), ours.next()), (None, None));
    let counts = *input.counts();
    // The second line's end may come behind the end of all.
    let mut health = input.source_mut().health();
    while health.received < datagrams && since.elapsed() < LIMIT {
        input.source_mut().rx_burst(16, |_| ());
        health = input.source_mut().health();
    }
    (counts, health)
}

/// The whole day in one mode of AF_XDP.
fn day_over(cable: &Cable, mode: ModeWish, plan: &Plan) -> (MoldCounts, SourceHealth) {
    let near = XdpSenderConfig {
        interface: NEAR,
        flows: &FLOWS,
        queue: 0,
        frames: 1_024,
        port: 40_000,
        host: None,
        zero_copy: ZeroCopy::Off,
    };
    let far = XdpConfig { mode, ..XdpConfig::new(FAR, &FLOWS) };
    let source = cable.far.run(|| XdpSource::open(&far)).unwrap().unwrap();
    let sender = cable.near.run(|| XdpSender::open(&near)).unwrap().unwrap();
    let server = cable.near.run(|| UdpSocket::bind(SERVER)).unwrap().unwrap();
    let asking = cable.far.run(|| UdpSocket::bind(ASKING)).unwrap().unwrap();
    let usual = MoldTerms::of(&Clock::with_frequency(1_000_000_000), Join::At(1), true);
    // Nothing is given up because a thread was kept waiting.
    let terms = MoldTerms { give_up_ticks: u64::MAX >> 1, ..usual };
    let room = Room { parked: PARKED, events: 1_024 };
    let progress = Progress::default();
    with_input((source, EndStamps), room, terms, |input, mut asked, mut answers| {
        thread::scope(|scope| {
            let _over = Over(&progress);
            scope.spawn(|| send_day(sender, &progress));
            scope.spawn(|| serve(&server, plan, &progress));
            scope.spawn(|| ask(&asking, &mut asked, &mut answers, &progress));
            receive(input, &progress, plan.sent.iter().sum::<u64>() + 2)
        })
    })
}

#[test]
fn every_message_comes_once_and_in_order_and_every_packet_is_accounted_for() {
    let plan = plan();
    // 2 % on each line, 4 of 10,000 on both; neither the first nor the last packet of a line, whose
    // loss no line sees as a jump.
    assert!((60..=100).contains(&plan.both), "{}", plan.both);
    assert!([0, 1].iter().all(|line| !is_lost(*line, 0) && !is_lost(*line, PACKETS - 1)));
    for mode in [ModeWish::Generic, ModeWish::Native] {
        let cable = match Cable::new() {
            Ok(cable) => cable,
            Err(error) => {
                let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
                assert!(!is_required, "network tests are required: {error}");
                println!("skipped: needs root and iproute2: {error}");
                return;
            }
        };
        let since = Instant::now();
        let (counts, health) = day_over(&cable, mode, &plan);
        println!("{mode:?}: {:?}, {counts:?}", since.elapsed());
        let messages = PACKETS * EACH;
        let [a, b, recovery] = counts.lines;
        assert_eq!((counts.passed, counts.lost, counts.gaps), (messages, 0, 0));
        assert_eq!(counts.passed, a.first + b.first + recovery.first + counts.lost);
        assert_eq!(counts.recovered(), plan.both * EACH);
        for (line, sent) in [a, b].iter().zip(plan.sent) {
            assert_eq!((line.packets, line.messages), (sent, sent * EACH));
            assert_eq!(line.first + line.duplicates, line.messages);
            assert_eq!(line.skipped, (PACKETS - sent) * EACH);
        }
        assert_eq!(recovery.first + recovery.duplicates, recovery.messages);
        let none = (counts.broken, counts.refused, counts.late, counts.unparked, counts.restarts);
        assert_eq!((counts.sessions, none), (1, (0, 0, 0, 0, 0)));
        assert!(counts.requests > 0 && counts.parked > 0);
        let received = plan.sent.iter().sum::<u64>() + 2;
        let napi_id = health.napi_id;
        assert_eq!(health, SourceHealth { received, napi_id, ..SourceHealth::default() });
    }
}
