//! Start, wait, stop: the life of a run as seen from outside.

use super::child::{Child, SIGKILL, SIGTERM};
use super::interrupted;
use super::job::Job;
use super::over::Road;
use super::progress::Progress;
use super::report::Report;
use super::spans::Spans;
use crate::error::{Failure, Outcome, exit};
use crate::print;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tickspin_host::{cpu, process};
use tickspin_ring::rendezvous::observe;

/// Ten times a second: what the cold side of a run may take of the feed's core.
const TURN: Duration = Duration::from_millis(100);
/// While the feed prepares itself nothing is measured yet.
const START_TURN: Duration = Duration::from_millis(20);
/// Longest time for the feed until it listens: it decodes only the head of its source.
const LISTEN_MAX: Duration = Duration::from_secs(60);
/// Once one program has ended, or a signal was forwarded, the other one ends by itself: the feed
/// drains requests for up to 5 s, the engine reports for 2, then both write files.
const END_MAX: Duration = Duration::from_secs(20);
/// A program that left without a result was perhaps never met: the other one waits in vain.
const ORPHAN_MAX: Duration = Duration::from_secs(3);
/// From SIGTERM to SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// Runs a job from the first measurement to the last line.
///
/// # Errors
/// Nothing was measured; everything that was started has ended, and its files are removed.
pub(super) fn run(job: &Job<'_>) -> Outcome {
    if !job.args.json {
        print::out(&format!("run {}: {}\n", job.name, job.plan.why))?;
    }
    let mut spans = Spans::before(job);
    let before = names(job);
    let ended = started(job);
    // Whatever a killed program left in the runtime directory goes with this look.
    let _ = job.dir.runs();
    let ended = ended.inspect_err(|_| remove_new(job, &before))?;
    let _ = cpu::release();
    spans.after(job);
    Report::new(job, &spans, &ended).print(job)
}

/// How the two programs ended.
pub(super) struct Ended {
    /// Exit code of the one that failed first; 0 where none did.
    pub(super) code: u8,
    /// The signal that this process got and forwarded, 0 for none.
    pub(super) signal: i32,
    /// What the failing ones said, line by line.
    pub(super) complaints: Vec<String>,
    /// CPU time that this process took while both ran, ns.
    pub(super) own_cpu_ns: u64,
}

/// Starts both and waits until both have ended.
fn started(job: &Job<'_>) -> Result<Ended, Failure> {
    let stopped = || match process::stop_signal() {
        0 => Ok(()),
        signal => Err(interrupted(signal)),
    };
    stopped()?;
    let _ = cpu::release();
    let cold = &job.plan.cold;
    let road = job.road.as_ref();
    let (near, far) = (road.and_then(Road::near), road.and_then(Road::far));
    let mut feed = Child::start("feed-sim", &job.programs.feed, &job.feed, near, cold)?;
    wait_for_listening(job, &mut feed)?;
    stopped()?;
    let mut engine = Child::start("engine", &job.programs.engine, &job.engine, far, cold)?;
    let _ = cpu::confine(cold);

    let cpu_before_ns = process::process_cpu_ns();
    let mut progress = Progress::new(job);
    let (code, signal) = wait(job, &mut feed, &mut engine, &mut progress);
    progress.clear();
    let own_cpu_ns = process::process_cpu_ns().saturating_sub(cpu_before_ns);
    let has = |name: &str| job.out.path().join(name).exists();
    if !has("feed.json") && !has("engine.json") && signal != 0 {
        return Err(interrupted(signal));
    }
    // The one that failed by itself first; the other was then told to go.
    let mut parts = [(&engine, "engine.json"), (&feed, "feed.json")];
    parts.sort_by_key(|(child, _)| child.outcome() != code);
    for (child, file) in parts {
        if child.code().is_some_and(|code| code != exit::OK) && !has(file) {
            return Err(never_ran(job, child));
        }
    }
    // Ending as it was told to is no failure.
    let obeyed = |child: &Child| signal != 0 && child.outcome() == exit::of_signal(signal);
    let failing =
        [&feed, &engine].into_iter().filter(|child| child.outcome() != exit::OK && !obeyed(child));
    let complaints = failing.flat_map(|child| said(job, child)).collect();
    Ok(Ended { code, signal, complaints, own_cpu_ns })
}

fn wait_for_listening(job: &Job<'_>, feed: &mut Child) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        if observe(&job.dir, &job.name).is_ok() {
            return Ok(());
        }
        if feed.has_ended() {
            return Err(never_ran(job, feed));
        }
        if process::stop_signal() != 0 {
            return Ok(());
        }
        if since.elapsed() > LISTEN_MAX {
            return Err(Failure::failed(format_args!(
                "feed-sim does not listen after {} s",
                LISTEN_MAX.as_secs()
            )));
        }
        sleep(START_TURN);
    }
}

/// Waits for both: forwards one signal, and sees to it that the second one to end does end.
/// Returns the code of the first that failed, and the signal.
fn wait(job: &Job<'_>, feed: &mut Child, engine: &mut Child, progress: &mut Progress) -> (u8, i32) {
    let (mut code, mut forwarded) = (exit::OK, 0);
    let mut is_noted = [false; 2];
    let mut next_step: Option<Instant> = None;
    let mut steps = [SIGTERM, SIGKILL].into_iter();
    loop {
        for (child, is_noted) in [&mut *feed, &mut *engine].into_iter().zip(&mut is_noted) {
            if *is_noted || !child.has_ended() {
                continue;
            }
            *is_noted = true;
            if code == exit::OK {
                code = child.outcome();
            }
            let file = job.out.path().join(format!("{}.json", part_of(child)));
            let grace = match file.exists() {
                true => END_MAX,
                // It said why and left: the other one need not wait for it.
                false if child.signal().is_none() => Duration::ZERO,
                false => ORPHAN_MAX,
            };
            next_step = next_step.or(Some(Instant::now() + grace));
        }
        let signal = process::stop_signal();
        if is_noted == [true; 2] {
            // A terminal sends its signal to all of us: both may have ended before we forwarded it.
            return (code, if forwarded == 0 { signal } else { forwarded });
        }
        if forwarded == 0 && signal != 0 {
            forwarded = signal;
            feed.send(signal);
            engine.send(signal);
            next_step = Some(Instant::now() + END_MAX);
        }
        if next_step.is_some_and(|at| Instant::now() >= at)
            && let Some(signal) = steps.next()
        {
            feed.send(signal);
            engine.send(signal);
            next_step = Some(Instant::now() + KILL_AFTER);
        }
        progress.tick(job);
        sleep(TURN);
    }
}

fn part_of(child: &Child) -> &'static str {
    if child.name == "engine" { "engine" } else { "feed" }
}

/// A program that left before it had anything to write: its own words and code.
fn never_ran(job: &Job<'_>, child: &Child) -> Failure {
    Failure::new(child.outcome(), said(job, child).join("; "))
}

/// A child's lines, with our temporary files called by the user's names, each beginning with the
/// program's.
fn said(job: &Job<'_>, child: &Child) -> Vec<String> {
    let named = |line: String| {
        let line = job
            .aliases
            .iter()
            .fold(line, |line, (ours, theirs)| line.replace(ours.as_str(), theirs));
        if line.starts_with(child.name) { line } else { format!("{}: {line}", child.name) }
    };
    child.complaint().into_iter().map(named).collect()
}

fn names(job: &Job<'_>) -> BTreeSet<OsString> {
    let entries = fs::read_dir(job.out.path()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

/// Removes result files that were not there `before`: a run that never ran leaves nothing.
fn remove_new(job: &Job<'_>, before: &BTreeSet<OsString>) {
    for name in names(job).difference(before) {
        let path = job.out.path().join(name);
        let is_result = path
            .extension()
            .is_some_and(|end| ["json", "jsonl", "hlog", "hgrm"].iter().any(|e| end == *e));
        if is_result {
            let _ = fs::remove_file(path);
        }
    }
}
