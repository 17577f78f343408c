//! A counting allocator: what a thread allocates between [`arm`] and [`disarm`].
//!
//! ```
//! use tickspin_testkit::alloc::{CountingAllocator, arm, disarm};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! arm();
//! let planted = Box::new(1);
//! let counts = disarm();
//! assert_eq!(counts.allocations, 1);
//! # drop(planted);
//! ```
//!
//! Marks belong to the thread that sets them, so a test harness that allocates on other threads
//! does not disturb. Without the `#[global_allocator]` line nothing is counted: a test that wants
//! zero must also plant one allocation and see it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count for marked threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// What happened on a thread between its two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationCounts {
    /// Fresh blocks.
    pub allocations: u64,
    /// Blocks that changed size.
    pub reallocations: u64,
    /// Blocks given back.
    pub deallocations: u64,
    /// Bytes asked for, by the first two together.
    pub bytes: u64,
}

impl AllocationCounts {
    const ZERO: AllocationCounts =
        AllocationCounts { allocations: 0, reallocations: 0, deallocations: 0, bytes: 0 };

    /// Nothing at all: what the hot loop must show.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

thread_local! {
    // Constants without a destructor: reaching them allocates nothing and works to the thread's end.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static COUNTS: Cell<AllocationCounts> = const { Cell::new(AllocationCounts::ZERO) };
}

/// Starts counting on the calling thread, from zero.
pub fn arm() {
    COUNTS.set(AllocationCounts::ZERO);
    ARMED.set(true);
}

/// Stops counting on the calling thread.
pub fn disarm() -> AllocationCounts {
    ARMED.set(false);
    COUNTS.get()
}

/// What the calling thread has counted since [`arm`], without stopping.
#[must_use]
pub fn so_far() -> AllocationCounts {
    COUNTS.get()
}

fn count(change: impl FnOnce(&mut AllocationCounts)) {
    if ARMED.get() {
        let mut counts = COUNTS.get();
        change(&mut counts);
        COUNTS.set(counts);
    }
}

// SAFETY: every call goes to `System`, which keeps the contract; the counting in between touches
// thread-local cells only and never allocates or unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|c| (c.allocations, c.bytes) = (c.allocations + 1, c.bytes + layout.size() as u64));
        // SAFETY: the caller's promise, passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(|c| (c.allocations, c.bytes) = (c.allocations + 1, c.bytes + layout.size() as u64));
        // SAFETY: the caller's promise, passed on unchanged.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(|c| (c.reallocations, c.bytes) = (c.reallocations + 1, c.bytes + new_size as u64));
        // SAFETY: the caller's promise, passed on unchanged.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(|c| c.deallocations += 1);
        // SAFETY: the caller's promise, passed on unchanged.
        unsafe { System.dealloc(block, layout) }
    }
}
