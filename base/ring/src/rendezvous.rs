//! The runtime directory and its socket: who meets whom, peer checked.
//!
//! ```text
//! $XDG_RUNTIME_DIR/tickspin/     0700, ours, not a link       (else <tmp>/tickspin-<uid>/)
//! ├── .lock                      taken for the instant of claiming, cleaning, leaving
//! └── <run>/                     0700
//!     ├── feed.lock              held by the feed while it lives
//!     ├── engine.lock            held by the engine while it lives
//!     └── sock                   where the feed listens
//! ```
//! Life and death are decided by the locks alone: they are open-file-description locks, which the
//! kernel frees when their holder dies, and which an unrelated open and close of the same file
//! cannot lose. What is written inside the lock files (process, command, time) is for people. A
//! file without a lock is the trace of a dead process, and the next command that sees it removes
//! it; the shared memory has no name and is gone already.
//!
//! Everything here calls the kernel and may wait, always bounded: it is for cold threads.

mod files;
mod meet;
mod message;
mod socket;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::files::{Dir, LockFile, own_uid, printable};
pub use self::meet::{Listener, Served, attach, observe};
use crate::error::MeetError;
pub use crate::owner::Owner;

/// Serialises claiming, cleaning and leaving within the directory.
const GATE: &str = ".lock";
/// Where the feed listens.
const SOCKET: &str = "sock";
/// Longest wait for the gate, which is held for some file operations only.
const GATE_PATIENCE: Duration = Duration::from_secs(5);
/// Note in the engine's lock file once it has met its feed.
const ATTACHED: &str = "attached";

/// Which end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends events, answers requests.
    Feed,
    /// Receives events, sends requests.
    Engine,
}

impl Role {
    /// "feed" or "engine".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Engine => "engine",
        }
    }

    const fn lock_name(self) -> &'static str {
        match self {
            Self::Feed => "feed.lock",
            Self::Engine => "engine.lock",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `$XDG_RUNTIME_DIR/tickspin`, else `<tmp>/tickspin-<uid>`; 0700, owner checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    dir: Arc<Dir>,
}

/// One entry of the runtime directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// The run's name.
    pub name: String,
    /// Its feed, if it lives.
    pub feed: Option<Owner>,
    /// Its engine, if it lives.
    pub engine: Option<Owner>,
}

impl RuntimeDir {
    /// Opens the user's runtime directory, creating it where there is none.
    ///
    /// # Errors
    /// It is a link, belongs to somebody else, or others may enter it; a system call failed.
    pub fn open() -> Result<Self, MeetError> {
        let path = match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(runtime) if runtime.is_absolute() => runtime.join("tickspin"),
            _ => std::env::temp_dir().join(format!("tickspin-{}", own_uid())),
        };
        Self::at(&path)
    }

    /// For tests: a directory of one's own, same checks.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn at(path: &Path) -> Result<Self, MeetError> {
        let dir = Dir::open(path, path, true)?;
        Ok(Self { path: path.to_owned(), dir: Arc::new(dir) })
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs alive on this host, by name. Entries of dead runs are removed on the way; their names
    /// are in `.1`.
    ///
    /// # Errors
    /// A system call failed, or somebody holds the directory's lock for seconds.
    pub fn runs(&self) -> Result<(Vec<RunEntry>, Vec<String>), MeetError> {
        let _gate = self.gate()?;
        let (mut alive, mut dead) = (Vec::new(), Vec::new());
        for name in self.dir.names()? {
            if check_name(&name).is_err() {
                continue;
            }
            // What is not a directory of ours is not a run; whoever put it there may remove it.
            let Ok(Some(run_dir)) = self.dir.child(&name, false) else { continue };
            let feed = owner_in(&run_dir, Role::Feed)?.map(|(owner, _)| owner);
            let engine = owner_in(&run_dir, Role::Engine)?.map(|(owner, _)| owner);
            if feed.is_some() || engine.is_some() {
                alive.push(RunEntry { name, feed, engine });
            } else if self.remove_dead(&run_dir, &name)? {
                dead.push(name);
            }
        }
        Ok((alive, dead))
    }

    /// Takes the role's lock (open-file-description lock); `Busy` names the owner. Cleans a dead
    /// run's leavings first. A feed is also refused while an engine lives that has met an earlier
    /// feed of the same run.
    ///
    /// # Errors
    /// `Busy`, `BadName`, or a system call failed.
    pub fn claim(&self, run: &str, role: Role) -> Result<Claim, MeetError> {
        check_name(run)?;
        let busy = |role: Role, owner| {
            Err(MeetError::Busy { run: run.to_owned(), role: role.name(), owner })
        };
        let _gate = self.gate()?;
        if let Some(old) = self.dir.child(run, false)? {
            let feed = owner_in(&old, Role::Feed)?;
            let engine = owner_in(&old, Role::Engine)?;
            match (feed, engine) {
                (None, None) => {
                    self.remove_dead(&old, run)?;
                }
                // It still believes to be in the run of a feed that is dead.
                (None, Some((owner, note))) if role == Role::Feed && note == ATTACHED => {
                    return busy(Role::Engine, owner);
                }
                _ => {}
            }
        }
        let shown = self.dir.shown(run);
        let run_dir = Dir::open(&self.dir.entry(run), &shown, true)?;
        let lock = run_dir.lock_file(role.lock_name())?;
        if !lock.try_lock()? {
            return busy(role, lock.read().0);
        }
        let owner = own_owner();
        lock.write(&owner, "")?;
        Ok(Claim {
            dir: self.clone(),
            run: run.to_owned(),
            role,
            owner,
            run_dir: Arc::new(run_dir),
            lock,
        })
    }

    /// Is the role's lock held? By whom? (`F_OFD_GETLK`; no side effect.)
    ///
    /// # Errors
    /// `BadName`, or a system call failed.
    pub fn owner(&self, run: &str, role: Role) -> Result<Option<Owner>, MeetError> {
        match self.run_dir(run)? {
            Some(run_dir) => Ok(owner_in(&run_dir, role)?.map(|(owner, _)| owner)),
            None => Ok(None),
        }
    }

    /// A way to see whether the one in this role lives, which goes on where the directory can no
    /// longer be looked into, as after becoming another user. `None` where nobody has the role.
    ///
    /// # Errors
    /// `BadName`, or a system call failed.
    pub fn witness(&self, run: &str, role: Role) -> Result<Option<Witness>, MeetError> {
        match self.run_dir(run)? {
            Some(run_dir) => Ok(run_dir.look_at_lock(role.lock_name())?.map(Witness)),
            None => Ok(None),
        }
    }

    fn run_dir(&self, run: &str) -> Result<Option<Dir>, MeetError> {
        check_name(run)?;
        self.dir.child(run, false)
    }

    /// The directory's lock; dropping it opens the gate again.
    fn gate(&self) -> Result<LockFile, MeetError> {
        let gate = self.dir.lock_file(GATE)?;
        gate.lock_within(GATE_PATIENCE)?;
        Ok(gate)
    }

    /// Removes what a dead run left; true if it is gone. The gate is held, so nobody can claim it
    /// meanwhile.
    fn remove_dead(&self, run_dir: &Dir, run: &str) -> Result<bool, MeetError> {
        for name in [Role::Feed.lock_name(), Role::Engine.lock_name(), SOCKET] {
            run_dir.remove_file(name)?;
        }
        self.dir.remove_dir(run)
    }
}

/// Who holds the role, with the note; `None` where the lock is free.
fn owner_in(run_dir: &Dir, role: Role) -> Result<Option<(Owner, String)>, MeetError> {
    match run_dir.look_at_lock(role.lock_name())? {
        Some(lock) if lock.is_locked()? => Ok(Some(lock.read())),
        _ => Ok(None),
    }
}

/// The lock on a role. Dropping it removes the role's files (and the run's directory when it was
/// the last).
#[derive(Debug)]
pub struct Claim {
    dir: RuntimeDir,
    run: String,
    role: Role,
    owner: Owner,
    run_dir: Arc<Dir>,
    /// Never passed on: a lock travels with its descriptor and would outlive its owner.
    lock: LockFile,
}

impl Claim {
    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The role held.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The directory in which it is held.
    pub fn dir(&self) -> &RuntimeDir {
        &self.dir
    }

    fn note_attached(&self) -> Result<(), MeetError> {
        let _gate = self.dir.gate()?;
        self.lock.write(&self.owner, ATTACHED)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Behind the gate, so that nobody locks a file that is about to lose its name. Without the
        // gate nothing is removed: the lock is freed all the same, and the next command that sees
        // the entry cleans it.
        let Ok(_gate) = self.dir.gate() else { return };
        if self.role == Role::Feed {
            let _ = self.run_dir.remove_file(SOCKET);
        }
        let _ = self.run_dir.remove_file(self.role.lock_name());
        let _ = self.dir.dir.remove_dir(&self.run);
    }
}

/// The lock of a run's feed or engine, open to be looked at.
#[derive(Debug)]
pub struct Witness(LockFile);

impl Witness {
    /// Somebody holds it. Two system calls at most; no side effect.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_alive(&self) -> Result<bool, MeetError> {
        self.0.is_locked()
    }
}

/// A run name: 1..=64 of `[A-Za-z0-9._-]`, not starting with '.' or '-'.
///
/// # Errors
/// `BadName`.
pub fn check_name(run: &str) -> Result<(), MeetError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_good =
        (1..=64).contains(&run.len()) && run.bytes().all(is_plain) && !run.starts_with(['.', '-']);
    if is_good { Ok(()) } else { Err(MeetError::BadName(printable(run))) }
}

fn own_owner() -> Owner {
    let words: Vec<_> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Owner {
        pid: std::process::id(),
        command: printable(&words.join(" ")),
        started: utc(since_1970.as_secs()),
    }
}

/// `2026-01-31T23:59:59Z`; days to civil date by counting in eras of 400 years from 1 March 0000.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let since_march_0000 = days + 719_468;
    let (era, day) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", ".lock", "-x", "a/b", "a b", "ä", &"x".repeat(65), "a\0"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "run-1", "A.b_c", &"x".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
