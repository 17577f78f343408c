//! What is missing, cut, hostile or in the way: no browser needed.

use crate::{Desk, assert_fails, log, seen, slow, text};
use serde_json::{Value, json};
use std::fs;

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&";

fn summary(host: &Value) -> Value {
    json!({
        "schema": "tickspin.summary/1", "run": HOSTILE, "source": HOSTILE, "ended": HOSTILE,
        "build": "b", "host": host, "rate": {"target": null, "achieved": 99_869.4},
        "events": {"sent": 30, "received": 29, "lost": 1, "overruns": 0, "warm_up": 1, "unknown_orders": 0},
        "certificate": null, "notes": [HOSTILE, "a second note"],
        "offset": {"median_ns": -3},
    })
}

#[test]
fn text_of_files_is_never_markup() {
    let desk = Desk::new();
    let mut said = summary(&json!({ HOSTILE: HOSTILE }));
    said["settings"] = json!({ "strategy": HOSTILE });
    desk.write("run/summary.json", said.to_string());
    desk.write(
        "run/a'<b>.hlog",
        log(&[("<svg/onload=alert(3)>", &[10, 20]), ("response", &[1])], 3),
    );
    let record = slow(1.0, "<i>", 5_000, HOSTILE);
    let engine = json!({ "slow": {"over_ns": 1, "samples": 2, "records": 1, "edges_ns": [1],
        "lost": {"records": 1, "samples": 1},
        "causes": [{"cause": HOSTILE, "samples": 2, "counts": [2]}]} });
    desk.write("run/engine.json", engine.to_string());
    desk.write("run/slow.jsonl", format!("{record}\n"));
    let page = desk.page(&["run"]);
    let lower = page.to_lowercase();
    for wrong in ["<img", "<i>", "<b>.hlog", "<svg/", "alert(1)<", "<script>alert"] {
        assert!(!lower.contains(wrong), "{wrong} stands in the page as it came");
    }
    // The data and ours: what follows ours is the end of the page.
    assert_eq!(lower.matches("<script").count(), 2);
    assert_eq!(lower.matches("</script>").count(), 2);
    let seen = seen(&page);
    for place in [HOSTILE, "a second note", "<svg/onload=alert(3)>", "<i>"] {
        assert!(seen.contains(place), "{place} is not shown: {seen}");
    }
    assert!(seen.matches(HOSTILE).count() >= 7, "{}", seen.matches(HOSTILE).count());
}

#[test]
fn the_policy_names_the_script_and_the_style_that_are_there() {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let desk = Desk::new();
    desk.write("a.hlog", log(&[("book", &[1, 2, 3])], 2));
    let page = desk.page(&["a.hlog"]).replace("&#x27;", "'").replace("&#x2f;", "/");
    let between = |open: &str, close: &str| {
        page.rsplit_once(open).unwrap().1.split_once(close).unwrap().0.to_owned()
    };
    for text in [between("<style>", "</style>"), between("<script>", "</script>")] {
        let hash = Sha256::digest(text.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        assert!(page.contains(&format!("'sha256-{hash}'")), "{hash} of {} bytes", text.len());
    }
    assert!(page.contains("content=\"default-src 'none';"), "no policy");
    assert!(!page.contains(" style=") && !page.contains("-inline"), "the policy forbids these");
    for outside in ["http://", "https://", "//cdn", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn what_is_not_there_is_said_and_not_made_up() {
    let desk = Desk::new();
    desk.write("run/other.hlog", log(&[("theirs", &[100, 200]), ("", &[7])], 4));
    let page = desk.page(&["run"]);
    let seen = seen(&page);
    for said in [
        "run",
        "source not recorded",
        "rate asked not recorded",
        "events lost not recorded",
        "pacing not recorded",
        "theirs",
        "(no tag)",
        "causes were not recorded",
        "not taken: the folder does not say which host",
    ] {
        assert!(seen.contains(said), "{said:?} is not in {seen}");
    }
    assert!(!seen.contains("schedule_lag not recorded"), "a log of others has none of our stages");

    desk.write("summary/summary.json", summary(&json!({"cpu": "a Z80"})).to_string());
    let seen = self::seen(&desk.page(&["summary"]));
    for said in [
        "none: as recorded, or as fast as it goes",
        "99,869/s",
        "1 lost, all accounted for",
        "no schedule",
        "other host: not taken",
        "no interval log with values",
        "offset.median_ns \u{2212}3",
    ] {
        assert!(seen.contains(said), "{said:?} is not in {seen}");
    }
    assert!(!page.contains("data-kind=\"curves\" data-decades=\"NaN\""));

    let mut lost = summary(&json!({}));
    lost["events"]["received"] = json!(20);
    desk.write("lost/summary.json", lost.to_string());
    let seen = self::seen(&desk.page(&["lost", "--no-doctor"]));
    assert!(
        seen.contains("9 unaccounted for") && seen.contains("left out (--no-doctor)"),
        "{seen}"
    );
}

#[test]
fn a_long_run_has_several_intervals_in_a_cell_and_says_so() {
    let desk = Desk::new();
    desk.write("run/engine.hlog", log(&[("book", &[3])], 1_000));
    let page = desk.page(&["run"]);
    assert!(seen(&page).contains("A cell holds up to 5 intervals"), "{}", seen(&page));
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(data).unwrap();
    let row = &data["strip"]["rows"][0];
    assert_eq!((&row["per"], row["cells"].as_array().unwrap().len()), (&json!(5), 200));
    // The first cell: five seconds from the start, five values, the largest of them 3 ns times 5.
    assert_eq!(row["cells"][0], json!([0.0, 5.0, 5, 15, 15, 15]));
    assert_eq!(data["curves"]["book"]["total"], 1_000);
}

#[test]
fn a_packed_log_is_shown_and_stays_packed_in_the_page() {
    use base64::Engine as _;
    let desk = Desk::new();
    let packed = zstd::encode_all(&log(&[("book", &[7])], 3)[..], 0).unwrap();
    desk.write("run/engine.hlog.zst", &packed);
    let page = desk.page(&["run"]);
    assert!(seen(&page).contains("book 3 7 14 21"), "{}", seen(&page));
    let link = "download=\"engine.hlog.zst\" href=\"data:application/octet-stream;base64,";
    let encoded = page.split_once(link).unwrap().1.split_once('"').unwrap().0;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    assert!(bytes == packed);
}

#[test]
fn logs_and_summary_that_contradict_each_other_are_found_out() {
    let desk = Desk::new();
    let mut said = summary(&json!({}));
    let of = |max: u64| json!({"count": 3, "min": 1, "p50": 1, "p90": 1, "p99": 1, "p999": 1, "p9999": 1, "max": max});
    desk.write("run/engine.hlog", log(&[("book", &[1])], 1));
    said["latency_ns"] = json!({ "book": of(1) });
    said["latency_ns"]["book"]["count"] = json!(1);
    desk.write("run/summary.json", said.to_string());
    assert!(!seen(&desk.page(&["run"])).contains("not of one run"));
    said["latency_ns"] = json!({ "book": of(9) });
    desk.write("run/summary.json", said.to_string());
    let seen = seen(&desk.page(&["run"]));
    assert!(
        seen.contains("the logs give 1, summary.json says 3; they are not of one run"),
        "{seen}"
    );
}

#[test]
fn objectives_decide_the_exit_code_and_the_page_is_written_all_the_same() {
    let desk = Desk::new();
    desk.write("run/engine.hlog", log(&[("service", &[4_000])], 3));
    let rules = ["--slo", "service p50 < 5us", "--slo", "service max < 15us"];
    let output = desk.report(&[&["run", "-o", "a.html"], &rules[..]].concat());
    assert_fails(&output, 3, &["1 of 2 rules broken"]);
    assert!(text(&output.stdout).starts_with("a.html: "), "{}", text(&output.stdout));
    let seen = seen(&desk.read("a.html"));
    assert!(seen.contains("SLO 1 of 2 broken"), "{seen}");
    assert!(seen.contains("SLO over by 1.6x") && seen.contains("SLO ok"), "{seen}");
    let output = desk.report(&["run", "--json", "--slo", "service max < 1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["rules"][0]["ok"], true);
    assert_eq!(said["verdicts"][0]["word"], "met");
    assert_eq!(said["bytes"], fs::metadata(desk.path("run/report.html")).unwrap().len());
    let output = desk.report(&["run", "-o", "b.html", "--slo", "nowhere p50 < 1s"]);
    assert_fails(&output, 1, &["no such tag", "service"]);
    assert!(self::seen(&desk.read("b.html")).contains("1 not checked"));
    assert_fails(&desk.report(&["run", "-o", "c.html", "--slo", "service p50"]), 2, &["--slo"]);
    assert!(!desk.path("c.html").exists());
    // Budgets stand in where nobody names an objective: 12 µs is over the 5 µs of the whole loop.
    let seen = self::seen(&desk.page(&["run"]));
    assert!(
        seen.contains("budgets over at p50") && seen.contains("p50 of service: over by 1.6x"),
        "{seen}"
    );
}

#[test]
fn a_cut_file_is_used_up_to_its_cut_and_code_1() {
    let desk = Desk::new();
    let whole = log(&[("book", &[1, 2, 3])], 3);
    desk.write("run/engine.hlog", &whole[..whole.len() - 20]);
    let output = desk.report(&["run"]);
    assert_fails(&output, 1, &["engine.hlog", "cut inside its last line"]);
    let page = desk.read("run/report.html");
    assert!(seen(&page).contains("cut inside its last line"), "the page hides the cut");
    desk.write("run/engine.hlog", &whole);
    let record = slow(1.0, "interrupt", 9_000, "why").to_string();
    desk.write("run/slow.jsonl", format!("{record}\n{}", &record[..30]));
    let output = desk.report(&["run", "--force"]);
    assert_fails(&output, 1, &["slow.jsonl", "30 bytes of it dropped"]);
    assert!(
        seen(&desk.read("run/report.html")).contains("interrupt (likely) 9,000 ns at 1.000000 s")
    );
}

#[test]
fn what_cannot_be_shown_is_one_line_and_no_page() {
    let desk = Desk::new();
    let good = log(&[("book", &[1])], 1);
    fs::create_dir(desk.path("empty")).unwrap();
    desk.write("none/a.hlog", b"");
    desk.write("foreign/a.hlog", b"PK\x03\x04 this is no log\nat all\n");
    desk.write("json/summary.json", b"{\"run\": ");
    desk.write("list/summary.json", b"[1]");
    desk.write("slow/a.hlog", &good);
    desk.write("slow/slow.jsonl", b"{}\nno\n{}\n");
    let cases: [(&str, &[&str]); 7] = [
        ("empty", &["nothing to report", ".hlog"]),
        ("nowhere", &["nowhere", "no such file"]),
        ("none", &["none/a.hlog", "empty"]),
        ("foreign", &["foreign/a.hlog", "not an interval log"]),
        ("json", &["json/summary.json"]),
        ("list", &["list/summary.json", "not a JSON object"]),
        ("slow", &["slow/slow.jsonl", "line 2"]),
    ];
    for (folder, words) in cases {
        let output = desk.report(&[folder, "-o", "out.html"]);
        assert_fails(&output, 1, words);
        assert_eq!(text(&output.stdout), "", "{folder}");
        assert!(!desk.path("out.html").exists(), "{folder} left a page");
    }
}

#[test]
fn nothing_is_overwritten_unasked_and_a_place_that_cannot_be_written_is_code_4() {
    let desk = Desk::new();
    desk.write("run/a.hlog", log(&[("book", &[1])], 1));
    desk.write("old.html", "mine");
    assert_fails(&desk.report(&["run", "-o", "old.html"]), 1, &["old.html", "--force"]);
    assert_eq!(desk.read("old.html"), "mine");
    assert_eq!(desk.report(&["run", "-o", "old.html", "--force"]).status.code(), Some(0));
    assert!(desk.read("old.html").starts_with("<!DOCTYPE html>"));
    let stdout = desk.report(&["run", "-o", "-"]);
    assert!(stdout.stdout.starts_with(b"<!DOCTYPE html>") && stdout.stdout.ends_with(b"</html>\n"));
    assert!(!desk.path("run/report.html").exists());
    assert_fails(&desk.report(&["run", "-o", "-", "--json"]), 2, &["--json"]);
    // Root may write everywhere; a file system that nobody can write stands in.
    assert_fails(&desk.report(&["run", "-o", "/sys/tickspin.html"]), 4, &["/sys/tickspin.html"]);
    assert_fails(&desk.report(&["run", "-o", "nowhere/a.html"]), 1, &["nowhere/a.html"]);
}

#[test]
fn parts_without_a_summary_are_joined_and_said_to_be() {
    let desk = Desk::new();
    let feed = json!({ "run": "half", "source": "a market", "sent": 5, "notes": ["of the feed"] });
    desk.write("half/feed.json", feed.to_string());
    let seen = seen(&desk.page(&["half"]));
    for said in ["half", "a market", "events sent 5", "events received not recorded", "of the feed"]
    {
        assert!(seen.contains(said), "{said:?} is not in {seen}");
    }
}
