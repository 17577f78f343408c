//! What a run comes to, in words at the top: objectives or budgets, pacing, accounting.

use super::folder::Folder;
use crate::cmd::hist::grade::{GRADED, grade};
use crate::cmd::hist::load::Sum;
use crate::cmd::hist::rule::{Finding, Rule};
use serde::Serialize;
use serde_json::{Value, json};
use tickspin_results::table::grouped;

/// Broken budgets that are named, at most.
const NAMED_MAX: usize = 4;

/// One verdict.
#[derive(Debug, Serialize)]
pub(super) struct Badge {
    pub(super) about: &'static str,
    pub(super) word: String,
    /// `good`, `warn`, `bad` or `none`.
    pub(super) tone: &'static str,
    /// Why, one line each.
    pub(super) lines: Vec<String>,
}

/// The rules of the command line against the logs.
pub(super) struct Objectives<'r> {
    pub(super) rules: &'r [Rule],
    pub(super) findings: Vec<Finding<'r>>,
    /// Why a rule could not be checked.
    pub(super) impossible: Vec<String>,
}

impl<'r> Objectives<'r> {
    /// Checks them all.
    pub(super) fn check(rules: &'r [Rule], sums: &[Sum]) -> Objectives<'r> {
        let mut objectives = Objectives { rules, findings: Vec::new(), impossible: Vec::new() };
        for rule in rules {
            match rule.find(sums) {
                Ok(found) => objectives.findings.extend(found),
                Err(why) => objectives.impossible.push(why),
            }
        }
        objectives
    }

    /// How many do not hold.
    pub(super) fn broken(&self) -> usize {
        self.findings.iter().filter(|finding| !finding.is_ok()).count()
    }

    /// As `hist check --json` has them.
    pub(super) fn json(&self) -> Vec<Value> {
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
        self.findings.iter().map(object).collect()
    }

    fn badge(&self) -> Badge {
        let (broken, all) = (self.broken(), self.findings.len());
        let (word, tone) = match (broken, self.impossible.len()) {
            (0, 0) => ("met".to_owned(), "good"),
            (0, unchecked) => (format!("{unchecked} not checked"), "warn"),
            (broken, _) => (format!("{broken} of {all} broken"), "bad"),
        };
        let line = |finding: &Finding| {
            format!("{}: {finding}", if finding.is_ok() { "ok" } else { "broken" })
        };
        let unchecked = self.impossible.iter().map(|why| format!("not checked: {why}"));
        let lines = self.findings.iter().map(line).chain(unchecked).collect();
        Badge { about: "SLO", word, tone, lines }
    }
}

/// All of them.
pub(super) fn badges(folder: &Folder, objectives: &Objectives<'_>) -> Vec<Badge> {
    let first =
        if objectives.rules.is_empty() { budgets(&folder.sums) } else { objectives.badge() };
    vec![first, pacing(folder), accounting(folder)]
}

/// Up to which percentile every stage is within its budget.
fn budgets(sums: &[Sum]) -> Badge {
    let about = "budgets";
    let over = |level: &str| -> Vec<String> {
        let broken = sums.iter().filter_map(|sum| {
            let grade = grade(sum, level, &[]).filter(|grade| !grade.is_ok)?;
            Some(format!("{level} of {}: {}", sum.name(), grade.word))
        });
        broken.collect()
    };
    if sums.iter().all(|sum| grade(sum, "max", &[]).is_none()) {
        let lines = vec!["no stage with a budget was recorded".to_owned()];
        return Badge { about, word: "no verdict".to_owned(), tone: "none", lines };
    }
    let broken: Vec<(&str, Vec<String>)> = GRADED.map(|level| (level, over(level))).into();
    match broken.iter().position(|(_, over)| !over.is_empty()) {
        None => Badge {
            about,
            word: "kept, the largest value too".to_owned(),
            tone: "good",
            lines: vec!["every value of every stage with a budget is within it".to_owned()],
        },
        Some(at) => {
            let (word, tone) = match at {
                0 => ("over at p50".to_owned(), "bad"),
                at => (format!("kept up to {}", GRADED[at - 1]), "warn"),
            };
            let (_, over) = &broken[at];
            let mut lines: Vec<String> = over.iter().take(NAMED_MAX).cloned().collect();
            if over.len() > NAMED_MAX {
                lines.push(format!("and {} more", over.len() - NAMED_MAX));
            }
            Badge { about, word, tone, lines }
        }
    }
}

fn pacing(folder: &Folder) -> Badge {
    let about = "pacing";
    let place = |key: &str| format!("summary:/certificate{key} feed:/certificate{key}");
    let Some(verdict) = folder.text(&place("/verdict")) else {
        let (word, why) = match folder.has(&place("")) {
            true => ("no schedule", "the run had no schedule to keep"),
            false => ("not recorded", "no certificate of pacing in this folder"),
        };
        return Badge { about, word: word.to_owned(), tone: "none", lines: vec![why.to_owned()] };
    };
    let (tone, why) = match verdict {
        "held" => ("good", "at least 99 % of the events outside gaps left within 1 µs"),
        "not held" => ("bad", "fewer than 99 % of the events outside gaps left within 1 µs"),
        "host too noisy" => (
            "warn",
            "more than 5 % of the events were due in gaps of the machine: the run says nothing about the program",
        ),
        _ => ("warn", "a verdict that this program does not know"),
    };
    Badge { about, word: verdict.to_owned(), tone, lines: vec![why.to_owned()] }
}

fn accounting(folder: &Folder) -> Badge {
    let about = "events";
    let count = |place: &str| folder.find(place).and_then(Value::as_u64);
    let numbers = ["sent", "received", "lost"].map(|key| count(&format!("summary:/events/{key}")));
    let [Some(sent), Some(received), Some(lost)] = numbers else {
        let lines = vec!["this folder does not say what was sent and received".to_owned()];
        return Badge { about, word: "not recorded".to_owned(), tone: "none", lines };
    };
    let missing = sent.abs_diff(received.saturating_add(lost));
    let (word, tone) = match (missing, lost) {
        (0, 0) => ("none lost".to_owned(), "good"),
        (0, lost) => (format!("{} lost, all accounted for", grouped(lost)), "warn"),
        (missing, _) => (format!("{} unaccounted for", grouped(missing)), "bad"),
    };
    let line =
        format!("{} sent, {} received, {} lost", grouped(sent), grouped(received), grouped(lost));
    Badge { about, word, tone, lines: vec![line] }
}
