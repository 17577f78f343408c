//! How well the schedule is kept, counted while it is: adds and compares, no division, no memory
//! but these words. See [`Certificate`](tickspin_results::Certificate) for what it comes to.
//!
//! Two clock readings around an empty turn lie some 20 ns apart. What lies between two that are more
//! than 2 µs apart is not this program, unless a cold thread of ours had this core: one began or
//! ended to work in the gap, or was at work all through it and the gap is as long as a slice of the
//! scheduler. A shorter one is an interrupt or the hypervisor, whoever waits for the core.
//!
//! An event falls into such a gap if its instant does. All that were due before the gap are gone when
//! it begins (the turn was empty), so the instants in it are those before its end.

use crate::control::Control;
use tickspin_host::clock::Clock;
use tickspin_results::PaceCounts;
use tickspin_results::certificate::HOST_GAP_NS;

const NOT_EMPTY: u64 = 0;
/// A third of the shortest slice that Linux gives by default, ns.
const SLICE_MIN_NS: u64 = 250_000;

/// Counts so far, ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Certify {
    /// 100 ns, 1 µs, 10 µs, and the least gap.
    bounds: [u64; 3],
    gap_min: u64,
    slice_min: u64,
    /// Gaps are the machine's: the loop does not give its core away.
    is_spinning: bool,
    /// When the last turn began, if it was empty.
    empty_since: u64,
    /// What cold threads had done by then.
    cold_work: u64,
    /// End of the machine's last gap.
    gap_end: u64,
    /// Instants of the first and the last event.
    first: u64,
    last: u64,
    /// Times in ticks, until [`Certify::counts`].
    counts: PaceCounts,
}

impl Certify {
    pub(super) fn new(clock: &Clock, is_spinning: bool) -> Certify {
        let bounds = [100, 1_000, 10_000].map(|ns| clock.ticks_from_ns(ns));
        let gap_min = clock.ticks_from_ns(HOST_GAP_NS);
        let slice_min = clock.ticks_from_ns(SLICE_MIN_NS);
        Certify { bounds, gap_min, slice_min, is_spinning, ..Certify::default() }
    }

    /// A turn begins.
    #[inline]
    pub(super) fn begin_turn(&mut self, now: u64, control: &Control) {
        let since = self.empty_since;
        if since != NOT_EMPTY && now.wrapping_sub(since) > self.gap_min {
            self.gap(since, now, control);
        }
        self.empty_since = NOT_EMPTY;
    }

    /// The turn that began at `now` comes to its end, and nothing happened in it.
    #[inline]
    pub(super) fn empty_turn(&mut self, now: u64, control: &Control) {
        if self.is_spinning {
            self.empty_since = now;
            self.cold_work = control.cold_work();
        }
    }

    #[cold]
    #[inline(never)]
    fn gap(&mut self, since: u64, now: u64, control: &Control) {
        let cold_work = control.cold_work();
        let had_slice = Control::is_at_work(cold_work) && now - since > self.slice_min;
        if cold_work != self.cold_work || had_slice {
            self.counts.own_gaps += 1;
            self.counts.own_gap_ns += now - since;
        } else {
            self.counts.host_gaps += 1;
            self.counts.host_gap_ns += now - since;
            self.gap_end = now;
        }
    }

    /// A measured event with an instant in the schedule left `lag` ticks after it.
    #[inline]
    pub(super) fn sent(&mut self, intended: u64, lag: u64) {
        let counts = &mut self.counts;
        let [near, middle, far] = self.bounds;
        if counts.events == 0 {
            self.first = intended;
        }
        self.last = intended;
        counts.events += 1;
        counts.lag_ns += lag;
        counts.worst_lag_ns = counts.worst_lag_ns.max(lag);
        counts.all_within_1us += u64::from(lag <= middle);
        if intended < self.gap_end {
            counts.excluded += 1;
            counts.excluded_lag_ns += lag;
        } else {
            counts.within_100ns += u64::from(lag <= near);
            counts.within_1us += u64::from(lag <= middle);
            counts.within_10us += u64::from(lag <= far);
            counts.worst_own_lag_ns = counts.worst_own_lag_ns.max(lag);
        }
    }

    /// The counts, times as nanoseconds.
    pub(super) fn counts(&self, clock: &Clock) -> PaceCounts {
        let counts = self.counts;
        PaceCounts {
            lag_ns: clock.ns(counts.lag_ns),
            excluded_lag_ns: clock.ns(counts.excluded_lag_ns),
            worst_lag_ns: clock.ns(counts.worst_lag_ns),
            worst_own_lag_ns: clock.ns(counts.worst_own_lag_ns),
            host_gap_ns: clock.ns(counts.host_gap_ns),
            own_gap_ns: clock.ns(counts.own_gap_ns),
            ..counts
        }
    }

    /// Events a second between the first instant and the last.
    pub(super) fn schedule_rate(&self, clock: &Clock) -> Option<f64> {
        let span_ns = clock.ns(self.last.saturating_sub(self.first));
        let is_span = self.counts.events > 1 && span_ns > 0;
        is_span.then(|| (self.counts.events - 1) as f64 * 1e9 / span_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tick is a nanosecond.
    fn clock() -> Clock {
        Clock::with_frequency(1_000_000_000)
    }

    fn certify() -> (Certify, Control) {
        (Certify::new(&clock(), true), Control::default())
    }

    #[test]
    fn what_is_due_in_a_gap_of_an_empty_turn_is_excluded_and_the_backlog_behind_it_is_not() {
        let (mut certify, control) = certify();
        certify.begin_turn(1_000, &control);
        certify.empty_turn(1_000, &control);
        certify.begin_turn(9_000, &control);
        certify.sent(4_000, 5_000);
        certify.sent(8_999, 1_200);
        certify.sent(9_000, 1_300);
        certify.sent(20_000, 50);
        let counts = certify.counts(&clock());
        assert_eq!((counts.host_gaps, counts.host_gap_ns), (1, 8_000));
        assert_eq!((counts.events, counts.excluded, counts.excluded_lag_ns), (4, 2, 6_200));
        assert_eq!((counts.within_100ns, counts.within_1us, counts.within_10us), (1, 1, 2));
        assert_eq!((counts.worst_lag_ns, counts.worst_own_lag_ns), (5_000, 1_300));
    }

    #[test]
    fn time_in_which_the_loop_did_something_is_no_gap() {
        let (mut certify, control) = certify();
        certify.begin_turn(1_000, &control);
        // Not empty: a request was answered, or an event was sent.
        certify.begin_turn(9_000, &control);
        certify.sent(4_000, 5_000);
        // Two microseconds are not more than two microseconds.
        certify.empty_turn(9_000, &control);
        certify.begin_turn(11_000, &control);
        let counts = certify.counts(&clock());
        assert_eq!((counts.host_gaps, counts.own_gaps, counts.excluded), (0, 0, 0));
        let mut yielding = Certify::new(&clock(), false);
        yielding.empty_turn(1_000, &control);
        yielding.begin_turn(9_000, &control);
        assert_eq!(yielding.counts(&clock()).host_gaps, 0);
    }

    #[test]
    fn a_gap_in_which_a_thread_of_ours_ran_on_this_core_excludes_nothing() {
        let (mut certify, control) = certify();
        control.share_core();
        certify.empty_turn(1_000, &control);
        control.begin_cold_work();
        control.end_cold_work();
        certify.begin_turn(9_000, &control);
        certify.sent(4_000, 5_000);
        // Begun, and at work all through a gap as long as a slice; an interrupt meanwhile is none.
        certify.empty_turn(10_000, &control);
        control.begin_cold_work();
        certify.begin_turn(19_000, &control);
        certify.empty_turn(20_000, &control);
        certify.begin_turn(320_000, &control);
        let counts = certify.counts(&clock());
        assert_eq!((counts.own_gaps, counts.own_gap_ns), (3, 317_000));
        assert_eq!((counts.host_gaps, counts.excluded), (0, 0));
        certify.empty_turn(330_000, &control);
        certify.begin_turn(339_000, &control);
        assert_eq!(certify.counts(&clock()).host_gaps, 1);
        control.end_cold_work();
        certify.empty_turn(400_000, &control);
        certify.begin_turn(900_000, &control);
        assert_eq!(certify.counts(&clock()).host_gaps, 2);
    }

    #[test]
    fn the_schedules_rate_is_that_of_its_instants() {
        let (mut certify, _) = certify();
        assert_eq!(certify.schedule_rate(&clock()), None);
        (0..=10).for_each(|n| certify.sent(5_000 + n * 1_000, 900));
        assert_eq!(certify.schedule_rate(&clock()), Some(1e6));
    }
}
