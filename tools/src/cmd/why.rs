//! `tickspin why DIR`: why were the slow ticks of a run slow?
//!
//! Reads what the engine judged (`engine.json`) and its records (`slow.jsonl`): the budget of the
//! tail by cause, from several responses on, and the worst ticks with their sentence. Nothing is
//! judged here. The wrong command for where usual ticks spend their time: that is `hist show`.

use crate::error::{Failure, Outcome, exit};
use crate::print;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tickspin_results::EnginePart;
use tickspin_results::slow::{Cause, FILE, Slow, SlowRecord, parse_over};
use tickspin_results::table::{Table, grouped};

/// Of which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Result folder of a run
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Only ticks whose longest response is at least this: 20us, 1ms
    #[arg(long, value_name = "TIME", value_parser = parse_over)]
    over: Option<u64>,
    /// Only this cause
    #[arg(long, value_name = "CAUSE", value_parser = parse_cause)]
    cause: Option<Cause>,
    /// So many of the worst
    #[arg(long, value_name = "N", default_value = "10")]
    limit: NonZeroUsize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_cause(text: &str) -> Result<Cause, String> {
    let wished = text.replace('-', "_");
    Cause::ALL.into_iter().find(|cause| cause.name() == wished).ok_or_else(|| {
        let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        format!("one of {}", names.join(", "))
    })
}

#[derive(Serialize)]
struct Report<'r> {
    run: &'r str,
    measured: u64,
    slow: &'r Slow,
    worst: &'r [SlowRecord],
}

/// Prints budget and worst ticks.
///
/// # Errors
/// No result folder of a run, causes not kept, a record that is none or is cut.
pub fn run(args: &Args) -> Outcome {
    let engine = part(&args.dir)?;
    let Some(slow) = &engine.slow else {
        return Err(Failure::failed(format_args!(
            "{}: this run kept no causes; run again without --slow off",
            args.dir.display()
        )));
    };
    let (mut records, spoilt) = records(&args.dir.join(FILE))?;
    records.retain(|record| {
        args.over.is_none_or(|over_ns| record.worst_ns >= over_ns)
            && args.cause.is_none_or(|cause| record.cause == Some(cause))
    });
    records.sort_by_key(|record| (std::cmp::Reverse(record.worst_ns), record.seq));
    let left_out = records.len().saturating_sub(args.limit.get());
    records.truncate(args.limit.get());
    let measured = engine.received - engine.warm_up.min(engine.received);
    if args.json {
        print::json(&Report { run: &engine.run, measured, slow, worst: &records })?;
    } else {
        print::out(&text(&engine.run, measured, slow, &records, left_out))?;
    }
    match spoilt {
        Some(line) => Err(Failure::failed(line)),
        None => Ok(exit::OK),
    }
}

fn part(dir: &Path) -> Result<EnginePart, Failure> {
    let path = dir.join("engine.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::failed(format_args!(
            "{}: {error}; is it the result folder of a run?",
            path.display()
        ))
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))
}

/// The records up to the first that is none, and what is wrong with that one.
fn records(path: &Path) -> Result<(Vec<SlowRecord>, Option<String>), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))?;
    let mut records = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(error) => {
                let line = format!("{}: line {}: {error}", path.display(), at + 1);
                return Ok((records, Some(line)));
            }
        }
    }
    Ok((records, None))
}

fn text(run: &str, measured: u64, slow: &Slow, worst: &[SlowRecord], left_out: usize) -> String {
    let mut text = format!(
        "run {run}: {} of {} measured ticks took {} us or longer\n",
        grouped(slow.samples),
        grouped(measured),
        slow.over_ns as f64 / 1e3
    );
    for line in slow.lines(measured) {
        text.push_str(&format!("{line}\n"));
    }
    if !slow.causes.is_empty() {
        text.push_str(&format!("\n{}", slow.table()));
    }
    if worst.is_empty() {
        return text;
    }
    text.push('\n');
    let mut table = Table::new(&[
        "tick", "at s", "ticks", "worst ns", "lag", "loop gap", "book", "strategy", "order",
        "cause",
    ]);
    let known = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), grouped);
    for record in worst {
        let cause = record.cause.unwrap_or(Cause::Unexplained).words();
        table.row(vec![
            grouped(record.seq),
            format!("{:.3}", record.at_s),
            grouped(record.samples),
            grouped(record.worst_ns),
            grouped(record.schedule_lag_ns),
            grouped(record.loop_gap_ns),
            known(record.book_ns),
            known(record.strategy_ns),
            known(record.risk_order_ns),
            format!("{cause}{}", if record.is_likely { ", likely" } else { "" }),
        ]);
    }
    text.push_str(&table.render());
    text.push('\n');
    for record in worst {
        text.push_str(&format!("{}: {}\n", grouped(record.seq), record.why));
    }
    if slow.written < slow.records {
        text.push_str(&format!(
            "{} of {} records were written, the worst\n",
            grouped(slow.written),
            grouped(slow.records)
        ));
    }
    if left_out > 0 {
        text.push_str(&format!("{} more records: --limit\n", grouped(left_out as u64)));
    }
    text
}
