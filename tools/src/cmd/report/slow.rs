//! Slow ticks: how many of them each cause owns, and the worst with their reasons.
//!
//! The engine counts every slow tick by cause (`slow` in engine.json) and keeps a record of each run of
//! them that has one root (slow.jsonl). The counts are whole, the records may be cut short: their losses
//! are said. Both are optional, and so is every field of them.

use super::cause::Cause;
use super::folder::Folder;
use super::text;
use serde::Serialize;
use serde_json::Value;
use tickspin_results::table::grouped;

/// Rows of the worst, and marks in the time strip, at most.
const WORST_MAX: usize = 25;
const MARKS_MAX: usize = 1_500;
/// Columns of the budget that say how many were slower still.
const LIMITS_MAX: usize = 6;
/// Parts of a slow tick's response, as records name them.
const PARTS: [(&str, &str); 7] = [
    ("lag", "schedule_lag_ns"),
    ("loop gap", "loop_gap_ns"),
    ("ring wait", "ring_wait_ns"),
    ("book", "book_ns"),
    ("strategy", "strategy_ns"),
    ("risk, order", "risk_order_ns"),
    ("service", "service_ns"),
];

/// The whole section.
#[derive(Debug, Serialize)]
pub(super) struct Slow {
    /// What is here and what is not.
    said: String,
    lost: Option<String>,
    limits: Vec<String>,
    budget: Vec<Budget>,
    parts: [&'static str; 7],
    worst: Vec<Worst>,
    records: usize,
}

/// One cause.
#[derive(Debug, Serialize)]
struct Budget {
    cause: Cause,
    records: Option<String>,
    samples: Option<String>,
    /// Of all slow ticks, percent with one place; also the length of its bar.
    share: Option<String>,
    behind: Option<String>,
    longest: Option<String>,
    /// Slow ticks at or above each limit.
    above: Vec<Option<String>>,
}

/// One record.
#[derive(Debug, Serialize)]
struct Worst {
    at: Option<String>,
    cause: Cause,
    why: String,
    /// By a likeness of numbers, not by a count of the kernel's for this thread.
    is_likely: bool,
    worst: Option<String>,
    samples: Option<String>,
    depth: Option<String>,
    parts: Vec<Option<String>>,
    evidence: Vec<(String, String)>,
}

/// A mark in the time strip.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) cause: Cause,
    /// Since the engine's log began.
    pub(super) at_s: f64,
    pub(super) worst_ns: f64,
    pub(super) said: String,
}

fn count(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_u64().map(grouped)
}

/// The section.
pub(super) fn section(folder: &Folder) -> Slow {
    let slow = folder.find("engine:/slow summary:/slow");
    let records = sorted(folder);
    let over = slow.and_then(|slow| slow.get("over_ns")?.as_f64());
    let said = match (slow, folder.slow.is_empty()) {
        (None, true) if folder.has("engine:/slow summary:/slow") => {
            "causes were not recorded: off in this run".to_owned()
        }
        (None, true) => "causes were not recorded".to_owned(),
        (None, false) => "counted from slow.jsonl alone: engine.json has no counts".to_owned(),
        (Some(slow), _) => format!(
            "{} measured events took {} or longer from their intended instant; {} records",
            count(slow, "samples").unwrap_or_else(|| "an unknown number of".to_owned()),
            over.map_or_else(|| "an unknown time".to_owned(), text::time),
            count(slow, "records").unwrap_or_else(|| "an unknown number of".to_owned()),
        ),
    };
    let lost = slow.and_then(|slow| {
        let lost = slow.get("lost")?;
        let of = |key: &str| lost.get(key)?.as_u64();
        let (records, samples) = (of("records")?, of("samples")?);
        (records + samples > 0).then(|| {
            format!(
                "{} records of {} slow ticks were lost: no room for them",
                grouped(records),
                grouped(samples)
            )
        })
    });
    let edges = edges(slow);
    let limits = limits(&edges);
    Slow {
        said,
        lost,
        budget: slow.map_or_else(|| counted(&folder.slow), |slow| budget(slow, &edges, &limits)),
        limits: limits.iter().map(|&edge| format!("≥ {}", text::time(edges[edge]))).collect(),
        parts: PARTS.map(|(name, _)| name),
        worst: records.iter().take(WORST_MAX).map(|record| Worst::of(record)).collect(),
        records: folder.slow.len(),
    }
}

/// Records, the worst first.
fn sorted(folder: &Folder) -> Vec<&Value> {
    let mut records: Vec<&Value> = folder.slow.iter().collect();
    records.sort_by(|a, b| worst_ns(b).total_cmp(&worst_ns(a)));
    records
}

fn worst_ns(record: &Value) -> f64 {
    let of = |key: &str| record.get(key).and_then(Value::as_f64);
    of("worst_ns").or(of("response_ns")).unwrap_or(0.0)
}

fn edges(slow: Option<&Value>) -> Vec<f64> {
    let edges = slow.and_then(|slow| slow.get("edges_ns")?.as_array());
    edges.into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// The first edge, and of the others those nearest to a tenfold of it each.
fn limits(edges: &[f64]) -> Vec<usize> {
    let mut limits: Vec<usize> = Vec::new();
    for (index, edge) in edges.iter().enumerate() {
        let far = limits.last().is_none_or(|&last| *edge >= edges[last] * 9.5);
        if far && limits.len() < LIMITS_MAX {
            limits.push(index);
        }
    }
    limits
}

fn budget(slow: &Value, edges: &[f64], limits: &[usize]) -> Vec<Budget> {
    let all = slow.get("samples").and_then(Value::as_u64).unwrap_or(0);
    let causes = slow.get("causes").and_then(Value::as_array).into_iter().flatten();
    let row = |cause: &Value| {
        let samples = cause.get("samples").and_then(Value::as_u64);
        let counts: Vec<u64> = cause
            .get("counts")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |counts| counts.iter().filter_map(Value::as_u64).collect());
        // Counts that do not fit their edges say nothing.
        let above = |&limit: &usize| {
            (counts.len() == edges.len()).then(|| grouped(counts[limit..].iter().sum()))
        };
        Budget {
            cause: Cause::named(cause.get("cause").and_then(Value::as_str).unwrap_or("not named")),
            records: count(cause, "records"),
            samples: samples.map(grouped),
            share: samples.filter(|_| all > 0).map(|samples| share(samples, all)),
            behind: count(cause, "behind"),
            longest: cause.get("longest_ns").and_then(Value::as_f64).map(text::time),
            above: limits.iter().map(above).collect(),
        }
    };
    let mut rows: Vec<(u64, Budget)> = causes
        .map(|cause| (cause.get("samples").and_then(Value::as_u64).unwrap_or(0), row(cause)))
        .collect();
    rows.sort_by_key(|(samples, _)| std::cmp::Reverse(*samples));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The same of records alone: what only the engine counted is missing.
fn counted(records: &[Value]) -> Vec<Budget> {
    let name = |record: &Value| {
        record.get("cause").and_then(Value::as_str).unwrap_or("not named").to_owned()
    };
    let samples = |record: &Value| record.get("samples").and_then(Value::as_u64).unwrap_or(0);
    let mut names: Vec<String> = records.iter().map(name).collect();
    names.sort();
    names.dedup();
    let all: u64 = records.iter().map(samples).sum();
    let mut rows: Vec<(u64, Budget)> = Vec::new();
    for cause in names {
        let of: Vec<&Value> = records.iter().filter(|record| name(record) == cause).collect();
        let sum: u64 = of.iter().map(|record| samples(record)).sum();
        let longest = of.iter().map(|record| worst_ns(record)).fold(0.0, f64::max);
        rows.push((
            sum,
            Budget {
                cause: Cause::named(&cause),
                records: Some(grouped(of.len() as u64)),
                samples: Some(grouped(sum)),
                share: (all > 0).then(|| share(sum, all)),
                behind: None,
                longest: Some(text::time(longest)),
                above: Vec::new(),
            },
        ));
    }
    rows.sort_by_key(|(samples, _)| std::cmp::Reverse(*samples));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn share(part: u64, all: u64) -> String {
    format!("{:.1}", part as f64 * 100.0 / all as f64)
}

impl Worst {
    fn of(record: &Value) -> Worst {
        let evidence = record.get("evidence").and_then(Value::as_object).into_iter().flatten();
        let text_of = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        Worst {
            at: record.get("at_s").and_then(Value::as_f64).map(|at| format!("{at:.6}")),
            cause: Cause::named(if text_of("cause").is_empty() {
                "not named"
            } else {
                text_of("cause")
            }),
            why: text_of("why").to_owned(),
            is_likely: record.get("is_likely").and_then(Value::as_bool).unwrap_or(false),
            worst: count(record, "worst_ns").or_else(|| count(record, "response_ns")),
            samples: count(record, "samples"),
            depth: count(record, "depth"),
            parts: PARTS.iter().map(|(_, key)| count(record, key)).collect(),
            evidence: evidence.map(|(key, value)| (key.clone(), said(value))).collect(),
        }
    }
}

/// `[["LOC Local timer interrupts", 25]]` as "LOC Local timer interrupts 25".
fn said(value: &Value) -> String {
    let pairs = value.as_array().filter(|items| items.iter().any(Value::is_array));
    let Some(pairs) = pairs else { return text::plain(value) };
    let pair = |pair: &Value| match pair.as_array() {
        Some(parts) => parts.iter().map(text::plain).collect::<Vec<_>>().join(" "),
        None => text::plain(pair),
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join(", ")
}

/// Marks for the time strip: the worst of those that say when they were.
pub(super) fn marks(folder: &Folder) -> Vec<Mark> {
    let mark = |record: &&Value| {
        let at_s = record.get("at_s")?.as_f64()?;
        let worst = Worst::of(record);
        let (worst_ns, samples) =
            (worst_ns(record), worst.samples.unwrap_or_else(|| "-".to_owned()));
        let said = format!(
            "{} at {at_s:.6} s: {}, {samples} ticks. {}",
            worst.cause.name,
            text::time(worst_ns),
            worst.why
        );
        Some(Mark { cause: worst.cause, at_s, worst_ns, said })
    };
    sorted(folder).iter().filter_map(mark).take(MARKS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_a_decade_apart_and_counts_add_up_above_them() {
        let edges: Vec<f64> =
            (0..20).map(|step| 5_000.0 * 10_f64.powf(f64::from(step) / 4.0)).collect();
        let limits = limits(&edges);
        assert_eq!(limits, [0, 4, 8, 12, 16]);
        let mut counts = vec![1; 20];
        counts[19] = 7;
        let slow = json!({"samples": 52, "causes": [
            {"cause": "interrupt", "samples": 26, "counts": counts},
            {"cause": "host_steal", "samples": 27, "counts": [1, 2]},
        ]});
        let rows = budget(&slow, &edges, &limits);
        assert_eq!(rows[0].cause.name, "host_steal");
        assert_eq!(rows[0].above, [None, None, None, None, None], "counts without edges");
        let above: Vec<_> = rows[1].above.iter().flatten().map(String::as_str).collect();
        assert_eq!(above, ["26", "22", "18", "14", "10"]);
        assert_eq!(rows[1].share.as_deref(), Some("50.0"));
    }
}
