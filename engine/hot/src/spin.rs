//! The loop that runs the stages, and one housekeeping step in the gaps.
//!
//! ```text
//!   arm ─► running ──End──► requests halted ─► draining reports ─► done
//!             │ stop signal: gate closed, mass cancel, grace     ▲
//!             └──────────────── peer left, foreign bytes ────────┘
//! ```
//!
//! **A turn** polls the events first. With one: stamp, decode, book, strategy, gate, orders, stamp,
//! record; then a few reports. Without: reports; without those, one small step of housekeeping (a
//! heartbeat, a group of counters, a look at the clock on each 8th) and the waiting policy.
//! Every turn is charged to exactly one of work, report, idle.
//!
//! **Lock-step** (from the ring's header): all reports that stand are taken before an event is
//! applied, the position is published after the whole turn, and the event's own time is the time of
//! rates and ages, so that two runs over the same events send the same requests.
//!
//! **Leaving**: on `End` the requests are halted and the reports drained until the other side halts
//! them. On a stop signal the gate closes, open orders are cancelled, and events are taken for a
//! grace period in which the feed, signalled too, sends its `End`. A pseudo signal (from cold, when
//! the other side is dead) leaves as soon as nothing stands any more, at the latest after the grace. A foreign payload, stamp or
//! sequence ends the run at once with its name.

mod turn;

use crate::book::Book;
use crate::decode::Fault;
use crate::input::{Input, PeerEnd, Polled};
use crate::notice::Notice;
use crate::orders::{Cause, Orders, Outbox};
use crate::record::{Phase, Recorder, Spell};
use crate::risk::Risk;
use crate::stamps::Stamps;
use crate::strategy::{Strategy, Wishes};
use ringbuf::traits::Producer as Queue;
use tickspin_host::process::stop_signal;
use tickspin_host::wait::Wait;

/// Stop signals from this number on are cold's own: the other side is dead, no grace.
pub const PSEUDO_SIGNAL: i32 = 1000;

/// Reports taken after an event, at most. An order is answered by two or three, so that a saturated
/// stream of orders still drains its answers.
pub(crate) const REPORTS_PER_TURN: u32 = 4;

/// Events between two looks at the stop flag.
const STOP_MASK: u64 = 63;

/// Events between two forced flushes of the counters.
const FLUSH_MASK: u64 = 1023;

/// Idle turns between two looks at the clock.
const CLOCK_MASK: u32 = 7;

/// A gap of the loop below this is not worth a notice.
const NOTABLE_GAP_NS: u64 = 1_000;

/// Everything the loop runs on. Built by cold, in this order of meaning; cold reads it afterwards.
pub struct Hot<'m, I, R, O, S, N, C> {
    /// Market events.
    pub input: I,
    /// Reports.
    pub reports: R,
    /// The books.
    pub book: Book<'m>,
    /// What decides.
    pub strategy: S,
    /// What may refuse.
    pub risk: Risk<'m>,
    /// Own orders and the way out.
    pub orders: Orders<'m, O>,
    /// Tallies and counters.
    pub record: Recorder,
    /// Hand-off of notices to cold.
    pub notices: N,
    /// Hand-off of spells of slow ticks to cold.
    pub spells: C,
}

/// How long to go on where something else has to happen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// After a stop signal, for the feed's `End`, ns.
    pub stop_grace_ns: u64,
    /// After `End`, for the reports to be halted, ns.
    pub drain_ns: u64,
}

impl Default for Terms {
    /// 500 ms of grace, 2 s of draining: a feed that is alive answers within a millisecond, and a
    /// user who pressed a key waits no longer than this.
    fn default() -> Terms {
        Terms { stop_grace_ns: 500_000_000, drain_ns: 2_000_000_000 }
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The feed's `End` came.
    End,
    /// A stop signal (its number), and no `End` within the grace period.
    Stopped(i32),
    /// The feed left without an `End`.
    PeerLeft(PeerEnd),
    /// A payload that no honest feed sends.
    Foreign {
        /// Its ring sequence.
        seq: u64,
        /// What was wrong.
        fault: Fault,
    },
    /// A stamp or a sequence that no honest producer writes.
    ForeignStamp {
        /// The sequence that was due.
        due: u64,
        /// What came.
        stamp: u64,
    },
    /// A position on the requests ring that no honest consumer writes.
    ForeignPosition,
    /// A stamp on the reports ring that no honest producer writes.
    ForeignReport(u64),
}

/// How a run of the loop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// The stop signal seen, 0 for none; with `Ended::End` the feed was signalled too.
    pub signal: i32,
    /// Ring sequence of the last event taken.
    pub last_seq: u64,
    /// The other side halted the reports and all of them were taken.
    pub reports_complete: bool,
}

/// Arms, runs to the end, drains, leaves. Returns only when the run is over; what it counted stands
/// in `hot`.
pub fn run<I, R, O, S, N, C, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N, C>,
    stamps: &mut T,
    wait: &mut W,
    terms: &Terms,
) -> Outcome
where
    I: Input,
    R: Input,
    O: Outbox,
    S: Strategy,
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
    T: Stamps,
    W: Wait,
{
    hot.record.set_phase(Phase::Running);
    hot.orders.outbox_mut().arm();
    let mut course = Course::default();
    let mut ended = pump(hot, stamps, wait, terms, &mut course);
    hot.input.publish_position();
    hot.record.set_phase(Phase::Draining);
    let is_honest = matches!(ended, Ended::End | Ended::Stopped(_) | Ended::PeerLeft(_));
    if is_honest {
        hot.orders.outbox_mut().halt();
    } else {
        hot.orders.outbox_mut().fail();
    }
    // Whoever has left already, or is not to be believed, is not waited for.
    let drain_ns = if ended == Ended::End { terms.drain_ns } else { 0 };
    let reports_complete = drain(hot, stamps, wait, drain_ns);
    if is_honest && let Some(foreign) = hot.foreign_peer() {
        ended = foreign;
    }
    hot.record.close_spell();
    hot.hand_over();
    hot.flush_all();
    hot.record.set_phase(Phase::Done);
    Outcome { ended, signal: course.signal, last_seq: hot.record.stats.last_seq, reports_complete }
}

/// What the loop remembers between turns.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    /// The stop signal seen.
    signal: i32,
    /// When the grace after it is over, ticks.
    deadline: u64,
    /// Idle turns in a row and ever, wrapping.
    idle: u32,
}

fn pump<I, R, O, S, N, C, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N, C>,
    stamps: &mut T,
    wait: &mut W,
    terms: &Terms,
    course: &mut Course,
) -> Ended
where
    I: Input,
    R: Input,
    O: Outbox,
    S: Strategy,
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
    T: Stamps,
    W: Wait,
{
    let is_lockstep = hot.input.is_lockstep();
    let epoch = hot.input.epoch();
    let mut wishes = Wishes::new();
    let mut is_position_due = false;
    loop {
        match hot.input.poll() {
            Polled::Slot { seq, words } => {
                let arrival = stamps.arrival();
                if is_lockstep {
                    while hot.take_report() {}
                }
                let end = hot.turn(
                    stamps,
                    &mut wishes,
                    arrival,
                    Cause { epoch, seq },
                    &words,
                    is_lockstep,
                );
                if is_lockstep {
                    hot.input.publish_position();
                } else {
                    is_position_due = true;
                    for _ in 0..REPORTS_PER_TURN {
                        if !hot.take_report() {
                            break;
                        }
                    }
                }
                if let Some(ended) = end {
                    return ended;
                }
                if seq & STOP_MASK == 0 {
                    hot.watch_stop(terms, course, arrival, Cause { epoch, seq });
                    hot.retry_mass_cancel(Cause { epoch, seq });
                    if course.signal != 0 && arrival > course.deadline {
                        return Ended::Stopped(course.signal);
                    }
                    if let Some(ended) = hot.foreign_peer() {
                        return ended;
                    }
                    if seq & FLUSH_MASK == 0 {
                        hot.flush_all();
                        hot.beat_all();
                    }
                }
            }
            Polled::Empty => {
                if is_position_due {
                    hot.input.publish_position();
                    is_position_due = false;
                }
                if hot.take_report() {
                    hot.record.stats.turns_report += 1;
                    continue;
                }
                hot.record.stats.turns_idle += 1;
                course.idle = course.idle.wrapping_add(1);
                if let Some(ended) = hot.idle(stamps, terms, course) {
                    return ended;
                }
                wait.idle();
            }
            Polled::Foreign(stamp) => return hot.foreign_stamp(stamp),
        }
    }
}

/// Takes reports until the other side has halted them or is not to be believed, or time is up.
fn drain<I, R, O, S, N, C, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N, C>,
    stamps: &mut T,
    wait: &mut W,
    drain_ns: u64,
) -> bool
where
    I: Input,
    R: Input,
    O: Outbox,
    S: Strategy,
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
    T: Stamps,
    W: Wait,
{
    let deadline = stamps.idle().saturating_add(hot.record.clock().ticks_from_ns(drain_ns));
    loop {
        while hot.take_report() {}
        hot.reports.publish_position();
        if hot.reports.ended().is_some() {
            return true;
        }
        if hot.is_peer_foreign() {
            return false;
        }
        hot.beat_all();
        if stamps.idle() > deadline || stop_signal() >= PSEUDO_SIGNAL {
            return false;
        }
        wait.idle();
    }
}
