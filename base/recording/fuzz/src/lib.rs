//! What must hold for any bytes at all: one function a fuzz target, each panics where it does not.
//!
//! The targets themselves are one line each, so that these properties are ordinary code: they can be
//! called from a debugger or a test with the bytes of a crash.
#![forbid(unsafe_code)]

mod bytes;
mod lines;
mod readers;
mod scratch;
mod tapes;

pub use bytes::{capture, container};
pub use lines::sessions;
pub use readers::{binance, dbn, itch, lobster, merge, open, packets, tape};
pub use tapes::tape_writer;
