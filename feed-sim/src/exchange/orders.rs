//! The engine's open orders: bounded, found by number, listed by instrument.
//!
//! ```text
//!   client id ─► index (open addressing) ─► slot [OpenOrder]
//!   instrument ─► Listing: touch, best own prices, first and last slot ─► … in order of arrival
//! ```
//! All memory is made at construction. A touch that reaches no own price costs two compares.

use crate::source::Touch;
use tickspin_host::memory::{MemoryError, Table};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const NONE: u32 = u32::MAX;

/// One open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// The engine's number.
    pub client_id: u64,
    /// Ours.
    pub venue_id: u64,
    /// Limit.
    pub px: Px,
    /// Open quantity.
    pub qty: Qty,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// `Bid` or `Ask`.
    pub side: Side,
}

#[derive(Clone, Copy)]
struct Slot {
    order: OpenOrder,
    before: u32,
    behind: u32,
}

/// One instrument's line.
#[derive(Clone, Copy)]
struct Listing {
    /// Best prices, `i64::MIN` and `i64::MAX` where there is none.
    bid: i64,
    ask: i64,
    /// Own highest bid and lowest ask, `i64::MIN` and `i64::MAX` where there is none.
    own_bid: i64,
    own_ask: i64,
    first: u32,
    last: u32,
    /// The touch holds in this generation; 0: the instrument was never named.
    generation: u32,
}

impl Default for Listing {
    fn default() -> Listing {
        Listing {
            bid: i64::MIN,
            ask: i64::MAX,
            own_bid: i64::MIN,
            own_ask: i64::MAX,
            first: NONE,
            last: NONE,
            generation: 0,
        }
    }
}

/// All open orders, and the touch of every instrument.
pub struct OpenOrders {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    /// Slot by client id: linear probing, a quarter full at most.
    index: Vec<u32>,
    listings: Table<Listing>,
    generation: u32,
}

impl OpenOrders {
    /// Room for `most` orders, 1 to 2^24.
    ///
    /// # Errors
    /// No memory.
    pub fn new(most: u32) -> Result<OpenOrders, MemoryError> {
        let most = most.clamp(1, 1 << 24);
        let order = OpenOrder {
            client_id: 0,
            venue_id: 0,
            px: Px::NONE,
            qty: Qty(0),
            instrument: InstrumentId::ALL,
            side: Side::None,
        };
        Ok(OpenOrders {
            slots: vec![Slot { order, before: NONE, behind: NONE }; most as usize],
            vacant: (0..most).rev().collect(),
            index: vec![NONE; (most as usize * 4).next_power_of_two()],
            listings: Table::new(usize::from(u16::MAX), false)?,
            generation: 1,
        })
    }

    /// Open orders now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// No order is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// There is no room for another.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.vacant.is_empty()
    }

    /// Whether an event named this instrument.
    #[must_use]
    pub fn is_known(&self, instrument: InstrumentId) -> bool {
        self.listings.as_slice().get(instrument.index()).is_some_and(|l| l.generation != 0)
    }

    /// Takes the touch after an event. True when it reaches an own price.
    #[inline]
    pub fn set_touch(&mut self, instrument: InstrumentId, touch: Touch) -> bool {
        let generation = self.generation;
        let Some(listing) = self.listings.as_mut_slice().get_mut(instrument.index()) else {
            return false;
        };
        listing.generation = generation;
        listing.bid = if touch.bid.is_some() { touch.bid.0 } else { i64::MIN };
        listing.ask = touch.ask.0;
        listing.ask <= listing.own_bid || listing.bid >= listing.own_ask
    }

    /// All touches are void.
    pub fn void_touches(&mut self) {
        self.generation += 1;
    }

    /// The price at which an order would trade now; `None` where it would not.
    #[inline]
    #[must_use]
    pub fn marketable(&self, instrument: InstrumentId, side: Side, px: Px) -> Option<Px> {
        let listing = self.listings.as_slice().get(instrument.index())?;
        if listing.generation != self.generation {
            return None;
        }
        match side {
            Side::Bid if listing.ask != i64::MAX && listing.ask <= px.0 => Some(Px(listing.ask)),
            Side::Ask if listing.bid != i64::MIN && listing.bid >= px.0 => Some(Px(listing.bid)),
            _ => None,
        }
    }

    /// Enters an order; false when there is no room. Its number is not open yet.
    pub fn insert(&mut self, order: OpenOrder) -> bool {
        let Some(listing) = self.listings.as_mut_slice().get_mut(order.instrument.index()) else {
            return false;
        };
        let Some(at) = self.vacant.pop() else { return false };
        let before = listing.last;
        listing.last = at;
        if before == NONE {
            listing.first = at;
        }
        if order.side == Side::Ask {
            listing.own_ask = listing.own_ask.min(order.px.0);
        } else {
            listing.own_bid = listing.own_bid.max(order.px.0);
        }
        if let Some(before) = self.slots.get_mut(before as usize) {
            before.behind = at;
        }
        self.slots[at as usize] = Slot { order, before, behind: NONE };
        let mut place = self.home(order.client_id);
        while self.index[place] != NONE {
            place = self.after(place);
        }
        self.index[place] = at;
        true
    }

    /// An open order by the engine's number.
    #[must_use]
    pub fn find(&self, client_id: u64) -> Option<OpenOrder> {
        let (_, at) = self.place_of(client_id)?;
        Some(self.slots[at as usize].order)
    }

    /// Takes an order off.
    pub fn remove(&mut self, client_id: u64) -> Option<OpenOrder> {
        let (place, at) = self.place_of(client_id)?;
        self.close_gap(place);
        let Slot { order, before, behind } = self.slots[at as usize];
        if let Some(before) = self.slots.get_mut(before as usize) {
            before.behind = behind;
        }
        if let Some(behind) = self.slots.get_mut(behind as usize) {
            behind.before = before;
        }
        self.vacant.push(at);
        if let Some(listing) = self.listings.as_mut_slice().get_mut(order.instrument.index()) {
            if before == NONE {
                listing.first = behind;
            }
            if behind == NONE {
                listing.last = before;
            }
        }
        self.refresh_own(order.instrument);
        Some(order)
    }

    /// The oldest order that the touch of its instrument has reached.
    #[must_use]
    pub fn reached(&self, instrument: InstrumentId) -> Option<OpenOrder> {
        self.of(instrument)
            .find(|order| self.marketable(instrument, order.side, order.px).is_some())
    }

    /// Any open order.
    #[must_use]
    pub fn any(&self) -> Option<OpenOrder> {
        let at = self.index.iter().find(|&&at| at != NONE)?;
        Some(self.slots[*at as usize].order)
    }

    /// Open orders of one instrument, oldest first.
    fn of(&self, instrument: InstrumentId) -> impl Iterator<Item = OpenOrder> + '_ {
        let listing = self.listings.as_slice().get(instrument.index());
        let mut at = listing.map_or(NONE, |listing| listing.first);
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.behind;
            Some(slot.order)
        })
    }

    fn refresh_own(&mut self, instrument: InstrumentId) {
        let (mut own_bid, mut own_ask) = (i64::MIN, i64::MAX);
        for order in self.of(instrument) {
            if order.side == Side::Ask {
                own_ask = own_ask.min(order.px.0);
            } else {
                own_bid = own_bid.max(order.px.0);
            }
        }
        if let Some(listing) = self.listings.as_mut_slice().get_mut(instrument.index()) {
            (listing.own_bid, listing.own_ask) = (own_bid, own_ask);
        }
    }

    /// Client ids increase by one as a rule, so the id itself spreads them best.
    #[inline]
    fn home(&self, client_id: u64) -> usize {
        client_id as usize & (self.index.len() - 1)
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.index.len() - 1)
    }

    /// (place in the index, slot) of an open order.
    fn place_of(&self, client_id: u64) -> Option<(usize, u32)> {
        let mut place = self.home(client_id);
        loop {
            let at = self.index[place];
            let slot = self.slots.get(at as usize)?;
            if slot.order.client_id == client_id {
                return Some((place, at));
            }
            place = self.after(place);
        }
    }

    /// Empties a place of the index; entries behind it that would no longer be found move up.
    fn close_gap(&mut self, place: usize) {
        let mask = self.index.len() - 1;
        let (mut gap, mut look) = (place, place);
        loop {
            self.index[gap] = NONE;
            loop {
                look = (look + 1) & mask;
                let at = self.index[look];
                let Some(slot) = self.slots.get(at as usize) else { return };
                let home = self.home(slot.order.client_id);
                // It may move to the gap unless its home lies behind the gap.
                if look.wrapping_sub(home) & mask >= look.wrapping_sub(gap) & mask {
                    self.index[gap] = at;
                    gap = look;
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn order(client_id: u64, instrument: u16, side: Side, px: i64) -> OpenOrder {
        OpenOrder {
            client_id,
            venue_id: client_id + 1_000,
            px: Px(px),
            qty: Qty(1),
            instrument: InstrumentId(instrument),
            side,
        }
    }

    #[test]
    fn orders_are_found_whatever_comes_and_goes() {
        let mut orders = OpenOrders::new(64).unwrap();
        let mut naive = BTreeMap::new();
        let mut state = 7_u64;
        for step in 1..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Ids that collide: multiples of the index's length now and then.
            let id = if state >> 63 == 0 { step } else { (state >> 40) % 32 * 256 };
            if naive.len() < 64 && !naive.contains_key(&id) {
                let new = order(id, (id % 5) as u16, Side::Bid, (id % 9) as i64);
                assert!(orders.insert(new));
                naive.insert(id, new);
            } else if let Some(&id) = naive.keys().nth((state >> 20) as usize % naive.len()) {
                assert_eq!(orders.remove(id), naive.remove(&id));
                assert_eq!(orders.remove(id), None);
            }
            assert_eq!(orders.len(), naive.len());
            let probe = (state >> 33) % (step + 1);
            assert_eq!(orders.find(probe), naive.get(&probe).copied());
        }
        assert!(naive.values().all(|order| orders.find(order.client_id) == Some(*order)));
    }

    #[test]
    fn a_touch_reaches_own_prices_at_or_through_them() {
        let mut orders = OpenOrders::new(8).unwrap();
        let stock = InstrumentId(3);
        let touch = |bid, ask| Touch { bid: Px(bid), ask: Px(ask) };
        assert!(!orders.set_touch(stock, touch(99, 102)));
        orders.insert(order(1, 3, Side::Bid, 100));
        orders.insert(order(2, 3, Side::Bid, 99));
        orders.insert(order(3, 3, Side::Ask, 103));
        assert!(!orders.set_touch(stock, touch(100, 101)));
        assert_eq!(orders.reached(stock), None);
        assert!(orders.set_touch(stock, touch(98, 100)));
        assert_eq!(orders.reached(stock).unwrap().client_id, 1);
        orders.remove(1);
        assert_eq!(orders.reached(stock), None, "99 is not reached");
        assert!(orders.set_touch(stock, touch(104, Px::NONE.0)));
        assert_eq!(orders.reached(stock).unwrap().client_id, 3);
        assert!(!orders.set_touch(stock, Touch::NONE), "an empty book reaches nothing");
        orders.set_touch(stock, touch(98, 100));
        orders.void_touches();
        assert_eq!(orders.marketable(stock, Side::Bid, Px(500)), None);
        assert!(orders.is_known(stock) && !orders.is_known(InstrumentId(4)));
    }

    #[test]
    fn a_full_table_refuses() {
        let mut orders = OpenOrders::new(2).unwrap();
        assert!(
            orders.insert(order(1, 1, Side::Bid, 1)) && orders.insert(order(2, 1, Side::Bid, 1))
        );
        assert!(orders.is_full() && !orders.insert(order(3, 1, Side::Bid, 1)));
        orders.remove(1);
        assert!(orders.insert(order(3, 1, Side::Bid, 1)));
        assert_eq!(orders.any().map(|order| order.instrument), Some(InstrumentId(1)));
    }
}
