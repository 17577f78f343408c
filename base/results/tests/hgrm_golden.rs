//! Our `.hgrm` writer against files that HdrHistogram's Java library printed (2.1.11, Java 17):
//! `histogram.outputPercentileDistribution(stream, 5, scale)`, scale 1.0 for `_ns`, 1000.0 for
//! `_us`, of the series that the functions below record.

use hdrhistogram::Histogram;
use tickspin_results::hgrm;

const MAX: u64 = (1 << 36) - 1;

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX, 3).unwrap()
}

/// 100,000 values from the generator s ← s · 6364136223846793005 + 1442695040888963407 (mod 2⁶⁴),
/// s₀ = 42: 40 ns to 67 ms over all magnitudes, and ten values at the top of the range.
fn series() -> Histogram<u64> {
    let mut histogram = empty();
    let mut s = 42_u64;
    for i in 0..100_000 {
        s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shift = (s >> 59) % 27;
        let spread = (((s >> 20) & 0xFFF) << shift) >> 12;
        let value = if i % 10_000 == 0 { MAX - i } else { 40 + ((s >> 33) & 63) + spread };
        histogram.record(value).unwrap();
    }
    histogram
}

/// Counts that halve 40 times: every half distance down to 2⁻⁴⁰ has its ticks. (Towards 2⁻⁴⁸ the
/// Java library never ends: a tick is then too small to move its level.)
fn deep() -> Histogram<u64> {
    let mut histogram = empty();
    for k in 0..=40 {
        histogram.record_n(1_000 * (k + 1) * (k + 1), 1 << (40 - k)).unwrap();
    }
    histogram
}

/// 0, 1, 2 and 3: cells of width one, zero among them.
fn small() -> Histogram<u64> {
    let mut histogram = empty();
    (0..1_000).for_each(|i| histogram.record(i / 300).unwrap());
    histogram
}

/// Other bounds than ours: two digits, and a lowest value that is no power of two.
fn two_digits() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1_000, MAX, 2).unwrap();
    (1_000..50_000_000).step_by(7_919).for_each(|value| histogram.record(value).unwrap());
    histogram
}

fn same(golden: &str, histogram: &Histogram<u64>, scale: f64) {
    let ours = hgrm::to_string(histogram, scale);
    for (index, (ours, golden)) in ours.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, golden, "line {}", index + 1);
    }
    assert!(ours == golden, "{} bytes against {}", ours.len(), golden.len());
}

#[test]
fn a_series_over_all_magnitudes_prints_as_java_prints_it() {
    same(include_str!("golden/series_ns.hgrm"), &series(), 1.0);
    same(include_str!("golden/series_us.hgrm"), &series(), 1000.0);
}

#[test]
fn forty_halvings_print_as_java_prints_them() {
    same(include_str!("golden/deep_ns.hgrm"), &deep(), 1.0);
    same(include_str!("golden/deep_us.hgrm"), &deep(), 1000.0);
}

#[test]
fn zeros_and_cells_of_one_print_as_java_prints_them() {
    same(include_str!("golden/small_ns.hgrm"), &small(), 1.0);
}

#[test]
fn an_empty_histogram_prints_as_java_prints_it() {
    same(include_str!("golden/empty_ns.hgrm"), &empty(), 1.0);
}

#[test]
fn other_bounds_print_as_java_prints_them() {
    same(include_str!("golden/two_digits_us.hgrm"), &two_digits(), 1000.0);
}

/// Beyond what Java can print: the list ends all the same.
#[test]
fn counts_too_uneven_for_a_tick_end_the_list() {
    let mut histogram = empty();
    histogram.record_n(1, 1 << 60).unwrap();
    histogram.record(1_000).unwrap();
    let text = hgrm::to_string(&histogram, 1.0);
    assert!(text.lines().count() < 400 && text.contains(" 1.000000000000 "), "{text}");
}
