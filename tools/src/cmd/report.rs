//! `tickspin report`: one HTML file that shows a run, and is the run's data.
//!
//! ```text
//!  DIR ─► Folder ─┬─► sums ──────► tables, curves, waterfall, verdict ─┐
//!   .hlog .json   ├─► intervals ─► time strip                          ├─► template ─► one file
//!   slow.jsonl    ├─► records ───► slow ticks by cause                 │
//!                 └─► bytes ─────► downloads ──────────────────────────┘
//! ```
//! Everything that the page shows was read from the folder, except the doctor's state of this host;
//! what a folder does not say is said to be not recorded. The page loads nothing and, by its own
//! policy, may run no script but the one it was written with.
//!
//! Cost: the logs in memory, and again as text in the page (4/3 of their size). When it is wrong:
//! for a host's story over weeks, where `tickspin hist merge` and `compare` say more than a page.

mod cause; // causes of slow ticks, and how they are marked
mod chart; // axes and SVG, in two sizes
mod curves; // percentile curves
mod data; // what the page's script reads
mod facts; // numbers of the JSON files, by section
mod folder; // what lies in the folder
mod host; // the doctor's state, where this is the run's host
mod page; // template, style, script, policy
mod slow; // slow ticks by cause
mod stages; // percentiles, grades, definitions
mod strip; // when it was slow
mod text; // numbers as text
mod verdict; // what it comes to
mod waterfall; // the stages of a tick, end to end

use super::hist::rule::Rule;
use super::hist::unit::Unit;
use super::hist::{load, output};
use crate::error::{Failure, Outcome, exit};
use crate::print;
use folder::Folder;
use serde_json::json;
use std::path::{Path, PathBuf};
use verdict::Objectives;

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.report/1";
/// The page's name in the folder where nobody says.
const NAME: &str = "report.html";

/// What to show, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Result folder of a run, a folder with interval logs, or one log
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Write to this file, `-` is standard output [default: report.html in DIR]
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Replace OUT if it is there already
    #[arg(long)]
    force: bool,
    /// What must hold, repeatable: 'tick_to_order p99.9 < 2us'; exit code 3 where it does not
    #[arg(long, value_name = "RULE")]
    slo: Vec<Rule>,
    /// What the values of the logs are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Leave out the doctor's state of this host
    #[arg(long)]
    no_doctor: bool,
    /// Print one JSON object about the page; not with -o -
    #[arg(long)]
    json: bool,
}

/// Writes the page.
///
/// # Errors
/// Exit code 1: nothing to show, a file is missing, cut or foreign, OUT is there already, or an
/// objective cannot be checked; 2: a rule cannot be read; 3: an objective is broken; 4: no
/// permission. After a cut log and after an objective the page is written all the same.
pub fn run(args: &Args) -> Outcome {
    let target = target(args);
    if args.json && target.is_none() {
        return Err(Failure::usage("--json and -o - both want standard output"));
    }
    output::refuse_existing(target.as_deref(), args.force)?;
    let folder = Folder::read(&args.dir, args.unit)?;
    let objectives = Objectives::check(&args.slo, &folder.sums);
    let doctor = host::Doctor::look(&folder, args.no_doctor);
    let page = page::render(&folder, &objectives, &doctor)?;
    match &target {
        None => print::bytes(page.as_bytes())?,
        Some(path) => {
            output::write(path, page.as_bytes(), args.force)?;
            say(args, path, page.len(), &folder, &objectives)?;
        }
    }
    load::whole(&folder.cut)?;
    if !objectives.impossible.is_empty() {
        return Err(Failure::failed(objectives.impossible.join("; ")));
    }
    match objectives.broken() {
        0 => Ok(exit::OK),
        broken => Err(Failure::new(
            exit::CHECK,
            format_args!("{broken} of {} rules broken", objectives.findings.len()),
        )),
    }
}

/// `None`: standard output.
fn target(args: &Args) -> Option<PathBuf> {
    match &args.out {
        Some(path) if path == Path::new("-") => None,
        Some(path) => Some(path.clone()),
        None if args.dir.is_dir() => Some(args.dir.join(NAME)),
        None => Some(args.dir.with_extension("html")),
    }
}

/// What was written, on one line or as an object.
fn say(
    args: &Args,
    path: &Path,
    bytes: usize,
    folder: &Folder,
    objectives: &Objectives<'_>,
) -> Result<(), Failure> {
    let badges = verdict::badges(folder, objectives);
    if args.json {
        return print::json(&json!({
            "schema": SCHEMA,
            "out": path,
            "bytes": bytes,
            "verdicts": badges,
            "rules": objectives.json(),
            "not_checked": objectives.impossible,
            "cut": folder.cut.iter().map(|cut| format!("{}: {}", cut.file, cut.what)).collect::<Vec<_>>(),
        }));
    }
    let words: Vec<String> =
        badges.iter().map(|badge| format!("{}: {}", badge.about, badge.word)).collect();
    print::out(&format!("{}: {} bytes; {}\n", path.display(), bytes, words.join("; ")))
}
