//! A place for runs of one's own, and the turn to spin: shared by the test programs.
#![allow(dead_code, reason = "each test program needs a part of it")]

use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tickspin_testkit::process::{Finished, Running, TempDir, bin, wait_until};

/// Longest life of any run here.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGTERM: i32 = 15;
pub(crate) const SIGKILL: i32 = 9;
pub(crate) const SIGSTOP: i32 = 19;

/// The turn to spin, among the tests of this program and among the test programs.
pub(crate) struct Turn {
    _file: File,
    _turn: MutexGuard<'static, ()>,
}

pub(crate) fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("spinners")).unwrap();
    file.lock().unwrap();
    Turn { _file: file, _turn: turn }
}

/// A runtime directory and a working folder of one's own, and the turn to spin.
pub(crate) struct Place {
    pub(crate) tickspin: PathBuf,
    pub(crate) runtime: TempDir,
    pub(crate) work: TempDir,
    _turn: Turn,
}

impl Place {
    /// For what starts the two other programs.
    pub(crate) fn new() -> Place {
        let place = Place { tickspin: bin("tickspin"), ..Place::alone() };
        // It finds the other two beside itself, so they must be there, and of this very build.
        for name in ["feed-sim", "engine"] {
            assert_eq!(bin(name).parent(), place.tickspin.parent());
        }
        place
    }

    /// For what needs no other program.
    pub(crate) fn alone() -> Place {
        Place {
            _turn: turn(),
            tickspin: PathBuf::from(env!("CARGO_BIN_EXE_tickspin")),
            runtime: TempDir::new().unwrap(),
            work: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.runtime.command(&self.tickspin);
        command.current_dir(self.work.path()).args(arguments);
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let finished = self.start(arguments).finish_within(BOUND).unwrap();
        assert_eq!(finished.left_behind, [0u32; 0], "processes left behind: {arguments:?}");
        finished
    }

    /// A run without measurements around it; its summary, which is also what it leaves in `out`.
    pub(crate) fn summary(&self, out: &str, arguments: &[&str]) -> Value {
        let fixed = ["run", "--json", "--no-probe", "-o", out];
        let finished = self.run(&[&fixed[..], arguments].concat());
        assert_eq!(finished.code, 0, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr, "", "{arguments:?}");
        self.assert_no_run_left();
        let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(summary, self.read(out));
        summary
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    pub(crate) fn read(&self, out: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(out).join("summary.json")).unwrap()).unwrap()
    }

    pub(crate) fn ring_ls(&self) -> Value {
        let output = self.command(&["ring", "ls", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Process numbers (feed, engine) of a run, once its events flow.
    pub(crate) fn wait_for_flow(&self, name: &str) -> (i32, i32) {
        let mut pids = None;
        let is_flowing = wait_until(Duration::from_secs(20), || {
            let list = self.ring_ls();
            let runs = list["runs"].as_array().unwrap().iter();
            let run = runs.into_iter().find(|run| run["name"] == name);
            pids = run.and_then(|run| {
                let flows = run["rings"][0]["state"] == "run" && run["rings"][0]["cursor"] != 0;
                let pid = |role: &str| i32::try_from(run[role]["pid"].as_i64()?).ok();
                flows.then_some((pid("feed")?, pid("engine")?))
            });
            pids.is_some()
        });
        assert!(is_flowing, "run {name} does not flow: {}", self.ring_ls());
        pids.unwrap()
    }

    /// Nothing of any run in the runtime directory, without anybody's help.
    pub(crate) fn assert_no_run_left(&self) {
        let entries = fs::read_dir(self.runtime.path().join("tickspin"));
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = names.filter(|name| name != ".lock").collect();
        assert!(left.is_empty(), "left in the runtime directory: {left:?}");
    }

    pub(crate) fn assert_nothing_made(&self, but: &[&str]) {
        self.assert_no_run_left();
        let entries = fs::read_dir(self.work.path()).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let made: Vec<_> = names.filter(|name| !but.contains(&name.as_str())).collect();
        assert!(made.is_empty(), "left in the working folder: {made:?}");
    }
}

pub(crate) fn kill(pid: i32, signal: i32) {
    let status = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    assert!(status.unwrap().success());
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A recorded file, or `None`, said, where the data is not here; with `CI=true` that is a failure.
pub(crate) fn data(name: &str) -> Option<String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = std::env::var("TICKSPIN_DATA").unwrap_or_else(|_| default.to_owned());
    let path = Path::new(&root).join(name);
    if path.exists() {
        return Some(path.canonicalize().unwrap().to_string_lossy().into_owned());
    }
    assert!(std::env::var("CI").is_err(), "{}: missing, and CI is set", path.display());
    eprintln!("SKIPPED: {} is not here; TICKSPIN_DATA names the folder", path.display());
    None
}
