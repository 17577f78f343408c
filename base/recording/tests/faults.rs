//! What is wrong with a file is said in one line, after everything whole in it was handed out.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;
use tickspin_recording::{Container, Damage, Fault, ItchFile, RecordingError};
use tickspin_wire::binaryfile::{PREFIX_BYTES, write_record};
use tickspin_wire::itch50::{AddOrder, Alpha, Header, OrderDelete, SystemEvent};

const HEADER: Header = Header { locate: 1, tracking: 0, timestamp_ns: 34_200_000_000_000 };

fn framed(record: &[u8]) -> Vec<u8> {
    let mut out = vec![0; PREFIX_BYTES + record.len()];
    write_record(record, &mut out).expect("a record that can be framed");
    out
}

/// A message of its own for each order, so that bytes that are lost or doubled show.
fn add(order_ref: u64) -> Vec<u8> {
    let mut bytes = [0; AddOrder::LENGTH];
    let (side, stock) = (b'B', Alpha(*b"AAPL    "));
    AddOrder { header: HEADER, order_ref, side, shares: 100, stock, price_1e4: 1_627_500 }
        .encode(&mut bytes);
    framed(&bytes)
}

/// A system event, two adds and a delete: 14 + 38 + 38 + 21 bytes.
fn small() -> Vec<Vec<u8>> {
    let mut system = [0; SystemEvent::LENGTH];
    SystemEvent { header: HEADER, event: b'O' }.encode(&mut system);
    let mut delete = [0; OrderDelete::LENGTH];
    OrderDelete { header: HEADER, order_ref: 1 }.encode(&mut delete);
    vec![framed(&system), add(1), add(2), framed(&delete)]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn written(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("recording");
    fs::write(&path, bytes).expect("the temporary folder is writable");
    path
}

/// Reads to the end: how many messages, and the error, which must come last and only once.
fn read(bytes: &[u8]) -> Result<(u64, Option<RecordingError>), RecordingError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut file = ItchFile::open(written(&folder, bytes))?;
    let mut events = 0;
    let error = loop {
        match file.next_event() {
            Ok(Some(_)) => events += 1,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!((file.messages(), file.truncated()), (events, error.is_some()));
    assert!(file.next_event().expect("an error is told once").is_none());
    Ok((events, error))
}

fn refused(bytes: &[u8]) -> RecordingError {
    match read(bytes) {
        Err(error) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            error
        }
        Ok(outcome) => panic!("opened: {outcome:?}"),
    }
}

#[test]
fn a_plain_file_cut_at_any_byte_gives_the_whole_records_and_names_the_place() {
    let records = small();
    let file = records.concat();
    for len in 1..=file.len() {
        let mut whole = (0, 0);
        for record in &records {
            if whole.1 + record.len() > len {
                break;
            }
            whole = (whole.0 + 1, whole.1 + record.len());
        }
        let (messages, error) = read(&file[..len]).expect("the beginning of a recording opens");
        assert_eq!(messages, whole.0, "cut after {len} bytes");
        match error {
            None => assert_eq!(whole.1, len, "the cut after {len} bytes went unnoticed"),
            Some(error) => {
                assert!(error.is_damage());
                let Fault::Cut(damage) = error.fault() else { panic!("{error}") };
                let (container, offset) = (Container::Plain, len as u64);
                let partial = offset - whole.1 as u64;
                assert_eq!(*damage, Damage { container, record: whole.0, partial, offset });
            }
        }
    }
}

#[test]
fn a_gzip_file_cut_at_any_byte_never_passes_for_whole() {
    let file = gzip(&small().concat());
    for len in 1..file.len() {
        match read(&file[..len]) {
            Ok((messages, error)) => {
                let error = error.unwrap_or_else(|| panic!("cut after {len} bytes, unnoticed"));
                assert!(matches!(error.fault(), Fault::Cut(_)), "{error}");
                assert!(messages <= 4);
            }
            Err(error) if len == 1 => assert!(matches!(error.fault(), Fault::Foreign { .. })),
            Err(error) => assert!(matches!(error.fault(), Fault::Cut(_)), "{len}: {error}"),
        }
    }
    assert!(matches!(read(&file), Ok((4, None))));
}

#[test]
fn a_cut_gzip_file_gives_what_was_whole_before_the_cut() {
    let adds: Vec<u8> = (0..5_000).flat_map(add).collect();
    let file = gzip(&adds);
    let (messages, error) = read(&file[..file.len() - 9]).expect("opens");
    assert_eq!(messages, 5_000, "only the trailer's checks are missing, or a byte before them");
    let error = error.expect("the cut is noticed");
    assert!(matches!(error.fault(), Fault::Cut(_)), "{error}");
    let (messages, error) = read(&file[..file.len() / 2]).expect("opens");
    assert!((1_000..4_000).contains(&messages), "{messages} messages from half of the file");
    let line = error.expect("the cut is noticed").to_string();
    assert!(line.contains("of what gzip unpacked; the ") && line.contains(" whole records"));
}

#[test]
fn a_corrupt_gzip_stream_is_an_error_behind_what_came_before() {
    let adds: Vec<u8> = (0..50_000).flat_map(add).collect();
    let mut file = gzip(&adds);
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    let (messages, error) = read(&file).expect("opens");
    assert_eq!(messages, 50_000, "the checksum stands behind the data");
    let error = error.expect("a wrong checksum is noticed");
    assert!(matches!(error.fault(), Fault::Corrupt { .. }) && error.is_damage(), "{error}");
    file[checksum] ^= 1;

    // A block of the reserved type in the middle of a stream: a second member that has one.
    file.extend([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF]);
    let (messages, error) = read(&file).expect("opens");
    assert_eq!(messages, 50_000, "everything before the damage");
    let error = error.expect("a reserved block type is noticed");
    assert!(matches!(error.fault(), Fault::Corrupt { .. }), "{error}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_gzip_file_changes_nothing_or_is_noticed() {
    let file = gzip(&small().concat());
    let mut noticed = 0;
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped) {
            Ok((messages, None)) => assert_eq!(messages, 4, "bit {bit}"),
            Ok((_, Some(error))) | Err(error) => {
                assert!(!error.to_string().is_empty());
                noticed += 1;
            }
        }
    }
    // Time stamp, flags and system in the header mean nothing for the content: 7 bytes at most.
    assert!(noticed >= (file.len() - 7) * 8, "{noticed} of {}", file.len() * 8);
}

#[test]
fn gzip_of_garbage_and_garbage_after_the_gzip_magic_are_refused() {
    let text = gzip(b"HTTP/1.1 404 Not Found\r\n\r\n");
    let line = refused(&text).to_string();
    assert!(line.contains(": not an ITCH BinaryFILE: record 0 has length 18516"), "{line}");
    let broken = [&[0x1F, 0x8B, 9][..], &[7; 40]].concat();
    assert!(matches!(refused(&broken).fault(), Fault::Corrupt { .. }));
    let twice = gzip(&gzip(&small().concat()));
    assert!(refused(&twice).to_string().ends_with("it looks like gzip within gzip"));
}

#[test]
fn empty_files_are_called_empty() {
    for (bytes, container) in [
        (vec![], Container::Plain),
        (vec![0, 0], Container::Plain),
        (gzip(&[]), Container::Gzip),
        (gzip(&[0, 0]), Container::Gzip),
    ] {
        let error = refused(&bytes);
        let Fault::Empty { container: found } = error.fault() else { panic!("{error}") };
        assert_eq!(*found, container);
        assert!(error.to_string().contains(": empty: "), "{error}");
    }
}

#[test]
fn foreign_files_are_refused_with_the_rule_they_broke() {
    let cases: [(&[u8], &str); 9] = [
        (
            b"HTTP/1.1 200 OK\r\n",
            "not an ITCH BinaryFILE: record 0 has length 18516 and type 'T', which is no message",
        ),
        (b"#!/bin/sh\necho no\n", "record 0 has length 8993 and type '/'"),
        (&[0; 4096], "record 0 has length 0 and is not the file's end"),
        (&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0], "it looks like a pcap capture"),
        (&[0xFD, b'7', b'z', b'X', b'Z', 0], "it looks like xz"),
        (b"DBN\x03\0\0\0\0", "it looks like Databento DBN"),
        (&[0, 13, b'S'], "record 0 has length 13, a message of type 'S' has 12"),
        (&[0, 99], "record 0 has length 99, which no message has"),
        (b"7", "record 0 has a length above 255, which no message has"),
    ];
    for (bytes, expected) in cases {
        let line = refused(bytes).to_string();
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn the_framing_of_another_protocol_is_refused_although_some_of_its_types_have_our_lengths() {
    // OUCH-like: the letters are ours, the lengths are not.
    let mut file = small().concat();
    for len in [33, 47, 28, 40, 27] {
        let mut record = vec![b'A'; len];
        record[0] = b'U';
        file.extend(framed(&record));
    }
    let line = refused(&file).to_string();
    assert!(line.contains("record 4 has length 33, a message of type 'U' has 35"), "{line}");
}

#[test]
fn what_follows_the_end_marker_is_not_parsed() {
    let mut file = small().concat();
    file.extend([0, 0]);
    file.extend([0xFF; 1000]);
    assert!(matches!(read(&file), Ok((4, None))));
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut reader = ItchFile::open(written(&folder, &file)).expect("a recording");
    while reader.advance().expect("whole") {}
    assert!(reader.has_end_marker());
    // A container is still read to its end, for its own check.
    let packed = gzip(&file);
    assert!(matches!(read(&packed), Ok((4, None))));
    let Ok((4, Some(error))) = read(&packed[..packed.len() - 1]) else { panic!("cut, unnoticed") };
    assert!(error.to_string().contains(": cut before record 4 at byte 1,113 of what"), "{error}");
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("an option");
    encoder.write_all(&file).expect("memory");
    let mut packed = encoder.finish().expect("memory");
    assert!(matches!(read(&packed), Ok((4, None))));
    *packed.last_mut().expect("a checksum") ^= 1;
    let Ok((4, Some(error))) = read(&packed) else { panic!("damaged, unnoticed") };
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn unknown_types_and_lengths_are_stepped_over_and_counted_apart() {
    let mut file = small().concat();
    file.extend(framed(b"~a type of next year"));
    file.extend(framed(&[b'D'; 25]));
    file.extend(framed(&[b'z'; 60_000]));
    file.extend(add(9));
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut reader = ItchFile::open(written(&folder, &file)).expect("mostly known");
    let mut last = None;
    while let Some(event) = reader.next_event().expect("whole") {
        last = Some(event.order_id);
    }
    assert_eq!(last, Some(9), "the message behind the unknown ones");
    let counts = reader.counts();
    assert_eq!((counts.unknown_types(), counts.unexpected_lengths()), (2, 1));
    assert_eq!((reader.messages(), reader.records(), reader.skipped()), (5, 8, 3));
}

#[test]
fn messages_with_the_locate_of_all_instruments_are_counted() {
    let mut record = add(1);
    record[PREFIX_BYTES + 1..PREFIX_BYTES + 3].fill(0xFF);
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = [small().concat(), record].concat();
    let mut reader = ItchFile::open(written(&folder, &file)).expect("a recording");
    while reader.advance().expect("whole") {}
    assert_eq!((reader.messages(), reader.counts().reserved_locates()), (5, 1));
}

#[test]
fn missing_files_folders_and_forbidden_files_are_told_apart() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let missing = ItchFile::open(folder.path().join("nothing")).expect_err("there is none");
    assert!(matches!(missing.fault(), Fault::Missing));
    assert!(missing.to_string().ends_with("/nothing: no such file"), "{missing}");
    let directory = ItchFile::open(folder.path()).expect_err("a folder is no recording");
    assert!(matches!(directory.fault(), Fault::Io { .. }), "{directory}");

    use std::os::unix::fs::PermissionsExt;
    let path = written(&folder, &small().concat());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("our own file");
    match ItchFile::open(&path) {
        Err(error) => assert!(error.is_permission(), "{error}"),
        Ok(_) => eprintln!("SKIPPED: this user may read everything, so no file is forbidden"),
    }
}
