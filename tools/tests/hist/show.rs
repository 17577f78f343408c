//! `hist show`: sums that are exact, and one clear line for every file that is none.

use crate::{Place, assert_fails, log, text};
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

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

    let table = text(&place.show(&["a.hlog"]).stdout);
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
    let table = text(&place.show(&["a.hlog", "--limit", "1"]).stdout);
    assert!(table.contains("book") && !table.contains("service"), "{table}");
    assert_eq!(table.lines().last(), Some("(and 1 more tags)"));
    let one = place.json(&["a.hlog", "--limit", "1", "--json"]);
    assert_eq!(one["latency_ns"].as_object().unwrap().len(), 1);
    assert_eq!(one["left_out"], 1);
    assert_eq!(place.json(&["a.hlog", "--limit", "9", "--json"])["left_out"], 0);
    assert_fails(&place.show(&["a.hlog", "--limit", "0"]), 2, &["--limit"]);
}

#[test]
fn standard_input_is_a_dash() {
    let place = Place::new();
    let mut child = place
        .command(&["show", "-", "--json"])
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
    let table = text(&place.show(&["other.hlog"]).stdout);
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
    assert_fails(&place.show(&["a.hlog", "--format", "hgrm"]), 2, &["--tag", "book, service"]);
    assert_fails(&place.show(&["a.hlog", "--format", "csv"]), 2, &["--tag"]);
    assert_fails(&place.show(&["a.hlog", "--tag", "nobody"]), 2, &["nobody", "book, service"]);
    let hgrm = text(&place.show(&["a.hlog", "--tag", "book", "--format", "hgrm"]).stdout);
    assert!(hgrm.trim_start().starts_with("Value"), "{hgrm}");
    assert!(hgrm.contains("#[Max     =     1000.000, Total count    =         3000]"), "{hgrm}");

    let csv = text(&place.show(&["a.hlog", "--tag", "book", "--format", "csv"]).stdout);
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
        let output = place.show(&["a.hlog", "--tag", "book", "-o", name]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert!(place.read("out.json").starts_with('{'));
    assert!(place.read("out.csv").starts_with("quantile,"));
    assert!(place.read("out.txt").starts_with("ns"));
    assert!(place.read("out.hgrm").trim_start().starts_with("Value"));
    assert_fails(&place.show(&["a.hlog", "-o", "out.txt"]), 1, &["out.txt", "--force"]);
    assert!(!place.read("out.txt").contains("service"));
    assert!(place.show(&["a.hlog", "-o", "out.txt", "--force"]).status.success());
    assert!(place.read("out.txt").contains("service"));
    assert_fails(&place.show(&["a.hlog", "-o", "out.parquet"]), 2, &["out.parquet", "--format"]);
    assert_fails(&place.show(&["a.hlog", "-o", "no/out.txt"]), 1, &["no/out.txt"]);
    assert_eq!(place.names(), ["a.hlog", "out.csv", "out.hgrm", "out.json", "out.txt"]);
    let dash = place.show(&["a.hlog", "-o", "-"]);
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
        ("bad.hlog", &["not an interval log", "line 1"]),
        ("header.hlog", &["without an interval"]),
    ] {
        let output = place.show(&["a.hlog", name]);
        assert_fails(&output, 1, &[&[name], words].concat());
        assert!(output.stdout.is_empty(), "{name}");
        assert_fails(&place.show(&[name, "-o", "out.json"]), 1, &[name]);
    }
    assert!(!place.names().contains(&"out.json".to_owned()));
    assert_fails(&place.show(&[]), 2, &["FILE"]);
}

#[test]
fn a_cut_log_is_printed_without_its_last_line_and_said() {
    let place = Place::new();
    let log = log();
    let last_line = log[..log.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for end in [last_line + 1, last_line + 20, log.len() - 10] {
        place.write("cut.hlog", &log[..end]);
        let output = place.show(&["cut.hlog", "--json"]);
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
    assert_fails(&place.show(&["closed.hlog"]), 4, &["closed.hlog", "permission"]);
}

#[test]
fn a_closed_pipe_is_success() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let mut child = place.command(&["show", "a.hlog"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
