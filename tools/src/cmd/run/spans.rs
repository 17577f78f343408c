//! What the bare cores allow, right before the run and right after it.
//!
//! On a virtual machine the host moves cores about: a run is comparable to others only where
//! both measurements saw the same placement.

use super::job::Job;
use crate::gaps;
use crate::handoff::{Probe, has_moved, offset, probe};
use std::time::Duration;
use tickspin_host::clock::Clock;
use tickspin_results::summary::{Floor, IdleControl, OffsetBound, Placement, RingOneWay, Summary};

/// Length of one measurement: long enough for medians, short beside a run.
const TIME: Duration = Duration::from_millis(400);

/// Length of the idle control: some hundred timer ticks.
const IDLE: Duration = Duration::from_millis(400);
/// A gap of the idle control counts from here on, ns.
const GAP_NS: u64 = 1_000;
/// Exchanges that bound the two counters' offset.
const EXCHANGES: usize = 10_000;

/// The measurements around the run, as far as they were made.
#[derive(Debug, Default)]
pub(super) struct Spans {
    before: Option<Probe>,
    after: Option<Probe>,
    idle: Vec<IdleControl>,
    offset: Option<OffsetBound>,
    notes: Vec<String>,
}

impl Spans {
    /// The measurement before the run.
    pub(super) fn before(job: &Job<'_>) -> Spans {
        let mut spans = Spans::default();
        if job.plan.must_yield && !job.args.no_probe {
            spans.notes.push("no floor: spinners share cores".to_owned());
        }
        if !job.args.no_probe && !job.plan.must_yield {
            spans.cores(job);
        }
        spans.before = spans.measure(job, "before");
        spans
    }

    /// The measurement after it.
    pub(super) fn after(&mut self, job: &Job<'_>) {
        if self.before.is_some() {
            self.after = self.measure(job, "after");
        }
    }

    /// The idle control and the bound on the counters' offset. Both cores spin.
    fn cores(&mut self, job: &Job<'_>) {
        let cores = (job.plan.feed, job.plan.engine);
        let clock = match Clock::calibrate(Duration::from_millis(20)) {
            Ok(clock) => clock,
            Err(error) => return self.notes.push(format!("no idle control: {error}")),
        };
        let wish = gaps::Wish {
            cores: vec![cores.0, cores.1],
            time: IDLE,
            threshold_ns: GAP_NS,
            intervals: 1,
        };
        match gaps::measure(&wish, &clock) {
            Ok(seen) => self.idle = seen.iter().map(idle_control).collect(),
            Err(error) => self.notes.push(format!("no idle control: {error}")),
        }
        match offset(cores, EXCHANGES) {
            Ok(bound) if bound.is_empty() => self.notes.push(format!(
                "spoilt: the counters of cores {} and {} are not in step; see tickspin clock",
                cores.0, cores.1
            )),
            Ok(bound) => {
                let ns = |ticks: i64| {
                    (ticks as f64 * 1e10 / clock.ticks_per_second() as f64).round() / 10.0
                };
                self.offset = Some(OffsetBound { low_ns: ns(bound.low), high_ns: ns(bound.high) });
            }
            Err(error) => self.notes.push(format!("no bound on the counters' offset: {error}")),
        }
    }

    fn measure(&mut self, job: &Job<'_>, when: &str) -> Option<Probe> {
        if job.args.no_probe || job.plan.must_yield {
            return None;
        }
        match probe((job.plan.feed, job.plan.engine), job.rate, TIME) {
            Ok(probe) => Some(probe),
            Err(error) => {
                self.notes.push(format!("no floor {when} the run: {error}"));
                None
            }
        }
    }

    /// Writes what was measured into the summary; says what makes the run incomparable.
    pub(super) fn add_to(&self, summary: &mut Summary) {
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let placement = |probe: Option<&Probe>| probe.map(|probe| probe.placement.to_owned());
        summary.idle_control.clone_from(&self.idle);
        summary.offset = self.offset;
        summary.placement = Placement { before: placement(before), after: placement(after) };
        let middle = |of: fn(&Probe) -> f64| {
            let values = [before.map(of), after.map(of)];
            let known: Vec<f64> = values.into_iter().flatten().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        summary.floor_ns = Floor {
            one_way: middle(|probe| probe.floor_one_way_ns),
            round_trip: middle(|probe| probe.floor_round_trip_ns),
        };
        let ring = |probe: &Probe| probe.ring_one_way_p50_ns;
        summary.ring_one_way_ns = RingOneWay {
            p50: middle(ring),
            before: before.map(ring),
            after: after.map(ring),
            rate: before.map(|probe| probe.rate_per_s),
        };
        if let (Some(before), Some(after)) = (before, after)
            && has_moved(before.floor_round_trip_ns, after.floor_round_trip_ns)
        {
            summary.notes.push(format!(
                "spoilt: the host moved the cores during the run, a bare round trip took {:.0} ns \
                 before and {:.0} ns after; compare it to nothing",
                before.floor_round_trip_ns, after.floor_round_trip_ns
            ));
        }
        summary.notes.extend(self.notes.iter().cloned());
    }
}

fn idle_control(seen: &gaps::CoreGaps) -> IdleControl {
    IdleControl {
        core: seen.core,
        ran_ns: seen.ran_ns,
        lost_ns: seen.lost_ns,
        gaps: seen.total().values.len(),
        longest_ns: seen.worst.first().map_or(0, |(_, ns)| *ns),
    }
}
