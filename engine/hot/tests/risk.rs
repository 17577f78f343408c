//! Each check of the gate has a test that trips it, and one just inside the limit that does not.

mod common;

use common::{Memory, add, event, limit, replace, tick, wide, words};
use tickspin_hot::book::Book;
use tickspin_hot::orders::{Cause, Orders, OwnOrder, SliceOutbox};
use tickspin_hot::risk::{Closed, Exposure, Limits, Now, Rate, Refusal, Risk};
use tickspin_hot::strategy::Order;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::ReportKind;

const NOW: Now = Now { time: 1_000_000_000, age: 0 };
const BID: i64 = 100 * Px::ONE;
const ASK: i64 = 101 * Px::ONE;

/// Instrument 0 stands at 100.00 / 101.00.
fn quoted(book: &mut Book<'_>) {
    book.apply(&tick(add(0, Side::Bid, 1, BID)));
    book.apply(&tick(add(0, Side::Ask, 2, ASK)));
}

/// The verdict on a wish that leaves if it may.
fn passed(risk: &mut Risk<'_>, order: &Order, book: &Book<'_>) -> Option<Refusal> {
    let approved = match risk.check(order, book, NOW) {
        Ok(approved) => approved,
        Err(refusal) => return Some(refusal),
    };
    risk.sent(&approved, NOW.time);
    None
}

/// The verdicts of a fresh gate over a quoted book on a row of wishes.
fn verdicts(limits: Limits, wishes: &[Order]) -> Vec<Option<Refusal>> {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(limits, &mut exposures).unwrap();
    wishes.iter().map(|order| passed(&mut risk, order, &book)).collect()
}

#[test]
fn no_limit_has_a_default_and_zero_is_none() {
    let zero_rate = Rate::new(0, 1, 1_000_000_000);
    let broken = [
        Limits { max_qty: 0, ..wide() },
        Limits { max_notional: 0, ..wide() },
        Limits { max_position: 0, ..wide() },
        Limits { max_open_orders: 0, ..wide() },
        Limits { collar_bp: 0, ..wide() },
        Limits { max_age: 0, ..wide() },
        Limits { rate_new: zero_rate, ..wide() },
        Limits { rate_replace: zero_rate, ..wide() },
        Limits { rate_total: zero_rate, ..wide() },
    ];
    let mut names: Vec<&str> = broken
        .iter()
        .map(|&limits| Risk::new(limits, &mut []).expect_err("zero is no limit").0)
        .collect();
    names.dedup();
    assert_eq!(names.len(), broken.len());
    assert!(Risk::new(wide(), &mut []).is_ok());
}

#[test]
fn quantity() {
    let limits = Limits { max_qty: 100, ..wide() };
    let wishes = [limit(Side::Bid, BID, 100), limit(Side::Bid, BID, 101)];
    assert_eq!(verdicts(limits, &wishes), [None, Some(Refusal::Quantity)]);
}

#[test]
fn notional() {
    // 10 × 100.00 = 1,000; in 1e-9.
    let limits = Limits { max_notional: 1_000 * Px::ONE as u64, ..wide() };
    let wishes = [limit(Side::Bid, BID, 10), limit(Side::Bid, BID + 1, 10)];
    assert_eq!(verdicts(limits, &wishes), [None, Some(Refusal::Notional)]);
    // The product does not wrap, and a negative price is not a small one.
    let limits = Limits { max_qty: u64::MAX, max_notional: u64::MAX - 1, ..wide() };
    let wishes = [limit(Side::Bid, i64::MAX - 1, u64::MAX), limit(Side::Bid, i64::MIN, 4)];
    assert_eq!(verdicts(limits, &wishes), [Some(Refusal::Notional); 2]);
}

#[test]
fn collar_around_the_middle() {
    // 1 % of 100.50 is 1.005 either way: 99.495 to 101.505.
    let limits = Limits { collar_bp: 100, ..wide() };
    let milli = Px::ONE / 1_000;
    let wishes = [
        limit(Side::Bid, 99_495 * milli, 1),
        limit(Side::Bid, 99_495 * milli - 1, 1),
        limit(Side::Ask, 101_505 * milli, 1),
        limit(Side::Ask, 101_505 * milli + 1, 1),
    ];
    let collar = Some(Refusal::Collar);
    assert_eq!(verdicts(limits, &wishes), [None, collar, None, collar]);
}

#[test]
fn a_one_sided_book_is_its_own_reference_and_an_empty_or_crossed_one_is_none() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    let mut exposures = [Exposure::default(); 8];
    let limits = Limits { collar_bp: 100, ..wide() };
    let mut risk = Risk::new(limits, &mut exposures).unwrap();
    let order = limit(Side::Bid, BID, 1);
    assert_eq!(risk.check(&order, &book, NOW).err(), Some(Refusal::NoReference));
    book.apply(&tick(add(0, Side::Bid, 1, BID)));
    assert!(risk.check(&order, &book, NOW).is_ok());
    let far = limit(Side::Bid, BID + 2 * Px::ONE, 1);
    assert_eq!(risk.check(&far, &book, NOW).err(), Some(Refusal::Collar));
    book.apply(&tick(add(0, Side::Ask, 2, BID)));
    assert!(risk.check(&order, &book, NOW).is_ok(), "locked is not crossed");
    book.apply(&tick(add(0, Side::Ask, 3, BID - 1)));
    assert_eq!(risk.check(&order, &book, NOW).err(), Some(Refusal::NoReference));
    assert_eq!(risk.refused()[Refusal::NoReference as usize], 2);
}

#[test]
fn worst_case_position_counts_all_open_orders_of_one_side() {
    let limits = Limits { max_position: 100, ..wide() };
    let wishes = [
        limit(Side::Bid, BID, 60),
        limit(Side::Bid, BID, 41),
        limit(Side::Bid, BID, 40),
        limit(Side::Ask, ASK, 100),
        limit(Side::Ask, ASK, 1),
    ];
    let position = Some(Refusal::Position);
    assert_eq!(verdicts(limits, &wishes), [None, position, None, None, position]);
}

#[test]
fn fills_move_the_position_and_free_the_room() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(Limits { max_position: 100, ..wide() }, &mut exposures).unwrap();
    let mut slots = [[0; 7]; 16];
    let mut own = [OwnOrder::default(); 64];
    let mut orders = Orders::new(SliceOutbox::new(&mut slots), &mut own);
    let cause = Cause { epoch: 1, seq: 1 };
    let mut send = |risk: &mut Risk<'_>, order: Order| {
        let approved = risk.check(&order, &book, NOW).map_err(|refusal| refusal as usize)?;
        risk.sent(&approved, NOW.time);
        Ok::<u64, usize>(orders.send(&approved, cause).unwrap())
    };
    let position = Err(Refusal::Position as usize);

    let id = send(&mut risk, limit(Side::Bid, BID, 100)).unwrap();
    // While a replacement is on its way both count: the old one may trade first.
    assert_eq!(send(&mut risk, replace(Side::Bid, BID, 50, id)), position);
    let sold = send(&mut risk, limit(Side::Ask, ASK, 100)).unwrap();

    risk.on_update(&orders.on_report(&words(ReportKind::Filled, id, 70)).unwrap());
    let exposure = risk.exposure(InstrumentId(0));
    let expected = Exposure { position: 70, open_bid_qty: 30, open_ask_qty: 100 };
    assert_eq!(exposure, expected);
    risk.on_update(&orders.on_report(&words(ReportKind::Cancelled, id, 0)).unwrap());
    let expected = Exposure { position: 70, open_bid_qty: 0, open_ask_qty: 100 };
    assert_eq!(risk.exposure(InstrumentId(0)), expected);
    risk.on_update(&orders.on_report(&words(ReportKind::Filled, sold, 100)).unwrap());
    let flat = Exposure { position: -30, open_bid_qty: 0, open_ask_qty: 0 };
    assert_eq!(risk.exposure(InstrumentId(0)), flat);
    assert_eq!((risk.open_orders(), risk.traded()), (0, (70, 100)));

    // -30 held: 130 may be bought, 70 sold.
    let verdict = |risk: &mut Risk<'_>, order| passed(risk, &order, &book);
    assert_eq!(verdict(&mut risk, limit(Side::Bid, BID, 131)), Some(Refusal::Position));
    assert_eq!(verdict(&mut risk, limit(Side::Ask, ASK, 71)), Some(Refusal::Position));
    assert_eq!(verdict(&mut risk, limit(Side::Bid, BID, 130)), None);
    assert_eq!(verdict(&mut risk, limit(Side::Ask, ASK, 70)), None);
}

#[test]
fn an_order_that_did_not_leave_is_not_open_and_charges_no_rate() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let one = Rate::new(1, 1, 1_000_000_000);
    let limits =
        Limits { max_position: 100, max_open_orders: 1, rate_new: one, rate_total: one, ..wide() };
    let mut risk = Risk::new(limits, &mut exposures).unwrap();
    let order = limit(Side::Bid, BID, 100);
    for _ in 0..3 {
        assert!(risk.check(&Order::mass_cancel(), &book, NOW).is_ok());
        assert!(risk.check(&order, &book, NOW).is_ok());
        assert_eq!((risk.exposure(InstrumentId(0)), risk.open_orders()), (Exposure::default(), 0));
    }
    assert_eq!(passed(&mut risk, &order, &book), None);
    assert_eq!((risk.exposure(InstrumentId(0)).open_bid_qty, risk.open_orders()), (100, 1));
    assert_eq!(passed(&mut risk, &order, &book), Some(Refusal::Position));
}

#[test]
fn open_orders() {
    let limits = Limits { max_open_orders: 2, ..wide() };
    let wishes = [limit(Side::Bid, BID, 1); 3];
    assert_eq!(verdicts(limits, &wishes), [None, None, Some(Refusal::OpenOrders)]);
}

#[test]
fn rates_of_new_replace_and_both() {
    let two = Rate::new(10, 2, 1_000_000_000);
    let new = limit(Side::Bid, BID, 1);
    let replacement = replace(Side::Bid, BID, 1, 9);
    let wishes = [new, new, new, replacement];
    let verdict = verdicts(Limits { rate_new: two, ..wide() }, &wishes);
    assert_eq!(verdict, [None, None, Some(Refusal::RateNew), None]);
    let wishes = [replacement, replacement, replacement, new];
    let verdict = verdicts(Limits { rate_replace: two, ..wide() }, &wishes);
    assert_eq!(verdict, [None, None, Some(Refusal::RateReplace), None]);
    let wishes = [new, replacement, new, replacement];
    let verdict = verdicts(Limits { rate_total: two, ..wide() }, &wishes);
    assert_eq!(verdict, [None, None, Some(Refusal::RateTotal), Some(Refusal::RateTotal)]);
}

#[test]
fn cancels_are_never_refused_and_charge_the_total() {
    let one = Rate::new(10, 1, 1_000_000_000);
    let cancel = Order::cancel(InstrumentId(0), 5);
    let wishes = [cancel, cancel, Order::mass_cancel(), limit(Side::Bid, BID, 1)];
    let verdict = verdicts(Limits { rate_total: one, ..wide() }, &wishes);
    assert_eq!(verdict, [None, None, None, Some(Refusal::RateTotal)]);

    let mut memory = Memory::small();
    let book = memory.book();
    let mut risk = Risk::new(wide(), &mut []).unwrap();
    risk.close(Closed::Stop);
    risk.set_synced(false);
    assert!(risk.check(&cancel, &book, Now { time: 0, age: u64::MAX }).is_ok());
}

#[test]
fn an_old_event_causes_no_order() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(Limits { max_age: 500, ..wide() }, &mut exposures).unwrap();
    let order = limit(Side::Bid, BID, 1);
    assert!(risk.check(&order, &book, Now { age: 500, ..NOW }).is_ok());
    let refusal = risk.check(&order, &book, Now { age: 501, ..NOW }).err();
    assert_eq!(refusal, Some(Refusal::Stale));
}

#[test]
fn a_gap_a_closed_gate_and_an_unknown_instrument_refuse() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(wide(), &mut exposures).unwrap();
    let order = limit(Side::Bid, BID, 1);
    risk.set_synced(false);
    assert_eq!(risk.check(&order, &book, NOW).err(), Some(Refusal::NotSynced));
    risk.set_synced(true);
    assert!(risk.check(&order, &book, NOW).is_ok());
    let nowhere = Order { instrument: InstrumentId(8), ..order };
    assert_eq!(risk.check(&nowhere, &book, NOW).err(), Some(Refusal::Instrument));
    risk.close(Closed::Stop);
    assert_eq!(risk.check(&order, &book, NOW).err(), Some(Refusal::GateClosed));
    assert_eq!(risk.refused().iter().sum::<u64>(), 3);
}

#[test]
fn a_stopped_instrument_takes_no_order_until_it_trades_again() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(wide(), &mut exposures).unwrap();
    let order = limit(Side::Bid, BID, 1);
    for (state, refusal) in [
        (u64::from(b'H'), Some(Refusal::Instrument)),
        (u64::from(b'P'), Some(Refusal::Instrument)),
        (u64::from(b'Q'), Some(Refusal::Instrument)),
        (u64::from(b'T'), None),
        (u64::from(b'T') + 256, Some(Refusal::Instrument)),
    ] {
        book.apply(&tick(Event { order_id: state, ..event(Kind::Status, 0) }));
        assert_eq!(risk.check(&order, &book, NOW).err(), refusal, "state {state}");
    }
    book.apply(&tick(event(Kind::SessionStart, u16::MAX)));
    assert!(risk.check(&order, &book, NOW).is_ok(), "a new session forgets");
}

#[test]
fn what_is_malformed_is_refused() {
    let order = limit(Side::Bid, BID, 1);
    let wishes = [
        Order { qty: Qty(0), ..order },
        Order { px: Px::NONE, ..order },
        Order { side: Side::None, ..order },
    ];
    assert_eq!(verdicts(wide(), &wishes), [Some(Refusal::Malformed); 3]);
}

#[test]
fn an_overfill_closes_the_gate() {
    let mut memory = Memory::small();
    let mut book = memory.book();
    quoted(&mut book);
    let mut exposures = [Exposure::default(); 8];
    let mut risk = Risk::new(wide(), &mut exposures).unwrap();
    let mut slots = [[0; 7]; 4];
    let mut own = [OwnOrder::default(); 64];
    let mut orders = Orders::new(SliceOutbox::new(&mut slots), &mut own);
    let approved = risk.check(&limit(Side::Bid, BID, 10), &book, NOW).unwrap();
    let id = orders.send(&approved, Cause { epoch: 1, seq: 1 }).unwrap();
    risk.sent(&approved, NOW.time);
    risk.on_update(&orders.on_report(&words(ReportKind::Filled, id, 11)).unwrap());
    assert_eq!(risk.closed(), Some(Closed::Overfill));
    risk.close(Closed::Stop);
    assert_eq!(risk.closed(), Some(Closed::Overfill), "the first reason stays");
    // What was traded was traded.
    assert_eq!(risk.exposure(InstrumentId(0)).position, 11);
    assert_eq!(orders.stats().overfilled, 1);
}
