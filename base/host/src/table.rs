//! [`Table`]: a fixed number of elements in pages of their own.

use crate::memory::MemoryError;
use memmap2::{Advice, MmapMut, MmapOptions};
use std::marker::PhantomData;
use std::{fmt, slice};

/// A mapping begins at a page; the smallest one of x86-64.
const PAGE_BYTES: usize = 4_096;
/// The large page of x86-64.
const HUGE_BYTES: usize = 2 << 20;

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
    _elements: PhantomData<T>,
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
        let mut table = Table { map, offset_bytes, len, pages, _elements: PhantomData };
        let first: *mut T = table.first();
        for index in 0..len {
            // SAFETY: `index < len`, and `len` elements from `first` lie within the mapping.
            let element = unsafe { first.add(index) };
            // SAFETY: in bounds and aligned as above, exclusively ours; a fresh mapping holds
            // nothing to drop.
            unsafe { element.write(T::default()) };
        }
        if table.pages == Pages::Transparent && !is_huge(first.addr(), bytes) {
            // Populated with small pages: under `lock_all` a mapping is, before it can be advised.
            collapse(first.cast(), bytes);
            if !is_huge(first.addr(), bytes) {
                table.pages = Pages::Small;
            }
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

/// Asks for huge pages in place of the small ones that are there (Linux 6.1); contents stay.
fn collapse(first: *mut libc::c_void, bytes: usize) {
    let whole = bytes.next_multiple_of(HUGE_BYTES);
    // SAFETY: `first` is the aligned start of a mapping of at least `whole` bytes (`map_huge`);
    // the call moves pages and changes no contents. A refusal leaves all as it was.
    unsafe { libc::madvise(first, whole, libc::MADV_COLLAPSE) };
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
    use std::hint::black_box;

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
    fn smaps_is_read_by_overlap() {
        let smaps = "1000-3000 rw-p 0 00:00 0\nAnonHugePages:      0 kB\n\
                     400000-800000 rw-p 0 00:00 0\nRss: 9 kB\nAnonHugePages:   2048 kB\n";
        assert!(huge_in_smaps(smaps, 0x500000, 10));
        assert!(!huge_in_smaps(smaps, 0x1000, 0x1000));
        assert!(!huge_in_smaps(smaps, 0x800000, 10));
    }
}
