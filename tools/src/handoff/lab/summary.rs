//! Rounds to what is reported: medians over rounds, with an interval from resampling them.
//!
//! A round is the unit: what happens within one (a moved core, a busy neighbour) is common to all of
//! its messages, so an interval over messages would be far too narrow. Rounds in which the host moved
//! the cores, or in another placement than most, are set aside; so is a cell's part of a round in which
//! another program was on its cores. Where nothing would be left, all is used, and that is said.

use super::super::{has_moved, placement};
use super::Round;
use super::experiment::{Baseline, Cell, Experiment};
use crate::num::{hundredth, median};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name and version of the report's shape.
const SCHEMA: &str = "tickspin.lab/1";
/// Resamples of an interval.
const RESAMPLES: usize = 2_000;
/// A thread that was kept off its core for more than this share of its time had company.
pub(super) const CROWDED_SHARE: f64 = 0.05;

/// A median over rounds, and the 95 % interval of that median.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stat {
    /// Median over the rounds.
    pub median: f64,
    /// Lower end of the interval; the median itself where there is one round.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Stat {
    fn rounded(self) -> Stat {
        let Stat { median, low, high } = self;
        Stat { median: hundredth(median), low: hundredth(low), high: hundredth(high) }
    }
}

/// What a cell showed; times are arrival minus intended instant, ns.
#[derive(Clone, Debug, Serialize)]
pub struct CellSummary {
    /// Which cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Its name in tables and in the interval log.
    pub label: String,
    /// Rounds that its numbers are over.
    pub rounds: usize,
    /// Messages counted in them.
    pub messages: u64,
    /// Messages that never came (datagrams).
    pub lost: u64,
    /// By percentile.
    pub p50_ns: Stat,
    /// See [`CellSummary::p50_ns`].
    pub p90_ns: Stat,
    /// See [`CellSummary::p50_ns`].
    pub p99_ns: Stat,
    /// See [`CellSummary::p50_ns`].
    pub p999_ns: Stat,
    /// Largest of each round.
    pub max_ns: Stat,
    /// Its p50 over the baseline's of the same round, rate, payload, cores and priority.
    pub times_baseline: Stat,
}

/// Two cores, and how near they were in the rounds used.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// Sender's and receiver's core.
    pub cores: (usize, usize),
    /// `tight`, `near` or `far`.
    pub placement: &'static str,
    /// Bare round trip around the rounds, median, ns.
    pub floor_round_trip_ns: f64,
}

/// The whole experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name and version of this shape.
    pub schema: &'static str,
    /// The experiment's name.
    pub name: String,
    /// And its question.
    pub question: String,
    /// Where it was measured.
    pub pairs: Vec<Pair>,
    /// Rounds that the numbers are over.
    pub rounds: usize,
    /// Rounds set aside: the cores were moved, or were in another placement than mostly.
    pub rounds_moved: usize,
    /// Cells of a round set aside, of all rounds: something else ran on their cores.
    pub cells_crowded: usize,
    /// No round was quiet, or none of some cell's, so all were used there: the numbers show the host
    /// as much as the cells.
    pub is_noisy: bool,
    /// Taken from all of these cores by the hypervisor in all rounds, ns.
    pub steal_ns: u64,
    /// In the order of the experiment.
    pub cells: Vec<CellSummary>,
}

/// Sums up.
#[must_use]
pub fn report(experiment: &Experiment, cores: (usize, usize), rounds: &[Round]) -> Report {
    let kept = Kept::of(rounds);
    let cells = experiment.cells(cores);
    let expected = (experiment.messages - experiment.warm_up) as u64;
    let (mut cells_crowded, mut is_noisy) = (0, kept.is_noisy);
    let mut summarise = |(index, cell): (usize, &Cell)| {
        let (quiet, is_quiet) = quiet(&kept.rounds, &[index]);
        is_noisy |= !is_quiet;
        cells_crowded += kept.rounds.len() - quiet.len();
        let over = |of: &dyn Fn(&Round) -> f64| stat(quiet.iter().map(|round| of(round)).collect());
        let at = |q: f64| over(&|round| quantile(round, index, q));
        let samples = quiet.iter().filter_map(|round| round.samples.get(index));
        let messages = samples.map(|one| one.response.values.len() + one.response.overflow).sum();
        let baseline = cells.iter().position(|other| {
            let Baseline { transport, waiting } = experiment.baseline;
            (other.transport, other.waiting) == (transport, waiting) && other.is_beside(cell)
        });
        // Of the same round, and both undisturbed in it.
        let ratios = baseline.map_or_else(Vec::new, |baseline| {
            let both = quiet_of(&kept.rounds, index, baseline).into_iter();
            both.map(|round| quantile(round, index, 0.5) / quantile(round, baseline, 0.5).max(1.0))
                .collect()
        });
        CellSummary {
            cell: *cell,
            label: cell.label(&experiment.factors),
            rounds: quiet.len(),
            messages,
            lost: (expected * quiet.len() as u64).saturating_sub(messages),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: at(1.0),
            times_baseline: stat(ratios).rounded(),
        }
    };
    let summaries = cells.iter().enumerate().map(&mut summarise).collect();
    let pairs: Vec<Pair> = experiment
        .pairs(cores)
        .into_iter()
        .enumerate()
        .map(|(at, cores)| {
            let of_pair = kept.rounds.iter().filter_map(|round| round.looks_ns.get(at));
            let floor_round_trip_ns = median(of_pair.flat_map(|look| [look.0, look.1]).collect());
            Pair { cores, placement: placement(floor_round_trip_ns), floor_round_trip_ns }
        })
        .collect();
    Report {
        schema: SCHEMA,
        name: experiment.name.clone(),
        question: experiment.question.clone(),
        pairs,
        rounds: kept.rounds.len(),
        rounds_moved: kept.moved,
        cells_crowded,
        is_noisy,
        steal_ns: rounds.iter().map(|round| round.steal_ns).sum(),
        cells: summaries,
    }
}

fn quantile(round: &Round, cell: usize, q: f64) -> f64 {
    round.samples.get(cell).map_or(0.0, |one| one.response.values.value_at_quantile(q) as f64)
}

/// Rounds in which nothing else ran on the cores of these cells; all, and `false`, where there is none.
fn quiet<'a>(rounds: &[&'a Round], cells: &[usize]) -> (Vec<&'a Round>, bool) {
    let is_quiet = |round: &&Round| {
        let samples = cells.iter().filter_map(|&cell| round.samples.get(cell));
        samples.into_iter().all(|sample| sample.queued_share <= CROWDED_SHARE)
    };
    let quiet: Vec<&Round> = rounds.iter().copied().filter(is_quiet).collect();
    if quiet.is_empty() { (rounds.to_vec(), false) } else { (quiet, true) }
}

fn quiet_of<'a>(rounds: &[&'a Round], one: usize, other: usize) -> Vec<&'a Round> {
    quiet(rounds, &[one, other]).0
}

/// The rounds that count.
struct Kept<'a> {
    rounds: Vec<&'a Round>,
    moved: usize,
    is_noisy: bool,
}

impl<'a> Kept<'a> {
    fn of(all: &'a [Round]) -> Kept<'a> {
        let stayed = |round: &&Round| round.looks_ns.iter().all(|look| !has_moved(look.0, look.1));
        // Of all pairs at once: they are moved together or not.
        let places = |round: &Round| -> Vec<&'static str> {
            let middle = round.looks_ns.iter().map(|look| f64::midpoint(look.0, look.1));
            middle.map(placement).collect()
        };
        let mut counts: BTreeMap<Vec<&'static str>, usize> = BTreeMap::new();
        for round in all.iter().filter(stayed) {
            *counts.entry(places(round)).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(places, _)| places);
        let rounds: Vec<&Round> =
            all.iter().filter(stayed).filter(|round| Some(places(round)) == most).collect();
        match rounds.is_empty() {
            false => Kept { moved: all.len() - rounds.len(), rounds, is_noisy: false },
            true => Kept { rounds: all.iter().collect(), moved: 0, is_noisy: true },
        }
    }
}

/// Median and its interval: rounds drawn with replacement, always the same draws.
pub(super) fn stat(values: Vec<f64>) -> Stat {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let count = values.len().max(1) as u64;
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw =
                || values.get((rng.next_u64() % count) as usize).copied().unwrap_or_default();
            median(std::iter::repeat_with(draw).take(values.len()).collect())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let at = |share: f64| medians[((RESAMPLES - 1) as f64 * share) as usize];
    Stat { median: median(values), low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(looks_ns: (f64, f64), queued_share: f64) -> Round {
        let response = tickspin_results::Histogram::new();
        Round {
            looks_ns: vec![looks_ns],
            steal_ns: 0,
            samples: vec![super::super::Sample {
                response,
                queued_share,
                span: Default::default(),
            }],
        }
    }

    #[test]
    fn moved_rounds_and_crowded_cells_are_set_aside_while_there_are_others() {
        let near = (120.0, 122.0);
        let rounds =
            [round(near, 0.0), round((120.0, 500.0), 0.0), round(near, 0.0), round(near, 0.5)];
        let kept = Kept::of(&rounds);
        assert_eq!((kept.rounds.len(), kept.moved, kept.is_noisy), (3, 1, false));
        let (left, is_quiet) = quiet(&kept.rounds, &[0]);
        assert_eq!((left.len(), is_quiet), (2, true));
        let kept = Kept::of(&rounds[3..]);
        let (left, is_quiet) = quiet(&kept.rounds, &[0]);
        assert_eq!((left.len(), is_quiet), (1, false));
        assert!(Kept::of(&rounds[1..2]).is_noisy);
    }

    #[test]
    fn an_interval_holds_the_median_and_closes_with_the_spread() {
        let wide = stat(vec![10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(wide.median, 30.0);
        assert!(wide.low <= 20.0 && wide.high >= 40.0, "{wide:?}");
        assert_eq!(stat(vec![7.0; 9]), Stat { median: 7.0, low: 7.0, high: 7.0 });
        assert_eq!(stat(vec![7.0]), Stat { median: 7.0, low: 7.0, high: 7.0 });
    }
}
