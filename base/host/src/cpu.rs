//! Cores: which exist, which one a thread runs on, at what priority.
//!
//! Which cores exist comes from sysfs, never from the inherited mask: a mask hides isolated
//! cores, and those are the ones worth having. Every change is read back from the kernel; what it
//! did not do is an error.
//!
//! "Allowed" means: in the affinity mask with which this process began (the cgroup's cpuset and a
//! parent's `taskset` both end up there). That mask is remembered at the first call into this
//! module, so that a thread that is pinned already still sees all of them. Children inherit the
//! mask of the thread that starts them: start them before [`confine`], or [`release`] first.
//!
//! Limit: 1,024 cores, the size of the C library's mask.

pub use crate::plan::{CorePlan, plan, plan_among};
use crate::text;
use crate::tree::{Tree, shown};
use std::sync::OnceLock;
use std::{fmt, io, mem};

const SYSFS: &str = "/sys/devices/system/cpu";

/// One online core (a hardware thread, in the kernel's numbering).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The kernel's number.
    pub id: usize,
    /// May this process run there: the cgroup's cpuset and the parent's mask are counted.
    pub allowed: bool,
    /// Taken out of the scheduler's balancing by `isolcpus=` or an isolated cpuset partition.
    pub isolated: bool,
    /// Hardware threads of the same physical core, this one included.
    pub siblings: Vec<usize>,
    /// The socket.
    pub package: usize,
    /// The memory node.
    pub numa_node: usize,
    /// Which last-level cache, by the lowest core that shares it; `None` where unknown.
    pub l3: Option<usize>,
}

/// Why a core, a mask or a priority is not to be had.
#[derive(Debug)]
pub enum CpuError {
    /// A file of sysfs is missing or says something else than it should.
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The core does not exist or is offline.
    NoSuchCore {
        /// The wished one.
        core: usize,
        /// Those that would do.
        would_do: Vec<usize>,
    },
    /// The core exists, but not for this process.
    NotAllowed {
        /// The wished one.
        core: usize,
        /// Those that would do.
        would_do: Vec<usize>,
    },
    /// The kernel said yes, and the thread is elsewhere.
    NotPinned {
        /// The wished one.
        core: usize,
        /// The thread's mask afterwards.
        mask: Vec<usize>,
        /// Where it ran.
        on: usize,
    },
    /// The kernel said no.
    Refused {
        /// To what.
        what: String,
        /// Its answer.
        error: io::Error,
    },
    /// Not without a privilege.
    Permission {
        /// What was asked for.
        what: String,
        /// Why it was refused.
        cause: String,
        /// The command that mends it.
        cure: String,
    },
    /// Not a priority of `SCHED_FIFO`.
    BadPriority {
        /// The wished one; 1..=99 exist.
        priority: u8,
    },
    /// `SCHED_FIFO` would leave no core for the rest of the system.
    NoCoreLeftOver {
        /// How many cores this process may use.
        allowed: usize,
        /// How many of them the spinners take.
        spinners: usize,
    },
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "{path}: {why}"),
            Self::NoSuchCore { core, would_do } => {
                write!(f, "there is no core {core} online; {}", choice(would_do))
            }
            Self::NotAllowed { core, would_do } => write!(
                f,
                "this process may not run on core {core} (cgroup cpuset or taskset of its \
                 parent); {}, or start it with `taskset -c {core}` or a wider cpuset",
                choice(would_do)
            ),
            Self::NotPinned { core, mask, on } => write!(
                f,
                "pinned to core {core}, but the mask reads {} and the thread ran on core {on}: \
                 something else moves this process (cpuset, cgroup manager)",
                text::list_text(mask)
            ),
            Self::Refused { what, error } => write!(f, "{what}: {error}"),
            Self::Permission { what, cause, cure } => write!(f, "{what}: {cause}; {cure}"),
            Self::BadPriority { priority } => {
                write!(f, "SCHED_FIFO has no priority {priority}: 1 to 99, 80 is a good one")
            }
            Self::NoCoreLeftOver { allowed, spinners } => write!(
                f,
                "SCHED_FIFO refused: the spinners take {spinners} of {allowed} cores, none is \
                 left over for the rest of the system; run without it, or on a host with more cores"
            ),
        }
    }
}

fn choice(would_do: &[usize]) -> String {
    match would_do {
        [] => "none would do".into(),
        [one] => format!("core {one} would do"),
        many => format!("cores {} would do", text::list_text(many)),
    }
}

impl std::error::Error for CpuError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl CpuError {
    /// A privilege is missing: exit code 4, not 1.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Permission { .. } | Self::NotAllowed { .. } => true,
            Self::Refused { error, .. } => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// All online cores, by number.
///
/// # Errors
/// [`CpuError::Unreadable`] where sysfs does not list them; topology that is missing (containers,
/// small kernels) degrades to "its own sibling, package 0, node 0".
pub fn cores() -> Result<Vec<Core>, CpuError> {
    cores_of(&Tree::host(), Some(start_mask()))
}

/// [`cores`] of the machine that `tree` shows; all are allowed where no mask is known.
///
/// # Errors
/// As [`cores`].
pub fn cores_of(tree: &Tree, allowed: Option<&[usize]>) -> Result<Vec<Core>, CpuError> {
    let path = format!("{SYSFS}/online");
    let text = tree.text(&path);
    let text = text.map_err(|e| CpuError::Unreadable { path: path.clone(), why: e.to_string() })?;
    let online = text::cpu_list(&text).ok_or_else(|| CpuError::Unreadable {
        path,
        why: format!("{:?} is no list of cores", shown(&text)),
    })?;
    let within = |mut list: Vec<usize>| {
        list.retain(|&id| id < libc::CPU_SETSIZE as usize);
        list
    };
    let online = within(online);
    let isolated = tree.list(&format!("{SYSFS}/isolated")).unwrap_or_default();
    let number = |path: String| usize::try_from(tree.number(&path).ok()?).ok();
    let list = |path: String| tree.list(&path).ok().map(within).filter(|list| !list.is_empty());
    Ok(online
        .iter()
        .map(|&id| {
            let cpu = format!("{SYSFS}/cpu{id}");
            let names = tree.names(&cpu);
            let node = names.iter().find_map(|name| name.strip_prefix("node")?.parse().ok());
            Core {
                id,
                allowed: allowed.is_none_or(|allowed| allowed.contains(&id)),
                isolated: isolated.contains(&id),
                siblings: list(format!("{cpu}/topology/thread_siblings_list"))
                    .unwrap_or_else(|| vec![id]),
                package: number(format!("{cpu}/topology/physical_package_id")).unwrap_or(0),
                numa_node: node.unwrap_or(0),
                l3: (0..8).find_map(|index| {
                    let cache = format!("{cpu}/cache/index{index}");
                    (number(format!("{cache}/level"))? == 3)
                        .then(|| list(format!("{cache}/shared_cpu_list")))?
                        .map(|sharers| sharers[0])
                }),
            }
        })
        .collect())
}

/// The mask of the process's first thread when this module was first asked.
fn start_mask() -> &'static [usize] {
    static MASK: OnceLock<Vec<usize>> = OnceLock::new();
    MASK.get_or_init(|| {
        let first_thread = libc::pid_t::try_from(std::process::id()).unwrap_or(0);
        affinity(first_thread).unwrap_or_default()
    })
}

/// The cores on which thread `tid` may run; 0 is the calling one.
fn affinity(tid: libc::pid_t) -> io::Result<Vec<usize>> {
    let mut mask = empty_mask();
    // SAFETY: `mask` is live and writable, and its true size is passed.
    let result = unsafe { libc::sched_getaffinity(tid, size_of_val(&mask), &raw mut mask) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((0..libc::CPU_SETSIZE as usize)
        // SAFETY: `core` is below CPU_SETSIZE, so it indexes within the mask.
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &mask) })
        .collect())
}

fn empty_mask() -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is an array of integers; all zeros is the empty set.
    unsafe { mem::zeroed() }
}

/// An online and allowed core, or the error that says which would do.
pub(crate) fn check(core: usize, cores: &[Core]) -> Result<(), CpuError> {
    let would_do = || cores.iter().filter(|c| c.allowed).map(|c| c.id).collect();
    match cores.iter().find(|c| c.id == core) {
        None => Err(CpuError::NoSuchCore { core, would_do: would_do() }),
        Some(found) if !found.allowed => Err(CpuError::NotAllowed { core, would_do: would_do() }),
        Some(_) => Ok(()),
    }
}

/// Pins the calling thread to one core, and reads back that it is there.
///
/// # Errors
/// The core does not exist, is not allowed (both list those that would do), or the thread is
/// found elsewhere afterwards.
pub fn pin(core: usize) -> Result<(), CpuError> {
    check(core, &cores()?)?;
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        let error = io::Error::last_os_error();
        return Err(CpuError::Refused { what: format!("pinning to core {core}"), error });
    }
    // The kernel moves the thread before the call returns; a yield gives a migration that is
    // still pending (seen on virtual machines) its chance.
    std::thread::yield_now();
    let mask = affinity(0).unwrap_or_default();
    let on = current_core();
    if mask != [core] || on != core {
        return Err(CpuError::NotPinned { core, mask, on });
    }
    Ok(())
}

/// Keeps the calling thread, and threads and processes it starts later, on the cores `to`; for
/// cold threads. Returns where it may run now: the part of `to` that this process may use.
///
/// # Errors
/// No core of `to` is online and allowed, or the kernel refused.
pub fn confine(to: &[usize]) -> Result<Vec<usize>, CpuError> {
    let cores = cores()?;
    let usable: Vec<usize> =
        to.iter().copied().filter(|&core| check(core, &cores).is_ok()).collect();
    if usable.is_empty() {
        let would_do = cores.iter().filter(|c| c.allowed).map(|c| c.id).collect();
        return Err(match to.first() {
            Some(&core) => check(core, &cores).err(),
            None => None,
        }
        .unwrap_or(CpuError::NoSuchCore { core: 0, would_do }));
    }
    set_mask(&usable)
}

/// Undoes [`pin`] and [`confine`]: the calling thread may run wherever the process could at its
/// start. For a thread that is about to start children.
///
/// # Errors
/// The kernel refused.
pub fn release() -> Result<Vec<usize>, CpuError> {
    set_mask(start_mask())
}

fn set_mask(cores: &[usize]) -> Result<Vec<usize>, CpuError> {
    let mut mask = empty_mask();
    for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
        // SAFETY: `core` is below CPU_SETSIZE, so it indexes within the mask.
        unsafe { libc::CPU_SET(core, &mut mask) };
    }
    let refused = |error| CpuError::Refused {
        what: format!("confining a thread to cores {}", text::list_text(cores)),
        error,
    };
    // SAFETY: `mask` is live and initialised, and its true size is passed.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&mask), &raw const mask) };
    if result != 0 {
        return Err(refused(io::Error::last_os_error()));
    }
    affinity(0).map_err(refused)
}

/// The core on which the calling thread runs at this instant.
#[must_use]
pub fn current_core() -> usize {
    // SAFETY: takes nothing; fails only on kernels without the call, then -1.
    let core = unsafe { libc::sched_getcpu() };
    usize::try_from(core).unwrap_or(0)
}

/// `SCHED_FIFO` for the calling thread, read back.
///
/// Ask [`CorePlan::may_use_fifo`] first: a spinner that never sleeps at this priority starves
/// everything else on its core, and since Linux 6.12 the fair server then takes the core away for
/// 50 ms of each second.
///
/// # Errors
/// [`CpuError::Permission`] names the cause and the command that mends it.
pub fn fifo(priority: u8) -> Result<(), CpuError> {
    if !(1..=99).contains(&priority) {
        return Err(CpuError::BadPriority { priority });
    }
    // SAFETY: sched_param is plain data; zeros are a valid value of each field.
    let mut parameters: libc::sched_param = unsafe { mem::zeroed() };
    parameters.sched_priority = i32::from(priority);
    let what = || format!("SCHED_FIFO {priority}");
    // SAFETY: `parameters` is live and initialised; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return Err(if error.raw_os_error() == Some(libc::EPERM) {
            let (cause, cure) = fifo_cure(priority);
            CpuError::Permission { what: what(), cause, cure }
        } else {
            CpuError::Refused { what: what(), error }
        });
    }
    // SAFETY: 0 is the calling thread; returns a number.
    let policy = unsafe { libc::sched_getscheduler(0) };
    if policy == libc::SCHED_FIFO {
        return Ok(());
    }
    let error = io::Error::other(format!("the kernel accepted it, and reports policy {policy}"));
    Err(CpuError::Refused { what: what(), error })
}

fn fifo_cure(priority: u8) -> (String, String) {
    if crate::process::has_capability(crate::process::CAP_SYS_NICE) {
        return (
            "refused in spite of CAP_SYS_NICE: this cgroup has no real-time budget".into(),
            "move the process to the root cgroup, or `sysctl kernel.sched_rt_runtime_us=-1`".into(),
        );
    }
    let program = crate::process::program();
    (
        "no CAP_SYS_NICE, and the limit on real-time priority is lower".into(),
        format!(
            "`sudo setcap cap_sys_nice+ep {program}`, or for this shell `sudo prlimit \
             --rtprio={priority}:{priority} --pid $$`"
        ),
    )
}
