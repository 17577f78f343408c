//! A run, from the command line to the exit code: prepare, lock, meet the engine, watch, report.
//!
//! ```text
//!   configuration ─► plan ─► source opened ─► folder ─► claim ─► clock ─► sockets ─► prepared ahead
//!     ─► segments ─► lock ─► listen ─► engine attached (bounded, stoppable) ─► pinned thread
//!     ─► engine armed ─► ARMED ─► loop; here: observers, intervals, is the engine alive
//!     ─► DISARMED ─► files ─► join ─► claim let go
//! ```
//! Whatever fails before the engine is met leaves nothing behind; whatever ends the run afterwards
//! leaves all files.

use crate::ahead::{Ahead, Limits, Preparer, Room};
use crate::args::{Args, Flags, SourceArgs};
use crate::config::Config;
use crate::control::Control;
use crate::day;
use crate::ending::Ending;
use crate::error::{SimError, exit};
use crate::exchange::{Exchange, Session};
use crate::keep::Keep;
use crate::pace::{Scale, Speed};
use crate::pinned::{self, Terms};
use crate::plan::Plan;
use crate::record::Recorder;
use crate::report::{self, Facts};
use crate::segments::Ours;
use crate::serve::{Main, Ran};
use crate::sink::packets::Opened;
use crate::sink::packets::open::check_source;
use crate::sink::ring::RingSink;
use crate::source::Source;
use crate::source::replay::{Replay, ReplaySpec};
use crate::source::synth::{self, Synth, SynthSpec};
use crate::spin::{Mode, Outcome, Spinner};
use crate::status::{Counter, Phase};
use crate::watch::Watch;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tickspin_host::clock::{self, Clock};
use tickspin_host::cpu;
use tickspin_host::memory::{self, MemoryError};
use tickspin_host::process;
use tickspin_recording::Relation;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::summary::Usage;
use tickspin_results::table::grouped;
use tickspin_ring::rendezvous::{Listener, Role, RuntimeDir};
use tickspin_wire::order::Reason;

/// Time for the clock's calibration: a bound of about 1 ppm.
const CALIBRATION: Duration = Duration::from_millis(100);

/// Runs what the command line asks for; the exit code, or why there was no run.
///
/// # Errors
/// See [`SimError`]; nothing is left behind then, unless it is about a result file.
pub fn main(args: &Args) -> Result<u8, SimError> {
    if args.build_id {
        print(concat!(env!("TICKSPIN_BUILD"), "\n"))?;
        return Ok(exit::OK);
    }
    let Some(source) = &args.source else {
        let line = "say where the ticks come from: synth, or replay FILE; see feed-sim --help";
        return Err(SimError::Usage(line.to_owned()));
    };
    let flags = source.flags();
    if let Some(day) = source.day() {
        return day::file::main(day, flags);
    }
    let (config, text) = Config::load(flags)?;
    let plan = Plan::settle(&config)?;
    if flags.print_config {
        let names = |files: &[PathBuf]| {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            names.join(" + ")
        };
        let name = source.files().map_or("synthetic market".into(), names);
        print(&format!("{text}\n{}", plan.text(&config, &name, "# ")))?;
        return Ok(exit::OK);
    }
    process::catch_stop_signals();
    let is_synth = source.files().is_none();
    let source = open(source, &config, plan.room)?;
    let folder =
        flags.out.clone().unwrap_or_else(|| default_folder(&config.name, SystemTime::now()));
    let out = OutDir::create(&folder)?;
    let names = report::file_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let code = out
        .refuse_existing(&names, flags.force)
        .map_err(SimError::from)
        .and_then(|()| run(flags, &config, &plan, source, is_synth, &out));
    // Removes only what is empty and was made for this run.
    out.abandon();
    code
}

/// Opens the source; nothing is decoded yet.
///
/// # Errors
/// A file that is missing, empty, foreign or unreadable; keys that do not belong to the source.
pub fn open(args: &SourceArgs, config: &Config, room: Room) -> Result<Source, SimError> {
    if let Some(files) = args.files() {
        let relation = if config.are_parts { Relation::Parts } else { Relation::Separate };
        let spec = ReplaySpec {
            from: config.from,
            to: config.to,
            symbols: config.symbols.clone(),
            relation,
            rate: config.rate,
            is_loop: config.is_loop,
            keep_max: room.most,
        };
        return Ok(Source::Replay(Box::new(Replay::open(files, spec)?)));
    }
    let only = "only for replay FILE: a synthetic market has no such place, no names, no end";
    for (key, is_set) in [
        ("from", config.from.is_some()),
        ("to", config.to.is_some()),
        ("symbols", !config.symbols.is_empty()),
        ("parts", config.are_parts),
        ("loop", config.is_loop),
    ] {
        if is_set {
            return Err(SimError::key(key, "synth", only));
        }
    }
    let spec = SynthSpec {
        seed: config.seed,
        instruments: config.instruments,
        rate: config.rate.unwrap_or(synth::RATE_DEFAULT),
        bursts: config.bursts,
    };
    Ok(Source::Synth(Box::new(Synth::new(spec))))
}

/// Fills the queue of events; what it has no room for is decoded beside the run.
///
/// # Errors
/// The source's, before it has given anything; no thread is to be had.
pub fn prepare(
    config: &Config,
    room: Room,
    source: Source,
    clock: &Clock,
    control: &Arc<Control>,
) -> Result<Ahead, SimError> {
    let is_max = config.speed == Speed::Max;
    let duration_ticks = config.duration.filter(|_| !is_max).map(|time| ticks_of(clock, time));
    let limits = Limits { count: config.count, duration_ticks, warm_up: config.warm_up };
    // A stream that is known to be short needs no larger queue.
    let most = config.count.map_or(usize::MAX, |count| count.try_into().unwrap_or(usize::MAX));
    let room = Room { light: room.light.min(most), most: room.most.min(most) };
    let preparer = Preparer::new(source, Scale::new(*clock, config.speed), limits);
    Ahead::new(preparer, room)?.decode_beside(control)
}

fn run(
    flags: &Flags,
    config: &Config,
    plan: &Plan,
    source: Source,
    is_synth: bool,
    out: &OutDir,
) -> Result<u8, SimError> {
    if !flags.json {
        print(&plan.text(config, &source.facts().line, ""))?;
    }
    cpu::confine(&plan.cold)?;
    let named = |source| SimError::Meet { run: config.name.clone(), source };
    let dir = RuntimeDir::open().map_err(named)?;
    let claim = dir.claim(&config.name, Role::Feed).map_err(named)?;
    let clock = Clock::calibrate(CALIBRATION)?;
    let mut ours = Ours::create(config, &clock)?;
    ours.status.phase(Phase::Prepare);
    let facts = Facts {
        config,
        plan,
        clock: &clock,
        clock_cost_ns: clock::read_cost(&clock),
        epoch: ours.epoch(),
        is_synth,
    };
    let control = Arc::new(Control::default());
    if plan.shares_core() {
        control.share_core();
    }
    let opened = Opened::open(config, facts.epoch, &clock, &control)?;
    let ahead = prepare(config, plan.room, source, &clock, &control)?;
    check_source(config, &ahead)?;
    let comments = facts.comments(&ahead.facts().line);
    ours.status.set(Counter::TargetCount, ahead.total().unwrap_or(0));
    let session = Session::new(facts.epoch, config.ring_slots, config.open_orders)
        .map_err(|source| SimError::Memory { what: "open orders", source })?;
    let mut notes = plan.notes.clone();
    notes.extend(got(config, plan, &ours)?);
    ours.status.phase(Phase::WaitPeer);

    let offer = ours.offer();
    let listener = Listener::bind(&claim, env!("TICKSPIN_BUILD")).map_err(named)?;
    let mut main = Main { config, offer, listener, control };
    let armed_by = Instant::now() + config.wait_peer;
    let received = main.wait_for_engine(armed_by)?;
    let reader = ours.reader.clone();
    let (links, watched, status, tallies) = ours.join(received)?;
    let mut watch = Watch::new(&claim, watched);
    let spinner = Spinner {
        sink: (),
        exchange: Exchange::new(session, links.requests, links.reports, config.is_lockstep),
        ahead,
        recorder: Recorder::new(tallies, clock),
        status,
        control: Arc::clone(&main.control),
        mode: mode(config, &clock),
    };
    let mut keep = Keep::begin(out.path(), reader, config.interval, &comments)?;
    let (core, waiting, fifo) = (plan.core, plan.waiting, plan.fifo);
    let terms = Terms { core, waiting, fifo, armed_by };
    // The loop is compiled for each sink.
    let handle = match opened {
        Opened::Ring => {
            pinned::start(spinner.with(RingSink::new(links.events, config.policy)), terms)?
        }
        Opened::Udp(parts) => pinned::start(spinner.with(parts.sink(links.events)), terms)?,
        #[cfg(feature = "xdp")]
        Opened::Xdp(parts) => pinned::start(spinner.with(parts.sink(links.events)), terms)?,
    };
    let ran = main.watch(handle, &mut watch, &mut keep, plan);
    let Ran { mut outcome, usage, has_died } = match ran {
        Ok(ran) => ran,
        Err(error) => {
            // Nothing was sent: nothing is left.
            drop(keep);
            let _ = std::fs::remove_file(out.path().join(report::HLOG));
            return Err(error);
        }
    };
    let (totals, log_failed) = keep.finish();
    let ending = Ending::of(&mut outcome, process::stop_signal(), has_died);
    notes.extend(noteworthy(&outcome, plan));
    let words = (ending.to_string(), ending.truncated());
    let usage = Usage { largest_gap_ns: outcome.largest_gap_ns, ..usage };
    let part = report::part(&facts, &outcome, usage, &totals, words, notes);
    let written = report::write_files(out, &part, &totals);
    print(&if flags.json {
        report::json(&part)
    } else {
        format!("\n{}files    {}\n", report::table(&part), out.path().display())
    })?;
    written?;
    if let Some(error) = log_failed {
        return Err(error.into());
    }
    if ending.exit_code() == exit::FAILURE {
        say(&format_args!("{ending}; files in {}", out.path().display()));
    }
    Ok(ending.exit_code())
}

/// What the loop is to do.
#[must_use]
pub fn mode(config: &Config, clock: &Clock) -> Mode {
    let is_max = config.speed == Speed::Max;
    let wall_ticks = config.duration.filter(|_| is_max).map(|time| ticks_of(clock, time));
    Mode { is_max, is_lockstep: config.is_lockstep, wall_ticks }
}

fn ticks_of(clock: &Clock, time: Duration) -> u64 {
    clock.ticks_from_ns(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// Asks for what is optional, and says what was got.
fn got(config: &Config, plan: &Plan, ours: &Ours) -> Result<Vec<String>, SimError> {
    let mut notes = Vec::new();
    if config.huge_pages {
        let name = |has: bool| if has { "2 MiB" } else { "4 KiB" };
        let (events, reports) = ours.has_huge_pages();
        notes.push(format!(
            "huge pages asked for: events ring {}, reports ring {}; set some aside with `sudo \
             sysctl vm.nr_hugepages=64`",
            name(events),
            name(reports)
        ));
    }
    if config.lock_memory {
        notes.push(match memory::lock_all() {
            Ok(()) => "all memory locked, now and later (mlockall)".to_owned(),
            Err(limited @ MemoryError::LockedOnlyNow { .. }) => limited.to_string(),
            Err(source) => {
                return Err(SimError::Memory { what: "everything (--lock-memory)", source });
            }
        });
    }
    if let Some(priority) = plan.fifo {
        notes.push(format!("pinned thread asked for SCHED_FIFO {priority} and got it"));
    }
    Ok(notes)
}

/// What a reader of the results must know of how it went.
fn noteworthy(outcome: &Outcome, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(recording) = &outcome.source.recording {
        notes.extend(recording.notes());
    }
    notes.extend(outcome.source.notes.iter().cloned());
    if outcome.decoded_beside > 0 {
        let shared = if plan.shares_core() {
            ", the pinned one: its bursts are gaps of our own in the schedule; give a larger --ahead"
        } else {
            ""
        };
        notes.push(format!(
            "{} events were decoded while the run was on, by a thread on cores {:?}{shared}",
            grouped(outcome.decoded_beside),
            plan.cold
        ));
    }
    if outcome.starved_turns > 0 {
        notes.push(format!(
            "the decoding thread fell behind: {} turns found nothing prepared, and schedule_lag says \
             for how long; give a larger --ahead, a lower rate or speed, or an unpacked file",
            grouped(outcome.starved_turns)
        ));
    }
    if outcome.sink.gaps > 0 {
        notes.push(format!(
            "{} events were dropped in {} runs, each told to the engine by a Gap",
            outcome.sink.dropped, outcome.sink.gaps
        ));
    }
    let causes = outcome.session.rejected_by.iter().zip(0..).filter(|(count, _)| **count > 0);
    let causes: Vec<String> = causes
        .filter_map(|(count, reason)| Some(format!("{:?} {count}", Reason::from_wire(reason)?)))
        .collect();
    if !causes.is_empty() {
        notes.push(format!("requests rejected by cause: {}", causes.join(", ")));
    }
    if outcome.stalled > 0 {
        notes.push(format!(
            "{} polls took no request because a report waited for room: the engine reads its \
             reports too slowly, or report_slots is small",
            outcome.stalled
        ));
    }
    notes
}

/// Text on standard output.
///
/// # Errors
/// Nobody reads it ([`SimError::Print`]); a closed pipe is success by its exit code.
pub fn print(text: &str) -> Result<(), SimError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !process::is_closed_pipe(&error) => Err(SimError::Print(error)),
        _ => Ok(()),
    }
}

/// One line on standard error. Whoever started us may be dead and the pipe closed: the run goes on.
pub(crate) fn say(line: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "feed-sim: {line}");
}
