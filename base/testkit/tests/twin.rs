//! The naive book's rules, one by one.

use tickspin_testkit::twin::{Twin, TwinCounts};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

fn event(kind: Kind, side: Side, instrument: u16, id: u64, px: i64, qty: u64) -> Event {
    Event {
        px: Px(px),
        qty: Qty(qty),
        order_id: id,
        instrument: InstrumentId(instrument),
        kind_side: Event::pack(kind, side),
        ..Event::EMPTY
    }
}

fn add(side: Side, instrument: u16, id: u64, px: i64, qty: u64) -> Event {
    event(Kind::Add, side, instrument, id, px, qty)
}

fn on(kind: Kind, id: u64, qty: u64) -> Event {
    event(kind, Side::None, 7, id, Px::NONE.0, qty)
}

fn replace(old: u64, new: u64, px: i64, qty: u64) -> Event {
    Event { second_id: new, ..event(Kind::Replace, Side::None, 7, old, px, qty) }
}

fn book(events: &[Event]) -> Twin {
    let mut twin = Twin::new();
    events.iter().for_each(|event| twin.apply(event));
    twin
}

/// Two bids on one level, one below, an ask; another instrument with a single ask.
fn start() -> Vec<Event> {
    vec![
        add(Side::Bid, 7, 1, 100, 10),
        add(Side::Bid, 7, 2, 100, 5),
        add(Side::Bid, 7, 3, 99, 1),
        add(Side::Ask, 7, 4, 101, 8),
        add(Side::Ask, 2, 5, -3, 4),
    ]
}

fn after(more: &[Event]) -> Twin {
    book(&[start(), more.to_vec()].concat())
}

#[test]
fn canonical_lines_are_sorted_by_instrument_and_from_the_top() {
    assert_eq!(book(&[]).lines(), "");
    assert_eq!(after(&[]).lines(), "2||-3:4:1\n7|100:15:2;99:1:1|101:8:1\n");
    let twin = after(&[]);
    assert_eq!(twin.best(InstrumentId(7), Side::Bid), Some((Px(100), Qty(15), 2)));
    assert_eq!(twin.best(InstrumentId(7), Side::Ask), Some((Px(101), Qty(8), 1)));
    assert_eq!(twin.best(InstrumentId(2), Side::Bid), None);
    assert_eq!(twin.best(InstrumentId(9), Side::Ask), None);
}

#[test]
fn executions_and_reductions_shrink_and_zero_ends_the_order() {
    let twin = after(&[on(Kind::Execute, 1, 4), on(Kind::Reduce, 2, 5), on(Kind::Execute, 5, 4)]);
    assert_eq!(twin.lines(), "7|100:6:1;99:1:1|101:8:1\n");
    assert_eq!(twin.open_orders(), 3);
    assert_eq!(twin.counts(), TwinCounts { events: 8, changes: 8, ..TwinCounts::default() });
}

#[test]
fn more_than_was_open_ends_the_order_and_is_counted() {
    let twin = after(&[on(Kind::Execute, 4, 9), on(Kind::Reduce, 1, u64::MAX)]);
    assert_eq!(twin.lines(), "2||-3:4:1\n7|100:5:1;99:1:1|\n");
    assert_eq!(twin.counts().excess, 2);
}

#[test]
fn orders_that_are_not_in_the_book_change_nothing() {
    let unknown = [
        on(Kind::Execute, 77, 1),
        on(Kind::Reduce, 77, 1),
        on(Kind::Delete, 77, 0),
        replace(77, 78, 100, 1),
    ];
    let twin = after(&unknown);
    assert_eq!(twin.lines(), after(&[]).lines());
    assert_eq!((twin.counts().unknown_orders, twin.counts().changes), (4, 5));
    // An order that has ended is unknown from then on.
    let twin = after(&[on(Kind::Delete, 1, 0), on(Kind::Delete, 1, 0)]);
    assert_eq!(twin.counts().unknown_orders, 1);
}

#[test]
fn a_duplicate_id_is_counted_and_ignored() {
    let twin = after(&[add(Side::Ask, 2, 1, 55, 5)]);
    assert_eq!(twin.lines(), after(&[]).lines());
    assert_eq!(twin.counts().duplicate_orders, 1);
}

#[test]
fn a_replacement_keeps_side_and_instrument_of_the_old_order() {
    let twin = after(&[replace(1, 9, 98, 3), on(Kind::Execute, 1, 1), on(Kind::Execute, 9, 1)]);
    assert_eq!(twin.lines(), "2||-3:4:1\n7|100:5:1;99:1:1;98:2:1|101:8:1\n");
    assert_eq!(twin.counts().unknown_orders, 1);
    let same_id = after(&[replace(1, 1, 98, 3)]);
    assert_eq!(same_id.counts().duplicate_orders, 0);
    assert_eq!(same_id.open_orders(), 5);
    let taken = after(&[replace(1, 2, 98, 3)]);
    assert_eq!((taken.counts().duplicate_orders, taken.open_orders()), (1, 4));
}

#[test]
fn clear_empties_one_instrument_or_all() {
    let clear = |instrument| event(Kind::Clear, Side::None, instrument, 0, 0, 0);
    assert_eq!(after(&[clear(7)]).lines(), "2||-3:4:1\n");
    let all = after(&[clear(InstrumentId::ALL.0), on(Kind::Delete, 5, 0)]);
    assert_eq!((all.lines().as_str(), all.open_orders(), all.counts().unknown_orders), ("", 0, 1));
}

#[test]
fn trades_touch_no_book_and_nonsense_is_counted() {
    let twin = after(&[on(Kind::Trade, 1, 10), on(Kind::Info, 1, 10), on(Kind::End, 0, 0)]);
    assert_eq!(twin.lines(), after(&[]).lines());
    let nonsense = [
        Event { kind_side: 0, ..Event::EMPTY },
        Event { kind_side: 1 | 3 << 6, ..Event::EMPTY },
        add(Side::None, 7, 20, 100, 1),
        add(Side::Bid, 7, 20, Px::NONE.0, 1),
        add(Side::Bid, 7, 20, 100, 0),
        add(Side::Bid, InstrumentId::ALL.0, 20, 100, 1),
        replace(1, 21, 100, 0),
    ];
    let twin = after(&nonsense);
    assert_eq!(twin.counts().malformed, nonsense.len() as u64);
    assert_eq!(twin.lines(), after(&[]).lines());
}
