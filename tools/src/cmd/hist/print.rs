//! Sums as table, percentile text, CSV, JSON.

use super::load::{Loaded, Sum};
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
/// Steps of the CSV between two halvings of what is left to 1.
const CSV_STEPS: u32 = 5;

/// One row a tag.
pub(super) fn table(loaded: &Loaded) -> String {
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
    let mut text = table.render();
    if loaded.left_out > 0 {
        let _ = writeln!(text, "(and {} more tags)", loaded.left_out);
    }
    text
}

/// Percentile text, ns.
pub(super) fn hgrm(sum: &Sum) -> String {
    hgrm::to_string(&sum.values, HGRM_SCALE)
}

/// `quantile,value_ns,count`: how many values lie at or below.
pub(super) fn csv(sum: &Sum) -> String {
    let mut text = String::from("quantile,value_ns,count\n");
    for step in sum.values.iter_quantiles(CSV_STEPS) {
        let value = sum.values.highest_equivalent(step.value_iterated_to());
        let below = sum.values.count_between(0, value);
        let _ = writeln!(text, "{},{value},{below}", step.quantile_iterated_to());
    }
    text
}

/// One object: `latency_ns` has the shape of a run's summary.
pub(super) fn json(loaded: &Loaded) -> Result<String, Failure> {
    let (mut latency, mut intervals) = (Map::new(), Map::new());
    for sum in &loaded.sums {
        latency.insert(sum.tag.clone(), json!(Percentiles::of(&sum.values)));
        intervals.insert(sum.tag.clone(), json!(sum.intervals));
    }
    let cut: Vec<Value> =
        loaded.cut.iter().map(|cut| json!({ "file": cut.file, "what": cut.what })).collect();
    let object = json!({
        "schema": SCHEMA,
        "files": loaded.files,
        "intervals": intervals,
        "latency_ns": latency,
        "left_out": loaded.left_out,
        "cut": cut,
    });
    serde_json::to_string_pretty(&object)
        .map(|text| text + "\n")
        .map_err(|error| Failure::failed(format_args!("cannot write this as JSON: {error}")))
}
