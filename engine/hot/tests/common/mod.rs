//! What the tests of this package share: memory for the books, short ways to say events and orders.
#![allow(dead_code, reason = "each test uses its own part")]

pub(crate) mod rig;

use tickspin_hot::book::{Book, BookMemory, BookSize, InstrumentSlot, Level, OrderSlot};
use tickspin_hot::decode::{Tick, check};
use tickspin_hot::risk::{Limits, Rate};
use tickspin_hot::strategy::Order;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{Reason, Report, ReportKind, RequestKind};

/// A hundredth of the quote currency.
pub(crate) const CENT: i64 = Px::ONE / 100;

/// Memory of the books, owned by the test.
pub(crate) struct Memory {
    pub(crate) orders: Vec<OrderSlot>,
    pub(crate) levels: Vec<Level>,
    pub(crate) instruments: Vec<InstrumentSlot>,
}

impl Memory {
    pub(crate) fn new(size: BookSize) -> Memory {
        Memory {
            orders: vec![OrderSlot::default(); size.order_slots()],
            levels: vec![Level::default(); size.level_slots()],
            instruments: vec![InstrumentSlot::default(); size.instrument_slots()],
        }
    }

    pub(crate) fn small() -> Memory {
        Memory::new(BookSize { instruments: 8, orders: 1_000, levels: 1_000 })
    }

    pub(crate) fn book(&mut self) -> Book<'_> {
        self.book_seeded(7)
    }

    pub(crate) fn book_seeded(&mut self, seed: u64) -> Book<'_> {
        let memory = BookMemory {
            orders: &mut self.orders,
            levels: &mut self.levels,
            instruments: &mut self.instruments,
        };
        Book::new(memory, seed).expect("sizes from BookSize")
    }
}

/// The canonical lines, the way cold writes them.
#[allow(clippy::disallowed_methods, reason = "a test may allocate")]
pub(crate) fn lines(book: &Book<'_>) -> String {
    let side_text = |instrument, side| {
        let levels: Vec<String> = book
            .levels(instrument, side)
            .map(|(px, qty, count)| format!("{}:{}:{count}", px.0, qty.0))
            .collect();
        levels.join(";")
    };
    let mut text = String::new();
    for instrument in (0..book.instrument_count() as u16).map(InstrumentId) {
        let (bids, asks) = (side_text(instrument, Side::Bid), side_text(instrument, Side::Ask));
        if !bids.is_empty() || !asks.is_empty() {
            text.push_str(&format!("{}|{bids}|{asks}\n", instrument.0));
        }
    }
    text
}

/// An event of `kind` about `instrument`, complete.
pub(crate) fn event(kind: Kind, instrument: u16) -> Event {
    Event {
        instrument: InstrumentId(instrument),
        kind_side: Event::pack(kind, Side::None),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

/// An order of 100 enters.
pub(crate) fn add(instrument: u16, side: Side, order_id: u64, px: i64) -> Event {
    Event {
        px: Px(px),
        qty: Qty(100),
        order_id,
        kind_side: Event::pack(Kind::Add, side),
        ..event(Kind::Add, instrument)
    }
}

/// Checked.
pub(crate) fn tick(event: Event) -> Tick {
    check(event).expect("a good event")
}

/// Limits that stop nothing below a million, with time in ns.
pub(crate) fn wide() -> Limits {
    let rate = Rate::new(1_000_000, 1_000_000, 1_000_000_000);
    Limits {
        max_qty: 1_000_000,
        max_notional: u64::MAX,
        max_position: 1_000_000,
        max_open_orders: 1_000_000,
        collar_bp: 1_000_000,
        max_age: u64::MAX,
        rate_new: rate,
        rate_replace: rate,
        rate_total: rate,
    }
}

/// A wish to buy or sell.
pub(crate) fn limit(side: Side, px: i64, qty: u64) -> Order {
    Order {
        kind: RequestKind::New,
        side,
        instrument: InstrumentId(0),
        flags: 0,
        px: Px(px),
        qty: Qty(qty),
        target: 0,
    }
}

/// A wish to replace `target`.
pub(crate) fn replace(side: Side, px: i64, qty: u64, target: u64) -> Order {
    Order { kind: RequestKind::Replace, target, ..limit(side, px, qty) }
}

/// A report about `client_id`.
pub(crate) fn report(kind: ReportKind, client_id: u64, qty: u64) -> Report {
    Report {
        after_seq: 0,
        client_id,
        venue_id: 0,
        leaves: Qty(0),
        px: Px(100 * Px::ONE),
        qty: Qty(qty),
        instrument: InstrumentId(0),
        kind: kind as u8,
        side: Side::Bid as u8,
        reason: Reason::None as u32,
    }
}

/// The same as words.
pub(crate) fn words(kind: ReportKind, client_id: u64, qty: u64) -> [u64; 7] {
    report(kind, client_id, qty).to_words()
}

/// A rejection for a reason.
pub(crate) fn rejection(client_id: u64, reason: Reason) -> [u64; 7] {
    Report { reason: reason as u32, ..report(ReportKind::Rejected, client_id, 0) }.to_words()
}
