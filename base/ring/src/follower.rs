//! [`Follower`]: the other end of a ring whose payloads go another way, as packets.
//!
//! The producer numbers them ([`crate::Producer::pass`]) and says when it ends; the follower says how far
//! it is. So lock-step, the account and the signs of life are those of the ring, and only the slots stay
//! empty.
//!
//! Cost: a store where the position is published. When it is the wrong choice: for payloads that lie in
//! the slots, which a [`crate::Consumer`] reads.

use crate::{
    control::State,
    layout::position,
    memory::{PeerWord, Word},
    region::{PeerRing, PositionSegment},
    sync::{Ordering, fence},
};

/// See the module. Owns its position segment; looks at the peer's state.
pub struct Follower {
    position: Word,
    heartbeat: Word,
    state: PeerWord,
    beats: u64,
    published: u64,
    peer: PeerRing,
    _segment: PositionSegment,
}

impl Follower {
    /// Over the peer's ring and our position segment.
    #[must_use]
    pub fn new(ring: PeerRing, segment: PositionSegment) -> Follower {
        Follower {
            position: segment.word(position::POSITION),
            heartbeat: segment.word(position::HEARTBEAT),
            state: ring.state_word(),
            beats: 0,
            published: 0,
            peer: ring,
            _segment: segment,
        }
    }

    /// The producer's ring.
    #[must_use]
    pub const fn peer(&self) -> &PeerRing {
        &self.peer
    }

    /// Everything up to `number` is done with. A number below what was said before changes nothing.
    #[inline]
    pub fn publish(&mut self, number: u64) {
        if number > self.published {
            self.published = number;
            // PAIR release: what was done for these payloads happens before what the producer does
            // once it sees the position.
            self.position.store(number, Ordering::Release);
        }
    }

    /// Stores the heartbeat (relaxed). Call now and then, from the spinning thread.
    #[inline]
    pub fn beat(&mut self) {
        self.beats = self.beats.wrapping_add(1);
        self.heartbeat.store(self.beats, Ordering::Relaxed);
    }

    /// The end that the producer said; payloads may still be on their way.
    #[must_use]
    pub fn ended(&self) -> Option<State> {
        let state = State::from_word(self.state.load())?;
        if !matches!(state, State::Halt | State::Fail) {
            return None;
        }
        // PAIR halt: what the producer wrote before it said so is visible from here on.
        fence(Ordering::Acquire);
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::{ClockWords, PeerPosition, Policy, RingSegment, RingSpec};
    use crate::{Producer, Share};

    fn pair() -> (Producer, Follower) {
        let spec = RingSpec {
            label: "events",
            slots: 4,
            policy: Policy::Wait,
            epoch: 7,
            clock: ClockWords::default(),
            huge_pages: false,
        };
        let ring = RingSegment::create(&spec).unwrap();
        let position = PositionSegment::create("events", 9).unwrap();
        let over = |share: Share<'_>| share.to_received().unwrap();
        let peer_ring = PeerRing::attach(over(ring.share())).unwrap();
        let peer_position = PeerPosition::attach(over(position.share())).unwrap();
        (Producer::new(ring, peer_position), Follower::new(peer_ring, position))
    }

    #[test]
    fn numbers_go_round_the_ring_as_far_as_the_follower_is() {
        let (mut producer, mut follower) = pair();
        assert_eq!((producer.pass(0), producer.pass(5)), (None, None));
        assert_eq!((producer.pass(3), producer.pass(1)), (Some(3), Some(4)));
        assert_eq!(producer.pass(1), None, "as many as the ring has slots");
        for round in 1..100 {
            follower.publish(round);
            assert_eq!(producer.pass(1), Some(round + 4));
            assert_eq!(producer.consumer_position(), round);
        }
        follower.publish(1);
        assert_eq!(producer.consumer_position(), 99, "no way back");
        assert!(!producer.peer_is_foreign());
    }

    #[test]
    fn the_end_is_heard_and_a_number_that_was_not_given_is_foreign() {
        let (mut producer, mut follower) = pair();
        producer.run();
        assert_eq!(follower.ended(), None);
        follower.publish(1);
        assert_eq!(producer.consumer_position(), 0);
        assert!(producer.peer_is_foreign());
        producer.halt();
        assert_eq!(follower.ended(), Some(State::Halt));
    }
}
