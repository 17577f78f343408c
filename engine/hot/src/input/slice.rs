//! Payloads from memory: rehearsal, benches, tests, back-tests.

use super::{Input, PeerEnd, Polled};

/// Payloads from a slice, sequence 1 first; then it has ended.
#[derive(Debug)]
pub struct SliceInput<'m> {
    payloads: &'m [[u64; 7]],
    next: usize,
    /// Sequence up to which the position was published.
    published: u64,
    epoch: u64,
    lockstep: bool,
}

impl<'m> SliceInput<'m> {
    /// Reads `payloads` once, in order, as one epoch.
    #[must_use]
    pub const fn new(payloads: &'m [[u64; 7]], epoch: u64) -> SliceInput<'m> {
        SliceInput { payloads, next: 0, published: 0, epoch, lockstep: false }
    }

    /// The same, as a feed in lock-step would send it: times come from the events.
    #[must_use]
    pub const fn lockstep(self) -> SliceInput<'m> {
        SliceInput { lockstep: true, ..self }
    }

    /// The position that was published last.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.published
    }
}

impl Input for SliceInput<'_> {
    #[inline]
    fn poll(&mut self) -> Polled {
        let Some(words) = self.payloads.get(self.next) else { return Polled::Empty };
        self.next += 1;
        Polled::Slot { seq: self.next as u64, words: *words }
    }

    #[inline]
    fn publish_position(&mut self) {
        self.published = self.next as u64;
    }

    #[inline]
    fn beat(&mut self) {}

    fn ended(&mut self) -> Option<PeerEnd> {
        (self.next >= self.payloads.len()).then_some(PeerEnd::Halted)
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_lockstep(&self) -> bool {
        self.lockstep
    }
}
