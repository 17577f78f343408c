//! What the kernel counted on a core over the same time: who it may have been.
//!
//! These counters stand beside the gaps and are not joined to them: that a core had 250 timer
//! interrupts and 260 gaps in a second is a hint, no proof. Steal is counted in steps of 10 ms of
//! the kernel's clock; a guest whose host does not tell has none.

use tickspin_host::interrupts::{self, Source};
use tickspin_host::process;
use tickspin_host::tree::Tree;

/// The counters at one moment.
#[derive(Debug)]
pub struct Around {
    interrupts: Vec<Source>,
    softirqs: Vec<Source>,
    steal_ns: Vec<(usize, u64)>,
}

/// What was added on one core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Time the hypervisor took, ns.
    pub steal_ns: u64,
    /// (source, count), the most frequent first.
    pub interrupts: Vec<(String, u64)>,
    /// Likewise, of the kernel's deferred work.
    pub softirqs: Vec<(String, u64)>,
}

impl Around {
    /// Reads them for these cores. Cold: three files, some 100 µs.
    #[must_use]
    pub fn now(cores: &[usize]) -> Around {
        let tree = Tree::host();
        let sources = |path| interrupts::parse(&tree.text(path).unwrap_or_default());
        let steal = |&core: &usize| (core, process::steal_ns(core).unwrap_or(0));
        Around {
            interrupts: sources("/proc/interrupts"),
            softirqs: sources("/proc/softirqs"),
            steal_ns: cores.iter().map(steal).collect(),
        }
    }

    /// What was added on `core` since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Around, core: usize) -> Told {
        let steal = |around: &Around| {
            around.steal_ns.iter().find(|one| one.0 == core).map_or(0, |one| one.1)
        };
        Told {
            steal_ns: steal(self).saturating_sub(steal(earlier)),
            interrupts: interrupts::since(&earlier.interrupts, &self.interrupts, core),
            softirqs: interrupts::since(&earlier.softirqs, &self.softirqs, core),
        }
    }
}
