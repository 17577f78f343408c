//! `tickspin feed record` beside real runs: what passed through the ring reads back, whatever
//! happened to the recorder.

mod place;

use place::{Place, SIGINT, SIGKILL};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::time::Duration;
use tickspin_testkit::process::{Running, wait_until};
use tickspin_wire::Event;

/// Slow enough for a recorder that has to share a core with a spinner.
const FLOW: [&str; 9] =
    ["run", "--name", "taped", "--rate", "5000", "--no-probe", "--force", "-o", "run"];

fn record(place: &Place, more: &[&str]) -> Running {
    place.start(&[&["feed", "record", "--name", "taped", "-o", "tape"], more].concat())
}

/// A run of so long in the background.
fn flow(place: &Place, duration: &str) -> Running {
    place.start(&[&FLOW[..], &["--duration", duration]].concat())
}

/// What of an event the feed decides before it leaves, and whether the file is whole.
fn content(place: &Place, name: &str) -> (Vec<Event>, bool) {
    let mut tape = tickspin_recording::open(&place.path(name)).unwrap();
    let mut events = Vec::new();
    let is_whole = loop {
        match tape.next_event() {
            Ok(Some(event)) => events.push(Event { sent_ticks: 0, lag_ticks: 0, ..event }),
            Ok(None) => break true,
            Err(error) => {
                assert!(error.to_string().contains("tape: "), "{error}");
                break false;
            }
        }
    };
    (events, is_whole)
}

fn info(place: &Place, name: &str) -> (i32, Value, String) {
    let finished = place.run(&["feed", "info", name, "--json"]);
    let value = serde_json::from_str(&finished.stdout).unwrap_or(Value::Null);
    (finished.code, value, finished.stderr)
}

#[test]
fn what_passes_is_recorded_and_plays_again() {
    let place = Place::new();
    let recorder = record(&place, &["--json"]);
    let run = flow(&place, "2s").finish_within(place::BOUND).unwrap();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let recorded = recorder.finish_within(place::BOUND).unwrap();
    assert_eq!(recorded.code, 0, "{}", recorded.stderr);
    let said: Value = serde_json::from_str(&recorded.stdout).unwrap();
    let sent = place.read("run")["events"]["sent"].as_u64().unwrap();
    assert_eq!((said["lost"].as_u64(), said["last"].as_u64()), (Some(0), Some(sent)));
    let (code, facts, _) = info(&place, "tape");
    assert_eq!((code, &facts["protocol"]), (0, &Value::from("tape")), "{facts}");
    assert_eq!(facts["messages"], said["events"]);
    // The same books come out of it as went in, if it was there from the first event on.
    if said["first"] == 1 {
        let again = place.summary("again", &["tape", "--speed", "max"]);
        assert_eq!(again["book"]["hash"], place.read("run")["book"]["hash"]);
    }
    let refused = record(&place, &[]).finish_within(place::BOUND).unwrap();
    assert_eq!(refused.code, 1, "it is there already");
}

#[test]
fn a_recorder_that_is_killed_leaves_what_it_had() {
    let place = Place::new();
    let whole = {
        // The market is the same in each run: what one run's tape has, the other's begins with.
        let recorder = record(&place, &[]);
        assert_eq!(flow(&place, "2s").finish_within(place::BOUND).unwrap().code, 0);
        assert_eq!(recorder.finish_within(place::BOUND).unwrap().code, 0);
        fs::rename(place.path("tape"), place.path("whole")).unwrap();
        let (events, is_whole) = content(&place, "whole");
        assert!(is_whole && events.len() > 5_000, "{} events", events.len());
        events
    };
    for after_bytes in [1, 200_000] {
        let recorder = record(&place, &["--force"]);
        let run = flow(&place, "2s");
        let has_grown = wait_until(Duration::from_secs(20), || {
            fs::metadata(place.path("tape")).is_ok_and(|about| about.len() >= after_bytes)
        });
        assert!(has_grown);
        recorder.signal(SIGKILL).unwrap();
        assert_eq!(recorder.finish_within(place::BOUND).unwrap().code, 128 + SIGKILL);
        assert_eq!(run.finish_within(place::BOUND).unwrap().code, 0, "the run does not notice");
        let (events, is_whole) = content(&place, "tape");
        assert!(!is_whole, "nobody finished it");
        let at = whole.iter().position(|event| Some(event) == events.first()).unwrap_or(0);
        assert!(whole[at..].starts_with(&events), "{} events from {at}", events.len());
        let (code, facts, said) = info(&place, "tape");
        assert_eq!((code, &facts["truncated"]), (1, &Value::Bool(true)), "{facts}");
        assert_eq!(facts["messages"], events.len());
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_file_that_may_not_grow_keeps_what_was_written() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    command.envs(place.command(&[]).get_envs().filter_map(|(key, value)| Some((key, value?))));
    // Blocks of 1,024 bytes; a process that would write beyond gets a signal, and ends by it.
    let line = r#"ulimit -f 100; exec "$@""#;
    command.current_dir(place.work.path()).args(["-c", line, "sh"]).arg(&place.tickspin);
    command.args(["feed", "record", "--name", "taped", "-o", "tape"]).process_group(0);
    let recorder = Running::start(&mut command).unwrap();
    assert_eq!(flow(&place, "2s").finish_within(place::BOUND).unwrap().code, 0);
    assert_ne!(recorder.finish_within(place::BOUND).unwrap().code, 0);
    let (events, is_whole) = content(&place, "tape");
    assert!(!is_whole && events.len() > 500, "{} events", events.len());
    assert!(fs::metadata(place.path("tape")).unwrap().len() <= 102_400);
}

#[test]
fn what_force_is_to_replace_stays_until_there_is_a_run() {
    let place = Place::new();
    fs::write(place.path("tape"), "dear").unwrap();
    let never = record(&place, &["--force", "--wait", "0"]).finish_within(place::BOUND).unwrap();
    assert_eq!(never.code, 1);
    assert!(never.stderr.contains("no run to record"), "{}", never.stderr);
    let waits = record(&place, &["--force"]);
    assert!(wait_until(Duration::from_secs(10), || place.path("tape.part").exists()));
    waits.signal(SIGINT).unwrap();
    assert_eq!(waits.finish_within(place::BOUND).unwrap().code, 130);
    assert_eq!(fs::read(place.path("tape")).unwrap(), b"dear");
    place.assert_nothing_made(&["tape"]);
}
