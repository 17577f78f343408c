//! [`TreeBook`]: books out of plain trees and a hash map, right before fast, growing as needed.
//!
//! For cold code that wants to know the touch or the levels after each event of a recording, and
//! for whoever wants something simple to compare the engine's book with. Semantics are those of the
//! engine's book: an event about an order that is not here changes nothing, an add of an id that
//! is here changes nothing, an order at zero is dead whichever message took it there, taking more
//! than there is takes what there is, a replacement keeps instrument and side, trades and crosses
//! change nothing; a level or a quote about an instrument with open orders is refused.
//! Cost: a hash look-up and a tree step, ~100 ns an event, and it allocates.

use std::collections::{BTreeMap, HashMap};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Side};

#[derive(Clone, Copy, Debug)]
struct Order {
    instrument: InstrumentId,
    is_ask: bool,
    px: i64,
    qty: u64,
}

/// One price: displayed quantity and number of orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Displayed.
    pub qty: u64,
    /// Orders.
    pub orders: u64,
}

#[derive(Clone, Debug, Default)]
struct Sides {
    bids: BTreeMap<i64, Level>,
    asks: BTreeMap<i64, Level>,
    /// Open orders; none where the levels came as such.
    orders: u64,
}

/// Books of all instruments.
#[derive(Clone, Debug, Default)]
pub struct TreeBook {
    orders: HashMap<u64, Order>,
    instruments: HashMap<u16, Sides>,
    open_orders_peak: usize,
    unknown: u64,
}

impl TreeBook {
    /// Takes one event.
    pub fn apply(&mut self, event: &Event) {
        match event.kind() {
            Some(Kind::Add) => self.add(event),
            Some(Kind::Execute | Kind::Reduce) => self.take(event.order_id, event.qty.0),
            Some(Kind::Delete) => self.take(event.order_id, u64::MAX),
            Some(Kind::Replace) => self.replace(event),
            Some(Kind::Modify) => self.modify(event),
            Some(Kind::Level) => self.level(event),
            Some(Kind::Quote) => self.quote(event),
            Some(Kind::Clear) => self.clear(event.instrument),
            _ => {}
        }
    }

    /// Best bid and best ask with what stands there.
    #[must_use]
    pub fn best(&self, instrument: InstrumentId) -> [Option<(Px, Level)>; 2] {
        let Some(sides) = self.instruments.get(&instrument.0) else { return [None; 2] };
        let named = |(&px, &level): (&i64, &Level)| (Px(px), level);
        [sides.bids.last_key_value().map(named), sides.asks.first_key_value().map(named)]
    }

    /// All levels of one side, the best first.
    pub fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = (Px, Level)> {
        let sides = self.instruments.get(&instrument.0);
        let bids = sides.filter(|_| side == Side::Bid).map(|sides| sides.bids.iter().rev());
        let asks = sides.filter(|_| side == Side::Ask).map(|sides| sides.asks.iter());
        let named = |(&px, &level): (&i64, &Level)| (Px(px), level);
        bids.into_iter().flatten().chain(asks.into_iter().flatten()).map(named)
    }

    /// Instruments that have a level, or had one since they were cleared.
    pub fn instruments(&self) -> impl Iterator<Item = InstrumentId> {
        self.instruments.keys().map(|&number| InstrumentId(number))
    }

    /// Open orders of all instruments.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Most open orders there ever were.
    #[must_use]
    pub fn open_orders_peak(&self) -> usize {
        self.open_orders_peak
    }

    /// Events about orders that were not here.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    fn add(&mut self, event: &Event) {
        let is_ask = match event.side() {
            Some(Side::Bid) => false,
            Some(Side::Ask) => true,
            _ => return,
        };
        let Event { px, qty, instrument, order_id, .. } = *event;
        self.place(order_id, Order { instrument, is_ask, px: px.0, qty: qty.0 });
    }

    fn place(&mut self, id: u64, order: Order) {
        let can_rest =
            order.qty > 0 && Px(order.px).is_some() && order.instrument != InstrumentId::ALL;
        if !can_rest || self.orders.contains_key(&id) {
            return;
        }
        let level = self.side(&order).entry(order.px).or_default();
        level.qty += order.qty;
        level.orders += 1;
        self.instruments.entry(order.instrument.0).or_default().orders += 1;
        self.orders.insert(id, order);
        self.open_orders_peak = self.open_orders_peak.max(self.orders.len());
    }

    /// Takes up to `qty` off an order.
    fn take(&mut self, id: u64, qty: u64) {
        let Some(order) = self.orders.get_mut(&id) else {
            self.unknown += 1;
            return;
        };
        let taken = qty.min(order.qty);
        order.qty -= taken;
        let after = *order;
        if after.qty == 0 {
            self.orders.remove(&id);
        }
        let side = self.side(&after);
        if let Some(level) = side.get_mut(&after.px) {
            level.qty -= taken;
            level.orders -= u64::from(after.qty == 0);
            if level.orders == 0 {
                side.remove(&after.px);
            }
        }
        if after.qty == 0
            && let Some(sides) = self.instruments.get_mut(&after.instrument.0)
        {
            sides.orders -= 1;
        }
    }

    fn replace(&mut self, event: &Event) {
        if event.qty.0 == 0 || !event.px.is_some() {
            return;
        }
        let Some(&old) = self.orders.get(&event.order_id) else {
            self.unknown += 1;
            return;
        };
        self.take(event.order_id, u64::MAX);
        self.place(event.second_id, Order { px: event.px.0, qty: event.qty.0, ..old });
    }

    fn modify(&mut self, event: &Event) {
        match (self.orders.contains_key(&event.order_id), event.side()) {
            _ if !event.px.is_some() => {}
            (true, _) if event.qty.0 == 0 => self.take(event.order_id, u64::MAX),
            (true, _) => self.replace(&Event { second_id: event.order_id, ..*event }),
            (false, Some(Side::Bid | Side::Ask)) => self.add(event),
            (false, _) => self.unknown += 1,
        }
    }

    fn level(&mut self, event: &Event) {
        let Some(side) = self.priced(event) else { return };
        match event.qty.0 {
            _ if !event.px.is_some() => {}
            0 => drop(side.remove(&event.px.0)),
            qty => drop(side.insert(event.px.0, Level { qty, orders: clipped(event.order_id) })),
        }
    }

    fn quote(&mut self, event: &Event) {
        let Some(side) = self.priced(event) else { return };
        side.clear();
        self.level(event);
    }

    /// The side that a level or a quote is about; none where orders of the instrument are open.
    fn priced(&mut self, event: &Event) -> Option<&mut BTreeMap<i64, Level>> {
        if event.instrument == InstrumentId::ALL {
            return None;
        }
        let sides = self.instruments.entry(event.instrument.0).or_default();
        match event.side() {
            Some(Side::Bid) if sides.orders == 0 => Some(&mut sides.bids),
            Some(Side::Ask) if sides.orders == 0 => Some(&mut sides.asks),
            _ => None,
        }
    }

    fn clear(&mut self, instrument: InstrumentId) {
        if instrument == InstrumentId::ALL {
            self.orders.clear();
            self.instruments.clear();
        } else if self.instruments.remove(&instrument.0).is_some() {
            self.orders.retain(|_, order| order.instrument != instrument);
        }
    }

    fn side(&mut self, order: &Order) -> &mut BTreeMap<i64, Level> {
        let sides = self.instruments.entry(order.instrument.0).or_default();
        if order.is_ask { &mut sides.asks } else { &mut sides.bids }
    }
}

/// A count of orders on a level as the engine's book holds it.
fn clipped(orders: u64) -> u64 {
    orders.min(i32::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::num::Qty;

    const STOCK: InstrumentId = InstrumentId(7);

    fn event(kind: Kind, side: Side, order_id: u64, px: i64, qty: u64) -> Event {
        Event {
            kind_side: Event::pack(kind, side),
            order_id,
            px: Px(px),
            qty: Qty(qty),
            instrument: STOCK,
            ..Event::EMPTY
        }
    }

    fn add(side: Side, id: u64, px: i64, qty: u64) -> Event {
        event(Kind::Add, side, id, px, qty)
    }

    fn after(events: &[Event]) -> (i64, i64) {
        let mut book = TreeBook::default();
        events.iter().for_each(|event| book.apply(event));
        let [bid, ask] = book.best(STOCK).map(|best| best.map_or(NONE, |(px, _)| px.0));
        (bid, ask)
    }

    const NONE: i64 = Px::NONE.0;

    #[test]
    fn the_touch_is_the_best_price_of_each_side() {
        let events = [
            add(Side::Bid, 1, 100, 5),
            add(Side::Bid, 2, 101, 5),
            add(Side::Ask, 3, 105, 5),
            add(Side::Ask, 4, 104, 5),
        ];
        assert_eq!(after(&events), (101, 104));
        assert_eq!(after(&[]), (NONE, NONE));
    }

    #[test]
    fn an_order_at_zero_is_dead_whoever_took_it_there() {
        for kind in [Kind::Execute, Kind::Reduce, Kind::Delete] {
            let events = [
                add(Side::Bid, 1, 100, 5),
                add(Side::Bid, 2, 101, 5),
                event(kind, Side::None, 2, NONE, 9),
                event(kind, Side::None, 2, NONE, 9),
            ];
            assert_eq!(after(&events), (100, NONE), "{kind:?}");
        }
    }

    #[test]
    fn unknown_and_duplicate_ids_change_nothing() {
        let events = [
            add(Side::Bid, 1, 100, 5),
            add(Side::Bid, 1, 200, 5),
            event(Kind::Delete, Side::None, 9, NONE, 0),
            Event { second_id: 10, ..event(Kind::Replace, Side::None, 9, 300, 5) },
            add(Side::Bid, 11, 400, 0),
        ];
        assert_eq!(after(&events), (100, NONE));
    }

    #[test]
    fn a_replacement_keeps_the_side_and_gives_way_to_an_id_that_is_taken() {
        let replace = |new| Event { second_id: new, ..event(Kind::Replace, Side::None, 1, 103, 5) };
        let base = [add(Side::Ask, 1, 100, 5), add(Side::Ask, 2, 110, 5)];
        assert_eq!(after(&[base[0], base[1], replace(3)]), (NONE, 103));
        assert_eq!(after(&[base[0], base[1], replace(2)]), (NONE, 110));
        assert_eq!(after(&[base[0], base[1], replace(1)]), (NONE, 103));
    }

    #[test]
    fn clear_takes_one_instrument_or_all() {
        let clear = |instrument| Event { instrument, ..event(Kind::Clear, Side::None, 0, NONE, 0) };
        let base = add(Side::Bid, 1, 100, 5);
        assert_eq!(after(&[base, clear(InstrumentId(8))]), (100, NONE));
        assert_eq!(after(&[base, clear(STOCK), add(Side::Bid, 1, 90, 5)]), (90, NONE));
        assert_eq!(after(&[base, clear(InstrumentId::ALL)]), (NONE, NONE));
    }

    #[test]
    fn a_modify_moves_the_order_kills_it_or_lets_it_in() {
        let modify = |side, id, px, qty| event(Kind::Modify, side, id, px, qty);
        let base = [add(Side::Bid, 1, 100, 5), add(Side::Bid, 2, 90, 5)];
        assert_eq!(after(&[base[0], base[1], modify(Side::None, 1, 80, 9)]), (90, NONE));
        assert_eq!(after(&[base[0], base[1], modify(Side::None, 1, 100, 0)]), (90, NONE));
        assert_eq!(after(&[base[0], modify(Side::Ask, 3, 105, 5)]), (100, 105));
        assert_eq!(after(&[base[0], modify(Side::None, 3, 101, 5)]), (100, NONE));
    }

    #[test]
    fn levels_and_quotes_say_what_stands_there_now() {
        let level = |px, qty| event(Kind::Level, Side::Bid, 0, px, qty);
        let quote = |px, qty| event(Kind::Quote, Side::Bid, 0, px, qty);
        assert_eq!(after(&[level(100, 5), level(101, 5), level(101, 0)]), (100, NONE));
        assert_eq!(after(&[level(100, 5), level(101, 5), quote(99, 1)]), (99, NONE));
        assert_eq!(after(&[quote(99, 1), quote(98, 1)]), (98, NONE));
        assert_eq!(after(&[quote(99, 1), quote(NONE, 1)]), (NONE, NONE));
        // Two books of one instrument: the one by order stands.
        let mixed = [add(Side::Bid, 1, 100, 5), level(101, 5), quote(102, 5)];
        assert_eq!(after(&mixed), (100, NONE));
    }
}
