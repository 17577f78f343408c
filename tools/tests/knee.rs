//! `tickspin knee` with real runs: it climbs while an objective holds, and stops where it breaks.

mod place;

use place::{Place, SIGINT, data};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use tickspin_testkit::process::wait_until;

/// Speeds of a report, and whether each held.
fn points(report: &Value) -> Vec<(f64, bool)> {
    let points = report["points"].as_array().unwrap().iter();
    points.map(|point| (point["speed"].as_f64().unwrap(), point["holds"] == true)).collect()
}

#[test]
fn what_always_holds_is_climbed_to_the_top() {
    let place = Place::new();
    let short = ["--time", "500ms", "--rounds", "1", "--json", "-o", "knee"];
    let arguments =
        ["knee", "--slo", "service p0 < 1s", "--speed-min", "0.1", "--speed-max", "0.3"];
    let run = place.run(&[&arguments[..], &short].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(points(&report), [(0.1, true), (0.2, true), (0.3, true)], "{report}");
    assert_eq!((&report["knee_speed"], &report["broken_speed"]), (&Value::from(0.3), &Value::Null));
    let written = fs::read(place.path("knee/knee.json")).unwrap();
    assert_eq!(report, serde_json::from_slice::<Value>(&written).unwrap());
    assert!(place.path("knee/speed-0.2-1/engine.hlog").exists(), "each round keeps its results");
    let again = place.run(&[&arguments[..], &short].concat());
    assert_eq!(again.code, 1, "{}", again.stderr);
}

#[test]
fn what_never_holds_breaks_at_once() {
    let place = Place::new();
    let Some(file) = data("dbn/es_mbo_20240508_2s.dbn.zst") else { return };
    let impossible = ["--slo", "service p50 < 1ns", "--time", "1s", "--rounds", "1", "-o", "knee"];
    let run = place.run(&[&["knee", file.as_str()][..], &impossible].concat());
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stdout.contains("does not hold at the first speed"), "{}", run.stdout);
    assert!(run.stderr.contains("speed 1 does not hold already"), "{}", run.stderr);
}

#[test]
fn a_feed_that_cannot_keep_the_rate_is_a_knee_too() {
    let place = Place::new();
    // 50 M events a second: no feed gets there.
    let run = place.run(&[
        "knee",
        "--slo",
        "service p0 < 1s",
        "--time",
        "100ms",
        "--rounds",
        "1",
        "--speed-min",
        "500",
        "--json",
        "-o",
        "knee",
    ]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(points(&report), [(500.0, false)]);
    let why = report["points"][0]["rounds"][0]["broken"][0].as_str().unwrap();
    assert!(why.starts_with("the feed fell behind "), "{why}");
}

#[test]
fn a_wrong_rule_a_missing_file_and_a_signal_are_told() {
    let place = Place::new();
    let wrong = place.run(&["knee", "--slo", "service p50 around 3us"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    let missing = place.run(&["knee", "none.itch", "--slo", "max < 1s", "-o", "knee"]);
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    assert!(missing.stderr.contains("none.itch"), "{}", missing.stderr);
    place.assert_nothing_made(&[]);
    let tag = place.run(&["knee", "--slo", "nothing max < 1s", "--time", "100ms", "-o", "tag"]);
    assert_eq!(tag.code, 1, "{}", tag.stderr);
    assert!(tag.stderr.contains("no such tag"), "{}", tag.stderr);
    let knee = place.start(&["knee", "--slo", "max < 100s", "--time", "1m", "-o", "knee"]);
    assert!(wait_until(Duration::from_secs(20), || !place.ring_ls()["runs"]
        .as_array()
        .unwrap()
        .is_empty()));
    knee.signal(SIGINT).unwrap();
    assert_eq!(knee.finish_within(place::BOUND).unwrap().code, 130);
    place.assert_no_run_left();
}
