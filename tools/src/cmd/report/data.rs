//! What the page's script reads: cells of the curves, intervals of the strip, marks.
//!
//! The cells are whole: (difference to the value before, count) one after the other, so the script
//! finds the very value that the histogram has at a percentile. It draws nothing.

use super::folder::Folder;
use super::strip::{Strip, name};
use serde_json::{Map, Value, json};

/// Tags whose cells go into the page, at most.
const TAGS_MAX: usize = 40;

/// As JSON that may stand inside a script element: no `<` in it, so nothing ends it early.
pub(super) fn json(folder: &Folder, strip: Option<&Strip>) -> String {
    let mut curves = Map::new();
    for sum in folder.sums.iter().filter(|sum| !sum.values.is_empty()).take(TAGS_MAX) {
        let (mut cells, mut before) = (Vec::new(), 0);
        for cell in sum.values.iter_recorded() {
            let value = sum.values.highest_equivalent(cell.value_iterated_to());
            cells.push(value - before);
            cells.push(cell.count_at_value());
            before = value;
        }
        curves.insert(sum.tag.clone(), json!({ "total": sum.values.len(), "cells": cells }));
    }
    json!({ "curves": curves, "strip": strip.map_or(Value::Null, of_strip) })
        .to_string()
        .replace('<', "\\u003c")
}

fn of_strip(strip: &Strip) -> Value {
    let second = |s: f64| (s * 1e3).round() / 1e3;
    let rows: Vec<Value> = strip
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(|cell| {
                let (start, end) = (second(cell.start_s), second(cell.end_s));
                json!([start, end, cell.count, cell.p50_ns, cell.p99_ns, cell.max_ns])
            });
            json!({
                "name": name(&row.tag),
                "per": row.per_cell,
                "cells": cells.collect::<Vec<_>>(),
            })
        })
        .collect();
    let marks: Vec<Value> =
        strip.marks.iter().map(|mark| json!([mark.at_s, mark.worst_ns, mark.said])).collect();
    let top = strip.top().and_then(|top| strip.rows.iter().position(|row| row.tag == top.tag));
    json!({ "rows": rows, "marks": marks, "top": top })
}
