//! Looking ahead: hints about what the book will need, for events that are known before they are
//! due.
//!
//! ```text
//!   event n + 24      event n + 8            event n
//!   look_ahead ─────► look_at_level ───────► apply
//!   instrument line   entry ─► ladder's end  (everything is near)
//!   table line
//! ```
//!
//! An event costs three misses that hang on one another: the order's entry, the instrument's line,
//! the levels. A replay has the next events in hand, so it asks for the first two in time, and, when
//! they have come, for the third. Live, whatever else waits in the ring is ahead in the same way.
//!
//! Hints only: no result depends on them, and an event that was looked at need not be applied.
//! Cost: 2 to 4 ns a stage for what is near already. Wrong choice for a book that fits the second
//! cache. Distances and what they gain: `docs/decisions/0005`.

use super::ladder::Ladder;
use super::table::Found;
use super::{Book, InstrumentSlot};
use crate::decode::Tick;
use tickspin_host::memory::prefetch;
use tickspin_wire::event::Kind;
use tickspin_wire::num::{InstrumentId, Side};

/// How many events before its turn an event should be shown to [`Book::look_ahead`].
pub const LOOK_AHEAD: usize = 24;
/// How many events before its turn an event should be shown to [`Book::look_at_level`].
pub const LOOK_AT_LEVEL: usize = 8;

impl Book<'_> {
    /// First stage: asks for the order's entry and the instrument's line.
    #[inline]
    pub fn look_ahead(&self, tick: &Tick) {
        if tick.kind as u8 <= Kind::Quote as u8 {
            prefetch(self.instruments, tick.event.instrument.index());
            self.table.fetch(tick.event.order_id);
            if matches!(tick.kind, Kind::Replace) {
                self.table.fetch(tick.event.second_id);
            }
        }
    }

    /// Second stage: with entry and line at hand, asks for the levels at the top of the side.
    #[inline]
    pub fn look_at_level(&self, tick: &Tick) {
        match tick.kind {
            Kind::Add | Kind::Level | Kind::Quote => {
                self.fetch_ladder(tick.event.instrument, tick.side);
            }
            Kind::Execute | Kind::Reduce | Kind::Delete | Kind::Replace | Kind::Modify => {
                if let Found::At(_, slot) = self.table.find(tick.event.order_id) {
                    self.fetch_ladder(InstrumentId(slot.instrument()), slot.side());
                }
            }
            _ => {}
        }
    }

    /// Nothing was known before: the instrument's line and the tops of both ladders are asked for
    /// while the order's entry is still on its way, for the event names its instrument.
    #[inline]
    pub(super) fn fetch_instrument(&self, tick: &Tick) {
        if tick.kind as u8 <= Kind::Replace as u8
            && let Some(slot) = self.instruments.get(tick.event.instrument.index())
        {
            let [bids, asks] = slot.ladders;
            self.arena.fetch_best(bids);
            self.arena.fetch_best(asks);
        }
    }

    #[inline]
    fn fetch_ladder(&self, instrument: InstrumentId, side: Side) {
        let Some(slot) = self.instruments.get(instrument.index()) else { return };
        self.arena.fetch(ladder_of(slot, side));
    }
}

#[inline]
fn ladder_of(slot: &InstrumentSlot, side: Side) -> Ladder {
    let [bids, asks] = slot.ladders;
    if matches!(side, Side::Bid) { bids } else { asks }
}
