//! Isolation: what the scheduler, its tick and RCU do on the spinners' cores, and who shares them.

use super::{Row, Seen, cores};
use tickspin_host::tree::list_text;

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![isolated(seen), nohz_full(seen), rcu_nocbs(seen), smt(seen), numa(seen)]
}

const ONE_CORE: &str = "no core can be spared on this machine";

fn isolated(seen: &Seen) -> Row {
    const CHECK: &str = "isolated";
    let wish = format!("{} out of the scheduler's balancing", cores(&seen.quiet));
    if seen.quiet.is_empty() && !seen.cores.is_empty() {
        return Row::not_here(CHECK, ONE_CORE, "a core of its own for the engine");
    }
    match seen.tree.list("/sys/devices/system/cpu/isolated") {
        Err(absent) => Row::unknown(CHECK, &absent, &wish),
        Ok(list) => {
            let missing = seen.missing_from(&list);
            let fact = format!("isolated: {}", list_text(&list));
            Row::judged(CHECK, missing.is_empty(), fact, &wish)
                .fix("without a boot: a cpuset partition of type `isolated` (cgroup v2)")
                .boot(format!("isolcpus=managed_irq,domain,{}", list_text(&seen.quiet)))
        }
    }
}

fn nohz_full(seen: &Seen) -> Row {
    const CHECK: &str = "nohz_full";
    let wish = format!("no scheduler tick on {}", cores(&seen.quiet));
    if seen.quiet.is_empty() && !seen.cores.is_empty() {
        return Row::not_here(CHECK, ONE_CORE, &wish);
    }
    match seen.tree.list("/sys/devices/system/cpu/nohz_full") {
        Err(absent)
            if absent.is_missing() && seen.has_config("CONFIG_NO_HZ_FULL") == Some(false) =>
        {
            let why = "this kernel was built without CONFIG_NO_HZ_FULL: no boot line helps";
            Row::not_here(CHECK, why, &wish)
        }
        Err(absent) => Row::unknown(CHECK, &absent, &wish),
        Ok(list) => {
            let missing = seen.missing_from(&list);
            Row::judged(CHECK, missing.is_empty(), format!("tickless: {}", list_text(&list)), &wish)
                .boot(format!("nohz_full={}", list_text(&seen.quiet)))
        }
    }
}

/// The kernel shows it nowhere but in what it was told: `nohz_full=` implies it.
fn rcu_nocbs(seen: &Seen) -> Row {
    const CHECK: &str = "rcu_nocbs";
    let wish = format!("RCU callbacks of {} run elsewhere", cores(&seen.quiet));
    if seen.quiet.is_empty() && !seen.cores.is_empty() {
        return Row::not_here(CHECK, ONE_CORE, &wish);
    }
    if seen.has_config("CONFIG_RCU_NOCB_CPU") == Some(false) {
        let why = "this kernel was built without CONFIG_RCU_NOCB_CPU: no boot line helps";
        return Row::not_here(CHECK, why, &wish);
    }
    if let Err(absent) = &seen.command_line {
        return Row::unknown(CHECK, absent, &wish);
    }
    let is_default = seen.has_config("CONFIG_RCU_NOCB_CPU_DEFAULT_ALL") == Some(true);
    let lists = [seen.parameter("rcu_nocbs"), seen.parameter("nohz_full")];
    let all = is_default || lists[0].is_some_and(|list| list == "all" || list.is_empty());
    let list: Vec<usize> =
        lists.into_iter().flatten().filter_map(tickspin_host::tree::parse_list).flatten().collect();
    let fact = match (all, seen.parameter("rcu_nocbs").or(seen.parameter("nohz_full"))) {
        (true, _) => "all cores".to_owned(),
        (false, Some(told)) => format!("by the kernel's command line: {told}"),
        (false, None) => "none on the kernel's command line".to_owned(),
    };
    Row::judged(CHECK, all || seen.missing_from(&list).is_empty(), fact, &wish)
        .boot(format!("rcu_nocbs={}", list_text(&seen.quiet)))
}

fn smt(seen: &Seen) -> Row {
    const CHECK: &str = "smt";
    let wish = "no other hardware thread on a spinner's physical core";
    if seen.cores.is_empty() {
        let absent = seen.tree.list("/sys/devices/system/cpu/online").err();
        return absent.map_or_else(
            || Row::not_here(CHECK, "no core", wish),
            |absent| Row::unknown(CHECK, &absent, wish),
        );
    }
    let is_online = |id: usize| seen.cores.iter().any(|core| core.id == id);
    let mut shared = Vec::new();
    for core in seen.cores.iter().filter(|core| seen.spinners.contains(&core.id)) {
        let others = core.siblings.iter().copied();
        shared.extend(others.filter(|&o| o != core.id && is_online(o)).map(|o| (core.id, o)));
    }
    if shared.is_empty() {
        let fact = if seen.is_guest { "none, as far as the host shows" } else { "none" };
        return Row::judged(CHECK, true, fact, wish);
    }
    let words: Vec<String> =
        shared.iter().map(|(core, other)| format!("core {core} shares with {other}")).collect();
    let idle: Vec<String> = shared
        .iter()
        .filter(|(_, other)| !seen.spinners.contains(other) && *other != 0)
        .map(|(_, other)| format!("echo 0 > /sys/devices/system/cpu/cpu{other}/online"))
        .collect();
    let fix = if idle.is_empty() {
        "choose other cores, or boot with nosmt".to_owned()
    } else {
        format!("`{}` (not undone by --undo), or boot with nosmt", idle.join("; "))
    };
    Row::judged(CHECK, false, words.join(", "), wish).fix(fix)
}

fn numa(seen: &Seen) -> Row {
    const CHECK: &str = "numa";
    const BALANCING: &str = "/proc/sys/kernel/numa_balancing";
    let wish = "spinners on one memory node, pages that stay where they are";
    let mut nodes: Vec<usize> = seen
        .cores
        .iter()
        .filter(|core| seen.spinners.contains(&core.id))
        .map(|core| core.numa_node)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    match seen.tree.list("/sys/devices/system/node/online") {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(all) if all.len() < 2 => Row::judged(CHECK, true, "one node", wish),
        Ok(all) => {
            let moves = seen.tree.number(BALANCING).is_ok_and(|mode| mode != 0);
            let fact = format!(
                "{} nodes, spinners on {}, balancing {}",
                all.len(),
                list_text(&nodes),
                if moves { "on" } else { "off" }
            );
            let row = Row::judged(CHECK, nodes.len() < 2 && !moves, fact, wish);
            let row = if nodes.len() < 2 { row } else { row.fix("choose cores of one node") };
            if moves { row.change(BALANCING, "0") } else { row }
        }
    }
}
