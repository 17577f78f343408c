//! Adding histograms: exact, and the same whatever the grouping and the order.
//!
//! Counts are added, no percentile is averaged. Where two histograms have other cells (other digits,
//! range or smallest value), the sum takes the finer and the wider of each, and a count of a coarse
//! cell goes to the fine one that holds the coarse one's lowest value. Cells of HDR histograms nest,
//! so that place does not depend on what else was added before: `(a + b) + c` and `a + (b + c)` are
//! the same bytes in a file. What a coarse histogram did not know, the sum does not know either.

use hdrhistogram::Histogram;

/// What decides where a histogram's cells lie.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cells {
    low: u64,
    high: u64,
    digits: u8,
}

impl Cells {
    fn of(values: &Histogram<u64>) -> Cells {
        // Foreign histograms may hold more than the range that they state.
        let high = values.high().max(values.max());
        Cells { low: values.low().max(1), high, digits: values.sigfig() }
    }

    fn join(self, other: Cells) -> Cells {
        Cells {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            digits: self.digits.max(other.digits),
        }
    }

    fn empty(self) -> Result<Histogram<u64>, String> {
        Histogram::new_with_bounds(self.low, self.high, self.digits)
            .map_err(|error| format!("no histogram of that range: {error}"))
    }
}

/// A sum of one.
///
/// # Errors
/// The range is none that the library accepts.
pub fn first(values: &Histogram<u64>) -> Result<Histogram<u64>, String> {
    let mut sum = Cells::of(values).empty()?;
    add(&mut sum, values)?;
    Ok(sum)
}

/// Adds `more` to `sum`, whose cells become finer or more where they must.
///
/// # Errors
/// More counts than 64 bits hold; then `sum` is as it was.
pub fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) -> Result<(), String> {
    if sum.len().checked_add(more.len()).is_none_or(|count| count == u64::MAX) {
        return Err("more counts than 64 bits hold".to_owned());
    }
    let cells = Cells::of(sum).join(Cells::of(more));
    if (cells.low, cells.high, cells.digits) != (sum.low(), sum.high(), sum.sigfig()) {
        let mut finer = cells.empty()?;
        finer.add(&*sum).map_err(|error| error.to_string())?;
        *sum = finer;
    }
    sum.add(more).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use proptest::prelude::*;

    fn bytes(values: &Histogram<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(values, &mut bytes).unwrap();
        bytes
    }

    fn sum<'a>(all: impl IntoIterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
        let mut all = all.into_iter();
        let mut sum = first(all.next().unwrap()).unwrap();
        all.for_each(|more| add(&mut sum, more).unwrap());
        sum
    }

    fn any_histogram() -> impl Strategy<Value = Histogram<u64>> {
        let values = proptest::collection::vec((0..1_u64 << 40, 1..1_000_u64), 0..40);
        (0..3_usize, 2_u64..1 << 40, 1..=4_u8, values).prop_map(|(low, high, digits, values)| {
            let low = [1, 10, 1_000][low];
            let mut histogram = Histogram::new_with_bounds(low, high.max(2 * low), digits).unwrap();
            histogram.auto(true);
            values.iter().for_each(|(value, count)| histogram.record_n(*value, *count).unwrap());
            histogram
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_grouping_and_order_gives_the_same_bytes(
            all in proptest::collection::vec(any_histogram(), 3..6),
            cut in 1..3_usize,
        ) {
            let at_once = sum(&all);
            let (left, right) = all.split_at(cut);
            let grouped = sum([&sum(left), &sum(right)]);
            prop_assert_eq!(bytes(&at_once), bytes(&grouped));
            prop_assert_eq!(bytes(&at_once), bytes(&sum(all.iter().rev())));
            prop_assert_eq!(at_once.len(), all.iter().map(Histogram::len).sum::<u64>());
        }

        #[test]
        fn equal_cells_add_cell_by_cell(
            left in proptest::collection::vec(0..1_u64 << 36, 1..200),
            right in proptest::collection::vec(0..1_u64 << 36, 1..200),
        ) {
            let of = |values: &[u64]| {
                let mut histogram = crate::Histogram::new();
                values.iter().for_each(|value| histogram.record(*value));
                histogram.values
            };
            let together = of(&[left.as_slice(), &right].concat());
            prop_assert_eq!(bytes(&sum([&of(&left), &of(&right)])), bytes(&together));
        }
    }

    #[test]
    fn too_many_counts_are_refused() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.record_n(1, u64::MAX / 2 + 1).unwrap();
        let more = histogram.clone();
        assert!(add(&mut histogram, &more).is_err());
        assert_eq!(histogram, more);
    }
}
