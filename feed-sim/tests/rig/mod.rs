//! An engine written by hand: real segments, no other process.
#![allow(dead_code, unreachable_pub, reason = "a module of tests, each uses its part")]

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tickspin_feed_sim::ahead::Room;
use tickspin_feed_sim::args::Flags;
use tickspin_feed_sim::config::Config;
use tickspin_feed_sim::control::Control;
use tickspin_feed_sim::exchange::{Exchange, Session};
use tickspin_feed_sim::record::Recorder;
use tickspin_feed_sim::run::{mode, prepare};
use tickspin_feed_sim::segments::Ours;
use tickspin_feed_sim::sink::Sink;
use tickspin_feed_sim::sink::packets::Opened;
use tickspin_feed_sim::sink::ring::RingSink;
use tickspin_feed_sim::source::synth::{RATE_DEFAULT, Synth, SynthSpec};
use tickspin_feed_sim::source::{Source, Touch};
use tickspin_feed_sim::spin::{Outcome, Spinner};
use tickspin_host::clock::Clock;
use tickspin_host::wait::Yield;
use tickspin_recording::TreeBook;
use tickspin_ring::region::{ClockWords, Policy, Received, random_epoch};
use tickspin_ring::tally::{Snapshot, TallyReader};
use tickspin_ring::{
    Consumer, PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec,
    SegmentKind, Share, State,
};
use tickspin_testkit::alloc::{AllocationCounts, arm, disarm};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{Px, Qty, Side};
use tickspin_wire::order::{Report, Request, RequestKind};

/// Longest wait for anything here: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A feed's loop on a thread of its own, and the engine's ends of its rings.
pub struct Rig {
    pub control: Arc<Control>,
    pub clock: Clock,
    events: Consumer,
    requests: Producer,
    reports: Consumer,
    thread: JoinHandle<(Outcome, AllocationCounts)>,
    tallies: TallyReader,
    book: TreeBook,
    seq: u64,
    is_warm_up: Vec<bool>,
    unmeasured: u64,
}

/// What is left of a run.
pub struct Left {
    pub outcome: Outcome,
    /// Of the loop's thread, where the test has a counting allocator.
    pub allocations: AllocationCounts,
    pub lag: Snapshot,
    pub exchange: Snapshot,
    /// Requests whose cause was warm-up.
    pub unmeasured: u64,
    /// Of the events and reports rings.
    pub states: (Option<State>, Option<State>),
}

impl Rig {
    /// Over a synthetic market.
    pub fn new(flags: &Flags) -> Rig {
        let config = config(flags);
        let source = synth(&config);
        Rig::start(&config, source, || ())
    }

    /// `between` is called on the loop's thread between the marks of the counting allocator.
    pub fn with_hook(flags: &Flags, between: fn()) -> Rig {
        let config = config(flags);
        let source = synth(&config);
        Rig::start(&config, source, between)
    }

    pub fn with_source(flags: &Flags, source: Source) -> Rig {
        Rig::start(&config(flags), source, || ())
    }

    pub fn with_report_slots(flags: &Flags, report_slots: u32) -> Rig {
        let config = Config { report_slots, ..config(flags) };
        let source = synth(&config);
        Rig::start(&config, source, || ())
    }

    fn start(config: &Config, source: Source, between: fn()) -> Rig {
        let clock = Clock::calibrate(Duration::from_millis(20)).unwrap();
        let mut ours = Ours::create(config, &clock).unwrap();
        let offer = ours.offer();
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
        let theirs = [events.share(), requests.share(), reports.share()];
        let theirs = theirs.iter().map(|share| share.to_received().unwrap()).collect();
        let shares = offer.shares();
        let find = |kind, label: &str| -> Received {
            let is_it = |share: &&Share<'_>| share.kind == kind && share.label == label;
            shares.iter().find(is_it).unwrap().to_received().unwrap()
        };
        let ring = |label| PeerRing::attach(find(SegmentKind::Ring, label)).unwrap();
        let publish_every = if config.is_lockstep { u32::MAX } else { 1 };
        let label = if config.packets.is_some() { "packets" } else { "events" };
        let events = Consumer::new(ring(label), events, publish_every);
        let reports = Consumer::new(ring("reports"), reports, 1);
        let position = PeerPosition::attach(find(SegmentKind::Position, "requests")).unwrap();
        let mut requests = Producer::new(requests, position);
        requests.run();

        let epoch = ours.epoch();
        let tallies = ours.reader.clone();
        let (links, _, status, writer) = ours.join(theirs).unwrap();
        let session = Session::new(epoch, config.ring_slots, config.open_orders).unwrap();
        let control = Arc::new(Control::default());
        let room = Room::of(config.ahead.unwrap_or(1 << 16) as usize);
        let ahead = prepare(config, room, source, &clock, &control).unwrap();
        let opened = Opened::open(config, epoch, &clock, &control).unwrap();
        let spinner = Spinner {
            sink: (),
            exchange: Exchange::new(session, links.requests, links.reports, config.is_lockstep),
            ahead,
            recorder: Recorder::new(writer, clock),
            status,
            control: Arc::clone(&control),
            mode: mode(config, &clock),
        };
        let thread = match opened {
            Opened::Ring => spin(spinner.with(RingSink::new(links.events, config.policy)), between),
            Opened::Udp(parts) => spin(spinner.with(parts.sink(links.events)), between),
            #[cfg(feature = "xdp")]
            Opened::Xdp(parts) => spin(spinner.with(parts.sink(links.events)), between),
        };
        Rig {
            control,
            clock,
            events,
            requests,
            reports,
            thread,
            tallies,
            book: TreeBook::default(),
            seq: 0,
            is_warm_up: vec![true],
            unmeasured: 0,
        }
    }

    /// Until the feed has said that no more will come: where nobody takes events off the ring.
    pub fn wait_for_halt(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !matches!(self.events.peer().live().state, Some(State::Halt | State::Fail)) {
            assert!(Instant::now() < end, "the stream does not end");
            thread::yield_now();
        }
    }

    /// The next event, if one stands.
    pub fn try_take(&mut self) -> Option<Event> {
        let (seq, words) = self.events.poll_copy()?;
        self.seq += 1;
        assert_eq!(seq, self.seq, "sequences come one after the other");
        let event = Event::from_words(words);
        self.is_warm_up.push(event.is_warm_up());
        self.book.apply(&event);
        Some(event)
    }

    /// The next event.
    pub fn take(&mut self) -> Event {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.try_take() {
                return event;
            }
            assert!(Instant::now() < end, "no event after {}", self.seq);
            thread::yield_now();
        }
    }

    /// All events up to `End`, which is the last.
    pub fn take_until_end(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.kind() != Some(Kind::End)) {
            events.push(self.take());
            while self.try_report().is_some() {}
        }
        events
    }

    /// Lock-step: this event is finished.
    pub fn finish_event(&mut self) {
        self.events.publish_position();
    }

    pub fn try_report(&mut self) -> Option<Report> {
        self.reports.poll_copy().map(|(_, words)| Report::from_words(words))
    }

    pub fn send(&mut self, request: Request) {
        let cause = usize::try_from(request.cause_seq).unwrap();
        self.unmeasured += u64::from(self.is_warm_up[cause]);
        self.requests.try_publish(&request.to_words()).expect("room for a request");
    }

    /// Requests that the feed has not taken.
    pub fn requests_waiting(&mut self) -> u64 {
        self.requests.next_seq() - 1 - self.requests.consumer_position()
    }

    /// The event's instrument has two sides now.
    pub fn quotable(&self, event: &Event) -> bool {
        let touch = self.touch(event);
        touch.bid.is_some() && touch.ask.is_some()
    }

    pub fn touch(&self, event: &Event) -> Touch {
        let [bid, ask] = self.book.best(event.instrument);
        let px = |best: Option<(Px, _)>| best.map_or(Px::NONE, |(px, _)| px);
        Touch { bid: px(bid), ask: px(ask) }
    }

    pub fn epoch(&self) -> u64 {
        self.events.epoch()
    }

    /// Halts the engine's side and waits for the feed's.
    pub fn finish(mut self) -> Left {
        self.requests.halt();
        let end = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            while self.try_report().is_some() {}
            // A feed that waits for room, or in lock-step, is not held up.
            while self.events.poll_copy().is_some() {}
            self.events.publish_position();
            assert!(Instant::now() < end, "the loop does not end");
            thread::yield_now();
        }
        let (outcome, allocations) = self.thread.join().unwrap();
        let snapshot = |index| {
            let mut snapshot = Snapshot::default();
            self.tallies.snapshot(index, &mut snapshot);
            snapshot
        };
        let states = (self.events.peer().live().state, self.reports.peer().live().state);
        let (lag, exchange) = (snapshot(0), snapshot(1));
        Left { outcome, allocations, lag, exchange, unmeasured: self.unmeasured, states }
    }
}

/// Test machines share their cores: it yields.
fn spin<S: Sink + Send + 'static>(
    mut spinner: Spinner<S>,
    between: fn(),
) -> JoinHandle<(Outcome, AllocationCounts)> {
    thread::spawn(move || {
        arm();
        let finish = spinner.run(&mut Yield);
        between();
        let allocations = disarm();
        (spinner.outcome(finish), allocations)
    })
}

fn config(flags: &Flags) -> Config {
    Config::load(flags).unwrap().0
}

fn synth(config: &Config) -> Source {
    let rate = config.rate.unwrap_or(RATE_DEFAULT);
    let spec = SynthSpec { seed: config.seed, instruments: 4, rate, bursts: None };
    Source::Synth(Box::new(Synth::new(spec)))
}

/// A bid for what `event` is about, `px` units: 1 rests far below every market.
pub fn new_order(rig: &Rig, client_id: u64, event: &Event, px: i64) -> Request {
    Request {
        cause_epoch: rig.epoch(),
        cause_seq: rig.seq,
        client_id,
        target_id: 0,
        px: Px(px),
        qty: Qty(1),
        instrument: event.instrument,
        kind: RequestKind::New as u8,
        side: Side::Bid as u8,
        flags: 0,
    }
}
