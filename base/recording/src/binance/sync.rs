//! Joining a stream of depth events to a snapshot, by the venue's rules.
//!
//! ```text
//!             snapshot L            first that joins            each after it
//! spot        drop u ≤ L            U ≤ L+1 ≤ u                 U = u before + 1
//! futures     drop u < L            U ≤ L   ≤ u                 pu = u before
//! ```
//!
//! Events that come before the snapshot are held, because the answer to a request may be older than
//! what the stream sent meanwhile; at most [`HELD_MAX`] of them, the oldest goes first.
//! Where an event does not join, the book is void until the next snapshot. An event that is older
//! than the book as a whole changes nothing and is dropped.

use crate::binance::line::Depth;
use std::collections::VecDeque;

/// At ten a second, what comes in 100 s; a snapshot comes within seconds of the stream's start.
pub(crate) const HELD_MAX: usize = 1_024;
/// Levels in all of them together: 2 MiB.
pub(crate) const HELD_LEVELS_MAX: usize = 1 << 17;

/// What to do with a depth event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to the book.
    Apply,
    /// It is older than the snapshot.
    Older,
    /// It is older than the book.
    Duplicate,
    /// There is no snapshot yet that it could join.
    Hold,
    /// Updates are missing before it: the first, and how many (at least 1).
    Gap { first_missing: u64, missing: u64 },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No snapshot, or the book is void.
    #[default]
    Waiting,
    /// A snapshot that nothing joined yet.
    Snapshot { last_id: u64 },
    /// The book is right up to here.
    Joined { last_id: u64 },
}

#[derive(Debug, Default)]
pub(crate) struct Sync {
    state: State,
    held: VecDeque<(u64, Depth)>,
    held_levels: usize,
}

impl Sync {
    pub(crate) fn verdict(&mut self, depth: &Depth) -> Verdict {
        let is_futures = depth.previous_id.is_some();
        let (first_id, last_id) = (depth.first_id, depth.last_id);
        match self.state {
            State::Waiting => Verdict::Hold,
            State::Snapshot { last_id: snapshot_id } => {
                // The update id that the first event has to contain.
                let wanted = if is_futures { snapshot_id } else { snapshot_id.saturating_add(1) };
                if last_id < wanted {
                    return Verdict::Older;
                }
                if first_id > wanted {
                    self.state = State::Waiting;
                    return gap(wanted, first_id);
                }
                self.state = State::Joined { last_id };
                Verdict::Apply
            }
            State::Joined { last_id: before } => {
                let joins = match depth.previous_id {
                    Some(previous_id) => previous_id == before,
                    None => Some(first_id) == before.checked_add(1),
                };
                if joins {
                    self.state = State::Joined { last_id };
                    return Verdict::Apply;
                }
                if last_id <= before {
                    return Verdict::Duplicate;
                }
                self.state = State::Waiting;
                gap(before.saturating_add(1), first_id)
            }
        }
    }

    /// Takes a snapshot; false where the book is ahead of it already.
    pub(crate) fn snapshot(&mut self, last_id: u64) -> bool {
        if matches!(self.state, State::Joined { last_id: before } if before > last_id) {
            return false;
        }
        self.state = State::Snapshot { last_id };
        true
    }

    /// Keeps an event until a snapshot comes; how many had to go for it.
    pub(crate) fn hold(&mut self, venue_ns: u64, depth: Depth) -> u64 {
        self.held_levels += depth.bids.len() + depth.asks.len();
        self.held.push_back((venue_ns, depth));
        let mut dropped = 0;
        while self.held.len() > HELD_MAX || self.held_levels > HELD_LEVELS_MAX {
            if self.release().is_none() {
                break;
            }
            dropped += 1;
        }
        dropped
    }

    /// The oldest event that is held.
    pub(crate) fn release(&mut self) -> Option<(u64, Depth)> {
        let (venue_ns, depth) = self.held.pop_front()?;
        self.held_levels -= depth.bids.len() + depth.asks.len();
        Some((venue_ns, depth))
    }

    /// How many events wait for a snapshot.
    pub(crate) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// How far an id is from those this book is at.
    pub(crate) fn distance(&self, id: u64) -> u64 {
        match (self.state, self.held.back()) {
            (State::Snapshot { last_id } | State::Joined { last_id }, _) => last_id.abs_diff(id),
            (State::Waiting, Some((_, depth))) => depth.last_id.abs_diff(id),
            (State::Waiting, None) => u64::MAX,
        }
    }
}

fn gap(first_missing: u64, first_id: u64) -> Verdict {
    Verdict::Gap { first_missing, missing: first_id.saturating_sub(first_missing).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(first_id: u64, last_id: u64) -> Depth {
        Depth { first_id, last_id, previous_id: None, bids: Vec::new(), asks: Vec::new() }
    }

    fn futures(first_id: u64, last_id: u64, previous_id: u64) -> Depth {
        Depth { previous_id: Some(previous_id), ..spot(first_id, last_id) }
    }

    #[test]
    fn spot_joins_behind_the_snapshot_and_then_without_a_hole() {
        let mut sync = Sync::default();
        assert_eq!(sync.verdict(&spot(1, 2)), Verdict::Hold);
        assert!(sync.snapshot(10));
        assert_eq!(sync.verdict(&spot(9, 10)), Verdict::Older);
        assert_eq!(sync.verdict(&spot(8, 12)), Verdict::Apply);
        assert_eq!(sync.verdict(&spot(13, 13)), Verdict::Apply);
        assert_eq!(sync.verdict(&spot(12, 13)), Verdict::Duplicate);
        assert_eq!(sync.verdict(&spot(15, 16)), Verdict::Gap { first_missing: 14, missing: 1 });
        assert_eq!(sync.verdict(&spot(17, 18)), Verdict::Hold);
        assert!(sync.snapshot(20));
        assert_eq!(sync.verdict(&spot(22, 23)), Verdict::Gap { first_missing: 21, missing: 1 });
        assert!(sync.snapshot(23) && sync.verdict(&spot(24, 25)) == Verdict::Apply);
        assert!(!sync.snapshot(24), "the book is ahead of it");
    }

    #[test]
    fn futures_join_at_the_snapshot_and_then_by_the_id_before() {
        let mut sync = Sync::default();
        assert!(sync.snapshot(10));
        assert_eq!(sync.verdict(&futures(5, 9, 4)), Verdict::Older);
        assert_eq!(sync.verdict(&futures(8, 10, 7)), Verdict::Apply);
        assert_eq!(sync.verdict(&futures(15, 18, 10)), Verdict::Apply);
        assert_eq!(
            sync.verdict(&futures(30, 40, 29)),
            Verdict::Gap { first_missing: 19, missing: 11 }
        );
        assert!(sync.snapshot(50));
        assert_eq!(
            sync.verdict(&futures(51, 60, 50)),
            Verdict::Gap { first_missing: 50, missing: 1 }
        );
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut sync = Sync::default();
        let dropped: u64 = (0..2_000).map(|id| sync.hold(0, spot(id, id))).sum();
        assert_eq!((dropped, sync.held()), (2_000 - HELD_MAX as u64, HELD_MAX as u64));
        assert_eq!(sync.release().map(|(_, depth)| depth.last_id), Some(dropped));
    }
}
