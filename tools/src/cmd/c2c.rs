//! `tickspin c2c`: how far the cores are from one another.
//!
//! A bare line goes from core to core, a fresh page for each pair, and back. Rows send, columns
//! receive. On a virtual machine the numbers hold for this moment: the host may move the cores
//! within seconds, so each pair is measured several times in turn, and the spread is shown.
//! Both cores of a pair spin meanwhile: not beside a run whose tail you want to quote.

use super::cores::List;
use crate::error::{Failure, Outcome, exit};
use crate::handoff::{bare, calibrated, clock_part, placement};
use crate::num::{median, span, tenth};
use crate::print;
use serde_json::{Value, json};
use std::time::Duration;
use tickspin_results::table::Table;

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.c2c/1";
/// Each pair is measured this many times, in turn with the others.
const VISITS: usize = 3;
/// For one visit, most.
const VISIT_MOST: Duration = Duration::from_millis(40);
/// And least: fewer samples make no median.
const VISIT_LEAST: Duration = Duration::from_millis(4);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only these cores, 0,2-5; all that this process may use where not given
    #[arg(long, value_name = "LIST", value_parser = super::cores::list)]
    cores: Option<List>,
    /// About how long it may take in all; each pair takes at least 12 ms
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    seconds: u16,
}

/// One pair of cores, medians, ns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    cores: (usize, usize),
    /// From the first to the second.
    there_ns: f64,
    /// From the second to the first.
    back_ns: f64,
    round_trip_ns: f64,
    /// Lowest and highest round trip of the visits.
    round_trip_span_ns: (f64, f64),
}

/// Runs the command.
///
/// # Errors
/// Exit code 2: no such core, or one core alone; 4: this process may use only one core, or a clock
/// cannot be calibrated.
pub fn run(args: &Args) -> Outcome {
    let cores = cores(args.cores.as_ref())?;
    let clock = calibrated(Duration::from_millis(100))?;
    let pairs: Vec<(usize, usize)> = cores
        .iter()
        .enumerate()
        .flat_map(|(index, &a)| cores[index + 1..].iter().map(move |&b| (a, b)))
        .collect();
    let visits = u32::try_from(pairs.len() * VISITS).unwrap_or(u32::MAX).max(1);
    let time = Duration::from_secs(u64::from(args.seconds)) / visits;
    let time = time.clamp(VISIT_LEAST, VISIT_MOST);
    let (mut seen, mut pages) = (vec![Vec::new(); pairs.len()], Vec::new());
    for _ in 0..VISITS {
        for (&pair, seen) in pairs.iter().zip(&mut seen) {
            seen.push(bare(pair, &clock, time, &mut pages)?);
        }
    }
    let pairs: Vec<Pair> =
        pairs.into_iter().zip(&seen).map(|(cores, seen)| summed(cores, seen)).collect();
    let Some(best) = best(&pairs) else {
        return Err(Failure::environment("no pair of cores was measured"));
    };
    if args.json {
        let rows: Vec<Value> = pairs.iter().map(pair_json).collect();
        print::json(&json!({
            "schema": SCHEMA,
            "cores": cores,
            "pairs": rows,
            "best": pair_json(best),
            "clock": clock_part(&clock),
        }))?;
    } else {
        print::out(&table(&cores, &pairs, best))?;
    }
    Ok(exit::OK)
}

/// The wished cores, or all allowed ones: at least two.
fn cores(wished: Option<&List>) -> Result<Vec<usize>, Failure> {
    let cores = super::cores::chosen(wished)?;
    match (cores.len(), wished) {
        (0 | 1, Some(_)) => Err(Failure::usage("--cores: a pair takes two different cores")),
        (0 | 1, None) => Err(Failure::environment(
            "a pair takes two cores, and this process may use only one: see `taskset -p $$` and \
             the cpuset of its cgroup",
        )),
        _ => Ok(cores),
    }
}

/// Medians of the visits.
fn summed(cores: (usize, usize), seen: &[(f64, f64, f64)]) -> Pair {
    let all = |of: fn(&(f64, f64, f64)) -> f64| seen.iter().map(of).collect::<Vec<f64>>();
    let round_trips = all(|seen| seen.2);
    Pair {
        cores,
        there_ns: median(all(|seen| seen.0)),
        back_ns: median(all(|seen| seen.1)),
        round_trip_span_ns: span(&round_trips),
        round_trip_ns: median(round_trips),
    }
}

/// The shortest round trip: it has both ways in it, and no skew between two clocks.
fn best(pairs: &[Pair]) -> Option<&Pair> {
    pairs.iter().min_by(|a, b| a.round_trip_ns.total_cmp(&b.round_trip_ns))
}

fn pair_json(pair: &Pair) -> Value {
    json!({
        "cores": [pair.cores.0, pair.cores.1],
        "one_way_ns": { "there": tenth(pair.there_ns), "back": tenth(pair.back_ns) },
        "round_trip_ns": {
            "p50": tenth(pair.round_trip_ns),
            "p50_min": tenth(pair.round_trip_span_ns.0),
            "p50_max": tenth(pair.round_trip_span_ns.1),
        },
        "placement": placement(pair.round_trip_ns),
    })
}

/// Two matrices, one way (row to column) and round trip, and the best pair.
fn table(cores: &[usize], pairs: &[Pair], best: &Pair) -> String {
    let of = |a: usize, b: usize| pairs.iter().find(|p| p.cores == (a, b) || p.cores == (b, a));
    let one_way = matrix("one way, ns", cores, |a, b| {
        of(a, b).map(|pair| if pair.cores.0 == a { pair.there_ns } else { pair.back_ns })
    });
    let round_trip = matrix("round trip, ns", cores, |a, b| of(a, b).map(|p| p.round_trip_ns));
    format!(
        "{one_way}\n{round_trip}\n\
         rows send, columns receive; medians of {VISITS} visits\n\
         closest: cores {} and {}, {} (round trip {:.0} ns, visits {:.0} to {:.0})\n",
        best.cores.0,
        best.cores.1,
        placement(best.round_trip_ns),
        best.round_trip_ns,
        best.round_trip_span_ns.0,
        best.round_trip_span_ns.1,
    )
}

fn matrix(head: &str, cores: &[usize], ns: impl Fn(usize, usize) -> Option<f64>) -> String {
    let names: Vec<String> = cores.iter().map(usize::to_string).collect();
    let mut heads = vec![head];
    heads.extend(names.iter().map(String::as_str));
    let mut table = Table::new(&heads);
    for &a in cores {
        let cell = |&b: &usize| ns(a, b).map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"));
        let mut row = vec![a.to_string()];
        row.extend(cores.iter().map(cell));
        table.row(row);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_wins_and_each_way_stands_in_its_own_row() {
        let near = summed((0, 2), &[(50.0, 60.0, 120.0), (40.0, 70.0, 500.0), (45.0, 65.0, 110.0)]);
        assert_eq!((near.there_ns, near.back_ns), (45.0, 65.0));
        assert_eq!(near.round_trip_ns, 120.0);
        assert_eq!(near.round_trip_span_ns, (110.0, 500.0));
        let far = summed((0, 5), &[(250.0, 260.0, 520.0)]);
        let pairs = [far, near];
        assert_eq!(best(&pairs), Some(&near));
        let text = table(&[0, 2, 5], &pairs, &near);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(rows.contains(&vec!["0", "-", "45", "250"]), "{text}");
        assert!(rows.contains(&vec!["2", "65", "-", "-"]), "{text}");
        assert!(rows.contains(&vec!["5", "520", "-", "-"]), "{text}");
    }
}
