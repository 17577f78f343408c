//! Zero proofs on the main job: what the pinned threads ask of the kernel while they are armed.
//!
//! Both programs run as users run them; the count is taken from outside. Each proof has a control,
//! a thread for which the same check must fail, so that a blind counter cannot pass.

use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tickspin_ring::counters::PeerCounters;
use tickspin_ring::region::SegmentKind;
use tickspin_ring::rendezvous::{RuntimeDir, observe};
use tickspin_testkit::faults::Faults;
use tickspin_testkit::process::{Running, TempDir, bin, thread_id, wait_until};
use tickspin_testkit::syscalls::{SyscallCounter, SyscallCounts};

const BOUND: Duration = Duration::from_secs(30);

/// What the check of every proof below is: no call at all, and the thread still there.
fn asks_for_nothing(counts: &SyscallCounts) -> Result<(), String> {
    match (counts.total(), counts.ended) {
        (0, false) => Ok(()),
        _ => Err(format!("{counts:?}")),
    }
}

/// The turn to spin, shared with the other test programs.
fn turn() -> File {
    let file = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("spinners")).unwrap();
    file.lock().unwrap();
    file
}

/// A run started by hand, armed and in the middle of its ticks.
struct Armed {
    feed: Running,
    engine: Running,
    place: TempDir,
    counters: PeerCounters,
    _turn: File,
}

impl Armed {
    fn start(strategy: &str) -> Armed {
        let turn = turn();
        let place = TempDir::new().unwrap();
        let out = |name: &str| place.path().join(name).to_string_lossy().into_owned();
        let feed = Running::start(place.command(bin("feed-sim")).args([
            "synth",
            "--name",
            "zero",
            "--rate",
            "100000",
            "--duration",
            "4s",
            "--core",
            "0",
            "--cold-cores",
            "0",
            "-o",
            &out("feed"),
        ]))
        .unwrap();
        let engine = Running::start(place.command(bin("engine")).args([
            "--name",
            "zero",
            "--core",
            "1",
            "--cold-cores",
            "0",
            "--strategy",
            strategy,
            "-o",
            &out("engine"),
        ]))
        .unwrap();
        let dir = RuntimeDir::at(&place.path().join("tickspin")).unwrap();
        let mut counters = None;
        let armed = wait_until(BOUND, || {
            let Ok(received) = observe(&dir, "zero") else { return false };
            counters = received
                .into_iter()
                .find(|got| got.kind == SegmentKind::Counters && got.label == "engine")
                .and_then(|got| PeerCounters::attach(got).ok());
            counters.as_ref().is_some_and(|c| c.by_label("received").is_some_and(|n| n > 20_000))
        });
        assert!(armed, "the engine takes no events");
        Armed { feed, engine, place, counters: counters.unwrap(), _turn: turn }
    }

    fn received(&self) -> u64 {
        self.counters.by_label("received").unwrap()
    }

    /// Over the whole span from armed to disarmed, both programs report no fault and no switch of
    /// their own will.
    fn end(self) {
        let parts = [("feed-sim", self.feed, "feed"), ("engine", self.engine, "engine")];
        for (name, running, part) in parts {
            let finished = running.finish_within(BOUND).unwrap();
            assert_eq!(finished.code, 0, "{name}: {}", finished.stderr);
            let path = self.place.path().join(part).join(format!("{part}.json"));
            let json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let usage = &json["usage"];
            assert_eq!(usage["minor_faults"], 0, "{name}: {usage}");
            assert_eq!(usage["major_faults"], 0, "{name}: {usage}");
            // To be seized is to be stopped, which the kernel counts as going by itself.
            assert!(usage["voluntary_switches"].as_u64() < Some(8), "{name}: {usage}");
        }
    }
}

fn two_cores() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        println!("SKIPPED: two spinners need two cores");
    }
    cores >= 2
}

#[test]
fn pinned_threads_make_no_system_call_and_take_no_page_fault() {
    if !two_cores() {
        return;
    }
    for strategy in ["market-maker", "probe"] {
        let run = Armed::start(strategy);
        for (program, name) in [(&run.engine, "tickspin-hot"), (&run.feed, "tickspin-feed")] {
            let thread = program.thread(name).unwrap_or_else(|| panic!("no thread {name}"));
            let (faults, received) = (Faults::of(program.pid(), thread).unwrap(), run.received());
            let counter = SyscallCounter::seize(program.pid(), thread).unwrap();
            // Of 400,000 events: one thread's first half, the other's second half.
            let counts = counter.count_until(|| run.received() > received + 150_000).unwrap();
            assert!(run.received() > received + 150_000, "ticks went on while it was counted");
            asks_for_nothing(&counts).unwrap_or_else(|calls| panic!("{strategy}, {name}: {calls}"));
            let taken = Faults::of(program.pid(), thread).unwrap().since(faults);
            assert_eq!((taken.minor, taken.major), (0, 0), "{strategy}, {name}");
        }
        run.end();
    }
}

#[test]
fn a_planted_getpid_and_a_planted_fault_are_found() {
    if std::env::var_os("TICKSPIN_PLANTED").is_some() {
        // The child: spins like a pinned thread, with one call and one fresh page now and then.
        let until = std::time::Instant::now() + Duration::from_secs(2);
        let mut pages = Vec::new();
        while std::time::Instant::now() < until {
            (0..500_000).for_each(|_| std::hint::spin_loop());
            assert!(std::process::id() > 1);
            pages.push(vec![1u8; 1 << 18]);
        }
        println!("{} {}", thread_id(), pages.len());
        return;
    }
    let _turn = turn();
    let place = TempDir::new().unwrap();
    let mut child = place.command(std::env::current_exe().unwrap());
    child.env("TICKSPIN_PLANTED", "1").args([
        "--exact",
        "--test-threads=1",
        "--nocapture",
        "a_planted_getpid_and_a_planted_fault_are_found",
    ]);
    let child = Running::start(&mut child).unwrap();
    let mut thread = None;
    assert!(wait_until(BOUND, || {
        thread = child.thread("a_planted_getpi").or_else(|| child.thread("main"));
        thread.is_some()
    }));
    std::thread::sleep(Duration::from_millis(300));
    let (pid, thread) = (child.pid(), thread.unwrap());
    let faults = Faults::of(pid, thread).unwrap();
    let counter = SyscallCounter::seize(pid, thread).unwrap();
    let counts = counter.count_for(Duration::from_millis(900)).unwrap();
    assert!(asks_for_nothing(&counts).is_err(), "the check is blind to a getpid");
    assert!(Faults::of(pid, thread).unwrap().since(faults).minor > 0, "blind to a page fault");
    assert_eq!(child.finish_within(BOUND).unwrap().code, 0);
}
