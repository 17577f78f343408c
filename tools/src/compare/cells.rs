//! Units as counts over the cells that any of them uses: pooling them is adding short columns.
//!
//! A thousand resamples of sixty histograms would add sixty thousand arrays of 50,000 cells; a stage
//! uses some hundreds of them.

use super::PERCENTILES;
use hdrhistogram::Histogram;

/// What is resampled as one: an interval, or a run. Only cells that hold something are kept, because
/// a long run has thousands of intervals, of 200 KB each as histograms.
#[derive(Clone, Debug, Default)]
pub struct Unit(Vec<(u64, u64)>);

impl Unit {
    /// Upper ends of cells, and their counts.
    #[must_use]
    pub fn of(values: &Histogram<u64>) -> Unit {
        let cells = values.iter_recorded();
        let of_cell = |at: u64| values.highest_equivalent(at);
        Unit(cells.map(|cell| (of_cell(cell.value_iterated_to()), cell.count_at_value())).collect())
    }

    /// Nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The units of one side.
pub(super) struct Cells {
    /// Upper ends of the cells, ascending.
    values: Vec<u64>,
    /// For each unit: (index of the cell, count).
    units: Vec<Vec<(usize, u64)>>,
    total: u64,
}

impl Cells {
    pub(super) fn of(units: &[Unit]) -> Cells {
        let cells = || units.iter().flat_map(|unit| &unit.0);
        let mut values: Vec<u64> = cells().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let total = cells().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let place = |value: &u64| values.binary_search(value).unwrap_or(0);
        let of_unit =
            |unit: &Unit| unit.0.iter().map(|(value, count)| (place(value), *count)).collect();
        let units = units.iter().map(of_unit).collect();
        Cells { values, units, total }
    }

    pub(super) fn units(&self) -> usize {
        self.units.len()
    }

    /// Values of all units.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The compared percentiles of the units, each as often as its weight says; 0 of none.
    pub(super) fn quantiles(&self, weights: &[u32]) -> [u64; PERCENTILES.len()] {
        let mut counts = vec![0_u64; self.values.len()];
        for (unit, weight) in self.units.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
            for (cell, count) in unit {
                counts[*cell] =
                    counts[*cell].saturating_add(count.saturating_mul((*weight).into()));
            }
        }
        let total = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let ranks =
            PERCENTILES.map(|(_, quantile)| ((quantile * total as f64).ceil() as u64).max(1));
        let mut quantiles = [0; PERCENTILES.len()];
        let (mut next, mut sum) = (0, 0_u64);
        for (value, count) in self.values.iter().zip(counts) {
            sum = sum.saturating_add(count);
            while next < ranks.len() && sum >= ranks[next] {
                quantiles[next] = *value;
                next += 1;
            }
        }
        quantiles
    }
}
