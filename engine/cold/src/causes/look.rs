//! Looks at what the kernel counts for the pinned thread and its core.
//!
//! A look reads six small files of /proc, 0.1 to 0.2 ms on the cold thread's core; the pinned one
//! is not disturbed. The difference of two looks is the evidence for what happened in between.

use std::fs::read_to_string;
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::interrupts::{self, Source};
use tickspin_host::process::{ThreadUsage, steal_ns, thread_usage};
use tickspin_results::slow::Evidence;

/// Sources of interrupts that a record names, at most.
const SOURCES_MAX: usize = 6;

/// One look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    at: u64,
    thread: ThreadUsage,
    steal_ns: u64,
    interrupts: Vec<Source>,
    softirqs: Vec<Source>,
}

impl Look {
    /// Looks now. What this kernel or container does not show stays empty.
    #[must_use]
    pub fn now(thread: i32, core: usize) -> Look {
        let sources = |path| interrupts::parse(&read_to_string(path).unwrap_or_default());
        Look {
            at: ticks(),
            thread: thread_usage(thread).unwrap_or_default(),
            steal_ns: steal_ns(core).unwrap_or(0),
            interrupts: sources("/proc/interrupts"),
            softirqs: sources("/proc/softirqs"),
        }
    }

    /// The same with counts of the thread that it took itself.
    #[must_use]
    pub fn with_thread(self, thread: ThreadUsage) -> Look {
        Look { thread, ..self }
    }

    /// When, ns on the TSC's own scale.
    #[must_use]
    pub const fn at_ns(&self, clock: &Clock) -> u64 {
        clock.ns(self.at)
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Look, core: usize, clock: &Clock) -> Evidence {
        let thread = self.thread.since(&earlier.thread);
        let window_ns = clock.ns(self.at.saturating_sub(earlier.at));
        let named = |earlier, later| {
            let mut named = interrupts::since(earlier, later, core);
            named.truncate(SOURCES_MAX);
            named
        };
        Evidence {
            window_ns,
            steal_ns: self.steal_ns.saturating_sub(earlier.steal_ns),
            queued_ns: thread.queued_ns,
            off_ns: window_ns.saturating_sub(thread.cpu_ns).saturating_sub(thread.queued_ns),
            involuntary_switches: thread.involuntary_switches,
            voluntary_switches: thread.voluntary_switches,
            minor_faults: thread.minor_faults,
            major_faults: thread.major_faults,
            interrupts: named(&earlier.interrupts, &self.interrupts),
            softirqs: named(&earlier.softirqs, &self.softirqs),
        }
    }
}

/// Count of the local timer's interrupts in a piece of evidence.
#[must_use]
pub fn timer_ticks(evidence: &Evidence) -> u64 {
    evidence.interrupts.iter().filter(|(name, _)| is_timer(name)).map(|(_, count)| count).sum()
}

/// The local timer, as /proc/interrupts calls it.
#[must_use]
pub fn is_timer(name: &str) -> bool {
    name.starts_with("LOC")
}
