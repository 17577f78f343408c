//! `tickspin ring show NAME`.

use super::list::{Process, Ring, process, watched};
use super::slots::{decoded, latest, line};
use super::{entry, meet};
use crate::error::Failure;
use crate::look::Look;
use crate::print;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tickspin_results::table::{Table, grouped};
use tickspin_ring::rendezvous::RuntimeDir;

/// One object: what `--json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    name: String,
    feed: Option<Process>,
    engine: Option<Process>,
    headers: Vec<HeaderShown>,
    rings: Vec<Ring>,
    /// Sequences lost and foreign stamps, by ring, as their consumers count them.
    faults: BTreeMap<String, Faults>,
    /// Counters of both processes, in the order of their segments.
    counters: BTreeMap<String, serde_json::Map<String, Value>>,
    /// The latest messages of each ring, oldest first.
    slots: BTreeMap<String, Vec<Value>>,
    notes: Vec<String>,
}

/// A ring's header as it was validated at attach.
#[derive(Debug, Serialize)]
struct HeaderShown {
    label: String,
    epoch: String,
    slots: u32,
    policy: String,
    bytes: usize,
    ticks_per_second: u64,
    owner_pid: u64,
}

#[derive(Debug, Serialize)]
struct Faults {
    lost: u64,
    foreign: u64,
}

/// Shows one run.
pub(super) fn run(
    dir: &RuntimeDir,
    name: &str,
    is_json: bool,
    limit: usize,
) -> Result<(), Failure> {
    let entry = entry(dir, name)?;
    let look = Look::at(dir, name).map_err(|error| meet(&error))?;
    let rings = watched(&look);
    let headers = look.rings.iter().map(|ring| HeaderShown {
        label: ring.label().to_owned(),
        epoch: format!("{:016x}", ring.epoch()),
        slots: ring.slots(),
        policy: format!("{:?}", ring.policy()).to_lowercase(),
        bytes: ring.header().total_bytes,
        ticks_per_second: ring.clock().ticks_per_second,
        owner_pid: ring.header().owner_pid,
    });
    let faults = look.positions.iter().map(|position| {
        let (lost, foreign) = position.faults();
        (position.label().to_owned(), Faults { lost, foreign })
    });
    let counters = look.counters.iter().map(|counters| {
        let labels = counters.labels().iter().enumerate();
        let values = labels
            .filter_map(|(index, label)| Some((label.clone(), Value::from(counters.get(index)?))));
        (counters.label().to_owned(), values.collect())
    });
    let slots = look.rings.iter().map(|ring| {
        let label = ring.label();
        let messages = latest(ring, limit).into_iter();
        let shown = messages.map(|(seq, words)| decoded(label, seq, words)).collect();
        (label.to_owned(), shown)
    });
    let shown = Shown {
        schema: "tickspin.ring.show/1",
        name: entry.name,
        feed: entry.feed.map(process),
        engine: entry.engine.map(process),
        headers: headers.collect(),
        faults: faults.collect(),
        counters: counters.collect(),
        slots: slots.collect(),
        rings,
        notes: look.refused.clone(),
    };
    if is_json { print::json(&shown) } else { print::out(&text(&shown)) }
}

fn text(shown: &Shown) -> String {
    let mut text = format!("run {}\n", shown.name);
    for (role, process) in [("feed", &shown.feed), ("engine", &shown.engine)] {
        match process {
            Some(p) => text.push_str(&format!(
                "{role}: process {} ({}), since {}\n",
                p.pid, p.command, p.started
            )),
            None => text.push_str(&format!("{role}: not there\n")),
        }
    }
    let mut table = Table::new(&[
        "ring", "epoch", "policy", "slots", "state", "cursor", "position", "depth", "rate/s",
        "dropped", "lost", "foreign", "producer", "consumer",
    ]);
    for (header, ring) in shown.headers.iter().zip(&shown.rings) {
        let beats = |beats: bool| if beats { "beats" } else { "silent" }.to_owned();
        let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
        let faults = shown.faults.get(&ring.label);
        table.row(vec![
            ring.label.clone(),
            header.epoch.clone(),
            header.policy.clone(),
            grouped(u64::from(ring.slots)),
            ring.state.clone(),
            grouped(ring.cursor),
            known(ring.position),
            known(ring.depth),
            grouped(ring.rate_per_s as u64),
            grouped(ring.dropped),
            known(faults.map(|faults| faults.lost)),
            known(faults.map(|faults| faults.foreign)),
            beats(ring.producer_beats),
            ring.consumer_beats.map_or_else(|| "-".to_owned(), beats),
        ]);
    }
    text.push_str(&table.render());
    for (process, counters) in &shown.counters {
        text.push_str(&format!("counters of {process}\n"));
        for (label, value) in counters {
            let value = value.as_u64().map_or_else(|| "-".to_owned(), grouped);
            text.push_str(&format!("  {label:<24} {value:>20}\n"));
        }
    }
    for header in &shown.headers {
        let Some(slots) = shown.slots.get(&header.label) else { continue };
        text.push_str(&format!("latest in {}\n", header.label));
        for slot in slots {
            text.push_str(&format!("  {}\n", line(slot)));
        }
    }
    for note in &shown.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}
