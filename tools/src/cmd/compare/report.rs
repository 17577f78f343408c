//! Findings as table and JSON.

use crate::compare::{Design, Finding, Settings, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.compare/1";

/// One row a tag and percentile, then notes.
pub(super) fn table(findings: &[Finding], notes: &[String]) -> String {
    let mut table = Table::new(&["ns", "A", "B", "B / A", "interval", "noise", "verdict"]);
    for finding in findings {
        let tag = if finding.tag.is_empty() { "(no tag)" } else { &finding.tag };
        let dash = || "-".to_owned();
        let (interval, noise) = match finding.verdict {
            Verdict::TooFew => (dash(), dash()),
            _ => (
                format!("{:.3} – {:.3}", finding.low, finding.high),
                format!("{:.1} %", finding.noise * 100.0),
            ),
        };
        table.row(vec![
            format!("{tag} {}", finding.percentile),
            grouped(finding.a_ns),
            grouped(finding.b_ns),
            format!("{:.3}", finding.ratio),
            interval,
            noise,
            word(finding.verdict).to_owned(),
        ]);
    }
    let mut text = table.render();
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::CannotTell => "cannot tell",
        Verdict::TooFew => "too few values",
    }
}

/// One object.
pub(super) fn json(findings: &[Finding], settings: &Settings, notes: &[String]) -> Value {
    let design = match settings.design {
        Design::Rounds => "rounds of A B B A",
        Design::Series => "intervals of one run each",
    };
    json!({
        "schema": SCHEMA,
        "design": design,
        "resamples": settings.resamples,
        "seed": settings.seed,
        "tolerance": settings.tolerance,
        "clock_step_ns": settings.clock_step_ns,
        "findings": findings,
        "notes": notes,
    })
}
