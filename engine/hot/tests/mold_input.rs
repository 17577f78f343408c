//! Events from datagrams: the same as from a recording of them, without an allocation, and over real
//! sockets.

#![allow(clippy::disallowed_methods, reason = "a test may allocate and read the clock")]

mod day;

use day::{EACH, FLOWS, Rig, Room, SESSION, packet};
use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;
use tickspin_host::packets::{Datagram, PacketSink, PacketSource, RxStamp, SourceHealth};
use tickspin_host::udp::{UdpSender, UdpSource};
use tickspin_hot::decode::decode;
use tickspin_hot::input::mold::{Join, Line, MoldTerms, Reply};
use tickspin_hot::input::{Input, PeerEnd, Polled};
use tickspin_hot::stamps::{EndStamps, Stamps};
use tickspin_recording::{EventReader, PacketFile, capture};
use tickspin_testkit::alloc::{CountingAllocator, arm, disarm};
use tickspin_wire::Event;
use tickspin_wire::event::Kind;
use tickspin_wire::moldudp64::{Request, end_of_session};
use tickspin_wire::net::Envelope;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const PACKETS: u64 = 400;

/// The whole day on both lines. Each loses every seventh packet, B others than A; B is late.
fn day() -> Vec<(u16, Vec<u8>)> {
    let mut day = Vec::new();
    for index in 0..PACKETS + 2 {
        if index < PACKETS && index % 7 != 1 {
            day.push((0, packet(1 + index * EACH)));
        }
        if (2..PACKETS + 2).contains(&index) && (index - 2) % 7 != 3 {
            day.push((1, packet(1 + (index - 2) * EACH)));
        }
    }
    day.push((0, end_of_session(SESSION, 1 + PACKETS * EACH).to_vec()));
    day
}

/// One clock for the source and for the input; 20 µs go by at each look.
struct Time(Cell<u64>);

impl Time {
    fn look(&self) -> u64 {
        self.0.set(self.0.get() + 20_000);
        self.0.get()
    }
}

impl Stamps for &Time {
    const STAGES: bool = false;
    fn arrival(&mut self) -> u64 {
        self.look()
    }
    fn stage(&mut self) -> u64 {
        0
    }
    fn end(&mut self) -> u64 {
        self.look()
    }
    fn idle(&mut self) -> u64 {
        self.look()
    }
}

/// Datagrams out of memory.
struct Script<'a> {
    left: std::slice::Iter<'a, (u16, Vec<u8>)>,
    time: &'a Time,
}

impl PacketSource for Script<'_> {
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, mut f: F) -> u32 {
        let mut taken = 0;
        for (flow, payload) in self.left.by_ref().take(budget as usize) {
            let stamp = RxStamp { ticks: self.time.0.get(), kernel_ns: None };
            f(Datagram { payload, flow: *flow, stamp });
            taken += 1;
        }
        taken
    }

    fn health(&mut self) -> SourceHealth {
        SourceHealth::default()
    }
}

/// Gives an input over a day out of memory to `work`.
fn with_day<O>(
    day: &[(u16, Vec<u8>)],
    events: usize,
    work: impl FnOnce(&mut Rig<'_, Script<'_>, &Time>, HeapCons<Request>, HeapProd<Reply>) -> O,
) -> O {
    let time = Time(Cell::new(1));
    with_input((Script { left: day.iter(), time: &time }, &time), events, work)
}

/// Gives an input over `source` to `work`, with cold's ends of its queues.
fn with_input<S: PacketSource, T: Stamps, O>(
    source: (S, T),
    events: usize,
    work: impl FnOnce(&mut Rig<'_, S, T>, HeapCons<Request>, HeapProd<Reply>) -> O,
) -> O {
    let terms = MoldTerms::of(&Clock::with_frequency(1_000_000_000), Join::At(1), true);
    day::with_input(source, Room { parked: 64, events }, terms, work)
}

/// Polls until the end of the session; every event as it came, its sequence checked.
fn events<S: PacketSource, T: Stamps>(input: &mut Rig<'_, S, T>) -> Vec<Event> {
    let (mut events, since) = (Vec::new(), Instant::now());
    loop {
        match input.poll() {
            Polled::Slot { seq, words } => {
                events.push(Event::from_words(words));
                assert_eq!(seq, events.len() as u64);
                assert!(decode(&words).is_ok());
            }
            Polled::Empty if input.ended() == Some(PeerEnd::Halted) => return events,
            Polled::Empty => {
                assert!(since.elapsed() < Duration::from_secs(20), "{:?}", input.counts());
            }
            Polled::Foreign(stamp) => panic!("{stamp}"),
        }
    }
}

/// What the reader of recordings makes of the same datagrams.
fn recorded(day: &[(u16, Vec<u8>)]) -> Vec<Event> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.pcap");
    let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut writer = capture::Writer::new(file).unwrap();
    let src = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 4_000);
    for (number, (flow, payload)) in day.iter().enumerate() {
        let to = FLOWS[usize::from(*flow)];
        let dst = SocketAddrV4::new(to.address, to.port);
        let at = 1_700_000_000_000_000_000 + number as i64 * 1_000;
        writer.datagram(at, &Envelope { src, dst, vlans: &[] }, payload).unwrap();
    }
    drop(writer);
    let mut file = PacketFile::open(&path).unwrap();
    let mut events = Vec::new();
    while let Some(event) = file.next_event().unwrap() {
        events.push(event);
    }
    events
}

#[test]
fn a_live_feed_gives_the_events_of_its_recording() {
    let day = day();
    with_day(&day, 1_024, |input, mut asked, _| {
        assert_eq!((input.epoch(), input.is_lockstep(), input.ended()), (9, false, None));
        let mut live = events(input);
        assert!(live.iter().skip(1).all(|event| event.sent_ticks > 0));
        assert_eq!(live.pop().and_then(|event| event.kind()), Some(Kind::End));
        for event in &mut live {
            event.sent_ticks = 0;
        }
        // Ours have the time of the message behind them in a recording, which live is yet to come.
        let recorded = recorded(&day);
        assert_eq!(live.len(), recorded.len());
        for (live, recorded) in live.iter().zip(&recorded).skip(1) {
            assert_eq!(live, recorded);
        }
        assert_eq!(live[0], Event { exchange_ns: 0, ..recorded[0] });
        assert_eq!(live[0].kind(), Some(Kind::SessionStart));
        let counts = input.counts();
        assert_eq!((counts.passed, counts.lost), (PACKETS * EACH, 0));
        assert_eq!(counts.delivered(), PACKETS * EACH);
        assert!(counts.line(Line::A).first > 4 * counts.line(Line::B).first, "{counts:?}");
        assert_eq!(input.skipped(), 2 * PACKETS * EACH / 50);
        assert!(asked.try_pop().is_none());
    });
}

#[test]
fn with_hardly_any_room_the_events_are_the_same() {
    let day = day();
    let wide = with_day(&day, 1_024, |input, _, _| events(input));
    let narrow = with_day(&day, 64, |input, _, _| events(input));
    let bare = |events: &[Event]| -> Vec<Event> {
        events.iter().map(|event| Event { sent_ticks: 0, ..*event }).collect()
    };
    assert_eq!(bare(&wide), bare(&narrow));
    let too_small = std::panic::catch_unwind(|| with_day(&[], 63, |_, _, _| ()));
    assert!(too_small.is_err());
}

#[test]
fn what_both_lines_lost_is_asked_for_and_answered() {
    // Every seventh packet, on both lines.
    let mut day = day();
    day.retain(|(_, payload)| {
        let first = u64::from_be_bytes(payload[10..18].try_into().unwrap());
        first > PACKETS * EACH || !((first - 1) / EACH).is_multiple_of(7)
    });
    let holes = PACKETS.div_ceil(7) * EACH;
    with_day(&day, 1_024, |input, mut asked, mut answers| {
        let mut numbers = 0;
        while input.ended().is_none() {
            numbers += u64::from(matches!(input.poll(), Polled::Slot { .. }));
            if let Some(request) = asked.try_pop() {
                assert_eq!((request.session, u64::from(request.count)), (SESSION, EACH));
                answers.try_push(Reply::of(&packet(request.first)).unwrap()).unwrap();
            }
        }
        let counts = *input.counts();
        assert_eq!((counts.recovered(), counts.lost), (holes, 0), "{counts:?}");
        // Messages that are events, and the start and the end.
        assert_eq!(numbers, PACKETS * EACH - input.skipped() + 2);
    });
    assert!(Reply::of(&[0; 1_473]).is_none());
}

#[test]
fn polling_allocates_nothing() {
    let mut day = day();
    day.retain(|(flow, _)| *flow == 0);
    with_day(&day, 1_024, |input, mut asked, _| {
        arm();
        let mut polls = 0_u64;
        while input.ended().is_none() {
            let _ = input.poll();
            // The other side of the queue: nothing is answered, all holes are given up.
            let _ = asked.try_pop();
            polls += 1;
        }
        let counts = disarm();
        assert!(counts.is_zero(), "{counts:?} in {polls} polls");
        assert_eq!(input.counts().gaps, PACKETS / 7);
        assert!(input.counts().parked > 0 && input.counts().requests > 0);
        arm();
        let planted = std::hint::black_box(vec![0_u8; 100]);
        assert_eq!(disarm().allocations, 1);
        drop(planted);
    });
}

#[test]
fn two_lines_over_real_sockets() {
    let source = UdpSource::open("lo", &FLOWS, 1 << 20).unwrap();
    let day = day();
    let sender = std::thread::spawn({
        let day = day.clone();
        move || {
            let mut sender = UdpSender::open("lo", &FLOWS, true).unwrap();
            for (number, (flow, payload)) in day.iter().enumerate() {
                sender.send(*flow, payload).unwrap();
                if number % 8 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }
    });
    let live = with_input((source, EndStamps), 1_024, |input, mut asked, mut answers| {
        let (mut numbers, since) = (0, Instant::now());
        while input.ended().is_none() {
            numbers += u64::from(matches!(input.poll(), Polled::Slot { .. }));
            // What a full buffer loses here and there, a server has.
            if let Some(request) = asked.try_pop() {
                let first = request.first - (request.first - 1) % EACH;
                answers.try_push(Reply::of(&packet(first)).unwrap()).unwrap();
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", input.counts());
        }
        let counts = input.counts();
        assert_eq!((counts.passed, counts.lost), (PACKETS * EACH, 0), "{counts:?}");
        assert!(counts.line(Line::A).first > 0);
        assert_eq!(input.source_mut().health().errors, 0);
        numbers - 2 + input.skipped()
    });
    sender.join().unwrap();
    assert_eq!(live, PACKETS * EACH);
}
