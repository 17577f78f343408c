//! What a session layer says of a packet, and what is to be done with it.

use std::fmt;
use tickspin_wire::moldudp64;
use tickspin_wire::net::Endpoint;

/// The name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionId {
    /// Of MoldUDP64.
    Mold(moldudp64::Session),
    /// Of IEX-TP.
    Iex {
        /// Which feed.
        protocol: u16,
        /// Which part of it.
        channel: u32,
        /// The day's number.
        session: u32,
    },
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionId::Mold(session) => session.fmt(f),
            SessionId::Iex { session, .. } => session.fmt(f),
        }
    }
}

/// Where a packet was captured on its way: all packets with the same one came by the same line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    /// Number of the capture, where several are read together.
    pub capture: u8,
    /// To whom it was sent.
    pub dst: Endpoint,
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// So many whole messages, at least 1.
    Messages(u32),
    /// Nothing but where the sequence stands.
    Heartbeat,
    /// No message follows.
    End,
}

/// The session layer's header of a packet, whatever the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose sequence it is.
    pub session: SessionId,
    /// Number of the first message; where there is none, of the next to come.
    pub first: u64,
    /// What it is for.
    pub content: Content,
    /// When it was sent, where the packet says so, in the venue's time.
    pub sent_ns: Option<i64>,
    /// Bytes of the payload before the first message.
    pub header_bytes: usize,
    /// It announces more messages than are whole in it.
    pub is_cut: bool,
}

impl Head {
    pub(super) fn count(&self) -> u32 {
        match self.content {
            Content::Messages(count) => count,
            Content::Heartbeat | Content::End => 0,
        }
    }
}

/// A packet to read messages from.
#[derive(Debug)]
pub struct Delivery {
    /// The whole payload of the datagram.
    pub payload: Vec<u8>,
    /// Where its first message begins.
    pub header_bytes: usize,
    /// Number of its first message; 0: it has none, and all its messages are handed out.
    pub first: u64,
    /// Messages at its front that were already seen.
    pub skip: u32,
    /// Whole messages in it, those already seen counted.
    pub count: u32,
    /// When it was captured.
    pub capture_ns: Option<i64>,
    /// Whose it is.
    pub session: SessionId,
}

/// What is to be done next, in order.
#[derive(Debug)]
pub enum Step {
    /// A run of numbers begins.
    Start {
        /// Whose.
        session: SessionId,
        /// Its first number; what is missing from there on, a gap says.
        first: u64,
        /// It takes the place of another: books are void.
        is_new: bool,
    },
    /// Messages that come for the first time.
    Packet(Delivery),
    /// Messages that do not come.
    Gap {
        /// Whose.
        session: SessionId,
        /// Number of the first.
        first: u64,
        /// How many.
        missing: u64,
    },
}
