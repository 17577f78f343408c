//! Cores as tables, strips, JSON, interval log.

use super::Measured;
use crate::error::Failure;
use crate::gaps::{CoreGaps, SLICES, gather, sparkline};
use crate::handoff::clock_part;
use crate::host;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};
use tickspin_host::facts::Facts;
use tickspin_results::hlog;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.jitter/1";
/// Sources of interrupts that the text names; JSON has all.
const NAMED: usize = 6;

pub(super) fn text(measured: &Measured) -> String {
    let head =
        ["core", "spun s", "gaps", "gaps/s", "p50 ns", "p99 ns", "worst ns", "lost µs/s", "lost %"];
    let mut table = Table::new(&head);
    for (core, _) in &measured.cores {
        let seconds = core.ran_ns as f64 / 1e9;
        let total = core.total();
        let gaps = total.percentiles();
        let count = gaps.count + total.overflow;
        let ns = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), grouped);
        table.row(vec![
            core.core.to_string(),
            format!("{seconds:.2}"),
            grouped(count),
            format!("{:.0}", count as f64 / seconds.max(1e-9)),
            ns(gaps.p50),
            ns(gaps.p99),
            ns(core.worst.first().map(|one| one.1)),
            format!("{:.1}", core.lost_share() * 1e6),
            format!("{:.4}", core.lost_share() * 100.0),
        ]);
    }
    let mut text = table.render();
    let _ = writeln!(text, "\ngaps of {} ns and more", grouped(measured.threshold_ns));
    for (core, told) in &measured.cores {
        let slice_ns = slice_ns(core);
        let strip = sparkline(&gather(&core.strip, SLICES), slice_ns);
        let _ = writeln!(text, "\ncore {}: {strip}", core.core);
        let _ = writeln!(
            text,
            "  a mark is {:.0} ms; · nothing lost, ▁ up to 10 ppm, each step 5 times more, █ 10 % and up",
            slice_ns as f64 / 1e6
        );
        let worst: Vec<String> = core
            .worst
            .iter()
            .map(|&(at, gap)| format!("{} ns at {:.3} s", grouped(gap), at as f64 / 1e9))
            .collect();
        if !worst.is_empty() {
            let _ = writeln!(text, "  longest: {}", worst.join(", "));
        }
        let _ = writeln!(
            text,
            "  over the same time: steal {} ms (counted in steps of 10), {} involuntary switches, \
             {} µs waiting for the core",
            told.steal_ns / 1_000_000,
            core.involuntary_switches,
            grouped(core.queued_ns / 1_000)
        );
        let _ = writeln!(text, "  interrupts: {}", sources(&told.interrupts));
        let _ = writeln!(text, "  softirqs: {}", sources(&told.softirqs));
    }
    if measured.signal != 0 {
        text.push_str("\nended early by a signal\n");
    }
    text
}

fn sources(all: &[(String, u64)]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let mut named: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|(label, count)| format!("{label} {}", grouped(*count)))
        .collect();
    if all.len() > NAMED {
        named.push(format!("and {} more", all.len() - NAMED));
    }
    named.join(", ")
}

/// The slices are of the wished time, also where it ended early.
fn slice_ns(core: &CoreGaps) -> u64 {
    core.interval_ns * core.intervals.len() as u64 / SLICES as u64
}

pub(super) fn json(measured: &Measured) -> Value {
    let counts = |all: &[(String, u64)]| -> Map<String, Value> {
        all.iter().map(|(label, count)| (label.clone(), (*count).into())).collect()
    };
    let cores: Vec<Value> = measured
        .cores
        .iter()
        .map(|(core, told)| {
            let worst: Vec<Value> =
                core.worst.iter().map(|one| json!({ "at_ns": one.0, "gap_ns": one.1 })).collect();
            let total = core.total();
            json!({
                "core": core.core,
                "ran_ns": core.ran_ns,
                "turns": core.turns,
                "turn_least_ns": core.turn_least_ns,
                "gaps_ns": total.percentiles(),
                "gaps_overflow": total.overflow,
                "lost_ns": core.lost_ns,
                "lost_share": core.lost_share(),
                "worst": worst,
                "strip": { "slice_ns": slice_ns(core), "lost_ns": core.strip },
                "steal_ns": told.steal_ns,
                "involuntary_switches": core.involuntary_switches,
                "queued_ns": core.queued_ns,
                "interrupts": counts(&told.interrupts),
                "softirqs": counts(&told.softirqs),
            })
        })
        .collect();
    let facts: Map<String, Value> = host::facts(&Facts::read())
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    json!({
        "schema": SCHEMA,
        "threshold_ns": measured.threshold_ns,
        "cores": cores,
        "ended_by_signal": (measured.signal != 0).then_some(measured.signal),
        "clock": clock_part(&measured.clock),
        "host": facts,
    })
}

/// One tag a core, the intervals one after the other.
pub(super) fn log(measured: &Measured) -> Result<Vec<u8>, Failure> {
    let began = |core: &CoreGaps| measured.clock.realtime_ns(core.began_ticks);
    let start_ns = measured.cores.iter().map(|(core, _)| began(core)).min().unwrap_or(0);
    let mut comments = vec![format!(
        "tickspin jitter: gaps of {} ns and more between two readings of the clock, ns",
        measured.threshold_ns
    )];
    let facts = host::facts(&Facts::read());
    comments.extend(facts.iter().map(|(key, value)| format!("{key}: {value}")));
    let start = UNIX_EPOCH + Duration::from_nanos(start_ns);
    let failed = |error: std::io::Error| Failure::failed(format_args!("interval log: {error}"));
    let mut bytes = Vec::new();
    let mut log = hlog::Writer::begin(&mut bytes, start, &comments).map_err(failed)?;
    let intervals = measured.cores.iter().map(|(core, _)| core.intervals.len()).max().unwrap_or(0);
    for index in 0..intervals {
        for (core, _) in &measured.cores {
            let Some(histogram) = core.intervals.get(index) else { continue };
            let from_ns = index as u64 * core.interval_ns;
            let length_ns = core.ran_ns.saturating_sub(from_ns).min(core.interval_ns);
            if length_ns == 0 && histogram.values.is_empty() {
                // It ended before.
                continue;
            }
            let since = Duration::from_nanos(began(core) - start_ns + from_ns);
            let length = Duration::from_nanos(length_ns);
            let tag = format!("core{}", core.core);
            log.interval(&tag, since, length, histogram).map_err(failed)?;
        }
    }
    Ok(bytes)
}
