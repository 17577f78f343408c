//! Why was this tick slow? Spells of slow ticks come out of the pinned loop; here each gets the
//! evidence of its time and a cause, and all of them a budget of the tail.
//!
//! ```text
//!   hot ─► queue of spells ─► case ─► judged by its window ─► … end: judged by the whole ─► slow.jsonl
//!                              ▲                                                        └─► engine.json
//!                        looks at /proc, at each wake of the main thread
//! ```
//!
//! Cost: on the main thread about 0.2 ms a wake, ten wakes a second, only where slow ticks came;
//! 0.6 KiB for each record, [`KEPT_MAX`] of them at most.

pub mod case; // one run of slow ticks, in nanoseconds
pub mod judge; // who held it up
pub mod look; // what the kernel counts for thread and core

use case::{Case, edges_ns};
use judge::{Whole, Window};
use look::{Look, timer_ticks};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufWriter, Write};
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::process::ThreadUsage;
use tickspin_hot::record::{LoopStats, STAGES, Spell, stage};
use tickspin_results::Histogram;
use tickspin_results::out::{OutDir, OutError};
use tickspin_results::slow::{FILE, NotKept, Slow, Sums};

/// Records that are kept until the end, at most. Beyond them the milder half is judged by its
/// windows alone and left to the sums.
pub const KEPT_MAX: usize = 65_536;

/// Records that are written, at most: the worst, 10 MB of them.
pub const WRITTEN_MAX: usize = 16_384;

/// Spells on their way from the pinned loop.
pub const SPELLS: usize = 4_096;

/// Judges the slow ticks of one run.
pub struct Causes {
    clock: Clock,
    core: usize,
    thread: i32,
    over_ns: u64,
    has_stages: bool,
    start: u64,
    first: Look,
    last: Look,
    cases: Vec<Case>,
    sums: Sums,
    records: u64,
    samples: u64,
    /// Steal that no window's pauses claimed, ns.
    steal_ns: u64,
    /// Wakes since the last look.
    quiet_wakes: u32,
    /// The last ones: a spell is heard of when it is over, and may have begun in an earlier window.
    windows: VecDeque<Window>,
}

/// Windows that are kept: a spell of a second and a half finds all of its own.
const WINDOWS: usize = 16;

/// Wakes without a slow tick until the next look: the window of the next one is no longer.
const QUIET_WAKES: u32 = 10;

impl Causes {
    /// From now on. `thread` and `core`: the pinned thread's.
    #[must_use]
    pub fn begin(
        clock: Clock,
        (thread, core): (i32, usize),
        over_ns: u64,
        has_stages: bool,
    ) -> Causes {
        let first = Look::now(thread, core);
        Causes {
            clock,
            core,
            thread,
            over_ns,
            has_stages,
            start: ticks(),
            last: first.clone(),
            first,
            cases: Vec::new(),
            sums: Sums::default(),
            records: 0,
            samples: 0,
            steal_ns: 0,
            quiet_wakes: 0,
            windows: VecDeque::new(),
        }
    }

    /// Takes what came since the last wake. Where nothing came, a look is taken only now and then.
    pub fn take(&mut self, spells: impl Iterator<Item = Spell>) {
        let fresh = self.cases_of(spells);
        self.quiet_wakes += 1;
        if fresh.is_empty() && self.quiet_wakes < QUIET_WAKES {
            return;
        }
        self.quiet_wakes = 0;
        self.add_window(Look::now(self.thread, self.core));
        self.judge(fresh);
    }

    /// The same when the loop is over; `thread`: what the kernel had counted for the pinned thread
    /// then. What it did afterwards held up no tick.
    pub fn take_last(&mut self, spells: impl Iterator<Item = Spell>, thread: &ThreadUsage) {
        let fresh = self.cases_of(spells);
        self.add_window(Look::now(self.thread, self.core).with_thread(*thread));
        self.judge(fresh);
    }

    fn cases_of(&self, spells: impl Iterator<Item = Spell>) -> Vec<Case> {
        spells
            .map(|spell| Case::new(&spell, &self.clock, self.start, self.has_stages, self.over_ns))
            .collect()
    }

    fn judge(&mut self, mut fresh: Vec<Case>) {
        judge::by_window(&mut fresh, self.windows.make_contiguous(), self.core);
        self.records += fresh.len() as u64;
        self.samples += fresh.iter().map(|case| case.record.samples).sum::<u64>();
        self.cases.append(&mut fresh);
        if self.cases.len() > KEPT_MAX {
            let mut milder = keep_worst(&mut self.cases, KEPT_MAX / 2);
            judge::at_the_end(&mut milder, &Whole::default());
            self.add(&milder);
        }
    }

    fn add_window(&mut self, now: Look) {
        let evidence = now.since(&self.last, self.core, &self.clock);
        let (from_ns, to_ns) = (self.last.at_ns(&self.clock), now.at_ns(&self.clock));
        self.last = now;
        self.windows.push_back(Window::new(from_ns, to_ns, evidence));
        if self.windows.len() > WINDOWS {
            let old = self.windows.pop_front();
            self.steal_ns += old.map_or(0, |window| window.unclaimed_steal_ns());
        }
    }

    fn add(&mut self, cases: &[Case]) {
        let ranges = edges_ns(self.over_ns).len();
        for case in cases {
            if let Some(cause) = case.record.cause {
                self.sums.add(cause, case.record.worst_ns, &case.counts, ranges);
            }
        }
    }

    /// Judges what is open, writes the records, gives the sums.
    ///
    /// # Errors
    /// The records could not be written; the sums are given all the same.
    pub fn finish(
        mut self,
        out: &OutDir,
        stats: &LoopStats,
        totals: &[Histogram],
    ) -> (Slow, Result<(), OutError>) {
        let all = self.last.since(&self.first, self.core, &self.clock);
        let unclaimed = self.windows.iter().map(Window::unclaimed_steal_ns);
        self.steal_ns += unclaimed.sum::<u64>();
        let spent = |index: usize| totals.get(index).map_or(0, spent_ns);
        let stage_ns: BTreeMap<&'static str, u64> =
            (0..STAGES.len()).map(|index| (STAGES[index], spent(index))).collect();
        let whole = Whole {
            wall_ns: all.window_ns,
            work_ns: spent(stage::SERVICE),
            stage_ns,
            long_gaps: stats.long_gaps,
            timer_ticks: timer_ticks(&all),
            steal_ns: self.steal_ns,
        };
        let mut cases = std::mem::take(&mut self.cases);
        judge::at_the_end(&mut cases, &whole);
        self.add(&cases);
        keep_worst(&mut cases, WRITTEN_MAX);
        cases.sort_by_key(|case| case.record.seq);
        let written = write(out, &cases);
        let slow = Slow {
            over_ns: self.over_ns,
            samples: self.samples + stats.slow_lost,
            records: self.records,
            written: cases.len() as u64,
            lost: NotKept { records: stats.spells_lost, samples: stats.slow_lost },
            long_gaps: stats.long_gaps,
            edges_ns: edges_ns(self.over_ns),
            causes: self.sums.finish(),
        };
        (slow, written)
    }
}

/// Leaves the `most` worst and gives the others.
fn keep_worst(cases: &mut Vec<Case>, most: usize) -> Vec<Case> {
    if cases.len() <= most {
        return Vec::new();
    }
    cases.select_nth_unstable_by_key(most, |case| std::cmp::Reverse(case.record.worst_ns));
    cases.split_off(most)
}

fn spent_ns(total: &Histogram) -> u64 {
    if total.values.is_empty() {
        0
    } else {
        (total.values.mean() * total.values.len() as f64) as u64
    }
}

fn write(out: &OutDir, cases: &[Case]) -> Result<(), OutError> {
    let path = out.path().join(FILE);
    let lines = || {
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        for case in cases {
            serde_json::to_writer(&mut file, &case.record)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    lines().map_err(|source| OutError::Io { doing: "write", path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_hot::record::slow::{SlowTick, range_of};
    use tickspin_hot::stamps::Marks;
    use tickspin_results::slow::Cause;

    /// A tick that was sent `lag_ns` late, on a clock of 1 GHz.
    fn late(seq: u64, lag_ns: u64) -> Spell {
        let (intended, sent) = (ticks(), ticks() + lag_ns);
        let marks = Marks { arrival: sent, booked: sent, decided: sent, end: sent + 10 };
        let root = SlowTick { seq, intended, sent, looked: sent, marks };
        let mut spell = Spell { root, last_seq: seq, count: 1, worst_ns: lag_ns, ..Spell::EMPTY };
        spell.counts[range_of(lag_ns)] = 1;
        spell
    }

    #[test]
    fn all_are_counted_and_the_worst_are_written_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        let clock = Clock::with_frequency(1_000_000_000);
        let thread = (tickspin_host::process::thread_id(), 0);
        let mut causes = Causes::begin(clock, thread, 5_000, true);
        let all = KEPT_MAX as u64 + 100;
        // Every hundredth is a hundred times as late.
        let lag = |seq: u64| if seq.is_multiple_of(100) { 1_000_000 } else { 10_000 };
        causes.take((1..=all / 2).map(|seq| late(seq, lag(seq))));
        causes.take((all / 2 + 1..=all).map(|seq| late(seq, lag(seq))));
        let stats = LoopStats { spells_lost: 1, slow_lost: 7, ..LoopStats::default() };
        let (slow, written) = causes.finish(&out, &stats, &[]);
        written.unwrap();
        assert_eq!((slow.records, slow.samples, slow.written), (all, all + 7, WRITTEN_MAX as u64));
        let [late] = &slow.causes[..] else { panic!("{:?}", slow.causes) };
        assert_eq!((late.cause, late.records, late.samples), (Cause::FeedLate, all, all));
        assert_eq!(slow.tail(900_000).samples, 655 + 1);
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let worst = text.lines().filter(|line| line.contains("\"worst_ns\":1000000,")).count();
        assert_eq!(
            (text.lines().count(), worst),
            (WRITTEN_MAX, 656),
            "none of the worst is missing"
        );
        let seqs: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64())
            .map(Option::unwrap)
            .collect();
        assert!(seqs.is_sorted());
    }
}
