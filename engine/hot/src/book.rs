//! Market-by-order books of thousands of instruments: `Tick` to orders, levels and the top.
//!
//! ```text
//!   order id ─hash─► table [OrderSlot]          one line: instrument, side, price, quantity
//!   instrument ────► [InstrumentSlot]           one line: top of both sides, two ladders
//!                       ladder ─► levels [Level …] sorted, the best at the end
//! ```
//!
//! An event touches one line of the table (two when the entry straddles a probe), the
//! instrument's line, and the levels next to the top, which is where most of a feed happens.
//! The top of book is kept in the instrument's line: reading it is O(1) and touches nothing else.
//!
//! **Memory** is borrowed, reserved before the first tick ([`BookSize`]) and never grows; what does
//! not fit is refused and counted, and later events for it count as unknown.
//!
//! **Worst cases.** A new level at depth *d* moves *d* levels of 24 bytes; a ladder holds at most
//! [`ladder::MAX_LEVELS`] (a move of 384 KiB, some 20 µs). A ladder that outgrows its block is
//! copied once for each doubling. `Clear` of all instruments costs 64 bytes per instrument ever
//! used; `Clear` of one walks the whole order table (milliseconds for millions of slots) and is for
//! recovery only.
//!
//! **Semantics**, the same as those of the naive twin in the tests:
//! `Execute`, `Reduce`, `Delete`, `Replace` of an order that is not in the book count as unknown;
//! an `Add` of an id that is in the book counts as duplicate; neither changes anything.
//! An order at zero is dead whichever message took it there; taking more than there is takes what
//! there is, and is counted. `Replace` keeps instrument and side of the original and loses its
//! priority; where the new id is in the book already, the old order goes, the duplicate is counted,
//! and nothing is added. `Modify` is a `Replace` into the same id, an `Add` where the id is new and the
//! side is given. `Level` and `Quote` say what stands at a price and at the top from now on, for
//! instruments of which no order is known. What could not rest (no price, quantity 0) is refused and changes nothing,
//! a `Replace` into it included. Trades, crosses and broken trades never change a book.

pub mod ahead;
pub mod change;
pub mod ladder;
mod price;
pub mod size;
pub mod table;

pub use ahead::{Ahead, LOOK_AHEAD, LOOK_AT_LEVEL};
pub use change::{BookStats, Change, Effect};
pub use ladder::{Level, Levels};
pub use size::{BookMemory, BookSize, BookSizeError};
pub use table::OrderSlot;

use crate::decode::Tick;
use ladder::Arena;
use table::{Found, OrderTable};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// Best bid and ask. `Px::NONE` and 0 where a side is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Highest bid.
    pub bid: Px,
    /// Displayed there.
    pub bid_qty: Qty,
    /// Lowest ask.
    pub ask: Px,
    /// Displayed there.
    pub ask_qty: Qty,
}

impl Top {
    /// Both sides empty.
    pub const EMPTY: Top = Top { bid: Px::NONE, bid_qty: Qty(0), ask: Px::NONE, ask_qty: Qty(0) };

    /// Both sides are there and the bid is below the ask.
    #[inline]
    #[must_use]
    pub const fn is_quotable(&self) -> bool {
        self.bid.is_some() && self.ask.is_some() && self.bid.0 < self.ask.0
    }
}

/// Trading state of an instrument, from the venue's last word on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Trading {
    /// Nothing was said in this session: taken as open, recordings often begin after the open.
    #[default]
    Unknown = 0,
    /// `T`.
    Open = 1,
    /// `H`, `P`, `Q` or a byte that is none of these: no orders.
    Stopped = 2,
}

/// One instrument's line. Zeroed memory is fit for [`Book::new`], which formats it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct InstrumentSlot {
    top: Top,
    ladders: [ladder::Ladder; 2],
    orders: u32,
    trading: Trading,
}

const _: () = assert!(core::mem::size_of::<InstrumentSlot>() == 64, "one line per instrument");

impl InstrumentSlot {
    const EMPTY: InstrumentSlot = InstrumentSlot {
        top: Top::EMPTY,
        ladders: [ladder::Ladder::EMPTY; 2],
        orders: 0,
        trading: Trading::Unknown,
    };
}

impl Default for InstrumentSlot {
    fn default() -> InstrumentSlot {
        InstrumentSlot::EMPTY
    }
}

/// All books.
#[derive(Debug)]
pub struct Book<'m> {
    table: OrderTable<'m>,
    arena: Arena<'m>,
    instruments: &'m mut [InstrumentSlot],
    /// Instruments below this index were touched since the last clear of all.
    used: usize,
    stats: BookStats,
}

impl<'m> Book<'m> {
    /// Formats borrowed memory. `seed` makes the hash of order ids unpredictable to whoever chooses
    /// the ids (the run's epoch will do); no result depends on it.
    ///
    /// # Errors
    /// Slices of a size that [`BookSize`] would not give.
    pub fn new(memory: BookMemory<'m>, seed: u64) -> Result<Book<'m>, BookSizeError> {
        let BookMemory { orders, levels, instruments } = memory;
        if instruments.is_empty() || instruments.len() > size::MAX_INSTRUMENTS {
            return Err(BookSizeError::Instruments(instruments.len()));
        }
        instruments.fill(InstrumentSlot::EMPTY);
        Ok(Book {
            table: OrderTable::new(orders, seed)?,
            arena: Arena::new(levels)?,
            instruments,
            used: 0,
            stats: BookStats::default(),
        })
    }

    /// Takes one event.
    #[inline]
    pub fn apply(&mut self, tick: &Tick) -> Change {
        self.fetch_instrument(tick);
        self.apply_near(tick)
    }

    /// The same where what the event needs was asked for before, see [`ahead`].
    #[inline]
    pub fn apply_near(&mut self, tick: &Tick) -> Change {
        let event = &tick.event;
        match tick.kind {
            Kind::Add => self.add(event, tick.side),
            Kind::Execute | Kind::Reduce => self.take(event),
            Kind::Delete => self.delete(event),
            Kind::Replace => self.replace(event),
            Kind::Modify => self.modify(event, tick.side),
            Kind::Level => self.level(event, tick.side),
            Kind::Quote => self.quote(event, tick.side),
            Kind::Status => self.status(event),
            Kind::Clear => self.clear(event.instrument),
            Kind::SessionStart => self.new_session(event),
            Kind::Trade
            | Kind::Cross
            | Kind::Broken
            | Kind::Definition
            | Kind::System
            | Kind::Info
            | Kind::Gap
            | Kind::End => none(event),
        }
    }

    /// Best bid and ask; empty for an instrument that does not exist.
    #[inline]
    #[must_use]
    pub fn top(&self, instrument: InstrumentId) -> Top {
        // Word by word, not as a block: it may have been written a moment ago.
        let top = self.instruments.get(instrument.index()).map_or(&Top::EMPTY, |slot| &slot.top);
        Top { bid: top.bid, bid_qty: top.bid_qty, ask: top.ask, ask_qty: top.ask_qty }
    }

    /// The venue's last word on the instrument's state.
    #[inline]
    #[must_use]
    pub fn trading(&self, instrument: InstrumentId) -> Trading {
        self.instruments.get(instrument.index()).map_or(Trading::Stopped, |slot| slot.trading)
    }

    /// Levels of one side, the best first: bids descending, asks ascending.
    #[must_use]
    pub fn levels(&self, instrument: InstrumentId, side: Side) -> Levels<'_> {
        let ladder = match (self.instruments.get(instrument.index()), side) {
            (Some(InstrumentSlot { ladders: [bids, _], .. }), Side::Bid) => *bids,
            (Some(InstrumentSlot { ladders: [_, asks], .. }), Side::Ask) => *asks,
            _ => ladder::Ladder::EMPTY,
        };
        self.arena.levels(ladder, mask_of(side))
    }

    /// Orders of one instrument now.
    #[must_use]
    pub fn orders_of(&self, instrument: InstrumentId) -> u32 {
        self.instruments.get(instrument.index()).map_or(0, |slot| slot.orders)
    }

    /// How many instruments there is room for.
    #[must_use]
    pub fn instrument_count(&self) -> usize {
        self.instruments.len()
    }

    /// Counts so far.
    #[must_use]
    pub const fn stats(&self) -> &BookStats {
        &self.stats
    }

    /// Levels of the arena that ladders hold now, reserved ones counted.
    #[must_use]
    pub const fn levels_reserved(&self) -> usize {
        self.arena.reserved()
    }

    /// How full the table may become: orders.
    #[must_use]
    pub const fn orders_capacity(&self) -> usize {
        self.table.capacity()
    }

    /// What rests under this id: (instrument, side, price, quantity).
    #[must_use]
    pub fn order(&self, id: u64) -> Option<(InstrumentId, Side, Px, Qty)> {
        match self.table.find(id) {
            Found::At(_, slot) => {
                Some((InstrumentId(slot.instrument()), slot.side(), Px(slot.px), Qty(slot.qty)))
            }
            Found::Vacant(_) => None,
        }
    }

    #[inline]
    fn add(&mut self, event: &Event, side: Side) -> Change {
        if event.qty.0 == 0 || !event.px.is_some() {
            return self.refused_other(event.instrument);
        }
        match self.table.find(event.order_id) {
            Found::At(..) => self.duplicate(event.instrument),
            Found::Vacant(at) => {
                let entry =
                    OrderSlot::new(event.order_id, event.px, event.qty, event.instrument, side);
                self.place(at, entry)
            }
        }
    }

    /// Puts `entry` into the vacant slot `at` and onto its level.
    #[inline]
    fn place(&mut self, at: usize, entry: OrderSlot) -> Change {
        let instrument = InstrumentId(entry.instrument());
        if self.table.is_full() {
            return self.refused_order(instrument);
        }
        let Some(slot) = self.instruments.get_mut(instrument.index()) else {
            return self.refused_other(instrument);
        };
        let side = entry.side();
        let [bids, asks] = &mut slot.ladders;
        let ladder = if matches!(side, Side::Bid) { bids } else { asks };
        let Some(is_top) = self.arena.add(ladder, entry.px ^ mask_of(side), entry.qty) else {
            return self.refused_level(instrument);
        };
        if is_top {
            refresh(&mut slot.top, side, self.arena.best(*ladder));
        }
        slot.orders += 1;
        self.used = self.used.max(instrument.index() + 1);
        self.table.insert(at, entry);
        self.table.fetch_after(entry.id);
        self.stats.orders += 1;
        self.stats.orders_peak = self.stats.orders_peak.max(self.stats.orders);
        Change { effect: Effect::Changed, is_top, instrument }
    }

    /// Takes up to the event's quantity off an order; at zero it is dead.
    #[inline]
    fn take(&mut self, event: &Event) -> Change {
        match self.table.find(event.order_id) {
            Found::Vacant(_) => self.unknown(event.instrument),
            Found::At(at, entry) => {
                self.stats.over_taken += u64::from(event.qty.0 > entry.qty);
                self.take_at(at, &entry, event.qty.0.min(entry.qty))
            }
        }
    }

    #[inline]
    fn delete(&mut self, event: &Event) -> Change {
        match self.table.find(event.order_id) {
            Found::Vacant(_) => self.unknown(event.instrument),
            Found::At(at, entry) => self.take_at(at, &entry, entry.qty),
        }
    }

    /// Takes `qty` (at most what is there) off the order in slot `at`.
    #[inline]
    fn take_at(&mut self, at: usize, entry: &OrderSlot, qty: u64) -> Change {
        let instrument = InstrumentId(entry.instrument());
        let is_dead = qty == entry.qty;
        let Some(slot) = self.instruments.get_mut(instrument.index()) else {
            return self.refused_other(instrument);
        };
        let side = entry.side();
        let [bids, asks] = &mut slot.ladders;
        let ladder = if matches!(side, Side::Bid) { bids } else { asks };
        let is_top = self.arena.take(ladder, entry.px ^ mask_of(side), qty, is_dead);
        if is_top {
            refresh(&mut slot.top, side, self.arena.best(*ladder));
        }
        if is_dead {
            slot.orders -= 1;
            self.stats.orders -= 1;
            self.table.remove(at);
        } else {
            self.table.reduce(at, qty);
        }
        Change { effect: Effect::Changed, is_top: is_top && qty > 0, instrument }
    }

    #[inline]
    fn replace(&mut self, event: &Event) -> Change {
        if event.qty.0 == 0 || !event.px.is_some() {
            return self.refused_other(event.instrument);
        }
        let Found::At(at, entry) = self.table.find(event.order_id) else {
            return self.unknown(event.instrument);
        };
        let taken = self.take_at(at, &entry, entry.qty);
        let placed = match self.table.find(event.second_id) {
            Found::At(..) => self.duplicate(taken.instrument),
            Found::Vacant(at) => {
                let new = entry.replaced_by(event.second_id, event.px, event.qty);
                self.place(at, new)
            }
        };
        Change { is_top: taken.is_top || placed.is_top, ..placed }
    }

    /// An upsert: out with what the order was, in with what it is. Level quantities and counts come
    /// to the same whether the price moved or not.
    #[inline]
    fn modify(&mut self, event: &Event, side: Side) -> Change {
        if !event.px.is_some() {
            return self.refused_other(event.instrument);
        }
        match self.table.find(event.order_id) {
            Found::Vacant(_) if matches!(side, Side::None) => self.unknown(event.instrument),
            Found::Vacant(_) => self.add(event, side),
            Found::At(at, entry) if event.qty.0 == 0 => self.take_at(at, &entry, entry.qty),
            Found::At(at, entry) => match self.resize(at, &entry, event) {
                Some(change) => change,
                None => self.replace(&Event { second_id: event.order_id, ..*event }),
            },
        }
    }

    /// Another quantity at the same price, by far the most changes: entry and level stay where they
    /// are. `None` where that is not what happens, or does not fit; nothing was changed then.
    #[inline]
    fn resize(&mut self, at: usize, entry: &OrderSlot, event: &Event) -> Option<Change> {
        if entry.px != event.px.0 {
            return None;
        }
        let instrument = InstrumentId(entry.instrument());
        let slot = self.instruments.get_mut(instrument.index())?;
        let side = entry.side();
        let [bids, asks] = slot.ladders;
        let ladder = if matches!(side, Side::Bid) { bids } else { asks };
        let is_top = self.arena.resize(ladder, entry.px ^ mask_of(side), entry.qty, event.qty.0)?;
        if is_top {
            refresh(&mut slot.top, side, self.arena.best(ladder));
        }
        self.table.resize(at, event.qty.0);
        Some(Change { effect: Effect::Changed, is_top, instrument })
    }

    fn status(&mut self, event: &Event) -> Change {
        if let Some(slot) = self.instruments.get_mut(event.instrument.index()) {
            // Converted in full: a state beyond one byte is not the letter in its low byte.
            slot.trading =
                if event.order_id == u64::from(b'T') { Trading::Open } else { Trading::Stopped };
            self.used = self.used.max(event.instrument.index() + 1);
        }
        none(event)
    }

    /// A new session: what the old one said about trading states is void. Books stay; the feed
    /// sends a `Clear` where they are void too.
    #[cold]
    #[inline(never)]
    fn new_session(&mut self, event: &Event) -> Change {
        for slot in self.instruments.iter_mut().take(self.used) {
            slot.trading = Trading::Unknown;
        }
        none(event)
    }

    #[cold]
    #[inline(never)]
    fn clear(&mut self, instrument: InstrumentId) -> Change {
        self.stats.clears += 1;
        if instrument == InstrumentId::ALL {
            self.table.clear();
            self.arena.clear();
            for slot in self.instruments.iter_mut().take(self.used) {
                *slot = InstrumentSlot { trading: slot.trading, ..InstrumentSlot::EMPTY };
            }
            self.stats.orders = 0;
        } else if let Some(slot) = self.instruments.get_mut(instrument.index()) {
            if slot.orders > 0 {
                self.table.remove_instrument(instrument.0);
                self.stats.orders -= u64::from(slot.orders);
            }
            let [bids, asks] = slot.ladders;
            self.arena.free(bids);
            self.arena.free(asks);
            *slot = InstrumentSlot { trading: slot.trading, ..InstrumentSlot::EMPTY };
        }
        Change { effect: Effect::Cleared, is_top: true, instrument }
    }

    #[cold]
    fn unknown(&mut self, instrument: InstrumentId) -> Change {
        self.stats.unknown += 1;
        Change { effect: Effect::Unknown, is_top: false, instrument }
    }

    #[cold]
    fn duplicate(&mut self, instrument: InstrumentId) -> Change {
        self.stats.duplicate += 1;
        Change { effect: Effect::Duplicate, is_top: false, instrument }
    }

    #[cold]
    fn refused_order(&mut self, instrument: InstrumentId) -> Change {
        self.stats.refused_orders += 1;
        Change { effect: Effect::Refused, is_top: false, instrument }
    }

    #[cold]
    fn refused_level(&mut self, instrument: InstrumentId) -> Change {
        self.stats.refused_levels += 1;
        Change { effect: Effect::Refused, is_top: false, instrument }
    }

    #[cold]
    fn refused_other(&mut self, instrument: InstrumentId) -> Change {
        self.stats.refused_other += 1;
        Change { effect: Effect::Refused, is_top: false, instrument }
    }
}

/// What ladders are sorted by: `px` for bids, `!px` for asks, so that the best is the greatest on
/// both sides and one code path serves both. `!px` is `-px - 1`: monotone, and nothing overflows.
#[inline]
const fn mask_of(side: Side) -> i64 {
    if matches!(side, Side::Bid) { 0 } else { -1 }
}

#[inline]
fn refresh(top: &mut Top, side: Side, best: Option<&Level>) {
    let mask = mask_of(side);
    let (px, qty) = best.map_or((Px::NONE, Qty(0)), |level| (Px(level.key ^ mask), Qty(level.qty)));
    if matches!(side, Side::Bid) {
        top.bid = px;
        top.bid_qty = qty;
    } else {
        top.ask = px;
        top.ask_qty = qty;
    }
}

#[inline]
const fn none(event: &Event) -> Change {
    Change { effect: Effect::None, is_top: false, instrument: event.instrument }
}
