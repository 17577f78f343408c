//! One synthetic stock: its orders, how many stand at each price, the touch.
//!
//! Prices are levels in a window of [`LEVELS`] ticks. A bit a level finds the best of a side; the
//! orders of a side lie in no order, so that any can be taken out by moving the last into its
//! place.

use super::TICK_1E4;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickspin_wire::itch50::Alpha;

/// Index of a side.
pub(super) const BID: usize = 0;
/// Index of a side.
pub(super) const ASK: usize = 1;

/// Levels of the window.
const LEVELS: usize = 512;
const WORDS: usize = LEVELS / 64;
/// Where a stock without orders begins.
const MIDDLE: u16 = LEVELS as u16 / 2;
/// How many orders an execution looks at for one that stands at the touch.
const LOOKS: usize = 24;
/// One order in four stands anywhere up to so many ticks behind the touch.
const FARTHEST: u32 = 96;

/// A live order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    pub(super) order_ref: u64,
    pub(super) shares: u32,
    pub(super) level: u16,
}

struct Side {
    orders: Vec<Resting>,
    counts: Box<[u32; LEVELS]>,
    /// A bit for each level that has orders.
    used: [u64; WORDS],
}

impl Side {
    fn new() -> Side {
        Side { orders: Vec::new(), counts: Box::new([0; LEVELS]), used: [0; WORDS] }
    }

    fn highest(&self) -> Option<u16> {
        let (at, word) = self.used.iter().enumerate().rev().find(|(_, word)| **word != 0)?;
        Some((at * 64 + 63 - word.leading_zeros() as usize) as u16)
    }

    fn lowest(&self) -> Option<u16> {
        let (at, word) = self.used.iter().enumerate().find(|(_, word)| **word != 0)?;
        Some((at * 64 + word.trailing_zeros() as usize) as u16)
    }
}

/// The stock.
pub(super) struct Stock {
    sides: [Side; 2],
    /// Price of level 0, 1e-4 dollars.
    base_1e4: u32,
    name: Alpha<8>,
}

impl Stock {
    pub(super) fn new(locate: u16, rng: &mut Pcg64Mcg) -> Stock {
        Stock {
            sides: [Side::new(), Side::new()],
            // From 10 to 500 dollars in the middle of the window.
            base_1e4: TICK_1E4 * rng.random_range(744..49_744),
            name: name(locate),
        }
    }

    pub(super) fn name(&self) -> Alpha<8> {
        self.name
    }

    pub(super) fn price_1e4(&self, level: u16) -> u32 {
        self.base_1e4 + TICK_1E4 * u32::from(level)
    }

    pub(super) fn live(&self) -> usize {
        self.sides[BID].orders.len() + self.sides[ASK].orders.len()
    }

    /// This side or else the other, if it has orders.
    #[inline]
    pub(super) fn inhabited(&self, side: usize) -> Option<usize> {
        [side, side ^ 1].into_iter().find(|&side| !self.sides[side].orders.is_empty())
    }

    /// A level between the sides.
    pub(super) fn middle(&self) -> u16 {
        match (self.sides[BID].highest(), self.sides[ASK].lowest()) {
            (Some(bid), Some(ask)) => bid.midpoint(ask),
            (Some(level), None) | (None, Some(level)) => level,
            (None, None) => MIDDLE,
        }
    }

    /// Where a new order may stand: behind the other side's best, most often close. Where the
    /// window leaves no room on this side, an order of the other one.
    #[inline]
    pub(super) fn level_for(&self, side: usize, rng: &mut Pcg64Mcg) -> (usize, u16) {
        let draw: u64 = rng.random();
        // Two coins' runs: a quarter at distance 0, a quarter at 1, mean 2.
        let near = (draw as u16 | 1 << 15).trailing_zeros()
            + ((draw >> 16) as u16 | 1 << 15).trailing_zeros();
        let is_far = (draw >> 32).is_multiple_of(4);
        let far = (draw >> 40) as u32 % FARTHEST;
        let distance = if is_far { far } else { near } as u16;
        let last = LEVELS as u16 - 1;
        if side == BID {
            let ask = self.sides[ASK].lowest();
            let best = ask.or(self.sides[BID].highest()).unwrap_or(MIDDLE);
            match (best, ask) {
                (0, Some(_)) => (ASK, distance.min(last)),
                _ => (BID, best.saturating_sub(1 + distance)),
            }
        } else {
            let bid = self.sides[BID].highest();
            let best = bid.or(self.sides[ASK].lowest()).unwrap_or(MIDDLE);
            match (best, bid) {
                (best, Some(_)) if best == last => (BID, last - distance),
                _ => (ASK, (best + 1 + distance).min(last)),
            }
        }
    }

    #[inline]
    pub(super) fn add(&mut self, side: usize, order_ref: u64, level: u16, shares: u32) {
        let side = &mut self.sides[side];
        side.orders.push(Resting { order_ref, shares, level });
        side.counts[usize::from(level)] += 1;
        side.used[usize::from(level) / 64] |= 1 << (level % 64);
    }

    /// Any order of a side that has some: its place.
    #[inline]
    pub(super) fn any(&self, side: usize, rng: &mut Pcg64Mcg) -> usize {
        rng.random_range(0..self.sides[side].orders.len() as u32) as usize
    }

    /// An order at the side's best level, or the best of some.
    #[inline]
    pub(super) fn near_touch(&self, side: usize, rng: &mut Pcg64Mcg) -> usize {
        let start = self.any(side, rng);
        let Side { orders, .. } = &self.sides[side];
        let best = if side == BID { self.sides[side].highest() } else { self.sides[side].lowest() };
        let best = best.unwrap_or(MIDDLE);
        let places = (start..orders.len()).chain(0..start).take(LOOKS);
        let mut nearest = start;
        for at in places {
            let distance = |at: usize| orders[at].level.abs_diff(best);
            if distance(at) < distance(nearest) {
                nearest = at;
            }
            if distance(nearest) == 0 {
                break;
            }
        }
        nearest
    }

    #[inline]
    pub(super) fn order(&self, side: usize, at: usize) -> Resting {
        self.sides[side].orders[at]
    }

    /// Takes `shares` off an order, which goes at zero.
    #[inline]
    pub(super) fn take(&mut self, side: usize, at: usize, shares: u32) {
        let order = &mut self.sides[side].orders[at];
        order.shares -= shares;
        if order.shares == 0 {
            self.remove(side, at);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, side: usize, at: usize) -> Resting {
        let side = &mut self.sides[side];
        let order = side.orders.swap_remove(at);
        let count = &mut side.counts[usize::from(order.level)];
        *count -= 1;
        if *count == 0 {
            side.used[usize::from(order.level) / 64] &= !(1 << (order.level % 64));
        }
        order
    }
}

/// Four letters: enough for 65,535 stocks.
pub(super) fn name(locate: u16) -> Alpha<8> {
    let mut bytes = [b' '; 8];
    let mut left = locate;
    for byte in bytes[..4].iter_mut().rev() {
        *byte = b'A' + (left % 26) as u8;
        left /= 26;
    }
    Alpha(bytes)
}
