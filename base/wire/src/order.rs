//! [`Request`] and [`Report`]: the fixed-size order-entry messages, 56 bytes each, one per slot.
//!
//! ```text
//! Request 0             8           16          24         32   40    48          50    51    52      56
//!         ├─────────────┼───────────┼───────────┼──────────┼────┼─────┼───────────┼─────┼─────┼───────┤
//!         │cause_epoch  │cause_seq  │client_id  │target_id │px  │qty  │instrument │kind │side │flags  │
//!         └─────────────┴───────────┴───────────┴──────────┴────┴─────┴───────────┴─────┴─────┴───────┘
//! Report  ├─────────────┼───────────┼───────────┼──────────┼────┼─────┼───────────┼─────┼─────┼───────┤
//!         │after_seq    │client_id  │venue_id   │leaves    │px  │qty  │instrument │kind │side │reason │
//!         └─────────────┴───────────┴───────────┴──────────┴────┴─────┴───────────┴─────┴─────┴───────┘
//! ```
//!
//! A request carries no time stamp: the exchange end stamps its arrival and knows when the event
//! that caused it was sent, so tick-to-order is measured on one core, with one clock.

use crate::num::{InstrumentId, Px, Qty, Side};
use bytemuck::{Pod, Zeroable};

/// What a request asks for. The numbers are those of the wire; 0 is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RequestKind {
    /// A new limit order.
    New = 1,
    /// Take `target_id` off.
    Cancel = 2,
    /// Take `target_id` off and place `client_id` at a new price and quantity.
    Replace = 3,
    /// Take everything off: end of run, kill, gap.
    MassCancel = 4,
}

impl RequestKind {
    /// Checked: a byte from another process is input, never a variant.
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u8) -> Option<RequestKind> {
        Some(match raw {
            1 => RequestKind::New,
            2 => RequestKind::Cancel,
            3 => RequestKind::Replace,
            4 => RequestKind::MassCancel,
            _ => return None,
        })
    }
}

/// Bits of [`Request::flags`].
pub mod request_flag {
    /// Whatever does not trade at once is cancelled.
    pub const IMMEDIATE_OR_CANCEL: u32 = 1 << 0;
    /// Refused rather than traded on arrival.
    pub const POST_ONLY: u32 = 1 << 1;
    /// All bits that have a meaning.
    pub const KNOWN: u32 = 0b11;
}

/// An order request: engine to exchange end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Request {
    /// Epoch of the market-data ring whose event caused this.
    pub cause_epoch: u64,
    /// Ring sequence of that event; (epoch, sequence) is unique for ever.
    pub cause_seq: u64,
    /// The engine's own order number, strictly increasing from 1.
    pub client_id: u64,
    /// `Cancel`, `Replace`: which order; else 0.
    pub target_id: u64,
    /// Limit; [`Px::NONE`] for cancels.
    pub px: Px,
    /// Quantity; 0 for cancels.
    pub qty: Qty,
    /// Which instrument; [`InstrumentId::ALL`] for `MassCancel`.
    pub instrument: InstrumentId,
    /// A [`RequestKind`].
    pub kind: u8,
    /// A [`Side`].
    pub side: u8,
    /// Bits of [`request_flag`].
    pub flags: u32,
}

/// What a report says. The numbers are those of the wire; 0 is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReportKind {
    /// The order stands (or the cancel will be answered by `Cancelled`).
    Acknowledged = 1,
    /// Refused; see [`Reason`].
    Rejected = 2,
    /// Traded `qty` at `px`; `leaves` remain.
    Filled = 3,
    /// Off the book.
    Cancelled = 4,
    /// The old order is off, the new one stands.
    Replaced = 5,
}

impl ReportKind {
    /// Checked: a byte from another process is input, never a variant.
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u8) -> Option<ReportKind> {
        Some(match raw {
            1 => ReportKind::Acknowledged,
            2 => ReportKind::Rejected,
            3 => ReportKind::Filled,
            4 => ReportKind::Cancelled,
            5 => ReportKind::Replaced,
            _ => return None,
        })
    }
}

/// Why a request was rejected. The numbers are those of the wire; 0: not a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not a rejection.
    None = 0,
    /// Kind, side, flags or instrument are not known.
    Malformed = 1,
    /// `target_id` is not an open order.
    UnknownOrder = 2,
    /// `client_id` did not increase.
    DuplicateId = 3,
    /// Post-only, and it would have traded.
    WouldTrade = 4,
    /// Price or quantity out of range.
    OutOfRange = 5,
    /// The exchange end holds as many open orders as it has room for.
    Full = 6,
    /// The cause's epoch or sequence is not one that was sent.
    UnknownCause = 7,
}

impl Reason {
    /// Checked: a byte from another process is input, never a variant.
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u32) -> Option<Reason> {
        Some(match raw {
            0 => Reason::None,
            1 => Reason::Malformed,
            2 => Reason::UnknownOrder,
            3 => Reason::DuplicateId,
            4 => Reason::WouldTrade,
            5 => Reason::OutOfRange,
            6 => Reason::Full,
            7 => Reason::UnknownCause,
            _ => return None,
        })
    }
}

/// What became of a request: exchange end to engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Report {
    /// Ring sequence of the last market event before this report: it applies after that event and
    /// before the next, which is what makes a lock-step run repeatable.
    pub after_seq: u64,
    /// The engine's order number that this is about.
    pub client_id: u64,
    /// The exchange end's own order number, 0 where there is none.
    pub venue_id: u64,
    /// What remains open of the order.
    pub leaves: Qty,
    /// `Filled`: the trade's price; else the order's.
    pub px: Px,
    /// `Filled`: traded; else the order's.
    pub qty: Qty,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// A [`ReportKind`].
    pub kind: u8,
    /// A [`Side`].
    pub side: u8,
    /// A [`Reason`].
    pub reason: u32,
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Request>() == 56 && size_of::<Report>() == 56);
    assert!(offset_of!(Request, px) == 32 && offset_of!(Report, px) == 32);
    assert!(offset_of!(Request, instrument) == 48 && offset_of!(Report, instrument) == 48);
    assert!(offset_of!(Request, flags) == 52 && offset_of!(Report, reason) == 52);
};

impl Request {
    /// As the seven payload words of a slot.
    #[inline]
    #[must_use]
    pub fn to_words(self) -> [u64; 7] {
        bytemuck::cast(self)
    }

    /// From the seven payload words of a slot; kind, side, flags are the reader's to check.
    #[inline]
    #[must_use]
    pub fn from_words(words: [u64; 7]) -> Request {
        bytemuck::cast(words)
    }

    /// The kind; `None` for a foreign byte.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Option<RequestKind> {
        RequestKind::from_wire(self.kind)
    }

    /// The side; `None` for a foreign byte.
    #[inline]
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        Side::from_wire(self.side)
    }
}

impl Report {
    /// As the seven payload words of a slot.
    #[inline]
    #[must_use]
    pub fn to_words(self) -> [u64; 7] {
        bytemuck::cast(self)
    }

    /// From the seven payload words of a slot; kind, side, reason are the reader's to check.
    #[inline]
    #[must_use]
    pub fn from_words(words: [u64; 7]) -> Report {
        bytemuck::cast(words)
    }

    /// The kind; `None` for a foreign byte.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Option<ReportKind> {
        ReportKind::from_wire(self.kind)
    }

    /// The side; `None` for a foreign byte.
    #[inline]
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        Side::from_wire(self.side)
    }
}
