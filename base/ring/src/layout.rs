//! Every byte of every segment; offsets derived one from the other and asserted at compile time.
//!
//! All words are `u64` in the byte order of the machine; nothing in shared memory is smaller,
//! larger or unaligned.
//!
//! ```text
//! header page, every kind                      byte
//! ┌──────────────────────────────────────────┐    0
//! │ magic  abi_major  abi_minor  endian       │       magic is stored last; 0 = not ready
//! │ header_bytes  kind  label[2]              │   32
//! │ layout_hash  total_bytes  epoch           │   64
//! │ cell_bytes  capacity  policy              │   88
//! │ ticks_per_second  origin_ticks  origin_ns │  112   clock of the writer (rings; elsewhere 0)
//! │ owner_pid  owner_start                    │  136   for display only
//! │ label_count                               │  152
//! │ zeros                                     │  160
//! ├──────────────────────────────────────────┤  512
//! │ labels[64], 24 bytes each                 │       counters and tallies; elsewhere 0
//! ├──────────────────────────────────────────┤ 2048
//! │ zeros                                     │
//! │ checksum                                  │ 4088
//! └──────────────────────────────────────────┘ 4096
//!
//! ring segment, written by the producer alone
//! ┌─────────┬────────────────────────────────────────────────┬────────────────────────────┐
//! │ header  │ cursor@0 heartbeat@128 state@256 errors@384 …0 │ slot 0 │ slot 1 │ …        │
//! └─────────┴────────────────────────────────────────────────┴────────────────────────────┘
//! 0       4096                                             8192                  + slots × 64
//!
//! slot, 64 bytes, 64-aligned: ┌───────┬────┬────┬────┬────┬────┬────┬────┐
//!                             │ stamp │ w0 │ w1 │ w2 │ w3 │ w4 │ w5 │ w6 │
//!                             └───────┴────┴────┴────┴────┴────┴────┴────┘
//!
//! position segment, written by the consumer alone
//! ┌─────────┬──────────────────────────────────────────────┐
//! │ header  │ position@0 heartbeat@128 lost@256 foreign@384 │
//! └─────────┴──────────────────────────────────────────────┘
//!
//! counters segment: header, then 64 cells of 64 bytes, the counter in the first word of each.
//!
//! tallies segment: header, then one block of 55 pages for each label:
//! ┌──────────────────────────────┬──────────────────────────────┐
//! │ counts[27648]                │ overflow  negative  zeros … │
//! └──────────────────────────────┴──────────────────────────────┘
//! 0                          221184                        225280
//! ```

/// Major number of the binary interface; another one is refused.
pub const ABI_MAJOR: u64 = 1;
/// Minor number of the binary interface; another one is refused too, while major numbers are this
/// young.
pub const ABI_MINOR: u64 = 0;

/// `tickspin` in ASCII, read in the machine's own byte order.
pub const MAGIC: u64 = u64::from_ne_bytes(*b"tickspin");
/// Eight different bytes: a reader of the other byte order sees them reversed.
pub const ENDIAN_PROBE: u64 = 0x0102_0304_0506_0708;

/// Size of one word, bytes.
pub const WORD_BYTES: usize = 8;
/// Size of the header, bytes: one page.
pub const HEADER_BYTES: usize = 4096;
/// Number of words of the header.
pub const HEADER_WORDS: usize = HEADER_BYTES / WORD_BYTES;
/// Distance between two live words, bytes: 128, because the adjacent-line prefetcher moves lines in
/// pairs.
pub const LIVE_STRIDE_BYTES: usize = 128;
/// The page of live words.
pub const LIVE_BYTES: usize = 4096;
/// A 2 MiB page, the one huge page size asked for.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Word indices of the header page.
pub mod header {
    /// Magic word, stored last.
    pub const MAGIC: usize = 0;
    /// Major number of the interface.
    pub const ABI_MAJOR: usize = MAGIC + 1;
    /// Minor number of the interface.
    pub const ABI_MINOR: usize = ABI_MAJOR + 1;
    /// Byte order probe.
    pub const ENDIAN: usize = ABI_MINOR + 1;
    /// Size of the header in bytes.
    pub const HEADER_BYTES: usize = ENDIAN + 1;
    /// Which kind of segment, [`crate::SegmentKind`].
    pub const KIND: usize = HEADER_BYTES + 1;
    /// The segment's label: two words of ASCII, padded with zeros.
    pub const LABEL: usize = KIND + 1;
    /// Hash over names, offsets and sizes.
    pub const LAYOUT_HASH: usize = LABEL + 2;
    /// Length of the segment in bytes.
    pub const TOTAL_BYTES: usize = LAYOUT_HASH + 1;
    /// Random number of this segment's life, never 0.
    pub const EPOCH: usize = TOTAL_BYTES + 1;
    /// Size of one cell of the body in bytes; 0 where there is no body.
    pub const CELL_BYTES: usize = EPOCH + 1;
    /// Number of cells of the body.
    pub const CAPACITY: usize = CELL_BYTES + 1;
    /// What the producer does when the ring is full; 0 for other kinds.
    pub const POLICY: usize = CAPACITY + 1;
    /// Ticks of the writer's clock in one second; 0 for other kinds.
    pub const TICKS_PER_SECOND: usize = POLICY + 1;
    /// A reading of the writer's clock …
    pub const ORIGIN_TICKS: usize = TICKS_PER_SECOND + 1;
    /// … and the nanoseconds since 1970 at that instant.
    pub const ORIGIN_REALTIME_NS: usize = ORIGIN_TICKS + 1;
    /// Process number of the writer, for display only.
    pub const OWNER_PID: usize = ORIGIN_REALTIME_NS + 1;
    /// Start time of the writer in clock ticks since boot, for display only.
    pub const OWNER_START: usize = OWNER_PID + 1;
    /// How many entries of the label table are used.
    pub const LABEL_COUNT: usize = OWNER_START + 1;
    /// First word after the fields.
    pub const FIELDS_END: usize = LABEL_COUNT + 1;
    /// First word of the label table.
    pub const LABELS: usize = 64;
    /// First word after the label table.
    pub const LABELS_END: usize = LABELS + super::LABELS_MAX * super::LABEL_ENTRY_WORDS;
    /// Checksum over all words before it.
    pub const CHECKSUM: usize = super::HEADER_WORDS - 1;
}

/// Longest label of a segment, bytes.
pub const SEGMENT_LABEL_BYTES: usize = 16;
/// Longest label of a counter or a tally, bytes.
pub const LABEL_ENTRY_BYTES: usize = 24;
/// Words of one label entry.
pub const LABEL_ENTRY_WORDS: usize = LABEL_ENTRY_BYTES / WORD_BYTES;
/// Most labels of one segment.
pub const LABELS_MAX: usize = 64;

/// Byte offsets of a ring segment.
pub mod ring {
    use super::{HEADER_BYTES, LIVE_BYTES, LIVE_STRIDE_BYTES, WORD_BYTES};
    /// Highest sequence published, a hint for display.
    pub const CURSOR: usize = HEADER_BYTES;
    /// The producer's loop counter.
    pub const HEARTBEAT: usize = CURSOR + LIVE_STRIDE_BYTES;
    /// [`crate::State`] of the producer.
    pub const STATE: usize = HEARTBEAT + LIVE_STRIDE_BYTES;
    /// Events that the producer dropped.
    pub const ERRORS: usize = STATE + LIVE_STRIDE_BYTES;
    /// First byte of slot 0.
    pub const SLOTS: usize = HEADER_BYTES + LIVE_BYTES;
    /// Size of a slot, bytes: one cache line.
    pub const SLOT_BYTES: usize = 64;
    /// Words of a slot: the stamp and the payload.
    pub const SLOT_WORDS: usize = SLOT_BYTES / WORD_BYTES;
    /// Words of the payload.
    pub const PAYLOAD_WORDS: usize = SLOT_WORDS - 1;
    /// Smallest number of slots.
    pub const SLOTS_MIN: u32 = 2;
    /// Largest number of slots (1 GiB).
    pub const SLOTS_MAX: u32 = 1 << 24;
}

/// Byte offsets of a position segment.
pub mod position {
    use super::{HEADER_BYTES, LIVE_BYTES, LIVE_STRIDE_BYTES};
    /// Highest sequence released.
    pub const POSITION: usize = HEADER_BYTES;
    /// The consumer's loop counter.
    pub const HEARTBEAT: usize = POSITION + LIVE_STRIDE_BYTES;
    /// Sequences lost: 0 in lossless mode; overwrite mode will count here.
    pub const LOST: usize = HEARTBEAT + LIVE_STRIDE_BYTES;
    /// Slots found with a stamp that no honest producer writes.
    pub const FOREIGN: usize = LOST + LIVE_STRIDE_BYTES;
    /// Length of the segment.
    pub const TOTAL_BYTES: usize = HEADER_BYTES + LIVE_BYTES;
}

/// Byte offsets of a counters segment.
pub mod counters {
    use super::{HEADER_BYTES, LABELS_MAX};
    /// First counter.
    pub const CELLS: usize = HEADER_BYTES;
    /// Distance between two counters, bytes: a line each, so that two writers of one segment share
    /// none.
    pub const CELL_BYTES: usize = 64;
    /// Length of the segment: always room for all.
    pub const TOTAL_BYTES: usize = CELLS + LABELS_MAX * CELL_BYTES;
}

/// Byte offsets of a tallies segment.
pub mod tallies {
    use super::{HEADER_BYTES, WORD_BYTES};
    /// First block.
    pub const BLOCKS: usize = HEADER_BYTES;
    /// Counts of one tally: 2,048 linear, then 1,024 for each doubling up to 2^36 - 1.
    pub const COUNTS: usize = 2048 + 25 * 1024;
    /// Word index of the overflow cell within a block.
    pub const OVERFLOW: usize = COUNTS;
    /// Word index of the negative cell within a block.
    pub const NEGATIVE: usize = OVERFLOW + 1;
    /// Size of one block, bytes: the counts and one page for the two other cells.
    pub const BLOCK_BYTES: usize = COUNTS * WORD_BYTES + 4096;
    /// Words of one block.
    pub const BLOCK_WORDS: usize = BLOCK_BYTES / WORD_BYTES;
    /// Most tallies of one segment.
    pub const TALLIES_MAX: usize = 32;
}

/// One named stretch of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, unique within its table.
    pub name: &'static str,
    /// Its first byte, counted from the start of its table.
    pub offset: usize,
    /// Its length in bytes.
    pub size: usize,
}

const fn word(name: &'static str, index: usize) -> Field {
    Field { name, offset: index * WORD_BYTES, size: WORD_BYTES }
}

const fn live(name: &'static str, offset: usize) -> Field {
    Field { name, offset, size: WORD_BYTES }
}

/// The header page.
pub const HEADER_FIELDS: &[Field] = &[
    word("magic", header::MAGIC),
    word("abi_major", header::ABI_MAJOR),
    word("abi_minor", header::ABI_MINOR),
    word("endian", header::ENDIAN),
    word("header_bytes", header::HEADER_BYTES),
    word("kind", header::KIND),
    Field { name: "label", offset: header::LABEL * WORD_BYTES, size: SEGMENT_LABEL_BYTES },
    word("layout_hash", header::LAYOUT_HASH),
    word("total_bytes", header::TOTAL_BYTES),
    word("epoch", header::EPOCH),
    word("cell_bytes", header::CELL_BYTES),
    word("capacity", header::CAPACITY),
    word("policy", header::POLICY),
    word("ticks_per_second", header::TICKS_PER_SECOND),
    word("origin_ticks", header::ORIGIN_TICKS),
    word("origin_realtime_ns", header::ORIGIN_REALTIME_NS),
    word("owner_pid", header::OWNER_PID),
    word("owner_start", header::OWNER_START),
    word("label_count", header::LABEL_COUNT),
    Field {
        name: "labels",
        offset: header::LABELS * WORD_BYTES,
        size: LABELS_MAX * LABEL_ENTRY_BYTES,
    },
    word("checksum", header::CHECKSUM),
];

/// The ring segment behind its header, with slot 0 standing for all.
pub const RING_FIELDS: &[Field] = &[
    live("cursor", ring::CURSOR),
    live("heartbeat", ring::HEARTBEAT),
    live("state", ring::STATE),
    live("errors", ring::ERRORS),
    Field { name: "slot.stamp", offset: ring::SLOTS, size: WORD_BYTES },
    Field {
        name: "slot.payload",
        offset: ring::SLOTS + WORD_BYTES,
        size: ring::PAYLOAD_WORDS * WORD_BYTES,
    },
];

/// The position segment behind its header.
pub const POSITION_FIELDS: &[Field] = &[
    live("position", position::POSITION),
    live("heartbeat", position::HEARTBEAT),
    live("lost", position::LOST),
    live("foreign", position::FOREIGN),
];

/// The counters segment behind its header, with counter 0 standing for all.
pub const COUNTERS_FIELDS: &[Field] =
    &[Field { name: "counter", offset: counters::CELLS, size: counters::CELL_BYTES }];

/// The tallies segment behind its header, with block 0 standing for all.
pub const TALLIES_FIELDS: &[Field] = &[
    Field { name: "counts", offset: tallies::BLOCKS, size: tallies::COUNTS * WORD_BYTES },
    live("overflow", tallies::BLOCKS + tallies::OVERFLOW * WORD_BYTES),
    live("negative", tallies::BLOCKS + tallies::NEGATIVE * WORD_BYTES),
];

/// One hash over the names, offsets and sizes of everything above: two programs with the same hash
/// see the same bytes.
pub const LAYOUT_HASH: u64 = layout_hash();

const fn layout_hash() -> u64 {
    let mut hash = FNV_BASIS;
    let tables = [HEADER_FIELDS, RING_FIELDS, POSITION_FIELDS, COUNTERS_FIELDS, TALLIES_FIELDS];
    let mut t = 0;
    while t < tables.len() {
        let mut f = 0;
        while f < tables[t].len() {
            let field = tables[t][f];
            let name = field.name.as_bytes();
            let mut b = 0;
            while b < name.len() {
                hash = fnv_word(hash, name[b] as u64);
                b += 1;
            }
            hash = fnv_word(hash, field.offset as u64);
            hash = fnv_word(hash, field.size as u64);
            f += 1;
        }
        hash = fnv_word(hash, t as u64);
        t += 1;
    }
    hash = fnv_word(hash, ring::SLOT_BYTES as u64);
    hash = fnv_word(hash, counters::CELL_BYTES as u64);
    fnv_word(hash, tallies::BLOCK_BYTES as u64)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// One step of FNV-1a, on words instead of bytes. For a fixed `hash` it is a bijection of `word`
/// (xor, then a product with an odd number), and the same holds the other way round: changing one
/// word of the input always changes the result.
const fn fnv_word(hash: u64, word: u64) -> u64 {
    // The rotation brings the high bits down, which a product alone never does.
    (hash ^ word).wrapping_mul(FNV_PRIME).rotate_left(29)
}

/// Checksum over all header words before the checksum itself.
pub const fn checksum(words: &[u64; HEADER_WORDS]) -> u64 {
    let mut hash = FNV_BASIS;
    let mut i = 0;
    while i < header::CHECKSUM {
        hash = fnv_word(hash, words[i]);
        i += 1;
    }
    hash
}

/// Length of a ring segment in bytes, before rounding up to huge pages.
pub const fn ring_bytes(slots: u32) -> usize {
    ring::SLOTS + slots as usize * ring::SLOT_BYTES
}

/// Length of a tallies segment in bytes.
pub const fn tallies_bytes(count: usize) -> usize {
    tallies::BLOCKS + count * tallies::BLOCK_BYTES
}

/// Longest segment of any kind, bytes: nothing larger is ever mapped.
pub const SEGMENT_BYTES_MAX: usize = ring_bytes(ring::SLOTS_MAX).next_multiple_of(HUGE_PAGE_BYTES);

/// In order, no overlap, aligned, within `from..to`.
const fn is_sound(table: &[Field], from: usize, to: usize) -> bool {
    let mut end = from;
    let mut i = 0;
    while i < table.len() {
        let field = table[i];
        if field.offset < end || field.size == 0 || !field.offset.is_multiple_of(WORD_BYTES) {
            return false;
        }
        end = field.offset + field.size;
        i += 1;
    }
    end <= to
}

const _: () = {
    assert!(is_sound(HEADER_FIELDS, 0, HEADER_BYTES));
    assert!(is_sound(RING_FIELDS, HEADER_BYTES, ring_bytes(1)));
    assert!(is_sound(POSITION_FIELDS, HEADER_BYTES, position::TOTAL_BYTES));
    assert!(is_sound(COUNTERS_FIELDS, HEADER_BYTES, counters::TOTAL_BYTES));
    assert!(is_sound(TALLIES_FIELDS, HEADER_BYTES, tallies_bytes(1)));
    // The picture above, number by number.
    assert!(header::LABEL * WORD_BYTES == 48);
    assert!(header::LAYOUT_HASH * WORD_BYTES == 64);
    assert!(header::CELL_BYTES * WORD_BYTES == 88);
    assert!(header::TICKS_PER_SECOND * WORD_BYTES == 112);
    assert!(header::OWNER_PID * WORD_BYTES == 136);
    assert!(header::LABEL_COUNT * WORD_BYTES == 152);
    assert!(header::FIELDS_END * WORD_BYTES == 160);
    assert!(header::FIELDS_END <= header::LABELS);
    assert!(header::LABELS * WORD_BYTES == 512);
    assert!(header::LABELS_END * WORD_BYTES == 2048);
    assert!(header::CHECKSUM * WORD_BYTES == 4088);
    assert!(ring::SLOTS == 8192);
    // One slot, one line; the stamp leads.
    assert!(ring::SLOT_BYTES == 64 && ring::SLOTS.is_multiple_of(ring::SLOT_BYTES));
    assert!(ring::PAYLOAD_WORDS == 7);
    // Live words: 128 bytes each, and the last one ends before the body.
    assert!(ring::HEARTBEAT - ring::CURSOR == 128 && ring::STATE - ring::HEARTBEAT == 128);
    assert!(ring::ERRORS - ring::STATE == 128 && ring::ERRORS + 128 <= ring::SLOTS);
    assert!(position::HEARTBEAT - position::POSITION == 128);
    assert!(position::FOREIGN + 128 <= position::TOTAL_BYTES);
    // Tallies: whole pages, and the picture's numbers.
    assert!(tallies::OVERFLOW * WORD_BYTES == 221_184);
    assert!(tallies::BLOCK_BYTES == 225_280 && tallies::BLOCK_BYTES.is_multiple_of(4096));
    assert!(tallies::TALLIES_MAX <= LABELS_MAX);
    assert!(LABEL_ENTRY_BYTES.is_multiple_of(WORD_BYTES) && SEGMENT_LABEL_BYTES == 2 * WORD_BYTES);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_word_changes_the_checksum() {
        let honest = core::array::from_fn(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let sum = checksum(&honest);
        for i in 0..header::CHECKSUM {
            for bit in [0, 1, 31, 63] {
                let mut changed = honest;
                changed[i] ^= 1 << bit;
                assert_ne!(checksum(&changed), sum, "word {i}, bit {bit}");
            }
        }
    }

    #[test]
    fn names_are_unique_within_their_table() {
        for table in [HEADER_FIELDS, RING_FIELDS, POSITION_FIELDS, COUNTERS_FIELDS, TALLIES_FIELDS]
        {
            let mut names: Vec<_> = table.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.len());
        }
    }
}
