//! `tickspin hist`: histogram files, ours or those of other tools.
//!
//! A log is a series of intervals with a tag each; `show` adds them up tag by tag, over all files
//! that it is given. Adding is exact (counts are added, no percentile is averaged), so the logs of
//! many runs may be read as one. That answers "how often", never "when": a stall shows in its
//! interval, and is thinned out in the sum.

mod load; // files into sums, and what was cut off
mod print; // sums as table, percentile text, CSV, JSON

use crate::error::{Failure, Outcome, exit};
use crate::print as stdout;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add up interval logs (.hlog) tag by tag and print the percentiles
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Interval logs; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only the first N tags; how many are left out is said
    #[arg(long, value_name = "N")]
    limit: Option<std::num::NonZeroUsize>,
    /// Print one JSON object, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print; without it the end of OUT's name decides (.txt, .hgrm, .csv, .json)
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of standard output (`-`)
    #[arg(short, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Replace OUT if it is there already
    #[arg(long)]
    force: bool,
}

/// How sums are printed. Percentile text and CSV have no place for a tag: they hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One row a tag, ns
    Table,
    /// Percentile text of one tag, ns, as HdrHistogram's Java library prints it
    Hgrm,
    /// quantile,value_ns,count of one tag
    Csv,
    /// One object
    Json,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: a file is missing, empty or foreign, or no file has an interval; 2: one tag is
/// needed and there are several, or none has that name; 4: no permission. A log whose last line was
/// cut is printed without it, and that comes last: exit code 1.
pub fn run(args: &Args) -> Outcome {
    let What::Show(args) = &args.what;
    let format = format(args)?;
    let target = args.out.as_deref().filter(|path| *path != Path::new("-"));
    refuse_existing(target, args.force)?;
    let mut loaded = load::all(&args.files)?;
    choose(&mut loaded.sums, &args.tag)?;
    if let Some(limit) = args.limit.map(std::num::NonZeroUsize::get) {
        loaded.left_out = loaded.sums.len().saturating_sub(limit);
        loaded.sums.truncate(limit);
    }
    let text = match format {
        Format::Table => print::table(&loaded),
        Format::Hgrm => print::hgrm(only(&loaded)?),
        Format::Csv => print::csv(only(&loaded)?),
        Format::Json => print::json(&loaded)?,
    };
    match target {
        Some(path) => write(path, &text, args.force)?,
        None => stdout::out(&text)?,
    }
    if loaded.cut.is_empty() {
        return Ok(exit::OK);
    }
    let files: Vec<_> =
        loaded.cut.iter().map(|cut| format!("{}: {}", cut.file, cut.what)).collect();
    Err(Failure::failed(files.join("; ")))
}

/// The wished format, else what the file's name ends in, else the table.
fn format(args: &Show) -> Result<Format, Failure> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    if args.json {
        return Ok(Format::Json);
    }
    let Some(path) = args.out.as_deref().filter(|path| *path != Path::new("-")) else {
        return Ok(Format::Table);
    };
    match path.extension().and_then(|end| end.to_str()) {
        Some("txt") => Ok(Format::Table),
        Some("hgrm") => Ok(Format::Hgrm),
        Some("csv") => Ok(Format::Csv),
        Some("json") => Ok(Format::Json),
        _ => Err(Failure::usage(format_args!(
            "{}: its name ends in none of .txt, .hgrm, .csv, .json; give --format",
            path.display()
        ))),
    }
}

/// Only the wished tags, in the order wished.
fn choose(sums: &mut Vec<load::Sum>, wished: &[String]) -> Result<(), Failure> {
    if wished.is_empty() {
        return Ok(());
    }
    let mut chosen = Vec::new();
    for (nth, tag) in wished.iter().enumerate() {
        if wished.iter().take(nth).any(|earlier| earlier == tag) {
            continue;
        }
        let Some(index) = sums.iter().position(|sum| sum.tag == *tag) else {
            let known: Vec<&str> = sums.iter().map(load::Sum::name).collect();
            return Err(Failure::usage(format_args!(
                "--tag {tag}: not there; there is {}",
                known.join(", ")
            )));
        };
        chosen.push(sums.remove(index));
    }
    *sums = chosen;
    Ok(())
}

/// The one sum that there is.
fn only(loaded: &load::Loaded) -> Result<&load::Sum, Failure> {
    match loaded.sums.as_slice() {
        [sum] => Ok(sum),
        several => {
            let known: Vec<&str> = several.iter().map(load::Sum::name).collect();
            Err(Failure::usage(format_args!(
                "this format holds one tag, and there are {}: choose one with --tag ({})",
                several.len(),
                known.join(", ")
            )))
        }
    }
}

fn refuse_existing(target: Option<&Path>, force: bool) -> Result<(), Failure> {
    match target {
        Some(path) if !force && path.exists() => Err(Failure::failed(format_args!(
            "{}: exists already; give another name or --force",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// To a name beside it first: a reader sees the whole file or none, and a failure leaves nothing.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| match force {
            true => fs::rename(&beside, path),
            // Unlike a rename it never replaces a file that came in between.
            false => fs::hard_link(&beside, path).and_then(|()| fs::remove_file(&beside)),
        });
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        load::failed(path, &error)
    })
}
