//! The commands, one file each: arguments, what it does, what it prints.

pub mod bench;
pub mod c2c;
pub mod clock;
pub mod compare;
mod cores; // --cores, or the plan's choice
pub mod doctor;
pub mod feed;
pub mod hist;
pub mod jitter;
pub mod knee;
pub mod lab;
pub mod report;
pub mod ring;
pub mod run;
mod time; // 500ms, 30s, 5m
pub mod why;

use crate::error::Outcome;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run the main job: a feed process, an engine process, orders, histograms.
    Run(Box<run::Args>),
    /// Look at the rings of runs that are alive, read-only.
    Ring(ring::Args),
    /// Look at recorded feeds: what a file is, its events, its books.
    Feed(feed::Args),
    /// Read histogram files.
    Hist(hist::Args),
    /// Is B faster than A? Two result folders or two commands, with intervals and verdicts.
    Compare(compare::Args),
    /// Why were the slow ticks of a run slow: the tail by cause, and the worst of them.
    Why(why::Args),
    /// Measure what this machine and our ring can do.
    Bench(bench::Args),
    /// Run an experiment: transports and ways of waiting, side by side.
    Lab(lab::Args),
    /// One HTML file of a run: curves, time strip, causes, host, verdict; the logs are in it.
    Report(report::Args),
    /// How much faster a recording can be played until an objective breaks.
    Knee(knee::Args),
    /// How far the cores are from one another: a bare line handed over, core to core.
    C2c(c2c::Args),
    /// Is this host fit: each fact, what it should be, what mends it; change it, prove it, undo it.
    Doctor(doctor::Args),
    /// How much of its time a spinning thread loses, core by core, and when.
    Jitter(jitter::Args),
    /// What a time stamp costs, how wrong it may be, whether the cores' counters agree.
    Clock(clock::Args),
}

/// Runs a command.
///
/// # Errors
/// The command's own [`crate::error::Failure`].
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Run(args) => run::run(args),
        Command::Ring(args) => ring::run(args),
        Command::Feed(args) => feed::run(args),
        Command::Hist(args) => hist::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Why(args) => why::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Report(args) => report::run(args),
        Command::Knee(args) => knee::run(args),
        Command::C2c(args) => c2c::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Jitter(args) => jitter::run(args),
        Command::Clock(args) => clock::run(args),
    }
}
