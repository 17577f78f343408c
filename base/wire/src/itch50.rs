//! Nasdaq TotalView-ITCH 5.0 (BX and PSX alike): one struct per message, decode and encode.
//!
//! All integers are big-endian and unsigned. Every message begins with the same eleven bytes:
//! ```text
//! byte  0      1              3                5                                  11
//!       ├──────┼──────────────┼────────────────┼───────────────────────────────────┤ fields …
//!       │type  │stock locate  │tracking number │nanoseconds since midnight, US East │
//!       │u8    │u16           │u16             │u48                                 │
//!       └──────┴──────────────┴────────────────┴───────────────────────────────────┘
//! ```
//! A message has one length, that of its type; the fields behind it are read at fixed offsets from
//! an array of that length, so the only check per message is `type, length`.
//! Field values are kept as they stand (a side is the byte `B`): decoding loses nothing and
//! encoding gives back the same bytes. What they *mean* is said in [`normalize`](crate::normalize).
//!
//! Cost, measured on one core of a cloud Xeon with real order messages (`cargo bench -p
//! tickspin-wire`): framing and the fields that a book needs 5.3 ns a message by a match on the type
//! byte and `from_slice`, 6.0 by way of [`Message`]; 2.8 of them are the framing.
//! [`Message`] costs that little only where [`decode`] is inlined into the `match` on it; passed on
//! in memory it was 8.4.
//! A type that is not here, or one with another length than ours, is an error that
//! [`DecodeError::is_skippable`] calls harmless: Nasdaq added `J`, `h` and `O` over the years.
//!
//! Layouts: the official specification of 2015-03-06, for `J`, `h` and `O` later revisions.
//! Seventeen of the types were compared with real bytes; `V W K h B O` were not, for want of any.

#[macro_use]
mod layout; // 1. how a table of fields becomes a struct with decode and encode
mod auction; // 4. imbalance, retail interest, direct listing
mod market; // 2. system, directory, status
mod order; // 3. orders, executions, trades

pub use auction::{DirectListing, NetOrderImbalance, RetailInterest};
pub use layout::{Alpha, Header};
pub use market::{
    IpoQuotingPeriod, LuldAuctionCollar, MarketParticipantPosition, MwcbDeclineLevels, MwcbStatus,
    OperationalHalt, RegShoRestriction, StockDirectory, SystemEvent, TradingAction,
};
pub use order::{
    AddOrder, AddOrderMpid, BrokenTrade, CrossTrade, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, Trade,
};

use crate::error::{DecodeError, Rule, clipped};

/// Bytes of the header that every message begins with, the type byte counted.
pub const HEADER_BYTES: usize = 11;
/// The longest message, bytes: a buffer for [`encode`].
pub const MESSAGE_BYTES_MAX: usize = NetOrderImbalance::LENGTH;

macro_rules! all_messages {
    ($($name:ident,)+) => {
        /// Any message. At most 72 bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Message {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )+
        }

        /// The type bytes, one per message.
        pub const TYPES: [u8; 23] = [$($name::TYPE),+];

        /// Total length by type byte, 0 for a byte that is no type.
        pub const LENGTHS: [u8; 256] = {
            let mut lengths = [0; 256];
            $(
                assert!(lengths[$name::TYPE as usize] == 0, "two messages share a type byte");
                assert!($name::LENGTH <= MESSAGE_BYTES_MAX);
                lengths[$name::TYPE as usize] = $name::LENGTH as u8;
            )+
            lengths
        };

        /// The message in `bytes`, which is exactly one message.
        ///
        /// # Errors
        /// [`Rule::Empty`], [`Rule::UnknownType`], [`Rule::Length`].
        #[inline]
        pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
            let Some(&kind) = bytes.first() else { return Err(no_type()) };
            match kind {
                $($name::TYPE => match bytes.try_into() {
                    Ok(exact) => Ok(Message::$name($name::decode(exact))),
                    Err(_) => Err(wrong_length(kind, bytes.len(), $name::LENGTH)),
                },)+
                _ => Err(unknown_type(kind)),
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

            /// The fields that every message has.
            #[inline]
            #[must_use]
            pub const fn header(&self) -> &Header {
                match self {
                    $(Message::$name(fields) => &fields.header,)+
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
    SystemEvent, StockDirectory, TradingAction, RegShoRestriction, MarketParticipantPosition,
    MwcbDeclineLevels, MwcbStatus, IpoQuotingPeriod, LuldAuctionCollar, OperationalHalt,
    AddOrder, AddOrderMpid, OrderExecuted, OrderExecutedWithPrice, OrderCancel, OrderDelete,
    OrderReplace, Trade, CrossTrade, BrokenTrade, NetOrderImbalance, RetailInterest, DirectListing,
}

const _: () = assert!(size_of::<Message>() <= 72, "a message is copied by value");

/// Total length of a message of this type, bytes; `None` for a byte that is no type.
#[inline]
#[must_use]
pub const fn length_of(kind: u8) -> Option<usize> {
    match LENGTHS[kind as usize] {
        0 => None,
        len => Some(len as usize),
    }
}

/// The type byte of `bytes` if they are one message of a known type with the length of that type.
/// The fields are not looked at: no value of a field is wrong for the layout.
///
/// # Errors
/// The same as [`decode`].
#[inline]
pub fn check(bytes: &[u8]) -> Result<u8, DecodeError> {
    let Some(&kind) = bytes.first() else { return Err(no_type()) };
    match LENGTHS[kind as usize] {
        0 => Err(unknown_type(kind)),
        len if len as usize == bytes.len() => Ok(kind),
        len => Err(wrong_length(kind, bytes.len(), len as usize)),
    }
}

#[cold]
#[inline(never)]
const fn no_type() -> DecodeError {
    DecodeError { offset: 0, rule: Rule::Empty }
}

#[cold]
#[inline(never)]
pub(crate) const fn unknown_type(found: u8) -> DecodeError {
    DecodeError { offset: 0, rule: Rule::UnknownType { found } }
}

#[cold]
#[inline(never)]
pub(crate) const fn wrong_length(kind: u8, found: usize, expected: usize) -> DecodeError {
    // Where the message ends too early or should have ended.
    let offset = if found < expected { found } else { expected } as u64;
    let rule = Rule::Length { kind, found: clipped(found), expected: clipped(expected) };
    DecodeError { offset, rule }
}
