//! Every contender in turn, round after round, each round bracketed by the placement.
//!
//! A hypervisor moves cores about within seconds, and a number from near cores says nothing beside
//! one from far cores. So contenders are interleaved, every round begins and ends with a bare round
//! trip, and only rounds that began and ended in the placement seen most often are kept. Where no
//! round stayed in one, all are used, and the report says so.
//!
//! Where in the chip a line lives is a matter of its address, and counts: 263 to 305 ns there and
//! back were seen on one pair of cores. A ring walks over many lines, the floor stands on one, so
//! each round gives it lines that no round had; the looks at the placement always take the same.

use super::contenders::{self, LineRx, LineTx, SharedLine, line_on};
use super::measure::{self, Outcome, Plan, Spread};
use super::{has_moved, pipe, placement};
use crate::error::Failure;
use crate::num::{median, span};
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;

/// Everyone measured, in the order of the report. `ring_copy` is read as the engine
/// reads it: seven words into its own memory, then released; `ring` is summed up in place.
pub const CONTENDERS: [&str; 6] = ["floor", "ring", "ring_copy", "ringbuf", "rtrb", "pipe"];
/// Of them, the one without flow control: it has no throughput.
const FLOOR: usize = 0;
/// Of them, the one that a system call limits: fewer messages a second for as long.
const PIPE: usize = 5;
/// Round trips of a look at the placement, well below a millisecond near.
const LOOK_ROUND_TRIPS: usize = 3_000;
/// A round is crowded when a thread was kept off its core for more than this share of the time.
/// Kernel threads take far less; another program that spins there takes half.
const CROWDED_SHARE: f64 = 0.05;

/// What the caller wants.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Sender, receiver.
    pub cores: (usize, usize),
    /// Rounds to keep.
    pub rounds: usize,
    /// Start no round after this.
    pub time: Duration,
}

/// One contender's numbers, each over the kept rounds.
#[derive(Clone, Debug, Default)]
pub struct Contender {
    /// One way at 1 M messages a second, ns.
    pub one_way: Kept,
    /// One way at 100 k messages a second, ns.
    pub one_way_100k: Kept,
    /// There and back, ns.
    pub round_trip: Kept,
    /// Single messages as fast as they go; `None` for the floor, which has no flow control.
    pub throughput: Option<Throughput>,
}

/// Messages per second over the rounds, above 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throughput {
    /// Median of the rounds, messages per second.
    pub per_s: f64,
    /// Slowest round, messages per second.
    pub per_s_min: f64,
    /// Fastest round, messages per second.
    pub per_s_max: f64,
}

/// Medians over rounds, and how far the rounds' own medians lie apart; all in ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Median of the rounds' medians and of their 99th percentiles.
    pub spread: Spread,
    /// Lowest median of a round, ns.
    pub p50_min: f64,
    /// Highest median of a round, ns.
    pub p50_max: f64,
}

/// What all rounds gave.
#[derive(Clone, Debug)]
pub struct Bench {
    /// In the order of [`CONTENDERS`].
    pub contenders: Vec<Contender>,
    /// Rounds that the medians are over.
    pub rounds: usize,
    /// Rounds that began or ended in another placement, or were crowded while others were not.
    pub rounds_set_aside: usize,
    /// Rounds, kept or not, in which something else ran on the cores.
    pub rounds_crowded: usize,
    /// No round ended where it began, so all were used all the same.
    pub is_every_round_moved: bool,
    /// The placement of the kept rounds.
    pub placement: &'static str,
    /// Bare round trip around the kept rounds, median, ns.
    pub placement_round_trip_ns: f64,
    /// Rounds seen by the placement that they began in: tight, near, far.
    pub began_in: [(&'static str, usize); 3],
}

struct Round {
    before_ns: f64,
    after_ns: f64,
    outcomes: Vec<Outcome>,
}

impl Round {
    /// The placement that it began and ended in; `None` where it moved.
    fn placement(&self) -> Option<&'static str> {
        let (low, high) = (self.before_ns.min(self.after_ns), self.before_ns.max(self.after_ns));
        let middle = (low + high) / 2.0;
        (!has_moved(low, high)).then(|| placement(middle))
    }

    /// Something else ran on the cores.
    fn is_crowded(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.queued_share > CROWDED_SHARE)
    }
}

/// Measures all contenders until `wishes.rounds` rounds in one placement are kept or the time is up.
///
/// # Errors
/// Exit code 4: a core is not to be had, or something keeps it busy all the time.
pub fn bench(
    wishes: &Wishes,
    clock: &Clock,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Bench, Failure> {
    let began = Instant::now();
    let mut rounds = Vec::new();
    let mut lines = Lines::default();
    loop {
        let round_began = began.elapsed();
        rounds.push(round(wishes.cores, clock, &mut lines, rounds.len())?);
        let kept = best(&rounds).map_or(0, |best| keep(&rounds, best).count());
        progress(kept, rounds.len());
        let (now, last) = (began.elapsed(), began.elapsed() - round_began);
        if kept >= wishes.rounds || now + last > wishes.time {
            break;
        }
    }
    let best = best(&rounds);
    let used: Vec<&Round> = match best {
        Some(best) => keep(&rounds, best).collect(),
        None => rounds.iter().collect(),
    };
    let looks = used.iter().flat_map(|round| [round.before_ns, round.after_ns]).collect();
    let placement_round_trip_ns = median(looks);
    Ok(Bench {
        contenders: (0..CONTENDERS.len()).map(|index| summed(&used, index)).collect(),
        rounds: used.len(),
        rounds_set_aside: rounds.len() - best.map_or(0, |_| used.len()),
        rounds_crowded: rounds.iter().filter(|round| round.is_crowded()).count(),
        is_every_round_moved: best.is_none(),
        placement: best.unwrap_or_else(|| placement(placement_round_trip_ns)),
        placement_round_trip_ns,
        began_in: ["tight", "near", "far"].map(|name| {
            (name, rounds.iter().filter(|round| placement(round.before_ns) == name).count())
        }),
    })
}

/// The placement with most rounds that stayed in it, those with the cores to themselves first.
fn best(rounds: &[Round]) -> Option<&'static str> {
    let count = |name| {
        let stayed = || rounds.iter().filter(|round| round.placement() == Some(name));
        (stayed().filter(|round| !round.is_crowded()).count(), stayed().count())
    };
    let counts = ["tight", "near", "far"].map(|name| (count(name), name));
    counts.into_iter().max().filter(|((_, stayed), _)| *stayed > 0).map(|(_, name)| name)
}

/// Rounds that stayed in the placement `name`; crowded ones only where there are no others.
fn keep<'a>(rounds: &'a [Round], name: &'static str) -> impl Iterator<Item = &'a Round> {
    let stayed = move || rounds.iter().filter(move |round| round.placement() == Some(name));
    let all_crowded = stayed().all(Round::is_crowded);
    stayed().filter(move |round| all_crowded || !round.is_crowded())
}

/// The bare lines of all rounds.
#[derive(Default)]
struct Lines {
    /// Of the looks at the placement.
    looks: (SharedLine, SharedLine),
    /// Of the rounds so far: kept, so that their memory is not given out again.
    used: Vec<SharedLine>,
}

impl Lines {
    fn fresh(&mut self) -> (LineTx, LineRx) {
        let line = SharedLine::default();
        let ends = line_on(&line);
        self.used.push(line);
        ends
    }
}

fn look(cores: (usize, usize), clock: &Clock, lines: &Lines) -> Result<f64, Failure> {
    let plan =
        Plan { one_way: Vec::new(), round_trips: LOOK_ROUND_TRIPS, saturated: Duration::ZERO };
    let lines = (line_on(&lines.looks.0), line_on(&lines.looks.1));
    Ok(measure::over(lines, cores, clock, &plan)?.round_trip.p50)
}

/// Round `number`: each begins with the next contender, so that none always runs on what the same
/// other one left in the caches, or always farthest from a look at the placement.
fn round(
    cores: (usize, usize),
    clock: &Clock,
    lines: &mut Lines,
    number: usize,
) -> Result<Round, Failure> {
    let before_ns = look(cores, clock, lines)?;
    let mut outcomes = vec![Outcome::default(); CONTENDERS.len()];
    for index in order(number) {
        let plan = Plan {
            one_way: vec![(1e6, Duration::from_millis(50)), (1e5, Duration::from_millis(70))],
            round_trips: if index == PIPE { 5_000 } else { 20_000 },
            saturated: Duration::from_millis(if index == FLOOR { 0 } else { 50 }),
        };
        let outcome = match index {
            0 => measure::over((lines.fresh(), lines.fresh()), cores, clock, &plan),
            1 => measure::over((contenders::ring()?, contenders::ring()?), cores, clock, &plan),
            2 => {
                let rings = (contenders::ring_copy()?, contenders::ring_copy()?);
                measure::over(rings, cores, clock, &plan)
            }
            3 => measure::over((contenders::ringbuf(), contenders::ringbuf()), cores, clock, &plan),
            4 => measure::over((contenders::rtrb(), contenders::rtrb()), cores, clock, &plan),
            _ => measure::over((pipe::pipe()?, pipe::pipe()?), cores, clock, &plan),
        };
        outcomes[index] = outcome?;
    }
    Ok(Round { before_ns, after_ns: look(cores, clock, lines)?, outcomes })
}

/// Every contender once, each round from the next one on.
fn order(round: usize) -> impl Iterator<Item = usize> {
    let count = CONTENDERS.len();
    (0..count).map(move |turn| (round + turn) % count)
}

fn summed(rounds: &[&Round], index: usize) -> Contender {
    let outcomes: Vec<&Outcome> =
        rounds.iter().filter_map(|round| round.outcomes.get(index)).collect();
    let kept = |of: &dyn Fn(&Outcome) -> Spread| {
        let spreads: Vec<Spread> = outcomes.iter().map(|outcome| of(outcome)).collect();
        let p50: Vec<f64> = spreads.iter().map(|spread| spread.p50).collect();
        let (p50_min, p50_max) = span(&p50);
        Kept {
            p50_min,
            p50_max,
            spread: Spread {
                p50: median(p50),
                p99: median(spreads.iter().map(|spread| spread.p99).collect()),
            },
        }
    };
    let one_way = |number: usize| {
        move |outcome: &Outcome| outcome.one_way.get(number).copied().unwrap_or_default()
    };
    let rates: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.saturated).collect();
    Contender {
        one_way: kept(&one_way(0)),
        one_way_100k: kept(&one_way(1)),
        round_trip: kept(&|outcome| outcome.round_trip),
        throughput: (!rates.is_empty()).then(|| {
            let (per_s_min, per_s_max) = span(&rates);
            Throughput { per_s: median(rates), per_s_min, per_s_max }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(before_ns: f64, after_ns: f64) -> Round {
        Round { before_ns, after_ns, outcomes: Vec::new() }
    }

    fn crowded(round_trip_ns: f64) -> Round {
        let outcome = Outcome { queued_share: 0.4, ..Outcome::default() };
        Round { outcomes: vec![outcome], ..round(round_trip_ns, round_trip_ns) }
    }

    #[test]
    fn a_round_that_straddles_a_move_is_set_aside_and_one_that_trembles_is_not() {
        assert_eq!(round(120.0, 125.0).placement(), Some("near"));
        assert_eq!(round(120.0, 520.0).placement(), None);
        assert_eq!(round(520.0, 120.0).placement(), None);
        assert_eq!(round(75.0, 120.0).placement(), None);
        assert_eq!(round(120.0, 160.0).placement(), None);
        assert_eq!(round(88.0, 93.0).placement(), Some("near"));
        assert_eq!(round(290.0, 310.0).placement(), Some("far"));
    }

    #[test]
    fn the_placement_of_most_rounds_wins() {
        let rounds = [round(120.0, 120.0), round(520.0, 520.0), round(510.0, 530.0)];
        assert_eq!(best(&rounds), Some("far"));
        assert_eq!(keep(&rounds, "far").count(), 2);
        assert_eq!(best(&[round(120.0, 520.0)]), None);
    }

    #[test]
    fn crowded_rounds_count_only_where_there_are_no_others() {
        let rounds = [crowded(120.0), crowded(125.0), round(520.0, 520.0), crowded(500.0)];
        assert_eq!(best(&rounds), Some("far"));
        assert_eq!(keep(&rounds, "far").count(), 1);
        let rounds = [crowded(120.0), crowded(125.0), crowded(500.0)];
        assert_eq!(best(&rounds), Some("near"));
        assert_eq!(keep(&rounds, "near").count(), 2);
    }

    #[test]
    fn every_contender_stands_once_in_every_place() {
        let count = CONTENDERS.len();
        for place in 0..count {
            let mut there: Vec<usize> =
                (0..count).filter_map(|round| order(round).nth(place)).collect();
            there.sort_unstable();
            assert_eq!(there, (0..count).collect::<Vec<_>>(), "place {place}");
        }
    }
}
