//! Events prepared ahead of their time: decoded, touch known, offset in ticks.
//!
//! ```text
//!   fits, or light:  source ─► Preparer ─► queue ─► pinned thread
//!   longer:          source ─► Preparer ─► decoder's ring ─► queue ─► pinned thread
//!                    └──── a cold thread, once the queue is full ──┘
//! ```
//! A queue in one block of memory, filled before the start, in 2 MiB pages where the kernel gives
//! them: on a virtual machine a walk of the page tables may stop the core for 100 µs and more, and in
//! small pages each 51st event needs one. A stream that fits is prepared as a
//! whole, and the run then only reads memory. Of a longer one the rest is topped up by the pinned
//! thread, one event at a time, in gaps of the schedule: from the source itself where that is light
//! (a synthetic market ~100 ns, a looped recording in memory less), else from what a
//! [decoder](crate::decoder) has ready. Neither allocates nor calls the kernel.
//!
//! Here is decided what belongs to the stream: `--count`, `--duration` (of the schedule, so that
//! the same input gives the same events however late they leave), and which events are warm-up.

use crate::control::Control;
use crate::decoder::{Decoder, Given};
use crate::error::SimError;
use crate::pace::{AT_ONCE, Scale};
use crate::source::{Due, Source, SourceFacts, Touch};
use std::hint::black_box;
use std::sync::Arc;
use tickspin_host::memory::Table;
use tickspin_wire::event::{Event, flag};

/// One event, ready to be sent. 80 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// All but its stamps.
    pub event: Event,
    /// Best prices of its instrument after it.
    pub touch: Touch,
    /// Ticks from the schedule's origin, or [`AT_ONCE`].
    pub offset: u64,
}

impl Default for Prepared {
    fn default() -> Prepared {
        Prepared { event: Event::EMPTY, touch: Touch::NONE, offset: AT_ONCE }
    }
}

/// Events from the front to the one that is looked at in idle turns: within their gap the core may
/// fetch its page and its line.
const LOOK_AHEAD: u64 = 64;

/// What belongs to the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most events, all kinds counted, `End` not.
    pub count: Option<u64>,
    /// Events whose offset is this many ticks or more do not belong.
    pub duration_ticks: Option<u64>,
    /// So many events from the first are warm-up.
    pub warm_up: u64,
}

/// The source and what makes its ticks events of the stream.
pub struct Preparer {
    source: Source,
    scale: Scale,
    limits: Limits,
    /// Events given.
    given: u64,
    is_over: bool,
}

impl Preparer {
    /// Over a source that has given nothing yet.
    #[must_use]
    pub fn new(source: Source, scale: Scale, limits: Limits) -> Preparer {
        Preparer { source, scale, limits, given: 0, is_over: false }
    }

    /// The next event of the stream; `None` at its end, and after an error.
    ///
    /// # Errors
    /// The source's.
    pub fn prepare(&mut self) -> Result<Option<Prepared>, SimError> {
        if self.is_over || self.limits.count.is_some_and(|count| self.given >= count) {
            self.is_over = true;
            return Ok(None);
        }
        let tick = match self.source.next_tick() {
            Ok(Some(tick)) => tick,
            end => {
                self.is_over = true;
                return end.map(|_| None);
            }
        };
        let offset = self.scale.ticks(tick.due);
        if offset != AT_ONCE && self.limits.duration_ticks.is_some_and(|limit| offset >= limit) {
            self.is_over = true;
            return Ok(None);
        }
        let mut event = tick.event;
        if tick.due == Due::AtOnce || self.given < self.limits.warm_up {
            event.flags |= flag::WARM_UP;
        }
        self.given += 1;
        // No look further: a stream that just fits is known to end here.
        self.is_over = self.limits.count == Some(self.given);
        Ok(Some(Prepared { event, touch: tick.touch, offset }))
    }

    /// Everything was given.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// May be asked on the pinned thread.
    #[must_use]
    pub fn is_light(&self) -> bool {
        self.source.is_light()
    }

    /// About the source.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        self.source.facts()
    }
}

/// What the queue is topped up from.
enum Behind {
    Preparer(Box<Preparer>),
    Decoder(Box<Decoder>),
}

/// How much is prepared before the start, events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of a source that may be asked on the pinned thread.
    pub light: usize,
    /// Of any other.
    pub most: usize,
}

impl Room {
    /// The same for all.
    #[must_use]
    pub const fn of(events: usize) -> Room {
        Room { light: events, most: events }
    }
}

/// The queue and what is behind it.
pub struct Ahead {
    behind: Behind,
    slots: Table<Prepared>,
    mask: u64,
    /// Events taken out, and events put in, since the first.
    head: u64,
    tail: u64,
    is_exhausted: bool,
    fault: Option<SimError>,
    decoded_beside: u64,
}

impl Ahead {
    /// Fills a queue of at most as many events as there is room for, brought up to a power of two,
    /// 2 at least.
    ///
    /// A source that is cut or damaged later than at its first event ends the stream there: see
    /// [`Ahead::take_fault`].
    ///
    /// # Errors
    /// The source's, before it has given anything.
    pub fn new(mut preparer: Preparer, room: Room) -> Result<Ahead, SimError> {
        let size = |events: usize| events.max(2).next_power_of_two();
        let (light, mut capacity) = (size(room.light), size(room.most.max(room.light)));
        let (mut slots, mut fault) = (Vec::new(), None);
        while slots.len() < capacity && !preparer.is_over() {
            if slots.len() == light && preparer.is_light() {
                capacity = light;
                break;
            }
            match preparer.prepare() {
                Ok(Some(prepared)) => slots.push(prepared),
                Ok(None) => {}
                Err(error) if slots.is_empty() => return Err(error),
                Err(error) => fault = Some(error),
            }
        }
        let named = |source| SimError::Memory { what: "events prepared ahead", source };
        let mut table = Table::new(slots.len(), true).map_err(named)?;
        table.as_mut_slice().copy_from_slice(&slots);
        Ok(Ahead {
            is_exhausted: preparer.is_over(),
            behind: Behind::Preparer(Box::new(preparer)),
            mask: capacity as u64 - 1,
            head: 0,
            tail: slots.len() as u64,
            slots: table,
            fault,
            decoded_beside: 0,
        })
    }

    /// Hands what is left of a source that is not light to a thread of its own, which runs on the
    /// cores of the thread that calls this.
    ///
    /// # Errors
    /// No thread or no memory is to be had.
    pub fn decode_beside(self, control: &Arc<Control>) -> Result<Ahead, SimError> {
        let behind = match self.behind {
            Behind::Preparer(preparer) if !self.is_exhausted && !preparer.is_light() => {
                Behind::Decoder(Box::new(Decoder::start(preparer, Arc::clone(control))?))
            }
            behind => behind,
        };
        Ok(Ahead { behind, ..self })
    }

    /// The next event to send.
    #[inline]
    #[must_use]
    pub fn front(&self) -> Option<&Prepared> {
        self.get(0)
    }

    /// The event `n` behind the front.
    #[inline]
    #[must_use]
    pub fn get(&self, n: u64) -> Option<&Prepared> {
        let at = self.head + n;
        if at < self.tail { self.slots.as_slice().get((at & self.mask) as usize) } else { None }
    }

    /// For an idle turn: what will be needed in a while comes near.
    #[inline]
    pub fn look_ahead(&self) {
        black_box(self.get(LOOK_AHEAD).map(|prepared| prepared.offset));
    }

    /// How many are prepared.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tail - self.head
    }

    /// Nothing is prepared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` are done with.
    #[inline]
    pub fn pop(&mut self, n: u64) {
        self.head = (self.head + n).min(self.tail);
    }

    /// Everything of the stream is in the queue or through it.
    #[inline]
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Less than half of the queue is left and the source has more.
    #[inline]
    #[must_use]
    pub fn is_low(&self) -> bool {
        !self.is_exhausted && self.len() <= self.mask / 2
    }

    /// Puts one more event in, if there is room and one is ready. A fault of the source ends the
    /// stream: see [`Ahead::take_fault`].
    pub fn top_up(&mut self) {
        if self.is_exhausted || self.len() > self.mask {
            return;
        }
        let (given, is_beside) = match &mut self.behind {
            Behind::Decoder(decoder) => (decoder.try_take(), true),
            Behind::Preparer(preparer) => (
                match preparer.prepare() {
                    Ok(Some(prepared)) => Given::Event(prepared),
                    Ok(None) => Given::End,
                    Err(fault) => Given::Fault(fault),
                },
                false,
            ),
        };
        match given {
            Given::Event(prepared) => {
                let at = (self.tail & self.mask) as usize;
                if let Some(slot) = self.slots.as_mut_slice().get_mut(at) {
                    *slot = prepared;
                    self.tail += 1;
                    self.decoded_beside += u64::from(is_beside);
                }
            }
            Given::NotYet => {}
            Given::End => self.is_exhausted = true,
            Given::Fault(fault) => {
                self.is_exhausted = true;
                self.fault = Some(fault);
            }
        }
    }

    /// Why the stream ended before its end.
    pub fn take_fault(&mut self) -> Option<SimError> {
        self.fault.take()
    }

    /// How many events the stream has, where that is known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        if self.is_exhausted {
            return Some(self.tail);
        }
        match &self.behind {
            Behind::Preparer(preparer) => preparer.limits.count,
            Behind::Decoder(_) => None,
        }
    }

    /// Events that came from a decoder.
    #[must_use]
    pub fn decoded_beside(&self) -> u64 {
        self.decoded_beside
    }

    /// The rest is decoded by a thread of its own.
    #[must_use]
    pub fn has_decoder(&self) -> bool {
        matches!(self.behind, Behind::Decoder(_))
    }

    /// About the source, as far as it was read before a decoder began.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        match &self.behind {
            Behind::Preparer(preparer) => preparer.facts(),
            Behind::Decoder(decoder) => decoder.facts().clone(),
        }
    }

    /// After the run: ends a decoder, and gives all there is to know about the source.
    pub fn finish(&mut self) -> SourceFacts {
        match &mut self.behind {
            Behind::Preparer(preparer) => preparer.facts(),
            Behind::Decoder(decoder) => decoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Speed;
    use crate::source::synth::{Synth, SynthSpec};
    use tickspin_host::clock::Clock;

    fn source() -> Source {
        let spec = SynthSpec { seed: 1, instruments: 2, rate: 1_000.0, bursts: None };
        Source::Synth(Box::new(Synth::new(spec)))
    }

    fn scale() -> Scale {
        Scale::new(Clock::with_frequency(1_000_000_000), Speed::Times(1.0))
    }

    fn ahead(limits: Limits, capacity: usize) -> Ahead {
        Ahead::new(Preparer::new(source(), scale(), limits), Room::of(capacity)).unwrap()
    }

    fn all(mut ahead: Ahead, top_ups: usize) -> Vec<Prepared> {
        let mut events = Vec::new();
        while let Some(&front) = ahead.front() {
            events.push(front);
            ahead.pop(1);
            (0..top_ups).for_each(|_| ahead.top_up());
        }
        events
    }

    #[test]
    fn a_small_queue_topped_up_gives_what_a_large_one_holds() {
        let limits = Limits { count: Some(5_000), warm_up: 100, ..Limits::default() };
        let whole = ahead(limits, 1 << 13);
        assert!(whole.is_exhausted() && whole.total() == Some(5_000));
        let small = ahead(limits, 16);
        assert!(!small.is_exhausted());
        let whole = all(whole, 0);
        assert_eq!(whole.len(), 5_000);
        assert_eq!(all(small, 2), whole);
    }

    #[test]
    fn the_duration_is_the_schedules() {
        let limits = Limits { duration_ticks: Some(2_000_000_000), ..Limits::default() };
        let events = all(ahead(limits, 1 << 14), 0);
        let paced = events.iter().filter(|e| e.offset != AT_ONCE).count();
        assert!((1_700..2_300).contains(&paced), "{paced} events in 2 s at 1,000 a second");
        assert!(events.iter().all(|e| e.offset == AT_ONCE || e.offset < 2_000_000_000));
    }

    #[test]
    fn warm_up_is_the_first_events_and_all_unpaced_ones() {
        let limits = Limits { count: Some(200), warm_up: 100, ..Limits::default() };
        let events = all(ahead(limits, 256), 0);
        for (index, prepared) in events.iter().enumerate() {
            let expected = index < 100 || prepared.offset == AT_ONCE;
            assert_eq!(prepared.event.is_warm_up(), expected, "event {index}");
        }
        assert_eq!(events.iter().filter(|e| e.event.is_warm_up()).count(), 100);
    }

    #[test]
    fn a_light_source_is_not_prepared_further_than_is_of_use() {
        let limits = Limits { count: Some(5_000), ..Limits::default() };
        let room = Room { light: 64, most: 1 << 13 };
        let ahead = Ahead::new(Preparer::new(source(), scale(), limits), room).unwrap();
        assert_eq!((ahead.len(), ahead.is_exhausted()), (64, false));
        assert_eq!(all(ahead, 2).len(), 5_000);
    }
}
