//! The order book once more, as naively as possible: the answer that the real one must agree
//! with.
//!
//! One hash map of orders, two sorted maps of levels per instrument; no capacity, no speed, no
//! cleverness. It shares no line with the engine's book; what both must agree on is written here:
//!
//! | event | order id in the book | not in the book |
//! |---|---|---|
//! | `Add` | duplicate: counted, ignored | enters its level |
//! | `Execute`, `Reduce` | quantity shrinks; to zero or beyond: the order is gone (beyond: counted as excess) | unknown: counted, ignored |
//! | `Delete` | gone | unknown |
//! | `Replace` | the old one gone, the new one enters on its side and instrument | unknown: nothing enters |
//! | `Modify` | gone, and in again with the new price and quantity (quantity 0: only gone) | enters, where the side is given; else unknown |
//! | `Level`, `Quote` | malformed while an order of the instrument is open; else the level, the side, is what the event says | |
//! | `Clear` | all orders, or one instrument's, are gone | |
//! | any other | changes no book | |
//!
//! A `Replace` whose new id already rests under another order: the old one goes, the new one is a
//! duplicate.
//! An `Add` without side, price, quantity or instrument, a `Replace` without price or quantity, a
//! `Modify` or `Level` without price, and a kind or side that is none are malformed: counted, ignored.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// What became of the events, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwinCounts {
    /// All events.
    pub events: u64,
    /// Events that changed a book (a `Clear` counts, also of an empty one).
    pub changes: u64,
    /// `Execute`, `Reduce`, `Delete`, `Replace` of an order that is not in the book.
    pub unknown_orders: u64,
    /// `Add` or `Replace` to an id that is in the book.
    pub duplicate_orders: u64,
    /// `Execute` or `Reduce` of more than was open.
    pub excess: u64,
    /// Events that make no sense.
    pub malformed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    instrument: u16,
    side: Side,
    px: i64,
    qty: u64,
}

/// Price to (quantity, number of orders).
type Levels = BTreeMap<i64, (u64, u64)>;

/// The naive book of all instruments.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    orders: HashMap<u64, Order>,
    /// (bids, asks) by instrument.
    levels: BTreeMap<u16, (Levels, Levels)>,
    counts: TwinCounts,
}

impl Twin {
    /// Empty.
    #[must_use]
    pub fn new() -> Twin {
        Twin::default()
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &Event) {
        self.counts.events += 1;
        let (Some(kind), Some(side)) = (event.kind(), event.side()) else {
            self.counts.malformed += 1;
            return;
        };
        let (id, px, qty) = (event.order_id, event.px, event.qty.0);
        match kind {
            Kind::Add => self.add(id, event.instrument, side, px, qty),
            Kind::Execute | Kind::Reduce => self.shrink(id, qty),
            Kind::Delete => self.delete(id),
            Kind::Replace => self.replace(id, event.second_id, px, qty),
            Kind::Modify => self.modify(event, side),
            Kind::Level => self.level(event, side),
            Kind::Quote => self.quote(event, side),
            Kind::Clear => self.clear(event.instrument),
            Kind::Trade
            | Kind::Cross
            | Kind::Broken
            | Kind::Status
            | Kind::Definition
            | Kind::System
            | Kind::Info
            | Kind::Gap
            | Kind::SessionStart
            | Kind::End => {}
        }
    }

    fn add(&mut self, id: u64, instrument: InstrumentId, side: Side, px: Px, qty: u64) {
        let makes_sense = side != Side::None && px.is_some() && qty > 0;
        if !makes_sense || instrument == InstrumentId::ALL {
            self.counts.malformed += 1;
        } else if self.orders.contains_key(&id) {
            self.counts.duplicate_orders += 1;
        } else {
            self.insert(id, Order { instrument: instrument.0, side, px: px.0, qty });
            self.counts.changes += 1;
        }
    }

    fn shrink(&mut self, id: u64, qty: u64) {
        let Some(order) = self.remove(id) else {
            self.counts.unknown_orders += 1;
            return;
        };
        self.counts.excess += u64::from(qty > order.qty);
        if qty < order.qty {
            self.insert(id, Order { qty: order.qty - qty, ..order });
        }
        self.counts.changes += 1;
    }

    fn delete(&mut self, id: u64) {
        match self.remove(id) {
            Some(_) => self.counts.changes += 1,
            None => self.counts.unknown_orders += 1,
        }
    }

    fn replace(&mut self, old: u64, new: u64, px: Px, qty: u64) {
        if !px.is_some() || qty == 0 {
            self.counts.malformed += 1;
            return;
        }
        let Some(order) = self.remove(old) else {
            self.counts.unknown_orders += 1;
            return;
        };
        self.counts.changes += 1;
        if self.orders.contains_key(&new) {
            self.counts.duplicate_orders += 1;
        } else {
            self.insert(new, Order { px: px.0, qty, ..order });
        }
    }

    fn modify(&mut self, event: &Event, side: Side) {
        let (id, px, qty) = (event.order_id, event.px, event.qty.0);
        if !px.is_some() {
            self.counts.malformed += 1;
        } else if !self.orders.contains_key(&id) {
            match side {
                Side::None => self.counts.unknown_orders += 1,
                _ => self.add(id, event.instrument, side, px, qty),
            }
        } else if qty == 0 {
            self.delete(id);
        } else {
            self.replace(id, id, px, qty);
        }
    }

    /// The side that a level or a quote speaks of; none while orders of the instrument are open.
    fn priced(&mut self, event: &Event, side: Side) -> Option<&mut Levels> {
        let instrument = event.instrument.0;
        let is_by_order = self.orders.values().any(|order| order.instrument == instrument);
        if is_by_order || side == Side::None || event.instrument == InstrumentId::ALL {
            self.counts.malformed += 1;
            return None;
        }
        let order = Order { instrument, side, px: 0, qty: 0 };
        Some(self.side_of(&order))
    }

    fn level(&mut self, event: &Event, side: Side) {
        if !event.px.is_some() {
            self.counts.malformed += 1;
            return;
        }
        let Some(levels) = self.priced(event, side) else { return };
        let orders = event.order_id.min(0x7FFF_FFFF);
        match event.qty.0 {
            0 => levels.remove(&event.px.0),
            qty => levels.insert(event.px.0, (qty, orders)),
        };
        self.counts.changes += 1;
    }

    fn quote(&mut self, event: &Event, side: Side) {
        let Some(levels) = self.priced(event, side) else { return };
        levels.clear();
        if event.px.is_some() && event.qty.0 > 0 {
            levels.insert(event.px.0, (event.qty.0, event.order_id.min(0x7FFF_FFFF)));
        }
        self.counts.changes += 1;
    }

    fn clear(&mut self, instrument: InstrumentId) {
        self.counts.changes += 1;
        if instrument == InstrumentId::ALL {
            self.orders.clear();
            self.levels.clear();
        } else {
            self.orders.retain(|_, order| order.instrument != instrument.0);
            self.levels.remove(&instrument.0);
        }
    }

    fn side_of(&mut self, order: &Order) -> &mut Levels {
        let (bids, asks) = self.levels.entry(order.instrument).or_default();
        if order.side == Side::Bid { bids } else { asks }
    }

    fn insert(&mut self, id: u64, order: Order) {
        let (qty, count) = self.side_of(&order).entry(order.px).or_default();
        *qty += order.qty;
        *count += 1;
        self.orders.insert(id, order);
    }

    fn remove(&mut self, id: u64) -> Option<Order> {
        let order = self.orders.remove(&id)?;
        let levels = self.side_of(&order);
        if let Some((qty, count)) = levels.get_mut(&order.px) {
            *qty -= order.qty;
            *count -= 1;
            if *count == 0 {
                levels.remove(&order.px);
            }
        }
        Some(order)
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counts(&self) -> TwinCounts {
        self.counts
    }

    /// Open orders, all instruments.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Best price of a side, with its quantity and number of orders.
    #[must_use]
    pub fn best(&self, instrument: InstrumentId, side: Side) -> Option<(Px, Qty, u64)> {
        let (bids, asks) = self.levels.get(&instrument.0)?;
        let best = match side {
            Side::Bid => bids.last_key_value(),
            Side::Ask => asks.first_key_value(),
            Side::None => None,
        };
        best.map(|(&px, &(qty, count))| (Px(px), Qty(qty), count))
    }

    /// The canonical text of all books, the bytes behind `book.hash`: one line for each
    /// instrument that has an open order, by its number.
    ///
    /// ```text
    /// <instrument>|<px>:<qty>:<orders>;<px>:<qty>:<orders>|<px>:<qty>:<orders>\n
    ///              bids, highest first                     asks, lowest first
    /// ```
    ///
    /// Prices in units of 1e-9, decimal. An empty side is an empty text.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for (instrument, (bids, asks)) in &self.levels {
            if bids.is_empty() && asks.is_empty() {
                continue;
            }
            let bids = side_text(bids.iter().rev());
            let asks = side_text(asks.iter());
            // Writing to a String does not fail.
            let _ = writeln!(text, "{instrument}|{bids}|{asks}");
        }
        text
    }
}

fn side_text<'a>(levels: impl Iterator<Item = (&'a i64, &'a (u64, u64))>) -> String {
    let levels: Vec<String> =
        levels.map(|(px, (qty, count))| format!("{px}:{qty}:{count}")).collect();
    levels.join(";")
}
