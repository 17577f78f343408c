//! `feed-sim synth --format itch50`: a whole file or none, one clear line, the code of the contract.

use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use tickspin_wire::binaryfile::Records;

const BINARY: &str = env!("CARGO_BIN_EXE_feed-sim");

fn day(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).args(["synth", "--format", "itch50"]);
    if !arguments.contains(&"--instruments") {
        command.args(["--instruments", "20"]);
    }
    command.args(arguments).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().flatten().map(name).collect();
    names.sort();
    names
}

fn fails(output: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} in {line}");
    }
}

#[test]
fn the_summary_is_about_the_file_and_the_seed_makes_it() {
    let folder = TempDir::new().unwrap();
    let output =
        day(folder.path(), &["--messages", "30000", "--seed", "3", "-o", "a.itch", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = fs::read(folder.path().join("a.itch")).unwrap();
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said["sha256"], hash);
    assert_eq!(said["bytes"], bytes.len());
    assert_eq!(said["messages"], 30_000);
    assert_eq!(Records::new(&bytes).filter(|record| record.is_ok()).count(), 30_000);
    assert!(said["live_orders_peak"].as_u64().unwrap() > 800, "{said}");

    let again = day(folder.path(), &["--messages", "30000", "--seed", "3", "-o", "-"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(again.stdout == bytes, "the same bytes on standard output");
    assert!(String::from_utf8_lossy(&again.stderr).contains(&hash), "the summary beside them");
    let other = day(folder.path(), &["--messages", "30000", "--seed", "4", "-o", "-"]);
    assert!(other.stdout != bytes);
    assert_eq!(names(folder.path()), ["a.itch"]);
}

#[test]
fn a_file_that_is_there_stays_unless_forced() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), b"mine").unwrap();
    fails(&day(folder.path(), &["--messages", "1000", "-o", "a"]), 1, &["a:", "--force"]);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"mine");
    let forced = day(folder.path(), &["--messages", "1000", "-o", "a", "--force"]);
    assert_eq!(forced.status.code(), Some(0));
    assert!(fs::metadata(folder.path().join("a")).unwrap().len() > 20_000);
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn a_full_disk_is_one_line_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    // A limit on the size of files stands in for the disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {BINARY} synth --format itch50 --messages 100000 \
         --instruments 20 -o a"
    );
    let mut command = Command::new("bash");
    let output = command.current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    fails(&output, 1, &["a: cannot write", "too large"]);
    assert!(names(folder.path()).is_empty());

    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(BINARY);
    command.args(["synth", "--format", "itch50", "--messages", "100000", "-o", "-"]);
    fails(&command.stdout(full).output().unwrap(), 1, &["standard output", "No space left"]);
}

#[test]
fn mistakes_are_named() {
    let folder = TempDir::new().unwrap();
    for (arguments, words) in [
        (&["-o", "a"][..], &["--messages"][..]),
        (&["--messages", "40", "-o", "a"], &["--messages 40", "at least 47"]),
        (&["--messages", "1000"], &["-o FILE"]),
        (&["--messages", "1000", "-o", "a", "--rate", "5"], &["go with it"]),
        (&["--messages", "1000", "-o", "a", "--instruments", "65535"], &["65534"]),
    ] {
        fails(&day(folder.path(), arguments), 2, words);
    }
    let missing = day(folder.path(), &["--messages", "1000", "-o", "no/such/a"]);
    fails(&missing, 1, &["no/such/a", "cannot make the file"]);
    assert!(names(folder.path()).is_empty());
    let mut command = Command::new(BINARY);
    let output = command.args(["synth", "--messages", "1000"]).output().unwrap();
    fails(&output, 2, &["--format"]);
}
