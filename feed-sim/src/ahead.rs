//! Events prepared ahead of their time: decoded, touch known, offset in ticks.
//!
//! A queue in one block of memory, filled before the start. A stream that fits is prepared as a
//! whole, and the run then only reads memory. A longer one is topped up by the pinned thread, one
//! event at a time, in gaps of the schedule; a full gap first goes to requests. While it plays from
//! the queue nothing is allocated; topping up costs what the source costs (a synthetic market
//! ~100 ns and no allocation; a file read and unpacked at the reader's block size).
//!
//! Here is decided what belongs to the stream: `--count`, `--duration` (of the schedule, so that
//! the same input gives the same events however late they leave), and which events are warm-up.

use crate::error::SimError;
use crate::pace::{AT_ONCE, Scale};
use crate::source::{Due, Source, SourceFacts, Touch};
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

/// The queue and the source behind it.
pub struct Ahead {
    source: Source,
    scale: Scale,
    limits: Limits,
    slots: Vec<Prepared>,
    mask: u64,
    /// Events taken out, and events put in, since the first.
    head: u64,
    tail: u64,
    is_exhausted: bool,
    fault: Option<SimError>,
    read_late: u64,
}

impl Ahead {
    /// Fills a queue of at most `capacity` events, brought up to a power of two, 2 at least.
    ///
    /// A source that is cut or damaged later than at its first event ends the stream there: see
    /// [`Ahead::take_fault`].
    ///
    /// # Errors
    /// The source's, before it has given anything.
    pub fn new(
        source: Source,
        scale: Scale,
        limits: Limits,
        capacity: usize,
    ) -> Result<Ahead, SimError> {
        let capacity = capacity.max(2).next_power_of_two();
        let mut ahead = Ahead {
            source,
            scale,
            limits,
            slots: Vec::new(),
            mask: capacity as u64 - 1,
            head: 0,
            tail: 0,
            is_exhausted: false,
            fault: None,
            read_late: 0,
        };
        while ahead.slots.len() < capacity {
            match ahead.take_from_source() {
                Ok(Some(prepared)) => ahead.slots.push(prepared),
                Ok(None) => break,
                Err(fault) if ahead.tail == 0 => return Err(fault),
                Err(fault) => {
                    ahead.is_exhausted = true;
                    ahead.fault = Some(fault);
                    break;
                }
            }
            ahead.tail += 1;
        }
        // One look further, so that a stream that just fits is known to end here.
        if ahead.limits.count == Some(ahead.tail) {
            ahead.is_exhausted = true;
        }
        Ok(ahead)
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
        if at < self.tail { self.slots.get((at & self.mask) as usize) } else { None }
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

    /// Puts one more event in, if there is room and there is one. A fault of the source ends the
    /// stream: see [`Ahead::take_fault`].
    pub fn top_up(&mut self) {
        if self.is_exhausted || self.len() > self.mask {
            return;
        }
        let is_light = self.source.is_light();
        match self.take_from_source() {
            Ok(Some(prepared)) => {
                let at = (self.tail & self.mask) as usize;
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = prepared;
                    self.tail += 1;
                    self.read_late += u64::from(!is_light);
                }
            }
            Ok(None) => {}
            Err(fault) => {
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
        if self.is_exhausted { Some(self.tail) } else { self.limits.count }
    }

    /// Events that were read from a file while the run was on, by the thread that sends them.
    #[must_use]
    pub fn read_late(&self) -> u64 {
        self.read_late
    }

    /// About the source.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        self.source.facts()
    }

    fn take_from_source(&mut self) -> Result<Option<Prepared>, SimError> {
        if self.limits.count.is_some_and(|count| self.tail >= count) {
            self.is_exhausted = true;
            return Ok(None);
        }
        let Some(tick) = self.source.next_tick()? else {
            self.is_exhausted = true;
            return Ok(None);
        };
        let offset = self.scale.ticks(tick.due);
        if offset != AT_ONCE && self.limits.duration_ticks.is_some_and(|limit| offset >= limit) {
            self.is_exhausted = true;
            return Ok(None);
        }
        let mut event = tick.event;
        if tick.due == Due::AtOnce || self.tail < self.limits.warm_up {
            event.flags |= flag::WARM_UP;
        }
        Ok(Some(Prepared { event, touch: tick.touch, offset }))
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
        let whole = Ahead::new(source(), scale(), limits, 1 << 13).unwrap();
        assert!(whole.is_exhausted() && whole.total() == Some(5_000));
        let small = Ahead::new(source(), scale(), limits, 16).unwrap();
        assert!(!small.is_exhausted());
        let whole = all(whole, 0);
        assert_eq!(whole.len(), 5_000);
        assert_eq!(all(small, 2), whole);
    }

    #[test]
    fn the_duration_is_the_schedules() {
        let limits = Limits { duration_ticks: Some(2_000_000_000), ..Limits::default() };
        let events = all(Ahead::new(source(), scale(), limits, 1 << 14).unwrap(), 0);
        let paced = events.iter().filter(|e| e.offset != AT_ONCE).count();
        assert!((1_700..2_300).contains(&paced), "{paced} events in 2 s at 1,000 a second");
        assert!(events.iter().all(|e| e.offset == AT_ONCE || e.offset < 2_000_000_000));
    }

    #[test]
    fn warm_up_is_the_first_events_and_all_unpaced_ones() {
        let limits = Limits { count: Some(200), warm_up: 100, ..Limits::default() };
        let events = all(Ahead::new(source(), scale(), limits, 256).unwrap(), 0);
        for (index, prepared) in events.iter().enumerate() {
            let expected = index < 100 || prepared.offset == AT_ONCE;
            assert_eq!(prepared.event.is_warm_up(), expected, "event {index}");
        }
        assert_eq!(events.iter().filter(|e| e.event.is_warm_up()).count(), 100);
    }
}
