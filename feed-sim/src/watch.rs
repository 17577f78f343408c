//! Is the engine alive? Looked at from the main thread, at most ten times a second.
//!
//! Dead means: its lock can be had. An orderly engine halts its ring before it lets go of the lock,
//! so a free lock with a ring that still says "running" is a death. Two looks in a row have to
//! agree. An engine that holds its lock and does nothing is stalled, not dead.

use tickspin_ring::rendezvous::{Claim, Role, RuntimeDir};
use tickspin_ring::{PeerRing, State};

/// What a look at the engine shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// It holds its lock, or the look itself failed.
    Alive,
    /// It halted its ring; whatever happens to it now is its own affair.
    Left,
    /// Its lock is free and its ring was never halted.
    Died,
}

/// Watches one engine.
pub struct Watch {
    dir: RuntimeDir,
    run: String,
    requests: PeerRing,
    free_looks: u32,
}

impl Watch {
    /// The engine that attached to `claim`'s run; `requests` is its ring, mapped once more.
    #[must_use]
    pub fn new(claim: &Claim, requests: PeerRing) -> Watch {
        let (dir, run) = (claim.dir().clone(), claim.run().to_owned());
        Watch { dir, run, requests, free_looks: 0 }
    }

    /// One look: two small system calls.
    pub fn look(&mut self) -> Engine {
        let is_free = matches!(self.dir.owner(&self.run, Role::Engine), Ok(None));
        // After the lock: an engine that halts and leaves between the two looks has halted.
        let state = self.requests.live().state;
        if matches!(state, Some(State::Halt | State::Fail)) {
            return Engine::Left;
        }
        self.free_looks = if is_free { self.free_looks + 1 } else { 0 };
        if self.free_looks >= 2 { Engine::Died } else { Engine::Alive }
    }
}
