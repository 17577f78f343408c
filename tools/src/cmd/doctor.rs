//! `tickspin doctor`: is this host fit for two spinning threads, and what would mend it?
//!
//! Without a further flag it only reads. `--apply` writes what the running kernel takes, old values
//! into a journal first; `--undo` puts them back; `--prove` tries each change, measures lost time
//! with and without it, and keeps what helped.
//!
//! Exit code: 0 whatever the verdicts, because a host that is not fit is an answer and no failure;
//! with `--strict` 3 where a verdict is bad, for scripts. 4 where root is needed, with the command.
//!
//! With the name of a network interface it looks at that instead, for a feed past the kernel.

mod report; // rows, changes and trials as text and JSON

use crate::doctor::journal::{Done, Journal};
use crate::doctor::prove::{self, Plan};
use crate::doctor::{Port, Row, Seen, Verdict, boot_line, examine, examine_interface};
use crate::error::{Failure, Outcome, exit};
use crate::handoff::calibrated;
use crate::print;
use std::path::PathBuf;
use std::time::Duration;
use tickspin_host::process;
use tickspin_host::tree::{Tree, root_from_environment};

/// What to look at, and what to do about it.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("action").args(["apply", "undo", "prove"]))]
pub struct Args {
    /// Look at this network interface instead: is it fit for a feed past the kernel?
    #[arg(value_name = "IFACE", conflicts_with_all = ["undo", "prove"])]
    interface: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The cores that are to spin; those of a run's plan where not given
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    engine_core: Vec<usize>,
    /// Only these checks
    #[arg(long, value_name = "CHECK,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Exit with 3 where a verdict is bad
    #[arg(long, conflicts_with = "action")]
    strict: bool,
    /// Change what the running kernel takes; takes root
    #[arg(long)]
    apply: bool,
    /// Put back what --apply and --prove have changed
    #[arg(long)]
    undo: bool,
    /// Try each change, measure lost time without and with it, keep what helped; takes root
    #[arg(long)]
    prove: bool,
    /// Pairs of measurements a change, for --prove
    #[arg(long, value_name = "N", default_value_t = 16, requires = "prove",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pairs: u16,
    /// Length of one measurement, for --prove
    #[arg(long, value_name = "TIME", default_value = "250ms", requires = "prove",
          value_parser = super::time::parse)]
    slice: Duration,
    /// With --undo: also values that somebody else has changed since
    #[arg(long, requires = "undo")]
    force: bool,
    /// The folder that stands for /
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Exit code 2: no such core or check; 4: root is needed, or a core is not to be had.
pub fn run(args: &Args) -> Outcome {
    let root = args.root.clone().or_else(root_from_environment);
    let tree = root.map_or_else(Tree::host, |root| Tree::below(&root));
    if !tree.root().is_dir() {
        return Err(Failure::usage(format_args!("--root: {} is no folder", tree.root().display())));
    }
    if args.undo {
        return undo(args, &tree);
    }
    let seen = Seen::read(tree, &args.engine_core)
        .map_err(|why| Failure::usage(format_args!("--engine-core: {why}")))?;
    let port = args.interface.as_deref().map(|name| Port::read(&seen.tree, name));
    let port = port.transpose().map_err(Failure::usage)?;
    let rows = port.as_ref().map_or_else(|| examine(&seen), |port| examine_interface(&seen, port));
    let rows = chosen(rows, &args.only)?;
    if args.apply {
        return apply(args, &seen, &rows);
    }
    if args.prove {
        return proven(args, &seen, &rows);
    }
    let boot = boot_line(&rows, &seen);
    if args.json {
        print::json(&report::json(&seen, port.as_ref(), &rows, boot.as_ref()))?;
    } else {
        print::out(&report::text(&seen, port.as_ref(), &rows, boot.as_ref()))?;
    }
    let is_bad = rows.iter().any(|row| row.verdict == Verdict::Bad);
    Ok(if args.strict && is_bad { exit::CHECK } else { exit::OK })
}

fn chosen(rows: Vec<Row>, only: &[String]) -> Result<Vec<Row>, Failure> {
    if let Some(wrong) = only.iter().find(|name| rows.iter().all(|row| row.check != **name)) {
        let known: Vec<&str> = rows.iter().map(|row| row.check).collect();
        return Err(Failure::usage(format_args!(
            "--only: there is no check {wrong:?}; there is {}",
            known.join(", ")
        )));
    }
    let is_wanted = |row: &Row| only.is_empty() || only.iter().any(|name| name == row.check);
    Ok(rows.into_iter().filter(is_wanted).collect())
}

fn apply(args: &Args, seen: &Seen, rows: &[Row]) -> Outcome {
    root_only(&seen.tree, "--apply", args)?;
    let mut journal = Journal::open(&seen.tree)?;
    let mut done: Vec<(&str, Done)> = Vec::new();
    for row in rows {
        for change in &row.changes {
            done.push((row.check, journal.apply(&seen.tree, change)?));
        }
    }
    let boot = boot_line(rows, seen);
    if args.json {
        print::json(&report::applied_json(&done, &journal, boot.as_ref()))?;
    } else {
        print::out(&report::applied(&done, &journal, boot.as_ref()))?;
    }
    ended(done.iter().map(|(_, done)| done))
}

fn undo(args: &Args, tree: &Tree) -> Outcome {
    root_only(tree, "--undo", args)?;
    let mut journal = Journal::open(tree)?;
    let done = journal.undo(tree, &[], args.force)?;
    if args.json {
        print::json(&report::undone_json(&done, &journal))?;
    } else {
        print::out(&report::undone(&done))?;
    }
    ended(done.iter())?;
    match journal.entries().len() {
        0 => Ok(exit::OK),
        left => Err(Failure::failed(format_args!(
            "{left} values were not put back; they stay in {}",
            journal.path().display()
        ))),
    }
}

fn proven(args: &Args, seen: &Seen, rows: &[Row]) -> Outcome {
    root_only(&seen.tree, "--prove", args)?;
    if seen.spinners.is_empty() {
        return Err(Failure::environment(format_args!(
            "no core to measure on: {}; name one with --engine-core",
            seen.why
        )));
    }
    process::catch_stop_signals();
    let clock = calibrated(Duration::from_millis(100))?;
    let mut journal = Journal::open(&seen.tree)?;
    let plan =
        Plan { cores: seen.spinners.clone(), pairs: usize::from(args.pairs), slice: args.slice };
    let is_json = args.json;
    if !is_json {
        print::out(&report::plan(rows, &plan))?;
    }
    let trials = prove::prove(&seen.tree, rows, &plan, &clock, &mut journal, &mut |trial| {
        if !is_json {
            // A closed pipe is success; a full disk shows at the end.
            let _ = print::out(&report::trial(trial));
        }
    })?;
    if is_json {
        print::json(&report::proven_json(&trials, &plan, &journal))?;
    } else {
        print::out(&report::kept(&trials, &journal))?;
    }
    match process::stop_signal() {
        0 => ended(trials.iter().flat_map(|trial| &trial.done)),
        signal => Ok(exit::of_signal(signal)),
    }
}

/// A kernel that refuses a value (an interrupt that its driver manages) has said so in the report;
/// a missing privilege is the user's to mend.
fn ended<'a>(mut done: impl Iterator<Item = &'a Done>) -> Outcome {
    match done.find(|done| done.is_permission) {
        None => Ok(exit::OK),
        Some(done) => Err(Failure::environment(format_args!(
            "{}: {}; run it as root, outside a container or in a privileged one",
            done.path, done.why_not
        ))),
    }
}

/// Other roots are folders of tests, where the file system says who may write.
fn root_only(tree: &Tree, flag: &str, args: &Args) -> Result<(), Failure> {
    if !tree.is_host() || process::is_root() {
        return Ok(());
    }
    let cores: Vec<String> = args.engine_core.iter().map(usize::to_string).collect();
    let cores = if cores.is_empty() || flag == "--undo" {
        String::new()
    } else {
        format!(" --engine-core {}", cores.join(","))
    };
    let interface = args.interface.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    Err(Failure::environment(format_args!(
        "settings of the kernel are root's to change: `sudo {} doctor{interface} {flag}{cores}`",
        process::program()
    )))
}
