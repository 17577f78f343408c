//! Tallies: log-linear count arrays that the pinned thread counts into and anyone reads.
//!
//! Same buckets as `hdrhistogram` with 3 significant digits from 1 on, so they convert exactly:
//! 2,048 linear cells, then 1,024 for each doubling. Counting is an index computation, a relaxed
//! load and a relaxed store: about a nanosecond, 80 to 110 when the line has left the cache. No
//! read-modify-write instruction, no allocation, no resizing: a value above [`TALLY_MAX`] goes to
//! the overflow cell, a negative difference to a cell of its own.
//!
//! Readers (a cold thread, another process) copy the cells while counting goes on. A copy may miss
//! counts that are made meanwhile, never invent one; counts only grow, so the difference of two
//! copies is the interval between them. Wrong choice for values that need another resolution, or
//! for many stages: each takes 220 KiB.

use std::sync::Arc;

use crate::{
    counters::check_labels,
    error::{AttachError, CreateError},
    header::SegmentKind,
    layout::tallies::{self, BLOCK_WORDS, BLOCKS, COUNTS, NEGATIVE, OVERFLOW, TALLIES_MAX},
    memfd::{self, Attached, Created},
    memory::{Array, PeerArray},
    region::{Received, Share, new_header, random_epoch, share},
    sync::{AtomicBool, Ordering},
};

/// Largest value counted, 2^36 - 1 ns (68.7 s); above: the overflow cell.
pub const TALLY_MAX: u64 = (1 << 36) - 1;

/// Cells of one tally.
pub const TALLY_CELLS: usize = COUNTS;

/// log2 of the linear part's size: 2,048 is the smallest power of two that keeps 3 digits over a
/// doubling.
const LINEAR_BITS: u32 = 11;
/// Cells of each doubling.
const HALF: u64 = 1 << (LINEAR_BITS - 1);

/// The cell that counts `value`; at or beyond [`TALLY_CELLS`] for a value above [`TALLY_MAX`].
///
/// ```text
/// value < 2048            cell = value                         width 1
/// 2048·2^(k-1) … 2048·2^k cell = 1024·(k+1) + (value>>k) - 1024, width 2^k
/// ```
#[inline]
pub const fn cell_of(value: u64) -> usize {
    let doubling = (64 - LINEAR_BITS) - (value | ((1 << LINEAR_BITS) - 1)).leading_zeros();
    ((doubling as u64 * HALF) + (value >> doubling)) as usize
}

/// The lowest value that `cell` counts; `cell` is brought into range.
pub const fn lowest_of(cell: usize) -> u64 {
    let cell = if cell < TALLY_CELLS { cell as u64 } else { TALLY_CELLS as u64 - 1 };
    if cell < 1 << LINEAR_BITS {
        return cell;
    }
    let doubling = cell / HALF - 1;
    (cell % HALF + HALF) << doubling
}

const _: () = {
    assert!(cell_of(0) == 0 && cell_of(2047) == 2047 && cell_of(2048) == 2048);
    assert!(cell_of(TALLY_MAX) == TALLY_CELLS - 1);
    assert!(cell_of(TALLY_MAX + 1) == TALLY_CELLS);
    assert!(lowest_of(TALLY_CELLS - 1) == TALLY_MAX + 1 - (1 << 25));
};

/// Tallies that this process writes, in a sealed segment of their own.
pub struct TallySegment {
    created: Arc<Created>,
    is_taken: AtomicBool,
}

impl TallySegment {
    /// `label`: at most 16 bytes. `labels`: at most 32, of at most 24 bytes each, all different.
    ///
    /// # Errors
    /// A label out of range; a system call that failed.
    pub fn create(label: &str, labels: &[&str]) -> Result<Self, CreateError> {
        let labels = check_labels(labels, TALLIES_MAX)?;
        // At most 32.
        let capacity = labels.len() as u32;
        let mut header = new_header(SegmentKind::Tallies, label, random_epoch(), capacity)?;
        header.labels = labels;
        let created = memfd::create(header, false, |_| {})?;
        Ok(Self { created: Arc::new(created), is_taken: AtomicBool::new(false) })
    }

    /// The read-only descriptor to hand out.
    pub fn share(&self) -> Share<'_> {
        share(&self.created)
    }

    /// The one writer: `None` from the second call on.
    pub fn writer(&self) -> Option<TallyWriter> {
        // Relaxed: the flag guards no data, the handle itself is what is handed over.
        if self.is_taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        let words = self.count() * BLOCK_WORDS;
        Some(TallyWriter { words: self.created.memory.array(BLOCKS, words), count: self.count() })
    }

    /// A reader in this process (cold thread); cheap to clone.
    pub fn reader(&self) -> TallyReader {
        let words = self.created.memory.peer_array(BLOCKS, self.count() * BLOCK_WORDS);
        let header = &self.created.header;
        let names = Names { label: header.label.clone(), labels: header.labels.clone() };
        TallyReader { names: Arc::new(names), words }
    }

    fn count(&self) -> usize {
        self.created.header.capacity as usize
    }
}

/// The one writer of a segment's tallies; it may move to another thread.
pub struct TallyWriter {
    words: Array,
    count: usize,
}

impl TallyWriter {
    /// Counts one value, any u64, in tally `index`. One that does not exist is a programmer's
    /// mistake: ignored, in debug builds an assertion. Cost about a nanosecond; no
    /// read-modify-write instruction.
    #[inline]
    pub fn record(&mut self, index: usize, value: u64) {
        // The overflow cell follows the last count, so one `min` sends everything above there.
        let cell = cell_of(value).min(OVERFLOW);
        self.bump(index, cell);
    }

    /// A difference that came out negative: counted apart, never wrapped.
    #[inline]
    pub fn record_negative(&mut self, index: usize) {
        self.bump(index, NEGATIVE);
    }

    #[inline]
    fn bump(&mut self, index: usize, cell: usize) {
        debug_assert!(index < self.count, "tally {index} of {}", self.count);
        if index < self.count
            && let Some(word) = self.words.get(index * BLOCK_WORDS + cell)
        {
            word.store(word.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }
}

const _: () = assert!(OVERFLOW == COUNTS && NEGATIVE < BLOCK_WORDS);
const _: () = assert!(tallies::BLOCK_BYTES == BLOCK_WORDS * 8);

struct Names {
    label: String,
    labels: Vec<String>,
}

/// A reader of tallies, this process's or another's; cheap to clone.
#[derive(Clone)]
pub struct TallyReader {
    names: Arc<Names>,
    words: PeerArray,
}

impl TallyReader {
    /// Validates and maps received tallies.
    ///
    /// # Errors
    /// The first rule that the segment breaks, by name.
    pub fn attach(received: Received) -> Result<Self, AttachError> {
        let Attached { header, memory } = memfd::attach(SegmentKind::Tallies, received)?;
        let words = memory.peer_array(BLOCKS, header.capacity as usize * BLOCK_WORDS);
        let names = Names { label: header.label, labels: header.labels };
        Ok(Self { names: Arc::new(names), words })
    }

    /// The segment's label.
    pub fn label(&self) -> &str {
        &self.names.label
    }

    /// The tallies' labels, in order.
    pub fn labels(&self) -> &[String] {
        &self.names.labels
    }

    /// Copies one tally's cells into `into` (grown once to its size). A tally that does not exist
    /// is all zeros.
    pub fn snapshot(&self, index: usize, into: &mut Snapshot) {
        into.cells.resize(TALLY_CELLS, 0);
        let exists = index < self.names.labels.len();
        let word = |cell: usize| match exists {
            true => self.words.load(index * BLOCK_WORDS + cell).unwrap_or(0),
            false => 0,
        };
        for (cell, count) in into.cells.iter_mut().enumerate() {
            *count = word(cell);
        }
        into.overflow = word(OVERFLOW);
        into.negative = word(NEGATIVE);
    }
}

/// One tally at one instant. Counts only grow, so `later.minus(&earlier)` is the interval between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Counts, [`TALLY_CELLS`] of them once taken; see [`cell_of`] and [`lowest_of`].
    pub cells: Vec<u64>,
    /// Values above [`TALLY_MAX`].
    pub overflow: u64,
    /// Differences that came out negative.
    pub negative: u64,
}

impl Snapshot {
    /// What was counted after `earlier` was taken. A count that went back (foreign memory) gives 0.
    pub fn minus(&self, earlier: &Snapshot) -> Snapshot {
        let before = earlier.cells.iter().copied().chain(std::iter::repeat(0));
        let cells = self.cells.iter().zip(before).map(|(&now, was)| now.saturating_sub(was));
        Snapshot {
            cells: cells.collect(),
            overflow: self.overflow.saturating_sub(earlier.overflow),
            negative: self.negative.saturating_sub(earlier.negative),
        }
    }

    /// (lowest equivalent value, count) of each cell that is not 0, in order.
    pub fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counted = self.cells.iter().enumerate().filter(|&(_, &count)| count != 0);
        counted.map(|(cell, &count)| (lowest_of(cell), count))
    }

    /// Values counted in cells; overflow and negative ones are not among them.
    pub fn count(&self) -> u64 {
        self.cells.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}
