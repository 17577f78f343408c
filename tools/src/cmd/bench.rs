//! `tickspin bench`: what this machine and our parts can do; see `book` for decoding and books.
//!
//! `handoff`: the floor of two cores, our ring, and what others offer.
//!
//! Contenders take turns in short rounds, each round bracketed by a look at where the host has the
//! cores; rounds in which that changed are set aside and counted. Compare numbers of one report
//! with one another, never with those of another run.

mod book; // decoding and booking a day, beside a naive twin
mod report; // the table and the JSON object of `handoff`

use crate::error::{Failure, Outcome, exit};
use crate::handoff::{Wishes, bench, calibrated};
use crate::print;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use tickspin_host::process;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One core hands messages to another: a bare line, our ring, ringbuf, rtrb, a pipe.
    ///
    /// Both cores spin for the whole time; what else runs on them is in the numbers.
    Handoff(Handoff),
    /// Decode a day of messages and keep its books, with and without looking ahead, beside a naive twin.
    ///
    /// One core works for the whole time.
    Book(book::Args),
}

#[derive(Debug, clap::Args)]
struct Handoff {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Cores to measure between; chosen as `tickspin run` would where not given
    #[arg(long, value_name = "SENDER,RECEIVER", value_parser = super::cores::parse)]
    cores: Option<(usize, usize)>,
    /// Rounds to keep; 0.9 s each
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Start no round that would end after this
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    seconds: u16,
}

/// What the host did meanwhile.
struct Host {
    /// Taken from the two cores, ns.
    steal_ns: u64,
    /// Runnable processes of the last minute, when it began.
    load_1m: f64,
}

/// Runs the command.
///
/// # Errors
/// Exit code 2: no such core; 4: the machine has no second core, or no calibrated clock, or the
/// host moved the cores in every round: then the numbers are printed all the same, and that comes
/// last.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Handoff(args) => handoff(args),
        What::Book(args) => book::run(args),
    }
}

fn handoff(args: &Handoff) -> Outcome {
    let cores = cores(args.cores)?;
    let clock = calibrated(Duration::from_millis(100))?;
    let facts = tickspin_host::facts::Facts::read();
    let steal = || -> u64 {
        [cores.0, cores.1].into_iter().filter_map(|core| process::steal_ns(core).ok()).sum()
    };
    let stolen_before = steal();
    let wishes = Wishes {
        cores,
        rounds: usize::from(args.rounds),
        time: Duration::from_secs(u64::from(args.seconds)),
    };
    let bar = ProgressBar::new(u64::from(args.rounds)).with_style(
        ProgressStyle::with_template("{bar:30} round {pos} of {len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let measured = bench(&wishes, &clock, &mut |kept, all| {
        bar.set_position(kept as u64);
        if all > kept {
            bar.set_message(format!("({} set aside)", all - kept));
        }
    });
    bar.finish_and_clear();
    let measured = measured?;
    let host = Host { steal_ns: steal().saturating_sub(stolen_before), load_1m: facts.load_1m };
    if args.json {
        print::json(&report::json(&measured, &host, cores, &clock, &facts))?;
    } else {
        print::out(&report::table(&measured, &host, cores))?;
    }
    if measured.is_every_round_moved {
        return Err(Failure::environment(
            "the host moved the cores in every round, so the numbers compare to nothing; try \
             again, with more --seconds, or on a host that leaves cores where they are",
        ));
    }
    Ok(exit::OK)
}

/// The wished cores, or those of the plan for a run.
fn cores(wished: Option<(usize, usize)>) -> Result<(usize, usize), Failure> {
    let plan = super::cores::plan(wished)?;
    match (plan.feed == plan.engine, wished) {
        (false, _) => Ok((plan.feed, plan.engine)),
        (true, Some(_)) => Err(Failure::usage("--cores: a hand-over needs two different cores")),
        (true, None) => Err(Failure::environment(
            "a hand-over needs two cores, and this process may use only one: see `taskset -p $$` \
             and the cpuset of its cgroup",
        )),
    }
}
