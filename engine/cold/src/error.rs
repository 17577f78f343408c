//! [`EngineError`]: what failed, on which key, file or core, and the exit code that says so.
//!
//! Each prints as one line. What ends a run after it was armed is no error here but an
//! [`Ending`](crate::ending::Ending), because files are written then.

use std::fmt;
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use tickspin_host::clock::ClockError;
use tickspin_host::cpu::CpuError;
use tickspin_host::memory::MemoryError;
use tickspin_host::packets::OpenError;
use tickspin_host::process::is_closed_pipe;
use tickspin_host::rights::RightsError;
use tickspin_results::cure::may_read;
pub use tickspin_results::exit;
use tickspin_results::out::OutError;
use tickspin_ring::{AttachError, CreateError, MeetError};

/// Why the engine did not start, or could not leave its files.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// A file of configuration that cannot be read.
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of configuration that is not TOML.
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where and what, one line.
        why: String,
    },
    /// A key that does not exist, is missing, or has a value that will not do.
    Key {
        /// Section and key, `risk.order_qty_max`.
        key: String,
        /// Who said it: a file, a variable of the environment, a flag.
        origin: String,
        /// The rule it broke and what would do.
        rule: String,
    },
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
    /// No meeting with the feed.
    Meet {
        /// The run's name.
        run: String,
        /// Why.
        source: MeetError,
    },
    /// No packets.
    Open(OpenError),
    /// Privileges could not be given up.
    Rights(RightsError),
    /// The kernel takes no filter of system calls.
    Seccomp(io::Error),
    /// Nobody to ask for lost packets.
    Ask {
        /// The server.
        server: SocketAddrV4,
        /// What the system said.
        source: io::Error,
    },
    /// A segment of ours could not be made.
    Segment {
        /// Its label.
        label: &'static str,
        /// Why.
        source: CreateError,
    },
    /// A segment of the feed's was refused, or did not come.
    Foreign {
        /// Kind and label.
        segment: String,
        /// Why.
        why: String,
    },
    /// The feed sends the other way than events are awaited here.
    OtherWay {
        /// Packets were awaited.
        by_packets: bool,
    },
    /// A folder that another user cannot have: one line with the cure.
    Folder(String),
    /// A result folder or file.
    Out(OutError),
    /// Standard output.
    Print(io::Error),
    /// A signal came before anything was measured.
    Signal(i32),
    /// A thread of ours panicked or left without a word: a defect.
    Thread(&'static str),
    /// What does not fit into any table of the pinned loop.
    Tables(String),
}

impl EngineError {
    /// A broken key, in one place.
    pub fn key(
        key: impl Into<String>,
        origin: impl fmt::Display,
        rule: impl Into<String>,
    ) -> EngineError {
        EngineError::Key { key: key.into(), origin: origin.to_string(), rule: rule.into() }
    }

    /// A segment of the feed's that was refused.
    #[must_use]
    pub fn foreign(segment: impl Into<String>, why: &AttachError) -> EngineError {
        EngineError::Foreign { segment: segment.into(), why: why.to_string() }
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let denied = |permission| if permission { exit::ENVIRONMENT } else { exit::FAILURE };
        match self {
            Self::ConfigFile { source, .. } => {
                denied(source.kind() == io::ErrorKind::PermissionDenied)
            }
            Self::Key { .. } | Self::Tables(_) => exit::USAGE,
            Self::Core(CpuError::BadPriority { .. }) => exit::USAGE,
            Self::Core(_) | Self::Clock(_) | Self::Memory { .. } => exit::ENVIRONMENT,
            Self::Meet { source: MeetError::BadName(_), .. } => exit::USAGE,
            Self::Meet { source, .. } => denied(source.is_permission()),
            Self::Open(error) => match error {
                OpenError::Refused { .. } => exit::FAILURE,
                _ => exit::ENVIRONMENT,
            },
            Self::Rights(RightsError::NoSuchUser(_)) | Self::OtherWay { .. } => exit::USAGE,
            Self::Rights(_) | Self::Seccomp(_) | Self::Folder(_) => exit::ENVIRONMENT,
            Self::Segment { source: CreateError::Io { .. }, .. } => exit::ENVIRONMENT,
            Self::Segment { .. } => exit::USAGE,
            Self::Out(error) => denied(error.is_permission()),
            Self::Print(error) if is_closed_pipe(error) => exit::OK,
            Self::Signal(signal) => exit::of_signal(*signal),
            Self::ConfigSyntax { .. }
            | Self::Foreign { .. }
            | Self::Ask { .. }
            | Self::Print(_)
            | Self::Thread(_) => exit::FAILURE,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::Key { key, origin, rule } => write!(f, "{key} ({origin}): {rule}"),
            Self::Core(error) => error.fmt(f),
            Self::Clock(error) => error.fmt(f),
            Self::Memory { what, source } => write!(f, "memory for {what}: {source}"),
            Self::Meet { run, source: MeetError::TimedOut { after_ms, .. } } => write!(
                f,
                "no feed: waited {after_ms} ms for a feed named {run}; start one with \
                 `feed-sim synth --name {run}`, or wait longer with --wait-feed"
            ),
            Self::Meet { run, source } => write!(f, "run {run}: {source}"),
            Self::OtherWay { by_packets: true } => write!(
                f,
                "the feed publishes into the shared ring, and packets were awaited: start it with \
                 --sink udp, or the engine without --input"
            ),
            Self::OtherWay { by_packets: false } => write!(
                f,
                "the feed sends packets, and the shared ring was awaited: start the engine with \
                 --input udp, af-packet or af-xdp and --interface, or the feed without --sink"
            ),
            Self::Open(error) => error.fmt(f),
            Self::Rights(error) => error.fmt(f),
            Self::Seccomp(error) => write!(
                f,
                "filtering system calls: {error}; without the filter: packets.seccomp = false"
            ),
            Self::Ask { server, source } => {
                write!(f, "asking {server} for lost packets: {source}; see --recovery")
            }
            Self::Segment { label, source } => write!(f, "segment {label}: {source}"),
            Self::Foreign { segment, why } => write!(f, "the feed's {segment}: {why}"),
            Self::Out(error) => error.fmt(f),
            Self::Print(error) => write!(f, "standard output: {error}"),
            Self::Signal(2) => write!(f, "interrupted before anything was measured"),
            Self::Signal(_) => write!(f, "told to stop before anything was measured"),
            Self::Thread(name) => write!(f, "thread {name} ended without a result: a defect"),
            Self::Tables(why) | Self::Folder(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ConfigFile { source, .. } | Self::Print(source) => Some(source),
            Self::Core(error) => Some(error),
            Self::Memory { source, .. } => Some(source),
            Self::Meet { source, .. } => Some(source),
            Self::Segment { source, .. } => Some(source),
            Self::Out(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CpuError> for EngineError {
    fn from(error: CpuError) -> Self {
        EngineError::Core(error)
    }
}

impl From<ClockError> for EngineError {
    fn from(error: ClockError) -> Self {
        EngineError::Clock(error)
    }
}

impl From<OutError> for EngineError {
    fn from(error: OutError) -> Self {
        EngineError::Out(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_the_exit_code_of_the_contract() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let path = PathBuf::from("x.toml");
        let run = || "r".to_owned();
        for (error, code) in [
            (EngineError::ConfigFile { path: path.clone(), source: gone() }, 1),
            (EngineError::ConfigFile { path: path.clone(), source: denied() }, 4),
            (EngineError::ConfigSyntax { path, why: String::new() }, 1),
            (EngineError::key("risk.x", "x.toml", "unknown"), 2),
            (EngineError::Meet { run: run(), source: MeetError::BadName("/".into()) }, 2),
            (
                EngineError::Meet {
                    run: run(),
                    source: MeetError::TimedOut { waiting_for: "", after_ms: 1 },
                },
                1,
            ),
            (EngineError::Signal(2), 130),
            (EngineError::Signal(15), 143),
            (EngineError::Print(io::Error::from(io::ErrorKind::BrokenPipe)), 0),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(!error.to_string().contains('\n'), "one line: {error}");
        }
    }
}
