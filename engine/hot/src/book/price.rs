//! Books that arrive as prices, not as orders: market by price and top of book.
//!
//! An instrument is one or the other. While orders of it rest in the book, a `Level` or a `Quote`
//! about it is refused and counted: a feed that mixes both speaks of two books.
//! Cost: the instrument's line and the levels next to the price, no order table.

use super::ladder::{Arena, Ladder};
use super::{Book, Change, Effect, mask_of, none, refresh};
use tickspin_wire::event::Event;
use tickspin_wire::num::Side;

/// Larger counts of orders on a level are shown as this: orders that enter later still fit.
const ORDERS_MAX: u64 = i32::MAX as u64;

impl Book<'_> {
    /// One level is as the event says from now on; quantity 0 takes it away, and one that was not
    /// there is no news.
    #[inline]
    pub(super) fn level(&mut self, event: &Event, side: Side) -> Change {
        if !event.px.is_some() {
            return self.refused_other(event.instrument);
        }
        self.set(event, side, |arena, ladder, key, orders| match event.qty.0 {
            0 => Some(arena.unset(ladder, key)),
            qty => arena.set(ladder, key, qty, orders).map(Some),
        })
    }

    /// The side is this one level from now on, or empty.
    #[inline]
    pub(super) fn quote(&mut self, event: &Event, side: Side) -> Change {
        self.set(event, side, |arena, ladder, key, orders| {
            if event.qty.0 == 0 || !event.px.is_some() {
                return Some(arena.empty(ladder).then_some(true));
            }
            arena.keep_only(ladder, key);
            arena.set(ladder, key, event.qty.0, orders)?;
            Some(Some(true))
        })
    }

    /// `change` answers `None` where there is no room, else whether anything changed, and if so
    /// whether the best did.
    #[inline]
    fn set(
        &mut self,
        event: &Event,
        side: Side,
        change: impl FnOnce(&mut Arena<'_>, &mut Ladder, i64, u32) -> Option<Option<bool>>,
    ) -> Change {
        let instrument = event.instrument;
        let Some(slot) = self.instruments.get_mut(instrument.index()) else {
            return self.refused_other(instrument);
        };
        if slot.orders > 0 {
            return self.refused_other(instrument);
        }
        let [bids, asks] = &mut slot.ladders;
        let ladder = if matches!(side, Side::Bid) { bids } else { asks };
        let orders = event.order_id.min(ORDERS_MAX) as u32;
        let Some(changed) = change(&mut self.arena, ladder, event.px.0 ^ mask_of(side), orders)
        else {
            return self.refused_level(instrument);
        };
        let Some(is_top) = changed else { return none(event) };
        if is_top {
            refresh(&mut slot.top, side, self.arena.best(*ladder));
        }
        self.used = self.used.max(instrument.index() + 1);
        Change { effect: Effect::Changed, is_top, instrument }
    }
}
