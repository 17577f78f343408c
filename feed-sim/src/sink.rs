//! Where events go.
//!
//! ```text
//!   ring      the engine's shared memory: one cache line an event            (the default)
//!   packets   MoldUDP64 on two lines, as a venue multicasts: `udp`, `xdp`
//! ```
//! A sink stamps, sends, and says what became of the event; it never waits, because the loop has
//! requests to answer. Sinks are types, chosen once: the loop is compiled for each.
//!
//! Both number their events from 1, in the order offered, and both learn from the events ring's
//! shared words how far the engine is: with packets nothing is published there, but its states, its
//! signs of life and the engine's position are the same.

pub mod packets;
pub mod ring;

use crate::ahead::Prepared;
use crate::error::SimError;
use tickspin_results::PacketsOut;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::Side;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It left.
    Sent {
        /// Its sequence, from 1.
        seq: u64,
        /// Its send stamp.
        ticks: u64,
        /// How late it was, ticks.
        lag: u64,
    },
    /// Dropped for good, counted.
    Dropped,
    /// Nothing that this sink sends: it has no sequence, and nobody misses it.
    Unneeded,
    /// No room, and the policy is to wait.
    Full,
}

/// Counts of a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Sent, `End` not counted.
    pub published: u64,
    /// Of these: not measured.
    pub warm_up: u64,
    /// Not sent: the ring was full.
    pub dropped: u64,
    /// `Gap` events of ours, in `published` and `warm_up`.
    pub gaps: u64,
    /// Lags that did not fit.
    pub lag_saturated: u64,
}

/// What the loop asks of a sink.
pub trait Sink {
    /// Offers one event. `gap` hears of an event of ours that goes before it: (sequence, stamp).
    fn offer(&mut self, prepared: &Prepared, intended: u64, gap: impl FnOnce(u64, u64)) -> Offered;

    /// Offers up to `most` events, each with its intended instant; without one it is this instant.
    /// Returns (first sequence, stamp, how many); `None` where they have to be offered singly.
    fn offer_batch<'a>(
        &mut self,
        most: u32,
        events: impl Fn(u32) -> Option<(&'a Prepared, Option<u64>)>,
    ) -> Option<(u64, u64, u32)>;

    /// Sends `End`; `None` when there is no room. What has to be told before it is told first;
    /// `gap` hears of it, as in [`Sink::offer`].
    fn end(&mut self, exchange_ns: u64, gap: impl FnOnce(u64, u64)) -> Option<u64>;

    /// Called once a turn: what is due by itself.
    #[inline]
    fn tend(&mut self, _now: u64) {}

    /// Why nothing more can be sent, told once.
    #[inline]
    fn take_fault(&mut self) -> Option<SimError> {
        None
    }

    /// Counts so far.
    fn stats(&self) -> &SinkStats;

    /// Sequence of the last event that was sent.
    fn last_seq(&self) -> u64;

    /// Sequence of the last event that the engine has finished.
    fn consumer_position(&mut self) -> u64;

    /// The engine's position is one that no honest engine writes.
    fn peer_is_foreign(&self) -> bool;

    /// The stream begins.
    fn run(&mut self);

    /// A sign of life.
    fn beat(&mut self);

    /// No more will come.
    fn halt(&mut self);

    /// No more will come, and something is missing.
    fn fail(&mut self);

    /// After the run, not on the pinned thread's time: what became of the packets.
    fn finish(&mut self) -> Option<PacketsOut> {
        None
    }
}

/// One more event left.
#[inline]
fn count(stats: &mut SinkStats, event: &Event) {
    stats.published += 1;
    stats.warm_up += u64::from(event.is_warm_up());
    stats.lag_saturated += u64::from(event.flags & flag::LAG_SATURATED != 0);
}

/// An event of the feed itself: complete, never measured.
fn own_event(kind: Kind, exchange_ns: u64) -> Event {
    Event {
        exchange_ns,
        kind_side: Event::pack(kind, Side::None),
        flags: flag::COMPLETE | flag::WARM_UP,
        ..Event::EMPTY
    }
}
