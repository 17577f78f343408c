//! A day into a file: hashed on the way, whole or not there at all.
//!
//! Two threads, so that hashing and writing cost no time of their own: one makes a chunk of a
//! mebibyte while the other hashes and writes the one before. Memory is three chunks and the day's
//! own.
//! The file grows under a temporary name beside its place and is renamed at the end; whatever goes
//! wrong, a full disk or a signal, the temporary file is removed.

use super::{Day, DayFacts, DaySpec};
use crate::args::{DayArgs, Flags};
use crate::error::SimError;
use crate::run::print;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;
use tickspin_host::process;
use tickspin_results::exit;
use tickspin_results::out::OutError;
use tickspin_results::table::grouped;

const CHUNK_BYTES: usize = 1 << 20;

/// Where a day went.
struct Written {
    bytes: u64,
    sha256: String,
    facts: DayFacts,
    seconds: f64,
}

/// `feed-sim synth --format itch50`: makes the day, says what is in it.
///
/// # Errors
/// Flags that a day has no use for, a number of messages too small, a file that is there already,
/// a folder that cannot be written, a full disk, a signal. Nothing is left behind then.
pub fn main(args: &DayArgs, flags: &Flags) -> Result<u8, SimError> {
    let spec = spec(args, flags)?;
    let only = "say where the day goes: -o FILE, or -o - for standard output";
    let path = flags.out.as_deref().ok_or_else(|| SimError::Usage(only.to_owned()))?;
    let day = Day::new(spec).ok_or_else(|| {
        SimError::Usage(format!(
            "--messages {}: a day of {} stocks has at least {}",
            spec.messages,
            spec.instruments,
            spec.messages_min()
        ))
    })?;
    process::catch_stop_signals();
    let is_stdout = path == Path::new("-");
    let written = if is_stdout {
        write(day, io::stdout().lock()).map_err(|failed| match failed {
            Failed::Io(error) => SimError::Print(error),
            Failed::Signal(signal) => SimError::Signal(signal),
        })?
    } else {
        into_file(day, path, flags.force)?
    };
    let text = if flags.json {
        format!("{:#}\n", object(&written, spec, path))
    } else {
        said(&written, spec, path)
    };
    if is_stdout {
        // The day has standard output for itself.
        let _ = io::stderr().write_all(text.as_bytes());
    } else {
        print(&text)?;
    }
    Ok(exit::OK)
}

fn spec(args: &DayArgs, flags: &Flags) -> Result<DaySpec, SimError> {
    let Flags { seed, instruments, out, force, json, .. } = flags.clone();
    if *flags != (Flags { seed, instruments, out, force, json, ..Flags::default() }) {
        let line = "--format makes a file, not a run: only --messages, --seed, --instruments, -o, \
                    --force and --json go with it";
        return Err(SimError::Usage(line.to_owned()));
    }
    let instruments = instruments.unwrap_or(super::INSTRUMENTS_DEFAULT);
    if instruments == 0 || instruments == u16::MAX {
        return Err(SimError::key("instruments", "flag", "1 to 65534 would do"));
    }
    let seed = seed.unwrap_or(1).unsigned_abs();
    Ok(DaySpec { seed, instruments, messages: args.messages.unwrap_or(0) })
}

enum Failed {
    Io(io::Error),
    Signal(i32),
}

fn into_file(day: Day, path: &Path, force: bool) -> Result<Written, SimError> {
    let failed =
        |doing, source| SimError::Out(OutError::Io { doing, path: path.to_path_buf(), source });
    if path.exists() && !force {
        return Err(SimError::Out(OutError::Exists(path.to_path_buf())));
    }
    let temporary = beside(path)
        .ok_or_else(|| failed("make a file of that name", io::ErrorKind::InvalidInput.into()))?;
    let file = File::create_new(&temporary).map_err(|source| failed("make the file", source))?;
    let outcome = write(day, file)
        .map_err(|error| match error {
            Failed::Io(source) => failed("write", source),
            Failed::Signal(signal) => SimError::Signal(signal),
        })
        .and_then(|written| {
            name(&temporary, path, force).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => SimError::Out(OutError::Exists(path.to_path_buf())),
                _ => failed("give the file its name", source),
            })?;
            Ok(written)
        });
    if outcome.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

/// The temporary name: hidden, in the same folder.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy();
    Some(path.with_file_name(format!(".{name}.{}", std::process::id())))
}

/// Unforced, a file that came into being meanwhile is not overwritten: a second name for the
/// first file fails where a rename would not.
fn name(temporary: &Path, path: &Path, force: bool) -> io::Result<()> {
    if !force {
        match fs::hard_link(temporary, path) {
            Ok(()) => return fs::remove_file(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A file system without links.
            Err(_) => {}
        }
    }
    fs::rename(temporary, path)
}

fn write(day: Day, mut out: impl Write) -> Result<Written, Failed> {
    let began = Instant::now();
    let (full, chunks) = sync_channel(1);
    let (empty, emptied) = sync_channel(3);
    for _ in 0..3 {
        // Room for three and three are sent.
        let _ = empty.send(Vec::with_capacity(CHUNK_BYTES + (64 << 10)));
    }
    // Moved in, so that a fault drops this end of the channels and the maker ends too.
    thread::scope(move |scope| {
        let maker = scope.spawn(move || make(day, &emptied, &full));
        let mut hash = Sha256::new();
        let mut bytes = 0_u64;
        for mut chunk in &chunks {
            match process::stop_signal() {
                0 => {}
                signal => return Err(Failed::Signal(signal)),
            }
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            out.write_all(&chunk).map_err(Failed::Io)?;
            chunk.clear();
            // A maker that has ended needs no more.
            let _ = empty.send(chunk);
        }
        out.flush().map_err(Failed::Io)?;
        let facts = maker.join().map_err(|_| Failed::Io(io::Error::other("the maker failed")))?;
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Written { bytes, sha256, facts, seconds: began.elapsed().as_secs_f64() })
    })
}

/// Fills chunks until the day is over or nobody takes them any more.
fn make(mut day: Day, emptied: &Receiver<Vec<u8>>, full: &SyncSender<Vec<u8>>) -> DayFacts {
    while let Ok(mut chunk) = emptied.recv() {
        if !day.fill(&mut chunk, CHUNK_BYTES) || full.send(chunk).is_err() {
            break;
        }
    }
    day.facts().clone()
}

/// Message types there were, the most frequent first.
fn mix(facts: &DayFacts) -> Vec<(char, u64)> {
    let mut mix: Vec<(char, u64)> = (0..=u8::MAX)
        .zip(facts.by_type)
        .filter(|&(_, count)| count > 0)
        .map(|(kind, count)| (char::from(kind), count))
        .collect();
    mix.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    mix
}

fn object(written: &Written, spec: DaySpec, path: &Path) -> Value {
    let Written { bytes, sha256, facts, seconds } = written;
    let by_type: Map<String, Value> =
        mix(facts).into_iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
    json!({
        "schema": "tickspin.day/1",
        "file": path.display().to_string(),
        "format": "itch50",
        "messages": facts.messages,
        "instruments": spec.instruments,
        "seed": spec.seed,
        "bytes": bytes,
        "by_type": by_type,
        "live_orders_peak": facts.live_peak,
        "live_orders_end": facts.live,
        "sha256": sha256,
        "seconds": seconds,
    })
}

fn said(written: &Written, spec: DaySpec, path: &Path) -> String {
    let Written { bytes, sha256, facts, seconds } = written;
    let share = |count: u64| 100.0 * count as f64 / facts.messages as f64;
    let mix: Vec<String> =
        mix(facts).iter().map(|&(kind, count)| format!("{kind} {:.2} %", share(count))).collect();
    format!(
        "{} messages, {} stocks, seed {}: {:.1} MB in {seconds:.1} s, {:.1} M messages/s\n\
         live orders: {} at the peak, {} at the end\n\
         {}\n\
         sha256 {sha256}  {}\n",
        grouped(facts.messages),
        grouped(u64::from(spec.instruments)),
        spec.seed,
        *bytes as f64 / 1e6,
        facts.messages as f64 / seconds / 1e6,
        grouped(facts.live_peak),
        grouped(facts.live),
        mix.join(", "),
        path.display(),
    )
}
