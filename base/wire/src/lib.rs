//! What the bytes mean: no unsafe, no I/O, no heap.
//!
//! The normalized market [`Event`] that rides in a ring slot, the order-entry messages
//! [`Request`] and [`Report`], fixed-point numbers, and the decoders and encoders of venue formats.
//! Everything here is a pure function over bytes or integers; it runs on the pinned core.
//! The numbers beside the modules are the order to read them in.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod binaryfile; // 6. Nasdaq BinaryFILE: the framing of recorded days
pub mod cursor; // 5. checked reads, front to back
pub mod error; // 4. where bytes broke a rule, and which
pub mod event; // 2. the normalized market event: 56 bytes that ride in a slot
pub mod iex; // 12. IEX TOPS, DEEP and DEEP+: one struct per message
pub mod iextp; // 11. IEX-TP: a segment and the messages in it
pub mod itch50; // 7. Nasdaq TotalView-ITCH 5.0: one struct per message
pub mod moldudp64; // 10. Nasdaq MoldUDP64: the session layer of its multicast feeds
pub mod net; // 9. a captured frame to the UDP datagram in it
pub mod normalize; // 8. venue message to event: the one place where meaning is translated
pub mod num; // 1. prices, quantities, sides, instruments: integers that know their unit
pub mod order; // 3. requests and reports: the order-entry messages

pub use error::{DecodeError, Rule};
pub use event::{Event, Kind};
pub use num::{InstrumentId, Px, Qty, Side};
pub use order::{Report, ReportKind, Request, RequestKind};
