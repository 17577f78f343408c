//! Tallies convert exactly: the same buckets, counts and quantiles as `hdrhistogram`.

#![cfg(not(tickspin_loom))]

use hdrhistogram::Histogram;
use proptest::prelude::*;
use tickspin_ring::tally::{
    Snapshot, TALLY_CELLS, TALLY_MAX, TallyReader, TallySegment, cell_of, lowest_of,
};

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TALLY_MAX, 3).unwrap()
}

/// Powers of two and their neighbours, the ends of every doubling's cells, and a walk over all
/// magnitudes.
fn interesting() -> Vec<u64> {
    let mut values = vec![0, TALLY_MAX - 1, TALLY_MAX];
    for bit in 0..36 {
        let power = 1_u64 << bit;
        let step = (power >> 10).max(1);
        for value in [power - 1, power, power + 1, power + step - 1, power + step] {
            values.push(value.min(TALLY_MAX));
        }
    }
    let mut walk = 1_u64;
    while walk <= TALLY_MAX {
        values.push(walk);
        walk += walk / 37 + 1;
    }
    values
}

fn record_both(values: &[u64]) -> (Snapshot, Histogram<u64>) {
    let segment = TallySegment::create("test", &["only"]).unwrap();
    let mut writer = segment.writer().unwrap();
    let mut twin = histogram();
    for &value in values {
        writer.record(0, value);
        twin.record(value).unwrap();
    }
    let mut snapshot = Snapshot::default();
    segment.reader().snapshot(0, &mut snapshot);
    (snapshot, twin)
}

fn assert_same(snapshot: &Snapshot, twin: &Histogram<u64>) {
    let theirs: Vec<(u64, u64)> = twin
        .iter_recorded()
        .map(|it| (twin.lowest_equivalent(it.value_iterated_to()), it.count_at_value()))
        .collect();
    let ours: Vec<(u64, u64)> = snapshot.values().collect();
    assert_eq!(ours, theirs);
    assert_eq!(snapshot.count(), twin.len());
    // Recording the lowest value of each cell, as often as it was counted, gives the histogram.
    let mut converted = histogram();
    for (value, count) in snapshot.values() {
        converted.record_n(value, count).unwrap();
    }
    assert_eq!(&converted, twin);
    for quantile in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
        assert_eq!(converted.value_at_quantile(quantile), twin.value_at_quantile(quantile));
    }
}

#[test]
fn every_cell_is_a_bucket_of_the_histogram() {
    let twin = histogram();
    assert_eq!(twin.distinct_values(), TALLY_CELLS);
    for cell in 0..TALLY_CELLS {
        let lowest = lowest_of(cell);
        assert_eq!(cell_of(lowest), cell);
        assert_eq!(twin.lowest_equivalent(lowest), lowest);
        let next = twin.next_non_equivalent(lowest);
        assert_eq!(cell_of(next - 1), cell);
        assert_eq!(cell_of(next), cell + 1);
    }
}

#[test]
fn interesting_values_convert_exactly() {
    let (snapshot, twin) = record_both(&interesting());
    assert_same(&snapshot, &twin);
    assert_eq!((snapshot.overflow, snapshot.negative), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_values_convert_exactly(
        raw in prop::collection::vec((any::<u64>(), 28_u32..64), 1..300),
    ) {
        // All magnitudes alike, not only the largest.
        let values: Vec<u64> = raw.iter().map(|&(bits, shift)| bits >> shift).collect();
        let (snapshot, twin) = record_both(&values);
        assert_same(&snapshot, &twin);
    }
}

#[test]
fn what_does_not_fit_is_counted_apart() {
    let segment = TallySegment::create("test", &["a", "b"]).unwrap();
    let mut writer = segment.writer().unwrap();
    for value in [TALLY_MAX + 1, 1 << 40, u64::MAX] {
        writer.record(1, value);
    }
    writer.record_negative(1);
    writer.record(1, 5);
    let mut snapshot = Snapshot::default();
    segment.reader().snapshot(1, &mut snapshot);
    assert_eq!((snapshot.count(), snapshot.overflow, snapshot.negative), (1, 3, 1));
    // The neighbour saw nothing of it, and a tally that does not exist is empty.
    for index in [0, 2, usize::MAX / 2] {
        segment.reader().snapshot(index, &mut snapshot);
        assert_eq!((snapshot.count(), snapshot.overflow, snapshot.negative), (0, 0, 0));
    }
}

#[test]
fn there_is_one_writer_and_readers_elsewhere_see_what_it_counts() {
    let segment = TallySegment::create("engine", &["ring_wait", "book"]).unwrap();
    let mut writer = segment.writer().unwrap();
    assert!(segment.writer().is_none());
    let reader = TallyReader::attach(segment.share().to_received().unwrap()).unwrap();
    assert_eq!(reader.label(), "engine");
    assert_eq!(reader.labels(), ["ring_wait", "book"]);

    let mut before = Snapshot::default();
    writer.record(1, 100);
    reader.snapshot(1, &mut before);
    writer.record(1, 100);
    writer.record(1, 7_000);
    let mut after = Snapshot::default();
    reader.snapshot(1, &mut after);
    let interval: Vec<_> = after.minus(&before).values().collect();
    assert_eq!(interval, [(100, 1), (7_000 / 4 * 4, 1)]);
    // From the very beginning; and one that went back (foreign memory) does not wrap.
    assert_eq!(after.minus(&Snapshot::default()), after);
    assert_eq!(before.minus(&after).count(), 0);
}
