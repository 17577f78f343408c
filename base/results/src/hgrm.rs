//! Percentile text files (`.hgrm`), as HdrHistogram's Java library prints them.
//!
//! The crate has no writer for this format; the plotting tools of the field read it.
//! Columns: value, percentile, total count, 1/(1−percentile); five ticks per half distance.
//! The text is the Java library's byte for byte (`tests/hgrm_golden.rs`), which takes two things
//! that the crate does otherwise: levels are counted in percent, and digits are rounded half up.

use std::io::{self, Write};

/// Ticks per half distance to 100 %, the field's habit.
const TICKS: f64 = 5.0;

/// One printed step: everything up to `value` is `total` counts, which is at least `percent` of all.
struct Step {
    value: u64,
    percent: f64,
    total: u64,
}

/// Writes `values` divided by `scale` (1.0: as they are; 1000.0: ns as µs).
///
/// The format has no place for the unit: the file's name or the caller states it.
///
/// # Errors
/// What the writer gives.
pub fn write(
    out: &mut impl Write,
    values: &hdrhistogram::Histogram<u64>,
    scale: f64,
) -> io::Result<()> {
    let digits = usize::from(values.sigfig());
    let number = |value: f64| format!("{:>12}", fixed(value, digits));
    let scaled = |value: u64| number(value as f64 / scale);
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    for Step { value, percent, total } in steps(values) {
        let quantile = percent / 100.0;
        write!(out, "{} {} {total:>10}", scaled(value), fixed(quantile, 12))?;
        if percent < 100.0 {
            write!(out, " {:>14}", fixed(1.0 / (1.0 - quantile), 2))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (number(values.mean() / scale), number(values.stdev() / scale));
    let (max, total) = (scaled(values.max()), values.len());
    let (buckets, sub_buckets) = buckets(values);
    writeln!(out, "#[Mean    = {mean}, StdDeviation   = {deviation}]")?;
    writeln!(out, "#[Max     = {max}, Total count    = {total:>12}]")?;
    writeln!(out, "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]")
}

/// The same as text.
#[must_use]
pub fn to_string(values: &hdrhistogram::Histogram<u64>, scale: f64) -> String {
    let mut bytes = Vec::new();
    let _ = write(&mut bytes, values, scale);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Levels 0, 10, …, 50, 55, …, 75, 77.5, … percent: each half of the way that is left has the same
/// number of ticks. Where the last value is reached, one step to 100 % ends the list.
fn steps(values: &hdrhistogram::Histogram<u64>) -> Vec<Step> {
    let all = values.len();
    let (mut steps, mut value, mut total, mut level) = (Vec::new(), 0, 0, 0.0);
    for cell in values.iter_recorded() {
        total += cell.count_at_value();
        value = values.highest_equivalent(cell.value_iterated_to());
        let reached = 100.0 * total as f64 / all as f64;
        while reached >= level {
            steps.push(Step { value, percent: level, total });
            if total == all {
                break;
            }
            let halvings = ((100.0_f64 / (100.0 - level)).ln() / 2.0_f64.ln()) as i32;
            let next = level + 100.0 / (TICKS * 2.0_f64.powi(halvings + 1));
            // Beyond 2⁴⁶ counts a tick can be too small to move the level: then only the end is left.
            level = if next > level && next < 100.0 { next } else { f64::INFINITY };
        }
    }
    if total > 0 {
        steps.push(Step { value, percent: 100.0, total });
    }
    steps
}

/// How the Java library cuts the range: (doublings from the first bucket's top to beyond the
/// largest trackable value, cells of one bucket).
fn buckets(values: &hdrhistogram::Histogram<u64>) -> (u64, u64) {
    let sub_buckets = (2 * 10_u64.pow(u32::from(values.sigfig()))).next_power_of_two();
    let mut buckets = 1;
    let mut top = u128::from(sub_buckets) << values.low().max(1).ilog2();
    while top <= u128::from(values.high()) {
        top <<= 1;
        buckets += 1;
    }
    (buckets, sub_buckets)
}

/// `value` with `digits` decimal places, rounded half up on its shortest decimal form, as Java's
/// formatter rounds; `{:.3}` rounds the exact binary value, half to even. `value` is not negative.
fn fixed(value: f64, digits: usize) -> String {
    let shortest = value.to_string();
    let Some((_, fraction)) = shortest.split_once('.') else {
        return format!("{value:.digits$}");
    };
    if fraction.len() <= digits {
        return format!("{value:.digits$}");
    }
    let mut kept: Vec<u8> = shortest.as_bytes()[..shortest.len() - fraction.len() + digits].into();
    let mut carry = fraction.as_bytes()[digits] >= b'5';
    for digit in kept.iter_mut().rev().filter(|byte| byte.is_ascii_digit()) {
        if !carry {
            break;
        }
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { *digit + 1 };
    }
    if carry {
        kept.insert(0, b'1');
    }
    String::from_utf8_lossy(&kept).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn digits_are_rounded_half_up_on_the_shortest_form() {
        for (value, digits, text) in [
            (0.0, 3, "0.000"),
            (12.0, 3, "12.000"),
            (0.5, 3, "0.500"),
            (0.999_829_101_562_5, 12, "0.999829101563"),
            (1.005, 2, "1.01"),
            (9.9996, 3, "10.000"),
            (0.000_04, 3, "0.000"),
            (2.5, 0, "3"),
            (68_719_476.735, 3, "68719476.735"),
        ] {
            assert_eq!(fixed(value, digits), text, "{value}");
        }
    }
}
