//! `tickspin lab price-of-the-kernel` with real packets: every transport has its numbers, and nothing
//! of it is left on the machine.
//!
//! It needs root and `ip`; without them it says `skipped:`, and with `TICKSPIN_NET_TESTS=require` that
//! is a failure.

mod place;

use place::{Place, SIGKILL};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tickspin_testkit::process::wait_until;

const SHORT: [&str; 6] =
    ["lab", "price-of-the-kernel", "--rounds=2", "--messages=2000", "-o=price", "--json"];
const ENVIRONMENT: i32 = 4;

/// Processes of this very program that still run (a namespace without a name lives by them alone), and
/// interfaces of the cable that are seen from here: what could be left behind.
fn left(place: &Place) -> (Vec<PathBuf>, Vec<String>) {
    let program = place.tickspin.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let ours = |path: &PathBuf| fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program);
    let interfaces = fs::read_dir("/sys/class/net").unwrap().flatten();
    let names = interfaces.map(|entry| entry.file_name().to_string_lossy().into_owned());
    (
        processes.filter(ours).collect(),
        names.filter(|name| name == "near0" || name == "far0").collect(),
    )
}

/// Whether a run failed for want of privilege or `ip`, said in one line.
fn is_skipped(code: i32, stderr: &str) -> bool {
    if code != ENVIRONMENT {
        return false;
    }
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|value| value == "require");
    assert!(!is_required, "network tests are required: {stderr}");
    println!("skipped: needs root, two cores and iproute2: {stderr}");
    true
}

fn check_way(way: &Value, name: &str) {
    let of = |key: &str, end: &str| way["one_way_ns"][key][end].as_f64().unwrap();
    for key in ["p50", "p90", "p99", "p999", "max"] {
        let (low, median, high) = (of(key, "low"), of(key, "median"), of(key, "high"));
        assert!(0.0 < low && low <= median && median <= high, "{name} {key}: {way}");
    }
    assert!(of("p50", "median") <= of("p99", "median"), "{name}: {way}");
    let rate = way["rate_per_s"]["median"].as_f64().unwrap();
    // A machine in use comes late; nobody comes early.
    assert!(0.0 < rate && rate < 150_000.0, "{name}: {rate} a second");
    assert!(way["lost"].as_u64().unwrap() < 2 * 2_000, "{name}: {way}");
}

/// Every message of a flood came, or somebody says where it went.
fn check_flood(flood: &Value, name: &str) {
    let of = |key: &str| flood[key].as_u64().unwrap();
    let sender = if cfg!(feature = "xdp") { "af_xdp" } else { "udp" };
    assert_eq!(flood["sender"], sender, "{name}");
    assert_eq!(of("sent"), 2 * 20_000, "{name}");
    assert_eq!(of("sent"), of("received") + of("lost"), "{name}: {flood}");
    assert_eq!(of("lost"), of("explained") + of("unexplained"), "{name}: {flood}");
    assert_eq!(of("unexplained"), 0, "{name}: {flood}");
    assert!(flood["rate_per_s"]["median"].as_f64().unwrap() > 0.0, "{name}: {flood}");
}

/// The log has a distribution for every tag, and the picture a curve for every transport.
fn check_raw(place: &Place, all: &[&str]) {
    let has_xdp = cfg!(feature = "xdp");
    let there = |name: &&&str| has_xdp || !name.starts_with("af_xdp");
    let all: Vec<&str> = all.iter().filter(there).copied().collect();
    let shown = place.run(&["hist", "show", "price/price.hlog", "--json"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let picture = fs::read_to_string(place.path("price/price.svg")).unwrap();
    for name in &all {
        assert!(picture.contains(name), "{name}");
        let tag = |tag: &str| shown.stdout.contains(&format!("\"{tag}\""));
        assert!(tag(name), "{name}: {}", shown.stdout);
        let from_af_xdp = tag(&format!("{name}_from_af_xdp"));
        assert_eq!(from_af_xdp, has_xdp && *name != "ring", "{name}: {}", shown.stdout);
    }
    assert!(!picture.contains("_from_af_xdp"));
}

#[test]
fn every_transport_has_its_price_and_nothing_is_left() {
    let place = Place::alone();
    let run = place.run(&SHORT);
    if is_skipped(run.code, &run.stderr) {
        return place.assert_nothing_made(&[]);
    }
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let written = fs::read(place.path("price/price.json")).unwrap();
    assert_eq!(report, serde_json::from_slice::<Value>(&written).unwrap());
    assert_eq!(report["payload_bytes"], 64);
    assert_eq!(report["rate_wished_per_s"], 100_000.0);
    let transports = report["transports"].as_object().unwrap();
    let names: Vec<&str> = transports.keys().map(String::as_str).collect();
    let all = ["af_packet", "af_xdp_generic", "af_xdp_native", "ring", "udp_block", "udp_spin"];
    assert_eq!(names, all);
    let has_xdp = cfg!(feature = "xdp");
    for (name, price) in transports {
        let is_xdp = name.starts_with("af_xdp");
        if is_xdp && !has_xdp {
            assert!(price.is_null(), "{name}: {price}");
            continue;
        }
        check_way(price, name);
        let bypassing = &price["with_af_xdp_sender"];
        assert_eq!(bypassing.is_object(), has_xdp && name != "ring", "{name}: {price}");
        if bypassing.is_object() {
            check_way(bypassing, name);
        }
        match name.as_str() {
            "ring" => assert!(price["saturated"].is_null(), "{price}"),
            _ => check_flood(&price["saturated"], name),
        }
        for key in ["empty_poll_ns", "drain_ns"] {
            assert!(price[key]["median"].as_f64().unwrap() > 0.0, "{name} {key}: {price}");
        }
        let mode = name.strip_prefix("af_xdp_").map(|mode| format!("{mode} mode"));
        let obtained = price["obtained"].as_str().unwrap_or_default();
        assert!(mode.is_none_or(|mode| obtained.contains(&mode)), "{name}: {obtained}");
    }
    let says = report["notes"].to_string().contains("--features xdp");
    assert_eq!(says, !has_xdp, "{}", report["notes"]);
    let text = fs::read_to_string(place.path("price/price.md")).unwrap();
    assert!(all.iter().all(|name| text.contains(&format!("| {name} | "))), "{text}");
    check_raw(&place, &all);
    assert_eq!(left(&place), (Vec::new(), Vec::new()));
    // Again into the same folder: refused, unless told to.
    let again = place.run(&SHORT);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
}

#[test]
fn a_kill_leaves_no_namespace_and_no_program() {
    let place = Place::alone();
    let lab = place.start(&["lab", "price-of-the-kernel", "--rounds=500", "-o=price"]);
    std::thread::sleep(Duration::from_secs(3));
    if lab.has_exited() {
        let lab = lab.finish_within(place::BOUND).unwrap();
        assert!(is_skipped(lab.code, &lab.stderr), "{}", lab.stderr);
        return;
    }
    lab.signal(SIGKILL).unwrap();
    let lab = lab.finish_within(place::BOUND).unwrap();
    assert_eq!(lab.left_behind, [0u32; 0]);
    assert!(wait_until(Duration::from_secs(5), || left(&place) == (Vec::new(), Vec::new())));
    // What a killed one had is free for the next.
    let run = place.run(&[&SHORT[..], &["--force"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn without_privilege_it_names_the_command_that_mends_it() {
    let place = Place::alone();
    // Nobody, who may read and run the program but make no namespace.
    let copy = std::env::temp_dir().join(format!("tickspin-price-{}", std::process::id()));
    fs::create_dir(&copy).unwrap();
    let program = copy.join("tickspin");
    fs::copy(&place.tickspin, &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["lab", "price-of-the-kernel", "-o", "price"]).current_dir(&copy);
    if tickspin_host::process::is_root() {
        std::os::unix::fs::chown(&copy, Some(65_534), Some(65_534)).unwrap();
        command.uid(65_534).gid(65_534);
    }
    let output = command.output();
    let has_folder = copy.join("price").exists();
    fs::remove_dir_all(&copy).unwrap();
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(ENVIRONMENT), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let has_cure = stderr.contains("sudo ") && stderr.contains("lab price-of-the-kernel");
    assert!(has_cure || stderr.contains("two cores"), "{stderr}");
    assert!(!has_folder, "a folder for results that there are not");
}

#[test]
fn counts_are_for_it_alone() {
    let place = Place::alone();
    let run = place.run(&["lab", "--rounds", "3"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("price-of-the-kernel"), "{}", run.stderr);
    place.assert_nothing_made(&[]);
}
