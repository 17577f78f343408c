//! What is left of a run of the loop: collected after it is disarmed.

use super::{Ended, Finish, Spinner};
use crate::exchange::SessionStats;
use crate::sink::{Sink, SinkStats};
use crate::source::SourceFacts;
use crate::status::Counter;
use tickspin_results::{PaceCounts, PacketsOut};

/// What is left of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Why the stream ended.
    pub ended: Ended,
    /// Counts of the events.
    pub sink: SinkStats,
    /// What became of packets, where events left as such.
    pub packets: Option<PacketsOut>,
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
    /// Events decoded beside the run, by a thread of its own.
    pub decoded_beside: u64,
    /// Turns in which that thread had nothing ready.
    pub starved_turns: u64,
    /// How the schedule was kept.
    pub pace: PaceCounts,
    /// Mean rate of the schedule's instants, events a second.
    pub schedule_rate: Option<f64>,
    /// Send stamps of the first and the last measured event, ticks.
    pub measured: Option<(u64, u64)>,
    /// Turns.
    pub turns: u64,
    /// Longest turn, ns.
    pub largest_gap_ns: u64,
    /// The engine halted its requests, and all of them were answered.
    pub is_drained: bool,
}

impl<S: Sink> Spinner<S> {
    /// Collects what is left; the rings' ends and all memory go with it.
    #[must_use]
    pub fn outcome(mut self, finish: Finish) -> Outcome {
        let source = self.ahead.finish();
        self.status.set(Counter::Reversals, source.reversals);
        let Finish { ended, is_drained, full_turns, starved_turns, measured, certify } = finish;
        let clock = self.recorder.clock();
        Outcome {
            ended,
            sink: *self.sink.stats(),
            packets: self.sink.finish(),
            session: *self.exchange.stats(),
            orders_hash: self.exchange.orders_hash(),
            source,
            full_turns,
            stalled: self.exchange.stalled(),
            decoded_beside: self.ahead.decoded_beside(),
            starved_turns,
            pace: certify.counts(clock),
            schedule_rate: certify.schedule_rate(clock),
            measured,
            turns: self.recorder.turns(),
            largest_gap_ns: self.recorder.largest_gap_ns(),
            is_drained,
        }
    }
}
