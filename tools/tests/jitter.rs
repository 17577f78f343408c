//! `tickspin jitter` and `tickspin clock`: the shape of what they print, the log, a signal in between.
//!
//! No time is asserted. Spinners need cores of their own, so the tests take turns, across test
//! programs too.

mod place;

use place::{Turn, turn};
use serde_json::Value;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tickspin_testkit::process::{Finished, Running, TempDir, wait_until};
use tickspin_testkit::syscalls::SyscallCounter;

const BOUND: Duration = Duration::from_secs(60);

struct Place {
    folder: TempDir,
    _turn: Turn,
}

impl Place {
    fn new() -> Place {
        Place { folder: TempDir::new().unwrap(), _turn: turn() }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.folder.command(env!("CARGO_BIN_EXE_tickspin"));
        Running::start(command.current_dir(self.folder.path()).args(arguments)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).finish_within(BOUND).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
        serde_json::from_str(&finished.stdout).unwrap()
    }
}

fn allowed() -> Vec<usize> {
    let cores = tickspin_host::cpu::cores().unwrap();
    cores.iter().filter(|core| core.allowed).map(|core| core.id).collect()
}

#[test]
fn every_core_has_its_gaps_its_strip_and_what_the_kernel_counted() {
    let place = Place::new();
    let json = place.json(&["jitter", "--duration", "300ms", "--threshold", "60", "--json"]);
    assert_eq!(json["schema"], "tickspin.jitter/1");
    let cores = json["cores"].as_array().unwrap();
    let measured: Vec<u64> = cores.iter().map(|core| core["core"].as_u64().unwrap()).collect();
    assert_eq!(measured, allowed().iter().map(|&core| core as u64).collect::<Vec<_>>());
    for core in cores {
        assert!(core["ran_ns"].as_u64().unwrap() >= 299_000_000, "{core}");
        assert!(core["turns"].as_u64().unwrap() > 0);
        let strip = core["strip"]["lost_ns"].as_array().unwrap();
        let sum: u64 = strip.iter().map(|lost| lost.as_u64().unwrap()).sum();
        let lost = core["lost_ns"].as_u64().unwrap();
        assert!(strip.len() == 60 && sum.abs_diff(lost) <= 60, "{sum} of {lost}");
        assert!(core["interrupts"].is_object() && core["softirqs"].is_object());
        let share = core["lost_share"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{share}");
        let gaps = &core["gaps_ns"];
        if gaps["count"].as_u64().unwrap() > 0 {
            assert!(gaps["min"].as_u64().unwrap() >= 59 && lost > 0, "{gaps}");
        }
    }
    assert!(json["clock"]["ticks_per_second"].as_u64().unwrap() > 0);
    assert!(json["host"]["kernel"].is_string());
}

#[test]
fn the_log_is_read_back_with_the_same_counts_and_never_replaced_unasked() {
    let place = Place::new();
    let core = allowed()[0].to_string();
    let arguments =
        ["jitter", "--duration", "2s", "--threshold", "60", "--cores", &core, "-o", "gaps.hlog"];
    let json = place.json(&[&arguments[..], &["--json"]].concat());
    let shown = place.json(&["hist", "show", "gaps.hlog", "--json"]);
    let count = &json["cores"][0]["gaps_ns"]["count"];
    assert!(shown.to_string().contains(&format!("\"core{core}\"")), "{shown}");
    assert!(shown.to_string().contains(&format!("\"count\":{count}")), "{count}: {shown}");
    let log = fs::read_to_string(place.folder.path().join("gaps.hlog")).unwrap();
    assert_eq!(
        log.lines().filter(|line| line.starts_with("Tag=")).count(),
        2,
        "an interval a second"
    );
    let again = place.run(&arguments);
    assert!(again.code == 1 && again.stderr.contains("--force"), "{}", again.stderr);
    let text = place.run(&["jitter", "--duration", "5ms", "--cores", &core, "-o", "-"]);
    assert!(text.code == 0 && text.stdout.contains("Histogram log format"), "{}", text.stdout);
}

/// A planted cause: the scheduler shares the core between the two, so about half is lost.
#[test]
fn a_task_on_the_same_core_shows_as_lost_time_and_switches() {
    let place = Place::new();
    let core = *allowed().last().unwrap();
    let running =
        place.start(&["jitter", "--duration", "1s", "--cores", &core.to_string(), "--json"]);
    let done = AtomicBool::new(false);
    let finished = std::thread::scope(|scope| {
        scope.spawn(|| {
            tickspin_host::cpu::pin(core).unwrap();
            while !done.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let finished = running.finish_within(BOUND);
        done.store(true, Relaxed);
        finished.unwrap()
    });
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    let seen = &json["cores"][0];
    assert!(seen["lost_share"].as_f64().unwrap() > 0.1, "{seen}");
    assert!(seen["involuntary_switches"].as_u64().unwrap() > 0, "{seen}");
    assert!(seen["worst"][0]["gap_ns"].as_u64().unwrap() > 100_000, "{seen}");
}

/// The counter's own controls are in `zero.rs`.
#[test]
fn the_spinning_thread_asks_the_kernel_for_nothing() {
    let place = Place::new();
    let core = *allowed().last().unwrap();
    let (name, core) = (format!("gaps-{core}"), core.to_string());
    // Every turn's step is noted: the path that writes is counted too.
    let arguments = ["jitter", "--duration", "30s", "--threshold", "50", "--cores", &core];
    let running = place.start(&arguments);
    assert!(wait_until(BOUND, || running.thread(&name).is_some()), "no thread {name}");
    // Pinning and meeting the others come first.
    std::thread::sleep(Duration::from_millis(500));
    let thread = running.thread(&name).unwrap();
    let counter = SyscallCounter::seize(running.pid(), thread).unwrap();
    let counts = counter.count_for(Duration::from_millis(500)).unwrap();
    assert!(counts.total() == 0 && !counts.ended, "{counts:?}");
    running.signal(15).unwrap();
    assert_eq!(running.finish_within(BOUND).unwrap().code, 143);
}

#[test]
fn a_signal_ends_it_early_and_what_was_measured_is_printed() {
    let place = Place::new();
    let core = allowed()[0].to_string();
    let running = place.start(&[
        "jitter",
        "--duration",
        "50s",
        "--cores",
        &core,
        "--json",
        "-o",
        "gaps.hlog",
    ]);
    std::thread::sleep(Duration::from_millis(700));
    running.signal(2).unwrap();
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(json["ended_by_signal"], 2);
    assert!(json["cores"][0]["ran_ns"].as_u64().unwrap() < 40_000_000_000);
    assert!(place.folder.path().join("gaps.hlog").exists());
}

#[test]
fn the_clock_page_has_cost_error_and_a_bound_for_each_other_core() {
    let place = Place::new();
    let json = place.json(&["clock", "--time", "50ms", "--json"]);
    assert_eq!(json["schema"], "tickspin.clock/1");
    assert!(json["refused"].is_null());
    for key in ["ordered_read_ns", "kernel_read_ns"] {
        assert!(json[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(json["clock"]["error_ppm"].as_f64().unwrap() > 0.0);
    let offsets = json["offsets"].as_array().unwrap();
    assert_eq!(offsets.len(), allowed().len() - 1);
    for offset in offsets {
        // Cause and effect: whatever the machine did, the interval is not empty.
        assert!(offset["low_ns"].as_f64().unwrap() <= offset["high_ns"].as_f64().unwrap());
    }
    let text = place.run(&["clock", "--time", "50ms"]).stdout;
    for word in ["ppm", "rdtsc", "clock_gettime", "keeps time by"] {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn wrong_use_is_one_line_and_code_2() {
    let place = Place::new();
    for (arguments, word) in [
        (&["jitter", "--cores", "60000"][..], "60000"),
        (&["jitter", "--cores", "x"], "0,2-5"),
        (&["jitter", "--duration", "5"], "500ms"),
        (&["jitter", "--threshold", "0"], "--threshold"),
        (&["jitter", "-o", "gaps.csv"], ".hlog"),
        (&["jitter", "-o", "-", "--json"], "standard output"),
        (&["clock", "--cores", "60000"], "60000"),
        (&["clock", "--time", "0s"], "--time"),
    ] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(word), "{word:?} is not in {:?}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0, "left in the folder");
}
