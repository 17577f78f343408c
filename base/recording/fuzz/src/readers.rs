//! Readers of events: they end, tell an error once, give no more than the bytes can hold, and the
//! same again after a rewind.

use crate::scratch::Scratch;
use std::path::Path;
use tickspin_recording::container::Stream;
use tickspin_recording::{
    BinanceFile, DbnFile, EventReader, Facts, ItchFile, LobsterFile, MergedFile, PacketFile,
    RecordingError, Relation, TapeFile,
};
use tickspin_wire::num::InstrumentId;
use tickspin_wire::{Event, Kind};

type Opened = Result<Box<dyn EventReader + Send>, RecordingError>;

/// Events that a few bytes may become: a session, its books cleared, a name.
const EVENTS_OF_LITTLE: u64 = 64;

/// What one reading of a recording gave.
#[derive(Debug, PartialEq)]
struct Pass {
    events: u64,
    /// Over all events and their positions.
    hash: u64,
    error: Option<String>,
    facts: Facts,
}

/// Reads to the end.
fn pass(reader: &mut dyn EventReader, events_max: u64) -> Pass {
    let (mut events, mut hash) = (0, 0xCBF2_9CE4_8422_2325_u64);
    let mut mix =
        |word: u64| hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(5);
    let is_tape = reader.facts().container.contains("tape");
    let error = loop {
        match reader.next_event() {
            Ok(Some(event)) => {
                events += 1;
                assert!(events <= events_max, "more than {events_max} events: no end?");
                event.to_words().into_iter().chain([reader.position()]).for_each(&mut mix);
                if !is_tape {
                    ours(&event);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    for _ in 0..3 {
        assert!(matches!(reader.next_event(), Ok(None)), "an error is told once, then it is over");
    }
    let facts = reader.facts();
    if let Some(error) = &error {
        one_line(error);
        assert!(facts.truncated || !error.is_damage(), "{error}");
    }
    assert!(facts.first_ns.is_some() == facts.last_ns.is_some());
    for (instrument, name) in reader.symbols().iter() {
        assert_eq!(reader.symbols().name(instrument), Some(name));
        assert!(!name.is_empty());
    }
    Pass { events, hash, error: error.map(|error| error.to_string()), facts }
}

/// Decoders make no foreign bytes. (Our own recording gives back what was written, whatever it is.)
fn ours(event: &Event) {
    let (Some(kind), Some(_)) = (event.kind(), event.side()) else { panic!("{event:?}") };
    assert_ne!(kind, Kind::End, "only a feed ends itself");
    if event.instrument == InstrumentId::ALL {
        let of_all = [Kind::Clear, Kind::Gap, Kind::SessionStart, Kind::System, Kind::Info];
        assert!(of_all.contains(&kind), "about every instrument: {event:?}");
    }
    assert_eq!((event.sent_ticks, event.lag_ticks), (0, 0), "the pacer's fields");
}

pub(crate) fn one_line(error: &RecordingError) {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 1_000, "{text:?}");
}

fn reader(data: &[u8], open: impl Fn(&Path) -> Opened) {
    let file = Scratch::new(0, data);
    let Some(unpacked) = file.unpacked_bytes() else { return };
    let opened = open(file.path());
    drop(file);
    match opened {
        Err(error) => one_line(&error),
        Ok(mut reader) => twice(&mut *reader, unpacked + EVENTS_OF_LITTLE),
    }
}

fn twice(reader: &mut dyn EventReader, events_max: u64) {
    let first = pass(reader, events_max);
    reader.rewind().expect("a file that is open can be rewound");
    let again = pass(reader, events_max);
    assert_eq!(first, again, "rewound, it gives the same");
}

/// Whatever the bytes are.
pub fn open(data: &[u8]) {
    reader(data, tickspin_recording::open);
}

/// A BinaryFILE.
pub fn itch(data: &[u8]) {
    reader(data, |path| Ok(Box::new(ItchFile::open(path)?)));
}

/// Databento's records, with metadata or without.
pub fn dbn(data: &[u8]) {
    reader(data, |path| Ok(Box::new(DbnFile::open(path)?)));
}

/// Binance streams, a line each.
pub fn binance(data: &[u8]) {
    reader(data, |path| Ok(Box::new(BinanceFile::open(path)?)));
}

/// LOBSTER rows.
pub fn lobster(data: &[u8]) {
    reader(data, |path| Ok(Box::new(LobsterFile::open(path)?)));
}

/// A capture.
pub fn packets(data: &[u8]) {
    reader(data, |path| Ok(Box::new(PacketFile::open(path)?)));
}

/// Our own recording.
pub fn tape(data: &[u8]) {
    reader(data, |path| Ok(Box::new(TapeFile::over(Stream::open(path)?)?)));
}

/// Two recordings, the first as long as the second and third byte say.
pub fn merge(data: &[u8]) {
    let Some((&[relation, low, high], rest)) = data.split_first_chunk() else { return };
    let at = rest.len().min(usize::from(u16::from_le_bytes([low, high])));
    let (one, two) = rest.split_at(at);
    let relation = if relation & 1 == 0 { Relation::Separate } else { Relation::Parts };
    let mut files = Vec::new();
    let mut unpacked = 0;
    for (number, bytes) in [one, two].into_iter().enumerate() {
        let file = Scratch::new(number as u8, bytes);
        let Some(bytes) = file.unpacked_bytes() else { return };
        unpacked += bytes;
        let Ok(reader) = tickspin_recording::open(file.path()) else { return };
        files.push((file.path().to_owned(), reader));
    }
    let mut merged = MergedFile::new(files, relation).expect("two are not too many");
    // A `Clear` of all books becomes one for each instrument, of which each took a message.
    let events_max = unpacked + EVENTS_OF_LITTLE;
    twice(&mut merged, events_max.saturating_mul(1 + unpacked / 16));
}
