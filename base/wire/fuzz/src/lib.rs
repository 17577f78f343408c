//! What must hold for any bytes at all: one function a fuzz target, each panics where it does not.
//!
//! The targets themselves are one line each, so that these properties are ordinary code: they can be
//! called from a debugger or a test with the bytes of a crash.
#![forbid(unsafe_code)]

mod frames;
mod messages;
mod packets;

pub use frames::net;
pub use messages::{binaryfile, itch50, words};
pub use packets::{iex, moldudp64};
