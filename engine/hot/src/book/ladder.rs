//! Price levels: one sorted ladder for each instrument and side, the best at the end.
//!
//! ```text
//!   ladder { base, len, class }          block of 8 << class levels in the arena
//!      └─► │ worst │ … │ … │ best │ free │ free │
//! ```
//!
//! Most of a feed happens at or near the touch, so a new level moves few others, a look from the
//! end finds its level in the first line or two, and the best is one load away.
//! Why not a tree or a hash of levels: both cost dependent misses at every step, and the ladder's
//! bad case, a new level far from the touch of a deep book, is a straight copy at memory speed.
//!
//! The arena hands out blocks in size classes from free lists; a block too many is split, never
//! merged. A ladder that outgrows its block moves to one of twice the size. Ladders keep their
//! block when they empty.

use super::BookSizeError;
use tickspin_host::memory::prefetch;
use tickspin_wire::num::{Px, Qty};

/// Levels of the smallest block.
pub const SMALLEST: usize = 8;

/// How many size classes: 8 << 0 to 8 << 11.
pub const CLASSES: usize = 12;

/// Most levels of one ladder. More is refused: a venue has no 16,384 sensible prices on one side,
/// and the cost of a new level far from the touch stays bounded (384 KiB moved).
pub const MAX_LEVELS: usize = SMALLEST << (CLASSES - 1);

/// Below this many levels from the best the search walks; beyond it halves. Eight levels are three
/// lines, which the hardware fetches in a row.
const WALK: usize = 8;

/// Levels behind those that are halved on their own, if the key is among them.
const NEAR: usize = 32;

const NO_BLOCK: u32 = u32::MAX;

/// One price level.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Level {
    /// Price for bids, its complement for asks: the best is the greatest.
    pub(super) key: i64,
    pub(super) qty: u64,
    count: u32,
    reserved: u32,
}

const _: () = assert!(core::mem::size_of::<Level>() == 24);

/// Where a ladder lives.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Ladder {
    base: u32,
    len: u16,
    class: u16,
}

impl Ladder {
    pub(super) const EMPTY: Ladder = Ladder { base: NO_BLOCK, len: 0, class: 0 };

    #[inline]
    const fn capacity(self) -> usize {
        if self.base == NO_BLOCK { 0 } else { SMALLEST << self.class }
    }

    #[inline]
    const fn range(self) -> core::ops::Range<usize> {
        if self.base == NO_BLOCK {
            return 0..0;
        }
        self.base as usize..self.base as usize + self.len as usize
    }
}

const _: () = assert!(MAX_LEVELS <= u16::MAX as usize, "a ladder's length is a u16");

#[derive(Debug)]
pub(super) struct Arena<'m> {
    levels: &'m mut [Level],
    /// Levels below this were handed out at least once.
    bump: usize,
    /// Heads of the free lists; the next block stands in the key of a free block's first level.
    free: [u32; CLASSES],
    reserved: usize,
}

impl<'m> Arena<'m> {
    pub(super) fn new(levels: &'m mut [Level]) -> Result<Arena<'m>, BookSizeError> {
        if levels.len() < SMALLEST || levels.len() >= NO_BLOCK as usize {
            return Err(BookSizeError::Levels(levels.len()));
        }
        levels.fill(Level::default());
        Ok(Arena { levels, bump: 0, free: [NO_BLOCK; CLASSES], reserved: 0 })
    }

    pub(super) const fn reserved(&self) -> usize {
        self.reserved
    }

    pub(super) fn clear(&mut self) {
        self.bump = 0;
        self.free = [NO_BLOCK; CLASSES];
        self.reserved = 0;
    }

    #[inline]
    pub(super) fn best(&self, ladder: Ladder) -> Option<&Level> {
        self.levels.get(ladder.range())?.last()
    }

    /// Adds an order to the level of `key`, which is made where there is none.
    /// True where the level is the best; `None` where there is no room and nothing was changed.
    #[inline]
    pub(super) fn add(&mut self, ladder: &mut Ladder, key: i64, qty: u64) -> Option<bool> {
        let levels = self.levels.get_mut(ladder.range())?;
        let (at, is_there) = search(levels, key);
        if is_there {
            let is_best = at + 1 == levels.len();
            let level = levels.get_mut(at)?;
            level.qty = level.qty.checked_add(qty)?;
            level.count += 1;
            return Some(is_best);
        }
        self.insert(ladder, at, Level { key, qty, count: 1, reserved: 0 })
    }

    /// Puts a level in at `at`, which its key belongs to. As [`add`](Arena::add).
    #[inline]
    fn insert(&mut self, ladder: &mut Ladder, at: usize, level: Level) -> Option<bool> {
        if ladder.len as usize == ladder.capacity() {
            self.grow(ladder)?;
        }
        ladder.len += 1;
        let levels = self.levels.get_mut(ladder.range())?;
        let last = levels.len() - 1;
        if at < last {
            levels.copy_within(at..last, at + 1);
        }
        *levels.get_mut(at)? = level;
        Some(at == last)
    }

    /// Takes `qty` off the level of `key`, and an order with it if `is_dead`; the last order takes
    /// the level along. True where the level was the best.
    #[inline]
    pub(super) fn take(&mut self, ladder: &mut Ladder, key: i64, qty: u64, is_dead: bool) -> bool {
        let Some(levels) = self.levels.get_mut(ladder.range()) else { return false };
        let (at, is_there) = search(levels, key);
        let is_best = at + 1 == levels.len();
        debug_assert!(is_there, "an order's level is in its ladder");
        let Some(level) = levels.get_mut(at) else { return false };
        if !is_there {
            return false;
        }
        level.qty -= qty;
        level.count -= u32::from(is_dead);
        if level.count == 0 {
            if !is_best {
                levels.copy_within(at + 1.., at);
            }
            ladder.len -= 1;
        }
        is_best
    }

    /// An order on the level of `key` has another quantity. True where the level is the best; `None`
    /// where the sum does not fit and nothing was changed.
    #[inline]
    pub(super) fn resize(&mut self, ladder: Ladder, key: i64, from: u64, to: u64) -> Option<bool> {
        let levels = self.levels.get_mut(ladder.range())?;
        let (at, is_there) = search(levels, key);
        let is_best = at + 1 == levels.len();
        let level = levels.get_mut(at).filter(|_| is_there)?;
        level.qty = (level.qty - from).checked_add(to)?;
        Some(is_best)
    }

    /// The level of `key` has this quantity and count from now on. True where it is the best; `None`
    /// where there is no room and nothing was changed.
    #[inline]
    pub(super) fn set(
        &mut self,
        ladder: &mut Ladder,
        key: i64,
        qty: u64,
        count: u32,
    ) -> Option<bool> {
        let levels = self.levels.get_mut(ladder.range())?;
        let (at, is_there) = search(levels, key);
        if is_there {
            let is_best = at + 1 == levels.len();
            let level = levels.get_mut(at)?;
            (level.qty, level.count) = (qty, count);
            return Some(is_best);
        }
        self.insert(ladder, at, Level { key, qty, count, reserved: 0 })
    }

    /// Takes a level away. Whether it was the best; `None` where there was none.
    #[inline]
    pub(super) fn unset(&mut self, ladder: &mut Ladder, key: i64) -> Option<bool> {
        let levels = self.levels.get_mut(ladder.range())?;
        let (at, is_there) = search(levels, key);
        if !is_there {
            return None;
        }
        let is_best = at + 1 == levels.len();
        levels.copy_within(at + 1.., at);
        ladder.len -= 1;
        Some(is_best)
    }

    /// Takes all levels away, the block stays. True where there were some.
    #[inline]
    pub(super) fn empty(&mut self, ladder: &mut Ladder) -> bool {
        core::mem::take(&mut ladder.len) > 0
    }

    /// Takes all levels but that of `key` away.
    #[inline]
    pub(super) fn keep_only(&mut self, ladder: &mut Ladder, key: i64) {
        let Some(levels) = self.levels.get_mut(ladder.range()) else { return };
        ladder.len = match search(levels, key) {
            (at, true) => {
                levels.copy_within(at..=at, 0);
                1
            }
            _ => 0,
        };
    }

    /// Asks for the line that holds the best level.
    #[inline]
    pub(super) fn fetch_best(&self, ladder: Ladder) {
        prefetch(self.levels, ladder.range().end.wrapping_sub(1));
    }

    /// Asks for the lines that hold the best levels: two, where most of a feed happens.
    #[inline]
    pub(super) fn fetch(&self, ladder: Ladder) {
        let end = ladder.range().end;
        prefetch(self.levels, end.wrapping_sub(1));
        prefetch(self.levels, end.wrapping_sub(4));
    }

    /// Gives a ladder's block back.
    pub(super) fn free(&mut self, ladder: Ladder) {
        if ladder.base != NO_BLOCK {
            self.reserved -= ladder.capacity();
            self.release(ladder.base, ladder.class as usize);
        }
    }

    pub(super) fn levels(&self, ladder: Ladder, mask: i64) -> Levels<'_> {
        Levels { levels: self.levels.get(ladder.range()).unwrap_or(&[]), mask }
    }

    /// A block of twice the size (or the first), with the levels moved there.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, ladder: &mut Ladder) -> Option<()> {
        let class = if ladder.base == NO_BLOCK { 0 } else { ladder.class as usize + 1 };
        let base = self.reserve(class)?;
        let old = *ladder;
        *ladder = Ladder { base, len: old.len, class: class as u16 };
        self.reserved += ladder.capacity();
        if old.base != NO_BLOCK {
            self.levels.copy_within(old.range(), base as usize);
            self.free(old);
        }
        Some(())
    }

    /// A block of `class`: from its list, from untouched memory, or split off a larger one.
    fn reserve(&mut self, class: usize) -> Option<u32> {
        if class >= CLASSES {
            return None;
        }
        if let Some(base) = self.pop(class) {
            return Some(base);
        }
        let size = SMALLEST << class;
        if self.bump + size <= self.levels.len() {
            let base = self.bump as u32;
            self.bump += size;
            return Some(base);
        }
        let larger = (class + 1..CLASSES).find(|&c| self.free.get(c) != Some(&NO_BLOCK))?;
        let base = self.pop(larger)?;
        for half in class..larger {
            self.release(base + (SMALLEST << half) as u32, half);
        }
        Some(base)
    }

    fn pop(&mut self, class: usize) -> Option<u32> {
        let head = self.free.get_mut(class)?;
        let base = *head;
        if base == NO_BLOCK {
            return None;
        }
        *head = self.levels.get(base as usize)?.key as u32;
        Some(base)
    }

    fn release(&mut self, base: u32, class: usize) {
        if let (Some(head), Some(first)) =
            (self.free.get_mut(class), self.levels.get_mut(base as usize))
        {
            first.key = i64::from(*head);
            *head = base;
        }
    }
}

/// Where `key` is, or where it would go: from the best down, then by halves.
#[inline]
fn search(levels: &[Level], key: i64) -> (usize, bool) {
    let mut at = levels.len();
    for level in levels.iter().rev().take(WALK) {
        if level.key <= key {
            return if level.key == key { (at - 1, true) } else { (at, false) };
        }
        at -= 1;
    }
    // Deep books are long, and most of what is not at the touch is near it.
    let near = at.saturating_sub(NEAR);
    let is_near = levels.get(near).is_some_and(|level| level.key <= key);
    let (from, to) = if is_near { (near, at) } else { (0, near) };
    let below = levels.get(from..to).unwrap_or(&[]);
    match below.binary_search_by(|level| level.key.cmp(&key)) {
        Ok(found) => (from + found, true),
        Err(place) => (from + place, false),
    }
}

/// The levels of one side, the best first: (price, quantity, orders).
#[derive(Clone, Debug)]
pub struct Levels<'b> {
    levels: &'b [Level],
    mask: i64,
}

impl Iterator for Levels<'_> {
    type Item = (Px, Qty, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let (best, rest) = self.levels.split_last()?;
        self.levels = rest;
        Some((Px(best.key ^ self.mask), Qty(best.qty), best.count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.levels.len(), Some(self.levels.len()))
    }
}

impl ExactSizeIterator for Levels<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(arena: &Arena<'_>, ladder: Ladder, keys: impl Iterator<Item = i64>) -> bool {
        arena.levels(ladder, 0).map(|(px, _, _)| px.0).eq(keys)
    }

    #[test]
    fn levels_come_best_first_whatever_order_they_came_in() {
        let mut memory = [Level::default(); 1024];
        let mut arena = Arena::new(&mut memory).unwrap();
        let mut ladder = Ladder::EMPTY;
        for i in 0..100_i64 {
            arena.add(&mut ladder, i * 37 % 100, 1).unwrap();
        }
        assert!(is(&arena, ladder, (0..100).rev()));
        for i in 0..50_i64 {
            arena.take(&mut ladder, i * 2, 1, true);
        }
        assert!(is(&arena, ladder, (0..50).rev().map(|i| i * 2 + 1)));
    }

    #[test]
    fn a_full_arena_refuses_and_leaves_the_ladder_as_it_was() {
        let mut memory = [Level::default(); 24];
        let mut arena = Arena::new(&mut memory).unwrap();
        let (mut one, mut two) = (Ladder::EMPTY, Ladder::EMPTY);
        for key in 0..8 {
            assert_eq!(arena.add(&mut one, key, 1), Some(true));
            assert_eq!(arena.add(&mut two, key, 1), Some(true));
        }
        // 16 of 24 are out; a block of 16 does not fit any more.
        assert_eq!(arena.add(&mut one, 8, 1), None);
        assert!(is(&arena, one, (0..8).rev()));
        assert_eq!(arena.add(&mut one, 7, 1), Some(true), "an existing level takes more");
        assert_eq!(arena.reserved(), 16);
    }

    #[test]
    fn freed_blocks_are_used_again_and_larger_ones_split() {
        let mut memory = [Level::default(); 64];
        let mut arena = Arena::new(&mut memory).unwrap();
        let mut deep = Ladder::EMPTY;
        for key in 0..32 {
            arena.add(&mut deep, key, 1).unwrap();
        }
        // 8 + 16 are free again, 32 in use, 8 untouched.
        assert_eq!(arena.reserved(), 32);
        let mut small = [Ladder::EMPTY; 8];
        for ladder in &mut small[..4] {
            arena.add(ladder, 1, 1).unwrap();
        }
        assert_eq!(arena.add(&mut small[4], 1, 1), None);
        arena.free(deep);
        for ladder in &mut small[4..] {
            arena.add(ladder, 1, 1).unwrap();
        }
        assert_eq!(arena.reserved(), 64);
        let mut bases = small.map(|ladder| ladder.base);
        bases.sort_unstable();
        assert_eq!(bases, [0, 8, 16, 24, 32, 40, 48, 56], "no block was handed out twice");
    }

    #[test]
    fn a_level_never_wraps() {
        let mut memory = [Level::default(); 8];
        let mut arena = Arena::new(&mut memory).unwrap();
        let mut ladder = Ladder::EMPTY;
        assert_eq!(arena.add(&mut ladder, 1, u64::MAX), Some(true));
        assert_eq!(arena.add(&mut ladder, 1, 1), None);
        assert_eq!(arena.levels(ladder, 0).next(), Some((Px(1), Qty(u64::MAX), 1)));
    }
}
