//! The same messages through every transport and every way of waiting: what an experiment measures.
//!
//! ```text
//!   cell = transport × waiting × rate × payload × pair of cores × priority
//!   round = look at the placement ─► each cell once, the next one first ─► look again
//! ```
//! A cell has a sender that spins until each message's instant, and a receiver that waits as the cell
//! says. Its samples are **arrival − intended instant**: what a late sender, a full transport and a
//! sleeping receiver cost is in them, and nothing is left out where the sender fell behind.
//!
//! A waiting that sleeps is woken as its transport does it: channels and the condition variable by
//! themselves, what is only memory by `unpark` (a futex) or an `eventfd`, descriptors by `epoll` or a
//! blocking read. The sender pays for the waking, as it would in a program.
//!
//! Cost: both cores for the whole time. Wrong choice for throughput: the rate is the experiment's.

mod cell; // one cell, once: a paced sender and a waiting receiver
mod experiment; // the file: factors to cells
mod links; // channels, a locked queue, sockets
pub mod price; // the kernel's sockets, past them, and without it
mod summary; // rounds to medians, intervals and ratios
mod task; // async tasks: on one worker, and woken across threads
mod waiting; // how the receiver waits, and how it is woken

pub use experiment::{Cell, Experiment, Factors, Transport, Waiting};
pub use summary::{CellSummary, Report, Stat, report};

use super::contenders::{SharedLine, line_on};
use super::measure::{self, Plan};
use crate::error::Failure;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;
use tickspin_host::process;
use tickspin_results::Histogram;

/// Round trips of a look at the placement.
const LOOK_ROUND_TRIPS: usize = 3_000;

/// One cell in one round.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Arrival minus intended instant, ns.
    pub response: Histogram,
    /// Share of its time that a thread of it was kept off its core, 0 to 1.
    pub queued_share: f64,
    /// When it began, since the experiment did, and how long it took.
    pub span: (Duration, Duration),
}

/// All cells once.
#[derive(Clone, Debug)]
pub struct Round {
    /// Bare round trip before and after, ns, of each pair of cores.
    pub looks_ns: Vec<(f64, f64)>,
    /// Taken from all of these cores by the hypervisor meanwhile, ns.
    pub steal_ns: u64,
    /// In the order of the experiment's cells.
    pub samples: Vec<Sample>,
}

/// Runs every round of an experiment; `progress` hears of (cells done, cells in all). A signal ends
/// it after the cell that is under way, with the rounds that were whole.
///
/// # Errors
/// Exit code 4: a core is not to be had, a transport cannot be made, or something hangs.
pub fn rounds(
    experiment: &Experiment,
    chosen: (usize, usize),
    clock: &Clock,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Round>, Failure> {
    let (cells, pairs) = (experiment.cells(chosen), experiment.pairs(chosen));
    let lines = (SharedLine::default(), SharedLine::default());
    let (mut rounds, origin) = (Vec::new(), Instant::now());
    for number in 0..experiment.rounds {
        let stolen = steal_ns(&pairs);
        let looks = || -> Result<Vec<f64>, Failure> {
            pairs.iter().map(|&pair| look(pair, clock, &lines)).collect()
        };
        let before_ns = looks()?;
        let mut samples: Vec<Option<Sample>> = vec![None; cells.len()];
        // Forwards and backwards in turn (ABBA), each pair from the next cell on.
        for turn in 0..cells.len() {
            // What a round lacks, it cannot be compared by.
            if process::stop_signal() != 0 {
                return Ok(rounds);
            }
            let turn = if number % 2 == 0 { turn } else { cells.len() - 1 - turn };
            let index = (turn + number / 2) % cells.len();
            let began = origin.elapsed();
            let (response, queued_share) = cell::run(&cells[index], experiment, clock)?;
            let span = (began, origin.elapsed().saturating_sub(began));
            samples[index] = Some(Sample { response, queued_share, span });
            progress(
                number * cells.len() + samples.iter().flatten().count(),
                experiment.rounds * cells.len(),
            );
        }
        rounds.push(Round {
            looks_ns: before_ns.into_iter().zip(looks()?).collect(),
            steal_ns: steal_ns(&pairs).saturating_sub(stolen),
            samples: samples.into_iter().flatten().collect(),
        });
    }
    Ok(rounds)
}

fn look(
    cores: (usize, usize),
    clock: &Clock,
    lines: &(SharedLine, SharedLine),
) -> Result<f64, Failure> {
    let plan =
        Plan { one_way: Vec::new(), round_trips: LOOK_ROUND_TRIPS, saturated: Duration::ZERO };
    let lines = (line_on(&lines.0), line_on(&lines.1));
    Ok(measure::over(lines, cores, clock, &plan)?.round_trip.p50)
}

fn steal_ns(pairs: &[(usize, usize)]) -> u64 {
    let cores: BTreeSet<usize> = pairs.iter().flat_map(|pair| [pair.0, pair.1]).collect();
    cores.into_iter().filter_map(|core| process::steal_ns(core).ok()).sum()
}
