//! Privileges: what a missing one is called and how to get it, and how to give all of them up.
//!
//! A receiver of raw packets needs privileges to open its sockets and none afterwards. Once all is
//! open, [`give_up`] takes away what is left of them for good, and a [`crate::seccomp`] filter takes
//! away the system calls that a running engine does not make.
//!
//! | capability | what for |
//! |---|---|
//! | `cap_net_raw` | `AF_PACKET`, `AF_XDP` sockets |
//! | `cap_net_admin` | attaching an XDP program, buffers beyond the limit |
//! | `cap_bpf` | loading the program and its map |
//! | `cap_ipc_lock` | frame memory beyond `RLIMIT_MEMLOCK` |
//!
//! Capabilities belong to threads: give them up before other threads are started, or on each.
//! (The user changes for all threads at once.)

use crate::process::{self, is_root};
use crate::text;
use std::{fmt, io};

/// What `AF_XDP` needs.
pub const XDP: &str = "cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock";
/// What `AF_PACKET` needs.
pub const RAW: &str = "cap_net_raw";

/// The command that gives this program `capabilities` (names, joined by commas).
#[must_use]
pub fn cure(capabilities: &str) -> String {
    let program = process::program();
    format!("run it as root, or once `sudo setcap {capabilities}+ep {program}`")
}

/// The commands that raise the limit of locked memory to what is needed.
#[must_use]
pub fn memlock_cure(needed_bytes: usize) -> String {
    format!(
        "{} KiB of locked memory are needed and `ulimit -l` says what is allowed: `sudo prlimit \
         --memlock=unlimited --pid $$` for this shell, LimitMEMLOCK=infinity in a unit, or `sudo \
         setcap cap_ipc_lock+ep {}`",
        needed_bytes.div_ceil(1024),
        process::program()
    )
}

/// Whom to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User, not 0.
    pub uid: u32,
    /// Group, not 0.
    pub gid: u32,
}

impl User {
    /// The user of this name in `/etc/passwd`. (Users of a directory service: by their numbers.)
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<User, RightsError> {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let is_it = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            is_it.then_some(User { uid, gid })
        });
        found.ok_or_else(|| RightsError::NoSuchUser(name.into()))
    }
}

/// Why privileges are still there.
#[derive(Debug)]
pub enum RightsError {
    /// `/etc/passwd` has no such user.
    NoSuchUser(String),
    /// Only root can become another user, and nobody becomes root.
    NotRoot(User),
    /// The kernel refused a step.
    Refused {
        /// Which.
        what: &'static str,
        /// Its answer.
        error: io::Error,
    },
    /// All steps succeeded, and the kernel still shows a privilege.
    StillThere {
        /// The line of /proc/thread-self/status.
        line: String,
    },
}

impl fmt::Display for RightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RightsError::NoSuchUser(name) => {
                write!(f, "/etc/passwd has no user {name}; `getent passwd` lists those there are")
            }
            RightsError::NotRoot(user) => write!(
                f,
                "only root can become user {} of group {}, and neither is 0: start as root, or name \
                 no user",
                user.uid, user.gid
            ),
            RightsError::Refused { what, error } => write!(f, "{what}: {error}"),
            RightsError::StillThere { line } => {
                write!(f, "privileges were given up, and yet the kernel says {line}")
            }
        }
    }
}

impl std::error::Error for RightsError {}

/// Gives up every capability for good: the calling thread's, and what an exec could give back; and
/// becomes `user` where one is named. Files and sockets that are open stay so.
///
/// # Errors
/// Some privilege is still there; the process should not go on.
pub fn give_up(user: Option<User>) -> Result<(), RightsError> {
    drop_bounding_set();
    if let Some(user) = user {
        become_user(user)?;
    }
    drop_capabilities()?;
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let set = text::value(&status, key).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        if set != Some(0) {
            return Err(RightsError::StillThere { line: format!("{key}: {set:?}") });
        }
    }
    if user.is_some() && is_root() {
        return Err(RightsError::StillThere { line: "Uid: 0".into() });
    }
    Ok(())
}

/// What an exec could give at most: nothing. Needs `CAP_SETPCAP`; without it there is "no new
/// privileges", which says the same.
fn drop_bounding_set() {
    for capability in 0..64_u64 {
        // SAFETY: takes numbers; unknown capabilities are refused.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0_u64, 0_u64, 0_u64) };
    }
}

/// Whether this process may become `user`, before anything depends on it.
///
/// # Errors
/// [`RightsError::NotRoot`].
pub fn may_become(user: User) -> Result<(), RightsError> {
    if is_root() && user.uid != 0 && user.gid != 0 {
        Ok(())
    } else {
        Err(RightsError::NotRoot(user))
    }
}

fn become_user(user: User) -> Result<(), RightsError> {
    may_become(user)?;
    let step = |what, result| match socket_done(result) {
        Ok(()) => Ok(()),
        Err(error) => Err(RightsError::Refused { what, error }),
    };
    // SAFETY: an empty list: no memory is read.
    step("setgroups", unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: takes three numbers.
    step("setresgid", unsafe { libc::setresgid(user.gid, user.gid, user.gid) })?;
    // SAFETY: takes three numbers.
    step("setresuid", unsafe { libc::setresuid(user.uid, user.uid, user.uid) })
}

fn socket_done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct __user_cap_header_struct` and two of `__user_cap_data_struct`,
/// include/uapi/linux/capability.h.
fn drop_capabilities() -> Result<(), RightsError> {
    const VERSION_3: u32 = 0x2008_0522;
    let refused = |what| Err(RightsError::Refused { what, error: io::Error::last_os_error() });
    // SAFETY: takes numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) };
    if result != 0 {
        return refused("PR_SET_NO_NEW_PRIVS");
    }
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as u64;
    // SAFETY: takes numbers.
    if unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, 0_u64, 0_u64, 0_u64) } != 0 {
        return refused("PR_CAP_AMBIENT");
    }
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: version 3 reads a header of two words and sets of six, both live.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) } != 0 {
        return refused("capset");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cure_is_a_command_with_our_own_path() {
        let text = cure(XDP);
        assert!(text.contains("sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep /"));
        assert!(memlock_cure(16 << 20).starts_with("16384 KiB"));
    }

    #[test]
    fn users_come_from_passwd() {
        assert_eq!(User::named("root").unwrap(), User { uid: 0, gid: 0 });
        assert!(User::named("no such user").unwrap_err().to_string().contains("getent"));
        let nobody = User { uid: 0, gid: 5 };
        assert!(matches!(become_user(nobody), Err(RightsError::NotRoot(_))));
    }
}
