//! One core: push and pop, ns for each message, the best of several rounds.
//!
//! What it measures: the instructions of publish and poll with every line in the first-level cache,
//! and the same through a ring that does not fit into it. What a regression means: something was
//! added to the hot path (a call, a check, a second line); see `tests/codegen.rs`. What it does not
//! measure: the transfer between two cores, which is `tickspin bench handoff`.
//!
//! `cargo bench -p tickspin-ring`

use std::{hint::black_box, time::Instant};

use tickspin_ring::{
    Consumer, PeerPosition, PeerRing, Polled, PositionSegment, Producer, RingSegment, RingSpec,
    counters::CounterSegment,
    region::{ClockWords, Policy, random_epoch},
    tally::TallySegment,
};

const ROUNDS: usize = 9;

fn ends(slots: u32) -> (Producer, Consumer) {
    let spec = RingSpec {
        label: "bench",
        slots,
        policy: Policy::Wait,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    };
    let ring = RingSegment::create(&spec).expect("a ring");
    let position = PositionSegment::create("bench", random_epoch()).expect("a position");
    let received = ring.share().to_received().expect("a descriptor");
    let peer_ring = PeerRing::attach(received).expect("our own ring");
    let received = position.share().to_received().expect("a descriptor");
    let peer_position = PeerPosition::attach(received).expect("our own position");
    (Producer::new(ring, peer_position), Consumer::new(peer_ring, position, 64))
}

/// The best of [`ROUNDS`] rounds of `count` calls, ns for each.
fn best_ns(count: u64, mut call: impl FnMut(u64)) -> f64 {
    let round = |call: &mut dyn FnMut(u64)| {
        let start = Instant::now();
        for i in 0..count {
            call(i);
        }
        start.elapsed().as_nanos() as f64 / count as f64
    };
    (0..ROUNDS).map(|_| round(&mut call)).fold(f64::INFINITY, f64::min)
}

/// Reads all seven words, keeps one.
fn read(consumer: &mut Consumer) {
    if let Polled::Slot(view) = consumer.poll() {
        black_box((0..7).fold(view.seq(), |sum, i| sum ^ view.word(i)));
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_test = std::env::args().any(|arg| arg == "--test");
    let count = if is_test { 10_000 } else { 4_000_000 };
    let payload = [7; 7];
    for slots in [256, 65_536] {
        let (mut producer, mut consumer) = ends(slots);
        let one = best_ns(count, |_| {
            black_box(producer.try_publish(black_box(&payload)));
            read(&mut consumer);
        });
        println!("{slots:6} slots  publish + poll          {one:6.2} ns");
        let turned = best_ns(count / 64, |_| {
            for _ in 0..64 {
                producer.try_publish(black_box(&payload));
            }
            for _ in 0..64 {
                read(&mut consumer);
            }
        });
        println!("{slots:6} slots  64 publishes, 64 polls  {:6.2} ns", turned / 64.0);
        let batched = best_ns(count / 64, |_| {
            if let Some(mut batch) = producer.reserve(64) {
                for n in 0..batch.len() {
                    batch.write(n, black_box(&payload));
                }
                batch.commit();
            }
            for _ in 0..64 {
                read(&mut consumer);
            }
        });
        println!("{slots:6} slots  a batch of 64, 64 polls {:6.2} ns", batched / 64.0);
        let empty = best_ns(count, |_| read(&mut consumer));
        println!("{slots:6} slots  empty poll              {empty:6.2} ns");
    }
    let tallies = TallySegment::create("bench", &["one"]).expect("tallies");
    let mut tally = tallies.writer().expect("the first writer");
    let record = best_ns(count, |i| tally.record(0, black_box(80 + i % 64)));
    println!("tally record                          {record:6.2} ns");
    let mut counters = CounterSegment::create("bench", &["one"]).expect("counters").writer();
    let add = best_ns(count, |_| counters.add(0, black_box(1)));
    println!("counter add                           {add:6.2} ns");
}
