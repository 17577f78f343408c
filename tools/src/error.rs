//! What every command fails with: one clear line and an exit code.

use std::fmt;
use std::path::Path;
use tickspin_results::cure::may_write;
pub use tickspin_results::exit;
use tickspin_results::out::OutError;
use tickspin_ring::MeetError;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One line, no full stop: what failed, on what, and what to do about it where that is known.
    pub message: String,
    /// One of [`exit`].
    pub exit: u8,
}

/// What a command comes back with: its exit code, or why it failed.
pub type Outcome = Result<u8, Failure>;

impl Failure {
    /// With an exit code of [`exit`].
    #[must_use]
    pub fn new(exit: u8, message: impl fmt::Display) -> Failure {
        Failure { message: message.to_string(), exit }
    }

    /// Exit code 1.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure::new(exit::FAILURE, message)
    }

    /// Exit code 2.
    #[must_use]
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure::new(exit::USAGE, message)
    }

    /// Exit code 4.
    #[must_use]
    pub fn environment(message: impl fmt::Display) -> Failure {
        Failure::new(exit::ENVIRONMENT, message)
    }
}

/// No meeting with a run, or no look into the directory where runs meet.
#[must_use]
pub fn meet(error: &MeetError) -> Failure {
    match error {
        MeetError::BadName(_) => Failure::usage(error),
        MeetError::PermissionDenied { path, .. } => {
            Failure::environment(format_args!("{error}; {}", may_write(path)))
        }
        error if error.is_permission() => Failure::environment(error),
        _ => Failure::failed(error),
    }
}

/// A result folder or one of its files could not be used: exit code 4 for a missing permission, else 1.
#[must_use]
pub fn output(error: &OutError) -> Failure {
    let code = if error.is_permission() { exit::ENVIRONMENT } else { exit::FAILURE };
    Failure::new(code, error)
}

/// A file that would be written is there, and nobody said `--force`: exit code 1.
#[must_use]
pub fn exists(path: &Path) -> Failure {
    Failure::failed(format_args!(
        "{}: exists already; give another name or --force",
        path.display()
    ))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
