//! What brings the events: how the pinned thread makes its input of it, and what the input counted.
//!
//! A loop is compiled for each. [`RingEvents`] reads the feed's shared ring; [`PacketEvents`] takes the
//! feed's packets from one of three sources and leaves the rest to the ring ([`PacketInput`]).

use crate::error::EngineError;
use crate::packets::{Answers, Questions};
use tickspin_host::clock::Clock;
use tickspin_host::packets::{PacketSource, SourceHealth};
use tickspin_hot::input::mold::{
    MoldCounts, MoldInput, MoldMemory, MoldTerms, ParkedPacket, ParkingMemory,
};
use tickspin_hot::input::packets::Live;
use tickspin_hot::input::{Input, PacketInput, RingInput};
use tickspin_hot::stamps::AllStamps;
use tickspin_ring::{PeerRing, PositionSegment};

/// Events of a datagram and some: what an Ethernet frame carries, in full.
const EVENTS: usize = 1_024;
/// How long packets may still be on their way after the feed said that it ended, ns.
const GRACE_NS: u64 = 50_000_000;

/// What packets left behind.
#[derive(Clone, Copy, Debug)]
pub struct PacketCounts {
    /// Of the sequence.
    pub mold: MoldCounts,
    /// Of the source.
    pub health: SourceHealth,
    /// Messages that became no event.
    pub skipped: u64,
    /// Numbers of the feed's that no event of ours has.
    pub jumped: u64,
}

/// See the module.
pub trait Events: Send + 'static {
    /// The loop's input.
    type Input<'m>: Input
    where
        Self: 'm;

    /// It may have been opened with privileges, which the pinned thread is to give up.
    const HAS_PRIVILEGES: bool;

    /// The same type over made-up events.
    fn rehearsal<'m>(ring: RingInput) -> Self::Input<'m>
    where
        Self: 'm;

    /// The input of the run: the feed's ring of events, and our position on it.
    ///
    /// # Errors
    /// It was made before.
    fn input<'m>(
        &'m mut self,
        ring: PeerRing,
        position: PositionSegment,
        clock: &Clock,
    ) -> Result<Self::Input<'m>, EngineError>;

    /// What it counted of packets. Cold: some system calls.
    fn counts(input: &mut Self::Input<'_>) -> Option<PacketCounts>;
}

/// The feed's shared ring.
pub struct RingEvents;

impl Events for RingEvents {
    type Input<'m> = RingInput;
    const HAS_PRIVILEGES: bool = false;

    fn rehearsal<'m>(ring: RingInput) -> RingInput
    where
        Self: 'm,
    {
        ring
    }

    fn input(
        &mut self,
        ring: PeerRing,
        position: PositionSegment,
        _: &Clock,
    ) -> Result<RingInput, EngineError> {
        Ok(RingInput::new(ring, position))
    }

    fn counts(_: &mut RingInput) -> Option<PacketCounts> {
        None
    }
}

/// Packets of a source, and the memory that their input borrows.
pub struct PacketEvents<S> {
    /// Taken where the input is made.
    parts: Option<(S, Questions, Answers)>,
    terms: MoldTerms,
    parked: Vec<ParkedPacket>,
    order: Vec<u16>,
    free: Vec<u16>,
    events: Vec<[u64; 7]>,
}

impl<S> PacketEvents<S> {
    /// Memory is written once here, so that every page of it is there.
    pub fn new(
        source: S,
        (questions, answers): (Questions, Answers),
        terms: MoldTerms,
        parked: u16,
    ) -> PacketEvents<S> {
        let parked = usize::from(parked);
        PacketEvents {
            parts: Some((source, questions, answers)),
            terms,
            parked: vec![ParkedPacket::default(); parked],
            order: vec![u16::MAX; parked],
            free: vec![u16::MAX; parked],
            events: vec![[u64::MAX; 7]; EVENTS],
        }
    }
}

impl<S: PacketSource + Send + 'static> Events for PacketEvents<S> {
    type Input<'m> = PacketInput<'m, S, AllStamps, Questions, Answers>;
    const HAS_PRIVILEGES: bool = true;

    fn rehearsal<'m>(ring: RingInput) -> Self::Input<'m>
    where
        Self: 'm,
    {
        PacketInput::Rehearsal(ring)
    }

    fn input<'m>(
        &'m mut self,
        ring: PeerRing,
        position: PositionSegment,
        clock: &Clock,
    ) -> Result<Self::Input<'m>, EngineError> {
        let defect = || EngineError::Tables("the packets' input was made twice: a defect".into());
        let (source, questions, answers) = self.parts.take().ok_or_else(defect)?;
        let parking =
            ParkingMemory { slots: &mut self.parked, order: &mut self.order, free: &mut self.free };
        let memory = MoldMemory { parking, events: &mut self.events };
        let queues = (questions, answers);
        let (epoch, terms) = (ring.epoch(), self.terms.of_ours(ring.epoch()));
        let mold = MoldInput::new(source, AllStamps, queues, memory, terms, epoch);
        let grace_ticks = clock.ticks_from_ns(GRACE_NS);
        let live = Live::new(mold.ok_or_else(defect)?, ring, position, grace_ticks);
        Ok(PacketInput::Live(live))
    }

    fn counts(input: &mut Self::Input<'_>) -> Option<PacketCounts> {
        let PacketInput::Live(live) = input else { return None };
        let jumped = live.jumped();
        let mold = live.mold_mut();
        let (counts, skipped) = (*mold.counts(), mold.skipped());
        Some(PacketCounts { mold: counts, health: mold.source_mut().health(), skipped, jumped })
    }
}
