//! The command line without an engine: one clear line, the exit code of the contract, nothing left.

use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tickspin_wire::binaryfile::write_record;
use tickspin_wire::itch50::{self, Header, Message, SystemEvent};

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn feed(folder: &Path, arguments: &[&str]) -> Run {
    feed_with(folder, &[], arguments)
}

fn feed_with(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::cargo_bin("feed-sim").unwrap();
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).args(arguments);
    command.envs(variables.iter().copied()).timeout(Duration::from_secs(20));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// It fails with `code` and one line that names `words`, and leaves nothing but `files`.
fn fails(folder: &Path, run: &Run, code: i32, words: &[&str], files: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "one line: {}", run.stderr);
    assert!(run.stderr.starts_with("feed-sim: "), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} in {}", run.stderr);
    }
    assert_eq!(run.stdout, "", "nothing but the error");
    let left = names(folder);
    assert_eq!(left, files, "left behind");
}

/// Names in a folder, the runtime directory's own left out once it is empty.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let of = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(name);
    let runs: Vec<String> = of(&folder.join("tickspin")).filter(|name| name != ".lock").collect();
    assert!(runs.is_empty(), "left in the runtime directory: {runs:?}");
    let mut names: Vec<String> = of(folder).filter(|name| name != "tickspin").collect();
    names.sort();
    names
}

/// A small recording: so many system events.
fn recording(messages: u64) -> Vec<u8> {
    let mut file = Vec::new();
    for index in 0..messages {
        let header = Header { locate: 0, tracking: 0, timestamp_ns: 1_000 * index };
        let (mut message, mut record) = ([0; 64], [0; 66]);
        let event = Message::SystemEvent(SystemEvent { header, event: b'O' });
        let len = itch50::encode(&event, &mut message).unwrap();
        let len = write_record(&message[..len], &mut record).unwrap();
        file.extend_from_slice(&record[..len]);
    }
    file
}

#[test]
fn the_build_id_stands_alone_on_one_line() {
    let folder = folder();
    let run = feed(folder.path(), &["--build-id"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1));
    assert_eq!(run.stderr, "");
    assert!(run.stdout.starts_with(env!("CARGO_PKG_VERSION")), "{}", run.stdout);
}

#[test]
fn help_and_version_are_answers() {
    let folder = folder();
    for arguments in [&["--help"][..], &["synth", "--help"], &["replay", "--help"], &["--version"]]
    {
        let run = feed(folder.path(), arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!run.stdout.is_empty());
    }
}

#[test]
fn wrong_usage_is_one_line_and_2() {
    let folder = folder();
    let cases: [(&[&str], &str); 27] = [
        (&[], "synth, or replay FILE"),
        (&["fly"], "fly"),
        (&["synth", "--bogus"], "--bogus"),
        (&["replay"], "FILE"),
        (&["synth", "--rate", "-5"], "-5"),
        (&["synth", "--rate", "fast"], "--rate"),
        (&["synth", "--speed", "5000"], "speed"),
        (&["synth", "--speed", "quick"], "speed"),
        (&["synth", "--duration", "5"], "duration"),
        (&["synth", "--count", "0"], "--count"),
        (&["synth", "--instruments", "0"], "instruments"),
        (&["synth", "--burst", "0.5"], "burst"),
        (&["synth", "--burst", "2,10"], "burst_share"),
        (&["synth", "--ring-slots", "1000"], "ring_slots"),
        (&["synth", "--ahead", "3"], "ahead"),
        (&["synth", "--policy", "overwrite"], "--policy"),
        (&["synth", "--policy", "drop", "--lockstep"], "policy"),
        (&["synth", "--fifo", "100"], "--fifo"),
        (&["synth", "--name", "../x"], "name"),
        (&["synth", "--wait-peer", "never"], "wait_peer"),
        (&["synth", "--from", "09:30"], "from"),
        (&["synth", "--loop"], "loop"),
        (&["synth", "--to", "#5"], "to"),
        (&["synth", "--symbols", "A,B"], "symbols"),
        (&["synth", "--parts"], "parts"),
        (&["replay", "day", "--from", "9h30"], "from"),
        (&["replay", "day", "--to", "#"], "to"),
    ];
    for (arguments, word) in cases {
        fails(folder.path(), &feed(folder.path(), arguments), 2, &[word], &[]);
    }
}

#[test]
fn unknown_keys_are_named_wherever_they_stand() {
    let folder = folder();
    fs::write(folder.path().join("a.toml"), "rate = 5.0\nspede = 1\n").unwrap();
    let run = feed(folder.path(), &["synth", "--config", "a.toml"]);
    fails(folder.path(), &run, 2, &["spede", "a.toml", "unknown key", "speed"], &["a.toml"]);
    fs::write(folder.path().join("a.toml"), "rate = \"five\"\n").unwrap();
    let run = feed(folder.path(), &["synth", "--config", "a.toml"]);
    fails(folder.path(), &run, 2, &["rate", "a.toml"], &["a.toml"]);
    fs::write(folder.path().join("a.toml"), "rate = = 5\n").unwrap();
    let run = feed(folder.path(), &["synth", "--config", "a.toml"]);
    fails(folder.path(), &run, 1, &["a.toml", "line 1"], &["a.toml"]);
    let run = feed(folder.path(), &["synth", "--config", "none.toml"]);
    fails(folder.path(), &run, 1, &["none.toml"], &["a.toml"]);
    let run = feed_with(folder.path(), &[("TICKSPIN_FEED_SPEDE", "1")], &["synth"]);
    fails(folder.path(), &run, 2, &["spede", "TICKSPIN_FEED_SPEDE"], &["a.toml"]);
}

#[test]
fn files_that_cannot_be_replayed_are_told_apart() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("empty"), b"").unwrap();
    fs::write(path.join("foreign"), b"PK\x03\x04 no recording of any venue, but long enough")
        .unwrap();
    let whole = recording(3);
    fs::write(path.join("cut"), &whole[..7]).unwrap();
    let files = ["cut", "empty", "foreign"];
    let replay = |file: &str| feed(path, &["replay", file, "--wait-peer", "1ms", "--json"]);
    for (file, words) in [
        ("missing", ["missing", "no such file"]),
        ("empty", ["empty", "no record"]),
        ("foreign", ["foreign", "ITCH"]),
        ("cut", ["cut inside record 0", "no whole record"]),
    ] {
        fails(path, &replay(file), 1, &words, &files);
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &recording(2_000)).unwrap();
    let gzip = gzip.finish().unwrap();
    fs::write(path.join("cut"), &gzip[..12]).unwrap();
    fails(path, &replay("cut"), 1, &["cut: "], &files);
}

#[test]
fn a_place_that_the_recording_cannot_have_is_usage_and_nothing_is_left() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("day"), recording(3)).unwrap();
    let dated = ["replay", "day", "--to", "2024-05-08T00:00Z", "--wait-peer", "1ms", "--json"];
    fails(path, &feed(path, &dated), 2, &["to", "day", "midnight"], &["day"]);
    // One origin with itself is no quarrel, and two files are one stream.
    let two = ["replay", "day", "day", "--wait-peer", "1ms", "--json"];
    fails(path, &feed(path, &two), 1, &["no engine"], &["day"]);
    fails(path, &feed(path, &["replay", "day", "nowhere"]), 1, &["nowhere", "no such"], &["day"]);
}

#[test]
fn without_an_engine_it_waits_as_long_as_told_and_leaves_nothing() {
    let folder = folder();
    fs::write(folder.path().join("day"), recording(100)).unwrap();
    for source in [&["synth", "--count", "10"][..], &["replay", "day"]] {
        let run = feed(
            folder.path(),
            &[source, &["--wait-peer", "200ms", "--json", "--name", "alone"]].concat(),
        );
        fails(folder.path(), &run, 1, &["no engine", "200 ms", "alone", "--wait-peer"], &["day"]);
    }
}

#[test]
fn results_are_neither_overwritten_nor_written_where_nobody_may() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("out")).unwrap();
    fs::write(path.join("out/feed.json"), b"precious").unwrap();
    let synth = ["synth", "--count", "10", "--wait-peer", "1ms", "--json", "-o"];
    let run = |out: &str| feed(path, &[&synth[..], &[out]].concat());
    fails(path, &run("out"), 1, &["feed.json", "--force"], &["out"]);
    assert_eq!(fs::read(path.join("out/feed.json")).unwrap(), b"precious");
    fails(path, &run("out/feed.json/deeper"), 1, &["out/feed.json/deeper"], &["out"]);
    // Root may write everywhere; a file system that nobody can write stands in.
    fs::create_dir(path.join("locked")).unwrap();
    fs::set_permissions(path.join("locked"), fs::Permissions::from_mode(0o500)).unwrap();
    let is_root = fs::write(path.join("locked/x"), b"").is_ok();
    let _ = fs::remove_file(path.join("locked/x"));
    let locked = if is_root { "/sys/tickspin-out" } else { "locked/out" };
    fails(path, &run(locked), 4, &[locked], &["locked", "out"]);
}

#[test]
fn a_core_that_is_not_there_is_the_environments() {
    let folder = folder();
    let run = feed(folder.path(), &["synth", "--core", "4000"]);
    fails(folder.path(), &run, 4, &["4000"], &[]);
}

#[test]
fn the_printed_configuration_is_what_is_in_force_and_loads_again() {
    let folder = folder();
    let path = folder.path();
    let first = feed_with(
        path,
        &[("TICKSPIN_FEED_SEED", "9"), ("TICKSPIN_FEED_RATE", "7")],
        &["synth", "--print-config", "--rate", "50000", "--speed", "max"],
    );
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    for line in ["rate = 50000.0", "speed = \"max\"", "seed = 9", "# pinned"] {
        assert!(first.stdout.contains(line), "{line:?} in {}", first.stdout);
    }
    fs::write(path.join("a.toml"), &first.stdout).unwrap();
    let again = feed(path, &["synth", "--print-config", "--config", "a.toml"]);
    let keys = |run: &Run| -> Vec<String> {
        run.stdout.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(keys(&again), keys(&first));
    assert_eq!(names(path), ["a.toml"]);
}

#[test]
fn a_name_that_is_taken_is_refused_with_its_owner() {
    let folder = folder();
    let mut first = std::process::Command::new(assert_cmd::cargo::cargo_bin("feed-sim"))
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .args(["synth", "--count", "10", "--json", "--name", "x", "-o", "one"])
        .spawn()
        .unwrap();
    let socket = folder.path().join("tickspin/x");
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !fs::read_dir(&socket).is_ok_and(|dir| dir.count() > 1) {
        assert!(std::time::Instant::now() < end, "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = feed(folder.path(), &["synth", "--json", "--name", "x", "-o", "two"]);
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{}", second.stderr);
    assert!(!folder.path().join("two").exists());
    // SIGINT before anything was sent: its code, one line, nothing left.
    let killed = std::process::Command::new("kill").args(["-2", &first.id().to_string()]).status();
    assert!(killed.unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
