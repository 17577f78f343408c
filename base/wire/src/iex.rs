//! Messages of IEX TOPS 1.6, DEEP 1.0 and DEEP+ 1.0: one struct per message, decode and encode.
//!
//! All integers are little-endian. Every message begins with the same ten bytes, and all but the
//! system event go on with the symbol:
//! ```text
//! byte  0      1               2                                   10                  18
//!       ├──────┼───────────────┼───────────────────────────────────┼───────────────────┤ fields …
//!       │type  │flags or state │nanoseconds since 1970, UTC        │symbol             │
//!       │u8    │u8             │i64                                │8 characters       │
//!       └──────┴───────────────┴───────────────────────────────────┴───────────────────┘
//! ```
//! The feeds share their type bytes: where two of them have a type, it is the same message. Which
//! belong to a feed is said by [`carries`].
//! The venue may let messages grow at their end: the fields known here are read and the rest is not
//! looked at. A message that is too short for them, or of a type that is not here, is an error that
//! [`DecodeError::is_skippable`] calls harmless.
//! Field values are kept as they stand; what they *mean* is said in [`normalize`](crate::normalize).
//!
//! Layouts: the specifications of DEEP 1.08, TOPS 1.66 and DEEP+ 1.02. Compared with real bytes: all
//! but `X`, and the `C` of DEEP+.

#[macro_use]
mod layout; // 1. how a table of fields becomes a struct with decode and encode
mod order; // 4. DEEP+: orders
mod state; // 2. what is traded, and whether
mod trading; // 3. levels, quotes, trades

pub use crate::itch50::Alpha;
pub use order::{AddOrder, ClearBook, OrderDelete, OrderExecuted, OrderModify};
pub use state::{
    AuctionInformation, OfficialPrice, OperationalHalt, RetailLiquidity, SecurityDirectory,
    SecurityEvent, ShortSaleTest, SystemEvent, TradingStatus,
};
pub use trading::{BuyLevel, QuoteUpdate, SellLevel, TradeBreak, TradeReport};

use crate::error::{DecodeError, Rule, clipped};
use crate::iextp::Feed;

/// The longest message, bytes: a buffer for [`encode`].
pub const MESSAGE_BYTES_MAX: usize = AuctionInformation::LENGTH;

macro_rules! all_messages {
    ($($name:ident,)+) => {
        /// Any message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Message {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )+
        }

        /// The type bytes, one per message.
        pub const TYPES: [u8; 19] = [$($name::TYPE),+];

        /// Length by type byte, 0 for a byte that is no type.
        pub const LENGTHS: [u8; 256] = {
            let mut lengths = [0; 256];
            $(
                assert!(lengths[$name::TYPE as usize] == 0, "two messages share a type byte");
                assert!($name::LENGTH <= MESSAGE_BYTES_MAX);
                lengths[$name::TYPE as usize] = $name::LENGTH as u8;
            )+
            lengths
        };

        /// The message in `bytes`, which is one message and maybe more at its end than is known here.
        ///
        /// # Errors
        /// [`Rule::Empty`], [`Rule::UnknownType`], [`Rule::Length`] of one that is too short.
        #[inline]
        pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
            let Some(&kind) = bytes.first() else {
                return Err(DecodeError { offset: 0, rule: Rule::Empty });
            };
            match kind {
                $($name::TYPE => match bytes.first_chunk() {
                    Some(fields) => Ok(Message::$name($name::decode(fields))),
                    None => Err(too_short(kind, bytes.len(), $name::LENGTH)),
                },)+
                found => Err(DecodeError { offset: 0, rule: Rule::UnknownType { found } }),
            }
        }

        /// Writes `message` to the front of `out`; returns its length, `None` where `out` is
        /// shorter than that ([`MESSAGE_BYTES_MAX`] is always enough).
        #[inline]
        #[must_use]
        pub fn encode(message: &Message, out: &mut [u8]) -> Option<usize> {
            match message {
                $(Message::$name(fields) => {
                    fields.encode(out.first_chunk_mut()?);
                    Some($name::LENGTH)
                })+
            }
        }

        impl Message {
            /// The type byte.
            #[inline]
            #[must_use]
            pub const fn kind(&self) -> u8 {
                match self {
                    $(Message::$name(_) => $name::TYPE,)+
                }
            }

            /// When it happened, ns since the Unix epoch, UTC.
            #[inline]
            #[must_use]
            pub const fn timestamp_ns(&self) -> i64 {
                match self {
                    $(Message::$name(fields) => fields.timestamp_ns,)+
                }
            }
        }

        $(impl From<$name> for Message {
            fn from(fields: $name) -> Message {
                Message::$name(fields)
            }
        })+
    };
}

all_messages! {
    SystemEvent, SecurityDirectory, TradingStatus, RetailLiquidity, OperationalHalt, ShortSaleTest,
    SecurityEvent, OfficialPrice, AuctionInformation,
    BuyLevel, SellLevel, QuoteUpdate, TradeReport, TradeBreak,
    AddOrder, OrderModify, OrderDelete, OrderExecuted, ClearBook,
}

/// Where the symbol stands in every message but the system event.
const SYMBOL_AT: usize = 10;

/// The symbol that a message names, padding included; `None` for a system event and for bytes that
/// are too few.
#[inline]
#[must_use]
pub fn symbol(message: &[u8]) -> Option<&[u8; 8]> {
    if message.first() == Some(&SystemEvent::TYPE) {
        return None;
    }
    message.get(SYMBOL_AT..)?.first_chunk()
}

/// True where messages of type `kind` belong to `feed`. Those that change a book belong to one feed:
/// the others would mix two kinds of book. Those that change none are taken from any.
#[inline]
#[must_use]
pub const fn carries(feed: Feed, kind: u8) -> bool {
    match kind {
        b'8' | b'5' => matches!(feed, Feed::Deep10),
        b'Q' => matches!(feed, Feed::Tops15 | Feed::Tops16),
        b'a' | b'M' | b'R' | b'L' | b'C' => matches!(feed, Feed::DeepPlus10),
        _ => LENGTHS[kind as usize] > 0,
    }
}

/// Length of a message of this type as far as it is known here, bytes; `None` for a byte that is no
/// type.
#[inline]
#[must_use]
pub const fn length_of(kind: u8) -> Option<usize> {
    match LENGTHS[kind as usize] {
        0 => None,
        len => Some(len as usize),
    }
}

#[cold]
#[inline(never)]
const fn too_short(kind: u8, found: usize, expected: usize) -> DecodeError {
    let rule = Rule::Length { kind, found: clipped(found), expected: clipped(expected) };
    DecodeError { offset: found as u64, rule }
}
