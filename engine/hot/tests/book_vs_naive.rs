//! Property: the book equals the naive book of the testkit, whatever comes.

mod common;

use common::{Memory, lines};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tickspin_hot::book::{Ahead, Book, BookMemory, BookSize, Effect, Top};
use tickspin_hot::decode::check;
use tickspin_testkit::twin::Twin;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const INSTRUMENTS: u16 = 4;

fn twin_top(twin: &Twin, instrument: InstrumentId) -> Top {
    let best =
        |side| twin.best(instrument, side).map_or((Px::NONE, Qty(0)), |(px, qty, _)| (px, qty));
    let ((bid, bid_qty), (ask, ask_qty)) = (best(Side::Bid), best(Side::Ask));
    Top { bid, bid_qty, ask, ask_qty }
}

/// Applies one event to both and compares what can be compared after each.
fn step(book: &mut Book<'_>, twin: &mut Twin, event: Event) {
    let tick = check(event).expect("the generator makes good events");
    let tops: Vec<Top> = (0..INSTRUMENTS).map(|i| book.top(InstrumentId(i))).collect();
    let no_room = book.stats().refused_levels;
    let change = book.apply(&tick);
    let could_rest = event.px.is_some() && event.qty.0 > 0;
    match (change.effect, tick.kind) {
        // What was refused for want of room never was; of a replacement, the old order went.
        (Effect::Refused, Kind::Add) if could_rest => {}
        (Effect::Refused, Kind::Level | Kind::Quote) if book.stats().refused_levels > no_room => {}
        (Effect::Refused, Kind::Replace | Kind::Modify) if could_rest => {
            twin.apply(&Event {
                kind_side: Event::pack(Kind::Delete, Side::None),
                order_id: event.order_id,
                ..Event::EMPTY
            });
        }
        _ => twin.apply(&event),
    }
    for i in 0..INSTRUMENTS {
        let instrument = InstrumentId(i);
        let top = book.top(instrument);
        assert_eq!(top, twin_top(twin, instrument), "top of {i} after {tick:?}");
        if top != tops[usize::from(i)] {
            assert!(change.is_top, "the top of {i} moved unsaid: {tick:?}");
            assert!(change.instrument.0 == i || change.instrument == InstrumentId::ALL);
        }
    }
}

/// Everything that both know.
fn compare(book: &Book<'_>, twin: &Twin) {
    assert_eq!(lines(book), twin.lines());
    assert_eq!(book.stats().orders, twin.open_orders() as u64);
}

/// Ids from a small set, so that they meet, or of a kind that a weak hash piles up.
fn id(space: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..space,
        1 => (0..space).prop_map(|i| i << 48),
        1 => (0..space).prop_map(|i| u64::MAX - i),
        1 => (0..space).prop_map(|i| i << 32 | i),
    ]
}

fn event(space: u64, prices: i64) -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        30 => Just(Kind::Add),
        12 => Just(Kind::Execute),
        8 => Just(Kind::Reduce),
        15 => Just(Kind::Delete),
        12 => Just(Kind::Replace),
        8 => Just(Kind::Modify),
        3 => Just(Kind::Level),
        2 => Just(Kind::Quote),
        1 => Just(Kind::Trade),
        1 => Just(Kind::Cross),
        1 => Just(Kind::Broken),
        1 => Just(Kind::Status),
        1 => Just(Kind::SessionStart),
    ];
    let px = prop_oneof![
        40 => (0..prices).prop_map(Px),
        // Negative prices exist, and so do the ends of the range.
        4 => (-prices..0).prop_map(Px),
        1 => Just(Px(i64::MIN)),
        1 => Just(Px(i64::MAX - 1)),
        1 => Just(Px::NONE),
    ];
    let qty = prop_oneof![40 => 1_u64..20, 1 => Just(0), 1 => Just(1 << 40)];
    let side = prop_oneof![Just(Side::Bid), Just(Side::Ask)];
    (kind, px, qty, side, id(space), id(space), 0..INSTRUMENTS, 0..400_u32).prop_map(
        |(kind, px, qty, side, order_id, second_id, instrument, rare)| {
            let (kind, instrument) = match rare {
                0 => (Kind::Clear, InstrumentId::ALL),
                1 => (Kind::Clear, InstrumentId(instrument)),
                _ => (kind, InstrumentId(instrument)),
            };
            Event {
                px,
                qty: Qty(qty),
                order_id,
                second_id,
                instrument,
                kind_side: Event::pack(kind, side),
                ..Event::EMPTY
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_equals_the_naive_book(
        events in prop::collection::vec(event(300, 60), 1..3_000),
        seed in any::<u64>(),
    ) {
        // Room for whatever the generator makes: every count must be the twin's.
        let size = BookSize { instruments: 4, orders: 2_000, levels: 8 * 124 };
        let mut memory = Memory::new(size);
        let mut book = memory.book_seeded(seed);
        let mut twin = Twin::new();
        for &event in &events {
            step(&mut book, &mut twin, event);
        }
        compare(&book, &twin);
        let (stats, counts) = (*book.stats(), twin.counts());
        prop_assert_eq!(stats.unknown, counts.unknown_orders);
        prop_assert_eq!(stats.duplicate, counts.duplicate_orders);
        prop_assert_eq!(stats.over_taken, counts.excess);
        prop_assert_eq!(stats.refused_other, counts.malformed);
        prop_assert_eq!(stats.refused_orders + stats.refused_levels, 0);
    }

    #[test]
    fn a_book_without_room_is_still_right_about_what_it_holds(
        events in prop::collection::vec(event(200, 500), 1..3_000),
        seed in any::<u64>(),
    ) {
        // 32 orders and 3 levels (plus a smallest block a side): both run out all the time.
        let size = BookSize { instruments: 4, orders: 32, levels: 3 };
        let mut memory = Memory::new(size);
        let mut book = memory.book_seeded(seed);
        let mut twin = Twin::new();
        for &event in &events {
            step(&mut book, &mut twin, event);
        }
        compare(&book, &twin);
        prop_assert!(book.stats().orders_peak <= book.orders_capacity() as u64);
    }
}

#[test]
fn a_small_book_refuses_and_says_so() {
    let mut memory = Memory::new(BookSize { instruments: 1, orders: 4, levels: 8 });
    let mut book = memory.book();
    let add = |order_id| Event {
        px: Px(5),
        qty: Qty(1),
        order_id,
        instrument: InstrumentId(0),
        kind_side: Event::pack(Kind::Add, Side::Bid),
        ..Event::EMPTY
    };
    for order_id in 0..4 {
        assert_eq!(book.apply(&check(add(order_id)).unwrap()).effect, Effect::Changed);
    }
    assert_eq!(book.apply(&check(add(4)).unwrap()).effect, Effect::Refused);
    assert_eq!(book.apply(&check(add(3)).unwrap()).effect, Effect::Duplicate);
    assert_eq!(book.stats().refused_orders, 1);
    let elsewhere = Event { instrument: InstrumentId(1), ..add(9) };
    let delete = Event { kind_side: Event::pack(Kind::Delete, Side::None), ..add(0) };
    assert_eq!(book.apply(&check(delete).unwrap()).effect, Effect::Changed);
    assert_eq!(book.apply(&check(elsewhere).unwrap()).effect, Effect::Refused);
    assert_eq!(book.stats().refused_other, 1);
    assert_eq!(book.order(3), Some((InstrumentId(0), Side::Bid, Px(5), Qty(1))));
    assert_eq!(book.top(InstrumentId(1)), Top::EMPTY);
}

#[test]
fn one_side_takes_16384_prices_and_no_more() {
    let levels = tickspin_hot::book::ladder::MAX_LEVELS;
    let mut memory = Memory::new(BookSize { instruments: 1, orders: 2 * levels, levels });
    let mut book = memory.book();
    for i in 0..=levels as i64 {
        let event = Event {
            // Ever worse asks: each new level goes under all others.
            px: Px(1_000 + i),
            qty: Qty(1),
            order_id: i as u64,
            instrument: InstrumentId(0),
            kind_side: Event::pack(Kind::Add, Side::Ask),
            ..Event::EMPTY
        };
        let effect = book.apply(&check(event).unwrap()).effect;
        let fits = i < levels as i64;
        assert_eq!(effect, if fits { Effect::Changed } else { Effect::Refused });
    }
    assert_eq!(book.stats().refused_levels, 1);
    assert_eq!(book.levels(InstrumentId(0), Side::Ask).len(), levels);
    assert_eq!(book.top(InstrumentId(0)).ask, Px(1_000));
}

#[test]
fn memory_of_a_wrong_size_is_refused_by_name() {
    use tickspin_hot::book::BookSizeError;
    let size = BookSize { instruments: 2, orders: 10, levels: 10 };
    assert_eq!((size.order_slots(), size.level_slots()), (32, 72));
    assert_eq!(size.bytes(), 2 * 64 + 32 * 32 + 72 * 24);
    let mut memory = Memory::new(size);
    memory.orders.truncate(31);
    let memory = BookMemory {
        orders: &mut memory.orders,
        levels: &mut memory.levels,
        instruments: &mut memory.instruments,
    };
    let error = Book::new(memory, 0).unwrap_err();
    assert_eq!(error, BookSizeError::Orders(31));
    assert_eq!(error.to_string(), "31 order slots: a power of two from 8 to 2^31 would do");
}

#[test]
fn looking_ahead_changes_no_result_and_no_order() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let events = prop::collection::vec(event(300, 60), 0..400);
    for _ in 0..50 {
        let events = events.new_tree(&mut runner).unwrap().current();
        let ticks: Vec<_> = events.iter().filter_map(|&event| check(event).ok()).collect();
        let size = BookSize { instruments: 4, orders: 2_000, levels: 8 * 124 };
        let (mut memory, mut other) = (Memory::new(size), Memory::new(size));
        let (mut plain, mut book) = (memory.book(), other.book());
        let expected: Vec<_> = ticks.iter().map(|tick| (*tick, plain.apply(tick))).collect();
        let mut ahead = Ahead::new();
        let mut seen: Vec<_> =
            ticks.iter().filter_map(|&tick| ahead.push(&mut book, tick)).collect();
        seen.extend(std::iter::from_fn(|| ahead.pop(&mut book)));
        assert_eq!(seen, expected);
        assert_eq!(lines(&book), lines(&plain));
        assert_eq!(ahead.pop(&mut book), None);
    }
}
