//! Percentiles of each stage with their grades, and what each stage means.
//!
//! They are computed from the logs that the page carries. Without logs those of summary.json stand in,
//! ungraded; with both, a difference between them is said: one of the files is not of this run.

use super::chart;
use super::curves::{FOUR, INSIDE};
use super::folder::Folder;
use super::text;
use crate::cmd::hist::grade::{GRADED, budget, grade};
use crate::cmd::hist::load::Sum;
use crate::cmd::hist::rule::Rule;
use serde::Serialize;
use serde_json::Value;
use tickspin_results::summary::{ClockPart, OffsetBound};
use tickspin_results::table::{Floors, grouped};
use tickspin_results::{Percentiles, Stage};

/// Other tags than ours, at most.
const OTHERS_MAX: usize = 64;

/// One table.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    group: &'static str,
    title: &'static str,
    rows: Vec<Row>,
}

/// One stage.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    class: String,
    meaning: Option<&'static str>,
    budget: Option<String>,
    /// count, min, p50 … max; none where nothing was recorded.
    cells: Vec<Cell>,
    is_recorded: bool,
}

#[derive(Debug, Default, Serialize)]
struct Cell {
    value: Option<String>,
    /// `good`, `bad`, or nothing where nothing was promised.
    tone: &'static str,
    /// Said beside the value where a limit is broken.
    word: String,
}

/// Below what a value says only that it is small; `None` where the clock was not recorded.
pub(super) fn floors(folder: &Folder) -> Option<Floors> {
    let clock = folder.find("summary:/clock engine:/clock")?.clone();
    let clock: ClockPart = serde_json::from_value(clock).ok()?;
    let offset = folder.find("summary:/offset").cloned();
    let offset: Option<OffsetBound> = offset.and_then(|offset| serde_json::from_value(offset).ok());
    Some(Floors::new(&clock, offset.as_ref()))
}

/// Marks a stage's values that lie below its floor.
struct Below(f64);

impl Below {
    fn of(folder: &Folder, name: &str) -> Below {
        let floor_ns =
            floors(folder).zip(Stage::from_name(name)).map(|(floors, stage)| floors.of(stage));
        Below(floor_ns.unwrap_or(0.0))
    }

    fn cell(&self, value: Option<u64>) -> Cell {
        let marked =
            |ns: u64| format!("{}{}", if (ns as f64) < self.0 { "~" } else { "" }, grouped(ns));
        Cell { value: value.map(marked), ..Cell::default() }
    }
}

/// The four that stand side by side, the engine's, other tags.
pub(super) fn tables(folder: &Folder, rules: &[Rule]) -> Vec<Table> {
    let row = |stage: &Stage| row(folder, stage.name(), rules);
    let mut tables = vec![
        Table { group: "four", title: "The four quantities", rows: FOUR.iter().map(row).collect() },
        Table {
            group: "inside",
            title: "Inside the engine, and across both rings",
            rows: INSIDE.iter().map(row).collect(),
        },
    ];
    // A log of another tool has none of our stages: nine times "not recorded" would say nothing.
    if tables.iter().all(|table| table.rows.iter().all(|row| !row.is_recorded)) {
        tables.clear();
    }
    let others = folder.sums.iter().filter(|sum| Stage::from_name(&sum.tag).is_none());
    let rows: Vec<Row> = others
        .take(OTHERS_MAX)
        .enumerate()
        .map(|(nth, sum)| of_sum(folder, sum, nth, rules))
        .collect();
    if !rows.is_empty() {
        tables.push(Table { group: "others", title: "Other tags", rows });
    }
    tables
}

fn row(folder: &Folder, name: &str, rules: &[Rule]) -> Row {
    if let Some(sum) = folder.sums.iter().find(|sum| sum.tag == name) {
        return of_sum(folder, sum, 0, rules);
    }
    let stage = Stage::from_name(name);
    let said = folder
        .find(&format!(
            "summary:/latency_ns/{name} engine:/latency_ns/{name} feed:/latency_ns/{name}"
        ))
        .and_then(|value| serde_json::from_value::<Percentiles>(value.clone()).ok());
    let below = Below::of(folder, name);
    Row {
        name: name.to_owned(),
        class: chart::series(name, 0),
        meaning: stage.map(Stage::meaning),
        budget: stage.and_then(Stage::budget_ns).map(|ns| format!("< {}", grouped(ns))),
        is_recorded: said.is_some(),
        cells: said.map_or_else(Vec::new, |p| {
            let values = [p.min, p.p50, p.p90, p.p99, p.p999, p.p9999, p.max];
            let values = values.map(|value| below.cell(value));
            [Below(0.0).cell(Some(p.count))].into_iter().chain(values).collect()
        }),
    }
}

fn of_sum(folder: &Folder, sum: &Sum, nth: usize, rules: &[Rule]) -> Row {
    let p = Percentiles::of(&sum.values);
    let below = Below::of(folder, &sum.tag);
    let graded = [p.p50, p.p90, p.p99, p.p999, p.p9999, p.max].into_iter().zip(GRADED).map(
        |(value, name)| {
            let Some(grade) = grade(sum, name, rules) else { return below.cell(value) };
            let by = if grade.by_rule { "SLO " } else { "" };
            let word = if grade.is_ok && !grade.by_rule {
                String::new()
            } else {
                format!("{by}{}", grade.word)
            };
            Cell { tone: if grade.is_ok { "good" } else { "bad" }, word, ..below.cell(value) }
        },
    );
    Row {
        name: sum.name().to_owned(),
        class: chart::series(&sum.tag, nth),
        meaning: Stage::from_name(&sum.tag).map(Stage::meaning),
        budget: budget(sum).map(|ns| format!("< {}", grouped(ns))),
        is_recorded: true,
        cells: [Below(0.0).cell(Some(p.count)), below.cell(p.min)]
            .into_iter()
            .chain(graded)
            .collect(),
    }
}

/// Where logs and summary do not say the same.
pub(super) fn contradictions(folder: &Folder) -> Vec<String> {
    let Some(said) = folder.find("summary:/latency_ns").and_then(Value::as_object) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for sum in &folder.sums {
        let Some(said) = said.get(&sum.tag) else { continue };
        let computed = serde_json::to_value(Percentiles::of(&sum.values)).unwrap_or_default();
        let different = computed
            .as_object()
            .into_iter()
            .flatten()
            .find(|(key, value)| said.get(key.as_str()).is_some_and(|said| said != *value));
        if let Some((key, value)) = different {
            found.push(format!(
                "{} {key}: the logs give {}, summary.json says {}; they are not of one run",
                sum.name(),
                text::plain(value),
                text::plain(&said[key])
            ));
        }
    }
    found
}

/// Name and meaning of every stage of ours.
pub(super) fn definitions() -> Vec<(&'static str, &'static str)> {
    Stage::ALL.map(|stage| (stage.name(), stage.meaning())).into()
}
