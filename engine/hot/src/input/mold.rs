//! Events from datagrams: MoldUDP64 or IEX-TP on two lines, each message once and in order.
//!
//! ```text
//!                            parking ◄──┐ behind a hole         requests ─► cold ─► server
//!  source ─► line A, B ─► arbiter ──────┴──► translator ─► queue ─► poll   ▲
//!  cold ───► replies ────────┘  └ a hole that stays open ──────────────────┘
//! ```
//!
//! What a message means is told by [`tickspin_wire::normalize`], as for recorded feeds; the [`Venue`] is
//! chosen once, and a loop is compiled for each.
//! Beside the messages' own events there are ours, as in a recording: `SessionStart` where a session
//! begins, with a `Clear` before it where it takes the place of another; `Gap` where messages are lost;
//! `End` with the end of the session.
//! An event's `sent_ticks` is when its datagram was taken from the source, for a venue's datagram does
//! not say when it left; our own feed's does ([`MoldTerms::ours`]).
//!
//! Cost: ~10 ns a message above the source's. Memory: borrowed from cold, [`MoldMemory`].
//! When it is the wrong choice: several sessions that stand beside each other on one line.

mod arbiter; // 3. whose turn a message is
mod line; // 2. what one line brought
mod parking; // 4. packets behind a hole
mod queue; // 5. events that wait for their poll
mod terms; // 1. how long to wait, what was counted
mod venue; // 6. what packets look like and messages mean

pub use arbiter::{Arbiter, Deliver};
pub use line::{LINES, Line, LineCounts};
pub use parking::{PAYLOAD_BYTES, ParkedPacket, ParkingMemory};
pub use terms::{Join, MoldCounts, MoldTerms};
pub use venue::{Iex, IexSlot, Itch, Venue};

use super::{Input, PeerEnd, Polled};
use crate::stamps::Stamps;
use queue::EventQueue;
use ringbuf::traits::{Consumer, Producer};
use tickspin_host::packets::PacketSource;
use tickspin_wire::moldudp64::Request;

/// Datagrams that one poll takes: an event that is there is not kept waiting for the next datagram.
const BURST: u32 = 1;

/// Room for events at least: ours, and a packet's.
pub const EVENTS_MIN: usize = 64;

/// Memory of the input, of sizes that cold chooses.
#[derive(Debug)]
pub struct MoldMemory<'m> {
    /// Packets that wait behind a hole; 4,096 are a few milliseconds of a busy feed.
    pub parking: ParkingMemory<'m>,
    /// Events of one datagram and some: a datagram whose events do not fit is parked and taken in
    /// parts. At least [`EVENTS_MIN`]; 1,024 hold what an Ethernet frame carries.
    pub events: &'m mut [[u64; 7]],
}

/// A datagram that cold has received in answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    bytes: [u8; PAYLOAD_BYTES],
    len: u16,
}

impl Reply {
    /// A copy of a payload; `None` where it is longer than a frame of Ethernet carries.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Reply> {
        let mut bytes = [0; PAYLOAD_BYTES];
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(Reply { bytes, len: payload.len() as u16 })
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// A source of a venue's datagrams as an input of the loop.
///
/// Flow 0 of the source is line A, flow 1 line B, flow 2 brings answers where the source itself
/// receives them; others are counted as refused.
pub struct MoldInput<'m, S, T, Q, R, V = Itch> {
    source: S,
    stamps: T,
    requests: Q,
    replies: R,
    arbiter: Arbiter<'m>,
    queue: EventQueue<'m, V>,
    epoch: u64,
    /// Events handed out.
    seq: u64,
}

impl<'m, S, T, Q, R> MoldInput<'m, S, T, Q, R>
where
    S: PacketSource,
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
{
    /// Reads `source`; asks for what is missing through `requests`, to which answers come by
    /// `replies`. `stamps` is read only while a hole is open. `None` where the memory has no room
    /// for [`EVENTS_MIN`] events or for a packet.
    pub fn new(
        source: S,
        stamps: T,
        (requests, replies): (Q, R),
        memory: MoldMemory<'m>,
        terms: MoldTerms,
        epoch: u64,
    ) -> Option<MoldInput<'m, S, T, Q, R>> {
        MoldInput::of(Itch, source, stamps, (requests, replies), memory, terms, epoch)
    }
}

impl<'m, S, T, Q, R, V> MoldInput<'m, S, T, Q, R, V>
where
    S: PacketSource,
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
    V: Venue,
{
    /// The same for the packets and messages of any venue.
    pub fn of(
        venue: V,
        source: S,
        stamps: T,
        (requests, replies): (Q, R),
        memory: MoldMemory<'m>,
        terms: MoldTerms,
        epoch: u64,
    ) -> Option<MoldInput<'m, S, T, Q, R, V>> {
        let is_enough = memory.events.len() >= EVENTS_MIN && !memory.parking.slots.is_empty();
        is_enough.then(|| MoldInput {
            source,
            stamps,
            requests,
            replies,
            arbiter: Arbiter::new(memory.parking, terms),
            queue: EventQueue::new(memory.events, terms.ours.is_some(), venue),
            epoch,
            seq: 0,
        })
    }

    /// What became of each message so far.
    #[must_use]
    pub const fn counts(&self) -> &MoldCounts {
        self.arbiter.counts()
    }

    /// This instant, ticks.
    pub fn now(&mut self) -> u64 {
        self.stamps.idle()
    }

    /// A hole is open, or the end is known and not reached.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.arbiter.is_waiting()
    }

    /// Messages of the venue that became no event: empty, or of an unknown type or length.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.queue.skipped()
    }

    /// The source, for its health.
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    #[inline]
    fn pop(&mut self) -> Polled {
        let Some(words) = self.queue.pop() else { return Polled::Empty };
        self.seq += 1;
        Polled::Slot { seq: self.seq, words }
    }

    /// A hole is open, or parked packets wait for room: answers, time, what fits now.
    #[cold]
    #[inline(never)]
    fn attend(&mut self) {
        let now = self.stamps.idle();
        self.queue.set_taken(now);
        if let Some(reply) = self.replies.try_pop() {
            self.arbiter.datagram(Line::Recovery, reply.payload(), now, &mut self.queue);
        }
        self.arbiter.attend(now, &mut self.queue, &mut self.requests);
    }
}

impl<S, T, Q, R, V> Input for MoldInput<'_, S, T, Q, R, V>
where
    S: PacketSource,
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
    V: Venue,
{
    #[inline]
    fn poll(&mut self) -> Polled {
        if !self.queue.is_empty() {
            return self.pop();
        }
        if self.arbiter.is_waiting() {
            self.attend();
            if !self.queue.is_empty() {
                return self.pop();
            }
        }
        let (arbiter, queue) = (&mut self.arbiter, &mut self.queue);
        self.source.rx_burst(BURST, |datagram| {
            queue.set_taken(datagram.stamp.ticks);
            match Line::of_flow(datagram.flow) {
                Some(line) => arbiter.datagram(line, datagram.payload, datagram.stamp.ticks, queue),
                None => arbiter.refuse(),
            }
        });
        self.pop()
    }

    fn publish_position(&mut self) {}

    fn beat(&mut self) {}

    fn ended(&mut self) -> Option<PeerEnd> {
        (self.arbiter.is_over() && self.queue.is_empty()).then_some(PeerEnd::Halted)
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_lockstep(&self) -> bool {
        false
    }
}
