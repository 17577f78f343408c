//! The main job with real processes: hashes that repeat, books equal to a naive twin's, every
//! event accounted for, and each way a run can end.
//!
//! Spinners need cores of their own, so the tests take turns, across test programs too.

mod place;

use place::{BOUND, Place, SIGINT, SIGKILL, SIGSTOP, SIGTERM, data, is_alive, kill};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tickspin_recording::ItchFile;
use tickspin_testkit::process::wait_until;
use tickspin_testkit::twin::Twin;

/// Sent = received, nothing lost, every order arrived and was answered.
fn assert_accounted(summary: &Value) {
    let events = &summary["events"];
    assert_eq!(events["sent"], events["received"], "{events}");
    assert_eq!(events["lost"], 0, "{events}");
    assert_eq!(events["overruns"], 0, "{events}");
    assert_eq!(summary["orders"]["sent"], summary["orders"]["received"], "{}", summary["orders"]);
}

fn hash(summary: &Value, of: &str) -> String {
    summary[of]["hash"].as_str().unwrap_or_else(|| panic!("no hash of {of}: {summary}")).to_owned()
}

/// The naive book over all events of a recording, and the number of its messages.
fn twin_of(path: &str) -> (Twin, u64) {
    let mut file = ItchFile::open(path).unwrap();
    let mut twin = Twin::new();
    while let Some(event) = file.next_event().unwrap() {
        twin.apply(&event);
    }
    (twin, file.messages())
}

fn assert_equals_twin(summary: &Value, path: &str) {
    let (twin, messages) = twin_of(path);
    let counts = twin.counts();
    assert_eq!(summary["events"]["sent"], messages, "each message is one event");
    assert_eq!(summary["events"]["unknown_orders"], counts.unknown_orders);
    assert_eq!(summary["book"]["orders"], twin.open_orders() as u64);
    let hex: String =
        Sha256::digest(twin.lines()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash(summary, "book"), hex, "book against twin");
}

const AAPL: &str = "itch/aapl_20190130_first3000.itch50";
const ES_MBO: &str = "dbn/es_mbo_20240508_2s.dbn.zst";

#[test]
fn in_lockstep_the_same_seed_gives_the_same_hashes_and_another_one_others() {
    let place = Place::new();
    let run = |out: &str, seed: &str| {
        let arguments = ["--lockstep", "--count", "5000", "--rate", "1000000", "--seed", seed];
        let summary = place.summary(out, &arguments);
        assert_accounted(&summary);
        assert!(summary["orders"]["sent"].as_u64().unwrap() > 100, "{}", summary["orders"]);
        (hash(&summary, "orders"), hash(&summary, "book"))
    };
    let first = run("a", "7");
    assert_eq!(first, run("b", "7"));
    let other = run("c", "8");
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn without_lockstep_orders_have_no_hash_and_every_field_of_the_contract_is_there() {
    let place = Place::new();
    let arguments = ["run", "--json", "-o", "out", "--rate", "50000", "--duration", "1s"];
    let finished = place.run(&[&arguments[..], &["--strategy", "market-maker"]].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_accounted(&summary);
    assert!(summary["orders"]["hash"].is_null());
    let numbers = [
        "/clock/read_ns",
        "/clock/step_ns",
        "/clock/error_ppm",
        "/floor_ns/one_way",
        "/floor_ns/round_trip",
        "/ring_one_way_ns/p50",
        "/rate/target",
        "/rate/achieved",
        "/events/sent",
        "/events/received",
        "/events/lost",
        "/events/overruns",
        "/orders/sent",
        "/orders/received",
        "/orders/acknowledged",
        "/orders/filled",
        "/orders/rejected",
        "/orders/refused",
        "/feed/turn_p99_ns",
        "/feed/largest_gap_ns",
        "/engine/minor_faults",
        "/engine/involuntary_switches",
        "/engine/steal_ns",
        "/engine/largest_gap_ns",
        "/certificate/events",
        "/certificate/within_100ns",
        "/certificate/within_1us",
        "/certificate/within_10us",
        "/certificate/excluded",
        "/certificate/excluded_share",
        "/certificate/host_gaps",
        "/certificate/host_gap_ns",
        "/certificate/worst_lag_ns",
        "/certificate/achieved_rate",
        "/certificate/target_rate",
    ];
    for name in numbers {
        let value = summary.pointer(name);
        assert!(value.is_some_and(Value::is_number), "{name}: {value:?}");
    }
    for name in ["/schema", "/placement/before", "/placement/after", "/book/hash", "/host/cpu"] {
        assert!(summary.pointer(name).is_some_and(Value::is_string), "{name}");
    }
    let verdict = summary["certificate"]["verdict"].as_str().unwrap();
    assert!(["held", "not held", "host too noisy"].contains(&verdict), "{verdict}");
    let measured = &summary["latency_ns"]["schedule_lag"]["count"];
    assert_eq!(&summary["certificate"]["events"], measured);
    assert!(summary["recording"].is_null());
    for stage in [
        "schedule_lag",
        "ring_wait",
        "book",
        "strategy",
        "risk_order",
        "tick_to_order",
        "tick_to_order_exchange",
        "service",
        "response",
    ] {
        let stage = &summary["latency_ns"][stage];
        for key in ["count", "min", "p50", "p90", "p99", "p999", "p9999", "max"] {
            assert!(stage[key].as_u64().is_some(), "{key}: {stage}");
        }
        assert!(stage["count"].as_u64() > Some(0), "{stage}");
    }
    assert_eq!(summary["rate"]["target"], 50_000.0);
    for file in ["summary.json", "feed.json", "engine.json", "feed.hlog", "engine.hlog"] {
        assert!(place.path("out").join(file).exists(), "{file}");
    }
    assert!(place.path("out/response.hgrm").exists());
    let again = place.run(&["run", "--no-probe", "--count", "1", "-o", "out"]);
    assert_eq!(again.code, 1, "{}", again.stderr);
    assert!(again.stderr.contains("--force") && again.stderr.trim().lines().count() == 1);
}

#[test]
fn real_recordings_end_with_the_books_of_the_naive_twin() {
    let place = Place::new();
    let days = ["nasdaq", "bx", "psx"].map(|venue| format!("itch/{venue}_20230822.itch50"));
    for (index, name) in [AAPL].into_iter().chain(days.iter().map(String::as_str)).enumerate() {
        let Some(path) = data(name) else { continue };
        let summary = place.summary(&format!("free-{index}"), &[&path, "--speed", "max"]);
        assert_accounted(&summary);
        assert_equals_twin(&summary, &path);
    }
    for (index, name) in [AAPL].into_iter().chain(days.iter().map(String::as_str)).enumerate() {
        let Some(path) = data(name) else { continue };
        let [one, other] = ["a", "b"].map(|run| {
            let out = format!("{run}-{index}");
            place.summary(&out, &[&path, "--speed", "max", "--lockstep", "--warm-up", "5"])
        });
        for summary in [&one, &other] {
            assert_accounted(summary);
            assert_equals_twin(summary, &path);
        }
        assert_eq!(hash(&one, "orders"), hash(&other, "orders"), "{name}");
        assert!(name != AAPL || one["orders"]["sent"].as_u64() > Some(100), "{}", one["orders"]);
    }
}

#[test]
fn at_any_speed_the_same_file_gives_the_same_orders_and_books() {
    let place = Place::new();
    for (index, (name, speed)) in [(AAPL, "20"), (ES_MBO, "10")].into_iter().enumerate() {
        let Some(path) = data(name) else { continue };
        let [fast, paced] = ["max", speed].map(|speed| {
            let out = format!("{index}-{speed}");
            let arguments = [path.as_str(), "--speed", speed, "--lockstep", "--strategy", "probe"];
            place.summary(&out, &arguments)
        });
        assert_accounted(&fast);
        assert_eq!(fast["events"], paced["events"], "{name}");
        for of in ["orders", "book"] {
            assert_eq!(hash(&fast, of), hash(&paced, of), "{of} of {name}");
        }
        assert!(fast["orders"]["sent"].as_u64() > Some(0), "{name}");
        assert!(fast["certificate"].is_null(), "no schedule, no certificate");
        assert!(paced["certificate"]["events"].as_u64() > Some(100), "{name}");
        assert_eq!(fast["recording"], paced["recording"]);
    }
}

#[test]
fn several_files_are_one_stream_and_only_the_wanted_instruments_pass() {
    let place = Place::new();
    let venues =
        ["nasdaq", "bx", "psx"].map(|venue| data(&format!("itch/{venue}_20230822.itch50")));
    let [Some(nasdaq), Some(bx), Some(psx)] = venues else { return };
    let files = [nasdaq.as_str(), &bx, &psx, "--speed", "max", "--lockstep"];
    let summary = place.summary("merged", &files);
    assert_accounted(&summary);
    assert_eq!(summary["events"]["sent"], 218, "{}", summary["events"]);
    assert_eq!(summary["recording"]["messages"], 218);
    let again = place.summary("again", &files);
    assert_eq!(hash(&summary, "book"), hash(&again, "book"));
    let wanted = place.summary("none", &[&files[..], &["--symbols", "NOSUCH,ZZ"]].concat());
    let note = "what was played has no NOSUCH, ZZ";
    assert!(wanted["notes"].to_string().contains(note), "{}", wanted["notes"]);
    assert_eq!(wanted["book"]["orders"], 0);
    assert!(wanted["events"]["sent"].as_u64() < summary["events"]["sent"].as_u64());
}

#[test]
fn what_lies_before_from_is_delivered_unmeasured_and_a_loop_clears_the_books() {
    let place = Place::new();
    let Some(path) = data(AAPL) else { return };
    let from = ["--from", "09:30:00", "--speed", "1", "--duration", "1s"];
    let summary = place.summary("from", &[&[path.as_str()], &from[..]].concat());
    assert_accounted(&summary);
    let warm_up = summary["events"]["warm_up"].as_u64().unwrap();
    let received = summary["events"]["received"].as_u64().unwrap();
    assert!(warm_up > 0 && warm_up < received, "{}", summary["events"]);
    let measured = summary["latency_ns"]["service"]["count"].as_u64().unwrap();
    assert_eq!(measured, received - warm_up);
    let whole = ["--from", "09:30:00", "--speed", "20"];
    let summary = place.summary("whole", &[&[path.as_str()], &whole[..]].concat());
    assert_accounted(&summary);
    assert_equals_twin(&summary, &path);

    let looped = ["--loop", "--speed", "max", "--duration", "1s"];
    let summary = place.summary("loop", &[&[path.as_str()], &looped[..]].concat());
    assert_accounted(&summary);
    assert!(summary["events"]["sent"].as_u64() > Some(2 * 3_000), "{}", summary["events"]);
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let place = Place::new();
    let run = |out: &str, seed: &str| {
        let length = ["--rate", "2000", "--duration", "1s", "--seed", seed];
        let fixed = ["run", "--json", "--no-probe", "-o", out];
        place.start(&[&fixed[..], &length[..]].concat())
    };
    let both = [run("one", "1"), run("two", "2")];
    for running in both {
        let finished = running.finish_within(BOUND).unwrap();
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert_accounted(&serde_json::from_str(&finished.stdout).unwrap());
    }
    assert_ne!(place.read("one")["run"], place.read("two")["run"]);
    place.assert_no_run_left();
}

#[test]
fn a_second_run_of_the_same_name_is_refused_with_the_owner_named() {
    let place = Place::new();
    let long = ["run", "--no-probe", "--name", "x", "--rate", "1000", "--duration", "30s"];
    let first = place.start(&[&long[..], &["-o", "first"]].concat());
    let (feed, _) = place.wait_for_flow("x");
    let second = place.run(&[&long[..], &["-o", "second"]].concat());
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("process {feed}")), "{}", second.stderr);
    assert!(!place.path("second").exists());
    first.signal(SIGINT).unwrap();
    assert_eq!(first.finish_within(BOUND).unwrap().code, 130);
}

#[test]
fn a_signal_ends_the_run_early_with_its_files_written() {
    let place = Place::new();
    for (signal, code, out) in [(SIGINT, 130, "int"), (SIGTERM, 143, "term")] {
        let long = ["run", "--json", "--no-probe", "--name", out, "-o", out];
        let running = place.start(&[&long[..], &["--rate", "10000", "--duration", "30s"]].concat());
        place.wait_for_flow(out);
        running.signal(signal).unwrap();
        let finished = running.finish_within(Duration::from_secs(15)).unwrap();
        assert_eq!(finished.code, code, "{}", finished.stderr);
        let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_accounted(&summary);
        assert!(summary["events"]["received"].as_u64() > Some(0));
        assert_eq!(summary, place.read(out));
        place.assert_no_run_left();
    }
}

#[test]
fn the_death_of_one_process_is_told_and_what_is_left_is_kept() {
    let place = Place::new();
    for (index, role) in ["engine", "feed"].into_iter().enumerate() {
        let long = ["run", "--no-probe", "--name", role, "-o", role, "--rate", "1000"];
        let running = place.start(&[&long[..], &["--duration", "30s"]].concat());
        let (feed, engine) = place.wait_for_flow(role);
        kill([engine, feed][index], SIGKILL);
        let finished = running.finish_within(Duration::from_secs(15)).unwrap();
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        assert!(finished.stderr.contains("signal 9"), "{}", finished.stderr);
        let kept = [("feed.json", index == 0), ("engine.json", index == 1)];
        for (file, is_kept) in kept {
            assert_eq!(place.path(role).join(file).exists(), is_kept, "{role} killed: {file}");
        }
        place.assert_no_run_left();
    }
}

#[test]
fn after_a_kill_of_everything_the_next_run_starts_clean() {
    let place = Place::new();
    let named = ["run", "--no-probe", "--name", "x", "--rate", "1000"];
    let running = place.start(&[&named[..], &["--duration", "30s", "-o", "dead"]].concat());
    let (feed, engine) = place.wait_for_flow("x");
    // Stopped first, so that it neither sees the death of the others nor cleans behind them.
    running.signal(SIGSTOP).unwrap();
    for pid in [feed, engine] {
        kill(pid, SIGKILL);
    }
    running.kill().unwrap();
    assert!(wait_until(Duration::from_secs(5), || !is_alive(feed) && !is_alive(engine)));
    drop(running);
    assert!(place.runtime.path().join("tickspin/x").exists(), "nothing was left to clean");
    // The kernel frees a dead process's locks with its last thread, some ms after it looks dead.
    let mut list = Value::Null;
    let is_seen = wait_until(Duration::from_secs(5), || {
        list = place.ring_ls();
        list["removed"] == serde_json::json!(["x"])
    });
    assert!(is_seen && list["runs"] == serde_json::json!([]), "{list}");
    place.assert_no_run_left();
    let finished = place.run(&[&named[..], &["--count", "500", "-o", "next"]].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_accounted(&place.read("next"));
}

#[test]
fn both_programs_end_when_tickspin_is_killed() {
    let place = Place::new();
    let named = ["run", "--no-probe", "--name", "x", "--rate", "1000", "-o", "out"];
    let running = place.start(&[&named[..], &["--duration", "60s"]].concat());
    let (feed, engine) = place.wait_for_flow("x");
    running.kill().unwrap();
    let are_gone = || !is_alive(feed) && !is_alive(engine);
    assert!(wait_until(Duration::from_secs(10), are_gone), "they outlived it");
    drop(running);
    for part in ["feed.json", "engine.json"] {
        assert!(place.path("out").join(part).exists(), "{part}");
    }
    place.assert_no_run_left();
}

#[test]
fn a_live_run_is_listed_and_shown_without_disturbing_it() {
    let place = Place::new();
    let named = ["run", "--json", "--no-probe", "--name", "seen", "-o", "out"];
    let length = ["--rate", "20000", "--duration", "4s", "--strategy", "probe"];
    let running = place.start(&[&named[..], &length[..]].concat());
    place.wait_for_flow("seen");
    let run = &place.ring_ls()["runs"][0];
    let rings = run["rings"].as_array().unwrap();
    let labels: Vec<_> = rings.iter().map(|ring| ring["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["events", "requests", "reports"], "{run}");
    for ring in rings {
        assert_eq!(ring["state"], "run", "{ring}");
        assert_eq!(
            (&ring["producer_beats"], &ring["consumer_beats"]),
            (&true.into(), &true.into())
        );
    }
    let output =
        place.command(&["ring", "show", "seen", "--json", "--limit", "3"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    for ring in ["events", "requests", "reports"] {
        let slots = shown["slots"][ring].as_array().unwrap();
        assert!(!slots.is_empty() && slots.len() <= 3, "{ring}: {slots:?}");
        assert!(!slots[0]["kind"].as_str().unwrap().starts_with("foreign"), "{}", slots[0]);
    }
    for process in ["feed", "engine"] {
        assert!(!shown["counters"][process].as_object().unwrap().is_empty(), "{process}");
    }
    let text = place.command(&["ring", "show", "seen"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("latest in events") && text.contains("kind="), "{text}");
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_accounted(&place.read("out"));
}

#[test]
fn what_cannot_run_is_one_line_a_code_and_leaves_nothing() {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| fs::write(place.path(name), bytes).unwrap();
    write("empty.itch50", b"");
    write("foreign.itch50", b"PK\x03\x04 this is no recording of any venue, but it is long enough");
    write("key.toml", b"[feed]\n[mistake]\nx = 1\n");
    write("engine.toml", b"[engine.run]\nnonsense = 1\n");
    write("feed.toml", b"[feed]\nnonsense = 1\n");
    write("broken.toml", b"[feed\n");
    fs::create_dir(place.path("locked")).unwrap();
    fs::set_permissions(place.path("locked"), fs::Permissions::from_mode(0o500)).unwrap();
    let inputs = [
        "empty.itch50",
        "foreign.itch50",
        "key.toml",
        "engine.toml",
        "feed.toml",
        "broken.toml",
        "locked",
    ];
    let cases: [(&[&str], i32, &str); 11] = [
        (&["nowhere.itch50"], 1, "nowhere.itch50"),
        (&["empty.itch50"], 1, "empty"),
        (&["foreign.itch50"], 1, "foreign.itch50"),
        (&["--config", "key.toml"], 2, "mistake"),
        (&["--config", "engine.toml"], 2, "engine.toml [engine]"),
        (&["--config", "feed.toml"], 2, "feed.toml [feed]"),
        (&["--config", "broken.toml"], 1, "broken.toml"),
        (&["--config", "nowhere.toml"], 1, "nowhere.toml"),
        (&["-o", "key.toml/out"], 1, "key.toml/out"),
        (&["--name", "a/b"], 2, "a/b"),
        (&["--cores", "0,4000"], 2, "4000"),
    ];
    for (arguments, code, word) in cases {
        let fixed = ["run", "--no-probe", "--json"];
        let finished = place.run(&[&fixed[..], arguments].concat());
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(word), "{word:?} is not in {:?}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        place.assert_nothing_made(&inputs);
    }
    // Root may write everywhere; a file system that nobody can write stands in.
    let is_root = fs::write(place.path("locked/x"), b"").is_ok();
    let locked = if is_root { "/sys/tickspin-out" } else { "locked/out" };
    let finished = place.run(&["run", "--no-probe", "-o", locked]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
    place.assert_nothing_made(&inputs);
}

#[test]
fn a_forced_run_that_comes_to_nothing_leaves_the_old_results_as_they_were() {
    let place = Place::new();
    fs::write(place.path("foreign"), b"PK\x03\x04 this is no recording of any venue at all")
        .unwrap();
    let fixed = ["run", "--no-probe", "--json", "-o", "out", "--force"];
    let left = || {
        let entries = fs::read_dir(place.path("out")).unwrap().flatten();
        let mut left: Vec<_> =
            entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
        left.sort();
        left
    };
    let summary = place.summary("out", &["--count", "500", "--seed", "1"]);
    // The rate that tickspin measures the ring at when nobody gives one: two programs know it.
    assert_eq!(summary["rate"]["target"], 100_000.0);
    let old = left();
    for arguments in [&["foreign"][..], &["nowhere"], &["--cores", "0,99999"]] {
        let finished = place.run(&[&fixed[..], arguments].concat());
        assert_ne!(finished.code, 0, "{arguments:?}");
        assert!(left() == old, "{arguments:?} changed what was there");
    }
    let finished = place.run(&[&fixed[..], &["--count", "700", "--seed", "2"]].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(place.read("out")["events"]["sent"], 700);
    let waits = left().iter().any(|(name, _)| name.to_string_lossy().starts_with('.'));
    assert!(
        !waits,
        "the old results still wait: {:?}",
        left().iter().map(|of| &of.0).collect::<Vec<_>>()
    );
}

#[test]
fn a_cut_recording_delivers_what_is_whole_and_fails() {
    let place = Place::new();
    let Some(path) = data(AAPL) else { return };
    let whole = fs::read(&path).unwrap();
    fs::write(place.path("cut.itch50"), &whole[..50_001]).unwrap();
    let cut = ["run", "--json", "--no-probe", "cut.itch50", "--speed", "max", "-o", "out"];
    let finished = place.run(&cut);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("cut.itch50"), "{}", finished.stderr);
    let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_accounted(&summary);
    let sent = summary["events"]["sent"].as_u64().unwrap();
    assert!((1_000..3_000).contains(&sent), "{sent}");
    place.assert_no_run_left();
}
