//! What one turn of the loop does: the stages over an event, a report, a step of housekeeping.

use super::{CLOCK_MASK, Course, Ended, Hot, NOTABLE_GAP_NS, PSEUDO_SIGNAL, Terms};
use crate::decode::{Fault, Tick, decode};
use crate::input::{Input, Polled};
use crate::notice::Notice;
use crate::orders::{Cause, Outbox};
use crate::record::{FLUSH_STEPS, Phase};
use crate::risk::Now;
use crate::stamps::{Marks, Stamps};
use crate::strategy::{Order, Strategy, Wishes};
use ringbuf::traits::Producer as Queue;
use tickspin_host::process::stop_signal;
use tickspin_wire::event::Kind;
use tickspin_wire::num::InstrumentId;
use tickspin_wire::order::Report;

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
    pub(super) fn turn<T: Stamps>(
        &mut self,
        stamps: &mut T,
        wishes: &mut Wishes,
        arrival: u64,
        cause: Cause,
        words: &[u64; 7],
        is_lockstep: bool,
    ) -> Option<Ended> {
        debug_assert_eq!(cause.seq, self.record.stats.last_seq + 1, "the input's promise");
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
        if matches!(tick.kind, Kind::End) {
            // The feed's last word is no event of the stream: neither counted nor measured.
            self.record.stats.has_ended = true;
            return Some(Ended::End);
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
        None
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
            Kind::Clear if event.instrument == InstrumentId::ALL => {
                self.risk.set_synced(true);
            }
            Kind::SessionStart if self.input.is_lockstep() => self.risk.restart_rates(),
            _ => {}
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
                    let client_id = Report::from_words(*words).client_id;
                    self.notify(Notice::ForeignReport { seq, client_id });
                }
            }
        }
    }

    /// One small step of housekeeping.
    #[inline]
    pub(super) fn idle<T: Stamps>(
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
    pub(super) fn foreign_peer(&mut self) -> Option<Ended> {
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
