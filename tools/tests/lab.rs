//! `tickspin lab` on this machine: every transport with every way of waiting brings every message.

mod place;

use place::{Place, SIGINT};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use tickspin_results::hlog;
use tickspin_testkit::process::wait_until;

const ALL: &str = r#"
name = "all"
rounds = 2
messages = 400
warm_up = 100
[factors]
transport = ["ring", "ringbuf", "rtrb", "mutex", "std", "crossbeam", "pipe", "unix-datagram", "udp", "tokio"]
waiting = ["spin", "pause", "yield", "futex", "epoll", "block", "async", "task"]
rate = [20_000]
[baseline]
transport = "ring"
waiting = "spin"
"#;

#[test]
fn every_transport_brings_every_message_however_it_is_waited_for() {
    let place = Place::alone();
    fs::write(place.path("all.toml"), ALL).unwrap();
    let run = place.run(&["lab", "all.toml", "-o", "lab", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        report,
        serde_json::from_slice::<Value>(&fs::read(place.path("lab/lab.json")).unwrap()).unwrap()
    );
    let cells = report["cells"].as_array().unwrap();
    // Six of memory in five ways, three descriptors in five, two kinds of task.
    assert_eq!(cells.len(), 6 * 5 + 3 * 5 + 2);
    for cell in cells {
        let rounds = cell["rounds"].as_u64().unwrap();
        assert_eq!(
            cell["messages"].as_u64().unwrap() + cell["lost"].as_u64().unwrap(),
            300 * rounds
        );
        // Only a socket whose buffer is full drops.
        assert!(cell["lost"] == 0 || cell["transport"] == "udp", "{cell}");
        let p50 = &cell["p50_ns"];
        let at = |key: &str| p50[key].as_f64().unwrap();
        assert!(
            at("low") <= at("median") && at("median") <= at("high") && at("high") > 0.0,
            "{cell}"
        );
    }
    let baseline = cells.iter().find(|cell| cell["label"] == "ring.spin").unwrap();
    assert_eq!(baseline["times_baseline"]["median"], 1.0);
    // The log has every cell of every round, whatever was set aside.
    let log = fs::read(place.path("lab/lab.hlog")).unwrap();
    let (intervals, _) = hlog::read(&log, false).unwrap();
    assert_eq!(intervals.len(), 2 * cells.len());
    let text = fs::read_to_string(place.path("lab/lab.md")).unwrap();
    assert!(text.contains("| tokio.task | ") && text.contains("- cpu: "), "{text}");
    assert_eq!(fs::read_to_string(place.path("lab/experiment.toml")).unwrap(), ALL);
    // Again into the same folder: refused, unless told to.
    let again = place.run(&["lab", "all.toml", "-o", "lab"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
}

#[test]
fn an_experiment_that_cannot_be_is_told_in_one_line() {
    let place = Place::alone();
    let cases = [
        (ALL.replace("\"rtrb\"", "\"tcp\""), "line 7: "),
        (ALL.replace("warm_up = 100", "warmup = 100"), "line 5: unknown field"),
        (ALL.replace("rate = [20_000]", "rate = [0]"), "rate is 0: 1 to 5000000 would do"),
        (ALL.replace("warm_up = 100", "warm_up = 400"), "warm_up is 400: 0 to 300 would do"),
        (ALL.replace("waiting = \"spin\"", "waiting = \"task\""), "baseline is none of its cells"),
        (ALL.replace("rate = [20_000]", "rate = [1]\npayload = [0]"), "payload is 0: 1 to 3584"),
        (ALL.replace("rate = [20_000]", "rate = [1]\ncores = [[1, 1]]"), "needs two cores"),
        (ALL.replace("rate = [20_000]", "rate = [1]\npriority = [100]"), "priority is 100"),
        ("rounds = [".to_owned(), "line 1: "),
    ];
    for (text, rule) in cases {
        fs::write(place.path("x.toml"), text).unwrap();
        let run = place.run(&["lab", "x.toml", "-o", "lab"]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(rule) && run.stderr.contains("x.toml"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    let missing = place.run(&["lab", "none.toml"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("none.toml"), "{}", missing.stderr);
    place.assert_nothing_made(&["x.toml"]);
}

#[test]
fn payload_and_cores_are_factors_too() {
    let place = Place::alone();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    if cores < 2 {
        eprintln!("SKIPPED: a hand-over needs two cores");
        return;
    }
    let more = "rate = [20_000]\npayload = [8, 500]\ncores = [[0, 1], [1, 0]]\n";
    fs::write(place.path("x.toml"), ALL.replace("rate = [20_000]\n", more)).unwrap();
    let run = place.run(&["lab", "x.toml", "-o", "lab", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let cells = report["cells"].as_array().unwrap();
    assert_eq!((cells.len(), report["pairs"].as_array().unwrap().len()), (4 * 47, 2));
    for cell in cells {
        let of = |key: &str| cell[key].as_u64().unwrap();
        assert_eq!(of("messages") + of("lost"), 300 * of("rounds"), "{cell}");
        assert!(cell["lost"] == 0 || cell["transport"] == "udp", "{cell}");
    }
    // 500 bytes are nine slots; each cell is held against the baseline of its own kind.
    let labelled = |label: &str| cells.iter().find(|cell| cell["label"] == label).unwrap();
    for label in ["ring.spin.8B.c0-1", "ring.spin.500B.c1-0"] {
        assert_eq!(labelled(label)["times_baseline"]["median"], 1.0, "{label}");
    }
    assert_eq!(labelled("tokio.task.500B.c0-1")["payload"], 500);
}

#[test]
fn a_signal_ends_it_with_the_rounds_that_were_whole() {
    let place = Place::alone();
    let text = ALL.replace("rounds = 2", "rounds = 900").replace("\"spin\", \"pause\"", "\"spin\"");
    let text = text.lines().map(|line| match line.starts_with("transport =") {
        true if line.contains('[') => "transport = [\"ring\", \"pipe\"]",
        _ => line,
    });
    fs::write(place.path("x.toml"), text.collect::<Vec<_>>().join("\n")).unwrap();
    let lab = place.start(&["lab", "x.toml", "-o", "lab"]);
    assert!(wait_until(Duration::from_secs(10), || place.path("lab").exists()));
    std::thread::sleep(Duration::from_secs(4));
    lab.signal(SIGINT).unwrap();
    let lab = lab.finish_within(place::BOUND).unwrap();
    assert_eq!(lab.code, 130, "{}", lab.stderr);
    let report: Value =
        serde_json::from_slice(&fs::read(place.path("lab/lab.json")).unwrap()).unwrap();
    assert!(report["rounds"].as_u64() > Some(0) && report["rounds"].as_u64() < Some(900));
}

#[test]
fn the_built_in_experiment_is_one() {
    let place = Place::alone();
    let printed = place.run(&["lab", "--print-experiment"]);
    assert_eq!(printed.code, 0);
    let experiment = tickspin_tools::handoff::lab::Experiment::parse(&printed.stdout, "built in");
    assert_eq!(experiment.unwrap().cells((0, 1)).len(), 26);
}
