//! The four rings of an `AF_XDP` socket: one side is the kernel, the other one we.
//!
//! ```text
//!            we write            the kernel writes
//!  FILL      producer  ───────►  consumer            frames it may fill
//!  RX        consumer  ◄───────  producer            packets it has received
//!  TX        producer  ───────►  consumer            packets it is to send
//!  COMPLETE  consumer  ◄───────  producer            frames it has sent
//!
//!  one ring: │ producer u32 │ … │ consumer u32 │ … │ flags u32 │ … │ slots, 8 or 16 bytes each │
//! ```
//!
//! Indexes run over all of `u32` and wrap; a slot is `index & mask`. Each side publishes its own index
//! with a release, and looks at the other's with an acquire only when its copy says *possibly empty*
//! or *possibly full*.
//! The kernel's index is input: one that no honest kernel writes is counted, and nothing is taken.

use crate::mapping::{Mapping, Word};
use crate::socket::{Plain, plain};

plain!(libc::xdp_desc);

/// A mapped ring, held against its length once.
#[derive(Debug)]
struct Ring<T> {
    producer: *const Word,
    consumer: *const Word,
    flags: *const Word,
    slots: *mut T,
    mask: u32,
    _map: Mapping,
}

// SAFETY: the pointers lead into the mapping that the value owns; nothing is bound to a thread.
unsafe impl<T: Plain> Send for Ring<T> {}

impl<T: Plain> Ring<T> {
    /// `None` where an offset of the kernel's leads beyond the mapping, or `len` is no power of two.
    fn new(map: Mapping, offsets: &libc::xdp_ring_offset, len: u32) -> Option<Ring<T>> {
        let word = |offset: u64| map.word(usize::try_from(offset).ok()?).map(std::ptr::from_ref);
        let (producer, consumer) = (word(offsets.producer)?, word(offsets.consumer)?);
        let flags = word(offsets.flags)?;
        let first = usize::try_from(offsets.desc).ok()?;
        let last = first.checked_add(size_of::<T>().checked_mul(len as usize - 1)?)?;
        let (slots, _) = (map.place::<T>(first)?, map.place::<T>(last)?);
        len.is_power_of_two().then_some(Ring {
            producer,
            consumer,
            flags,
            slots,
            mask: len - 1,
            _map: map,
        })
    }

    #[inline]
    fn producer(&self) -> &Word {
        // SAFETY: checked against the mapping in `new`; the mapping lives as long as `self`.
        unsafe { &*self.producer }
    }

    #[inline]
    fn consumer(&self) -> &Word {
        // SAFETY: as in `producer`.
        unsafe { &*self.consumer }
    }

    #[inline]
    fn flags(&self) -> &Word {
        // SAFETY: as in `producer`.
        unsafe { &*self.flags }
    }

    #[inline]
    fn slot(&self, index: u32) -> *mut T {
        self.slots.wrapping_add((index & self.mask) as usize)
    }
}

/// Our end of a ring that the kernel fills.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Ring<T>,
    /// The index that we take next.
    position: u32,
    /// The kernel's index when we last looked.
    seen: u32,
    /// Times the kernel's index was none that it can have.
    faults: u64,
}

impl<T: Plain> Consumer<T> {
    pub(super) fn new(
        map: Mapping,
        offsets: &libc::xdp_ring_offset,
        len: u32,
    ) -> Option<Consumer<T>> {
        let ring: Ring<T> = Ring::new(map, offsets, len)?;
        let position = ring.consumer().glance();
        Some(Consumer { ring, position, seen: position, faults: 0 })
    }

    /// How many stand ready, at most `wanted`. Where some are known from an earlier look, only those.
    #[inline]
    pub(super) fn ready(&mut self, wanted: u32) -> u32 {
        if self.seen == self.position {
            // Answers the kernel's smp_store_release() of its producer index
            // (xskq_prod_submit in net/xdp/xsk_queue.h): slots and frames below it are complete.
            let producer = self.ring.producer().acquire();
            if producer.wrapping_sub(self.position) > self.ring.mask + 1 {
                self.faults += 1;
                return 0;
            }
            self.seen = producer;
        }
        self.seen.wrapping_sub(self.position).min(wanted)
    }

    /// The `ahead`-th of those that stand ready.
    #[inline]
    pub(super) fn peek(&self, ahead: u32) -> T {
        let slot = self.ring.slot(self.position.wrapping_add(ahead));
        // SAFETY: the mask keeps the slot in the mapping, checked in `Ring::new`; any bytes are a
        // `T`. The kernel writes there again only after `release`.
        unsafe { slot.read_volatile() }
    }

    /// Gives `count` slots back: that many of those that stood ready.
    #[inline]
    pub(super) fn release(&mut self, count: u32) {
        self.position = self.position.wrapping_add(count);
        // Our reads of the slots happen before the kernel, which acquires this index in
        // xskq_prod_is_full, writes there again.
        self.ring.consumer().release(self.position);
    }

    pub(super) const fn faults(&self) -> u64 {
        self.faults
    }
}

/// Our end of a ring that the kernel empties.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Ring<T>,
    /// The index that we fill next.
    position: u32,
    /// The kernel's index when we last looked.
    seen: u32,
    faults: u64,
}

impl<T: Plain> Producer<T> {
    pub(super) fn new(
        map: Mapping,
        offsets: &libc::xdp_ring_offset,
        len: u32,
    ) -> Option<Producer<T>> {
        let ring: Ring<T> = Ring::new(map, offsets, len)?;
        let position = ring.producer().glance();
        let seen = ring.consumer().glance();
        Some(Producer { ring, position, seen, faults: 0 })
    }

    /// Whether `wanted` slots are free.
    #[inline]
    pub(super) fn has_room(&mut self, wanted: u32) -> bool {
        if self.free() >= wanted {
            return true;
        }
        // Answers the kernel's smp_store_release() of its consumer index
        // (__xskq_cons_release): it has read the slots below.
        let consumer = self.ring.consumer().acquire();
        if self.position.wrapping_sub(consumer) > self.ring.mask + 1 {
            self.faults += 1;
            return false;
        }
        self.seen = consumer;
        self.free() >= wanted
    }

    #[inline]
    fn free(&self) -> u32 {
        (self.ring.mask + 1).wrapping_sub(self.position.wrapping_sub(self.seen))
    }

    /// Fills the `ahead`-th free slot. That it is free is the caller's to know: by
    /// [`Producer::has_room`], or because there are no more things than slots.
    #[inline]
    pub(super) fn put(&mut self, ahead: u32, value: T) {
        let slot = self.ring.slot(self.position.wrapping_add(ahead));
        // SAFETY: the mask keeps the slot in the mapping, checked in `Ring::new`.
        unsafe { slot.write_volatile(value) };
    }

    /// Hands `count` filled slots to the kernel.
    #[inline]
    pub(super) fn publish(&mut self, count: u32) {
        self.position = self.position.wrapping_add(count);
        // Slots, and what we wrote or read in their frames, happen before the kernel, which
        // acquires this index in __xskq_cons_peek, uses them.
        self.ring.producer().release(self.position);
    }

    /// The kernel sleeps on this ring and wants a system call.
    #[inline]
    pub(super) fn needs_wakeup(&self) -> bool {
        // A hint: it is set before the kernel sleeps and looked at again in each poll.
        self.ring.flags().glance() & libc::XDP_RING_NEED_WAKEUP != 0
    }

    pub(super) const fn faults(&self) -> u64 {
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: libc::xdp_ring_offset =
        libc::xdp_ring_offset { producer: 0, consumer: 64, flags: 128, desc: 192 };

    fn map() -> Mapping {
        Mapping::anonymous(4_096).unwrap()
    }

    /// The words that the kernel would write, from outside.
    fn word(ring: &Ring<u64>, is_producer: bool) -> &Word {
        if is_producer { ring.producer() } else { ring.consumer() }
    }

    #[test]
    fn offsets_beyond_the_mapping_are_refused() {
        assert!(Consumer::<u64>::new(map(), &OFFSETS, 8).is_some());
        for (field, value) in [(0, 4_093), (1, 4_096), (2, u64::MAX), (3, 4_096 - 63), (3, 193)] {
            let mut wrong = OFFSETS;
            match field {
                0 => wrong.producer = value,
                1 => wrong.consumer = value,
                2 => wrong.flags = value,
                _ => wrong.desc = value,
            }
            assert!(Consumer::<u64>::new(map(), &wrong, 8).is_none(), "{field} {value}");
        }
        assert!(Producer::<u64>::new(map(), &OFFSETS, 7).is_none());
        assert!(Producer::<libc::xdp_desc>::new(map(), &OFFSETS, 512).is_none());
    }

    #[test]
    fn what_one_end_puts_the_other_takes_also_where_indexes_wrap() {
        for start in [0, 5, u32::MAX - 11, u32::MAX] {
            let (ours, theirs) = (map(), map());
            for map in [&ours, &theirs] {
                map.word(0).unwrap().set(start);
                map.word(64).unwrap().set(start);
            }
            let mut producer = Producer::<u64>::new(ours, &OFFSETS, 8).unwrap();
            let mut consumer = Consumer::<u64>::new(theirs, &OFFSETS, 8).unwrap();
            let (mut put, mut taken) = (0_u64, 0_u64);
            for round in 0..40_u32 {
                let count = round % 8 + 1;
                assert!(producer.has_room(count), "all was taken");
                for ahead in 0..count {
                    producer.put(ahead, put);
                    // As the kernel, who copies from one mapping to the other.
                    consumer.ring.slot(consumer.position.wrapping_add(ahead));
                    let slot = consumer.ring.slot(producer.position.wrapping_add(ahead));
                    // SAFETY: the test's own mapping, masked.
                    unsafe { slot.write_volatile(put) };
                    put += 1;
                }
                producer.publish(count);
                assert!(!producer.has_room(9 - count), "{count} of 8 are full");
                word(&consumer.ring, true).set(producer.position);
                let mut left = count;
                while left > 0 {
                    let ready = consumer.ready(3);
                    assert_eq!(ready, left.min(3));
                    for ahead in 0..ready {
                        assert_eq!(consumer.peek(ahead), taken);
                        taken += 1;
                    }
                    consumer.release(ready);
                    left -= ready;
                }
                assert_eq!(consumer.ready(1), 0);
                let theirs = word(&consumer.ring, false).glance();
                word(&producer.ring, false).set(theirs);
            }
            assert_eq!((put, taken), (180, 180));
            assert_eq!((producer.faults(), consumer.faults()), (0, 0));
        }
    }

    #[test]
    fn an_index_that_no_honest_kernel_writes_is_counted_and_gives_nothing() {
        let mut consumer = Consumer::<u64>::new(map(), &OFFSETS, 8).unwrap();
        word(&consumer.ring, true).set(9);
        assert_eq!((consumer.ready(64), consumer.faults()), (0, 1));
        word(&consumer.ring, true).set(u32::MAX);
        assert_eq!((consumer.ready(64), consumer.faults()), (0, 2));
        word(&consumer.ring, true).set(8);
        assert_eq!((consumer.ready(64), consumer.faults()), (8, 2));
        let mut producer = Producer::<u64>::new(map(), &OFFSETS, 8).unwrap();
        producer.publish(8);
        word(&producer.ring, false).set(9);
        assert!(!producer.has_room(1) && producer.faults() == 1);
    }

    #[test]
    fn the_kernel_may_ask_to_be_woken() {
        let map = map();
        map.word(128).unwrap().set(libc::XDP_RING_NEED_WAKEUP);
        assert!(Producer::<u64>::new(map, &OFFSETS, 8).unwrap().needs_wakeup());
    }
}
