//! `tickspin bench handoff` and `tickspin c2c`: the shape of what they print, and their mistakes.
//!
//! No time is asserted here: what a shared machine shows in one short round proves nothing.
//! Spinners need cores of their own, so the tests take turns, across test programs too.

mod place;

use place::{Turn, turn};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tickspin_testkit::process::{Finished, Running, TempDir};

/// Longest life of a command here: two slow cores shared with others, an unoptimised build.
const BOUND: Duration = Duration::from_secs(60);
const CONTENDERS: [&str; 6] = ["floor", "ring", "ring_copy", "ringbuf", "rtrb", "pipe"];

struct Place {
    runtime: TempDir,
    _turn: Turn,
}

impl Place {
    fn new() -> Place {
        Place { runtime: TempDir::new().unwrap(), _turn: turn() }
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.runtime.command(Path::new(env!("CARGO_BIN_EXE_tickspin")));
        let finished = Running::start(command.args(arguments)).unwrap().finish_within(BOUND);
        finished.unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert_eq!(finished.stderr, "");
        serde_json::from_str(&finished.stdout).unwrap()
    }
}

/// Numbers are printed whatever the host did; code 4 says that it moved the cores in every round.
fn assert_ended(finished: &Finished, is_every_round_moved: bool) {
    assert_eq!(finished.code, if is_every_round_moved { 4 } else { 0 }, "{}", finished.stderr);
    let said = finished.stderr.contains("moved the cores in every round");
    assert_eq!(said, is_every_round_moved, "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), usize::from(is_every_round_moved));
}

/// A second core is needed; where there is none, that is said by the command and by the test, and
/// with `CI=true` it is a failure.
fn has_two_cores() -> bool {
    let cores = tickspin_host::cpu::cores().unwrap();
    let has = cores.iter().filter(|core| core.allowed).count() >= 2;
    if !has {
        assert!(std::env::var_os("CI").is_none(), "two cores are needed, and CI is set");
        eprintln!("SKIPPED: a hand-over takes two cores, and this process may use only one");
    }
    has
}

fn positive(value: &Value) -> f64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
    assert!(number > 0.0, "{number}");
    number
}

#[test]
fn handoff_has_every_contender_and_every_quantity() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let finished = place.run(&["bench", "handoff", "--rounds", "1", "--seconds", "1", "--json"]);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_ended(&finished, json["is_every_round_moved"] == true);
    assert_eq!(json["schema"], "tickspin.bench.handoff/1");
    for name in CONTENDERS {
        let contender = &json[name];
        for span in ["one_way_ns", "one_way_100k_ns", "round_trip_ns"] {
            let (p50, p99) = (positive(&contender[span]["p50"]), positive(&contender[span]["p99"]));
            assert!(p50 <= p99, "{name} {span}: {p50} above {p99}");
        }
        let throughput = &contender["throughput_msgs_per_s"];
        match name {
            "floor" => assert!(throughput.is_null(), "{throughput}"),
            _ => assert!(positive(throughput) > 1e3, "{name}"),
        }
    }
    let above = &json["ring_minus_floor"];
    assert_eq!(above["one_way"], json["ring_minus_floor_ns"]);
    for (key, span) in [
        ("one_way", "one_way_ns"),
        ("one_way_100k", "one_way_100k_ns"),
        ("round_trip", "round_trip_ns"),
    ] {
        let p50 = |name: &str| json[name][span]["p50"].as_f64().unwrap();
        let difference = p50("ring") - p50("floor");
        assert!((above[key].as_f64().unwrap() - difference).abs() < 0.11, "{key}: {above}");
    }
    let rate = |name: &str| json[name]["throughput_msgs_per_s"].as_f64().unwrap();
    let ratio = rate("ring") / rate("ringbuf").max(rate("rtrb"));
    assert!((positive(&json["throughput_ratio"]) - ratio).abs() < 0.01, "{ratio}");
    assert!(json["rounds"].as_u64().unwrap() >= 1, "{json}");
    let placement = json["placement"].as_str().unwrap();
    assert!(["tight", "near", "far"].contains(&placement), "{placement}");
    positive(&json["clock"]["ticks_per_second"]);
}

#[test]
fn handoff_without_json_is_a_table_that_says_what_the_host_did() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let finished = place.run(&["bench", "handoff", "--rounds", "1", "--seconds", "1"]);
    assert_ended(&finished, finished.stdout.contains("so all are used"));
    for word in CONTENDERS.into_iter().chain(["host:", "set aside", "ring against floor"]) {
        assert!(finished.stdout.contains(word), "{word:?} is not in:\n{}", finished.stdout);
    }
}

#[test]
fn c2c_measures_every_pair_of_cores_and_picks_one() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let json = place.json(&["c2c", "--json", "--seconds", "1"]);
    let cores = json["cores"].as_array().unwrap().len();
    let pairs = json["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), cores * (cores - 1) / 2);
    for pair in pairs {
        positive(&pair["one_way_ns"]["there"]);
        positive(&pair["one_way_ns"]["back"]);
        let best = positive(&json["best"]["round_trip_ns"]["p50"]);
        assert!(best <= positive(&pair["round_trip_ns"]["p50"]));
    }
    assert!(pairs.contains(&json["best"]));
}

#[test]
fn wrong_use_is_one_line_and_code_2() {
    let place = Place::new();
    for (arguments, word) in [
        (&["bench"][..], "see --help"),
        (&["bench", "handoff", "--cores", "1"], "--cores"),
        (&["bench", "handoff", "--cores", "0,0"], "two different cores"),
        (&["bench", "handoff", "--cores", "0,99999"], "99999"),
        (&["bench", "handoff", "--rounds", "0"], "--rounds"),
        (&["bench", "handoff", "--fast"], "--fast"),
        (&["c2c", "--cores", "0"], "two different cores"),
        (&["c2c", "--cores", "0,99999"], "99999"),
        (&["c2c", "--cores", "zero"], "zero"),
    ] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(word), "{word:?} is not in {:?}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}
