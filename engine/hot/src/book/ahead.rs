//! Looking ahead: hints about what the book will need, for events that are known before they are
//! due.
//!
//! ```text
//!   event n + 24      event n + 8            event n
//!   look_ahead ─────► look_at_level ───────► apply
//!   instrument line   both ladders' ends     (everything is near)
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

use super::{Book, Change};
use crate::decode::Tick;
use tickspin_host::memory::prefetch;
use tickspin_wire::event::Kind;

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

    /// Second stage: with the instrument's line at hand, asks for the levels at the top of both sides.
    /// Which side it is the order's entry knows; to look that up costs more than the other side's line.
    #[inline]
    pub fn look_at_level(&self, tick: &Tick) {
        if tick.kind as u8 <= Kind::Quote as u8
            && let Some(slot) = self.instruments.get(tick.event.instrument.index())
        {
            let [bids, asks] = slot.ladders;
            self.arena.fetch(bids);
            self.arena.fetch(asks);
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
}

/// Ticks on their way to the book, shown to it in time: what a replay puts between decoder and book.
///
/// Nothing is allocated: [`LOOK_AHEAD`] ticks lie in the value itself.
#[derive(Clone, Debug)]
pub struct Ahead {
    ring: [Option<Tick>; RING],
    /// Ticks taken so far.
    count: usize,
}

const RING: usize = LOOK_AHEAD.next_power_of_two();
const _: () = assert!(LOOK_AT_LEVEL < LOOK_AHEAD, "the entry comes before the level");

impl Ahead {
    /// With nothing on its way.
    #[must_use]
    pub const fn new() -> Ahead {
        Ahead { ring: [None; RING], count: 0 }
    }

    /// Takes a tick; applies the one that came [`LOOK_AHEAD`] ticks before it, if there is one.
    #[inline]
    pub fn push(&mut self, book: &mut Book<'_>, tick: Tick) -> Option<(Tick, Change)> {
        book.look_ahead(&tick);
        let due = self.get(LOOK_AHEAD);
        if let Some(soon) = self.get(LOOK_AHEAD - LOOK_AT_LEVEL) {
            book.look_at_level(soon);
        }
        let applied = due.map(|due| (*due, book.apply_near(due)));
        if let Some(place) = self.ring.get_mut(self.count % RING) {
            *place = Some(tick);
        }
        self.count += 1;
        applied
    }

    /// Applies the oldest tick on its way; `None` when there is none. Until then, nothing is pushed.
    pub fn pop(&mut self, book: &mut Book<'_>) -> Option<(Tick, Change)> {
        (1..=LOOK_AHEAD).rev().find_map(|back| {
            let at = self.count.wrapping_sub(back) % RING;
            let tick = self.ring.get_mut(at)?.take()?;
            Some((tick, book.apply_near(&tick)))
        })
    }

    /// The tick that came so many ticks before the next one.
    #[inline]
    fn get(&self, back: usize) -> Option<&Tick> {
        self.ring.get(self.count.wrapping_sub(back) % RING)?.as_ref()
    }
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::new()
    }
}
