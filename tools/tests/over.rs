//! The same run over the ring and over packets: the same books and the same orders, though each line of
//! the packets loses some, and every packet accounted for.
//!
//! Packets need root (a cable between two namespaces); without it these tests say `skipped:`, and with
//! `TICKSPIN_NET_TESTS=require` that is a failure. `TICKSPIN_DAY_MESSAGES` makes the synthetic day longer.

mod place;

use place::{Place, SIGINT, SIGKILL, data, kill};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use tickspin_host::process::is_root;
use tickspin_testkit::process::{Running, bin, wait_until};

/// What takes the packets in this build.
const OVER: &[&str] =
    if cfg!(feature = "xdp") { &["udp", "af-packet", "af-xdp"] } else { &["udp", "af-packet"] };

fn may_make_namespaces() -> bool {
    if !is_root() {
        let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|value| value == "require");
        assert!(!is_required, "root is missing, and TICKSPIN_NET_TESTS requires it");
        eprintln!("skipped: only root makes namespaces");
    }
    is_root()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// What left and what came, number by number. Returns the messages that both lines lost.
fn account(summary: &Value) -> u64 {
    let (sent, taken) = (&summary["packets_out"], &summary["packets_in"]);
    let messages = &taken["messages"];
    assert_eq!(messages["passed"], sent["messages"]);
    assert_eq!((&messages["delivered"], number(&messages["lost"])), (&messages["passed"], 0));
    assert_eq!(summary["events"]["received"], sent["messages"]);
    assert_eq!(summary["events"]["lost"], 0);
    for line in 0..2 {
        let (sent, taken) = (&sent["lines"][line], &taken["lines"][line]);
        // A lost line's packets are what the seed took, and nothing else.
        assert_eq!(taken["packets"], sent["sent"], "line {line}: {summary}");
        assert_eq!(number(&sent["unsent"]), 0);
    }
    let source = &taken["source"];
    for key in ["dropped", "malformed", "invalid", "errors"] {
        assert_eq!(number(&source[key]), 0, "{key}: {source}");
    }
    assert_eq!(number(&taken["discarded"]), 0, "{taken}");
    let lines = taken["lines"].as_array().unwrap();
    let first: u64 = lines.iter().map(|line| number(&line["first"])).sum();
    assert_eq!(first, number(&messages["delivered"]));
    number(&messages["recovered"])
}

/// A run whose engine waits for lost packets as long as a busy host may take to send them again.
fn patient(place: &Place, out: &str, arguments: &[&str]) -> Value {
    let fixed = ["run", "--json", "--no-probe", "-o", out];
    let mut command = place.command(&[&fixed[..], arguments].concat());
    let running = Running::start(command.env("TICKSPIN_ENGINE_PACKETS_GIVE_UP_MS", "20000"));
    let finished = running.unwrap().finish_within(place::BOUND).unwrap();
    assert_eq!(finished.code, 0, "{arguments:?}: {}", finished.stderr);
    place.assert_no_run_left();
    place.read(out)
}

/// The ring's hashes, then those of each way that packets take.
fn compare(place: &Place, file: &str, strategy: &str) {
    let step = [file, "--lockstep", "--speed", "max", "--strategy", strategy];
    let ring = place.summary("ring", &step);
    assert!(ring["packets_in"].is_null() && ring["packets_out"].is_null());
    for over in OVER {
        let lossy = ["--over", over, "--loss", "0.02"];
        let summary = patient(place, over, &[&step[..], &lossy].concat());
        for (part, key) in [("orders", "hash"), ("book", "hash"), ("orders", "sent")] {
            assert_eq!(summary[part][key], ring[part][key], "{file} over {over}: {part}.{key}");
        }
        let events = &summary["events"];
        assert_eq!(events["received"], ring["events"]["received"], "{file} over {over}");
        assert_eq!(summary["packets_in"]["input"], *over);
        let recovered = account(&summary);
        // 0.02 x 0.02 of them.
        let sent = number(&summary["packets_out"]["packets"]);
        assert!(recovered <= sent / 500 + 10, "{recovered} of {sent}");
        assert!(sent < 100_000 || recovered >= sent / 10_000, "{recovered} of {sent}");
        fs::remove_dir_all(place.path(over)).unwrap();
    }
    fs::remove_dir_all(place.path("ring")).unwrap();
}

#[test]
fn recorded_feeds_give_the_hashes_of_the_ring() {
    if !may_make_namespaces() {
        return;
    }
    let place = Place::new();
    for name in [
        "aapl_20190130_first3000",
        "nasdaq_20230822",
        "bx_20230822",
        "psx_20230822",
        "nasdaq_day_head_1000",
    ] {
        let Some(file) = data(&format!("itch/{name}.itch50")) else { return };
        for strategy in ["probe", "market-maker"] {
            compare(&place, &file, strategy);
        }
    }
}

#[test]
fn a_synthetic_day_gives_the_hashes_of_the_ring() {
    if !may_make_namespaces() {
        return;
    }
    let place = Place::new();
    let messages = std::env::var("TICKSPIN_DAY_MESSAGES").unwrap_or_else(|_| "100000".to_owned());
    let day = place.path("day.itch50");
    let made = place
        .runtime
        .command(bin("feed-sim"))
        .args(["synth", "--format", "itch50", "--messages", &messages, "-o"])
        .arg(&day)
        .status();
    assert!(made.unwrap().success());
    compare(&place, day.to_str().unwrap(), "market-maker");
}

#[test]
fn a_paced_run_measures_from_the_intended_instant_and_loses_nothing_unexplained() {
    if !may_make_namespaces() {
        return;
    }
    let place = Place::new();
    for over in OVER {
        let paced = ["--over", over, "--loss", "0.05", "--rate", "20000", "--count", "20000"];
        let summary = patient(&place, over, &paced);
        assert!(account(&summary) > 0, "0.0025 of 20,000 packets were on neither line");
        let measured =
            number(&summary["events"]["received"]) - number(&summary["events"]["warm_up"]);
        assert_eq!(summary["events"]["warm_up"], 100);
        for stage in ["schedule_lag", "ring_wait", "response"] {
            assert_eq!(summary["latency_ns"][stage]["count"], measured, "{over}: {stage}");
        }
        // A packet through the kernel takes a microsecond, and no second.
        let p50 = number(&summary["latency_ns"]["ring_wait"]["p50"]);
        assert!((200..1_000_000_000).contains(&p50), "{over}: {p50}");
        let notes = summary["notes"].to_string();
        assert!(notes.contains("veth cable") && notes.contains("privileges:"), "{notes}");
    }
}

#[test]
fn a_run_that_is_interrupted_or_killed_leaves_nothing() {
    if !may_make_namespaces() {
        return;
    }
    let place = Place::new();
    let running = place.start(&["run", "--over", "udp", "--name", "x", "-o", "out", "--no-probe"]);
    place.wait_for_flow("x");
    running.signal(SIGINT).unwrap();
    let finished = running.finish_within(place::BOUND).unwrap();
    assert_eq!(finished.code, 130, "{finished:?}");
    assert!(place.path("out/summary.json").exists());
    place.assert_no_run_left();

    let long = ["run", "--over", "udp", "--name", "y", "-o", "killed", "--duration", "60s"];
    let running = place.start(&[&long[..], &["--no-probe"]].concat());
    let (feed, engine) = place.wait_for_flow("y");
    kill(i32::try_from(running.pid()).unwrap(), SIGKILL);
    let are_gone = || !place::is_alive(feed) && !place::is_alive(engine);
    assert!(wait_until(Duration::from_secs(20), are_gone), "feed or engine outlived tickspin");
    let interfaces = fs::read_dir("/sys/class/net").unwrap().flatten();
    let names: Vec<_> = interfaces.map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name == "near0" || name == "far0"), "{names:?}");
    drop(running);
}

#[test]
fn what_does_not_go_over_packets_is_one_line() {
    let place = Place::new();
    for (arguments, code, words) in [
        (&["run", "--loss", "0.1"][..], 2, "--over udp"),
        (&["run", "--over", "udp", "--loss", "0.9"], 2, "0 to 0.5"),
        (&["run", "--over", "pigeon"], 2, "af-xdp"),
    ] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{arguments:?}: {}", finished.stderr);
        place.assert_nothing_made(&[]);
    }
    if !may_make_namespaces() {
        return;
    }
    if !cfg!(feature = "xdp") {
        let finished = place.run(&["run", "--over", "af-xdp", "--duration", "1s", "--no-probe"]);
        assert_eq!(finished.code, 2, "{}", finished.stderr);
        assert!(finished.stderr.contains("--features xdp"), "{}", finished.stderr);
    }
    let Some(deep) = data("iex/DEEP10.pcap.gz") else { return };
    let finished = place.run(&["run", &deep, "--over", "udp", "--no-probe"]);
    assert_ne!(finished.code, 0);
    assert!(finished.stderr.contains("ITCH"), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
}
