//! `Producer` and `Consumer`: reserve, publish, poll, release.
//!
//! One producer, one consumer, each in a process (or at least a thread) of its own, each spinning
//! on its own loop: nothing here waits, sleeps or calls the kernel. The algorithm is
//! [`crate::protocol`]'s; this file gives it mapped memory, live words and an end of stream.
//!
//! Cost on one core: about a nanosecond for publish and poll together; across two cores that share
//! a cache, one line transfer. Wrong choice for messages above 56 bytes, for several producers, or
//! for a reader that wants to sleep.
//!
//! Private cursors lie in this process's own memory, padded to lines of their own: what one side
//! writes for itself never shares a line with what anyone else reads.

use crossbeam_utils::CachePadded;

use crate::{
    control::State,
    layout::{position, ring},
    memory::{PeerSlots, PeerWord, Slots, Word},
    protocol::{Honest, Look, Reader, Ready, Writer},
    region::{PeerPosition, PeerRing, PositionSegment, RingSegment},
    sync::{Ordering, fence},
};

/// One slot's payload: seven words, 56 bytes.
pub type Payload = [u64; ring::PAYLOAD_WORDS];

/// The producing end. Owns its segment; reads the consumer's position through the peer's segment.
pub struct Producer {
    writer: CachePadded<Writer<Slots, PeerWord, Honest>>,
    cursor: Word,
    heartbeat: Word,
    state: Word,
    errors: Word,
    beats: u64,
    dropped: u64,
    is_over: bool,
    segment: RingSegment,
    consumer: PeerPosition,
}

impl Producer {
    /// The ring starts empty; its first sequence is 1.
    pub fn new(ring: RingSegment, consumer: PeerPosition) -> Self {
        Self {
            writer: CachePadded::new(Writer::new(ring.slots(), consumer.position_word())),
            cursor: ring.word(ring::CURSOR),
            heartbeat: ring.word(ring::HEARTBEAT),
            state: ring.word(ring::STATE),
            errors: ring.word(ring::ERRORS),
            beats: 0,
            dropped: 0,
            is_over: false,
            segment: ring,
            consumer,
        }
    }

    /// Random number of the ring's life.
    pub fn epoch(&self) -> u64 {
        self.segment.header().epoch
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.segment.header().capacity
    }

    /// The sequence that the next publish gets; starts at 1.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.writer.next_seq()
    }

    /// Room for one? Looks at the consumer's shared position only when the private copy says full.
    /// A position out of range (beyond what was published, or going back) is counted as foreign and
    /// [`Self::peer_is_foreign`] becomes true; it never frees a slot.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        self.writer.room() != 0
    }

    /// Slots free according to the private copy, refreshed when that says 0.
    #[inline]
    pub fn room(&mut self) -> u64 {
        self.writer.room()
    }

    /// Publishes one payload and returns its sequence; `None` when full (the caller's policy
    /// decides: wait, or count a drop).
    #[inline]
    pub fn try_publish(&mut self, payload: &Payload) -> Option<u64> {
        self.writer.try_publish(payload)
    }

    /// Numbers the next `n` payloads that go another way than this ring, to a [`crate::Follower`]:
    /// nothing is written, and a [`Consumer`] would not see them. The ring's size is how many may be on
    /// their way. Returns the last number; `None` where there is less room, or `n` is 0.
    #[inline]
    pub fn pass(&mut self, n: u64) -> Option<u64> {
        self.writer.pass(n)
    }

    /// Reserves up to `n` slots, never more than half the ring (what is written before it is
    /// published must not reach what a [follower](crate::region::PeerRing::follow) may be reading);
    /// the first slot's stamp is released last on `commit`. `None` when there is no room, or `n` is
    /// 0.
    #[inline]
    pub fn reserve(&mut self, n: u32) -> Option<Batch<'_>> {
        let len = self.writer.room().min(u64::from(n)).min(self.writer.capacity() / 2);
        if len == 0 {
            return None;
        }
        // At most `n`, a u32.
        Some(Batch { len: len as u32, filled: 0, producer: self })
    }

    /// The consumer's position, Acquire: everything it wrote before releasing it is visible. A
    /// position out of range is counted as foreign, and the last good one is returned.
    #[inline]
    pub fn consumer_position(&mut self) -> u64 {
        self.writer.refresh()
    }

    /// The consumer once wrote a position that no honest one writes.
    #[inline]
    pub fn peer_is_foreign(&self) -> bool {
        self.writer.foreign() != 0
    }

    /// Stores the heartbeat and the cursor hint (relaxed). Call now and then, from the spinning
    /// thread.
    #[inline]
    pub fn beat(&mut self) {
        self.beats = self.beats.wrapping_add(1);
        self.heartbeat.store(self.beats, Ordering::Relaxed);
        self.cursor.store(self.writer.next_seq().wrapping_sub(1), Ordering::Relaxed);
    }

    /// Adds to the error word (events dropped).
    #[inline]
    pub fn count_error(&mut self) {
        self.dropped = self.dropped.wrapping_add(1);
        self.errors.store(self.dropped, Ordering::Relaxed);
    }

    /// State BOOT → RUN. Without effect after an end.
    pub fn run(&mut self) {
        if !self.is_over {
            self.say(State::Run);
        }
    }

    /// State HALT: no more will come. Also said on drop; a drop while panicking says FAIL.
    pub fn halt(&mut self) {
        self.end(State::Halt);
    }

    /// State FAIL: no more will come, and something is missing. The first end said stays.
    pub fn fail(&mut self) {
        self.end(State::Fail);
    }

    /// The ring's segment, to share it.
    pub fn segment(&self) -> &RingSegment {
        &self.segment
    }

    /// The consumer's segment.
    pub fn peer(&self) -> &PeerPosition {
        &self.consumer
    }

    fn end(&mut self, state: State) {
        if !self.is_over {
            self.is_over = true;
            self.say(state);
        }
    }

    fn say(&mut self, state: State) {
        self.beat();
        // PAIR halt: every stamp was stored before; a reader that sees the end finds all of them.
        self.state.store(state.to_word(), Ordering::Release);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if std::thread::panicking() { self.fail() } else { self.halt() }
    }
}

/// Slots reserved together. [`Self::write`] each of `0..len`, then [`Self::commit`]. Dropped
/// uncommitted: nothing was published.
#[must_use = "a batch that is not committed publishes nothing"]
pub struct Batch<'p> {
    producer: &'p mut Producer,
    len: u32,
    /// Writes so far; read by an assertion only.
    filled: u32,
}

impl Batch<'_> {
    /// Number of slots reserved: 1 to the number asked for.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Always false: an empty reservation is `None`.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sequence of slot 0.
    #[inline]
    pub fn first_seq(&self) -> u64 {
        self.producer.writer.next_seq()
    }

    /// Stores the payload of slot `i`. `i >= len` is a programmer's mistake: ignored, and in debug
    /// builds an assertion.
    #[inline]
    pub fn write(&mut self, i: u32, payload: &Payload) {
        debug_assert!(i < self.len, "slot {i} of a batch of {}", self.len);
        if i < self.len {
            self.filled = self.filled.saturating_add(1);
            let seq = self.first_seq().wrapping_add(u64::from(i));
            self.producer.writer.fill(seq, payload);
        }
    }

    /// Publishes all slots, the first one's stamp last, and returns the last sequence.
    #[inline]
    pub fn commit(self) -> u64 {
        debug_assert!(self.filled >= self.len, "{} of {} slots written", self.filled, self.len);
        self.producer.writer.commit(u64::from(self.len))
    }
}

/// The consuming end. Owns its position segment; reads the peer's ring.
pub struct Consumer {
    reader: CachePadded<Reader<PeerSlots, Word, Honest>>,
    heartbeat: Word,
    foreign: Word,
    state: PeerWord,
    beats: u64,
    peer: PeerRing,
    segment: PositionSegment,
}

/// One look at the next slot. Dropping a [`Polled::Slot`] releases it, read or not.
#[must_use = "dropping a slot releases it unread"]
pub enum Polled<'a> {
    /// Nothing new.
    Empty,
    /// The next payload.
    Slot(View<'a>),
    /// The slot holds a stamp that no honest producer writes. It stays there: the caller counts it
    /// and ends the session.
    Foreign(u64),
}

/// A slot read in place. Dropping it releases the slot (privately; the shared position follows per
/// `publish_every`). Forgetting it releases nothing: the next poll finds the same slot.
pub struct View<'a> {
    ready: Ready<'a, PeerSlots, Word, Honest>,
}

impl View<'_> {
    /// The slot's sequence.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.ready.seq()
    }

    /// Payload word `i` in 0..7 (relaxed load). `i >= 7` reads word 6, never out of bounds.
    #[inline]
    pub fn word(&self, i: usize) -> u64 {
        self.ready.word(i)
    }

    /// All seven words.
    #[inline]
    pub fn copy(&self) -> Payload {
        core::array::from_fn(|i| self.ready.word(i))
    }
}

impl Consumer {
    /// `publish_every`: the shared position is stored after that many releases, and by
    /// [`Self::publish_position`]; it is brought into 1 to half the slots.
    pub fn new(ring: PeerRing, position: PositionSegment, publish_every: u32) -> Self {
        let word = position.word(position::POSITION);
        Self {
            reader: CachePadded::new(Reader::new(ring.new_slots(), word, publish_every)),
            heartbeat: position.word(position::HEARTBEAT),
            foreign: position.word(position::FOREIGN),
            state: ring.state_word(),
            beats: 0,
            peer: ring,
            segment: position,
        }
    }

    /// Random number of the ring's life.
    pub fn epoch(&self) -> u64 {
        self.peer.epoch()
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.peer.slots()
    }

    /// The producer's ring.
    pub fn peer(&self) -> &PeerRing {
        &self.peer
    }

    /// This end's segment, to share it.
    pub fn segment(&self) -> &PositionSegment {
        &self.segment
    }

    /// The sequence expected next.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.reader.next_seq()
    }

    /// One slot look. The caller owns the loop and the pause.
    #[inline]
    pub fn poll(&mut self) -> Polled<'_> {
        match self.reader.look() {
            Look::Ready(ready) => Polled::Slot(View { ready }),
            Look::Empty => Polled::Empty,
            Look::Foreign(stamp) => {
                self.foreign.store(self.foreign.load().wrapping_add(1), Ordering::Relaxed);
                Polled::Foreign(stamp)
            }
        }
    }

    /// Convenience for slower ends: copies out and releases. A foreign stamp reads as "nothing
    /// new".
    #[inline]
    pub fn poll_copy(&mut self) -> Option<(u64, Payload)> {
        match self.poll() {
            Polled::Slot(view) => Some((view.seq(), view.copy())),
            Polled::Empty | Polled::Foreign(_) => None,
        }
    }

    /// Stores the position now (Release). For lock-step (after the whole turn) and for idle turns.
    /// Cheap when nothing changed.
    #[inline]
    pub fn publish_position(&mut self) {
        self.reader.publish_position();
    }

    /// Stores the heartbeat (relaxed). Call now and then, from the spinning thread.
    #[inline]
    pub fn beat(&mut self) {
        self.beats = self.beats.wrapping_add(1);
        self.heartbeat.store(self.beats, Ordering::Relaxed);
    }

    /// The end that the producer said, once everything stamped was delivered: looks at the state
    /// word, then at the slot once more. `None` while it may still publish, while something is left
    /// to poll, and for a producer that died silently.
    pub fn ended(&mut self) -> Option<State> {
        let state = State::from_word(self.state.load())?;
        if !matches!(state, State::Halt | State::Fail) {
            return None;
        }
        // PAIR halt: acquires the release of the state; every stamp stored before it is seen by the
        // look below.
        fence(Ordering::Acquire);
        self.reader.is_empty().then_some(state)
    }
}

impl Drop for Consumer {
    /// What was released is said, so that the producer's account is right.
    fn drop(&mut self) {
        self.reader.publish_position();
    }
}
