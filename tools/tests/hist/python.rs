//! The Python library `hdrhistogram` reads our logs, and we read those it writes.
//!
//! `TICKSPIN_PYTHON` names an interpreter that has the library (`.ci/run` makes one); without it
//! `python3` is asked. Where neither has it, the test says ABSENT past the harness's capture.

use crate::{Place, text};
use serde_json::Value;
use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::{Histogram, hlog};

/// Percentiles both sides are asked for. The Python library takes the value whose rank is nearest,
/// Java's and ours the first that is not below: they agree where the rank is a whole number, so the
/// populations here are of ten thousand.
const PERCENTS: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];

/// Sums the intervals of a log per tag and prints counts, percentiles, extremes.
const READ: &str = r#"
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
low, high, digits = 1, 2**36 - 1, 3
reader = HistogramLogReader(sys.argv[1], HdrHistogram(low, high, digits))
sums = {}
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    tag = interval.get_tag() or ""
    sums.setdefault(tag, HdrHistogram(low, high, digits)).add(interval)
print(json.dumps({
    tag: {
        "count": sum.get_total_count(),
        "max": sum.get_max_value(),
        "values": [sum.get_value_at_percentile(p) for p in json.loads(sys.argv[2])],
        "cells": sorted([int(i.value_iterated_to), int(i.count_at_value_iterated_to)]
                        for i in sum.get_recorded_iterator()),
    }
    for tag, sum in sums.items()
}))
"#;

/// Writes a log of two intervals and prints what is in it.
const WRITE: &str = r#"
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter
sum = HdrHistogram(1, 3600 * 10**9, 3)
with open(sys.argv[1], "w") as file:
    log = HistogramLogWriter(file)
    log.output_comment("written by Python")
    log.output_log_format_version()
    log.output_base_time(1500000000000)
    log.output_legend()
    for interval in range(2):
        values = HdrHistogram(1, 3600 * 10**9, 3)
        for value in range(1, 35000, 7):
            values.record_value(value * value * (interval + 1))
        log.output_interval_histogram(values, 1.5 + interval, 2.5 + interval)
        sum.add(values)
print(json.dumps({
    "count": sum.get_total_count(),
    "max": sum.get_max_value(),
    "values": [sum.get_value_at_percentile(p) for p in json.loads(sys.argv[2])],
}))
"#;

/// An interpreter that has the library.
fn python() -> Option<PathBuf> {
    let has = |python: &PathBuf| {
        let mut asked = Command::new(python);
        asked.args(["-c", "import hdrh.log"]).stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    if let Some(named) = env::var_os("TICKSPIN_PYTHON").filter(|name| !name.is_empty()) {
        let named = PathBuf::from(named);
        assert!(has(&named), "TICKSPIN_PYTHON has no hdrhistogram: {}", named.display());
        return Some(named);
    }
    let found = Some(PathBuf::from("python3")).filter(has);
    if found.is_none() {
        // Written to the stream itself: what a passing test prints by macro is not shown.
        let line = "ABSENT Python with the package hdrhistogram (pip install hdrhistogram)";
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    found
}

fn run(python: &PathBuf, program: &str, place: &Place, file: &str) -> Value {
    let percents = serde_json::to_string(&PERCENTS).unwrap();
    let mut command = Command::new(python);
    command.current_dir(place.0.path()).args(["-c", program, file, &percents]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// 2,500 values from 1 ns to beyond a second, some of them many times.
fn ours(seed: u64) -> Histogram {
    let mut histogram = Histogram::new();
    let mut state = seed;
    for _ in 0..2_500 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        histogram.record((1 << (state >> 59)) | ((state >> 20) % 1_000));
    }
    histogram
}

#[test]
fn python_reads_what_we_write() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let mut log = Vec::new();
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut writer = hlog::Writer::begin(&mut log, start, &["ours".to_owned()]).unwrap();
    for second in 0..4 {
        for tag in ["book", "service"] {
            let values = ours(second * 2 + u64::from(tag == "book"));
            writer
                .interval(tag, Duration::from_secs(second), Duration::from_secs(1), &values)
                .unwrap();
        }
    }
    place.write("ours.hlog", &log);
    place.good(&["merge", "ours.hlog", "-o", "merged.hlog"]);
    place.good(&["convert", "ours.hlog", "-o", "converted.hlog"]);
    let intervals = hlog::read(&log, false).unwrap().0;
    for file in ["ours.hlog", "merged.hlog", "converted.hlog"] {
        let theirs = run(&python, READ, &place, file);
        assert_eq!(theirs.as_object().unwrap().len(), 2, "{file}");
        for (tag, sum) in hlog::totals(&intervals).unwrap() {
            let theirs = &theirs[&tag];
            assert_eq!(theirs["count"], sum.len(), "{file} {tag}");
            assert_eq!(theirs["max"], sum.max(), "{file} {tag}");
            let cells: Vec<Value> = sum
                .iter_recorded()
                .map(|cell| {
                    let value = sum.highest_equivalent(cell.value_iterated_to());
                    serde_json::json!([value, cell.count_at_value()])
                })
                .collect();
            assert_eq!(theirs["cells"], Value::from(cells), "{file} {tag}");
            let values = QUANTILES.map(|quantile| sum.value_at_quantile(quantile));
            assert_eq!(theirs["values"], Value::from(values.to_vec()), "{file} {tag}");
        }
    }
}

#[test]
fn we_read_what_python_writes() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let theirs = run(&python, WRITE, &place, "theirs.hlog");
    let ours = &place.json(&["theirs.hlog", "--json"])["latency_ns"][""];
    assert_eq!(ours["count"], theirs["count"]);
    let names = ["p50", "p90", "p99", "p999", "p9999", "max"];
    for (name, value) in names.into_iter().zip(theirs["values"].as_array().unwrap()) {
        assert_eq!(ours[name], *value, "{name}");
    }
    assert!(place.good(&["dump", "theirs.hlog", "--intervals"]).contains("1500000002.500"));
}
