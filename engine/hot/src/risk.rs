//! Wish to verdict: the one gate between a strategy and the encoder.
//!
//! [`Risk::check`] is the only maker of [`Approved`], and the encoder takes nothing else.
//! The gate owns its state: position and open quantity of each instrument, open orders, rates.
//! A verdict changes nothing; what has left is entered with [`Risk::sent`].
//! Integers only, no division; it fails closed: without limits it cannot be made, without a
//! reference price or while the feed has a hole it refuses.
//!
//! | check | rule |
//! |---|---|
//! | gate | closed once ([`Closed`]) is closed until the process ends |
//! | feed | no new order between a `Gap` and the `Clear` that heals it |
//! | instrument | known, and not stopped by the venue |
//! | age | the event that caused the order is younger than the limit |
//! | quantity, notional | per order |
//! | collar | within so many basis points of the middle of an uncrossed top (of the touch, where one side is empty) |
//! | position | worst case with all open orders filled, per instrument |
//! | open orders | count |
//! | rate | buckets for new, replace, and both together; cancels charge the last and are never refused |
//!
//! While a replacement is on its way, the old order and the new one both count as open: the old may
//! trade first. A position limit must leave room for that (the quote quantity twice).

pub mod limits;
pub mod rate;

pub use limits::{LimitError, Limits};
pub use rate::{Bucket, Rate};

use crate::book::{Book, Top, Trading};
use crate::orders::Update;
use crate::strategy::Order;
use tickspin_wire::num::{InstrumentId, Px, Side};
use tickspin_wire::order::RequestKind;

/// An order that passed the gate. Nothing else can make one.
#[derive(Debug)]
pub struct Approved(Order);

impl Approved {
    /// What was approved.
    #[inline]
    #[must_use]
    pub const fn order(&self) -> &Order {
        &self.0
    }
}

/// Why an order was refused. The number is the index into [`Risk::refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// The gate is closed.
    GateClosed = 0,
    /// The feed has a hole that no `Clear` has healed yet.
    NotSynced,
    /// No such instrument, or the venue stopped it.
    Instrument,
    /// The event that caused it is too old.
    Stale,
    /// Side, price or quantity is missing.
    Malformed,
    /// Above the quantity of one order.
    Quantity,
    /// Above the notional of one order.
    Notional,
    /// The book is empty or crossed: nothing to hold the price against.
    NoReference,
    /// Too far from the reference.
    Collar,
    /// The worst-case position is beyond the limit.
    Position,
    /// Too many open orders.
    OpenOrders,
    /// Too many new orders a second.
    RateNew,
    /// Too many replacements a second.
    RateReplace,
    /// Too many of both a second.
    RateTotal,
}

impl Refusal {
    /// How many reasons.
    pub const COUNT: usize = Refusal::RateTotal as usize + 1;

    /// All of them, by number.
    pub const ALL: [Refusal; Refusal::COUNT] = [
        Refusal::GateClosed,
        Refusal::NotSynced,
        Refusal::Instrument,
        Refusal::Stale,
        Refusal::Malformed,
        Refusal::Quantity,
        Refusal::Notional,
        Refusal::NoReference,
        Refusal::Collar,
        Refusal::Position,
        Refusal::OpenOrders,
        Refusal::RateNew,
        Refusal::RateReplace,
        Refusal::RateTotal,
    ];
}

/// What the gate knows of one instrument. Zeros: flat, nothing open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exposure {
    /// Bought minus sold.
    pub position: i64,
    /// Open quantity of own bids, requests on their way counted.
    pub open_bid_qty: u64,
    /// Open quantity of own asks, the same.
    pub open_ask_qty: u64,
}

impl Exposure {
    #[inline]
    fn open_mut(&mut self, side: Side) -> &mut u64 {
        match side {
            Side::Bid => &mut self.open_bid_qty,
            _ => &mut self.open_ask_qty,
        }
    }
}

/// Why the gate closed. The number is the value of the counter `gate_closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Closed {
    /// The process is to stop.
    Stop = 1,
    /// An own order was filled beyond what was open.
    Overfill,
    /// A fill that no order of ours explains.
    UnknownFill,
}

/// When a check happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// In the unit of the limits: TSC ticks, in lock-step ns of the venue's time.
    pub time: u64,
    /// Age of the event at hand, same unit.
    pub age: u64,
}

/// The gate.
#[derive(Debug)]
pub struct Risk<'m> {
    limits: Limits,
    exposures: &'m mut [Exposure],
    new: Bucket,
    replace: Bucket,
    total: Bucket,
    open_orders: u32,
    closed: Option<Closed>,
    is_synced: bool,
    bought_qty: u64,
    sold_qty: u64,
    refused: [u64; Refusal::COUNT],
}

impl<'m> Risk<'m> {
    /// One exposure for each instrument; they are set to flat.
    ///
    /// # Errors
    /// A limit of zero: none has a default.
    pub fn new(limits: Limits, exposures: &'m mut [Exposure]) -> Result<Risk<'m>, LimitError> {
        limits.check()?;
        exposures.fill(Exposure::default());
        Ok(Risk {
            new: Bucket::new(limits.rate_new),
            replace: Bucket::new(limits.rate_replace),
            total: Bucket::new(limits.rate_total),
            limits,
            exposures,
            open_orders: 0,
            closed: None,
            is_synced: true,
            bought_qty: 0,
            sold_qty: 0,
            refused: [0; Refusal::COUNT],
        })
    }

    /// The verdict on one wish. It is asked for the next one only after the approved one has left
    /// and was entered with [`Risk::sent`], or has not left.
    ///
    /// # Errors
    /// The first rule broken, counted in [`Risk::refused`].
    #[inline]
    pub fn check(&mut self, order: &Order, book: &Book<'_>, now: Now) -> Result<Approved, Refusal> {
        match order.kind {
            RequestKind::Cancel | RequestKind::MassCancel => Ok(Approved(*order)),
            RequestKind::New | RequestKind::Replace => match self.verdict(order, book, now) {
                Ok(()) => Ok(Approved(*order)),
                Err(refusal) => Err(self.refuse(refusal)),
            },
        }
    }

    #[inline]
    fn verdict(&self, order: &Order, book: &Book<'_>, now: Now) -> Result<(), Refusal> {
        if self.closed.is_some() {
            return Err(Refusal::GateClosed);
        }
        if !self.is_synced {
            return Err(Refusal::NotSynced);
        }
        let Some(exposure) = self.exposures.get(order.instrument.index()) else {
            return Err(Refusal::Instrument);
        };
        if matches!(book.trading(order.instrument), Trading::Stopped) {
            return Err(Refusal::Instrument);
        }
        if now.age > self.limits.max_age {
            return Err(Refusal::Stale);
        }
        let qty = order.qty.0;
        if qty == 0 || !order.px.is_some() || matches!(order.side, Side::None) {
            return Err(Refusal::Malformed);
        }
        if qty > self.limits.max_qty {
            return Err(Refusal::Quantity);
        }
        if notional(order.px, qty) > u128::from(self.limits.max_notional) {
            return Err(Refusal::Notional);
        }
        let Some(twice) = twice_reference(&book.top(order.instrument)) else {
            return Err(Refusal::NoReference);
        };
        if !within_collar(order.px, twice, self.limits.collar_bp) {
            return Err(Refusal::Collar);
        }
        let (open, signed) = match order.side {
            Side::Bid => (exposure.open_bid_qty, exposure.position),
            _ => (exposure.open_ask_qty, exposure.position.saturating_neg()),
        };
        // All of one side fills and nothing of the other: the worst that can happen.
        let worst = i128::from(signed) + i128::from(open) + i128::from(qty);
        if worst > i128::from(self.limits.max_position) {
            return Err(Refusal::Position);
        }
        if self.open_orders >= self.limits.max_open_orders {
            return Err(Refusal::OpenOrders);
        }
        let (bucket, refusal) = match order.kind {
            RequestKind::Replace => (&self.replace, Refusal::RateReplace),
            _ => (&self.new, Refusal::RateNew),
        };
        if !bucket.has_room(now.time) {
            return Err(refusal);
        }
        if !self.total.has_room(now.time) {
            return Err(Refusal::RateTotal);
        }
        Ok(())
    }

    /// What was approved has left at `time`: it charges the rates and, unless it is a cancel,
    /// counts as open.
    #[inline]
    pub fn sent(&mut self, approved: &Approved, time: u64) {
        let order = approved.order();
        self.total.charge(time);
        match order.kind {
            RequestKind::Cancel | RequestKind::MassCancel => return,
            RequestKind::Replace => self.replace.charge(time),
            RequestKind::New => self.new.charge(time),
        }
        self.open_orders += 1;
        if let Some(exposure) = self.exposures.get_mut(order.instrument.index()) {
            let open = exposure.open_mut(order.side);
            *open = open.saturating_add(order.qty.0);
        }
    }

    /// What a report changed: position, open quantity, open orders.
    #[inline]
    pub fn on_update(&mut self, update: &Update) {
        // Positions saturate: far beyond any limit, and the gate is closed by then.
        let qty = i64::try_from(update.filled_qty).unwrap_or(i64::MAX);
        if let Some(exposure) = self.exposures.get_mut(update.instrument.index()) {
            if matches!(update.side, Side::Bid) {
                exposure.position = exposure.position.saturating_add(qty);
                self.bought_qty = self.bought_qty.saturating_add(update.filled_qty);
            } else {
                exposure.position = exposure.position.saturating_sub(qty);
                self.sold_qty = self.sold_qty.saturating_add(update.filled_qty);
            }
            let open = exposure.open_mut(update.side);
            *open = open.saturating_sub(update.released_qty);
        }
        self.open_orders = self.open_orders.saturating_sub(update.closed);
        if update.is_unknown {
            self.close(Closed::UnknownFill);
        } else if update.is_overfill {
            self.close(Closed::Overfill);
        }
    }

    /// No new order from here on, for as long as the process lives. The first reason stays.
    pub fn close(&mut self, why: Closed) {
        self.closed = self.closed.or(Some(why));
    }

    /// Why the gate is closed; `None`: it is open.
    #[inline]
    #[must_use]
    pub const fn closed(&self) -> Option<Closed> {
        self.closed
    }

    /// Closed for good.
    #[inline]
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// A new session in lock-step, where time is the venue's: it starts afresh, so do the rates.
    pub fn restart_rates(&mut self) {
        self.new = Bucket::new(self.limits.rate_new);
        self.replace = Bucket::new(self.limits.rate_replace);
        self.total = Bucket::new(self.limits.rate_total);
    }

    /// False between a `Gap` and the `Clear` that heals it.
    #[inline]
    pub fn set_synced(&mut self, is_synced: bool) {
        self.is_synced = is_synced;
    }

    /// Position and open quantities of one instrument.
    #[must_use]
    pub fn exposure(&self, instrument: InstrumentId) -> Exposure {
        self.exposures.get(instrument.index()).copied().unwrap_or_default()
    }

    /// Refusals so far, by [`Refusal`] number.
    #[must_use]
    pub const fn refused(&self) -> &[u64; Refusal::COUNT] {
        &self.refused
    }

    /// Orders open or on their way.
    #[must_use]
    pub const fn open_orders(&self) -> u32 {
        self.open_orders
    }

    /// Bought and sold so far, all instruments.
    #[must_use]
    pub const fn traded(&self) -> (u64, u64) {
        (self.bought_qty, self.sold_qty)
    }

    #[cold]
    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        if let Some(count) = self.refused.get_mut(refusal as usize) {
            *count += 1;
        }
        refusal
    }
}

/// |price| × quantity, in 1e-9 of the quote currency.
#[inline]
fn notional(px: Px, qty: u64) -> u128 {
    u128::from(px.0.unsigned_abs()) * u128::from(qty)
}

/// Twice the middle of an uncrossed top, twice the touch of a one-sided one.
#[inline]
fn twice_reference(top: &Top) -> Option<i128> {
    match (top.bid.is_some(), top.ask.is_some()) {
        (true, true) if top.bid > top.ask => None,
        (true, true) => Some(i128::from(top.bid.0) + i128::from(top.ask.0)),
        (true, false) => Some(2 * i128::from(top.bid.0)),
        (false, true) => Some(2 * i128::from(top.ask.0)),
        (false, false) => None,
    }
}

/// |px − ref| ≤ ref × bp / 10,000, both sides times 20,000.
#[inline]
fn within_collar(px: Px, twice: i128, collar_bp: u32) -> bool {
    let distance = (2 * i128::from(px.0) - twice).unsigned_abs();
    distance * 10_000 <= twice.unsigned_abs() * u128::from(collar_bp)
}
