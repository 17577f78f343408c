//! [`TapeFile`]: our own recording as a stream of events.

use super::{
    BLOCK_HEADER_BYTES, BLOCK_RECORDS_MAX, Block, HEADER_BYTES, MAGIC, RECORD_BYTES, Record,
    TapeHead,
};
use crate::EventReader;
use crate::container::{Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};
use crate::facts::{Facts, SessionFacts};
use crate::symbols::Symbols;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::Side;

const FORMAT: &str = "tickspin recording";

/// An open recording of ours.
pub struct TapeFile {
    stream: Stream,
    head: TapeHead,
    symbols: Symbols,
    facts: Facts,
    /// Records of the current block that were not handed out, and the sequence of the next.
    left: u32,
    next_seq: u64,
    /// A `Gap` that stands before the next record: first missing, how many.
    gap: Option<(u64, u64)>,
    /// Sequence of the record given last.
    position: u64,
    recorded_ticks: u64,
    given: u64,
    is_over: bool,
}

impl TapeFile {
    /// Whether a file that begins so is a recording of ours.
    #[must_use]
    pub fn claims(head: &[u8]) -> bool {
        head.starts_with(&MAGIC)
    }

    /// Reads the header.
    ///
    /// # Errors
    /// Foreign: another version, a damaged header.
    pub fn over(mut stream: Stream) -> Result<TapeFile, RecordingError> {
        let head = head(&mut stream)?;
        Ok(TapeFile {
            stream,
            head,
            symbols: Symbols::default(),
            facts: Facts::default(),
            left: 0,
            next_seq: 0,
            gap: None,
            position: 0,
            recorded_ticks: 0,
            given: 0,
            is_over: false,
        })
    }

    /// What the recording says about itself.
    #[must_use]
    pub fn head(&self) -> &TapeHead {
        &self.head
    }

    /// When the recorder took the event that was given last, ticks.
    #[must_use]
    pub fn recorded_ticks(&self) -> u64 {
        self.recorded_ticks
    }

    fn step(&mut self) -> Result<Option<Event>, RecordingError> {
        loop {
            if let Some((first, count)) = self.gap.take() {
                return Ok(Some(self.own(Kind::Gap, first, count)));
            }
            if self.left > 0 {
                return Ok(Some(self.record()));
            }
            if self.is_over || !self.next_block()? {
                return Ok(None);
            }
        }
    }

    /// One record off the window; the whole block is in it.
    fn record(&mut self) -> Event {
        let record = Record::from_bytes(self.stream.window());
        self.stream.take(RECORD_BYTES);
        self.left -= 1;
        self.position = self.next_seq;
        self.next_seq = self.next_seq.saturating_add(1);
        self.given += 1;
        self.recorded_ticks = record.recorded_ticks;
        let event = record.event;
        self.facts.at(event.exchange_ns);
        self.facts.messages += 1;
        let kind = event.kind().map_or("foreign", Kind::name);
        match self.facts.by_type.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.facts.by_type.insert(kind.to_owned(), 1)),
        }
        if event.kind() == Some(Kind::Definition) {
            let (bytes, len) = event.symbol_bytes();
            if let Ok(name) = std::str::from_utf8(&bytes[..len]) {
                self.symbols.learn(event.instrument, name);
            }
        }
        event
    }

    /// Reads up to the next block that holds records. False at the end.
    fn next_block(&mut self) -> Result<bool, RecordingError> {
        loop {
            if !self.stream.fill(BLOCK_HEADER_BYTES) {
                return self.cut();
            }
            let header = match Block::from_bytes(&self.stream.window()[..BLOCK_HEADER_BYTES]) {
                Ok(header) => header,
                Err(rule) => return Err(self.corrupt(rule)),
            };
            let bytes = header.records as usize * RECORD_BYTES;
            if header.records == 0 {
                self.is_over = true;
                if self.next_seq > 0 {
                    self.note_hole(self.next_seq.saturating_add(header.lost));
                    self.session().is_ended = true;
                }
                return Ok(self.gap.is_some());
            }
            if !self.stream.fill(BLOCK_HEADER_BYTES + bytes) {
                return self.cut();
            }
            let records = &self.stream.window()[BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES + bytes];
            if crc32fast::hash(records) != header.records_crc {
                // Its header is whole, so the next block is known: what is between is a hole.
                self.facts.skip("damaged block");
                self.stream.take(BLOCK_HEADER_BYTES + bytes);
                if self.next_seq == 0 {
                    self.next_seq = header.first;
                }
                continue;
            }
            self.stream.take(BLOCK_HEADER_BYTES);
            self.note_hole(header.first);
            let last = header.first.saturating_add(u64::from(header.records) - 1);
            self.session().last = last;
            (self.left, self.next_seq) = (header.records, header.first);
            return Ok(true);
        }
    }

    /// Sequence `first` follows what was read: with a hole between, or not. What the recorder was too
    /// late for at the beginning is no hole.
    fn note_hole(&mut self, first: u64) {
        let expected = self.next_seq;
        let missing = first.saturating_sub(expected);
        if self.facts.sessions.is_empty() {
            let id = format!("{:016x}", self.head.epoch);
            self.facts.sessions.push(SessionFacts { id, first, ..SessionFacts::default() });
        }
        if missing > 0 && expected > 0 {
            let session = self.session();
            session.gaps += 1;
            // Whoever writes a file chooses its numbers.
            session.missing = session.missing.saturating_add(missing);
            self.gap = Some((expected, missing));
        }
    }

    fn session(&mut self) -> &mut SessionFacts {
        if self.facts.sessions.is_empty() {
            self.facts.sessions.push(SessionFacts::default());
        }
        let last = self.facts.sessions.len() - 1;
        &mut self.facts.sessions[last]
    }

    /// There are no more bytes where a block or the end mark should be.
    fn cut(&mut self) -> Result<bool, RecordingError> {
        self.is_over = true;
        self.facts.truncated = true;
        let damage = self.damage();
        let fault = match self.stream.take_end() {
            StreamEnd::Clean | StreamEnd::Cut => Fault::Cut(damage),
            StreamEnd::Corrupt(rule) => Fault::Corrupt { damage, rule },
            StreamEnd::Failed(source) => {
                return Err(RecordingError::io(self.stream.path(), "reading it", source));
            }
        };
        Err(RecordingError::new(self.stream.path(), fault))
    }

    fn corrupt(&mut self, rule: &str) -> RecordingError {
        self.is_over = true;
        self.facts.truncated = true;
        let rule = format!("the rule that {rule} is broken");
        RecordingError::new(self.stream.path(), Fault::Corrupt { damage: self.damage(), rule })
    }

    fn damage(&self) -> Damage {
        let partial = self.stream.window().len() as u64;
        Damage {
            container: self.stream.container(),
            record: self.given,
            partial,
            offset: self.stream.read_bytes(),
        }
    }

    fn own(&self, kind: Kind, order_id: u64, second_id: u64) -> Event {
        Event {
            exchange_ns: self.facts.last_ns.unwrap_or(0),
            kind_side: Event::pack(kind, Side::None),
            order_id,
            second_id,
            flags: flag::COMPLETE,
            ..Event::EMPTY
        }
    }
}

fn head(stream: &mut Stream) -> Result<TapeHead, RecordingError> {
    let foreign = |stream: &Stream, rule: String| {
        RecordingError::new(stream.path(), Fault::Foreign { expected: FORMAT, rule })
    };
    if !stream.fill(HEADER_BYTES) {
        return Err(foreign(stream, format!("its header has {HEADER_BYTES} bytes, this is cut")));
    }
    let head = match TapeHead::from_bytes(&stream.window()[..HEADER_BYTES]) {
        Ok(head) => head,
        Err(rule) => return Err(foreign(stream, rule)),
    };
    stream.take(HEADER_BYTES);
    Ok(head)
}

impl EventReader for TapeFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        self.step()
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        self.head = head(&mut self.stream)?;
        (self.facts, self.left, self.next_seq, self.gap) = (Facts::default(), 0, 0, None);
        (self.position, self.given, self.is_over) = (0, 0, false);
        Ok(())
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn facts(&self) -> Facts {
        Facts {
            container: format!("{}, tape", self.stream.container()),
            protocol: self.head.protocol,
            ..self.facts.clone()
        }
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

const _: () = assert!(
    BLOCK_HEADER_BYTES + BLOCK_RECORDS_MAX * RECORD_BYTES <= crate::container::BUFFER_BYTES,
    "a whole block fits the stream's buffer"
);
