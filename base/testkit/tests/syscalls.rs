//! The counter, on children of this very test: the test binary starts itself with a part to play.
#![allow(clippy::undocumented_unsafe_blocks, reason = "getpid and the like, which cannot fail")]

use std::hint::spin_loop;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tickspin_testkit::process::{Running, wait_until};
use tickspin_testkit::syscalls::{SyscallCounter, mark_armed, mark_disarmed};

const PART: &str = "TICKSPIN_TESTKIT_PART";
const BOUND: Duration = Duration::from_secs(20);

/// Not a test: the children's side. Without a part to play it passes at once.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    let actor = thread::Builder::new().name("actor".into());
    let played = actor.spawn(move || play(&part)).unwrap();
    played.join().unwrap();
}

/// On a machine with two cores, time must be read without a system call: the TSC.
fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        spin_loop();
    }
}

fn play(part: &str) {
    match part {
        "spin" => spin(BOUND),
        "planted" => loop {
            spin(Duration::from_millis(20));
            unsafe { libc::syscall(libc::SYS_getpid) };
        },
        "marks" => {
            spin(Duration::from_millis(500));
            unsafe { libc::syscall(libc::SYS_getpid) };
            mark_armed();
            spin(Duration::from_millis(50));
            unsafe { libc::syscall(libc::SYS_getuid) };
            mark_disarmed();
            unsafe { libc::syscall(libc::SYS_getpid) };
        }
        "sleep" => thread::sleep(Duration::from_millis(700)),
        other => panic!("no part {other}"),
    }
}

/// A child that plays `part`, and its actor thread.
fn child(part: &str) -> (Running, u32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "part", "--test-threads=1"]).env(PART, part);
    let running = Running::start(&mut command).unwrap();
    assert!(wait_until(BOUND, || running.thread("actor").is_some()), "no actor");
    // Past the thread's own start: its first calls (signal stack, name) are not the loop's.
    thread::sleep(Duration::from_millis(100));
    let tid = running.thread("actor").unwrap();
    (running, tid)
}

#[test]
fn a_thread_that_only_spins_makes_no_call() {
    let (running, tid) = child("spin");
    let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
    let counts = counter.count_for(Duration::from_millis(300)).unwrap();
    assert_eq!(counts.total(), 0, "{counts:?}");
    assert!(!counts.ended);
}

#[test]
fn a_planted_getpid_is_seen() {
    let (running, tid) = child("planted");
    let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
    let start = Instant::now();
    let counts = counter.count_for(Duration::from_millis(300)).unwrap();
    assert!((2..=20).contains(&counts.of(libc::SYS_getpid)), "{counts:?}");
    assert_eq!(counts.total(), counts.of(libc::SYS_getpid));
    assert_eq!(counts.log.len() as u64, counts.total());
    assert!(counts.log.iter().all(|call| call.seen >= start));
}

#[test]
fn between_marks_only_what_lies_between_counts() {
    let (running, tid) = child("marks");
    let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
    let counts = counter.count_until(|| running.has_exited()).unwrap();
    assert_eq!((counts.marks, counts.ended), (2, true), "{counts:?}");
    assert_eq!(counts.by_number, [(libc::SYS_getuid as u64, 1)]);
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!(finished.code, 0, "{finished:?}");
}

#[test]
fn a_released_thread_goes_on_as_if_nothing_had_been() {
    let (running, tid) = child("sleep");
    // Three times on and off, once by drop, while it sleeps.
    for _ in 0..2 {
        let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
        counter.count_for(Duration::from_millis(30)).unwrap();
    }
    drop(SyscallCounter::seize(running.pid(), tid).unwrap());
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.left_behind.is_empty());
}

#[test]
fn stops_and_continues_pass_through() {
    let (running, tid) = child("planted");
    let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
    running.signal(libc::SIGSTOP).unwrap();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{0}/task/{0}/stat", running.pid()));
        stat.unwrap().rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    assert!(wait_until(BOUND, || matches!(state(), 'T' | 't')), "not stopped: {}", state());
    running.signal(libc::SIGCONT).unwrap();
    assert!(wait_until(BOUND, || !matches!(state(), 'T' | 't')), "not continued: {}", state());
    let counts = counter.count_for(Duration::from_millis(200)).unwrap();
    assert!(counts.of(libc::SYS_getpid) >= 2, "{counts:?}");
}

#[test]
fn a_death_while_counting_ends_the_count() {
    let (running, tid) = child("spin");
    let counter = SyscallCounter::seize(running.pid(), tid).unwrap();
    running.kill().unwrap();
    let end = Instant::now() + BOUND;
    let counts = counter.count_until(|| Instant::now() > end).unwrap();
    assert!(counts.ended && Instant::now() < end, "{counts:?}");
    let finished = running.finish_within(BOUND).unwrap();
    assert_eq!(finished.code, 128 + libc::SIGKILL);
}

#[test]
fn what_cannot_be_traced_is_an_error() {
    assert!(SyscallCounter::seize(std::process::id(), u32::MAX / 2).is_err());
    // Nobody may trace a thread of one's own process.
    let me = std::process::id();
    assert!(SyscallCounter::seize(me, me).is_err());
}
