//! The bytes of a fresh header equal the committed bytes. `BLESS=1` accepts new ones; then the
//! number of the interface in `layout.rs` must change too.

#![cfg(not(tickspin_loom))]
#![cfg(target_endian = "little")]

use std::{fmt::Write, fs::File, os::unix::fs::FileExt, path::Path};

use tickspin_ring::{
    PositionSegment, RingSegment, RingSpec, Share,
    counters::CounterSegment,
    layout::{self, HEADER_BYTES, HEADER_WORDS, header as at},
    region::{ClockWords, Policy},
    tally::TallySegment,
};

/// The header as the kernel holds it, with what differs from process to process set to 1 and the
/// checksum made right again.
fn header_of(share: Share<'_>) -> [u64; HEADER_WORDS] {
    let file = File::from(share.fd.try_clone_to_owned().unwrap());
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let mut words = [0; HEADER_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap());
    }
    assert_eq!(words[at::CHECKSUM], layout::checksum(&words));
    assert_eq!(words[at::OWNER_PID], u64::from(std::process::id()));
    assert_ne!(words[at::OWNER_START], 0);
    (words[at::OWNER_PID], words[at::OWNER_START], words[at::EPOCH]) =
        (1, 1, 0x0123_4567_89ab_cdef);
    words[at::CHECKSUM] = layout::checksum(&words);
    words
}

/// One line for each word that is not 0: its byte offset, and its eight bytes as they lie in
/// memory.
fn lines_of(title: &str, words: &[u64; HEADER_WORDS]) -> String {
    let mut text = format!("{title}\n");
    for (i, word) in words.iter().enumerate().filter(|&(_, &word)| word != 0) {
        let bytes = word.to_le_bytes();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let ascii: String =
            bytes.iter().map(|&b| if b.is_ascii_graphic() { b as char } else { '.' }).collect();
        writeln!(text, "{:4} {hex} {ascii}", i * 8).unwrap();
    }
    text
}

#[test]
fn fresh_headers_have_the_committed_bytes() {
    let ring = RingSegment::create(&RingSpec {
        label: "events",
        slots: 65_536,
        policy: Policy::Drop,
        epoch: 0x0123_4567_89ab_cdef,
        clock: ClockWords {
            ticks_per_second: 2_100_000_000,
            origin_ticks: 123_456_789,
            origin_realtime_ns: 1_700_000_000_000_000_000,
        },
        huge_pages: false,
    })
    .unwrap();
    let position = PositionSegment::create("events", 2).unwrap();
    let counters = CounterSegment::create("feed", &["sent", "exactly_twenty_four_long"]).unwrap();
    let tallies = TallySegment::create("engine", &["ring_wait", "tick_to_order"]).unwrap();
    let found = [
        lines_of("ring", &header_of(ring.share())),
        lines_of("position", &header_of(position.share())),
        lines_of("counters", &header_of(counters.share())),
        lines_of("tallies", &header_of(tallies.share())),
    ]
    .concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi/headers-1.0.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, committed, "the layout changed: another interface number, then BLESS=1");
    assert_eq!((layout::ABI_MAJOR, layout::ABI_MINOR), (1, 0), "the file is named after it");
}
