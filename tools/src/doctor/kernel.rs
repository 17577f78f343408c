//! What the kernel does on its own account: throttling, watchdogs, timers, work of its own.

use super::{Row, Seen, Verdict, cores};
use tickspin_host::tree::{Absent, list_text};

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![
        rt_throttling(seen),
        fair_server(seen),
        watchdogs(seen),
        timer_migration(seen),
        stat_interval(seen),
        workqueues(seen),
        aslr(seen),
        mitigations(seen),
    ]
}

/// It takes a real-time spinner off its core for 50 ms of each second. Where nothing is isolated
/// that is what keeps the machine reachable.
fn rt_throttling(seen: &Seen) -> Row {
    const CHECK: &str = "rt_throttling";
    const PATH: &str = "/proc/sys/kernel/sched_rt_runtime_us";
    let wish = "off where cores are isolated, else on; matters with --fifo only";
    match seen.tree.number(PATH) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(runtime_us) => {
            let is_on = runtime_us >= 0;
            let fact = if is_on { format!("on, {runtime_us} µs a second") } else { "off".into() };
            Row::judged(CHECK, !(is_on && is_isolated(seen)), fact, wish).change(PATH, "-1")
        }
    }
}

/// Since Linux 6.12 each core has a server for ordinary tasks that interrupts a real-time spinner for
/// 50 ms of each second as soon as one of them wants the core; it is not what `rt_throttling` sets.
fn fair_server(seen: &Seen) -> Row {
    const CHECK: &str = "fair_server";
    const RELEASE: &str = "/proc/sys/kernel/osrelease";
    let wish = "off where cores are isolated, else on; matters with --fifo only";
    let release = match seen.tree.text(RELEASE) {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(text) => text,
    };
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 12) {
        return Row::not_here(CHECK, "kernels before 6.12 have none", wish);
    }
    let (mut on, mut most_ns) = (Vec::new(), 0);
    for core in &seen.quiet {
        let path = format!("/sys/kernel/debug/sched/fair_server/cpu{core}/runtime");
        match seen.tree.number(&path) {
            Err(absent) => return Row::unknown(CHECK, &absent, wish),
            Ok(0) => {}
            Ok(runtime_ns) => {
                most_ns = most_ns.max(runtime_ns);
                on.push(path);
            }
        }
    }
    let is_bad = !on.is_empty() && is_isolated(seen);
    let fact = match most_ns {
        0 => "off".to_owned(),
        ns => format!("on, {} ms a second", ns / 1_000_000),
    };
    let row = Row::judged(CHECK, !is_bad, fact, wish);
    on.into_iter().fold(row, |row, path| row.change(path, "0"))
}

fn is_isolated(seen: &Seen) -> bool {
    let isolated = seen.tree.list("/sys/devices/system/cpu/isolated").unwrap_or_default();
    !seen.quiet.is_empty() && seen.missing_from(&isolated).is_empty()
}

fn watchdogs(seen: &Seen) -> Row {
    const CHECK: &str = "watchdogs";
    const NMI: &str = "/proc/sys/kernel/nmi_watchdog";
    const SOFT: &str = "/proc/sys/kernel/soft_watchdog";
    const CORES: &str = "/proc/sys/kernel/watchdog_cpumask";
    let wish = format!("none on {}", cores(&seen.quiet));
    let (nmi, soft) = (seen.tree.number(NMI), seen.tree.number(SOFT));
    if let (Err(absent), Err(_)) = (&nmi, &soft) {
        return Row::unknown(CHECK, absent, &wish);
    }
    let (nmi, soft) = (nmi.is_ok_and(|on| on != 0), soft.is_ok_and(|on| on != 0));
    // Absent or odd: they watch all cores.
    let watched = seen.tree.list(CORES).unwrap_or_else(|_| seen.quiet.clone());
    let is_hit = seen.quiet.iter().any(|core| watched.contains(core)) && (nmi || soft);
    let which = match (nmi, soft) {
        (true, true) => "NMI and soft",
        (true, false) => "NMI",
        (false, true) => "soft",
        (false, false) => "off",
    };
    let fact = if nmi || soft { format!("{which} on {}", cores(&watched)) } else { which.into() };
    let row = Row::judged(CHECK, !is_hit, fact, &wish);
    let row = if nmi { row.change(NMI, "0") } else { row };
    if soft && seen.tree.has(CORES) { row.change(CORES, list_text(&seen.rest)) } else { row }
}

fn timer_migration(seen: &Seen) -> Row {
    const CHECK: &str = "timer_migration";
    const PATH: &str = "/proc/sys/kernel/timer_migration";
    let wish = "1: timers leave tickless cores";
    match seen.tree.number(PATH) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(value) => Row::judged(CHECK, value == 1, value.to_string(), wish).change(PATH, "1"),
    }
}

fn stat_interval(seen: &Seen) -> Row {
    const CHECK: &str = "stat_interval";
    const PATH: &str = "/proc/sys/vm/stat_interval";
    let wish = "10 s or more between two sums of memory counters";
    match seen.tree.number(PATH) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(value) => Row::judged(CHECK, value >= 10, format!("{value} s"), wish).change(PATH, "10"),
    }
}

/// Work of the kernel that is bound to no core.
fn workqueues(seen: &Seen) -> Row {
    const CHECK: &str = "workqueues";
    const PATH: &str = "/sys/devices/virtual/workqueue/cpumask";
    let wish = format!("unbound kernel work on {}", cores(&seen.rest));
    let text = match seen.tree.text(PATH) {
        Err(absent) => return Row::unknown(CHECK, &absent, &wish),
        Ok(text) => text,
    };
    let Some(hit) = mask(&text) else {
        return Row::new(CHECK, Verdict::Unknown, format!("{PATH} reads {text:?}: no mask"), &wish);
    };
    let is_hit = seen.quiet.iter().any(|core| hit.contains(core));
    Row::judged(CHECK, !is_hit, cores(&hit), &wish).change(PATH, mask_text(&seen.rest))
}

/// Good either way: what it costs is that two runs differ by where their pages lie.
fn aslr(seen: &Seen) -> Row {
    const CHECK: &str = "aslr";
    let wish = "known: on is safer, off makes runs more alike";
    match seen.tree.number("/proc/sys/kernel/randomize_va_space") {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(0) => Row::judged(CHECK, true, "off", wish),
        Ok(_) => Row::judged(CHECK, true, "on", wish)
            .note("while comparing: `setarch -R tickspin run …`"),
    }
}

/// Good either way: the spinners make no system call, so it is interrupts that pay.
fn mitigations(seen: &Seen) -> Row {
    const CHECK: &str = "mitigations";
    const FOLDER: &str = "/sys/devices/system/cpu/vulnerabilities";
    let wish = "known: they cost system calls and interrupts, not the loop";
    let names = seen.tree.names(FOLDER);
    if names.is_empty() {
        return match seen.tree.text(&format!("{FOLDER}/spectre_v2")) {
            Err(absent) => Row::unknown(CHECK, &absent, wish),
            Ok(_) => Row::not_here(CHECK, "none listed", wish),
        };
    }
    let says: Vec<Result<String, Absent>> =
        names.iter().map(|name| seen.tree.text(&format!("{FOLDER}/{name}"))).collect();
    let count = |start: &str| says.iter().flatten().filter(|t| t.starts_with(start)).count();
    let told = seen.parameter("mitigations").unwrap_or("by default");
    let fact = format!(
        "{} active, {} open, {} not needed (mitigations: {told})",
        count("Mitigation"),
        count("Vulnerable"),
        count("Not affected")
    );
    Row::judged(CHECK, true, fact, wish)
}

/// "ff,00000003": words of 32 bits, the highest first.
pub(super) fn mask(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for (index, word) in text.rsplit(',').enumerate() {
        if index >= 2_048 || word.len() > 8 {
            return None;
        }
        let bits = u32::from_str_radix(word.trim(), 16).ok()?;
        cores.extend(
            (0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| index * 32 + bit as usize),
        );
    }
    Some(cores)
}

pub(super) fn mask_text(cores: &[usize]) -> String {
    let words = cores.iter().max().map_or(1, |highest| highest / 32 + 1);
    let mut bits = vec![0_u32; words];
    for core in cores {
        bits[core / 32] |= 1 << (core % 32);
    }
    let mut text =
        bits.iter().rev().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(",");
    while text.len() > 1 && text.starts_with('0') {
        text.remove(0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_read_and_write_as_the_kernel_does() {
        assert_eq!(mask("3"), Some(vec![0, 1]));
        assert_eq!(mask("1,80000000"), Some(vec![31, 32]));
        assert_eq!(mask_text(&[0, 1]), "3");
        assert_eq!(mask_text(&[31, 32]), "1,80000000");
        assert_eq!(mask_text(&[]), "0");
        assert!(["", "x", "-1", "123456789"].iter().all(|text| mask(text).is_none()));
    }
}
