//! `tickspin feed` over the real recordings: every expected count and hash, by the program itself.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tickspin_testkit::process::TempDir;

const TICKSPIN: &str = env!("CARGO_BIN_EXE_tickspin");

/// The recordings; `None` where they are not, which CI does not accept.
fn data() -> Option<PathBuf> {
    let given = std::env::var_os("TICKSPIN_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = given.unwrap_or_else(|| root.join("../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{}: no recordings", folder.display());
    println!("SKIPPED: {}: no recordings; set TICKSPIN_DATA", folder.display());
    None
}

fn feed(arguments: &[&str]) -> Output {
    Command::new(TICKSPIN).arg("feed").args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Standard output of a call that must succeed.
fn said(arguments: &[&str]) -> String {
    let output = feed(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn expected(data: &Path, name: &str) -> Value {
    json(&std::fs::read_to_string(data.join("expected").join(name)).unwrap())
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn itch_lines_have_the_expected_hash_in_every_container() {
    let Some(data) = data() else { return };
    let expected = expected(&data, "aapl_first3000.json");
    let file = data.join("itch/aapl_20190130_first3000.itch50");
    let place = TempDir::new().unwrap();
    let copies = ["copy.itch50", "copy.itch50.zst"].map(|name| place.path().join(name));
    for copy in &copies {
        said(&["convert", at(&file), "-o", at(copy)]);
    }
    assert!(std::fs::read(&copies[0]).unwrap() == std::fs::read(&file).unwrap(), "bit by bit");
    for file in [&file, &copies[0], &copies[1]] {
        let lines = ["bbo", at(file), "--symbol", "AAPL", "--changes", "--format", "canonical"];
        let lines = said(&lines);
        assert_eq!(lines.lines().count() as u64, expected["bbo_changes_rows"]);
        assert_eq!(sha256(&lines), expected["bbo_changes_sha256"].as_str().unwrap());
        assert_eq!(json(&said(&["info", at(file), "--json"]))["messages"], 3_000);
    }
}

#[test]
fn deep_sessions_have_the_expected_lines_and_books() {
    let Some(data) = data() else { return };
    let file = data.join("iex/DEEP10.pcap.gz");
    let expected = expected(&data, "deep10_2017.json");
    let info = feed(&["info", at(&file), "--json"]);
    assert_eq!(info.status.code(), Some(1), "its last record is cut");
    let info = json(std::str::from_utf8(&info.stdout).unwrap());
    assert_eq!(
        (&info["messages"], &info["packets"]),
        (&expected["messages"], &expected["packets"])
    );
    assert_eq!((&info["truncated"], &info["protocol"]), (&true.into(), &"deep10".into()));
    let segments = expected["segments"].as_array().unwrap();
    assert_eq!(info["sessions"].as_array().unwrap().len(), segments.len());
    for (index, segment) in segments.iter().enumerate() {
        let session = (index + 1).to_string();
        assert_eq!(info["sessions"][index]["first"], segment["first_seq"]);
        assert_eq!(info["sessions"][index]["last"], segment["last_seq"]);
        let out = |arguments: &[&str]| {
            let mut all = vec![arguments[0], at(&file), "--session", &session];
            all.extend(&arguments[1..]);
            all.extend(["--format", "canonical"]);
            String::from_utf8(feed(&all).stdout).unwrap()
        };
        assert_eq!(sha256(&out(&["book"])), segment["final_books_sha256"].as_str().unwrap());
        let Some((symbol, lines)) = segment["bbo"].as_object().unwrap().iter().next() else {
            continue;
        };
        let all = out(&["bbo", "--symbol", symbol]);
        assert_eq!(sha256(&all), lines["event_sha256"].as_str().unwrap(), "{symbol} {session}");
        let changes = out(&["bbo", "--symbol", symbol, "--changes"]);
        assert_eq!(sha256(&changes), lines["chg_sha256"].as_str().unwrap(), "{symbol} {session}");
    }
}

#[test]
fn tops_quotes_have_the_expected_hashes() {
    let Some(data) = data() else { return };
    let file = data.join("iex/TOPS16.pcapng.gz");
    let expected = expected(&data, "tops16_2017.json");
    let quotes = expected["segments"][0]["quotes"].as_object().unwrap();
    for (symbol, quotes) in quotes.iter().take(4) {
        let lines = ["bbo", at(&file), "--symbol", symbol, "--format", "canonical", "--flags"];
        let lines = said(&lines);
        assert_eq!(lines.lines().count() as u64, quotes["rows"], "{symbol}");
        assert_eq!(sha256(&lines), quotes["sha256"].as_str().unwrap(), "{symbol}");
    }
}

#[test]
fn dbn_lines_and_final_book_are_the_expected_ones() {
    let Some(data) = data() else { return };
    let file = data.join("dbn/es_mbo_20240508_2s.dbn.zst");
    let info = json(&said(&["info", at(&file), "--json"]));
    assert_eq!((&info["messages"], &info["protocol"]), (&13_796.into(), &"dbn".into()));
    let lines = said(&["bbo", at(&file), "--symbol", "#0", "--changes", "--format", "canonical"]);
    let csv = std::fs::read_to_string(data.join("expected/es_20240508_bbo_changes.csv")).unwrap();
    let expected = csv.split_once('\n').unwrap().1;
    assert_eq!(lines, expected);
    let book = json(&said(&["book", at(&file), "--symbol", "#0", "--json"]));
    let final_book = self::expected(&data, "es_20240508_final_book.json");
    for side in ["bids", "asks"] {
        let levels = final_book[side].as_array().unwrap();
        let ours = book["books"][0][side].as_array().unwrap();
        assert_eq!(ours.len(), levels.len(), "{side}");
        for (ours, level) in ours.iter().zip(levels) {
            let px: f64 = ours["px"].as_str().unwrap().parse().unwrap();
            assert_eq!((px * 1e9).round() as i64, level[0].as_i64().unwrap());
            assert_eq!(ours["qty"].as_str().unwrap(), level[1].to_string());
            assert_eq!(ours["orders"], level[2]);
        }
    }
}

#[test]
fn binance_lines_and_counts_are_the_expected_ones() {
    let Some(data) = data() else { return };
    let file = data.join("binance/ethusdt_20240808.gz");
    let expected = expected(&data, "binance_spot_ethusdt_20240808.json");
    let info = json(&said(&["info", at(&file), "--json"]));
    assert_eq!((&info["by_type"], &info["messages"]), (&expected["streams"], &expected["lines"]));
    let line = |changes: &[&str]| {
        let mut all = vec!["bbo", at(&file), "--symbol", "ETHUSDT", "--format", "canonical"];
        all.extend(changes);
        said(&all)
    };
    let all = line(&[]);
    assert_eq!(all.lines().count() as u64, expected["bbo_rows"]);
    assert_eq!(sha256(&all), expected["bbo_sha256"].as_str().unwrap());
    let changes = line(&["--changes"]);
    assert_eq!(changes.lines().count() as u64, expected["bbo_changes"]);
    assert_eq!(sha256(&changes), expected["bbo_changes_sha256"].as_str().unwrap());
}

#[test]
fn lobster_rows_are_counted_by_type() {
    let Some(data) = data() else { return };
    let file = data.join("lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv");
    let info = json(&said(&["info", at(&file), "--json"]));
    let expected = expected(&data, "lobster_golden.json");
    assert_eq!((&info["by_type"], &info["messages"]), (&expected["types"], &expected["rows"]));
}

#[test]
fn every_capture_of_itch_opens_by_content() {
    let Some(data) = data() else { return };
    let mut messages = 0;
    for entry in std::fs::read_dir(data.join("itch/pcap")).unwrap() {
        let path = entry.unwrap().path();
        let info = json(&said(&["info", at(&path), "--json"]));
        messages += info["messages"].as_u64().unwrap();
        let container = info["container"].as_str().unwrap();
        assert!(container.starts_with("plain, pcap "), "{}: {container}", path.display());
    }
    assert_eq!(messages, 227, "as many as the independent count");
}

#[test]
fn a_converted_recording_tells_the_same() {
    let Some(data) = data() else { return };
    let place = TempDir::new().unwrap();
    for file in ["binance/ethusdt_20240808.gz", "dbn/es_mbo_20240508_2s.dbn.zst"] {
        let (file, tape) = (data.join(file), place.path().join("day.tape.zst"));
        said(&["convert", at(&file), "-o", at(&tape), "--force"]);
        let book = |file: &Path| {
            let text = said(&["book", at(file), "--json"]);
            json(&text)["books"].clone()
        };
        assert_eq!(book(&tape), book(&file), "{}", file.display());
        let parquet = place.path().join("day.parquet");
        let line = said(&["convert", at(&file), "-o", at(&parquet), "--force"]);
        assert!(line.contains("events in"), "{line}");
        let bytes = std::fs::read(&parquet).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    }
}

#[test]
fn bad_input_is_one_line_and_nothing_is_left() {
    let Some(data) = data() else { return };
    let place = TempDir::new().unwrap();
    let file = data.join("itch/aapl_20190130_first3000.itch50");
    let cut = place.path().join("cut");
    std::fs::write(&cut, &std::fs::read(&file).unwrap()[..5_000]).unwrap();
    let empty = place.path().join("empty");
    std::fs::write(&empty, b"").unwrap();
    let out = place.path().join("out.csv");
    let (file, cut, empty, out) = (at(&file), at(&cut), at(&empty), at(&out));
    for (arguments, code, words) in [
        (vec!["info", "/nowhere/day"], 1, "no such file"),
        (vec!["info", empty], 1, "empty"),
        (vec!["info", TICKSPIN], 1, "not an"),
        (vec!["info", cut], 1, "cut inside record"),
        (vec!["dump", file, "--symbol", "XYZ"], 1, "no instrument XYZ"),
        (vec!["dump", file, "--symbol", "#x"], 2, "number"),
        (vec!["book", file, "--at", "soon"], 2, "--at soon"),
        (vec!["cut", file, "-o", out], 2, "--from or --to"),
        (vec!["cut", file, "-o", out, "--from", "23:00"], 1, "no event is left"),
        (vec!["convert", file, "-o", "out.xyz"], 2, "ends in none of"),
        (vec!["convert", file, "-o", cut], 2, "ends in none of"),
        (vec!["convert", file, "-o", "/nowhere/out.csv"], 1, "/nowhere"),
        (vec!["convert", file, "-o", out, "--symbol", "XYZ"], 1, "no instrument XYZ"),
    ] {
        let output = feed(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 2, "only what the test made");
}
