//! Our own recording: what passed through a ring, with both of its times, whatever happened to the
//! recorder.
//!
//! ```text
//!   header 64 B │ block │ block │ … │ end block
//!   block: header 32 B │ n × record 64 B          n = 1..=512
//!
//!   header  magic "tickspin" │ version u16 │ record u16 │ protocol u8 │ 3 × 0 │ epoch u64
//!           │ ticks_per_second u64 │ anchor_ticks u64 │ anchor_ns u64 │ 8 × 0 │ crc u32 │ 0 u32
//!   block   magic "BLCK" │ n u32 │ first u64 │ lost u64 │ crc of the records u32 │ crc u32
//!   record  Event 56 B │ recorded_ticks u64
//! ```
//! All numbers are little-endian. A `crc` is CRC-32 (IEEE) of the bytes before it in its header.
//! `first` is the ring's sequence number of the first record, the others follow it without a hole;
//! a number that is not the next one says how many the recorder did not get. An end block has n = 0,
//! `first` is then the number of records in the file, and `lost` how many were lost at the very end:
//! where it is missing, the recorder was stopped in the middle, and everything before the torn tail
//! is there.
//!
//! **Two times**: `recorded_ticks` is the time stamp counter when the recorder took the event, the
//! event's own stamps are when it was sent and how late that was. `anchor_ticks` and `anchor_ns`
//! (since 1970) were read together when the file was made, which dates them all.
//!
//! **What survives**: the file is only ever appended to, one write a block, so that `kill -9` or a
//! full disk leaves whole blocks and at most one torn one. A torn or damaged tail is one line with
//! the offset and what was lost; a damaged block in the middle is stepped over, counted, and stands
//! in the stream as a `Gap`.
//!
//! Why not a database, Parquet or a capture of packets: none can be cut at any byte and still be
//! read up to there. Cost: a checksum, 0.1 ns a byte, and a `write` for each 32 KiB.

mod file;
mod writer;

pub use file::TapeFile;
pub use writer::{TapeError, TapeHead, TapeWriter};

use tickspin_wire::Event;

/// What stands at the very beginning.
pub const MAGIC: [u8; 8] = *b"tickspin";

/// The version that is written, and the only one that is read.
pub const VERSION: u16 = 1;

/// Most records of a block.
pub const BLOCK_RECORDS_MAX: usize = 512;

const HEADER_BYTES: usize = 64;
const BLOCK_MAGIC: [u8; 4] = *b"BLCK";
const BLOCK_HEADER_BYTES: usize = 32;
const RECORD_BYTES: usize = 64;

/// One recorded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What passed.
    pub event: Event,
    /// When the recorder took it, ticks.
    pub recorded_ticks: u64,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let words = self.event.to_words().into_iter().chain([self.recorded_ticks]);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Record {
        let mut words = [0; 7];
        words.iter_mut().enumerate().for_each(|(at, word)| *word = u64_at(bytes, at * 8));
        Record { event: Event::from_words(words), recorded_ticks: u64_at(bytes, 56) }
    }
}

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    records: u32,
    first: u64,
    lost: u64,
    records_crc: u32,
}

impl Block {
    fn to_bytes(self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4..8].copy_from_slice(&self.records.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.lost.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.records_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `Err`: the rule that is broken.
    fn from_bytes(bytes: &[u8]) -> Result<Block, &'static str> {
        if bytes[..4] != BLOCK_MAGIC {
            return Err("a block begins with BLCK");
        }
        if u32_at(bytes, 28) != crc32fast::hash(&bytes[..28]) {
            return Err("the checksum of a block's header fits it");
        }
        let records = u32_at(bytes, 4);
        if records as usize > BLOCK_RECORDS_MAX {
            return Err("a block has at most 512 records");
        }
        let (first, lost) = (u64_at(bytes, 8), u64_at(bytes, 16));
        Ok(Block { records, first, lost, records_crc: u32_at(bytes, 24) })
    }
}

/// # Panics
/// When the bytes end before; callers have checked the length.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// # Panics
/// As [`u64_at`].
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// # Panics
/// As [`u64_at`].
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
