//! A distribution as steps: what share of the values lies at or below what.

use super::load::Sum;
use crate::error::Failure;

/// Steps between two halvings of what is left to 1: the field's habit.
const PER_HALVING: u32 = 5;

/// One step.
pub(super) struct Step {
    /// 0..=1.
    pub(super) quantile: f64,
    /// The upper end of its cell.
    pub(super) value_ns: u64,
    /// How many values lie at or below.
    pub(super) count: u64,
}

/// From the smallest value to the largest, each half of what is left to 1 in five steps.
pub(super) fn of(values: &hdrhistogram::Histogram<u64>) -> Vec<Step> {
    let (mut count, mut at) = (0, 0);
    let mut steps = Vec::new();
    for step in values.iter_quantiles(PER_HALVING) {
        let value_ns = values.highest_equivalent(step.value_iterated_to());
        // Several steps may end in one cell: its counts are taken once.
        if value_ns > at || steps.is_empty() {
            let from = if steps.is_empty() { 0 } else { at + 1 };
            count += values.count_between(from, value_ns);
            at = value_ns;
        }
        steps.push(Step { quantile: step.quantile_iterated_to(), value_ns, count });
    }
    steps
}

/// An empty histogram has no percentile.
pub(super) fn there(sum: &Sum) -> Result<(), Failure> {
    if sum.values.is_empty() {
        return Err(Failure::failed(format_args!("{}: no values, so no percentiles", sum.name())));
    }
    Ok(())
}
