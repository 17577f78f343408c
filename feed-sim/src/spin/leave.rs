//! The end of a run, and housekeeping on the way there: the last answers, counters, signs of life.

use super::{Course, Ended, HOUSE_TURNS, Spinner};
use crate::control::Order;
use crate::sink::Sink;
use crate::status::Counter;
use tickspin_host::clock::ticks;
use tickspin_host::wait::Wait;

/// Rounds of housekeeping between two computations of the achieved rate.
const RATE_ROUNDS: u64 = 64;
/// Longest wait for the last requests and for room for `End`, ns.
const DRAIN_NS: u64 = 5_000_000_000;

impl<S: Sink> Spinner<S> {
    /// `End`, then answers until the engine has halted its requests; bounded. True: it has.
    pub(super) fn drain<W: Wait>(
        &mut self,
        ended: &Ended,
        course: &mut Course,
        wait: &mut W,
    ) -> bool {
        let deadline = ticks().saturating_add(self.recorder.clock().ticks_from_ns(DRAIN_NS));
        let is_alone = matches!(ended, Ended::EngineDied | Ended::Foreign);
        let mut is_end_sent = false;
        let is_drained = loop {
            if is_alone {
                break false;
            }
            if !is_end_sent {
                let Spinner { sink, exchange, .. } = self;
                let session = exchange.session();
                let gap = |seq, ticks| session.on_sent(seq, ticks, false);
                if let Some(seq) = sink.end(course.exchange_ns, gap) {
                    is_end_sent = true;
                    // Noted, so that a last request may name it as its cause.
                    self.exchange.session().on_sent(seq, ticks(), false);
                    self.close_events(ended);
                }
            }
            let now = ticks();
            self.sink.tend(now);
            let taken = self.begin_turn(now);
            if self.exchange.ended().is_some() && self.exchange.flush() {
                break true;
            }
            let is_over = now > deadline || self.control.order() == Order::Abandon;
            if is_over || self.exchange.is_foreign() {
                break false;
            }
            if self.recorder.turns().is_multiple_of(HOUSE_TURNS) {
                self.house(course);
            }
            if taken == 0 {
                wait.idle();
            }
        };
        self.close_events(ended);
        self.exchange.halt();
        is_drained
    }

    fn close_events(&mut self, ended: &Ended) {
        match ended {
            Ended::Foreign | Ended::SourceFailed(_) => self.sink.fail(),
            _ => self.sink.halt(),
        }
    }

    /// Counters and signs of life: stores only.
    pub(super) fn house(&mut self, course: &mut Course) {
        self.sink.beat();
        self.exchange.beat();
        let (sink, session) = (*self.sink.stats(), *self.exchange.stats());
        for (counter, value) in [
            (Counter::Sent, sink.published + sink.dropped),
            (Counter::SentWarmUp, sink.warm_up),
            (Counter::Dropped, sink.dropped),
            (Counter::Requests, session.requests),
            (Counter::Acknowledged, session.acknowledged + session.replaced),
            (Counter::Filled, session.filled),
            (Counter::Rejected, session.rejected),
            (Counter::Cancelled, session.cancelled),
            (Counter::Reports, session.reports),
            (Counter::ReportsStalled, self.exchange.stalled()),
            (Counter::LagSaturated, sink.lag_saturated),
            (Counter::Turns, self.recorder.turns()),
            (Counter::LargestGapNs, self.recorder.largest_gap_ns()),
            (Counter::Foreign, session.foreign),
            (Counter::LastSeq, self.sink.last_seq()),
        ] {
            self.status.set(counter, value);
        }
        course.house_rounds += 1;
        if course.house_rounds.is_multiple_of(RATE_ROUNDS) {
            self.rate(course);
        }
    }

    pub(super) fn rate(&mut self, course: &Course) {
        let sink = self.sink.stats();
        let measured = sink.published - sink.warm_up;
        let span_ns = course
            .measured
            .map_or(0, |(first, last)| self.recorder.clock().ns(last.saturating_sub(first)));
        self.status.set(Counter::AchievedRateMps, rate_mps(measured, span_ns));
    }
}

/// Thousandths of an event a second: `count` events whose first and last are `span_ns` apart.
fn rate_mps(count: u64, span_ns: u64) -> u64 {
    let gaps = u128::from(count.saturating_sub(1)) * 1_000_000_000_000;
    gaps.checked_div(u128::from(span_ns)).map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::rate_mps;

    #[test]
    fn the_achieved_rate_counts_gaps_between_events() {
        assert_eq!(rate_mps(1_001, 1_000_000_000), 1_000_000);
        assert_eq!((rate_mps(0, 5), rate_mps(1, 0), rate_mps(9, 0)), (0, 0, 0));
    }
}
