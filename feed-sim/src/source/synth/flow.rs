//! The order flow: which instrument, which action, which order.
//!
//! | chance | action |
//! |---|---|
//! | first of all | what the fair price has overrun is executed, or pulled, half and half |
//! | 84 % | add or delete |
//! | 8 % | replace |
//! | 3 % | reduce |
//! | 4 % | execute at the touch |
//! | 1 % | trade against hidden interest |
//!
//! The chances of add and delete follow the depth of the side, so that it stays near [`DEPTH`]
//! orders. One event in [`WALK`] moves its instrument's fair price by a tick, so at 100,000 events
//! a second all touches together move some thousand times a second: a market maker has something
//! to do. That is livelier than a real day: executions are ~15 % of the events, not 5.

use super::ladder::{Ladder, ORDERS_MAX, WINDOW};
use super::{LOT, TICK};
use crate::source::Touch;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// Orders a side that the flow tends to.
pub const DEPTH: usize = 24;
/// One event of an instrument in so many moves its fair price.
pub const WALK: u32 = 24;
/// The fair price stays so many levels away from the ends of the window.
const MARGIN: u16 = 128;
/// Farthest distance behind the fair price that an order is placed at, levels.
const FARTHEST: u32 = 32;

// Adds stop at twice the depth; replacements and executions add none.
const _: () = assert!(4 * DEPTH < ORDERS_MAX && (MARGIN as usize) < WINDOW / 4);
const _: () = assert!(FARTHEST < MARGIN as u32 / 2);

const BID: u8 = 0;
const ASK: u8 = 1;

struct Instrument {
    ladder: Ladder,
    /// Level of the fair price: bids belong at it or below, asks above it.
    fair: u16,
    /// Price of level 0, ticks.
    base_ticks: i64,
}

impl Instrument {
    fn px(&self, level: u16) -> Px {
        Px((self.base_ticks + i64::from(level)) * TICK)
    }

    fn touch(&self) -> Touch {
        let px = |level: Option<u16>| level.map_or(Px::NONE, |level| self.px(level));
        Touch { bid: px(self.ladder.best_bid()), ask: px(self.ladder.best_ask()) }
    }
}

/// All instruments and the generator.
pub struct Flow {
    rng: Pcg64Mcg,
    instruments: Vec<Instrument>,
    next_id: u64,
    next_match: u64,
}

impl Flow {
    /// Empty books; opening prices between 20 and 500.
    #[must_use]
    pub fn new(mut rng: Pcg64Mcg, instruments: u16) -> Flow {
        let half = (WINDOW / 2) as i64;
        let instruments = (0..instruments)
            .map(|_| Instrument {
                ladder: Ladder::new(),
                fair: half as u16,
                base_ticks: rng.random_range(2_000..50_000_i64) - half,
            })
            .collect();
        Flow { rng, instruments, next_id: 1, next_match: 1 }
    }

    /// An order of the opening book, `depth` levels behind the fair price.
    pub fn open_level(&mut self, index: u16, side: Side, depth: u16) -> (Event, Touch) {
        let fair = self.instruments[usize::from(index)].fair;
        if side == Side::Ask {
            self.add(index, ASK, fair + 1 + depth)
        } else {
            self.add(index, BID, fair - depth)
        }
    }

    /// The next event (time and flags are the caller's) and the touch after it.
    #[inline]
    pub fn next_event(&mut self) -> (Event, Touch) {
        let index = self.rng.random_range(0..self.instruments.len() as u32) as u16;
        let instrument = &mut self.instruments[usize::from(index)];
        if self.rng.random_range(0..WALK) == 0 {
            instrument.fair = walked(instrument.fair, self.rng.random());
        }
        let (ladder, fair) = (&instrument.ladder, instrument.fair);
        let is_overrun = [
            ladder.best_bid().is_some_and(|best| best > fair),
            ladder.best_ask().is_some_and(|best| best <= fair),
        ];
        for side in [BID, ASK] {
            if is_overrun[usize::from(side)] {
                return self.clear_best(index, side);
            }
        }
        let side = self.rng.random_range(0..2_u8);
        let count = ladder.count(side);
        match self.rng.random_range(0..100_u32) {
            _ if count < DEPTH / 4 => self.add_near(index, side),
            0..8 => self.replace(index, side),
            8..11 => self.reduce(index, side),
            11..15 => self.execute(index, side),
            15 => self.trade(index),
            roll => {
                // Of the 84 left, adds take half at the depth aimed at, more below, none at twice.
                let adds = 84 * (2 * DEPTH).saturating_sub(count) / (2 * DEPTH);
                if ((roll - 16) as usize) < adds {
                    self.add_near(index, side)
                } else {
                    let slot = self.pick(index, side);
                    self.delete(index, slot)
                }
            }
        }
    }

    /// Takes the oldest order off the best level of a side: traded, or pulled by its owner.
    fn clear_best(&mut self, index: u16, side: u8) -> (Event, Touch) {
        if self.rng.random() {
            return self.execute(index, side);
        }
        match self.instruments[usize::from(index)].ladder.first_of_best(side) {
            Some(slot) => self.delete(index, slot),
            None => self.add_near(index, side),
        }
    }

    fn add_near(&mut self, index: u16, side: u8) -> (Event, Touch) {
        let level = self.level_near(index, side);
        self.add(index, side, level)
    }

    /// Behind the fair price, most often close to it; never at or through the other side's best.
    fn level_near(&mut self, index: u16, side: u8) -> u16 {
        // Two coins' runs: a quarter of the orders at distance 0, a quarter at 1, mean 2; one in
        // four anywhere instead.
        let bits: u64 = self.rng.random();
        let near = (bits as u32).trailing_zeros() + ((bits >> 32) as u32).trailing_zeros();
        let far = self.rng.random_range(0..FARTHEST);
        let is_far = self.rng.random_range(0..4_u8) == 0;
        let distance = if is_far { far } else { near.min(FARTHEST) } as u16;
        let Instrument { ladder, fair, .. } = &self.instruments[usize::from(index)];
        if side == BID {
            let highest = ladder.best_ask().map_or(*fair, |ask| (*fair).min(ask - 1));
            highest - distance
        } else {
            let lowest = ladder.best_bid().map_or(*fair + 1, |bid| (*fair + 1).max(bid + 1));
            lowest + distance
        }
    }

    fn qty(&mut self) -> u64 {
        match self.rng.random_range(0..8_u8) {
            // An odd lot.
            0 => self.rng.random_range(1..LOT),
            1 => LOT * self.rng.random_range(5..20_u64),
            _ => LOT * self.rng.random_range(1..4_u64),
        }
    }

    fn add(&mut self, index: u16, side: u8, level: u16) -> (Event, Touch) {
        let (id, qty) = (self.next_id, self.qty());
        let instrument = &mut self.instruments[usize::from(index)];
        let is_added = instrument.ladder.add(id, side, level, qty);
        debug_assert!(is_added, "the depth is bounded below the room");
        self.next_id += 1;
        let event = Event {
            px: instrument.px(level),
            qty: Qty(qty),
            order_id: id,
            kind_side: Event::pack(Kind::Add, if side == BID { Side::Bid } else { Side::Ask }),
            ..Event::EMPTY
        };
        self.about(index, event)
    }

    fn delete(&mut self, index: u16, slot: u16) -> (Event, Touch) {
        let ladder = &mut self.instruments[usize::from(index)].ladder;
        let id = ladder.order(slot).id;
        ladder.remove(slot);
        self.about(index, order_event(Kind::Delete, id, 0))
    }

    fn reduce(&mut self, index: u16, side: u8) -> (Event, Touch) {
        let slot = self.pick(index, side);
        let order = self.instruments[usize::from(index)].ladder.order(slot);
        if order.qty < 2 {
            return self.delete(index, slot);
        }
        let qty = self.rng.random_range(1..order.qty);
        self.instruments[usize::from(index)].ladder.take(slot, qty);
        self.about(index, order_event(Kind::Reduce, order.id, qty))
    }

    /// The oldest order of the best level trades, as a rule in full.
    fn execute(&mut self, index: u16, side: u8) -> (Event, Touch) {
        let ladder = &self.instruments[usize::from(index)].ladder;
        let Some(slot) = ladder.first_of_best(side) else { return self.add_near(index, side) };
        let order = ladder.order(slot);
        let is_part = order.qty > 1 && self.rng.random_range(0..4_u8) == 0;
        let qty = if is_part { self.rng.random_range(1..order.qty) } else { order.qty };
        self.instruments[usize::from(index)].ladder.take(slot, qty);
        let second_id = self.next_match();
        self.about(index, Event { second_id, ..order_event(Kind::Execute, order.id, qty) })
    }

    fn replace(&mut self, index: u16, side: u8) -> (Event, Touch) {
        let slot = self.pick(index, side);
        let old_id = self.instruments[usize::from(index)].ladder.order(slot).id;
        self.instruments[usize::from(index)].ladder.remove(slot);
        let level = self.level_near(index, side);
        let (added, _) = self.add(index, side, level);
        let event = Event {
            order_id: old_id,
            second_id: added.order_id,
            kind_side: Event::pack(Kind::Replace, Side::None),
            ..added
        };
        self.about(index, event)
    }

    fn trade(&mut self, index: u16) -> (Event, Touch) {
        let qty = self.qty();
        let second_id = self.next_match();
        let instrument = &self.instruments[usize::from(index)];
        let px = instrument.px(instrument.fair);
        let kind_side = Event::pack(Kind::Trade, Side::None);
        self.about(index, Event { px, qty: Qty(qty), second_id, kind_side, ..Event::EMPTY })
    }

    /// A random order of a side that has some.
    fn pick(&mut self, index: u16, side: u8) -> u16 {
        let ladder = &self.instruments[usize::from(index)].ladder;
        let n = self.rng.random_range(0..ladder.count(side) as u32);
        ladder.nth(side, n as usize)
    }

    fn next_match(&mut self) -> u64 {
        self.next_match += 1;
        self.next_match - 1
    }

    fn about(&self, index: u16, event: Event) -> (Event, Touch) {
        let touch = self.instruments[usize::from(index)].touch();
        (Event { instrument: InstrumentId(index + 1), ..event }, touch)
    }
}

/// An event about a resting order: its side is the order's, as on Nasdaq.
fn order_event(kind: Kind, order_id: u64, qty: u64) -> Event {
    let kind_side = Event::pack(kind, Side::None);
    Event { kind_side, order_id, qty: Qty(qty), ..Event::EMPTY }
}

/// One step up or down; at the margins only back.
fn walked(fair: u16, up: bool) -> u16 {
    let highest = WINDOW as u16 - MARGIN;
    match (up, fair) {
        (true, fair) if fair >= highest => fair - 1,
        (false, fair) if fair <= MARGIN => fair + 1,
        (true, fair) => fair + 1,
        (false, fair) => fair - 1,
    }
}
