//! Files of recorded feeds: opened by content, read as a stream of events.
//!
//! ```text
//! container (plain, gzip) ─► format (ITCH BinaryFILE) ─► EventReader ─► whoever paces them
//! ```
//!
//! What a file is, its bytes say: names and suffixes are never looked at.
//! Memory does not depend on the size of a file.
//! Every fault is one line with file, place and rule, and comes after everything whole before it was
//! handed out.
#![forbid(unsafe_code)]

pub mod container; // 1. what a file is wrapped in
pub mod error; // 4. file, place, rule
mod foreign; // 2. whether it is a recording at all
pub mod itch; // 3. captured or framed venue messages to events

pub use container::Container;
pub use error::{Damage, Fault, RecordingError};
pub use itch::{Counts, ItchFile};

use tickspin_wire::Event;

/// A recording of any format, read once from front to back. Formats differ in what they count; what
/// a feed needs to know of them is here.
pub trait EventReader {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// A cut or damaged recording, after everything whole before it was handed out; told once,
    /// afterwards the recording is at its end.
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError>;

    /// Back to the first event, all counts at 0.
    ///
    /// # Errors
    /// What the system has against it.
    fn rewind(&mut self) -> Result<(), RecordingError>;

    /// Events handed out since the first.
    fn messages(&self) -> u64;

    /// Records stepped over since the first, because they are of no kind we know.
    fn skipped(&self) -> u64;

    /// The recording did not reach its end.
    fn truncated(&self) -> bool;
}
