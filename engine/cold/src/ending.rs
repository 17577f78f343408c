//! Why an armed run ended, in one line, and the exit code that says so. Files are written in
//! every case.

use crate::error::exit;
use std::fmt;
use tickspin_hot::input::PeerEnd;
use tickspin_hot::spin::{Ended, Outcome, PSEUDO_SIGNAL};

/// Cold's own stop reason: the feed's lock is free and its ring was never halted.
pub const FEED_DIED: i32 = PSEUDO_SIGNAL + 1;

/// Why an armed run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The feed's `End` came, and all reports.
    End,
    /// The feed's `End` came, but its reports were never halted.
    ReportsMissing,
    /// SIGINT or SIGTERM; `end`: the feed's `End` came all the same.
    Signal {
        /// 2 or 15.
        signal: i32,
        /// The feed was stopped properly too.
        end: bool,
    },
    /// The feed died: its lock is free and its ring was never halted.
    FeedDied,
    /// The feed halted its ring without an `End`.
    FeedLeft,
    /// The feed said that it failed.
    FeedFailed,
    /// Bytes that no honest feed writes.
    Foreign(Ended),
}

impl Ending {
    /// From what the loop says, and the stop flag right after it: an `End` may overtake a signal
    /// that was sent before it.
    #[must_use]
    pub const fn of(outcome: &Outcome, flag: i32) -> Ending {
        let signal = if outcome.signal == 0 { flag } else { outcome.signal };
        match outcome.ended {
            Ended::End if outcome.signal == FEED_DIED => Ending::FeedDied,
            Ended::End if signal > 0 && signal < PSEUDO_SIGNAL => {
                Ending::Signal { signal, end: true }
            }
            Ended::End if !outcome.reports_complete => Ending::ReportsMissing,
            Ended::End => Ending::End,
            Ended::Stopped(signal) if signal >= PSEUDO_SIGNAL => Ending::FeedDied,
            Ended::Stopped(signal) => Ending::Signal { signal, end: false },
            Ended::PeerLeft(PeerEnd::Halted) => Ending::FeedLeft,
            Ended::PeerLeft(PeerEnd::Failed) => Ending::FeedFailed,
            foreign @ (Ended::Foreign { .. }
            | Ended::ForeignStamp { .. }
            | Ended::ForeignPosition
            | Ended::ForeignReport(_)) => Ending::Foreign(foreign),
        }
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::End => exit::OK,
            Ending::Signal { signal, .. } => exit::of_signal(signal),
            Ending::ReportsMissing
            | Ending::FeedDied
            | Ending::FeedLeft
            | Ending::FeedFailed
            | Ending::Foreign(_) => exit::FAILURE,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |signal| if signal == 2 { "SIGINT" } else { "SIGTERM" };
        match self {
            Ending::End => write!(f, "end of stream"),
            Ending::ReportsMissing => {
                write!(f, "end of stream, but the feed did not close its reports in time")
            }
            Ending::Signal { signal, end: true } => {
                write!(f, "{}, then end of stream", name(*signal))
            }
            Ending::Signal { signal, end: false } => {
                write!(f, "{}, the feed went on", name(*signal))
            }
            Ending::FeedDied => write!(f, "feed died"),
            Ending::FeedLeft => write!(f, "feed left without an end of stream"),
            Ending::FeedFailed => write!(f, "feed failed"),
            Ending::Foreign(Ended::Foreign { seq, fault }) => {
                write!(f, "foreign bytes in event {seq}: {fault:?}")
            }
            Ending::Foreign(Ended::ForeignStamp { due, stamp }) => {
                write!(f, "foreign stamp {stamp:#x} where event {due} was due")
            }
            Ending::Foreign(Ended::ForeignReport(stamp)) => {
                write!(f, "foreign stamp {stamp:#x} on the reports ring")
            }
            Ending::Foreign(_) => write!(f, "foreign position on the requests ring"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ended: Ended, signal: i32, reports_complete: bool) -> Outcome {
        Outcome { ended, signal, last_seq: 9, reports_complete }
    }

    #[test]
    fn each_end_has_its_exit_code() {
        for (ended, signal, complete, code, words) in [
            (Ended::End, 0, true, 0, "end of stream"),
            (Ended::End, 0, false, 1, "did not close"),
            (Ended::End, 2, true, 130, "SIGINT, then end"),
            (Ended::End, FEED_DIED, false, 1, "feed died"),
            (Ended::Stopped(2), 2, false, 130, "SIGINT, the feed went on"),
            (Ended::Stopped(15), 15, false, 143, "SIGTERM"),
            (Ended::Stopped(FEED_DIED), FEED_DIED, false, 1, "feed died"),
            (Ended::PeerLeft(PeerEnd::Halted), 0, false, 1, "without an end"),
            (Ended::PeerLeft(PeerEnd::Failed), 0, false, 1, "feed failed"),
            (Ended::ForeignStamp { due: 3, stamp: 77 }, 0, false, 1, "event 3"),
            (Ended::ForeignPosition, 0, false, 1, "foreign position"),
        ] {
            let ending = Ending::of(&outcome(ended, signal, complete), 0);
            assert_eq!(ending.exit_code(), code, "{ending}");
            assert!(ending.to_string().contains(words), "{ending}");
        }
    }

    #[test]
    fn a_signal_that_the_end_overtook_still_counts() {
        let ended = outcome(Ended::End, 0, true);
        assert_eq!(Ending::of(&ended, 15).exit_code(), 143);
        assert_eq!(Ending::of(&ended, FEED_DIED), Ending::End, "it died after its reports");
        let left = outcome(Ended::PeerLeft(PeerEnd::Halted), 0, true);
        assert_eq!(Ending::of(&left, 2).exit_code(), 1);
    }
}
