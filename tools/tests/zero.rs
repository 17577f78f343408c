//! Zero proofs on the main job: what the pinned threads ask of the kernel while they are armed.
//!
//! Both programs run as users run them; the count is taken from outside. Each proof has a control,
//! a thread for which the same check must fail, so that a blind counter cannot pass.
//!
//! The kernel may move a page by itself (compaction, `khugepaged`), and a thread that touches it in
//! that instant takes a fault that it did not ask for. So a fault in a span in which the kernel
//! counts such moves is said and tried again, three times at most; a fault without them fails.

use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tickspin_host::cpu::{self, CorePlan};
use tickspin_ring::counters::PeerCounters;
use tickspin_ring::region::SegmentKind;
use tickspin_ring::rendezvous::{RuntimeDir, observe};
use tickspin_testkit::faults::Faults;
use tickspin_testkit::process::{Running, TempDir, bin, thread_id, wait_until};
use tickspin_testkit::syscalls::{SyscallCounter, SyscallCounts};

const BOUND: Duration = Duration::from_secs(30);
/// Spans with a fault and with moves of the kernel's before this is no excuse any more.
const TRIES: u32 = 3;

/// Pages that the kernel has moved by itself, on the whole machine, since it was booted; 0 where it
/// does not count them.
fn moved_pages() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let moves = ["pgmigrate_success", "thp_collapse_alloc"];
    let counts = counters.lines().filter_map(|line| {
        let (name, count) = line.split_once(' ')?;
        moves.contains(&name).then(|| count.parse::<u64>().ok())?
    });
    counts.sum()
}

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
    fn start(plan: &CorePlan, strategy: &str) -> Armed {
        let turn = turn();
        let (feed_core, engine_core) = (plan.feed.to_string(), plan.engine.to_string());
        let cold: Vec<String> = plan.cold.iter().map(usize::to_string).collect();
        let cold = cold.join(",");
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
            &feed_core,
            "--cold-cores",
            &cold,
            "-o",
            &out("feed"),
        ]))
        .unwrap();
        let engine = Running::start(place.command(bin("engine")).args([
            "--name",
            "zero",
            "--core",
            &engine_core,
            "--cold-cores",
            &cold,
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

    /// Both programs end well and report no switch of their own will over the whole span from armed
    /// to disarmed. The page faults that they report, one line each.
    fn end(self) -> Vec<String> {
        let parts = [("feed-sim", self.feed, "feed"), ("engine", self.engine, "engine")];
        let mut faults = Vec::new();
        for (name, running, part) in parts {
            let finished = running.finish_within(BOUND).unwrap();
            assert_eq!(finished.code, 0, "{name}: {}", finished.stderr);
            let path = self.place.path().join(part).join(format!("{part}.json"));
            let json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let usage = &json["usage"];
            if usage["minor_faults"] != 0 || usage["major_faults"] != 0 {
                faults.push(format!("{name}: {usage}"));
            }
            // To be seized is to be stopped, which the kernel counts as going by itself.
            assert!(usage["voluntary_switches"].as_u64() < Some(8), "{name}: {usage}");
        }
        faults
    }
}

/// The plan for two spinners on cores of their own. Where there is one core only, that is said, and
/// with `CI=true` it is a failure.
fn two_cores() -> Option<CorePlan> {
    let plan = cpu::plan(None).unwrap();
    if plan.must_yield {
        assert!(std::env::var_os("CI").is_none(), "two cores are needed, and CI is set");
        println!("SKIPPED: two spinners need two cores");
        return None;
    }
    Some(plan)
}

/// One run, counted from outside; the page faults seen, one line each.
fn faults_of_a_run(plan: &CorePlan, strategy: &str) -> Vec<String> {
    let run = Armed::start(plan, strategy);
    let mut seen = Vec::new();
    for (program, name) in [(&run.engine, "tickspin-hot"), (&run.feed, "tickspin-feed")] {
        let thread = program.thread(name).unwrap_or_else(|| panic!("no thread {name}"));
        let (faults, received) = (Faults::of(program.pid(), thread).unwrap(), run.received());
        let counter = SyscallCounter::seize(program.pid(), thread).unwrap();
        // Of 400,000 events: one thread's first half, the other's second half.
        let counts = counter.count_until(|| run.received() > received + 150_000).unwrap();
        assert!(run.received() > received + 150_000, "ticks went on while it was counted");
        asks_for_nothing(&counts).unwrap_or_else(|calls| panic!("{strategy}, {name}: {calls}"));
        let taken = Faults::of(program.pid(), thread).unwrap().since(faults);
        if taken != Faults::default() {
            seen.push(format!("{name}: {taken:?}"));
        }
    }
    seen.extend(run.end());
    seen
}

#[test]
fn pinned_threads_make_no_system_call_and_take_no_page_fault() {
    let Some(plan) = two_cores() else { return };
    for strategy in ["market-maker", "probe"] {
        for tried in 1.. {
            let before = moved_pages();
            let faults = faults_of_a_run(&plan, strategy).join("; ");
            if faults.is_empty() {
                break;
            }
            let moved = moved_pages() - before;
            assert!(moved > 0, "{strategy}: {faults}, and the kernel moved no page");
            assert!(tried < TRIES, "{strategy}: {faults}, {tried} times in a row");
            println!("{strategy}: {faults}; the kernel moved {moved} pages meanwhile: once more");
        }
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
