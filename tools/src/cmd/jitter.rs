//! `tickspin jitter`: how much of its time a spinning thread loses, core by core, and when.
//!
//! One thread a core reads the clock and does nothing else; what the kernel counted on that core
//! over the same time stands beside it. Exit code 130 or 143 where a signal ended it early: what was
//! measured until then is printed and written all the same.

mod report; // cores as tables, strips, JSON, interval log

use crate::error::{Failure, Outcome, exit, output};
use crate::gaps::{self, Around, CoreGaps, Told, Wish};
use crate::handoff::calibrated;
use crate::print;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tickspin_host::clock::Clock;
use tickspin_host::process;
use tickspin_results::out::OutDir;

/// Histograms of the log, at most: each takes 200 kB while it is measured.
const INTERVALS_MAX: u64 = 30;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only these cores, 0,2-5; all that this process may use where not given
    #[arg(long, value_name = "LIST", value_parser = super::cores::list)]
    cores: Option<super::cores::List>,
    /// How long: 500ms, 30s, 5m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = super::time::parse)]
    duration: Duration,
    /// From this length on a step between two readings is a gap, ns
    #[arg(long, value_name = "NS", default_value_t = 500,
          value_parser = clap::value_parser!(u64).range(50..=1_000_000_000))]
    threshold: u64,
    /// Write the gaps as an interval log (.hlog), a tag a core; `-` is standard output
    #[arg(short, value_name = "FILE.hlog")]
    out: Option<PathBuf>,
    /// Replace FILE if it is there already
    #[arg(long)]
    force: bool,
}

/// A finished measurement.
struct Measured {
    cores: Vec<(CoreGaps, Told)>,
    threshold_ns: u64,
    clock: Clock,
    /// 0, or the signal that ended it.
    signal: i32,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: the file exists; 2: no such core; 4: a core is kept busy, no calibrated clock, no
/// permission to write.
pub fn run(args: &Args) -> Outcome {
    let cores = super::cores::chosen(args.cores.as_ref())?;
    let target = target(args)?;
    process::catch_stop_signals();
    let clock = calibrated(Duration::from_millis(100))?;
    let wish = Wish {
        cores,
        time: args.duration,
        threshold_ns: args.threshold,
        intervals: args.duration.as_secs().clamp(1, INTERVALS_MAX) as usize,
    };
    let before = Around::now(&wish.cores);
    let seen = gaps::measure(&wish, &clock)?;
    let after = Around::now(&wish.cores);
    let told = |core: &CoreGaps| after.since(&before, core.core);
    let cores = seen.into_iter().map(|core| (told(&core), core)).map(|(t, c)| (c, t)).collect();
    let signal = process::stop_signal();
    let measured = Measured { cores, threshold_ns: args.threshold, clock, signal };
    match target {
        None => {}
        Some(None) => print::out(&String::from_utf8_lossy(&report::log(&measured)?))?,
        Some(Some((folder, name))) => {
            folder.write(&name, &report::log(&measured)?).map_err(|error| output(&error))?;
        }
    }
    if args.json {
        print::json(&report::json(&measured))?;
    } else if args.out.as_deref() != Some(Path::new("-")) {
        print::out(&report::text(&measured))?;
    }
    Ok(if signal == 0 { exit::OK } else { exit::of_signal(signal) })
}

/// Where the log goes, proven before a second is spent: nowhere, standard output, or a file.
#[allow(clippy::option_option, reason = "three answers: no log, standard output, a file")]
fn target(args: &Args) -> Result<Option<Option<(OutDir, String)>>, Failure> {
    let Some(path) = &args.out else { return Ok(None) };
    if path == Path::new("-") {
        if args.json {
            return Err(Failure::usage("-o - and --json both want standard output"));
        }
        return Ok(Some(None));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if !name.ends_with(".hlog") {
        return Err(Failure::usage(format_args!(
            "-o {}: its name does not end in .hlog",
            path.display()
        )));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder =
        OutDir::create(parent.unwrap_or(Path::new("."))).map_err(|error| output(&error))?;
    folder.refuse_existing(&[name], args.force).map_err(|error| output(&error))?;
    Ok(Some(Some((folder, name.to_owned()))))
}
