//! Counts the system calls of one thread of another process, from outside, by `ptrace`.
//!
//! ```text
//!   test thread            tracer thread                        traced thread
//!   ───────────            ─────────────                        ─────────────
//!   seize(pid, tid) ─────► SEIZE, INTERRUPT, wait ────────────► stops once, goes on
//!   count_until(done)      wait · note the number · SYSCALL ◄── stops at each call, in and out
//!   done() is true ──────► INTERRUPT, wait, DETACH ───────────► stops once, is free again
//! ```
//!
//! All requests come from one thread, because the kernel ties a tracee to the thread that seized
//! it. Signals go through, group stops (SIGSTOP, Ctrl-Z) hold until SIGCONT.
//!
//! A spinning thread that makes no call is not slowed: the tracer only waits. One that makes
//! calls is slowed to some 10 µs a call.
//! To attach and to detach each stop the thread once, for some 10 µs to 1 ms: do not measure its
//! latency in the same run.
//!
//! Needs the right to trace: the same user, and a descendant where Yama is on (a child is one).
//! Not through `waitpid`: while a process is traced, ask with
//! [`Running::has_exited`](crate::process::Running::has_exited), because `Child::try_wait` in the
//! same process would steal the tracer's news.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, mem, ptr, thread};

/// include/uapi/linux/ptrace.h; the C library leaves it out on this target.
const PTRACE_EVENT_STOP: libc::c_int = 128;
/// A syscall-stop, with `PTRACE_O_TRACESYSGOOD`.
const SYSCALL_STOP: libc::c_int = libc::SIGTRAP | 0x80;
/// How many calls are kept one by one; the sums go on.
const LOG_MAX: usize = 4_096;
/// `close` of these descriptors: no program has them, and the call changes nothing.
const MARK_ARMED: i32 = -0x7471_0001;
const MARK_DISARMED: i32 = -0x7471_0002;

/// One system call, seen at its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number, `libc::SYS_*`.
    pub number: u64,
    /// When the tracer saw it.
    pub seen: Instant,
}

/// What a thread asked of the kernel while it was counted.
#[derive(Clone, Debug, Default)]
pub struct SyscallCounts {
    /// (number, how often), by number.
    pub by_number: Vec<(u64, u64)>,
    /// The first 4,096 of them in order.
    pub log: Vec<Call>,
    /// Times the thread was stopped for a signal, which was then passed on.
    pub signals: u64,
    /// The thread ended while it was counted.
    pub ended: bool,
    /// Armed and disarmed marks that were seen; with any, only calls between them are counted.
    pub marks: u64,
}

impl SyscallCounts {
    /// All calls together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_number.iter().map(|(_, count)| count).sum()
    }

    /// How often one was made; `libc::SYS_*`.
    #[must_use]
    pub fn of(&self, number: libc::c_long) -> u64 {
        let wanted = u64::try_from(number).unwrap_or(u64::MAX);
        self.by_number.iter().find(|(number, _)| *number == wanted).map_or(0, |(_, count)| *count)
    }
}

/// Marks for a program under test that may name this package: the counter counts only what lies
/// between [`mark_armed`] and [`mark_disarmed`]. One failing `close`, nothing else.
pub fn mark_armed() {
    // SAFETY: no such descriptor can exist: EBADF.
    unsafe { libc::close(MARK_ARMED) };
}

/// The end of what [`mark_armed`] began.
pub fn mark_disarmed() {
    // SAFETY: no such descriptor can exist: EBADF.
    unsafe { libc::close(MARK_DISARMED) };
}

/// A seized thread. Dropping it lets the thread go.
#[derive(Debug)]
pub struct SyscallCounter {
    stop: Arc<AtomicBool>,
    tracer: Option<JoinHandle<io::Result<SyscallCounts>>>,
    finished: Receiver<()>,
}

impl SyscallCounter {
    /// Takes hold of thread `tid` of process `pid` (for its first thread both are the same).
    /// Returns when each of its calls is being counted.
    ///
    /// A call in which it sleeps at that moment is interrupted and entered again: counted once.
    ///
    /// # Errors
    /// There is no such thread, or it may not be traced (another user, Yama, a tracer already).
    pub fn seize(pid: u32, tid: u32) -> io::Result<SyscallCounter> {
        if !std::fs::exists(format!("/proc/{pid}/task/{tid}"))? {
            let text = format!("process {pid} has no thread {tid}");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let tid = libc::pid_t::try_from(tid).map_err(io::Error::other)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (report_ready, ready) = channel();
        let (report_finished, finished) = channel();
        let told = Arc::clone(&stop);
        let tracer = thread::Builder::new().name("tracer".into()).spawn(move || {
            let mut tracer = Tracer { tid, ..Tracer::default() };
            let seized = tracer.seize();
            let go_on = seized.is_ok();
            let _ = report_ready.send(seized);
            let result = if go_on { tracer.run(&told) } else { Ok(()) };
            let _ = report_finished.send(());
            // Whatever is still held is let go when this thread ends.
            result.map(|()| tracer.into_counts())
        })?;
        ready.recv().map_err(io::Error::other)??;
        Ok(SyscallCounter { stop, tracer: Some(tracer), finished })
    }

    /// Counts until `done` says so (asked once a millisecond) or the thread ends; then lets go.
    ///
    /// # Errors
    /// A request to the kernel failed for a reason other than the thread's end.
    pub fn count_until(mut self, mut done: impl FnMut() -> bool) -> io::Result<SyscallCounts> {
        while !done() {
            if self.finished.recv_timeout(Duration::from_millis(1)).is_ok() {
                break;
            }
        }
        self.let_go()
    }

    /// Counts for a time.
    ///
    /// # Errors
    /// As [`SyscallCounter::count_until`].
    pub fn count_for(self, time: Duration) -> io::Result<SyscallCounts> {
        let end = Instant::now() + time;
        self.count_until(|| Instant::now() >= end)
    }

    fn let_go(&mut self) -> io::Result<SyscallCounts> {
        self.stop.store(true, Relaxed);
        match self.tracer.take().map(JoinHandle::join) {
            Some(Ok(counts)) => counts,
            _ => Err(io::Error::other("the tracer is gone")),
        }
    }
}

impl Drop for SyscallCounter {
    fn drop(&mut self) {
        if self.tracer.is_some() {
            let _ = self.let_go();
        }
    }
}

/// What `waitid` had to tell.
enum News {
    None,
    Stopped { signal: libc::c_int, event: libc::c_int },
    Ended,
}

#[derive(Default)]
struct Tracer {
    tid: libc::pid_t,
    by_number: BTreeMap<u64, u64>,
    counts: SyscallCounts,
    /// Between marks, or no mark seen yet.
    counting: bool,
}

impl Tracer {
    fn into_counts(self) -> SyscallCounts {
        SyscallCounts { by_number: self.by_number.into_iter().collect(), ..self.counts }
    }

    fn seize(&mut self) -> io::Result<()> {
        self.counting = true;
        self.request(libc::PTRACE_SEIZE, libc::PTRACE_O_TRACESYSGOOD)?;
        self.request(libc::PTRACE_INTERRUPT, 0)?;
        let bound = Instant::now() + Duration::from_secs(5);
        while Instant::now() < bound {
            match self.news(false)? {
                News::None => thread::sleep(Duration::from_micros(50)),
                News::Ended => return Err(io::Error::other("the thread ended")),
                // Whichever stop came first (a signal may have been on its way): from here on
                // each resumption steps from call to call.
                News::Stopped { signal, event } => {
                    self.resume(signal, event)?;
                    return Ok(());
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the thread did not stop within 5 s"))
    }

    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut asked_to_stop = false;
        let mut last_news = Instant::now();
        loop {
            if stop.load(Relaxed) && !asked_to_stop {
                asked_to_stop = true;
                if self.unless_gone(self.request(libc::PTRACE_INTERRUPT, 0))? {
                    return Ok(());
                }
            }
            match self.news(true)? {
                // Right after a call another one is likely: 50 µs of looking before sleeping.
                News::None if last_news.elapsed() < Duration::from_micros(50) => {
                    thread::yield_now()
                }
                News::None => thread::sleep(Duration::from_micros(200)),
                News::Ended => {
                    self.counts.ended = true;
                    return Ok(());
                }
                News::Stopped { signal, event } => {
                    last_news = Instant::now();
                    if signal == SYSCALL_STOP {
                        self.note()?;
                    }
                    let done = if asked_to_stop {
                        let passed_on = self.signal_to_pass(signal, event);
                        self.unless_gone(self.request(libc::PTRACE_DETACH, passed_on))?;
                        true
                    } else {
                        let resumed = self.resume(signal, event);
                        self.unless_gone(resumed)?;
                        false
                    };
                    if done {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Lets a stopped thread run on to its next call.
    fn resume(&mut self, signal: libc::c_int, event: libc::c_int) -> io::Result<()> {
        // A group stop: stays stopped, and tells us when SIGCONT ends it.
        if event == PTRACE_EVENT_STOP && signal != libc::SIGTRAP {
            return self.request(libc::PTRACE_LISTEN, 0);
        }
        let passed_on = self.signal_to_pass(signal, event);
        if passed_on != 0 {
            self.counts.signals += 1;
        }
        self.request(libc::PTRACE_SYSCALL, passed_on)
    }

    /// 0 for stops that are the tracer's own.
    fn signal_to_pass(&self, signal: libc::c_int, event: libc::c_int) -> libc::c_int {
        if signal == SYSCALL_STOP || event != 0 { 0 } else { signal }
    }

    /// At a syscall-stop: counts an entry, passes over an exit.
    fn note(&mut self) -> io::Result<()> {
        // SAFETY: the structure is integers; zeros are a value of each.
        let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
        let size = size_of_val(&info);
        // SAFETY: the thread is stopped and ours; the kernel writes at most `size` bytes to
        // `info`, which is live and that large.
        let result =
            unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, self.tid, size, &raw mut info) };
        if result < 0 {
            return self.unless_gone(Err(io::Error::last_os_error())).map(|_| ());
        }
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Ok(());
        }
        // SAFETY: `op` says that the union holds an entry.
        let entry = unsafe { info.u.entry };
        if entry.nr == libc::SYS_close as u64 {
            let descriptor = entry.args[0] as u32 as i32;
            if descriptor == MARK_ARMED || descriptor == MARK_DISARMED {
                self.mark(descriptor == MARK_ARMED);
                return Ok(());
            }
        }
        if self.counting {
            *self.by_number.entry(entry.nr).or_default() += 1;
            if self.counts.log.len() < LOG_MAX {
                self.counts.log.push(Call { number: entry.nr, seen: Instant::now() });
            }
        }
        Ok(())
    }

    fn mark(&mut self, armed: bool) {
        if armed && self.counts.marks == 0 {
            self.by_number.clear();
            self.counts.log.clear();
        }
        self.counts.marks += 1;
        self.counting = armed;
    }

    /// Ok(true): it failed because the thread is gone, which its next news will say.
    fn unless_gone(&self, result: io::Result<()>) -> io::Result<bool> {
        match result {
            Ok(()) => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn request(&self, what: libc::c_uint, data: libc::c_int) -> io::Result<()> {
        let data = ptr::without_provenance_mut::<libc::c_void>(data as usize);
        let address = ptr::null_mut::<libc::c_void>();
        // SAFETY: of the requests made here none writes memory of ours; `data` is a number.
        let result = unsafe { libc::ptrace(what, self.tid, address, data) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// What the kernel has to tell of the thread, without waiting. Its end is only looked at,
    /// never collected: that is its parent's to do.
    fn news(&self, gone_is_end: bool) -> io::Result<News> {
        let stopped = self.waitid(libc::WSTOPPED)?;
        if let Some((code, status)) = stopped
            && (code == libc::CLD_TRAPPED || code == libc::CLD_STOPPED)
        {
            return Ok(News::Stopped { signal: status & 0xFF, event: status >> 8 });
        }
        match self.waitid(libc::WEXITED | libc::WNOWAIT) {
            Ok(Some((libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED, _))) => {
                Ok(News::Ended)
            }
            Ok(_) => Ok(News::None),
            // A thread that is not the first one vanishes without a trace.
            Err(error) if gone_is_end && error.raw_os_error() == Some(libc::ECHILD) => {
                Ok(News::Ended)
            }
            Err(error) => Err(error),
        }
    }

    /// (code, status) of a change of state of the kind `what`.
    fn waitid(&self, what: libc::c_int) -> io::Result<Option<(libc::c_int, libc::c_int)>> {
        // SAFETY: the structure is plain bytes; zeros mean "nothing happened".
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let options = what | libc::WNOHANG | libc::__WALL;
        // SAFETY: `info` is live and writable.
        let result =
            unsafe { libc::waitid(libc::P_PID, self.tid as libc::id_t, &raw mut info, options) };
        if result != 0 {
            let error = io::Error::last_os_error();
            let gone = error.raw_os_error() == Some(libc::ECHILD) && what == libc::WSTOPPED;
            return if gone { Ok(None) } else { Err(error) };
        }
        // SAFETY: `waitid` fills the fields of a child's change of state, or leaves zeros.
        if unsafe { info.si_pid() } == 0 {
            return Ok(None);
        }
        // SAFETY: as above.
        let status = unsafe { info.si_status() };
        Ok(Some((info.si_code, status)))
    }
}
