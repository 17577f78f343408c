//! What one turn of the loop does: the stages over an event, a report, a step of housekeeping.

use super::{CLOCK_MASK, Course, Ended, Hot, NOTABLE_GAP_NS, PSEUDO_SIGNAL, Terms};
use crate::decode::{Fault, Tick, decode};
use crate::input::{Input, Polled};
use crate::notice::Notice;
use crate::orders::{Cause, Outbox, Unsent};
use crate::record::{FLUSH_STEPS, Phase, Spell};
use crate::risk::{Closed, Now, Refusal};
use crate::stamps::{Marks, Stamps};
use crate::strategy::{Order, Strategy, Wishes};
use ringbuf::traits::Producer as Queue;
use tickspin_host::process::stop_signal;
use tickspin_wire::event::Kind;
use tickspin_wire::num::InstrumentId;
use tickspin_wire::order::Report;

/// What became of an event's wishes, as bits: at least one left.
const SENT: u32 = 1 << 31;

/// Bits from 0 on: a [`Refusal`] met for the first time; from here on: an [`Unsent`].
const UNSENT_BIT: u32 = Refusal::COUNT as u32;

const _: () = assert!(Refusal::COUNT + Unsent::COUNT < 31);

impl<I, R, O, S, N, C> Hot<'_, I, R, O, S, N, C>
where
    I: Input,
    R: Input,
    O: Outbox,
    S: Strategy,
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
{
    /// The seven stages over one payload. `Some` ends the loop.
    #[inline]
    pub(super) fn turn<T: Stamps>(
        &mut self,
        stamps: &mut T,
        wishes: &mut Wishes,
        arrival: u64,
        cause: Cause,
        words: &[u64; 7],
        is_lockstep: bool,
    ) -> Option<Ended> {
        debug_assert!(cause.seq > self.record.stats.last_seq, "the input's promise");
        let tick = match decode(words) {
            Ok(tick) => tick,
            Err(fault) => return Some(self.foreign(cause.seq, fault)),
        };
        self.record.stats.last_seq = cause.seq;
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
        let is_session = tick.kind as u8 >= Kind::Clear as u8;
        if is_session {
            self.session(&tick);
        }
        let mut went = 0;
        for order in wishes.as_slice() {
            went |= self.order(order, now, cause);
        }
        let end = stamps.end();

        if went & !SENT != 0 {
            self.tell_firsts(cause.seq, went);
        }
        let looked = self.record.last_look();
        let mut is_largest = self.record.look(arrival);
        is_largest |= self.record.look(end);
        if is_largest {
            self.notice_gap(cause.seq);
        }
        if is_session && let Some(ended) = self.told(&tick, cause.seq) {
            return Some(ended);
        }
        if tick.event.is_warm_up() {
            self.record.stats.received_warm_up += 1;
        } else {
            let marks = Marks { arrival, booked, decided, end };
            let has_orders = went & SENT != 0;
            let took = if T::STAGES {
                self.record.tick::<true>(&marks, &tick.event, has_orders)
            } else {
                self.record.tick::<false>(&marks, &tick.event, has_orders)
            };
            if let Some(service_ns) = took.slowest_ns {
                self.notify(Notice::Slowest { seq: cause.seq, service_ns });
            }
            if self.record.is_slow(took.response_ns)
                && self.record.slow_tick(&marks, &tick.event, looked, took.response_ns)
            {
                self.hand_over();
            }
        }
        None
    }

    /// One wish through gate and encoder. [`SENT`] where it left; else the bit of the reason why
    /// not, where that is the first time. Told later: the next wish waits.
    #[inline]
    fn order(&mut self, order: &Order, now: Now, cause: Cause) -> u32 {
        let approved = match self.risk.check(order, &self.book, now) {
            Ok(approved) => approved,
            Err(refusal) => {
                self.strategy.on_refused(order);
                let is_first = self.risk.refused().get(refusal as usize) == Some(&1);
                return u32::from(is_first) << refusal as u32;
            }
        };
        match self.orders.send(&approved, cause) {
            Ok(client_id) => {
                self.risk.sent(&approved, now.time);
                self.strategy.on_sent(order, client_id);
                SENT
            }
            Err(unsent) => {
                self.strategy.on_refused(order);
                let is_first = self.orders.stats().unsent.get(unsent as usize) == Some(&1);
                u32::from(is_first) << (UNSENT_BIT + unsent as u32)
            }
        }
    }

    /// The notices of what [`Hot::order`] met for the first time.
    #[cold]
    #[inline(never)]
    fn tell_firsts(&mut self, seq: u64, went: u32) {
        for refusal in Refusal::ALL {
            if went >> (refusal as u32) & 1 != 0 {
                self.notify(Notice::Refused { seq, refusal });
            }
        }
        for unsent in Unsent::ALL {
            if went >> (UNSENT_BIT + unsent as u32) & 1 != 0 {
                self.notify(Notice::Unsent { seq, unsent });
            }
        }
    }

    /// Events of the feed itself: what they mean for the gate and for the counts.
    #[cold]
    #[inline(never)]
    fn session(&mut self, tick: &Tick) {
        let event = &tick.event;
        match tick.kind {
            Kind::Gap => {
                self.record.stats.gaps += 1;
                self.record.stats.gap_missing =
                    self.record.stats.gap_missing.saturating_add(event.second_id);
                self.risk.set_synced(false);
            }
            Kind::Clear if event.instrument == InstrumentId::ALL => {
                self.risk.set_synced(true);
            }
            Kind::SessionStart if self.input.is_lockstep() => self.risk.restart_rates(),
            _ => {}
        }
    }

    /// The same, after all that the event sends has left: the notice, or the end.
    #[cold]
    #[inline(never)]
    fn told(&mut self, tick: &Tick, seq: u64) -> Option<Ended> {
        let event = &tick.event;
        match tick.kind {
            Kind::Gap => {
                self.notify(Notice::Gap { seq, first: event.order_id, missing: event.second_id });
                None
            }
            // The feed's last word is no event of the stream: neither counted nor measured.
            Kind::End => {
                self.record.stats.has_ended = true;
                Some(Ended::End)
            }
            _ => None,
        }
    }

    /// One report, if one stands.
    #[inline]
    pub(super) fn take_report(&mut self) -> bool {
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
        if let Some(update) = self.orders.on_report(words) {
            let was_closed = self.risk.is_closed();
            self.risk.on_update(&update);
            self.strategy.on_update(&update);
            if let Some(why) = self.risk.closed()
                && !was_closed
            {
                self.gate_closed(why, self.last_cause());
            }
            if !update.is_unknown {
                return;
            }
        }
        let stats = self.orders.stats();
        if stats.unknown + stats.foreign == 1 {
            let client_id = Report::from_words(*words).client_id;
            self.notify(Notice::ForeignReport { seq, client_id });
        }
    }

    /// The last event that was taken: where no event of its own causes a request.
    fn last_cause(&self) -> Cause {
        Cause { epoch: self.input.epoch(), seq: self.record.stats.last_seq }
    }

    /// One small step of housekeeping.
    #[inline]
    pub(super) fn idle<T: Stamps>(
        &mut self,
        stamps: &mut T,
        terms: &Terms,
        course: &mut Course,
    ) -> Option<Ended> {
        let step = course.idle;
        match step & CLOCK_MASK {
            0 => {
                let now = stamps.idle();
                if self.record.look_idle(now) {
                    self.notice_gap(self.record.stats.last_seq);
                }
                if self.record.has_ended_spell() {
                    self.hand_over();
                }
                let cause = self.last_cause();
                self.watch_stop(terms, course, now, cause);
                self.retry_mass_cancel(cause);
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

    /// The other side wrote on the rings of the orders what it may not.
    #[inline]
    pub(super) fn is_peer_foreign(&self) -> bool {
        self.record.foreign_report_stamp != 0 || self.orders.outbox().peer_is_foreign()
    }

    /// The same, counted, as an end.
    #[inline]
    pub(super) fn foreign_peer(&mut self) -> Option<Ended> {
        if !self.is_peer_foreign() {
            return None;
        }
        self.record.stats.foreign += 1;
        Some(match self.record.foreign_report_stamp {
            0 => Ended::ForeignPosition,
            stamp => Ended::ForeignReport(stamp),
        })
    }

    /// Looks at the stop flag; the first time it is set the gate closes.
    #[inline]
    pub(super) fn watch_stop(
        &mut self,
        terms: &Terms,
        course: &mut Course,
        now: u64,
        cause: Cause,
    ) {
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
        self.risk.close(Closed::Stop);
        self.gate_closed(Closed::Stop, cause);
    }

    /// Takes everything off, then tells. While draining the requests are halted, and the other
    /// side takes everything off by itself.
    #[cold]
    #[inline(never)]
    fn gate_closed(&mut self, why: Closed, cause: Cause) {
        let seq = cause.seq;
        if self.orders.open() > 0 && seq > 0 && !matches!(self.record.phase, Phase::Draining) {
            // Rates matter no more: time 0 charges nothing.
            let went = self.order(&Order::mass_cancel(), Now { time: 0, age: 0 }, cause);
            self.tell_firsts(seq, went);
        }
        self.notify(Notice::GateClosed { seq, why });
    }

    /// A mass cancel that found the ring full goes first thing when there is room. A rate was not
    /// charged for it, nor is it now: one message, late already.
    #[inline]
    pub(super) fn retry_mass_cancel(&mut self, cause: Cause) {
        if let Some(client_id) = self.orders.retry_mass_cancel(cause) {
            self.strategy.on_sent(&Order::mass_cancel(), client_id);
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
    pub(super) fn foreign_stamp(&mut self, stamp: u64) -> Ended {
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

    /// Gives a spell of slow ticks that ended to cold.
    #[cold]
    #[inline(never)]
    pub(super) fn hand_over(&mut self) {
        let Some(spell) = self.record.ended_spell() else { return };
        if let Err(spell) = self.spells.try_push(spell) {
            self.record.stats.spells_lost += 1;
            self.record.stats.slow_lost += spell.count;
        }
    }

    pub(super) fn beat_all(&mut self) {
        self.input.beat();
        self.reports.beat();
        self.orders.outbox_mut().beat();
    }

    pub(super) fn flush_all(&mut self) {
        for step in 0..FLUSH_STEPS {
            self.record.flush_step(step, &self.book, &self.risk, &self.orders);
        }
    }
}
