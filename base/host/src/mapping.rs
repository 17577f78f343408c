//! [`Mapping`]: memory that the kernel and we both write, by offset; [`Word`]: what orders it.

use crate::socket::Plain;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, ptr};

/// A word of a ring that both sides access by single loads and stores: an index, a status, flags.
///
/// The other side of each pair is the kernel, which is named where a word is read or stored.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Word(AtomicU32);

impl Word {
    /// What the kernel stored; all that it wrote before is seen from here on.
    #[inline]
    pub(crate) fn acquire(&self) -> u32 {
        // PAIR kernel: answers its store-release, or its store behind a write barrier.
        self.0.load(Ordering::Acquire)
    }

    /// Tells the kernel; all our reads and writes before happen before it sees this.
    #[inline]
    pub(crate) fn release(&self, value: u32) {
        // PAIR kernel: it acquires the word, or looks at it before it touches what it guards.
        self.0.store(value, Ordering::Release);
    }

    /// A hint, or our own word: orders nothing.
    #[cfg(feature = "xdp")]
    #[inline]
    pub(crate) fn glance(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// As the kernel would, in tests.
    #[cfg(test)]
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// A shared mapping of a socket's ring; unmapped when dropped. Every access is held against its
/// length; no reference into it is given out but to atomics, and to bytes that the caller proves to
/// be ours for as long as they are borrowed.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is bound to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `len` bytes of `fd`, from `offset` on, populated.
    pub(crate) fn of(fd: &OwnedFd, len: usize, offset: i64) -> io::Result<Mapping> {
        Mapping::map(len, libc::MAP_SHARED, fd.as_raw_fd(), offset)
    }

    /// Memory of nobody else's: what tests take for a ring.
    #[cfg(test)]
    pub(crate) fn anonymous(len: usize) -> io::Result<Mapping> {
        Mapping::map(len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    }

    fn map(len: usize, flags: i32, fd: i32, offset: i64) -> io::Result<Mapping> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at a place of the kernel's choice; no memory of ours is touched.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), len, access, flags | libc::MAP_POPULATE, fd, offset)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapping { start: start.cast(), len })
    }

    /// The place of a `T` at `offset`; `None` where it would reach beyond the end or is not aligned.
    #[inline]
    pub(crate) fn place<T>(&self, offset: usize) -> Option<*mut T> {
        let end = offset.checked_add(size_of::<T>())?;
        let place = self.start.wrapping_add(offset).cast::<T>();
        (end <= self.len && place.is_aligned()).then_some(place)
    }

    /// The word at `offset`.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> Option<&Word> {
        let place = self.place::<Word>(offset)?;
        // SAFETY: in bounds and aligned (`place`), mapped as long as `self` lives; an atomic, which
        // the kernel accesses by single loads and stores.
        Some(unsafe { &*place })
    }

    /// A copy of the `T` at `offset`, whatever stands there.
    #[inline]
    pub(crate) fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let place = self.place::<T>(offset)?;
        // SAFETY: in bounds and aligned (`place`), and any bytes are a `T`; volatile, because the
        // other side is not bound by our memory model should it write at the wrong moment.
        Some(unsafe { place.read_volatile() })
    }

    /// The bytes at `offset`; `None` where they would reach beyond the end.
    ///
    /// # Safety
    /// The kernel must not write to them while they are borrowed.
    #[inline]
    pub(crate) unsafe fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        let first = self.start.wrapping_add(offset);
        // SAFETY: in bounds, mapped as long as `self` lives, initialised as all mapped memory is;
        // not written while borrowed: the caller's promise.
        (end <= self.len).then(|| unsafe { std::slice::from_raw_parts(first, len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and every borrow of it has ended.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_end_or_unaligned_is_reached() {
        let map = Mapping::anonymous(4_096).unwrap();
        map.word(4_092).unwrap().set(7);
        assert_eq!(map.read::<u64>(4_088), Some(7 << 32));
        for offset in [4_089, 4_092, 4_096, usize::MAX - 3, usize::MAX] {
            assert_eq!(map.read::<u64>(offset), None);
        }
        assert!(map.word(2).is_none() && map.word(4_096).is_none());
        map.word(8).unwrap().set(5);
        assert_eq!(map.read::<u32>(8), Some(5));
        // SAFETY: anonymous memory, nobody else writes.
        let bytes = |offset, len| unsafe { map.bytes(offset, len) };
        assert_eq!(bytes(8, 4), Some(&5_u32.to_ne_bytes()[..]));
        assert_eq!((bytes(4_096, 0).map(<[u8]>::len), bytes(4_095, 2)), (Some(0), None));
        assert_eq!(bytes(1, usize::MAX), None);
    }
}
