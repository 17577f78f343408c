//! `hist dump`: the whole distribution of one log, or its intervals one by one.
//!
//! A percentile a tag says little about where the values lie: here is every step of the curve. With
//! `--intervals` it is the other axis, time: a stall shows in its second and nowhere else.

use super::load::{self, Loaded};
use super::output::{Format, Out};
use super::unit::Unit;
use super::{print, steps};
use crate::error::{Failure, Outcome, exit};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::slice;
use std::time::Duration;
use tickspin_results::Percentiles;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.hist.dump/1";

#[derive(Debug, clap::Args)]
pub(super) struct Dump {
    /// Interval log, or a result folder with some; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// One row an interval instead of the curve of all (table and JSON)
    #[arg(long)]
    intervals: bool,
    /// What the values of the log are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Print one JSON object, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print; without it the end of OUT's name decides
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    out: Out,
}

const FORMATS: [Format; 4] = [Format::Table, Format::Hgrm, Format::Csv, Format::Json];

pub(super) fn run(args: &Dump) -> Outcome {
    let wished = if args.json { Some(Format::Json) } else { args.format };
    let allowed = if args.intervals { &[Format::Table, Format::Json][..] } else { &FORMATS };
    let output = args.out.decide(wished, Some(Format::Table), allowed)?;
    if args.intervals {
        let (rows, loaded) = rows(args)?;
        let text = match output.format {
            Format::Json => intervals_json(&rows, &loaded)?,
            _ => intervals_table(&rows),
        };
        output.write(text.as_bytes())?;
        loaded.whole()?;
        return Ok(exit::OK);
    }
    let mut loaded = load::all(slice::from_ref(&args.file), args.unit)?;
    loaded.choose(&args.tag)?;
    let text = match output.format {
        Format::Hgrm => print::hgrm(loaded.only()?)?,
        Format::Csv => print::csv(loaded.only()?)?,
        Format::Json => json(&loaded)?,
        _ => table(&loaded),
    };
    output.write(text.as_bytes())?;
    loaded.whole()?;
    Ok(exit::OK)
}

/// One table a tag, its name in the head.
fn table(loaded: &Loaded) -> String {
    let tables = loaded.sums.iter().map(|sum| {
        let mut table = Table::new(&[sum.name(), "ns", "count", "1/(1-quantile)"]);
        for step in steps::of(&sum.values) {
            let left = 1.0 - step.quantile;
            let inverse = if left > 0.0 { format!("{:.2}", 1.0 / left) } else { "-".to_owned() };
            let quantile = format!("{:.9}", step.quantile);
            table.row(vec![quantile, grouped(step.value_ns), grouped(step.count), inverse]);
        }
        match sum.values.is_empty() {
            true => format!("{}: no values\n", sum.name()),
            false => table.render(),
        }
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// Everything of every tag.
pub(super) fn json(loaded: &Loaded) -> Result<String, Failure> {
    let mut tags = Map::new();
    for sum in &loaded.sums {
        let is_there = !sum.values.is_empty();
        let steps: Vec<Value> = match is_there {
            true => steps::of(&sum.values)
                .iter()
                .map(|step| {
                    json!({
                        "quantile": step.quantile,
                        "value_ns": step.value_ns,
                        "count": step.count,
                    })
                })
                .collect(),
            false => Vec::new(),
        };
        let object = json!({
            "intervals": sum.intervals,
            "latency_ns": Percentiles::of(&sum.values),
            "mean_ns": is_there.then(|| sum.values.mean()),
            "stdev_ns": is_there.then(|| sum.values.stdev()),
            "distribution": steps,
        });
        tags.insert(sum.tag.clone(), object);
    }
    print::pretty(&json!({
        "schema": SCHEMA,
        "files": loaded.files,
        "tags": tags,
        "cut": print::cut(loaded),
    }))
}

/// One interval, without its values.
struct Row {
    tag: String,
    start: Duration,
    length: Duration,
    percentiles: Percentiles,
}

fn rows(args: &Dump) -> Result<(Vec<Row>, Loaded), Failure> {
    let (mut rows, mut seen) = (Vec::new(), Vec::<String>::new());
    let cut = load::each(slice::from_ref(&args.file), args.unit, |interval| {
        if !seen.contains(&interval.tag) {
            seen.push(interval.tag.clone());
        }
        if args.tag.is_empty() || args.tag.contains(&interval.tag) {
            rows.push(Row {
                percentiles: Percentiles::of(&interval.values),
                tag: interval.tag,
                start: interval.since_epoch,
                length: interval.length,
            });
        }
        Ok(())
    })?;
    if let Some(tag) = args.tag.iter().find(|tag| !seen.contains(tag)) {
        let known = seen.join(", ");
        return Err(Failure::usage(format_args!("--tag {tag}: not there; there is {known}")));
    }
    let files = vec![args.file.display().to_string()];
    Ok((rows, Loaded { files, sums: Vec::new(), left_out: 0, cut }))
}

fn intervals_table(rows: &[Row]) -> String {
    let head = ["ns", "start s", "length s", "count", "p50", "p90", "p99", "p99.9", "max"];
    let mut table = Table::new(&head);
    for Row { tag, start, length, percentiles: p } in rows {
        let mut cells = vec![
            if tag.is_empty() { "(no tag)".to_owned() } else { tag.clone() },
            format!("{:.3}", start.as_secs_f64()),
            format!("{:.3}", length.as_secs_f64()),
            grouped(p.count),
        ];
        cells.extend(
            [p.p50, p.p90, p.p99, p.p999, p.max]
                .map(|value| value.map_or_else(|| "-".to_owned(), grouped)),
        );
        table.row(cells);
    }
    table.render()
}

fn intervals_json(rows: &[Row], loaded: &Loaded) -> Result<String, Failure> {
    let object = |row: &Row| {
        json!({
            "tag": row.tag,
            "start_s": row.start.as_secs_f64(),
            "length_s": row.length.as_secs_f64(),
            "latency_ns": row.percentiles,
        })
    };
    print::pretty(&json!({
        "schema": SCHEMA,
        "files": loaded.files,
        "intervals": rows.iter().map(object).collect::<Vec<_>>(),
        "cut": print::cut(loaded),
    }))
}
