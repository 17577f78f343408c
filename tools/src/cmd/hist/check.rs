//! `hist check`: are the objectives met? For scripts and CI: exit code 3 where one is broken.
//!
//! A tag that is missing or has no values is no pass: nothing was checked, exit code 1.

use super::grade::paint;
use super::load;
use super::output::{Format, Out};
use super::print;
use super::rule::{Finding, Rule};
use super::unit::Unit;
use crate::error::{Failure, Outcome, exit};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.hist.check/1";

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Interval logs, or result folders with some; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What must hold: 'tick_to_order p99.9 < 2us', 'max <= 1ms' (every tag); repeatable
    #[arg(long, required = true, value_name = "RULE")]
    slo: Vec<Rule>,
    /// What the values of the logs are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    out: Out,
}

pub(super) fn run(args: &Check) -> Outcome {
    let wished = args.json.then_some(Format::Json);
    let output = args.out.decide(wished, Some(Format::Table), &[Format::Table, Format::Json])?;
    let loaded = load::all(&args.files, args.unit)?;
    let (mut findings, mut impossible) = (Vec::new(), Vec::new());
    for rule in &args.slo {
        match rule.find(&loaded.sums) {
            Ok(found) => findings.extend(found),
            Err(why) => impossible.push(why),
        }
    }
    let text = match output.format {
        Format::Json => json(&findings, &impossible, &loaded)?,
        _ => lines(&findings, output.is_colourful()),
    };
    output.write(text.as_bytes())?;
    loaded.whole()?;
    if !impossible.is_empty() {
        return Err(Failure::failed(impossible.join("; ")));
    }
    match findings.iter().filter(|finding| !finding.is_ok()).count() {
        0 => Ok(exit::OK),
        broken => Err(Failure::new(
            exit::CHECK,
            format_args!("{broken} of {} rules broken", findings.len()),
        )),
    }
}

/// One line a rule and tag.
fn lines(findings: &[Finding], colour: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let (verdict, is_ok) = if finding.is_ok() { ("ok    ", true) } else { ("broken", false) };
        let _ = writeln!(text, "{} {finding}", paint(verdict, is_ok, colour));
    }
    text
}

fn json(
    findings: &[Finding],
    impossible: &[String],
    loaded: &load::Loaded,
) -> Result<String, Failure> {
    let object = |finding: &Finding| {
        json!({
            "rule": finding.rule.to_string(),
            "tag": finding.tag,
            "limit_ns": finding.rule.limit_ns,
            "value_ns": finding.value_ns,
            "count": finding.count,
            "ok": finding.is_ok(),
        })
    };
    let rules: Vec<Value> = findings.iter().map(object).collect();
    print::pretty(&json!({
        "schema": SCHEMA,
        "files": loaded.files,
        "rules": rules,
        "not_checked": impossible,
        "cut": print::cut(loaded),
    }))
}
