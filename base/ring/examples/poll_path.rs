//! The functions whose machine code `tests/codegen.rs` reads: one poll, one publish, one batch, one
//! count, each as a spinning loop would inline it, kept apart so that a disassembler finds them.
//!
//! Run, it shows that they do what their names say.

use tickspin_ring::{
    Consumer, PeerPosition, PeerRing, Polled, PositionSegment, Producer, RingSegment, RingSpec,
    counters::{CounterSegment, CounterWriter},
    region::{ClockWords, Policy, random_epoch},
    tally::{TallySegment, TallyWriter},
};

/// One look; when something is there, all seven words are read and the slot is released.
#[inline(never)]
pub fn path_poll(consumer: &mut Consumer) -> Option<u64> {
    match consumer.poll() {
        Polled::Slot(view) => Some(view.copy().iter().fold(view.seq(), |sum, word| sum ^ word)),
        Polled::Empty => None,
        Polled::Foreign(stamp) => Some(stamp),
    }
}

/// One publish, with the look at the consumer's position when the private copy says full.
#[inline(never)]
pub fn path_publish(producer: &mut Producer, payload: &[u64; 7]) -> bool {
    producer.try_publish(payload).is_some()
}

/// A batch of up to `payloads.len()`.
#[inline(never)]
pub fn path_batch(producer: &mut Producer, payloads: &[[u64; 7]]) -> u64 {
    let Some(mut batch) = producer.reserve(payloads.len() as u32) else { return 0 };
    for (i, payload) in (0..batch.len()).zip(payloads) {
        batch.write(i, payload);
    }
    batch.commit()
}

/// What a loop does on idle turns.
#[inline(never)]
pub fn path_idle(consumer: &mut Consumer, producer: &mut Producer) -> u64 {
    consumer.publish_position();
    consumer.beat();
    producer.beat();
    producer.consumer_position()
}

/// One value into a tally, one counter.
#[inline(never)]
pub fn path_count(tally: &mut TallyWriter, counters: &mut CounterWriter, value: u64) {
    tally.record(1, value);
    counters.add(1, value);
}

fn main() {
    let ring = RingSegment::create(&RingSpec {
        label: "events",
        slots: 8,
        policy: Policy::Drop,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    })
    .expect("a small ring");
    let position = PositionSegment::create("events", random_epoch()).expect("a small segment");
    let received = ring.share().to_received().expect("a descriptor");
    let peer_ring = PeerRing::attach(received).expect("our own ring");
    let received = position.share().to_received().expect("a descriptor");
    let peer_position = PeerPosition::attach(received).expect("our own segment");
    let mut producer = Producer::new(ring, peer_position);
    let mut consumer = Consumer::new(peer_ring, position, 1);
    let tallies = TallySegment::create("t", &["a", "b"]).expect("a small segment");
    let mut tally = tallies.writer().expect("the first writer");
    let mut counters = CounterSegment::create("c", &["a", "b"]).expect("a segment").writer();

    assert_eq!(path_poll(&mut consumer), None);
    assert!(path_publish(&mut producer, &[2; 7]));
    assert_eq!(path_poll(&mut consumer), Some(1 ^ 2));
    // Half a ring at most, then the room that is known of, then what a look at the position gives.
    assert_eq!(path_batch(&mut producer, &[[0; 7]; 16]), 5);
    assert_eq!(path_batch(&mut producer, &[[0; 7]; 16]), 8);
    assert_eq!(path_batch(&mut producer, &[[0; 7]; 16]), 9);
    assert!(!path_publish(&mut producer, &[0; 7]));
    assert_eq!(path_poll(&mut consumer), Some(2));
    assert_eq!(path_idle(&mut consumer, &mut producer), 2);
    path_count(&mut tally, &mut counters, 5);
    assert_eq!(counters.get(1), 5);
    println!("poll, publish, batch, idle and count did what they say");
}
