//! [`LobsterFile`]: a LOBSTER message file as a stream of events.
//!
//! Six columns: seconds since midnight, type, order id, size, price × 10,000, direction (1 buy).
//!
//! | type | event | |
//! |---|---|---|
//! | 1 | `Add` | |
//! | 2 | `Reduce` | |
//! | 3 | `Delete` | |
//! | 4 | `Execute` | a resting order traded, at its own price |
//! | 5 | `Trade` | against a hidden order; the direction is that of the hidden one, the side here the aggressor's |
//! | 6 | `Cross` | |
//! | 7 | `Status` | by its price: −1 halted, 0 quotation only, 1 trading |
//!
//! Every row is complete by itself. The book before the first row is not in the file: what happens
//! to its orders is about orders nobody knows, which the book counts.
//! The instrument is called what stands before the first `_` of the file's name, for want of any
//! other place; nothing else depends on it.
//! The order book file that goes with it (four columns a level) is recognised and refused by name:
//! it has no times, and is what a book made from the messages is compared with.

mod row;

use crate::EventReader;
use crate::container::{Container, Stream};
use crate::error::{Fault, RecordingError};
use crate::facts::{Facts, Protocol};
use crate::lines::{Lines, Next};
use crate::symbols::Symbols;
pub use row::Row;
use std::path::Path;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Side};

/// How the format is named in messages.
const FORMAT: &str = "LOBSTER message file";

/// A row has some 50 bytes; a row of an order book of 200 levels some 12,000.
pub const LINE_BYTES_MAX: usize = 64 << 10;

const TYPES: [&str; 8] = ["", "1", "2", "3", "4", "5", "6", "7"];
const INSTRUMENT: InstrumentId = InstrumentId(0);

/// Whether a line is a row of the order book file: groups of four numbers, prices and sizes.
fn is_book_row(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_number = |column: &[u8]| {
        let digits = column.strip_prefix(b"-").unwrap_or(column);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    let columns = line.split(|&byte| byte == b',');
    columns.clone().count().is_multiple_of(4) && columns.clone().all(is_number)
}

fn first_line(head: &[u8]) -> &[u8] {
    let end = head.iter().position(|&byte| byte == b'\n').unwrap_or(head.len());
    let line = &head[..end];
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// An open LOBSTER message file.
#[derive(Debug)]
pub struct LobsterFile {
    stream: Stream,
    lines: Lines,
    symbols: Symbols,
    by_type: [u64; TYPES.len()],
    strange: u64,
    strange_first: Option<u64>,
    times: Facts,
    /// The first row's event, while the definition before it is handed out.
    held: Option<Event>,
    /// Rows handed out.
    rows: u64,
    is_over: bool,
    truncated: bool,
}

impl LobsterFile {
    /// True for the first bytes of a message file or of an order book file.
    #[must_use]
    pub fn claims(head: &[u8]) -> bool {
        let line = first_line(head);
        Row::parse(line).is_some() || (line.contains(&b',') && is_book_row(line))
    }

    /// Opens `path`, whatever its name.
    ///
    /// # Errors
    /// Missing, permission, or foreign (the order book file among them).
    pub fn open(path: impl AsRef<Path>) -> Result<LobsterFile, RecordingError> {
        LobsterFile::over(Stream::open(path.as_ref())?)
    }

    /// The same, over a stream that stands at its first byte.
    ///
    /// # Errors
    /// As [`open`](LobsterFile::open).
    pub fn over(mut stream: Stream) -> Result<LobsterFile, RecordingError> {
        let line = first_line(stream.peek(LINE_BYTES_MAX));
        if Row::parse(line).is_none() {
            let rule = match line.contains(&b',') && is_book_row(line) {
                true => {
                    let levels = line.split(|&byte| byte == b',').count() / 4;
                    format!(
                        "it is a LOBSTER order book file of {levels} levels, which has no times and \
                         no orders; open the message file that goes with it"
                    )
                }
                false => "line 1 is no row of six columns".into(),
            };
            let fault = Fault::Foreign { expected: FORMAT, rule };
            return Err(RecordingError::new(stream.path(), fault));
        }
        let mut symbols = Symbols::default();
        let name = stream.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let label = name.as_deref().and_then(|name| name.split_once('_')).map_or("", |(it, _)| it);
        symbols.intern(if label.is_empty() { "LOBSTER" } else { label });
        Ok(LobsterFile {
            stream,
            lines: Lines::new(LINE_BYTES_MAX),
            symbols,
            by_type: [0; TYPES.len()],
            strange: 0,
            strange_first: None,
            times: Facts::default(),
            held: None,
            rows: 0,
            is_over: false,
            truncated: false,
        })
    }

    /// The next event; `None` at the end. Before the first stands the instrument's definition.
    ///
    /// # Errors
    /// Cut, corrupt, or a failure of the system; told once, afterwards the recording is at its end.
    pub fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        if let Some(event) = self.held.take() {
            return Ok(Some(event));
        }
        let Some(row) = self.next_row()? else { return Ok(None) };
        let event = row.event();
        if self.rows > 1 {
            return Ok(Some(event));
        }
        self.held = Some(event);
        let name = self.symbols.name(INSTRUMENT).unwrap_or("");
        let (order_id, second_id) = Event::symbol_words(name.as_bytes());
        let kind_side = Event::pack(Kind::Definition, Side::None);
        let exchange_ns = event.exchange_ns;
        let instrument = INSTRUMENT;
        Ok(Some(Event { exchange_ns, instrument, order_id, second_id, kind_side, ..Event::EMPTY }))
    }

    /// The next row; lines that are none are stepped over and counted.
    ///
    /// # Errors
    /// Those of [`next_event`](LobsterFile::next_event).
    pub fn next_row(&mut self) -> Result<Option<Row>, RecordingError> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            let next = self.lines.next(&mut self.stream);
            let line = self.lines.line();
            let row = match next {
                Next::Whole | Next::Unterminated => Row::parse(line),
                Next::End | Next::TooLong => None,
            };
            if let Some(row) = row {
                self.rows += 1;
                self.by_type[usize::from(row.kind)] += 1;
                self.times.at(row.ns);
                return Ok(Some(row));
            }
            if next == Next::Whole {
                if !line.is_empty() {
                    self.strange += 1;
                    self.strange_first.get_or_insert(self.lines.number());
                }
                continue;
            }
            let partial = if next == Next::Unterminated { line.len() } else { 0 };
            let rule = (next == Next::TooLong).then(|| {
                let line = self.lines.number() + 1;
                format!("line {line} has more than {LINE_BYTES_MAX} bytes")
            });
            self.is_over = true;
            let Some(error) = self.lines.ended(&mut self.stream, partial, rule) else {
                return Ok(None);
            };
            self.truncated = true;
            return Err(error);
        }
    }

    /// Back to the first row, all counts at 0. A pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        self.lines.restart();
        self.by_type = [0; TYPES.len()];
        (self.strange, self.strange_first) = (0, None);
        self.times = Facts::default();
        self.held = None;
        self.rows = 0;
        (self.is_over, self.truncated) = (false, false);
        Ok(())
    }

    /// Number of the first line that is no row, from 1.
    #[must_use]
    pub fn first_strange_line(&self) -> Option<u64> {
        self.strange_first
    }

    /// What the recording is wrapped in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.stream.container()
    }
}

impl EventReader for LobsterFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        LobsterFile::next_event(self)
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        LobsterFile::rewind(self)
    }

    fn position(&self) -> u64 {
        self.rows.saturating_sub(1)
    }

    fn facts(&self) -> Facts {
        let counted = TYPES.into_iter().zip(self.by_type).filter(|&(_, count)| count > 0);
        let mut facts = Facts {
            container: format!("{}, csv", self.container()),
            protocol: Protocol::Lobster,
            messages: self.rows,
            by_type: counted.map(|(name, count)| (name.into(), count)).collect(),
            truncated: self.truncated,
            ..self.times.clone()
        };
        if self.strange > 0 {
            facts.skipped_by.insert("line that is no row", self.strange);
        }
        facts
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}
