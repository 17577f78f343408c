//! [`BinanceFile`]: Binance streams, spot or futures, as the hftbacktest collector writes them down.
//!
//! ```text
//! 1723161254036052868 {"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate",…}}
//! └─ local ns          └─ as it came, or the bare answer to a snapshot request
//! ```
//!
//! | line | events |
//! |---|---|
//! | depth that joins | a `Level` for each change (`Info` where there is none), the last one complete |
//! | depth before the snapshot | `Info`; it is held and follows the snapshot where it joins |
//! | depth that does not join | `Clear`, `Gap`; the book is void until the next snapshot |
//! | snapshot | `Clear`, a `Level` for each, complete only with the depth event that joins it |
//! | trade, aggTrade | `Trade`; `aggTrade` is `Info` where the symbol's single trades are here too |
//! | bookTicker | two `Quote`s, but `Info` where the symbol's depth is here: two books would mix |
//! | others | `Info` |
//!
//! Only a depth event that joined, or a `Quote`, completes: `COMPLETE` stands for a state to quote on.
//! Prices are in 1e-9, quantities in 1e-8, both exact.
//! Venue time is `T`, else `E`. A message without (bookTicker and snapshot of spot) gets its local
//! time, shifted by what lay between the clocks at the last message that had both.
//! Memory: one line of at most [`LINE_BYTES_MAX`], and held depth events (`sync`).

mod line;
mod sync;
mod translate;

use crate::EventReader;
use crate::container::{Container, Stream};
use crate::error::{Fault, RecordingError};
use crate::facts::{Facts, Protocol, SessionFacts};
use crate::lines::{Lines, Next};
use crate::symbols::Symbols;
pub use line::{Body, Depth, Level, Message};
use std::collections::VecDeque;
use std::path::Path;
use sync::Sync;
use tickspin_wire::Event;

/// How the format is named in messages.
const FORMAT: &str = "Binance recording (local time and JSON in each line)";

/// A snapshot of 5,000 levels a side is 350 KB.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Looked at when the file is opened, to know whether it has depth: some thousand lines.
const LOOK_AHEAD_BYTES: usize = 256 << 10;

const TYPES: [&str; 6] = ["depth", "snapshot", "trade", "aggTrade", "bookTicker", "other"];

#[derive(Debug, Default)]
struct Instrument {
    sync: Sync,
    has_depth: bool,
    has_trades: bool,
    facts: SessionFacts,
}

/// What is counted until the end or the next rewind.
#[derive(Debug, Default)]
struct Counts {
    by_type: [u64; TYPES.len()],
    strange: u64,
    strange_first: Option<u64>,
    older: u64,
    overflowed: u64,
    unnumbered: u64,
    unclaimed: u64,
    applied: u64,
}

/// An open Binance recording.
#[derive(Debug)]
pub struct BinanceFile {
    stream: Stream,
    lines: Lines,
    instruments: Vec<Instrument>,
    symbols: Symbols,
    /// Depth stands in the file's beginning, so no bookTicker is a book.
    is_depth_ahead: bool,
    /// A snapshot from before the first symbol was known.
    unclaimed: Option<Message>,
    counts: Counts,
    times: Facts,
    local_ns: u64,
    /// Venue time minus local time at the last message that had both.
    ahead_ns: i64,
    pending: VecDeque<(u64, Event)>,
    position: u64,
    is_over: bool,
    truncated: bool,
}

impl BinanceFile {
    /// True for the first bytes of such a file.
    #[must_use]
    pub fn claims(head: &[u8]) -> bool {
        let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (13..=20).contains(&digits) && head[digits..].starts_with(b" {")
    }

    /// Opens `path`, whatever its name.
    ///
    /// # Errors
    /// Missing, permission, or foreign.
    pub fn open(path: impl AsRef<Path>) -> Result<BinanceFile, RecordingError> {
        BinanceFile::over(Stream::open(path.as_ref())?)
    }

    /// The same, over a stream that stands at its first byte.
    ///
    /// # Errors
    /// As [`open`](BinanceFile::open).
    pub fn over(mut stream: Stream) -> Result<BinanceFile, RecordingError> {
        let head = stream.peek(LOOK_AHEAD_BYTES);
        if !BinanceFile::claims(head) {
            let rule = "line 1 does not begin with digits, a space and a brace".into();
            let fault = Fault::Foreign { expected: FORMAT, rule };
            return Err(RecordingError::new(stream.path(), fault));
        }
        let is_depth_ahead = head.split(|&byte| byte == b'\n').any(|line| {
            let line = &line[..line.len().min(160)];
            [&b"depthUpdate"[..], b"lastUpdateId"]
                .iter()
                .any(|word| line.windows(word.len()).any(|window| window == *word))
        });
        Ok(BinanceFile {
            stream,
            lines: Lines::new(LINE_BYTES_MAX),
            instruments: Vec::new(),
            symbols: Symbols::default(),
            is_depth_ahead,
            unclaimed: None,
            counts: Counts::default(),
            times: Facts::default(),
            local_ns: 0,
            ahead_ns: 0,
            pending: VecDeque::new(),
            position: 0,
            is_over: false,
            truncated: false,
        })
    }

    /// The next event; `None` at the end. Each line of the format is at least one.
    ///
    /// # Errors
    /// Cut, corrupt, or a failure of the system; told once, afterwards the recording is at its end.
    pub fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        loop {
            if let Some((position, event)) = self.pending.pop_front() {
                self.position = position;
                return Ok(Some(event));
            }
            match self.next_message()? {
                Some(message) => self.translate(message),
                None => return Ok(None),
            }
        }
    }

    /// The next line of the format, decoded and not translated: for whoever wants what an `Info`
    /// does not say. Not to be mixed with [`next_event`](BinanceFile::next_event).
    ///
    /// # Errors
    /// Those of [`next_event`](BinanceFile::next_event).
    pub fn next_message(&mut self) -> Result<Option<Message>, RecordingError> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            let next = self.lines.next(&mut self.stream);
            let message = match next {
                Next::Whole | Next::Unterminated => line::decode(self.lines.line()),
                Next::End | Next::TooLong => None,
            };
            let partial = match next {
                Next::Unterminated if message.is_none() => self.lines.line().len(),
                _ => 0,
            };
            if let Some(message) = message {
                self.note(&message);
                return Ok(Some(message));
            }
            if next == Next::Whole {
                if !self.lines.line().is_empty() {
                    self.counts.strange += 1;
                    self.counts.strange_first.get_or_insert(self.lines.number());
                }
                continue;
            }
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

    fn note(&mut self, message: &Message) {
        self.local_ns = message.local_ns;
        if let Some(venue_ns) = message.venue_ns {
            self.ahead_ns = venue_ns.wrapping_sub(message.local_ns).cast_signed();
            self.times.at(venue_ns);
            self.times.latency(message.local_ns, venue_ns);
        }
        let kind = match &message.body {
            Body::Depth(_) => 0,
            Body::Snapshot { .. } => 1,
            Body::Trade { is_aggregate: false, .. } => 2,
            Body::Trade { is_aggregate: true, .. } => 3,
            Body::BookTicker { .. } => 4,
            Body::Other => 5,
        };
        self.counts.by_type[kind] += 1;
    }

    /// Back to the first line, all counts at 0. A pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.stream.rewind()?;
        self.lines.restart();
        self.instruments.clear();
        self.symbols = Symbols::default();
        self.unclaimed = None;
        self.counts = Counts::default();
        self.times = Facts::default();
        (self.local_ns, self.ahead_ns, self.position) = (0, 0, 0);
        self.pending.clear();
        (self.is_over, self.truncated) = (false, false);
        Ok(())
    }

    /// The recorder's own time of the last line, ns since 1970.
    #[must_use]
    pub fn local_ns(&self) -> u64 {
        self.local_ns
    }

    /// Depth events that became part of a book.
    #[must_use]
    pub fn depth_applied(&self) -> u64 {
        self.counts.applied
    }

    /// Depth events older than the snapshot.
    #[must_use]
    pub fn depth_dropped(&self) -> u64 {
        self.counts.older
    }

    /// Number of the first line that is not of the format, from 1.
    #[must_use]
    pub fn first_strange_line(&self) -> Option<u64> {
        self.counts.strange_first
    }

    /// What the recording is wrapped in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.stream.container()
    }
}

impl EventReader for BinanceFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        BinanceFile::next_event(self)
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        BinanceFile::rewind(self)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn facts(&self) -> Facts {
        let counted = TYPES.into_iter().zip(self.counts.by_type).filter(|&(_, count)| count > 0);
        let mut facts = Facts {
            container: format!("{}, lines of json", self.container()),
            protocol: Protocol::Binance,
            messages: self.counts.by_type.iter().sum(),
            by_type: counted.map(|(name, count)| (name.into(), count)).collect(),
            sessions: self.instruments.iter().map(|it| it.facts.clone()).collect(),
            truncated: self.truncated,
            ..self.times.clone()
        };
        let held = self.instruments.iter().map(|it| it.sync.held()).sum();
        for (reason, count) in [
            ("line not of the format", self.counts.strange),
            ("depth older than its snapshot", self.counts.older),
            ("depth without a snapshot", held),
            ("depth that waited too long", self.counts.overflowed),
            ("snapshot of no known symbol", self.counts.unclaimed),
            ("instrument without a number", self.counts.unnumbered),
        ] {
            if count > 0 {
                facts.skipped_by.insert(reason, count);
            }
        }
        facts
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}
