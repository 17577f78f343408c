//! Stamps to tallies, outcomes to counters.
//!
//! Recording happens after the last request of an event has left, so it delays the next event, never
//! this one's order. Each value costs about a nanosecond in a tally while its lines are warm.
//! Counters live in fields of the stages and are copied to the shared segment in small steps on idle
//! turns (and every 1,024 events when there are none), never per event.
//!
//! Warm-up events are counted and not measured. A difference that comes out negative is counted
//! apart: it would mean that two cores' clocks disagree, and must not wrap into a huge value.

pub mod counter;
pub mod slow; // what is kept of ticks above a threshold

pub use counter::COUNTERS;
pub use slow::Spell;

use crate::book::Book;
use crate::orders::{Orders, Outbox};
use crate::risk::Risk;
use crate::stamps::Marks;
use slow::{Followed, Slow, SlowTick};
use tickspin_host::clock::Clock;
use tickspin_ring::counters::CounterWriter;
use tickspin_ring::tally::TallyWriter;
use tickspin_wire::event::Event;

/// Labels of the engine's tallies, in the order of their indices; values in ns.
pub const STAGES: [&str; 7] =
    ["ring_wait", "book", "strategy", "risk_order", "tick_to_order", "service", "response"];

/// Index of each stage in [`STAGES`].
pub mod stage {
    /// Sent to arrival.
    pub const RING_WAIT: usize = 0;
    /// Arrival to the book updated.
    pub const BOOK: usize = 1;
    /// To the strategy's decision.
    pub const STRATEGY: usize = 2;
    /// Decision to the last request published; events with orders.
    pub const RISK_ORDER: usize = 3;
    /// Arrival to the last request published; events with orders.
    pub const TICK_TO_ORDER: usize = 4;
    /// Arrival to the end of the work, every event.
    pub const SERVICE: usize = 5;
    /// Intended instant to the end of the work, every event.
    pub const RESPONSE: usize = 6;
}

/// How many steps a full flush of the counters takes.
pub const FLUSH_STEPS: u32 = 4;

/// Life of the loop, as the counter `phase` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Not yet armed.
    Boot = 0,
    /// Taking events.
    Running = 1,
    /// A stop signal came: no new orders.
    Stopping = 2,
    /// The stream has ended: reports only.
    Draining = 3,
    /// Left.
    Done = 4,
}

/// Counts of the loop itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopStats {
    /// Of the events taken: warm-up.
    pub received_warm_up: u64,
    /// Payloads or stamps that no honest feed writes.
    pub foreign: u64,
    /// `Gap` events.
    pub gaps: u64,
    /// Venue messages missing, as the gaps say.
    pub gap_missing: u64,
    /// Turns that took reports only.
    pub turns_report: u64,
    /// Turns that found nothing.
    pub turns_idle: u64,
    /// Ring sequence of the last event. Sequences have no holes, so this one store an event counts
    /// events and turns too.
    pub last_seq: u64,
    /// The last event is the feed's `End`.
    pub has_ended: bool,
    /// Notices that found the queue full.
    pub notices_lost: u64,
    /// Measured events that sent at least one request.
    pub with_orders: u64,
    /// Spells of slow ticks that found the queue full.
    pub spells_lost: u64,
    /// Slow ticks in them.
    pub slow_lost: u64,
    /// Gaps of the waiting loop above the slow ticks' threshold: nothing came meanwhile.
    pub long_gaps: u64,
}

impl LoopStats {
    /// Events taken, all kinds but `End`, warm-up included.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.last_seq - self.has_ended as u64
    }

    /// Turns that took an event.
    #[must_use]
    pub const fn turns_work(&self) -> u64 {
        self.last_seq
    }
}

/// What one measured event took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Intended instant to the end of the work, ns; 0: negative.
    pub response_ns: u64,
    /// Service time in ns where it is longer than every one before.
    pub slowest_ns: Option<u64>,
}

/// Tallies, counters, clock, and the loop's own counts.
pub struct Recorder {
    tallies: TallyWriter,
    counters: CounterWriter,
    clock: Clock,
    /// Counts of the loop; the loop itself writes them.
    pub stats: LoopStats,
    /// Where the loop is in its life.
    pub(crate) phase: Phase,
    /// When the clock was last looked at; 0: never.
    last_look: u64,
    largest_gap_ticks: u64,
    slowest_ticks: u64,
    slow: Slow,
    /// What each step's counts stood at when it was flushed last.
    flushed: [u64; FLUSH_STEPS as usize],
    /// A stamp on the reports ring that no honest producer writes; 0: none.
    pub(crate) foreign_report_stamp: u64,
}

impl Recorder {
    /// `tallies` labelled [`STAGES`], `counters` labelled [`COUNTERS`].
    #[must_use]
    pub const fn new(tallies: TallyWriter, counters: CounterWriter, clock: Clock) -> Recorder {
        Recorder {
            tallies,
            counters,
            clock,
            stats: LoopStats {
                received_warm_up: 0,
                foreign: 0,
                gaps: 0,
                gap_missing: 0,
                turns_report: 0,
                turns_idle: 0,
                last_seq: 0,
                has_ended: false,
                notices_lost: 0,
                with_orders: 0,
                spells_lost: 0,
                slow_lost: 0,
                long_gaps: 0,
            },
            phase: Phase::Boot,
            last_look: 0,
            largest_gap_ticks: 0,
            slowest_ticks: 0,
            slow: Slow::new(u64::MAX, u64::MAX),
            flushed: [0; FLUSH_STEPS as usize],
            foreign_report_stamp: 0,
        }
    }

    /// Keeps a record of every measured event whose response is `over_ns` or more, at least
    /// [`slow::OVER_MIN_NS`]. Without it none are kept.
    #[must_use]
    pub const fn with_slow_over(mut self, over_ns: u64) -> Recorder {
        let over_ns = if over_ns < slow::OVER_MIN_NS { slow::OVER_MIN_NS } else { over_ns };
        self.slow = Slow::new(over_ns, self.clock.ticks_from_ns(over_ns));
        self
    }

    /// The clock that turns ticks into ns.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Between [`Phase::Running`] and [`Phase::Done`] the loop is armed: nothing allocates.
    pub fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.counters.set(counter::PHASE, phase as u64);
        let is_armed = !matches!(phase, Phase::Boot | Phase::Done);
        self.counters.set(counter::ARMED, u64::from(is_armed));
    }

    /// The clock was read between two steps of the loop. True where the time since the last look is
    /// longer than every one before.
    #[inline]
    pub fn look(&mut self, now: u64) -> bool {
        let gap = now.saturating_sub(self.last_look);
        let is_largest = gap > self.largest_gap_ticks && self.last_look != 0;
        self.last_look = now;
        if is_largest {
            self.largest_gap_ticks = gap;
        }
        is_largest
    }

    /// When the loop was last seen at work or looking; 0: never.
    #[inline]
    #[must_use]
    pub const fn last_look(&self) -> u64 {
        self.last_look
    }

    /// A look of the waiting loop. As [`Recorder::look`]; long gaps are counted, and a spell of slow
    /// ticks that nothing followed ends.
    #[inline]
    pub fn look_idle(&mut self, now: u64) -> bool {
        let gap = now.saturating_sub(self.last_look);
        if gap >= self.slow.over_ticks() && self.last_look != 0 {
            self.stats.long_gaps += 1;
        }
        if self.slow.look_ns == 0 && self.slow.is_stale(now) {
            self.slow.close();
        }
        self.look(now)
    }

    /// A tick of this response is slow, or follows one that was: it belongs to
    /// [`Recorder::slow_tick`].
    #[inline]
    #[must_use]
    pub(crate) const fn is_slow(&self, response_ns: u64) -> bool {
        response_ns >= self.slow.look_ns
    }

    /// Takes such a tick, the last one counted; `looked`: when the loop was last seen before its
    /// arrival. True where a spell ended with it: [`Recorder::ended_spell`].
    #[inline]
    pub(crate) fn slow_tick(
        &mut self,
        marks: &Marks,
        event: &Event,
        looked: u64,
        response_ns: u64,
    ) -> bool {
        let (seq, sent) = (self.stats.last_seq, event.sent_ticks);
        if self.slow.follow(&Followed { seq, sent, looked, end: marks.end }, response_ns) {
            return false;
        }
        self.begin_spell(marks, event, looked, response_ns)
    }

    #[cold]
    #[inline(never)]
    fn begin_spell(&mut self, marks: &Marks, event: &Event, looked: u64, response_ns: u64) -> bool {
        let tick = SlowTick {
            seq: self.stats.last_seq,
            intended: event.intended_ticks(),
            sent: event.sent_ticks,
            looked,
            marks: *marks,
        };
        self.slow.take(&tick, response_ns);
        self.slow.has_ended()
    }

    /// Ends a spell that is still open.
    pub(crate) fn close_spell(&mut self) {
        self.slow.close();
    }

    /// See [`Recorder::ended_spell`].
    #[inline]
    pub(crate) const fn has_ended_spell(&self) -> bool {
        self.slow.has_ended()
    }

    /// A spell that ended, once.
    pub(crate) fn ended_spell(&mut self) -> Option<Spell> {
        self.slow.fetch()
    }

    /// Longest time between two looks so far, ns.
    #[must_use]
    pub fn largest_gap_ns(&self) -> u64 {
        self.clock.ns(self.largest_gap_ticks)
    }

    /// The spans of one measured event. `STAGES`: the stage marks were taken.
    #[inline]
    pub fn tick<const STAGES: bool>(
        &mut self,
        marks: &Marks,
        event: &Event,
        has_orders: bool,
    ) -> Took {
        self.span(stage::RING_WAIT, event.sent_ticks, marks.arrival);
        if STAGES {
            self.span(stage::BOOK, marks.arrival, marks.booked);
            self.span(stage::STRATEGY, marks.booked, marks.decided);
        }
        if STAGES && has_orders {
            self.span(stage::RISK_ORDER, marks.decided, marks.end);
        }
        // The service time is the time to the order too: converted once.
        let ticks = marks.end.checked_sub(marks.arrival);
        let service_ns = ticks.map(|ticks| self.clock.ns(ticks));
        if has_orders {
            self.stats.with_orders += 1;
            self.value(stage::TICK_TO_ORDER, service_ns);
        }
        self.value(stage::SERVICE, service_ns);
        let response = marks.end.checked_sub(event.intended_ticks());
        let response_ns = response.map(|ticks| self.clock.ns(ticks));
        self.value(stage::RESPONSE, response_ns);
        let is_slowest = ticks > Some(self.slowest_ticks);
        if is_slowest {
            self.slowest_ticks = ticks.unwrap_or_default();
        }
        Took {
            response_ns: response_ns.unwrap_or_default(),
            slowest_ns: if is_slowest { service_ns } else { None },
        }
    }

    #[inline]
    fn span(&mut self, index: usize, from: u64, to: u64) {
        let ns = to.checked_sub(from).map(|ticks| self.clock.ns(ticks));
        self.value(index, ns);
    }

    /// `None`: a negative difference.
    #[inline]
    fn value(&mut self, index: usize, ns: Option<u64>) {
        match ns {
            Some(ns) => self.tallies.record(index, ns),
            None => self.tallies.record_negative(index),
        }
    }

    /// One step of copying counters to the shared segment; [`FLUSH_STEPS`] of them copy all.
    /// What no event, report or request has changed since is not copied again: a waiting loop
    /// leaves those lines alone, and its own cache to the next event.
    pub fn flush_step<O: Outbox>(
        &mut self,
        step: u32,
        book: &Book<'_>,
        risk: &Risk<'_>,
        orders: &Orders<'_, O>,
    ) {
        let step = step % FLUSH_STEPS;
        if step == 0 {
            return self.flush_loop();
        }
        // Each only grows: the sum stands still only where all do. From 1, so that the first
        // flush is one.
        let stats = orders.stats();
        let version = [stats.reports, stats.sent, u64::from(risk.is_closed()), 1]
            .iter()
            .fold(self.stats.last_seq, |sum, count| sum.wrapping_add(*count));
        match self.flushed.get_mut(step as usize) {
            Some(flushed) if *flushed != version => *flushed = version,
            _ => return,
        }
        match step {
            1 => counter::flush_book(&mut self.counters, book),
            2 => counter::flush_risk(&mut self.counters, risk),
            _ => counter::flush_orders(&mut self.counters, stats, risk),
        }
    }

    fn flush_loop(&mut self) {
        let largest_gap_ns = self.largest_gap_ns();
        counter::flush_loop(&mut self.counters, &self.stats, largest_gap_ns);
    }
}
