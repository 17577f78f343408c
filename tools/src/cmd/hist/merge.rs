//! `hist merge`: many logs become one, one interval a tag.
//!
//! Exact and associative: counts are added ([`tickspin_results::sum`]), an interval spans from the
//! first start to the last end, tags stand in an order of their own, and nothing else is written. So
//! merging all at once, or in any grouping and order, gives the same bytes. What is lost is time:
//! keep the logs to see when something happened.

use super::load::{self, Sum};
use super::output::{Format, Out};
use super::unit::Unit;
use crate::error::{Failure, Outcome, exit};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::hlog::Writer;

#[derive(Debug, clap::Args)]
pub(super) struct Merge {
    /// Interval logs, or result folders with some; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the values of the logs are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    #[command(flatten)]
    out: Out,
}

pub(super) fn run(args: &Merge) -> Outcome {
    let output = args.out.decide(None, Some(Format::Hlog), &[Format::Hlog])?;
    let mut loaded = load::all(&args.files, args.unit)?;
    loaded.sums.sort_by(|a, b| a.place().cmp(&b.place()));
    output.write(&log(&loaded.sums)?)?;
    loaded.whole()?;
    Ok(exit::OK)
}

/// One interval a tag.
fn log(sums: &[Sum]) -> Result<Vec<u8>, Failure> {
    let start = sums.iter().map(|sum| sum.span.0).min().unwrap_or_default();
    let comment = "merged by tickspin hist merge: one interval a tag";
    let mut log = begin(start, &[comment.to_owned()])?;
    for sum in sums {
        let (start_ms, end_ms) = (millis(sum.span.0), millis(sum.span.1));
        let length = end_ms.saturating_sub(start_ms);
        log.values(&sum.tag, start_ms, length, &sum.values).map_err(|error| failed(&error))?;
    }
    Ok(log.into_inner())
}

/// A log in memory that begins at `start`. Its intervals' times are to be given since 1970, which is
/// how every reader takes times that do not lie a year before the log's own start.
pub(super) fn begin(start: Duration, comments: &[String]) -> Result<Writer<Vec<u8>>, Failure> {
    let Some(start) = UNIX_EPOCH.checked_add(millis(start)) else {
        return Err(Failure::failed("a log that begins beyond the end of all clocks"));
    };
    Writer::begin(Vec::new(), start, comments).map_err(|error| failed(&error))
}

pub(super) fn failed(error: &io::Error) -> Failure {
    Failure::failed(format_args!("cannot write this as a log: {error}"))
}

/// To the millisecond, as logs show times: what is added later meets the same numbers again.
fn millis(time: Duration) -> Duration {
    let rounded = time.saturating_add(Duration::from_micros(500));
    Duration::new(rounded.as_secs(), rounded.subsec_millis() * 1_000_000)
}
