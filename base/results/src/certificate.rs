//! [`Certificate`]: how well a paced run kept its schedule, and what part of the lag is the machine's.
//!
//! ```text
//!   empty turn      empty turn                      next turn
//!   ────┬───────────────┬────────── host gap ───────────┬────► time
//!       now             now          │   │      │       now     a step above 2 µs
//!                          intended: └─ excluded┘
//! ```
//! While the feed waits for the next intended instant it does nothing but read the clock. A step of
//! more than [`HOST_GAP_NS`] between two such readings is time in which the machine did not run it:
//! an interrupt, another thread, the hypervisor. Events whose intended instant lies in such a gap
//! could not be sent then, whatever the program does: they are counted, excluded from the verdict,
//! and shown. Events that are late for any other reason, a backlog behind a gap included, are the
//! program's. So are gaps in which a thread of the feed itself ran on the pinned core: they exclude
//! nothing.

use crate::table::grouped;
use serde::{Deserialize, Serialize};

/// Steps between two empty readings of the clock above this are gaps, ns.
pub const HOST_GAP_NS: u64 = 2_000;
/// Share of the events outside gaps that has to leave within a microsecond.
pub const HELD_SHARE: f64 = 0.99;
/// A larger share of events inside gaps, and the run says nothing about the program.
pub const NOISY_SHARE: f64 = 0.05;

/// What a certificate comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// At least [`HELD_SHARE`] of the events outside gaps left within a microsecond.
    #[serde(rename = "held")]
    Held,
    /// Fewer did.
    #[default]
    #[serde(rename = "not held")]
    NotHeld,
    /// More than [`NOISY_SHARE`] of the events were due inside gaps: not a pass.
    #[serde(rename = "host too noisy")]
    HostTooNoisy,
}

impl Verdict {
    /// As in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Held => "held",
            Verdict::NotHeld => "not held",
            Verdict::HostTooNoisy => "host too noisy",
        }
    }
}

/// What the pacing loop counted: measured events that have an instant in the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceCounts {
    /// Events.
    pub events: u64,
    /// Of these: due inside a gap.
    pub excluded: u64,
    /// Of those not excluded: at most so late.
    pub within_100ns: u64,
    /// See above.
    pub within_1us: u64,
    /// See above.
    pub within_10us: u64,
    /// Of all events: at most a microsecond late.
    pub all_within_1us: u64,
    /// Sum of the lags of all events, and of the excluded ones, ns.
    pub lag_ns: u64,
    /// See above.
    pub excluded_lag_ns: u64,
    /// Largest lag, ns; and the largest of those not excluded.
    pub worst_lag_ns: u64,
    /// See above.
    pub worst_own_lag_ns: u64,
    /// Gaps of the machine, and their sum, ns.
    pub host_gaps: u64,
    /// See above.
    pub host_gap_ns: u64,
    /// Gaps in which a thread of ours ran on the pinned core, and their sum, ns.
    pub own_gaps: u64,
    /// See above.
    pub own_gap_ns: u64,
}

/// How well the schedule was kept. Shares are of 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// In one word.
    pub verdict: Verdict,
    /// Measured events that have an instant in the schedule.
    pub events: u64,
    /// Of these: due inside a gap that the empty pacing spin saw.
    pub excluded: u64,
    /// Their share.
    pub excluded_share: f64,
    /// Share of those not excluded that left at most 100 ns after their instant.
    pub within_100ns: f64,
    /// At most 1 µs.
    pub within_1us: f64,
    /// At most 10 µs.
    pub within_10us: f64,
    /// Share of all events, the excluded ones too, that left at most 1 µs after their instant.
    pub all_within_1us: f64,
    /// Largest lag of all events, ns.
    pub worst_lag_ns: u64,
    /// Largest lag of those not excluded, ns.
    pub worst_own_lag_ns: u64,
    /// Share of the sum of all lags that stands with excluded events: the machine's part.
    pub host_lag_share: f64,
    /// Gaps of the machine.
    pub host_gaps: u64,
    /// Their sum, ns.
    pub host_gap_ns: u64,
    /// Gaps in which another thread of the feed ran on the pinned core.
    pub own_gaps: u64,
    /// Their sum, ns.
    pub own_gap_ns: u64,
    /// Events a second that the schedule asked for; a recording's mean.
    pub target_rate: Option<f64>,
    /// Events a second that were sent.
    pub achieved_rate: Option<f64>,
}

impl Certificate {
    /// Judges. `None` without an event that had an instant: there was no schedule to keep.
    #[must_use]
    pub fn of(
        counts: &PaceCounts,
        target_rate: Option<f64>,
        achieved_rate: Option<f64>,
    ) -> Option<Certificate> {
        if counts.events == 0 {
            return None;
        }
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let own = counts.events - counts.excluded;
        let (excluded_share, within_1us) =
            (share(counts.excluded, counts.events), share(counts.within_1us, own));
        let verdict = if excluded_share > NOISY_SHARE {
            Verdict::HostTooNoisy
        } else if within_1us >= HELD_SHARE {
            Verdict::Held
        } else {
            Verdict::NotHeld
        };
        Some(Certificate {
            verdict,
            events: counts.events,
            excluded: counts.excluded,
            excluded_share,
            within_100ns: share(counts.within_100ns, own),
            within_1us,
            within_10us: share(counts.within_10us, own),
            all_within_1us: share(counts.all_within_1us, counts.events),
            worst_lag_ns: counts.worst_lag_ns,
            worst_own_lag_ns: counts.worst_own_lag_ns,
            host_lag_share: share(counts.excluded_lag_ns, counts.lag_ns),
            host_gaps: counts.host_gaps,
            host_gap_ns: counts.host_gap_ns,
            own_gaps: counts.own_gaps,
            own_gap_ns: counts.own_gap_ns,
            target_rate,
            achieved_rate,
        })
    }

    /// Two lines for a terminal.
    #[must_use]
    pub fn lines(&self) -> [String; 2] {
        let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| grouped(rate as u64));
        let (own_gaps, own_gap_ns) = (grouped(self.own_gaps), grouped(self.own_gap_ns));
        [
            format!(
                "{}: of {} events outside gaps {} within 100 ns, {} within 1 us, {} within 10 us, \
                 worst {} ns; {} of {} events/s",
                self.verdict.name(),
                grouped(self.events - self.excluded),
                percent(self.within_100ns),
                percent(self.within_1us),
                percent(self.within_10us),
                grouped(self.worst_own_lag_ns),
                rate(self.achieved_rate),
                rate(self.target_rate)
            ),
            format!(
                "the machine: {} gaps, {} ns in all; {} events due in them ({}) excluded, {} of all \
                 lag, worst {} ns; with them {} within 1 us; own threads: {own_gaps} gaps, \
                 {own_gap_ns} ns",
                grouped(self.host_gaps),
                grouped(self.host_gap_ns),
                grouped(self.excluded),
                percent(self.excluded_share),
                percent(self.host_lag_share),
                grouped(self.worst_lag_ns),
                percent(self.all_within_1us),
            ),
        ]
    }
}

/// Three decimals, rounded down: 99 % is only said where it is.
fn percent(share: f64) -> String {
    format!("{:.3} %", (share * 100_000.0).floor() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(events: u64, excluded: u64, within_1us: u64) -> Verdict {
        let counts = PaceCounts { events, excluded, within_1us, ..PaceCounts::default() };
        Certificate::of(&counts, None, None).unwrap().verdict
    }

    #[test]
    fn the_verdict_is_about_what_the_machine_left() {
        assert_eq!(verdict(1_000, 0, 990), Verdict::Held);
        assert_eq!(verdict(1_000, 0, 989), Verdict::NotHeld);
        assert_eq!(verdict(1_000, 50, 941), Verdict::Held);
        assert_eq!(verdict(1_000, 50, 940), Verdict::NotHeld);
        // However well the rest did, more than a twentieth in gaps is no pass.
        assert_eq!(verdict(1_000, 51, 949), Verdict::HostTooNoisy);
        assert_eq!(verdict(1_000, 1_000, 0), Verdict::HostTooNoisy);
        assert_eq!(Certificate::of(&PaceCounts::default(), None, None), None);
    }

    #[test]
    fn a_share_is_never_rounded_up_to_what_it_is_not() {
        assert_eq!(percent(0.989_999_9), "98.999 %");
        assert_eq!(percent(1.0), "100.000 %");
    }

    #[test]
    fn the_verdict_in_files_is_the_verdict_in_lines() {
        for verdict in [Verdict::Held, Verdict::NotHeld, Verdict::HostTooNoisy] {
            let quoted = format!("\"{}\"", verdict.name());
            assert_eq!(serde_json::to_string(&verdict).unwrap(), quoted);
        }
    }
}
