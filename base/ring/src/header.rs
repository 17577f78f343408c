//! The header page as plain words: written from a description, read back by validation. Pure, no
//! system call.
//!
//! A reader copies the page once and hands the copy to [`Header::decode`]; what comes out is all
//! that it will ever know of the segment's geometry.

use crate::{
    error::AttachError,
    layout::{self, HEADER_WORDS, WORD_BYTES, header as at},
};

/// What a segment is; travels in the hand-over message beside the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SegmentKind {
    /// Slots, written by a producer.
    Ring = 1,
    /// A consumer's position.
    Position = 2,
    /// Labelled counters.
    Counters = 3,
    /// Log-linear count arrays.
    Tallies = 4,
}

impl SegmentKind {
    /// Checked: `None` for a number that is no kind.
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Ring),
            2 => Some(Self::Position),
            3 => Some(Self::Counters),
            4 => Some(Self::Tallies),
            _ => None,
        }
    }
}

/// The clock words of a ring's header, so that a reader can convert the writer's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockWords {
    /// Ticks in one second; 0: no calibration.
    pub ticks_per_second: u64,
    /// A reading of the writer's clock.
    pub origin_ticks: u64,
    /// Nanoseconds since 1970 at that reading.
    pub origin_realtime_ns: u64,
}

/// What to do when the reader is behind by the whole ring. Stored in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The producer waits.
    Wait,
    /// The producer drops and counts.
    Drop,
    /// Event N+1 leaves only after the consumer has published position N.
    Lockstep,
}

impl Policy {
    /// The word as it stands in the header.
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Wait => 1,
            Self::Drop => 2,
            Self::Lockstep => 3,
        }
    }

    /// Checked: `None` for a word that is no policy. 4 is kept for "overwrite".
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Wait),
            2 => Some(Self::Drop),
            3 => Some(Self::Lockstep),
            _ => None,
        }
    }
}

/// A validated header, in ordinary memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the segment is.
    pub kind: SegmentKind,
    /// Its label, 1 to 16 printable ASCII characters.
    pub label: String,
    /// Random number of this segment's life, never 0.
    pub epoch: u64,
    /// Number of cells: slots of a ring, counters, tallies; 0 for a position.
    pub capacity: u32,
    /// The producer's policy; rings only.
    pub policy: Option<Policy>,
    /// The writer's clock; zeros except in rings.
    pub clock: ClockWords,
    /// Labels of counters or tallies.
    pub labels: Vec<String>,
    /// Length of the segment, bytes.
    pub total_bytes: usize,
    /// The writer's process number, for display only.
    pub owner_pid: u64,
    /// The writer's start time in clock ticks since boot, for display only.
    pub owner_start: u64,
}

impl Header {
    /// Size of one cell of the body, bytes.
    pub const fn cell_bytes(kind: SegmentKind) -> usize {
        match kind {
            SegmentKind::Ring => layout::ring::SLOT_BYTES,
            SegmentKind::Position => 0,
            SegmentKind::Counters => layout::counters::CELL_BYTES,
            SegmentKind::Tallies => layout::tallies::BLOCK_BYTES,
        }
    }

    /// Length that the geometry asks for, bytes, before rounding up to huge pages.
    pub const fn needed_bytes(kind: SegmentKind, capacity: u32) -> usize {
        match kind {
            SegmentKind::Ring => layout::ring_bytes(capacity),
            SegmentKind::Position => layout::position::TOTAL_BYTES,
            SegmentKind::Counters => layout::counters::TOTAL_BYTES,
            SegmentKind::Tallies => layout::tallies_bytes(capacity as usize),
        }
    }

    /// The page, magic and checksum included.
    pub fn encode(&self) -> [u64; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        words[at::MAGIC] = layout::MAGIC;
        words[at::ABI_MAJOR] = layout::ABI_MAJOR;
        words[at::ABI_MINOR] = layout::ABI_MINOR;
        words[at::ENDIAN] = layout::ENDIAN_PROBE;
        words[at::HEADER_BYTES] = layout::HEADER_BYTES as u64;
        words[at::KIND] = self.kind as u64;
        put_label(&mut words[at::LABEL..at::LABEL + 2], &self.label);
        words[at::LAYOUT_HASH] = layout::LAYOUT_HASH;
        words[at::TOTAL_BYTES] = self.total_bytes as u64;
        words[at::EPOCH] = self.epoch;
        words[at::CELL_BYTES] = Self::cell_bytes(self.kind) as u64;
        words[at::CAPACITY] = u64::from(self.capacity);
        words[at::POLICY] = self.policy.map_or(0, Policy::to_word);
        words[at::TICKS_PER_SECOND] = self.clock.ticks_per_second;
        words[at::ORIGIN_TICKS] = self.clock.origin_ticks;
        words[at::ORIGIN_REALTIME_NS] = self.clock.origin_realtime_ns;
        words[at::OWNER_PID] = self.owner_pid;
        words[at::OWNER_START] = self.owner_start;
        words[at::LABEL_COUNT] = self.labels.len() as u64;
        let entries = words[at::LABELS..at::LABELS_END].chunks_exact_mut(layout::LABEL_ENTRY_WORDS);
        for (entry, label) in entries.zip(&self.labels) {
            put_label(entry, label);
        }
        words[at::CHECKSUM] = layout::checksum(&words);
        words
    }

    /// Validates a copy of the page, checksum last. `file_bytes` is the length that the kernel
    /// reports.
    ///
    /// # Errors
    /// The first rule that the page breaks, by name.
    pub fn decode(words: &[u64; HEADER_WORDS], file_bytes: u64) -> Result<Self, AttachError> {
        match words[at::MAGIC] {
            layout::MAGIC => {}
            0 => return Err(AttachError::NotReady),
            word if word == layout::MAGIC.swap_bytes() => return Err(AttachError::OtherEndianness),
            word => return Err(AttachError::WrongMagic(word)),
        }
        if words[at::ENDIAN] != layout::ENDIAN_PROBE {
            return Err(AttachError::OtherEndianness);
        }
        let theirs = (words[at::ABI_MAJOR], words[at::ABI_MINOR]);
        let ours = (layout::ABI_MAJOR, layout::ABI_MINOR);
        if theirs != ours {
            return Err(AttachError::OtherAbi { theirs, ours });
        }
        if words[at::HEADER_BYTES] != layout::HEADER_BYTES as u64 {
            return Err(AttachError::WrongHeaderLength(words[at::HEADER_BYTES]));
        }
        if words[at::LAYOUT_HASH] != layout::LAYOUT_HASH {
            return Err(AttachError::ForeignLayout {
                theirs: words[at::LAYOUT_HASH],
                ours: layout::LAYOUT_HASH,
            });
        }
        let kind = SegmentKind::from_word(words[at::KIND])
            .ok_or(AttachError::WrongKind { found: words[at::KIND], expected: 0 })?;
        let label = get_label(&words[at::LABEL..at::LABEL + 2]).ok_or(AttachError::BadLabels)?;
        if words[at::CELL_BYTES] != Self::cell_bytes(kind) as u64 {
            return Err(AttachError::WrongCellSize(words[at::CELL_BYTES]));
        }
        let capacity = check_capacity(kind, words[at::CAPACITY])?;
        let total_bytes = check_length(kind, capacity, words[at::TOTAL_BYTES], file_bytes)?;
        if words[at::EPOCH] == 0 {
            return Err(AttachError::ZeroEpoch);
        }
        let policy = match (kind, words[at::POLICY]) {
            (SegmentKind::Ring, word) => {
                Some(Policy::from_word(word).ok_or(AttachError::BadPolicy(word))?)
            }
            (_, 0) => None,
            (_, word) => return Err(AttachError::BadPolicy(word)),
        };
        let labels = get_labels(kind, capacity, words)?;
        let zeros = (at::FIELDS_END..at::LABELS).chain(at::LABELS_END..at::CHECKSUM);
        if let Some(word) = zeros.into_iter().find(|&i| words[i] != 0) {
            return Err(AttachError::NotZero { word });
        }
        if words[at::CHECKSUM] != layout::checksum(words) {
            return Err(AttachError::Checksum);
        }
        Ok(Self {
            kind,
            label,
            epoch: words[at::EPOCH],
            capacity,
            policy,
            clock: ClockWords {
                ticks_per_second: words[at::TICKS_PER_SECOND],
                origin_ticks: words[at::ORIGIN_TICKS],
                origin_realtime_ns: words[at::ORIGIN_REALTIME_NS],
            },
            labels,
            total_bytes,
            owner_pid: words[at::OWNER_PID],
            owner_start: words[at::OWNER_START],
        })
    }
}

fn check_capacity(kind: SegmentKind, word: u64) -> Result<u32, AttachError> {
    let fits = match kind {
        SegmentKind::Ring => {
            let range = u64::from(layout::ring::SLOTS_MIN)..=u64::from(layout::ring::SLOTS_MAX);
            word.is_power_of_two() && range.contains(&word)
        }
        SegmentKind::Position => word == 0,
        SegmentKind::Counters => (1..=layout::LABELS_MAX as u64).contains(&word),
        SegmentKind::Tallies => (1..=layout::tallies::TALLIES_MAX as u64).contains(&word),
    };
    match u32::try_from(word) {
        Ok(capacity) if fits => Ok(capacity),
        _ => Err(AttachError::BadCapacity(word)),
    }
}

/// The header's length is the file's, and is what the geometry needs, rounded up to huge pages or
/// not.
fn check_length(
    kind: SegmentKind,
    capacity: u32,
    says: u64,
    is: u64,
) -> Result<usize, AttachError> {
    let needed = Header::needed_bytes(kind, capacity);
    let rounded = needed.next_multiple_of(layout::HUGE_PAGE_BYTES);
    if says == is && says == needed as u64 {
        Ok(needed)
    } else if says == is && says == rounded as u64 {
        Ok(rounded)
    } else {
        Err(AttachError::WrongLength { says, is })
    }
}

fn get_labels(
    kind: SegmentKind,
    capacity: u32,
    words: &[u64; HEADER_WORDS],
) -> Result<Vec<String>, AttachError> {
    let expected = match kind {
        SegmentKind::Ring | SegmentKind::Position => 0,
        SegmentKind::Counters | SegmentKind::Tallies => u64::from(capacity),
    };
    // At most `LABELS_MAX`: `capacity` was checked.
    if words[at::LABEL_COUNT] != expected {
        return Err(AttachError::BadLabels);
    }
    let mut labels = Vec::with_capacity(expected as usize);
    let entries = words[at::LABELS..at::LABELS_END].chunks_exact(layout::LABEL_ENTRY_WORDS);
    for (i, entry) in entries.enumerate() {
        if (i as u64) < expected {
            labels.push(get_label(entry).ok_or(AttachError::BadLabels)?);
        } else if entry.iter().any(|&word| word != 0) {
            return Err(AttachError::BadLabels);
        }
    }
    Ok(labels)
}

/// 1 to `bytes_max` printable ASCII characters without blank.
pub(crate) fn is_label(label: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic())
}

pub(crate) fn put_label(into: &mut [u64], label: &str) {
    for (word, part) in into.iter_mut().zip(label.as_bytes().chunks(WORD_BYTES)) {
        let mut bytes = [0; WORD_BYTES];
        bytes[..part.len()].copy_from_slice(part);
        *word = u64::from_ne_bytes(bytes);
    }
}

/// Printable ASCII followed by zeros only; anything else is `None`.
pub(crate) fn get_label(from: &[u64]) -> Option<String> {
    let bytes: Vec<u8> = from.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let length = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(length);
    let label = core::str::from_utf8(text).ok()?;
    (is_label(label, from.len() * WORD_BYTES) && rest.iter().all(|&b| b == 0))
        .then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Header {
        Header {
            kind: SegmentKind::Ring,
            label: "events".into(),
            epoch: 7,
            capacity: 8,
            policy: Some(Policy::Wait),
            clock: ClockWords::default(),
            labels: Vec::new(),
            total_bytes: layout::ring_bytes(8),
            owner_pid: 1,
            owner_start: 2,
        }
    }

    #[test]
    fn a_page_comes_back_as_it_was_described() {
        let mut tallies = ring();
        tallies.kind = SegmentKind::Tallies;
        tallies.policy = None;
        tallies.capacity = 2;
        tallies.total_bytes = layout::tallies_bytes(2);
        tallies.labels = vec!["a".into(), "exactly_twenty_four_long".into()];
        for header in [ring(), tallies] {
            let words = header.encode();
            assert_eq!(Header::decode(&words, header.total_bytes as u64).unwrap(), header);
        }
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let header = ring();
        let honest = header.encode();
        for byte in 0..layout::HEADER_BYTES {
            let mut words = honest;
            words[byte / 8] ^= 0x5a << (byte % 8 * 8);
            assert!(
                Header::decode(&words, header.total_bytes as u64).is_err(),
                "byte {byte} was not looked at"
            );
        }
    }

    #[test]
    fn a_word_that_must_be_zero_is_named_even_under_a_right_checksum() {
        let header = ring();
        for word in [at::FIELDS_END, at::LABELS - 1, at::LABELS_END, at::CHECKSUM - 1] {
            let mut words = header.encode();
            words[word] = 1;
            words[at::CHECKSUM] = layout::checksum(&words);
            match Header::decode(&words, header.total_bytes as u64) {
                Err(AttachError::NotZero { word: named }) => assert_eq!(named, word),
                other => panic!("{other:?}"),
            }
        }
    }
}
