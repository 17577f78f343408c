//! `tickspin bench book`: the shape of what it prints, and its mistakes. No time is asserted.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tickspin_testkit::process::{Finished, Running, TempDir, bin};

/// Longest life of a command here.
const BOUND: Duration = Duration::from_secs(60);

fn bench(folder: &Path, arguments: &[&str]) -> Finished {
    // It finds feed-sim beside itself.
    assert_eq!(bin("feed-sim").parent(), bin("tickspin").parent());
    let mut command = Command::new(bin("tickspin"));
    command.current_dir(folder).args(["bench", "book", "--rounds", "1"]).args(arguments);
    Running::start(&mut command).unwrap().finish_within(BOUND).unwrap()
}

fn json(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn every_side_is_there_and_books_agree() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--messages", "60000", "--instruments", "40", "--json"];
    let json = json(&bench(folder.path(), &arguments));
    assert_eq!(json["schema"], "tickspin.bench.book/1");
    for side in ["walk", "decode", "book", "book_no_lookahead", "naive"] {
        let ns = |key: &str| json[side][key].as_f64().unwrap_or_else(|| panic!("{side} {key}"));
        assert!(ns("ns_per_message") > 0.0, "{side}");
        assert!(ns("ns_per_message_min") <= ns("ns_per_message_max"), "{side}");
    }
    assert_eq!((&json["messages"], &json["symbols"]), (&60_000.into(), &40.into()));
    assert_eq!(json["unknown"], 0);
    assert!(json["live_orders_peak"].as_u64().unwrap() > 1_500, "{json}");
    assert!(json["host"]["commit"].is_string(), "{json}");
}

#[test]
fn a_day_made_elsewhere_is_measured_as_well_in_whole_or_in_part() {
    let folder = TempDir::new().unwrap();
    let mut feed = Command::new(bin("feed-sim"));
    feed.current_dir(folder.path()).args(["synth", "--format", "itch50", "--instruments", "30"]);
    let made = Running::start(feed.args(["--messages", "20000", "-o", "day"]));
    assert_eq!(made.unwrap().finish_within(BOUND).unwrap().code, 0);
    let whole = json(&bench(folder.path(), &["--file", "day", "--json"]));
    assert_eq!(whole["messages"], 20_000);
    let part = json(&bench(folder.path(), &["--file", "day", "--messages", "5000", "--json"]));
    assert_eq!(part["messages"], 5_000);
    let table = bench(folder.path(), &["--file", "day", "--small-pages"]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    for word in ["book_no_lookahead", "4 KiB pages", "20,000 messages", "same tops"] {
        assert!(table.stdout.contains(word), "{word:?} is not in {}", table.stdout);
    }
    let day = fs::read(folder.path().join("day")).unwrap();
    fs::write(folder.path().join("cut"), &day[..day.len() - 3]).unwrap();
    fs::write(folder.path().join("foreign"), b"no ITCH in here, just words").unwrap();
    for (file, word) in [("cut", "cut"), ("foreign", "foreign"), ("missing", "no such file")] {
        let finished = bench(folder.path(), &["--file", file]);
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(word), "{word:?} is not in {}", finished.stderr);
    }
}
