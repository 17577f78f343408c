//! Numbers of the JSON files as sections of the page: what is named, where it stands, its unit.
//!
//! A line names its places in order of preference; none of them there, and the line reads "not
//! recorded". Nothing is computed here except the unit.

use super::folder::Folder;
use super::text;
use serde::Serialize;
use serde_json::Value;
use tickspin_results::table::grouped;

/// One line of a section.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) key: String,
    /// `None`: not recorded.
    pub(super) value: Option<String>,
}

/// What a number is, and so how it is written.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Count,
    Ns,
    /// Of a run: nanoseconds, but nobody wants them.
    Length,
    PerSecond,
    Share,
    Ppm,
    Hertz,
    /// `null` is "none".
    Text,
    /// Text whose `null` is "not measured", as that of every number.
    Measured,
}
use Kind::{Count, Hertz, Length, Measured, Ns, PerSecond, Ppm, Share, Text};

/// Name, places, kind.
pub(super) type Line = (&'static str, &'static str, Kind);

/// At the top.
pub(super) const HEADLINE: &[Line] = &[
    ("rate asked", "summary:/rate/target feed:/rate/target", PerSecond),
    ("rate achieved", "summary:/rate/achieved feed:/rate/achieved", PerSecond),
    ("events sent", "summary:/events/sent feed:/sent", Count),
    ("events received", "summary:/events/received engine:/received", Count),
    ("events lost", "summary:/events/lost", Count),
    ("events of warm-up", "summary:/events/warm_up engine:/warm_up feed:/warm_up", Count),
    ("measured for", "feed:/measured_ns", Length),
    ("orders sent", "summary:/orders/sent engine:/orders_sent", Count),
];

/// Certificate of pacing.
pub(super) const PACING: &[Line] = &[
    ("verdict", "summary:/certificate/verdict feed:/certificate/verdict", Text),
    ("events with an instant", "summary:/certificate/events feed:/certificate/events", Count),
    (
        "due in gaps of the machine: excluded",
        "summary:/certificate/excluded feed:/certificate/excluded",
        Count,
    ),
    (
        "share excluded",
        "summary:/certificate/excluded_share feed:/certificate/excluded_share",
        Share,
    ),
    (
        "of the others within 100 ns",
        "summary:/certificate/within_100ns feed:/certificate/within_100ns",
        Share,
    ),
    (
        "of the others within 1 µs",
        "summary:/certificate/within_1us feed:/certificate/within_1us",
        Share,
    ),
    (
        "of the others within 10 µs",
        "summary:/certificate/within_10us feed:/certificate/within_10us",
        Share,
    ),
    (
        "of all events within 1 µs",
        "summary:/certificate/all_within_1us feed:/certificate/all_within_1us",
        Share,
    ),
    (
        "worst lag, excluded ones too",
        "summary:/certificate/worst_lag_ns feed:/certificate/worst_lag_ns",
        Ns,
    ),
    (
        "worst lag of the others",
        "summary:/certificate/worst_own_lag_ns feed:/certificate/worst_own_lag_ns",
        Ns,
    ),
    (
        "share of all lag that stands with excluded events",
        "summary:/certificate/host_lag_share feed:/certificate/host_lag_share",
        Share,
    ),
    ("gaps of the machine", "summary:/certificate/host_gaps feed:/certificate/host_gaps", Count),
    (
        "gaps of the machine, together",
        "summary:/certificate/host_gap_ns feed:/certificate/host_gap_ns",
        Ns,
    ),
    (
        "gaps of the feed's own threads",
        "summary:/certificate/own_gaps feed:/certificate/own_gaps",
        Count,
    ),
    (
        "gaps of the feed's own threads, together",
        "summary:/certificate/own_gap_ns feed:/certificate/own_gap_ns",
        Ns,
    ),
    (
        "rate asked, a recording's mean",
        "summary:/certificate/target_rate feed:/certificate/target_rate",
        PerSecond,
    ),
    (
        "rate achieved",
        "summary:/certificate/achieved_rate feed:/certificate/achieved_rate",
        PerSecond,
    ),
];

/// Where events and orders went.
pub(super) const LOSSES: &[Line] = &[
    ("events offered by the schedule", "summary:/events/sent feed:/sent", Count),
    ("events received", "summary:/events/received engine:/received", Count),
    ("events lost: dropped at a full ring, or never arrived", "summary:/events/lost", Count),
    ("lost: dropped by the feed", "feed:/dropped", Count),
    ("lost: never arrived", "engine:/lost", Count),
    (
        "events overwritten before they were read",
        "summary:/events/overruns engine:/overruns",
        Count,
    ),
    ("turns in which the ring was full and the schedule slipped", "feed:/full_turns", Count),
    ("turns in which the decoding thread was behind", "feed:/starved_turns", Count),
    ("sends whose lag did not fit", "feed:/lag_saturated", Count),
    ("recorded times that ran backwards", "feed:/reversals", Count),
    ("messages stepped over", "feed:/skipped", Count),
    ("recording cut", "feed:/truncated", Text),
    ("events with foreign bytes", "engine:/foreign", Count),
    ("gaps of the venue's own sequence", "engine:/feed_gaps", Count),
    (
        "events about orders that no book holds",
        "summary:/events/unknown_orders engine:/unknown_orders",
        Count,
    ),
    ("events that add orders that a book holds already", "engine:/duplicate_orders", Count),
    ("events refused for want of book memory", "engine:/book_refused", Count),
    ("orders sent", "summary:/orders/sent engine:/orders_sent", Count),
    ("orders received at the exchange end", "summary:/orders/received feed:/requests", Count),
    ("orders acknowledged", "summary:/orders/acknowledged feed:/acknowledged", Count),
    ("fills", "summary:/orders/filled feed:/filled", Count),
    ("orders rejected by the exchange end", "summary:/orders/rejected feed:/rejected", Count),
    ("orders refused inside the engine", "summary:/orders/refused engine:/orders_refused", Count),
    ("records of slow ticks lost", "engine:/slow/lost/records summary:/slow/lost/records", Count),
    ("slow ticks in lost records", "engine:/slow/lost/samples summary:/slow/lost/samples", Count),
];

/// What the host and the clock allow at best.
pub(super) const FLOOR: &[Line] = &[
    ("bare cache line, one way, p50", "summary:/floor_ns/one_way", Ns),
    ("bare cache line, round trip, p50", "summary:/floor_ns/round_trip", Ns),
    ("the ring alone, one way, p50", "summary:/ring_one_way_ns/p50", Ns),
    ("the ring alone, before the run", "summary:/ring_one_way_ns/before", Ns),
    ("the ring alone, after the run", "summary:/ring_one_way_ns/after", Ns),
    ("the ring alone, measured at", "summary:/ring_one_way_ns/rate", PerSecond),
    ("placement of the cores before the run", "summary:/placement/before", Measured),
    ("placement of the cores after the run", "summary:/placement/after", Measured),
    ("reading the engine's clock costs", "summary:/clock/read_ns engine:/clock/read_ns", Ns),
    ("smallest step of that clock", "summary:/clock/step_ns engine:/clock/step_ns", Ns),
    (
        "bound of the error of its calibration",
        "summary:/clock/error_ppm engine:/clock/error_ppm",
        Ppm,
    ),
    (
        "ticks of that clock",
        "summary:/clock/ticks_per_second engine:/clock/ticks_per_second",
        Hertz,
    ),
    ("reading the feed's clock costs", "feed:/clock/read_ns", Ns),
    ("a turn of the feed's loop, p99", "summary:/feed/turn_p99_ns feed:/turn_p99_ns", Ns),
];

/// The two pinned threads: name of a line, places of feed and engine.
const THREADS: [(&str, &str, Kind); 9] = [
    ("core", "core", Count),
    ("waiting", "waiting", Text),
    ("largest gap between two turns", "largest_gap_ns", Ns),
    ("stolen by the hypervisor", "steal_ns", Ns),
    ("taken off its core", "involuntary_switches", Count),
    ("left its core by itself", "voluntary_switches", Count),
    ("page faults without I/O", "minor_faults", Count),
    ("page faults with I/O", "major_faults", Count),
    ("CPU time of the process's other threads", "cold_cpu_ns", Ns),
];

/// Objects that later programs may add; their numbers are shown by name.
const MEASURED_ALSO: [&str; 3] = ["stamps_cost_ns", "idle_control", "offset"];

/// A section.
pub(super) fn of(folder: &Folder, lines: &[Line]) -> Vec<Fact> {
    let fact = |(key, places, kind): &Line| Fact {
        key: (*key).to_owned(),
        value: value(folder, places, *kind),
    };
    lines.iter().map(fact).collect()
}

fn value(folder: &Folder, places: &str, kind: Kind) -> Option<String> {
    match folder.find(places) {
        Some(value) => written(value, kind),
        // Said by the run: a schedule without a rate.
        None if folder.has(places) && places.starts_with("summary:/rate/target") => {
            Some("none: as recorded, or as fast as it goes".to_owned())
        }
        None if folder.has(places) => Some(match kind {
            Text => "none".to_owned(),
            _ => "not measured".to_owned(),
        }),
        None => None,
    }
}

fn written(value: &Value, kind: Kind) -> Option<String> {
    let number = || text::number(value);
    match kind {
        Count => number(),
        Ns => {
            let ns = value.as_f64()?;
            let long =
                if ns >= 10_000.0 { format!(" ({})", text::time(ns)) } else { String::new() };
            Some(format!("{} ns{long}", number()?))
        }
        Length => Some(text::time(value.as_f64()?)),
        PerSecond => Some(format!("{}/s", grouped(value.as_f64()? as u64))),
        Share => Some(text::percent(value.as_f64()?)),
        Ppm => Some(format!("{} ppm", number()?)),
        Hertz => Some(format!("{} Hz", number()?)),
        Text | Measured => Some(text::plain(value)),
    }
}

/// Feed and engine side by side: line, feed, engine.
pub(super) fn threads(folder: &Folder) -> Vec<[Option<String>; 3]> {
    let row = |(name, key, kind): (&str, &str, Kind)| {
        let of = |who: &str| {
            let part = if who == "engine" { "engine:/usage" } else { "feed:/usage" };
            value(folder, &format!("summary:/{who}/{key} {part}/{key}"), kind)
        };
        [Some(name.to_owned()), of("feed"), of("engine")]
    };
    THREADS.map(row).into()
}

/// What stages could not hold.
pub(super) fn not_held(folder: &Folder) -> Vec<Fact> {
    let stages = folder.find("summary:/not_held").and_then(Value::as_object);
    let fact = |(stage, held): (&String, &Value)| Fact {
        key: format!("{stage}: negative, too large"),
        value: Some(format!(
            "{}, {}",
            text::plain(&held["negative"]),
            text::plain(&held["overflow"])
        )),
    };
    stages.into_iter().flatten().map(fact).collect()
}

/// Further measurements, by their own names.
pub(super) fn measured_also(folder: &Folder) -> Vec<Fact> {
    let mut facts = Vec::new();
    for key in MEASURED_ALSO {
        if let Some(value) = folder.find(&format!("summary:/{key} engine:/{key} feed:/{key}")) {
            flat(key, value, &mut facts);
        }
    }
    facts
}

/// An object of the summary, key by key as it was written.
pub(super) fn object(folder: &Folder, places: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(Value::Object(object)) = folder.find(places) {
        object.iter().for_each(|(key, value)| flat(key, value, &mut facts));
    }
    facts
}

/// Every number of every object, by its path.
pub(super) fn everything(folder: &Folder) -> Vec<Fact> {
    let mut facts = Vec::new();
    for name in ["summary", "feed", "engine"] {
        if let Some(object) = folder.object_of(name) {
            flat(name, object, &mut facts);
        }
    }
    facts
}

/// Objects are entered, lists of plain values stay on one line.
fn flat(path: &str, value: &Value, facts: &mut Vec<Fact>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| flat(&format!("{path}.{key}"), value, facts));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| flat(&format!("{path}[{index}]"), value, facts));
        }
        plain => facts.push(Fact { key: path.to_owned(), value: Some(text::plain(plain)) }),
    }
}
