//! What the bare cores allow, right before the run and right after it.
//!
//! On a virtual machine the host moves cores about: a run is comparable to others only where
//! both measurements saw the same placement.

use super::job::Job;
use crate::handoff::{Probe, has_moved, probe};
use std::time::Duration;
use tickspin_results::summary::{Floor, Placement, RingOneWay, Summary};

/// Length of one measurement: long enough for medians, short beside a run.
const TIME: Duration = Duration::from_millis(400);

/// The two measurements, as far as they were made.
#[derive(Debug, Default)]
pub(super) struct Spans {
    before: Option<Probe>,
    after: Option<Probe>,
    notes: Vec<String>,
}

impl Spans {
    /// The measurement before the run.
    pub(super) fn before(job: &Job<'_>) -> Spans {
        let mut spans = Spans::default();
        if job.plan.must_yield && !job.args.no_probe {
            spans.notes.push("no floor: spinners share cores".to_owned());
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
