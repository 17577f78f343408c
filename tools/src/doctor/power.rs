//! Frequency and sleep: a core that changes its speed, or has to wake up, is late.

use super::{Row, Seen, Verdict};

const CPU: &str = "/sys/devices/system/cpu";
/// A deeper sleep than this is felt by whoever shares the core with the spinner, µs.
const LATENCY_MAX_US: i64 = 2;
/// More states than any processor has.
const STATES_MAX: usize = 32;
const OF_THE_HOST: &str = "a guest: the host decides, and does not show it";

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![governor(seen), turbo(seen), c_states(seen)]
}

fn governor(seen: &Seen) -> Row {
    const CHECK: &str = "governor";
    let wish = "performance on the spinners' cores";
    let mut others = Vec::new();
    let mut first = String::new();
    for core in &seen.spinners {
        let path = format!("{CPU}/cpu{core}/cpufreq/scaling_governor");
        match seen.tree.text(&path) {
            Err(absent) if absent.is_missing() && seen.is_guest => {
                return Row::not_here(CHECK, OF_THE_HOST, wish);
            }
            Err(absent) => return Row::unknown(CHECK, &absent, wish),
            Ok(name) if name != "performance" => others.push((path, name)),
            Ok(name) => first = name,
        }
    }
    if seen.spinners.is_empty() {
        return Row::new(CHECK, Verdict::Unknown, "which cores there are is not known", wish);
    }
    let fact = others.first().map_or(first, |(_, name)| name.clone());
    let row = Row::judged(CHECK, others.is_empty(), fact, wish);
    others.into_iter().fold(row, |row, (path, _)| row.change(path, "performance"))
}

/// No side is better: turbo is faster on average, and changes with what the other cores do.
fn turbo(seen: &Seen) -> Row {
    const CHECK: &str = "turbo";
    const INTEL: &str = "/sys/devices/system/cpu/intel_pstate/no_turbo";
    const OTHERS: &str = "/sys/devices/system/cpu/cpufreq/boost";
    let wish = "known: on is faster, off is steadier";
    let note = |path: &str, off: &str| format!("while comparing: `echo {off} > {path}`");
    match (seen.tree.number(INTEL), seen.tree.number(OTHERS)) {
        (Ok(no_turbo), _) => {
            let on = no_turbo == 0;
            let row = Row::judged(CHECK, true, if on { "on" } else { "off" }, wish);
            if on { row.note(note(INTEL, "1")) } else { row }
        }
        (_, Ok(boost)) => {
            let on = boost != 0;
            let row = Row::judged(CHECK, true, if on { "on" } else { "off" }, wish);
            if on { row.note(note(OTHERS, "0")) } else { row }
        }
        (Err(_), Err(_)) if seen.is_guest => Row::not_here(CHECK, OF_THE_HOST, wish),
        (_, Err(absent)) => Row::unknown(CHECK, &absent, wish),
    }
}

/// A spinner never sleeps, but its core does between runs, and so do the producers it hears from.
fn c_states(seen: &Seen) -> Row {
    const CHECK: &str = "c_states";
    let wish = "no sleep deeper than 2 µs on the spinners' cores";
    if seen.parameter("idle") == Some("poll") {
        return Row::judged(CHECK, true, "idle=poll: cores never sleep", wish);
    }
    let (mut deep, mut paths, mut deepest) = (Vec::new(), Vec::new(), 0);
    for core in &seen.spinners {
        let folder = format!("{CPU}/cpu{core}/cpuidle");
        let states = seen.tree.names(&folder);
        let states = states.iter().filter(|name| name.starts_with("state")).take(STATES_MAX);
        for state in states {
            let file = |name: &str| format!("{folder}/{state}/{name}");
            let Ok(latency_us) = seen.tree.number(&file("latency")) else { continue };
            let is_on = seen.tree.number(&file("disable")).is_ok_and(|disable| disable == 0);
            deepest = deepest.max(if is_on { latency_us } else { 0 });
            if is_on && latency_us > LATENCY_MAX_US {
                let name = seen.tree.text(&file("name")).unwrap_or_default();
                deep.push(format!("core {core} {name} {latency_us} µs"));
                paths.push(file("disable"));
            }
        }
        if seen.tree.names(&folder).iter().all(|name| !name.starts_with("state")) {
            if seen.is_guest {
                return Row::not_here(CHECK, OF_THE_HOST, wish);
            }
            return Row::unknown_folder(CHECK, &folder, wish);
        }
    }
    if seen.spinners.is_empty() {
        return Row::new(CHECK, Verdict::Unknown, "which cores there are is not known", wish);
    }
    let fact = match deep.len() {
        0 => format!(
            "deepest {deepest} µs{}",
            if seen.is_guest { " (the guest's; the host has its own)" } else { "" }
        ),
        _ => deep.join(", "),
    };
    let row = Row::judged(CHECK, deep.is_empty(), fact, wish)
        .fix("or a process that holds /dev/cpu_dma_latency open with 0 in it");
    paths.into_iter().fold(row, |row, path| row.change(path, "1"))
}

impl Row {
    fn unknown_folder(check: &'static str, folder: &str, wish: &str) -> Row {
        Row::new(check, Verdict::Unknown, format!("{folder} shows no states"), wish)
    }
}
