//! What a source on the interface needs besides it: frames that fit, memory for them, privileges.

use super::Port;
use crate::doctor::rights::{has_capability, limit};
use crate::doctor::{Row, Seen, Verdict};
use tickspin_host::tree::chosen;

/// include/uapi/linux/capability.h
const CAPABILITIES: [(u32, &str); 4] =
    [(13, "cap_net_raw"), (12, "cap_net_admin"), (39, "cap_bpf"), (14, "cap_ipc_lock")];
const IPC_LOCK: u32 = 14;
const HUGE_BYTES: u64 = 2 << 20;

pub(super) fn rows(seen: &Seen, port: &Port) -> Vec<Row> {
    vec![mtu(port), memory(seen, port), pages(seen, port), rights(seen)]
}

fn mtu(port: &Port) -> Row {
    const CHECK: &str = "mtu";
    let wish = "at most 1,770 (frames of 2 KiB), or 3,818 (4 KiB)";
    let Some(mtu) = port.mtu_bytes else {
        return Row::new(CHECK, Verdict::Unknown, "its MTU is not known", wish);
    };
    let fact = match port.frame_bytes() {
        Some(bytes) => format!("{mtu}: frames of {bytes} bytes"),
        None => format!("{mtu}: no frame holds such a packet"),
    };
    Row::judged(CHECK, port.frame_bytes().is_some(), fact, wish)
        .fix(format!("`ip link set {} mtu 1500`", port.name))
}

fn memory(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "frame_memory";
    let Some(bytes) = port.memory_bytes() else {
        let why = "how much a source needs is not known";
        return Row::new(CHECK, Verdict::Unknown, why, "a source's frames may be locked");
    };
    let wish = format!("{} MiB may be locked, the frames of all queues", bytes >> 20);
    if has_capability(seen, IPC_LOCK) {
        return Row::judged(CHECK, true, "CAP_IPC_LOCK: no limit", &wish);
    }
    match limit(seen, "Max locked memory") {
        Err(absent) => Row::unknown(CHECK, &absent, &wish),
        Ok(None) => Row::judged(CHECK, true, "no limit", &wish),
        Ok(Some(most)) => Row::judged(CHECK, most >= bytes, format!("{} MiB", most >> 20), &wish)
            .fix("cap_ipc_lock, or `sudo prlimit --memlock=unlimited --pid $$` for this shell"),
    }
}

/// Reserved pages took 40 % of a datagram's cost away where it was measured.
fn pages(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "frame_pages";
    const FREE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    const ALL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    let Some(bytes) = port.memory_bytes() else {
        let why = "how much a source needs is not known";
        return Row::new(CHECK, Verdict::Unknown, why, "frames on 2 MiB pages");
    };
    let needed = bytes.div_ceil(HUGE_BYTES);
    let wish = format!("{needed} reserved pages of 2 MiB free, or transparent ones");
    let free = match seen.tree.number(FREE) {
        Err(absent) => return Row::unknown(CHECK, &absent, &wish),
        Ok(free) => u64::try_from(free).unwrap_or(0),
    };
    let is_transparent = seen.tree.text(THP).is_ok_and(|text| chosen(&text) != "never");
    let also = if free < needed && is_transparent { ", transparent ones to be had" } else { "" };
    let row =
        Row::judged(CHECK, free >= needed || is_transparent, format!("{free} free{also}"), &wish);
    let reserved = seen.tree.number(ALL).ok().and_then(|all| u64::try_from(all).ok()).unwrap_or(0);
    row.change(ALL, reserved.saturating_add(needed - needed.min(free)).to_string())
}

fn rights(seen: &Seen) -> Row {
    const CHECK: &str = "source_rights";
    let wish = "what opening an AF_XDP source takes, and nothing afterwards";
    if let Err(absent) = seen.tree.text("/proc/self/status") {
        return Row::unknown(CHECK, &absent, wish);
    }
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(number, _)| !has_capability(seen, *number))
        .map(|(_, name)| *name)
        .collect();
    let fact = if missing.is_empty() {
        "all there".to_owned()
    } else {
        format!("without {}", missing.join(", "))
    };
    let names: Vec<&str> = CAPABILITIES.iter().map(|(_, name)| *name).collect();
    Row::judged(CHECK, missing.is_empty(), fact, wish)
        .fix(format!("root, or `sudo setcap {}+ep` on the program", names.join(",")))
}
