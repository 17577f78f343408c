//! Rows, changes and trials as text and JSON.

use crate::doctor::journal::{Done, Journal};
use crate::doctor::prove::{Effect, Plan, Trial};
use crate::doctor::{BootLine, Port, Row, Seen, Verdict, cores};
use crate::num::tenth;
use serde_json::{Value, json};
use std::fmt::Write;
use tickspin_host::tree::shown;

/// Names and versions of the objects' shapes.
const SCHEMA: &str = "tickspin.doctor/1";
const APPLIED: &str = "tickspin.doctor.applied/1";
const PROVEN: &str = "tickspin.doctor.proven/1";

const VERDICTS: [Verdict; 4] = [Verdict::Good, Verdict::Bad, Verdict::Unknown, Verdict::NotHere];

fn count(rows: &[Row], verdict: Verdict) -> usize {
    rows.iter().filter(|row| row.verdict == verdict).count()
}

pub(super) fn text(
    seen: &Seen,
    port: Option<&Port>,
    rows: &[Row],
    boot: Option<&BootLine>,
) -> String {
    let mut text = format!("spinners: {}; {}\n", cores(&seen.spinners), seen.why);
    if let Some(port) = port {
        let _ = writeln!(text, "{}", port.describe());
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "{:<9}{:<16}{}", row.verdict.word(), row.check, row.fact);
        for detail in &row.details {
            let _ = writeln!(text, "{:25}{detail}", "");
        }
        if [Verdict::Bad, Verdict::Unknown].contains(&row.verdict) {
            let _ = writeln!(text, "{:25}wish: {}", "", row.wish);
        }
        for line in row.mends() {
            let _ = writeln!(text, "{:25}{line}", "");
        }
    }
    let counts: Vec<String> = VERDICTS
        .iter()
        .map(|&verdict| format!("{} {}", count(rows, verdict), verdict.word()))
        .collect();
    let _ = writeln!(text, "\n{}", counts.join(", "));
    let changes: usize = rows.iter().map(|row| row.changes.len()).sum();
    let is_one = if changes == 1 { "value" } else { "values" };
    let _ = match port {
        _ if changes == 0 => Ok(()),
        None => writeln!(
            text,
            "now: `tickspin doctor --apply` changes {changes} values, --undo puts them back; \
             --prove measures first"
        ),
        Some(port) => writeln!(
            text,
            "now: `tickspin doctor {} --apply` changes {changes} {is_one}, `tickspin doctor --undo` \
             puts them back",
            shown(&port.name)
        ),
    };
    text + &boot_text(boot)
}

fn boot_text(boot: Option<&BootLine>) -> String {
    let Some(boot) = boot else { return String::new() };
    let mut text = format!("next boot: {}\n", boot.add.join(" "));
    if !boot.replace.is_empty() {
        let _ = writeln!(text, "in place of: {}", boot.replace.join(" "));
    }
    if let Some(whole) = &boot.whole {
        let _ = writeln!(text, "the whole line: {whole}");
    }
    text
}

fn boot_json(boot: Option<&BootLine>) -> Value {
    boot.map_or(
        Value::Null,
        |boot| json!({ "add": boot.add, "replace": boot.replace, "whole": boot.whole }),
    )
}

pub(super) fn json(
    seen: &Seen,
    port: Option<&Port>,
    rows: &[Row],
    boot: Option<&BootLine>,
) -> Value {
    let checks: Vec<Value> = rows.iter().map(Row::json).collect();
    let counts: serde_json::Map<String, Value> = VERDICTS
        .iter()
        .map(|&verdict| (verdict.key().to_owned(), count(rows, verdict).into()))
        .collect();
    json!({
        "schema": SCHEMA,
        "spinners": seen.spinners,
        "quiet": seen.quiet,
        "why": seen.why,
        "interface": port.map(|port| &port.name),
        "is_fit": count(rows, Verdict::Bad) == 0,
        "counts": counts,
        "checks": checks,
        "boot": boot_json(boot),
    })
}

/// One line for a value.
fn line(done: &Done) -> String {
    let (from, to) = (shown(&done.from), shown(&done.to));
    match (done.why_not.is_empty(), done.is_changed()) {
        (true, true) => format!("{}: {from} → {to}", done.path),
        (true, false) => format!("{}: {to} already", done.path),
        (false, _) => format!("{}: {}", done.path, shown(&done.why_not)),
    }
}

fn done_json(done: &Done) -> Value {
    json!({
        "path": done.path,
        "from": done.from,
        "to": done.to,
        "is_changed": done.is_changed(),
        "why_not": done.why_not,
    })
}

pub(super) fn applied(done: &[(&str, Done)], journal: &Journal, boot: Option<&BootLine>) -> String {
    let mut text = String::new();
    for (check, done) in done {
        let _ = writeln!(text, "{check:<16}{}", line(done));
    }
    let changed = done.iter().filter(|(_, done)| done.is_changed()).count();
    let _ = writeln!(text, "{changed} values changed, {} as they were", done.len() - changed);
    if !journal.entries().is_empty() {
        let _ = writeln!(
            text,
            "old values: {}; `tickspin doctor --undo` puts them back",
            journal.path().display()
        );
    }
    text + &boot_text(boot)
}

pub(super) fn applied_json(
    done: &[(&str, Done)],
    journal: &Journal,
    boot: Option<&BootLine>,
) -> Value {
    let values: Vec<Value> = done
        .iter()
        .map(|(check, done)| {
            let mut value = done_json(done);
            value["check"] = (*check).into();
            value
        })
        .collect();
    json!({
        "schema": APPLIED,
        "values": values,
        "journal": journal.path(),
        "journal_entries": journal.entries().len(),
        "boot": boot_json(boot),
    })
}

pub(super) fn undone(done: &[Done]) -> String {
    if done.is_empty() {
        return "nothing to undo\n".to_owned();
    }
    done.iter().map(|done| format!("{}\n", line(done))).collect()
}

pub(super) fn undone_json(done: &[Done], journal: &Journal) -> Value {
    let values: Vec<Value> = done.iter().map(done_json).collect();
    json!({ "schema": APPLIED, "values": values, "journal_entries": journal.entries().len() })
}

pub(super) fn plan(rows: &[Row], plan: &Plan) -> String {
    let tries = rows.iter().filter(|row| !row.changes.is_empty()).count();
    let seconds = (tries * plan.pairs * 2) as f64 * (plan.slice.as_secs_f64() + 0.02);
    format!(
        "{tries} changes to try, {} pairs of {} ms each, on {}: about {seconds:.0} s\n\
         lost time, ppm; the difference with its 99 % interval\n\n",
        plan.pairs,
        plan.slice.as_millis(),
        cores(&plan.cores)
    )
}

pub(super) fn trial(trial: &Trial) -> String {
    let mut text = format!("{:<16}{:<12}", trial.check, trial.effect.word());
    if trial.pairs > 0 {
        let (low, high) = trial.interval_ppm;
        let _ = write!(
            text,
            "without {:.0}, with {:.0}: {:+.0} ({low:+.0} to {high:+.0})",
            trial.without_ppm, trial.with_ppm, trial.difference_ppm
        );
    }
    if trial.effect == Effect::Refused
        && let Some(refused) = trial.done.iter().find(|done| !done.why_not.is_empty())
    {
        text.push_str(&line(refused));
    }
    format!("{}\n", text.trim_end())
}

pub(super) fn kept(trials: &[Trial], journal: &Journal) -> String {
    let kept: Vec<&str> =
        trials.iter().filter(|t| t.effect == Effect::Helped).map(|t| t.check).collect();
    if kept.is_empty() {
        return "\nnothing was shown to help here, so all is as it was\n".to_owned();
    }
    format!(
        "\nkept: {}; old values: {}; `tickspin doctor --undo` puts them back\n",
        kept.join(", "),
        journal.path().display()
    )
}

pub(super) fn proven_json(trials: &[Trial], plan: &Plan, journal: &Journal) -> Value {
    // An interval of too few pairs is without end, which JSON cannot say.
    let finite = |value: f64| if value.is_finite() { json!(tenth(value)) } else { Value::Null };
    let rows: Vec<Value> = trials
        .iter()
        .map(|trial| {
            json!({
                "check": trial.check,
                "effect": trial.effect.word(),
                "is_kept": trial.effect == Effect::Helped,
                "pairs": trial.pairs,
                "lost_without_ppm": tenth(trial.without_ppm),
                "lost_with_ppm": tenth(trial.with_ppm),
                "difference_ppm": tenth(trial.difference_ppm),
                "difference_99_ppm": [finite(trial.interval_ppm.0), finite(trial.interval_ppm.1)],
                "values": trial.done.iter().map(done_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": PROVEN,
        "cores": plan.cores,
        "pairs": plan.pairs,
        "slice_ns": plan.slice.as_nanos() as u64,
        "trials": rows,
        "journal": journal.path(),
        "journal_entries": journal.entries().len(),
    })
}
