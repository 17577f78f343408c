//! One stage's values, and the percentiles we quote.
//!
//! Three significant digits, 1 ns to 68.7 s: the buckets of the tallies the pinned threads count
//! into, so a tally becomes a histogram without moving a single count.

use serde::{Deserialize, Serialize};

/// Largest value a histogram of ours holds, 2³⁶ − 1 ns.
pub const MAX_NS: u64 = (1 << 36) - 1;
/// Significant decimal digits: a value is known to one part in a thousand.
pub const DIGITS: u8 = 3;

/// An HDR histogram of nanoseconds, with what did not fit counted beside it.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Values in `0..=MAX_NS`.
    pub values: hdrhistogram::Histogram<u64>,
    /// Values above [`MAX_NS`], counted apart.
    pub overflow: u64,
    /// Differences that came out negative, counted apart, never wrapped.
    pub negative: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram with our bounds.
    ///
    /// # Panics
    /// Never: the bounds are constants that the library accepts (tested).
    #[must_use]
    pub fn new() -> Histogram {
        let values = hdrhistogram::Histogram::new_with_bounds(1, MAX_NS, DIGITS)
            .expect("constant bounds are valid");
        Histogram { values, overflow: 0, negative: 0 }
    }

    /// From the cells of a tally: (lowest value of the cell, count) pairs.
    #[must_use]
    pub fn from_counts(
        counts: impl Iterator<Item = (u64, u64)>,
        overflow: u64,
        negative: u64,
    ) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.overflow = overflow;
        histogram.negative = negative;
        for (value_ns, count) in counts {
            histogram.record_n(value_ns, count);
        }
        histogram
    }

    /// Counts `value_ns` `count` times; above the maximum it goes to `overflow`.
    pub fn record_n(&mut self, value_ns: u64, count: u64) {
        if self.values.record_n(value_ns, count).is_err() {
            self.overflow += count;
        }
    }

    /// Counts one value.
    pub fn record(&mut self, value_ns: u64) {
        self.record_n(value_ns, 1);
    }

    /// The percentiles we quote.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles::of(&self.values)
    }
}

/// `count,min,p50,p90,p99,p999,p9999,max` in ns. Empty: count 0 and the rest `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Population.
    pub count: u64,
    /// Smallest value, ns.
    pub min: Option<u64>,
    /// Median, ns.
    pub p50: Option<u64>,
    /// 90th percentile, ns.
    pub p90: Option<u64>,
    /// 99th percentile, ns.
    pub p99: Option<u64>,
    /// 99.9th percentile, ns.
    pub p999: Option<u64>,
    /// 99.99th percentile, ns.
    pub p9999: Option<u64>,
    /// Largest value, ns.
    pub max: Option<u64>,
}

impl Percentiles {
    /// Of any HDR histogram, ours or read from a file.
    #[must_use]
    pub fn of(values: &hdrhistogram::Histogram<u64>) -> Percentiles {
        if values.is_empty() {
            return Percentiles::default();
        }
        let at = |quantile: f64| Some(values.value_at_quantile(quantile));
        Percentiles {
            count: values.len(),
            min: Some(values.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: Some(values.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_has_count_zero_and_no_values() {
        let json = serde_json::to_value(Histogram::new().percentiles()).unwrap();
        assert_eq!(json["count"], 0);
        assert!(json["p50"].is_null() && json["max"].is_null());
    }

    #[test]
    fn what_does_not_fit_is_counted_apart() {
        let mut histogram = Histogram::new();
        histogram.record(MAX_NS);
        histogram.record(MAX_NS * 4);
        assert_eq!((histogram.values.len(), histogram.overflow), (1, 1));
    }

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut histogram = Histogram::new();
        (1..=100_000).for_each(|ns| histogram.record(ns));
        let p = histogram.percentiles();
        assert_eq!((p.count, p.min), (100_000, Some(1)));
        for (value, exact) in [(p.p50, 50_000), (p.p90, 90_000), (p.p99, 99_000), (p.max, 100_000)]
        {
            let value = value.unwrap();
            assert!(value >= exact && value - exact <= exact / 1000, "{value} against {exact}");
        }
    }
}
