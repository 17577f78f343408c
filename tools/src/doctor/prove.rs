//! Which of the changes makes a difference here: time lost without it and with it, interleaved.
//!
//! ```text
//!   pair 1      pair 2      pair 3 …        each: the share of time that the gap meter loses
//!   old new     new old     old new         difference of a pair = new − old
//! ```
//!
//! The two sides of a pair follow one another, and which comes first alternates, so a slow drift of
//! the host falls on both. The mean difference has a 99 % interval by bootstrap over the pairs. Only
//! an interval wholly on one side of zero is a verdict; anything else is "cannot tell", and then the
//! old value goes back.
//!
//! Cost: the spinners' cores spin for pairs × 2 × slice a change. When it is wrong: about rare
//! events. A change that spares one interrupt an hour cannot be seen in ten seconds, and may be
//! worth keeping all the same. On a shared host the neighbours' noise widens every interval.

use super::journal::{Done, Journal};
use super::{Change, Row};
use crate::error::Failure;
use crate::gaps::{self, Wish};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::time::Duration;
use tickspin_host::clock::Clock;
use tickspin_host::process;
use tickspin_host::tree::Tree;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 10_000;
/// Standard deviations of a 99 % interval, were there infinitely many pairs.
const Z_99: f64 = 2.575_829;
/// After a change, before it is measured: the kernel moves interrupts and timers meanwhile.
const SETTLE: Duration = Duration::from_millis(20);
/// Gaps from this length on are lost time.
const THRESHOLD_NS: u64 = 500;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Cores to spin on.
    pub cores: Vec<usize>,
    /// Pairs a change.
    pub pairs: usize,
    /// Length of one side of a pair.
    pub slice: Duration,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Less time is lost, beyond doubt; it was kept.
    Helped,
    /// More time is lost; taken back.
    Hurt,
    /// The interval has zero in it; taken back.
    CannotTell,
    /// The kernel did not take it, so nothing was measured.
    Refused,
    /// The process was told to stop in the middle; taken back.
    Interrupted,
}

impl Effect {
    /// As printed and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Effect::Helped => "helped",
            Effect::Hurt => "hurt",
            Effect::CannotTell => "cannot tell",
            Effect::Refused => "refused",
            Effect::Interrupted => "interrupted",
        }
    }
}

/// One check's changes, tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The check.
    pub check: &'static str,
    /// What was written, or not.
    pub done: Vec<Done>,
    /// What came of it.
    pub effect: Effect,
    /// Mean share of time lost without, parts per million.
    pub without_ppm: f64,
    /// And with.
    pub with_ppm: f64,
    /// Mean difference of the pairs, with − without, parts per million.
    pub difference_ppm: f64,
    /// Its 99 % interval.
    pub interval_ppm: (f64, f64),
    /// Pairs measured.
    pub pairs: usize,
}

/// Tries the changes of each row that has some, one row after the other; what helped stays, and is
/// in effect while the next is tried.
///
/// # Errors
/// The journal cannot be written, or a core is not to be had; what was kept until then is in the
/// journal, and the change that was being tried is taken back.
pub fn prove(
    tree: &Tree,
    rows: &[Row],
    plan: &Plan,
    clock: &Clock,
    journal: &mut Journal,
    told: &mut dyn FnMut(&Trial),
) -> Result<Vec<Trial>, Failure> {
    let mut trials = Vec::new();
    for row in rows.iter().filter(|row| !row.changes.is_empty()) {
        if process::stop_signal() != 0 {
            break;
        }
        let trial = tried(tree, row, plan, clock, journal);
        // Also after an error nothing of this row may stay that was not shown to help.
        let is_kept = trial.as_ref().is_ok_and(|trial| trial.effect == Effect::Helped);
        if !is_kept {
            set(tree, &row.changes, journal, false)?;
        }
        let trial = trial?;
        told(&trial);
        trials.push(trial);
    }
    Ok(trials)
}

/// Writes the new values, or puts the old ones back.
fn set(
    tree: &Tree,
    changes: &[Change],
    journal: &mut Journal,
    on: bool,
) -> Result<Vec<Done>, Failure> {
    if on {
        return changes.iter().map(|change| journal.apply(tree, change)).collect();
    }
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let back = journal.undo(tree, &paths, false)?;
    match back.iter().find(|done| !done.why_not.is_empty()) {
        None => Ok(back),
        // What is measured from here on would be something else.
        Some(left) => Err(Failure::failed(format_args!(
            "{} was not put back: {}; it stays in {}",
            left.path,
            left.why_not,
            journal.path().display()
        ))),
    }
}

fn tried(
    tree: &Tree,
    row: &Row,
    plan: &Plan,
    clock: &Clock,
    journal: &mut Journal,
) -> Result<Trial, Failure> {
    let done = set(tree, &row.changes, journal, true)?;
    let mut trial = Trial {
        check: row.check,
        effect: Effect::Refused,
        without_ppm: 0.0,
        with_ppm: 0.0,
        difference_ppm: 0.0,
        interval_ppm: (f64::NEG_INFINITY, f64::INFINITY),
        pairs: 0,
        done,
    };
    if !trial.done.iter().any(Done::is_changed) {
        return Ok(trial);
    }
    let wish = Wish {
        cores: plan.cores.clone(),
        time: plan.slice,
        threshold_ns: THRESHOLD_NS,
        intervals: 1,
    };
    let mut is_on = true;
    let mut sides: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for pair in 0..plan.pairs {
        for side in [pair % 2 == 0, pair % 2 == 1] {
            if side != is_on {
                set(tree, &row.changes, journal, side)?;
                is_on = side;
            }
            std::thread::sleep(SETTLE);
            let lost = lost_ppm(&gaps::measure(&wish, clock)?);
            if process::stop_signal() != 0 {
                trial.effect = Effect::Interrupted;
                return Ok(trial);
            }
            sides[usize::from(side)].push(lost);
        }
    }
    let [without, with] = &sides;
    let differences: Vec<f64> = with.iter().zip(without).map(|(with, not)| with - not).collect();
    trial.pairs = differences.len();
    trial.without_ppm = mean(without);
    trial.with_ppm = mean(with);
    trial.difference_ppm = mean(&differences);
    trial.interval_ppm = interval(&differences);
    trial.effect = verdict(trial.interval_ppm);
    if trial.effect == Effect::Helped && !is_on {
        set(tree, &row.changes, journal, true)?;
    }
    Ok(trial)
}

/// Over all cores together, parts per million.
fn lost_ppm(seen: &[gaps::CoreGaps]) -> f64 {
    let lost: u64 = seen.iter().map(|core| core.lost_ns).sum();
    let ran: u64 = seen.iter().map(|core| core.ran_ns).sum();
    lost as f64 / (ran as f64).max(1.0) * 1e6
}

fn verdict((low, high): (f64, f64)) -> Effect {
    match (low, high) {
        (_, high) if high < 0.0 => Effect::Helped,
        (low, _) if low > 0.0 => Effect::Hurt,
        _ => Effect::CannotTell,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What is to be left outside on each side, so that the interval of `count` values holds as often as
/// it says. A plain percentile bootstrap is too narrow for few values, as the normal distribution is
/// against Student's; so the tail is taken where Student's quantile, widened by √(n/(n−1)), lies on
/// the normal one (Hesterberg's expanded percentile interval).
fn tail(count: usize) -> f64 {
    let (n, z) = (count as f64, Z_99);
    let free = n - 1.0;
    let student = z
        + (z.powi(3) + z) / (4.0 * free)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * free * free);
    let x = student * (n / free).sqrt();
    // The normal tail's asymptotic series: within one part in twenty from 2.5 on.
    let series = 1.0 - x.powi(-2) + 3.0 * x.powi(-4) - 15.0 * x.powi(-6);
    (-x * x / 2.0).exp() / (x * std::f64::consts::TAU.sqrt()) * series
}

/// Bootstrap of the mean. The seed is fixed: the same differences give the same interval.
fn interval(differences: &[f64]) -> (f64, f64) {
    // Of fewer, the resamples hardly differ, and the interval would be far too narrow.
    const LEAST: usize = 6;
    if differences.len() < LEAST {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let count = differences.len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..count).map(|_| differences[random.random_range(0..count)]).sum();
            sum / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    let tail = tail(count);
    (at(tail), at(1.0 - tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise with a heavy tail: mostly small, one in eight a hundred times as large.
    fn noise(random: &mut Pcg64Mcg) -> f64 {
        let scale = if random.random_range(0..8) == 0 { 100.0 } else { 1.0 };
        scale * (random.random_range(0..2_001) as f64 / 1_000.0 - 1.0)
    }

    #[test]
    fn a_clear_difference_is_found_and_its_direction_named() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let mut pairs = |shift: f64| -> Vec<f64> {
            (0..16).map(|_| shift + noise(&mut random) / 10.0).collect()
        };
        assert_eq!(verdict(interval(&pairs(-50.0))), Effect::Helped);
        assert_eq!(verdict(interval(&pairs(50.0))), Effect::Hurt);
    }

    #[test]
    fn where_there_is_none_it_seldom_cries_wolf() {
        let mut random = Pcg64Mcg::seed_from_u64(11);
        let wrong = (0..200)
            .filter(|_| {
                let pairs: Vec<f64> = (0..16).map(|_| noise(&mut random)).collect();
                verdict(interval(&pairs)) != Effect::CannotTell
            })
            .count();
        // Nominally 2 of 200, either way.
        assert!(wrong <= 6, "{wrong} of 200");
    }

    #[test]
    fn fewer_pairs_make_a_wider_interval() {
        assert!((tail(16) - 0.00117).abs() < 0.0001, "{}", tail(16));
        assert!((tail(100_000) - 0.005).abs() < 0.0003, "{}", tail(100_000));
        assert!(tail(6) < tail(8) && tail(8) < tail(16));
    }

    #[test]
    fn a_few_pairs_prove_nothing() {
        assert_eq!(verdict(interval(&[-9.0, -9.0, -9.0])), Effect::CannotTell);
        assert_eq!(verdict(interval(&[])), Effect::CannotTell);
        assert_eq!(verdict(interval(&[0.0; 16])), Effect::CannotTell);
    }
}
