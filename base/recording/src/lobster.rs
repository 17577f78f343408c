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

use crate::EventReader;
use crate::container::{Container, Stream};
use crate::error::{Fault, RecordingError};
use crate::facts::{Facts, Protocol};
use crate::lines::{Lines, Next, fixed};
use crate::symbols::Symbols;
use std::path::Path;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// How the format is named in messages.
const FORMAT: &str = "LOBSTER message file";

/// A row has some 50 bytes; a row of an order book of 200 levels some 12,000.
pub const LINE_BYTES_MAX: usize = 64 << 10;

const COLUMNS: usize = 6;
const TIME_DECIMALS: u32 = 9;
const TYPES: [&str; 8] = ["", "1", "2", "3", "4", "5", "6", "7"];
const INSTRUMENT: InstrumentId = InstrumentId(0);

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since midnight, ns.
    pub ns: u64,
    /// 1 to 7.
    pub kind: u8,
    /// 0 where there is none.
    pub order_id: u64,
    /// Shares.
    pub size: u64,
    /// Price × 10,000; of a type 7 the state.
    pub price_1e4: i64,
    /// The order's side.
    pub side: Side,
}

impl Row {
    /// `None` for what is no row.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Row> {
        let mut columns = [&b""[..]; COLUMNS];
        let mut count = 0;
        for column in line.split(|&byte| byte == b',') {
            *columns.get_mut(count)? = column;
            count += 1;
        }
        let [time, kind, order_id, size, price, direction] = columns;
        let kind = match kind {
            [digit @ b'1'..=b'7'] => digit - b'0',
            _ => return None,
        };
        let side = match direction {
            b"1" => Side::Bid,
            b"-1" => Side::Ask,
            _ => return None,
        };
        let (sign, digits) = match price {
            [b'-', digits @ ..] => (-1, digits),
            digits => (1, digits),
        };
        let price_1e4 = sign * i64::try_from(fixed(digits, 0)?).ok()?;
        (count == COLUMNS).then_some(Row {
            ns: fixed(time, TIME_DECIMALS)?,
            kind,
            order_id: fixed(order_id, 0)?,
            size: fixed(size, 0)?,
            price_1e4,
            side,
        })
    }

    /// What it means.
    #[must_use]
    pub fn event(&self) -> Event {
        let px = match self.price_1e4.checked_mul(Px::PER_1E4) {
            Some(px) if self.price_1e4 >= 0 => Px(px),
            _ => Px::NONE,
        };
        let (order_id, qty) = (self.order_id, Qty(self.size));
        let base = Event {
            exchange_ns: self.ns,
            instrument: INSTRUMENT,
            flags: flag::COMPLETE,
            ..Event::EMPTY
        };
        let (kind, side, event) = match self.kind {
            1 => (Kind::Add, self.side, Event { order_id, px, qty, ..base }),
            2 => (Kind::Reduce, self.side, Event { order_id, qty, ..base }),
            3 => (Kind::Delete, self.side, Event { order_id, ..base }),
            4 => (Kind::Execute, self.side, Event { order_id, qty, ..base }),
            5 => (Kind::Trade, self.side.opposite(), Event { px, qty, ..base }),
            6 => (Kind::Cross, Side::None, Event { px, qty, ..base }),
            _ => {
                let state = match self.price_1e4 {
                    0 => b'Q',
                    1 => b'T',
                    _ => b'H',
                };
                (Kind::Status, Side::None, Event { order_id: state.into(), ..base })
            }
        };
        Event { kind_side: Event::pack(kind, side), ..event }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Option<Event> {
        Row::parse(line.as_bytes()).map(|row| row.event())
    }

    #[test]
    fn times_are_exact_and_every_type_has_its_event() {
        let add = Row::parse(b"34200.00426064,1,16113584,18,5853200,1").expect("a row");
        assert_eq!((add.ns, add.price_1e4), (34_200_004_260_640, 5_853_200));
        assert_eq!(add.event().px, Px::from_1e4(5_853_200));
        let kinds =
            [Kind::Add, Kind::Reduce, Kind::Delete, Kind::Execute, Kind::Trade, Kind::Cross];
        for (kind, number) in kinds.into_iter().zip(1..) {
            let event = event(&format!("1.5,{number},7,3,100,-1")).expect("a row");
            assert_eq!((event.kind(), event.flags), (Some(kind), flag::COMPLETE));
        }
        for (price, state) in [(-1, b'H'), (0, b'Q'), (1, b'T')] {
            let event = event(&format!("1.5,7,0,0,{price},-1")).expect("a row");
            assert_eq!((event.kind(), event.order_id), (Some(Kind::Status), u64::from(state)));
        }
    }

    #[test]
    fn what_is_no_row_is_nothing() {
        for line in [
            "",
            "1,1,1,1,1",
            "1,1,1,1,1,1,1",
            "1,8,1,1,1,1",
            "1,1,1,1,1,0",
            "x,1,1,1,1,1",
            "1,1,-1,1,1,1",
        ] {
            assert_eq!(event(line), None, "{line}");
        }
        assert!(LobsterFile::claims(b"5859400,200,5853300,18\n"));
        assert!(!LobsterFile::claims(b"5859400,200,5853300\n"));
        assert!(!LobsterFile::claims(b"\0\x0cS\0\0"));
    }
}
