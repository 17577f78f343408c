//! The gap meter: a spinning thread a core that does nothing but read the clock.
//!
//! ```text
//!   reads    │││││││││││││││          │││││││││││││││││    │││││││││
//!                          └── gap ───┘               └gap─┘          ≥ threshold: counted, lost
//!                          the core did something else: interrupt, kernel, another task, hypervisor
//! ```
//!
//! What a gap holds is lost to whoever spins there; the reading itself, some ten nanoseconds, is in
//! it. The loop makes no system call and allocates nothing; where gaps are noted was written once
//! before, so that noting takes no page fault.
//!
//! Cost: every core that is measured spins for as long as it takes, and nothing else runs well
//! there. When it is wrong: beside a run that is to be quoted, and for what the hypervisor does
//! while no thread wants to run. Two cores lose time together where the host stops both; that one
//! core was interrupted for the sake of the other does not show.

mod around; // what the kernel counted over the same time
mod strip; // lost time by slice, as a line of text

pub use around::{Around, Told};
pub use strip::{gather, sparkline};

use crate::error::Failure;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::{cpu, process};
use tickspin_results::Histogram;

/// Slices of the time strip.
pub const SLICES: usize = 60;
/// Largest gaps that are kept with their time.
const WORST: usize = 5;
/// A thread that has not reached its core by then never will: something keeps the core busy.
const MEET: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The cores, each once.
    pub cores: Vec<usize>,
    /// How long.
    pub time: Duration,
    /// A gap counts from this length on.
    pub threshold_ns: u64,
    /// Histograms over the time, one after the other; at least one.
    pub intervals: usize,
}

/// What one core showed.
#[derive(Clone, Debug)]
pub struct CoreGaps {
    /// The core.
    pub core: usize,
    /// When it began, ticks.
    pub began_ticks: u64,
    /// How long it spun, ns.
    pub ran_ns: u64,
    /// Readings of the clock.
    pub turns: u64,
    /// Shortest time between two of them, ns.
    pub turn_least_ns: u64,
    /// Time in gaps, ns.
    pub lost_ns: u64,
    /// Largest gaps: (since the beginning, length), ns, the largest first.
    pub worst: Vec<(u64, u64)>,
    /// Time in gaps of each of [`SLICES`] slices, ns.
    pub strip: Vec<u64>,
    /// Gaps of each interval, ns.
    pub intervals: Vec<Histogram>,
    /// Length of an interval, ns.
    pub interval_ns: u64,
    /// Times the kernel gave the core to another task.
    pub involuntary_switches: u64,
    /// Time the thread was ready and had no core, ns.
    pub queued_ns: u64,
}

impl CoreGaps {
    /// Share of the time that was lost, 0 to 1.
    #[must_use]
    pub fn lost_share(&self) -> f64 {
        self.lost_ns as f64 / (self.ran_ns as f64).max(1.0)
    }

    /// All intervals together; exact, counts are added.
    #[must_use]
    pub fn total(&self) -> Histogram {
        let mut total = Histogram::new();
        for interval in &self.intervals {
            // Same bounds on both sides: adding cannot fail.
            let _ = total.values.add(&interval.values);
            total.overflow += interval.overflow;
        }
        total
    }
}

/// Spins on all cores at once. Ends early where the process is told to stop.
///
/// # Errors
/// Exit code 4: a core is not to be had, or is kept busy by something else.
pub fn measure(wish: &Wish, clock: &Clock) -> Result<Vec<CoreGaps>, Failure> {
    let (arrived, broken) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (arrived, broken) = (&arrived, &broken);
    thread::scope(|scope| {
        let threads: Vec<_> = wish
            .cores
            .iter()
            .map(|&core| {
                thread::Builder::new().name(format!("gaps-{core}")).spawn_scoped(scope, move || {
                    let mut meter = Meter::new(wish, clock);
                    let pinned = cpu::pin(core).map_err(Failure::environment);
                    if pinned.is_err() {
                        broken.store(true, Ordering::Relaxed);
                    }
                    pinned?;
                    arrived.fetch_add(1, Ordering::Relaxed);
                    let since = Instant::now();
                    while arrived.load(Ordering::Relaxed) < wish.cores.len() {
                        if broken.load(Ordering::Relaxed) || since.elapsed() > MEET {
                            return Err(Failure::environment(format_args!(
                                "core {core} waited in vain for the others: something else keeps \
                                 one of them busy"
                            )));
                        }
                        thread::yield_now();
                    }
                    let usage = || process::thread_usage(process::thread_id()).unwrap_or_default();
                    let before = usage();
                    meter.spin();
                    let used = usage().since(&before);
                    let mut seen = meter.into_gaps(core, clock);
                    seen.involuntary_switches = used.involuntary_switches;
                    seen.queued_ns = used.queued_ns;
                    Ok(seen)
                })
            })
            .collect();
        // All are waited for; the first pinning error says more than those who waited for it.
        let ended: Vec<Result<CoreGaps, Failure>> = threads
            .into_iter()
            .map(|thread| {
                let thread = thread.map_err(|error| {
                    Failure::environment(format_args!("no thread for a core: {error}"))
                })?;
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Failure::failed("a measuring thread panicked")))
            })
            .collect();
        let in_vain = |failure: &Failure| failure.message.contains("waited in vain");
        if let Some(failure) =
            ended.iter().filter_map(|one| one.as_ref().err()).min_by_key(|one| in_vain(one))
        {
            return Err(failure.clone());
        }
        ended.into_iter().collect()
    })
}

/// Everything the loop writes.
struct Meter {
    time: u64,
    threshold: u64,
    slice: u64,
    interval: u64,
    clock: Clock,
    began: u64,
    ended: u64,
    turns: u64,
    least: u64,
    lost: u64,
    worst: [(u64, u64); WORST],
    strip: Vec<u64>,
    intervals: Vec<Histogram>,
}

impl Meter {
    fn new(wish: &Wish, clock: &Clock) -> Meter {
        let ns = u64::try_from(wish.time.as_nanos()).unwrap_or(u64::MAX);
        let time = clock.ticks_from_ns(ns).max(1);
        let mut intervals = vec![Histogram::new(); wish.intervals.max(1)];
        for histogram in &mut intervals {
            // Writes every cell: the kernel has given the pages before the loop begins.
            histogram.record(1);
            histogram.values.reset();
        }
        Meter {
            time,
            threshold: clock.ticks_from_ns(wish.threshold_ns).max(1),
            slice: (time / SLICES as u64).max(1),
            interval: time.div_ceil(intervals.len() as u64).max(1),
            clock: *clock,
            began: 0,
            ended: 0,
            turns: 0,
            least: u64::MAX,
            lost: 0,
            worst: [(0, 0); WORST],
            strip: black_box(vec![0; SLICES]),
            intervals,
        }
    }

    fn spin(&mut self) {
        let (mut turns, mut least) = (0_u64, u64::MAX);
        self.began = ticks();
        let end = self.began.saturating_add(self.time);
        let mut last = self.began;
        while last < end && process::stop_signal() == 0 {
            let now = ticks();
            // A counter that goes back shows no gap; calibration has refused such a one.
            let gap = now.saturating_sub(last);
            turns += 1;
            least = least.min(gap);
            if gap >= self.threshold {
                self.note(last, gap);
            }
            last = now;
        }
        (self.ended, self.turns, self.least) = (last, turns, least);
    }

    /// Out of the loop's way: rare, and it may cost a hundred nanoseconds.
    #[cold]
    #[inline(never)]
    fn note(&mut self, from: u64, gap: u64) {
        self.lost += gap;
        let begin = from - self.began;
        let interval = (begin / self.interval) as usize;
        if let Some(histogram) = self.intervals.get_mut(interval) {
            histogram.record(self.clock.ns(gap));
        }
        if gap > self.worst[WORST - 1].1 {
            self.worst[WORST - 1] = (begin, gap);
            self.worst.sort_unstable_by_key(|one| std::cmp::Reverse(one.1));
        }
        // A gap belongs to every slice that it reaches into; what sticks out at the end, to the last.
        let (mut at, end, last) = (begin, begin + gap, SLICES - 1);
        for index in ((begin / self.slice) as usize).min(last)..SLICES {
            let until = if index == last { end } else { end.min((index as u64 + 1) * self.slice) };
            self.strip[index] += until.saturating_sub(at);
            at = at.max(until);
            if at >= end {
                break;
            }
        }
    }

    fn into_gaps(self, core: usize, clock: &Clock) -> CoreGaps {
        let worst = self.worst.iter().filter(|one| one.1 > 0);
        CoreGaps {
            core,
            began_ticks: self.began,
            ran_ns: clock.ns(self.ended.saturating_sub(self.began)),
            turns: self.turns,
            turn_least_ns: if self.turns == 0 { 0 } else { clock.ns(self.least) },
            lost_ns: clock.ns(self.lost),
            worst: worst.map(|&(at, gap)| (clock.ns(at), clock.ns(gap))).collect(),
            strip: self.strip.iter().map(|&lost| clock.ns(lost)).collect(),
            intervals: self.intervals,
            interval_ns: clock.ns(self.interval),
            involuntary_switches: 0,
            queued_ns: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(intervals: usize) -> Meter {
        let wish = Wish {
            cores: vec![0],
            time: Duration::from_millis(60),
            threshold_ns: 1_000,
            intervals,
        };
        let mut meter = Meter::new(&wish, &Clock::with_frequency(1_000_000_000));
        meter.began = 500;
        meter
    }

    #[test]
    fn a_gap_counts_once_and_is_spread_over_the_slices_it_reaches() {
        let mut meter = meter(2);
        // Slices of 1 ms: half a millisecond in slice 3, one in 4, a quarter in 5.
        meter.note(500 + 3_500_000, 1_750_000);
        meter.note(500 + 59_900_000, 5_000_000);
        meter.note(500 + 40_000_000, 2_000);
        assert_eq!(meter.lost, 6_752_000);
        assert_eq!(meter.strip[3..6], [500_000, 1_000_000, 250_000]);
        assert_eq!(meter.strip[59], 5_000_000, "what sticks out stays in the last");
        assert_eq!(meter.strip.iter().sum::<u64>(), meter.lost);
        assert_eq!(meter.intervals.iter().map(|one| one.values.len()).collect::<Vec<_>>(), [1, 2]);
        let gaps = meter.into_gaps(7, &Clock::with_frequency(1_000_000_000));
        assert_eq!(gaps.worst[0], (59_900_000, 5_000_000));
        assert_eq!((gaps.worst.len(), gaps.total().values.len()), (3, 3));
    }

    #[test]
    fn only_the_largest_are_kept_the_largest_first() {
        let mut meter = meter(1);
        for gap in [3_000, 9_000, 1_000, 7_000, 5_000, 8_000, 2_000] {
            meter.note(500, gap);
        }
        let kept: Vec<u64> = meter.worst.iter().map(|one| one.1).collect();
        assert_eq!(kept, [9_000, 8_000, 7_000, 5_000, 3_000]);
    }

    #[test]
    fn a_core_that_is_not_there_is_refused_and_nobody_waits_for_it() {
        let clock = Clock::with_frequency(1_000_000_000);
        let wish = Wish {
            cores: vec![0, 99_999],
            time: Duration::from_millis(1),
            threshold_ns: 1_000,
            intervals: 1,
        };
        let began = Instant::now();
        let failure = measure(&wish, &clock).unwrap_err();
        assert_eq!(failure.exit, crate::error::exit::ENVIRONMENT);
        assert!(failure.message.contains("99999"), "{failure}");
        assert!(began.elapsed() < MEET);
    }
}
