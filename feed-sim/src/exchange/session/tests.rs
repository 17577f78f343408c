//! Each kind of request, each rejection, what is counted and what is timed.

use super::*;

const EPOCH: u64 = 77;
const STOCK: InstrumentId = InstrumentId(1);

/// A session that was told of one event of `STOCK`, sequence 1, sent at 1,000; touch 99 to 101.
fn session() -> Session {
    let mut session = Session::new(EPOCH, 64, 4).unwrap();
    session.on_sent(1, 1_000, true);
    market(&mut session, 99, 101);
    session
}

fn market(session: &mut Session, bid: i64, ask: i64) {
    let kind_side = Event::pack(Kind::Add, Side::Bid);
    let event = Event { instrument: STOCK, kind_side, ..Event::EMPTY };
    session.on_market(&event, Touch { bid: Px(bid), ask: Px(ask) });
}

fn new(client_id: u64, side: Side, px: i64) -> Request {
    Request {
        cause_epoch: EPOCH,
        cause_seq: 1,
        client_id,
        target_id: 0,
        px: Px(px),
        qty: Qty(10),
        instrument: STOCK,
        kind: RequestKind::New as u8,
        side: side as u8,
        flags: 0,
    }
}

fn cancel(client_id: u64, target_id: u64) -> Request {
    Request {
        kind: RequestKind::Cancel as u8,
        side: Side::None as u8,
        target_id,
        px: Px::NONE,
        qty: Qty(0),
        ..new(client_id, Side::None, 0)
    }
}

fn replace(client_id: u64, target_id: u64, side: Side, px: i64) -> Request {
    Request { kind: RequestKind::Replace as u8, target_id, ..new(client_id, side, px) }
}

fn mass_cancel(client_id: u64) -> Request {
    let kind = RequestKind::MassCancel as u8;
    Request { kind, instrument: InstrumentId::ALL, ..cancel(client_id, 0) }
}

/// (kind, number, price, leaves) of all reports since the last look.
fn reports(session: &mut Session) -> Vec<(ReportKind, u64, i64, u64)> {
    let drained = session.outbox().drain(..);
    drained.map(|r| (r.kind().unwrap(), r.client_id, r.px.0, r.leaves.0)).collect()
}

fn send(session: &mut Session, request: Request) -> Vec<(ReportKind, u64, i64, u64)> {
    session.on_request(&request, 2_000);
    reports(session)
}

/// The one reason why a request is rejected; nothing else is reported.
fn reason(session: &mut Session, request: Request) -> Reason {
    session.on_request(&request, 2_000);
    let report = session.outbox().pop_front().expect("an answer");
    assert_eq!(report.kind(), Some(ReportKind::Rejected), "{report:?}");
    assert_eq!((report.client_id, report.leaves), (request.client_id, Qty(0)));
    assert!(session.outbox().is_empty() && report.side().is_some());
    Reason::from_wire(report.reason).expect("a reason")
}

use ReportKind::{Acknowledged, Cancelled, Filled, Rejected, Replaced};

#[test]
fn a_new_order_rests_or_trades_at_the_touch() {
    let mut session = session();
    assert_eq!(send(&mut session, new(1, Side::Bid, 100)), [(Acknowledged, 1, 100, 10)]);
    assert_eq!(
        send(&mut session, new(2, Side::Bid, 105)),
        [(Acknowledged, 2, 105, 10), (Filled, 2, 101, 0)]
    );
    assert_eq!(
        send(&mut session, new(3, Side::Ask, 99)),
        [(Acknowledged, 3, 99, 10), (Filled, 3, 99, 0)]
    );
    assert_eq!(session.open(), 1);
    assert_eq!((session.stats().acknowledged, session.stats().filled), (3, 2));
}

#[test]
fn immediate_orders_never_rest() {
    let mut session = session();
    let immediate = |request| Request { flags: request_flag::IMMEDIATE_OR_CANCEL, ..request };
    assert_eq!(
        send(&mut session, immediate(new(1, Side::Bid, 100))),
        [(Acknowledged, 1, 100, 10), (Cancelled, 1, 100, 0)]
    );
    assert_eq!(
        send(&mut session, immediate(new(2, Side::Bid, 101))),
        [(Acknowledged, 2, 101, 10), (Filled, 2, 101, 0)]
    );
    assert_eq!(session.open(), 0);
}

#[test]
fn resting_orders_fill_at_their_own_price_when_the_touch_reaches_them() {
    let mut session = session();
    for request in [new(1, Side::Bid, 100), new(2, Side::Bid, 98), new(3, Side::Ask, 102)] {
        send(&mut session, request);
    }
    session.on_sent(2, 1_100, true);
    market(&mut session, 99, 100);
    let report = session.outbox()[0];
    assert_eq!((report.after_seq, report.qty, report.instrument), (2, Qty(10), STOCK));
    assert_eq!(reports(&mut session), [(Filled, 1, 100, 0)]);
    market(&mut session, 90, 95);
    assert_eq!(reports(&mut session), [(Filled, 2, 98, 0)]);
    market(&mut session, 200, Px::NONE.0);
    assert_eq!(reports(&mut session), [(Filled, 3, 102, 0)]);
    assert_eq!(session.open(), 0);
}

#[test]
fn cancels_are_answered_under_the_targets_number() {
    let mut session = session();
    send(&mut session, new(1, Side::Bid, 100));
    assert_eq!(send(&mut session, cancel(2, 1)), [(Cancelled, 1, 100, 0)]);
    assert_eq!(reason(&mut session, cancel(3, 1)), Reason::UnknownOrder);
}

#[test]
fn a_replacement_takes_the_old_orders_place_or_leaves_it_standing() {
    let mut session = session();
    send(&mut session, new(1, Side::Bid, 98));
    assert_eq!(send(&mut session, replace(2, 1, Side::Bid, 99)), [(Replaced, 2, 99, 10)]);
    let post_only = Request { flags: request_flag::POST_ONLY, ..replace(3, 2, Side::Bid, 101) };
    assert_eq!(reason(&mut session, post_only), Reason::WouldTrade);
    assert_eq!(reason(&mut session, replace(4, 1, Side::Bid, 99)), Reason::UnknownOrder);
    assert_eq!(session.open(), 1, "the old one stands");
    assert_eq!(
        send(&mut session, replace(5, 2, Side::Bid, 103)),
        [(Replaced, 5, 103, 10), (Filled, 5, 101, 0)]
    );
    assert_eq!(session.open(), 0);
}

#[test]
fn a_mass_cancel_takes_everything_off() {
    let mut session = session();
    for id in 1..=4 {
        send(&mut session, new(id, Side::Bid, 90 + id as i64));
    }
    let mut answers = send(&mut session, mass_cancel(5));
    assert_eq!(answers.remove(0), (Acknowledged, 5, Px::NONE.0, 0));
    answers.sort_by_key(|answer| answer.1);
    let numbers: Vec<_> = answers.iter().map(|answer| (answer.0, answer.1)).collect();
    assert_eq!(numbers, [1, 2, 3, 4].map(|id| (Cancelled, id)));
    assert_eq!(send(&mut session, mass_cancel(6)), [(Acknowledged, 6, Px::NONE.0, 0)]);
}

#[test]
fn each_broken_rule_has_its_reason() {
    let mut session = session();
    send(&mut session, new(10, Side::Bid, 98));
    let good = new(11, Side::Bid, 98);
    let bad = [
        (Request { kind: 0, ..good }, Reason::Malformed),
        (Request { kind: 9, ..good }, Reason::Malformed),
        (Request { side: 3, ..good }, Reason::Malformed),
        (Request { side: 0, ..good }, Reason::Malformed),
        (Request { flags: 8, ..good }, Reason::Malformed),
        (Request { target_id: 10, ..good }, Reason::Malformed),
        (Request { instrument: InstrumentId(2), ..good }, Reason::Malformed),
        (Request { instrument: InstrumentId::ALL, ..good }, Reason::Malformed),
        (Request { qty: Qty(1), ..cancel(11, 10) }, Reason::Malformed),
        (Request { px: Px(5), ..cancel(11, 10) }, Reason::Malformed),
        (Request { target_id: 0, ..cancel(11, 10) }, Reason::Malformed),
        (Request { instrument: STOCK, ..mass_cancel(11) }, Reason::Malformed),
        (Request { cause_epoch: EPOCH + 1, ..good }, Reason::UnknownCause),
        (Request { cause_seq: 0, ..good }, Reason::UnknownCause),
        (Request { cause_seq: 2, ..good }, Reason::UnknownCause),
        (Request { client_id: 10, ..good }, Reason::DuplicateId),
        (Request { client_id: 0, ..good }, Reason::DuplicateId),
    ];
    let foreign = bad.iter().filter(|(_, reason)| *reason == Reason::Malformed).count();
    for (request, expected) in bad {
        assert_eq!(reason(&mut session, request), expected, "{request:?}");
    }
    assert_eq!(session.stats().foreign, foreign as u64);
    // From here on each has a number of its own: those above did not use 11 up.
    let post_only = Request { flags: request_flag::POST_ONLY, ..new(15, Side::Ask, 99) };
    for (request, expected) in [
        (Request { px: Px(0), ..new(11, Side::Bid, 98) }, Reason::OutOfRange),
        (Request { px: Px::NONE, ..new(12, Side::Bid, 98) }, Reason::OutOfRange),
        (Request { qty: Qty(0), ..new(13, Side::Bid, 98) }, Reason::OutOfRange),
        (Request { qty: Qty(QTY_MAX + 1), ..new(14, Side::Bid, 98) }, Reason::OutOfRange),
        (post_only, Reason::WouldTrade),
        (replace(16, 10, Side::Ask, 120), Reason::Malformed),
    ] {
        assert_eq!(reason(&mut session, request), expected, "{request:?}");
    }
    for id in 17..20 {
        assert_eq!(send(&mut session, new(id, Side::Bid, 98))[0].0, Acknowledged);
    }
    assert_eq!(reason(&mut session, new(20, Side::Bid, 98)), Reason::Full);
    let rejected = session.stats().rejected;
    assert_eq!(session.stats().rejected_by.iter().sum::<u64>(), rejected);
    assert_eq!(rejected, 17 + 6 + 1);
}

#[test]
fn time_runs_from_the_event_that_caused_the_request() {
    let mut session = session();
    session.on_sent(2, 3_000, false);
    let timing = |session: &mut Session, seq, id, arrival| {
        session.on_request(&Request { cause_seq: seq, ..new(id, Side::Bid, 98) }, arrival)
    };
    assert_eq!(timing(&mut session, 1, 1, 1_250), Timing::Ticks(250));
    assert_eq!(timing(&mut session, 1, 2, 900), Timing::Negative);
    assert_eq!(timing(&mut session, 2, 3, 3_300), Timing::Unmeasured, "warm-up");
    assert_eq!(timing(&mut session, 3, 4, 3_300), Timing::Unmeasured, "never sent");
    let foreign = Request { cause_epoch: 1, ..new(5, Side::Bid, 98) };
    assert_eq!(session.on_request(&foreign, 3_300), Timing::Unmeasured);
    let rejected = reports(&mut session).iter().filter(|report| report.0 == Rejected).count();
    assert_eq!((session.stats().requests, rejected), (5, 2));
}

#[test]
fn a_clear_voids_the_touch_and_leaves_orders_alone() {
    let mut session = session();
    send(&mut session, new(1, Side::Bid, 100));
    let kind_side = Event::pack(Kind::Clear, Side::None);
    session.on_market(&Event { kind_side, ..Event::EMPTY }, Touch::NONE);
    assert_eq!(send(&mut session, new(2, Side::Bid, 500)), [(Acknowledged, 2, 500, 10)]);
    market(&mut session, 99, 101);
    assert_eq!(reports(&mut session), [(Filled, 2, 500, 0)]);
    assert_eq!(session.open(), 1);
}

#[test]
fn the_outbox_holds_the_most_reports_that_can_come_about() {
    // While the first report waits no request is taken, but the market goes on.
    let mut session = session();
    for id in 1..=4 {
        session.on_request(&new(id, Side::Bid, 98), 2_000);
        session.outbox().clear();
    }
    let room = session.outbox().capacity();
    session.on_request(&replace(5, 4, Side::Bid, 97), 2_000);
    market(&mut session, 90, 91);
    assert_eq!(session.outbox().len(), 1 + 4);
    assert_eq!(session.outbox().capacity(), room, "it never grows");
}
