//! Book and event in, wishes out.
//!
//! A strategy is called once for each event, after the book has taken it, and writes at most
//! [`Wishes::CAPACITY`] wishes. It never sends: a wish passes the risk gate and the encoder first,
//! and the strategy then hears under which number it left ([`Strategy::on_sent`]) or that it did
//! not ([`Strategy::on_refused`]); reports reach it as [`Update`]s.
//! Dispatch is static: one loop is compiled for each strategy.

pub mod market_maker;
pub mod probe;

pub use market_maker::MarketMaker;
pub use probe::Probe;

use crate::book::{Book, Change};
use crate::decode::Tick;
use crate::orders::Update;
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::RequestKind;

/// What a strategy wishes: a request before it has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// New, cancel, replace, mass cancel.
    pub kind: RequestKind,
    /// Bid or ask; `None` for cancels.
    pub side: Side,
    /// Which instrument; `ALL` for a mass cancel.
    pub instrument: InstrumentId,
    /// Bits of [`tickspin_wire::order::request_flag`].
    pub flags: u32,
    /// Limit; `Px::NONE` for cancels.
    pub px: Px,
    /// Quantity; 0 for cancels.
    pub qty: Qty,
    /// Cancel, replace: the own order meant; else 0.
    pub target: u64,
}

impl Order {
    /// Take one own order off.
    #[inline]
    #[must_use]
    pub const fn cancel(instrument: InstrumentId, target: u64) -> Order {
        Order {
            kind: RequestKind::Cancel,
            side: Side::None,
            instrument,
            flags: 0,
            px: Px::NONE,
            qty: Qty(0),
            target,
        }
    }

    /// Take everything off.
    #[inline]
    #[must_use]
    pub const fn mass_cancel() -> Order {
        Order { kind: RequestKind::MassCancel, ..Order::cancel(InstrumentId::ALL, 0) }
    }
}

/// The wishes of one event, in the order in which they are to leave. Fixed capacity.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    orders: [Order; Wishes::CAPACITY],
    len: usize,
    lost: u64,
}

impl Wishes {
    /// Most wishes of one event: two quotes, each at most cancelled and sent anew.
    pub const CAPACITY: usize = 4;

    /// None.
    #[must_use]
    pub const fn new() -> Wishes {
        Wishes { orders: [Order::mass_cancel(); Wishes::CAPACITY], len: 0, lost: 0 }
    }

    /// Adds one; beyond the capacity it is counted as lost.
    #[inline]
    pub fn push(&mut self, order: Order) {
        match self.orders.get_mut(self.len) {
            Some(place) => {
                *place = order;
                self.len += 1;
            }
            None => self.lost += 1,
        }
    }

    /// The wishes so far.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Order] {
        self.orders.get(..self.len).unwrap_or(&[])
    }

    /// Forgets the wishes, keeps the count of lost ones.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// How many were pushed beyond the capacity, ever: a defect of the strategy.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes::new()
    }
}

/// Decides what to wish.
pub trait Strategy {
    /// The name on the command line and in reports.
    const NAME: &'static str;
    /// After the book has taken `tick`; `change` says what that did. `wishes` is empty.
    fn on_tick(&mut self, book: &Book<'_>, tick: &Tick, change: &Change, wishes: &mut Wishes);
    /// A wish has left as `client_id`.
    #[inline]
    fn on_sent(&mut self, order: &Order, client_id: u64) {
        let _ = (order, client_id);
    }
    /// A wish was refused, by the gate or for want of room; nothing left.
    #[inline]
    fn on_refused(&mut self, order: &Order) {
        let _ = order;
    }
    /// A report changed an own order.
    #[inline]
    fn on_update(&mut self, update: &Update) {
        let _ = update;
    }
}

/// Thinks and wishes nothing: the cost of the pipeline without orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Strategy for Silent {
    const NAME: &'static str = "silent";
    #[inline]
    fn on_tick(&mut self, _: &Book<'_>, _: &Tick, _: &Change, _: &mut Wishes) {}
}
