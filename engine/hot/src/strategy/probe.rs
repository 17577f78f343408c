//! Answers every tick and thinks nothing: the floor of the pipeline.
//!
//! Each message of the venue about an instrument with a top gets one immediate-or-cancel order of
//! one lot at the touch of its own side (a buy at the best bid), sides alternating. Such an order
//! cannot trade unless the book is locked or crossed, so the position stays flat while every stage
//! and both rings are exercised. The wrong choice where anything but latency is to be measured.
//!
//! It can be told to think: a chain of multiplications each of which waits for the one before, on
//! each n-th tick, for experiments about strategies that take their time.

use super::{Order, Strategy, Wishes};
use crate::book::{Book, Change};
use crate::decode::Tick;
use core::hint::black_box;
use tickspin_wire::num::{Qty, Side};
use tickspin_wire::order::{RequestKind, request_flag};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    qty: Qty,
    next: Side,
    think_steps: u32,
    think_every: u32,
    /// Ticks until it thinks again.
    think_in: u32,
}

impl Probe {
    /// `lot`: the quantity of each order, at least 1.
    #[must_use]
    pub const fn new(lot: Qty) -> Probe {
        let qty = Qty(if lot.0 == 0 { 1 } else { lot.0 });
        Probe { qty, next: Side::Bid, think_steps: 0, think_every: 1, think_in: 1 }
    }

    /// The same, with `steps` dependent multiplications on each `every`-th tick of an instrument.
    #[must_use]
    pub const fn thinking(self, steps: u32, every: u32) -> Probe {
        let every = if every == 0 { 1 } else { every };
        Probe { think_steps: steps, think_every: every, think_in: every, ..self }
    }

    #[inline]
    fn think(&mut self) {
        self.think_in -= 1;
        if self.think_in != 0 {
            return;
        }
        self.think_in = self.think_every;
        let mut thought = black_box(self.qty.0 | 1);
        for _ in 0..self.think_steps {
            thought = thought.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ thought >> 32;
        }
        black_box(thought);
    }
}

impl Strategy for Probe {
    const NAME: &'static str = "probe";

    #[inline]
    fn on_tick(&mut self, book: &Book<'_>, tick: &Tick, _: &Change, wishes: &mut Wishes) {
        if !tick.is_of_instrument() {
            return;
        }
        if self.think_steps != 0 {
            self.think();
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
