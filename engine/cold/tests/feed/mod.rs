//! A feed written by hand, in the test's own process: real segments through the real meeting
//! place, to a real engine process. Every test decides itself what it sends.
#![allow(dead_code, unreachable_pub, reason = "a module of tests, each uses its part")]

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickspin_host::clock::ticks;
use tickspin_ring::region::{ClockWords, Policy, Received, random_epoch};
use tickspin_ring::rendezvous::{Claim, Listener, Role, RuntimeDir, Served};
use tickspin_ring::{
    Consumer, PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec,
    SegmentKind, State,
};
use tickspin_testkit::process::{Finished, Running, TempDir, wait_until};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{Report, ReportKind, Request, RequestKind};

/// Longest wait for anything here: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The engine under test.
pub const ENGINE: &str = env!("CARGO_BIN_EXE_engine");

/// Every engine here spins on the same core: one test at a time has it.
static CORE: Mutex<()> = Mutex::new(());

/// A folder for one test: runtime directory and results. Holds the core while it lives.
pub struct Place {
    pub temp: TempDir,
    _core: MutexGuard<'static, ()>,
}

impl Place {
    pub fn new() -> Place {
        // A test that failed while it held the core has left nothing behind that matters.
        let core = CORE.lock().unwrap_or_else(PoisonError::into_inner);
        Place { temp: TempDir::new().unwrap(), _core: core }
    }

    pub fn runtime(&self) -> RuntimeDir {
        RuntimeDir::at(&self.temp.path().join("tickspin")).unwrap()
    }

    pub fn out(&self) -> PathBuf {
        self.temp.path().join("out")
    }

    /// `engine --name t -o <out> …` in this place.
    pub fn engine(&self, arguments: &[&str]) -> Command {
        let mut command = self.temp.command(ENGINE);
        command.args(["--name", "t", "-o"]).arg(self.out()).args(arguments);
        command
    }

    pub fn json(&self) -> Value {
        let text = std::fs::read_to_string(self.out().join("engine.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Names in the runtime directory that are runs.
    pub fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temp.path().join("tickspin"));
        let names = entries.into_iter().flatten().flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect()
    }
}

/// A feed before it has met its engine.
pub struct Waiting {
    pub claim: Claim,
    listener: Listener,
    pub events: RingSegment,
    requests: PositionSegment,
    pub reports: RingSegment,
}

/// A feed that has met its engine.
pub struct Feed {
    pub claim: Claim,
    pub events: Producer,
    pub requests: Consumer,
    pub reports: Producer,
    pub epoch: u64,
    /// Every request so far.
    pub taken: Vec<Request>,
    next_venue_id: u64,
}

fn ring(label: &str, policy: Policy) -> RingSegment {
    let spec = RingSpec {
        label,
        slots: 4_096,
        policy,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    };
    RingSegment::create(&spec).unwrap()
}

/// The engine's build id: programs of another one are sent away.
pub fn build_id() -> String {
    let output = Command::new(ENGINE).arg("--build-id").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl Waiting {
    pub fn new(place: &Place, policy: Policy) -> Waiting {
        Waiting::of_build(place, policy, &build_id())
    }

    pub fn of_build(place: &Place, policy: Policy, build: &str) -> Waiting {
        Waiting::with_ring(place, "events", policy, build)
    }

    /// A feed that sends packets.
    pub fn by_packets(place: &Place, policy: Policy) -> Waiting {
        Waiting::with_ring(place, "packets", policy, &build_id())
    }

    fn with_ring(place: &Place, label: &str, policy: Policy, build: &str) -> Waiting {
        let claim = place.runtime().claim("t", Role::Feed).unwrap();
        let listener = Listener::bind(&claim, build).unwrap();
        let requests = PositionSegment::create("requests", random_epoch()).unwrap();
        let events = ring(label, policy);
        Waiting { claim, listener, events, requests, reports: ring("reports", Policy::Wait) }
    }

    /// Serves until somebody attached or was sent away.
    pub fn serve(&mut self) -> Served {
        let shares = [self.events.share(), self.requests.share(), self.reports.share()];
        serve(&mut self.listener, &shares)
    }

    /// The same without the reports ring.
    pub fn serve_without_reports(&mut self) -> Served {
        let shares = [self.events.share(), self.requests.share()];
        serve(&mut self.listener, &shares)
    }

    /// Meets the engine and waits until it is armed.
    pub fn meet(mut self) -> Feed {
        let Served::Attached(mut received) = self.serve() else { panic!("nobody attached") };
        let mut take = |kind, label: &str| -> Received {
            let found = received.iter().position(|one| one.kind == kind && one.label == label);
            received.swap_remove(found.unwrap_or_else(|| panic!("the engine sent no {label}")))
        };
        let events = PeerPosition::attach(take(SegmentKind::Position, "events")).unwrap();
        let requests = PeerRing::attach(take(SegmentKind::Ring, "requests")).unwrap();
        let reports = PeerPosition::attach(take(SegmentKind::Position, "reports")).unwrap();
        let epoch = self.events.header().epoch;
        let mut feed = Feed {
            claim: self.claim,
            events: Producer::new(self.events, events),
            requests: Consumer::new(requests, self.requests, 1),
            reports: Producer::new(self.reports, reports),
            epoch,
            taken: Vec::new(),
            next_venue_id: 1,
        };
        let armed = || feed.requests.peer().live().state == Some(State::Run);
        assert!(wait_until(PATIENCE, armed), "the engine never armed");
        feed.events.run();
        feed.reports.run();
        feed
    }
}

fn serve(listener: &mut Listener, shares: &[tickspin_ring::Share<'_>]) -> Served {
    let end = Instant::now() + PATIENCE;
    loop {
        match listener.serve(Duration::from_millis(100), shares).unwrap() {
            Served::Nothing if Instant::now() < end => {}
            served => return served,
        }
    }
}

impl Feed {
    /// Sends one event, stamped now; waits for room, answering requests meanwhile.
    pub fn send(&mut self, event: Event) -> u64 {
        let end = Instant::now() + PATIENCE;
        loop {
            let stamped = Event { sent_ticks: ticks(), ..event };
            if let Some(seq) = self.events.try_publish(&stamped.to_words()) {
                return seq;
            }
            self.answer();
            assert!(Instant::now() < end, "the engine takes no events");
        }
    }

    /// Sends one event and finishes its turn as a feed in lock-step does.
    pub fn send_in_step(&mut self, event: Event) {
        let seq = self.send(event);
        let end = Instant::now() + PATIENCE;
        while self.events.consumer_position() < seq {
            std::hint::spin_loop();
            assert!(Instant::now() < end, "event {seq} was never finished");
        }
        self.answer();
    }

    /// Takes what requests stand and acknowledges each; immediate ones are cancelled at once.
    pub fn answer(&mut self) {
        while let Some((_, words)) = self.requests.poll_copy() {
            let request = Request::from_words(words);
            self.taken.push(request);
            let kind = match request.kind() {
                Some(RequestKind::New) if request.flags & 1 != 0 => ReportKind::Cancelled,
                Some(RequestKind::New) => ReportKind::Acknowledged,
                Some(RequestKind::Replace) => ReportKind::Replaced,
                Some(RequestKind::Cancel | RequestKind::MassCancel) => ReportKind::Cancelled,
                None => panic!("a request of no kind: {request:?}"),
            };
            let is_open = matches!(kind, ReportKind::Acknowledged | ReportKind::Replaced);
            let report = Report {
                after_seq: request.cause_seq,
                client_id: if request.kind() == Some(RequestKind::Cancel) {
                    request.target_id
                } else {
                    request.client_id
                },
                venue_id: self.next_venue_id,
                leaves: if is_open { request.qty } else { Qty(0) },
                px: request.px,
                qty: request.qty,
                instrument: request.instrument,
                kind: kind as u8,
                side: request.side,
                reason: 0,
            };
            self.next_venue_id += 1;
            assert!(self.reports.try_publish(&report.to_words()).is_some(), "reports are full");
        }
        self.requests.publish_position();
    }

    /// `End`, then answers until the engine has halted its requests, then the reports' halt.
    pub fn end(mut self) -> Vec<Request> {
        self.send(event(Kind::End, Side::None, InstrumentId::ALL));
        self.events.halt();
        let end = Instant::now() + PATIENCE;
        while self.requests.ended().is_none() {
            self.answer();
            assert!(Instant::now() < end, "the engine never halted its requests");
        }
        self.answer();
        self.reports.halt();
        std::mem::take(&mut self.taken)
    }

    /// Dies: the lock is free, and no ring was halted.
    pub fn die(self) {
        let Feed { claim, events, requests, reports, .. } = self;
        std::mem::forget((events, requests, reports));
        drop(claim);
    }
}

/// Starts an engine.
pub fn start(command: &mut Command) -> Running {
    Running::start(command).unwrap()
}

/// Waits for its end, and holds what every end must hold: one process, nothing left behind.
pub fn finish(engine: Running) -> Finished {
    let finished = engine.finish_within(PATIENCE).unwrap();
    assert!(finished.left_behind.is_empty(), "{finished:?}");
    finished
}

pub fn event(kind: Kind, side: Side, instrument: InstrumentId) -> Event {
    Event {
        exchange_ns: 1_000,
        instrument,
        kind_side: Event::pack(kind, side),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

/// A market: adds on both sides, reductions, replacements and deletions over some instruments,
/// with a few orders that no book holds. Prices drift, and the books never cross. Deterministic.
pub fn market(count: u64) -> Vec<Event> {
    let cent = Px::ONE / 100;
    (0..count)
        .map(|at| {
            let instrument = InstrumentId((at / 8 % 5) as u16);
            let drift = (at / 40 % 7) as i64;
            let id = at / 8 * 8;
            let base = Event {
                exchange_ns: 1_000_000 * (at + 1),
                ..event(Kind::Info, Side::None, instrument)
            };
            let add = |side, cents: i64, id| Event {
                kind_side: Event::pack(Kind::Add, side),
                px: Px((10_000 + drift + cents) * cent),
                qty: Qty(100 + at % 3),
                order_id: id,
                ..base
            };
            let on = |kind, order_id, qty| Event {
                kind_side: Event::pack(kind, Side::None),
                order_id,
                qty: Qty(qty),
                ..base
            };
            match at % 8 {
                0 => add(Side::Bid, -5, id + 1),
                1 => add(Side::Ask, 5, id + 2),
                2 => add(Side::Bid, -6, id + 3),
                3 => add(Side::Ask, 6, id + 4),
                4 => on(Kind::Reduce, id + 1, 40),
                5 => Event {
                    px: Px((10_000 + drift + 4) * cent),
                    second_id: id + 5,
                    ..on(Kind::Replace, id + 4, 77)
                },
                6 => on(Kind::Delete, if at % 16 < 8 { id + 3 } else { 999_999_999 }, 0),
                _ if at > 80 => on(Kind::Execute, id - 79, 1_000),
                _ => on(Kind::Execute, 999_999_998, 10),
            }
        })
        .collect()
}
