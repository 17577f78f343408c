//! Where ticks come from: the next event, when it is due, and the best bid and ask after it.
//!
//! ```text
//!   synth   seed ─► order flow ─┐
//!                               ├─► Tick { event, touch, due } ─► ahead (prepared) ─► pace ─► ring
//!   replay  file ─► own book  ──┘
//! ```
//! A source is cold: it may decompress, walk trees and read files. It is asked ahead of time, never
//! at the moment of sending, and by the pinned thread only where it is light. The touch is computed here so that the exchange end only compares.

pub mod replay;
pub mod synth;

use crate::error::SimError;
use tickspin_results::Recorded;
use tickspin_wire::Event;
use tickspin_wire::num::Px;

/// Best prices of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Highest bid, [`Px::NONE`] where there is none.
    pub bid: Px,
    /// Lowest ask, [`Px::NONE`] where there is none.
    pub ask: Px,
}

impl Touch {
    /// Both sides empty.
    pub const NONE: Touch = Touch { bid: Px::NONE, ask: Px::NONE };
}

/// When a tick is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once and unpaced: reference data, an opening book, what lies before `--from`.
    AtOnce,
    /// So many nanoseconds after the first paced tick of the stream; never decreasing.
    After(u64),
}

/// One prepared event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The event; stamps and the warm-up flag are not set yet.
    pub event: Event,
    /// Best prices of the event's instrument after it.
    pub touch: Touch,
    /// When it is due at speed 1.
    pub due: Due,
}

/// Counts and words about a source for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// One line: what it is.
    pub line: String,
    /// Recorded times that ran backwards and were clamped.
    pub reversals: u64,
    /// Messages of unknown type or length, skipped.
    pub skipped: u64,
    /// What a reader of the results must know of it.
    pub notes: Vec<String>,
    /// What was played, for a recording.
    pub recording: Option<Recorded>,
}

/// The sources there are.
pub enum Source {
    /// A seeded synthetic market.
    Synth(Box<synth::Synth>),
    /// A recorded file.
    Replay(Box<replay::Replay>),
}

impl Source {
    /// The next tick; `None` at the end.
    ///
    /// # Errors
    /// A cut, damaged or unreadable recording, after everything whole before it was given.
    #[inline]
    pub fn next_tick(&mut self) -> Result<Option<Tick>, SimError> {
        match self {
            Source::Synth(synth) => Ok(Some(synth.next_tick())),
            Source::Replay(replay) => replay.next_tick(),
        }
    }

    /// What it is and what it had to mend.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        match self {
            Source::Synth(synth) => SourceFacts { line: synth.line(), ..SourceFacts::default() },
            Source::Replay(replay) => replay.facts(),
        }
    }

    /// Asking it neither allocates nor calls the kernel, so it may be asked on the pinned thread.
    #[must_use]
    pub fn is_light(&self) -> bool {
        match self {
            Source::Synth(_) => true,
            Source::Replay(replay) => replay.is_in_memory(),
        }
    }
}
