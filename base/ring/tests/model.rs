//! Property: the ring behaves as a bounded `VecDeque`, whatever is done to it in whatever order.

#![cfg(not(tickspin_loom))]

use std::collections::VecDeque;

use proptest::prelude::*;
use tickspin_ring::{
    Consumer, PeerPosition, PeerRing, Polled, PositionSegment, Producer, RingSegment, RingSpec,
    State,
    region::{ClockWords, Followed, Policy, random_epoch},
};

/// One step of either end.
#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// Reserve so many, write them all, commit.
    Batch(u32),
    /// Reserve so many, write some, drop.
    DroppedBatch(u32),
    Poll,
    PollCopy,
    /// Poll and forget the view: nothing is released.
    PollAndForget,
    PublishPosition,
    Beat,
    Ended,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Publish),
        3 => (0_u32..20).prop_map(Step::Batch),
        1 => (1_u32..20).prop_map(Step::DroppedBatch),
        6 => Just(Step::Poll),
        3 => Just(Step::PollCopy),
        1 => Just(Step::PollAndForget),
        2 => Just(Step::PublishPosition),
        1 => Just(Step::Beat),
        1 => Just(Step::Ended),
    ]
}

/// Both ends in this process, over real segments, attached as another process would.
fn ends(slots: u32, publish_every: u32) -> (Producer, Consumer) {
    let ring = RingSegment::create(&RingSpec {
        label: "events",
        slots,
        policy: Policy::Drop,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    })
    .unwrap();
    let position = PositionSegment::create("events", random_epoch()).unwrap();
    let peer_ring = PeerRing::attach(ring.share().to_received().unwrap()).unwrap();
    let peer_position = PeerPosition::attach(position.share().to_received().unwrap()).unwrap();
    (Producer::new(ring, peer_position), Consumer::new(peer_ring, position, publish_every))
}

/// Seven words that name their sequence and nothing else.
fn payload(seq: u64) -> [u64; 7] {
    core::array::from_fn(|i| seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32 * 9))
}

/// The naive twin: what was published and not yet read, and what the producer may know of the
/// reading.
struct Twin {
    capacity: u64,
    publish_every: u64,
    queue: VecDeque<u64>,
    next: u64,
    released: u64,
    /// What the shared position says.
    said: u64,
    /// What the producer last saw of it.
    seen: u64,
}

impl Twin {
    fn new(slots: u32, publish_every: u32) -> Self {
        Self {
            capacity: u64::from(slots),
            publish_every: u64::from(publish_every.clamp(1, slots / 2)),
            queue: VecDeque::new(),
            next: 1,
            released: 0,
            said: 0,
            seen: 0,
        }
    }

    fn room(&mut self) -> u64 {
        if self.next - 1 - self.seen == self.capacity {
            self.seen = self.said;
        }
        self.capacity - (self.next - 1 - self.seen)
    }

    fn publish(&mut self) -> u64 {
        self.queue.push_back(self.next);
        self.next += 1;
        self.next - 1
    }

    fn release(&mut self) {
        self.released = self.queue.pop_front().expect("something was there");
        if self.released - self.said >= self.publish_every {
            self.said = self.released;
        }
    }
}

fn take(
    step: &Step,
    producer: &mut Producer,
    consumer: &mut Consumer,
    twin: &mut Twin,
) -> Result<(), TestCaseError> {
    match *step {
        Step::Publish => {
            let seq = producer.try_publish(&payload(producer.next_seq()));
            let expected = (twin.room() > 0).then(|| twin.publish());
            prop_assert_eq!(seq, expected);
        }
        Step::Batch(n) => {
            let room = twin.room().min(u64::from(n)).min(twin.capacity / 2);
            match producer.reserve(n) {
                None => prop_assert_eq!(room, 0),
                Some(mut batch) => {
                    prop_assert_eq!(u64::from(batch.len()), room);
                    prop_assert_eq!(batch.first_seq(), twin.next);
                    for i in 0..batch.len() {
                        batch.write(i, &payload(batch.first_seq() + u64::from(i)));
                    }
                    let last = batch.commit();
                    for _ in 0..room {
                        twin.publish();
                    }
                    prop_assert_eq!(last, twin.next - 1);
                }
            }
        }
        Step::DroppedBatch(n) => {
            let room = twin.room().min(u64::from(n)).min(twin.capacity / 2);
            match producer.reserve(n) {
                None => prop_assert_eq!(room, 0),
                Some(mut batch) => {
                    for i in 0..batch.len().div_ceil(2) {
                        batch.write(i, &[u64::MAX; 7]);
                    }
                }
            }
        }
        Step::Poll => match consumer.poll() {
            Polled::Empty => prop_assert!(twin.queue.is_empty()),
            Polled::Foreign(stamp) => prop_assert!(false, "stamp {stamp}"),
            Polled::Slot(view) => {
                prop_assert_eq!(Some(view.seq()), twin.queue.front().copied());
                let words: [u64; 7] = core::array::from_fn(|i| view.word(i));
                prop_assert_eq!(words, payload(view.seq()));
                prop_assert_eq!(view.word(7), words[6]);
                prop_assert_eq!(view.word(usize::MAX), words[6]);
                drop(view);
                twin.release();
            }
        },
        Step::PollCopy => match consumer.poll_copy() {
            None => prop_assert!(twin.queue.is_empty()),
            Some((seq, words)) => {
                prop_assert_eq!(Some(seq), twin.queue.front().copied());
                prop_assert_eq!(words, payload(seq));
                twin.release();
            }
        },
        Step::PollAndForget => {
            if let Polled::Slot(view) = consumer.poll() {
                core::mem::forget(view);
            }
        }
        Step::PublishPosition => {
            consumer.publish_position();
            twin.said = twin.released;
        }
        Step::Beat => {
            producer.beat();
            consumer.beat();
            prop_assert_eq!(consumer.peer().live().cursor, twin.next - 1);
        }
        Step::Ended => prop_assert_eq!(consumer.ended(), None),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_behaves_as_a_bounded_queue(
        lg_slots in 1_u32..6,
        publish_every in 1_u32..40,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let slots = 1 << lg_slots;
        let (mut producer, mut consumer) = ends(slots, publish_every);
        let mut twin = Twin::new(slots, publish_every);
        producer.run();
        for step in steps {
            take(&step, &mut producer, &mut consumer, &mut twin)?;
            prop_assert_eq!(producer.next_seq(), twin.next);
            prop_assert_eq!(consumer.next_seq(), twin.released + 1);
            prop_assert_eq!(producer.peer().live().0, twin.said);
            prop_assert!(!producer.peer_is_foreign());
        }
        // Closing time: what was stamped is delivered, then the end is said.
        producer.halt();
        while let Some(seq) = twin.queue.pop_front() {
            prop_assert_eq!(consumer.ended(), None);
            prop_assert_eq!(consumer.poll_copy(), Some((seq, payload(seq))));
        }
        prop_assert_eq!(consumer.ended(), Some(State::Halt));
        prop_assert!(matches!(consumer.poll(), Polled::Empty));
    }
}

#[test]
fn a_panicking_producer_says_that_something_is_missing() {
    let (producer, mut consumer) = ends(4, 1);
    let thread = std::thread::spawn(move || {
        let mut producer = producer;
        producer.run();
        producer.try_publish(&payload(1));
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!(consumer.poll_copy(), Some((1, payload(1))));
    assert_eq!(consumer.ended(), Some(State::Fail));
}

#[test]
fn the_first_end_said_stays() {
    let (mut producer, mut consumer) = ends(4, 1);
    producer.halt();
    producer.fail();
    producer.run();
    assert_eq!(consumer.ended(), Some(State::Halt));
}

#[test]
fn nothing_is_lost_between_two_threads_with_batches_and_flow_control() {
    const COUNT: u64 = 200_000;
    let (mut producer, mut consumer) = ends(64, 16);
    let writer = std::thread::spawn(move || {
        let mut seq = 1;
        while seq <= COUNT {
            if seq % 3 == 0 {
                if let Some(mut batch) = producer.reserve(5) {
                    for i in 0..batch.len() {
                        batch.write(i, &payload(batch.first_seq() + u64::from(i)));
                    }
                    seq = batch.commit() + 1;
                }
            } else if producer.try_publish(&payload(seq)).is_some() {
                seq += 1;
            }
            if producer.room() == 0 {
                std::thread::yield_now();
            }
        }
    });
    let mut expected = 1;
    loop {
        if let Polled::Slot(view) = consumer.poll() {
            assert_eq!(view.seq(), expected);
            assert_eq!(view.copy(), payload(expected));
            expected += 1;
            continue;
        }
        consumer.publish_position();
        if consumer.ended().is_some() {
            break;
        }
        std::thread::yield_now();
    }
    assert!(expected > COUNT);
    writer.join().unwrap();
}

/// A follower of a ring whose producer is as fast as it can be, and whose consumer keeps up: what it
/// gets is whole, in order, and the rest it knows that it lost.
#[test]
fn a_follower_gets_whole_payloads_or_knows_that_it_lost() {
    const COUNT: u64 = 1_000_000;
    for slots in [2, 8, 1_024] {
        let ring = RingSegment::create(&RingSpec {
            label: "events",
            slots,
            policy: Policy::Wait,
            epoch: random_epoch(),
            clock: ClockWords::default(),
            huge_pages: false,
        })
        .unwrap();
        let position = PositionSegment::create("events", random_epoch()).unwrap();
        let attach = || PeerRing::attach(ring.share().to_received().unwrap()).unwrap();
        let (follower, peer) = (attach(), attach());
        let peer_position = PeerPosition::attach(position.share().to_received().unwrap()).unwrap();
        let mut consumer = Consumer::new(peer, position, 1);
        let mut producer = Producer::new(ring, peer_position);
        let both = std::thread::spawn(move || {
            // One thread for both ends: the producer laps the follower as fast as it can.
            let mut seq = 0;
            while seq < COUNT {
                let n = if seq % 64 < 40 { 1 } else { 3 };
                if let Some(mut batch) = producer.reserve(n) {
                    for i in 0..batch.len() {
                        batch.write(i, &payload(batch.first_seq() + u64::from(i)));
                    }
                    seq = batch.commit();
                }
                while let Polled::Slot(_) = consumer.poll() {}
            }
            seq
        });
        let (mut seq, mut here, mut lost) = (1, 0_u64, 0_u64);
        loop {
            match follower.follow(seq) {
                Followed::Here(words) => {
                    assert_eq!(words, payload(seq), "torn at {seq} of {slots} slots");
                    (seq, here) = (seq + 1, here + 1);
                }
                Followed::NotYet if both.is_finished() => break,
                Followed::NotYet => std::hint::spin_loop(),
                Followed::Gone => (seq, lost) = (seq + 1, lost + 1),
            }
        }
        let last = both.join().unwrap();
        // What came between the last look and the end is either there or gone.
        while let Followed::Here(_) | Followed::Gone = follower.follow(seq) {
            seq += 1;
        }
        assert_eq!(seq, last + 1);
        assert!(here > 0 || slots == 2, "{lost} of {last} lost with {slots} slots");
    }
}
