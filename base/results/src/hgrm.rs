//! Percentile text files (`.hgrm`), as HdrHistogram's Java library prints them.
//!
//! The crate has no writer for this format; the plotting tools of the field read it.
//! Columns: value, percentile, total count, 1/(1−percentile); five ticks per half distance.

use std::io::{self, Write};

/// Ticks per half distance to 100 %, the field's habit.
const TICKS: u32 = 5;

/// Writes `values` divided by `scale` (1.0: as they are; 1000.0: ns as µs).
/// A first comment line that the plotting tools skip is not part of the format; the scale is stated
/// by the file's name or the caller.
///
/// # Errors
/// What the writer gives.
pub fn write(
    out: &mut impl Write,
    values: &hdrhistogram::Histogram<u64>,
    scale: f64,
) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let digits = values.sigfig() as usize;
    for step in values.iter_quantiles(TICKS) {
        let value = step.value_iterated_to() as f64 / scale;
        let quantile = step.quantile_iterated_to();
        let count = step.total_count_since_start(values);
        if quantile < 1.0 {
            let inverse = 1.0 / (1.0 - quantile);
            writeln!(out, "{value:12.digits$} {quantile:2.12} {count:10} {inverse:14.2}")?;
        } else {
            writeln!(out, "{value:12.digits$} {quantile:2.12} {count:10}")?;
        }
    }
    let mean = values.mean() / scale;
    let deviation = values.stdev() / scale;
    let max = values.max() as f64 / scale;
    let total = values.len();
    // Sub-buckets: the power of two that holds 2·10^digits; buckets: doublings from there to the top.
    let sub_buckets = (2 * 10_u64.pow(u32::from(values.sigfig()))).next_power_of_two();
    let mut buckets = 1;
    let mut top = sub_buckets * values.low().next_power_of_two();
    while top <= values.high() {
        if top > u64::MAX / 2 {
            buckets += 1;
            break;
        }
        top <<= 1;
        buckets += 1;
    }
    writeln!(out, "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]")?;
    writeln!(out, "#[Max     = {max:12.digits$}, Total count    = {total:12}]")?;
    writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]")
}

trait RunningTotal {
    fn total_count_since_start(&self, values: &hdrhistogram::Histogram<u64>) -> u64;
}

impl RunningTotal for hdrhistogram::iterators::IterationValue<u64> {
    /// The library offers the quantile of the value, whose product with the total is exact after
    /// rounding up to 2⁵³ counts.
    fn total_count_since_start(&self, values: &hdrhistogram::Histogram<u64>) -> u64 {
        (self.quantile() * values.len() as f64).round() as u64
    }
}

/// The same as text.
#[must_use]
pub fn to_string(values: &hdrhistogram::Histogram<u64>, scale: f64) -> String {
    let mut bytes = Vec::new();
    let _ = write(&mut bytes, values, scale);
    String::from_utf8_lossy(&bytes).into_owned()
}
