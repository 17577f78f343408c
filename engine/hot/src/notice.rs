//! What is worth a line in cold's journal: small, `Copy`, pushed into a bounded queue.
//!
//! A full queue drops the notice and counts it; the counters hold the truth, notices tell the
//! story. They are pushed after all that an event sends has left. Notices are rare by construction: gaps, faults, the first refusal of each kind, and
//! ticks slower than every one before.

use crate::decode::Fault;
use crate::input::PeerEnd;
use crate::orders::Unsent;
use crate::risk::{Closed, Refusal};

/// One notice. `seq` is the ring sequence of the event at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The venue's sequence has a hole.
    Gap {
        /// Where.
        seq: u64,
        /// First missing venue sequence.
        first: u64,
        /// How many are missing.
        missing: u64,
    },
    /// A payload that no honest feed sends.
    Foreign {
        /// Where.
        seq: u64,
        /// What was wrong.
        fault: Fault,
    },
    /// A ring stamp that no honest producer writes.
    ForeignStamp {
        /// The sequence that was due.
        due: u64,
        /// The stamp that stood there.
        stamp: u64,
    },
    /// The first refusal of its kind by the risk gate.
    Refused {
        /// Where.
        seq: u64,
        /// Why.
        refusal: Refusal,
    },
    /// The first request of its kind that the gate approved and that could not leave.
    Unsent {
        /// Where.
        seq: u64,
        /// Why.
        unsent: Unsent,
    },
    /// A measured event that took longer than every one before.
    Slowest {
        /// Which.
        seq: u64,
        /// Arrival to the end of the work, ns.
        service_ns: u64,
    },
    /// A gap between two turns of the loop longer than every one before, and above a microsecond.
    LargestGap {
        /// The last event before the look that found it.
        seq: u64,
        /// How long, ns.
        gap_ns: u64,
    },
    /// The gate closed: no new order from here on.
    GateClosed {
        /// Where.
        seq: u64,
        /// Why.
        why: Closed,
    },
    /// The other side left without an `End`.
    PeerLeft {
        /// The last event that came.
        seq: u64,
        /// How it left.
        how: PeerEnd,
    },
    /// A report about no order of ours, or with a foreign byte; the first of each.
    ForeignReport {
        /// Sequence on the reports ring.
        seq: u64,
        /// The order number it named.
        client_id: u64,
    },
}
