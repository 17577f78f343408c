//! Payloads from the shared ring.

use super::{Input, PeerEnd, Polled};
use tickspin_ring::region::{Policy, State};
use tickspin_ring::{Consumer, PeerRing, Polled as Look, PositionSegment};

/// How many releases go by before the shared position is stored.
/// RING.md measured 1, 64 and 256 alike; 64 keeps the producer's view fresh within 0.1 % of a
/// ring of 65,536 slots.
pub const PUBLISH_EVERY: u32 = 64;

/// The consuming end of a ring, as an [`Input`].
pub struct RingInput {
    consumer: Consumer,
    epoch: u64,
    lockstep: bool,
}

impl RingInput {
    /// Takes the peer's ring and our position segment. The policy in the ring's header decides
    /// how the position is published: in lock-step only by [`Input::publish_position`], which the
    /// loop calls after each turn (the ring would do it by itself after half of its slots).
    #[must_use]
    pub fn new(ring: PeerRing, position: PositionSegment) -> RingInput {
        let lockstep = ring.policy() == Policy::Lockstep;
        let epoch = ring.epoch();
        let every = if lockstep { u32::MAX } else { PUBLISH_EVERY };
        RingInput { consumer: Consumer::new(ring, position, every), epoch, lockstep }
    }
}

impl Input for RingInput {
    #[inline]
    fn poll(&mut self) -> Polled {
        match self.consumer.poll() {
            Look::Empty => Polled::Empty,
            Look::Slot(view) => Polled::Slot { seq: view.seq(), words: view.copy() },
            Look::Foreign(stamp) => Polled::Foreign(stamp),
        }
    }

    #[inline]
    fn publish_position(&mut self) {
        self.consumer.publish_position();
    }

    #[inline]
    fn beat(&mut self) {
        self.consumer.beat();
    }

    fn ended(&mut self) -> Option<PeerEnd> {
        match self.consumer.ended()? {
            State::Fail => Some(PeerEnd::Failed),
            _ => Some(PeerEnd::Halted),
        }
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_lockstep(&self) -> bool {
        self.lockstep
    }
}
