//! Orders by id: open addressing, linear probing, deletion by backward shift.
//!
//! Ids are whatever the venue says: neither small nor monotonic, 0 and `u64::MAX` included. The
//! hash folds the 128-bit product of the seeded id with an odd constant, one multiplication, so
//! that neither strides nor ids chosen in ignorance of the seed pile up.
//! Sixteen neighbouring ids lie side by side (`GROUP_BITS`): venues count upwards, so a new order
//! goes where the last one brought the lines, and the group after it is asked for in time.
//! Deletion moves later entries of the cluster back over the hole: no tombstones, so a table that
//! saw a billion deletions probes like a new one. A bit in each slot says whether an entry further
//! on once probed past it; without the bit nothing can move, and the next slot, half the time on
//! a line that nobody has asked for, is not looked at.
//! Never more than half full ([`super::BookSize::order_slots`]): two entries share a line, and a
//! look-up costs one miss nearly always.
//! An entry belongs to the table's present generation or is vacant, so clearing is one increment.

use super::BookSizeError;
use tickspin_host::memory::prefetch;
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// One order, 32 bytes. Zeros are a vacant slot.
///
/// ```text
/// byte 0    8    16    24          28          30            32
///      │ id │ px │ qty │ generation │ instrument │side, passed│
///                    └────────────── one word ──────────────┘
/// ```
///
/// Four words, written and read word by word: an entry that is read right after it was written (an
/// order that comes and goes) must not wait for a store that a wider load cannot forward from.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderSlot {
    pub(super) id: u64,
    pub(super) px: i64,
    pub(super) qty: u64,
    meta: u64,
}

const _: () = assert!(core::mem::size_of::<OrderSlot>() == 32, "two to a line");

/// Bits of `meta` above the generation.
const INSTRUMENT_SHIFT: u32 = 32;
const IS_ASK: u64 = 1 << 48;
/// An entry further on may have probed past this place. It belongs to the place, not to the entry:
/// it stays when another entry moves in, and goes when the place falls vacant.
const IS_PASSED: u64 = 1 << 49;

impl OrderSlot {
    /// Of no generation yet.
    #[inline]
    pub(super) const fn new(
        id: u64,
        px: Px,
        qty: Qty,
        instrument: InstrumentId,
        side: Side,
    ) -> OrderSlot {
        let is_ask = if matches!(side, Side::Ask) { IS_ASK } else { 0 };
        let meta = (instrument.0 as u64) << INSTRUMENT_SHIFT | is_ask;
        OrderSlot { id, px: px.0, qty: qty.0, meta }
    }

    /// The same instrument and side under another id, price and quantity.
    #[inline]
    pub(super) const fn replaced_by(self, id: u64, px: Px, qty: Qty) -> OrderSlot {
        OrderSlot { id, px: px.0, qty: qty.0, ..self }
    }

    #[inline]
    const fn generation(&self) -> u32 {
        self.meta as u32
    }

    #[inline]
    pub(super) const fn instrument(&self) -> u16 {
        (self.meta >> INSTRUMENT_SHIFT) as u16
    }

    #[inline]
    pub(super) const fn side(&self) -> Side {
        if self.meta & IS_ASK == 0 { Side::Bid } else { Side::Ask }
    }
}

/// Where a look-up ended.
#[derive(Debug)]
pub(super) enum Found {
    /// The order, and its slot.
    At(usize, OrderSlot),
    /// Not there; it would go here.
    Vacant(usize),
}

/// 2^64 divided by the golden ratio, odd: spreads neighbouring ids over the whole range.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// log2 of the ids that lie side by side. Sixteen are 512 bytes, eight lines. Fewer share less;
/// more make long runs when a table is full of neighbours, because a run is probed to its end.
const GROUP_BITS: u32 = 4;
const GROUP_MASK: u64 = (1 << GROUP_BITS) - 1;

#[derive(Debug)]
pub(super) struct OrderTable<'m> {
    slots: &'m mut [OrderSlot],
    mask: usize,
    seed: u64,
    /// From 1; entries of another generation are vacant.
    generation: u32,
    len: usize,
}

impl<'m> OrderTable<'m> {
    pub(super) fn new(
        slots: &'m mut [OrderSlot],
        seed: u64,
    ) -> Result<OrderTable<'m>, BookSizeError> {
        let len = slots.len();
        if !len.is_power_of_two() || !(8..=1 << 31).contains(&len) {
            return Err(BookSizeError::Orders(len));
        }
        slots.fill(OrderSlot::default());
        Ok(OrderTable { slots, mask: len - 1, seed, generation: 1, len: 0 })
    }

    /// Most orders: half of the slots.
    pub(super) const fn capacity(&self) -> usize {
        self.slots.len() >> 1
    }

    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len >= self.capacity()
    }

    /// The group's hash, plus the place within the group: groups begin anywhere, so that ids which
    /// share their low bits spread like any others.
    #[inline]
    fn home(&self, id: u64) -> usize {
        let product = u128::from((id >> GROUP_BITS) ^ self.seed) * u128::from(MULTIPLIER);
        let group = (product >> 64) as u64 ^ product as u64;
        group.wrapping_add(id & GROUP_MASK) as usize & self.mask
    }

    /// Asks for the line where the id half a group on would go: half a group of events is time
    /// enough for a line from memory.
    #[inline]
    pub(super) fn fetch_after(&self, id: u64) {
        prefetch(self.slots, self.home(id.wrapping_add(GROUP_MASK / 2 + 1)));
    }

    /// Asks for the line where this id is or would go.
    #[inline]
    pub(super) fn fetch(&self, id: u64) {
        prefetch(self.slots, self.home(id));
    }

    #[inline]
    pub(super) fn find(&self, id: u64) -> Found {
        let mut at = self.home(id);
        // Ends: at least half of the slots are vacant.
        while let Some(slot) = self.slots.get(at) {
            if slot.generation() != self.generation {
                break;
            }
            if slot.id == id {
                return Found::At(at, *slot);
            }
            at = (at + 1) & self.mask;
        }
        Found::Vacant(at)
    }

    /// Fills the vacant slot that [`OrderTable::find`] gave, with nothing changed in between.
    #[inline]
    pub(super) fn insert(&mut self, at: usize, entry: OrderSlot) {
        let mut passed = self.home(entry.id);
        while passed != at {
            let Some(slot) = self.slots.get_mut(passed) else { break };
            slot.meta |= IS_PASSED;
            passed = (passed + 1) & self.mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            let meta = entry.meta & !(u64::from(u32::MAX) | IS_PASSED) | u64::from(self.generation);
            *slot = OrderSlot { meta, ..entry };
            self.len += 1;
        }
    }

    /// Takes `qty` off the order in `at`; the caller knows that more is there.
    #[inline]
    pub(super) fn reduce(&mut self, at: usize, qty: u64) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.qty -= qty;
        }
    }

    /// The order in `at` has this quantity from now on.
    #[inline]
    pub(super) fn resize(&mut self, at: usize, qty: u64) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.qty = qty;
        }
    }

    /// Empties the slot of an order and closes the gap.
    #[inline]
    pub(super) fn remove(&mut self, at: usize) {
        let is_passed = self.slots.get(at).is_some_and(|slot| slot.meta & IS_PASSED != 0);
        let hole = if is_passed { self.close(at) } else { at };
        if let Some(place) = self.slots.get_mut(hole) {
            *place = OrderSlot::default();
        }
        self.len -= 1;
    }

    /// Moves entries back over the hole; where the hole is then.
    fn close(&mut self, at: usize) -> usize {
        let mut hole = at;
        let mut next = at;
        loop {
            next = (next + 1) & self.mask;
            let Some(&slot) = self.slots.get(next) else { return hole };
            if slot.generation() != self.generation {
                return hole;
            }
            // It may move back when its home is not between the hole and where it is: when it is
            // at least as far from home as from the hole.
            let from_home = next.wrapping_sub(self.home(slot.id)) & self.mask;
            let from_hole = next.wrapping_sub(hole) & self.mask;
            if from_home >= from_hole {
                if let Some(place) = self.slots.get_mut(hole) {
                    let meta = slot.meta & !IS_PASSED | place.meta & IS_PASSED;
                    *place = OrderSlot { meta, ..slot };
                }
                hole = next;
            }
        }
    }

    /// Takes all orders of one instrument out. Walks the whole table.
    pub(super) fn remove_instrument(&mut self, instrument: u16) {
        let mut at = 0;
        while let Some(slot) = self.slots.get(at) {
            if slot.generation() == self.generation && slot.instrument() == instrument {
                // Another entry may have moved here: look again. What moves across the table's end
                // comes from its beginning, which was looked at before.
                self.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Takes all orders out: O(1), but once in 2^32 − 1 times.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.generation = match self.generation.checked_add(1) {
            Some(next) => next,
            None => {
                self.slots.fill(OrderSlot::default());
                1
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut OrderTable<'_>, id: u64, instrument: u16) {
        match table.find(id) {
            Found::Vacant(at) => {
                let px = Px(id as i64);
                table.insert(
                    at,
                    OrderSlot::new(id, px, Qty(1), InstrumentId(instrument), Side::Ask),
                );
            }
            Found::At(..) => panic!("{id} is there"),
        }
    }

    #[test]
    fn finds_what_a_plain_array_finds_under_churn_at_full_load() {
        let mut memory = [OrderSlot::default(); 64];
        let mut table = OrderTable::new(&mut memory, 9).unwrap();
        let mut twin = [false; 96];
        let mut state = 3_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = (state >> 33) % 96;
            let is_there = &mut twin[id as usize];
            match table.find(id) {
                Found::At(at, slot) => {
                    assert!(*is_there && slot.instrument() == id as u16);
                    table.remove(at);
                    *is_there = false;
                }
                Found::Vacant(_) => {
                    assert!(!*is_there);
                    if !table.is_full() {
                        insert(&mut table, id, id as u16);
                        *is_there = true;
                    }
                }
            }
            assert_eq!(table.len, twin.iter().filter(|&&is_there| is_there).count());
        }
        for (id, &is_there) in (0_u64..).zip(&twin) {
            assert_eq!(matches!(table.find(id), Found::At(..)), is_there, "id {id}");
        }
    }

    #[test]
    fn clearing_one_instrument_leaves_the_others_findable() {
        let mut memory = [OrderSlot::default(); 256];
        for seed in 0..50 {
            let mut table = OrderTable::new(&mut memory, seed).unwrap();
            for id in 0..128 {
                insert(&mut table, id, (id % 3) as u16);
            }
            table.remove_instrument(1);
            for id in 0..128 {
                assert_eq!(matches!(table.find(id), Found::At(..)), id % 3 != 1, "id {id}");
            }
        }
    }

    #[test]
    fn a_cleared_table_is_empty_also_when_the_generation_wraps() {
        let mut memory = [OrderSlot::default(); 16];
        let mut table = OrderTable::new(&mut memory, 0).unwrap();
        insert(&mut table, 5, 0);
        table.clear();
        assert!(matches!(table.find(5), Found::Vacant(_)));
        table.generation = u32::MAX;
        insert(&mut table, 6, 0);
        table.clear();
        assert_eq!(table.generation, 1);
        assert!(matches!(table.find(5), Found::Vacant(_)));
        assert!(matches!(table.find(6), Found::Vacant(_)));
    }

    #[test]
    fn strides_do_not_pile_up() {
        // Longest probe over 2^11 ids in 2^12 slots, for strides that defeat weaker mixes. Random
        // ids give some 30 (log n over a constant); a mix that loses bits gives hundreds.
        let mut memory = [OrderSlot::default(); 1 << 12];
        for shift in 0..53 {
            let mut table = OrderTable::new(&mut memory, 0xABCD).unwrap();
            for i in 0..1_u64 << 11 {
                insert(&mut table, i << shift, 0);
            }
            let mut longest = 0;
            for i in 0..1_u64 << 11 {
                match table.find(i << shift) {
                    Found::At(at, _) => {
                        let home = table.home(i << shift);
                        longest = longest.max(at.wrapping_sub(home) & table.mask);
                    }
                    Found::Vacant(_) => panic!("{i} lost"),
                }
            }
            assert!(longest < 64, "stride 2^{shift}: longest probe {longest}");
        }
    }
}
