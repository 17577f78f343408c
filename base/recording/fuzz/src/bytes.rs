//! What recordings are wrapped in.

use crate::readers::one_line;
use crate::scratch::Scratch;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use tickspin_recording::Capture;
use tickspin_recording::container::{BUFFER_BYTES, Container, Stream, StreamEnd};
use tickspin_wire::net;

/// The same bytes however they are asked for, from whatever they are wrapped in.
///
/// The first two bytes say what is done: nothing, gzip members, zstd frames; and in what steps.
pub fn container(data: &[u8]) {
    let Some((&[mode, step], bytes)) = data.split_first_chunk() else { return };
    let (packed, known) = match mode % 3 {
        0 => (bytes.to_owned(), None),
        1 => (pieces(bytes, step, gzip), Some(Container::Gzip)),
        _ => (pieces(bytes, step, zstd), Some(Container::Zstd)),
    };
    let file = Scratch::new(0, &packed);
    if file.unpacked_bytes().is_none() {
        return;
    }
    let mut stream = Stream::open(file.path()).expect("it is there");
    let whole = read(&mut stream, 1);
    if let Some(container) = known
        && !packed.is_empty()
    {
        assert_eq!(stream.container(), container);
        assert_eq!(whole, (bytes.to_owned(), "Clean".to_owned()));
    }
    if stream.container() == Container::Plain {
        assert_eq!(whole.0, packed);
    }
    stream.rewind().expect("a file");
    assert_eq!(read(&mut stream, usize::from(step) * 97 + 1), whole, "in steps of another size");
    stream.rewind().expect("a file");
    let half = whole.0.len() / 2;
    assert!(stream.skip(half as u64));
    assert_eq!(stream.position(), half as u64);
    assert_eq!(read(&mut stream, BUFFER_BYTES), (whole.0[half..].to_owned(), whole.1), "skipped");
}

/// All bytes, `needed` at a time, and how they end.
fn read(stream: &mut Stream, needed: usize) -> (Vec<u8>, String) {
    let mut bytes = Vec::new();
    loop {
        let is_filled = stream.fill(needed);
        let window = stream.window();
        assert_eq!(is_filled, window.len() >= needed);
        let count = if is_filled { needed } else { window.len() };
        bytes.extend_from_slice(&window[..count]);
        let before = stream.position();
        stream.take(count);
        assert_eq!(stream.position(), before + count as u64);
        assert!(stream.read_bytes() >= stream.position());
        if !is_filled {
            break;
        }
    }
    assert!(!stream.fill(1) && stream.window().is_empty(), "the end stays the end");
    let end = match stream.end().expect("it is at its end") {
        StreamEnd::Clean => "Clean".to_owned(),
        StreamEnd::Cut => "Cut".to_owned(),
        StreamEnd::Corrupt(rule) => rule.clone(),
        StreamEnd::Failed(error) => panic!("a file in memory fails: {error}"),
    };
    (bytes, end)
}

/// `bytes` packed in one piece or in several, one behind the other.
fn pieces(bytes: &[u8], step: u8, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    if bytes.is_empty() {
        return pack(bytes);
    }
    bytes.chunks(bytes.len().div_ceil(usize::from(step % 4) + 1)).flat_map(pack).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).expect("memory")
}

/// Packets lie in the file, are numbered, and come again after a rewind.
pub fn capture(data: &[u8]) {
    let file = Scratch::new(0, data);
    let Some(unpacked) = file.unpacked_bytes() else { return };
    let mut capture = match Capture::open(file.path()) {
        Ok(capture) => capture,
        Err(error) => return one_line(&error),
    };
    let first = packets(&mut capture, unpacked);
    let counts = *capture.counts();
    capture.rewind().expect("it opened before");
    assert_eq!(packets(&mut capture, unpacked), first, "rewound, it gives the same");
    assert_eq!(*capture.counts(), counts);
}

fn packets(capture: &mut Capture, unpacked: u64) -> (u64, u64, Option<String>) {
    let (mut number, mut bytes, mut times) = (0, 0, 0_u64);
    let error = loop {
        match capture.next_packet() {
            Ok(Some(packet)) => {
                assert_eq!(packet.number, number);
                number += 1;
                bytes += packet.bytes.len() as u64;
                times = times.rotate_left(7) ^ packet.capture_ns.unwrap_or(-1).cast_unsigned();
                let _ = net::datagram(packet.link, packet.bytes);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(capture.next_packet(), Ok(None)), "an error is told once, then it is over");
    let counts = capture.counts();
    assert_eq!(counts.packets, number);
    assert!(bytes + 16 * number <= unpacked, "{number} packets, {bytes} bytes of {unpacked}");
    assert!(counts.snapped <= number && counts.reversals < number.max(1), "{counts:?}");
    assert_eq!(capture.truncated(), error.is_some());
    error.iter().for_each(one_line);
    (number, times, error.map(|error| error.to_string()))
}
