//! Memory that the hot loop may touch without a fault: locked, prefaulted, in large pages.
//!
//! A first touch of a page costs 0.1 to 1 µs (a fault), a page that was swapped out some 100 µs.
//! So a hot thread's memory is touched before the loop starts and locked where the limits allow
//! it. Each call says exactly what it got.
//!
//! When it is the wrong choice: [`lock_all`] in a program that allocates gigabytes it will never
//! read; each later mapping is then populated as well.

pub use crate::image::{MAPPING_BYTES_MAX, prefault_image};
pub use crate::table::{Pages, Table};

use crate::process::{CAP_IPC_LOCK, has_capability, program};
use std::hint::black_box;
use std::{fmt, io, mem, ptr};

/// The smallest page of x86-64.
const PAGE_BYTES: usize = 4_096;

/// What memory did not become.
#[derive(Debug)]
pub enum MemoryError {
    /// Locking exceeds the limit of this process.
    LockLimit {
        /// `RLIMIT_MEMLOCK`, bytes.
        limit_bytes: u64,
        /// What the process has mapped, bytes: what the limit would have to be.
        mapped_bytes: u64,
        /// The command that mends it.
        cure: String,
    },
    /// What is mapped now is locked; later mappings will not be, since a limit that they may
    /// exceed would make them fail.
    LockedOnlyNow {
        /// Locked now, bytes.
        locked_bytes: u64,
        /// `RLIMIT_MEMLOCK`, bytes.
        limit_bytes: u64,
        /// The command that mends it.
        cure: String,
    },
    /// Locking was refused for another reason.
    LockRefused(io::Error),
    /// A table's size does not fit an address space.
    TooLarge {
        /// Elements asked for.
        len: usize,
        /// Bytes of one.
        element_bytes: usize,
    },
    /// The kernel gave no memory.
    NoMemory {
        /// Bytes asked for.
        bytes: usize,
        /// Its answer.
        error: io::Error,
        /// What to look at.
        cure: &'static str,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockLimit { limit_bytes, mapped_bytes, cure } => write!(
                f,
                "memory not locked: RLIMIT_MEMLOCK is {} KiB, the process maps {} KiB; {cure}",
                limit_bytes / 1024,
                mapped_bytes / 1024
            ),
            Self::LockedOnlyNow { locked_bytes, limit_bytes, cure } => write!(
                f,
                "{} KiB are locked, later mappings will not be: RLIMIT_MEMLOCK is {} KiB; {cure}",
                locked_bytes / 1024,
                limit_bytes / 1024
            ),
            Self::LockRefused(error) => write!(f, "memory not locked: {error}"),
            Self::TooLarge { len, element_bytes } => {
                write!(f, "a table of {len} × {element_bytes} bytes does not fit the address space")
            }
            Self::NoMemory { bytes, error, cure } => {
                write!(f, "no {} KiB of memory: {error}; {cure}", bytes / 1024)
            }
        }
    }
}

impl std::error::Error for MemoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::LockRefused(error) | Self::NoMemory { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl MemoryError {
    /// A privilege or a limit is missing: exit code 4, not 1.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::LockLimit { .. } | Self::LockedOnlyNow { .. } => true,
            Self::LockRefused(error) => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// `mlockall`: all that is mapped now stays in memory, and what is mapped later is no longer locked: for
/// a process that is about to lose the privilege for it.
///
/// # Errors
/// [`MemoryError::LockRefused`].
pub fn lock_present() -> Result<(), MemoryError> {
    // SAFETY: takes flags only; changes no contents.
    match unsafe { libc::mlockall(libc::MCL_CURRENT) } {
        0 => Ok(()),
        _ => Err(MemoryError::LockRefused(io::Error::last_os_error())),
    }
}

/// `mlockall`: all that is mapped now and later stays in memory.
///
/// Afterwards each new thread's stack is populated in full (2 MiB a thread in Rust), and each new
/// mapping at once, with small pages: make a [`Table`] of huge ones before.
///
/// # Errors
/// [`MemoryError::LockLimit`]: nothing is locked. [`MemoryError::LockedOnlyNow`]: under a limit
/// only what is mapped already is; each later mapping would count against it and fail beyond.
/// Both name the limit and the command that raises it. The run can go on without: prefaulted
/// pages stay unless the machine is short of memory.
pub fn lock_all() -> Result<(), MemoryError> {
    let limit_bytes = lock_limit_bytes();
    let is_unlimited = limit_bytes == libc::RLIM_INFINITY || has_capability(CAP_IPC_LOCK);
    let later = if is_unlimited { libc::MCL_FUTURE } else { 0 };
    // SAFETY: takes flags only; changes no contents.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | later) };
    let error = io::Error::last_os_error();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |key| crate::text::number(&status, key).unwrap_or(0) * 1024;
    let cure = || {
        format!(
            "`sudo prlimit --memlock=unlimited --pid $$` for this shell, or `sudo setcap \
             cap_ipc_lock+ep {}`, or LimitMEMLOCK=infinity in its systemd unit",
            program()
        )
    };
    match (result, error.raw_os_error()) {
        (0, _) if is_unlimited => Ok(()),
        (0, _) => Err(MemoryError::LockedOnlyNow {
            locked_bytes: bytes("VmLck"),
            limit_bytes,
            cure: cure(),
        }),
        (_, Some(libc::ENOMEM | libc::EPERM | libc::EAGAIN)) if !is_unlimited => {
            let mapped_bytes = bytes("VmSize");
            Err(MemoryError::LockLimit { limit_bytes, mapped_bytes, cure: cure() })
        }
        _ => Err(MemoryError::LockRefused(error)),
    }
}

fn lock_limit_bytes() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live and writable.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    limit.rlim_cur
}

/// Asks for the cache line of `slice[index]`, to write or to read soon; beyond the end nothing
/// happens. A hint: about a nanosecond, never a fault, never a wait.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(item) = slice.get(index) {
        let line = core::ptr::from_ref(item).cast();
        // SAFETY: a prefetch is a hint that faults on no address; this one is valid anyway.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line) };
    }
}

/// Makes every page of a slice present and writable; contents stay as they are.
///
/// By `MADV_POPULATE_WRITE` (Linux 5.14), else by reading and writing back one element a page.
/// Cost: ~0.25 µs a page that was not there.
pub fn prefault<T: Copy>(slice: &mut [T]) {
    let bytes = size_of_val(slice);
    if bytes == 0 {
        return;
    }
    let into_page = slice.as_ptr().addr() % PAGE_BYTES;
    let start = slice.as_mut_ptr().cast::<u8>().wrapping_sub(into_page);
    // SAFETY: the range is the slice and the rest of its first and last page, all mapped, since
    // pages are mapped whole; populating for writing changes no contents.
    let result =
        unsafe { libc::madvise(start.cast(), bytes + into_page, libc::MADV_POPULATE_WRITE) };
    if result == 0 {
        return;
    }
    let stride = (PAGE_BYTES / size_of::<T>()).max(1);
    let last = slice.len() - 1;
    for index in (0..slice.len()).step_by(stride).chain([last]) {
        let element: *mut T = &raw mut slice[index];
        // SAFETY: a live, aligned element that we hold exclusively.
        let value = unsafe { element.read_volatile() };
        // SAFETY: the same element; the value it already has.
        unsafe { element.write_volatile(value) };
    }
}

/// Touches up to `bytes` of the stack below the caller, so that the loop's deepest call finds its
/// pages there. Returns how many it touched: not more than the stack has, less 64 KiB.
pub fn prefault_stack(bytes: usize) -> usize {
    const SPARE_BYTES: usize = 64 << 10;
    let room = stack_left_bytes().unwrap_or(SPARE_BYTES).saturating_sub(SPARE_BYTES);
    let top = 0u8;
    touch_stack((&raw const top).addr(), bytes.min(room))
}

/// Writes to frames of a page and a little until they reach `bytes` below `top`; how far they
/// reach at last. The address decides, not a count: unoptimised frames are larger.
#[inline(never)]
fn touch_stack(top: usize, bytes: usize) -> usize {
    let mut page = [0u8; PAGE_BYTES];
    // Escapes, so that the frame is real and the call below cannot become a jump.
    black_box(&mut page);
    let reached = top.saturating_sub(page.as_ptr().addr());
    let deepest = if reached < bytes { touch_stack(top, bytes) } else { reached };
    black_box(&page);
    deepest
}

/// Bytes between here and the lowest address of the calling thread's stack.
fn stack_left_bytes() -> Option<usize> {
    let here = 0u8;
    // SAFETY: pthread_attr_t is plain bytes; the next call overwrites it as a whole.
    let mut attributes: libc::pthread_attr_t = unsafe { mem::zeroed() };
    // SAFETY: takes nothing; the calling thread is alive.
    let me = unsafe { libc::pthread_self() };
    // SAFETY: `me` is a live thread, `attributes` is writable.
    if unsafe { libc::pthread_getattr_np(me, &raw mut attributes) } != 0 {
        return None;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: `attributes` was initialised by the call above; both results are writable.
    let result = unsafe {
        libc::pthread_attr_getstack(&raw const attributes, &raw mut lowest, &raw mut size)
    };
    // SAFETY: initialised above, not used again.
    unsafe { libc::pthread_attr_destroy(&raw mut attributes) };
    (result == 0).then(|| (&raw const here).addr().saturating_sub(lowest.addr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{thread_id, thread_usage};

    #[test]
    fn prefault_keeps_contents() {
        let mut numbers: Vec<u32> = (0..100_000).collect();
        prefault(&mut numbers[3..]);
        prefault::<u32>(&mut []);
        assert!(numbers.iter().enumerate().all(|(index, &n)| n as usize == index));
    }

    fn on_stack_of<T: Send + 'static>(bytes: usize, work: fn() -> T) -> T {
        let thread = std::thread::Builder::new().stack_size(bytes);
        thread.spawn(work).unwrap().join().unwrap()
    }

    /// Uses 256 KiB of stack: its entry alone touches each page.
    #[inline(never)]
    fn deep_call() {
        let mut deep = [0u8; 256 << 10];
        black_box(&mut deep);
    }

    fn faults_of_a_deep_call() -> u64 {
        let faults = || thread_usage(thread_id()).unwrap().minor_faults;
        let before = faults();
        deep_call();
        faults() - before
    }

    #[test]
    fn a_deep_call_faults_no_more_on_a_touched_stack_and_none_is_touched_past_its_end() {
        // Growing sizes, one after the other: the C library would hand an old stack, touched
        // already, to a thread that fits on it.
        let cold = on_stack_of(8 << 20, faults_of_a_deep_call);
        let warm = on_stack_of(16 << 20, || {
            assert!(prefault_stack(512 << 10) >= 512 << 10);
            faults_of_a_deep_call()
        });
        let most = on_stack_of(32 << 20, || prefault_stack(usize::MAX));
        // 64 pages; a few faults are the reading of /proc itself. With huge pages everywhere a
        // stack may be one page.
        let huge_stacks = crate::facts::Facts::read().transparent_huge_pages;
        assert!(
            huge_stacks.as_deref() == Some("always") || cold >= 32,
            "it must fault on a cold stack: {cold}"
        );
        assert!(warm < 16, "{warm} faults in spite of touching, {cold} without");
        assert!((31 << 20..32 << 20).contains(&most), "{most}");
    }
}
