//! Two-sided quotes with inventory skew.
//!
//! ```text
//!   reservation = mid − position × skew            Avellaneda–Stoikov's r = s − qγσ²(T−t), with
//!   bid = reservation − half spread, rounded down  γσ²(T−t) and the spread given by cold as prices
//!   ask = reservation + half spread, rounded up    (fixed for a run; estimation is a later part)
//! ```
//! Then the bid is kept below the best ask and the ask above the best bid (post-only), a side whose
//! fill would take the position beyond its limit is not quoted, and a live quote stays where it is
//! until the wished price is at least the hysteresis away from it.
//!
//! Quotes are made on complete states of an uncrossed two-sided book of an instrument that trades.
//! A gap, a clear, a halt, or a book that is not such pulls them.
//! A quote with a request on its way is left alone until the answer; the instrument stays marked
//! and is looked at again with its next event.
//!
//! Integers only. The only division is in [`Tick::new`], once per instrument: rounding multiplies by
//! a reciprocal and corrects by one. One line of memory per instrument, borrowed.

use super::{Order, Strategy, Wishes};
use crate::book::{Book, Change, Top, Trading};
use crate::decode;
use crate::orders::{Update, UpdateKind};
use core::fmt;
use tickspin_wire::event::Kind;
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{RequestKind, request_flag};

/// How to quote; the same for all instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoting {
    /// From the reservation price to each quote, 1e-9 of the quote currency; at least 1.
    pub half_spread_px: i64,
    /// Shift of the reservation price for each unit of position, 1e-9; 0: none.
    pub skew_px: i64,
    /// Quantity of each quote; at least 1.
    pub qty: Qty,
    /// A side is not quoted where its fill would take |position| beyond this; at least `qty`.
    pub max_position: u64,
    /// A live quote moves when it is at least so many ticks off; at least 1.
    pub hysteresis_ticks: u32,
    /// Price tick of instruments for which no `Definition` gives one, 1e-9; at least 1.
    pub tick_px: i64,
}

/// A key of [`Quoting`] that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotingError {
    /// Which key.
    pub key: &'static str,
    /// What would do.
    pub rule: &'static str,
}

impl fmt::Display for QuotingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "market maker: {} must be {}", self.key, self.rule)
    }
}

impl core::error::Error for QuotingError {}

impl Quoting {
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), QuotingError> {
        for (is_good, key, rule) in [
            (self.half_spread_px >= 1, "half_spread_px", "at least 1"),
            (self.skew_px >= 0, "skew_px", "0 or more"),
            (self.qty.0 >= 1, "qty", "at least 1"),
            (self.max_position >= self.qty.0, "max_position", "at least qty"),
            (i64::try_from(self.max_position).is_ok(), "max_position", "below 2^63"),
            (self.hysteresis_ticks >= 1, "hysteresis_ticks", "at least 1"),
            (self.tick_px >= 1, "tick_px", "at least 1"),
        ] {
            if !is_good {
                return Err(QuotingError { key, rule });
            }
        }
        Ok(())
    }
}

/// A price tick with its reciprocal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    px: i64,
    /// ⌊(2^64 − 1) / px⌋.
    reciprocal: u64,
}

impl Tick {
    /// `px` below 1 counts as 1. Divides: for cold, or once per instrument.
    #[must_use]
    pub const fn new(px: i64) -> Tick {
        let px = if px < 1 { 1 } else { px };
        Tick { px, reciprocal: u64::MAX / px as u64 }
    }

    /// `magnitude` modulo the tick, for magnitudes up to 2^63.
    ///
    /// The estimate of the quotient is never too high and at most one too low: the reciprocal
    /// misses 2^64/px by at most 1, which costs less than magnitude/2^64 ≤ 1/2 before flooring.
    #[inline]
    const fn remainder(self, magnitude: u64) -> u64 {
        let px = self.px as u64;
        let quotient = ((magnitude as u128 * self.reciprocal as u128) >> 64) as u64;
        let rest = magnitude - quotient * px;
        if rest >= px { rest - px } else { rest }
    }

    /// The multiple of the tick at or below `px`; saturates at the ends of `i64`.
    #[inline]
    #[must_use]
    pub const fn floor(self, px: i64) -> i64 {
        let rest = self.remainder(px.unsigned_abs()) as i64;
        if px >= 0 || rest == 0 {
            px.saturating_sub(rest)
        } else {
            px.saturating_sub(self.px - rest)
        }
    }

    /// The multiple of the tick at or above `px`; saturates at the ends of `i64`.
    #[inline]
    #[must_use]
    pub const fn ceil(self, px: i64) -> i64 {
        let rest = self.remainder(px.unsigned_abs()) as i64;
        if px <= 0 || rest == 0 {
            px.saturating_add(rest)
        } else {
            px.saturating_add(self.px - rest)
        }
    }
}

/// One quote of ours.
#[derive(Clone, Copy, Debug, Default)]
struct Quote {
    /// Own order number; 0: none.
    id: u64,
    px: i64,
}

/// One instrument's line. Zeroed memory is fit for [`MarketMaker::new`], which formats it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct MakerSlot {
    bid: Quote,
    ask: Quote,
    position: i64,
    tick: Tick,
    bid_is_pending: bool,
    ask_is_pending: bool,
    /// Something moved since the quotes were last compared with the book.
    is_marked: bool,
}

const _: () = assert!(core::mem::size_of::<MakerSlot>() == 64, "one line per instrument");

/// See the module.
#[derive(Debug)]
pub struct MarketMaker<'m> {
    quoting: Quoting,
    slots: &'m mut [MakerSlot],
    /// Quotes with a number, over all instruments.
    working: u32,
    /// False between a `Gap` and the `Clear` that heals it.
    is_synced: bool,
}

impl<'m> MarketMaker<'m> {
    /// One slot for each instrument; they are set to flat and unquoted.
    ///
    /// # Errors
    /// A key of `quoting` out of its range.
    pub fn new(
        quoting: Quoting,
        slots: &'m mut [MakerSlot],
    ) -> Result<MarketMaker<'m>, QuotingError> {
        quoting.check()?;
        slots.fill(MakerSlot { tick: Tick::new(quoting.tick_px), ..MakerSlot::default() });
        Ok(MarketMaker { quoting, slots, working: 0, is_synced: true })
    }

    /// What is held of an instrument.
    #[must_use]
    pub fn position(&self, instrument: InstrumentId) -> i64 {
        self.slots.get(instrument.index()).map_or(0, |slot| slot.position)
    }

    /// Prices at which both sides are wished; `None` for a side beyond the position limit.
    #[inline]
    fn wished(&self, slot: &MakerSlot, top: &Top) -> [Option<i64>; 2] {
        let quoting = &self.quoting;
        let tick = slot.tick;
        let (bid, ask) = (top.bid.0, top.ask.0);
        // Halves of the sum without its overflow, one rounded down, one up: outward.
        let mid_low = (bid & ask) + ((bid ^ ask) >> 1);
        let mid_high = (bid | ask) - ((bid ^ ask) >> 1);
        let shift = slot.position.saturating_mul(quoting.skew_px);
        let low = mid_low.saturating_sub(shift).saturating_sub(quoting.half_spread_px);
        let high = mid_high.saturating_sub(shift).saturating_add(quoting.half_spread_px);
        let bid_px = tick.floor(low.min(ask.saturating_sub(1)));
        let ask_px = tick.ceil(high.max(bid.saturating_add(1)));
        let qty = quoting.qty.0 as i64;
        let limit = quoting.max_position as i64;
        [
            (slot.position.saturating_add(qty) <= limit).then_some(bid_px),
            (slot.position.saturating_sub(qty) >= -limit).then_some(ask_px),
        ]
    }

    /// Compares the quotes of one instrument with the wished ones and writes the difference.
    #[inline]
    fn requote(&mut self, book: &Book<'_>, instrument: InstrumentId, wishes: &mut Wishes) {
        let top = book.top(instrument);
        let is_quotable = self.is_synced
            && top.is_quotable()
            && !matches!(book.trading(instrument), Trading::Stopped);
        let Some(slot) = self.slots.get(instrument.index()) else { return };
        let [bid_px, ask_px] = if is_quotable { self.wished(slot, &top) } else { [None, None] };
        let threshold = slot.tick.px.saturating_mul(i64::from(self.quoting.hysteresis_ticks));
        let wanted = [
            (Side::Bid, slot.bid, slot.bid_is_pending, bid_px),
            (Side::Ask, slot.ask, slot.ask_is_pending, ask_px),
        ];
        let mut is_marked = false;
        for (side, quote, is_pending, px) in wanted {
            let order = |kind, px, target| Order {
                kind,
                side,
                instrument,
                flags: request_flag::POST_ONLY,
                px: Px(px),
                qty: self.quoting.qty,
                target,
            };
            match (quote.id, px) {
                (0, None) => {}
                (0, Some(px)) => wishes.push(order(RequestKind::New, px, 0)),
                _ if is_pending => is_marked = true,
                (id, None) => wishes.push(Order::cancel(instrument, id)),
                (id, Some(px)) => {
                    if px.abs_diff(quote.px) >= threshold.unsigned_abs() {
                        wishes.push(order(RequestKind::Replace, px, id));
                    }
                }
            }
        }
        if let Some(slot) = self.slots.get_mut(instrument.index()) {
            slot.is_marked = is_marked;
        }
    }

    /// Gaps and clears of everything: all quotes are void.
    #[cold]
    #[inline(never)]
    fn pull_all(&mut self, wishes: &mut Wishes) {
        if self.working > 0 {
            wishes.push(Order::mass_cancel());
        }
    }

    #[cold]
    #[inline(never)]
    fn define(&mut self, tick: &decode::Tick) {
        let px = tick.event.px;
        if let Some(slot) = self.slots.get_mut(tick.event.instrument.index())
            && px.is_some()
            && px.0 > 0
        {
            slot.tick = Tick::new(px.0);
            slot.is_marked = true;
        }
    }

    fn quote_of(&mut self, instrument: InstrumentId, id: u64) -> Option<(&mut Quote, &mut bool)> {
        let slot = self.slots.get_mut(instrument.index())?;
        if slot.bid.id == id {
            Some((&mut slot.bid, &mut slot.bid_is_pending))
        } else if slot.ask.id == id {
            Some((&mut slot.ask, &mut slot.ask_is_pending))
        } else {
            None
        }
    }
}

impl Strategy for MarketMaker<'_> {
    const NAME: &'static str = "market-maker";

    #[inline]
    fn on_tick(
        &mut self,
        book: &Book<'_>,
        tick: &decode::Tick,
        change: &Change,
        wishes: &mut Wishes,
    ) {
        match tick.kind {
            Kind::Gap => {
                self.is_synced = false;
                self.pull_all(wishes);
                return;
            }
            Kind::Clear => {
                if tick.event.instrument == InstrumentId::ALL {
                    self.is_synced = true;
                    self.pull_all(wishes);
                } else {
                    self.requote(book, change.instrument, wishes);
                }
                return;
            }
            Kind::Definition => self.define(tick),
            _ => {}
        }
        let Some(slot) = self.slots.get_mut(change.instrument.index()) else { return };
        slot.is_marked |= change.is_top | matches!(tick.kind, Kind::Status);
        if slot.is_marked && tick.is_complete() {
            self.requote(book, change.instrument, wishes);
        }
    }

    #[inline]
    fn on_sent(&mut self, order: &Order, client_id: u64) {
        if matches!(order.kind, RequestKind::MassCancel) {
            return;
        }
        let Some(slot) = self.slots.get_mut(order.instrument.index()) else { return };
        if matches!(order.kind, RequestKind::Cancel) {
            slot.bid_is_pending |= slot.bid.id == order.target;
            slot.ask_is_pending |= slot.ask.id == order.target;
            return;
        }
        let quote = Quote { id: client_id, px: order.px.0 };
        self.working += u32::from(matches!(order.kind, RequestKind::New));
        if matches!(order.side, Side::Bid) {
            slot.bid = quote;
            slot.bid_is_pending = true;
        } else {
            slot.ask = quote;
            slot.ask_is_pending = true;
        }
    }

    #[inline]
    fn on_refused(&mut self, order: &Order) {
        if let Some(slot) = self.slots.get_mut(order.instrument.index()) {
            slot.is_marked = true;
        }
    }

    #[inline]
    fn on_update(&mut self, update: &Update) {
        if let Some(slot) = self.slots.get_mut(update.instrument.index())
            && !matches!(update.kind, UpdateKind::Acknowledged)
        {
            slot.is_marked = true;
            let qty = i64::try_from(update.filled_qty).unwrap_or(i64::MAX);
            slot.position = match update.side {
                Side::Bid => slot.position.saturating_add(qty),
                _ => slot.position.saturating_sub(qty),
            };
        }
        let Some((quote, is_pending)) = self.quote_of(update.instrument, update.client_id) else {
            return;
        };
        *quote = Quote { id: update.working_id, px: update.working_px.0 };
        *is_pending = update.is_pending;
        self.working -= u32::from(update.working_id == 0);
    }
}
