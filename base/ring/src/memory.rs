//! Words of mapped memory: the one place where addresses become atomics.
//!
//! Three types hand them out. [`Word`] may store and exists only over a writable mapping;
//! [`PeerWord`] only loads, relaxed; [`Slots`] is the array of 64-byte slots. Each keeps its
//! mapping alive.
//!
//! # Why `&AtomicU64` into memory that another process writes is sound
//! A Rust reference promises that nobody else writes non-atomically. `AtomicU64` holds its value in
//! an `UnsafeCell`, so a shared reference to it promises neither that the bytes stay the same nor
//! that they were written by this program, only that this program reaches them by atomic accesses
//! while the reference lives. That we keep: all access in this package is by whole, aligned
//! `AtomicU64`, never by mixed sizes, never by a reference to bytes. Every bit pattern is a `u64`,
//! so a value cannot be invalid. What the other process does happens outside this abstract machine,
//! like a write by a device: the processor delivers some value for each aligned 8-byte load, and no
//! compiler may invent a second load between a relaxed atomic load and its use. Values are input;
//! none becomes an index, a length or a loop bound.
//!
//! On memory mapped read-only only relaxed loads of at most 8 bytes are documented to work
//! (`core::sync::atomic`, "Atomic accesses to read-only memory"); ordering comes from fences
//! instead.

use std::{ptr::NonNull, sync::Arc};

use memmap2::MmapRaw;

use crate::{
    layout::{WORD_BYTES, ring},
    protocol::{ReadSlots, ReadWord, WriteSlots, WriteWord},
    sync::{AtomicU64, Ordering},
};

/// Mapped memory. Never unmapped while a word of it is held.
pub(crate) struct Mapping {
    map: MmapRaw,
    is_writable: bool,
}

impl Mapping {
    pub(crate) fn new(map: MmapRaw) -> Self {
        Self { map, is_writable: true }
    }

    pub(crate) fn new_read_only(map: MmapRaw) -> Self {
        Self { map, is_writable: false }
    }

    /// The address of `count` words from `offset` on. Cold: called once for each word or array at
    /// creation or attach.
    ///
    /// # Panics
    /// If they do not lie within the mapping, or are not aligned: a programmer's mistake, since
    /// every caller's offset comes from [`crate::layout`] and a validated header.
    fn words(&self, offset: usize, count: usize) -> NonNull<AtomicU64> {
        let bytes = count.checked_mul(WORD_BYTES).expect("a segment's size fits");
        let end = offset.checked_add(bytes).expect("a segment's size fits");
        assert!(end <= self.map.len(), "words at {offset}..{end} of {} bytes", self.map.len());
        assert!(offset.is_multiple_of(WORD_BYTES), "offset {offset} is not aligned");
        // `wrapping_add` stays within the mapping (asserted above), whose start is page-aligned.
        let at = self.map.as_mut_ptr().wrapping_add(offset);
        NonNull::new(at.cast::<AtomicU64>()).expect("a mapping never lies at address 0")
    }

    pub(crate) fn word(self: &Arc<Self>, offset: usize) -> Word {
        assert!(self.is_writable, "a word to write needs a writable mapping");
        Word { at: self.words(offset, 1), _keep: Arc::clone(self) }
    }

    pub(crate) fn peer_word(self: &Arc<Self>, offset: usize) -> PeerWord {
        PeerWord { at: self.words(offset, 1), _keep: Arc::clone(self) }
    }

    pub(crate) fn array(self: &Arc<Self>, offset: usize, count: usize) -> Array {
        assert!(self.is_writable, "an array to write needs a writable mapping");
        Array { first: self.words(offset, count), count, _keep: Arc::clone(self) }
    }

    pub(crate) fn peer_array(self: &Arc<Self>, offset: usize, count: usize) -> PeerArray {
        PeerArray { first: self.words(offset, count), count, _keep: Arc::clone(self) }
    }

    /// # Panics
    /// If `slots` is not a power of two within the mapping; both were checked by `create` or
    /// `attach`.
    pub(crate) fn slots(self: &Arc<Self>, slots: u32) -> Slots {
        assert!(self.is_writable, "slots to write need a writable mapping");
        Slots(self.peer_slots(slots))
    }

    pub(crate) fn peer_slots(self: &Arc<Self>, slots: u32) -> PeerSlots {
        assert!(slots.is_power_of_two(), "{slots} slots");
        PeerSlots {
            first: self.words(ring::SLOTS, slots as usize * ring::SLOT_WORDS).cast(),
            mask: u64::from(slots) - 1,
            _keep: Arc::clone(self),
        }
    }
}

/// A word that this process alone writes.
pub(crate) struct Word {
    at: NonNull<AtomicU64>,
    _keep: Arc<Mapping>,
}

// SAFETY: `at` points to an `AtomicU64`, which is `Sync`, in a mapping that `_keep` (`Send` and
// `Sync`) keeps.
unsafe impl Send for Word {}
// SAFETY: as above; all access is atomic.
unsafe impl Sync for Word {}

impl Word {
    #[inline(always)]
    fn get(&self) -> &AtomicU64 {
        // SAFETY: `at` was checked by `Mapping::words` (in bounds, aligned) and `_keep` keeps it
        // mapped; atomics only (module documentation).
        unsafe { self.at.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn load(&self) -> u64 {
        self.get().load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.get().store(value, order);
    }
}

impl WriteWord for Word {
    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        Word::store(self, value, order);
    }
}

/// A word that another process may write; relaxed loads only.
#[derive(Clone)]
pub(crate) struct PeerWord {
    at: NonNull<AtomicU64>,
    _keep: Arc<Mapping>,
}

// SAFETY: `at` points to an `AtomicU64`, which is `Sync`, in a mapping that `_keep` (`Send` and
// `Sync`) keeps.
unsafe impl Send for PeerWord {}
// SAFETY: as above; all access is atomic.
unsafe impl Sync for PeerWord {}

impl PeerWord {
    #[inline(always)]
    pub(crate) fn load(&self) -> u64 {
        // SAFETY: `at` was checked by `Mapping::words` (in bounds, aligned) and `_keep` keeps it
        // mapped; atomics only (module documentation).
        unsafe { self.at.as_ref() }.load(Ordering::Relaxed)
    }
}

impl ReadWord for PeerWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        PeerWord::load(self)
    }
}

/// Words that this process alone writes, one after the other.
pub(crate) struct Array {
    first: NonNull<AtomicU64>,
    count: usize,
    _keep: Arc<Mapping>,
}

// SAFETY: `first` points to `AtomicU64`s, which are `Sync`, in a mapping that `_keep` (`Send` and
// `Sync`) keeps.
unsafe impl Send for Array {}
// SAFETY: as above; all access is atomic.
unsafe impl Sync for Array {}

impl Array {
    /// Word `index`; `None` beyond the end.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.count {
            return None;
        }
        // SAFETY: `index < count`, and `Mapping::words` checked that `count` words lie within the
        // mapping.
        let at = unsafe { self.first.add(index) };
        // SAFETY: in bounds and aligned as said, kept mapped by `_keep`; atomics only (module
        // documentation).
        Some(unsafe { at.as_ref() })
    }
}

/// Words that another process may write, one after the other; relaxed loads only.
#[derive(Clone)]
pub(crate) struct PeerArray {
    first: NonNull<AtomicU64>,
    count: usize,
    _keep: Arc<Mapping>,
}

// SAFETY: `first` points to `AtomicU64`s, which are `Sync`, in a mapping that `_keep` (`Send` and
// `Sync`) keeps.
unsafe impl Send for PeerArray {}
// SAFETY: as above; all access is atomic.
unsafe impl Sync for PeerArray {}

impl PeerArray {
    /// Word `index`; `None` beyond the end.
    #[inline]
    pub(crate) fn load(&self, index: usize) -> Option<u64> {
        if index >= self.count {
            return None;
        }
        // SAFETY: `index < count`, and `Mapping::words` checked that `count` words lie within the
        // mapping.
        let at = unsafe { self.first.add(index) };
        // SAFETY: in bounds and aligned as said, kept mapped by `_keep`; atomics only (module
        // documentation).
        Some(unsafe { at.as_ref() }.load(Ordering::Relaxed))
    }
}

/// How many slots ahead of the one found ready the reader asks for.
///
/// A backlog streams: without the hint each line is a miss of its own, because the processor's own
/// prefetcher gives up on lines that the other core has modified.
/// Saturated, 65,536 slots, near, M/s: none 170, 8: 185, 16: 165, 24: 180, 32 to 256: 290 to 320
/// (docs/decisions/0003-fetch-ahead.md). One message at a time pays a nanosecond or two.
const FETCH_AHEAD: u64 = 48;

/// One slot: the stamp, then the payload.
type Slot = [AtomicU64; ring::SLOT_WORDS];

/// The slots of another process's ring.
pub(crate) struct PeerSlots {
    first: NonNull<Slot>,
    /// Number of slots - 1; private, from the validated header.
    mask: u64,
    _keep: Arc<Mapping>,
}

// SAFETY: `first` points to `AtomicU64`s, which are `Sync`, in a mapping that `_keep` keeps.
unsafe impl Send for PeerSlots {}
// SAFETY: as above; all access is atomic.
unsafe impl Sync for PeerSlots {}

impl PeerSlots {
    #[inline(always)]
    fn at(&self, seq: u64) -> &Slot {
        // SAFETY: `seq & mask < slots` because `slots` is a power of two, and `Mapping::words`
        // checked that `slots` times 8 words lie within the mapping.
        let at = unsafe { self.first.add((seq & self.mask) as usize) };
        // SAFETY: in bounds and aligned as said, kept mapped by `_keep`; atomics only (module
        // documentation).
        unsafe { at.as_ref() }
    }
}

impl ReadSlots for PeerSlots {
    type Slot<'a> = &'a Slot;

    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.mask + 1
    }

    #[inline(always)]
    fn slot(&self, seq: u64) -> &Slot {
        self.at(seq)
    }

    #[inline(always)]
    fn stamp(slot: &Slot) -> u64 {
        slot[0].load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn word(slot: &Slot, word: usize) -> u64 {
        // `min` first: the sum cannot overflow.
        slot[word.min(ring::PAYLOAD_WORDS - 1) + 1].load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn fetch_ahead(&self, seq: u64) {
        let line = core::ptr::from_ref(self.at(seq.wrapping_add(FETCH_AHEAD)));
        // SAFETY: a prefetch is a hint: it faults on no address, and this one lies in the mapping.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line.cast())
        };
    }
}

/// The slots of a ring that this process writes.
pub(crate) struct Slots(PeerSlots);

impl WriteSlots for Slots {
    type Payload = [u64; ring::PAYLOAD_WORDS];

    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    #[inline(always)]
    fn store_payload(&self, seq: u64, payload: &Self::Payload) {
        let slot = self.0.at(seq);
        for (to, &word) in slot[1..].iter().zip(payload) {
            to.store(word, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn store_stamp(&self, seq: u64, order: Ordering) {
        self.0.at(seq)[0].store(seq, order);
    }
}
