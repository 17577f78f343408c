//! Is the feed alive? Looked at from the main thread, at most ten times a second.
//!
//! Dead means: its lock can be had. An orderly feed halts its ring before it lets go of the lock,
//! so a free lock with a ring that still says "running" is a death. Two looks in a row have to
//! agree, which gives the loop a tenth of a second to take what the dead feed had published.
//! A feed that holds its lock and does nothing is stalled, not dead: it is never taken over.

use crate::segments::Watched;
use std::time::{Duration, Instant};
use tickspin_ring::rendezvous::{Claim, Role, Witness};
use tickspin_ring::{PeerPosition, PeerRing, State};

/// So long a feed may send and nothing of it be here before that is told.
const SILENCE: Duration = Duration::from_secs(3);

/// What a look at the feed shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// It holds its lock, or the look itself failed.
    Alive,
    /// It halted its ring; whatever happens to it now is its own affair.
    Left,
    /// Its lock is free and its ring was never halted.
    Died,
}

/// Watches one feed.
pub struct Watch {
    feed: Option<Witness>,
    events: PeerRing,
    position: PeerPosition,
    free_looks: u32,
    /// Since when the feed sends and we have nothing; told once.
    silent_since: Option<Instant>,
    is_silence_told: bool,
}

impl Watch {
    /// Of the feed that `claim`'s run was attached to.
    #[must_use]
    pub fn new(claim: &Claim, watched: Watched) -> Watch {
        Watch {
            // Kept open: once this process is another user it cannot look into the directory.
            feed: claim.dir().witness(claim.run(), Role::Feed).ok().flatten(),
            events: watched.events,
            position: watched.position,
            free_looks: 0,
            silent_since: None,
            is_silence_told: false,
        }
    }

    /// How many events the feed has sent of which none has come, once that has been so for three
    /// seconds; told once. By the shared ring it cannot be.
    pub fn silence(&mut self) -> Option<u64> {
        let (sent, taken) = (self.events.live().cursor, self.position.live().0);
        if sent == 0 || taken > 0 || self.is_silence_told {
            return None;
        }
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if since.elapsed() < SILENCE {
            return None;
        }
        self.is_silence_told = true;
        Some(sent)
    }

    /// One look: one small system call.
    pub fn look(&mut self) -> Feed {
        // Without a lock to look at it has left already, or its state says so.
        let is_free = self.feed.as_ref().is_none_or(|feed| matches!(feed.is_alive(), Ok(false)));
        // After the lock: a feed that halts and leaves between the two looks has halted.
        let state = self.events.live().state;
        if matches!(state, Some(State::Halt | State::Fail)) {
            return Feed::Left;
        }
        self.free_looks = if is_free { self.free_looks + 1 } else { 0 };
        if self.free_looks >= 2 { Feed::Died } else { Feed::Alive }
    }
}
