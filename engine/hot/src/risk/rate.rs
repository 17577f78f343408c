//! Token buckets without tokens: a theoretical time of arrival, moved on by each charge.
//!
//! A bucket of `burst` tokens refilled once an interval is the same as asking that the sum of the
//! intervals charged never runs more than `burst − 1` intervals ahead of the clock (the cell-rate
//! algorithm of ATM). One addition and one compare, no division, no refill to forget.

/// How often: an interval between two, and how many may come at once. Built by cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: u64,
    tolerance: u64,
}

impl Rate {
    /// `per_second` events a second, at most `burst` (at least 1) at once; `units_per_second` is
    /// the unit of time of the checks: the clock's ticks a second, 1e9 in lock-step.
    /// A rate of 0 gives a limit that [`super::Limits::check`] refuses; one above the clock's
    /// resolution allows one event a unit.
    #[must_use]
    pub const fn new(per_second: u64, burst: u32, units_per_second: u64) -> Rate {
        if per_second == 0 {
            return Rate { interval: 0, tolerance: 0 };
        }
        let exact = units_per_second / per_second;
        let interval = if exact == 0 { 1 } else { exact };
        let ahead = if burst == 0 { 0 } else { burst as u64 - 1 };
        Rate { interval, tolerance: interval.saturating_mul(ahead) }
    }

    /// Units of time between two.
    #[must_use]
    pub const fn interval(&self) -> u64 {
        self.interval
    }
}

/// The state of one rate.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Rate,
    /// When the next one would be exactly on time.
    due: u64,
}

impl Bucket {
    /// Full: a burst may come at once.
    #[must_use]
    pub const fn new(rate: Rate) -> Bucket {
        Bucket { rate, due: 0 }
    }

    /// May one more come now?
    #[inline]
    #[must_use]
    pub const fn has_room(&self, now: u64) -> bool {
        self.due <= now.saturating_add(self.rate.tolerance)
    }

    /// One more has come. Never beyond an empty bucket, so that what is never refused (cancels)
    /// cannot run up a debt; and never back, so that a time before the last one fills nothing.
    #[inline]
    pub fn charge(&mut self, now: u64) {
        let due = self.due.max(now).saturating_add(self.rate.interval);
        let empty = now.saturating_add(self.rate.tolerance).saturating_add(self.rate.interval);
        self.due = due.min(empty).max(self.due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let rate = Rate::new(1_000, 3, 1_000_000);
        let mut bucket = Bucket::new(rate);
        let now = 5_000_000;
        for _ in 0..3 {
            assert!(bucket.has_room(now));
            bucket.charge(now);
        }
        assert!(!bucket.has_room(now) && !bucket.has_room(now + 999));
        assert!(bucket.has_room(now + 1_000));
        bucket.charge(now + 1_000);
        assert!(!bucket.has_room(now + 1_999) && bucket.has_room(now + 2_000));
    }

    #[test]
    fn over_a_second_no_more_than_the_rate_and_the_burst() {
        let mut bucket = Bucket::new(Rate::new(1_000, 10, 1_000_000));
        let mut passed = 0;
        for now in (0..1_000_000).step_by(7) {
            if bucket.has_room(now) {
                bucket.charge(now);
                passed += 1;
            }
        }
        assert!((1_000..=1_010).contains(&passed), "{passed}");
    }

    #[test]
    fn charges_that_are_never_refused_run_up_no_debt() {
        let mut bucket = Bucket::new(Rate::new(1_000, 2, 1_000_000));
        for _ in 0..1_000 {
            bucket.charge(500);
        }
        assert!(!bucket.has_room(500));
        assert!(bucket.has_room(500 + 2_000));
    }

    #[test]
    fn a_charge_of_an_older_time_fills_nothing() {
        let mut bucket = Bucket::new(Rate::new(1_000, 2, 1_000_000));
        bucket.charge(1_000_000);
        bucket.charge(1_000_000);
        bucket.charge(10);
        assert!(!bucket.has_room(1_000_000), "both of the burst are taken");
        assert!(bucket.has_room(1_001_000));
    }

    #[test]
    fn a_clock_that_steps_back_refuses_rather_than_wraps() {
        let mut bucket = Bucket::new(Rate::new(1_000, 1, 1_000_000));
        bucket.charge(1_000_000);
        assert!(!bucket.has_room(0));
        assert_eq!(Rate::new(0, 1, 1_000).interval(), 0);
        assert_eq!(Rate::new(u64::MAX, 1, 1_000).interval(), 1);
    }
}
