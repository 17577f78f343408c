//! `hist show`: sums tag by tag over all files, and their grades.

use super::output::{Format, Out};
use super::rule::Rule;
use super::unit::Unit;
use super::{load, print};
use crate::error::{Outcome, exit};
use std::num::NonZeroUsize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Interval logs, or result folders with some; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only the first N tags; how many are left out is said
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Grade against this instead of the stage's budget: 'tick_to_order p99.9 < 2us'; repeatable
    #[arg(long, value_name = "RULE")]
    slo: Vec<Rule>,
    /// What the values of the logs are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Print one JSON object, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print; without it the end of OUT's name decides
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    out: Out,
}

const FORMATS: [Format; 4] = [Format::Table, Format::Hgrm, Format::Csv, Format::Json];

pub(super) fn run(args: &Show) -> Outcome {
    let wished = if args.json { Some(Format::Json) } else { args.format };
    let output = args.out.decide(wished, Some(Format::Table), &FORMATS)?;
    let mut loaded = load::all(&args.files, args.unit)?;
    loaded.choose(&args.tag)?;
    if let Some(limit) = args.limit.map(NonZeroUsize::get) {
        loaded.left_out = loaded.sums.len().saturating_sub(limit);
        loaded.sums.truncate(limit);
    }
    let text = match output.format {
        Format::Hgrm => print::hgrm(loaded.only()?)?,
        Format::Csv => print::csv(loaded.only()?)?,
        Format::Json => print::json(&loaded, &args.slo)?,
        _ => print::table(&loaded, &args.slo, output.is_colourful()),
    };
    output.write(text.as_bytes())?;
    loaded.whole()?;
    Ok(exit::OK)
}
