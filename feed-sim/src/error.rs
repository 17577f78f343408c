//! [`SimError`]: what failed, on which key, file or core, and the exit code that says so.
//!
//! Each prints as one line that names cause and cure. What ends a run after it was armed is an
//! [`Ending`](crate::ending::Ending) instead, because files are written then.

use std::fmt;
use std::io;
use std::path::PathBuf;
use tickspin_host::clock::ClockError;
use tickspin_host::cpu::CpuError;
use tickspin_host::memory::MemoryError;
use tickspin_host::packets::{Flow, OpenError};
use tickspin_host::process::is_closed_pipe;
use tickspin_recording::RecordingError;
use tickspin_results::cure::may_read;
pub use tickspin_results::exit;
use tickspin_results::out::OutError;
use tickspin_ring::{AttachError, CreateError, MeetError};

/// Why the feed did not start, or could not leave its files.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimError {
    /// The command line.
    Usage(String),
    /// A configuration file that cannot be read.
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A configuration file that is not TOML.
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where and what, one line.
        why: String,
    },
    /// A key that does not exist, or has a value that will not do.
    Key {
        /// The key.
        key: String,
        /// Who said it: a file, a variable of the environment, a flag.
        origin: String,
        /// The rule it broke and what would do.
        rule: String,
    },
    /// The recording.
    Recording(RecordingError),
    /// A core, a mask or a priority is not to be had.
    Core(CpuError),
    /// The time stamp counter cannot be trusted.
    Clock(ClockError),
    /// Memory is not to be had.
    Memory {
        /// For what.
        what: &'static str,
        /// Cause and cure.
        source: MemoryError,
    },
    /// No meeting with the engine.
    Meet {
        /// The run's name.
        run: String,
        /// Why.
        source: MeetError,
    },
    /// The engine did not come, or came and did not begin.
    NoEngine {
        /// The run's name.
        run: String,
        /// How long it was waited for, ms.
        after_ms: u64,
        /// It attached, but its ring stayed in BOOT.
        is_attached: bool,
    },
    /// A segment of ours could not be made.
    Segment {
        /// Its label.
        label: &'static str,
        /// Why.
        source: CreateError,
    },
    /// A segment of the engine's was refused, or did not come.
    Foreign {
        /// Kind and label.
        segment: String,
        /// Why.
        why: String,
    },
    /// A result folder or file.
    Out(OutError),
    /// Standard output.
    Print(io::Error),
    /// A signal came before anything was sent.
    Signal(i32),
    /// Sockets for packets.
    Packets(OpenError),
    /// An event that the packets' format has no message for.
    Unsayable {
        /// Its sequence.
        seq: u64,
        /// Its kind.
        kind: &'static str,
    },
    /// The system refuses to send.
    NotSent {
        /// To whom.
        flow: Flow,
        /// The system's error number.
        error: i32,
    },
    /// Our own thread or descriptor could not be made.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl SimError {
    /// A broken key, in one place.
    pub fn key(key: &str, origin: impl fmt::Display, rule: impl Into<String>) -> SimError {
        SimError::Key { key: key.to_owned(), origin: origin.to_string(), rule: rule.into() }
    }

    /// A segment of the engine's that was refused.
    #[must_use]
    pub fn foreign(segment: &str, why: &AttachError) -> SimError {
        SimError::Foreign { segment: segment.to_owned(), why: why.to_string() }
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let denied = |permission| if permission { exit::ENVIRONMENT } else { exit::FAILURE };
        match self {
            Self::Usage(_) | Self::Key { .. } => exit::USAGE,
            Self::ConfigFile { source, .. } => {
                denied(source.kind() == io::ErrorKind::PermissionDenied)
            }
            Self::Recording(error) => denied(error.is_permission()),
            Self::Core(CpuError::BadPriority { .. }) => exit::USAGE,
            Self::Core(_) | Self::Clock(_) | Self::Memory { .. } | Self::System { .. } => {
                exit::ENVIRONMENT
            }
            Self::Meet { source: MeetError::BadName(_), .. } => exit::USAGE,
            Self::Meet { source, .. } => denied(source.is_permission()),
            Self::Segment { source: CreateError::Io { .. }, .. } => exit::ENVIRONMENT,
            Self::Segment { .. } => exit::USAGE,
            Self::Out(error) => denied(error.is_permission()),
            Self::Print(error) if is_closed_pipe(error) => exit::OK,
            Self::Packets(_) => exit::ENVIRONMENT,
            Self::ConfigSyntax { .. }
            | Self::Unsayable { .. }
            | Self::NotSent { .. }
            | Self::NoEngine { .. }
            | Self::Foreign { .. }
            | Self::Print(_) => exit::FAILURE,
            Self::Signal(signal) => exit::of_signal(*signal),
        }
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) => write!(f, "{line}"),
            Self::ConfigFile { path, source } => {
                write!(f, "{}: cannot read the configuration: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => write!(f, "; {}", may_read(path)),
                    _ => Ok(()),
                }
            }
            Self::ConfigSyntax { path, why } => {
                write!(f, "{}: not a TOML file: {why}", path.display())
            }
            Self::Signal(2) => write!(f, "interrupted before anything was sent"),
            Self::Signal(_) => write!(f, "told to stop before anything was sent"),
            Self::Key { key, origin, rule } => write!(f, "{key} ({origin}): {rule}"),
            Self::Recording(error) if error.is_permission() => {
                write!(f, "{error}; {}", may_read(error.path()))
            }
            Self::Recording(error) => error.fmt(f),
            Self::Core(error) => error.fmt(f),
            Self::Clock(error) => error.fmt(f),
            Self::Memory { what, source } => write!(f, "memory for {what}: {source}"),
            Self::Meet { run, source } => write!(f, "run {run}: {source}"),
            Self::NoEngine { run, after_ms, is_attached: false } => write!(
                f,
                "no engine: waited {after_ms} ms for an engine named {run}; start one with \
                 `engine --name {run}`, or wait longer with --wait-peer"
            ),
            Self::NoEngine { run, after_ms, is_attached: true } => write!(
                f,
                "the engine of run {run} attached, but was not armed within {after_ms} ms; see \
                 its own messages, or wait longer with --wait-peer"
            ),
            Self::Segment { label, source } => write!(f, "segment {label}: {source}"),
            Self::Foreign { segment, why } => write!(f, "the engine's {segment}: {why}"),
            Self::Out(error) => error.fmt(f),
            Self::Print(error) => write!(f, "standard output: {error}"),
            Self::Packets(error) => error.fmt(f),
            Self::Unsayable { seq, kind } => write!(
                f,
                "event {seq}, {kind}: ITCH 5.0 has no message for it; it knows no levels and quotes, no \
                 price finer than 0.0001 and no time but since midnight; give --sink ring, which takes \
                 any source"
            ),
            Self::NotSent { flow, error } => write!(
                f,
                "cannot send to {flow}: {}; is the interface up? `ip link` shows it",
                io::Error::from_raw_os_error(*error)
            ),
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for SimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ConfigFile { source, .. } | Self::Print(source) | Self::System { source, .. } => {
                Some(source)
            }
            Self::Recording(error) => Some(error),
            Self::Core(error) => Some(error),
            Self::Memory { source, .. } => Some(source),
            Self::Meet { source, .. } => Some(source),
            Self::Segment { source, .. } => Some(source),
            Self::Out(error) => Some(error),
            Self::Packets(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RecordingError> for SimError {
    fn from(error: RecordingError) -> Self {
        SimError::Recording(error)
    }
}

impl From<CpuError> for SimError {
    fn from(error: CpuError) -> Self {
        SimError::Core(error)
    }
}

impl From<ClockError> for SimError {
    fn from(error: ClockError) -> Self {
        SimError::Clock(error)
    }
}

impl From<OpenError> for SimError {
    fn from(error: OpenError) -> Self {
        SimError::Packets(error)
    }
}

impl From<OutError> for SimError {
    fn from(error: OutError) -> Self {
        SimError::Out(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_the_exit_code_of_the_contract() {
        let run = || "r".to_owned();
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, code) in [
            (SimError::Usage("x".into()), 2),
            (SimError::key("rate", "flag", "a positive number"), 2),
            (SimError::ConfigFile { path: "x".into(), source: denied() }, 4),
            (SimError::Meet { run: run(), source: MeetError::BadName("/".into()) }, 2),
            (SimError::NoEngine { run: run(), after_ms: 1, is_attached: false }, 1),
            (SimError::NoEngine { run: run(), after_ms: 1, is_attached: true }, 1),
            (SimError::Segment { label: "events", source: CreateError::BadSlots(3) }, 2),
            (SimError::Print(io::Error::from(io::ErrorKind::BrokenPipe)), 0),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(!error.to_string().contains('\n'), "one line: {error}");
        }
    }
}
