//! `tickspin compare`: is B faster than A?
//!
//! Of two result folders (or logs), the seconds inside the runs are compared; that says nothing about
//! how runs of one program differ, which on a shared host is more than most changes are worth.
//! Of two commands, rounds of A B B A are run, as many as wished, and rounds are compared.
//! Method and limits: [`crate::compare`].

mod hosts; // are the two hosts alike?
mod report; // table and JSON
mod rounds; // running two commands, A B B A

use super::hist::load;
use crate::compare::{self, Design, Settings, Tag, Unit, Verdict};
use crate::error::{Failure, Outcome, exit};
use crate::print;
use std::path::{Path, PathBuf};

/// What to compare.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("commands").args(["a", "b"]).multiple(true))]
pub struct Args {
    /// Result folder or interval log of A
    #[arg(value_name = "A", required_unless_present = "commands", conflicts_with = "commands")]
    folder_a: Option<PathBuf>,
    /// Result folder or interval log of B
    #[arg(value_name = "B", required_unless_present = "commands", conflicts_with = "commands")]
    folder_b: Option<PathBuf>,
    /// Command A, for `sh`: leaves an .hlog in the folder $OUT ('tickspin run -o $OUT')
    #[arg(long, value_name = "COMMAND", requires = "b")]
    a: Option<String>,
    /// Command B
    #[arg(long, value_name = "COMMAND", requires = "a")]
    b: Option<String>,
    /// Rounds of A B B A
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(6..=1_000))]
    rounds: u16,
    /// Where the commands' folders go; without it a new one in `tickspin-runs`
    #[arg(long, value_name = "DIR", requires = "commands")]
    runs: Option<PathBuf>,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Compare although the two were measured on unlike hosts
    #[arg(long)]
    unlike: bool,
    /// Differences up to this many percent are no matter
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    tolerance: f64,
    /// Seed of the resampling: the same seed, the same report
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Times to resample
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "a number of percent".to_owned())?;
    if (0.0..=1_000.0).contains(&percent) { Ok(percent) } else { Err("0 to 1000".to_owned()) }
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: a log is missing, cut or foreign, a command failed, or there is too little to
/// compare; 2: no such tag; 3: B is worse somewhere; 4: the hosts are unlike.
pub fn run(args: &Args) -> Outcome {
    let mut notes = Vec::new();
    let (mut tags, design, clock_step_ns) = match (&args.a, &args.b) {
        (Some(a), Some(b)) => {
            let (tags, step_ns) = rounds::run(a, b, args.rounds, args.runs.as_deref())?;
            (tags, Design::Rounds, step_ns)
        }
        _ => {
            let (Some(a), Some(b)) = (args.folder_a.as_deref(), args.folder_b.as_deref()) else {
                return Err(Failure::usage("two result folders, or --a and --b"));
            };
            let step = hosts::check(a, b, args.unlike, &mut notes)?;
            notes.push(
                "one run of each: how runs of one program differ is not in the intervals".into(),
            );
            (pair(units(a)?, units(b)?), Design::Series, step)
        }
    };
    choose(&mut tags, &args.tag)?;
    let settings = Settings {
        design,
        resamples: args.resamples,
        seed: args.seed,
        tolerance: args.tolerance / 100.0,
        clock_step_ns,
    };
    let findings = compare::compare(&tags, &settings)?;
    match args.json {
        true => print::json(&report::json(&findings, &settings, &notes))?,
        false => print::out(&report::table(&findings, &notes))?,
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Worse).count() {
        0 => Ok(exit::OK),
        worse => Err(Failure::new(
            exit::CHECK,
            format_args!("B is worse at {worse} of {} percentiles", findings.len()),
        )),
    }
}

/// A tag and its units.
type Units = Vec<(String, Vec<Unit>)>;

/// The intervals of a log or folder, by tag. Empty ones too: nothing happened then.
fn units(path: &Path) -> Result<Units, Failure> {
    let mut units: Units = Vec::new();
    let cut = load::each(&[path.to_path_buf()], None, |interval| {
        let unit = Unit::of(&interval.values);
        match units.iter_mut().find(|(tag, _)| *tag == interval.tag) {
            Some((_, of_tag)) => of_tag.push(unit),
            None => units.push((interval.tag, vec![unit])),
        }
        Ok(())
    })?;
    load::whole(&cut)?;
    Ok(units)
}

/// The tags that both sides have, with values.
fn pair(a: Units, b: Units) -> Vec<Tag> {
    let has_values = |units: &[Unit]| units.iter().any(|unit| !unit.is_empty());
    let mut b = b;
    let mut tags = Vec::new();
    for (name, a) in a {
        let Some(at) = b.iter().position(|(tag, _)| *tag == name) else { continue };
        let (_, b) = b.swap_remove(at);
        if has_values(&a) && has_values(&b) {
            tags.push(Tag { name, a, b });
        }
    }
    tags
}

fn choose(tags: &mut Vec<Tag>, wished: &[String]) -> Result<(), Failure> {
    let known: Vec<String> = tags.iter().map(|tag| tag.name.clone()).collect();
    if let Some(tag) = wished.iter().find(|tag| !known.contains(tag)) {
        return Err(Failure::usage(format_args!(
            "--tag {tag}: not on both sides; there is {}",
            known.join(", ")
        )));
    }
    if known.is_empty() {
        return Err(Failure::failed("no tag that has values on both sides"));
    }
    tags.retain(|tag| wished.is_empty() || wished.contains(&tag.name));
    Ok(())
}
