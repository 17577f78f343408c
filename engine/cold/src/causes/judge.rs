//! Who held up a run of slow ticks: first by what the kernel counted around it, then, at the end of
//! the run, by what all of them together show.
//!
//! ```text
//!   at each wake          lag, backlog ─► settled by the tick's own stamps
//!                         fault, stop, other thread, steal ─► the largest pause takes what the
//!                         kernel counted, the next one the rest
//!   at the end            stages that are slow more often than pauses would make them
//!                         pauses on one phase of the timer's tick; other interrupts
//!                         steal that was counted late, in its steps of 10 ms
//!                         the rest: unexplained
//! ```

use super::case::{Case, Piece, time};
use super::look::is_timer;
use std::collections::BTreeMap;
use tickspin_results::slow::{Cause, Evidence};

/// An interrupt holds a core no longer than this, ns: longer pauses have another cause.
const INTERRUPT_MAX_NS: u64 = 100_000;

/// A page fault without I/O takes no longer than this, ns, even where the hypervisor serves one too.
const FAULT_MAX_NS: u64 = 200_000;

/// Step in which the kernel tells of steal, ns: shorter pauses wait for the end of the run.
const STEAL_STEP_NS: u64 = 10_000_000;

/// A pause shorter than this is not put on the hypervisor by its late count, ns.
const STEAL_MIN_NS: u64 = 20_000;

/// Phases that a timer's period is divided into.
const PHASES: usize = 64;

/// The time between two looks, and what of its evidence no pause has claimed yet.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// When it began and ended, ns on the TSC's own scale.
    pub from_ns: u64,
    /// See `from_ns`.
    pub to_ns: u64,
    evidence: Evidence,
    rest: Evidence,
}

impl Window {
    /// With all of its evidence unclaimed.
    #[must_use]
    pub fn new(from_ns: u64, to_ns: u64, evidence: Evidence) -> Window {
        Window { from_ns, to_ns, rest: evidence.clone(), evidence }
    }

    /// Steal that no pause has claimed, ns.
    #[must_use]
    pub const fn unclaimed_steal_ns(&self) -> u64 {
        self.rest.steal_ns
    }

    const fn overlaps(&self, case: &Case) -> bool {
        self.from_ns <= case.ended_ns && case.began_ns <= self.to_ns
    }
}

/// Settles what the evidence of the windows at hand can settle. Pauses between ticks claim before
/// those within a stage, for that is where a loop that mostly waits is met; of each the longest
/// first.
pub fn by_window(cases: &mut [Case], windows: &mut [Window], core: usize) {
    let mut in_turn: Vec<&mut Case> = cases.iter_mut().collect();
    in_turn.sort_by_key(|case| {
        (matches!(case.piece, Piece::Stage(_)), std::cmp::Reverse(case.piece_ns))
    });
    for case in in_turn {
        let mut own: Vec<&mut Window> =
            windows.iter_mut().filter(|window| window.overlaps(case)).collect();
        case.record.evidence = own.iter().fold(Evidence::default(), |mut sum, window| {
            sum.add(&window.evidence);
            sum
        });
        let verdict = match case.piece {
            Piece::Lag => Some((
                Cause::FeedLate,
                format!("sent {} after its instant", time(case.record.schedule_lag_ns)),
            )),
            Piece::Behind => Some((
                Cause::Backlog,
                format!(
                    "waited {} for earlier ticks, {} more behind it",
                    time(case.piece_ns),
                    case.record.depth
                ),
            )),
            Piece::Away | Piece::Stage(_) => claim(case, &mut own, core),
        };
        if let Some((cause, why)) = verdict {
            case.judge(cause, false, why);
        }
    }
}

/// What the kernel counted for this thread, taken from the rest of the pause's windows.
fn claim(case: &Case, windows: &mut [&mut Window], core: usize) -> Option<(Cause, String)> {
    let ns = case.piece_ns;
    let half = ns / 2;
    let counted = case.evidence();
    let mut rest = Evidence::default();
    for window in windows.iter() {
        rest.add(&window.rest);
    }
    let mut take = |of: fn(&mut Evidence) -> &mut u64, mut amount: u64| {
        for window in windows.iter_mut() {
            let left = of(&mut window.rest);
            let taken = amount.min(*left);
            *left -= taken;
            amount -= taken;
        }
    };
    let paused = format!("{} {}", place(case.piece), time(ns));
    if rest.major_faults > 0 && rest.off_ns >= half {
        take(|rest| &mut rest.major_faults, 1);
        take(|rest| &mut rest.off_ns, ns);
        return Some((
            Cause::MajorFault,
            format!("{paused}; {} page faults with I/O", counted.major_faults),
        ));
    }
    // A spinning thread never leaves its core by itself; a stopped one is counted as if it did. A
    // pause much shorter than the stop is another one, though the counts would cover it.
    let covers = |total_ns: u64, times: u64| {
        let mean_ns = total_ns.checked_div(times).unwrap_or(0);
        times > 0 && total_ns >= half && ns >= mean_ns / 4
    };
    let is_stop = covers(rest.off_ns, rest.voluntary_switches);
    if counted.major_faults == 0 && is_stop {
        take(|rest| &mut rest.voluntary_switches, 1);
        take(|rest| &mut rest.off_ns, ns);
        return Some((
            Cause::Stopped,
            format!("{paused}; the thread was neither on a core nor ready for one: stopped"),
        ));
    }
    if covers(rest.queued_ns, rest.involuntary_switches) {
        take(|rest| &mut rest.involuntary_switches, 1);
        take(|rest| &mut rest.queued_ns, ns);
        return Some((
            Cause::CompetingThread,
            format!(
                "{paused}; another thread had core {core}: {} ready without a core, {} times taken \
                 off",
                time(counted.queued_ns),
                counted.involuntary_switches
            ),
        ));
    }
    if rest.minor_faults > 0 && ns <= rest.minor_faults.saturating_mul(FAULT_MAX_NS) {
        // As many as the pause may have had room for: a microsecond each at least.
        take(|rest| &mut rest.minor_faults, (ns / 1_000).max(1));
        return Some((Cause::PageFault, format!("{paused}; {} page faults", counted.minor_faults)));
    }
    if rest.steal_ns >= ns && ns >= STEAL_STEP_NS / 2 {
        take(|rest| &mut rest.steal_ns, ns);
        return Some((
            Cause::HostSteal,
            format!("{paused}; the hypervisor had core {core} for {}", time(counted.steal_ns)),
        ));
    }
    None
}

const fn place(piece: Piece) -> &'static str {
    match piece {
        Piece::Lag => "the feed was late by",
        Piece::Behind => "waited",
        Piece::Away => "the loop was away for",
        Piece::Stage(Cause::Book) => "the book took",
        Piece::Stage(Cause::Strategy) => "the strategy took",
        Piece::Stage(Cause::RiskOrder) => "gate and order took",
        Piece::Stage(_) => "the work took",
    }
}

/// The whole run, for the judgement at its end.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Time that the loop took events, ns.
    pub wall_ns: u64,
    /// Of these: at work, ns.
    pub work_ns: u64,
    /// Time in each stage, ns.
    pub stage_ns: BTreeMap<&'static str, u64>,
    /// Long gaps in which nothing came.
    pub long_gaps: u64,
    /// Interrupts of the local timer.
    pub timer_ticks: u64,
    /// Steal that no window's pauses claimed, ns.
    pub steal_ns: u64,
}

/// Settles what is still open.
pub fn at_the_end(cases: &mut [Case], whole: &Whole) {
    slow_stages(cases, whole);
    timer_phase(cases, whole);
    interrupts(cases);
    late_steal(cases, whole.steal_ns);
    for case in cases.iter_mut().filter(|case| case.record.cause.is_none()) {
        let why = format!(
            "{} {}; nothing that the kernel counts belongs to it",
            place(case.piece),
            time(case.piece_ns)
        );
        case.judge(Cause::Unexplained, true, why);
    }
}

/// A pause falls into a stage as often as the stage's share of time makes it: what is slow three
/// times more often than pauses of such a length are is the stage's own doing.
fn slow_stages(cases: &mut [Case], whole: &Whole) {
    let open = |case: &&mut Case| case.record.cause.is_none();
    let lengths = |cases: &[Case], piece: Piece, is_open: bool| {
        let of_piece = cases.iter().filter(|case| case.piece == piece);
        let wished = of_piece.filter(|case| !is_open || case.record.cause.is_none());
        let mut lengths: Vec<u64> = wished.map(|case| case.piece_ns).collect();
        lengths.sort_unstable();
        lengths
    };
    let from = |sorted: &[u64], ns: u64| {
        (sorted.len() - sorted.partition_point(|&length| length < ns)) as f64
    };
    // Of gaps that no tick met only the number is known: they are taken to be like the others.
    let (met, unexplained) =
        (lengths(cases, Piece::Away, false), lengths(cases, Piece::Away, true));
    let idle_ns = whole.wall_ns.saturating_sub(whole.work_ns).max(1) as f64;
    for stage in [Cause::Book, Cause::Strategy, Cause::RiskOrder, Cause::Service] {
        let stage_ns = whole.stage_ns.get(stage.name()).copied().unwrap_or(0) as f64;
        let piece = Piece::Stage(stage);
        let slow = lengths(cases, piece, true);
        let Some(&middle) = slow.get(slow.len() / 2) else { continue };
        let alike = if met.is_empty() { 1.0 } else { from(&met, middle / 2) / met.len() as f64 };
        let pauses = from(&unexplained, middle / 2) + whole.long_gaps as f64 * alike;
        let (expected, count) = (pauses * stage_ns / idle_ns, slow.len());
        if (count as f64) <= 3.0 * expected + 3.0 {
            continue;
        }
        for case in cases.iter_mut().filter(open).filter(|case| case.piece == piece) {
            let why = format!(
                "{} {}; {count} times in this run, where pauses of the host would make {expected:.0}",
                place(piece),
                time(case.piece_ns)
            );
            case.judge(stage, true, why);
        }
    }
}

/// The timer's tick comes at a fixed period: short pauses that gather on one phase of it are its.
fn timer_phase(cases: &mut [Case], whole: &Whole) {
    let rate = whole.timer_ticks as f64 * 1e9 / whole.wall_ns.max(1) as f64;
    let Some(hz) =
        [100u64, 250, 300, 1_000].into_iter().find(|&hz| (rate / hz as f64 - 1.0).abs() < 0.2)
    else {
        return;
    };
    let period_ns = 1_000_000_000 / hz;
    let phase = |case: &Case| (case.began_ns % period_ns * PHASES as u64 / period_ns) as usize;
    let may_be = |case: &Case| {
        case.record.cause.is_none()
            && case.piece == Piece::Away
            && case.piece_ns <= INTERRUPT_MAX_NS
    };
    let mut counts = [0u64; PHASES];
    for case in cases.iter().filter(|case| may_be(case)) {
        counts[phase(case)] += 1;
    }
    let three = |at: usize| counts[at] + counts[(at + 1) % PHASES] + counts[(at + 2) % PHASES];
    let total: u64 = counts.iter().sum();
    let Some(best) = (0..PHASES).max_by_key(|&at| three(at)) else { return };
    let expected = total as f64 * 3.0 / PHASES as f64;
    if three(best) < 8 || (three(best) as f64) < 4.0 * expected {
        return;
    }
    for case in cases.iter_mut() {
        let is_on_phase = (phase(case) + PHASES - best) % PHASES < 3;
        if is_on_phase && may_be(case) {
            let why = format!(
                "the loop was away for {}; the timer's tick of {hz} Hz: {} of {total} such pauses \
                 fall on one phase of it, {expected:.0} would by chance",
                time(case.piece_ns),
                three(best)
            );
            case.judge(Cause::Interrupt, true, why);
        }
    }
}

/// A short pause in a window in which the core served something else than the timer.
fn interrupts(cases: &mut [Case]) {
    for case in cases.iter_mut() {
        if case.record.cause.is_some() || case.piece_ns > INTERRUPT_MAX_NS {
            continue;
        }
        let others = case.evidence().interrupts.iter().filter(|(name, _)| !is_timer(name));
        let named: Vec<String> =
            others.take(3).map(|(name, count)| format!("{count} {name}")).collect();
        if !named.is_empty() {
            let why = format!(
                "{} {}; the core served {} around it",
                place(case.piece),
                time(case.piece_ns),
                named.join(", ")
            );
            case.judge(Cause::Interrupt, true, why);
        }
    }
}

/// Steal is counted in steps of 10 ms, so that of many short ones appears late: the longest pauses
/// that are still open take it.
fn late_steal(cases: &mut [Case], mut steal_ns: u64) {
    let mut open: Vec<&mut Case> =
        cases.iter_mut().filter(|case| case.record.cause.is_none()).collect();
    open.sort_by_key(|case| std::cmp::Reverse(case.piece_ns));
    let counted = steal_ns;
    for case in open {
        if case.piece_ns < STEAL_MIN_NS || steal_ns < case.piece_ns / 2 {
            continue;
        }
        steal_ns = steal_ns.saturating_sub(case.piece_ns);
        let why = format!(
            "{} {}; the hypervisor took {} in this run that no other pause accounts for",
            place(case.piece),
            time(case.piece_ns),
            time(counted)
        );
        case.judge(Cause::HostSteal, true, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_results::slow::SlowRecord;

    fn case(piece: Piece, piece_ns: u64) -> Case {
        let record = SlowRecord { samples: 1, ..SlowRecord::default() };
        Case { record, counts: vec![(0, 1)], piece, piece_ns, began_ns: 0, ended_ns: piece_ns }
    }

    fn window(evidence: &Evidence) -> [Window; 1] {
        [Window::new(0, 100_000_000, evidence.clone())]
    }

    fn cause(evidence: &Evidence, piece_ns: u64) -> Option<Cause> {
        let mut cases = [case(Piece::Away, piece_ns)];
        by_window(&mut cases, &mut window(evidence), 1);
        cases[0].record.cause
    }

    #[test]
    fn the_ticks_own_stamps_come_first() {
        let evidence =
            Evidence { queued_ns: 1 << 40, involuntary_switches: 9, ..Evidence::default() };
        let mut cases = [case(Piece::Lag, 9_000), case(Piece::Behind, 9_000)];
        by_window(&mut cases, &mut window(&evidence), 1);
        let causes: Vec<_> = cases.iter().map(|case| case.record.cause).collect();
        assert_eq!(causes, [Some(Cause::FeedLate), Some(Cause::Backlog)]);
        assert!(cases.iter().all(|case| !case.record.is_likely));
    }

    #[test]
    fn each_count_of_the_kernel_names_its_cause() {
        let ms = 1_000_000;
        let none = Evidence { window_ns: 100 * ms, ..Evidence::default() };
        assert_eq!(cause(&none, 4 * ms), None);
        let other = Evidence { queued_ns: 4 * ms, involuntary_switches: 1, ..none.clone() };
        assert_eq!(cause(&other, 4 * ms), Some(Cause::CompetingThread));
        assert_eq!(cause(&other, 10 * ms), None, "half of it is not accounted for");
        let stop = Evidence { off_ns: 50 * ms, voluntary_switches: 1, ..none.clone() };
        assert_eq!(cause(&stop, 50 * ms), Some(Cause::Stopped));
        let disk =
            Evidence { off_ns: 5 * ms, voluntary_switches: 1, major_faults: 1, ..none.clone() };
        assert_eq!(cause(&disk, 5 * ms), Some(Cause::MajorFault));
        let fault = Evidence { minor_faults: 3, ..none.clone() };
        assert_eq!(cause(&fault, 20_000), Some(Cause::PageFault));
        let steal = Evidence { steal_ns: 20 * ms, off_ns: 20 * ms, ..none };
        assert_eq!(cause(&steal, 18 * ms), Some(Cause::HostSteal));
    }

    #[test]
    fn what_one_pause_took_the_next_cannot_take() {
        let evidence =
            Evidence { queued_ns: 4_000_000, involuntary_switches: 2, ..Evidence::default() };
        let mut cases = [case(Piece::Away, 100_000), case(Piece::Away, 4_000_000)];
        by_window(&mut cases, &mut window(&evidence), 1);
        let causes: Vec<_> = cases.iter().map(|case| case.record.cause).collect();
        assert_eq!(causes, [None, Some(Cause::CompetingThread)], "the longer one");
    }

    #[test]
    fn a_pause_between_ticks_claims_before_a_longer_stage() {
        let evidence =
            Evidence { queued_ns: 600_000, involuntary_switches: 1, ..Evidence::default() };
        let thought = case(Piece::Stage(Cause::Strategy), 1_000_000);
        let mut cases = [thought, case(Piece::Away, 600_000)];
        by_window(&mut cases, &mut window(&evidence), 1);
        let causes: Vec<_> = cases.iter().map(|case| case.record.cause).collect();
        assert_eq!(causes, [None, Some(Cause::CompetingThread)]);
    }

    #[test]
    fn a_pause_claims_from_the_windows_that_it_falls_into() {
        let stop = Evidence { off_ns: 200_000_000, voluntary_switches: 1, ..Evidence::default() };
        let mut windows = [
            Window::new(0, 300_000_000, stop),
            Window::new(300_000_000, 400_000_000, Evidence::default()),
        ];
        // It began in the first window; its spell ended, and was heard of, in the second.
        let within = Case { began_ns: 100_000_000, ..case(Piece::Away, 200_000_000) };
        let after = Case { began_ns: 310_000_000, ..case(Piece::Away, 1_000_000) };
        let ended = |case: Case| Case { ended_ns: case.began_ns + case.piece_ns, ..case };
        let mut cases = [ended(within), ended(after)];
        by_window(&mut cases, &mut windows, 1);
        let causes: Vec<_> = cases.iter().map(|case| case.record.cause).collect();
        assert_eq!(causes, [Some(Cause::Stopped), None]);
    }

    #[test]
    fn a_stage_that_is_slow_more_often_than_pauses_are_is_named() {
        let whole = Whole {
            wall_ns: 1_000_000_000,
            work_ns: 100_000_000,
            stage_ns: BTreeMap::from([("strategy", 90_000_000)]),
            long_gaps: 20,
            ..Whole::default()
        };
        let run = |slow: usize| {
            let mut cases = vec![case(Piece::Stage(Cause::Strategy), 30_000); slow];
            at_the_end(&mut cases, &whole);
            cases[0].record.cause
        };
        // 20 pauses in 0.9 s of waiting make two in 0.09 s of strategy.
        assert_eq!(run(5), Some(Cause::Unexplained));
        assert_eq!(run(20), Some(Cause::Strategy));
        // Where pauses are far shorter, they do not explain it.
        let mut cases = vec![case(Piece::Stage(Cause::Strategy), 30_000); 5];
        cases.extend(vec![case(Piece::Away, 6_000); 40]);
        at_the_end(&mut cases, &whole);
        assert_eq!(cases[0].record.cause, Some(Cause::Strategy));
    }

    #[test]
    fn short_pauses_on_one_phase_are_the_timers() {
        let whole = Whole { wall_ns: 10_000_000_000, timer_ticks: 2_510, ..Whole::default() };
        let at = |began_ns| Case { began_ns, ..case(Piece::Away, 6_000) };
        let mut cases: Vec<Case> = (0..40).map(|n| at(n * 4_000_000 + 1_500_000)).collect();
        cases.extend((0..20).map(|n| at(n * 4_000_000 + n * 190_000)));
        at_the_end(&mut cases, &whole);
        assert!(cases[..40].iter().all(|case| case.record.cause == Some(Cause::Interrupt)));
        let others = cases[40..].iter().filter(|case| case.record.cause == Some(Cause::Interrupt));
        assert!(others.count() <= 3);
        // Spread evenly, nothing is.
        let mut cases: Vec<Case> = (0..64).map(|n| at(n * 4_062_500)).collect();
        at_the_end(&mut cases, &whole);
        assert!(cases.iter().all(|case| case.record.cause == Some(Cause::Unexplained)));
    }

    #[test]
    fn late_steal_goes_to_the_longest_and_no_further_than_it_reaches() {
        let whole = Whole { steal_ns: 10_000_000, ..Whole::default() };
        let mut cases = vec![case(Piece::Away, 7_000_000), case(Piece::Away, 5_000_000)];
        cases.extend([case(Piece::Away, 3_000_000), case(Piece::Away, 10_000)]);
        at_the_end(&mut cases, &whole);
        let causes: Vec<_> = cases.iter().filter_map(|case| case.record.cause).collect();
        let (steal, open) = (Cause::HostSteal, Cause::Unexplained);
        assert_eq!(causes, [steal, steal, open, open]);
    }

    #[test]
    fn another_interrupt_is_named() {
        let mut short = case(Piece::Away, 9_000);
        short.record.evidence.interrupts =
            vec![("LOC Local timer interrupts".into(), 25), ("41 virtio3-rx".into(), 2)];
        let mut cases = [short];
        at_the_end(&mut cases, &Whole::default());
        assert_eq!(cases[0].record.cause, Some(Cause::Interrupt));
        assert!(cases[0].record.why.contains("2 41 virtio3-rx"), "{}", cases[0].record.why);
    }
}
