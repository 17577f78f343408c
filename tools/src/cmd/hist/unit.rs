//! Units of time: in which a rule is written, and in which a foreign log may have counted.
//!
//! An interval log does not name its unit. It shows each interval's maximum twice, though: in the
//! histogram, and as text, divided by what the tool thought of as "a million ns to the millisecond".
//! Where text and histogram differ by neither that, nor nothing, nor what the log says, nobody knows
//! what was counted: the log is refused until the reader says. A log in microseconds that was
//! divided by a million all the same cannot be found out.

use hdrhistogram::Histogram;
use tickspin_results::hlog::{Interval, MAX_DIVISOR};

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cmd) enum Unit {
    /// Nanoseconds
    Ns,
    /// Microseconds
    Us,
    /// Milliseconds
    Ms,
    /// Seconds
    S,
}

impl Unit {
    /// From its name.
    pub(super) fn named(name: &str) -> Option<Unit> {
        match name {
            "ns" => Some(Unit::Ns),
            "us" | "µs" | "μs" => Some(Unit::Us),
            "ms" => Some(Unit::Ms),
            "s" => Some(Unit::S),
            _ => None,
        }
    }

    /// One of it, in ns.
    pub(super) const fn ns(self) -> u64 {
        match self {
            Unit::Ns => 1,
            Unit::Us => 1_000,
            Unit::Ms => 1_000_000,
            Unit::S => 1_000_000_000,
        }
    }
}

/// The interval's values in ns: as they are, where nothing speaks against it.
pub(super) fn in_ns(
    interval: Interval,
    stated_divisor: Option<f64>,
    unit: Option<Unit>,
) -> Result<Interval, String> {
    match unit {
        None => {
            check(&interval, stated_divisor)?;
            Ok(interval)
        }
        Some(Unit::Ns) => Ok(interval),
        Some(unit) => Ok(Interval { values: scaled(&interval.values, unit)?, ..interval }),
    }
}

fn check(interval: &Interval, stated_divisor: Option<f64>) -> Result<(), String> {
    let (max, shown) = (interval.values.max() as f64, interval.max_shown);
    let agrees = |divisor: f64| {
        let expected = max / divisor;
        // Three decimals and a thousandth of a cell; the Python library cuts to whole numbers.
        let tolerance = 0.001 + expected * 0.01;
        (expected - shown).abs() <= tolerance || expected.floor() == shown
    };
    let known = [Some(MAX_DIVISOR), Some(1.0), stated_divisor];
    if known.into_iter().flatten().any(agrees) {
        return Ok(());
    }
    Err(format!(
        "the unit of its values is in doubt: its largest is {max}, shown as {shown}, and that is not \
         ns as ms; say what they are with --unit ns, us, ms or s"
    ))
}

/// The same counts at values in ns: each stays where its cell begins.
fn scaled(values: &Histogram<u64>, unit: Unit) -> Result<Histogram<u64>, String> {
    let too_large = || format!("its values are too large for ns if they are in {unit:?}");
    let factor = unit.ns();
    let high = values.high().max(values.max()).checked_mul(factor).ok_or_else(too_large)?;
    let mut scaled = Histogram::new_with_bounds(values.low().max(1), high, values.sigfig())
        .map_err(|error| error.to_string())?;
    for cell in values.iter_recorded() {
        let value_ns = values.lowest_equivalent(cell.value_iterated_to()).saturating_mul(factor);
        scaled.record_n(value_ns, cell.count_at_value()).map_err(|error| error.to_string())?;
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn interval(max: u64, max_shown: f64) -> Interval {
        let mut values = Histogram::new(3).unwrap();
        values.record(max).unwrap();
        let zero = Duration::ZERO;
        let tag = String::new();
        Interval { tag, start: zero, since_epoch: zero, length: zero, max_shown, values }
    }

    #[test]
    fn a_maximum_that_fits_no_divisor_is_in_doubt() {
        // ns shown as ms; the same cut to a whole number; as they are; as the log says.
        for (max, shown, stated) in [
            (12_345_678, 12.346, None),
            (12_345_678, 12.0, None),
            (345_678, 0.0, None),
            (12_345_678, 12_345_678.0, None),
            (12_345, 12.345, Some(1_000.0)),
        ] {
            assert!(check(&interval(max, shown), stated).is_ok(), "{max} as {shown}");
        }
        for (max, shown, stated) in [
            (12_345, 12.345, None),
            (500, 0.5, None),
            (12_345, 12.345, Some(1e9)),
            (5, f64::NAN, None),
        ] {
            assert!(check(&interval(max, shown), stated).is_err(), "{max} as {shown}");
        }
    }

    #[test]
    fn another_unit_keeps_counts_and_three_digits() {
        let us = in_ns(interval(12_345, 12.345), None, Some(Unit::Us)).unwrap().values;
        assert_eq!(us.len(), 1);
        assert!(us.max().abs_diff(12_345_000) <= 12_345, "{}", us.max());
        assert!(in_ns(interval(u64::MAX / 4, 1.0), None, Some(Unit::S)).is_err());
    }
}
