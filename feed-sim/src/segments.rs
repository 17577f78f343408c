//! The six segments of a run's rings, and the counters and tallies beside them, seen from here.
//!
//! ```text
//!   ours, handed to the engine        the engine's, received
//!   ring     "events"        ──────►  position "events"
//!   position "requests"      ◄──────  ring     "requests"
//!   ring     "reports"       ──────►  position "reports"
//!   counters, tallies "feed"
//! ```
//! Descriptors are duplicated once, so that the main thread can go on handing them out while the
//! pinned one owns the segments.

use crate::config::Config;
use crate::error::SimError;
use crate::record::TALLIES;
use crate::status::{LABELS, Status};
use std::os::fd::AsFd;
use tickspin_host::clock::Clock;
use tickspin_ring::counters::CounterSegment;
use tickspin_ring::region::{ClockWords, Policy, Received, random_epoch};
use tickspin_ring::tally::{TallyReader, TallySegment, TallyWriter};
use tickspin_ring::{
    AttachError, Consumer, CreateError, PeerPosition, PeerRing, PositionSegment, Producer,
    RingSegment, RingSpec, SegmentKind, Share,
};

const EVENTS: &str = "events";
/// The same ring where the events go as packets: its slots stay empty.
const PACKETS: &str = "packets";
const REQUESTS: &str = "requests";
const REPORTS: &str = "reports";
const FEED: &str = "feed";

/// The request consumer's position is stored after so many, and whenever there are none.
const PUBLISH_EVERY: u32 = 64;

/// What this process writes.
pub struct Ours {
    events: RingSegment,
    requests: PositionSegment,
    reports: RingSegment,
    /// The counters; taken by the pinned thread.
    pub status: Status,
    /// The tallies; taken by the pinned thread.
    pub tallies: TallyWriter,
    /// The tallies, for the log.
    pub reader: TallyReader,
    offered: Vec<Received>,
}

/// Descriptors to hand out, for as long as the run lasts.
pub struct Offer {
    offered: Vec<Received>,
}

/// What the pinned loop needs of both sides.
pub struct Links {
    /// Market events, out.
    pub events: Producer,
    /// Requests, in.
    pub requests: Consumer,
    /// Reports, out.
    pub reports: Producer,
}

impl Ours {
    /// Creates all five; memory is populated.
    ///
    /// # Errors
    /// The kernel has no memory or descriptors left.
    pub fn create(config: &Config, clock: &Clock) -> Result<Ours, SimError> {
        let named = |label| move |source: CreateError| SimError::Segment { label, source };
        let policy = match config.policy_name() {
            "lockstep" => Policy::Lockstep,
            "drop" => Policy::Drop,
            _ => Policy::Wait,
        };
        let ring = |label, slots, policy| {
            let (epoch, clock) = (random_epoch(), clock_words(clock));
            let huge_pages = config.huge_pages;
            RingSegment::create(&RingSpec { label, slots, policy, epoch, clock, huge_pages })
                .map_err(named(label))
        };
        // An engine that waits for the other kind says so instead of waiting in vain.
        let label = if config.packets.is_some() { PACKETS } else { EVENTS };
        let events = ring(label, config.ring_slots, policy)?;
        // Reports that find their ring full wait in an outbox.
        let reports = ring(REPORTS, config.report_slots, Policy::Wait)?;
        let requests =
            PositionSegment::create(REQUESTS, random_epoch()).map_err(named(REQUESTS))?;
        let counters = CounterSegment::create(FEED, &LABELS).map_err(named(FEED))?;
        let segment = TallySegment::create(FEED, &TALLIES).map_err(named(FEED))?;
        let shares =
            [events.share(), requests.share(), reports.share(), counters.share(), segment.share()];
        let offered = shares.iter().map(Share::to_received).collect::<std::io::Result<_>>();
        let offered = offered
            .map_err(|source| SimError::System { doing: "duplicate a descriptor", source })?;
        let Some(tallies) = segment.writer() else {
            unreachable!("the first writer of a new segment")
        };
        let (status, reader) = (Status::new(counters.writer()), segment.reader());
        Ok(Ours { events, requests, reports, status, tallies, reader, offered })
    }

    /// Random number of the run: that of the events ring.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.events.header().epoch
    }

    /// (events, reports) lie in huge pages.
    #[must_use]
    pub fn has_huge_pages(&self) -> (bool, bool) {
        (self.events.has_huge_pages(), self.reports.has_huge_pages())
    }

    /// The descriptors, to hand out from now on.
    pub fn offer(&mut self) -> Offer {
        Offer { offered: std::mem::take(&mut self.offered) }
    }

    /// Joins both sides; the second is the engine's ring once more, to watch it. What the engine sent beyond our needs is dropped.
    ///
    /// # Errors
    /// A segment is missing, or was refused by name.
    pub fn join(
        self,
        received: Vec<Received>,
    ) -> Result<(Links, PeerRing, Status, TallyWriter), SimError> {
        let mut received = received;
        let named =
            |segment: &'static str| move |why: AttachError| SimError::foreign(segment, &why);
        let events = take(&mut received, SegmentKind::Position, EVENTS)?;
        let events = PeerPosition::attach(events).map_err(named("position events"))?;
        let requests = take(&mut received, SegmentKind::Ring, REQUESTS)?;
        let watched = duplicate(&requests)?;
        let requests = PeerRing::attach(requests).map_err(named("ring requests"))?;
        let watched = PeerRing::attach(watched).map_err(named("ring requests"))?;
        let reports = take(&mut received, SegmentKind::Position, REPORTS)?;
        let reports = PeerPosition::attach(reports).map_err(named("position reports"))?;
        let links = Links {
            events: Producer::new(self.events, events),
            requests: Consumer::new(requests, self.requests, PUBLISH_EVERY),
            reports: Producer::new(self.reports, reports),
        };
        Ok((links, watched, self.status, self.tallies))
    }
}

impl Offer {
    /// As the listener takes them.
    #[must_use]
    pub fn shares(&self) -> Vec<Share<'_>> {
        self.offered
            .iter()
            .map(|one| Share { kind: one.kind, label: &one.label, fd: one.fd.as_fd() })
            .collect()
    }
}

/// The clock's words for a ring's header.
#[must_use]
pub fn clock_words(clock: &Clock) -> ClockWords {
    let (origin_ticks, origin_realtime_ns) = clock.origin();
    ClockWords { ticks_per_second: clock.ticks_per_second(), origin_ticks, origin_realtime_ns }
}

fn duplicate(received: &Received) -> Result<Received, SimError> {
    let doing = "duplicate a descriptor";
    let fd = received.fd.try_clone().map_err(|source| SimError::System { doing, source })?;
    Ok(Received { kind: received.kind, label: received.label.clone(), fd })
}

fn take(
    received: &mut Vec<Received>,
    kind: SegmentKind,
    label: &str,
) -> Result<Received, SimError> {
    let found = received.iter().position(|one| one.kind == kind && one.label == label);
    found.map(|index| received.swap_remove(index)).ok_or_else(|| SimError::Foreign {
        segment: format!("{kind:?} {label}").to_lowercase(),
        why: "it was not sent".to_owned(),
    })
}
