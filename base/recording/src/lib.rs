//! Files of recorded feeds: opened by content, read as a stream of events.
//!
//! ```text
//! container (plain, gzip, zstd; pcap, pcapng) ─► format ─► EventReader ─► whoever paces them
//! ```
//!
//! What a file is, its bytes say: names and suffixes are never looked at.
//! Memory does not depend on the size of a file.
//! Every fault is one line with file, place and rule, and comes after everything whole before it was
//! handed out.
#![forbid(unsafe_code)]

pub mod binance; // 3e. what the Binance collector wrote down
pub mod capture; // 1b. packets out of a pcap or pcapng capture
pub mod container; // 1. what a file is wrapped in
pub mod dbn; // 3b. Databento records to events
pub mod error; // 4. file, place, rule
pub mod facts; // 5. what a recording turned out to be
mod foreign; // 2. whether it is a BinaryFILE at all
mod iex; // 3d. captured segments of IEX to events
pub mod itch; // 3. captured or framed venue messages to events
mod lines; // 1d. lines of bounded length
pub mod lobster; // 3f. LOBSTER rows to events
pub mod merge; // 8. several recordings as one
mod open; // 7. a recording of whatever format
pub mod packets; // 3c. packets of a feed to events
pub mod place; // 9. a place in a recording
pub mod session; // 3b. sequence numbers: gaps, restarts, two lines as one
pub mod symbols; // 6. names and numbers of instruments
pub mod tape; // 3z. our own recording
pub mod tree_book; // 8. books for cold code
mod zstd_frames; // 1a. any number of zstd frames

pub use binance::BinanceFile;
pub use capture::{Capture, Packet};
pub use container::Container;
pub use dbn::DbnFile;
pub use error::{Damage, Fault, RecordingError};
pub use facts::{Facts, Protocol, SessionFacts};
pub use itch::{Counts, ItchFile};
pub use lobster::LobsterFile;
pub use merge::{MergedFile, Relation};
pub use open::open;
pub use packets::PacketFile;
pub use symbols::Symbols;
pub use tape::{TapeFile, TapeHead, TapeWriter};
pub use tree_book::TreeBook;

use tickspin_wire::Event;

/// A recording of any format, read once from front to back. A message of the venue may be several
/// events; the last of them carries the flag `COMPLETE` where the venue's own event ends there.
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

    /// The venue's number of the message that the last event came from: its index from 0 in a file
    /// of messages, its sequence number less one in MoldUDP64, its sequence number in IEX-TP, the
    /// index of the record in DBN and our own recording, the row in LOBSTER, the update id `u` of
    /// Binance.
    fn position(&self) -> u64;

    /// What it turned out to be so far.
    fn facts(&self) -> Facts;

    /// Names of the instruments met so far.
    fn symbols(&self) -> &Symbols;

    /// The venue's own bytes of the message that the last event came from; `None` where the recording
    /// does not have them.
    fn raw(&self) -> Option<&[u8]> {
        None
    }

    /// How far the file itself was read, bytes, for whoever shows progress; `None` where that is
    /// not known.
    fn file_position(&self) -> Option<u64> {
        None
    }
}
