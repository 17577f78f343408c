//! Who holds a role; for display only, never for a decision.

use std::fmt;

/// Who holds a role. What it says was written by that process: it is shown, nothing is decided by
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Process number; 0 where the lock file says nothing readable.
    pub pid: u32,
    /// Command line, at most 200 characters.
    pub command: String,
    /// When the role was taken, UTC, as `2026-01-31T23:59:59Z`.
    pub started: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}), since {}", self.pid, self.command, self.started)
    }
}
