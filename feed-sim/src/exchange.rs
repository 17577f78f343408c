//! The exchange end of the order ring: requests in, reports out, arrival stamped first.
//!
//! ```text
//!   requests ring ─poll─► stamp ─► decode, check ─► open orders ─► outbox ─► reports ring
//!                                       ▲ touch after each event sent ──┘ fills of resting orders
//! ```
//! | request | answers, in this order |
//! |---|---|
//! | `New` | `Acknowledged`; at or through the touch: `Filled` in full at the touch; else it rests |
//! | `New`, immediate or cancel | the same, but `Cancelled` instead of resting |
//! | `New`, post only, would trade | `Rejected` (`WouldTrade`) |
//! | `Cancel` | `Cancelled` under the *target's* number; `Rejected` under its own |
//! | `Replace` | `Replaced` under the new number, then as `New`; `Rejected`: the old one stands |
//! | `MassCancel` | `Acknowledged` under its own number, `Cancelled` for each open order |
//! | resting, the other side's best reaches its price | `Filled` in full at its own price |
//!
//! Our orders are not in the recorded book: they neither move the touch nor wait in a queue. That
//! is generous; matching by queue position is for later.
//!
//! **Nothing is lost.** Reports that find their ring full wait in an outbox, and while one waits no
//! request is taken: it stays on its ring, counted as stalled. The outbox has room for the most
//! reports that can come about so.
//!
//! **Clock of arrival**: the stamp is read between seeing the request and reading it. The instant
//! the event behind it was sent stands in a table by sequence, four times as long as the ring.

pub mod orders;
pub mod orders_hash;
pub mod sent;
pub mod session;

pub use session::{Session, SessionStats, Timing};

use orders_hash::OrdersHash;
use tickspin_host::clock::ticks_ordered;
use tickspin_ring::{Consumer, Polled, Producer, State};
use tickspin_wire::Request;

/// Both rings of the order entry, and the session behind them.
pub struct Exchange {
    session: Session,
    requests: Consumer,
    reports: Producer,
    hash: Option<OrdersHash>,
    stalled: u64,
    is_foreign: bool,
}

impl Exchange {
    /// With `hash`, every request goes into the hash of orders (lock-step).
    #[must_use]
    pub fn new(session: Session, requests: Consumer, reports: Producer, hash: bool) -> Exchange {
        let hash = hash.then(OrdersHash::new);
        Exchange { session, requests, reports, hash, stalled: 0, is_foreign: false }
    }

    /// Takes up to `most` requests, giving the time of each to `timed`. Returns how many it took.
    #[inline]
    pub fn poll(&mut self, most: u32, mut timed: impl FnMut(Timing)) -> u32 {
        if !self.session.outbox().is_empty() && !self.flush() {
            self.stalled += 1;
            return 0;
        }
        let mut taken = 0;
        while taken < most {
            let next = match self.requests.poll() {
                Polled::Slot(view) => {
                    let arrival = ticks_ordered();
                    Some((arrival, view.copy()))
                }
                Polled::Empty => None,
                Polled::Foreign(_) => {
                    self.is_foreign = true;
                    None
                }
            };
            let Some((arrival, words)) = next else {
                self.requests.publish_position();
                break;
            };
            let request = Request::from_words(words);
            if let Some(hash) = &mut self.hash {
                hash.add(&request);
            }
            timed(self.session.on_request(&request, arrival));
            taken += 1;
            if !self.flush() {
                break;
            }
        }
        taken
    }

    /// Sends waiting reports; true when none is left.
    #[inline]
    pub fn flush(&mut self) -> bool {
        let outbox = self.session.outbox();
        while let Some(report) = outbox.front() {
            if self.reports.try_publish(&report.to_words()).is_none() {
                return false;
            }
            outbox.pop_front();
        }
        true
    }

    /// The session, to tell it of events.
    #[inline]
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> &SessionStats {
        self.session.stats()
    }

    /// Polls that took nothing because a report was waiting for room.
    #[must_use]
    pub fn stalled(&self) -> u64 {
        self.stalled
    }

    /// The engine wrote something into its segments that no honest engine writes.
    #[inline]
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.is_foreign || self.reports.peer_is_foreign()
    }

    /// The engine's end of the requests ring, once everything on it was taken.
    pub fn ended(&mut self) -> Option<State> {
        self.requests.ended()
    }

    /// Whether the engine is armed.
    #[must_use]
    pub fn peer_state(&self) -> Option<State> {
        self.requests.peer().live().state
    }

    /// The engine may read reports.
    pub fn run(&mut self) {
        self.reports.run();
    }

    /// Signs of life on both rings.
    #[inline]
    pub fn beat(&mut self) {
        self.requests.beat();
        self.reports.beat();
    }

    /// No more reports will come.
    pub fn halt(&mut self) {
        self.requests.publish_position();
        self.reports.halt();
    }

    /// The hash of orders, hexadecimal, in lock-step.
    #[must_use]
    pub fn orders_hash(&self) -> Option<String> {
        self.hash.as_ref().map(OrdersHash::hex)
    }
}
