//! Every ITCH recording in the data folder gives its expected counts, plain and compressed alike.

mod data;

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickspin_recording::{Container, EventReader, ItchFile};
use tickspin_wire::binaryfile::Records;
use tickspin_wire::{Event, Kind, normalize};

const FILES: [(&str, u64); 5] = [
    ("itch/aapl_20190130_first3000.itch50", 3_000),
    ("itch/nasdaq_day_head_1000.itch50", 1_000),
    ("itch/nasdaq_20230822.itch50", 111),
    ("itch/bx_20230822.itch50", 56),
    ("itch/psx_20230822.itch50", 51),
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("the temporary folder is writable");
    path
}

fn events(file: &mut ItchFile) -> Vec<Event> {
    std::iter::from_fn(|| file.next_event().expect("the file is whole")).collect()
}

/// The same without a reader: the file in memory.
fn expected(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).expect("readable");
    Records::new(&bytes)
        .map(|record| normalize::itch_event(record.expect("whole")).expect("a real message"))
        .collect()
}

#[test]
fn every_recording_gives_its_messages_as_events() {
    for (name, messages) in FILES {
        let Some(path) = data::path(name) else { return };
        let mut file = ItchFile::open(&path).expect("a recording");
        assert_eq!(file.container(), Container::Plain);
        assert_eq!(events(&mut file), expected(&path), "{name}");
        assert_eq!((file.messages(), file.records()), (messages, messages), "{name}");
        assert_eq!((file.skipped(), file.counts().reserved_locates()), (0, 0), "{name}");
        assert!(!file.truncated() && !file.has_end_marker(), "{name}");
        assert_eq!(file.raw(), b"", "no message is current behind the end");
    }
}

#[test]
fn messages_are_counted_by_type() {
    let Some(path) = data::path("itch/nasdaq_day_head_1000.itch50") else { return };
    let mut file = ItchFile::open(path).expect("a recording");
    events(&mut file);
    let counts: Vec<_> = file.counts().by_type().collect();
    assert_eq!(counts, [(b'H', 3), (b'R', 993), (b'S', 1), (b'Y', 3)]);
    assert_eq!((file.counts().of(b'R'), file.counts().of(b'A')), (993, 0));
}

#[test]
fn a_gzip_recording_is_found_by_content_in_one_member_or_many() {
    let Some(path) = data::path(FILES[0].0) else { return };
    let (bytes, expected) = (fs::read(&path).expect("readable"), expected(&path));
    let folder = tempfile::tempdir().expect("temporary folder");
    let one = gzip(&bytes);
    // Members need not end where records do.
    let mut many = Vec::new();
    bytes.chunks(7_777).for_each(|piece| many.extend(gzip(piece)));
    for (name, packed) in [("one.itch50", one), ("many.pcap", many)] {
        let mut file = ItchFile::open(written(&folder, name, &packed)).expect("a recording");
        assert_eq!(file.container(), Container::Gzip);
        assert_eq!(events(&mut file), expected, "{name}");
        assert!(!file.truncated());
    }
    let plain = written(&folder, "plain.gz", &bytes);
    let mut file = ItchFile::open(plain).expect("the name does not matter");
    assert_eq!((file.container(), events(&mut file)), (Container::Plain, expected));
}

#[test]
fn a_recording_larger_than_the_buffer_passes_through_it() {
    let Some(path) = data::path(FILES[0].0) else { return };
    let bytes = fs::read(&path).expect("readable");
    let folder = tempfile::tempdir().expect("temporary folder");
    let large = bytes.repeat(40);
    assert!(large.len() > 5 * tickspin_recording::container::BUFFER_BYTES);
    let expected = expected(&path).repeat(40);
    for (name, bytes) in [("large", large.clone()), ("large.gz", gzip(&large))] {
        let mut file = ItchFile::open(written(&folder, name, &bytes)).expect("a recording");
        assert!(events(&mut file) == expected, "{name}: other events than those of the pieces");
        assert_eq!(file.messages(), 120_000);
    }
}

#[test]
fn a_rewound_recording_gives_the_same_again_even_when_its_name_is_gone() {
    let Some(path) = data::path(FILES[2].0) else { return };
    let (bytes, expected) = (fs::read(&path).expect("readable"), expected(&path));
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, bytes) in [("plain", bytes.clone()), ("gzip", gzip(&bytes))] {
        let path = written(&folder, name, &bytes);
        let mut file: Box<dyn EventReader> = Box::new(ItchFile::open(&path).expect("a recording"));
        fs::remove_file(&path).expect("removable");
        for stop_at in [3, usize::MAX, 0, usize::MAX] {
            let mut events = Vec::new();
            while events.len() < stop_at {
                match file.next_event().expect("the file is whole") {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
            assert_eq!(events, expected[..expected.len().min(stop_at)], "{name}");
            assert_eq!(file.facts().messages, events.len() as u64);
            file.rewind().expect("a file can be rewound");
            assert_eq!(file.facts().messages, 0);
        }
    }
}

#[test]
fn a_message_its_bytes_and_its_event_belong_together() {
    let Some(path) = data::path(FILES[3].0) else { return };
    let mut file = ItchFile::open(path).expect("a recording");
    assert_eq!((file.raw(), file.message()), (&b""[..], None));
    let mut adds = 0;
    while let Some(message) = file.next_message().expect("the file is whole") {
        assert_eq!(file.raw()[0], message.kind());
        let event = normalize::itch_event(file.raw()).expect("a message");
        assert_eq!(event.exchange_ns, message.header().timestamp_ns);
        adds += u64::from(event.kind() == Some(Kind::Add));
    }
    assert_eq!(adds, file.counts().of(b'A') + file.counts().of(b'F'));
    assert!(adds > 0);
}
