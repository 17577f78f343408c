//! A counting allocator sees zero calls while the loop runs, and sees a planted one.

mod rig;

use rig::{Rig, new_order};
use tickspin_feed_sim::args::Flags;
use tickspin_testkit::alloc::CountingAllocator;
use tickspin_wire::event::Kind;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A run in which every event with two sides is answered by an order.
fn run(flags: &Flags, between: fn()) -> rig::Left {
    let mut rig = Rig::with_hook(flags, between);
    let mut number = 0;
    loop {
        let event = rig.take();
        while rig.try_report().is_some() {}
        if event.kind() == Some(Kind::End) {
            break;
        }
        if rig.quotable(&event) && rig.requests_waiting() < 1_000 {
            number += 1;
            // Some rest, some trade, some are foreign.
            let px = [1, 1_000_000_000_000, -1][number as usize % 3];
            rig.send(new_order(&rig, number, &event, px));
        }
        if flags.lockstep {
            rig.finish_event();
        }
    }
    rig.finish()
}

fn flags() -> Flags {
    Flags { count: Some(20_000), rate: Some(200_000.0), ..Flags::default() }
}

#[test]
fn nothing_is_allocated_between_the_first_event_and_the_last_answer() {
    let cases = [
        ("prepared as a whole", flags()),
        ("topped up", Flags { ahead: Some(64), ..flags() }),
        ("full speed", Flags { speed: Some("max".into()), ..flags() }),
        ("lock-step", Flags { speed: Some("max".into()), lockstep: true, ..flags() }),
        ("a small ring", Flags { ring_slots: Some(16), ..flags() }),
    ];
    for (name, flags) in cases {
        let left = run(&flags, || ());
        assert_eq!(left.outcome.sink.published, 20_000, "{name}");
        assert!(left.outcome.session.requests > 1_000, "{name}: {:?}", left.outcome.session);
        assert!(left.allocations.is_zero(), "{name}: {:?}", left.allocations);
    }
}

#[test]
fn a_planted_allocation_is_seen() {
    let left = run(&flags(), || drop(std::hint::black_box(Box::new(1))));
    assert_eq!((left.allocations.allocations, left.allocations.deallocations), (1, 1));
}
