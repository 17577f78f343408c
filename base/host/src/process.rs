//! The stop flag, and what the kernel did to a thread.
//!
//! A program is asked to stop by SIGINT, by SIGTERM, or by one of its own threads; whoever comes
//! first is the reason it will report and exit with. The hot loop sees it by one relaxed load.

use crate::text;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// 0, a signal's number, or a caller's own reason.
static STOP: AtomicI32 = AtomicI32::new(0);

/// Runs on whatever thread the signal hits: only atomics and async-signal-safe calls.
extern "C" fn on_stop(signal: libc::c_int) {
    let first = STOP.compare_exchange(0, signal, Relaxed, Relaxed).is_ok();
    if !first && signal == libc::SIGINT {
        // Somebody is impatient: the next Ctrl-C kills, as if we had never asked.
        let _ = set_action(signal, libc::SIG_DFL);
    }
}

/// Installs handlers for SIGINT and SIGTERM that only set the stop flag.
///
/// The first signal wins. A SIGINT that finds the flag already set gives SIGINT its default
/// action back, so that the next one ends even a program that is stuck. (Not the second one
/// itself: Ctrl-C reaches a whole process group, and a parent that also forwards it would then
/// kill a child that is still writing its files.)
/// System calls that a signal interrupts are restarted. Calling it twice does no harm.
pub fn catch_stop_signals() {
    let handler = on_stop as extern "C" fn(libc::c_int);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // Fails only for numbers that are no signals or cannot be caught.
        let set = set_action(signal, handler as libc::sighandler_t);
        debug_assert!(set.is_ok(), "{set:?}");
    }
}

fn set_action(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: sigaction is plain data; zeros mean default action, no flags, empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is live and initialised, the old action is not asked for; the handler is
    // SIG_DFL, SIG_IGN or `on_stop`, which is async-signal-safe.
    let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Why to stop: 0 none, else a signal's number (2 or 15) or a reason given to [`request_stop`].
///
/// One relaxed load of a line that nobody writes: fit for every turn of a hot loop.
#[inline]
#[must_use]
pub fn stop_signal() -> i32 {
    STOP.load(Relaxed)
}

/// Asks this process to stop, for threads of its own. The first reason stays.
///
/// `reason` is not 0 and no signal number: 1,000 and up by convention.
pub fn request_stop(reason: i32) {
    let _ = STOP.compare_exchange(0, reason, Relaxed, Relaxed);
}

/// Takes the request back, for a process that runs several times in its life (a test, a bench).
pub fn clear_stop() {
    STOP.store(0, Relaxed);
}

/// The calling thread's number, as under `/proc/self/task` and in `perf` and `top -H`.
#[must_use]
pub fn thread_id() -> i32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::gettid() }
}

/// What the kernel did to one thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUsage {
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
    /// Times it slept or yielded.
    pub voluntary_switches: u64,
    /// Times the kernel took the core away for another task.
    pub involuntary_switches: u64,
    /// Time on a core, ns.
    pub cpu_ns: u64,
    /// Time it was ready to run and had no core, ns; 0 where the kernel keeps no `schedstat`.
    pub queued_ns: u64,
    /// The core it ran on last.
    pub last_core: usize,
}

impl ThreadUsage {
    /// What was added since `earlier`; `last_core` is the later one.
    #[must_use]
    pub fn since(&self, earlier: &ThreadUsage) -> ThreadUsage {
        ThreadUsage {
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            queued_ns: self.queued_ns.saturating_sub(earlier.queued_ns),
            last_core: self.last_core,
        }
    }
}

/// Reads `/proc/self/task/<tid>/{stat,status,schedstat}` of a thread of this process.
///
/// Cold: three files, ~30 µs. Another thread may ask while `tid` spins: it is not disturbed.
///
/// # Errors
/// The thread is gone (`NotFound`), or /proc is not what it is on Linux (`InvalidData`).
pub fn thread_usage(tid: i32) -> io::Result<ThreadUsage> {
    let folder = format!("/proc/self/task/{tid}");
    let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
    let status = std::fs::read_to_string(format!("{folder}/status"))?;
    let schedstat = std::fs::read_to_string(format!("{folder}/schedstat")).unwrap_or_default();
    parse_usage(&stat, &status, &schedstat, ns_per_clock_tick())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{folder}: {stat}")))
}

fn parse_usage(stat: &str, status: &str, schedstat: &str, tick_ns: u64) -> Option<ThreadUsage> {
    // The name in parentheses may hold anything; fields count from 3 after its last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
    let mut times = schedstat.split_whitespace().map(str::parse);
    let (run_ns, queued_ns) = (times.next(), times.next());
    Some(ThreadUsage {
        minor_faults: field(10)?,
        major_faults: field(12)?,
        voluntary_switches: text::number(status, "voluntary_ctxt_switches")?,
        involuntary_switches: text::number(status, "nonvoluntary_ctxt_switches")?,
        cpu_ns: match run_ns {
            Some(Ok(ns)) => ns,
            _ => (field(14)? + field(15)?) * tick_ns,
        },
        queued_ns: queued_ns.and_then(Result::ok).unwrap_or(0),
        last_core: field(39)? as usize,
    })
}

/// Time that a hypervisor ran something else while `core` wanted to run, since boot, ns.
///
/// Resolution: the kernel's user clock tick, 10 ms. 0 for ever on bare metal, and on a guest
/// whose hypervisor does not tell.
///
/// # Errors
/// `/proc/stat` is unreadable (its own error), or has no such core (`NotFound`).
pub fn steal_ns(core: usize) -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    parse_steal(&text, core).map(|ticks| ticks * ns_per_clock_tick()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("/proc/stat has no steal time of core {core}"),
        )
    })
}

/// The eighth number behind "cpuN".
fn parse_steal(text: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.nth(7)?.parse().ok()).flatten()
    })
}

fn ns_per_clock_tick() -> u64 {
    // SAFETY: takes a number, returns a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    1_000_000_000 / u64::try_from(per_second).unwrap_or(100).max(1)
}

/// CPU time of the whole process so far, all threads, ns.
///
/// A spinning thread is in it: the cold threads' share is this less the spinner's `cpu_ns`.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live, writable timespec for the whole call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return 0;
    }
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// SIGPIPE and SIGXFSZ are ignored, so that a closed pipe and a full quota come back from the
/// write as errors (`BrokenPipe`, `FileTooLarge`) instead of killing the run.
///
/// A writer to standard output treats `BrokenPipe` as success: [`is_closed_pipe`].
pub fn quiet_pipes() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        let set = set_action(signal, libc::SIG_IGN);
        debug_assert!(set.is_ok(), "{set:?}");
    }
}

/// `CAP_IPC_LOCK`: lock memory beyond the limit. include/uapi/linux/capability.h.
pub(crate) const CAP_IPC_LOCK: u32 = 14;
/// `CAP_SYS_NICE`: real-time priorities beyond the limit.
pub(crate) const CAP_SYS_NICE: u32 = 23;

/// Whether the calling thread holds a capability now.
pub(crate) fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective =
        text::value(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    effective.is_some_and(|set| set >> number & 1 == 1)
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail, returns a number.
    unsafe { libc::geteuid() == 0 }
}

/// The running program's path, for commands that mend a privilege.
#[must_use]
pub fn program() -> String {
    std::env::current_exe().map_or_else(|_| "PROGRAM".into(), |path| path.display().to_string())
}

/// The reader has gone away (`tickspin hist show … | head`): success, nobody wants the rest.
#[must_use]
pub fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "812 (a) b (c) R 1 812 812 0 -1 4194560 77 0 3 0 11 4 0 0 20 0 2 0 9 8 7 \
                        6 5 4 3 2 1 0 0 0 0 0 0 0 17 5 0 0 0 0 0 0 0 0 0 0 0 0 0";
    const STATUS: &str = "Name:\ta\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t2\n";

    #[test]
    fn usage_survives_parentheses_in_the_name() {
        let usage = parse_usage(STAT, STATUS, "4321 99 7", 10_000_000).unwrap();
        let want = ThreadUsage {
            minor_faults: 77,
            major_faults: 3,
            voluntary_switches: 9,
            involuntary_switches: 2,
            cpu_ns: 4_321,
            queued_ns: 99,
            last_core: 5,
        };
        assert_eq!(usage, want);
    }

    #[test]
    fn without_schedstat_the_coarse_times_serve() {
        let usage = parse_usage(STAT, STATUS, "", 10_000_000).unwrap();
        assert_eq!((usage.cpu_ns, usage.queued_ns), (150_000_000, 0));
        assert_eq!(parse_usage("812 (a", STATUS, "", 1), None);
        assert_eq!(parse_usage(STAT, "", "", 1), None);
    }

    #[test]
    fn steal_is_the_eighth_number_of_the_very_core() {
        let text = "cpu  9 9 9 9 9 9 9 99 9\ncpu1 1 2 3 4 5 6 7 8 9 0\ncpu11 0 0 0 0 0 0 0 5 0 0\n";
        assert_eq!(parse_steal(text, 1), Some(8));
        assert_eq!(parse_steal(text, 11), Some(5));
        assert_eq!(parse_steal(text, 0), None);
    }

    #[test]
    fn a_thread_sees_its_own_faults_and_time() {
        let me = thread_id();
        let before = thread_usage(me).unwrap();
        let pages = std::hint::black_box(vec![1u8; 4 << 20]);
        let usage = loop {
            let usage = thread_usage(me).unwrap().since(&before);
            if usage.cpu_ns > 1_000_000 {
                break usage;
            }
        };
        // Large pages or an allocator's reuse may make them few, not none.
        assert!(usage.minor_faults > 0, "{usage:?}");
        assert!(process_cpu_ns() >= usage.cpu_ns);
        assert!(steal_ns(usage.last_core).is_ok());
        drop(pages);
        assert_eq!(thread_usage(i32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
