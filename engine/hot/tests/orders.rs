//! The state machine of own orders, report by report.

mod common;

use common::{Memory, add, limit, rejection, replace, report, tick, wide, words};
use tickspin_hot::book::Book;
use tickspin_hot::orders::{
    Cause, Orders, OwnOrder, SliceOutbox, State, Unsent, Update, UpdateKind, table_len,
};
use tickspin_hot::risk::{Closed, Exposure, Now, Risk};
use tickspin_hot::strategy::Order;
use tickspin_wire::num::{InstrumentId, Px, Side};
use tickspin_wire::order::{Reason, Report, ReportKind, Request, RequestKind};

const PX: i64 = 100 * Px::ONE;
const CAUSE: Cause = Cause { epoch: 77, seq: 5 };
const NOW: Now = Now { time: 1 << 40, age: 0 };

/// Orders behind a gate that lets everything through.
struct Desk<'m> {
    book: Book<'m>,
    risk: Risk<'m>,
    orders: Orders<'m, SliceOutbox<'m>>,
}

impl Desk<'_> {
    fn send(&mut self, order: Order) -> Result<u64, Unsent> {
        let approved = self.risk.check(&order, &self.book, NOW).expect("a wide gate");
        let sent = self.orders.send(&approved, CAUSE);
        if sent.is_ok() {
            self.risk.sent(&approved, NOW.time);
        }
        sent
    }

    fn hear(&mut self, words: [u64; 7]) -> Option<Update> {
        let update = self.orders.on_report(&words);
        if let Some(update) = &update {
            self.risk.on_update(update);
        }
        update
    }

    fn state(&self, id: u64) -> Option<State> {
        self.orders.find(id).map(|order| order.state)
    }

    fn open_qty(&self) -> u64 {
        self.risk.exposure(InstrumentId(0)).open_bid_qty
    }
}

/// Runs `test` on a desk with room for `slots` requests and `own` entries.
fn with(slots: usize, own: usize, test: impl FnOnce(&mut Desk<'_>)) {
    let mut memory = Memory::small();
    let mut book = memory.book();
    book.apply(&tick(add(0, Side::Bid, 1, PX)));
    let mut exposures = [Exposure::default(); 8];
    let risk = Risk::new(wide(), &mut exposures).unwrap();
    let mut slots = vec![[0; 7]; slots];
    let mut own = vec![OwnOrder::default(); own];
    let orders = Orders::new(SliceOutbox::new(&mut slots), &mut own);
    test(&mut Desk { book, risk, orders });
}

#[test]
fn a_request_carries_its_cause_and_a_growing_number() {
    with(8, 64, |desk| {
        assert_eq!(desk.send(limit(Side::Bid, PX, 10)), Ok(1));
        assert_eq!(desk.send(replace(Side::Bid, PX + 1, 10, 1)), Ok(2));
        assert_eq!(desk.send(Order::mass_cancel()), Ok(3));
        let requests: Vec<Request> = desk
            .orders
            .outbox()
            .published()
            .iter()
            .map(|&words| Request::from_words(words))
            .collect();
        assert_eq!(requests.iter().map(|r| r.client_id).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(requests.iter().all(|r| (r.cause_epoch, r.cause_seq) == (77, 5)));
        assert_eq!(requests[0].kind(), Some(RequestKind::New));
        assert_eq!((requests[1].kind(), requests[1].target_id), (Some(RequestKind::Replace), 1));
        assert_eq!(requests[2].instrument, InstrumentId::ALL);
    });
}

#[test]
fn new_acknowledged_filled_in_two_parts() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        assert_eq!(desk.state(1), Some(State::PendingNew));
        let update = desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
        assert_eq!((update.working_id, update.is_pending), (1, false));
        assert_eq!(desk.state(1), Some(State::Live));
        let update = desk.hear(words(ReportKind::Filled, 1, 4)).unwrap();
        assert_eq!((update.filled_qty, update.released_qty, update.closed), (4, 4, 0));
        assert_eq!((update.working_id, desk.open_qty()), (1, 6));
        let update = desk.hear(words(ReportKind::Filled, 1, 6)).unwrap();
        assert_eq!((update.working_id, update.closed), (0, 1));
        assert_eq!((desk.state(1), desk.open_qty(), desk.risk.open_orders()), (None, 0, 0));
    });
}

#[test]
fn a_fill_may_come_before_the_acknowledgement() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        let update = desk.hear(words(ReportKind::Filled, 1, 1)).unwrap();
        assert!(!update.is_pending, "what trades stands");
        assert_eq!(desk.state(1), Some(State::Live));
        desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
        assert_eq!(desk.state(1), Some(State::Live));
    });
}

#[test]
fn a_rejected_order_is_gone() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        let update = desk.hear(rejection(1, Reason::WouldTrade)).unwrap();
        assert_eq!((update.kind, update.working_id), (UpdateKind::Rejected, 0));
        assert_eq!((desk.state(1), desk.open_qty(), desk.orders.open()), (None, 0, 0));
    });
}

#[test]
fn a_cancel_is_answered_by_the_orders_number_or_its_own() {
    for answered_by in [1, 2] {
        with(8, 64, |desk| {
            desk.send(limit(Side::Bid, PX, 10)).unwrap();
            desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
            assert_eq!(desk.send(Order::cancel(InstrumentId(0), 1)), Ok(2));
            assert_eq!(desk.state(1), Some(State::PendingCancel));
            assert_eq!(desk.state(2), Some(State::CancelRequest));
            desk.hear(words(ReportKind::Acknowledged, 2, 0)).unwrap();
            let update = desk.hear(words(ReportKind::Cancelled, answered_by, 0)).unwrap();
            assert_eq!((update.kind, update.client_id), (UpdateKind::Cancelled, 1));
            assert_eq!((update.working_id, update.closed, update.released_qty), (0, 1, 10));
            assert_eq!((desk.orders.open(), desk.open_qty(), desk.risk.open_orders()), (0, 0, 0));
        });
    }
}

#[test]
fn a_refused_cancel_gives_the_order_back_unless_it_is_unknown() {
    for (reason, working_id) in [(Reason::Malformed, 1), (Reason::UnknownOrder, 0)] {
        for answered_by in [1, 2] {
            with(8, 64, |desk| {
                desk.send(limit(Side::Bid, PX, 10)).unwrap();
                desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
                desk.send(Order::cancel(InstrumentId(0), 1)).unwrap();
                let update = desk.hear(rejection(answered_by, reason)).unwrap();
                assert_eq!(update.kind, UpdateKind::CancelRejected);
                assert_eq!((update.client_id, update.working_id), (1, working_id));
                assert!(!update.is_pending);
                let is_open = working_id == 1;
                assert_eq!(desk.state(1), is_open.then_some(State::Live));
                assert_eq!(desk.orders.open(), usize::from(is_open));
                assert_eq!(desk.open_qty(), if is_open { 10 } else { 0 });
            });
        }
    }
}

#[test]
fn an_order_that_fills_while_its_cancel_is_on_its_way() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(Order::cancel(InstrumentId(0), 1)).unwrap();
        let update = desk.hear(words(ReportKind::Filled, 1, 4)).unwrap();
        assert!(update.is_pending);
        assert_eq!(desk.state(1), Some(State::PendingCancel));
        desk.hear(words(ReportKind::Filled, 1, 6)).unwrap();
        assert_eq!(desk.state(1), None);
        // The cancel finds nothing any more; its refusal is ours all the same.
        let update = desk.hear(rejection(2, Reason::UnknownOrder)).unwrap();
        assert_eq!((update.client_id, update.working_id, update.closed), (1, 0, 0));
        assert_eq!((desk.orders.open(), desk.orders.stats().unknown), (0, 0));
    });
}

#[test]
fn an_order_refused_while_its_cancel_is_on_its_way_is_gone() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(Order::cancel(InstrumentId(0), 1)).unwrap();
        // Nothing has said that it stands: it is the order that is refused, not the cancel.
        let update = desk.hear(rejection(1, Reason::WouldTrade)).unwrap();
        assert_eq!((update.kind, update.client_id), (UpdateKind::Rejected, 1));
        assert_eq!((update.working_id, update.closed, update.released_qty), (0, 1, 10));
        assert_eq!((desk.state(1), desk.open_qty()), (None, 0));
        let update = desk.hear(rejection(2, Reason::UnknownOrder)).unwrap();
        assert_eq!((update.kind, update.client_id), (UpdateKind::CancelRejected, 1));
        assert_eq!((desk.orders.open(), desk.risk.open_orders()), (0, 0));
        assert_eq!(desk.orders.stats().unknown, 0);
    });
}

#[test]
fn a_refused_request_leaves_an_order_without_an_answer_waiting_for_it() {
    let requests = [Order::cancel(InstrumentId(0), 1), replace(Side::Bid, PX + 1, 7, 1)];
    for request in requests {
        with(8, 64, |desk| {
            desk.send(limit(Side::Bid, PX, 10)).unwrap();
            desk.send(request).unwrap();
            let update = desk.hear(rejection(2, Reason::Malformed)).unwrap();
            assert_eq!((update.working_id, update.is_pending), (1, true));
            assert_eq!(desk.state(1), Some(State::PendingNew));
            desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
            assert_eq!(desk.state(1), Some(State::Live));
            // Acknowledged while the request is on its way: it stands.
            desk.send(Order { target: 1, ..request }).unwrap();
            desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
            let update = desk.hear(rejection(1, Reason::Malformed)).unwrap();
            assert_eq!((update.working_id, update.is_pending), (1, false));
            assert_eq!((desk.state(1), desk.orders.open()), (Some(State::Live), 1));
            assert_eq!((desk.open_qty(), desk.risk.open_orders()), (10, 1));
        });
    }
}

#[test]
fn an_order_refused_while_its_replacement_is_on_its_way_is_gone() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
        let update = desk.hear(rejection(1, Reason::WouldTrade)).unwrap();
        assert_eq!((update.kind, update.closed), (UpdateKind::Rejected, 1));
        desk.hear(rejection(2, Reason::UnknownOrder)).unwrap();
        assert_eq!((desk.orders.open(), desk.open_qty(), desk.risk.open_orders()), (0, 0, 0));
    });
}

#[test]
fn a_replacement_that_trades_or_goes_before_its_report_took_the_old_ones_place() {
    let gone = [words(ReportKind::Filled, 2, 7), words(ReportKind::Cancelled, 2, 0)];
    for report in gone {
        with(8, 64, |desk| {
            desk.send(limit(Side::Bid, PX, 10)).unwrap();
            desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
            desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
            let update = desk.hear(report).unwrap();
            assert_eq!((update.closed, update.released_qty, update.working_id), (2, 17, 0));
            assert_eq!((desk.orders.open(), desk.open_qty(), desk.risk.open_orders()), (0, 0, 0));
        });
    }
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
        desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
        let update = desk.hear(words(ReportKind::Filled, 2, 3)).unwrap();
        assert_eq!((update.closed, update.released_qty, update.is_pending), (1, 13, false));
        assert_eq!((desk.state(1), desk.state(2)), (None, Some(State::Live)));
        assert_eq!((desk.open_qty(), desk.risk.open_orders()), (4, 1));
        // The late report is about this replacement, not about the next one.
        desk.send(replace(Side::Bid, PX + 2, 5, 2)).unwrap();
        let update = desk.hear(words(ReportKind::Replaced, 2, 0)).unwrap();
        assert_eq!((update.working_id, update.is_pending, update.closed), (2, true, 0));
        assert_eq!(desk.state(3), Some(State::PendingNew));
        let update = desk.hear(words(ReportKind::Replaced, 2, 0)).unwrap();
        assert_eq!((update.working_id, update.closed), (3, 1));
        assert_eq!((desk.orders.open(), desk.open_qty(), desk.risk.open_orders()), (1, 5, 1));
        assert_eq!(desk.orders.stats().unknown, 0);
    });
}

#[test]
fn a_replacement_takes_the_old_ones_place_under_either_number() {
    for answered_by in [1, 2] {
        with(8, 64, |desk| {
            desk.send(limit(Side::Bid, PX, 10)).unwrap();
            desk.hear(words(ReportKind::Acknowledged, 1, 0)).unwrap();
            desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
            assert_eq!(desk.state(1), Some(State::PendingReplace));
            assert_eq!((desk.state(2), desk.open_qty()), (Some(State::PendingNew), 17));
            let update = desk.hear(words(ReportKind::Replaced, answered_by, 0)).unwrap();
            assert_eq!((update.kind, update.client_id), (UpdateKind::Replaced, 2));
            assert_eq!((update.working_id, update.working_px), (2, Px(PX + 1)));
            assert!(!update.is_pending);
            assert_eq!((desk.state(1), desk.state(2)), (None, Some(State::Live)));
            assert_eq!((desk.open_qty(), desk.risk.open_orders()), (7, 1));
        });
    }
}

#[test]
fn a_refused_replacement_gives_the_old_one_back_unless_it_is_unknown() {
    for (reason, working_id) in [(Reason::WouldTrade, 1), (Reason::UnknownOrder, 0)] {
        with(8, 64, |desk| {
            desk.send(limit(Side::Bid, PX, 10)).unwrap();
            desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
            let update = desk.hear(rejection(2, reason)).unwrap();
            assert_eq!((update.kind, update.client_id), (UpdateKind::ReplaceRejected, 2));
            assert_eq!(update.working_id, working_id);
            let is_open = working_id == 1;
            assert_eq!(update.working_px, if is_open { Px(PX) } else { Px::NONE });
            assert_eq!(desk.open_qty(), if is_open { 10 } else { 0 });
            assert_eq!(desk.risk.open_orders(), u32::from(is_open));
            assert_eq!(desk.orders.open(), usize::from(is_open));
        });
    }
}

#[test]
fn an_order_that_fills_while_its_replacement_is_on_its_way() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(replace(Side::Bid, PX + 1, 7, 1)).unwrap();
        desk.hear(words(ReportKind::Filled, 1, 10)).unwrap();
        let update = desk.hear(rejection(2, Reason::UnknownOrder)).unwrap();
        assert_eq!((update.working_id, update.closed), (0, 1));
        assert_eq!((desk.orders.open(), desk.open_qty(), desk.risk.open_orders()), (0, 0, 0));
        assert_eq!(desk.risk.exposure(InstrumentId(0)).position, 10);
    });
}

#[test]
fn what_is_going_cannot_be_cancelled_or_replaced_again() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        let cancel = Order::cancel(InstrumentId(0), 1);
        desk.send(cancel).unwrap();
        assert_eq!(desk.send(cancel), Err(Unsent::Target));
        assert_eq!(desk.send(replace(Side::Bid, PX, 1, 1)), Err(Unsent::Target));
        // Nor what is not there, of another side, or of another instrument.
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        assert_eq!(desk.send(Order::cancel(InstrumentId(0), 99)), Err(Unsent::Target));
        assert_eq!(desk.send(replace(Side::Ask, PX, 1, 3)), Err(Unsent::Target));
        assert_eq!(desk.send(Order::cancel(InstrumentId(1), 3)), Err(Unsent::Target));
        // A replacement on its way is no order yet.
        assert_eq!(desk.send(replace(Side::Bid, PX, 1, 3)), Ok(4));
        assert_eq!(desk.send(replace(Side::Bid, PX, 2, 4)), Err(Unsent::Target));
        assert_eq!(desk.orders.stats().unsent[Unsent::Target as usize], 6);
        assert_eq!(desk.orders.stats().sent, 4);
    });
}

#[test]
fn a_full_ring_is_counted_and_costs_no_number() {
    with(1, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        assert_eq!(desk.send(limit(Side::Bid, PX, 10)), Err(Unsent::RingFull));
        assert_eq!((desk.open_qty(), desk.orders.open()), (10, 1));
        desk.orders.outbox_mut().clear();
        assert_eq!(desk.send(limit(Side::Bid, PX, 10)), Ok(2));
        assert_eq!(desk.orders.stats().unsent, [1, 0, 0]);
    });
}

#[test]
fn numbers_step_over_old_open_orders_and_stop_at_a_full_table() {
    assert_eq!((table_len(0), table_len(8), table_len(9)), (64, 64, 128));
    with(512, 64, |desk| {
        // 1 stays open; 65 would share its entry.
        desk.send(limit(Side::Bid, PX, 1)).unwrap();
        for id in 2..65 {
            assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Ok(id));
            desk.hear(words(ReportKind::Cancelled, id, 0)).unwrap();
        }
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Ok(66));
        while desk.orders.open() < 64 {
            desk.send(limit(Side::Bid, PX, 1)).unwrap();
        }
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Err(Unsent::TableFull));
    });
    with(8, 0, |desk| {
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Err(Unsent::TableFull));
    });
}

#[test]
fn a_full_stretch_of_the_table_does_not_block_what_is_behind_it() {
    with(512, 64, |desk| {
        for _ in 0..64 {
            desk.send(limit(Side::Bid, PX, 1)).unwrap();
        }
        for id in 33..=64 {
            desk.hear(words(ReportKind::Cancelled, id, 0)).unwrap();
        }
        // 65 to 96 would share the entries of 1 to 32: two windows of sixteen.
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Err(Unsent::TableFull));
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Err(Unsent::TableFull));
        assert_eq!(desk.send(limit(Side::Bid, PX, 1)), Ok(97));
    });
}

#[test]
fn a_mass_cancel_needs_no_entry_and_stays_due_where_the_ring_is_full() {
    with(512, 64, |desk| {
        for _ in 0..64 {
            desk.send(limit(Side::Bid, PX, 1)).unwrap();
        }
        assert_eq!(desk.send(Order::mass_cancel()), Ok(65));
        assert_eq!(desk.hear(words(ReportKind::Acknowledged, 65, 0)), None);
        assert_eq!((desk.orders.open(), desk.orders.stats().unknown), (64, 0));
    });
    with(1, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 1)).unwrap();
        assert_eq!(desk.orders.retry_mass_cancel(CAUSE), None, "none is due");
        assert_eq!(desk.send(Order::mass_cancel()), Err(Unsent::RingFull));
        assert_eq!(desk.orders.retry_mass_cancel(CAUSE), None, "still full");
        desk.orders.outbox_mut().clear();
        assert_eq!(desk.orders.retry_mass_cancel(CAUSE), Some(2));
        assert_eq!(desk.orders.retry_mass_cancel(CAUSE), None, "it has left");
        assert_eq!((desk.orders.stats().unsent, desk.orders.stats().sent), ([1, 0, 0], 2));
        // With nothing open any more there is nothing to take off.
        assert_eq!(desk.send(Order::mass_cancel()), Err(Unsent::RingFull));
        desk.hear(words(ReportKind::Cancelled, 1, 0)).unwrap();
        desk.orders.outbox_mut().clear();
        assert_eq!(desk.orders.retry_mass_cancel(CAUSE), None);
    });
}

#[test]
fn a_fill_of_no_order_of_ours_moves_the_position_and_closes_the_gate() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        assert_eq!(desk.hear(words(ReportKind::Filled, 900, 0)), None, "nothing was traded");
        let update = desk.hear(words(ReportKind::Filled, 900, 3)).unwrap();
        assert!(update.is_unknown && !update.is_overfill);
        let exposure = Exposure { position: 3, open_bid_qty: 10, open_ask_qty: 0 };
        assert_eq!(desk.risk.exposure(InstrumentId(0)), exposure);
        assert_eq!(desk.risk.closed(), Some(Closed::UnknownFill));
        let sold = Report { side: Side::Ask as u8, ..report(ReportKind::Filled, 901, 8) };
        desk.hear(sold.to_words()).unwrap();
        assert_eq!(desk.risk.exposure(InstrumentId(0)).position, -5);
        assert_eq!(desk.risk.traded(), (3, 8));
        assert_eq!((desk.orders.stats().unknown, desk.orders.open()), (3, 1));
    });
    // Without a side nobody knows which way; the same under the number of a cancel.
    with(8, 64, |desk| {
        let blind = Report { side: 0, ..report(ReportKind::Filled, 900, 3) };
        assert!(desk.hear(blind.to_words()).unwrap().is_unknown);
        assert_eq!(desk.risk.exposure(InstrumentId(0)).position, 0);
        assert_eq!(desk.risk.closed(), Some(Closed::UnknownFill));
    });
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(Order::cancel(InstrumentId(0), 1)).unwrap();
        assert!(desk.hear(words(ReportKind::Filled, 2, 3)).unwrap().is_unknown);
        assert_eq!((desk.open_qty(), desk.risk.is_closed()), (10, true));
    });
}

#[test]
fn unknown_and_foreign_reports_are_counted_and_change_nothing() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        let other = words(ReportKind::Acknowledged, 65, 0);
        assert_eq!(desk.hear(other), None, "same entry, other number");
        assert_eq!(desk.hear(words(ReportKind::Cancelled, 0, 1)), None);
        let good = report(ReportKind::Filled, 1, 1);
        assert_eq!(desk.hear(Report { kind: 6, ..good }.to_words()), None);
        assert_eq!(desk.hear(Report { kind: 0, ..good }.to_words()), None);
        assert_eq!(desk.hear(Report { side: 3, ..good }.to_words()), None);
        assert_eq!(desk.hear(Report { reason: 8, ..good }.to_words()), None);
        let stats = desk.orders.stats();
        assert_eq!((stats.reports, stats.unknown, stats.foreign), (6, 2, 4));
        assert_eq!((desk.state(1), desk.open_qty()), (Some(State::PendingNew), 10));
    });
}

#[test]
fn a_mass_cancel_is_answered_order_by_order() {
    with(8, 64, |desk| {
        desk.send(limit(Side::Bid, PX, 10)).unwrap();
        desk.send(limit(Side::Bid, PX, 20)).unwrap();
        assert_eq!(desk.send(Order::mass_cancel()), Ok(3));
        assert_eq!(desk.hear(words(ReportKind::Acknowledged, 3, 0)), None);
        desk.hear(words(ReportKind::Cancelled, 1, 0)).unwrap();
        desk.hear(words(ReportKind::Cancelled, 2, 0)).unwrap();
        assert_eq!((desk.orders.open(), desk.open_qty()), (0, 0));
        assert_eq!(desk.orders.stats().unknown, 0);
    });
}
