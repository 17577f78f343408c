//! What is left of a run of the loop: collected after it is disarmed.

use super::{Ended, Finish, Spinner};
use crate::exchange::SessionStats;
use crate::sink::ring::SinkStats;
use crate::source::SourceFacts;
use crate::status::Counter;

/// What is left of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Why the stream ended.
    pub ended: Ended,
    /// Counts of the events.
    pub sink: SinkStats,
    /// Counts of the orders.
    pub session: SessionStats,
    /// Hash of orders, lock-step.
    pub orders_hash: Option<String>,
    /// About the source.
    pub source: SourceFacts,
    /// Turns in which the ring was full and the schedule slipped.
    pub full_turns: u64,
    /// Polls of requests skipped because a report waited for room.
    pub stalled: u64,
    /// Events read from a file while the run was on.
    pub read_late: u64,
    /// Send stamps of the first and the last measured event, ticks.
    pub measured: Option<(u64, u64)>,
    /// Turns.
    pub turns: u64,
    /// Longest turn, ns.
    pub largest_gap_ns: u64,
    /// The engine halted its requests, and all of them were answered.
    pub is_drained: bool,
}

impl Spinner {
    /// Collects what is left; the rings' ends and all memory go with it.
    #[must_use]
    pub fn outcome(mut self, finish: Finish) -> Outcome {
        let source = self.ahead.facts();
        self.status.set(Counter::Reversals, source.reversals);
        let Finish { ended, is_drained, full_turns, measured } = finish;
        Outcome {
            ended,
            sink: *self.sink.stats(),
            session: *self.exchange.stats(),
            orders_hash: self.exchange.orders_hash(),
            source,
            full_turns,
            stalled: self.exchange.stalled(),
            read_late: self.ahead.read_late(),
            measured,
            turns: self.recorder.turns(),
            largest_gap_ns: self.recorder.largest_gap_ns(),
            is_drained,
        }
    }
}
