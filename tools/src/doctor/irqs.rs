//! Interrupts that may land on the spinners' cores, each by its name, and who would move them back.

use super::{Change, Row, Seen, Verdict, cores};
use tickspin_host::interrupts::{self, Source};
use tickspin_host::tree::{Absent, list_text, shown};

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![affinity(seen), irqbalance(seen)]
}

/// Cost of one in the path of a spinner: 2 to 20 µs.
fn affinity(seen: &Seen) -> Row {
    const CHECK: &str = "irq_affinity";
    let wish = format!("interrupts go to {}", cores(&seen.rest));
    let numbers: Vec<u32> =
        seen.tree.names("/proc/irq").iter().filter_map(|name| name.parse().ok()).collect();
    if numbers.is_empty() {
        return match seen.tree.text("/proc/irq/default_smp_affinity") {
            Err(absent) => Row::unknown(CHECK, &absent, &wish),
            Ok(_) => Row::not_here(CHECK, "this machine has no numbered interrupts", &wish),
        };
    }
    if seen.quiet.is_empty() {
        return Row::not_here(CHECK, "no core can be spared on this machine", &wish);
    }
    let sources = interrupts::parse(&seen.tree.text("/proc/interrupts").unwrap_or_default());
    let (mut details, mut changes, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers = numbers;
    numbers.sort_unstable();
    for number in numbers {
        match landing(seen, &sources, number) {
            Err(absent) => strange.push(absent),
            Ok(None) => {}
            Ok(Some(hit)) => {
                details.push(hit.detail);
                changes.push(hit.change);
            }
        }
    }
    let mut row = match (details.len(), strange.first()) {
        (0, Some(absent)) => Row::unknown(CHECK, absent, &wish),
        (count, _) => {
            let cores = cores(&seen.quiet);
            let fact = match count {
                0 => format!("none on {cores}"),
                1 => format!("1 goes to {cores}"),
                _ => format!("{count} go to {cores}"),
            };
            Row::judged(CHECK, count == 0, fact, &wish)
        }
    };
    if row.verdict == Verdict::Bad {
        row.fix = "those that a driver manages stay where they are".to_owned();
        row.boot.push(format!("irqaffinity={}", list_text(&seen.rest)));
        row.changes = changes;
    }
    row.details = details;
    row
}

/// An interrupt that lands on a core which is to be quiet.
pub(super) struct Landing {
    /// One line: its name, the core, how often.
    pub(super) detail: String,
    /// What moves it away.
    pub(super) change: Change,
}

/// Whether an interrupt lands there.
pub(super) fn landing(
    seen: &Seen,
    sources: &[Source],
    number: u32,
) -> Result<Option<Landing>, Absent> {
    let path = format!("/proc/irq/{number}/smp_affinity_list");
    let may = seen.tree.list(&path)?;
    // Where it is delivered now; older kernels do not say, then wherever it may be.
    let goes = seen.tree.list(&format!("/proc/irq/{number}/effective_affinity_list"));
    let goes = goes.ok().filter(|list| !list.is_empty()).unwrap_or(may);
    let hit: Vec<usize> = goes.into_iter().filter(|core| seen.quiet.contains(core)).collect();
    if hit.is_empty() {
        return Ok(None);
    }
    let source = sources.iter().find(|source| source.id == number.to_string());
    let label = source.map_or_else(|| number.to_string(), Source::label);
    let count: u64 = source.map_or(0, |s| {
        hit.iter().filter_map(|core| s.counts.get(core)).fold(0, |a, &b| a.saturating_add(b))
    });
    let hit = list_text(&hit);
    let detail = shown(&format!("irq {label}: core {hit}, {count} there since boot"));
    Ok(Some(Landing { detail, change: Change { path, value: list_text(&seen.rest) } }))
}

fn irqbalance(seen: &Seen) -> Row {
    const CHECK: &str = "irqbalance";
    let wish = "does not run, or is told to leave the spinners' cores alone";
    let numbers =
        || seen.tree.names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
    if numbers().next().is_none() {
        return match seen.tree.text("/proc/self/status") {
            Err(absent) => Row::unknown(CHECK, &absent, wish),
            Ok(_) => Row::new(CHECK, Verdict::Unknown, "/proc shows no processes", wish),
        };
    }
    let runs = numbers().find(|number| {
        seen.tree.text(&format!("/proc/{number}/comm")).is_ok_and(|name| name == "irqbalance")
    });
    match runs {
        None => Row::judged(CHECK, true, "does not run", wish),
        Some(number) => {
            Row::judged(CHECK, false, format!("runs, process {number}"), wish).fix(format!(
                "`systemctl stop irqbalance`, or IRQBALANCE_BANNED_CPULIST={} in its environment",
                list_text(&seen.quiet)
            ))
        }
    }
}
