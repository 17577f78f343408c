//! Publish and poll: the algorithm itself, over any storage.
//!
//! [`Writer`] and [`Reader`] are what [`crate::Producer`] and [`crate::Consumer`] run over mapped
//! memory, and what the model checker runs over two slots of two words. They know nothing of
//! memory, processes or system calls.
//!
//! ```text
//!            writer                                   reader
//!   payload words   Relaxed  ─┐             ┌─  stamp          Relaxed
//!   stamp = seq     Release  ─┴── publish ──┴─  fence          Acquire
//!                                               payload words  Relaxed
//!   position        Relaxed  ─┐             ┌─  (copy done)
//!   fence           Acquire  ─┴── release ──┴─  position = seq Release
//!   payload words of seq + capacity
//! ```
//! Both arrows are needed: *publish* so that the reader never sees a payload that is not complete,
//! *release* so that the writer never overwrites one that is still being read.
//!
//! Cost: a poll is one load and one comparison, a publish eight stores; the other side's position
//! is looked at only when the private copy of it says "full". The slots are lossless: with room for
//! none, the caller decides what to do.

use core::marker::PhantomData;

use crate::sync::{Ordering, fence};

/// Slots as their reader sees them: stamps and payload words by relaxed loads.
pub trait ReadSlots {
    /// One slot, found once and read several times.
    type Slot<'a>: Copy
    where
        Self: 'a;
    /// Number of slots, a power of two; constant.
    fn capacity(&self) -> u64;
    /// The slot in which `seq` belongs.
    fn slot(&self, seq: u64) -> Self::Slot<'_>;
    /// The slot's stamp.
    fn stamp(slot: Self::Slot<'_>) -> u64;
    /// Payload word `word` of the slot; a word beyond the last is the last.
    fn word(slot: Self::Slot<'_>, word: usize) -> u64;
    /// A hint that `seq` was found ready and those after it may be: touches nothing.
    #[inline(always)]
    fn fetch_ahead(&self, _seq: u64) {}
}

/// Slots as their one writer sees them.
pub trait WriteSlots {
    /// One slot's payload.
    type Payload;
    /// Number of slots, a power of two; constant.
    fn capacity(&self) -> u64;
    /// Stores the payload into the slot of `seq`, relaxed.
    fn store_payload(&self, seq: u64, payload: &Self::Payload);
    /// Stores `seq` as the stamp of its slot.
    fn store_stamp(&self, seq: u64, order: Ordering);
}

/// A word that somebody else writes.
pub trait ReadWord {
    /// Relaxed load.
    fn load(&self) -> u64;
}

/// A word that this side alone writes.
pub trait WriteWord {
    /// Stores `value`.
    fn store(&self, value: u64, order: Ordering);
}

/// The choices on which correctness rests. [`Honest`] is the ring's; the broken ones live in
/// `tests/loom.rs`, where each must be caught. All are constants: an honest build contains no trace
/// of them.
pub trait Discipline {
    /// Order of the stamp's store when one slot is published.
    const PUBLISH: Ordering = Ordering::Release;
    /// Order of the stamps' stores when a batch is published.
    const COMMIT: Ordering = Ordering::Release;
    /// Broken: the stamp is stored before the payload.
    const STAMP_FIRST: bool = false;
    /// Whether the reader fences between stamp and payload.
    const READER_FENCE: bool = true;
    /// Broken: the position is stored as soon as the stamp was seen.
    const POSITION_FIRST: bool = false;
    /// Order of the position's store.
    const POSITION: Ordering = Ordering::Release;
    /// Whether the writer fences between the position and the payload.
    const WRITER_FENCE: bool = true;
    /// Broken: the writer takes every slot for free.
    const IGNORE_POSITION: bool = false;
}

/// The ring's discipline.
#[derive(Clone, Copy, Debug)]
pub struct Honest;
impl Discipline for Honest {}

/// The writing end: private cursor, private copy of the reader's position.
pub struct Writer<S, P, D> {
    slots: S,
    position: P,
    capacity: u64,
    /// The sequence that the next publish gets.
    next: u64,
    /// The first sequence for which there is possibly no slot: the reader's position as last seen,
    /// plus the slots, plus 1. So one comparison says "full".
    limit: u64,
    /// Positions seen that no honest reader writes.
    foreign: u64,
    discipline: PhantomData<fn() -> D>,
}

impl<S: WriteSlots, P: ReadWord, D: Discipline> Writer<S, P, D> {
    /// A writer whose first publish gets sequence 1.
    pub fn new(slots: S, position: P) -> Self {
        let capacity = slots.capacity();
        Self {
            slots,
            position,
            capacity,
            next: 1,
            limit: capacity + 1,
            foreign: 0,
            discipline: PhantomData,
        }
    }

    /// The sequence that the next publish gets.
    #[inline(always)]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Number of slots.
    #[inline(always)]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Positions seen that no honest reader writes.
    #[inline(always)]
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Slots free according to the private copy, which is refreshed only when it says none.
    #[inline(always)]
    pub fn room(&mut self) -> u64 {
        let room = self.possible_room();
        if room != 0 {
            return room;
        }
        core::hint::cold_path();
        self.refresh();
        self.possible_room()
    }

    #[inline(always)]
    fn possible_room(&self) -> u64 {
        if D::IGNORE_POSITION {
            return self.capacity;
        }
        // `next` never passes `limit`.
        self.limit.wrapping_sub(self.next)
    }

    /// The reader's position. One out of range, ahead of what was published or behind what it said
    /// before, is counted as foreign and changes nothing: it never frees a slot.
    #[inline(always)]
    pub fn refresh(&mut self) -> u64 {
        let position = self.position.load();
        if D::WRITER_FENCE {
            // PAIR release: the reader's loads of the released slots happen before our stores into
            // them.
            fence(Ordering::Acquire);
        }
        let released = self.limit.wrapping_sub(self.capacity).wrapping_sub(1);
        if position >= released && position < self.next {
            // A foreign position is below `next`, and `next` is far from the end of the numbers.
            self.limit = position.wrapping_add(self.capacity).wrapping_add(1);
            position
        } else {
            core::hint::cold_path();
            self.foreign = self.foreign.saturating_add(1);
            released
        }
    }

    /// Publishes one payload; `None` when there is no room.
    #[inline(always)]
    pub fn try_publish(&mut self, payload: &S::Payload) -> Option<u64> {
        if self.room() == 0 {
            return None;
        }
        let seq = self.next;
        if D::STAMP_FIRST {
            self.slots.store_stamp(seq, D::PUBLISH);
        }
        self.slots.store_payload(seq, payload);
        if !D::STAMP_FIRST {
            // PAIR publish: the payload happens before every poll that sees this stamp.
            self.slots.store_stamp(seq, D::PUBLISH);
        }
        self.next = seq.wrapping_add(1);
        Some(seq)
    }

    /// Numbers the next `len` payloads without publishing them here: they go another way. Their slots
    /// count as used until the reader's position has passed them. Returns the last number; `None`
    /// where there is less room, or `len` is 0.
    #[inline(always)]
    pub fn pass(&mut self, len: u64) -> Option<u64> {
        if len == 0 || (self.possible_room() < len && self.fresh_room() < len) {
            return None;
        }
        self.next = self.next.wrapping_add(len);
        Some(self.next.wrapping_sub(1))
    }

    fn fresh_room(&mut self) -> u64 {
        self.refresh();
        self.possible_room()
    }

    /// Stores the payload of `seq`, one of the slots that [`Self::room`] said are free; nothing is
    /// published yet.
    #[inline(always)]
    pub fn fill(&mut self, seq: u64, payload: &S::Payload) {
        debug_assert!(seq.wrapping_sub(self.next) < self.capacity, "{seq} was not reserved");
        self.slots.store_payload(seq, payload);
    }

    /// Publishes the next `len` slots, filled before, the first one last: the reader waits on the
    /// first stamp, and when it comes the whole batch is there. Returns the last sequence
    /// published.
    #[inline(always)]
    pub fn commit(&mut self, len: u64) -> u64 {
        let end = self.next.wrapping_add(len);
        let mut seq = end;
        while seq != self.next {
            seq = seq.wrapping_sub(1);
            // PAIR publish: the payload happens before every poll that sees this stamp.
            self.slots.store_stamp(seq, D::COMMIT);
        }
        self.next = end;
        end.wrapping_sub(1)
    }
}

/// What one look at the next slot found.
#[must_use = "dropping a slot releases it unread"]
pub enum Look<'a, S: ReadSlots, P: WriteWord, D: Discipline> {
    /// Not yet published.
    Empty,
    /// Published: its words may be read; dropping it releases it.
    Ready(Ready<'a, S, P, D>),
    /// A stamp that no honest writer stores there.
    Foreign(u64),
}

/// The reading end: private cursor; the position is published now and then.
pub struct Reader<S, P, D> {
    slots: S,
    capacity: u64,
    cursor: Cursor<P>,
    discipline: PhantomData<fn() -> D>,
}

struct Cursor<P> {
    position: P,
    /// The sequence expected next.
    next: u64,
    /// What the shared position says: at most `next` - 1.
    published: u64,
    /// The position is published after this many releases.
    publish_every: u64,
}

impl<P: WriteWord> Cursor<P> {
    #[inline(always)]
    fn publish<D: Discipline>(&mut self, seq: u64) {
        self.published = seq;
        if !D::POSITION_FIRST {
            // PAIR release: our loads of the slots up to here happen before the writer's next
            // stores into them.
            self.position.store(seq, D::POSITION);
        }
    }
}

impl<S: ReadSlots, P: WriteWord, D: Discipline> Reader<S, P, D> {
    /// A reader that expects sequence 1. `publish_every` is brought into 1 to half the slots: a
    /// reader that published more rarely would stop a writer that waits.
    pub fn new(slots: S, position: P, publish_every: u32) -> Self {
        let capacity = slots.capacity();
        let publish_every = u64::from(publish_every).clamp(1, (capacity / 2).max(1));
        let cursor = Cursor { position, next: 1, published: 0, publish_every };
        Self { slots, capacity, cursor, discipline: PhantomData }
    }

    /// The sequence expected next.
    #[inline(always)]
    pub fn next_seq(&self) -> u64 {
        self.cursor.next
    }

    /// One look at the next slot.
    #[inline(always)]
    pub fn look(&mut self) -> Look<'_, S, P, D> {
        let seq = self.cursor.next;
        let slot = self.slots.slot(seq);
        let stamp = S::stamp(slot);
        if stamp == seq {
            if D::READER_FENCE {
                // PAIR publish: acquires the stamp's release; the loads of the payload come after
                // it.
                fence(Ordering::Acquire);
            }
            if D::POSITION_FIRST {
                self.cursor.position.store(seq, D::POSITION);
            }
            self.slots.fetch_ahead(seq);
            let cursor = &mut self.cursor;
            return Look::Ready(Ready { seq, slot, cursor, discipline: PhantomData });
        }
        if stamp == self.stamp_before(seq) {
            Look::Empty
        } else {
            core::hint::cold_path();
            Look::Foreign(stamp)
        }
    }

    /// Nothing published waits to be read. Unlike [`Self::look`] it takes nothing.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        let seq = self.cursor.next;
        S::stamp(self.slots.slot(seq)) == self.stamp_before(seq)
    }

    /// What the slot of `seq` holds until it is published, left there by the last lap: the sequence
    /// one capacity ago, and in the first lap 0.
    #[inline(always)]
    fn stamp_before(&self, seq: u64) -> u64 {
        seq.saturating_sub(self.capacity)
    }

    /// Publishes the position, if it moved since.
    #[inline(always)]
    pub fn publish_position(&mut self) {
        let released = self.cursor.next.wrapping_sub(1);
        if released != self.cursor.published {
            self.cursor.publish::<D>(released);
        }
    }
}

/// A published slot, not yet released. Dropping it releases it; forgetting it releases nothing, and
/// the next look finds the same slot.
pub struct Ready<'a, S: ReadSlots + 'a, P: WriteWord, D: Discipline> {
    seq: u64,
    slot: S::Slot<'a>,
    cursor: &'a mut Cursor<P>,
    discipline: PhantomData<fn() -> D>,
}

impl<S: ReadSlots, P: WriteWord, D: Discipline> Ready<'_, S, P, D> {
    /// Its sequence.
    #[inline(always)]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Payload word `word`; a word beyond the last is the last.
    #[inline(always)]
    pub fn word(&self, word: usize) -> u64 {
        S::word(self.slot, word)
    }
}

impl<'a, S: ReadSlots + 'a, P: WriteWord, D: Discipline> Drop for Ready<'a, S, P, D> {
    /// Gives the slot back. Everything read from it was read before.
    #[inline(always)]
    fn drop(&mut self) {
        self.cursor.next = self.seq.wrapping_add(1);
        if self.seq.wrapping_sub(self.cursor.published) >= self.cursor.publish_every {
            self.cursor.publish::<D>(self.seq);
        }
    }
}
