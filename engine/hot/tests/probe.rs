//! The probe answers every message of the venue about an instrument with a top.

mod common;

use common::{Memory, add, event, tick};
use tickspin_hot::strategy::{Probe, Strategy, Wishes};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{RequestKind, request_flag};

#[test]
fn one_order_of_one_lot_at_its_own_touch_sides_alternating() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    let mut probe = Probe::new(Qty(3));
    let mut answer = |event: Event| {
        let tick = tick(event);
        let change = book.apply(&tick);
        let mut wishes = Wishes::new();
        probe.on_tick(&book, &tick, &change, &mut wishes);
        let orders = wishes.as_slice();
        assert!(orders.len() <= 1);
        orders.first().map(|order| {
            assert_eq!((order.kind, order.qty), (RequestKind::New, Qty(3)));
            assert_eq!(order.flags, request_flag::IMMEDIATE_OR_CANCEL);
            assert_eq!(order.instrument, InstrumentId(2));
            (order.side, order.px.0)
        })
    };
    assert_eq!(answer(event(Kind::Info, 2)), None, "no top");
    // One-sided: always the side that is there.
    assert_eq!(answer(add(2, Side::Bid, 1, 500)), Some((Side::Bid, 500)));
    assert_eq!(answer(event(Kind::Info, 2)), Some((Side::Bid, 500)));
    assert_eq!(answer(add(2, Side::Ask, 2, 600)), Some((Side::Ask, 600)));
    for (side, px) in [(Side::Bid, 500), (Side::Ask, 600), (Side::Bid, 500)] {
        assert_eq!(answer(event(Kind::Trade, 2)), Some((side, px)));
    }
    // Not the session's, not the feed's own events, not another instrument's without a top.
    assert_eq!(answer(event(Kind::System, u16::MAX)), None);
    assert_eq!(answer(event(Kind::Gap, 2)), None);
    assert_eq!(answer(event(Kind::SessionStart, u16::MAX)), None);
    assert_eq!(answer(event(Kind::Info, 3)), None);
    // Warm-up is answered like any other.
    let warm = Event { flags: tickspin_wire::event::flag::WARM_UP, ..event(Kind::Info, 2) };
    assert_eq!(answer(warm), Some((Side::Ask, 600)));
    assert_eq!(answer(event(Kind::Clear, u16::MAX)), None);
    assert_eq!(Probe::NAME, "probe");
    assert_eq!(Px::NONE.0, i64::MAX);
}
