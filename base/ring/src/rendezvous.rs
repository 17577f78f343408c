//! The runtime directory and its socket: who meets whom, peer checked.
pub use crate::owner::Owner;
use crate::{error::*, region::*};
use std::{path::{Path, PathBuf}, time::Duration};

/// Which end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role { Feed, Engine }

/// `$XDG_RUNTIME_DIR/tickspin`, else `<tmp>/tickspin-<uid>`; 0700, owner checked.
#[derive(Clone, Debug)]
pub struct RuntimeDir { path: PathBuf }


/// One entry of the runtime directory.
#[derive(Clone, Debug)]
pub struct RunEntry { pub name: String, pub feed: Option<Owner>, pub engine: Option<Owner> }

impl RuntimeDir {
    pub fn open() -> Result<Self, MeetError> { todo!() }
    /// For tests: a directory of one's own, same checks.
    pub fn at(path: &Path) -> Result<Self, MeetError> { todo!() }
    pub fn path(&self) -> &Path { todo!() }
    /// Runs alive on this host. Entries of dead runs are removed on the way; their names are in `.1`.
    pub fn runs(&self) -> Result<(Vec<RunEntry>, Vec<String>), MeetError> { todo!() }
    /// Takes the role's lock (open-file-description lock); `Busy` names the owner. Cleans a dead run's leavings first.
    pub fn claim(&self, run: &str, role: Role) -> Result<Claim, MeetError> { todo!() }
    /// Is the role's lock held? By whom? (F_OFD_GETLK; no side effect.)
    pub fn owner(&self, run: &str, role: Role) -> Result<Option<Owner>, MeetError> { todo!() }
}

/// The lock on a role. Dropping it removes the role's files (and the run's directory when it was the last).
pub struct Claim { _p: () }
impl Claim { pub fn run(&self) -> &str { todo!() } pub fn dir(&self) -> &RuntimeDir { todo!() } }

/// A run name: 1..=64 of [A-Za-z0-9._-], not starting with '.' or '-'.
pub fn check_name(run: &str) -> Result<(), MeetError> { todo!() }

/// The feed's end of the meeting place.
pub struct Listener { _p: () }
pub enum Served { /// nobody came within the timeout
    Nothing, /// the engine attached; its segments
    Attached(Vec<Received>), /// somebody looked
    Observed, /// somebody was sent away, and told why
    Refused(String) }
impl Listener {
    /// `build`: this program's build id; an engine with another is refused by name.
    pub fn bind(claim: &Claim, build: &str) -> Result<Self, MeetError> { todo!() }
    /// Serves one connection, if one comes within `timeout`. `mine` goes to both engine and observers; what the engine
    /// sent (duplicates are kept inside) goes to observers too. Grants one attach per epoch.
    pub fn serve(&mut self, timeout: Duration, mine: &[Share<'_>]) -> Result<Served, MeetError> { todo!() }
}

/// The engine's side: waits up to `wait` for the feed to listen, hands over its segments, gets the feed's.
/// The engine must hold its `Claim` (checked).
pub fn attach(claim: &Claim, build: &str, mine: &[Share<'_>], wait: Duration, stop: &dyn Fn() -> bool) -> Result<Vec<Received>, MeetError> { todo!() }

/// An observer's side: read-only descriptors of everything both ends write.
pub fn observe(dir: &RuntimeDir, run: &str) -> Result<Vec<Received>, MeetError> { todo!() }
