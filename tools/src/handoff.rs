//! How fast two cores of this machine can hand something over.
//!
//! Two threads, each pinned to a core of its own, pass messages through one contender after the
//! other: a bare cache line (the floor: nothing that shares memory can be faster), our ring, the
//! rings of two other crates, a pipe. The same sender, the same schedule, the same waiting for all:
//! only what is called to send and to take differs.
//!
//! ```text
//!   core A                                    core B
//!   wait until due                            ┌► try to take ── nothing: one `pause` ─┐
//!   sent = rdtsc, into the message            │◄──────────────────────────────────────┘
//!   try to send ───────── contender ────────► taken: sum all words
//!   (full: one `pause`, again)                arrival = lfence; rdtsc;  sample = arrival − sent
//! ```
//!
//! Two threads of one process measure as two processes do; our ring is mapped twice all the same,
//! by each end through its own read-only or writable mapping, with every check that peers make.
//!
//! Cost: both cores spin for as long as it takes. Wrong choice while something is being measured
//! on them, and for cores that a hypervisor moves about: that is why every round is bracketed by a
//! look at the placement, and rounds that straddle a move are set aside.

mod contenders; // what carries the messages: the line, our ring, other crates' rings, a pipe
pub mod lab; // every transport and every way of waiting: experiments
mod measure; // one way, there and back, and as fast as it goes, over any contender
mod offset; // how far two cores' counters are apart
mod pair; // two pinned threads that meet, and neither waits for ever
mod pipe; // the operating system's pipe, polled
mod rounds; // every contender in turn, round after round, bracketed by the placement

pub use measure::Spread;
pub use offset::{Offset, offset};
pub use rounds::{Bench, CONTENDERS, Contender, Kept, Throughput, Wishes, bench};

use crate::error::Failure;
use contenders::{line, ring};
use measure::{Outcome, Plan};
use std::time::Duration;
use tickspin_host::clock::{Clock, read_cost};
use tickspin_results::summary::ClockPart;

/// Below this round trip of a bare line, ns, two cores share more than a last-level cache.
const TIGHT_NS: f64 = 90.0;
/// From this on they do not even share that.
const FAR_NS: f64 = 300.0;
/// What [`probe`] sends, per second, where no rate is given; and the most it sends.
const PROBE_RATE: f64 = 1e6;
const RATE_MAX: f64 = 5e6;
/// Fewer than this many samples make no median.
const SAMPLES_MIN: f64 = 500.0;

/// What two cores allow at this moment.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// One bare line, one way, median, ns.
    pub floor_one_way_ns: f64,
    /// There and back, median, ns.
    pub floor_round_trip_ns: f64,
    /// Our ring, one way, median, ns.
    pub ring_one_way_p50_ns: f64,
    /// Rate at which both one-way medians were measured, messages per second.
    pub rate_per_s: f64,
    /// `tight`, `near` or `far`.
    pub placement: &'static str,
    /// The clock it was measured with.
    pub clock: ClockPart,
}

/// Where the host has two cores, from the round trip of a bare line between them.
///
/// `tight` below 90 ns (they share a core or a middle cache), `near` below 300 (one last-level
/// cache), else `far`. Names for orders of magnitude: some pairs of cores lie on a border, so whether
/// the host moved them is [`has_moved`]'s to say.
#[must_use]
pub fn placement(round_trip_ns: f64) -> &'static str {
    match round_trip_ns {
        ns if ns < TIGHT_NS => "tight",
        ns if ns < FAR_NS => "near",
        _ => "far",
    }
}

/// The cores have moved when the bare round trip changed by more than this factor,
const MOVED_FACTOR: f64 = 1.25;
/// or by more than this one and the placement's name with it: a pair of cores that lies on a border
/// does not move by trembling.
const TREMBLE_FACTOR: f64 = 1.1;

/// Whether the host moved the cores between two bare round trips, ns.
#[must_use]
pub fn has_moved(one_ns: f64, other_ns: f64) -> bool {
    let (low, high) = (one_ns.min(other_ns), one_ns.max(other_ns));
    high > low * MOVED_FACTOR || placement(low) != placement(high) && high > low * TREMBLE_FACTOR
}

/// Measures the bare line and our ring between two cores, for about `time` (at least 50 ms).
///
/// `rate_per_s`: messages per second of the one-way measurements, 1 M/s where there is none; kept
/// below 5 M/s, and high enough for a median within `time`.
/// The calling thread only waits, so it may live on one of the two cores.
///
/// # Errors
/// Exit code 4: the cores are one and the same, or not to be had, or the clock cannot be trusted.
pub fn probe(
    cores: (usize, usize),
    rate_per_s: Option<f64>,
    time: Duration,
) -> Result<Probe, Failure> {
    let time = time.max(Duration::from_millis(50));
    let clock = calibrated(time / 5)?;
    let share = time.mul_f64(0.3);
    let lowest = SAMPLES_MIN / share.as_secs_f64();
    let rate = rate_per_s.unwrap_or(PROBE_RATE).clamp(lowest.min(RATE_MAX), RATE_MAX);
    let plan =
        |round_trips| Plan { one_way: vec![(rate, share)], round_trips, saturated: Duration::ZERO };
    let floor = measure::over((line(), line()), cores, &clock, &plan(10_000))?;
    let ring = measure::over((ring()?, ring()?), cores, &clock, &plan(0))?;
    let one_way = |outcome: &Outcome| outcome.one_way.first().map_or(0.0, |spread| spread.p50);
    Ok(Probe {
        floor_one_way_ns: one_way(&floor),
        floor_round_trip_ns: floor.round_trip.p50,
        ring_one_way_p50_ns: one_way(&ring),
        rate_per_s: rate,
        placement: placement(floor.round_trip.p50),
        clock: clock_part(&clock),
    })
}

/// Measures the bare line alone, between a fresh page's line a way: (there, back, round trip), ns.
///
/// `kept` keeps the pages, so that the next pair of cores gets others.
///
/// # Errors
/// As [`probe`].
pub fn bare(
    cores: (usize, usize),
    clock: &Clock,
    time: Duration,
    kept: &mut Vec<Page>,
) -> Result<(f64, f64, f64), Failure> {
    let plan = |round_trips| Plan {
        one_way: vec![(PROBE_RATE, time.mul_f64(0.4))],
        round_trips,
        saturated: Duration::ZERO,
    };
    let mut fresh = || {
        let line = line();
        kept.push(Page(line.0.page()));
        line
    };
    let there = measure::over((fresh(), fresh()), cores, clock, &plan(5_000))?;
    let back = measure::over((fresh(), fresh()), (cores.1, cores.0), clock, &plan(0))?;
    let one_way = |outcome: &Outcome| outcome.one_way.first().map_or(0.0, |spread| spread.p50);
    Ok((one_way(&there), one_way(&back), there.round_trip.p50))
}

/// A page that was measured on; kept so that its memory is not given out again.
pub struct Page(#[expect(dead_code, reason = "held, not read")] contenders::SharedLine);

/// The clock for a measurement, or the reason why there is none.
///
/// # Errors
/// Exit code 4.
pub fn calibrated(time: Duration) -> Result<Clock, Failure> {
    Clock::calibrate(time).map_err(Failure::environment)
}

/// The clock's facts for a report.
#[must_use]
pub fn clock_part(clock: &Clock) -> ClockPart {
    let (read_ns, step_ns) = read_cost(clock);
    ClockPart {
        read_ns,
        step_ns,
        error_ppm: clock.error_ppm(),
        ticks_per_second: clock.ticks_per_second(),
    }
}
