//! Fills the corpus of every fuzz target from real recordings, which are never copied anywhere else.
//!
//! The folder is `TICKSPIN_DATA`, by default `shared/data` beside the workspace; the corpora are
//! ignored by git. Of each file the heads are taken, as they are, unpacked, and packed anew: a fuzzer
//! finds little in long inputs.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use tickspin_recording::capture::{Capture, CaptureFormat};
use tickspin_recording::container::Stream;
use tickspin_recording::tape::Record;
use tickspin_recording::{TapeHead, TapeWriter};
use tickspin_wire::binaryfile::Records;
use tickspin_wire::net::{self, Link};
use tickspin_wire::num::Side;
use tickspin_wire::{Event, Kind};

const SHORT_BYTES: usize = 4 << 10;
const LONG_BYTES: usize = 48 << 10;
/// Of one kind: more of the same teach nothing.
const OF_A_KIND: usize = 3;

fn main() -> io::Result<()> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = match env::var_os("TICKSPIN_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => ours.join("../../../../shared/data"),
    };
    let mut files = Vec::new();
    walk(&data, &mut files);
    files.sort();
    if files.is_empty() {
        println!("ABSENT recorded data: the fuzz targets begin without seeds");
    }
    let mut corpus = Corpus { recording: ours.join("corpus"), ..Corpus::default() };
    corpus.wire = ours.join("../../wire/fuzz/corpus");
    for path in &files {
        corpus.file(path)?;
    }
    for is_ended in [false, true] {
        corpus.put("tape", &tape(is_ended))?;
        corpus.put("open", &tape(is_ended))?;
    }
    // Steps of the targets that write their own recordings.
    corpus.put("sessions", &[0x30, 0x31, 0x34, 0x35, 0x30, 0x36, 0x31, 0xC0, 0x50, 0x10, 0x11])?;
    corpus.put("tape_writer", &[0xFF, 0xFF, 70, 0, 1, 1, 40, 41, 0, 42, 3, 43, 44, 0, 2, 45])?;
    corpus.put("words", &(0..56).collect::<Vec<u8>>())?;
    println!("{} seeds from {} files", corpus.count, files.len());
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Results, not recordings.
            if path.file_name().is_none_or(|name| name != "expected") {
                walk(&path, files);
            }
        } else if path.extension().is_none_or(|end| end != "md") {
            files.push(path);
        }
    }
}

#[derive(Default)]
struct Corpus {
    recording: PathBuf,
    wire: PathBuf,
    /// Seeds of a kind so far.
    kinds: BTreeMap<String, usize>,
    count: usize,
}

impl Corpus {
    /// A seed of a target. Its name is made from its bytes: seeding again changes nothing.
    fn put(&mut self, target: &str, bytes: &[u8]) -> io::Result<()> {
        let of_wire = ["itch50", "binaryfile", "moldudp64", "iex", "net", "words"];
        let root = if of_wire.contains(&target) { &self.wire } else { &self.recording };
        let folder = root.join(target);
        fs::create_dir_all(&folder)?;
        let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325, mix);
        self.count += 1;
        fs::write(folder.join(format!("seed-{hash:016x}")), bytes)
    }

    /// The same, a few of each kind.
    fn some(&mut self, target: &str, kind: &str, bytes: &[u8]) -> io::Result<()> {
        let count = self.kinds.entry(format!("{target} {kind}")).or_default();
        *count += 1;
        if *count > OF_A_KIND { Ok(()) } else { self.put(target, bytes) }
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let raw = head(&fs::read(path)?, LONG_BYTES).to_owned();
        let Ok(mut stream) = Stream::open(path) else { return Ok(()) };
        let plain = stream.peek(LONG_BYTES).to_owned();
        let short = lines(&plain, SHORT_BYTES).to_owned();
        let packed = [gzip(&short), zstd(&short)];
        let mut whole = vec![short.clone()];
        if plain.len() > SHORT_BYTES {
            whole.push(lines(&plain, LONG_BYTES).to_owned());
        }
        for bytes in whole.iter().chain([&raw]).chain(&packed) {
            self.put("open", bytes)?;
        }
        for (mode, bytes) in [(0, &raw), (1, &short), (2, &short), (0, &packed[0]), (0, &packed[1])]
        {
            self.put("container", &[&[mode, 2][..], head(bytes, SHORT_BYTES)].concat())?;
        }
        let half = lines(&short, SHORT_BYTES / 2);
        for relation in [0, 1] {
            let at = (half.len() as u16).to_le_bytes();
            self.put("merge", &[&[relation, at[0], at[1]][..], half, half].concat())?;
        }
        match &plain[..] {
            bytes if CaptureFormat::of(bytes).is_some() => {
                for bytes in &whole {
                    self.put("capture", bytes)?;
                    self.put("packets", bytes)?;
                }
                self.packets(path)
            }
            bytes if path.extension().is_some_and(|end| end == "itch50") => {
                self.put("itch", &short)?;
                self.put("binaryfile", &[&[3], &short[..]].concat())?;
                for record in Records::new(bytes).flatten() {
                    let kind = char::from(*record.first().unwrap_or(&0)).to_string();
                    self.some("itch50", &kind, record)?;
                }
                Ok(())
            }
            _ => self.others(path, &whole),
        }
    }

    /// Formats that are known by their folder here, and by their content to the reader.
    fn others(&mut self, path: &Path, whole: &[Vec<u8>]) -> io::Result<()> {
        for target in ["dbn", "binance", "lobster"] {
            if path.iter().any(|part| part == target) {
                for bytes in whole {
                    self.put(target, bytes)?;
                }
            }
        }
        Ok(())
    }

    fn packets(&mut self, path: &Path) -> io::Result<()> {
        let Ok(mut capture) = Capture::open(path) else { return Ok(()) };
        for _ in 0..2_000 {
            let Ok(Some(packet)) = capture.next_packet() else { break };
            if packet.link != Link::Ethernet {
                continue;
            }
            let bytes = packet.bytes.to_owned();
            // Links by their number in the target: Ethernet 0, raw IP 2.
            self.some("net", &bytes.len().to_string(), &[&[0], &bytes[..]].concat())?;
            if let Some(ip) = bytes.get(14..) {
                self.some("net", "raw", &[&[2], ip].concat())?;
            }
            let Ok(datagram) = net::datagram(Link::Ethernet, &bytes) else { continue };
            let payload = datagram.payload;
            let target = if payload.first() == Some(&1) { "iex" } else { "moldudp64" };
            let kind = (payload.len() / 16).to_string();
            self.some(target, &kind, payload)?;
        }
        Ok(())
    }
}

/// A recording of ours: three blocks, a hole before the last.
fn tape(is_ended: bool) -> Vec<u8> {
    let mut writer = TapeWriter::new(Vec::new(), &TapeHead::default()).expect("memory");
    for seq in [1, 2, 3, 4, 9, 10] {
        let kind_side = Event::pack(Kind::Add, Side::Bid);
        let event = Event { order_id: seq, kind_side, ..Event::EMPTY };
        writer.append(seq, Record { event, recorded_ticks: seq }).expect("memory");
        if seq == 2 {
            writer.flush().expect("memory");
        }
    }
    let mut bytes = writer.finish(0).expect("memory");
    if !is_ended {
        bytes.truncate(bytes.len() - 32);
    }
    bytes
}

fn head(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

/// Whole lines where it is text: a cut one would be all that a mutation has to work with.
fn lines(bytes: &[u8], most: usize) -> &[u8] {
    let head = head(bytes, most);
    match head.iter().rposition(|&byte| byte == b'\n') {
        Some(end) if head.is_ascii() => &head[..=end],
        _ => head,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write::GzEncoder};
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    io::Write::write_all(&mut encoder, bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    [one, two].map(|half| zstd::bulk::compress(half, 1).expect("memory")).concat()
}
