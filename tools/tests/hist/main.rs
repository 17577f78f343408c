//! `tickspin hist`: the program itself, on files that the tests write.

mod check; // objectives and grades
mod forms; // dump, convert, plot
mod others; // logs of other tools
mod pairs; // merge and diff
mod python; // the Python library reads ours, and we read its
mod show; // sums

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::{Histogram, hlog};
use tickspin_testkit::process::TempDir;

const TICKSPIN: &str = env!("CARGO_BIN_EXE_tickspin");

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(Path::new(TICKSPIN));
        command.current_dir(self.0.path()).arg("hist").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn show(&self, arguments: &[&str]) -> Output {
        self.run(&[&["show"], arguments].concat())
    }

    /// Standard output of a command that succeeds without a word on standard error.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.show(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, and the one line of standard error.
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one line: {stderr:?}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
}

/// Three seconds of two tags: `book` 1..=1,000 ns a second, `service` one value of 5 µs a second.
fn log() -> Vec<u8> {
    let mut log = Vec::new();
    let mut writer = hlog::Writer::begin(&mut log, UNIX_EPOCH, &["a test".to_owned()]).unwrap();
    let second = Duration::from_secs(1);
    for number in 0..3 {
        let (mut book, mut service) = (Histogram::new(), Histogram::new());
        (1..=1_000).for_each(|ns| book.record(ns));
        service.record(5_000);
        for (tag, values) in [("book", &book), ("service", &service)] {
            writer.interval(tag, second * number, second, values).unwrap();
        }
    }
    log
}
