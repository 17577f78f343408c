//! What the pinned loop counts into tallies: differences of ticks as nanoseconds, after departure.

use crate::exchange::Timing;
use tickspin_host::clock::Clock;
use tickspin_ring::tally::TallyWriter;

/// Labels of the feed's tallies; the first two are stages of the run's report.
pub const TALLIES: [&str; 3] = ["schedule_lag", "tick_to_order_exchange", "turn"];

const SCHEDULE_LAG: usize = 0;
const TICK_TO_ORDER_EXCHANGE: usize = 1;
const TURN: usize = 2;

/// Clock and tallies together.
pub struct Recorder {
    tallies: TallyWriter,
    clock: Clock,
    last_turn: u64,
    turns: u64,
    largest_gap: u64,
}

impl Recorder {
    /// Over a segment made with [`TALLIES`].
    #[must_use]
    pub fn new(tallies: TallyWriter, clock: Clock) -> Recorder {
        Recorder { tallies, clock, last_turn: 0, turns: 0, largest_gap: 0 }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The loop begins at `now`: the time before is no turn.
    pub fn begin(&mut self, now: u64) {
        self.last_turn = now;
    }

    /// One more turn begins at `now`. Its length is how fine the clock of arrival is just now.
    #[inline]
    pub fn turn(&mut self, now: u64) {
        let gap = now.saturating_sub(self.last_turn);
        self.last_turn = now;
        self.turns += 1;
        if gap > self.largest_gap {
            self.largest_gap = gap;
        }
        self.tallies.record(TURN, self.clock.ns(gap));
    }

    /// A measured event left `lag` ticks after its intended instant.
    #[inline]
    pub fn lag(&mut self, lag: u64) {
        self.tallies.record(SCHEDULE_LAG, self.clock.ns(lag));
    }

    /// A request came.
    #[inline]
    pub fn request(&mut self, timing: Timing) {
        match timing {
            Timing::Ticks(ticks) => {
                self.tallies.record(TICK_TO_ORDER_EXCHANGE, self.clock.ns(ticks));
            }
            Timing::Negative => self.tallies.record_negative(TICK_TO_ORDER_EXCHANGE),
            Timing::Unmeasured => {}
        }
    }

    /// Turns so far.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Longest turn so far, ns.
    #[must_use]
    pub fn largest_gap_ns(&self) -> u64 {
        self.clock.ns(self.largest_gap)
    }
}
