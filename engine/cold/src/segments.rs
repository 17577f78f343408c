//! The six segments of a run's rings, and the counters and tallies beside them, seen from here.
//!
//! ```text
//!   ours, handed to the feed          the feed's, received
//!   position "events"        ◄──────  ring "events"
//!   ring     "requests"      ──────►  position "requests"
//!   position "reports"       ◄──────  ring "reports"
//!   counters, tallies "engine"
//! ```

use crate::config::Config;
use crate::error::EngineError;
use std::io;
use tickspin_host::clock::Clock;
use tickspin_hot::input::RingInput;
use tickspin_hot::record::{COUNTERS, STAGES};
use tickspin_ring::counters::{CounterSegment, CounterWriter};
use tickspin_ring::region::{ClockWords, Policy, Received, random_epoch};
use tickspin_ring::tally::{TallyReader, TallySegment, TallyWriter};
use tickspin_ring::{
    AttachError, PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec,
    SegmentKind, Share,
};

/// Label of the ring from the feed.
const EVENTS: &str = "events";
/// The same where the events come as packets: its slots stay empty.
const PACKETS: &str = "packets";
/// Label of the ring to the exchange end.
const REQUESTS: &str = "requests";
/// Label of the ring back.
const REPORTS: &str = "reports";
/// Label of our counters and tallies.
const ENGINE: &str = "engine";

/// What this process writes.
pub struct Ours {
    events: PositionSegment,
    requests: RingSegment,
    reports: PositionSegment,
    counters: CounterSegment,
    tallies: TallySegment,
}

/// What the pinned loop needs of both sides.
pub struct Links {
    /// Market events: the feed's ring, and our position on it.
    pub events: (PeerRing, PositionSegment),
    /// Requests.
    pub requests: Producer,
    /// Reports.
    pub reports: RingInput,
    /// Its counters.
    pub counters: CounterWriter,
    /// Its tallies.
    pub tallies: TallyWriter,
    /// Event N+1 leaves only after N is finished.
    pub is_lockstep: bool,
}

/// What the other threads keep.
pub struct Watched {
    /// The feed's ring of events, mapped once more: its live words tell whether it halted.
    pub events: PeerRing,
    /// How far we are on it, read back.
    pub position: PeerPosition,
    /// Our own tallies.
    pub tallies: TallyReader,
    /// The ring's epoch: that of the run.
    pub epoch: u64,
}

impl Ours {
    /// Creates all five; memory is populated.
    ///
    /// # Errors
    /// The kernel has no memory or descriptors left.
    pub fn create(config: &Config, clock: &Clock) -> Result<Ours, EngineError> {
        let named = |label| move |source| EngineError::Segment { label, source };
        let requests = RingSpec {
            label: REQUESTS,
            slots: config.rings.requests_slots,
            // The loop never waits: a full ring is a counted refusal.
            policy: Policy::Drop,
            epoch: random_epoch(),
            clock: clock_words(clock),
            huge_pages: config.memory.huge_pages,
        };
        let position = |label| PositionSegment::create(label, random_epoch()).map_err(named(label));
        Ok(Ours {
            events: position(EVENTS)?,
            requests: RingSegment::create(&requests).map_err(named(REQUESTS))?,
            reports: position(REPORTS)?,
            counters: CounterSegment::create(ENGINE, &COUNTERS).map_err(named(ENGINE))?,
            tallies: TallySegment::create(ENGINE, &STAGES).map_err(named(ENGINE))?,
        })
    }

    /// Read-only descriptors for the feed and for observers.
    #[must_use]
    pub fn shares(&self) -> [Share<'_>; 5] {
        [
            self.events.share(),
            self.requests.share(),
            self.reports.share(),
            self.counters.share(),
            self.tallies.share(),
        ]
    }

    /// Whether the requests ring lies in huge pages.
    #[must_use]
    pub fn has_huge_pages(&self) -> bool {
        self.requests.has_huge_pages()
    }

    /// Joins both sides. What the feed sent beyond our needs is dropped.
    ///
    /// # Errors
    /// A segment is missing, or was refused by name.
    pub fn join(
        self,
        received: Vec<Received>,
        by_packets: bool,
    ) -> Result<(Links, Watched), EngineError> {
        let mut received = received;
        let (label, other) = if by_packets { (PACKETS, EVENTS) } else { (EVENTS, PACKETS) };
        let has = |label: &str| {
            received.iter().any(|one| one.kind == SegmentKind::Ring && one.label == label)
        };
        if !has(label) && has(other) {
            return Err(EngineError::OtherWay { by_packets });
        }
        let events = take(&mut received, SegmentKind::Ring, label)?;
        let watched = duplicate(&events).map_err(|error| foreign_io(EVENTS, &error))?;
        let named =
            |segment: &'static str| move |why: AttachError| EngineError::foreign(segment, &why);
        let events = PeerRing::attach(events).map_err(named("ring events"))?;
        let watched = PeerRing::attach(watched).map_err(named("ring events"))?;
        let reports = take(&mut received, SegmentKind::Ring, REPORTS)?;
        let reports = PeerRing::attach(reports).map_err(named("ring reports"))?;
        let position = take(&mut received, SegmentKind::Position, REQUESTS)?;
        let position = PeerPosition::attach(position).map_err(named("position requests"))?;
        let (epoch, is_lockstep) = (events.epoch(), events.policy() == Policy::Lockstep);
        let own = self.events.share().to_received().map_err(|error| foreign_io(EVENTS, &error))?;
        let own = PeerPosition::attach(own).map_err(named("position events, our own"))?;
        let reader = self.tallies.reader();
        let tallies = self.tallies.writer().ok_or(EngineError::Thread("tallies"))?;
        let links = Links {
            events: (events, self.events),
            requests: Producer::new(self.requests, position),
            reports: RingInput::new(reports, self.reports),
            counters: self.counters.writer(),
            tallies,
            is_lockstep,
        };
        Ok((links, Watched { events: watched, position: own, tallies: reader, epoch }))
    }
}

/// The clock's words for a ring's header.
#[must_use]
pub fn clock_words(clock: &Clock) -> ClockWords {
    let (origin_ticks, origin_realtime_ns) = clock.origin();
    ClockWords { ticks_per_second: clock.ticks_per_second(), origin_ticks, origin_realtime_ns }
}

fn take(
    received: &mut Vec<Received>,
    kind: SegmentKind,
    label: &str,
) -> Result<Received, EngineError> {
    let found = received.iter().position(|one| one.kind == kind && one.label == label);
    found.map(|index| received.swap_remove(index)).ok_or_else(|| EngineError::Foreign {
        segment: format!("{kind:?} {label}").to_lowercase(),
        why: "it was not sent".to_owned(),
    })
}

fn duplicate(received: &Received) -> io::Result<Received> {
    let fd = received.fd.try_clone()?;
    Ok(Received { kind: received.kind, label: received.label.clone(), fd })
}

fn foreign_io(segment: &str, error: &io::Error) -> EngineError {
    EngineError::Foreign { segment: segment.to_owned(), why: error.to_string() }
}
