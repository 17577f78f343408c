//! The TSC: read it, calibrate it, convert it.
//!
//! An invariant time stamp counter ticks at one rate whatever the core does, and all cores of a
//! package show the same count, so two processes may subtract each other's stamps.
//! Reading it is one instruction: no system call, no vDSO page, no loop.
//!
//! ```text
//!  writer of a stamp                      reader of a slot
//!  ─────────────────                      ────────────────
//!  t = ticks()         rdtsc              copy the slot
//!  publish                                t = ticks_ordered()   lfence; rdtsc
//! ```
//!
//! What it costs, on the reference host (a KVM guest at 2.6 GHz; [`read_cost`] measures yours):
//! 9 ns a read, 6 ns more for the ordered one, 3 ns a conversion (one multiply, one shift).
//!
//! When it is the wrong choice: for the time of day, for intervals of hours (the error bound is
//! some parts per million: 1 ppm is 3.6 ms an hour), and across hosts.
//!
//! Misreading to avoid: [`Clock::ticks_per_second`] is not the core's clock frequency, though it
//! often looks like its nominal one.

pub use crate::calibrate::ClockError;
use std::hint::black_box;
use std::time::Duration;

/// Binary places of `ns per tick`. With 58 the factor of the slowest admitted counter (16 MHz:
/// 62.5 ns) still fits a `u64`, and that of a 5 GHz one keeps 55 significant bits.
const NS_SHIFT: u32 = 58;
/// Binary places of `ticks per ns`: the fastest admitted counter (10 GHz: 10) fits.
const TICKS_SHIFT: u32 = 60;
/// Counters outside this range are no TSC: what the two shifts above can hold.
const FREQUENCY_MIN: u64 = 16_000_000;
const FREQUENCY_MAX: u64 = 10_000_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// Plain `rdtsc`: for the writer of a stamp.
///
/// The compiler keeps its place among loads and stores of shared memory; the core may execute it
/// early, before loads that stand above it are done (at most some ns).
#[inline]
#[must_use]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has `rdtsc`; it reads a register and touches no memory.
    // (Where the kernel forbids it, prctl PR_SET_TSC, it raises a signal: not undefined.)
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// `lfence; rdtsc`: for the reader of a slot. It does not run before the loads above it are done,
/// so the stamp is never older than the news.
#[inline]
#[must_use]
pub fn ticks_ordered() -> u64 {
    // SAFETY: SSE2 is part of x86-64; a fence touches no memory.
    unsafe { core::arch::x86_64::_mm_lfence() };
    ticks()
}

/// A calibrated TSC.
///
/// `Copy`, 48 bytes, no shared state. Conversions are a `u64` by `u64` product in `u128` and a
/// shift: monotone (a larger count never gives a smaller time), without division, saturating at
/// `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// 1e9 / frequency, times 2^NS_SHIFT.
    ns_per_tick: u64,
    /// frequency / 1e9, times 2^TICKS_SHIFT.
    ticks_per_ns: u64,
    ticks_per_second: u64,
    error_ppm: f64,
    origin_ticks: u64,
    origin_realtime_ns: u64,
}

impl Clock {
    /// Measures the TSC against `CLOCK_MONOTONIC_RAW`, sleeping for `time` between two points.
    ///
    /// `time` is raised to 10 ms. The error bound shrinks with it: 100 ms gives about 0.3 ppm
    /// on the reference host, 10 ms ten times that.
    ///
    /// # Errors
    /// [`ClockError`]: the TSC is not invariant, the kernel itself has given it up, it went back,
    /// or its rate changed while it was measured. Each names what was seen and what to do.
    pub fn calibrate(time: Duration) -> Result<Clock, ClockError> {
        let measured = crate::calibrate::measure(time)?;
        let mut clock = Clock::with_frequency(measured.ticks_per_second);
        clock.error_ppm = measured.error_ppm;
        clock.origin_ticks = measured.origin_ticks;
        clock.origin_realtime_ns = measured.origin_realtime_ns;
        Ok(clock)
    }

    /// A clock of known rate, for tests and for a rate that a peer has measured.
    ///
    /// Origin (0, 0), error 0. Rates outside 16 MHz ..= 10 GHz are clamped to that range: the
    /// number may come from another process, and a wrong one must give wrong times, not a panic.
    #[must_use]
    pub fn with_frequency(ticks_per_second: u64) -> Clock {
        let frequency = ticks_per_second.clamp(FREQUENCY_MIN, FREQUENCY_MAX);
        Clock {
            ns_per_tick: rounded_ratio(NS_PER_S, frequency, NS_SHIFT),
            ticks_per_ns: rounded_ratio(frequency, NS_PER_S, TICKS_SHIFT),
            ticks_per_second: frequency,
            error_ppm: 0.0,
            origin_ticks: 0,
            origin_realtime_ns: 0,
        }
    }

    /// A number of ticks (an interval, or a count since power-on) in nanoseconds, rounded down;
    /// right within one up to 100 days.
    #[inline]
    #[must_use]
    pub const fn ns(&self, ticks: u64) -> u64 {
        saturate((ticks as u128 * self.ns_per_tick as u128) >> NS_SHIFT)
    }

    /// Nanoseconds in ticks, rounded to the nearest; right within one tick up to 100 days.
    #[inline]
    #[must_use]
    pub const fn ticks_from_ns(&self, ns: u64) -> u64 {
        let half = 1u128 << (TICKS_SHIFT - 1);
        saturate((ns as u128 * self.ticks_per_ns as u128 + half) >> TICKS_SHIFT)
    }

    /// The rate, as measured.
    #[must_use]
    pub const fn ticks_per_second(&self) -> u64 {
        self.ticks_per_second
    }

    /// Bound on the relative error of the rate against the kernel's clock, parts per million.
    ///
    /// A bound, not a guess: the widths of the two bracketed reads and their resolution, over the
    /// time between them. Says nothing of the kernel clock's own error against true time.
    #[must_use]
    pub const fn error_ppm(&self) -> f64 {
        self.error_ppm
    }

    /// (ticks, nanoseconds since 1970) read together at calibration.
    #[must_use]
    pub const fn origin(&self) -> (u64, u64) {
        (self.origin_ticks, self.origin_realtime_ns)
    }

    /// The time of day of a tick count, nanoseconds since 1970: the origin plus the interval.
    ///
    /// For labels in files. It does not follow later corrections of the system's clock.
    #[must_use]
    pub const fn realtime_ns(&self, ticks: u64) -> u64 {
        if ticks >= self.origin_ticks {
            self.origin_realtime_ns.saturating_add(self.ns(ticks - self.origin_ticks))
        } else {
            self.origin_realtime_ns.saturating_sub(self.ns(self.origin_ticks - ticks))
        }
    }
}

/// `numerator / denominator * 2^shift`, to the nearest. The one division, when a clock is made.
const fn rounded_ratio(numerator: u64, denominator: u64, shift: u32) -> u64 {
    let denominator = denominator as u128;
    saturate((((numerator as u128) << shift) + denominator / 2) / denominator)
}

#[inline]
const fn saturate(wide: u128) -> u64 {
    if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 }
}

/// What a stamp costs here: (median cost of one [`ticks`], smallest step it shows), both in ns.
///
/// Takes about 1 ms. The cost is over runs of 64 reads, so that it is not one of the clock's own
/// steps; the step is the smallest difference of two neighbouring reads that is not zero. No
/// interval shorter than the step can be seen.
#[must_use]
pub fn read_cost(clock: &Clock) -> (f64, f64) {
    const RUNS: usize = 1_001;
    const READS: u64 = 64;
    let ns_per_tick = NS_PER_S as f64 / clock.ticks_per_second as f64;
    let mut costs = [0; RUNS];
    let mut step = u64::MAX;
    for cost in &mut costs {
        let start = ticks();
        let mut last = start;
        for _ in 0..READS {
            let now = black_box(ticks());
            let difference = now.wrapping_sub(last);
            if difference > 0 && difference < step {
                step = difference;
            }
            last = now;
        }
        *cost = last.wrapping_sub(start);
    }
    costs.sort_unstable();
    (costs[RUNS / 2] as f64 / READS as f64 * ns_per_tick, step as f64 * ns_per_tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 8] = [
        FREQUENCY_MIN,
        24_000_000,
        999_999_937,
        1_000_000_000,
        2_599_998_761,
        5_000_000_000,
        9_876_543_210,
        FREQUENCY_MAX,
    ];

    /// floor(a * b / c) with the exact quotient.
    fn exact(a: u64, b: u64, c: u64) -> u64 {
        u64::try_from(u128::from(a) * u128::from(b) / u128::from(c)).unwrap_or(u64::MAX)
    }

    const DAYS_100_NS: u64 = 100 * 86_400 * NS_PER_S;

    /// Of every magnitude, up to `limit`.
    fn samples(limit: u64) -> impl Iterator<Item = u64> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        (0..20_000).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> (state % 56)) % limit
        })
    }

    #[test]
    fn ns_is_the_exact_quotient_within_one_nanosecond_for_100_days() {
        for rate in RATES {
            let clock = Clock::with_frequency(rate);
            for ticks in samples(exact(DAYS_100_NS, rate, NS_PER_S)) {
                let (ours, exact) = (clock.ns(ticks), exact(ticks, NS_PER_S, rate));
                assert!(ours.abs_diff(exact) <= 1, "{rate} Hz, {ticks}: {ours} against {exact}");
            }
        }
    }

    #[test]
    fn ticks_from_ns_is_the_exact_quotient_within_one_tick_for_100_days() {
        for rate in RATES {
            let clock = Clock::with_frequency(rate);
            for ns in samples(DAYS_100_NS) {
                let (ours, exact) = (clock.ticks_from_ns(ns), exact(ns, rate, NS_PER_S));
                assert!(ours.abs_diff(exact) <= 1, "{rate} Hz, {ns}: {ours} against {exact}");
            }
        }
    }

    #[test]
    fn there_and_back_loses_at_most_the_nanosecond_that_was_cut() {
        for rate in RATES {
            let clock = Clock::with_frequency(rate);
            let ticks_in_one_ns = rate.div_ceil(NS_PER_S);
            for ticks in samples(exact(DAYS_100_NS, rate, NS_PER_S)) {
                let back = clock.ticks_from_ns(clock.ns(ticks));
                // A fifth of a nanosecond more: the factor's rounding over 100 days at 10 GHz.
                let allowed = ticks_in_one_ns + ticks_in_one_ns / 5 + 1;
                assert!(back.abs_diff(ticks) <= allowed, "{rate} Hz, {ticks}: {back}");
            }
        }
    }

    #[test]
    fn conversions_are_monotone() {
        for rate in RATES {
            let clock = Clock::with_frequency(rate);
            for start in [0, 1 << 32, 1 << 53, u64::MAX - 5_000] {
                let (mut ns, mut ticks) = (0, 0);
                for step in 0..5_000 {
                    assert!(clock.ns(start + step) >= ns);
                    assert!(clock.ticks_from_ns(start + step) >= ticks);
                    ns = clock.ns(start + step);
                    ticks = clock.ticks_from_ns(start + step);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_saturates_and_foreign_rates_are_clamped() {
        assert_eq!(Clock::with_frequency(FREQUENCY_MIN).ns(u64::MAX), u64::MAX);
        assert_eq!(Clock::with_frequency(FREQUENCY_MAX).ticks_from_ns(u64::MAX), u64::MAX);
        assert_eq!(Clock::with_frequency(0).ticks_per_second(), FREQUENCY_MIN);
        assert_eq!(Clock::with_frequency(u64::MAX).ticks_per_second(), FREQUENCY_MAX);
        assert_eq!(Clock::with_frequency(1_000_000_000).ns(u64::MAX), u64::MAX);
    }

    #[test]
    fn realtime_counts_both_ways_from_the_origin() {
        let mut clock = Clock::with_frequency(2_000_000_000);
        clock.origin_ticks = 10_000;
        clock.origin_realtime_ns = 1_000_000;
        assert_eq!(clock.realtime_ns(10_000), 1_000_000);
        assert_eq!(clock.realtime_ns(12_000), 1_001_000);
        assert_eq!(clock.realtime_ns(8_000), 999_000);
    }
}
