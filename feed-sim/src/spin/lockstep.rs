//! One event at a time: N+1 leaves only after the engine has finished N. See [`super`].

use super::{Course, Ended, Spinner};
use crate::sink::{Offered, Sink};
use tickspin_host::clock::ticks;
use tickspin_host::wait::Wait;

/// How long an end that was asked for waits for the engine to finish its event, ns.
const PATIENCE_NS: u64 = 2_000_000_000;

impl<S: Sink> Spinner<S> {
    pub(super) fn lockstep<W: Wait>(&mut self, course: &mut Course, wait: &mut W) -> Ended {
        loop {
            let now = ticks();
            course.certify.begin_turn(now, &self.control);
            self.recorder.turn(now);
            if let Some(ended) = self.look_around(now, course) {
                return ended;
            }
            let Some(&front) = self.ahead.front() else {
                if self.ahead.is_exhausted() {
                    return self.end_of_stream();
                }
                self.starved(course, wait);
                continue;
            };
            let intended = course.pace.intended(front.offset, now);
            if now < intended {
                self.empty_turn(now, course);
                wait.idle();
                continue;
            }
            let sent = match self.sink.offer(&front, intended, |_, _| {}) {
                Offered::Sent { seq, ticks, lag } => {
                    self.note_sent(course, &front, seq, ticks, lag);
                    Some(seq)
                }
                Offered::Unneeded => None,
                Offered::Full | Offered::Dropped => {
                    course.full_turns += 1;
                    wait.idle();
                    continue;
                }
            };
            self.ahead.pop(1);
            course.pace.next();
            if let Some(ended) = sent.and_then(|seq| self.wait_for(seq, course, wait)) {
                return ended;
            }
            self.exchange.session().on_market(&front.event, front.touch);
            if let Some(ended) = self.answer_all(course, wait) {
                return ended;
            }
            self.ahead.top_up();
        }
    }

    /// Until the engine has finished event `seq`.
    fn wait_for<W: Wait>(&mut self, seq: u64, course: &mut Course, wait: &mut W) -> Option<Ended> {
        let mut patience = None;
        while self.sink.consumer_position() < seq {
            let now = ticks();
            self.recorder.turn(now);
            if let Some(ended) = self.look_patiently(now, course, &mut patience) {
                return Some(ended);
            }
            wait.idle();
        }
        None
    }

    /// Until the requests ring and the outbox are empty.
    fn answer_all<W: Wait>(&mut self, course: &mut Course, wait: &mut W) -> Option<Ended> {
        let mut patience = None;
        loop {
            let now = ticks();
            let taken = self.begin_turn(now);
            if taken == 0 && self.exchange.flush() {
                return None;
            }
            if let Some(ended) = self.look_patiently(now, course, &mut patience) {
                return Some(ended);
            }
            if taken == 0 {
                wait.idle();
            }
        }
    }

    /// Asked to end, what is on its way is finished first; but an engine that is stopped and not
    /// dead would never finish, so only for [`PATIENCE_NS`].
    fn look_patiently(
        &mut self,
        now: u64,
        course: &mut Course,
        patience: &mut Option<u64>,
    ) -> Option<Ended> {
        match self.look_around(now, course) {
            None => None,
            Some(ended @ (Ended::Asked | Ended::Stream)) => {
                let length = self.recorder.clock().ticks_from_ns(PATIENCE_NS);
                let until = *patience.get_or_insert(now.saturating_add(length));
                (now >= until).then_some(ended)
            }
            ended => ended,
        }
    }
}
