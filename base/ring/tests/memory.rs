//! Publish and poll over plain memory of this process: what Miri can run.
//!
//! The protocol is the ring's own; the storage is four slots whose payload words are *not* atomic,
//! so that Miri's race detector (and ThreadSanitizer's) sees any access that the protocol fails to
//! order. `cargo +nightly miri test -p tickspin-ring --test memory`; natively it is a stress test.

#![cfg(not(tickspin_loom))]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tickspin_ring::protocol::{
    Honest, Look, ReadSlots, ReadWord, Reader, WriteSlots, WriteWord, Writer,
};

const SLOTS: usize = 4;
const WORDS: usize = 3;
const MESSAGES: u64 = if cfg!(miri) { 60 } else { 200_000 };

struct Shared {
    stamps: [AtomicU64; SLOTS],
    words: [UnsafeCell<[u64; WORDS]>; SLOTS],
    position: AtomicU64,
}

// SAFETY: the cells are reached by one side at a time, which is what the test is about.
unsafe impl Sync for Shared {}

struct Ends(Arc<Shared>);

fn index(seq: u64) -> usize {
    seq as usize % SLOTS
}

impl ReadSlots for Ends {
    type Slot<'a> = (&'a Shared, usize);

    fn capacity(&self) -> u64 {
        SLOTS as u64
    }

    fn slot(&self, seq: u64) -> (&Shared, usize) {
        (&self.0, index(seq))
    }

    fn stamp((shared, slot): (&Shared, usize)) -> u64 {
        shared.stamps[slot].load(Ordering::Relaxed)
    }

    fn word((shared, slot): (&Shared, usize), word: usize) -> u64 {
        let at = shared.words[slot].get();
        // SAFETY: the slot was found published and is not released yet: nobody writes it.
        let words = unsafe { *at };
        words[word.min(WORDS - 1)]
    }
}

impl WriteSlots for Ends {
    type Payload = [u64; WORDS];

    fn capacity(&self) -> u64 {
        SLOTS as u64
    }

    fn store_payload(&self, seq: u64, payload: &Self::Payload) {
        let at = self.0.words[index(seq)].get();
        // SAFETY: the slot was released, or never published: nobody reads it.
        unsafe { *at = *payload };
    }

    fn store_stamp(&self, seq: u64, order: Ordering) {
        self.0.stamps[index(seq)].store(seq, order);
    }
}

impl ReadWord for Ends {
    fn load(&self) -> u64 {
        self.0.position.load(Ordering::Relaxed)
    }
}

impl WriteWord for Ends {
    fn store(&self, value: u64, order: Ordering) {
        self.0.position.store(value, order);
    }
}

fn payload(seq: u64) -> [u64; WORDS] {
    [seq, seq.wrapping_mul(3), !seq]
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        stamps: Default::default(),
        words: Default::default(),
        position: AtomicU64::new(0),
    })
}

fn read_all(shared: Arc<Shared>, publish_every: u32) {
    let (slots, position) = (Ends(Arc::clone(&shared)), Ends(shared));
    let mut reader: Reader<_, _, Honest> = Reader::new(slots, position, publish_every);
    let mut due = 1;
    while due <= MESSAGES {
        match reader.look() {
            Look::Ready(slot) => {
                let words: [u64; WORDS] = std::array::from_fn(|word| slot.word(word));
                assert_eq!(words, payload(due));
                due += 1;
            }
            Look::Empty => thread::yield_now(),
            Look::Foreign(stamp) => panic!("foreign stamp {stamp} where {due} was due"),
        }
    }
}

#[test]
fn single_messages_arrive_whole_and_in_order() {
    let memory = shared();
    let (slots, position) = (Ends(Arc::clone(&memory)), Ends(Arc::clone(&memory)));
    let mut writer: Writer<_, _, Honest> = Writer::new(slots, position);
    let reader = thread::spawn(move || read_all(memory, 1));
    while writer.next_seq() <= MESSAGES {
        if writer.try_publish(&payload(writer.next_seq())).is_none() {
            thread::yield_now();
        }
    }
    reader.join().unwrap();
}

#[test]
fn batches_arrive_whole_and_in_order() {
    let memory = shared();
    let (slots, position) = (Ends(Arc::clone(&memory)), Ends(Arc::clone(&memory)));
    let mut writer: Writer<_, _, Honest> = Writer::new(slots, position);
    let reader = thread::spawn(move || read_all(memory, 2));
    while writer.next_seq() <= MESSAGES {
        let len = writer.room().min(3).min(MESSAGES + 1 - writer.next_seq());
        (0..len).for_each(|i| writer.fill(writer.next_seq() + i, &payload(writer.next_seq() + i)));
        if len == 0 {
            thread::yield_now();
        } else {
            writer.commit(len);
        }
    }
    reader.join().unwrap();
}
