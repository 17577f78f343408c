//! [`Event`], the normalized market event: 56 bytes that ride in a ring slot.
//!
//! ```text
//! byte  0        8        16   24    32         40          48         52          54         55     56
//!       ├────────┼────────┼────┼─────┼──────────┼───────────┼──────────┼───────────┼──────────┼──────┤
//!       │exchange│sent    │px  │qty  │order_id  │second_id  │lag_ticks │instrument │kind_side │flags │
//!       │_ns  u64│_ticks  │i64 │u64  │u64       │u64        │u32       │u16        │u8        │u8    │
//!       └────────┴────────┴────┴─────┴──────────┴───────────┴──────────┴───────────┴──────────┴──────┘
//! ```
//!
//! The slot's own sequence number stands before it and belongs to the ring, so one 64-byte line
//! carries the news and the proof that it is complete.
//! Why kind and side share a byte: eight bytes of ids, price and quantity each leave eight for the
//! rest, and a `u32` of lag is worth more than a spare byte (4.29e9 ticks are 1.6 s at 2.6 GHz).

use crate::num::{InstrumentId, Px, Qty, Side};
use bytemuck::{Pod, Zeroable};

/// What an event says. The numbers are those of the wire (six bits: 1..=63; 0 is never sent).
///
/// | kind | `order_id` | `second_id` | `px` | `qty` |
/// |---|---|---|---|---|
/// | `Add` | the new order | – | limit | displayed |
/// | `Execute` | the resting order | match number | [`Px::NONE`]: the order's own; else the execution's | executed |
/// | `Reduce` | the resting order | – | – | taken off |
/// | `Delete` | the resting order | – | – | – |
/// | `Replace` | the old order | the new order | new limit | new displayed |
/// | `Modify` | the order | – | limit | displayed from now on |
/// | `Level` | number of orders, 0 unknown | – | the level | all that is displayed there from now on, 0: the level is gone |
/// | `Quote` | number of orders, 0 unknown | the venue's flags (TOPS) | best price, `NONE`: the side is empty | displayed there, 0: the side is empty |
/// | `Trade` | – | match number | price | traded against hidden interest |
/// | `Cross` | – | match number | price | crossed |
/// | `Broken` | – | match number | price, where the venue says it | quantity, likewise |
/// | `Status` | state byte (`T` trading, `H` halted, `P` paused, `Q` quotation only) | `O`: from an operational halt (IEX) | – | – |
/// | `Definition` | symbol, bytes 0..8 | symbol, bytes 8..16 | price tick, `NONE` unknown | lot, 0 unknown |
/// | `System` | event byte of the venue | – | – | – |
/// | `Info` | message type byte | – | – | – |
/// | `Clear` | – | – | – | – |
/// | `Gap` | first missing venue sequence | how many | – | – |
/// | `SessionStart` | session, bytes 0..8 | first venue sequence | – | – |
/// | `End` | – | – | – | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A new displayed order.
    Add = 1,
    /// A resting order traded, in whole or in part.
    Execute = 2,
    /// A resting order was cancelled in part.
    Reduce = 3,
    /// A resting order is gone.
    Delete = 4,
    /// Old order out, new order in at the tail of its level; side from the old one.
    Replace = 5,
    /// An order has this price and quantity from now on; an unknown one enters, if its side is given.
    /// It loses its priority where the price changes or the quantity grows.
    Modify = 6,
    /// Market by price: one level of one side, as it is from now on.
    Level = 7,
    /// Top of book: one side, which consists of this one level from now on.
    Quote = 8,
    /// A trade that no displayed order took part in: it never changes a book.
    Trade = 9,
    /// An auction's trade: it never changes a book.
    Cross = 10,
    /// An earlier trade is void: it never changes a book.
    Broken = 11,
    /// Trading state of an instrument.
    Status = 12,
    /// An instrument's symbol, tick and lot.
    Definition = 13,
    /// A venue-wide event: start of messages, end of market hours.
    System = 14,
    /// A message without meaning for book or strategy, kept so that events and messages count alike.
    Info = 15,
    /// All books (or one instrument's) are void: restart, loop, recovery.
    Clear = 16,
    /// The venue's sequence has a hole; no quotes until a `Clear` or a recovery.
    Gap = 17,
    /// A new feed session begins: venue sequence numbers start afresh.
    SessionStart = 18,
    /// The feed ends here; nothing follows in this epoch.
    End = 19,
}

impl Kind {
    /// How many numbers are taken, the unused 0 counted: the length of a table by kind.
    pub const COUNT: usize = 20;

    /// Checked: a byte from another process is input, never a variant.
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u8) -> Option<Kind> {
        Some(match raw {
            1 => Kind::Add,
            2 => Kind::Execute,
            3 => Kind::Reduce,
            4 => Kind::Delete,
            5 => Kind::Replace,
            6 => Kind::Modify,
            7 => Kind::Level,
            8 => Kind::Quote,
            9 => Kind::Trade,
            10 => Kind::Cross,
            11 => Kind::Broken,
            12 => Kind::Status,
            13 => Kind::Definition,
            14 => Kind::System,
            15 => Kind::Info,
            16 => Kind::Clear,
            17 => Kind::Gap,
            18 => Kind::SessionStart,
            19 => Kind::End,
            _ => return None,
        })
    }

    /// As scripts and files know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Add => "add",
            Kind::Execute => "execute",
            Kind::Reduce => "reduce",
            Kind::Delete => "delete",
            Kind::Replace => "replace",
            Kind::Modify => "modify",
            Kind::Level => "level",
            Kind::Quote => "quote",
            Kind::Trade => "trade",
            Kind::Cross => "cross",
            Kind::Broken => "broken",
            Kind::Status => "status",
            Kind::Definition => "definition",
            Kind::System => "system",
            Kind::Info => "info",
            Kind::Clear => "clear",
            Kind::Gap => "gap",
            Kind::SessionStart => "session_start",
            Kind::End => "end",
        }
    }
}

/// Bits of [`Event::flags`].
pub mod flag {
    /// The venue's event is complete with this message: the book may be quoted on.
    pub const COMPLETE: u8 = 1 << 0;
    /// Delivered, applied, answered, but not measured: warm-up, or what lies before `--from`.
    pub const WARM_UP: u8 = 1 << 1;
    /// Not to be counted as volume (ITCH `C` with printable `N`).
    pub const NON_PRINTABLE: u8 = 1 << 2;
    /// Part of a snapshot, not of the stream.
    pub const SNAPSHOT: u8 = 1 << 3;
    /// `lag_ticks` did not fit and stands at `u32::MAX`.
    pub const LAG_SATURATED: u8 = 1 << 4;
    /// All bits that have a meaning; any other is a foreign byte.
    pub const KNOWN: u8 = 0b1_1111;
}

/// The normalized market event: what one venue message means, and when it left the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Event {
    /// The venue's own time, nanoseconds since its origin (ITCH: since midnight, US Eastern).
    pub exchange_ns: u64,
    /// TSC of the feed's core just before the slot was published.
    pub sent_ticks: u64,
    /// See [`Kind`].
    pub px: Px,
    /// See [`Kind`].
    pub qty: Qty,
    /// See [`Kind`].
    pub order_id: u64,
    /// See [`Kind`].
    pub second_id: u64,
    /// `sent_ticks` minus the intended instant, ticks; saturating at both ends (never early: the
    /// pacer waits), a clipped one carries [`flag::LAG_SATURATED`].
    pub lag_ticks: u32,
    /// Which instrument; [`InstrumentId::ALL`] for session-wide events.
    pub instrument: InstrumentId,
    /// Kind in bits 0..6, side in bits 6..8.
    pub kind_side: u8,
    /// Bits of [`flag`].
    pub flags: u8,
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Event>() == 56, "an event fills the seven payload words of a slot");
    assert!(offset_of!(Event, exchange_ns) == 0);
    assert!(offset_of!(Event, sent_ticks) == 8);
    assert!(offset_of!(Event, px) == 16);
    assert!(offset_of!(Event, qty) == 24);
    assert!(offset_of!(Event, order_id) == 32);
    assert!(offset_of!(Event, second_id) == 40);
    assert!(offset_of!(Event, lag_ticks) == 48);
    assert!(offset_of!(Event, instrument) == 52);
    assert!(offset_of!(Event, kind_side) == 54);
    assert!(offset_of!(Event, flags) == 55);
    assert!(Kind::End as usize + 1 == Kind::COUNT && Kind::COUNT <= 64);
};

impl Event {
    /// Every field 0, price [`Px::NONE`]: a base for `Event { .., ..Event::EMPTY }`.
    pub const EMPTY: Event = Event {
        exchange_ns: 0,
        sent_ticks: 0,
        px: Px::NONE,
        qty: Qty(0),
        order_id: 0,
        second_id: 0,
        lag_ticks: 0,
        instrument: InstrumentId::ALL,
        kind_side: 0,
        flags: 0,
    };

    /// Kind and side in one byte.
    #[inline]
    #[must_use]
    pub const fn pack(kind: Kind, side: Side) -> u8 {
        kind as u8 | (side as u8) << 6
    }

    /// The kind; `None` for a foreign byte.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        Kind::from_wire(self.kind_side & 0x3F)
    }

    /// The side; `None` for a foreign byte (3).
    #[inline]
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        Side::from_wire(self.kind_side >> 6)
    }

    /// Delivered but not measured.
    #[inline]
    #[must_use]
    pub const fn is_warm_up(&self) -> bool {
        self.flags & flag::WARM_UP != 0
    }

    /// The instant the schedule asked for, in ticks of the feed's core.
    #[inline]
    #[must_use]
    pub const fn intended_ticks(&self) -> u64 {
        self.sent_ticks.wrapping_sub(self.lag_ticks as u64)
    }

    /// As the seven payload words of a slot. Free: the bytes as they lie.
    #[inline]
    #[must_use]
    pub fn to_words(self) -> [u64; 7] {
        bytemuck::cast(self)
    }

    /// From the seven payload words of a slot. Every bit pattern is an `Event`; whether its kind,
    /// side and instrument make sense is for the reader to check.
    #[inline]
    #[must_use]
    pub fn from_words(words: [u64; 7]) -> Event {
        bytemuck::cast(words)
    }

    /// Up to 16 bytes of symbol from a `Definition`, the padding taken off.
    #[must_use]
    pub fn symbol_bytes(&self) -> ([u8; 16], usize) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.order_id.to_le_bytes());
        bytes[8..].copy_from_slice(&self.second_id.to_le_bytes());
        let len = bytes.iter().rposition(|&b| b != 0 && b != b' ').map_or(0, |last| last + 1);
        (bytes, len)
    }

    /// A symbol of at most 16 bytes as (`order_id`, `second_id`) of a `Definition`; longer is cut.
    #[must_use]
    pub fn symbol_words(symbol: &[u8]) -> (u64, u64) {
        let mut bytes = [0; 16];
        let len = symbol.len().min(16);
        bytes[..len].copy_from_slice(&symbol[..len]);
        let [low, high]: [[u8; 8]; 2] = bytemuck::cast(bytes);
        (u64::from_le_bytes(low), u64::from_le_bytes(high))
    }
}
