//! Are the two hosts alike? What a run's `summary.json` says about its machine is compared.
//!
//! Numbers of two machines, or of one machine that was set up in two ways, say nothing about two
//! programs. The same holds where the hypervisor had the cores at another distance. That the runs
//! themselves were asked for other things (a file, a rate, a strategy) may be the very question: it
//! is noted.

use crate::error::{Failure, exit};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Facts that decide how fast the same program is.
const FACTS: [&str; 13] = [
    "cpu",
    "cores_online",
    "smt",
    "hypervisor",
    "kernel",
    "kernel_command_line",
    "governor",
    "isolated",
    "nohz_full",
    "clock_source",
    "transparent_huge_pages",
    "profile",
    "l3",
];

/// Refuses unlike hosts, unless told to. Returns the coarser clock's step, ns; 0 where unknown.
pub(super) fn check(
    a: &Path,
    b: &Path,
    unlike: bool,
    notes: &mut Vec<String>,
) -> Result<f64, Failure> {
    let (Some(a), Some(b)) = (summary(a), summary(b)) else {
        notes.push("no summary.json beside both: whether the hosts are alike is not known".into());
        return Ok(0.0);
    };
    let differences = differences(&a, &b);
    if !differences.is_empty() {
        let line = format!("the hosts are not alike: {}", differences.join("; "));
        if !unlike {
            let why = format!("{line}; --unlike compares all the same");
            return Err(Failure::new(exit::ENVIRONMENT, why));
        }
        notes.push(line);
    }
    let other =
        ["/source", "/rate/target", "/settings/strategy", "/settings/stamps", "/settings/policy"]
            .into_iter()
            .filter(|key| a.pointer(key) != b.pointer(key))
            .map(|key| key.rsplit('/').next().unwrap_or(key));
    let other: Vec<&str> = other.collect();
    if !other.is_empty() {
        notes.push(format!("the runs were asked for other things: {}", other.join(", ")));
    }
    Ok(step_ns(&a).max(step_ns(&b)))
}

/// The step of the clock that a run was measured with, ns; 0 where it does not say.
pub(super) fn clock_step_ns(path: &Path) -> f64 {
    summary(path).map_or(0.0, |summary| step_ns(&summary))
}

fn step_ns(summary: &Value) -> f64 {
    let step_ns = summary["clock"]["step_ns"].as_f64().unwrap_or(0.0);
    if step_ns.is_finite() { step_ns.max(0.0) } else { 0.0 }
}

fn summary(path: &Path) -> Option<Value> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    serde_json::from_slice(&fs::read(folder.join("summary.json")).ok()?).ok()
}

/// One line each.
fn differences(a: &Value, b: &Value) -> Vec<String> {
    let shown = |value: &Value| value.as_str().map_or_else(|| "unknown".to_owned(), str::to_owned);
    let mut differences: Vec<String> = FACTS
        .iter()
        .filter(|fact| a["host"][**fact] != b["host"][**fact])
        .map(|fact| format!("{fact} {} and {}", shown(&a["host"][*fact]), shown(&b["host"][*fact])))
        .collect();
    let place = |summary: &Value| {
        let place = &summary["placement"];
        (shown(&place["before"]), shown(&place["after"]))
    };
    for (name, (before, after)) in [("A", place(a)), ("B", place(b))] {
        if before != after {
            differences.push(format!("the host moved {name}'s cores from {before} to {after}"));
        }
    }
    if place(a).0 != place(b).0 {
        differences.push(format!("cores were {} and {}", place(a).0, place(b).0));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named() {
        let host = |cpu: &str, before: &str, after: &str| {
            json!({
                "host": { "cpu": cpu, "load_1m": before },
                "placement": { "before": before, "after": after },
            })
        };
        let near = host("X", "near", "near");
        assert!(differences(&near, &near).is_empty());
        assert_eq!(differences(&near, &host("Y", "near", "near")), ["cpu X and Y"]);
        assert_eq!(differences(&near, &host("X", "far", "far")), ["cores were near and far"]);
        let moved = differences(&host("X", "near", "far"), &near);
        assert_eq!(moved, ["the host moved A's cores from near to far"]);
    }
}
