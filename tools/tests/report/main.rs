//! `tickspin report`: the page in a browser without a screen, and what the program does without one.

#[path = "../place/mod.rs"]
mod place;

mod browser; // Chromium, by its own protocol over two pipes
mod files; // what is missing, cut, hostile or in the way
mod page; // the page of a real run, opened

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::{Histogram, hlog};
use tickspin_testkit::process::TempDir;

const TICKSPIN: &str = env!("CARGO_BIN_EXE_tickspin");

/// A folder of one's own with result folders in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn report(&self, arguments: &[&str]) -> Output {
        let mut command = self.0.command(Path::new(TICKSPIN));
        command.current_dir(self.0.path()).arg("report").args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The page of a report that succeeds without a word on standard error.
    fn page(&self, arguments: &[&str]) -> String {
        let output = self.report(&[arguments, &["-o", "-"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
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

/// What a reader sees of a page: no style, no script, no data, no markup.
fn seen(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let body = body.split_once("<script").unwrap().0;
    let mut seen = String::new();
    for piece in body.split('<').skip(1) {
        let (_, text) = piece.split_once('>').unwrap_or_default();
        seen.push_str(text);
        seen.push(' ');
    }
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let seen = seen.replace("&#x27;", "'").replace("&#39;", "'").replace("&#x2f;", "/");
    seen.replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Seconds of tags; each value of a second is counted so many times.
fn log(tags: &[(&str, &[u64])], seconds: u32) -> Vec<u8> {
    let mut log = Vec::new();
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut writer = hlog::Writer::begin(&mut log, start, &["a test".to_owned()]).unwrap();
    let second = Duration::from_secs(1);
    for number in 0..seconds {
        for (tag, values) in tags {
            let mut histogram = Histogram::new();
            values.iter().for_each(|ns| histogram.record(ns * u64::from(number + 1)));
            writer.interval(tag, second * number, second, &histogram).unwrap();
        }
    }
    log
}

/// A record of slow ticks.
fn slow(at_s: f64, cause: &str, worst_ns: u64, why: &str) -> Value {
    json!({
        "seq": 7, "last_seq": 9, "at_s": at_s, "samples": 3, "cause": cause, "why": why,
        "response_ns": worst_ns, "worst_ns": worst_ns, "schedule_lag_ns": 10, "loop_gap_ns": 20,
        "ring_wait_ns": 30, "is_likely": true, "service_ns": 180, "book_ns": 40, "strategy_ns": 60, "risk_order_ns": 80, "depth": 4,
        "evidence": {"steal_ns": 5_000, "interrupts": [["LOC Local timer interrupts", 25]]},
    })
}
