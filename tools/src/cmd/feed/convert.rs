//! `tickspin feed convert` and `cut`: a recording, or a part of it, as another file.
//!
//! Everything is written from the events, so what is converted is what the engine would see, with
//! one exception: BinaryFILE takes the venue's own messages, bit by bit, from a recording that has
//! them. A part of a recording begins in the middle of books: to replay it as the venue sent it,
//! keep the beginning and use `--from` of the replay.

mod columns; // events as Parquet
mod sink; // the formats that can be written

use super::Input;
use super::walk::{Walk, Wanted};
use crate::error::{Failure, Outcome, exists, exit};
use crate::print;
use sink::Sink;
use std::fs;
use std::path::{Path, PathBuf};
use tickspin_recording::place::{Bound, Place};
use tickspin_results::table::grouped;
use tickspin_wire::num::InstrumentId;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// The file to write; its end says the format: .csv, .jsonl, .parquet, .tape, .itch50, and all
    /// but .parquet may end in .zst behind it
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    /// Only this instrument: its symbol, or # and the venue's number; several: give it again
    #[arg(long, value_name = "SYMBOL")]
    symbol: Vec<String>,
    /// Stop after N events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CutArgs {
    #[command(flatten)]
    what: Args,
    /// Begin here: HH:MM[:SS[.f]], a date as 2024-05-08T13:30:00Z, venue nanoseconds, # and a position
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// End before here, written alike
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    write(args, [None, None])
}

pub(super) fn cut(args: &CutArgs) -> Outcome {
    let place = |name: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let place = Place::parse(text);
        place.map(Some).map_err(|rule| Failure::usage(format_args!("--{name} {text}: {rule}")))
    };
    let places = [place("from", &args.from)?, place("to", &args.to)?];
    if places == [None, None] {
        return Err(Failure::usage("a cut needs --from or --to; feed convert takes it all"));
    }
    write(&args.what, places)
}

/// A file half written has another name: whoever finds OUT finds it whole.
fn write(args: &Args, places: [Option<Place>; 2]) -> Outcome {
    let format = sink::format(&args.out)?;
    if !args.force && args.out.exists() {
        return Err(exists(&args.out));
    }
    let mut walk = Walk::open(&args.input)?;
    let part = part_name(&args.out);
    let written = copy(args, places, &mut walk, format, &part);
    let events = match written {
        Ok(events) => events,
        Err(failure) => {
            let _ = fs::remove_file(&part);
            return Err(failure);
        }
    };
    fs::rename(&part, &args.out).map_err(|error| {
        let _ = fs::remove_file(&part);
        Failure::failed(format_args!("{}: {error}", args.out.display()))
    })?;
    let outcome = walk.end();
    let bytes = fs::metadata(&args.out).map_or(0, |about| about.len());
    print::out(&format!(
        "{}: {} events in {} bytes\n",
        args.out.display(),
        grouped(events),
        grouped(bytes)
    ))?;
    outcome
}

fn part_name(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.part-{}", std::process::id()))
}

fn copy(
    args: &Args,
    places: [Option<Place>; 2],
    walk: &mut Walk,
    format: sink::Format,
    part: &Path,
) -> Result<u64, Failure> {
    let mut wanted =
        args.symbol.iter().map(|name| Wanted::new(name)).collect::<Result<Vec<_>, _>>()?;
    let mut sink: Option<Sink> = None;
    let mut bounds: Option<[Option<Bound>; 2]> = None;
    let (mut latest_ns, mut events, mut is_begun) = (0, 0, false);
    while args.limit.is_none_or(|limit| events < limit) {
        let Some(event) = walk.next() else { break };
        latest_ns = event.exchange_ns.max(latest_ns);
        let [from, to] = match bounds {
            Some(bounds) => bounds,
            None => *bounds.insert(settle(places, event.exchange_ns)?),
        };
        let position = walk.position();
        if to.is_some_and(|to| to.is_reached(latest_ns, position)) {
            break;
        }
        // Who is who is needed whatever is cut.
        let is_definition = event.kind() == Some(tickspin_wire::Kind::Definition);
        let is_early = from.is_some_and(|from| !from.is_reached(latest_ns, position));
        let is_unwanted = !wanted.is_empty()
            && event.instrument != InstrumentId::ALL
            && !wanted.iter_mut().any(|wanted| wanted.is(&event, walk));
        if is_unwanted || (is_early && !is_definition) {
            continue;
        }
        let sink = match &mut sink {
            Some(sink) => sink,
            None => sink.insert(Sink::create(part, format, walk.facts().protocol)?),
        };
        sink.put(&event, walk)?;
        is_begun |= !is_early;
        events += 1;
    }
    for wanted in &wanted {
        wanted.found(walk)?;
    }
    match sink {
        Some(sink) if is_begun => sink.finish()?,
        _ => {
            return walk.end().and(Err(Failure::new(
                exit::FAILURE,
                "no event is left to write: nothing was written",
            )));
        }
    }
    Ok(events)
}

fn settle(places: [Option<Place>; 2], first_ns: u64) -> Result<[Option<Bound>; 2], Failure> {
    let settle = |place: Option<Place>| {
        let bound = place.map(|place| Bound::settle(place, first_ns)).transpose();
        bound.map_err(|rule| Failure::usage(format_args!("--from or --to: {rule}")))
    };
    let [from, to] = places;
    Ok([settle(from)?, settle(to)?])
}
