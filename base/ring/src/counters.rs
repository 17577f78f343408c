//! Labelled single-writer counters that any process may read.
//!
//! One segment, up to 64 counters, each on a line of its own. The writer stores, it never reads,
//! modifies and writes in one locked instruction; readers disturb nobody. A counter costs a load,
//! an add and a store. Wrong choice for a value that two threads count: give each its own counter
//! ([`CounterSegment::split`]) and let the reader add.

use std::{ops::Range, sync::Arc};

use crate::{
    error::{AttachError, CreateError},
    header::{SegmentKind, is_label},
    layout::{LABEL_ENTRY_BYTES, LABELS_MAX, WORD_BYTES, counters},
    memfd::{self, Attached, Created},
    memory::{Array, PeerArray},
    region::{Received, Share, new_header, random_epoch, share},
    sync::Ordering,
};

/// Distance between two counters in words.
const STRIDE: usize = counters::CELL_BYTES / WORD_BYTES;

/// 1 to `count_max` different labels of 1 to 24 printable ASCII characters.
pub(crate) fn check_labels(labels: &[&str], count_max: usize) -> Result<Vec<String>, CreateError> {
    if labels.is_empty() || labels.len() > count_max {
        return Err(CreateError::LabelCount { count: labels.len(), count_max });
    }
    for (i, &label) in labels.iter().enumerate() {
        if !is_label(label, LABEL_ENTRY_BYTES) {
            let label = label.to_owned();
            return Err(CreateError::BadLabel { label, bytes_max: LABEL_ENTRY_BYTES });
        }
        if labels[..i].contains(&label) {
            return Err(CreateError::SameLabel(label.to_owned()));
        }
    }
    Ok(labels.iter().map(|&label| label.to_owned()).collect())
}

/// Counters that this process writes.
pub struct CounterSegment {
    created: Arc<Created>,
}

impl CounterSegment {
    /// `label`: at most 16 bytes. `labels`: at most 64, of at most 24 bytes each, all different.
    ///
    /// # Errors
    /// A label out of range; a system call that failed.
    pub fn create(label: &str, labels: &[&str]) -> Result<Self, CreateError> {
        let labels = check_labels(labels, LABELS_MAX)?;
        // At most 64.
        let capacity = labels.len() as u32;
        let mut header = new_header(SegmentKind::Counters, label, random_epoch(), capacity)?;
        header.labels = labels;
        let created = memfd::create(header, false, |_| {})?;
        Ok(Self { created: Arc::new(created) })
    }

    /// The read-only descriptor to hand out.
    pub fn share(&self) -> Share<'_> {
        share(&self.created)
    }

    /// Two handles for two threads: counters `0..at`, and counters `at..` under their own numbers
    /// (not counted from 0 again).
    pub fn split(self, at: usize) -> (CounterWriter, CounterWriter) {
        let count = self.count();
        let at = at.min(count);
        (CounterWriter::new(&self.created, 0..at), CounterWriter::new(&self.created, at..count))
    }

    /// One handle for all.
    pub fn writer(self) -> CounterWriter {
        CounterWriter::new(&self.created, 0..self.count())
    }

    fn count(&self) -> usize {
        self.created.header.capacity as usize
    }
}

/// The one writer of some counters. Not `Clone`; it may move to another thread. Keeps the segment
/// alive.
pub struct CounterWriter {
    cells: Array,
    range: Range<usize>,
    created: Arc<Created>,
}

impl CounterWriter {
    fn new(created: &Arc<Created>, range: Range<usize>) -> Self {
        let cells = created.memory.array(counters::CELLS, LABELS_MAX * STRIDE);
        Self { cells, range, created: Arc::clone(created) }
    }

    /// Sets counter `index`. One that is not this handle's is a programmer's mistake: ignored, in
    /// debug builds an assertion.
    #[inline]
    pub fn set(&mut self, index: usize, value: u64) {
        debug_assert!(self.range.contains(&index), "counter {index} is not in {:?}", self.range);
        if self.range.contains(&index)
            && let Some(cell) = self.cells.get(index * STRIDE)
        {
            cell.store(value, Ordering::Relaxed);
        }
    }

    /// Adds to counter `index`, wrapping.
    #[inline]
    pub fn add(&mut self, index: usize, by: u64) {
        self.set(index, self.get(index).wrapping_add(by));
    }

    /// Counter `index`; 0 for one that does not exist.
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        let index = index.saturating_mul(STRIDE);
        self.cells.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// The read-only descriptor to hand out.
    pub fn share(&self) -> Share<'_> {
        share(&self.created)
    }
}

/// Another process's counters.
pub struct PeerCounters {
    label: String,
    labels: Vec<String>,
    cells: PeerArray,
}

impl PeerCounters {
    /// Validates and maps received counters.
    ///
    /// # Errors
    /// The first rule that the segment breaks, by name.
    pub fn attach(received: Received) -> Result<Self, AttachError> {
        let Attached { header, memory } = memfd::attach(SegmentKind::Counters, received)?;
        let cells = memory.peer_array(counters::CELLS, LABELS_MAX * STRIDE);
        Ok(Self { label: header.label, labels: header.labels, cells })
    }

    /// The segment's label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The counters' labels, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Counter `index`; `None` for one that does not exist.
    pub fn get(&self, index: usize) -> Option<u64> {
        if index < self.labels.len() { self.cells.load(index * STRIDE) } else { None }
    }

    /// The counter of that label.
    pub fn by_label(&self, label: &str) -> Option<u64> {
        self.get(self.labels.iter().position(|own| own == label)?)
    }
}
