//! Merging: the same bytes in any grouping. Comparing side by side.

use crate::{Place, assert_fails, log};
use hdrhistogram::Histogram as Hdr;
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::hlog;

/// A log whose histograms have cells of their own.
fn other(digits: u8, high: u64, seed: u64, start_s: u64) -> Vec<u8> {
    let mut log = Vec::new();
    let start = UNIX_EPOCH + Duration::from_secs(start_s);
    let mut writer = hlog::Writer::begin(&mut log, start, &[format!("seed {seed}")]).unwrap();
    for (second, tag) in ["book", "mine", "", "book"].into_iter().enumerate() {
        let mut values = Hdr::<u64>::new_with_bounds(1, high, digits).unwrap();
        let mut state = seed + second as u64;
        for _ in 0..500 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            values.record((state >> 33) % high).unwrap();
        }
        let at = Duration::from_millis(start_s * 1_000 + second as u64 * 1_333);
        writer.values(tag, at, Duration::from_millis(999), &values).unwrap();
    }
    log
}

#[test]
fn any_grouping_and_order_gives_the_same_file() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.write("b.hlog", &other(3, 3_600_000_000, 7, 1_700_000_000));
    place.write("c.hlog", &other(2, 1_000_000, 8, 1_600_000_001));
    place.write("d.hlog", &other(4, 9_000, 9, 1_800_000_000));
    let merge = |from: &[&str], to: &str| {
        assert_eq!(place.good(&[&["merge"], from, &["-o", to]].concat()), "");
    };
    merge(&["a.hlog", "b.hlog", "c.hlog", "d.hlog"], "all.hlog");
    merge(&["a.hlog", "b.hlog"], "ab.hlog");
    merge(&["c.hlog", "d.hlog"], "cd.hlog");
    merge(&["ab.hlog", "cd.hlog"], "ab-cd.hlog");
    merge(&["b.hlog", "c.hlog"], "bc.hlog");
    merge(&["d.hlog", "bc.hlog", "a.hlog"], "d-bc-a.hlog");
    merge(&["all.hlog"], "again.hlog");
    let all = place.read("all.hlog");
    for name in ["ab-cd.hlog", "d-bc-a.hlog", "again.hlog"] {
        assert_eq!(place.read(name), all, "{name}");
    }
    let (separate, merged) = (
        place.json(&["a.hlog", "b.hlog", "c.hlog", "d.hlog", "--json"]),
        place.json(&["all.hlog", "--json"]),
    );
    for tag in ["book", "service", "mine", ""] {
        assert_eq!(separate["latency_ns"][tag], merged["latency_ns"][tag], "{tag}");
        assert_eq!(merged["intervals"][tag], 1);
    }
    assert_eq!(merged["latency_ns"]["book"]["count"], 3_000 + 3 * 1_000);
    assert_eq!(place.good(&["merge", "a.hlog", "b.hlog", "c.hlog", "d.hlog"]), all);
    assert_fails(&place.run(&["merge", "a.hlog", "-o", "all.hlog"]), 1, &["exists", "--force"]);
    assert_fails(&place.run(&["merge", "a.hlog", "-o", "all.csv"]), 2, &["all.csv", ".hlog"]);
}

#[test]
fn two_files_stand_beside_each_other() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.good(&["merge", "a.hlog", "a.hlog", "-o", "twice.hlog"]);
    let table = place.good(&["diff", "a.hlog", "twice.hlog", "--tag", "book"]);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["book", "count", "3,000", "6,000", "+3,000", "2.000"]);
    assert_eq!(rows[3], ["book", "p50", "500", "500", "0", "1.000"]);
    assert_eq!(rows.len(), 9);
    let json: Value =
        serde_json::from_str(&place.good(&["diff", "twice.hlog", "a.hlog", "--json"])).unwrap();
    assert_eq!(json["tags"]["book"]["count"]["difference"], -3_000);
    assert_eq!(json["tags"]["service"]["p99"]["ratio"], 1.0);
    place.write("b.hlog", &other(3, 1_000_000, 1, 0));
    let json: Value =
        serde_json::from_str(&place.good(&["diff", "a.hlog", "b.hlog", "--json"])).unwrap();
    assert!(json["tags"]["mine"]["p50"]["a"].is_null());
    assert!(json["tags"]["mine"]["p50"]["ratio"].is_null());
    place.good(&["convert", "b.hlog", "--tag", "mine", "-o", "mine.hlog"]);
    assert_fails(&place.run(&["diff", "a.hlog", "mine.hlog"]), 1, &["no tag in common", "mine"]);
    assert_fails(&place.run(&["diff", "a.hlog", "b.hlog", "--tag", "x"]), 2, &["--tag x"]);
    assert_fails(&place.run(&["diff", "a.hlog"]), 2, &["B"]);
}
