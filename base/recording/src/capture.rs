//! [`Capture`]: the packets of a capture file, pcap or pcapng, one after the other.
//!
//! ```text
//! Stream (unwrap) ─► classic::Records or blocks::Blocks ─► Packet: time, link, bytes ─► wire::net
//! ```
//!
//! Of `pcap-parser` the classic headers and records and the interface blocks of pcapng are used.
//! Ours is the rest: the walk from block to block, because a block that nobody needs may be longer
//! than any buffer; packet blocks, because there each option would allocate and a damaged comment
//! would lose the packet; and the time of pcapng, because there resolutions of a power of two are
//! refused, seconds end in 2106 and the offset of a big-endian section is read in the wrong order.
//!
//! Memory is the stream's buffer and 24 bytes for each interface.
//! Capture times may go back inside a file (several cards, several captures put together): that is
//! counted, and the packets stay in the file's order.

mod blocks;
mod classic;
mod format;
mod writer;

pub use format::CaptureFormat;
pub use writer::Writer;

use crate::container::{Container, Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};
use blocks::Blocks;
use classic::Records;
use std::fmt;
use std::path::Path;
use tickspin_wire::net::Link;

/// How the format is named in messages.
const FORMAT: &str = "pcap or pcapng capture";

/// More captured bytes of one packet are taken for damage; it is also the most that capturing tools
/// ask for.
pub const CAPTURED_BYTES_MAX: usize = 256 * 1024;

/// A captured packet, its bytes still in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its number in the file, from 0.
    pub number: u64,
    /// When it was captured, ns since the Unix epoch, UTC. `None` where the file does not say (simple
    /// packet blocks of pcapng) or says a time beyond 1677..=2262.
    pub capture_ns: Option<i64>,
    /// What its bytes begin with.
    pub link: Link,
    /// Bytes it had on the wire; more than `bytes` where the capture was told to keep less.
    pub original_len: u32,
    /// What was captured: 0..=[`CAPTURED_BYTES_MAX`] bytes.
    pub bytes: &'a [u8],
}

/// What went by since the capture was opened or rewound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    /// Packets handed out.
    pub packets: u64,
    /// Those among them that had more bytes on the wire than were captured.
    pub snapped: u64,
    /// Those that were captured, as the file has it, earlier than the one before them.
    pub reversals: u64,
    /// Those without a time.
    pub untimed: u64,
    /// Packets stepped over because their section does not describe their interface.
    pub strays: u64,
    /// Blocks stepped over that hold no packet: names, statistics, keys, whatever else there is.
    pub other_blocks: u64,
    /// Sections (pcapng); 1 for a classic capture.
    pub sections: u64,
    /// Interfaces of all sections (pcapng); 1 for a classic capture.
    pub interfaces: u64,
    /// Capture time of the first packet that has one, and of the last, ns since the Unix epoch.
    pub first_ns: Option<i64>,
    /// See `first_ns`.
    pub last_ns: Option<i64>,
}

/// A packet as its reader found it: a place in the window.
struct Record {
    capture_ns: Option<i64>,
    link: Link,
    original_len: u32,
    /// Where its bytes begin, and how many there are.
    start: usize,
    captured: usize,
    /// Bytes of the window that the whole record takes.
    size: usize,
}

/// Why there is no next record.
struct Stop {
    /// The rule that it breaks; `None` where the stream has no more bytes and the window holds no
    /// whole record.
    rule: Option<String>,
    /// Bytes of the record that were already taken off the window.
    taken: u64,
}

impl Stop {
    const END: Stop = Stop { rule: None, taken: 0 };

    #[cold]
    fn broken(rule: String) -> Stop {
        Stop { rule: Some(rule), taken: 0 }
    }
}

enum Reader {
    Records(Records),
    Blocks(Blocks),
}

/// An open capture.
pub struct Capture {
    stream: Stream,
    format: CaptureFormat,
    reader: Reader,
    /// Bytes of the window that the current packet takes; 0 before the first.
    current: usize,
    counts: CaptureCounts,
    ended: bool,
    truncated: bool,
}

impl Capture {
    /// Opens `path`, whatever its name, and makes sure that it is a capture.
    ///
    /// # Errors
    /// Missing, permission, empty, foreign, cut inside its header, or what else the system has
    /// against it.
    pub fn open(path: impl AsRef<Path>) -> Result<Capture, RecordingError> {
        Capture::over(Stream::open(path.as_ref())?)
    }

    /// The packets of a stream that stands at its start.
    ///
    /// # Errors
    /// Empty, foreign, cut inside its header, or damaged before it.
    pub fn over(mut stream: Stream) -> Result<Capture, RecordingError> {
        let mut counts = CaptureCounts::default();
        let (format, reader) = start(&mut stream, &mut counts)?;
        Ok(Capture { stream, format, reader, current: 0, counts, ended: false, truncated: false })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Cut, corrupt, or a failure of the system, after every packet before it; told once, afterwards
    /// the capture is at its end.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, RecordingError> {
        self.stream.take(std::mem::take(&mut self.current));
        if self.ended {
            return Ok(None);
        }
        let found = match &mut self.reader {
            Reader::Records(records) => records.next(&mut self.stream),
            Reader::Blocks(blocks) => blocks.next(&mut self.stream, &mut self.counts),
        };
        let record = match found {
            Ok(record) => record,
            Err(stop) => return self.finish(stop).map(|()| None),
        };
        let number = self.counts.packets;
        self.counts.add(&record);
        self.current = record.size;
        let Record { capture_ns, link, original_len, .. } = record;
        let bytes = &self.stream.window()[record.start..record.start + record.captured];
        Ok(Some(Packet { number, capture_ns, link, original_len, bytes }))
    }

    #[cold]
    fn finish(&mut self, stop: Stop) -> Result<(), RecordingError> {
        self.ended = true;
        let result = ended(&mut self.stream, self.counts.packets, stop);
        self.stream.take(self.stream.window().len());
        self.truncated = result.is_err();
        result
    }

    /// Back to the first packet, all counts at 0. A pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it, or a file that became another one.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        self.counts = CaptureCounts::default();
        (self.current, self.ended, self.truncated) = (0, false, false);
        (self.format, self.reader) = start(&mut self.stream, &mut self.counts)?;
        Ok(())
    }

    /// What went by since the capture was opened or rewound.
    #[must_use]
    pub fn counts(&self) -> &CaptureCounts {
        &self.counts
    }

    /// Which of the formats.
    #[must_use]
    pub fn format(&self) -> CaptureFormat {
        self.format
    }

    /// What the capture is wrapped in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.stream.container()
    }

    /// The capture did not reach its end; the error that said so was handed out.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The file, as it was named to us.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.stream.path()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("stream", &self.stream)
            .field("format", &self.format)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl CaptureCounts {
    #[inline]
    fn add(&mut self, record: &Record) {
        self.packets += 1;
        self.snapped += u64::from((record.captured as u64) < u64::from(record.original_len));
        match record.capture_ns {
            Some(ns) => {
                self.reversals += u64::from(self.last_ns.is_some_and(|last| ns < last));
                self.first_ns.get_or_insert(ns);
                self.last_ns = Some(ns);
            }
            None => self.untimed += 1,
        }
    }
}

/// Finds the format at the stream's start and reads the header of a classic capture.
fn start(
    stream: &mut Stream,
    counts: &mut CaptureCounts,
) -> Result<(CaptureFormat, Reader), RecordingError> {
    let refused = |stream: &Stream, fault| Err(RecordingError::new(stream.path(), fault));
    let magic = stream.peek(4);
    let Some(format) = CaptureFormat::of(magic) else {
        let rule = format!("it begins with {magic:02x?}");
        if stream.window().is_empty() {
            let container = stream.container();
            ended(stream, 0, Stop::END)?;
            return refused(stream, Fault::Empty { container });
        }
        return refused(stream, Fault::Foreign { expected: FORMAT, rule });
    };
    if format == CaptureFormat::Pcapng {
        return Ok((format, Reader::Blocks(Blocks::new())));
    }
    match Records::start(stream) {
        Ok(records) => {
            (counts.sections, counts.interfaces) = (1, 1);
            Ok((format, Reader::Records(records)))
        }
        Err(Stop { rule: Some(rule), .. }) => {
            refused(stream, Fault::Foreign { expected: FORMAT, rule })
        }
        Err(end) => {
            let container = stream.container();
            ended(stream, 0, end)?;
            refused(stream, Fault::Empty { container })
        }
    }
}

/// The fault that a stop in front of packet `record` is; none where the stream is at its end and
/// nothing of a record is there.
fn ended(stream: &mut Stream, record: u64, stop: Stop) -> Result<(), RecordingError> {
    let container = stream.container();
    let fault = if let Some(rule) = stop.rule {
        let offset = stream.position() - stop.taken;
        Fault::Corrupt { damage: Damage { container, record, partial: 0, offset }, rule }
    } else {
        let partial = stream.window().len() as u64 + stop.taken;
        let damage = Damage { container, record, partial, offset: stream.read_bytes() };
        match stream.take_end() {
            StreamEnd::Clean if partial == 0 => return Ok(()),
            StreamEnd::Clean | StreamEnd::Cut => Fault::Cut(damage),
            StreamEnd::Corrupt(rule) => Fault::Corrupt { damage, rule },
            StreamEnd::Failed(source) => {
                return Err(RecordingError::io(stream.path(), "reading it", source));
            }
        }
    };
    Err(RecordingError::new(stream.path(), fault))
}

/// Fills the window with `needed` bytes or says that there are no more.
#[inline]
fn fill(stream: &mut Stream, needed: usize) -> Result<(), Stop> {
    if stream.window().len() >= needed || stream.fill(needed) { Ok(()) } else { Err(Stop::END) }
}

fn too_long(captured: usize) -> Stop {
    Stop::broken(format!(
        "a packet has at most {CAPTURED_BYTES_MAX} captured bytes, this one {captured}"
    ))
}
