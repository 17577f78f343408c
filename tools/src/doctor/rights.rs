//! What this process may do: limits, capabilities, and the container it may be in.

use super::{Row, Seen, cores};
use tickspin_host::tree::{Absent, list_text, parse_list, value};

/// `CAP_IPC_LOCK` and `CAP_SYS_NICE`, include/uapi/linux/capability.h.
const IPC_LOCK: u32 = 14;
const SYS_NICE: u32 = 23;
/// What a run locks at most with its defaults, and what it wants to exist, bytes.
const LOCKED_BYTES: u64 = 512 << 20;
const MEMORY_BYTES: u64 = 1 << 30;
/// Deeper nesting of control groups is a broken file.
const DEPTH_MAX: usize = 32;

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![locked_memory(seen), rt_priority(seen), quota(seen), cpuset(seen), memory_limit(seen)]
}

/// The soft limit of a line of /proc/self/limits; `None` is "unlimited".
pub(super) fn limit(seen: &Seen, name: &str) -> Result<Option<u64>, Absent> {
    let text = seen.tree.text("/proc/self/limits")?;
    let soft = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    // A line that is missing or says something else allows nothing.
    Ok((soft != Some("unlimited")).then(|| soft.and_then(|soft| soft.parse().ok()).unwrap_or(0)))
}

pub(super) fn has_capability(seen: &Seen, number: u32) -> bool {
    let status = seen.tree.text("/proc/self/status").unwrap_or_default();
    let set = value(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    set.is_some_and(|set| set >> number & 1 == 1)
}

fn locked_memory(seen: &Seen) -> Row {
    const CHECK: &str = "locked_memory";
    let wish = "512 MiB or more may be locked";
    if has_capability(seen, IPC_LOCK) {
        return Row::judged(CHECK, true, "CAP_IPC_LOCK: no limit", wish);
    }
    match limit(seen, "Max locked memory") {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(None) => Row::judged(CHECK, true, "no limit", wish),
        Ok(Some(bytes)) => {
            Row::judged(CHECK, bytes >= LOCKED_BYTES, format!("{} MiB", bytes >> 20), wish).fix(
                "`sudo prlimit --memlock=unlimited --pid $$` for this shell; memlock in \
                 /etc/security/limits.conf, LimitMEMLOCK= in a unit",
            )
        }
    }
}

fn rt_priority(seen: &Seen) -> Row {
    const CHECK: &str = "rt_priority";
    let wish = "real-time priority to be had; for --fifo only";
    if has_capability(seen, SYS_NICE) {
        return Row::judged(CHECK, true, "CAP_SYS_NICE: any", wish);
    }
    match limit(seen, "Max realtime priority") {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(None) => Row::judged(CHECK, true, "any", wish),
        Ok(Some(most)) => Row::judged(CHECK, most > 0, format!("up to {most}"), wish).fix(
            "`sudo prlimit --rtprio=80:80 --pid $$` for this shell, or `sudo setcap \
             cap_sys_nice+ep` on the programs",
        ),
    }
}

/// Where the process is in the control groups: (the unified path, the one of a v1 controller).
fn groups(seen: &Seen, controller: &str) -> Result<(Option<String>, Option<String>), Absent> {
    let text = seen.tree.text("/proc/self/cgroup")?;
    let (mut unified, mut own) = (None, None);
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if path.split('/').any(|part| part == "..") || path.split('/').count() > DEPTH_MAX {
            continue;
        }
        if names.is_empty() {
            unified = Some(path.to_owned());
        } else if names.split(',').any(|name| name == controller) {
            own = Some(path.to_owned());
        }
    }
    Ok((unified, own))
}

/// A group and all above it, the innermost first: the tightest limit of them binds.
fn upwards(path: &str) -> impl Iterator<Item = String> {
    let path = path.trim_end_matches('/').to_owned();
    let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
    let cut = ends.into_iter().rev().map({
        let path = path.clone();
        move |at| path[..at].to_owned()
    });
    std::iter::once(path).chain(cut)
}

fn quota(seen: &Seen) -> Row {
    const CHECK: &str = "cpu_quota";
    let wish = "no quota of processor time";
    let (unified, own) = match groups(seen, "cpu") {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(groups) => groups,
    };
    let mut bound = None;
    for group in unified.iter().flat_map(|path| upwards(path)) {
        let path = format!("/sys/fs/cgroup{group}/cpu.max");
        let Ok(text) = seen.tree.text(&path) else { continue };
        let mut words = text.split_whitespace();
        let (used, period) = (words.next().unwrap_or("max"), words.next().unwrap_or("100000"));
        if let (Ok(used), Ok(period)) = (used.parse::<u64>(), period.parse::<u64>()) {
            bound = tighter(bound, used, period);
        }
    }
    for group in own.iter().flat_map(|path| upwards(path)) {
        let file = |name: &str| seen.tree.number(&format!("/sys/fs/cgroup/cpu{group}/{name}"));
        if let (Ok(used @ 1..), Ok(period @ 1..)) =
            (file("cpu.cfs_quota_us"), file("cpu.cfs_period_us"))
        {
            bound = tighter(bound, used.unsigned_abs(), period.unsigned_abs());
        }
    }
    match bound {
        None => Row::judged(CHECK, true, "none", wish),
        Some(cores) => Row::judged(CHECK, false, format!("{cores:.2} cores"), wish).fix(
            "cpu.max of the control group to `max` (docker: without --cpus; Kubernetes: whole \
             cores and the static CPU manager): a spinner at its quota stands still for the rest \
             of 100 ms",
        ),
    }
}

fn tighter(bound: Option<f64>, used: u64, period: u64) -> Option<f64> {
    let cores = used as f64 / period.max(1) as f64;
    Some(bound.map_or(cores, |bound: f64| bound.min(cores)))
}

fn cpuset(seen: &Seen) -> Row {
    const CHECK: &str = "cpuset";
    let wish = format!("this process may use {}", cores(&seen.spinners));
    match seen.tree.text("/proc/self/status") {
        Err(absent) => Row::unknown(CHECK, &absent, &wish),
        Ok(status) => match value(&status, "Cpus_allowed_list").and_then(parse_list) {
            None => {
                Row::new(CHECK, super::Verdict::Unknown, "/proc/self/status does not say", &wish)
            }
            Some(allowed) => {
                let missing: Vec<usize> =
                    seen.spinners.iter().copied().filter(|core| !allowed.contains(core)).collect();
                let fact =
                    format!("may use {} of {} online", list_text(&allowed), seen.cores.len());
                let how = "docker --cpuset-cpus, cpuset.cpus of the control group";
                let fix = match missing.as_slice() {
                    [] => format!("a second core, for everything else: {how}"),
                    missing => {
                        format!("`taskset -c {}` around the command, {how}", list_text(missing))
                    }
                };
                Row::judged(CHECK, missing.is_empty() && allowed.len() > 1, fact, &wish).fix(fix)
            }
        },
    }
}

fn memory_limit(seen: &Seen) -> Row {
    const CHECK: &str = "memory_limit";
    let wish = "1 GiB or more for this control group";
    let (unified, own) = match groups(seen, "memory") {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(groups) => groups,
    };
    let files = unified
        .iter()
        .flat_map(|path| upwards(path).map(|group| format!("/sys/fs/cgroup{group}/memory.max")))
        .chain(own.iter().flat_map(|path| {
            upwards(path).map(|group| format!("/sys/fs/cgroup/memory{group}/memory.limit_in_bytes"))
        }));
    let least = files
        .filter_map(|path| seen.tree.text(&path).ok()?.parse::<u64>().ok())
        // v1 writes "no limit" as a number near the largest.
        .filter(|&bytes| bytes < 1 << 60)
        .min();
    match least {
        None => Row::judged(CHECK, true, "none", wish),
        Some(bytes) => {
            Row::judged(CHECK, bytes >= MEMORY_BYTES, format!("{} MiB", bytes >> 20), wish)
                .fix("memory.max of the control group (docker: --memory)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_followed_to_the_top() {
        let all: Vec<String> = upwards("/a/b").collect();
        assert_eq!(all, ["/a/b", "/a", ""]);
        assert_eq!(upwards("/").collect::<Vec<_>>(), [""]);
        assert_eq!(tighter(tighter(None, 50_000, 100_000), 300_000, 100_000), Some(0.5));
        assert_eq!(tighter(None, 1, 0), Some(1.0));
    }
}
