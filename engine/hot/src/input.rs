//! Where payloads come from: events for the book, reports for the orders.
//!
//! The trait is dispatched statically; a loop is compiled for each input.
//! An input hands out payloads as they lie, seven words with their ring sequence; what they mean
//! is [`crate::decode`]'s business.

pub mod mold;
pub mod packets;
pub mod ring;
pub mod slice;

pub use mold::MoldInput;
pub use packets::PacketInput;
pub use ring::RingInput;
pub use slice::SliceInput;
pub use tickspin_host::packets::{Datagram, PacketSource};

/// One look at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Nothing new.
    Empty,
    /// The next payload, copied out.
    Slot {
        /// Its number, from 1, always rising: the loop counts by it and does not check. A ring's
        /// reader takes a slot only where the stamp is the sequence that is due; behind packets that
        /// are lost for good the number jumps.
        seq: u64,
        /// The 56 bytes.
        words: [u64; 7],
    },
    /// A stamp that no honest producer writes; the input stays where it is.
    Foreign(u64),
}

/// How the other side left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// It said so.
    Halted,
    /// It said that it failed.
    Failed,
}

/// A source of payloads with a sequence.
pub trait Input {
    /// One look, no waiting.
    fn poll(&mut self) -> Polled;
    /// Lets the producer see how far we are. For idle turns and, in lock-step, after each turn.
    fn publish_position(&mut self);
    /// A sign of life for whoever watches.
    fn beat(&mut self);
    /// The producer is done and everything it stamped was delivered. Costs a look at its state
    /// word: for idle turns only.
    fn ended(&mut self) -> Option<PeerEnd>;
    /// The epoch of what is read; (epoch, sequence) is unique for ever.
    fn epoch(&self) -> u64;
    /// The next event leaves only after this one's position was published.
    fn is_lockstep(&self) -> bool;
}
