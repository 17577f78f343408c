//! Every contender in turn, round after round, each round bracketed by the placement.
//!
//! A hypervisor moves cores about within seconds, and a number from near cores says nothing beside
//! one from far cores. So contenders are interleaved, every round begins and ends with a bare round
//! trip, and only rounds that began and ended in the placement seen most often are kept.

use super::measure::{self, Outcome, Plan, Spread};
use super::{contenders, pipe, placement};
use crate::error::Failure;
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;

/// Everyone measured, in the order of the report. `ring` is read as the engine reads it.
pub const CONTENDERS: [&str; 6] = ["floor", "ring", "ring_copy", "ringbuf", "rtrb", "pipe"];
/// Of them, the one without flow control: it has no throughput.
const FLOOR: usize = 0;
/// Of them, the one that a system call limits: fewer messages a second for as long.
const PIPE: usize = 5;
/// Round trips of a look at the placement, well below a millisecond near.
const LOOK_ROUND_TRIPS: usize = 3_000;
/// A placement has changed when its name did and the round trip by more than this factor: one that
/// lies on a border does not change by trembling.
const MOVED_FACTOR: f64 = 1.25;

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
    /// Single messages as fast as they go, per second: (median, lowest, highest round).
    pub throughput: Option<(f64, f64, f64)>,
}

/// Medians over rounds, and how far the rounds' own medians lie apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Median of the rounds' medians and of their 99th percentiles.
    pub spread: Spread,
    /// Lowest median of a round.
    pub p50_min: f64,
    /// Highest median of a round.
    pub p50_max: f64,
}

/// What all rounds gave.
#[derive(Clone, Debug)]
pub struct Bench {
    /// In the order of [`CONTENDERS`].
    pub contenders: Vec<Contender>,
    /// Rounds kept.
    pub rounds: usize,
    /// Rounds that began or ended in another placement.
    pub rounds_set_aside: usize,
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
        let has_moved = placement(low) != placement(high) && high > low * MOVED_FACTOR;
        (!has_moved).then(|| placement(middle))
    }
}

/// Measures all contenders until `wishes.rounds` rounds in one placement are kept or the time is up.
///
/// # Errors
/// Exit code 4: a core is not to be had, or not one round was spared by the host.
pub fn bench(
    wishes: &Wishes,
    clock: &Clock,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Bench, Failure> {
    let began = Instant::now();
    let mut rounds = Vec::new();
    loop {
        let round_began = began.elapsed();
        rounds.push(round(wishes.cores, clock)?);
        let kept = best(&rounds).map_or(0, |best| keep(&rounds, best).count());
        progress(kept, rounds.len());
        let (now, last) = (began.elapsed(), began.elapsed() - round_began);
        if kept >= wishes.rounds || now + last > wishes.time {
            break;
        }
    }
    let Some(best) = best(&rounds) else {
        return Err(Failure::environment(format_args!(
            "the host moved the cores in each of {} rounds: nothing can be compared; try again, or \
             pin the virtual processors",
            rounds.len()
        )));
    };
    let kept: Vec<&Round> = keep(&rounds, best).collect();
    let looks = kept.iter().flat_map(|round| [round.before_ns, round.after_ns]).collect();
    Ok(Bench {
        contenders: (0..CONTENDERS.len()).map(|index| summed(&kept, index)).collect(),
        rounds: kept.len(),
        rounds_set_aside: rounds.len() - kept.len(),
        placement: best,
        placement_round_trip_ns: median(looks),
        began_in: ["tight", "near", "far"].map(|name| {
            (name, rounds.iter().filter(|round| placement(round.before_ns) == name).count())
        }),
    })
}

/// The placement with most rounds that stayed in it.
fn best(rounds: &[Round]) -> Option<&'static str> {
    let count = |name| rounds.iter().filter(|round| round.placement() == Some(name)).count();
    let (name, most) = ["tight", "near", "far"]
        .map(|name| (name, count(name)))
        .into_iter()
        .fold(("near", 0), |best, next| if next.1 > best.1 { next } else { best });
    (most > 0).then_some(name)
}

fn keep<'a>(rounds: &'a [Round], name: &'static str) -> impl Iterator<Item = &'a Round> {
    rounds.iter().filter(move |round| round.placement() == Some(name))
}

fn look(cores: (usize, usize), clock: &Clock) -> Result<f64, Failure> {
    let plan =
        Plan { one_way: Vec::new(), round_trips: LOOK_ROUND_TRIPS, saturated: Duration::ZERO };
    let lines = (contenders::line(), contenders::line());
    Ok(measure::over(lines, cores, clock, &plan)?.round_trip.p50)
}

fn round(cores: (usize, usize), clock: &Clock) -> Result<Round, Failure> {
    let before_ns = look(cores, clock)?;
    let mut outcomes = Vec::with_capacity(CONTENDERS.len());
    for index in 0..CONTENDERS.len() {
        let plan = Plan {
            one_way: vec![(1e6, Duration::from_millis(50)), (1e5, Duration::from_millis(70))],
            round_trips: if index == PIPE { 5_000 } else { 20_000 },
            saturated: Duration::from_millis(if index == FLOOR { 0 } else { 50 }),
        };
        let outcome = match index {
            0 => measure::over((contenders::line(), contenders::line()), cores, clock, &plan),
            1 => measure::over((contenders::ring()?, contenders::ring()?), cores, clock, &plan),
            2 => {
                let rings = (contenders::ring_copy()?, contenders::ring_copy()?);
                measure::over(rings, cores, clock, &plan)
            }
            3 => measure::over((contenders::ringbuf(), contenders::ringbuf()), cores, clock, &plan),
            4 => measure::over((contenders::rtrb(), contenders::rtrb()), cores, clock, &plan),
            _ => measure::over((pipe::pipe()?, pipe::pipe()?), cores, clock, &plan),
        };
        outcomes.push(outcome?);
    }
    Ok(Round { before_ns, after_ns: look(cores, clock)?, outcomes })
}

fn summed(rounds: &[&Round], index: usize) -> Contender {
    let outcomes: Vec<&Outcome> =
        rounds.iter().filter_map(|round| round.outcomes.get(index)).collect();
    let kept = |of: &dyn Fn(&Outcome) -> Spread| {
        let spreads: Vec<Spread> = outcomes.iter().map(|outcome| of(outcome)).collect();
        let p50: Vec<f64> = spreads.iter().map(|spread| spread.p50).collect();
        Kept {
            p50_min: p50.iter().copied().fold(f64::INFINITY, f64::min),
            p50_max: p50.iter().copied().fold(0.0, f64::max),
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
            let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let high = rates.iter().copied().fold(0.0, f64::max);
            (median(rates), low, high)
        }),
    }
}

/// The middle one, of two the mean; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(before_ns: f64, after_ns: f64) -> Round {
        Round { before_ns, after_ns, outcomes: Vec::new() }
    }

    #[test]
    fn a_round_that_straddles_a_move_is_set_aside_and_one_that_trembles_is_not() {
        assert_eq!(round(120.0, 125.0).placement(), Some("near"));
        assert_eq!(round(120.0, 520.0).placement(), None);
        assert_eq!(round(520.0, 120.0).placement(), None);
        assert_eq!(round(75.0, 120.0).placement(), None);
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
    fn medians_of_even_and_odd_numbers() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
