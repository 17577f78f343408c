//! Slow ticks: what is kept of every measured event whose response is above a threshold.
//!
//! Slow ticks come in runs: one stall, and behind it everything that was sent meanwhile. So the
//! record is that of a [`Spell`]: the marks of its first tick, its root, which say where the time
//! went, and a count by response of the ticks that only queued behind it. The first slow one after
//! a tick that was not begins a spell, and so does one that was itself held up (from the end of the
//! one before to its own end) for the threshold and for half of its response.
//!
//! Cost: one compare an event that is not slow, a few nanoseconds one that is; the end of a spell costs
//! a copy of 520 bytes into a queue. Both after the event's last request has left. What the kernel and
//! the host did meanwhile is cold's to find out.

use crate::stamps::Marks;

/// Ranges of responses: four to each doubling from 2^10 ns on, as far as tallies reach (2^36 ns).
pub const RANGES: usize = 104;

/// log2 of the lowest range's first value, ns: no threshold is below it.
const FIRST_BIT: u32 = 10;

/// Lowest threshold, ns.
pub const OVER_MIN_NS: u64 = 1 << FIRST_BIT;

/// The range that counts a response; shorter ones than [`OVER_MIN_NS`] are counted in the first,
/// longer ones than 2^36 ns in the last.
#[inline]
#[must_use]
pub const fn range_of(response_ns: u64) -> usize {
    let ns = if response_ns < OVER_MIN_NS { OVER_MIN_NS } else { response_ns };
    let bit = 63 - ns.leading_zeros();
    let range = ((bit - FIRST_BIT) * 4) as usize + (ns >> (bit - 2) & 3) as usize;
    if range < RANGES { range } else { RANGES - 1 }
}

/// The shortest response of a range, ns.
#[must_use]
pub const fn range_ns(range: usize) -> u64 {
    let range = if range < RANGES { range as u64 } else { RANGES as u64 - 1 };
    (4 + range % 4) << (range / 4 + FIRST_BIT as u64 - 2)
}

const _: () = {
    assert!(range_of(1_024) == 0 && range_of(1_279) == 0 && range_of(1_280) == 1);
    assert!(range_ns(0) == 1_024 && range_ns(1) == 1_280 && range_ns(4) == 2_048);
    assert!(range_of((1 << 36) - 1) == RANGES - 1 && range_of(u64::MAX) == RANGES - 1);
};

/// The marks of one tick, in ticks of the TSC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowTick {
    /// Its ring sequence.
    pub seq: u64,
    /// When it was to be sent.
    pub intended: u64,
    /// When it was sent.
    pub sent: u64,
    /// When the loop was last seen at work or looking, before the arrival.
    pub looked: u64,
    /// Arrival and the stages' marks.
    pub marks: Marks,
}

/// Of a [`SlowTick`] what a tick behind a root needs. Four words that are in registers: the whole
/// of it, put together in memory for each tick, cost 10 ns.
pub(super) struct Followed {
    pub(super) seq: u64,
    pub(super) sent: u64,
    pub(super) looked: u64,
    pub(super) end: u64,
}

impl Followed {
    /// From when the loop was free for it to its end: its own share of the response, ticks.
    #[inline]
    const fn own(&self) -> u64 {
        let since = if self.looked > self.sent { self.looked } else { self.sent };
        self.end.saturating_sub(since)
    }
}

/// Slow ticks in a row, with one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// The first of them.
    pub root: SlowTick,
    /// Sequence of the last one.
    pub last_seq: u64,
    /// When the last one was done, ticks of the TSC.
    pub last_end: u64,
    /// How many, the root counted.
    pub count: u64,
    /// Of these, behind the root: sent before its arrival. So deep was the ring.
    pub depth: u64,
    /// The longest response, ns.
    pub worst_ns: u64,
    /// How many by response, see [`range_of`].
    pub counts: [u32; RANGES],
}

impl Spell {
    /// No tick at all.
    pub const EMPTY: Spell = Spell {
        root: SlowTick {
            seq: 0,
            intended: 0,
            sent: 0,
            looked: 0,
            marks: Marks { arrival: 0, booked: 0, decided: 0, end: 0 },
        },
        last_seq: 0,
        last_end: 0,
        count: 0,
        depth: 0,
        worst_ns: 0,
        counts: [0; RANGES],
    };
}

/// The meter: the threshold and the spell at hand.
pub(super) struct Slow {
    /// A response from here on is looked at, ns: the threshold, 0 while a spell is open.
    pub(super) look_ns: u64,
    /// The threshold, ns; `u64::MAX`: off.
    over_ns: u64,
    /// The same in ticks of the TSC.
    over_ticks: u64,
    spell: Spell,
    /// A spell that is over and not yet fetched.
    is_over: bool,
    over: Spell,
}

impl Slow {
    pub(super) const fn new(over_ns: u64, over_ticks: u64) -> Slow {
        Slow {
            look_ns: over_ns,
            over_ns,
            over_ticks,
            spell: Spell::EMPTY,
            is_over: false,
            over: Spell::EMPTY,
        }
    }

    /// The threshold, ticks of the TSC.
    pub(super) const fn over_ticks(&self) -> u64 {
        self.over_ticks
    }

    /// A slow tick that only queued behind the root of the spell at hand: counted, and true.
    /// In line, because in a backlog every tick is one.
    #[inline]
    pub(super) fn follow(&mut self, tick: &Followed, response_ns: u64) -> bool {
        if self.spell.count == 0 || response_ns < self.over_ns || tick.own() >= self.over_ticks {
            return false;
        }
        self.count(tick, response_ns);
        true
    }

    /// A tick that is slow, or follows one that was.
    #[cold]
    #[inline(never)]
    pub(super) fn take(&mut self, tick: &SlowTick, response_ns: u64) {
        if response_ns < self.over_ns {
            self.close();
            return;
        }
        let end = tick.marks.end;
        let followed = Followed { seq: tick.seq, sent: tick.sent, looked: tick.looked, end };
        let own = followed.own();
        let is_root = own >= self.over_ticks && own >= end.saturating_sub(tick.intended) / 2;
        if self.spell.count != 0 && is_root {
            self.close();
        }
        if self.spell.count == 0 {
            self.spell.root = *tick;
            self.look_ns = 0;
        }
        self.count(&followed, response_ns);
    }

    #[inline]
    fn count(&mut self, tick: &Followed, response_ns: u64) {
        let spell = &mut self.spell;
        if tick.sent <= spell.root.marks.arrival && spell.count != 0 {
            spell.depth += 1;
        }
        spell.last_seq = tick.seq;
        spell.last_end = tick.end;
        spell.count += 1;
        if response_ns > spell.worst_ns {
            spell.worst_ns = response_ns;
        }
        if let Some(count) = spell.counts.get_mut(range_of(response_ns)) {
            *count = count.wrapping_add(1);
        }
    }

    /// Ends the spell at hand, if there is one.
    pub(super) fn close(&mut self) {
        self.look_ns = self.over_ns;
        if self.spell.count == 0 {
            return;
        }
        self.over = self.spell;
        self.is_over = true;
        self.spell = Spell::EMPTY;
    }

    /// A spell ended and was not fetched.
    pub(super) const fn has_ended(&self) -> bool {
        self.is_over
    }

    /// The spell that ended, once.
    pub(super) fn fetch(&mut self) -> Option<Spell> {
        if !self.is_over {
            return None;
        }
        self.is_over = false;
        Some(self.over)
    }

    /// A spell is open and its last tick is so long ago that the next one cannot belong to it.
    pub(super) fn is_stale(&self, now: u64) -> bool {
        self.spell.count != 0 && now.saturating_sub(self.spell.last_end) > self.over_ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tick sent as intended, that arrived and was done at the given instants.
    fn tick(slow: &mut Slow, seq: u64, sent: u64, looked: u64, arrival: u64, end: u64) {
        let marks = Marks { arrival, booked: arrival, decided: arrival, end };
        let tick = SlowTick { seq, intended: sent, sent, looked, marks };
        // A clock of 1 GHz.
        let followed = Followed { seq, sent, looked, end };
        if end - sent >= slow.look_ns && !slow.follow(&followed, end - sent) {
            slow.take(&tick, end - sent);
        }
    }

    #[test]
    fn ranges_cover_every_response_and_grow() {
        for range in 0..RANGES {
            assert_eq!(range_of(range_ns(range)), range);
            assert!(range == 0 || range_of(range_ns(range) - 1) == range - 1);
        }
        assert_eq!(range_of(0), 0);
    }

    #[test]
    fn a_stall_and_what_queued_behind_it_are_one_spell() {
        let mut slow = Slow::new(5_000, 5_000);
        tick(&mut slow, 1, 100, 90, 120, 200);
        assert!(slow.fetch().is_none());
        // The loop was away from 1,000 to 21,000; three more came meanwhile, one after.
        tick(&mut slow, 2, 2_000, 1_000, 21_000, 21_100);
        tick(&mut slow, 3, 3_000, 21_100, 21_110, 21_200);
        tick(&mut slow, 4, 9_000, 21_200, 21_210, 21_300);
        tick(&mut slow, 5, 16_200, 21_300, 21_310, 21_400);
        assert!(slow.fetch().is_none(), "still open");
        tick(&mut slow, 6, 22_000, 21_950, 22_010, 22_100);
        let spell = slow.fetch().expect("it ended");
        assert_eq!((spell.root.seq, spell.last_seq, spell.count, spell.depth), (2, 5, 4, 3));
        assert_eq!((spell.worst_ns, spell.root.looked), (19_100, 1_000));
        assert_eq!(spell.counts.iter().sum::<u32>(), 4);
        assert_eq!(spell.counts[range_of(19_100)], 2, "18,200 is of the same range");
        assert!(slow.fetch().is_none(), "once");
    }

    #[test]
    fn a_second_stall_within_a_spell_begins_another() {
        let mut slow = Slow::new(5_000, 5_000);
        tick(&mut slow, 1, 1_000, 900, 11_000, 11_100);
        tick(&mut slow, 2, 2_000, 11_100, 11_110, 31_000);
        let first = slow.fetch().expect("the second one is held up by itself");
        assert_eq!((first.root.seq, first.count), (1, 1));
        assert!(!slow.is_stale(31_500) && slow.is_stale(40_000));
        slow.close();
        assert_eq!(slow.fetch().map(|spell| (spell.root.seq, spell.count)), Some((2, 1)));
        assert!(!slow.is_stale(90_000));
    }

    #[test]
    fn off_never_looks() {
        let mut slow = Slow::new(u64::MAX, u64::MAX);
        tick(&mut slow, 1, 0, 0, 1 << 40, 1 << 41);
        slow.close();
        assert!(slow.fetch().is_none());
    }
}
