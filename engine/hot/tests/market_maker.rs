//! The market maker: where it quotes, when it moves, and when it is silent.

mod common;

use common::{CENT, Memory, add, event, rejection, tick, words};
use proptest::prelude::*;
use tickspin_hot::book::{Book, Top};
use tickspin_hot::orders::{Cause, Orders, OwnOrder, SliceOutbox};
use tickspin_hot::risk::{Exposure, Now, Risk};
use tickspin_hot::strategy::market_maker::{MakerSlot, Quoting, Tick};
use tickspin_hot::strategy::{MarketMaker, Order, Strategy, Wishes};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{Reason, ReportKind, RequestKind};

/// Half a spread of 2 cents, 1 cent of skew for each 100 held, tick 1 cent.
fn quoting() -> Quoting {
    Quoting {
        half_spread_px: 2 * CENT,
        skew_px: CENT / 100,
        qty: Qty(100),
        max_position: 500,
        hysteresis_ticks: 1,
        tick_px: CENT,
    }
}

/// A market maker behind a wide gate, with an exchange end that is the test.
struct Desk<'m> {
    book: Book<'m>,
    maker: MarketMaker<'m>,
    risk: Risk<'m>,
    orders: Orders<'m, SliceOutbox<'m>>,
    seq: u64,
}

impl Desk<'_> {
    /// One event through book, strategy, gate and encoder; what left, with its numbers.
    fn event(&mut self, event: Event) -> Vec<(u64, Order)> {
        let tick = tick(event);
        let change = self.book.apply(&tick);
        let mut wishes = Wishes::new();
        self.maker.on_tick(&self.book, &tick, &change, &mut wishes);
        assert_eq!(wishes.lost(), 0);
        self.seq += 1;
        let cause = Cause { epoch: 1, seq: self.seq };
        let mut left = Vec::new();
        for order in wishes.as_slice() {
            let now = Now { time: self.seq << 30, age: 0 };
            let approved = self.risk.check(order, &self.book, now).expect("a wide gate");
            let id = self.orders.send(&approved, cause).expect("room");
            self.maker.on_sent(order, id);
            left.push((id, *order));
        }
        left
    }

    fn hear(&mut self, words: [u64; 7]) {
        let update = self.orders.on_report(&words).expect("one of ours");
        self.risk.on_update(&update);
        self.maker.on_update(&update);
    }

    /// What left, as (kind, side, price), all acknowledged or replaced.
    fn quotes(&mut self, event: Event) -> Vec<(RequestKind, Side, i64)> {
        let left = self.event(event);
        for (id, order) in &left {
            match order.kind {
                RequestKind::New => self.hear(words(ReportKind::Acknowledged, *id, 0)),
                RequestKind::Replace => self.hear(words(ReportKind::Replaced, *id, 0)),
                RequestKind::Cancel => self.hear(words(ReportKind::Cancelled, order.target, 0)),
                RequestKind::MassCancel => {}
            }
        }
        left.iter().map(|(_, order)| (order.kind, order.side, order.px.0)).collect()
    }
}

fn with(quoting: Quoting, test: impl FnOnce(&mut Desk<'_>)) {
    let mut memory = Memory::small();
    let mut slots = [MakerSlot::default(); 8];
    let mut exposures = [Exposure::default(); 8];
    let mut requests = vec![[0; 7]; 256];
    let mut own = vec![OwnOrder::default(); 256];
    test(&mut Desk {
        book: memory.book(),
        maker: MarketMaker::new(quoting, &mut slots).unwrap(),
        risk: Risk::new(common::wide(), &mut exposures).unwrap(),
        orders: Orders::new(SliceOutbox::new(&mut requests), &mut own),
        seq: 0,
    });
}

const BID: i64 = 10_000 * CENT;
const ASK: i64 = 10_004 * CENT;
use RequestKind::{Cancel, New, Replace};
use Side::{Ask, Bid};

/// Best 100.00 / 100.04 and both quotes out at 100.00 / 100.04: mid 100.02 ± 0.02.
fn quoted(desk: &mut Desk<'_>) {
    assert_eq!(desk.quotes(add(0, Bid, 1, BID)), []);
    assert_eq!(desk.quotes(add(0, Ask, 2, ASK)), [(New, Bid, BID), (New, Ask, ASK)]);
}

#[test]
fn two_quotes_around_the_middle_rounded_outward() {
    with(quoting(), |desk| {
        desk.event(add(0, Bid, 1, BID));
        // Mid 100.015: 99.995 and 100.035 are no ticks.
        let quotes = desk.quotes(add(0, Ask, 2, ASK - CENT));
        assert_eq!(quotes, [(New, Bid, BID - CENT), (New, Ask, ASK)]);
    });
}

#[test]
fn a_quote_stays_until_it_is_a_tick_off() {
    with(quoting(), |desk| {
        quoted(desk);
        // More at the touch moves the top, not the wish.
        assert_eq!(desk.quotes(add(0, Bid, 3, BID)), []);
        // The bid steps up one tick, the mid half of one: rounded outward the ask moves, the bid not.
        let quotes = desk.quotes(add(0, Bid, 4, BID + CENT));
        assert_eq!(quotes, [(Replace, Ask, ASK + CENT)]);
    });
    with(Quoting { hysteresis_ticks: 3, ..quoting() }, |desk| {
        quoted(desk);
        // Each step moves the wish a tick; below three nothing is sent.
        assert_eq!(desk.quotes(add(0, Bid, 4, BID + CENT)), []);
        assert_eq!(desk.quotes(add(0, Bid, 5, BID + 2 * CENT)), []);
        assert_eq!(desk.quotes(add(0, Bid, 6, BID + 3 * CENT)), []);
        // Up 2 with the bid now; with the ask lifted by 4 the middle is 3.5 up.
        let quotes = desk.quotes(event_delete(2));
        assert_eq!(quotes, [(Cancel, Side::None, i64::MAX); 2], "one side is no market");
        assert_eq!(desk.quotes(add(0, Ask, 7, ASK + 4 * CENT)).len(), 2);
    });
}

fn event_delete(order_id: u64) -> Event {
    Event { order_id, ..event(Kind::Delete, 0) }
}

#[test]
fn inventory_shifts_both_quotes_against_itself() {
    with(quoting(), |desk| {
        quoted(desk);
        // Bought 100: both quotes a cent lower, and the bid is gone and comes anew.
        desk.hear(words(ReportKind::Filled, 1, 100));
        assert_eq!(desk.maker.position(InstrumentId(0)), 100);
        let quotes = desk.quotes(add(0, Bid, 9, BID - 10 * CENT));
        assert_eq!(quotes, [(New, Bid, BID - CENT), (Replace, Ask, ASK - CENT)]);
        // Sold 200 with the ask (number 4): short 100, so both a cent above the flat quotes.
        desk.hear(words(ReportKind::Filled, 4, 100));
        let quotes = desk.quotes(event_delete(9));
        assert_eq!(quotes, [(Replace, Bid, BID), (New, Ask, ASK)]);
        desk.hear(words(ReportKind::Filled, 6, 100));
        let quotes = desk.quotes(add(0, Bid, 10, BID - 10 * CENT));
        assert_eq!(quotes, [(Replace, Bid, BID + CENT), (New, Ask, ASK + CENT)]);
    });
}

#[test]
fn a_quote_never_crosses_the_other_side() {
    // So much skew that a short position wants to buy far above the ask.
    with(Quoting { skew_px: CENT, ..quoting() }, |desk| {
        quoted(desk);
        desk.hear(words(ReportKind::Filled, 2, 100));
        let quotes = desk.quotes(add(0, Bid, 9, BID - 10 * CENT));
        assert_eq!(quotes[0], (Replace, Bid, ASK - CENT), "one tick below the best ask");
        assert_eq!(quotes[1], (New, Ask, BID + 104 * CENT));
    });
    with(Quoting { skew_px: CENT, ..quoting() }, |desk| {
        quoted(desk);
        desk.hear(words(ReportKind::Filled, 1, 100));
        let quotes = desk.quotes(add(0, Bid, 9, BID - 10 * CENT));
        assert_eq!(quotes[1], (Replace, Ask, BID + CENT), "one tick above the best bid");
    });
}

#[test]
fn beyond_the_position_limit_a_side_is_pulled_and_comes_back() {
    with(Quoting { max_position: 150, skew_px: 0, ..quoting() }, |desk| {
        quoted(desk);
        desk.hear(words(ReportKind::Filled, 1, 100));
        // 100 held: another 100 would be 200.
        assert_eq!(desk.quotes(add(0, Bid, 9, BID - 10 * CENT)), []);
        // A part of the ask is sold: 60 held, still too many.
        desk.hear(words(ReportKind::Filled, 2, 40));
        assert_eq!(desk.quotes(event_delete(9)), []);
        desk.hear(words(ReportKind::Filled, 2, 60));
        let quotes = desk.quotes(add(0, Bid, 10, BID - 10 * CENT));
        assert_eq!(quotes, [(New, Bid, BID), (New, Ask, ASK)]);
    });
    // A live quote beyond the limit is taken off: both rest, 100 sold, the ask refilled and filled.
    with(Quoting { max_position: 100, skew_px: 0, ..quoting() }, |desk| {
        quoted(desk);
        desk.hear(words(ReportKind::Filled, 1, 1));
        assert_eq!(desk.quotes(add(0, Bid, 9, BID)), [(Cancel, Side::None, i64::MAX)]);
    });
}

#[test]
fn incomplete_states_are_not_quoted_on_and_the_complete_one_is() {
    with(quoting(), |desk| {
        quoted(desk);
        let half = Event { flags: 0, ..add(0, Bid, 4, BID + 2 * CENT) };
        assert_eq!(desk.quotes(half), []);
        // The rest of the venue's event does not touch the top; the change is not forgotten.
        let rest = Event { flags: flag::COMPLETE, ..add(0, Bid, 5, BID - 50 * CENT) };
        let quotes = desk.quotes(rest);
        assert_eq!(quotes, [(Replace, Bid, BID + CENT), (Replace, Ask, ASK + CENT)]);
    });
}

#[test]
fn crossed_one_sided_and_halted_books_pull_the_quotes() {
    let pulled = [(Cancel, Side::None, i64::MAX); 2];
    with(quoting(), |desk| {
        quoted(desk);
        assert_eq!(desk.quotes(add(0, Bid, 4, ASK)), pulled, "locked");
        assert_eq!(desk.quotes(event_delete(4)), [(New, Bid, BID), (New, Ask, ASK)]);
        assert_eq!(desk.quotes(event_delete(1)), pulled, "one-sided");
        assert_eq!(desk.quotes(add(0, Bid, 5, BID)).len(), 2);
        let halted = Event { order_id: u64::from(b'H'), ..event(Kind::Status, 0) };
        assert_eq!(desk.quotes(halted), pulled, "halted");
        assert_eq!(desk.quotes(add(0, Bid, 6, BID + CENT)), []);
        let trading = Event { order_id: u64::from(b'T'), ..event(Kind::Status, 0) };
        assert_eq!(desk.quotes(trading).len(), 2, "trades again");
    });
}

#[test]
fn a_gap_pulls_everything_until_a_clear() {
    with(quoting(), |desk| {
        quoted(desk);
        let left = desk.event(event(Kind::Gap, u16::MAX));
        assert_eq!(left.iter().map(|(_, o)| o.kind).collect::<Vec<_>>(), [RequestKind::MassCancel]);
        desk.hear(words(ReportKind::Cancelled, 1, 0));
        desk.hear(words(ReportKind::Cancelled, 2, 0));
        assert_eq!(desk.quotes(add(0, Bid, 4, BID + CENT)), []);
        assert_eq!(desk.quotes(event(Kind::Gap, u16::MAX)), [], "nothing left to pull");
        assert_eq!(desk.quotes(event(Kind::Clear, u16::MAX)), []);
        quoted(desk);
        // A clear with quotes out pulls them too.
        let left = desk.event(event(Kind::Clear, u16::MAX));
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].1.kind, RequestKind::MassCancel);
    });
}

#[test]
fn a_clear_of_one_instrument_pulls_its_quotes_only() {
    with(quoting(), |desk| {
        quoted(desk);
        let left = desk.event(event(Kind::Clear, 0));
        let kinds: Vec<_> = left.iter().map(|(_, o)| (o.kind, o.target)).collect();
        assert_eq!(kinds, [(Cancel, 1), (Cancel, 2)]);
    });
}

#[test]
fn a_quote_with_a_request_on_its_way_is_left_alone_and_looked_at_again() {
    with(quoting(), |desk| {
        desk.event(add(0, Bid, 1, BID));
        let left = desk.event(add(0, Ask, 2, ASK));
        assert_eq!(left.len(), 2);
        // Nothing is acknowledged yet.
        assert_eq!(desk.event(add(0, Bid, 4, BID + 2 * CENT)), []);
        desk.hear(words(ReportKind::Acknowledged, 1, 0));
        // The next event, wherever it happens in the book, moves what may be moved.
        let left = desk.event(add(0, Bid, 5, BID - 50 * CENT));
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].1.kind, left[0].1.target, left[0].1.side), (Replace, 1, Bid));
        desk.hear(words(ReportKind::Acknowledged, 2, 0));
        let left = desk.event(add(0, Bid, 6, BID - 50 * CENT));
        assert_eq!((left[0].1.target, left[0].1.side), (2, Ask));
    });
}

#[test]
fn a_refused_replacement_leaves_the_old_quote_to_be_moved_again() {
    with(quoting(), |desk| {
        quoted(desk);
        let left = desk.event(add(0, Bid, 4, BID + 2 * CENT));
        assert_eq!(left.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 4]);
        desk.hear(rejection(3, Reason::WouldTrade));
        desk.hear(words(ReportKind::Replaced, 4, 0));
        let left = desk.event(add(0, Bid, 5, BID - 50 * CENT));
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].1.kind, left[0].1.target), (Replace, 1), "number 1 still rests");
        desk.hear(rejection(5, Reason::UnknownOrder));
        let left = desk.event(add(0, Bid, 6, BID - 50 * CENT));
        assert_eq!((left[0].1.kind, left[0].1.target), (New, 0), "number 1 is gone");
    });
}

#[test]
fn instruments_are_quoted_apart_on_their_own_ticks() {
    with(quoting(), |desk| {
        quoted(desk);
        let definition = Event { px: Px(5 * CENT), ..event(Kind::Definition, 3) };
        assert_eq!(desk.quotes(definition), []);
        desk.event(add(3, Bid, 11, BID));
        let quotes = desk.quotes(add(3, Ask, 12, BID + 10 * CENT));
        // Mid 100.05 ± 0.02, outward to 5 cents.
        assert_eq!(quotes, [(New, Bid, BID), (New, Ask, BID + 10 * CENT)]);
        // A foreign tick changes nothing, and an instrument beyond the tables is not quoted.
        for px in [Px::NONE, Px(0), Px(-5)] {
            assert_eq!(desk.quotes(Event { px, ..event(Kind::Definition, 3) }), []);
        }
        assert_eq!(desk.quotes(event(Kind::Info, 8)), []);
    });
}

#[test]
fn keys_out_of_range_are_refused_by_name() {
    let broken = [
        (Quoting { half_spread_px: 0, ..quoting() }, "half_spread_px"),
        (Quoting { skew_px: -1, ..quoting() }, "skew_px"),
        (Quoting { qty: Qty(0), ..quoting() }, "qty"),
        (Quoting { max_position: 99, ..quoting() }, "max_position"),
        (Quoting { max_position: u64::MAX, ..quoting() }, "max_position"),
        (Quoting { hysteresis_ticks: 0, ..quoting() }, "hysteresis_ticks"),
        (Quoting { tick_px: 0, ..quoting() }, "tick_px"),
    ];
    for (quoting, key) in broken {
        let error = MarketMaker::new(quoting, &mut []).map(|_| ()).unwrap_err();
        assert_eq!(error.key, key);
    }
}

proptest! {
    #[test]
    fn rounding_to_a_tick_equals_division(px in any::<i64>(), tick in 1..=i64::MAX) {
        let (exact, tick_px) = (i128::from(px), i128::from(tick));
        let floor = exact.div_euclid(tick_px) * tick_px;
        let ceil = -((-exact).div_euclid(tick_px) * tick_px);
        let clamp = |v: i128| v.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        prop_assert_eq!(i128::from(Tick::new(tick).floor(px)), clamp(floor));
        prop_assert_eq!(i128::from(Tick::new(tick).ceil(px)), clamp(ceil));
    }

    #[test]
    fn rounding_to_small_ticks_equals_division(px in any::<i64>(), tick in 1..100_000_000_i64) {
        let (exact, tick_px) = (i128::from(px), i128::from(tick));
        let floor = exact.div_euclid(tick_px) * tick_px;
        prop_assume!(floor > i128::from(i64::MIN));
        prop_assert_eq!(i128::from(Tick::new(tick).floor(px)), floor);
    }

    #[test]
    fn quotes_are_ordered_on_ticks_and_do_not_trade(
        bid in 1..1_000_000_i64,
        spread in 1..500_i64,
        sold in 0..500_u64,
        half in 1..50_i64,
        skew in 0..CENT,
    ) {
        let quoting = Quoting { half_spread_px: half * CENT / 3 + 1, skew_px: skew, ..quoting() };
        with(quoting, |desk| {
            desk.event(add(0, Bid, 1, 5));
            desk.event(add(0, Ask, 2, 5_000_000 * CENT));
            desk.hear(words(ReportKind::Acknowledged, 1, 0));
            desk.hear(words(ReportKind::Acknowledged, 2, 0));
            if sold > 0 {
                desk.hear(words(ReportKind::Filled, 2, sold.min(100)));
            }
            let (bid, ask) = (bid * CENT, (bid + spread) * CENT);
            desk.event(event_delete(1));
            desk.event(event_delete(2));
            desk.event(add(0, Bid, 3, bid));
            desk.event(add(0, Ask, 4, ask));
            let top = desk.book.top(InstrumentId(0));
            assert_eq!(top, Top { bid: Px(bid), bid_qty: Qty(100), ask: Px(ask), ask_qty: Qty(100) });
            for &words in desk.orders.outbox().published() {
                let request = tickspin_wire::order::Request::from_words(words);
                if request.cause_seq != desk.seq || !request.px.is_some() {
                    continue;
                }
                assert_eq!(request.px.0.rem_euclid(CENT), 0);
                match request.side() {
                    Some(Bid) => assert!(request.px.0 < ask),
                    _ => assert!(request.px.0 > bid),
                }
            }
        });
    }
}
