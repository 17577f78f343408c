//! The commands, one file each: arguments, what it does, what it prints.

pub mod bench;
pub mod c2c;
pub mod compare;
mod cores; // --cores, or the plan's choice
pub mod feed;
pub mod hist;
pub mod ring;
pub mod run;

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
    /// Measure what this machine and our ring can do.
    Bench(bench::Args),
    /// How far the cores are from one another: a bare line handed over, core to core.
    C2c(c2c::Args),
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
        Command::Bench(args) => bench::run(args),
        Command::C2c(args) => c2c::run(args),
    }
}
