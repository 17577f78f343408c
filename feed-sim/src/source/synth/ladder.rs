//! One synthetic instrument's book: levels in a window of ticks, orders queued at each.
//!
//! All memory is made at construction: the window has [`WINDOW`] ticks, an instrument holds at most
//! [`ORDERS_MAX`] orders. The best of a side is found through a bit a level; any order can be
//! picked at random through a dense list a side.

/// Levels of the window.
pub const WINDOW: usize = 1024;
/// Most orders of one instrument at a time, both sides.
pub const ORDERS_MAX: usize = 256;

const WORDS: usize = WINDOW / 64;
const NONE: u16 = u16::MAX;

/// One resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Open quantity.
    pub qty: u64,
    /// Level, 0..[`WINDOW`].
    pub level: u16,
    /// Side: 0 bid, 1 ask.
    pub side: u8,
    /// Neighbours in the level's queue.
    before: u16,
    behind: u16,
    /// Place in the side's dense list.
    place: u16,
}

#[derive(Clone, Copy)]
struct Queue {
    first: u16,
    last: u16,
}

/// The book. Bids and asks never share a level: the caller does not cross it.
pub struct Ladder {
    orders: Box<[Order]>,
    vacant: Vec<u16>,
    queues: Box<[Queue]>,
    /// A bit for each level that has orders, a side.
    used: [[u64; WORDS]; 2],
    /// Slots of each side's orders, in no order.
    dense: [Vec<u16>; 2],
}

impl Ladder {
    /// Empty.
    #[must_use]
    pub fn new() -> Ladder {
        let order =
            Order { id: 0, qty: 0, level: 0, side: 0, before: NONE, behind: NONE, place: 0 };
        Ladder {
            orders: vec![order; ORDERS_MAX].into(),
            vacant: (0..ORDERS_MAX as u16).rev().collect(),
            queues: vec![Queue { first: NONE, last: NONE }; WINDOW].into(),
            used: [[0; WORDS]; 2],
            dense: [Vec::with_capacity(ORDERS_MAX), Vec::with_capacity(ORDERS_MAX)],
        }
    }

    /// Orders of a side.
    #[inline]
    #[must_use]
    pub fn count(&self, side: u8) -> usize {
        self.dense[usize::from(side)].len()
    }

    /// Highest bid level.
    #[inline]
    #[must_use]
    pub fn best_bid(&self) -> Option<u16> {
        let (index, word) = self.used[0].iter().enumerate().rev().find(|(_, word)| **word != 0)?;
        Some((index * 64 + 63 - word.leading_zeros() as usize) as u16)
    }

    /// Lowest ask level.
    #[inline]
    #[must_use]
    pub fn best_ask(&self) -> Option<u16> {
        let (index, word) = self.used[1].iter().enumerate().find(|(_, word)| **word != 0)?;
        Some((index * 64 + word.trailing_zeros() as usize) as u16)
    }

    /// The oldest order at the best level of a side: its slot.
    #[inline]
    #[must_use]
    pub fn first_of_best(&self, side: u8) -> Option<u16> {
        let level = if side == 0 { self.best_bid() } else { self.best_ask() }?;
        Some(self.queues[usize::from(level)].first)
    }

    /// The slot of a side's `n`-th order, in no meaningful sequence; `n` below [`Self::count`].
    #[inline]
    #[must_use]
    pub fn nth(&self, side: u8, n: usize) -> u16 {
        self.dense[usize::from(side)][n]
    }

    /// The order in a slot.
    #[inline]
    #[must_use]
    pub fn order(&self, slot: u16) -> Order {
        self.orders[usize::from(slot)]
    }

    /// Queues an order behind all others of its level; false when there is no room.
    #[inline]
    pub fn add(&mut self, id: u64, side: u8, level: u16, qty: u64) -> bool {
        let Some(slot) = self.vacant.pop() else { return false };
        let queue = &mut self.queues[usize::from(level)];
        let before = queue.last;
        queue.last = slot;
        if before == NONE {
            queue.first = slot;
        } else {
            self.orders[usize::from(before)].behind = slot;
        }
        let dense = &mut self.dense[usize::from(side)];
        let place = dense.len() as u16;
        dense.push(slot);
        self.orders[usize::from(slot)] =
            Order { id, qty, level, side, before, behind: NONE, place };
        self.used[usize::from(side)][usize::from(level) / 64] |= 1 << (level % 64);
        true
    }

    /// Takes `qty` off the order in a slot, which goes at zero.
    #[inline]
    pub fn take(&mut self, slot: u16, qty: u64) {
        let order = &mut self.orders[usize::from(slot)];
        order.qty = order.qty.saturating_sub(qty);
        if order.qty == 0 {
            self.remove(slot);
        }
    }

    /// Takes an order off.
    #[inline]
    pub fn remove(&mut self, slot: u16) {
        let Order { level, side, before, behind, place, .. } = self.orders[usize::from(slot)];
        let queue = &mut self.queues[usize::from(level)];
        if before == NONE {
            queue.first = behind;
        } else {
            self.orders[usize::from(before)].behind = behind;
        }
        let queue = &mut self.queues[usize::from(level)];
        if behind == NONE {
            queue.last = before;
        } else {
            self.orders[usize::from(behind)].before = before;
        }
        if self.queues[usize::from(level)].first == NONE {
            self.used[usize::from(side)][usize::from(level) / 64] &= !(1 << (level % 64));
        }
        let dense = &mut self.dense[usize::from(side)];
        dense.swap_remove(usize::from(place));
        if let Some(&moved) = dense.get(usize::from(place)) {
            self.orders[usize::from(moved)].place = place;
        }
        self.vacant.push(slot);
    }
}

impl Default for Ladder {
    fn default() -> Ladder {
        Ladder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_queue_in_order_of_arrival_and_the_best_follows() {
        let mut ladder = Ladder::new();
        for (id, level) in [(1, 100), (2, 163), (3, 163), (4, 164)] {
            assert!(ladder.add(id, 0, level, 10));
        }
        ladder.add(5, 1, 300, 10);
        assert_eq!((ladder.best_bid(), ladder.best_ask()), (Some(164), Some(300)));
        let first = ladder.first_of_best(0).unwrap();
        ladder.take(first, 10);
        assert_eq!(ladder.best_bid(), Some(163));
        let first = ladder.first_of_best(0).unwrap();
        assert_eq!(ladder.order(first).id, 2);
        ladder.take(first, 4);
        assert_eq!(ladder.order(first).qty, 6);
        ladder.remove(first);
        assert_eq!(ladder.order(ladder.first_of_best(0).unwrap()).id, 3);
        assert_eq!((ladder.count(0), ladder.count(1)), (2, 1));
    }

    #[test]
    fn a_full_book_refuses_and_recovers() {
        let mut ladder = Ladder::new();
        for id in 0..ORDERS_MAX as u64 {
            let side = id % 2;
            assert!(ladder.add(id, side as u8, (id % 7 + side * 500) as u16, 1));
        }
        assert!(!ladder.add(999, 0, 0, 1));
        while ladder.count(0) > 0 {
            ladder.remove(ladder.nth(0, ladder.count(0) / 2));
        }
        assert_eq!(ladder.best_bid(), None);
        assert_eq!(ladder.best_ask(), Some(500));
        assert!(ladder.add(1_000, 0, 0, 1));
    }
}
