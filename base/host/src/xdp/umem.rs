//! Frame memory, and what an address of the kernel's may name.
//!
//! ```text
//! ├─ frame 0 ───────────────────┼─ frame 1 ─┼─ … ─┤   2 or 4 KiB each, in pages of our own
//!  │256 kept by the kernel│ packet        │
//! ```
//!
//! A frame is in one hand at a time: the kernel's (in FILL or TX, or under way) or ours (between RX
//! and FILL, between COMPLETE and TX). What is ours may be borrowed; what is the kernel's is never
//! looked at.

use crate::memory::{MemoryError, Pages, Table};
use std::slice;

/// What the kernel keeps before a packet for programs that put something in front
/// (`XDP_PACKET_HEADROOM`, include/uapi/linux/bpf.h).
pub(super) const HEADROOM_BYTES: u32 = 256;

/// Frames of one size, in memory of their own.
#[derive(Debug)]
pub(super) struct Frames {
    start: *mut u8,
    count: u32,
    frame_bytes: u32,
    memory: Table<u64>,
}

// SAFETY: the pointer leads into the table that the value owns; nothing is bound to a thread.
unsafe impl Send for Frames {}

impl Frames {
    /// `count` frames of `frame_bytes` (a power of two), on huge pages where there are some.
    pub(super) fn new(count: u32, frame_bytes: u32) -> Result<Frames, MemoryError> {
        let words = count as usize * frame_bytes as usize / size_of::<u64>();
        let mut memory = Table::<u64>::new(words, true)?;
        // The only slice of the whole that is ever made: from here on there are pointers to frames.
        let start = memory.as_mut_slice().as_mut_ptr().cast();
        Ok(Frames { start, count, frame_bytes, memory })
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn frame_bytes(&self) -> u32 {
        self.frame_bytes
    }

    pub(super) const fn total_bytes(&self) -> usize {
        self.count as usize * self.frame_bytes as usize
    }

    pub(super) fn pages(&self) -> Pages {
        self.memory.pages()
    }

    /// For the registration.
    pub(super) fn address(&self) -> u64 {
        self.start.addr() as u64
    }

    /// The address of a frame, as rings have it.
    pub(super) const fn frame(&self, index: u32) -> u64 {
        index as u64 * self.frame_bytes as u64
    }

    /// The address of the frame that an address lies in.
    #[inline]
    pub(super) const fn frame_of(&self, address: u64) -> u64 {
        address & !(self.frame_bytes as u64 - 1)
    }

    /// Whether the bytes lie in one frame of ours.
    #[inline]
    pub(super) const fn contains(&self, address: u64, len: u32) -> bool {
        let into = address - self.frame_of(address);
        into + len as u64 <= self.frame_bytes as u64
            && address < self.count as u64 * self.frame_bytes as u64
    }

    /// Asks for the first two cache lines at an address: headers, and where the payload begins. A hint
    /// that faults on no address.
    #[inline(always)]
    pub(super) fn prefetch(&self, address: u64) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = self.start.wrapping_add(address as usize);
        // SAFETY: a prefetch is a hint; no memory is accessed as far as the language is concerned.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.cast()) };
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(64).cast()) };
    }

    /// Bytes of one frame; `None` where they do not lie in one.
    ///
    /// # Safety
    /// The frame must be in our hand for as long as the bytes are borrowed.
    #[inline]
    pub(super) unsafe fn bytes(&self, address: u64, len: u32) -> Option<&[u8]> {
        if !self.contains(address, len) {
            return None;
        }
        let first = self.start.wrapping_add(address as usize);
        // SAFETY: in bounds (`contains`), initialised by `Table::new`, and not written by the kernel
        // while borrowed: the caller's promise. We write only through `bytes_mut`.
        Some(unsafe { slice::from_raw_parts(first, len as usize) })
    }

    /// A whole frame, to write.
    ///
    /// # Safety
    /// The frame must be in our hand for as long as the bytes are borrowed.
    #[inline]
    pub(super) unsafe fn bytes_mut(&mut self, address: u64) -> Option<&mut [u8]> {
        if self.frame_of(address) != address || !self.contains(address, self.frame_bytes) {
            return None;
        }
        let first = self.start.wrapping_add(address as usize);
        // SAFETY: in bounds (`contains`), initialised by `Table::new`, ours alone: the caller's
        // promise as to the kernel, `&mut self` as to ourselves.
        Some(unsafe { slice::from_raw_parts_mut(first, self.frame_bytes as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_of_one_frame_are_named() {
        let frames = Frames::new(4, 2_048).unwrap();
        assert_eq!((frames.total_bytes(), frames.frame(3)), (8_192, 6_144));
        for (address, len) in [(0, 2_048), (256, 1_792), (6_144, 2_048), (8_191, 1), (8_191, 0)] {
            assert!(frames.contains(address, len), "{address} {len}");
        }
        for (address, len) in [
            (1, 2_048),
            (2_047, 2),
            (8_192, 0),
            (8_191, 2),
            (u64::MAX, 1),
            (0, u32::MAX),
            (1 << 63, 0),
        ] {
            assert!(!frames.contains(address, len), "{address} {len}");
        }
        assert_eq!(frames.frame_of(2_300), 2_048);
    }

    #[test]
    fn what_is_written_to_a_frame_is_read_from_it() {
        let mut frames = Frames::new(2, 4_096).unwrap();
        // SAFETY: no kernel knows this memory.
        unsafe { frames.bytes_mut(4_096) }.unwrap()[5] = 7;
        // SAFETY: as above.
        assert_eq!(unsafe { frames.bytes(4_101, 1) }, Some(&[7][..]));
        // SAFETY: as above.
        assert!(unsafe { frames.bytes_mut(1) }.is_none());
        // SAFETY: as above.
        assert!(unsafe { frames.bytes(8_192, 1) }.is_none());
    }
}
