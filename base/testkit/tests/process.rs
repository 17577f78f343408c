//! Started processes are bounded, drained and gone.

use std::process::Command;
use std::time::{Duration, Instant};
use tickspin_testkit::process::{Running, TempDir, wait_until};

const BOUND: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Running {
    Running::start(Command::new("sh").args(["-c", script])).unwrap()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn output_and_code_come_back_also_when_a_pipe_would_be_full() {
    let running = shell("yes | head -c 300000; echo oops >&2; exit 3");
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!((finished.code, finished.stdout.len()), (3, 300_000));
    assert_eq!(finished.stderr, "oops\n");
}

#[test]
fn what_takes_too_long_is_killed_and_says_what_it_wrote() {
    let running = shell("echo begun; sleep 60");
    let pid = running.pid();
    let error = running.finish_within(Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("begun"), "{error}");
    assert!(!is_alive(pid));
}

#[test]
fn a_group_dies_with_its_handle() {
    let folder = TempDir::new().unwrap();
    let note = folder.path().join("pid");
    let running = shell(&format!("sleep 60 & echo $! > {}; wait", note.display()));
    let grandchild = || std::fs::read_to_string(&note).ok()?.trim().parse::<u32>().ok();
    assert!(wait_until(BOUND, || grandchild().is_some()));
    let pids = [running.pid(), grandchild().unwrap()];
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    drop(running);
    assert!(wait_until(BOUND, || !pids.iter().any(|&pid| is_alive(pid))));
}

#[test]
fn processes_left_behind_are_named() {
    let finished = shell("sleep 60 & exit 0").finish_within(BOUND).unwrap();
    assert_eq!(finished.left_behind.len(), 1, "{finished:?}");
    let finished = shell("exit 0").finish_within(BOUND).unwrap();
    assert!(finished.left_behind.is_empty());
}

#[test]
fn a_signal_ends_with_the_shells_code() {
    let running = shell("echo ready; exec sleep 60");
    std::thread::sleep(Duration::from_millis(100));
    running.signal(libc::SIGTERM).unwrap();
    assert_eq!(running.finish_within(BOUND).unwrap().code, 143);
}

#[test]
fn a_runtime_folder_is_ones_own_and_goes_with_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    assert_ne!(one.path(), other.path());
    let mode = std::fs::metadata(one.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let output = one.command("sh").args(["-c", "echo $XDG_RUNTIME_DIR"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), one.path().to_str().unwrap());
    let path = one.path().to_owned();
    std::fs::write(path.join("file"), "x").unwrap();
    drop(one);
    assert!(!path.exists());
}

#[test]
fn waiting_is_bounded() {
    let start = Instant::now();
    assert!(!wait_until(Duration::from_millis(50), || false));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(wait_until(Duration::ZERO, || true));
}
