//! The counting allocator sees what it should and nothing else.

use std::hint::black_box;
use tickspin_testkit::alloc::{CountingAllocator, arm, disarm, so_far};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn planted_allocations_are_counted_by_kind() {
    arm();
    let mut planted = black_box(Vec::<u64>::with_capacity(4));
    assert_eq!(so_far().allocations, 1);
    planted.reserve_exact(64);
    drop(black_box(planted));
    let counts = disarm();
    assert_eq!((counts.allocations, counts.reallocations, counts.deallocations), (1, 1, 1));
    assert_eq!(counts.bytes, 32 + 512);
}

#[test]
fn plain_arithmetic_allocates_nothing() {
    arm();
    let sum: u64 = (0..black_box(1_000)).sum();
    let counts = disarm();
    assert!(black_box(sum) > 0 && counts.is_zero(), "{counts:?}");
}

#[test]
fn other_threads_and_unmarked_times_do_not_count() {
    arm();
    disarm();
    drop(black_box(Box::new(7)));
    assert!(so_far().is_zero());
    let (started, start) = std::sync::mpsc::sync_channel::<()>(0);
    let other = std::thread::spawn(move || {
        start.recv().unwrap();
        (0..100).for_each(|n| drop(black_box(Box::new(n))));
    });
    started.send(()).unwrap();
    arm();
    while !other.is_finished() {
        std::hint::spin_loop();
    }
    assert!(disarm().is_zero());
    other.join().unwrap();
}
