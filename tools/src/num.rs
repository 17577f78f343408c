//! Medians, and numbers rounded for a report.

/// The middle one, of two the mean; 0 of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Lowest and highest; zeros of none.
#[must_use]
pub fn span(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().reduce(f64::min).unwrap_or_default();
    (low, values.iter().copied().reduce(f64::max).unwrap_or_default())
}

/// One decimal place.
#[must_use]
pub fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Two decimal places.
#[must_use]
pub fn hundredth(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_even_and_odd_numbers() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn the_span_of_nothing_is_zero() {
        assert_eq!(span(&[3.0, -1.0, 2.0]), (-1.0, 3.0));
        assert_eq!(span(&[]), (0.0, 0.0));
    }
}
