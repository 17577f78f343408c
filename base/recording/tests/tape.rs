//! Our own recording: what was written reads back, whatever happened to the tail.

use std::io::{self, Write};
use std::path::Path;
use tickspin_recording::tape::Record;
use tickspin_recording::{Fault, Protocol, TapeHead, TapeWriter, open};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const HEAD: TapeHead = TapeHead {
    protocol: Protocol::Itch50,
    epoch: 0xABCD,
    ticks_per_second: 2_600_000_000,
    anchor_ticks: 5,
    anchor_ns: 1_700_000_000_000_000_000,
};

fn record(n: u64) -> Record {
    let event = Event {
        exchange_ns: 1_000 + n,
        sent_ticks: 50 * n,
        px: Px(n as i64 * 1_000_000),
        qty: Qty(n % 7 + 1),
        order_id: n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        second_id: n,
        lag_ticks: n as u32 % 100,
        instrument: InstrumentId(n as u16 % 5),
        kind_side: Event::pack(Kind::Add, if n.is_multiple_of(2) { Side::Bid } else { Side::Ask }),
        flags: flag::COMPLETE,
    };
    Record { event, recorded_ticks: 50 * n + 7 }
}

/// A recording of the sequences, a block ended after each `every`.
fn tape(seqs: impl Iterator<Item = u64>, every: usize, is_ended: bool) -> Vec<u8> {
    let mut writer = TapeWriter::new(Vec::new(), &HEAD).unwrap();
    let mut bytes = 0;
    for (index, seq) in seqs.enumerate() {
        writer.append(seq, record(seq)).unwrap();
        if (index + 1) % every == 0 {
            writer.flush().unwrap();
        }
        bytes = index;
    }
    writer.flush().unwrap();
    assert!(writer.written() as usize == bytes + 1);
    let whole = writer.finish(0).unwrap();
    let end = if is_ended { 0 } else { 32 };
    whole[..whole.len() - end].to_vec()
}

/// Events, and how it ended.
fn read(bytes: &[u8]) -> (Vec<Event>, Result<(), String>, u64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read_file(file.path())
}

fn read_file(path: &Path) -> (Vec<Event>, Result<(), String>, u64) {
    let mut reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error.to_string()), 0),
    };
    let mut events = Vec::new();
    loop {
        match reader.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, Ok(()), reader.facts().skipped()),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                assert!(matches!(reader.next_event(), Ok(None)), "told once, then the end");
                return (events, Err(error.to_string()), reader.facts().skipped());
            }
        }
    }
}

fn events(seqs: impl Iterator<Item = u64>) -> Vec<Event> {
    seqs.map(|seq| record(seq).event).collect()
}

#[test]
fn what_was_written_reads_back_with_both_times() {
    let bytes = tape(1..=2_000, 300, true);
    let (read, end, skipped) = read(&bytes);
    assert_eq!((read, end, skipped), (events(1..=2_000), Ok(()), 0));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let mut reader = open(file.path()).unwrap();
    for seq in 1..=2_000 {
        assert_eq!(reader.next_event().unwrap(), Some(record(seq).event));
        assert_eq!(reader.position(), seq);
    }
    assert_eq!(reader.next_event().unwrap(), None);
    let facts = reader.facts();
    assert_eq!((facts.protocol, facts.messages), (Protocol::Itch50, 2_000));
    assert_eq!((facts.sessions[0].first, facts.sessions[0].last), (1, 2_000));
    assert!(facts.sessions[0].is_ended && !facts.truncated);
    reader.rewind().unwrap();
    assert_eq!(reader.next_event().unwrap(), Some(record(1).event));
}

#[test]
fn cut_at_any_byte_everything_before_the_torn_block_reads_back() {
    let bytes = tape(1..=16, 4, true);
    for length in 64..bytes.len() {
        let (read, end, _) = read(&bytes[..length]);
        let whole = (length - 64) / (32 + 4 * 64) * 4;
        assert_eq!(read, events(1..=whole as u64), "cut at {length}");
        let line = end.expect_err("it has no end mark");
        assert!(line.contains("cut"), "{line}");
    }
    // Before the header is whole it is no recording at all.
    for length in 0..64 {
        assert!(read(&bytes[..length]).1.is_err(), "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_costs_its_block_and_is_told() {
    let bytes = tape(1..=16, 4, true);
    let all = events(1..=16);
    for at in 64..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let (read, end, skipped) = read(&damaged);
        let is_told = end.is_err() || skipped == 1;
        assert!(is_told, "byte {at} was changed and nobody noticed");
        // Nothing is made up: what is read is what was written, a gap where the block was.
        let given: Vec<_> = read.iter().filter(|e| e.kind() != Some(Kind::Gap)).collect();
        assert!(given.iter().all(|event| all.contains(event)), "byte {at}");
        if end.is_ok() {
            assert_eq!(given.len(), 12, "byte {at}");
        }
    }
}

#[test]
fn a_hole_is_a_gap_where_it_is() {
    let seqs = || (10..=20).chain(31..=40);
    let (read, end, _) = read(&tape(seqs(), 100, true));
    assert_eq!(end, Ok(()));
    let gaps: Vec<_> =
        read.iter().enumerate().filter(|(_, e)| e.kind() == Some(Kind::Gap)).collect();
    let [(at, gap)] = gaps[..] else { panic!("{} gaps", gaps.len()) };
    assert_eq!((at, gap.order_id, gap.second_id), (11, 21, 10));
    assert_eq!(read.len(), 22, "joining late is no hole");
    let mut writer = TapeWriter::new(Vec::new(), &HEAD).unwrap();
    writer.append(1, record(1)).unwrap();
    let (read, end, _) = self::read(&writer.finish(5).unwrap());
    assert_eq!((read.len(), read[1].second_id, end), (2, 5, Ok(())), "lost at the very end");
}

/// A disk with room for so many bytes.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_leaves_whole_blocks() {
    for room in 64..1_200 {
        let mut disk = Disk { bytes: Vec::new(), room };
        let mut writer = TapeWriter::new(&mut disk, &HEAD).unwrap();
        let mut failed = None;
        for seq in 1..=20 {
            let outcome = writer.append(seq, record(seq));
            let outcome = outcome.and_then(|()| if seq % 4 == 0 { writer.flush() } else { Ok(()) });
            if let Err(error) = outcome {
                failed = Some(error);
                break;
            }
        }
        let written = writer.written();
        let error = failed.expect("1,200 bytes do not hold 20 records");
        assert_eq!(error.written, written);
        assert!(error.to_string().contains("are whole in the file"), "{error}");
        drop(writer);
        let (read, end, _) = read(&disk.bytes);
        assert_eq!(read, events(1..=written), "room for {room}");
        assert!(end.is_err());
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = tape(1..=3, 8, true);
    bytes[8] = 9;
    let line = read(&bytes).1.unwrap_err();
    assert!(line.contains("version 9") && line.contains("version 1"), "{line}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes[..60]).unwrap();
    let error = open(file.path()).err().expect("a cut header");
    assert!(matches!(error.fault(), Fault::Foreign { .. }), "{error}");
}
