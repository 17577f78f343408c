//! `tickspin hist show`: sums that are exact, and one clear line for every file that is none.

use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
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
        command.current_dir(self.0.path()).args(["hist", "show"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
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

#[test]
fn intervals_and_files_add_up_tag_by_tag() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.write("b.hlog", &log());
    let one = place.json(&["a.hlog", "--json"]);
    assert_eq!(one["schema"], "tickspin.hist/1");
    assert_eq!(one["intervals"]["book"], 3);
    assert_eq!(one["latency_ns"]["book"]["count"], 3_000);
    assert_eq!(one["latency_ns"]["book"]["min"], 1);
    assert_eq!(one["latency_ns"]["book"]["p50"], 500);
    assert_eq!(one["latency_ns"]["book"]["max"], 1_000);
    assert_eq!(one["latency_ns"]["service"]["count"], 3);
    assert_eq!(one["cut"].as_array().unwrap().len(), 0);
    let both = place.json(&["a.hlog", "b.hlog", "--format", "json"]);
    assert_eq!(both["latency_ns"]["book"]["count"], 6_000);
    assert_eq!(both["files"].as_array().unwrap().len(), 2);
    let mut none = one["latency_ns"]["book"].clone();
    none["count"] = both["latency_ns"]["book"]["count"].clone();
    assert_eq!(both["latency_ns"]["book"], none, "the same values twice have the same percentiles");

    let table = text(&place.run(&["a.hlog"]).stdout);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["ns", "intervals", "count", "min"]);
    assert_eq!(rows[1][..5], ["book", "3", "3,000", "1", "500"]);
    assert_eq!(rows[2][..3], ["service", "3", "3"]);
}

#[test]
fn a_limit_says_how_many_tags_it_left_out() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let table = text(&place.run(&["a.hlog", "--limit", "1"]).stdout);
    assert!(table.contains("book") && !table.contains("service"), "{table}");
    assert_eq!(table.lines().last(), Some("(and 1 more tags)"));
    let one = place.json(&["a.hlog", "--limit", "1", "--json"]);
    assert_eq!(one["latency_ns"].as_object().unwrap().len(), 1);
    assert_eq!(one["left_out"], 1);
    assert_eq!(place.json(&["a.hlog", "--limit", "9", "--json"])["left_out"], 0);
    assert_fails(&place.run(&["a.hlog", "--limit", "0"]), 2, &["--limit"]);
}

#[test]
fn standard_input_is_a_dash() {
    let place = Place::new();
    let mut child = place
        .command(&["-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&log()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["latency_ns"]["book"]["count"], 3_000);
}

#[test]
fn logs_of_other_tools_are_read_without_tags_and_without_compression() {
    let place = Place::new();
    let mut bytes = Vec::new();
    let mut values = Hdr::<u64>::new_with_bounds(1, 3_600_000_000_000, 2).unwrap();
    values.record_n(1_000_000, 7).unwrap();
    let mut serializer = V2Serializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut bytes, &mut serializer)
        .unwrap();
    let (start, length) = (Duration::from_secs(1), Duration::from_secs(1));
    writer.write_histogram(&values, start, length, None).unwrap();
    writer.write_histogram(&values, start, length, Tag::new("jHiccup")).unwrap();
    place.write("other.hlog", &bytes);
    let json = place.json(&["other.hlog", "--json"]);
    assert_eq!(json["latency_ns"][""]["count"], 7);
    assert_eq!(json["latency_ns"]["jHiccup"]["count"], 7);
    let table = text(&place.run(&["other.hlog"]).stdout);
    assert!(table.contains("(no tag)"), "{table}");
    // One tag in two files with other ranges and digits.
    let mut ours = log();
    ours.extend(bytes);
    place.write("mixed.hlog", &ours);
    assert_eq!(place.json(&["mixed.hlog", "--json"])["latency_ns"]["book"]["count"], 3_000);
}

#[test]
fn one_tag_becomes_percentile_text_or_csv_and_several_are_refused() {
    let place = Place::new();
    place.write("a.hlog", &log());
    assert_fails(&place.run(&["a.hlog", "--format", "hgrm"]), 2, &["--tag", "book, service"]);
    assert_fails(&place.run(&["a.hlog", "--format", "csv"]), 2, &["--tag"]);
    assert_fails(&place.run(&["a.hlog", "--tag", "nobody"]), 2, &["nobody", "book, service"]);
    let hgrm = text(&place.run(&["a.hlog", "--tag", "book", "--format", "hgrm"]).stdout);
    assert!(hgrm.trim_start().starts_with("Value"), "{hgrm}");
    assert!(hgrm.contains("#[Max     =     1000.000, Total count    =         3000]"), "{hgrm}");

    let csv = text(&place.run(&["a.hlog", "--tag", "book", "--format", "csv"]).stdout);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("quantile,value_ns,count"));
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    assert!(rows.len() > 20);
    assert!(rows.windows(2).all(|two| two[0].iter().zip(&two[1]).all(|(a, b)| a <= b)), "{csv}");
    assert_eq!(rows.last().unwrap()[..], [1.0, 1_000.0, 3_000.0]);
    let middle = rows.iter().find(|row| row[0] >= 0.5).unwrap();
    assert_eq!(middle[1..], [500.0, 1_500.0]);
}

#[test]
fn the_name_of_the_output_decides_the_format_and_nothing_is_overwritten_unforced() {
    let place = Place::new();
    place.write("a.hlog", &log());
    for name in ["out.txt", "out.json", "out.csv", "out.hgrm"] {
        let output = place.run(&["a.hlog", "--tag", "book", "-o", name]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert!(place.read("out.json").starts_with('{'));
    assert!(place.read("out.csv").starts_with("quantile,"));
    assert!(place.read("out.txt").starts_with("ns"));
    assert!(place.read("out.hgrm").trim_start().starts_with("Value"));
    assert_fails(&place.run(&["a.hlog", "-o", "out.txt"]), 1, &["out.txt", "--force"]);
    assert!(!place.read("out.txt").contains("service"));
    assert!(place.run(&["a.hlog", "-o", "out.txt", "--force"]).status.success());
    assert!(place.read("out.txt").contains("service"));
    assert_fails(&place.run(&["a.hlog", "-o", "out.parquet"]), 2, &["out.parquet", "--format"]);
    assert_fails(&place.run(&["a.hlog", "-o", "no/out.txt"]), 1, &["no/out.txt"]);
    assert_eq!(place.names(), ["a.hlog", "out.csv", "out.hgrm", "out.json", "out.txt"]);
    let dash = place.run(&["a.hlog", "-o", "-"]);
    assert!(text(&dash.stdout).starts_with("ns"));
}

#[test]
fn missing_empty_foreign_and_void_files_are_one_line_and_code_1() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.write("empty.hlog", b"");
    place.write("binary.hlog", &[0x00, 0x9f, 0xff, 0x0a, 0x01, 0x02]);
    place.write("prose.hlog", b"no log at all");
    place.write("lines.hlog", b"no log\nat all\n");
    place.write("bad.hlog", b"Tag=a,0.0,1.0,1.0,!!!!\n");
    let header: Vec<u8> =
        log().split_inclusive(|&b| b == b'\n').take(5).flatten().copied().collect();
    place.write("header.hlog", &header);
    fs::create_dir(place.0.path().join("folder")).unwrap();
    for (name, words) in [
        ("missing.hlog", &["no such file"][..]),
        ("folder", &["a folder"]),
        ("empty.hlog", &["empty"]),
        ("binary.hlog", &["not an interval log"]),
        ("prose.hlog", &["not an interval log"]),
        ("lines.hlog", &["not an interval log"]),
        ("bad.hlog", &["not an interval log", "entry 1"]),
        ("header.hlog", &["without an interval"]),
    ] {
        let output = place.run(&["a.hlog", name]);
        assert_fails(&output, 1, &[&[name], words].concat());
        assert!(output.stdout.is_empty(), "{name}");
        assert_fails(&place.run(&[name, "-o", "out.json"]), 1, &[name]);
    }
    assert!(!place.names().contains(&"out.json".to_owned()));
    assert_fails(&place.run(&[]), 2, &["FILE"]);
}

#[test]
fn a_cut_log_is_printed_without_its_last_line_and_said() {
    let place = Place::new();
    let log = log();
    let last_line = log[..log.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for end in [last_line + 1, last_line + 20, log.len() - 10] {
        place.write("cut.hlog", &log[..end]);
        let output = place.run(&["cut.hlog", "--json"]);
        let dropped = format!("{} bytes", end - last_line);
        assert_fails(&output, 1, &["cut.hlog", "cut", &dropped, "5 intervals"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["latency_ns"]["service"]["count"], 2);
        assert_eq!(json["latency_ns"]["book"]["count"], 3_000);
        assert_eq!(json["cut"][0]["file"], "cut.hlog");
    }
    place.write("whole.hlog", &log[..log.len() - 1]);
    assert_eq!(place.json(&["whole.hlog", "--json"])["latency_ns"]["service"]["count"], 3);
}

#[test]
fn a_file_without_permission_is_code_4() {
    let place = Place::new();
    place.write("closed.hlog", &log());
    let path = place.0.path().join("closed.hlog");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("SKIPPED: this user reads files without permission (root)");
        return;
    }
    assert_fails(&place.run(&["closed.hlog"]), 4, &["closed.hlog", "permission"]);
}

#[test]
fn a_closed_pipe_is_success() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let mut child = place.command(&["a.hlog"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
