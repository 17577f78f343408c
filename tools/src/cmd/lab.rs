//! `tickspin lab`: an experiment file in, a result folder out.
//!
//! | file | what it holds |
//! |---|---|
//! | `lab.json` | every cell with its intervals, the rounds set aside, the host |
//! | `lab.hlog` | each cell's histogram of each round, a tag a cell |
//! | `lab.md` | the table, to read |
//! | `experiment.toml` | what was run |

mod price; // the built-in experiment `price-of-the-kernel`

use super::cores::{self, List};
use crate::error::{Failure, Outcome, exit, output};
use crate::handoff::calibrated;
use crate::handoff::lab::{self, CellSummary, Experiment, Report, Round, Stat};
use crate::print;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tickspin_host::cpu::CorePlan;
use tickspin_host::facts::Facts;
use tickspin_host::process;
use tickspin_results::hlog;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::table::{Table, grouped};

/// The experiment that is built in: what waiting by sleeping costs.
const ASYNC: &str = include_str!("lab/async.toml");
const FILES: [&str; 4] = ["lab.json", "lab.hlog", "lab.md", "experiment.toml"];

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The experiment, a TOML file, or `price-of-the-kernel`; without one the built-in question why
    /// a trading loop does not use async
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the built-in experiment, to change it
    #[arg(long)]
    print_experiment: bool,
    /// Result folder
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace results that are there
    #[arg(long)]
    force: bool,
    /// Cores of sender and receiver; chosen as `tickspin run` would where not given
    #[arg(long, value_name = "SENDER,RECEIVER", value_parser = cores::parse)]
    cores: Option<(usize, usize)>,
    /// price-of-the-kernel: how often each transport is measured; a file says its own
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
    /// price-of-the-kernel: messages of each transport in a round; a file says its own
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    messages: Option<u32>,
    /// Print the JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: a file, or results that are there; 2: an experiment that cannot be; 4: cores, clock,
/// or a folder that may not be written.
pub fn run(args: &Args) -> Outcome {
    if args.print_experiment {
        print::out(ASYNC)?;
        return Ok(exit::OK);
    }
    if args.file.as_deref() == Some(Path::new(price::NAME)) {
        return price::run(args);
    }
    if args.rounds.is_some() || args.messages.is_some() {
        return Err(Failure::usage(format_args!(
            "--rounds and --messages are for {}: an experiment file says its own",
            price::NAME
        )));
    }
    let text = match &args.file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))?,
        None => ASYNC.to_owned(),
    };
    let name = args.file.as_deref().unwrap_or(Path::new("the built-in experiment"));
    let experiment = Experiment::parse(&text, &name.display().to_string())?;
    let plan = cores::plan(args.cores)?;
    let cores = (plan.feed, plan.engine);
    if cores.0 == cores.1 {
        return Err(Failure::environment(
            "sender and receiver need two cores, and this process may use only one: see \
             `taskset -p $$` and the cpuset of its cgroup",
        ));
    }
    allowed(&experiment, &plan)?;
    let path =
        args.out.clone().unwrap_or_else(|| default_folder(&experiment.name, SystemTime::now()));
    let folder = OutDir::create(&path).map_err(|error| output(&error))?;
    folder.refuse_existing(&FILES, args.force).map_err(|error| {
        folder.abandon();
        output(&error)
    })?;
    process::catch_stop_signals();
    let measured = measure(&experiment, cores);
    let (rounds, began) = match measured {
        Ok(measured) => measured,
        Err(failure) => {
            folder.abandon();
            return Err(failure);
        }
    };
    if rounds.is_empty() {
        folder.abandon();
        return Ok(exit::of_signal(process::stop_signal()));
    }
    let report = lab::report(&experiment, cores, &rounds);
    let object = object(&report);
    let table = table(&report);
    let pretty = serde_json::to_vec_pretty(&object).map_err(Failure::failed)?;
    folder.write("lab.json", &pretty).map_err(|error| output(&error))?;
    folder
        .write("lab.hlog", &log(&experiment, cores, &rounds, began)?)
        .map_err(|error| output(&error))?;
    folder.write("lab.md", markdown(&report).as_bytes()).map_err(|error| output(&error))?;
    folder.write("experiment.toml", text.as_bytes()).map_err(|error| output(&error))?;
    if args.json {
        print::json(&object)?;
    } else {
        print::out(&format!("{table}files: {}\n", folder.path().display()))?;
    }
    match process::stop_signal() {
        0 => Ok(exit::OK),
        signal => Ok(exit::of_signal(signal)),
    }
}

/// The cores that the file names, and the priorities, are to be had.
fn allowed(experiment: &Experiment, plan: &CorePlan) -> Result<(), Failure> {
    let pairs = &experiment.factors.cores;
    let named = List(pairs.iter().flat_map(|pair| [pair.0, pair.1]).collect());
    cores::chosen(Some(&named))?;
    if experiment.factors.priority.iter().any(|&priority| priority > 0) {
        plan.may_use_fifo().map_err(Failure::environment)?;
        for pair in pairs {
            let plan = cores::plan(Some(*pair))?;
            plan.may_use_fifo().map_err(Failure::environment)?;
        }
    }
    Ok(())
}

fn measure(
    experiment: &Experiment,
    cores: (usize, usize),
) -> Result<(Vec<Round>, SystemTime), Failure> {
    let clock = calibrated(Duration::from_millis(100))?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} cell {pos} of {len}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let began = SystemTime::now();
    let rounds = lab::rounds(experiment, cores, &clock, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok((rounds?, began))
}

fn object(report: &Report) -> Value {
    let mut object = serde_json::to_value(report).unwrap_or_default();
    object["host"] = crate::host::facts(&Facts::read())
        .into_iter()
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    object
}

fn log(
    experiment: &Experiment,
    cores: (usize, usize),
    rounds: &[Round],
    began: SystemTime,
) -> Result<Vec<u8>, Failure> {
    let comment = [format!("tickspin lab: {}; an interval a round", experiment.name)];
    let mut writer = hlog::Writer::begin(Vec::new(), began, &comment).map_err(Failure::failed)?;
    for round in rounds {
        for (sample, cell) in round.samples.iter().zip(experiment.cells(cores)) {
            let (start, length) = sample.span;
            let label = cell.label(&experiment.factors);
            writer.interval(&label, start, length, &sample.response).map_err(Failure::failed)?;
        }
    }
    Ok(writer.into_inner())
}

fn rows(report: &Report) -> impl Iterator<Item = Vec<String>> {
    let ns = |stat: Stat| grouped(stat.median as u64);
    report.cells.iter().map(move |cell: &CellSummary| {
        let CellSummary { p50_ns, p99_ns, p999_ns, max_ns, times_baseline, .. } = *cell;
        let interval = |stat: Stat| {
            format!("{} [{}, {}]", ns(stat), grouped(stat.low as u64), grouped(stat.high as u64))
        };
        let times = format!(
            "{:.1} [{:.1}, {:.1}]",
            times_baseline.median, times_baseline.low, times_baseline.high
        );
        let lost = if cell.lost == 0 { String::new() } else { grouped(cell.lost) };
        vec![cell.label.clone(), interval(p50_ns), ns(p99_ns), ns(p999_ns), ns(max_ns), times, lost]
    })
}

const HEAD: [&str; 7] =
    ["arrival - intended, ns", "p50 [95 %]", "p99", "p99.9", "max", "times the baseline", "lost"];

/// What was measured on, and what the host did.
fn about(report: &Report) -> String {
    let Report { pairs, rounds, rounds_moved, cells_crowded, .. } = report;
    let noisy = match report.is_noisy {
        true => {
            "\nhost too noisy: of some cells no round was quiet, so all were used; these numbers show the host as much as the cells"
        }
        false => "",
    };
    let pairs: String = pairs
        .iter()
        .map(|pair| {
            format!(
                "cores {} and {}, {}: a bare line goes there and back in {:.0} ns\n",
                pair.cores.0, pair.cores.1, pair.placement, pair.floor_round_trip_ns
            )
        })
        .collect();
    format!(
        "{pairs}{rounds} rounds; set aside: {rounds_moved} rounds in which the host had the cores elsewhere, \
         {cells_crowded} cells with another program on them; {:.0} ms stolen{noisy}\n",
        report.steal_ns as f64 / 1e6,
    )
}

fn table(report: &Report) -> String {
    let mut table = Table::new(&HEAD);
    rows(report).for_each(|row| table.row(row));
    let question = if report.question.is_empty() { &report.name } else { &report.question };
    format!("{question}\n\n{}\n{}", table.render(), about(report))
}

fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n{}\n\n", report.name, report.question);
    text.push_str(&format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len())));
    for row in rows(report) {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text.push_str(&format!("\n{}\n", about(report)));
    for (key, value) in crate::host::facts(&Facts::read()) {
        text.push_str(&format!("- {key}: {value}\n"));
    }
    text
}
