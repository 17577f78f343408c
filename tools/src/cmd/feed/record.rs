//! `tickspin feed record`: what passes through a live run's ring, into a file of our own format.
//!
//! The recorder follows the ring from outside, read-only: it holds up neither feed nor engine, and
//! a run need not know of it. The price is that it can be too late. More than half a ring behind
//! (32,768 events with the default ring), it has lost what it did not get; how much is in the file,
//! in the summary, and makes the exit code 1. On a machine whose cores all spin it will be late.

use crate::error::{Failure, Outcome, exists, exit};
use crate::look::Look;
use crate::print;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::clock;
use tickspin_host::process::{catch_stop_signals, stop_signal};
use tickspin_recording::tape::{Record, TapeError};
use tickspin_recording::{Protocol, TapeHead, TapeWriter};
use tickspin_results::table::grouped;
use tickspin_ring::State;
use tickspin_ring::region::{Followed, PeerRing};
use tickspin_ring::rendezvous::{Role, RuntimeDir};
use tickspin_wire::event::{Event, Kind};

/// A block is written at the latest after this time, so that little is lost with the recorder.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// How long the recorder looks for the next event without giving its core away for longer.
const PATIENCE: Duration = Duration::from_millis(2);

/// A nap while nothing comes.
const NAP: Duration = Duration::from_micros(200);

/// How often the feed's life is looked at while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the run
    #[arg(long, default_value = "default")]
    name: String,
    /// The file to write; refused if it is there already
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    /// Stop after N events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Longest wait for the run to begin, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    schema: &'static str,
    file: String,
    epoch: String,
    first: u64,
    last: u64,
    events: u64,
    lost: u64,
    bytes: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    catch_stop_signals();
    let dir = RuntimeDir::open().map_err(|error| {
        let code = if error.is_permission() { exit::ENVIRONMENT } else { exit::FAILURE };
        Failure::new(code, error)
    })?;
    // The file first: nobody waits for a run to learn that there is no place for it. What --force is
    // to replace stays until there is something to replace it.
    let made = if args.force { beside(&args.out) } else { args.out.clone() };
    let file = create(&made, args.force)?;
    let ring = match follow(&dir, args) {
        Ok(Some(ring)) => ring,
        stopped => {
            let _ = std::fs::remove_file(&made);
            return stopped.map(|_| exit::of_signal(stop_signal()));
        }
    };
    if args.force {
        std::fs::rename(&made, &args.out).map_err(|error| {
            let _ = std::fs::remove_file(&made);
            Failure::failed(format_args!("{}: {error}", args.out.display()))
        })?;
    }
    let taken = take(&dir, args, &ring, file)
        .map_err(|error| Failure::failed(format_args!("{}: {error}", args.out.display())))?;
    report(args, &ring, &taken)?;
    match stop_signal() {
        0 if taken.lost > 0 => Err(Failure::failed(format_args!(
            "{} of {} events are not in the file: the recorder was more than half a ring behind; \
             give it a core that nobody spins on",
            grouped(taken.lost),
            grouped(taken.lost + taken.events)
        ))),
        0 => Ok(exit::OK),
        signal => Ok(exit::of_signal(signal)),
    }
}

/// Where the recording begins while its place is taken.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        io::ErrorKind::PermissionDenied => {
            Failure::environment(format_args!("{}: {error}", path.display()))
        }
        _ => Failure::failed(format_args!("{}: {error}", path.display())),
    })
}

/// The run's events ring, as soon as there is one; `None`: stopped by a signal before.
fn follow(dir: &RuntimeDir, args: &Args) -> Result<Option<PeerRing>, Failure> {
    let began = Instant::now();
    loop {
        let why = match Look::at(dir, &args.name) {
            Ok(mut look) => {
                if let Some(at) = look.rings.iter().position(|ring| ring.label() == "events") {
                    return Ok(Some(look.rings.swap_remove(at)));
                }
                if look.ring("packets").is_some() {
                    return Err(Failure::failed(format_args!(
                        "run {} sends its events as packets: its ring has none to record; capture its \
                         interface instead (tcpdump -i IFACE -w FILE udp)",
                        args.name
                    )));
                }
                look.refused.pop().unwrap_or_else(|| "its feed has no ring yet".to_owned())
            }
            Err(error) => error.to_string(),
        };
        if stop_signal() != 0 {
            return Ok(None);
        }
        if began.elapsed().as_secs() >= args.wait {
            return Err(Failure::failed(format_args!(
                "no run to record under the name {} after {} s: {why}",
                args.name,
                began.elapsed().as_secs()
            )));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What was recorded.
struct Taken {
    first: u64,
    last: u64,
    events: u64,
    lost: u64,
    bytes: u64,
}

fn take(dir: &RuntimeDir, args: &Args, ring: &PeerRing, file: File) -> Result<Taken, TapeError> {
    let words = ring.clock();
    let head = TapeHead {
        protocol: Protocol::Tape,
        epoch: ring.epoch(),
        ticks_per_second: words.ticks_per_second,
        anchor_ticks: words.origin_ticks,
        anchor_ns: words.origin_realtime_ns,
    };
    let none = |source| TapeError { written: 0, lost: 0, source };
    let mut writer = TapeWriter::new(file, &head).map_err(none)?;
    // Late to the run: what the ring still holds for sure.
    let mut seq = ring.live().cursor.saturating_sub(u64::from(ring.slots() / 2)) + 1;
    let mut taken = Taken { first: seq, last: seq - 1, events: 0, lost: 0, bytes: 0 };
    let (mut flushed, mut looked, mut idle) = (Instant::now(), Instant::now(), None);
    while args.limit.is_none_or(|limit| taken.events < limit) && stop_signal() == 0 {
        match ring.follow(seq) {
            Followed::Here(words) => {
                idle = None;
                let event = Event::from_words(words);
                if event.kind() == Some(Kind::End) {
                    break;
                }
                writer.append(seq, Record { event, recorded_ticks: clock::ticks() })?;
                (taken.last, taken.events) = (seq, taken.events + 1);
                seq += 1;
            }
            Followed::Gone => {
                // Far enough ahead to get hold of it again.
                let next = (ring.live().cursor + 1).max(seq + 1);
                taken.lost += next - seq;
                seq = next;
            }
            Followed::NotYet => {
                let since = *idle.get_or_insert_with(Instant::now);
                if flushed.elapsed() >= FLUSH_EVERY {
                    writer.flush()?;
                    flushed = Instant::now();
                }
                if since.elapsed() < PATIENCE {
                    thread::yield_now();
                    continue;
                }
                if looked.elapsed() >= LOOK_EVERY {
                    looked = Instant::now();
                    if is_over(dir, args, ring, seq) {
                        break;
                    }
                }
                thread::sleep(NAP);
            }
        }
    }
    let file = writer.finish(0)?;
    taken.bytes = file.metadata().map_or(0, |about| about.len());
    Ok(taken)
}

/// The feed has ended or died, and nothing that it published is left.
fn is_over(dir: &RuntimeDir, args: &Args, ring: &PeerRing, seq: u64) -> bool {
    let state = ring.live().state;
    let is_gone = matches!(dir.owner(&args.name, Role::Feed), Ok(None));
    let has_ended = matches!(state, Some(State::Halt | State::Fail)) || is_gone;
    has_ended && ring.follow(seq) == Followed::NotYet
}

fn report(args: &Args, ring: &PeerRing, taken: &Taken) -> Result<(), Failure> {
    if args.json {
        return print::json(&Summary {
            schema: "tickspin.feed-record.1",
            file: args.out.display().to_string(),
            epoch: format!("{:016x}", ring.epoch()),
            first: taken.first,
            last: taken.last,
            events: taken.events,
            lost: taken.lost,
            bytes: taken.bytes,
        });
    }
    let from = if taken.first > 1 {
        format!(", from event {} on (the run was on its way)", grouped(taken.first))
    } else {
        String::new()
    };
    print::out(&format!(
        "{}: {} events in {} bytes{from}\n",
        args.out.display(),
        grouped(taken.events),
        grouped(taken.bytes)
    ))
}
