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

use crate::book::Book;
use crate::decode::{Fault, Tick, decode};
use crate::input::{Input, PeerEnd, Polled};
use crate::notice::Notice;
use crate::orders::{Cause, Orders, Outbox};
use crate::record::{FLUSH_STEPS, Phase, Recorder};
use crate::risk::{Now, Risk};
use crate::stamps::{Marks, Stamps};
use crate::strategy::{Order, Strategy, Wishes};
use ringbuf::traits::Producer as Queue;
use tickspin_host::process::stop_signal;
use tickspin_host::wait::Wait;
use tickspin_wire::event::Kind;

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
pub struct Hot<'m, I, R, O, S, N> {
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
pub fn run<I, R, O, S, N, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N>,
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
    T: Stamps,
    W: Wait,
{
    hot.record.set_phase(Phase::Running);
    hot.orders.outbox_mut().arm();
    let mut course = Course::default();
    let ended = pump(hot, stamps, wait, terms, &mut course);
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

fn pump<I, R, O, S, N, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N>,
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
                let worked = hot.record.stats.turns_work;
                if worked & STOP_MASK == 0 {
                    hot.watch_stop(terms, course, arrival, Cause { epoch, seq });
                    if course.signal != 0 && arrival > course.deadline {
                        return Ended::Stopped(course.signal);
                    }
                    if let Some(ended) = hot.foreign_peer() {
                        return ended;
                    }
                    if worked & FLUSH_MASK == 0 {
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
                if let Some(ended) = hot.idle(stamps, terms, course, epoch) {
                    return ended;
                }
                wait.idle();
            }
            Polled::Foreign(stamp) => return hot.foreign_stamp(stamp),
        }
    }
}

/// Takes reports until the other side has halted them, or time is up.
fn drain<I, R, O, S, N, T, W>(
    hot: &mut Hot<'_, I, R, O, S, N>,
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
        hot.beat_all();
        if stamps.idle() > deadline || stop_signal() >= PSEUDO_SIGNAL {
            return false;
        }
        wait.idle();
    }
}

impl<I, R, O, S, N> Hot<'_, I, R, O, S, N>
where
    I: Input,
    R: Input,
    O: Outbox,
    S: Strategy,
    N: Queue<Item = Notice>,
{
    /// The seven stages over one payload. `Some` ends the loop.
    #[inline]
    fn turn<T: Stamps>(
        &mut self,
        stamps: &mut T,
        wishes: &mut Wishes,
        arrival: u64,
        cause: Cause,
        words: &[u64; 7],
        is_lockstep: bool,
    ) -> Option<Ended> {
        self.record.stats.turns_work += 1;
        let due = self.record.stats.last_seq + 1;
        if cause.seq != due {
            return Some(self.foreign_stamp(cause.seq));
        }
        let tick = match decode(words) {
            Ok(tick) => tick,
            Err(fault) => return Some(self.foreign(cause.seq, fault)),
        };
        self.record.stats.last_seq = cause.seq;
        self.record.stats.received += 1;
        let change = self.book.apply(&tick);
        let booked = stamps.stage();

        wishes.clear();
        if !self.risk.is_closed() {
            self.strategy.on_tick(&self.book, &tick, &change, wishes);
        }
        let decided = stamps.stage();

        let now = if is_lockstep {
            Now { time: tick.event.exchange_ns, age: 0 }
        } else {
            Now { time: arrival, age: arrival.saturating_sub(tick.event.sent_ticks) }
        };
        if tick.kind as u8 >= Kind::Clear as u8 {
            self.session(&tick, cause.seq);
        }
        let mut has_orders = false;
        for order in wishes.as_slice() {
            has_orders |= self.order(order, now, cause);
        }
        let end = stamps.end();

        let mut is_largest = self.record.look(arrival);
        is_largest |= self.record.look(end);
        if is_largest {
            self.notice_gap(cause.seq);
        }
        if tick.event.is_warm_up() {
            self.record.stats.received_warm_up += 1;
        } else {
            let marks = Marks { arrival, booked, decided, end };
            let slowest = if T::STAGES {
                self.record.tick::<true>(&marks, &tick.event, has_orders)
            } else {
                self.record.tick::<false>(&marks, &tick.event, has_orders)
            };
            if let Some(service_ns) = slowest {
                self.notify(Notice::Slowest { seq: cause.seq, service_ns });
            }
        }
        matches!(tick.kind, Kind::End).then_some(Ended::End)
    }

    /// One wish through gate and encoder. True where it left.
    #[inline]
    fn order(&mut self, order: &Order, now: Now, cause: Cause) -> bool {
        let approved = match self.risk.check(order, &self.book, now) {
            Ok(approved) => approved,
            Err(refusal) => {
                self.strategy.on_refused(order);
                if self.risk.refused().get(refusal as usize) == Some(&1) {
                    self.notify(Notice::Refused { seq: cause.seq, refusal });
                }
                return false;
            }
        };
        match self.orders.send(&approved, cause) {
            Ok(client_id) => {
                self.strategy.on_sent(order, client_id);
                true
            }
            Err(unsent) => {
                self.risk.unsent(order);
                self.strategy.on_refused(order);
                if self.orders.stats().unsent.get(unsent as usize) == Some(&1) {
                    self.notify(Notice::Unsent { seq: cause.seq, unsent });
                }
                false
            }
        }
    }

    /// Events of the feed itself: what they mean for the gate and for the counts.
    #[cold]
    #[inline(never)]
    fn session(&mut self, tick: &Tick, seq: u64) {
        let event = &tick.event;
        match tick.kind {
            Kind::Gap => {
                self.record.stats.gaps += 1;
                self.record.stats.gap_missing =
                    self.record.stats.gap_missing.saturating_add(event.second_id);
                self.risk.set_synced(false);
                self.notify(Notice::Gap { seq, first: event.order_id, missing: event.second_id });
            }
            Kind::Clear if event.instrument == tickspin_wire::num::InstrumentId::ALL => {
                self.risk.set_synced(true);
            }
            Kind::SessionStart if self.input.is_lockstep() => self.risk.restart_rates(),
            _ => {}
        }
    }

    /// One report, if one stands.
    #[inline]
    fn take_report(&mut self) -> bool {
        match self.reports.poll() {
            Polled::Empty => false,
            Polled::Slot { seq, words } => {
                self.report(seq, &words);
                true
            }
            Polled::Foreign(stamp) => {
                // The reports end here; the run does with the next look at the peers.
                self.record.foreign_report_stamp = stamp;
                false
            }
        }
    }

    #[inline]
    fn report(&mut self, seq: u64, words: &[u64; 7]) {
        match self.orders.on_report(words) {
            Some(update) => {
                let was_closed = self.risk.is_closed();
                self.risk.on_update(&update);
                self.strategy.on_update(&update);
                if self.risk.is_closed() && !was_closed {
                    self.notify(Notice::GateClosed { seq: self.record.stats.last_seq });
                }
            }
            None => {
                let stats = self.orders.stats();
                if stats.unknown + stats.foreign == 1 {
                    let client_id = tickspin_wire::order::Report::from_words(*words).client_id;
                    self.notify(Notice::ForeignReport { seq, client_id });
                }
            }
        }
    }

    /// One small step of housekeeping.
    #[inline]
    fn idle<T: Stamps>(
        &mut self,
        stamps: &mut T,
        terms: &Terms,
        course: &mut Course,
        epoch: u64,
    ) -> Option<Ended> {
        let step = course.idle;
        match step & CLOCK_MASK {
            0 => {
                let now = stamps.idle();
                if self.record.look(now) {
                    self.notice_gap(self.record.stats.last_seq);
                }
                self.watch_stop(
                    terms,
                    course,
                    now,
                    Cause { epoch, seq: self.record.stats.last_seq },
                );
                let is_over = now >= course.deadline || course.signal >= PSEUDO_SIGNAL;
                if course.signal != 0 && is_over {
                    return Some(Ended::Stopped(course.signal));
                }
            }
            1 => self.input.beat(),
            2 => self.orders.outbox_mut().beat(),
            3 => self.reports.beat(),
            4 => self.reports.publish_position(),
            5 => self.record.flush_step(step >> 3, &self.book, &self.risk, &self.orders),
            6 => return self.foreign_peer(),
            _ => {
                if let Some(how) = self.input.ended() {
                    self.notify(Notice::PeerLeft { seq: self.record.stats.last_seq, how });
                    return Some(Ended::PeerLeft(how));
                }
            }
        }
        None
    }

    /// What the other side may not write on the rings of the orders.
    #[inline]
    fn foreign_peer(&mut self) -> Option<Ended> {
        let stamp = self.record.foreign_report_stamp;
        let ended = if stamp != 0 {
            Ended::ForeignReport(stamp)
        } else if self.orders.outbox().peer_is_foreign() {
            Ended::ForeignPosition
        } else {
            return None;
        };
        self.record.stats.foreign += 1;
        Some(ended)
    }

    /// Looks at the stop flag; the first time it is set the gate closes.
    #[inline]
    fn watch_stop(&mut self, terms: &Terms, course: &mut Course, now: u64, cause: Cause) {
        let signal = stop_signal();
        // The first reason stays, in the flag as here.
        if signal != 0 && course.signal == 0 {
            self.stop(terms, course, now, cause, signal);
        }
    }

    #[cold]
    #[inline(never)]
    fn stop(&mut self, terms: &Terms, course: &mut Course, now: u64, cause: Cause, signal: i32) {
        course.signal = signal;
        course.deadline =
            now.saturating_add(self.record.clock().ticks_from_ns(terms.stop_grace_ns));
        self.record.set_phase(Phase::Stopping);
        self.close_gate(cause, now);
    }

    fn close_gate(&mut self, cause: Cause, now: u64) {
        self.risk.close();
        self.notify(Notice::GateClosed { seq: cause.seq });
        if self.orders.open() > 0 && cause.seq > 0 {
            self.order(&Order::mass_cancel(), Now { time: now, age: 0 }, cause);
        }
    }

    #[cold]
    #[inline(never)]
    fn foreign(&mut self, seq: u64, fault: Fault) -> Ended {
        self.record.stats.foreign += 1;
        self.notify(Notice::Foreign { seq, fault });
        Ended::Foreign { seq, fault }
    }

    #[cold]
    #[inline(never)]
    fn foreign_stamp(&mut self, stamp: u64) -> Ended {
        let due = self.record.stats.last_seq + 1;
        self.record.stats.foreign += 1;
        self.notify(Notice::ForeignStamp { due, stamp });
        Ended::ForeignStamp { due, stamp }
    }

    #[cold]
    #[inline(never)]
    fn notice_gap(&mut self, seq: u64) {
        let gap_ns = self.record.largest_gap_ns();
        if gap_ns >= NOTABLE_GAP_NS {
            self.notify(Notice::LargestGap { seq, gap_ns });
        }
    }

    #[cold]
    #[inline(never)]
    fn notify(&mut self, notice: Notice) {
        if self.notices.try_push(notice).is_err() {
            self.record.stats.notices_lost += 1;
        }
    }

    fn beat_all(&mut self) {
        self.input.beat();
        self.reports.beat();
        self.orders.outbox_mut().beat();
    }

    fn flush_all(&mut self) {
        for step in 0..FLUSH_STEPS {
            self.record.flush_step(step, &self.book, &self.risk, &self.orders);
        }
    }
}
