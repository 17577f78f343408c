//! [`TapeWriter`]: appends blocks, never goes back.

use super::{
    BLOCK_RECORDS_MAX, Block, HEADER_BYTES, MAGIC, RECORD_BYTES, Record, VERSION, u16_at, u64_at,
};
use crate::facts::Protocol;
use std::fmt;
use std::io::{self, Write};

/// What a recording says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapeHead {
    /// What the events were before they were ours: prices are shown in its unit.
    pub protocol: Protocol,
    /// Epoch of the ring that was recorded; 0: of none, converted from a file.
    pub epoch: u64,
    /// The sender's clock, ticks a second; 0: events carry no stamps.
    pub ticks_per_second: u64,
    /// Read together: the sender's clock, ticks.
    pub anchor_ticks: u64,
    /// Read together: ns since 1970, UTC.
    pub anchor_ns: u64,
}

impl TapeHead {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(RECORD_BYTES as u16).to_le_bytes());
        bytes[12] = number(self.protocol);
        let words = [self.epoch, self.ticks_per_second, self.anchor_ticks, self.anchor_ns];
        for (place, word) in bytes[16..48].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `Err`: the rule that is broken.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<TapeHead, String> {
        if bytes[..8] != MAGIC {
            return Err("it does not begin with our mark".to_owned());
        }
        let (version, record) = (u16_at(bytes, 8), u16_at(bytes, 10));
        if version != VERSION || usize::from(record) != RECORD_BYTES {
            return Err(format!(
                "version {version} with records of {record} bytes; this program reads version \
                 {VERSION} with {RECORD_BYTES}"
            ));
        }
        if super::u32_at(bytes, 56) != crc32fast::hash(&bytes[..56]) {
            return Err("the checksum of the header does not fit it".to_owned());
        }
        Ok(TapeHead {
            protocol: protocol(bytes[12]),
            epoch: u64_at(bytes, 16),
            ticks_per_second: u64_at(bytes, 24),
            anchor_ticks: u64_at(bytes, 32),
            anchor_ns: u64_at(bytes, 40),
        })
    }
}

/// Protocols by their number in the file.
const PROTOCOLS: [Protocol; 9] = [
    Protocol::Unknown,
    Protocol::Itch50,
    Protocol::Tops16,
    Protocol::Deep10,
    Protocol::DeepPlus10,
    Protocol::Dbn,
    Protocol::Lobster,
    Protocol::Binance,
    Protocol::Tape,
];

fn number(protocol: Protocol) -> u8 {
    PROTOCOLS.iter().position(|&known| known == protocol).unwrap_or(0) as u8
}

fn protocol(number: u8) -> Protocol {
    PROTOCOLS.get(usize::from(number)).copied().unwrap_or_default()
}

/// Why a recording ended before its events did.
#[derive(Debug)]
pub struct TapeError {
    /// Records that are whole in the file.
    pub written: u64,
    /// Records that were given and are not.
    pub lost: u64,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for TapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; the {} events before are whole in the file, {} are lost",
            self.source, self.written, self.lost
        )?;
        match self.source.kind() {
            io::ErrorKind::StorageFull => write!(f, "; free some space or record elsewhere"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for TapeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes a recording. Nothing is buffered but the block at hand; each block is one `write`.
pub struct TapeWriter<W: Write> {
    out: W,
    /// The block at hand, its header's place left free.
    block: Vec<u8>,
    first: u64,
    records: u32,
    written: u64,
}

impl<W: Write> TapeWriter<W> {
    /// Begins a recording with its header.
    ///
    /// # Errors
    /// What the system has against it.
    pub fn new(mut out: W, head: &TapeHead) -> io::Result<TapeWriter<W>> {
        out.write_all(&head.to_bytes())?;
        let mut block =
            Vec::with_capacity(super::BLOCK_HEADER_BYTES + BLOCK_RECORDS_MAX * RECORD_BYTES);
        block.resize(super::BLOCK_HEADER_BYTES, 0);
        Ok(TapeWriter { out, block, first: 0, records: 0, written: 0 })
    }

    /// Takes the event of sequence `seq`. A hole before it ends the block and stands in the next.
    ///
    /// # Errors
    /// As [`flush`](TapeWriter::flush).
    pub fn append(&mut self, seq: u64, record: Record) -> Result<(), TapeError> {
        if self.records > 0 && seq != self.first + u64::from(self.records) {
            self.flush()?;
        }
        if self.records == 0 {
            self.first = seq;
        }
        self.block.extend_from_slice(&record.to_bytes());
        self.records += 1;
        if self.records as usize == BLOCK_RECORDS_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes the block at hand, however short.
    ///
    /// # Errors
    /// A full disk, a vanished device: what was written before is whole.
    pub fn flush(&mut self) -> Result<(), TapeError> {
        if self.records == 0 {
            return Ok(());
        }
        let records_crc = crc32fast::hash(&self.block[super::BLOCK_HEADER_BYTES..]);
        let (records, first) = (self.records, self.first);
        self.put(Block { records, first, lost: 0, records_crc })?;
        self.written += u64::from(records);
        Ok(())
    }

    /// Records that are in the file.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ends the recording as one that was not cut, and gives back what it was written to. `lost` more
    /// events came at the end that the recorder did not get.
    ///
    /// # Errors
    /// As [`flush`](TapeWriter::flush).
    pub fn finish(mut self, lost: u64) -> Result<W, TapeError> {
        self.flush()?;
        let end = Block { records: 0, first: self.written, lost, records_crc: 0 };
        self.put(end)?;
        match self.out.flush() {
            Ok(()) => Ok(self.out),
            Err(source) => Err(TapeError { written: self.written, lost: 0, source }),
        }
    }

    fn put(&mut self, header: Block) -> Result<(), TapeError> {
        self.block[..super::BLOCK_HEADER_BYTES].copy_from_slice(&header.to_bytes());
        let outcome = self.out.write_all(&self.block);
        self.block.truncate(super::BLOCK_HEADER_BYTES);
        let lost = u64::from(std::mem::take(&mut self.records));
        outcome.map_err(|source| TapeError { written: self.written, lost, source })
    }
}
