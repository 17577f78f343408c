//! Measuring the TSC against the kernel's raw monotonic clock, and refusing one that cannot be
//! trusted.
//!
//! ```text
//!   tsc  a ──── b      a ──── b               a ──── b     each point: the tightest of many
//!   raw    ──┬──         ──┬──                  ──┬──      brackets tsc · clock_gettime · tsc
//!            first       middle                   last
//!            └───────────── time ─────────────────┘        rate = far points; the halves must agree
//! ```
//!
//! The true instant of the kernel's reading lies somewhere in its bracket, so half the bracket's
//! width is a hard bound on that point's error, and the sum of both over the distance is a hard
//! bound on the rate's. A sleeping, stolen or interrupted core widens a bracket; it does not
//! falsify the bound.

use crate::clock::{ticks, ticks_ordered};
use crate::text;
use std::fmt;
use std::time::Duration;

/// Below this the bound is worse than 10 ppm even on a quiet machine.
const TIME_MIN: Duration = Duration::from_millis(10);
/// Brackets tried for one point: ~50 ns each, so that an interrupt (µs) spoils some, not all.
const BRACKETS: usize = 200;
/// The rate may seem to change when a guest is paused in between: try again before refusing.
const TRIES: usize = 3;
/// Kernels give up a TSC by falling back to one of these.
const FALLBACK_SOURCES: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"];
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Why there is no calibrated clock. Each names what was seen and what to do.
#[derive(Debug)]
pub enum ClockError {
    /// Neither CPUID nor the kernel calls this TSC invariant: its rate may follow the core's.
    NotInvariant {
        /// What was looked at, and what it said.
        what: String,
        /// What to do.
        cure: &'static str,
    },
    /// The kernel watched this TSC and gave it up for a slower clock.
    KernelDistrusts {
        /// The clock source that the kernel uses instead.
        source: String,
        /// What to do.
        cure: &'static str,
    },
    /// A later read was not larger: cores disagree, or the counter was set.
    WentBack {
        /// The earlier count, ticks.
        from: u64,
        /// The later count, ticks.
        to: u64,
    },
    /// The two halves of the measurement disagree by more than their own errors.
    Unstable {
        /// Rate over the first half, ticks per second.
        first: u64,
        /// Rate over the second half, ticks per second.
        second: u64,
        /// How far apart they may be, parts per million.
        allowed_ppm: f64,
    },
    /// `CLOCK_MONOTONIC_RAW` could not be read.
    NoKernelClock(std::io::Error),
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInvariant { what, cure } => {
                write!(f, "the time stamp counter is not invariant ({what}); {cure}")
            }
            Self::KernelDistrusts { source, cure } => write!(
                f,
                "the kernel has given up the time stamp counter and keeps time by {source}; {cure}"
            ),
            Self::WentBack { from, to } => write!(
                f,
                "the time stamp counter went from {from} to {to}: the cores' counters are not in \
                 step; see `dmesg | grep -i tsc`, and boot without `tsc=reliable`"
            ),
            Self::Unstable { first, second, allowed_ppm } => write!(
                f,
                "the time stamp counter's rate changed while it was measured, from {first} to \
                 {second} ticks/s (allowed: {allowed_ppm:.1} ppm); was the virtual machine paused \
                 or moved? Try again, on an idle host"
            ),
            Self::NoKernelClock(error) => write!(f, "CLOCK_MONOTONIC_RAW cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ClockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoKernelClock(error) => Some(error),
            _ => None,
        }
    }
}

pub(crate) struct Measured {
    pub(crate) ticks_per_second: u64,
    pub(crate) error_ppm: f64,
    pub(crate) origin_ticks: u64,
    pub(crate) origin_realtime_ns: u64,
}

/// One instant seen by both clocks.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Middle of the bracket.
    ticks: u64,
    kernel_ns: u64,
    /// Half the bracket, rounded up: the bound on this point's error.
    error_ticks: u64,
}

/// A rate and its bound.
#[derive(Clone, Copy, Debug)]
struct Rate {
    ticks_per_second: f64,
    error_ppm: f64,
}

pub(crate) fn measure(time: Duration) -> Result<Measured, ClockError> {
    refuse_variant_tsc()?;
    let half = time.max(TIME_MIN) / 2;
    let mut tries = 0;
    loop {
        tries += 1;
        let first = point(libc::CLOCK_MONOTONIC_RAW)?;
        std::thread::sleep(half);
        let middle = point(libc::CLOCK_MONOTONIC_RAW)?;
        std::thread::sleep(half);
        let last = point(libc::CLOCK_MONOTONIC_RAW)?;
        let (early, late) = (rate(first, middle)?, rate(middle, last)?);
        match agree(early, late) {
            Ok(()) => {
                let whole = rate(first, last)?;
                let origin = point(libc::CLOCK_REALTIME)?;
                return Ok(Measured {
                    ticks_per_second: whole.ticks_per_second.round() as u64,
                    error_ppm: whole.error_ppm,
                    origin_ticks: origin.ticks,
                    origin_realtime_ns: origin.kernel_ns,
                });
            }
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => {}
        }
    }
}

/// The halves' rates must lie within the sum of their bounds.
fn agree(early: Rate, late: Rate) -> Result<(), ClockError> {
    let apart = (early.ticks_per_second - late.ticks_per_second).abs();
    let apart_ppm = apart / early.ticks_per_second * 1e6;
    // One ppm more: the kernel's raw clock advances by whole ns and by a rounded factor.
    let allowed_ppm = early.error_ppm + late.error_ppm + 1.0;
    if apart_ppm <= allowed_ppm {
        return Ok(());
    }
    Err(ClockError::Unstable {
        first: early.ticks_per_second as u64,
        second: late.ticks_per_second as u64,
        allowed_ppm,
    })
}

fn rate(from: Point, to: Point) -> Result<Rate, ClockError> {
    let went_back = ClockError::WentBack { from: from.ticks, to: to.ticks };
    let ticks = match to.ticks.checked_sub(from.ticks) {
        None | Some(0) => return Err(went_back),
        Some(ticks) => ticks as f64,
    };
    // The points are at least 5 ms apart; a kernel clock that stood still would be a broken one.
    let ns = to.kernel_ns.saturating_sub(from.kernel_ns).max(1) as f64;
    // Two whole ns: each kernel reading is cut to one.
    let error_ticks = (from.error_ticks + to.error_ticks) as f64 + 2.0 * ticks / ns;
    Ok(Rate { ticks_per_second: ticks / ns * 1e9, error_ppm: error_ticks / ticks * 1e6 })
}

/// The tightest of [`BRACKETS`] brackets.
fn point(clock: libc::clockid_t) -> Result<Point, ClockError> {
    let mut best: Option<Point> = None;
    for _ in 0..BRACKETS {
        let before = ticks_ordered();
        let kernel_ns = kernel_ns(clock)?;
        let after = ticks_ordered();
        let Some(width) = after.checked_sub(before) else {
            return Err(ClockError::WentBack { from: before, to: after });
        };
        let error_ticks = width.div_ceil(2);
        if best.is_none_or(|best| error_ticks < best.error_ticks) {
            best = Some(Point { ticks: before + width / 2, kernel_ns, error_ticks });
        }
    }
    Ok(best.unwrap_or(Point { ticks: ticks(), kernel_ns: 0, error_ticks: u64::MAX / 4 }))
}

fn kernel_ns(clock: libc::clockid_t) -> Result<u64, ClockError> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live, writable timespec for the whole call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut now) };
    if result != 0 {
        return Err(ClockError::NoKernelClock(std::io::Error::last_os_error()));
    }
    Ok((now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64))
}

fn refuse_variant_tsc() -> Result<(), ClockError> {
    let flags = text::cpu_flags();
    let kernel_says =
        ["constant_tsc", "nonstop_tsc"].iter().all(|wanted| flags.iter().any(|f| f == wanted));
    if !cpuid_says_invariant() && !kernel_says {
        return Err(ClockError::NotInvariant {
            what: "CPUID 0x80000007 EDX bit 8 is 0, and /proc/cpuinfo does not list constant_tsc \
                   and nonstop_tsc"
                .into(),
            cure: "on a virtual machine expose the flag (QEMU: -cpu host,migratable=no,+invtsc; \
                   libvirt: <feature policy='require' name='invtsc'/>), else use a processor made \
                   after 2008",
        });
    }
    let source = text::read_trimmed(CLOCK_SOURCE).unwrap_or_default();
    if FALLBACK_SOURCES.contains(&source.as_str()) {
        return Err(ClockError::KernelDistrusts {
            source,
            cure: "see `dmesg | grep -i tsc` for its reason; if the kernel was only told so, boot \
                   without clocksource= and notsc",
        });
    }
    Ok(())
}

/// "Invariant TSC" of the Intel SDM, volume 3, 19.17.1, and of AMD's APM, volume 3, E.4.7.
fn cpuid_says_invariant() -> bool {
    const LEAF: u32 = 0x8000_0007;
    text::cpuid(0x8000_0000).eax >= LEAF && text::cpuid(LEAF).edx & (1 << 8) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ticks: u64, kernel_ns: u64) -> Point {
        Point { ticks, kernel_ns, error_ticks: 50 }
    }

    #[test]
    fn the_bound_is_the_brackets_over_the_distance() {
        let rate = rate(at(1_000, 0), at(2_600_001_000, 1_000_000_000)).unwrap();
        assert!((rate.ticks_per_second - 2.6e9).abs() < 1.0);
        // 100 ticks of brackets and 2 ns (5.2 ticks) of 2.6e9.
        assert!((rate.error_ppm - 105.2 / 2600.0).abs() < 1e-6, "{}", rate.error_ppm);
    }

    #[test]
    fn a_counter_that_went_back_or_stood_still_is_refused() {
        for to in [999, 1_000] {
            let error = rate(at(1_000, 0), at(to, 1_000_000)).unwrap_err();
            assert!(matches!(error, ClockError::WentBack { from: 1_000, .. }), "{error}");
        }
    }

    #[test]
    fn a_rate_that_changes_between_the_halves_is_refused() {
        let (start, middle) = (at(0, 0), at(130_000_000, 50_000_000));
        let steady = rate(middle, at(260_000_000, 100_000_000)).unwrap();
        let slower = rate(middle, at(259_000_000, 100_000_000)).unwrap();
        let early = rate(start, middle).unwrap();
        agree(early, steady).unwrap();
        let error = agree(early, slower).unwrap_err();
        assert!(matches!(error, ClockError::Unstable { first: 2_600_000_000, .. }), "{error}");
    }
}
