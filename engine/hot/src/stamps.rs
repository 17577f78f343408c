//! Time marks of one tick. The only file of this package that reads a clock.
//!
//! ```text
//!   arrival ───► booked ───► decided ───► end
//!           book       strategy   risk + order
//! ```
//!
//! Which marks are taken is a type, so that what is not taken costs nothing: [`EndStamps`] reads
//! the clock twice an event (arrival, end), [`AllStamps`] four times.
//! A plain read costs 10 ns and an ordered one 16.5 ns on the reference host.
//! Only the arrival is ordered (`lfence`): it must not be read before the slot's words are.
//! The others may drift by a few instructions either way; an ordered read would cost more than
//! the drift is worth.

#![allow(clippy::disallowed_methods, reason = "banned everywhere else, see clippy.toml")]

use tickspin_host::clock;

/// The marks of one tick, in ticks of this core's TSC. A mark that was not taken is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The payload is in registers.
    pub arrival: u64,
    /// Decoded and applied to the book.
    pub booked: u64,
    /// The strategy has decided.
    pub decided: u64,
    /// The last request is published, or nothing was left to do.
    pub end: u64,
}

/// Which marks are taken, and from what.
pub trait Stamps {
    /// The stage marks (`booked`, `decided`) are taken.
    const STAGES: bool;
    /// After the words of a slot were read.
    fn arrival(&mut self) -> u64;
    /// Between two stages; 0 where stages are not marked.
    fn stage(&mut self) -> u64;
    /// After the last request of the event was published.
    fn end(&mut self) -> u64;
    /// On some idle turns: to see gaps of the loop and deadlines.
    fn idle(&mut self) -> u64;
}

/// All four marks.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllStamps;

impl Stamps for AllStamps {
    const STAGES: bool = true;
    #[inline]
    fn arrival(&mut self) -> u64 {
        clock::ticks_ordered()
    }
    #[inline]
    fn stage(&mut self) -> u64 {
        clock::ticks()
    }
    #[inline]
    fn end(&mut self) -> u64 {
        clock::ticks()
    }
    #[inline]
    fn idle(&mut self) -> u64 {
        clock::ticks()
    }
}

/// Arrival and end only.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndStamps;

impl Stamps for EndStamps {
    const STAGES: bool = false;
    #[inline]
    fn arrival(&mut self) -> u64 {
        clock::ticks_ordered()
    }
    #[inline]
    fn stage(&mut self) -> u64 {
        0
    }
    #[inline]
    fn end(&mut self) -> u64 {
        clock::ticks()
    }
    #[inline]
    fn idle(&mut self) -> u64 {
        clock::ticks()
    }
}

/// A clock that a test or a back-test sets: every read advances it by a fixed step.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountedStamps {
    /// What the next read returns.
    pub now: u64,
    /// Added after each read.
    pub step: u64,
}

impl CountedStamps {
    #[inline]
    fn read(&mut self) -> u64 {
        let now = self.now;
        self.now = now.wrapping_add(self.step);
        now
    }
}

impl Stamps for CountedStamps {
    const STAGES: bool = true;
    fn arrival(&mut self) -> u64 {
        self.read()
    }
    fn stage(&mut self) -> u64 {
        self.read()
    }
    fn end(&mut self) -> u64 {
        self.read()
    }
    fn idle(&mut self) -> u64 {
        self.read()
    }
}
