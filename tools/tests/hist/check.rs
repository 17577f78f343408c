//! Objectives: broken, met, not to be read, and not to be checked; and the grades of `show`.

use crate::{Place, assert_fails, log, text};
use serde_json::Value;
use std::fs;

#[test]
fn a_broken_rule_is_code_3_and_one_line() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let rules =
        ["--slo", "book p99 < 2us", "--slo", "book max <= 1000ns", "--slo", "service p50<1us"];
    let output = place.run(&[&["check", "a.hlog"], &rules[..]].concat());
    assert_fails(&output, 3, &["1 of 3 rules broken"]);
    let lines = text(&output.stdout);
    let broken: Vec<&str> = lines.lines().filter(|line| line.starts_with("broken")).collect();
    assert_eq!(broken, ["broken service p50 < 1us: 5,003 ns of 3 values, over by 5.0x"]);
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.contains("ok     book p99 < 2us: 990 ns of 3,000 values\n"), "{lines}");
    let met = place.good(&["check", "a.hlog", "--slo", "book p99 < 2us", "--slo", "mean < 1ms"]);
    assert_eq!(met.lines().count(), 3, "{met}");
    let json = place.run(&["check", "a.hlog", "--slo", "service p50 < 1us", "--json"]);
    assert_eq!(json.status.code(), Some(3));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["rules"][0]["ok"], false);
    assert_eq!(json["rules"][0]["limit_ns"], 1_000.0);
}

#[test]
fn the_limit_is_inside_only_where_the_rule_says_so() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.good(&["check", "a.hlog", "--slo", "book max <= 1us"]);
    let output = place.run(&["check", "a.hlog", "--slo", "book max < 1us"]);
    assert_fails(&output, 3, &["broken"]);
    assert!(text(&output.stdout).contains("at the limit"));
}

#[test]
fn a_rule_that_cannot_be_read_is_code_2_and_named() {
    let place = Place::new();
    place.write("a.hlog", &log());
    for (rule, word) in [
        ("book p99", "neither"),
        ("book p99 > 2us", "neither"),
        ("book worst < 2us", "'worst'"),
        ("book p99 < 2", "unit"),
        ("book p99 < 2 h", "'h'"),
        ("book p99 < fast", "'fast'"),
    ] {
        assert_fails(&place.run(&["check", "a.hlog", "--slo", rule]), 2, &["--slo", word]);
    }
    assert_fails(&place.run(&["check", "a.hlog"]), 2, &["--slo"]);
}

#[test]
fn what_cannot_be_checked_is_code_1_and_no_pass() {
    let place = Place::new();
    let empty = "Tag=idle,0.000,1.000,0.000,";
    let mut bytes = log();
    bytes.extend(empty_line(empty));
    place.write("a.hlog", &bytes);
    let output =
        place.run(&["check", "a.hlog", "--slo", "tick p50 < 1us", "--slo", "book p50 < 1ns"]);
    assert_fails(&output, 1, &["tick", "no such tag", "book, service, idle"]);
    assert!(text(&output.stdout).starts_with("broken book"), "the other rules are told");
    let output = place.run(&["check", "a.hlog", "--slo", "idle p50 < 1us"]);
    assert_fails(&output, 1, &["idle has no values"]);
    assert_fails(&place.run(&["check", "no.hlog", "--slo", "p50 < 1us"]), 1, &["no such file"]);
    place.write("cut.hlog", &log()[..log().len() - 5]);
    assert_fails(&place.run(&["check", "cut.hlog", "--slo", "book p50 < 1us"]), 1, &["cut"]);
    // Percentiles of nothing.
    for format in ["hgrm", "csv"] {
        let output = place.run(&["show", "a.hlog", "--tag", "idle", "--format", format]);
        assert_fails(&output, 1, &["idle", "no values"]);
    }
    assert_fails(&place.run(&["plot", "a.hlog", "--tag", "idle"]), 1, &["no values"]);
    assert!(place.good(&["show", "a.hlog", "--tag", "idle"]).contains("idle"));
    assert!(place.good(&["dump", "a.hlog", "--tag", "idle"]).contains("no values"));
}

/// An interval without values behind `head`.
fn empty_line(head: &str) -> Vec<u8> {
    let mut line = Vec::new();
    let zero = std::time::Duration::ZERO;
    let mut writer =
        tickspin_results::hlog::Writer::begin(&mut line, std::time::UNIX_EPOCH, &[]).unwrap();
    writer.interval("idle", zero, zero, &tickspin_results::Histogram::new()).unwrap();
    let line = String::from_utf8(line).unwrap();
    let payload = line.trim_end().rsplit(',').next().unwrap();
    format!("{head}{payload}\n").into_bytes()
}

#[test]
fn a_result_folder_is_all_its_logs() {
    let place = Place::new();
    fs::create_dir(place.0.path().join("run")).unwrap();
    place.write("run/engine.hlog", &log());
    place.write("run/feed.hlog", &log());
    place.write("run/summary.json", b"{}");
    place.good(&["check", "run", "--slo", "book p99 < 2us"]);
    assert_eq!(place.json(&["run", "--json"])["latency_ns"]["book"]["count"], 6_000);
    fs::create_dir(place.0.path().join("void")).unwrap();
    assert_fails(
        &place.run(&["check", "void", "--slo", "p50 < 1s"]),
        1,
        &["void", "without .hlog"],
    );
}

#[test]
fn percentiles_are_graded_against_the_budget_or_the_rule() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let rows = |arguments: &[&str]| -> Vec<Vec<String>> {
        let table = place.good(arguments);
        assert!(!table.contains('\x1b'), "no colours into a pipe");
        let grades = table.split_once("\n\n").unwrap().1;
        grades.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let of_budget = rows(&["show", "a.hlog"]);
    assert_eq!(of_budget[0].join(" "), "graded budget p50 p90 p99 p99.9 p99.99 max");
    assert_eq!(of_budget[1].join(" "), "book < 1,000 ok ok ok ok at the limit at the limit");
    assert!(of_budget[2].join(" ").starts_with("service < 5,000 over by 1.001x"), "{of_budget:?}");
    let of_rule = rows(&["show", "a.hlog", "--slo", "service p50 < 1us", "--slo", "max < 1ms"]);
    assert_eq!(of_rule[1].last().unwrap(), "ok");
    assert!(of_rule[2].join(" ").starts_with("service < 5,000 SLO over by 5.0x"), "{of_rule:?}");
    let json = place.json(&["a.hlog", "--json"]);
    assert_eq!(json["grades"]["book"]["budget_ns"], 1_000);
    assert_eq!(json["grades"]["book"]["p50"], "ok");
}
