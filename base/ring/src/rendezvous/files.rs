//! Directories and lock files: everything is reached through an open directory, never twice through
//! a path.
//!
//! `/proc/self/fd/N/name` names an entry of the directory that descriptor N holds open, so that
//! renaming or replacing the directory cannot redirect us, and no path is too long.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{error::MeetError, owner::Owner};

/// An open directory of ours: mode 0700, our own, not reached through a link.
#[derive(Debug)]
pub(super) struct Dir {
    file: File,
    /// For messages only.
    shown: PathBuf,
}

impl Dir {
    /// Opens `path`, `shown` to people under that name; creates it first where asked to.
    pub(super) fn open(path: &Path, shown: &Path, may_create: bool) -> Result<Self, MeetError> {
        let mut is_new = false;
        if may_create {
            match DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => is_new = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(MeetError::io("create directory", shown, error)),
            }
        }
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file =
            OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
                // A link under O_DIRECTORY | O_NOFOLLOW is "not a directory".
                match error.raw_os_error() {
                    Some(libc::ENOTDIR | libc::ELOOP) => MeetError::Planted { path: shown.into() },
                    _ => MeetError::io("open directory", shown, error),
                }
            })?;
        let meta = file.metadata().map_err(|error| MeetError::io("look at", shown, error))?;
        check_owner(&meta, shown)?;
        if is_new {
            // Whatever the umask left.
            file.set_permissions(Permissions::from_mode(0o700))
                .map_err(|error| MeetError::io("set the mode of", shown, error))?;
        } else if meta.mode() & 0o077 != 0 {
            return Err(MeetError::TooOpen { path: shown.into(), mode: meta.mode() & 0o7777 });
        }
        Ok(Self { file, shown: shown.to_owned() })
    }

    /// The path by which the kernel finds `name` in this very directory.
    pub(super) fn entry(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.file.as_raw_fd()))
    }

    /// The path as people know it.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.shown.join(name)
    }

    /// A directory within this one; `None` where there is none.
    pub(super) fn child(&self, name: &str, may_create: bool) -> Result<Option<Self>, MeetError> {
        match Self::open(&self.entry(name), &self.shown(name), may_create) {
            Err(MeetError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Names of the entries that are valid UTF-8.
    pub(super) fn names(&self) -> Result<Vec<String>, MeetError> {
        let failed = |error| MeetError::io("list", &self.shown, error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.entry(".")).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove_file(&self, name: &str) -> Result<(), MeetError> {
        match std::fs::remove_file(self.entry(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(MeetError::io("remove", &self.shown(name), error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a directory if it is there and empty; true if it is gone.
    pub(super) fn remove_dir(&self, name: &str) -> Result<bool, MeetError> {
        match std::fs::remove_dir(self.entry(name)) {
            Ok(()) => Ok(true),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => Ok(true),
                Some(libc::ENOTEMPTY | libc::EEXIST) => Ok(false),
                _ => Err(MeetError::io("remove", &self.shown(name), error)),
            },
        }
    }

    /// Opens a lock file for locking, creating it where there is none.
    pub(super) fn lock_file(&self, name: &str) -> Result<LockFile, MeetError> {
        self.open_lock(name, OpenOptions::new().read(true).write(true).create(true).mode(0o600))
    }

    /// Opens a lock file for looking; `None` where there is none.
    pub(super) fn look_at_lock(&self, name: &str) -> Result<Option<LockFile>, MeetError> {
        match self.open_lock(name, OpenOptions::new().read(true)) {
            Err(MeetError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn open_lock(&self, name: &str, options: &mut OpenOptions) -> Result<LockFile, MeetError> {
        let shown = self.shown(name);
        // O_NONBLOCK: a planted pipe must not hold us up. The standard library adds O_CLOEXEC.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = options
            .custom_flags(flags)
            .open(self.entry(name))
            .map_err(|error| MeetError::io("open", &shown, error))?;
        let meta = file.metadata().map_err(|error| MeetError::io("look at", &shown, error))?;
        if !meta.file_type().is_file() {
            return Err(MeetError::Planted { path: shown });
        }
        check_owner(&meta, &shown)?;
        Ok(LockFile { file, shown })
    }
}

fn check_owner(meta: &std::fs::Metadata, shown: &Path) -> Result<(), MeetError> {
    if meta.uid() == own_uid() {
        return Ok(());
    }
    Err(MeetError::ForeignOwner { path: shown.to_owned(), uid: meta.uid() })
}

pub(super) fn own_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// A file whose open-file-description lock says that somebody lives. The kernel frees the lock when
/// the last copy of the description is closed, at the latest when its process dies; an unrelated
/// open and close of the same file leaves it alone. The locked description is never passed on.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    shown: PathBuf,
}

impl LockFile {
    /// Takes the lock; false if somebody else holds it.
    pub(super) fn try_lock(&self) -> Result<bool, MeetError> {
        let lock = whole_file(libc::F_WRLCK);
        // SAFETY: the pointer is that of `lock`, which F_OFD_SETLK only reads.
        let result =
            unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if result == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            // Here "access denied" means "held by another".
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(MeetError::io("lock", &self.shown, error)),
        }
    }

    /// Takes the lock, waiting at most `patience`.
    pub(super) fn lock_within(&self, patience: Duration) -> Result<(), MeetError> {
        let start = Instant::now();
        while !self.try_lock()? {
            if start.elapsed() >= patience {
                return Err(MeetError::TimedOut {
                    waiting_for: "the runtime directory's lock",
                    after_ms: patience.as_millis() as u64,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Is it held, by anyone? No side effect.
    pub(super) fn is_locked(&self) -> Result<bool, MeetError> {
        let mut lock = whole_file(libc::F_WRLCK);
        // SAFETY: the pointer is that of `lock`, which lives through the call.
        let result =
            unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
        if result != 0 {
            return Err(MeetError::io(
                "probe the lock of",
                &self.shown,
                io::Error::last_os_error(),
            ));
        }
        Ok(i32::from(lock.l_type) != libc::F_UNLCK)
    }

    /// Writes who we are, for display.
    pub(super) fn write(&self, owner: &Owner, note: &str) -> Result<(), MeetError> {
        let text = format!("{}\n{}\n{}\n{note}\n", owner.pid, owner.command, owner.started);
        let failed = |error| MeetError::io("write", &self.shown, error);
        self.file.set_len(0).map_err(failed)?;
        self.file.write_all_at(text.as_bytes(), 0).map_err(failed)
    }

    /// What its owner wrote, and the note. Every content is accepted: it is shown, and nothing
    /// else.
    pub(super) fn read(&self) -> (Owner, String) {
        let mut bytes = Vec::new();
        // Reading less than everything shows less than everything.
        let _ = (&self.file).take(1024).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().map(printable);
        let mut next = || lines.next().unwrap_or_default();
        let owner = Owner { pid: next().parse().unwrap_or(0), command: next(), started: next() };
        (owner, next())
    }
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0, // Must be 0 for open-file-description locks.
    }
}

/// At most 200 characters, none of them able to steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}
