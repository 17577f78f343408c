//! The command line without a run: one line and an exit code for each mistake, nothing left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tickspin_testkit::process::TempDir;

const TICKSPIN: &str = env!("CARGO_BIN_EXE_tickspin");

/// One test at a time: a program that is written while another thread forks would be "busy".
static TURN: Mutex<()> = Mutex::new(());

struct Place {
    runtime: TempDir,
    work: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    fn new() -> Place {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Place { runtime: TempDir::new().unwrap(), work: TempDir::new().unwrap(), _turn }
    }

    fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = self.runtime.command(program.as_ref());
        command.current_dir(self.work.path()).args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(TICKSPIN, arguments).output().unwrap()
    }

    /// Nothing in the working folder, no run in the runtime directory.
    fn assert_untouched(&self) {
        assert_eq!(fs::read_dir(self.work.path()).unwrap().count(), 0, "left in the work folder");
        let meeting = fs::read_dir(self.runtime.path().join("tickspin"));
        let names = meeting.into_iter().flatten().flatten().map(|entry| entry.file_name());
        // The gate, a lock file of the directory itself, stays for ever.
        let left: Vec<_> = names.filter(|name| name != ".lock").collect();
        assert!(left.is_empty(), "left in the runtime directory: {left:?}");
    }
}

/// Exit code, and the one line of standard error.
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one line: {stderr:?}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn wrong_use_is_one_line_and_code_2() {
    let place = Place::new();
    for (arguments, words) in [
        (&[][..], &["command"][..]),
        (&["walk"], &["walk"]),
        (&["run", "--fast"], &["--fast"]),
        (&["run", "--rate", "many"], &["--rate", "events per second"]),
        (&["run", "--speed=-1"], &["--speed", "max"]),
        (&["run", "--speed=0"], &["--speed", "max"]),
        (&["run", "--duration", "5"], &["--duration", "500ms"]),
        (&["run", "--cores", "1"], &["--cores", "2,3"]),
        (&["run", "--strategy", "oracle"], &["oracle", "market-maker"]),
        (&["run", "--loop"], &["FILE"]),
        (&["run", "file", "--seed", "1"], &["--seed"]),
        (&["run", "--fifo", "100"], &["--fifo"]),
        (&["ring"], &["see --help"]),
        (&["ring", "show"], &["NAME"]),
        (&["ring", "show", "../x"], &["run name"]),
    ] {
        let output = place.run(arguments);
        assert_fails(&output, 2, words);
    }
    place.assert_untouched();
}

#[test]
fn help_and_version_are_success_and_so_is_a_closed_pipe() {
    let place = Place::new();
    let help = place.run(&["run", "--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    let text = String::from_utf8(help.stdout).unwrap();
    let contract = [
        "--speed",
        "--rate",
        "--duration",
        "--count",
        "--from",
        "--loop",
        "--seed",
        "--strategy",
        "--stamps",
        "--policy",
        "--cores",
        "--lockstep",
        "--name",
        "--config",
        "--json",
        "-o",
    ];
    for flag in contract {
        assert!(text.contains(flag), "{flag} is not in the help");
    }
    assert!(place.run(&["--version"]).status.success());
    for arguments in [
        &["--help"][..],
        &["ring", "ls"],
        &["ring", "ls", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let mut child = place.command(TICKSPIN, arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success(), "{arguments:?} into a closed pipe");
    }
    place.assert_untouched();
}

#[test]
fn missing_and_differently_built_programs_are_refused() {
    let place = Place::new();
    let bin = TempDir::new().unwrap();
    let alone = bin.path().join("tickspin");
    fs::copy(TICKSPIN, &alone).unwrap();
    let run = || place.command(&alone, &["run"]).output().unwrap();
    assert_fails(&run(), 4, &["feed-sim", "missing", "cargo build"]);

    let other = |name: &str, text: &str| {
        let path = bin.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    };
    other("feed-sim", "echo 0.0.0-feedfeedfeedfeed");
    assert_fails(&run(), 4, &["feed-sim", "0.0.0-feedfeedfeedfeed", "cargo build"]);
    let version = place.run(&["--version"]).stdout;
    let ours = String::from_utf8(version).unwrap().trim().replace("tickspin ", "");
    other("feed-sim", &format!("echo {ours}"));
    assert_fails(&run(), 4, &["engine", "missing"]);
    other("engine", "exit 3");
    assert_fails(&run(), 4, &["engine", "unknown"]);
    place.assert_untouched();
}

#[test]
fn with_no_run_alive_the_list_is_empty_and_a_name_is_not_found() {
    let place = Place::new();
    let output = place.run(&["ring", "ls"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("no run is alive"));
    let json = place.run(&["ring", "ls", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 0);
    assert_fails(&place.run(&["ring", "show", "nobody"]), 1, &["nobody"]);
    place.assert_untouched();
}
