//! Real recordings, damaged in 300 ways each: a reader tells of an error or skips and counts; it never
//! panics, reads for ever, or allocates more than a few times what the file holds.
//!
//! What a fuzzer does for hours (`docs/fuzzing.md`), for seconds and on every machine. Of large files
//! the head is taken. Half of the damage to a packed file is done to what it unpacks to, where a
//! container's checksum does not stop it.

mod data;

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickspin_recording::container::Stream;
use tickspin_recording::{EventReader, RecordingError};
use tickspin_testkit::alloc::{self, CountingAllocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MUTATIONS: u64 = 300;
/// What is taken of a file.
const HEAD_BYTES: usize = 6 << 10;
/// Unpacked bytes that are read: a damaged file may become a bomb, which is only slow.
const UNPACKED_BYTES_MAX: u64 = 4 << 20;
/// One event a byte is more than any format has; a few are ours and of no byte.
const EVENTS_OF_NOTHING: u64 = 64;
/// Buffers of a reader, whatever it reads, and what is allocated for a byte of a recording at most,
/// all that was given back counted: text that is parsed.
const ALLOCATED_BYTES: u64 = 4 << 20;
const ALLOCATED_BYTES_PER_BYTE: u64 = 256;

/// Numbers without an end from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

/// Values that lengths and counts should never have.
const EXTREMES: [[u8; 8]; 6] = [
    [0; 8],
    [0xFF; 8],
    [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    [0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F],
    [0x80, 0, 0, 0, 0, 0, 0, 0],
    [1, 0, 0, 0, 0, 0, 0, 0x80],
];

fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        // Half of it near the front, where the headers are.
        let near = if random.next() & 1 == 0 { bytes.len() } else { bytes.len().min(128) };
        let at = random.below(near);
        let len = (random.below(64) + 1).min(bytes.len() - at);
        match random.below(6) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let copy = bytes[at..at + len].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => {
                let value = &EXTREMES[random.below(EXTREMES.len())];
                let width = (1 << random.below(4)).min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
        }
    }
    bytes
}

/// What reading to the end gave: events, a hash of them, what the error says.
type Outcome = (u64, u64, Option<String>);

fn read(reader: &mut dyn EventReader, events_max: u64) -> Outcome {
    let (mut events, mut hash) = (0, 0_u64);
    let error = loop {
        match reader.next_event() {
            Ok(Some(event)) => {
                events += 1;
                assert!(events <= events_max, "more than {events_max} events: does it end?");
                for word in event.to_words().into_iter().chain([reader.position()]) {
                    hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(7);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(told(&error)),
        }
    };
    for _ in 0..2 {
        assert!(matches!(reader.next_event(), Ok(None)), "an error is told once: {error:?}");
    }
    (events, hash, error)
}

fn told(error: &RecordingError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 1_000, "not a line: {text:?}");
    text
}

/// Bytes of `path` once unpacked; `None`: too many to be read here.
fn unpacked(path: &Path) -> Option<u64> {
    let mut stream = Stream::open(path).expect("it is there");
    while stream.fill(1) {
        if stream.read_bytes() > UNPACKED_BYTES_MAX {
            return None;
        }
        stream.take(stream.window().len());
    }
    Some(stream.read_bytes())
}

fn check(path: &Path, with_rewind: bool) {
    let Some(bytes) = unpacked(path) else { return };
    alloc::arm();
    match tickspin_recording::open(path) {
        Err(error) => drop(told(&error)),
        Ok(mut reader) => {
            let events_max = bytes + EVENTS_OF_NOTHING;
            let first = read(&mut *reader, events_max);
            if with_rewind {
                reader.rewind().expect("an open file can be rewound");
                assert_eq!(read(&mut *reader, events_max), first, "rewound, it gives the same");
            }
        }
    }
    let allocated = alloc::disarm().bytes;
    let most = ALLOCATED_BYTES + ALLOCATED_BYTES_PER_BYTE * bytes;
    assert!(allocated <= most, "{allocated} bytes allocated for {bytes}");
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// Every file below `folder` of the recorded data, damaged.
fn damage_all(folder: &str) {
    let Some(readme) = data::path("README.md") else { return };
    let mut files = Vec::new();
    walk(&readme.with_file_name(folder), &mut files);
    files.sort();
    assert!(!files.is_empty(), "{folder}: no recordings");
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("damaged");
    for (number, file) in files.iter().enumerate() {
        let raw = fs::read(file).expect("readable");
        let head = |bytes: &[u8]| bytes[..bytes.len().min(HEAD_BYTES)].to_vec();
        let mut stream = Stream::open(file).expect("readable");
        let kinds = [head(&raw), head(stream.peek(HEAD_BYTES))];
        for mutation in 0..MUTATIONS {
            let seed = (number as u64) << 32 | mutation;
            let bytes = damaged(&kinds[(mutation & 1) as usize], &mut Random(seed));
            fs::write(&path, bytes).expect("writable");
            let outcome = std::panic::catch_unwind(|| check(&path, mutation % 8 == 0));
            if let Err(panic) = outcome {
                eprintln!("{}: mutation {mutation}, left in the folder below", file.display());
                eprintln!("{:?}", scratch.keep());
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[test]
fn itch_and_captures_of_it() {
    damage_all("itch");
}

#[test]
fn iex() {
    damage_all("iex");
}

#[test]
fn databento() {
    damage_all("dbn");
}

#[test]
fn binance() {
    damage_all("binance");
}

#[test]
fn lobster() {
    damage_all("lobster");
}
