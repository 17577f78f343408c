//! Causes of slow ticks, planted into real runs and looked for in what the runs say.

mod place;

use place::{Place, SIGSTOP, kill};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tickspin_testkit::evict::evict_code;
use tickspin_testkit::process::Running;

const SIGCONT: i32 = 18;

/// Events a second of these runs.
const RATE: u64 = 20_000;

/// A run of 2.5 s, in the midst of which `plant` is called with the processes of feed and engine;
/// its summary.
fn run(place: &Place, env: &[(&str, &str)], plant: impl FnOnce(i32, i32)) -> Value {
    let fixed = ["run", "--json", "--no-probe", "--name", "x", "-o", "out", "--cores", "0,1"];
    let length = ["--rate", "20000", "--duration", "2500ms", "--strategy", "probe"];
    let mut command = place.command(&[&fixed[..], &length[..]].concat());
    let running = Running::start(command.envs(env.iter().copied())).unwrap();
    let (feed, engine) = place.wait_for_flow("x");
    sleep(Duration::from_millis(300));
    plant(feed, engine);
    let finished = running.finish_within(place::BOUND).unwrap();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    place.read("out")
}

/// (records, ticks, longest in ns) of a cause.
fn sum(summary: &Value, cause: &str) -> (u64, u64, u64) {
    let causes = summary["slow"]["causes"].as_array().unwrap();
    causes.iter().find(|sum| sum["cause"] == cause).map_or((0, 0, 0), |sum| {
        let number = |key: &str| sum[key].as_u64().unwrap();
        (number("records"), number("samples"), number("longest_ns"))
    })
}

fn why(place: &Place, more: &[&str]) -> String {
    let finished = place.run(&[&["why", "out"], more].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    finished.stdout
}

fn has_two_cores() -> bool {
    let enough = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    if !enough {
        eprintln!("SKIPPED: spinners on cores of their own need two");
    }
    enough
}

#[test]
fn an_engine_that_is_stopped_is_named() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let summary = run(&place, &[], |_, engine| {
        kill(engine, SIGSTOP);
        sleep(Duration::from_millis(200));
        kill(engine, SIGCONT);
    });
    let (records, ticks, longest_ns) = sum(&summary, "stopped");
    assert!(records >= 1 && ticks >= RATE / 10, "{}", summary["slow"]);
    assert!(longest_ns >= 150_000_000, "{longest_ns}");
    let text = why(&place, &["--cause", "stopped", "--limit", "1"]);
    assert!(text.contains("neither on a core nor ready for one: stopped"), "{text}");
}

#[test]
fn a_producer_that_stalls_is_named() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let summary = run(&place, &[], |feed, _| {
        kill(feed, SIGSTOP);
        sleep(Duration::from_millis(200));
        kill(feed, SIGCONT);
    });
    let (_, ticks, longest_ns) = sum(&summary, "feed_late");
    assert!(ticks >= RATE / 10 && longest_ns >= 150_000_000, "{}", summary["slow"]);
    assert_eq!(sum(&summary, "stopped"), (0, 0, 0), "the engine was not");
}

#[test]
fn another_thread_on_the_core_is_named() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let summary = run(&place, &[], |_, _| {
        let burn = "while :; do :; done";
        let status = Command::new("timeout")
            .args(["1", "taskset", "-c", "1", "sh", "-c", burn])
            .status()
            .expect("timeout and taskset of coreutils and util-linux");
        assert_eq!(status.code(), Some(124), "it burnt until it was ended");
    });
    // It had half of the core for a second.
    let (records, ticks, longest_ns) = sum(&summary, "competing_thread");
    assert!(records >= 20 && ticks >= RATE / 5, "{}", summary["slow"]);
    assert!(longest_ns >= 2_000_000, "{longest_ns}");
}

#[test]
fn a_strategy_that_takes_long_is_named() {
    if !has_two_cores() {
        return;
    }
    let thinking = [
        ("TICKSPIN_ENGINE_PROBE_THINK_STEPS", "800000"),
        ("TICKSPIN_ENGINE_PROBE_THINK_EVERY", "1000"),
    ];
    // Where other programs have the cores, thoughts of a millisecond hide behind pauses of ten, or
    // are put on them: such a run is done again.
    for _ in 0..5 {
        let place = Place::new();
        let summary = run(&place, &thinking, |_, _| {});
        let (records, samples, longest_ns) = sum(&summary, "strategy");
        let others = summary["slow"]["samples"].as_u64().unwrap() - samples;
        let is_crowded = others > RATE / 50;
        // 50,000 events, of which each 1,000th: 50 thoughts. Each holds up 20 ticks.
        if is_crowded && (records < 30 || longest_ns < 800_000) {
            continue;
        }
        assert!((30..=55).contains(&records) && longest_ns >= 800_000, "{}", summary["slow"]);
        assert!(is_crowded || sum(&summary, "stopped") == (0, 0, 0));
        assert!(is_crowded || sum(&summary, "major_fault") == (0, 0, 0));
        let worst: Value = serde_json::from_str(&why(&place, &["--json", "--limit", "5"])).unwrap();
        assert_eq!(worst["worst"].as_array().unwrap().len(), 5);
        assert_eq!(worst["slow"], summary["slow"]);
        return;
    }
    eprintln!("SPOILT: in five runs other programs had the cores");
}

#[test]
fn a_page_fault_is_named() {
    if !has_two_cores() {
        return;
    }
    let place = Place::new();
    let mut refused = None;
    let summary = run(&place, &[], |_, engine| {
        for _ in 0..10 {
            match evict_code(engine, "engine") {
                Ok(bytes) => assert!(bytes > 0, "the engine has code"),
                Err(error) => refused = Some(error),
            }
            sleep(Duration::from_millis(100));
        }
    });
    if let Some(error) = refused {
        eprintln!("SKIPPED: this user may not evict another process's pages: {error}");
        return;
    }
    let faults = summary["engine"]["minor_faults"].as_u64().unwrap()
        + summary["engine"]["major_faults"].as_u64().unwrap();
    assert!(faults > 0, "the kernel served faults: {}", summary["engine"]);
    let (minor, major) = (sum(&summary, "page_fault"), sum(&summary, "major_fault"));
    assert!(minor.0 + major.0 >= 1, "{faults} faults, but {}", summary["slow"]);
}

#[test]
fn every_slow_tick_is_in_one_record_and_one_cause() {
    let place = Place::new();
    let few = ["--slow", "2us", "--count", "50000", "--rate", "100000"];
    let summary = place.summary("out", &few);
    let slow = &summary["slow"];
    let number = |value: &Value| value.as_u64().unwrap();
    let samples = number(&slow["samples"]);
    let causes = slow["causes"].as_array().unwrap();
    let by_cause: u64 = causes.iter().map(|sum| number(&sum["samples"])).sum();
    assert_eq!(samples, by_cause + number(&slow["lost"]["samples"]));
    for sum in causes {
        let counts = sum["counts"].as_array().unwrap();
        assert_eq!(counts.len(), slow["edges_ns"].as_array().unwrap().len());
        assert_eq!(counts.iter().map(number).sum::<u64>(), number(&sum["samples"]), "{sum}");
    }
    let records = fs::read_to_string(place.path("out/slow.jsonl")).unwrap();
    let records: Vec<Value> =
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len() as u64, number(&slow["written"]));
    assert_eq!(records.iter().map(|record| number(&record["samples"])).sum::<u64>(), by_cause);
    for record in &records {
        assert!(number(&record["worst_ns"]) >= 2_000, "{record}");
        assert!(!record["why"].as_str().unwrap().is_empty() && record["cause"].is_string());
    }
}

#[test]
fn without_causes_or_with_a_spoilt_file_there_is_one_line() {
    let place = Place::new();
    let summary = place.summary("off", &["--count", "1000", "--slow", "off"]);
    assert!(summary["slow"].is_null());
    assert!(!place.path("off/slow.jsonl").exists());
    place.summary("cut", &["--count", "20000", "--slow", "2us", "--rate", "100000"]);
    let path = place.path("cut/slow.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    for (line, code, words) in [
        (&["why", "off"][..], 1, "--slow off"),
        (&["why", "cut"], 1, "cut/slow.jsonl: line "),
        (&["why", "empty"], 1, "is it the result folder of a run?"),
        (&["why", "cut", "--cause", "luck"], 2, "one of feed_late"),
        (&["run", "--slow", "5"], 2, "a whole number with a unit"),
        (&["run", "--slow", "5ns", "--count", "5"], 2, "run.slow_over_ns"),
    ] {
        let finished = place.run(line);
        assert_eq!(finished.code, code, "{line:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{line:?}: {}", finished.stderr);
    }
}
