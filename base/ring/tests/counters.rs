//! Counters: labelled, single-writer, readable elsewhere.

#![cfg(not(tickspin_loom))]

use tickspin_ring::counters::{CounterSegment, PeerCounters};

#[test]
fn a_peer_reads_what_two_writers_count() {
    let segment = CounterSegment::create("feed", &["sent", "dropped", "turns"]).unwrap();
    let peer = PeerCounters::attach(segment.share().to_received().unwrap()).unwrap();
    let (mut low, mut high) = segment.split(2);
    let other = std::thread::spawn(move || {
        for _ in 0..1_000 {
            high.add(2, 3);
        }
        high
    });
    for _ in 0..1_000 {
        low.add(0, 1);
    }
    low.set(1, u64::MAX);
    low.add(1, 2);
    let high = other.join().unwrap();
    assert_eq!((low.get(0), low.get(1), high.get(2)), (1_000, 1, 3_000));
    assert_eq!(peer.label(), "feed");
    assert_eq!(peer.labels(), ["sent", "dropped", "turns"]);
    assert_eq!(
        [0, 1, 2, 3, usize::MAX].map(|i| peer.get(i)),
        [Some(1_000), Some(1), Some(3_000), None, None]
    );
    assert_eq!((peer.by_label("turns"), peer.by_label("none")), (Some(3_000), None));
    // The segment lives as long as any end.
    drop((low, high));
    assert_eq!(peer.by_label("turns"), Some(3_000));
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "counter 1 is not in"))]
fn a_writer_cannot_reach_the_other_ones_counters() {
    let segment = CounterSegment::create("feed", &["mine", "theirs"]).unwrap();
    let (mut low, high) = segment.split(1);
    low.set(1, 7);
    assert_eq!(high.get(1), 0);
}
