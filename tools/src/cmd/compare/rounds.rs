//! Two commands, run A B B A and again: slow changes of the host meet both alike.
//!
//! Each run has a folder of its own, `$OUT`, and is one unit: its intervals are added up. What the
//! commands print is dropped; of one that fails, the last line of standard error is told.

use super::{Units, hosts, load, pair};
use crate::compare::{Tag, Unit};
use crate::error::Failure;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::sum;

/// Runs all rounds; beside the tags, the coarsest step of the clocks they were measured with, ns.
pub(super) fn run(
    a: &str,
    b: &str,
    rounds: u16,
    folder: Option<&Path>,
) -> Result<(Vec<Tag>, f64), Failure> {
    let folder =
        folder.map_or_else(|| default_folder("compare", SystemTime::now()), Path::to_path_buf);
    let bar = ProgressBar::new(u64::from(rounds) * 4).with_style(
        ProgressStyle::with_template("{bar:30} run {pos} of {len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (mut of_a, mut of_b): (Units, Units) = (Vec::new(), Vec::new());
    let mut step_ns: f64 = 0.0;
    for round in 0..rounds {
        for (nth, is_a) in [true, false, false, true].into_iter().enumerate() {
            let (name, command, units) =
                if is_a { ("a", a, &mut of_a) } else { ("b", b, &mut of_b) };
            let out = folder.join(format!("{:03}-{}-{name}", round + 1, nth + 1));
            one(command, &out)?;
            let runs = usize::from(round) * 2 + usize::from(nth >= 2);
            collect(&out, units, runs)?;
            step_ns = step_ns.max(hosts::clock_step_ns(&out));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok((pair(of_a, of_b), step_ns))
}

/// One run of a command.
fn one(command: &str, out: &Path) -> Result<(), Failure> {
    if out.exists() {
        let shown = out.display();
        return Err(Failure::failed(format_args!("{shown}: exists already; give other --runs")));
    }
    let made = OutDir::create(out).map_err(|error| match error.is_permission() {
        true => Failure::environment(error),
        false => Failure::failed(error),
    })?;
    // The command may change its folder: $OUT must not depend on where it is.
    let out = std::path::absolute(made.path()).unwrap_or_else(|_| made.path().to_path_buf());
    let output = Command::new("sh")
        .args(["-c", command])
        .env("OUT", &out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Failure::failed(format_args!("sh: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    made.abandon();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let why = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no word why");
    Err(Failure::failed(format_args!("'{command}' ended with {}: {why}", output.status)))
}

/// Adds the run's sums as one unit to each tag; `runs` are there already.
fn collect(out: &Path, units: &mut Units, runs: usize) -> Result<(), Failure> {
    let mut sums: Vec<(String, Histogram<u64>)> = Vec::new();
    let cut = load::each(&[out.to_path_buf()], None, |interval| {
        if let Some((_, sum)) = sums.iter_mut().find(|(tag, _)| *tag == interval.tag) {
            return sum::add(sum, &interval.values);
        }
        let first = sum::first(&interval.values)?;
        sums.push((interval.tag, first));
        Ok(())
    })?;
    for (tag, sum) in sums {
        let at = units.iter().position(|(known, _)| *known == tag).unwrap_or_else(|| {
            units.push((tag, Vec::new()));
            units.len() - 1
        });
        // Runs in which the tag did not show up are empty units: rounds stay in step.
        units[at].1.resize(runs, Unit::default());
        units[at].1.push(Unit::of(&sum));
    }
    load::whole(&cut)
}
