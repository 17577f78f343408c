//! Zstd: several frames, skippable ones, cut ones, damaged ones, and ones that ask for too much.

mod data;

use std::fs;
use std::path::Path;
use tickspin_recording::container::{BUFFER_BYTES, Container, Stream, StreamEnd};

fn frame(bytes: &[u8], level: i32, checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), level).expect("an encoder");
    encoder.include_checksum(checksum).expect("a parameter");
    std::io::Write::write_all(&mut encoder, bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn skippable(number: u8, bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u32).to_le_bytes();
    [&[0x50 + number, 0x2A, 0x4D, 0x18][..], &len, bytes].concat()
}

/// Bytes that pack badly enough for many blocks.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 & 0x1F
    };
    (0..len).map(step).collect()
}

/// What a file of these bytes unpacks to, and how it ends.
fn unpack(bytes: &[u8]) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("recording");
    fs::write(&path, bytes).expect("the temporary folder is writable");
    let mut stream = Stream::open(&path).expect("it opens");
    assert_eq!(stream.container(), Container::Zstd);
    let first = drain(&mut stream);
    stream.rewind().expect("a file can be rewound");
    assert_eq!(stream.position(), 0);
    assert_eq!(drain(&mut stream), first);
    first
}

fn drain(stream: &mut Stream) -> (Vec<u8>, String) {
    let mut unpacked = Vec::new();
    while stream.fill(1) {
        unpacked.extend(stream.window());
        stream.take(stream.window().len());
        assert_eq!(stream.position(), unpacked.len() as u64);
    }
    let end = match stream.end().expect("it ended") {
        StreamEnd::Clean => "clean".into(),
        StreamEnd::Cut => "cut".into(),
        StreamEnd::Corrupt(rule) => rule.clone(),
        StreamEnd::Failed(error) => panic!("{error}"),
    };
    (unpacked, end)
}

#[test]
fn frames_follow_one_another_and_skippable_ones_hold_nothing() {
    let parts = [noise(300), vec![], noise(3_000_000), vec![9; 700_000], noise(1)];
    let mut file = skippable(3, b"in front");
    for (index, part) in parts.iter().enumerate() {
        file.extend(frame(part, [1, 19][index % 2], index % 2 == 0));
        file.extend(skippable(index as u8, &noise(index * 100_000)));
    }
    let (unpacked, end) = unpack(&file);
    assert_eq!(end, "clean");
    assert!(unpacked == parts.concat(), "{} bytes", unpacked.len());
    assert_eq!(unpack(&skippable(15, &[])), (vec![], "clean".into()));
}

#[test]
fn a_file_cut_at_any_byte_is_cut_unless_a_frame_ends_there() {
    let frames = [frame(b"one ", 3, true), skippable(0, b"skip"), frame(&noise(200), 3, false)];
    let whole = [&b"one "[..], &noise(200)].concat();
    let file = frames.concat();
    let mut ends: Vec<usize> = Vec::new();
    for frame in &frames {
        ends.push(ends.last().unwrap_or(&0) + frame.len());
    }
    for len in 4..=file.len() {
        let (unpacked, end) = unpack(&file[..len]);
        let expected = if ends.contains(&len) { "clean" } else { "cut" };
        assert_eq!(end, expected, "cut after {len} bytes");
        assert!(whole.starts_with(&unpacked));
        assert!(len < ends[0] || unpacked.starts_with(b"one "), "what is whole is delivered");
    }
}

#[test]
fn damage_takes_nothing_with_it_that_was_whole_before_it() {
    // Blocks of 128 KiB.
    let bytes = noise(1_000_000);
    let mut file = frame(&bytes, 3, true);
    let last = file.len() - 1;
    file[last] ^= 1;
    let (unpacked, end) = unpack(&file);
    assert_eq!(end, "zstd: Restored data doesn't match checksum");
    assert!(unpacked == bytes, "{} bytes", unpacked.len());
    file[last] ^= 1;

    let middle = file.len() / 2;
    file[middle..middle + 2_000].fill(0xFF);
    let (unpacked, end) = unpack(&file);
    assert!(end.starts_with("zstd: "), "{end}");
    assert!(unpacked.len() >= 3 * 128 * 1024 && bytes.starts_with(&unpacked[..3 * 128 * 1024]));

    let text = [frame(b"good", 3, true), b"and then text".to_vec()].concat();
    assert_eq!(unpack(&text), (b"good".to_vec(), "zstd: Unknown frame descriptor".into()));
}

#[test]
fn a_frame_that_asks_for_a_window_of_256_mib_is_refused_by_name() {
    // No checksum, no length, a window of 2^(10 + exponent), one raw block of a byte: the last.
    let asking = |exponent: u8| {
        [&[0x28, 0xB5, 0x2F, 0xFD, 0, exponent << 3][..], &[1 << 3 | 1, 0, 0, b'x']].concat()
    };
    assert_eq!(unpack(&asking(17)), (b"x".to_vec(), "clean".into()));
    for exponent in 18..=31 {
        let (unpacked, end) = unpack(&asking(exponent));
        assert_eq!((unpacked.len(), &end[..]), (0, "zstd: a frame's window is above 128 MiB"));
    }
}

#[test]
fn a_flipped_bit_changes_nothing_or_is_noticed() {
    let file = frame(b"some ticks, some more ticks, and some more of the ticks", 3, true);
    let (whole, _) = unpack(&file);
    for bit in 32..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (unpacked, end) = unpack(&flipped);
        // The flag that says whether there is a check is one bit, and then its bytes are no frame.
        assert!(end != "clean" || unpacked == whole, "bit {bit}");
    }
}

#[test]
fn skip_takes_more_than_the_buffer_holds_and_says_when_there_is_less() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("recording");
    let len = BUFFER_BYTES * 3 + 5;
    for container in [Container::Plain, Container::Zstd] {
        let bytes = noise(len);
        let file =
            if container == Container::Zstd { frame(&bytes, 1, true) } else { bytes.clone() };
        fs::write(&path, file).expect("the temporary folder is writable");
        let mut stream = Stream::open(&path).expect("it opens");
        assert_eq!(stream.peek(3), &bytes[..3]);
        assert!(stream.skip(len as u64 - 2));
        assert_eq!(stream.position(), len as u64 - 2);
        assert_eq!(stream.peek(3), &bytes[len - 2..]);
        assert!(!stream.skip(u64::MAX) && stream.window().is_empty());
        assert_eq!((stream.position(), stream.read_bytes()), (len as u64, len as u64));
        assert!(stream.skip(0));
    }
}

fn opened(path: &Path) -> Stream {
    Stream::open(path).expect("it opens")
}

#[test]
fn real_files_of_several_frames_unpack_to_their_end() {
    let Some(path) = data::path("dbn/corpus/multi-frame.definition.v1.dbn.frag.zst") else {
        return;
    };
    let packed = fs::read(&path).expect("readable");
    let frames = packed.windows(4).filter(|bytes| bytes == &[0x28, 0xB5, 0x2F, 0xFD]).count();
    let (unpacked, end) = drain(&mut opened(&path));
    // Whole definitions of version 1.
    assert_eq!((end.as_str(), unpacked.len() % 360), ("clean", 0));
    assert!(frames > 1 && !unpacked.is_empty(), "{frames} frames, {} bytes", unpacked.len());

    // A folder of files, packed and unpacked.
    for entry in fs::read_dir(path.parent().expect("its folder")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let mut stream = opened(&path);
        let expected = if name.ends_with(".zst") { Container::Zstd } else { Container::Plain };
        assert_eq!(stream.container(), expected, "{name}");
        assert_eq!(drain(&mut stream).1, "clean", "{name}");
    }
}

#[test]
fn the_metadata_and_the_records_of_a_real_recording_are_one_stream() {
    let Some(path) = data::path("dbn/es_mbo_20240508_2s.dbn.zst") else { return };
    let (unpacked, end) = drain(&mut opened(&path));
    assert_eq!((end.as_str(), unpacked.get(..3)), ("clean", Some(&b"DBN"[..])));
    let metadata =
        u32::from_le_bytes([unpacked[4], unpacked[5], unpacked[6], unpacked[7]]) as usize;
    assert_eq!(unpacked.len(), 8 + metadata + 13_796 * 56);
}
