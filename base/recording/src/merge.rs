//! [`MergedFile`]: several recordings as one stream, in the order of venue time.
//!
//! ```text
//!   file 0 ─► front, clamped time ─┐
//!   file 1 ─► front, clamped time ─┼─► least time, ties by file ─► renumbered ─► event
//!   file 2 ─► front, clamped time ─┘
//! ```
//! Within a file nothing changes places: a time that runs backwards counts as the latest before it.
//! What the files are to one another, [`Relation`] says:
//!
//! | | separate markets | parts of one recording |
//! |---|---|---|
//! | instruments | dense numbers in order of appearance, each file its own | ITCH: the venue's; else one number a name |
//! | order ids | number of the file in the top byte; an id that needs that byte is refused | as they are |
//! | `Clear` of all books | one `Clear` an instrument of that file | as it is |
//!
//! A `Gap` passes as it is: after one the engine trusts none of its books until a `Clear` of all,
//! which a merge of separate markets never sends.
//! Times have to count from the same origin: files since midnight and files since 1970 are refused
//! together, and so are parts of different protocols. A file that is cut or damaged ends there; the others go on, and the error comes last.
//! Cost: one comparison a file and event; one event of each file is held.

use crate::error::Fault;
use crate::facts::{Facts, Protocol};
use crate::{EventReader, RecordingError, Symbols};
use std::collections::VecDeque;
use std::path::PathBuf;
use tickspin_wire::Event;
use tickspin_wire::event::{Kind, flag};
use tickspin_wire::num::InstrumentId;

/// Most files of one merge: their number has a byte.
pub const FILES_MAX: usize = 256;
/// Venue times below this count from midnight, others from 1970: ten days, which no session lasts.
pub const SINCE_MIDNIGHT_MAX_NS: u64 = 10 * 86_400 * 1_000_000_000;

const FILE_SHIFT: u32 = 56;
const EXPECTED: &str = "recording that can be merged";

/// What the files of a merge are to one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// Markets of their own: nothing in one file is about another's instruments or orders.
    #[default]
    Separate,
    /// One recording in parts: equal names are one instrument, order ids go on.
    Parts,
}

/// One of the files and its next event.
struct Part {
    reader: Box<dyn EventReader + Send>,
    path: PathBuf,
    front: Option<Event>,
    /// Clamped venue time and position of `front`.
    at_ns: u64,
    position: u64,
    /// Our number by the file's own.
    numbers: Vec<Option<InstrumentId>>,
}

/// Several open recordings.
pub struct MergedFile {
    parts: Vec<Part>,
    relation: Relation,
    is_begun: bool,
    symbols: Symbols,
    /// The next number that no instrument has.
    next: u16,
    /// Events that stand for the last one of a file: `Clear` one by one.
    waiting: VecDeque<Event>,
    /// (file, position) of the last message, and how many messages came before it.
    last: Option<(usize, u64)>,
    index: u64,
    /// Events of instruments beyond all numbers.
    unnumbered: u64,
    fault: Option<RecordingError>,
}

impl MergedFile {
    /// Opens all of them, each as what its content says it is.
    ///
    /// # Errors
    /// The first that does not open, or one too many.
    pub fn open(paths: &[PathBuf], relation: Relation) -> Result<MergedFile, RecordingError> {
        let opened = paths.iter().map(|path| Ok((path.clone(), crate::open(path)?)));
        MergedFile::new(opened.collect::<Result<_, RecordingError>>()?, relation)
    }

    /// Over open ones; the paths are for messages.
    ///
    /// # Errors
    /// More than [`FILES_MAX`].
    pub fn new(
        files: Vec<(PathBuf, Box<dyn EventReader + Send>)>,
        relation: Relation,
    ) -> Result<MergedFile, RecordingError> {
        if let Some((path, _)) = files.get(FILES_MAX) {
            let rule = format!("it is one more than {FILES_MAX} files");
            return Err(RecordingError::new(path, Fault::Foreign { expected: EXPECTED, rule }));
        }
        let part = |(path, reader)| Part {
            reader,
            path,
            front: None,
            at_ns: 0,
            position: 0,
            numbers: Vec::new(),
        };
        Ok(MergedFile {
            parts: files.into_iter().map(part).collect(),
            relation,
            is_begun: false,
            symbols: Symbols::default(),
            next: 0,
            waiting: VecDeque::new(),
            last: None,
            index: 0,
            unnumbered: 0,
            fault: None,
        })
    }

    /// The first event of each file; all times from one origin.
    fn begin(&mut self) -> Result<(), RecordingError> {
        self.is_begun = true;
        (0..self.parts.len()).for_each(|file| self.step(file));
        let mut begun = self.parts.iter().filter(|part| part.front.is_some());
        let Some(first) = begun.next() else { return Ok(()) };
        let shown = first.path.display();
        for other in begun {
            let [one, two] = [first, other].map(|part| part.reader.facts().protocol);
            let rule = if origin(first) != origin(other) {
                format!(
                    "its times count from {}, those of {shown} from {}",
                    origin(other),
                    origin(first)
                )
            } else if self.relation == Relation::Parts && one != two {
                format!("it is {two}, and {shown}, of which it is to be a part, is {one}")
            } else {
                continue;
            };
            let fault = Fault::Foreign { expected: EXPECTED, rule };
            return Err(RecordingError::new(&other.path, fault));
        }
        Ok(())
    }

    /// The next event of one file to its front. A fault is kept until all files are at their end.
    fn step(&mut self, file: usize) {
        let Some(part) = self.parts.get_mut(file) else { return };
        part.front = match part.reader.next_event() {
            Ok(event) => event,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        };
        part.position = part.reader.position();
        part.at_ns = part.front.map_or(0, |event| event.exchange_ns.max(part.at_ns));
    }

    /// The file whose front comes first.
    fn earliest(&self) -> Option<usize> {
        let fronts = self.parts.iter().enumerate().filter(|(_, part)| part.front.is_some());
        fronts.min_by_key(|(file, part)| (part.at_ns, *file)).map(|(file, _)| file)
    }

    /// Our number of an instrument; `None` when all are taken.
    fn number(&mut self, file: usize, theirs: InstrumentId) -> Option<InstrumentId> {
        if theirs == InstrumentId::ALL {
            return Some(theirs);
        }
        let part = self.parts.get_mut(file)?;
        if part.numbers.len() <= theirs.index() {
            part.numbers.resize(theirs.index() + 1, None);
        }
        let known = part.numbers[theirs.index()];
        let name = part.reader.symbols().name(theirs);
        let ours = match (known, self.relation, name) {
            (Some(ours), ..) => ours,
            (None, Relation::Parts, _) if part.reader.facts().protocol == Protocol::Itch50 => {
                theirs
            }
            (None, Relation::Parts, Some(name)) if self.symbols.number(name).is_some() => {
                self.symbols.number(name)?
            }
            _ => {
                let ours = InstrumentId(self.next);
                if ours == InstrumentId::ALL {
                    return None;
                }
                self.next += 1;
                ours
            }
        };
        part.numbers[theirs.index()] = Some(ours);
        if let Some(name) = name
            && self.symbols.name(ours).is_none()
        {
            self.symbols.learn(ours, name);
        }
        Some(ours)
    }

    /// The front of `file` as an event of the merge; `None`: it is not passed on.
    fn translate(&mut self, file: usize, event: Event) -> Result<Option<Event>, RecordingError> {
        let Some(instrument) = self.number(file, event.instrument) else {
            self.unnumbered += 1;
            return Ok(None);
        };
        let event = Event { instrument, ..event };
        if self.relation == Relation::Parts {
            return Ok(Some(event));
        }
        if event.kind() == Some(Kind::Clear) && instrument == InstrumentId::ALL {
            let ours = self.parts.get(file).map_or(&[][..], |part| &part.numbers);
            let clears = ours.iter().flatten().map(|&instrument| Event { instrument, ..event });
            self.waiting.extend(clears);
            // Complete is the last one.
            let (own, most) = (event.flags & flag::COMPLETE, self.waiting.len().saturating_sub(1));
            self.waiting.iter_mut().take(most).for_each(|clear| clear.flags &= !own);
            return Ok(self.waiting.pop_front());
        }
        let Event { order_id, second_id, .. } = event;
        Ok(Some(match event.kind() {
            Some(Kind::Replace) => Event {
                order_id: self.order_id(file, order_id)?,
                second_id: self.order_id(file, second_id)?,
                ..event
            },
            Some(Kind::Add | Kind::Execute | Kind::Reduce | Kind::Delete | Kind::Modify) => {
                Event { order_id: self.order_id(file, order_id)?, ..event }
            }
            _ => event,
        }))
    }

    fn order_id(&self, file: usize, id: u64) -> Result<u64, RecordingError> {
        if id >> FILE_SHIFT == 0 {
            return Ok(id | (file as u64) << FILE_SHIFT);
        }
        let path = self.parts.get(file).map(|part| part.path.clone()).unwrap_or_default();
        let rule = format!(
            "order id {id} needs its top byte, in which a merge of separate markets keeps the \
             number of the file"
        );
        Err(RecordingError::new(&path, Fault::Foreign { expected: EXPECTED, rule }))
    }

    /// What refuses the merge is told; a fault that one of the files kept for later no longer is.
    fn end(&mut self) {
        self.parts.iter_mut().for_each(|part| part.front = None);
        self.waiting.clear();
        self.fault = None;
    }
}

impl EventReader for MergedFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        if !self.is_begun {
            self.begin().inspect_err(|_| self.end())?;
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let Some(file) = self.earliest() else {
                return self.fault.take().map_or(Ok(None), Err);
            };
            let Some(part) = self.parts.get_mut(file) else { return Ok(None) };
            let (front, message) = (part.front.take(), (file, part.position));
            let Some(event) = front else { return Ok(None) };
            // Before the file goes on: its names are those up to this event.
            let translated = self.translate(file, event).inspect_err(|_| self.end())?;
            self.step(file);
            self.index += u64::from(self.last.is_some_and(|last| last != message));
            self.last = Some(message);
            if translated.is_some() {
                return Ok(translated);
            }
        }
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        for part in &mut self.parts {
            part.reader.rewind()?;
            (part.front, part.at_ns, part.position) = (None, 0, 0);
            part.numbers.clear();
        }
        (self.symbols, self.next, self.unnumbered) = (Symbols::default(), 0, 0);
        (self.last, self.index, self.fault) = (None, 0, None);
        self.waiting.clear();
        self.is_begun = false;
        Ok(())
    }

    /// Messages of all files before the last one's.
    fn position(&self) -> u64 {
        self.index
    }

    fn facts(&self) -> Facts {
        let mut merged = Facts::default();
        let mut containers = Vec::new();
        for (file, part) in self.parts.iter().enumerate() {
            let facts = part.reader.facts();
            merged.protocol = match (file, merged.protocol == facts.protocol) {
                (0, _) | (_, true) => facts.protocol,
                _ => Protocol::Unknown,
            };
            if !containers.contains(&facts.container) {
                containers.push(facts.container);
            }
            merged.messages += facts.messages;
            for (kind, count) in facts.by_type {
                *merged.by_type.entry(kind).or_default() += count;
            }
            merged.sessions.extend(facts.sessions);
            merged.packets += facts.packets;
            merged.first_ns = merged.first_ns.into_iter().chain(facts.first_ns).min();
            merged.last_ns = merged.last_ns.max(facts.last_ns);
            merged.reversals += facts.reversals;
            merged.latency_ns = match (merged.latency_ns, facts.latency_ns) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
            merged.negative_latencies += facts.negative_latencies;
            merged.truncated |= facts.truncated;
            for (reason, count) in facts.skipped_by {
                *merged.skipped_by.entry(reason).or_default() += count;
            }
        }
        if self.unnumbered > 0 {
            merged.skipped_by.insert("instrument beyond 65,535", self.unnumbered);
        }
        merged.container = containers.join(" + ");
        merged
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

/// Where the times of a file begin, as its first event shows.
fn origin(part: &Part) -> &'static str {
    if part.at_ns < SINCE_MIDNIGHT_MAX_NS { "midnight" } else { "1970" }
}
