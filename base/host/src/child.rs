//! Processes that we start: told to stop, and gone when we are.
//!
//! For a program that supervises others. Cold: each call is one system call or two.

use crate::netns::Namespace;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Makes the kernel send SIGTERM to the child when the thread that starts it ends, by whatever
/// means: no child is left spinning on a core after its parent was killed.
///
/// Start it from a thread that lives as long as the child should (the first one). The kernel
/// forgets the wish when the child's program has file capabilities or is set-user-ID (`setcap
/// cap_sys_nice+ep`): such a child ends by itself, or not.
pub fn stop_with_parent(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    let wish = move || {
        // SAFETY: takes two numbers, touches no memory; a plain system call, so allowed between
        // fork and exec.
        let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: takes nothing, cannot fail, async-signal-safe.
        let current = unsafe { libc::getppid() };
        if u32::try_from(current) != Ok(parent) {
            // The parent was gone before the wish: nobody will ever send the signal.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: `wish` makes two system calls and builds errors from numbers: it neither allocates
    // nor locks, as the time between fork and exec demands.
    unsafe { command.pre_exec(wish) }
}

/// Makes the child begin in a network namespace: all of its sockets will be there. The descriptor has to
/// be open when the child is started.
///
/// Entering needs `cap_sys_admin`; what the child may do is as before.
pub fn start_within<'c>(command: &'c mut Command, namespace: &Namespace) -> &'c mut Command {
    let fd = namespace.as_raw_fd();
    let enter = move || {
        // SAFETY: takes two numbers, touches no memory; a plain system call, so allowed between fork
        // and exec. A number that names no namespace is refused.
        match unsafe { libc::setns(fd, libc::CLONE_NEWNET) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `enter` makes one system call and builds an error from a number: it neither allocates
    // nor locks, as the time between fork and exec demands.
    unsafe { command.pre_exec(enter) }
}

/// Sends `signal` to a child that still runs. `false`: it has ended already.
///
/// The number cannot hit another process: a child that was not waited for keeps its own.
///
/// # Errors
/// The kernel's: the child runs as another user by now.
pub fn send_signal(child: &mut Child, signal: i32) -> io::Result<bool> {
    if child.try_wait()?.is_some() {
        return Ok(false);
    }
    let Ok(pid) = libc::pid_t::try_from(child.id()) else { return Ok(false) };
    // SAFETY: takes two numbers, touches no memory.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::time::{Duration, Instant};

    #[test]
    fn a_child_is_told_to_stop_and_an_ended_one_is_left_alone() {
        let mut child = stop_with_parent(Command::new("sleep").arg("60")).spawn().unwrap();
        assert!(send_signal(&mut child, libc::SIGTERM).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert!(!send_signal(&mut child, libc::SIGTERM).unwrap());
    }

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let start = || stop_with_parent(Command::new("sleep").arg("60")).spawn().unwrap();
        let mut child = std::thread::spawn(start).join().unwrap();
        let since = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < Duration::from_secs(10), "it outlived its starter");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    }
}
