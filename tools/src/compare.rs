//! Is B faster than A? An answer with its uncertainty, or none.
//!
//! The question is asked for every tag and percentile at once, so the answers are made to hold
//! together: where nothing differs, in 95 of 100 comparisons not one of all the verdicts is wrong.
//!
//! ```text
//! units of A, of B ──► resample whole blocks ──► ln(B/A) each time ──► interval ┐
//!        └──► halves of A against each other, halves of B ──► noise floor ──────┴► verdict
//! ```
//!
//! A verdict takes both: the interval leaves out "equal", and the difference is above what the two
//! halves of one and the same side differ by (and above one cell, and the clock's step).
//! What it cannot see: what differs between runs, where there was only one run of each. Then the
//! interval is of the seconds inside the runs, and is too narrow. Interleaved rounds see it.

mod cells; // units as counts over common cells
mod resample; // which units count how often

use crate::error::Failure;
use cells::Cells;
pub use cells::Unit;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
pub use resample::Design;

/// What is compared.
pub const PERCENTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// How often all intervals are to hold together. More than the 95 in 100 that is promised: few blocks
/// make the spread look smaller than it is (six rounds that differ by a tenth: 5.5 wrong at 0.95).
const CONFIDENCE: f64 = 0.98;
/// A percentile is compared where this many values lie beyond it on either side.
const BEYOND_MIN: f64 = 20.0;
/// Fewer blocks know too little of how much they differ.
pub const BLOCKS_MIN: usize = 6;

/// One tag: its units, in the order in which they were measured.
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Units of A.
    pub a: Vec<Unit>,
    /// Units of B.
    pub b: Vec<Unit>,
}

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How the units were measured.
    pub design: Design,
    /// Times to resample; a thousand gives the interval's ends to some hundredths of its width.
    pub resamples: u32,
    /// The same seed, the same numbers.
    pub seed: u64,
    /// Differences up to this share are no matter, 0 or more.
    pub tolerance: f64,
    /// The step of the clock, ns: nothing below it is a difference.
    pub clock_step_ns: f64,
}

/// What came of one percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// B is faster.
    Better,
    /// B is slower.
    Worse,
    /// The difference is not above what chance and noise make.
    CannotTell,
    /// Not compared: too few values lie beyond the percentile, or too few blocks hold any.
    TooFew,
}

/// One percentile of one tag. Ratios are B/A.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// Whose.
    pub tag: String,
    /// `p50`, …
    pub percentile: &'static str,
    /// Of all units of A together, ns.
    pub a_ns: u64,
    /// The same of B.
    pub b_ns: u64,
    /// B/A.
    pub ratio: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// A difference up to this share is noise: 0.02 is 2 %.
    pub noise: f64,
    /// The answer.
    pub verdict: Verdict,
}

/// One percentile while it is worked out: logarithms of ratios.
struct Work {
    tag: usize,
    percentile: usize,
    a_ns: u64,
    b_ns: u64,
    log_ratio: f64,
    noise: f64,
    is_enough: bool,
    resampled: Vec<f64>,
}

/// Compares every percentile of every tag.
///
/// # Errors
/// Exit code 1: too few units to say anything.
pub fn compare(tags: &[Tag], settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let design = settings.design;
    let blocks_of = |tag: &Tag| design.blocks(tag.a.len(), tag.b.len());
    let enough = tags.iter().map(blocks_of).filter(|blocks| *blocks >= BLOCKS_MIN);
    let Some(blocks) = enough.min() else {
        let most = tags.iter().map(blocks_of).max().unwrap_or(0);
        return Err(Failure::failed(format_args!(
            "{most} blocks to resample, and {BLOCKS_MIN} is the least that says anything: \
             measure longer, or more rounds"
        )));
    };
    let cells: Vec<(Cells, Cells)> =
        tags.iter().map(|tag| (Cells::of(&tag.a), Cells::of(&tag.b))).collect();
    let mut works = Vec::new();
    for (tag, (a, b)) in cells.iter().enumerate() {
        works.extend(whole(tag, a, b, settings));
    }
    let mut rng = Pcg64Mcg::seed_from_u64(settings.seed);
    for _ in 0..settings.resamples {
        // One draw for all tags: what they have in common stays in common.
        let (a_units, b_units) = (units(&cells, |pair| &pair.0), units(&cells, |pair| &pair.1));
        let (a_weights, b_weights) = design.draw(a_units, b_units, &mut rng);
        for (tag, (a, b)) in cells.iter().enumerate() {
            let (a, b) = (a.quantiles(&a_weights), b.quantiles(&b_weights));
            for work in works.iter_mut().filter(|work| work.tag == tag) {
                work.resampled.push(log_ratio(a[work.percentile], b[work.percentile]));
            }
        }
    }
    let widths = widths(&works, blocks);
    let finding = |(work, width): (&Work, f64)| finding(work, width, tags);
    Ok(works.iter().zip(widths).map(finding).collect())
}

/// Units of a side: those of the tag that has most.
fn units(cells: &[(Cells, Cells)], side: impl Fn(&(Cells, Cells)) -> &Cells) -> usize {
    cells.iter().map(|pair| side(pair).units()).max().unwrap_or(0)
}

/// The percentiles of all units together, and what halves of one side differ by.
fn whole(tag: usize, a: &Cells, b: &Cells, settings: &Settings) -> Vec<Work> {
    let design = settings.design;
    let all = |cells: &Cells| cells.quantiles(&vec![1; cells.units()]);
    let (a_all, b_all) = (all(a), all(b));
    let mut halves = Vec::new();
    for side in [a, b] {
        for (one, other) in design.halves(side.units()) {
            halves.push((side.quantiles(&one), side.quantiles(&other)));
        }
    }
    let of_percentile = |percentile: usize| {
        let (a_ns, b_ns) = (a_all[percentile], b_all[percentile]);
        let of_halves =
            halves.iter().map(|(one, other)| log_ratio(one[percentile], other[percentile]).abs());
        // A cell is a thousandth wide, or 1 ns; a value is known to no less than the clock's step.
        let smallest = a_ns.min(b_ns).max(1) as f64;
        let step = (smallest / 1_000.0).max(1.0).max(settings.clock_step_ns);
        let least = (step / smallest).max(settings.tolerance).ln_1p();
        let blocks = design.blocks(a.units(), b.units());
        let beyond = (1.0 - PERCENTILES[percentile].1) * a.total().min(b.total()) as f64;
        Work {
            tag,
            percentile,
            a_ns,
            b_ns,
            log_ratio: log_ratio(a_ns, b_ns),
            noise: of_halves.fold(least, f64::max),
            is_enough: beyond >= BEYOND_MIN && blocks >= BLOCKS_MIN,
            resampled: Vec::new(),
        }
    };
    (0..PERCENTILES.len()).map(of_percentile).collect()
}

fn log_ratio(a_ns: u64, b_ns: u64) -> f64 {
    (b_ns.max(1) as f64 / a_ns.max(1) as f64).ln()
}

/// Half the width of each interval, so that all hold together: each resample's largest deviation,
/// in units of its own percentile's spread, is below the factor that often. Few blocks know their
/// own spread badly, so the factor grows as Student's does against the normal one.
fn widths(works: &[Work], blocks: usize) -> Vec<f64> {
    let spreads: Vec<f64> = works.iter().map(spread).collect();
    let resamples = works.iter().map(|work| work.resampled.len()).min().unwrap_or(0);
    let mut largest: Vec<f64> = (0..resamples)
        .map(|nth| {
            let deviations = works.iter().zip(&spreads).filter(|(work, _)| work.is_enough);
            deviations
                .filter(|(_, spread)| **spread > 0.0)
                .map(|(work, spread)| (work.resampled[nth] - work.log_ratio).abs() / spread)
                .fold(0.0, f64::max)
        })
        .collect();
    largest.sort_by(f64::total_cmp);
    let at = (CONFIDENCE * resamples as f64).ceil() as usize;
    let factor = largest.get(at.saturating_sub(1)).copied().unwrap_or(0.0);
    let freedom = blocks as f64 - 1.0;
    let factor = factor + (factor.powi(3) + factor) / (4.0 * freedom);
    let few = (blocks as f64 / freedom).sqrt();
    spreads.into_iter().map(|spread| spread * factor * few).collect()
}

fn spread(work: &Work) -> f64 {
    let count = work.resampled.len().max(1) as f64;
    let mean = work.resampled.iter().sum::<f64>() / count;
    let squares = work.resampled.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}

fn finding(work: &Work, width: f64, tags: &[Tag]) -> Finding {
    let (low, high) = (work.log_ratio - width, work.log_ratio + width);
    let verdict = match () {
        () if !work.is_enough => Verdict::TooFew,
        () if low > 0.0 && work.log_ratio > work.noise => Verdict::Worse,
        () if high < 0.0 && -work.log_ratio > work.noise => Verdict::Better,
        () => Verdict::CannotTell,
    };
    Finding {
        tag: tags[work.tag].name.clone(),
        percentile: PERCENTILES[work.percentile].0,
        a_ns: work.a_ns,
        b_ns: work.b_ns,
        ratio: work.log_ratio.exp(),
        low: low.exp(),
        high: high.exp(),
        noise: work.noise.exp_m1(),
        verdict,
    }
}
