//! `tickspin ring ls`.

use super::meet;
use crate::error::Failure;
use crate::look::{Look, RINGS};
use crate::print;
use serde::Serialize;
use std::time::{Duration, Instant};
use tickspin_results::table::{Table, grouped};
use tickspin_ring::rendezvous::{Owner, RunEntry, RuntimeDir};

/// Between the two looks: a heartbeat is at least ten times as frequent.
const BETWEEN: Duration = Duration::from_millis(250);

/// One object: what `--json` prints.
#[derive(Debug, Serialize)]
struct Runs {
    schema: &'static str,
    directory: String,
    runs: Vec<Run>,
    removed: Vec<String>,
}

/// A live run.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    name: String,
    feed: Option<Process>,
    engine: Option<Process>,
    rings: Vec<Ring>,
    /// Why a part of it cannot be seen.
    notes: Vec<String>,
}

/// Who holds a role, as that process says.
#[derive(Debug, Serialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) command: String,
    pub(super) started: String,
}

/// A ring between two looks.
#[derive(Debug, Serialize)]
pub(super) struct Ring {
    pub(super) label: String,
    /// Of its producer: `boot`, `run`, `halt`, `fail`; `foreign` for any other word.
    pub(super) state: String,
    pub(super) slots: u32,
    /// Highest sequence published, as the producer last said.
    pub(super) cursor: u64,
    /// Highest sequence that the consumer has released; `null`: no consumer yet.
    pub(super) position: Option<u64>,
    /// Published and not released; may be off by what passed between two loads.
    pub(super) depth: Option<u64>,
    /// Messages a second between the two looks.
    pub(super) rate_per_s: f64,
    /// The producer's heartbeat moved between the two looks.
    pub(super) producer_beats: bool,
    /// The consumer's did.
    pub(super) consumer_beats: Option<bool>,
    /// Messages that the producer dropped.
    pub(super) dropped: u64,
}

/// Lists the live runs.
pub(super) fn run(dir: &RuntimeDir, is_json: bool) -> Result<(), Failure> {
    let (entries, removed) = dir.runs().map_err(|error| meet(&error))?;
    let runs = seen(dir, entries);
    if is_json {
        let directory = dir.path().display().to_string();
        return print::json(&Runs { schema: "tickspin.ring.ls/1", directory, runs, removed });
    }
    let mut text = String::new();
    if runs.is_empty() {
        text.push_str(&format!("no run is alive in {}\n", dir.path().display()));
    } else {
        text.push_str(&table(&runs));
    }
    for run in &runs {
        for note in &run.notes {
            text.push_str(&format!("{}: {note}\n", run.name));
        }
    }
    for name in &removed {
        text.push_str(&format!("{name}: was dead, its entry is removed\n"));
    }
    print::out(&text)
}

fn table(runs: &[Run]) -> String {
    let mut table =
        Table::new(&["run", "ring", "state", "depth", "slots", "rate/s", "producer", "consumer"]);
    for run in runs {
        let ids = format!("{} (feed {}, engine {})", run.name, pid(&run.feed), pid(&run.engine));
        if run.rings.is_empty() {
            table.row(vec![ids.clone(), "-".to_owned()]);
        }
        for (index, ring) in run.rings.iter().enumerate() {
            let beats = |beats: Option<bool>| match beats {
                Some(true) => "beats".to_owned(),
                Some(false) => "silent".to_owned(),
                None => "-".to_owned(),
            };
            table.row(vec![
                if index == 0 { ids.clone() } else { String::new() },
                ring.label.clone(),
                ring.state.clone(),
                ring.depth.map_or_else(|| "-".to_owned(), grouped),
                grouped(u64::from(ring.slots)),
                grouped(ring.rate_per_s as u64),
                beats(Some(ring.producer_beats)),
                beats(ring.consumer_beats),
            ]);
        }
    }
    table.render()
}

fn pid(process: &Option<Process>) -> String {
    process.as_ref().map_or_else(|| "-".to_owned(), |process| process.pid.to_string())
}

/// Looks at all runs twice, with one pause for all.
fn seen(dir: &RuntimeDir, entries: Vec<RunEntry>) -> Vec<Run> {
    let first: Vec<_> = entries
        .iter()
        .map(|entry| Look::at(dir, &entry.name).map(|look| (marks(&look), look)))
        .collect();
    let began = Instant::now();
    if !entries.is_empty() {
        std::thread::sleep(BETWEEN);
    }
    let elapsed_s = began.elapsed().as_secs_f64();
    let run = |(entry, first): (RunEntry, Result<(Vec<Mark>, Look), _>)| {
        let (rings, notes) = match first {
            Ok((before, look)) => (rings(&look, &before, elapsed_s), look.refused),
            Err(error) => (Vec::new(), vec![format!("cannot look into it: {error}")]),
        };
        let (feed, engine) = (entry.feed.map(process), entry.engine.map(process));
        Run { name: entry.name, feed, engine, rings, notes }
    };
    entries.into_iter().zip(first).map(run).collect()
}

/// Looks at one run's rings over a quarter of a second.
pub(super) fn watched(look: &Look) -> Vec<Ring> {
    let before = marks(look);
    let began = Instant::now();
    std::thread::sleep(BETWEEN);
    rings(look, &before, began.elapsed().as_secs_f64())
}

pub(super) fn process(owner: Owner) -> Process {
    Process { pid: owner.pid, command: owner.command, started: owner.started }
}

/// What must move in a ring that is alive.
struct Mark {
    cursor: u64,
    producer: u64,
    consumer: Option<u64>,
}

fn marks(look: &Look) -> Vec<Mark> {
    let mark = |label: &&str| {
        let live = look.ring(label)?.live();
        let consumer = look.position(label).map(|position| position.live().1);
        Some(Mark { cursor: live.cursor, producer: live.heartbeat, consumer })
    };
    RINGS.iter().filter_map(mark).collect()
}

fn rings(look: &Look, before: &[Mark], elapsed_s: f64) -> Vec<Ring> {
    let known = RINGS.iter().filter_map(|label| look.ring(label));
    known
        .zip(before)
        .map(|(ring, before)| {
            let live = ring.live();
            let position = look.position(ring.label()).map(|position| position.live());
            let state = live.state.map_or("foreign".to_owned(), |state| format!("{state:?}"));
            Ring {
                label: ring.label().to_owned(),
                state: state.to_lowercase(),
                slots: ring.slots(),
                cursor: live.cursor,
                position: position.map(|(position, _)| position),
                depth: look.depth(ring.label()),
                rate_per_s: live.cursor.saturating_sub(before.cursor) as f64 / elapsed_s,
                producer_beats: live.heartbeat != before.producer,
                consumer_beats: position
                    .zip(before.consumer)
                    .map(|((_, heartbeat), before)| heartbeat != before),
                dropped: live.errors,
            }
        })
        .collect()
}
