//! The counters that anyone may read while the feed runs. Labels are contract with `tickspin`.

use tickspin_ring::counters::CounterWriter;

/// Labels in order; [`Counter`] is the index.
pub const LABELS: [&str; 19] = [
    "phase",
    "target_count",
    "sent",
    "sent_warm_up",
    "dropped",
    "requests",
    "acknowledged",
    "filled",
    "rejected",
    "cancelled",
    "reports",
    "reports_stalled",
    "lag_saturated",
    "reversals",
    "turns",
    "largest_gap_ns",
    "foreign",
    "last_seq",
    "achieved_rate_mps",
];

/// Index of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs, reason = "the labels say it; units stand in them or are events")]
pub enum Counter {
    Phase = 0,
    TargetCount,
    Sent,
    SentWarmUp,
    Dropped,
    Requests,
    Acknowledged,
    Filled,
    Rejected,
    Cancelled,
    Reports,
    ReportsStalled,
    LagSaturated,
    Reversals,
    Turns,
    LargestGapNs,
    Foreign,
    LastSeq,
    /// Thousandths of an event a second, over the measured events.
    AchievedRateMps,
}

const _: () = assert!(Counter::AchievedRateMps as usize + 1 == LABELS.len());

/// What the feed is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Nothing yet.
    Boot = 0,
    /// Preparing the source.
    Prepare = 1,
    /// Waiting for the engine.
    WaitPeer = 2,
    /// Sending.
    Run = 3,
    /// Sent everything; answering the last requests.
    Drain = 4,
    /// Over.
    Done = 5,
}

/// The counters, by name.
pub struct Status {
    writer: CounterWriter,
}

impl Status {
    /// Over a segment made with [`LABELS`].
    #[must_use]
    pub fn new(writer: CounterWriter) -> Status {
        Status { writer }
    }

    /// Sets one.
    #[inline]
    pub fn set(&mut self, counter: Counter, value: u64) {
        self.writer.set(counter as usize, value);
    }

    /// Sets the phase.
    #[inline]
    pub fn phase(&mut self, phase: Phase) {
        self.set(Counter::Phase, phase as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_match_labels() {
        for (counter, label) in [
            (Counter::Phase, "phase"),
            (Counter::Sent, "sent"),
            (Counter::ReportsStalled, "reports_stalled"),
            (Counter::LargestGapNs, "largest_gap_ns"),
            (Counter::LastSeq, "last_seq"),
            (Counter::AchievedRateMps, "achieved_rate_mps"),
        ] {
            assert_eq!(LABELS[counter as usize], label);
        }
    }
}
