//! The only file that names atomics; loom swaps in here.
//!
//! Under `--cfg tickspin_loom` the fence of [`crate::protocol`] is loom's, so that the model
//! checker runs the very same publish and poll code over a storage of its own. Everything that
//! needs real memory (segments, counters, tallies, the rendezvous) is left out of that build.

pub use core::sync::atomic::Ordering;

#[cfg(not(tickspin_loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU64, fence};

#[cfg(tickspin_loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU64, fence};
