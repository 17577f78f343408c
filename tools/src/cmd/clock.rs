//! `tickspin clock`: what a time stamp costs here, how wrong it may be, and whether the cores agree.
//!
//! Three numbers stand under every latency that we print: what reading the counter costs, how well
//! its rate is known, and how far apart two cores' counters may be. This measures all three.
//! A counter that cannot be trusted is refused, with the reason, and there is nothing to fall back
//! to: a stamp by the kernel's clock would cost several times as much, in the path that is measured.

use crate::error::{Failure, Outcome, exit};
use crate::handoff::{Offset, clock_part, offset};
use crate::num::{hundredth, median, tenth};
use crate::print;
use serde_json::{Value, json};
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tickspin_host::clock::{Clock, ticks, ticks_ordered};
use tickspin_host::facts::Facts;
use tickspin_results::table::grouped;

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.clock/1";
/// Exchanges a pair of cores: some milliseconds.
const EXCHANGES: usize = 20_000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only these cores, 0,2-5; all that this process may use where not given
    #[arg(long, value_name = "LIST", value_parser = super::cores::list)]
    cores: Option<super::cores::List>,
    /// How long to calibrate: the error shrinks with it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = super::time::parse)]
    time: Duration,
}

/// What a trusted counter showed.
struct Page {
    clock: Clock,
    ordered_ns: f64,
    /// (core, its offset against the first one).
    offsets: Vec<(usize, Offset)>,
    first: usize,
    time: Duration,
}

/// Runs the command.
///
/// # Errors
/// Exit code 2: no such core; 4: the counter is refused (the page says so and what the kernel's clock
/// costs), or a core is kept busy.
pub fn run(args: &Args) -> Outcome {
    let cores = super::cores::chosen(args.cores.as_ref())?;
    let kernel_ns = kernel_read_ns();
    let source = Facts::read().clock_source.unwrap_or_else(|| "unknown".to_owned());
    let clock = match Clock::calibrate(args.time) {
        Ok(clock) => clock,
        Err(error) => {
            let error = error.to_string();
            if args.json {
                print::json(&refused_json(&error, kernel_ns, &source))?;
            } else {
                print::out(&refused(kernel_ns, &source))?;
            }
            return Err(Failure::environment(error));
        }
    };
    let [first, others @ ..] = cores.as_slice() else {
        return Err(Failure::environment("this process may use no core"));
    };
    let mut offsets = Vec::new();
    for &core in others {
        offsets.push((core, offset((*first, core), EXCHANGES)?));
    }
    let page = Page {
        clock,
        ordered_ns: ordered_read_ns(&clock),
        offsets,
        first: *first,
        time: args.time,
    };
    if args.json {
        print::json(&json_of(&page, kernel_ns, &source))?;
    } else {
        print::out(&text(&page, kernel_ns, &source))?;
    }
    match page.offsets.iter().find(|(_, offset)| offset.is_empty()) {
        None => Ok(exit::OK),
        Some((core, _)) => Err(Failure::environment(format_args!(
            "the counters of cores {first} and {core} are not in step: no single offset explains \
             what they showed; see `dmesg | grep -i tsc`"
        ))),
    }
}

/// Median of runs of 64, so that it is no step of the clock itself.
fn ordered_read_ns(clock: &Clock) -> f64 {
    const READS: u32 = 64;
    let ns_per_tick = 1e9 / clock.ticks_per_second() as f64;
    let runs = (0..501).map(|_| {
        let start = ticks();
        for _ in 0..READS {
            black_box(ticks_ordered());
        }
        ticks().wrapping_sub(start) as f64 / f64::from(READS) * ns_per_tick
    });
    median(runs.collect())
}

/// `clock_gettime`, measured by itself.
fn kernel_read_ns() -> f64 {
    const READS: u32 = 64;
    let runs = (0..501).map(|_| {
        let start = Instant::now();
        for _ in 0..READS {
            black_box(Instant::now());
        }
        start.elapsed().as_nanos() as f64 / f64::from(READS)
    });
    median(runs.collect())
}

fn in_ns(clock: &Clock, ticks: i64) -> f64 {
    ticks as f64 * 1e9 / clock.ticks_per_second() as f64
}

fn text(page: &Page, kernel_ns: f64, source: &str) -> String {
    let part = clock_part(&page.clock);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("rate", &format!("{} ticks a second", grouped(part.ticks_per_second)));
    // A part per million is a microsecond a second.
    line(
        "error",
        &format!(
            "at most {:.2} ppm against CLOCK_MONOTONIC_RAW, measured over {} ms: {:.2} ns in a \
             millisecond, {:.0} µs in a minute",
            part.error_ppm,
            page.time.as_millis(),
            part.error_ppm,
            part.error_ppm * 60.0
        ),
    );
    line(
        "a reading",
        &format!(
            "{:.1} ns rdtsc, {:.1} ns lfence; rdtsc, {kernel_ns:.1} ns clock_gettime",
            part.read_ns, page.ordered_ns
        ),
    );
    line("smallest step", &format!("{:.1} ns", part.step_ns));
    line("kernel", &format!("keeps time by {source}"));
    for (core, offset) in &page.offsets {
        line(&format!("core {core}"), &said(&page.clock, page.first, *offset));
    }
    if page.offsets.is_empty() {
        line("cores", "one alone: nothing to compare it with");
    }
    text
}

fn said(clock: &Clock, first: usize, offset: Offset) -> String {
    let (low, high) = (in_ns(clock, offset.low), in_ns(clock, offset.high));
    if offset.is_empty() {
        return format!("not in step with core {first}: no offset explains what they showed");
    }
    let word = if offset.may_be_zero() { "zero is possible" } else { "not in step" };
    let worst = in_ns(clock, i64::try_from(offset.worst()).unwrap_or(i64::MAX));
    format!(
        "{low:+.0} to {high:+.0} ns against core {first}: {word}; stamps of the two differ by at \
         most {worst:.0} ns from one clock's"
    )
}

fn json_of(page: &Page, kernel_ns: f64, source: &str) -> Value {
    let offsets: Vec<Value> = page
        .offsets
        .iter()
        .map(|(core, offset)| {
            json!({
                "core": core,
                "against": page.first,
                "low_ns": tenth(in_ns(&page.clock, offset.low)),
                "high_ns": tenth(in_ns(&page.clock, offset.high)),
                "is_in_step": !offset.is_empty() && offset.may_be_zero(),
            })
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "refused": Value::Null,
        "clock": clock_part(&page.clock),
        "calibrated_over_ns": page.time.as_nanos() as u64,
        "ordered_read_ns": hundredth(page.ordered_ns),
        "kernel_read_ns": hundredth(kernel_ns),
        "kernel_clock_source": source,
        "offsets": offsets,
    })
}

fn refused(kernel_ns: f64, source: &str) -> String {
    format!(
        "the time stamp counter is refused (why: below), and nothing takes its place\n\
         the kernel keeps time by {source}; a reading by clock_gettime costs {kernel_ns:.1} ns, in \
         the path that would be measured\n"
    )
}

fn refused_json(why: &str, kernel_ns: f64, source: &str) -> Value {
    json!({
        "schema": SCHEMA,
        "refused": why,
        "kernel_read_ns": hundredth(kernel_ns),
        "kernel_clock_source": source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_said_in_words() {
        let clock = Clock::with_frequency(2_000_000_000);
        let said = |low, high| said(&clock, 0, Offset { low, high });
        assert!(said(-100, 80).starts_with("-50 to +40 ns against core 0: zero is possible"));
        assert!(said(-100, 80).contains("at most 50 ns"));
        assert!(said(20, 80).contains("not in step"));
        assert!(said(80, 20).contains("no offset explains"));
    }

    #[test]
    fn a_refusal_says_that_nothing_takes_its_place() {
        assert!(refused(31.04, "hpet").contains("nothing takes its place"));
        let json = refused_json("not invariant", 31.04, "hpet");
        assert_eq!(
            (json["refused"].as_str(), &json["offsets"]),
            (Some("not invariant"), &Value::Null)
        );
    }
}
