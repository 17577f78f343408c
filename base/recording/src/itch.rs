//! [`ItchFile`]: a recorded ITCH 5.0 day in BinaryFILE framing, plain or gzip, as a stream of events.
//!
//! ```text
//! file ─► Stream (unwrap) ─► Framing (records) ─► check type and length ─► raw() message() event
//!                                                   └─ unknown: stepped over and counted
//! ```
//!
//! Memory is one buffer whatever the size of the file; nothing is decoded ahead.
//! A damaged file is read to the damage: the error comes after the last whole record before it.
//! A bit flipped in a plain file cannot be seen, the format has no check; in a gzip file it is seen at
//! the latest at the end, when its events have long been handed out.

use crate::container::{Container, Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};
use crate::facts::{Facts, Protocol};
use crate::symbols::Symbols;
use crate::{EventReader, foreign};
use std::path::Path;
use tickspin_wire::binaryfile::{Framing, PREFIX_BYTES, Step};
use tickspin_wire::itch50::{self, Message};
use tickspin_wire::{Event, normalize};

/// How the format is named in messages.
pub(crate) const FORMAT: &str = "ITCH BinaryFILE";

/// What went by since the file was opened or rewound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    by_type: [u64; 256],
    messages: u64,
    unknown_types: u64,
    unexpected_lengths: u64,
    reserved_locates: u64,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts::ZERO
    }
}

impl Counts {
    const ZERO: Counts = Counts {
        by_type: [0; 256],
        messages: 0,
        unknown_types: 0,
        unexpected_lengths: 0,
        reserved_locates: 0,
    };

    /// Messages of one type that were handed out.
    #[must_use]
    pub fn of(&self, kind: u8) -> u64 {
        self.by_type[kind as usize]
    }

    /// Messages of all types that were handed out.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Types with their number of messages, ordered by type byte, those that did not occur left out.
    pub fn by_type(&self) -> impl Iterator<Item = (u8, u64)> {
        (0..=u8::MAX).zip(self.by_type).filter(|&(_, count)| count > 0)
    }

    /// Records stepped over because their first byte is no type we know.
    #[must_use]
    pub fn unknown_types(&self) -> u64 {
        self.unknown_types
    }

    /// Records stepped over because their type has another length.
    #[must_use]
    pub fn unexpected_lengths(&self) -> u64 {
        self.unexpected_lengths
    }

    /// Messages handed out as `Info` because their locate stands for all instruments.
    #[must_use]
    pub fn reserved_locates(&self) -> u64 {
        self.reserved_locates
    }
}

/// An open ITCH recording.
#[derive(Debug)]
pub struct ItchFile {
    stream: Stream,
    framing: Framing,
    /// Bytes of the window that the current message takes, prefix counted; 0 before the first.
    current: usize,
    counts: Counts,
    times: Facts,
    symbols: Symbols,
    truncated: bool,
}

impl ItchFile {
    /// Opens `path`, whatever its name, and makes sure that it is an ITCH BinaryFILE.
    ///
    /// # Errors
    /// Missing, permission, empty, foreign, or what else the system has against it.
    /// A cut file opens: what is whole in it can be read.
    pub fn open(path: impl AsRef<Path>) -> Result<ItchFile, RecordingError> {
        ItchFile::over(Stream::open(path.as_ref())?)
    }

    /// The same, over a stream that stands at its first byte.
    ///
    /// # Errors
    /// As [`open`](ItchFile::open).
    pub fn over(mut stream: Stream) -> Result<ItchFile, RecordingError> {
        foreign::refuse(&mut stream)?;
        Ok(ItchFile {
            stream,
            framing: Framing::new(),
            current: 0,
            counts: Counts::ZERO,
            times: Facts::default(),
            symbols: Symbols::default(),
            truncated: false,
        })
    }

    /// Steps to the next message of a known type; false at the end of the recording.
    ///
    /// # Errors
    /// Cut, corrupt, or a failure of the system; told once, afterwards the recording is at its end.
    pub fn advance(&mut self) -> Result<bool, RecordingError> {
        self.stream.take(std::mem::take(&mut self.current));
        loop {
            match self.framing.step(self.stream.window()) {
                Step::Record(record) => {
                    let taken = PREFIX_BYTES + record.len();
                    if self.counts.add(record) {
                        self.current = taken;
                        return Ok(true);
                    }
                    self.stream.take(taken);
                }
                Step::Partial { needed } => {
                    if !self.stream.fill(needed) {
                        return self.finish();
                    }
                }
                Step::End => return self.finish(),
            }
        }
    }

    /// The stream gave all it has and what is in the window is no whole record, or the end marker
    /// was seen.
    #[cold]
    fn finish(&mut self) -> Result<bool, RecordingError> {
        if self.framing.is_ended() && self.container() != Container::Plain {
            // Not for what is behind the marker, but for the container's own check: a damaged length
            // can look like an end marker.
            loop {
                self.stream.take(self.stream.window().len());
                if !self.stream.fill(1) {
                    break;
                }
            }
        }
        let left = self.stream.window().len();
        let whole = self.framing.finish(self.stream.window()).is_ok();
        let damage = Damage {
            container: self.stream.container(),
            record: self.framing.records(),
            partial: if whole { 0 } else { left as u64 },
            offset: self.stream.read_bytes(),
        };
        self.stream.take(left);
        let fault = match self.stream.take_end() {
            StreamEnd::Clean if whole => return Ok(false),
            StreamEnd::Clean | StreamEnd::Cut => Fault::Cut(damage),
            StreamEnd::Corrupt(rule) => Fault::Corrupt { damage, rule },
            StreamEnd::Failed(source) => {
                self.truncated = true;
                return Err(RecordingError::io(self.path(), "reading it", source));
            }
        };
        self.truncated = true;
        Err(RecordingError::new(self.path(), fault))
    }

    /// The current message's bytes, type byte first; empty before the first
    /// [`advance`](ItchFile::advance) and after the last.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.stream.window().get(PREFIX_BYTES..self.current).unwrap_or(&[])
    }

    /// The current message, decoded; `None` where there is none.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        itch50::decode(self.raw()).ok()
    }

    /// Steps to the next message and gives it decoded; `None` at the end.
    ///
    /// # Errors
    /// Those of [`advance`](ItchFile::advance).
    pub fn next_message(&mut self) -> Result<Option<Message>, RecordingError> {
        Ok(if self.advance()? { self.message() } else { None })
    }

    /// Steps to the next message and gives what it means; `None` at the end. Each message is one
    /// event.
    ///
    /// # Errors
    /// Those of [`advance`](ItchFile::advance).
    pub fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        if !self.advance()? {
            return Ok(None);
        }
        let raw = self.stream.window().get(PREFIX_BYTES..self.current).unwrap_or(&[]);
        let Ok(event) = normalize::itch_event(raw) else { return Ok(None) };
        self.times.at(event.exchange_ns);
        if let Some(name) = normalize::itch_symbol(raw) {
            self.symbols.learn(event.instrument, name);
        }
        Ok(Some(event))
    }

    /// Back to the first message, all counts at 0. The file itself is read again, not its name; a
    /// pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        self.framing = Framing::new();
        self.current = 0;
        self.counts = Counts::ZERO;
        self.times = Facts::default();
        self.truncated = false;
        Ok(())
    }

    /// What went by since the file was opened or rewound.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Messages handed out: those of known type and length.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.counts.messages
    }

    /// Records stepped over because they are of no kind we know.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counts.unknown_types + self.counts.unexpected_lengths
    }

    /// Whole records read, those stepped over counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.framing.records()
    }

    /// The recording did not reach its end; the error that said so was handed out.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The end marker was seen; bytes behind it are not looked at. The official day files have none.
    #[must_use]
    pub fn has_end_marker(&self) -> bool {
        self.framing.is_ended()
    }

    /// What the recording is wrapped in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.stream.container()
    }

    /// The file, as it was named to us.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.stream.path()
    }
}

impl Counts {
    /// Adds what was counted to the facts of a recording.
    pub(crate) fn add_to(&self, facts: &mut Facts) {
        facts.messages += self.messages;
        for (kind, count) in self.by_type() {
            *facts.by_type.entry(char::from(kind).into()).or_default() += count;
        }
        for (reason, count) in
            [("unknown type", self.unknown_types), ("unexpected length", self.unexpected_lengths)]
        {
            if count > 0 {
                *facts.skipped_by.entry(reason).or_default() += count;
            }
        }
    }

    /// Counts a message; true for one to hand out.
    #[inline]
    pub(crate) fn add(&mut self, record: &[u8]) -> bool {
        match itch50::check(record) {
            Ok(kind) => {
                self.by_type[kind as usize] += 1;
                self.messages += 1;
                self.reserved_locates += u64::from(normalize::has_reserved_locate(record));
                true
            }
            Err(error) => {
                match error.rule {
                    tickspin_wire::Rule::Length { .. } => self.unexpected_lengths += 1,
                    _ => self.unknown_types += 1,
                }
                false
            }
        }
    }
}

impl EventReader for ItchFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        ItchFile::next_event(self)
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        ItchFile::rewind(self)
    }

    fn position(&self) -> u64 {
        self.framing.records().saturating_sub(1)
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts {
            container: format!("{}, binaryfile", self.container()),
            protocol: Protocol::Itch50,
            truncated: self.truncated,
            ..self.times.clone()
        };
        self.counts.add_to(&mut facts);
        facts
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn raw(&self) -> Option<&[u8]> {
        Some(ItchFile::raw(self)).filter(|raw| !raw.is_empty())
    }

    fn file_position(&self) -> Option<u64> {
        self.stream.file_position()
    }
}
