//! An engine that takes its events from packets, written by hand: the real meeting place, real sockets,
//! a real feed in a process of its own.
#![allow(unreachable_pub, reason = "a module of tests")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickspin_host::netns::{Cable, FAR, NEAR};
use tickspin_host::packets::{Flow, PacketSource};
use tickspin_host::udp::UdpSource;
use tickspin_ring::region::{ClockWords, Policy, Received, random_epoch};
use tickspin_ring::rendezvous::{self, Claim, Role, RuntimeDir};
use tickspin_ring::{
    Consumer, Follower, PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec,
    SegmentKind, State,
};
use tickspin_testkit::process::{Finished, Running, TempDir};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::moldudp64::{Content, Packet, Request, Session};
use tickspin_wire::normalize::itch_event;
use tickspin_wire::num::Side;

/// Longest wait for anything here: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// As the engine has it: a hole is asked for after so long, and given up after so long.
const ASK: Duration = Duration::from_micros(500);
const GIVE_UP: Duration = Duration::from_millis(100);

/// Every feed here spins on the same core: one test at a time has it.
static CORE: Mutex<()> = Mutex::new(());

/// A folder for one test, and addresses that no other test has.
pub struct Place {
    pub temp: TempDir,
    pub lines: [Flow; 2],
    pub recovery: SocketAddrV4,
    /// Feed and engine are on two hosts, made of namespaces; `None`: both are on the loopback
    /// interface.
    cable: Option<Cable>,
    _core: MutexGuard<'static, ()>,
}

impl Place {
    pub fn new() -> Place {
        // A test that failed while it held the core has left nothing behind that matters.
        let core = CORE.lock().unwrap_or_else(PoisonError::into_inner);
        let free = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let line = |last| Flow { address: Ipv4Addr::new(239, 255, 72, last), port: free().port() };
        Place {
            temp: TempDir::new().unwrap(),
            lines: [line(1), line(2)],
            recovery: SocketAddrV4::new(Ipv4Addr::LOCALHOST, free().port()),
            cable: None,
            _core: core,
        }
    }

    /// Two namespaces and a cable; `None`, and a line that says why, where privilege is missing.
    pub fn on_cable() -> Option<Place> {
        match Cable::new() {
            Ok(cable) => {
                let recovery = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 26_401);
                Some(Place { recovery, cable: Some(cable), ..Place::new() })
            }
            Err(error) => {
                let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
                assert!(!is_required, "network tests are required: {error}");
                println!("skipped: needs root and iproute2: {error}");
                None
            }
        }
    }

    /// Does something where the engine is.
    fn far<T: Send>(&self, work: impl FnOnce(&str) -> T + Send) -> T {
        match &self.cable {
            Some(cable) => cable.far.run(|| work(FAR)).unwrap(),
            None => work("lo"),
        }
    }

    /// Does something where the feed is: a feed that is started there dies with the thread.
    pub fn near<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.cable {
            Some(cable) => cable.near.run(work).unwrap(),
            None => work(),
        }
    }

    pub fn out(&self) -> PathBuf {
        self.temp.path().join("out")
    }

    /// `feed-sim SOURCE … --sink udp`, all lines and the server as here.
    pub fn feed(&self, source: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.temp.command(env!("CARGO_BIN_EXE_feed-sim"));
        let [a, b] = self.lines.map(|flow| flow.to_string());
        let recovery = self.recovery.to_string();
        command.args(source).args(["--name", "demo", "--json", "--yield", "-o"]).arg(self.out());
        // Where a flag of the test's has the last word.
        for (key, value) in [
            ("SINK", "udp"),
            ("INTERFACE", if self.cable.is_some() { NEAR } else { "lo" }),
            ("LINE_A", &a),
            ("LINE_B", &b),
            ("RECOVERY", &recovery),
        ] {
            command.env(format!("TICKSPIN_FEED_{key}"), value);
        }
        command.args(arguments);
        command
    }

    pub fn json(&self) -> Value {
        let text = std::fs::read_to_string(self.out().join("feed.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// What came on the lines, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub line: u16,
    pub session: Session,
    pub number: u64,
    pub content: Content,
}

/// The engine's ends, and what it made of the packets.
pub struct Listener {
    feed: Option<Running>,
    events: Follower,
    requests: Producer,
    reports: Consumer,
    _claim: Claim,
    source: UdpSource,
    asking: (UdpSocket, SocketAddrV4),
    session: Option<Session>,
    next: u64,
    known_end: u64,
    is_ended: bool,
    waiting: BTreeMap<u64, Event>,
    hole_since: Option<Instant>,
    /// Longest wait for a lost packet.
    pub give_up: Duration,
    asked_at: Instant,
    /// Number of the last event, as the feed counts.
    pub number: u64,
    pub heard: Vec<Heard>,
    pub taken: Vec<Event>,
    /// Messages that came because they were asked for.
    pub recovered: u64,
}

impl Listener {
    /// The same listener that waits for lost packets as long as a busy host may take to send them again.
    pub fn patient(mut self) -> Listener {
        self.give_up = PATIENCE;
        self
    }

    /// The run's random number, which its sessions are named by.
    pub fn epoch(&self) -> u64 {
        self.events.peer().epoch()
    }

    /// Starts the feed and meets it.
    pub fn meet(place: &Place, feed: &mut Command) -> Listener {
        let open = |interface: &str| UdpSource::open(interface, &place.lines, 4 << 20);
        let source = place.far(open).unwrap();
        let feed = Running::start(feed).unwrap();
        let runtime = RuntimeDir::at(&place.temp.path().join("tickspin")).unwrap();
        let claim = runtime.claim("demo", Role::Engine).unwrap();
        let position = |label| PositionSegment::create(label, random_epoch()).unwrap();
        let (events, reports) = (position("events"), position("reports"));
        let requests = RingSegment::create(&RingSpec {
            label: "requests",
            slots: 1_024,
            policy: Policy::Drop,
            epoch: random_epoch(),
            clock: ClockWords::default(),
            huge_pages: false,
        })
        .unwrap();
        let ours = [events.share(), requests.share(), reports.share()];
        let build = env!("TICKSPIN_BUILD");
        let mut theirs =
            rendezvous::attach(&claim, build, &ours, PATIENCE, &|| feed.has_exited()).unwrap();
        let mut find = |kind, label: &str| -> Received {
            let at = theirs.iter().position(|one| one.kind == kind && one.label == label);
            theirs.swap_remove(at.unwrap())
        };
        let mut ring = |label| PeerRing::attach(find(SegmentKind::Ring, label)).unwrap();
        let (events_ring, reports_ring) = (ring("packets"), ring("reports"));
        let position = PeerPosition::attach(find(SegmentKind::Position, "requests")).unwrap();
        let asking = place.far(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap();
        asking.set_nonblocking(true).unwrap();
        let mut listener = Listener {
            feed: Some(feed),
            events: Follower::new(events_ring, events),
            requests: Producer::new(requests, position),
            reports: Consumer::new(reports_ring, reports, 1),
            _claim: claim,
            source,
            asking: (asking, place.recovery),
            session: None,
            next: 1,
            known_end: 1,
            is_ended: false,
            waiting: BTreeMap::new(),
            hole_since: None,
            give_up: GIVE_UP,
            asked_at: Instant::now(),
            number: 0,
            heard: Vec::new(),
            taken: Vec::new(),
            recovered: 0,
        };
        listener.requests.run();
        listener
    }

    /// Takes what has come; whether the session is over and all of it was passed.
    pub fn poll(&mut self) -> bool {
        let mut come = Vec::new();
        self.source.rx_burst(64, |datagram| come.push((datagram.flow, datagram.payload.to_vec())));
        let is_idle = come.is_empty();
        for (line, payload) in come {
            let packet = Packet::decode(&payload).unwrap();
            let Packet { session, sequence: number, content, .. } = packet;
            self.heard.push(Heard { line, session, number, content });
            self.take(&packet, false);
        }
        let mut bytes = [0; 2_048];
        while let Ok((len, _)) = self.asking.0.recv_from(&mut bytes) {
            self.take(&Packet::decode(&bytes[..len]).unwrap(), true);
        }
        self.attend();
        while self.reports.poll_copy().is_some() {}
        self.events.publish(self.number);
        if is_idle {
            std::thread::yield_now();
        }
        self.is_ended && self.next == self.known_end
    }

    fn take(&mut self, packet: &Packet<'_>, is_answer: bool) {
        if self.session != Some(packet.session) {
            assert!(!is_answer, "an answer of another session");
            if self.session.is_some() {
                assert_eq!(self.next, self.known_end, "the old session was not through");
                self.own(Kind::Clear);
                self.own(Kind::SessionStart);
            }
            (self.session, self.next, self.known_end) = (Some(packet.session), 1, 1);
            self.waiting.clear();
        }
        self.is_ended |= packet.content == Content::EndOfSession;
        let end = packet.sequence + u64::from(packet.count());
        self.known_end = self.known_end.max(end);
        assert!(packet.count() == 0 || packet.send_stamps().is_some(), "stamps are on each packet");
        for (index, message) in packet.messages().enumerate() {
            let number = packet.sequence + index as u64;
            let stamps = packet.send_stamps().unwrap();
            let stamp = stamps.message(index);
            let event = itch_event(message.unwrap()).unwrap();
            let warm_up = if stamp.is_warm_up { flag::WARM_UP } else { 0 };
            let flags = event.flags | warm_up;
            let (sent_ticks, lag_ticks) = (stamps.sent_ticks, stamp.lag_ticks);
            let event = Event { sent_ticks, lag_ticks, flags, ..event };
            if number >= self.next && self.waiting.insert(number, event).is_none() && is_answer {
                self.recovered += 1;
            }
        }
        while let Some(event) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.number += 1;
            self.taken.push(event);
            self.hole_since = None;
        }
    }

    /// A hole is asked for, and at last given up.
    fn attend(&mut self) {
        if self.next >= self.known_end {
            self.hole_since = None;
            return;
        }
        let since = *self.hole_since.get_or_insert_with(Instant::now);
        let end = self.waiting.keys().next().copied().unwrap_or(self.known_end);
        let missing = end - self.next;
        if since.elapsed() > self.give_up {
            self.number += missing - 1;
            self.own(Kind::Gap);
            self.taken.last_mut().unwrap().second_id = missing;
            self.next = end;
            self.hole_since = None;
        } else if since.elapsed() > ASK && self.asked_at.elapsed() > 2 * ASK {
            let session = self.session.unwrap();
            let request = Request { session, first: self.next, count: missing as u16 };
            self.asking.0.send_to(&request.encode(), self.asking.1).unwrap();
            self.asked_at = Instant::now();
        }
    }

    fn own(&mut self, kind: Kind) {
        self.number += 1;
        self.taken.push(Event { kind_side: Event::pack(kind, Side::None), ..Event::EMPTY });
    }

    /// A request to the server, whatever it says; the answer's first number and messages, if one comes.
    pub fn ask(&mut self, request: &Request) -> Option<(u64, u16)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send_to(&request.encode(), self.asking.1).unwrap();
        let mut bytes = [0; 2_048];
        let (len, _) = socket.recv_from(&mut bytes).ok()?;
        let packet = Packet::decode(&bytes[..len]).unwrap();
        Some((packet.sequence, packet.count()))
    }

    /// What the feed says about the stream.
    pub fn feed_state(&self) -> Option<State> {
        self.events.peer().live().state
    }

    /// Until `done`, or the end of the session.
    pub fn until(&mut self, mut done: impl FnMut(&Listener) -> bool) {
        let begun = Instant::now();
        while !self.poll() && !done(self) {
            assert!(begun.elapsed() < PATIENCE, "event {} is the last that came", self.number);
            let feed = self.feed.as_ref().unwrap();
            assert!(!feed.has_exited(), "the feed left behind event {}", self.number);
        }
    }

    /// To the end of the session, then both halt.
    pub fn finish(mut self) -> (Listener, Finished) {
        self.until(|_| false);
        self.number += 1;
        self.leave()
    }

    /// Halts the requests, and waits for the feed.
    pub fn leave(mut self) -> (Listener, Finished) {
        self.events.publish(self.number);
        self.requests.halt();
        let feed = self.feed.take().unwrap();
        let finished = feed.finish_within(PATIENCE).unwrap();
        assert!(finished.left_behind.is_empty(), "{finished:?}");
        (self, finished)
    }

    /// Numbers of the packets that a line brought, in their order.
    pub fn numbers(&self, line: u16) -> Vec<u64> {
        let is_of =
            |heard: &&Heard| heard.line == line && matches!(heard.content, Content::Messages(_));
        self.heard.iter().filter(is_of).map(|heard| heard.number).collect()
    }
}
