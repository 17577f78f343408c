//! [`DbnFile`]: a Databento recording, versions 1 to 3, any schema, as a stream of events.
//!
//! ```text
//! file ─► Stream (unwrap) ─► head (metadata) ─► record by record: length × 4 ─► size known? ─► events
//!                                                                  └─ no: stepped over and counted
//! ```
//!
//! Records may be of different types in one file. A record's own length is what it is stepped over
//! by; it is read only where its size is one that its type has (`layout`).
//! Fragments (`*.dbn.frag`: records without metadata) are read as well; their instruments are known
//! by number only, unless definitions are among them. DBZ and version 4 are refused by name.
//! Cost: an MBO record is some 10 ns from a file in the page cache, most of it the copy from there.

mod counts;
mod head;
mod instruments;
pub(crate) mod layout;
mod translate;

use crate::EventReader;
use crate::container::{Container, Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};
use crate::facts::Facts;
use crate::symbols::Symbols;
use ::dbn::{MboMsg, Schema, TradeMsg, UNDEF_TIMESTAMP, flags, rtype};
use counts::Counts;
use instruments::{Found, Instruments, Key};
use layout::{Definition, HEADER_BYTES, Header, MBO_BYTES, TS_OUT_BYTES, field};
use std::path::Path;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Side};
use translate::Translation;

pub use head::METADATA_BYTES_MAX;

/// An open DBN recording.
#[derive(Debug)]
pub struct DbnFile {
    stream: Stream,
    version: Option<u8>,
    dataset: String,
    schema: Option<Schema>,
    has_ts_out: Option<bool>,
    /// Size of an MBO record in this file; another one goes the long way.
    mbo_bytes: usize,
    /// Records behind the head, those stepped over counted.
    records: u64,
    by_rtype: Box<[u64; 256]>,
    counts: Counts,
    times: Facts,
    instruments: Instruments,
    translation: Translation,
    /// Events of the last record, and how many of them were handed out.
    pending: Vec<Event>,
    handed: usize,
    truncated: bool,
}

impl DbnFile {
    /// Opens `path`, whatever its name.
    ///
    /// # Errors
    /// Missing, permission, empty, foreign (DBZ and version 4 among them), or cut inside its
    /// metadata. A file that is cut later opens: what is whole in it can be read.
    pub fn open(path: impl AsRef<Path>) -> Result<DbnFile, RecordingError> {
        DbnFile::over(Stream::open(path.as_ref())?)
    }

    /// True for the first unwrapped bytes of a DBN file or fragment, and of what is refused by name.
    #[must_use]
    pub fn claims(head: &[u8]) -> bool {
        head::is_ours(head)
    }

    /// The same, over a stream that stands at its first byte.
    ///
    /// # Errors
    /// As [`open`](DbnFile::open).
    pub fn over(mut stream: Stream) -> Result<DbnFile, RecordingError> {
        let head = head::take(&mut stream)?;
        let is_sampled = matches!(head.schema, Some(Schema::Trades | Schema::Tbbo | Schema::Tcbbo));
        let has_ts_out = head.has_ts_out == Some(true);
        Ok(DbnFile {
            stream,
            version: head.version,
            dataset: head.dataset,
            schema: head.schema,
            has_ts_out: head.has_ts_out,
            mbo_bytes: MBO_BYTES + if has_ts_out { TS_OUT_BYTES } else { 0 },
            records: 0,
            by_rtype: Box::new([0; 256]),
            counts: Counts::default(),
            times: Facts::default(),
            instruments: Instruments::new(head.mapped),
            translation: Translation::new(is_sampled),
            pending: Vec::new(),
            handed: 0,
            truncated: false,
        })
    }

    /// The next event; `None` at the end. Each record is at least one.
    ///
    /// # Errors
    /// Cut, corrupt, or a failure of the system; told once, afterwards the recording is at its end.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        loop {
            if let Some(&event) = self.pending.get(self.handed) {
                self.handed += 1;
                return Ok(Some(event));
            }
            let mut window = self.stream.window();
            if window.len() <= u8::MAX as usize * layout::LENGTH_UNIT_BYTES {
                // The longest record fits: below, only the end of the file can be in the way.
                self.stream.fill((u8::MAX as usize + 1) * layout::LENGTH_UNIT_BYTES);
                window = self.stream.window();
            }
            let Some(front) = window.first_chunk::<HEADER_BYTES>() else {
                return self.finish(None);
            };
            let header = Header::of(front);
            if header.size > window.len() {
                return self.finish(None);
            }
            if header.rtype == rtype::MBO
                && header.size == self.mbo_bytes
                && let Some(record) = window.first_chunk::<MBO_BYTES>()
                && let Some(instrument) = self.instruments.near(
                    Key { publisher: header.publisher, id: header.instrument },
                    header.ts_event_ns,
                )
            {
                let (event, is_unknown) = translate::mbo(record, instrument, header.ts_event_ns);
                let flags = field!(record, MboMsg, flags, u8);
                let ts_recv_ns = field!(record, MboMsg, ts_recv, u64);
                let sequence = field!(record, MboMsg, sequence, u32);
                self.stream.take(header.size);
                self.note(&header, flags, ts_recv_ns);
                self.sequenced(sequence);
                self.counts.unknown_actions += u64::from(is_unknown);
                return Ok(Some(event));
            }
            if header.size < HEADER_BYTES {
                return self.finish(Some(header.size));
            }
            self.step_slowly(&header);
        }
    }

    /// A record of another kind than MBO, or the first of its instrument: its events into `pending`.
    #[inline(never)]
    fn step_slowly(&mut self, header: &Header) {
        self.pending.clear();
        self.handed = 0;
        let Some(bytes) = self.read_bytes_of(header) else {
            self.records += 1;
            self.stream.take(header.size);
            return;
        };
        // Copied out of the window, which belongs to the stream: a record is half a kilobyte at most.
        let mut copy = [0_u8; (u8::MAX as usize + 1) * layout::LENGTH_UNIT_BYTES];
        copy[..bytes].copy_from_slice(&self.stream.window()[..bytes]);
        let record = &copy[..bytes];
        self.stream.take(header.size);
        let rtype = header.rtype;
        let (flags, ts_recv_ns) = self.recv_of(rtype, record);
        self.note(header, flags, ts_recv_ns);
        let exchange_ns = match header.ts_event_ns {
            UNDEF_TIMESTAMP if ts_recv_ns != UNDEF_TIMESTAMP => ts_recv_ns,
            UNDEF_TIMESTAMP => self.times.last_ns.unwrap_or(0),
            ts_event_ns => ts_event_ns,
        };
        let is_venue_wide = matches!(rtype, rtype::SYSTEM | rtype::ERROR);
        let publisher = match translate::is_consolidated(rtype) {
            // The record's publisher is the one that changed; the book is of all of them.
            true => 0,
            false => header.publisher,
        };
        let key = Key { publisher, id: header.instrument };
        let base = Event { exchange_ns, ..Event::EMPTY };
        if is_venue_wide {
            return self.pending.push(translate::info(&base, rtype));
        }
        if rtype == rtype::SYMBOL_MAPPING {
            let is_renamed = self.instruments.tell(key, &layout::mapped_symbol(record));
            let instrument = self.instruments.near(key, exchange_ns).unwrap_or(InstrumentId::ALL);
            let base = Event { instrument, ..base };
            self.pending.push(match is_renamed {
                true => self.named(&base),
                false => translate::info(&base, rtype),
            });
            return;
        }
        let told = (rtype == rtype::INSTRUMENT_DEF).then(|| Definition::of(record));
        if let Some(definition) = &told {
            self.instruments.tell(key, &definition.raw_symbol);
        }
        let found = self.instruments.find(key, exchange_ns);
        let instrument = match found {
            Found::Known(instrument) | Found::New(instrument) | Found::TakesOver(instrument) => {
                instrument
            }
            Found::Refused => {
                self.counts.unnumbered += 1;
                return self.pending.push(translate::info(&base, rtype));
            }
        };
        let base = Event { instrument, ..base };
        if matches!(found, Found::TakesOver(_)) {
            self.pending.push(Event { kind_side: Event::pack(Kind::Clear, Side::None), ..base });
        }
        if !matches!(found, Found::Known(_)) && told.is_none() {
            let definition = self.named(&base);
            self.pending.push(definition);
        }
        match (rtype, record.first_chunk()) {
            (rtype::MBO, Some(mbo)) => {
                let (event, is_unknown) = translate::mbo(mbo, instrument, exchange_ns);
                self.sequenced(field!(record, MboMsg, sequence, u32));
                self.counts.unknown_actions += u64::from(is_unknown);
                self.pending.push(event);
            }
            _ => {
                let (translation, pending) = (&mut self.translation, &mut self.pending);
                translation.others(rtype, record, instrument, exchange_ns, pending);
                if matches!(rtype, rtype::MBP_0 | rtype::MBP_1 | rtype::MBP_10) {
                    self.sequenced(field!(record, TradeMsg, sequence, u32));
                }
            }
        }
    }

    /// Bytes of a record without `ts_out`; `None`, counted, where it is none we can read.
    fn read_bytes_of(&mut self, header: &Header) -> Option<usize> {
        let sizes = layout::sizes(header.rtype);
        let plain = header.size;
        let without = header.size - TS_OUT_BYTES;
        let found = match self.has_ts_out {
            Some(false) => sizes.contains(&plain).then_some(plain),
            Some(true) => sizes.contains(&without).then_some(without),
            None if sizes.contains(&plain) => Some(plain),
            None => sizes.contains(&without).then_some(without),
        };
        match found {
            Some(_) => {}
            None if sizes.is_empty() => self.counts.unknown_types += 1,
            None => self.counts.unexpected_sizes += 1,
        }
        found
    }

    /// Flags and receive time of a record; none and undefined where its type has none.
    fn recv_of(&self, rtype: u8, record: &[u8]) -> (u8, u64) {
        match rtype {
            rtype::MBO => (field!(record, MboMsg, flags, u8), field!(record, MboMsg, ts_recv, u64)),
            rtype::MBP_0 | rtype::MBP_1 | rtype::MBP_10 | rtype::CMBP_1 | rtype::TCBBO => {
                (field!(record, TradeMsg, flags, u8), field!(record, TradeMsg, ts_recv, u64))
            }
            // Their receive time is the end of the interval, no capture: it tells no latency.
            rtype::BBO_1S | rtype::BBO_1M | rtype::CBBO_1S | rtype::CBBO_1M => (
                field!(record, TradeMsg, flags, u8) | flags::BAD_TS_RECV,
                field!(record, TradeMsg, ts_recv, u64),
            ),
            _ => (0, UNDEF_TIMESTAMP),
        }
    }

    /// What the instrument of `base` is called.
    fn named(&self, base: &Event) -> Event {
        let name = self.instruments.symbols.name(base.instrument).unwrap_or("");
        let (order_id, second_id) = Event::symbol_words(name.as_bytes());
        let kind_side = Event::pack(Kind::Definition, Side::None);
        Event { order_id, second_id, kind_side, ..*base }
    }

    /// The stream gave all it has and what is in the window is no whole record, or a record has a
    /// size that none can have.
    #[cold]
    fn finish(&mut self, impossible: Option<usize>) -> Result<Option<Event>, RecordingError> {
        if self.truncated {
            return Ok(None);
        }
        let left = self.stream.window().len();
        let damage = Damage {
            container: self.stream.container(),
            record: self.records,
            partial: left as u64,
            offset: self.stream.read_bytes(),
        };
        if let Some(size) = impossible {
            let at = self.stream.position();
            self.truncated = true;
            let rule = format!("a record's length is {size} bytes, its header alone has 16");
            let damage = Damage { partial: 0, offset: at, ..damage };
            return Err(RecordingError::new(self.path(), Fault::Corrupt { damage, rule }));
        }
        self.stream.take(left);
        let fault = match self.stream.take_end() {
            StreamEnd::Clean if left == 0 => return Ok(None),
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

    /// Back to the first record, all counts at 0. A pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it, or that the file is another one by now.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        let head = head::take(&mut self.stream)?;
        self.records = 0;
        self.by_rtype.fill(0);
        self.counts = Counts::default();
        self.times = Facts::default();
        self.instruments = Instruments::new(head.mapped);
        let is_sampled = self.translation.is_sampled;
        self.translation = Translation::new(is_sampled);
        self.pending.clear();
        self.handed = 0;
        self.truncated = false;
        Ok(())
    }

    /// DBN version; `None` for a fragment, which does not say.
    #[must_use]
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    /// Records read, those stepped over counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records of one type that were handed out.
    #[must_use]
    pub fn of(&self, rtype: u8) -> u64 {
        self.by_rtype[rtype as usize]
    }

    /// Records whose flags say that the venue's book may be wrong here; they were handed out.
    #[must_use]
    pub fn maybe_bad_book(&self) -> u64 {
        self.counts.maybe_bad_book
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

impl EventReader for DbnFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        DbnFile::next_event(self)
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        DbnFile::rewind(self)
    }

    fn position(&self) -> u64 {
        self.records.saturating_sub(1)
    }

    fn facts(&self) -> Facts {
        self.told()
    }

    fn symbols(&self) -> &Symbols {
        &self.instruments.symbols
    }
}
