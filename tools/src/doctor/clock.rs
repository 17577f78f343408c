//! The clock that stamps are made with, and who else decides when this machine runs.

use super::{Row, Seen, Verdict};
use tickspin_host::facts::Facts;
use tickspin_host::tree::shown;

/// The kernel took one of these because it does not trust the TSC.
const FALLBACKS: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"];
/// A share of stolen time that a day's tail shows.
const STEAL_SHARE_MAX: f64 = 1e-4;

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![source(seen), tsc(seen), hypervisor(seen), steal(seen)]
}

fn source(seen: &Seen) -> Row {
    const CHECK: &str = "clock_source";
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let wish = "tsc: reading the time stays out of the kernel";
    match seen.tree.text(CURRENT) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(name) if FALLBACKS.contains(&name.as_str()) => Row::judged(CHECK, false, &name, wish)
            .fix("the kernel gave the TSC up: see `dmesg | grep -i tsc` for its reason"),
        Ok(name) => {
            let others = seen.tree.text(&format!("{FOLDER}/available_clocksource"));
            let has_tsc = others.is_ok_and(|all| all.split_whitespace().any(|one| one == "tsc"));
            // A guest's own page costs the same; without a choice it is as good as it gets.
            let row = Row::judged(CHECK, name == "tsc" || !has_tsc, name, wish);
            row.change(CURRENT, "tsc")
        }
    }
}

fn tsc(seen: &Seen) -> Row {
    const CHECK: &str = "tsc";
    let wish = "constant_tsc and nonstop_tsc";
    match &seen.flags {
        Err(absent) => Row::unknown(CHECK, absent, wish),
        Ok(flags) => {
            let has = |name: &&str| flags.iter().any(|flag| flag == name);
            let all = ["constant_tsc", "nonstop_tsc", "tsc_known_freq", "tsc_reliable"];
            let there: Vec<&str> = all.into_iter().filter(has).collect();
            let fact = if there.is_empty() { "neither".to_owned() } else { there.join(" ") };
            let good = ["constant_tsc", "nonstop_tsc"].iter().all(has);
            Row::judged(CHECK, good, fact, wish)
                .fix("on a guest expose it (QEMU: -cpu host,migratable=no,+invtsc); see `tickspin clock`")
        }
    }
}

fn hypervisor(seen: &Seen) -> Row {
    const CHECK: &str = "hypervisor";
    let wish = "none: nobody else decides when a core runs";
    if let Err(absent) = &seen.flags {
        return Row::unknown(CHECK, absent, wish);
    }
    if !seen.is_guest {
        return Row::judged(CHECK, true, "none", wish);
    }
    // CPUID knows only the machine that we run on.
    let name = if seen.tree.is_host() { Facts::read().hypervisor } else { seen.product() };
    let name =
        name.map_or_else(|| "a guest".to_owned(), |name| format!("a guest of {}", shown(&name)));
    Row::judged(CHECK, false, name, wish)
        .fix("a machine of your own, or a host that gives each virtual core a core of its own")
}

/// The eighth number of a core's line, against all of them.
fn steal(seen: &Seen) -> Row {
    const CHECK: &str = "steal";
    let wish = "nothing taken by the hypervisor";
    let text = match seen.tree.text("/proc/stat") {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(text) => text,
    };
    let mut worst: Option<(usize, f64)> = None;
    for core in &seen.spinners {
        let name = format!("cpu{core}");
        let line = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '));
        let numbers: Option<Vec<u64>> =
            line.map(|line| line.split_whitespace().map_while(|word| word.parse().ok()).collect());
        // Guest time (the ninth and tenth) is in user time already.
        let Some(numbers) = numbers.filter(|numbers| numbers.len() >= 8) else { continue };
        let all: f64 = numbers.iter().take(8).map(|&number| number as f64).sum();
        let share = numbers[7] as f64 / all.max(1.0);
        if worst.is_none_or(|(_, most)| share > most) {
            worst = Some((*core, share));
        }
    }
    match worst {
        None => {
            Row::new(CHECK, Verdict::Unknown, "/proc/stat does not say it of these cores", wish)
        }
        Some((core, share)) => {
            let fact = format!("{:.3} % of core {core}'s time since boot", share * 100.0);
            Row::judged(CHECK, share <= STEAL_SHARE_MAX, fact, wish).fix(
                "`tickspin jitter` shows when and how long; another host, or a larger share of it",
            )
        }
    }
}
