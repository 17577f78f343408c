//! Our own binaries, started by a test, bounded in time, and gone when the test is.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, mem, thread};

/// The path of one of the workspace's binaries, built now if it is missing or stale.
///
/// `cargo test -p X` builds the binaries of X only, so those of other packages may be absent or,
/// worse, of yesterday. This runs `cargo build --bin NAME` in the profile and target folder of the
/// running test (some 0.2 s when fresh; once per process and name).
/// With `TICKSPIN_BIN_DIR` set nothing is built, and that folder is where it must be: for a script
/// that has built everything, and for binaries of another profile.
///
/// # Panics
/// It cannot be built or found; the message says what was tried.
#[must_use]
pub fn bin(name: &str) -> PathBuf {
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if let Some(folder) = env::var_os("TICKSPIN_BIN_DIR") {
        let path = Path::new(&folder).join(name);
        assert!(path.is_file(), "TICKSPIN_BIN_DIR has no {name}: {}", path.display());
        return path;
    }
    let folder = profile_folder();
    let path = folder.join(name);
    // A test that panicked elsewhere while it held this has left a list that is still right.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.iter().any(|done| done == name) {
        build(name, &folder);
        built.push(name.to_owned());
    }
    assert!(path.is_file(), "cargo has built {name}, but not at {}", path.display());
    path
}

/// target/debug of target/debug/deps/some_test-0123456789abcdef.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().unwrap_or_else(|e| panic!("where am I? {e}"));
    let folder = test.parent().unwrap_or(Path::new("/"));
    let inner =
        ["deps", "examples"].iter().any(|name| folder.file_name() == Some(OsStr::new(name)));
    if inner { folder.parent().unwrap_or(folder).to_owned() } else { folder.to_owned() }
}

fn build(name: &str, folder: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace).args(["build", "--quiet", "--bin", name, "--profile", profile]);
    if let Some(target) = folder.parent() {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    // Of the test's own package, not of the binary's.
    for (key, _) in env::vars_os() {
        if key
            .to_str()
            .is_some_and(|key| key.starts_with("CARGO_PKG_") || key == "CARGO_MANIFEST_DIR")
        {
            cargo.env_remove(key);
        }
    }
    let output = cargo.output().unwrap_or_else(|e| panic!("{cargo:?}: {e}"));
    assert!(
        output.status.success(),
        "{cargo:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A folder of one's own, 0700, removed with all it holds when dropped.
///
/// Its path is short, because a Unix socket's may have 107 bytes at most.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes it in the system's temporary folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new() -> io::Result<TempDir> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!("ts-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
            let path = env::temp_dir().join(name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(TempDir(path)),
                // Left by an earlier process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A command that has this folder as `XDG_RUNTIME_DIR`: its runs meet nobody else's.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("XDG_RUNTIME_DIR", &self.0);
        command
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks once a millisecond, for at most `bound`. Whether it became true.
pub fn wait_until(bound: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + bound;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The calling thread's number.
#[must_use]
pub fn thread_id() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    let tid = unsafe { libc::gettid() };
    tid.unsigned_abs()
}

/// (thread number, name) of each thread of a process; empty where it is gone.
#[must_use]
pub fn threads(pid: u32) -> Vec<(u32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, name.trim_end().to_owned()))
        })
        .collect()
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; 128 + the signal's number when a signal killed it, as a shell says it.
    pub code: i32,
    /// The same, unfolded.
    pub status: ExitStatus,
    /// All it wrote to standard output.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// Processes of its group that were still alive when it had ended (they were killed then).
    pub left_behind: Vec<u32>,
}

/// A started process, in a process group of its own.
///
/// Its output is read all the time, so that a full pipe never blocks it. Dropped, it is killed
/// with its whole group. If the thread that started it dies, the kernel kills it: no spinner
/// outlives a test run that was cut off. (So start it on the thread that waits for it.)
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    pid: u32,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Starts it, with no standard input.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Running> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let die_with_us = || {
            // SAFETY: a number goes to the kernel; allowed between fork and exec.
            let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        };
        // SAFETY: the closure makes one async-signal-safe call and allocates nothing.
        unsafe { command.pre_exec(die_with_us) };
        let mut child = command.spawn()?;
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        Ok(Running { pid: child.id(), child: Some(child), stdout, stderr })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The thread of that name (at most 15 bytes, as the kernel keeps them).
    #[must_use]
    pub fn thread(&self, name: &str) -> Option<u32> {
        threads(self.pid).into_iter().find(|(_, found)| found == name).map(|(tid, _)| tid)
    }

    /// Sends a signal to the process, not to its group.
    ///
    /// # Errors
    /// It has ended and was collected.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        kill(self.pid as libc::pid_t, signal)
    }

    /// Whether it has ended. Looks without collecting, so it does not disturb a
    /// [`SyscallCounter`](crate::syscalls::SyscallCounter).
    #[must_use]
    pub fn has_exited(&self) -> bool {
        // SAFETY: the structure is plain bytes; zeros mean "nothing happened".
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is live and writable; nothing is collected.
        let result = unsafe { libc::waitid(libc::P_PID, self.pid, &raw mut info, options) };
        let ended = [libc::CLD_EXITED, libc::CLD_KILLED, libc::CLD_DUMPED];
        result != 0 || ended.contains(&info.si_code)
    }

    /// Waits for its end and collects all it wrote.
    ///
    /// # Errors
    /// `TimedOut` after `bound`; it is killed then, and what it wrote is in the message.
    pub fn finish_within(mut self, bound: Duration) -> io::Result<Finished> {
        let in_time = wait_until(bound, || self.has_exited());
        // The number is still ours: the process is not collected yet.
        let left_behind = self.others_of_group();
        let _ = kill(-(self.pid as libc::pid_t), libc::SIGKILL);
        let Some(mut child) = self.child.take() else {
            return Err(io::Error::other("collected already"));
        };
        let status = child.wait()?;
        let text = |pipe: &Receiver<Vec<u8>>| {
            let bytes = pipe.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        if !in_time {
            let text = format!("still running after {bound:?}\n{stdout}\n{stderr}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        let code = status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(-1);
        Ok(Finished { code, status, stdout, stderr, left_behind })
    }

    /// Kills it (SIGKILL, the process alone), as a crash would.
    ///
    /// # Errors
    /// It has ended and was collected.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    fn others_of_group(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|&pid| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                // Behind the name: state, parent, group.
                let mut fields =
                    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
                let (state, group) = (fields.next(), fields.nth(1));
                let is_ours = group.and_then(|g| g.parse().ok()) == Some(self.pid);
                is_ours && pid != self.pid && state != Some("Z")
            })
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(-(self.pid as libc::pid_t), libc::SIGKILL);
            let _ = child.wait();
        }
    }
}

fn kill(pid: libc::pid_t, signal: i32) -> io::Result<()> {
    // SAFETY: numbers go to the kernel; the process (or group) is our own child's.
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads a pipe to its end on a thread of its own.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}
