//! Recorded files as a source: each event in the file's order, at the file's times.
//!
//! ```text
//!   file ──► event ──► --to ──► time clamped ──► --symbols ──► own book ──► touch ──► Tick
//!      ▲                                                                               │ kept, if
//!      └── --loop: Clear, SessionStart, then again ◄───────────────────────────────────┘ it fits
//! ```
//!
//! **Time** is the venue's. One that runs backwards is clamped to the latest seen, and counted.
//! What lies before `--from` is given at once and unpaced; the pace counts from the first tick at
//! or after it. Without `--from` it counts from the first message about an order or a trade that is
//! not of a snapshot: a day begins with hours of directory messages, seconds apart, and a snapshot
//! with orders that are days old, and nobody wants to sit through either (`--from 0` does). With a rate instead of the recorded pace, paced ticks are evenly spaced.
//! What lies at `--to` or after it does not belong.
//!
//! **Rounds**: times of later rounds are shifted so that the first paced tick goes on where the last
//! round ended, and what comes before it in the file stands there too; an engine that ages its
//! orders by event time must not see it fall back by a day. A round that fits into `keep_max` ticks
//! is decoded once and served from memory afterwards; a larger one is read from the file again.

mod extent; // which instruments pass

use super::{Due, SourceFacts, Tick, Touch};
use crate::error::SimError;
use extent::Wanted;
use std::path::PathBuf;
use tickspin_recording::place::{Bound, Place};
use tickspin_recording::{EventReader, Facts, MergedFile, Relation, TreeBook};
use tickspin_results::{Recorded, RecordedSession};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Side};

/// What a replay is to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplaySpec {
    /// Place before which nothing is paced.
    pub from: Option<Place>,
    /// Place before which it ends.
    pub to: Option<Place>,
    /// Names of the instruments that pass; empty: all.
    pub symbols: Vec<String>,
    /// What several files are to one another.
    pub relation: Relation,
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
    /// Both ends, once the first event has shown where the venue counts from.
    bounds: Option<[Option<Bound>; 2]>,
    wanted: Wanted,
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
    /// Latest venue time of this round, unshifted; and of a whole first round.
    latest_ns: u64,
    round_end_ns: u64,
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
    /// Of a first round that was read to its end.
    facts: Option<Facts>,
    is_over: bool,
}

impl Replay {
    /// Opens recordings, each as what its content says; several become one stream.
    ///
    /// # Errors
    /// Missing, empty, foreign, unreadable: named in one line.
    pub fn open(paths: &[PathBuf], spec: ReplaySpec) -> Result<Replay, SimError> {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let reader: Box<dyn EventReader + Send> = match paths {
            [path] => tickspin_recording::open(path)?,
            _ => Box::new(MergedFile::open(paths, spec.relation)?),
        };
        Ok(Replay::new(reader, names.join(" + "), spec))
    }

    /// From any reader of events; `name` is for the report.
    #[must_use]
    pub fn new(reader: Box<dyn EventReader + Send>, name: String, spec: ReplaySpec) -> Replay {
        Replay {
            reader,
            name,
            bounds: None,
            wanted: Wanted::new(&spec.symbols),
            book: TreeBook::default(),
            round: 0,
            kept: spec.is_loop.then(Vec::new),
            spec,
            next_kept: 0,
            openers: 0,
            round_paced: 0,
            latest_ns: 0,
            round_end_ns: 0,
            origin_ns: None,
            shift_ns: 0,
            floor_ns: 0,
            base_offset_ns: 0,
            latest_offset_ns: 0,
            paced: 0,
            reversals: 0,
            skipped: 0,
            facts: None,
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
        let facts = self.facts.clone().unwrap_or_else(|| self.reader.facts());
        SourceFacts {
            line: format!(
                "replay of {}{}",
                self.name,
                if self.spec.is_loop { ", looped" } else { "" }
            ),
            reversals: self.reversals,
            skipped: self.skipped
                + if self.is_in_memory() { 0 } else { self.reader.facts().skipped() },
            notes: self.wanted.unseen(),
            recording: Some(recorded(facts)),
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
        loop {
            let Some(mut event) = self.reader.next_event()? else { return Ok(None) };
            let [from, to] = self.bounds(&event)?;
            let clamped_ns = event.exchange_ns.max(self.latest_ns);
            let index = self.reader.position();
            if to.is_some_and(|to| to.is_reached(clamped_ns, index)) {
                return Ok(None);
            }
            self.reversals += u64::from(event.exchange_ns < clamped_ns);
            event.exchange_ns = clamped_ns;
            self.latest_ns = clamped_ns;
            if !self.wanted.passes(&event, self.reader.symbols()) {
                continue;
            }
            self.book.apply(&event);
            let touch = touch(&self.book, event.instrument);
            let is_early = self.origin_ns.is_none()
                && match from {
                    Some(from) => !from.is_reached(clamped_ns, index),
                    None => !is_of_market(&event),
                };
            let due = match is_early {
                true => Due::AtOnce,
                false => {
                    let origin_ns = *self.origin_ns.get_or_insert(clamped_ns);
                    Due::After(clamped_ns - origin_ns)
                }
            };
            return Ok(Some(Tick { event, touch, due }));
        }
    }

    /// Both ends, as the venue counts; settled by its first event.
    fn bounds(&mut self, first: &Event) -> Result<[Option<Bound>; 2], SimError> {
        if let Some(bounds) = self.bounds {
            return Ok(bounds);
        }
        let bound = |key: &str, place: Option<Place>| {
            let bound = place.map(|place| Bound::settle(place, first.exchange_ns)).transpose();
            bound.map_err(|rule| SimError::key(key, &self.name, rule))
        };
        let bounds = [bound("from", self.spec.from)?, bound("to", self.spec.to)?];
        self.bounds = Some(bounds);
        Ok(bounds)
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
        match self.round {
            0 => self.round_end_ns = self.latest_ns,
            // What did not pass behind the last tick belongs to the round's length.
            _ => self.latest_ns = self.round_end_ns,
        }
        // A round without a paced tick would go round and round in no time.
        if !self.spec.is_loop || self.round_paced == 0 {
            self.is_over = true;
            return Ok(());
        }
        self.floor_ns = self.latest_ns.saturating_add(self.shift_ns);
        let length_ns = self.latest_ns - self.origin_ns.take().unwrap_or(self.latest_ns);
        self.shift_ns = self.shift_ns.saturating_add(length_ns);
        if self.spec.rate.is_none() {
            let end_ns = self.base_offset_ns.saturating_add(length_ns);
            self.latest_offset_ns = self.latest_offset_ns.max(end_ns);
        }
        self.base_offset_ns = self.latest_offset_ns;
        self.round += 1;
        if self.round == 1 {
            self.facts = Some(self.reader.facts());
        }
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

/// About an order or a trade as it happens: what a recording is played for. The orders of a snapshot
/// bear the times at which they were entered, days before.
fn is_of_market(event: &Event) -> bool {
    event.flags & flag::SNAPSHOT == 0
        && event.kind().is_some_and(|kind| (kind as u8) < Kind::Status as u8)
}

/// What a recording turned out to be, as files have it.
fn recorded(facts: Facts) -> Recorded {
    let session = |session: tickspin_recording::SessionFacts| RecordedSession {
        id: session.id,
        first: session.first,
        last: session.last,
        gaps: session.gaps,
        missing: session.missing,
        restarts: session.restarts,
        duplicates: session.duplicates,
    };
    Recorded {
        container: facts.container,
        protocol: facts.protocol.name().to_owned(),
        messages: facts.messages,
        by_type: facts.by_type,
        sessions: facts.sessions.into_iter().map(session).collect(),
        first_ns: facts.first_ns,
        last_ns: facts.last_ns,
        reversals: facts.reversals,
        latency_ns: facts.latency_ns,
        negative_latencies: facts.negative_latencies,
        truncated: facts.truncated,
        skipped_by: facts.skipped_by.into_iter().map(|(why, n)| (why.to_owned(), n)).collect(),
    }
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
