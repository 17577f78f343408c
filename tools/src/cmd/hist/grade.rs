//! Grades: each percentile against a rule, or against the budget of its stage.
//!
//! The budgets stand in [`Stage::budget_ns`] and are promises about every event, so the largest value
//! is graded as well. A tag that is no stage of ours has no budget, and a dash.

use super::load::Sum;
use super::rule::{Quantity, Rule, word};
use serde_json::{Map, Value, json};
use tickspin_results::Stage;
use tickspin_results::table::{Table, grouped};

/// What is graded, in the columns of the table of percentiles.
pub(in crate::cmd) const GRADED: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// The grade of one percentile: a word, and whether it is good news.
pub(in crate::cmd) struct Grade {
    pub(in crate::cmd) word: String,
    pub(in crate::cmd) is_ok: bool,
    pub(in crate::cmd) by_rule: bool,
}

/// The first rule that speaks of this percentile of this tag, else the stage's budget.
pub(in crate::cmd) fn grade(sum: &Sum, name: &str, rules: &[Rule]) -> Option<Grade> {
    let quantity = Quantity::named(name)?;
    if sum.values.is_empty() {
        return None;
    }
    let value_ns = quantity.of(&sum.values);
    let rule = rules.iter().find(|rule| rule.quantity == quantity && rule.is_for(&sum.tag));
    let (limit_ns, or_equal) = match rule {
        Some(rule) => (rule.limit_ns, rule.or_equal),
        None => (Stage::from_name(&sum.tag)?.budget_ns()? as f64, false),
    };
    let word = word(value_ns, limit_ns, or_equal);
    Some(Grade { is_ok: word == "ok", word, by_rule: rule.is_some() })
}

pub(in crate::cmd) fn budget(sum: &Sum) -> Option<u64> {
    Stage::from_name(&sum.tag)?.budget_ns()
}

/// One row a tag, in words; nothing where there is nothing to grade against.
pub(super) fn table(sums: &[Sum], rules: &[Rule], colour: bool) -> String {
    let mut table = Table::new(&[&["graded", "budget"], &GRADED[..]].concat());
    let mut graded = 0;
    for sum in sums {
        let grades = GRADED.map(|name| grade(sum, name, rules));
        graded += grades.iter().flatten().count();
        let budget = budget(sum).map_or_else(|| "-".to_owned(), |ns| format!("< {}", grouped(ns)));
        let mut cells = vec![sum.name().to_owned(), budget];
        cells.extend(grades.map(|grade| match grade {
            None => "-".to_owned(),
            Some(grade) => {
                let word = if grade.by_rule { format!("SLO {}", grade.word) } else { grade.word };
                paint(&word, grade.is_ok, colour)
            }
        }));
        table.row(cells);
    }
    if graded == 0 { String::new() } else { format!("\n{}", table.render()) }
}

/// Green where it is good news, red where it is not.
pub(super) fn paint(text: &str, is_ok: bool, colour: bool) -> String {
    match (colour, is_ok) {
        (false, _) => text.to_owned(),
        (true, true) => format!("{GREEN}{text}{PLAIN}"),
        (true, false) => format!("{RED}{text}{PLAIN}"),
    }
}

/// `{tag: {"budget_ns": …, "p50": "ok", …}}`, tags that have a grade only.
pub(super) fn json(sums: &[Sum], rules: &[Rule]) -> Value {
    let mut tags = Map::new();
    for sum in sums {
        let mut grades = Map::new();
        for name in GRADED {
            if let Some(grade) = grade(sum, name, rules) {
                grades.insert(name.to_owned(), json!(grade.word));
            }
        }
        if !grades.is_empty() {
            grades.insert("budget_ns".to_owned(), json!(budget(sum)));
            tags.insert(sum.tag.clone(), Value::Object(grades));
        }
    }
    Value::Object(tags)
}
