//! Sums as table, percentile text, CSV, JSON.

use super::load::{Loaded, Sum};
use super::rule::Rule;
use super::{grade, steps};
use crate::error::Failure;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use tickspin_results::Percentiles;
use tickspin_results::hgrm;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.hist/1";
/// Percentile text is in ns, as the `.hgrm` files of a run.
const HGRM_SCALE: f64 = 1.0;

/// One row a tag, then its grades.
pub(super) fn table(loaded: &Loaded, rules: &[Rule], colour: bool) -> String {
    let head = ["ns", "intervals", "count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let mut table = Table::new(&head);
    for sum in &loaded.sums {
        let p = Percentiles::of(&sum.values);
        let mut cells =
            vec![sum.name().to_owned(), grouped(sum.intervals as u64), grouped(p.count)];
        cells.extend(
            [p.min, p.p50, p.p90, p.p99, p.p999, p.p9999, p.max]
                .map(|value| value.map_or_else(|| "-".to_owned(), grouped)),
        );
        table.row(cells);
    }
    let mut text = table.render() + &grade::table(&loaded.sums, rules, colour);
    if loaded.left_out > 0 {
        let _ = writeln!(text, "(and {} more tags)", loaded.left_out);
    }
    text
}

/// Percentile text, ns.
pub(super) fn hgrm(sum: &Sum) -> Result<String, Failure> {
    steps::there(sum)?;
    Ok(hgrm::to_string(&sum.values, HGRM_SCALE))
}

/// `quantile,value_ns,count`: how many values lie at or below.
pub(super) fn csv(sum: &Sum) -> Result<String, Failure> {
    steps::there(sum)?;
    let mut text = String::from("quantile,value_ns,count\n");
    for step in steps::of(&sum.values) {
        let _ = writeln!(text, "{},{},{}", step.quantile, step.value_ns, step.count);
    }
    Ok(text)
}

/// One object: `latency_ns` has the shape of a run's summary.
pub(super) fn json(loaded: &Loaded, rules: &[Rule]) -> Result<String, Failure> {
    let (mut latency, mut intervals) = (Map::new(), Map::new());
    for sum in &loaded.sums {
        latency.insert(sum.tag.clone(), json!(Percentiles::of(&sum.values)));
        intervals.insert(sum.tag.clone(), json!(sum.intervals));
    }
    pretty(&json!({
        "schema": SCHEMA,
        "files": loaded.files,
        "intervals": intervals,
        "latency_ns": latency,
        "grades": grade::json(&loaded.sums, rules),
        "left_out": loaded.left_out,
        "cut": cut(loaded),
    }))
}

/// The cut files as JSON.
pub(super) fn cut(loaded: &Loaded) -> Vec<Value> {
    loaded.cut.iter().map(|cut| json!({ "file": cut.file, "what": cut.what })).collect()
}

/// Indented, with a line end.
pub(super) fn pretty(object: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(object)
        .map(|text| text + "\n")
        .map_err(|error| Failure::failed(format_args!("cannot write this as JSON: {error}")))
}
