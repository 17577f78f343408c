//! A recorded file as a source: each message one event, in the file's order, at the file's times.
//!
//! ```text
//!   file ──► event ──► time clamped ──► own book ──► touch ──► Tick
//!      ▲                                                         │ kept, if the round fits
//!      └── --loop: Clear, SessionStart, then again ◄─────────────┘
//! ```
//!
//! **Time** is the venue's. One that runs backwards is clamped to the latest seen, and counted.
//! What lies before `--from` is given at once and unpaced; the pace counts from the first tick at
//! or after it. Without `--from` it counts from the first message about an order or a trade: a day
//! begins with hours of directory messages, seconds apart, that nobody wants to sit through
//! (`--from 0` does). With a rate instead of the recorded pace, paced ticks are evenly spaced.
//!
//! **Rounds**: times of later rounds are shifted so that the first paced tick goes on where the last
//! round ended, and what comes before it in the file stands there too; an engine that ages its
//! orders by event time must not see it fall back by a day. A round that fits into `keep_max` ticks
//! is decoded once and served from memory afterwards; a larger one is read from the file again.

use super::{Due, SourceFacts, Tick, Touch};
use crate::error::SimError;
use std::path::Path;
use tickspin_recording::{EventReader, ItchFile, TreeBook};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Side};

/// What a replay is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplaySpec {
    /// Venue time before which nothing is paced, ns.
    pub from_ns: Option<u64>,
    /// Evenly spaced at this many events a second, instead of the recorded pace.
    pub rate: Option<f64>,
    /// Begin again at the end.
    pub is_loop: bool,
    /// Most ticks of a round that are kept for the next one.
    pub keep_max: usize,
}

/// An open recording and where it stands.
pub struct Replay {
    reader: Box<dyn EventReader + Send>,
    name: String,
    spec: ReplaySpec,
    book: TreeBook,
    /// The current round, from 0.
    round: u64,
    /// Ticks of the first round, times unshifted; `None`: too many to keep.
    kept: Option<Vec<Tick>>,
    /// Next kept tick to give, from the second round on.
    next_kept: usize,
    /// Events of our own that come before the round: Clear, then SessionStart.
    openers: u8,
    round_paced: u64,
    /// Latest venue time of this round, unshifted.
    latest_ns: u64,
    /// Unshifted venue time of the round's first paced tick.
    origin_ns: Option<u64>,
    /// Added to venue times in this round, and the least they come to.
    shift_ns: u64,
    floor_ns: u64,
    /// Offset at which this round began, and the latest offset given.
    base_offset_ns: u64,
    latest_offset_ns: u64,
    /// Paced ticks given, all rounds.
    paced: u64,
    reversals: u64,
    skipped: u64,
    is_over: bool,
}

impl Replay {
    /// Opens an ITCH recording.
    ///
    /// # Errors
    /// Missing, empty, foreign, unreadable: named in one line.
    pub fn open(path: &Path, spec: ReplaySpec) -> Result<Replay, SimError> {
        let file = ItchFile::open(path)?;
        Ok(Replay::new(Box::new(file), path.display().to_string(), spec))
    }

    /// From any reader of events; `name` is for the report.
    #[must_use]
    pub fn new(reader: Box<dyn EventReader + Send>, name: String, spec: ReplaySpec) -> Replay {
        Replay {
            reader,
            name,
            spec,
            book: TreeBook::default(),
            round: 0,
            kept: spec.is_loop.then(Vec::new),
            next_kept: 0,
            openers: 0,
            round_paced: 0,
            latest_ns: 0,
            origin_ns: None,
            shift_ns: 0,
            floor_ns: 0,
            base_offset_ns: 0,
            latest_offset_ns: 0,
            paced: 0,
            reversals: 0,
            skipped: 0,
            is_over: false,
        }
    }

    /// The next tick; `None` at the end.
    ///
    /// # Errors
    /// A cut, damaged or unreadable recording, after everything whole before it was given.
    pub fn next_tick(&mut self) -> Result<Option<Tick>, SimError> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            if self.openers > 0 {
                return Ok(Some(self.opener()));
            }
            if let Some(tick) = self.next_of_round()? {
                return Ok(Some(tick));
            }
            self.end_round()?;
        }
    }

    /// Whether the next tick comes from memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.round > 0 && self.kept.is_some()
    }

    /// For the report.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        SourceFacts {
            line: format!(
                "replay of {}{}",
                self.name,
                if self.spec.is_loop { ", looped" } else { "" }
            ),
            reversals: self.reversals,
            skipped: self.skipped
                + if self.is_in_memory() { 0 } else { self.reader.facts().skipped() },
        }
    }

    fn next_of_round(&mut self) -> Result<Option<Tick>, SimError> {
        let tick = if self.is_in_memory() {
            let kept = self.kept.as_deref().and_then(|kept| kept.get(self.next_kept));
            let Some(&tick) = kept else { return Ok(None) };
            self.next_kept += 1;
            tick
        } else {
            let Some(tick) = self.decode()? else { return Ok(None) };
            if self.round == 0
                && let Some(kept) = &mut self.kept
            {
                if kept.len() < self.spec.keep_max {
                    kept.push(tick);
                } else {
                    self.kept = None;
                }
            }
            tick
        };
        self.latest_ns = tick.event.exchange_ns;
        let due = match tick.due {
            Due::AtOnce => Due::AtOnce,
            Due::After(offset_ns) => {
                self.origin_ns.get_or_insert(self.latest_ns);
                self.round_paced += 1;
                self.paced(offset_ns)
            }
        };
        let exchange_ns = self.latest_ns.saturating_add(self.shift_ns).max(self.floor_ns);
        Ok(Some(Tick { event: Event { exchange_ns, ..tick.event }, due, ..tick }))
    }

    /// One event of the file: clamped time, touch, offset within the round.
    fn decode(&mut self) -> Result<Option<Tick>, SimError> {
        let Some(mut event) = self.reader.next_event()? else { return Ok(None) };
        if event.exchange_ns < self.latest_ns {
            self.reversals += 1;
            event.exchange_ns = self.latest_ns;
        }
        self.book.apply(&event);
        let touch = touch(&self.book, event.instrument);
        let is_early = match self.spec.from_ns {
            Some(from_ns) => event.exchange_ns < from_ns,
            None => self.origin_ns.is_none() && !is_of_orders(&event),
        };
        let due = match is_early {
            true => Due::AtOnce,
            false => {
                let origin_ns = *self.origin_ns.get_or_insert(event.exchange_ns);
                Due::After(event.exchange_ns - origin_ns)
            }
        };
        Ok(Some(Tick { event, touch, due }))
    }

    /// The offset of the next paced tick, `in_round_ns` after the round's first.
    fn paced(&mut self, in_round_ns: u64) -> Due {
        let offset_ns = match self.spec.rate {
            // Exact to a nanosecond for 2^53 of them: 104 days.
            Some(rate) => (self.paced as f64 * 1e9 / rate) as u64,
            None => self.base_offset_ns.saturating_add(in_round_ns),
        };
        self.paced += 1;
        self.latest_offset_ns = offset_ns.max(self.latest_offset_ns);
        Due::After(self.latest_offset_ns)
    }

    fn end_round(&mut self) -> Result<(), SimError> {
        // A round without a paced tick would go round and round in no time.
        if !self.spec.is_loop || self.round_paced == 0 {
            self.is_over = true;
            return Ok(());
        }
        self.floor_ns = self.latest_ns.saturating_add(self.shift_ns);
        let length_ns = self.latest_ns - self.origin_ns.take().unwrap_or(self.latest_ns);
        self.shift_ns = self.shift_ns.saturating_add(length_ns);
        self.base_offset_ns = self.latest_offset_ns;
        self.round += 1;
        if self.kept.is_some() {
            if self.round == 1 {
                self.skipped += self.reader.facts().skipped();
            }
            self.next_kept = 0;
        } else {
            self.skipped += self.reader.facts().skipped();
            self.reader.rewind()?;
            self.book = TreeBook::default();
        }
        self.round_paced = 0;
        self.latest_ns = 0;
        self.openers = 2;
        Ok(())
    }

    /// `Clear`, then `SessionStart`: books are void, venue sequence numbers start afresh.
    fn opener(&mut self) -> Tick {
        self.openers -= 1;
        let (kind, order_id, second_id) = if self.openers == 1 {
            (Kind::Clear, 0, 0)
        } else {
            (Kind::SessionStart, session_name(self.round), 1)
        };
        let event = Event {
            exchange_ns: self.floor_ns,
            kind_side: Event::pack(kind, Side::None),
            order_id,
            second_id,
            flags: flag::COMPLETE,
            ..Event::EMPTY
        };
        Tick { event, touch: Touch::NONE, due: self.paced(0) }
    }
}

/// Best prices of an instrument.
fn touch(book: &TreeBook, instrument: InstrumentId) -> Touch {
    let [bid, ask] = book.best(instrument).map(|best| best.map_or(Px::NONE, |(px, _)| px));
    Touch { bid, ask }
}

/// About an order or a trade: what a recording is played for.
fn is_of_orders(event: &Event) -> bool {
    event.kind().is_some_and(|kind| (kind as u8) < Kind::Status as u8)
}

/// The session of a round: its number in eight digits, as venues name theirs.
fn session_name(round: u64) -> u64 {
    let mut digits = *b"00000000";
    let mut left = round;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    u64::from_le_bytes(digits)
}
