//! [`Walk`]: one pass over a recording, with what the commands have in common.

use super::Input;
use crate::error::{Failure, Outcome, exit};
use crate::print;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;
use tickspin_recording::{EventReader, Facts, RecordingError, Symbols};
use tickspin_results::table::grouped;
use tickspin_wire::Event;
use tickspin_wire::num::InstrumentId;

/// Events between two looks at the progress bar.
const LOOK_EVERY: u64 = 1 << 16;

/// How many names an error lists.
const NAMES_MAX: usize = 8;

/// A recording on its way.
pub(super) struct Walk {
    reader: Box<dyn EventReader + Send>,
    bar: Option<ProgressBar>,
    events: u64,
    fault: Option<Failure>,
}

impl Walk {
    /// Opens the file.
    pub(super) fn open(input: &Input) -> Result<Walk, Failure> {
        let path = if input.file == Path::new("-") { Path::new("/dev/stdin") } else { &input.file };
        let reader = tickspin_recording::open(path).map_err(|error| failure(&error))?;
        let bar = io::stderr().is_terminal().then(|| bar(path));
        Ok(Walk { reader, bar, events: 0, fault: None })
    }

    /// The next event; `None` at the end, which may be where the file breaks off.
    pub(super) fn next(&mut self) -> Option<Event> {
        match self.reader.next_event() {
            Ok(Some(event)) => {
                self.events += 1;
                if self.events.is_multiple_of(LOOK_EVERY) {
                    self.look();
                }
                Some(event)
            }
            Ok(None) => None,
            Err(error) => {
                self.fault = Some(failure(&error));
                None
            }
        }
    }

    /// Events given so far.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The venue's number of the message that the last event came from.
    pub(super) fn position(&self) -> u64 {
        self.reader.position()
    }

    /// The venue's own bytes of that message, where the recording has them.
    pub(super) fn raw(&self) -> Option<&[u8]> {
        self.reader.raw()
    }

    pub(super) fn facts(&self) -> Facts {
        self.reader.facts()
    }

    pub(super) fn symbols(&self) -> &Symbols {
        self.reader.symbols()
    }

    /// The file ended as it should, or the line that says how not.
    pub(super) fn end(&mut self) -> Outcome {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.fault.take().map_or(Ok(exit::OK), Err)
    }

    #[cold]
    fn look(&self) {
        let Some(bar) = &self.bar else { return };
        if let Some(position) = self.reader.file_position() {
            bar.set_position(position);
        }
        let rate = self.events as f64 / bar.elapsed().as_secs_f64().max(0.1);
        bar.set_message(format!("{} events, {}/s", grouped(self.events), grouped(rate as u64)));
    }
}

/// Standard error is a terminal, so somebody waits.
fn bar(path: &Path) -> ProgressBar {
    let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{percent:>3} % {bar:30} {eta} left, {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Exit code 4 where the environment is to be mended, else 1.
fn failure(error: &RecordingError) -> Failure {
    let code = if error.is_permission() { exit::ENVIRONMENT } else { exit::FAILURE };
    Failure::new(code, error)
}

/// One instrument as the user named it: its symbol, or `#` and its number. A symbol may become
/// known only in the middle of a file.
pub(super) struct Wanted {
    name: String,
    number: Option<InstrumentId>,
}

impl Wanted {
    pub(super) fn new(name: &str) -> Result<Wanted, Failure> {
        let number = match name.strip_prefix('#').map(str::parse::<u16>) {
            Some(Ok(number)) => Some(InstrumentId(number)),
            Some(Err(_)) => {
                return Err(Failure::usage(format_args!(
                    "--symbol {name}: behind the # stands a number from 0 to 65534"
                )));
            }
            None => None,
        };
        Ok(Wanted { name: name.to_owned(), number })
    }

    /// Whether the last event of `walk` is about it. Equal names under new numbers (a new session)
    /// are the same instrument.
    pub(super) fn is(&mut self, event: &Event, walk: &Walk) -> bool {
        if self.number == Some(event.instrument) {
            return true;
        }
        if event.instrument == InstrumentId::ALL || self.name.starts_with('#') {
            return false;
        }
        let is_it = walk.symbols().name(event.instrument) == Some(&self.name);
        if is_it {
            self.number = Some(event.instrument);
        }
        is_it
    }

    /// Its number; a failure that names some that are there where it is not.
    pub(super) fn found(&self, walk: &Walk) -> Result<InstrumentId, Failure> {
        let number = self.number.or_else(|| walk.symbols().number(&self.name));
        number.ok_or_else(|| {
            let known: Vec<_> = walk.symbols().iter().map(|(_, name)| name).collect();
            let shown = known.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = known.len().saturating_sub(NAMES_MAX);
            let has = match (known.len(), more) {
                (0, _) => "it names none: give #N, the venue's number".to_owned(),
                (_, 0) => format!("it has {shown}"),
                _ => format!("it has {shown} and {} more", grouped(more as u64)),
            };
            Failure::failed(format_args!("no instrument {} in it; {has}", self.name))
        })
    }
}

/// Standard output by large writes; a reader that has gone away ends the walk, and is no failure.
pub(super) struct Out {
    out: BufWriter<StdoutLock<'static>>,
    is_open: bool,
}

impl Out {
    pub(super) fn new() -> Out {
        Out { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), is_open: true }
    }

    /// Somebody still reads.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        let written = self.out.write_fmt(line).and_then(|()| self.out.write_all(b"\n"));
        self.sorted(written)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        self.sorted(flushed)
    }

    fn sorted(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        let Err(error) = written else { return Ok(()) };
        self.is_open = false;
        print::sorted(&error)
    }
}
