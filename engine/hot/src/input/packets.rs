//! Events by packets, everything else by the shared rings: where they end, how far we are, who is alive.
//!
//! ```text
//!   packets ─► MoldInput ─► events, numbered as the feed numbers them ─► loop
//!   ring "events" (empty slots): state of the feed ─► ended        position ◄── published
//! ```
//! A number is the feed's: where messages are lost for good, the [`Kind::Gap`] that says so takes the
//! place of all of them, and the numbers jump. So lock-step and the account are those of the ring.
//!
//! One type is the loop's input in the rehearsal and in the run, so that the very code that runs has been
//! rehearsed; a poll pays for that with one branch that is always guessed right.
//!
//! When it is the wrong choice: for a feed that shares no memory with us, there is no exchange end to
//! take orders then.

use super::{Input, MoldInput, PeerEnd, Polled, RingInput};
use crate::stamps::Stamps;
use ringbuf::traits::{Consumer, Producer};
use tickspin_host::packets::PacketSource;
use tickspin_ring::region::{Policy, State};
use tickspin_ring::{Follower, PeerRing, PositionSegment};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::moldudp64::Request;

use super::mold::Reply;

/// The live half: see the module.
pub struct Live<'m, S, T, Q, R> {
    mold: MoldInput<'m, S, T, Q, R>,
    follower: Follower,
    /// The feed's number of the last event handed out.
    number: u64,
    /// Numbers that gaps stand for, beyond their own.
    jumped: u64,
    /// After the feed said that it ended, packets may still be on their way for so long, ticks.
    grace_ticks: u64,
    /// When that is over, and what had come when it began.
    ends_at: Option<(u64, u64)>,
    is_lockstep: bool,
}

/// The input of a loop that takes its events from packets.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, and it lies in the pinned thread's frame"
)]
pub enum PacketInput<'m, S, T, Q, R> {
    /// Made-up events before the run.
    Rehearsal(RingInput),
    /// The run.
    Live(Live<'m, S, T, Q, R>),
}

impl<'m, S, T, Q, R> Live<'m, S, T, Q, R> {
    /// `ring`: the feed's, whose slots stay empty; `grace_ticks`: how long packets may take.
    #[must_use]
    pub fn new(
        mold: MoldInput<'m, S, T, Q, R>,
        ring: PeerRing,
        position: PositionSegment,
        grace_ticks: u64,
    ) -> Live<'m, S, T, Q, R> {
        let is_lockstep = ring.policy() == Policy::Lockstep;
        let follower = Follower::new(ring, position);
        Live { mold, follower, number: 0, jumped: 0, grace_ticks, ends_at: None, is_lockstep }
    }

    /// The packets' end, for its counts.
    pub const fn mold_mut(&mut self) -> &mut MoldInput<'m, S, T, Q, R> {
        &mut self.mold
    }

    /// Numbers that were given to no event.
    #[must_use]
    pub const fn jumped(&self) -> u64 {
        self.jumped
    }
}

impl<S, T, Q, R> Live<'_, S, T, Q, R>
where
    S: PacketSource,
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
{
    #[inline]
    fn poll(&mut self) -> Polled {
        let polled = self.mold.poll();
        if let Polled::Slot { words, .. } = polled {
            let event = Event::from_words(words);
            self.number += 1;
            if event.kind() == Some(Kind::Gap) {
                self.jump(event.second_id);
            }
            return Polled::Slot { seq: self.number, words };
        }
        polled
    }

    #[cold]
    #[inline(never)]
    fn jump(&mut self, missing: u64) {
        let more = missing.saturating_sub(1);
        self.number = self.number.saturating_add(more);
        self.jumped = self.jumped.saturating_add(more);
    }

    /// The feed ended and no packet came for the time of grace.
    #[cold]
    fn ended(&mut self) -> Option<PeerEnd> {
        if let Some(end) = self.mold.ended() {
            return Some(end);
        }
        let state = self.follower.ended()?;
        if self.mold.is_waiting() {
            // A hole is given up in its own time.
            self.ends_at = None;
            return None;
        }
        let now = self.mold.now();
        let came = self.mold.counts().packets();
        let until = now.saturating_add(self.grace_ticks);
        let (ends_at, before) = *self.ends_at.get_or_insert((until, came));
        if came != before {
            self.ends_at = Some((until, came));
            return None;
        }
        let end = if state == State::Fail { PeerEnd::Failed } else { PeerEnd::Halted };
        (now >= ends_at).then_some(end)
    }
}

impl<S, T, Q, R> Input for PacketInput<'_, S, T, Q, R>
where
    S: PacketSource,
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
{
    #[inline]
    fn poll(&mut self) -> Polled {
        match self {
            PacketInput::Live(live) => live.poll(),
            PacketInput::Rehearsal(ring) => ring.poll(),
        }
    }

    #[inline]
    fn publish_position(&mut self) {
        match self {
            PacketInput::Live(live) => live.follower.publish(live.number),
            PacketInput::Rehearsal(ring) => ring.publish_position(),
        }
    }

    #[inline]
    fn beat(&mut self) {
        match self {
            PacketInput::Live(live) => live.follower.beat(),
            PacketInput::Rehearsal(ring) => ring.beat(),
        }
    }

    fn ended(&mut self) -> Option<PeerEnd> {
        match self {
            PacketInput::Live(live) => live.ended(),
            PacketInput::Rehearsal(ring) => ring.ended(),
        }
    }

    fn epoch(&self) -> u64 {
        match self {
            PacketInput::Live(live) => live.follower.peer().epoch(),
            PacketInput::Rehearsal(ring) => ring.epoch(),
        }
    }

    fn is_lockstep(&self) -> bool {
        match self {
            PacketInput::Live(live) => live.is_lockstep,
            PacketInput::Rehearsal(ring) => ring.is_lockstep(),
        }
    }
}
