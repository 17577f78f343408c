//! The pinned loop: one core paces the events and is the exchange.
//!
//! ```text
//!   ┌─► requests: stamp, answer ─► due? send ─► reports that wait ─► slack? prepare one more ─┐
//!   └──────────────────────────────── one turn ◄──────────────────────────────────────────────┘
//! ```
//! **Requests come first in every turn**, so the clock of their arrival is as fine as a turn, and
//! they are drained while the loop waits for the due instant or for room. Sending never waits: an
//! event that finds no room is offered again in the next turn.
//!
//! **Preparing ahead** happens only in turns in which nothing else did: in long gaps of the
//! schedule, or in short ones once half of the queue is used up, or when the queue is empty. What
//! is prepared here is light; decoding is for a thread of its own, and here only taken over.
//!
//! **Batches.** Several events that are due already (a burst of the recording, or the core was away)
//! go as one batch of a few: sent one by one, each waits for the line of its slot to come back from
//! the engine's core. At `--speed max` batches are longer. While requests come in, events go singly.
//!
//! **Lock-step**: after event N the loop waits until the engine has finished it, fills what N's
//! touch has reached, then answers all requests, and only then sends N+1. So every report that the
//! engine finds before N+1 is one that applies after N, in the same order in every run.
//!
//! Between armed and disarmed the thread makes no system call, allocates nothing and takes no page
//! fault, with two named exceptions: it waits by yielding, or events leave as
//! [packets](crate::sink::packets), each a `send`.

mod certify; // how well the schedule is kept, and what the machine did to it
mod leave; // End, the last answers; counters and signs of life
mod lockstep; // one event at a time
pub mod outcome; // what is left of a run

pub use outcome::Outcome;

use crate::ahead::{Ahead, Prepared};
use crate::control::{Control, Order};
use crate::error::SimError;
use crate::exchange::Exchange;
use crate::pace::{AT_ONCE, Pace};
use crate::record::Recorder;
use crate::sink::{Offered, Sink};
use crate::status::{Phase, Status};
use certify::Certify;
use std::sync::Arc;
use tickspin_host::clock::ticks;
use tickspin_host::wait::{Spin, Wait};
use tickspin_ring::State;

/// Requests taken in one turn, at most: the due instant is not to be missed by more than some µs.
const REQUESTS_PER_TURN: u32 = 16;
/// Events of a batch, at most: long enough that the first slot's line travels once for many, short
/// enough that a request waits some 200 ns only.
const BATCH: u32 = 32;
/// Events of a batch that keeps a schedule, at most: the first one's departure waits for the last.
const DUE_BATCH: u32 = 8;
/// Events prepared at once when the queue has run dry.
const STARVED_BATCH: usize = 64;
/// Gaps of the schedule that are long enough to prepare an event in, ns, which costs some 100 ns:
/// any long one; a short one when the queue is half empty.
const LONG_SLACK_NS: u64 = 200_000;
const SHORT_SLACK_NS: u64 = 1_000;
/// In a short gap nothing is prepared for so long after a send, ns: requests are answered within
/// half a microsecond or two, and preparing would blur the clock of their arrival.
const QUIET_NS: u64 = 3_000;
/// With fewer events prepared than this the quiet is given up.
const STARVING: u64 = 1_024;
/// Turns between two rounds of housekeeping (counters, signs of life): some 20 µs.
const HOUSE_TURNS: u64 = 1_024;

/// What the loop runs on.
pub struct Spinner<S> {
    /// Where events go.
    pub sink: S,
    /// Where requests come from.
    pub exchange: Exchange,
    /// What is sent.
    pub ahead: Ahead,
    /// What is counted.
    pub recorder: Recorder,
    /// What observers see.
    pub status: Status,
    /// What cold wants.
    pub control: Arc<Control>,
    /// How.
    pub mode: Mode,
}

/// How the loop runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// No schedule.
    pub is_max: bool,
    /// One event at a time.
    pub is_lockstep: bool,
    /// At speed max: longest run on the wall clock, ticks.
    pub wall_ticks: Option<u64>,
}

/// Why the stream ended.
#[derive(Debug)]
pub enum Ended {
    /// The source, the count or the duration came to its end.
    Stream,
    /// Cold asked for it: a signal.
    Asked,
    /// The engine halted its requests first.
    EngineLeft(State),
    /// The engine is dead.
    EngineDied,
    /// The engine wrote what no honest engine writes.
    Foreign,
    /// The source is cut or damaged here, or gives what the sink cannot send.
    SourceFailed(SimError),
}

/// What the loop remembers between turns.
#[derive(Debug, Default)]
struct Course {
    pace: Pace,
    certify: Certify,
    full_turns: u64,
    starved_turns: u64,
    measured: Option<(u64, u64)>,
    /// Latest venue time sent.
    exchange_ns: u64,
    house_rounds: u64,
    /// When the run is over at speed max, ticks.
    wall_end: Option<u64>,
    long_slack: u64,
    short_slack: u64,
    quiet: u64,
    /// Stamp of the last event sent.
    last_sent: u64,
}

/// How a run of the loop ended.
#[derive(Debug)]
pub struct Finish {
    ended: Ended,
    is_drained: bool,
    full_turns: u64,
    starved_turns: u64,
    measured: Option<(u64, u64)>,
    certify: Certify,
}

impl<S> Spinner<S> {
    /// The same with another sink.
    #[must_use]
    pub fn with<T>(self, sink: T) -> Spinner<T> {
        let Spinner { sink: _, exchange, ahead, recorder, status, control, mode } = self;
        Spinner { sink, exchange, ahead, recorder, status, control, mode }
    }
}

impl<S: Sink> Spinner<S> {
    /// From the first event to the last answer. Returns when everything is halted; what is left
    /// is [`Spinner::outcome`]'s to say, because that allocates.
    pub fn run<W: Wait>(&mut self, wait: &mut W) -> Finish {
        let clock = *self.recorder.clock();
        let now = ticks();
        let mut course = Course {
            // A loop that gives its core away sees gaps of its own making.
            certify: Certify::new(&clock, W::NAME == Spin::NAME),
            wall_end: self.mode.wall_ticks.map(|length| now.saturating_add(length)),
            long_slack: clock.ticks_from_ns(LONG_SLACK_NS),
            short_slack: clock.ticks_from_ns(SHORT_SLACK_NS),
            quiet: clock.ticks_from_ns(QUIET_NS),
            ..Course::default()
        };
        self.status.phase(Phase::Run);
        self.exchange.run();
        self.sink.run();
        self.recorder.begin(now);
        let ended = if self.mode.is_lockstep {
            self.lockstep(&mut course, wait)
        } else {
            self.pump(&mut course, wait)
        };
        self.status.phase(Phase::Drain);
        let is_drained = self.drain(&ended, &mut course, wait);
        self.house(&mut course);
        self.rate(&course);
        self.status.phase(Phase::Done);
        let Course { full_turns, starved_turns, measured, certify, .. } = course;
        Finish { ended, is_drained, full_turns, starved_turns, measured, certify }
    }

    fn pump<W: Wait>(&mut self, course: &mut Course, wait: &mut W) -> Ended {
        loop {
            let now = ticks();
            course.certify.begin_turn(now, &self.control);
            let taken = self.begin_turn(now);
            if let Some(ended) = self.look_around(now, course) {
                return ended;
            }
            let Some(front) = self.ahead.front() else {
                if self.ahead.is_exhausted() {
                    return self.end_of_stream();
                }
                self.starved(course, wait);
                continue;
            };
            let intended = course.pace.intended(front.offset, now);
            if now >= intended {
                let batch = if taken == 0 { self.batch(course, now) } else { 1 };
                let is_gone = self.send(course, batch, intended);
                if !is_gone {
                    course.full_turns += 1;
                    wait.idle();
                }
            } else if taken == 0 {
                let slack = intended - now;
                // Right after a send its request is on the way: the turns stay short.
                let is_quiet = now.saturating_sub(course.last_sent) > course.quiet
                    || self.ahead.len() < STARVING;
                let is_time = slack > course.long_slack
                    || (slack > course.short_slack && is_quiet && self.ahead.is_low());
                if is_time && !self.ahead.is_exhausted() {
                    self.ahead.top_up();
                } else {
                    self.empty_turn(now, course);
                    self.ahead.look_ahead();
                    wait.idle();
                }
            }
        }
    }

    /// Nothing happened in this turn but waiting for the next instant. Housekeeping is no waiting.
    #[inline]
    fn empty_turn(&self, now: u64, course: &mut Course) {
        if !self.recorder.turns().is_multiple_of(HOUSE_TURNS) {
            course.certify.empty_turn(now, &self.control);
        }
    }

    /// Nothing is prepared and the source is not at its end.
    #[cold]
    fn starved<W: Wait>(&mut self, course: &mut Course, wait: &mut W) {
        (0..STARVED_BATCH).for_each(|_| self.ahead.top_up());
        if self.ahead.is_empty() && !self.ahead.is_exhausted() {
            course.starved_turns += 1;
            wait.idle();
        }
    }

    /// Requests first. Returns how many came.
    #[inline]
    fn begin_turn(&mut self, now: u64) -> u32 {
        let Spinner { exchange, recorder, .. } = self;
        recorder.turn(now);
        exchange.poll(REQUESTS_PER_TURN, |timing| recorder.request(timing))
    }

    /// What else may end the stream, and housekeeping now and then.
    #[inline]
    fn look_around(&mut self, now: u64, course: &mut Course) -> Option<Ended> {
        if self.exchange.is_foreign() {
            return Some(Ended::Foreign);
        }
        self.sink.tend(now);
        if let Some(fault) = self.sink.take_fault() {
            return Some(Ended::SourceFailed(fault));
        }
        if self.recorder.turns().is_multiple_of(HOUSE_TURNS) {
            self.house(course);
            if self.sink.peer_is_foreign() {
                return Some(Ended::Foreign);
            }
            if let Some(state) = self.exchange.ended() {
                return Some(Ended::EngineLeft(state));
            }
        }
        match self.control.order() {
            Order::None => {}
            Order::End => return Some(Ended::Asked),
            Order::Abandon => return Some(Ended::EngineDied),
        }
        match course.wall_end {
            Some(end) if now >= end => Some(Ended::Stream),
            _ => None,
        }
    }

    #[cold]
    fn end_of_stream(&mut self) -> Ended {
        self.ahead.take_fault().map_or(Ended::Stream, Ended::SourceFailed)
    }

    /// How many events may go at once.
    #[inline]
    fn batch(&self, course: &Course, now: u64) -> u32 {
        if self.mode.is_max {
            return BATCH.min(u32::try_from(self.ahead.len()).unwrap_or(BATCH));
        }
        let is_due = |index: &u32| {
            let next = self.ahead.get(u64::from(*index));
            next.and_then(|next| course.pace.behind(next.offset)).is_some_and(|at| at <= now)
        };
        (1..DUE_BATCH).take_while(is_due).count() as u32 + 1
    }

    /// Offers the first so many. False when they have to stay.
    #[inline]
    fn send(&mut self, course: &mut Course, batch: u32, intended: u64) -> bool {
        (batch > 1 && self.send_batch(course, batch, intended)) || self.send_one(course, intended)
    }

    /// Offers the front. False when it has to stay.
    #[inline]
    fn send_one(&mut self, course: &mut Course, intended: u64) -> bool {
        let Some(&front) = self.ahead.front() else { return false };
        let Spinner { sink, exchange, .. } = self;
        let offered = sink.offer(&front, intended, |seq, ticks| {
            exchange.session().on_sent(seq, ticks, false);
        });
        match offered {
            Offered::Full => return false,
            Offered::Dropped | Offered::Unneeded => {}
            Offered::Sent { seq, ticks, lag } => self.note_sent(course, &front, seq, ticks, lag),
        }
        self.exchange.session().on_market(&front.event, front.touch);
        self.exchange.flush();
        self.ahead.pop(1);
        course.pace.next();
        true
    }

    /// Offers as many as there is room for. False where a batch cannot be had.
    #[inline]
    fn send_batch(&mut self, course: &mut Course, most: u32, intended: u64) -> bool {
        let Spinner { sink, ahead, .. } = self;
        let pace = course.pace;
        let instant = |index: u32, prepared: &Prepared| {
            if index == 0 { Some(intended) } else { pace.behind(prepared.offset) }
        };
        let sent = sink.offer_batch(most, |index| {
            let prepared = ahead.get(u64::from(index))?;
            Some((prepared, instant(index, prepared)))
        });
        let Some((first, ticks, len)) = sent else { return false };
        for index in 0..len {
            let Some(&prepared) = self.ahead.get(u64::from(index)) else { break };
            let lag = instant(index, &prepared).map_or(0, |at| ticks.saturating_sub(at));
            self.note_sent(course, &prepared, first + u64::from(index), ticks, lag);
            self.exchange.session().on_market(&prepared.event, prepared.touch);
        }
        self.exchange.flush();
        self.ahead.pop(u64::from(len));
        course.pace.next();
        true
    }

    /// After departure: what the exchange end and the histograms need of it.
    #[inline]
    fn note_sent(
        &mut self,
        course: &mut Course,
        prepared: &Prepared,
        seq: u64,
        ticks: u64,
        lag: u64,
    ) {
        let is_measured = !prepared.event.is_warm_up();
        self.exchange.session().on_sent(seq, ticks, is_measured);
        course.exchange_ns = prepared.event.exchange_ns;
        course.last_sent = ticks;
        if is_measured {
            if prepared.offset != AT_ONCE {
                course.certify.sent(ticks.wrapping_sub(lag), lag);
            }
            self.recorder.lag(lag);
            let first = course.measured.map_or(ticks, |(first, _)| first);
            course.measured = Some((first, ticks));
        }
    }
}
