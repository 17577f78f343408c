//! `tickspin run`: the main job. Starts `feed-sim` and `engine`, watches, joins what they measured.
//!
//! ```text
//!  check ─► plan ─► probe ─► feed-sim ─listens─► engine ─► watch ─► both ended ─► probe ─► join ─► print
//!    │                          │                  │         │
//!    └ nothing made             └ line relayed,    └ both    └ SIGINT, SIGTERM: forwarded once
//!                                 all removed        stopped
//! ```
//!
//! The two programs are found beside this one and asked for their build: a missing or differently
//! built one is exit code 4, for the installation is not whole.
//! This process sleeps on the cores of the plan's cold threads while the run lasts, and wakes ten
//! times a second. When it is killed, the kernel sends SIGTERM to both programs, which end their
//! run and write their files.
//!
//! Exit code: that of the program that failed first; 1 when events are unaccounted for or a
//! program was killed; 130 and 143 when this process was told to stop and all went well.

mod aside; // results of an earlier run, while it is not known whether there will be new ones
mod child; // one of the two programs while it runs
mod config; // one configuration file, taken apart
mod job; // everything checked and decided before anything starts
mod over; // the ring, or packets on a cable of our own
mod programs; // the two programs: beside ourselves, of our build
mod progress; // one line on a terminal
mod report; // parts joined, notes, text
mod said; // what the feed will be told, as far as this program must know it
mod spans; // measurements around the run
mod watch; // start, wait, stop

pub use over::Over;
pub(super) use programs::program_beside;

use crate::error::{Failure, Outcome, exit};
use clap::ValueEnum;
use std::path::PathBuf;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Recorded feeds of any format, merged by venue time; without one a synthetic market
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Factor on the schedule, 10 is ten times as fast, or max: as fast as it goes [default: 1]
    #[arg(long, value_name = "X|max", value_parser = parse_speed)]
    pub speed: Option<String>,

    /// Events a second, a recording's evenly spaced [default: 100000, or as recorded]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub rate: Option<f64>,

    /// End after this time: 500ms, 30s, 5m [default: 5s for a synthetic market]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub duration: Option<String>,

    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Deliver what lies before at once and unmeasured: 09:30:00.5, a date, ns, or #MESSAGE
    #[arg(long, value_name = "PLACE", requires = "files")]
    pub from: Option<String>,

    /// End before this place, written as for --from
    #[arg(long, value_name = "PLACE", requires = "files")]
    pub to: Option<String>,

    /// Only these instruments, by name
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', requires = "files")]
    pub symbols: Vec<String>,

    /// The files are parts of one recording, not markets of their own
    #[arg(long, requires = "files")]
    pub parts: bool,

    /// Begin the recording again at its end, books cleared
    #[arg(long = "loop", requires = "files")]
    pub repeat: bool,

    /// Seed of the synthetic market, any 64-bit number
    #[arg(long, value_name = "S", conflicts_with = "files")]
    pub seed: Option<u64>,

    /// Instruments of the synthetic market, 1 to 4096 [default: 8]
    #[arg(long, value_name = "N", conflicts_with = "files")]
    pub instruments: Option<u16>,

    /// What answers the ticks [default: market-maker]
    #[arg(long, value_enum)]
    pub strategy: Option<Strategy>,

    /// Time every stage, or only both ends of the work [default: all]
    #[arg(long, value_enum)]
    pub stamps: Option<Stamps>,

    /// Keep the cause of ticks that take so long, as 5us or 1ms, or off [default: 5us]
    #[arg(long, value_name = "TIME|off", value_parser = check_slow)]
    pub slow: Option<String>,

    /// What the events go over: the shared ring, or packets [default: ring]
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub over: Over,

    /// Share of packets that each line loses, by the seed: 0.02
    #[arg(long, value_name = "SHARE", value_parser = over::parse_loss)]
    pub loss: Option<f64>,

    /// When the ring is full: the schedule waits, or events are dropped and counted [default: wait]
    #[arg(long, value_enum)]
    pub policy: Option<Policy>,

    /// Cores of the two spinners; without it they are chosen
    #[arg(long, value_name = "FEED,ENGINE", value_parser = super::cores::parse)]
    pub cores: Option<(usize, usize)>,

    /// Event N+1 leaves after the engine has finished N: repeatable, hashes comparable
    #[arg(long)]
    pub lockstep: bool,

    /// Name of the run [default: run-PID]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Configuration: a table for each program, feed and engine
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Events delivered but not measured at the beginning, 0 or more [default: 100]
    #[arg(long, value_name = "N")]
    pub warm_up: Option<u64>,

    /// SCHED_FIFO at this priority for both spinners
    #[arg(long, value_name = "PRIO", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub fifo: Option<u8>,

    /// Lock all memory of both programs
    #[arg(long)]
    pub lock_memory: bool,

    /// Ask for 2 MiB pages
    #[arg(long)]
    pub huge_pages: bool,

    /// Leave out the measurements of the bare cores before and after
    #[arg(long)]
    pub no_probe: bool,

    /// Folder for the result files [default: tickspin-runs/TIME-NAME]
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Replace result files of an earlier run, once this one has some
    #[arg(long)]
    pub force: bool,

    /// Print one JSON object instead of plan, progress and table
    #[arg(long)]
    pub json: bool,
}

/// What answers the ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// One order for every tick, without a thought: the floor of the pipeline.
    Probe,
    /// Two-sided quotes, skewed by inventory.
    MarketMaker,
}

/// Which instants of an event's way are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stamps {
    /// Every stage.
    All,
    /// Arrival and departure.
    Ends,
}

/// What happens when the ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// The schedule waits and slips.
    Wait,
    /// The event is dropped and counted.
    Drop,
}

/// Runs the main job.
///
/// # Errors
/// One line and the exit code of the module's table: nothing was started, or what was started is
/// stopped and what was made is removed.
pub fn run(args: &Args) -> Outcome {
    let job = job::Job::prepare(args)?;
    let outcome = watch::run(&job);
    job.clean_up();
    outcome
}

/// `max`, or a factor.
fn parse_speed(text: &str) -> Result<String, String> {
    let is_factor = text.parse().is_ok_and(|factor: f64| (0.01..=1_000.0).contains(&factor));
    if text == "max" || is_factor {
        Ok(text.to_owned())
    } else {
        Err("0.01 to 1000, or max".to_owned())
    }
}

/// Checked here, passed on as it is.
fn check_slow(text: &str) -> Result<String, String> {
    tickspin_results::slow::parse_over(text).map(|_| text.to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (1e-3..=1e9).contains(&rate) => Ok(rate),
        _ => Err("events per second, 0.001 to 1000000000".to_owned()),
    }
}

/// `500ms`, `30s`, `5m`: checked here, passed on as it is.
fn parse_time(text: &str) -> Result<String, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let is_number = number.parse().is_ok_and(|number: u64| number > 0);
    if is_number && ["ms", "s", "m"].contains(&unit) {
        Ok(text.to_owned())
    } else {
        Err("a whole number with a unit: 500ms, 30s, 5m".to_owned())
    }
}

/// The name that clap gives a value.
fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The failure of a run that a signal ended before anything was measured.
fn interrupted(signal: i32) -> Failure {
    Failure::new(exit::of_signal(signal), "told to stop before anything was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_before_anything_starts() {
        assert!(["1", "0.5", "100", "max"].iter().all(|text| parse_speed(text).is_ok()));
        assert!(
            ["", "0", "-1", "inf", "NaN", "fast"].iter().all(|text| parse_speed(text).is_err())
        );
        assert!(["5s", "250ms", "3m"].iter().all(|text| parse_time(text).is_ok()));
        assert!(["5", "0s", "s", "1.5s", "1h", "-1s"].iter().all(|text| parse_time(text).is_err()));
        assert!(["0", "-5", "NaN", "2e9"].iter().all(|text| parse_rate(text).is_err()));
    }
}
