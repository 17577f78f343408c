//! How two processes share bytes: rings of 64-byte slots in sealed memory, counters and tallies
//! that anyone may read, and a place to meet.
//!
//! # The promise
//! A payload published by one process is read by the other exactly once, whole, in order, or
//! counted as not delivered. Either process may die or be stopped at any instruction; the other one
//! notices, finishes what was published, and leaves nothing behind. Nothing that another process
//! writes is ever used as an index, a length, a pointer or a loop bound.
//!
//! # The memory
//! ```text
//!        producer                                            consumer
//!   ┌──────────────────┐   sealed ring segment          ┌──────────────────┐
//!   │ private cursor   │──►┌ header │ live │ slots ┐ ──►│ private cursor   │
//!   │ copy of position │   └───────────────────────┘    │                  │
//!   │                  │   sealed position segment      │                  │
//!   │                  │◄──┌ header │ position … ┐ ◄────│                  │
//!   └──────────────────┘   └─────────────────────┘      └──────────────────┘
//! ```
//! One writer per segment; everyone else maps it read-only.
//!
//! # The ordering
//! | tag | release | acquire | carries |
//! |---|---|---|---|
//! | publish | stamp of a slot, [`protocol::Writer`] | fence after the stamp's load, [`protocol::Reader`] | the payload |
//! | release | the position, [`protocol::Reader`] | fence after the position's load, [`protocol::Writer`] | "I have read it" |
//! | halt | the state word, [`Producer`] | fence after its load, [`Consumer::ended`] | all stamps before the end |
//! | header | the magic word at creation | fence after its load at attach | the header |
//!
//! Readers fence instead of loading with `Acquire` because only relaxed loads are documented to
//! work on memory that is mapped read-only.
//!
//! # The parts, in reading order
//! [`layout`] every byte · [`header`] the first page · [`region`] the segments of a ring ·
//! [`protocol`] publish and poll · [`spsc`] the same over mapped memory · [`counters`], [`tally`]
//! what observers read · [`rendezvous`] who meets whom.

pub mod control;
pub mod error;
pub mod header;
pub mod layout;
pub mod owner;
pub mod protocol;
pub mod sync;

#[cfg(not(tickspin_loom))]
mod memfd;
#[cfg(not(tickspin_loom))]
mod memory;

#[cfg(not(tickspin_loom))]
pub mod counters;
#[cfg(not(tickspin_loom))]
mod follower;
#[cfg(not(tickspin_loom))]
pub mod region;
#[cfg(not(tickspin_loom))]
pub mod rendezvous;
#[cfg(not(tickspin_loom))]
pub mod spsc;
#[cfg(not(tickspin_loom))]
pub mod tally;

pub use control::State;
pub use error::{AttachError, CreateError, MeetError};
#[cfg(not(tickspin_loom))]
pub use follower::Follower;
pub use header::SegmentKind;
#[cfg(not(tickspin_loom))]
pub use region::{PeerPosition, PeerRing, PositionSegment, RingSegment, RingSpec, Share};
#[cfg(not(tickspin_loom))]
pub use spsc::{Batch, Consumer, Polled, Producer, View};
