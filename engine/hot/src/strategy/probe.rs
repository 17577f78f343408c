//! Answers every tick and thinks nothing: the floor of the pipeline.
//!
//! Each message of the venue about an instrument with a top gets one immediate-or-cancel order of
//! one lot at the touch of its own side (a buy at the best bid), sides alternating. Such an order
//! cannot trade unless the book is locked or crossed, so the position stays flat while every stage
//! and both rings are exercised. The wrong choice where anything but latency is to be measured.

use super::{Order, Strategy, Wishes};
use crate::book::{Book, Change};
use crate::decode::Tick;
use tickspin_wire::num::{Qty, Side};
use tickspin_wire::order::{RequestKind, request_flag};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    qty: Qty,
    next: Side,
}

impl Probe {
    /// `lot`: the quantity of each order, at least 1.
    #[must_use]
    pub const fn new(lot: Qty) -> Probe {
        Probe { qty: Qty(if lot.0 == 0 { 1 } else { lot.0 }), next: Side::Bid }
    }
}

impl Strategy for Probe {
    const NAME: &'static str = "probe";

    #[inline]
    fn on_tick(&mut self, book: &Book<'_>, tick: &Tick, _: &Change, wishes: &mut Wishes) {
        if !tick.is_of_instrument() {
            return;
        }
        let top = book.top(tick.event.instrument);
        let (side, px) = match (self.next, top.bid.is_some(), top.ask.is_some()) {
            (_, false, false) => return,
            (Side::Ask, _, true) | (_, false, true) => (Side::Ask, top.ask),
            _ => (Side::Bid, top.bid),
        };
        self.next = side.opposite();
        wishes.push(Order {
            kind: RequestKind::New,
            side,
            instrument: tick.event.instrument,
            flags: request_flag::IMMEDIATE_OR_CANCEL,
            px,
            qty: self.qty,
            target: 0,
        });
    }
}
