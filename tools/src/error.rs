//! What every command fails with: one clear line and an exit code.

use std::fmt;
pub use tickspin_results::exit;

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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
