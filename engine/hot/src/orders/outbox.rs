//! Where requests go: the shared ring, or memory.

use tickspin_ring::Producer;

/// The way out of the pinned loop. Never waits.
pub trait Outbox {
    /// Publishes one payload; `None` when there is no room.
    fn try_publish(&mut self, payload: &[u64; 7]) -> Option<u64>;
    /// The other side may begin: the engine is armed.
    fn arm(&mut self);
    /// A sign of life.
    fn beat(&mut self);
    /// No more will come.
    fn halt(&mut self);
    /// The same, and something is wrong.
    fn fail(&mut self);
    /// The other side wrote a position that no honest consumer writes.
    fn peer_is_foreign(&self) -> bool;
}

impl Outbox for Producer {
    #[inline]
    fn try_publish(&mut self, payload: &[u64; 7]) -> Option<u64> {
        Producer::try_publish(self, payload)
    }

    fn arm(&mut self) {
        self.run();
    }

    #[inline]
    fn beat(&mut self) {
        Producer::beat(self);
    }

    fn halt(&mut self) {
        Producer::halt(self);
    }

    fn fail(&mut self) {
        Producer::fail(self);
    }

    #[inline]
    fn peer_is_foreign(&self) -> bool {
        Producer::peer_is_foreign(self)
    }
}

/// Requests into a slice, which is full at its end: rehearsal, benches, tests, back-tests.
#[derive(Debug)]
pub struct SliceOutbox<'m> {
    slots: &'m mut [[u64; 7]],
    len: usize,
    seq: u64,
    /// Starts over at the end rather than being full.
    wraps: bool,
    is_armed: bool,
    is_halted: bool,
}

impl<'m> SliceOutbox<'m> {
    /// Full after `slots.len()` requests.
    #[must_use]
    pub const fn new(slots: &'m mut [[u64; 7]]) -> SliceOutbox<'m> {
        SliceOutbox { slots, len: 0, seq: 0, wraps: false, is_armed: false, is_halted: false }
    }

    /// Never full: starts over at the end of the slice, over what stood there.
    #[must_use]
    pub fn wrapping(self) -> SliceOutbox<'m> {
        SliceOutbox { wraps: true, ..self }
    }

    /// What was published and not taken, oldest first.
    #[must_use]
    pub fn published(&self) -> &[[u64; 7]] {
        self.slots.get(..self.len).unwrap_or(&[])
    }

    /// Forgets what was published: the consumer has read it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Armed and not halted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_armed && !self.is_halted
    }
}

impl Outbox for SliceOutbox<'_> {
    #[inline]
    fn try_publish(&mut self, payload: &[u64; 7]) -> Option<u64> {
        if self.wraps && self.len == self.slots.len() {
            self.len = 0;
        }
        *self.slots.get_mut(self.len)? = *payload;
        self.len += 1;
        self.seq += 1;
        Some(self.seq)
    }

    fn arm(&mut self) {
        self.is_armed = true;
    }

    #[inline]
    fn beat(&mut self) {}

    fn halt(&mut self) {
        self.is_halted = true;
    }

    fn fail(&mut self) {
        self.is_halted = true;
    }

    #[inline]
    fn peer_is_foreign(&self) -> bool {
        false
    }
}
