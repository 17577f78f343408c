//! Memory that the hot loop may touch without a fault: locked, prefaulted, in large pages.
//!
//! A first touch of a page costs 0.1 to 1 µs (a fault), a page that was swapped out some 100 µs.
//! So a hot thread's memory is touched before the loop starts and locked where the limits allow
//! it. Each call says exactly what it got.
//!
//! When it is the wrong choice: [`lock_all`] in a program that allocates gigabytes it will never
//! read; each later mapping is then populated as well.

use crate::process::{CAP_IPC_LOCK, has_capability, program};
use memmap2::{Advice, MmapMut, MmapOptions};
use std::hint::black_box;
use std::{fmt, io, mem, ptr, slice};

/// The smallest page of x86-64.
const PAGE_BYTES: usize = 4_096;
/// The large page of x86-64.
const HUGE_BYTES: usize = 2 << 20;

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
            Self::LockLimit { .. } => true,
            Self::LockRefused(error) => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// `mlockall`: all that is mapped now and later stays in memory.
///
/// Afterwards each new thread's stack is populated in full (2 MiB a thread in Rust).
///
/// # Errors
/// [`MemoryError::LockLimit`] names the limit and the command that raises it; the run can go on
/// without, prefaulted pages stay unless the machine is short of memory.
pub fn lock_all() -> Result<(), MemoryError> {
    // SAFETY: takes flags only; changes no contents.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOMEM | libc::EPERM | libc::EAGAIN) if !has_capability(CAP_IPC_LOCK) => {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            Err(MemoryError::LockLimit {
                limit_bytes: lock_limit_bytes(),
                mapped_bytes: crate::text::number(&status, "VmSize").unwrap_or(0) * 1024,
                cure: format!(
                    "`sudo prlimit --memlock=unlimited --pid $$` for this shell, or `sudo setcap \
                     cap_ipc_lock+ep {}`, or LimitMEMLOCK=infinity in its systemd unit",
                    program()
                ),
            })
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

/// Touches up to `bytes` below the calling thread's stack pointer, so that the loop's deepest
/// call finds its pages there. Returns how many bytes it touched: not more than the stack has,
/// less 64 KiB.
pub fn prefault_stack(bytes: usize) -> usize {
    const SPARE_BYTES: usize = 64 << 10;
    let room = stack_left_bytes().unwrap_or(SPARE_BYTES * 2).saturating_sub(SPARE_BYTES);
    let pages = bytes.min(room) / PAGE_BYTES;
    touch_stack(pages);
    pages * PAGE_BYTES
}

/// One frame of at least a page for each page. Frames are a little larger than a page (in
/// unoptimised builds up to twice), which [`prefault_stack`]'s caller pays in depth, not in
/// holes.
#[inline(never)]
fn touch_stack(pages: usize) {
    if pages == 0 {
        return;
    }
    let mut page = [0u8; PAGE_BYTES];
    black_box(&mut page);
    // Depth by bytes used, so that frames larger than a page end the descent earlier.
    let here = page.as_ptr().addr();
    let used = descend(here, pages - 1);
    black_box((&page, used));
}

#[inline(never)]
fn descend(top: usize, pages: usize) -> usize {
    let mut page = [0u8; PAGE_BYTES];
    black_box(&mut page);
    let depth = top.saturating_sub(page.as_ptr().addr());
    if depth < pages * PAGE_BYTES { descend(top, pages) } else { black_box(&page).len() + depth }
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

/// Which pages a [`Table`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB.
    Small,
    /// 2 MiB, made by the kernel on demand (`MADV_HUGEPAGE`), for all or part of it.
    Transparent,
    /// 2 MiB, out of the reserved pool (`MAP_HUGETLB`).
    Reserved,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "4 KiB pages",
            Self::Transparent => "2 MiB pages (transparent)",
            Self::Reserved => "2 MiB pages (reserved)",
        })
    }
}

/// A table of a fixed number of `T`, in memory of its own, every page present from the start:
/// for the arenas that the hot loop borrows.
///
/// Each element is written as `T::default()` once, which also populates the pages; so any
/// `Copy + Default` type is sound, not only those that are valid as zeros.
///
/// When it is the wrong choice: small things (it takes whole pages, with `huge` whole 2 MiB).
pub struct Table<T> {
    map: MmapMut,
    /// Bytes from the start of the mapping to the first element; a multiple of a page.
    offset_bytes: usize,
    len: usize,
    pages: Pages,
    _elements: std::marker::PhantomData<T>,
}

impl<T: Copy + Default> Table<T> {
    /// Maps, fills and populates. With `huge`: from the reserved pool if it has room, else
    /// aligned to 2 MiB and advised; [`Table::pages`] says what came of it.
    ///
    /// # Errors
    /// [`MemoryError::TooLarge`], [`MemoryError::NoMemory`].
    pub fn new(len: usize, huge: bool) -> Result<Self, MemoryError> {
        const { assert!(align_of::<T>() <= PAGE_BYTES, "a mapping is aligned to a page") };
        let too_large = MemoryError::TooLarge { len, element_bytes: size_of::<T>() };
        let Some(bytes) = len.checked_mul(size_of::<T>()).filter(|&b| b <= isize::MAX as usize / 2)
        else {
            return Err(too_large);
        };
        let (map, offset_bytes, pages) =
            if huge { map_huge(bytes.max(1))? } else { (map(bytes.max(1))?, 0, Pages::Small) };
        let mut table =
            Table { map, offset_bytes, len, pages, _elements: std::marker::PhantomData };
        let first: *mut T = table.first();
        for index in 0..len {
            // SAFETY: `index < len`, and `len` elements from `first` lie within the mapping.
            let element = unsafe { first.add(index) };
            // SAFETY: in bounds and aligned as above, exclusively ours; a fresh mapping holds
            // nothing to drop.
            unsafe { element.write(T::default()) };
        }
        if table.pages == Pages::Transparent && !is_huge(first.addr(), bytes) {
            table.pages = Pages::Small;
        }
        Ok(table)
    }

    /// The first element's place.
    fn first(&mut self) -> *mut T {
        self.map.as_mut_ptr().wrapping_add(self.offset_bytes).cast()
    }

    /// All elements.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let (first, len) = (self.first(), self.len);
        // SAFETY: `new` checked that `len` elements fit behind `first`, which is aligned to a
        // page, and initialised each; `&mut self` makes the borrow exclusive.
        unsafe { slice::from_raw_parts_mut(first, len) }
    }

    /// All elements.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        let first: *const T = self.map.as_ptr().wrapping_add(self.offset_bytes).cast();
        // SAFETY: as in `as_mut_slice`; `&self` makes the borrow shared.
        unsafe { slice::from_raw_parts(first, self.len) }
    }

    /// Whether at least a part lies in 2 MiB pages.
    #[must_use]
    pub fn got_huge_pages(&self) -> bool {
        self.pages != Pages::Small
    }

    /// Which pages it got.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.pages
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.len).field("pages", &self.pages).finish()
    }
}

fn map(bytes: usize) -> Result<MmapMut, MemoryError> {
    MmapMut::map_anon(bytes).map_err(|error| MemoryError::NoMemory {
        bytes,
        error,
        cure: "see `free -m`, `ulimit -v`, `ulimit -l` and the cgroup's memory.max",
    })
}

fn map_huge(bytes: usize) -> Result<(MmapMut, usize, Pages), MemoryError> {
    let whole = bytes.checked_next_multiple_of(HUGE_BYTES).unwrap_or(bytes);
    let reserved = MmapOptions::new().len(whole).huge(Some(21)).map_anon();
    if let Ok(map) = reserved {
        return Ok((map, 0, Pages::Reserved));
    }
    // One large page more, so that an aligned start lies within.
    let map = map(whole.saturating_add(HUGE_BYTES))?;
    let offset = map.as_ptr().addr().next_multiple_of(HUGE_BYTES) - map.as_ptr().addr();
    // Kernels without transparent huge pages say EINVAL: then small ones it is, and said so.
    let advised = map.advise_range(Advice::HugePage, offset, whole).is_ok();
    Ok((map, offset, if advised { Pages::Transparent } else { Pages::Small }))
}

/// Whether the kernel backs any mapping that overlaps the range with huge pages, by its own word.
fn is_huge(start: usize, bytes: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    huge_in_smaps(&maps, start, bytes)
}

fn huge_in_smaps(smaps: &str, start: usize, bytes: usize) -> bool {
    let mut overlaps = false;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or("");
        if let Some((from, to)) = first.split_once('-')
            && let (Ok(from), Ok(to)) =
                (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
        {
            overlaps = from < start.saturating_add(bytes) && start < to;
        } else if overlaps && first == "AnonHugePages:" {
            let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            if kib > 0 {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No bit pattern of zeros is one of these.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    #[repr(align(64))]
    enum NeverZero {
        #[default]
        Filled = 7,
    }

    #[test]
    fn a_table_holds_defaults_also_of_types_that_zeros_would_break() {
        for huge in [false, true] {
            let mut table = Table::<NeverZero>::new(1_000, huge).unwrap();
            assert!(table.as_slice().iter().all(|&e| e == NeverZero::Filled));
            assert_eq!(table.as_mut_slice().len(), 1_000);
            assert_eq!(table.as_slice().as_ptr().addr() % 64, 0);
            assert!(huge || !table.got_huge_pages());
        }
    }

    #[test]
    fn writes_stay_where_they_are_made() {
        let mut table = Table::<u64>::new(700_000, true).unwrap();
        for (index, slot) in table.as_mut_slice().iter_mut().enumerate() {
            *slot = index as u64;
        }
        assert!(table.as_slice().iter().enumerate().all(|(index, &slot)| slot == index as u64));
        assert!(Table::<u64>::new(0, false).unwrap().as_slice().is_empty());
        assert!(Table::<()>::new(5, true).unwrap().as_slice().len() == 5);
    }

    #[test]
    fn a_table_faults_no_more() {
        let mut table = Table::<u64>::new(1 << 20, false).unwrap();
        let me = crate::process::thread_id();
        let before = crate::process::thread_usage(me).unwrap().minor_faults;
        for slot in table.as_mut_slice().iter_mut().step_by(512) {
            *slot = black_box(3);
        }
        // 2,048 pages touched; reading /proc itself may fault a handful of times.
        let faults = crate::process::thread_usage(me).unwrap().minor_faults - before;
        assert!(faults < 100, "{faults} faults");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(matches!(
            Table::<u64>::new(usize::MAX / 4, false),
            Err(MemoryError::TooLarge { .. })
        ));
        let error = Table::<u64>::new(1 << 56, true).unwrap_err();
        assert!(matches!(error, MemoryError::NoMemory { .. }), "{error}");
    }

    #[test]
    fn prefault_keeps_contents() {
        let mut numbers: Vec<u32> = (0..100_000).collect();
        prefault(&mut numbers[3..]);
        prefault::<u32>(&mut []);
        assert!(numbers.iter().enumerate().all(|(index, &n)| n as usize == index));
    }

    #[test]
    fn the_stack_is_touched_as_far_as_asked_and_never_past_its_end() {
        let on_small_stack = |bytes: usize| {
            let thread = std::thread::Builder::new().stack_size(512 << 10);
            thread.spawn(move || prefault_stack(bytes)).unwrap().join().unwrap()
        };
        assert_eq!(on_small_stack(128 << 10), 128 << 10);
        let most = on_small_stack(usize::MAX);
        assert!((300 << 10..512 << 10).contains(&most), "{most}");
    }

    #[test]
    fn smaps_is_read_by_overlap() {
        let smaps = "1000-3000 rw-p 0 00:00 0\nAnonHugePages:      0 kB\n\
                     400000-800000 rw-p 0 00:00 0\nRss: 9 kB\nAnonHugePages:   2048 kB\n";
        assert!(huge_in_smaps(smaps, 0x500000, 10));
        assert!(!huge_in_smaps(smaps, 0x1000, 0x1000));
        assert!(!huge_in_smaps(smaps, 0x800000, 10));
    }
}
