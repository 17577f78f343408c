//! `tickspin hist`: histogram files, ours or those of other tools.
//!
//! A log is a series of intervals with a tag each. Most commands add them up tag by tag, over all
//! files that they are given. Adding is exact (counts are added, no percentile is averaged), so the
//! logs of many runs may be read as one. That answers "how often", never "when": a stall shows in
//! its interval (`dump --intervals`), and is thinned out in the sum.
//! A log that was cut in its last line is used without it, and that is said last: exit code 1.

mod check; // are the objectives met?
mod columns; // sums as Parquet
mod convert; // one log in another format
mod diff; // two logs beside each other
mod dump; // the whole distribution, or every interval
pub(super) mod grade; // percentiles against budget or objective, in words and colour
pub(super) mod load; // files into sums, and what was cut off
mod merge; // many logs become one
pub(super) mod output; // where to, in which format
pub(super) mod plot; // percentile curves
mod print; // sums as table, percentile text, CSV, JSON
pub(super) mod rule; // one objective
mod show; // sums, one row a tag
mod steps; // a distribution as steps
pub(super) mod unit; // units of time

use crate::error::Outcome;

/// What to do with histogram files.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add up interval logs (.hlog) tag by tag, print the percentiles and grade them
    Show(show::Show),
    /// Print the whole distribution of a log, or its intervals one by one
    Dump(dump::Dump),
    /// Add up logs into a log of one interval a tag: exact, the same in any grouping
    Merge(merge::Merge),
    /// Put two logs or result folders beside each other, percentile by percentile
    Diff(diff::Diff),
    /// Draw percentile curves as SVG
    Plot(plot::Plot),
    /// Write a log as .hgrm, .csv, .json, .parquet, .svg or as a log of ours
    Convert(convert::Convert),
    /// Check objectives ('tick_to_order p99.9 < 2us'); exit code 3 where one is broken
    Check(check::Check),
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: a file is missing, empty, cut or foreign, its unit is in doubt, no file has an
/// interval, or percentiles of no values are wanted; 2: one tag is needed and there are several, or
/// none has that name; 3: an objective is broken; 4: no permission.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Show(args) => show::run(args),
        What::Dump(args) => dump::run(args),
        What::Merge(args) => merge::run(args),
        What::Diff(args) => diff::run(args),
        What::Plot(args) => plot::run(args),
        What::Convert(args) => convert::run(args),
        What::Check(args) => check::run(args),
    }
}
