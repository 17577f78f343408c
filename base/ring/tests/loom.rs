//! All interleavings of publish and poll on a tiny ring: two slots of two words.
//!
//! `RUSTFLAGS="--cfg tickspin_loom" cargo test -p tickspin-ring --release --test loom`, in a target
//! directory of its own.
//!
//! What runs is [`tickspin_ring::protocol`] itself, the code of the real ring, over cells that loom
//! watches: two accesses to a payload word that are not ordered by a release and its acquire fail
//! the model, whatever values they happen to see. That is stronger than comparing values, and it is
//! the only way to see a missing release of the position: loom does not let a load see a store of
//! its own future.
//!
//! No preemption bound: every model is explored exhaustively. Nothing spins; each side makes a
//! bounded number of attempts, and what is left is drained after both have finished.
//!
//! Then the same models run with one thing broken, once for each of the eight ways of
//! [`Discipline`], and each of them must fail: a suite that finds no planted bug proves nothing.

#![cfg(tickspin_loom)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use loom::{cell::UnsafeCell, sync::atomic::AtomicU64, thread};
use tickspin_ring::{
    protocol::{
        Discipline, Honest, Look, ReadSlots, ReadWord, Reader, WriteSlots, WriteWord, Writer,
    },
    sync::Ordering,
};

const SLOTS: usize = 2;
const WORDS: usize = 2;

/// The memory of the ring and of the position, as two processes share it.
struct Shared {
    stamps: [AtomicU64; SLOTS],
    words: [[UnsafeCell<u64>; WORDS]; SLOTS],
    position: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            stamps: std::array::from_fn(|_| AtomicU64::new(0)),
            words: std::array::from_fn(|_| std::array::from_fn(|_| UnsafeCell::new(0))),
            position: AtomicU64::new(0),
        })
    }
}

struct Ends(Arc<Shared>);

// SAFETY: the cells are loom's, which fails the model when two threads reach one unordered.
unsafe impl Send for Ends {}

fn index(seq: u64) -> usize {
    (seq as usize) & (SLOTS - 1)
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
        // SAFETY: loom checks that no write is concurrent; the pointer is the cell's.
        shared.words[slot][word].with(|at| unsafe { *at })
    }
}

impl WriteSlots for Ends {
    type Payload = [u64; WORDS];

    fn capacity(&self) -> u64 {
        SLOTS as u64
    }

    fn store_payload(&self, seq: u64, payload: &Self::Payload) {
        for (cell, &value) in self.0.words[index(seq)].iter().zip(payload) {
            // SAFETY: loom checks that no other access is concurrent; the pointer is the cell's.
            cell.with_mut(|at| unsafe { *at = value });
        }
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
    [seq * 10, seq * 10 + 1]
}

fn writer<D: Discipline>(shared: &Arc<Shared>) -> Writer<Ends, Ends, D> {
    Writer::new(Ends(Arc::clone(shared)), Ends(Arc::clone(shared)))
}

fn reader<D: Discipline>(shared: &Arc<Shared>) -> Reader<Ends, Ends, D> {
    Reader::new(Ends(Arc::clone(shared)), Ends(Arc::clone(shared)), 1)
}

/// One poll: checks and releases what it finds.
fn poll<D: Discipline>(reader: &mut Reader<Ends, Ends, D>) -> bool {
    match reader.look() {
        Look::Empty => false,
        Look::Foreign(stamp) => panic!("foreign stamp {stamp}"),
        Look::Ready(ready) => {
            let found: [u64; WORDS] = std::array::from_fn(|word| ready.word(word));
            assert_eq!(found, payload(ready.seq()), "torn");
            true
        }
    }
}

/// After both ends have finished: all that was published is there, and nothing else.
fn settle<D: Discipline>(mut reader: Reader<Ends, Ends, D>, writer: Writer<Ends, Ends, D>) {
    while poll(&mut reader) {}
    assert_eq!(reader.next_seq(), writer.next_seq(), "published = delivered");
    assert_eq!(writer.foreign(), 0, "an honest position");
}

/// Single publishes: up to six messages through two slots, so that most need a released slot.
fn singles<D: Discipline + 'static>() {
    explore(|| {
        let shared = Shared::new();
        let mut writer = writer::<D>(&shared);
        let mut reader = reader::<D>(&shared);
        let publishing = thread::spawn(move || {
            for _ in 0..6 {
                let seq = writer.next_seq();
                writer.try_publish(&payload(seq));
            }
            writer
        });
        for _ in 0..5 {
            poll(&mut reader);
        }
        settle(reader, publishing.join().unwrap());
    });
}

/// Batches: two slots at once, then again as many as there is room for.
fn batches<D: Discipline + 'static>() {
    explore(|| {
        let shared = Shared::new();
        let mut writer = writer::<D>(&shared);
        let mut reader = reader::<D>(&shared);
        let publishing = thread::spawn(move || {
            for _ in 0..4 {
                let (room, first) = (writer.room(), writer.next_seq());
                for seq in first..first + room {
                    writer.fill(seq, &payload(seq));
                }
                if room > 0 {
                    assert_eq!(writer.commit(room), first + room - 1);
                }
            }
            writer
        });
        for _ in 0..5 {
            poll(&mut reader);
        }
        settle(reader, publishing.join().unwrap());
    });
}

/// Flow control alone: a writer that never stops offering cannot get ahead of the reader by more
/// than the slots, and a position that lags is never taken for room.
fn flow_control<D: Discipline + 'static>() {
    explore(|| {
        let shared = Shared::new();
        let mut writer = writer::<D>(&shared);
        let mut reader = reader::<D>(&shared);
        let publishing = thread::spawn(move || {
            let mut published = 0;
            for _ in 0..5 {
                let seq = writer.next_seq();
                published += u64::from(writer.try_publish(&payload(seq)).is_some());
            }
            (writer, published)
        });
        let mut delivered = 0;
        for _ in 0..2 {
            delivered += u64::from(poll(&mut reader));
        }
        let (writer, published) = publishing.join().unwrap();
        let bounds = 2..=2 + delivered;
        assert!(bounds.contains(&published), "{published} published, {delivered} delivered");
        settle(reader, writer);
    });
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.max_branches = 10_000;
    builder.check(model);
}

#[test]
fn single_publishes_arrive_whole_and_in_order() {
    singles::<Honest>();
}

#[test]
fn batches_arrive_whole_and_in_order() {
    batches::<Honest>();
}

#[test]
fn the_position_is_the_only_thing_that_frees_a_slot() {
    flow_control::<Honest>();
}

/// A discipline with one thing broken.
macro_rules! broken {
    ($($name:ident { $($constant:ident: $kind:ty = $value:expr),+ })+) => {
        $(
            struct $name;
            impl Discipline for $name {
                $(const $constant: $kind = $value;)+
            }
        )+
    };
}

broken! {
    NoWriterRelease { PUBLISH: Ordering = Ordering::Relaxed }
    NoReaderFence { READER_FENCE: bool = false }
    RelaxedCommit { COMMIT: Ordering = Ordering::Relaxed }
    StampFirst { STAMP_FIRST: bool = true }
    PositionBeforeCopy { POSITION_FIRST: bool = true }
    PositionRelaxed { POSITION: Ordering = Ordering::Relaxed }
    NoWriterFence { WRITER_FENCE: bool = false }
    PositionIgnored { IGNORE_POSITION: bool = true }
}

/// Loom must find a fault, and it must be one of ours, not a limit of the exploration.
fn must_fail(name: &str, model: fn()) {
    let outcome = catch_unwind(AssertUnwindSafe(model));
    let Err(why) = outcome else { panic!("{name} was not caught") };
    let why = why
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| why.downcast_ref::<&str>().copied())
        .unwrap_or("");
    let expected = ["Causality violation", "torn", "foreign stamp", "published", "honest position"];
    assert!(
        expected.iter().any(|part| why.contains(part)),
        "{name} failed for another reason: {why}"
    );
    println!("{name}: caught: {}", why.lines().next().unwrap_or(""));
}

#[test]
fn a_publish_without_release_is_caught() {
    must_fail("no writer release", singles::<NoWriterRelease>);
}

#[test]
fn a_poll_without_fence_is_caught() {
    must_fail("no reader fence, singles", singles::<NoReaderFence>);
    must_fail("no reader fence, batches", batches::<NoReaderFence>);
}

#[test]
fn a_relaxed_commit_is_caught() {
    must_fail("relaxed commit", batches::<RelaxedCommit>);
}

#[test]
fn a_stamp_before_its_payload_is_caught() {
    must_fail("stamp first", singles::<StampFirst>);
}

#[test]
fn a_position_before_the_copy_is_caught() {
    must_fail("position before the copy, singles", singles::<PositionBeforeCopy>);
    must_fail("position before the copy, batches", batches::<PositionBeforeCopy>);
}

#[test]
fn a_relaxed_position_is_caught() {
    must_fail("position relaxed, singles", singles::<PositionRelaxed>);
    must_fail("position relaxed, batches", batches::<PositionRelaxed>);
}

#[test]
fn a_writer_without_fence_after_the_position_is_caught() {
    must_fail("no writer fence, singles", singles::<NoWriterFence>);
    must_fail("no writer fence, batches", batches::<NoWriterFence>);
}

#[test]
fn a_writer_that_ignores_the_position_is_caught() {
    must_fail("position ignored, singles", singles::<PositionIgnored>);
    must_fail("position ignored, batches", batches::<PositionIgnored>);
    must_fail("position ignored, flow control", flow_control::<PositionIgnored>);
}
