//! Why an armed run ended, in one line, and the exit code that says so. Files are written in every
//! case.

use crate::error::{SimError, exit};
use crate::spin::{Ended, Outcome};
use std::fmt;
use tickspin_ring::State;

/// Why an armed run ended.
#[derive(Debug)]
pub enum Ending {
    /// The stream's end, and every request was answered.
    Stream,
    /// The stream's end, but the engine never halted its requests.
    NotDrained,
    /// SIGINT or SIGTERM.
    Signal(i32),
    /// The engine halted its requests before the stream's end.
    EngineLeft,
    /// The engine said that it failed.
    EngineFailed,
    /// The engine died.
    EngineDied,
    /// Bytes that no honest engine writes.
    Foreign,
    /// The recording is cut or damaged, or has what the sink cannot send; all before was sent.
    SourceFailed(SimError),
}

impl Ending {
    /// From the loop's outcome, the stop flag, and whether cold saw the engine die.
    #[must_use]
    pub fn of(outcome: &mut Outcome, signal: i32, has_died: bool) -> Ending {
        let ended = std::mem::replace(&mut outcome.ended, Ended::Stream);
        match ended {
            Ended::Foreign => Ending::Foreign,
            Ended::EngineDied => Ending::EngineDied,
            _ if has_died && !outcome.is_drained => Ending::EngineDied,
            Ended::SourceFailed(error) => Ending::SourceFailed(error),
            // Whatever else was going on when the signal came.
            _ if signal > 0 => Ending::Signal(signal),
            Ended::EngineLeft(State::Fail) => Ending::EngineFailed,
            Ended::EngineLeft(_) => Ending::EngineLeft,
            Ended::Stream | Ended::Asked if outcome.is_drained => Ending::Stream,
            Ended::Stream | Ended::Asked => Ending::NotDrained,
        }
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Ending::Stream => exit::OK,
            Ending::Signal(signal) => exit::of_signal(*signal),
            Ending::SourceFailed(error) => error.exit_code(),
            Ending::NotDrained
            | Ending::EngineLeft
            | Ending::EngineFailed
            | Ending::EngineDied
            | Ending::Foreign => exit::FAILURE,
        }
    }

    /// The reader's line, where the source was cut.
    #[must_use]
    pub fn truncated(&self) -> Option<String> {
        match self {
            Ending::SourceFailed(error) => Some(error.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Stream => write!(f, "end of stream"),
            Ending::NotDrained => {
                write!(f, "end of stream, but the engine did not close its requests in time")
            }
            Ending::Signal(2) => write!(f, "SIGINT"),
            Ending::Signal(_) => write!(f, "SIGTERM"),
            Ending::EngineLeft => write!(f, "engine left before the end of the stream"),
            Ending::EngineFailed => write!(f, "engine failed"),
            Ending::EngineDied => write!(f, "engine died"),
            Ending::Foreign => write!(f, "foreign bytes in the engine's segments"),
            Ending::SourceFailed(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::SessionStats;
    use crate::sink::SinkStats;
    use crate::source::SourceFacts;
    use tickspin_results::PaceCounts;

    fn outcome(ended: Ended, is_drained: bool) -> Outcome {
        Outcome {
            ended,
            sink: SinkStats::default(),
            packets: None,
            session: SessionStats::default(),
            orders_hash: None,
            source: SourceFacts::default(),
            full_turns: 0,
            stalled: 0,
            decoded_beside: 0,
            starved_turns: 0,
            pace: PaceCounts::default(),
            schedule_rate: None,
            measured: None,
            turns: 0,
            largest_gap_ns: 0,
            is_drained,
        }
    }

    #[test]
    fn each_end_has_its_exit_code() {
        for (ended, is_drained, signal, has_died, code, words) in [
            (Ended::Stream, true, 0, false, 0, "end of stream"),
            (Ended::Stream, false, 0, false, 1, "did not close"),
            (Ended::Stream, false, 0, true, 1, "engine died"),
            (Ended::Stream, true, 0, true, 0, "end of stream"),
            (Ended::Asked, true, 2, false, 130, "SIGINT"),
            (Ended::Asked, false, 15, false, 143, "SIGTERM"),
            (Ended::EngineLeft(State::Halt), true, 15, false, 143, "SIGTERM"),
            (Ended::EngineLeft(State::Halt), true, 0, false, 1, "left before"),
            (Ended::EngineLeft(State::Fail), true, 0, false, 1, "engine failed"),
            (Ended::EngineDied, false, 2, true, 1, "engine died"),
            (Ended::Foreign, false, 0, false, 1, "foreign bytes"),
        ] {
            let ending = Ending::of(&mut outcome(ended, is_drained), signal, has_died);
            assert_eq!(ending.exit_code(), code, "{ending}");
            assert!(ending.to_string().contains(words), "{ending}");
        }
    }
}
