//! When each event leaves: an open-loop schedule. Lateness is recorded, never hidden.
//!
//! ```text
//!   origin ──── offset of the event ────► intended ── lag ──► sent
//!   first paced event: due at once, sets the origin once and for all
//! ```
//! The intended instant depends on the source and the speed alone, never on how the other side
//! copes. An event that cannot leave (ring full, core taken away) leaves later and says how much.
//!
//! Two kinds of event have no instant in the schedule: those before the pace ([`AT_ONCE`]), and all
//! at `--speed max`. Their intended instant is the moment they were taken up, so that their lag
//! shows waiting for space and nothing else. When the pace begins, or begins again after such
//! events, its origin is set anew.
//!
//! Pure: no clock is read here, the caller hands in ticks.

use crate::source::Due;
use tickspin_host::clock::Clock;
use tickspin_wire::event::{Event, flag};

/// Prepared offset of an event that is due at once.
pub const AT_ONCE: u64 = u64::MAX;

/// How fast a source is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Its schedule, this many times as fast.
    Times(f64),
    /// No schedule.
    Max,
}

/// Converts due times of a source to ticks, ahead of time: the hot loop only adds.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    clock: Clock,
    speed: Speed,
}

impl Scale {
    /// For one clock and one speed.
    #[must_use]
    pub fn new(clock: Clock, speed: Speed) -> Scale {
        Scale { clock, speed }
    }

    /// Ticks from the origin, or [`AT_ONCE`].
    #[must_use]
    pub fn ticks(&self, due: Due) -> u64 {
        match (due, self.speed) {
            (Due::AtOnce, _) | (_, Speed::Max) => AT_ONCE,
            (Due::After(ns), Speed::Times(1.0)) => self.clock.ticks_from_ns(ns).min(AT_ONCE - 1),
            (Due::After(ns), Speed::Times(speed)) => {
                self.clock.ticks_from_ns((ns as f64 / speed) as u64).min(AT_ONCE - 1)
            }
        }
    }
}

/// The schedule of one run, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    origin: Option<u64>,
    /// When the event at the front was first looked at, if it has no instant in the schedule.
    taken_up: Option<u64>,
}

impl Pace {
    /// The intended instant of the event at the front; it may leave once `now` has reached it.
    #[inline]
    pub fn intended(&mut self, offset: u64, now: u64) -> u64 {
        if offset == AT_ONCE {
            self.origin = None;
            return *self.taken_up.get_or_insert(now);
        }
        let origin = *self.origin.get_or_insert(now.wrapping_sub(offset));
        origin.wrapping_add(offset)
    }

    /// The instant of an event behind the front, if it has one in the schedule that the front's is in.
    #[inline]
    #[must_use]
    pub fn behind(&self, offset: u64) -> Option<u64> {
        if offset == AT_ONCE {
            return None;
        }
        self.origin.map(|origin| origin.wrapping_add(offset))
    }

    /// The event at the front is gone: sent or dropped.
    #[inline]
    pub fn next(&mut self) {
        self.taken_up = None;
    }
}

/// Writes send stamp and lag into an event, right before it is published. Returns the lag, ticks.
///
/// A lag that does not fit 32 bits stands at `u32::MAX` and carries [`flag::LAG_SATURATED`].
#[inline]
pub fn stamp(event: &mut Event, sent: u64, intended: u64) -> u64 {
    let lag = sent.saturating_sub(intended);
    event.sent_ticks = sent;
    event.lag_ticks = u32::try_from(lag).unwrap_or_else(|_| {
        event.flags |= flag::LAG_SATURATED;
        u32::MAX
    });
    lag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::with_frequency(2_000_000_000)
    }

    #[test]
    fn offsets_scale_with_the_speed() {
        for (speed, ticks) in [(1.0, 2_000), (2.0, 1_000), (0.5, 4_000)] {
            let scale = Scale::new(clock(), Speed::Times(speed));
            assert_eq!(scale.ticks(Due::After(1_000)), ticks);
            assert_eq!(scale.ticks(Due::AtOnce), AT_ONCE);
        }
        assert_eq!(Scale::new(clock(), Speed::Max).ticks(Due::After(1_000)), AT_ONCE);
    }

    #[test]
    fn the_schedule_stands_whatever_the_sends_do() {
        let mut pace = Pace::default();
        // The first paced event sets the origin: it is due when it is looked at.
        assert_eq!(pace.intended(50, 1_000), 1_000);
        pace.next();
        // The loop was away for a long time: later events are as late as they are.
        assert_eq!(pace.intended(150, 9_000), 1_100);
        pace.next();
        assert_eq!(pace.intended(250, 9_010), 1_200);
    }

    #[test]
    fn a_slow_sink_shows_as_lag_of_every_event_behind_it() {
        // 10 ticks apart, each send takes 25: the lag grows by 15 an event.
        let mut pace = Pace::default();
        let mut now = 0;
        let lags: Vec<u64> = (0..100)
            .map(|i| {
                let intended = pace.intended(i * 10, now);
                now = now.max(intended);
                let lag = stamp(&mut Event::EMPTY.clone(), now, intended);
                pace.next();
                now += 25;
                lag
            })
            .collect();
        assert!(lags.iter().enumerate().all(|(i, &lag)| lag == i as u64 * 15), "{lags:?}");
    }

    #[test]
    fn without_a_schedule_lag_is_the_wait_for_space() {
        let mut pace = Pace::default();
        let intended = pace.intended(AT_ONCE, 100);
        assert_eq!(pace.intended(AT_ONCE, 180), intended, "still the same event");
        pace.next();
        assert_eq!(pace.intended(AT_ONCE, 200), 200);
    }

    #[test]
    fn the_pace_counts_from_the_first_paced_event_after_unpaced_ones() {
        let mut pace = Pace::default();
        assert_eq!(pace.intended(0, 1_000), 1_000);
        pace.next();
        assert_eq!(pace.intended(AT_ONCE, 5_000), 5_000);
        pace.next();
        assert_eq!(pace.intended(700, 5_100), 5_100, "a new origin");
        pace.next();
        assert_eq!(pace.intended(800, 5_100), 5_200);
    }

    #[test]
    fn a_lag_that_does_not_fit_is_marked() {
        let mut event = Event::EMPTY;
        let lag = stamp(&mut event, u64::from(u32::MAX) + 10, 5);
        assert_eq!((lag, event.lag_ticks), (u64::from(u32::MAX) + 5, u32::MAX));
        assert_eq!(event.flags, flag::LAG_SATURATED);
        let mut event = Event::EMPTY;
        stamp(&mut event, 1_500, 1_200);
        assert_eq!((event.intended_ticks(), event.flags), (1_200, 0));
        stamp(&mut event, 1_000, 1_200);
        assert_eq!(event.lag_ticks, 0, "never early");
    }
}
