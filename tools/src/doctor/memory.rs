//! Pages and swap: what the kernel may do to memory that a spinner believes to be there.

use super::{Row, Seen};
use tickspin_host::tree::chosen;

const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

pub(super) fn rows(seen: &Seen) -> Vec<Row> {
    vec![transparent(seen), reserved(seen), swap(seen), merging(seen)]
}

/// The engine's tables ask for large pages themselves; `always` makes the kernel build and split
/// them behind the back of everybody else.
fn transparent(seen: &Seen) -> Row {
    const CHECK: &str = "thp";
    let wish = "madvise or never";
    match seen.tree.text(THP) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(text) => {
            let mode = chosen(&text);
            Row::judged(CHECK, ["madvise", "never"].contains(&mode), mode, wish)
                .change(THP, "madvise")
        }
    }
}

fn reserved(seen: &Seen) -> Row {
    const CHECK: &str = "huge_pages";
    const PATH: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    let wish = "2 MiB pages to be had, reserved or transparent";
    let is_transparent = seen.tree.text(THP).is_ok_and(|text| chosen(&text) != "never");
    match seen.tree.number(PATH) {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(count) => {
            let fact = match (count, is_transparent) {
                (0, true) => "none reserved, transparent ones to be had".to_owned(),
                (0, false) => "none reserved, none transparent".to_owned(),
                (count, _) => format!("{count} reserved"),
            };
            // 64 of them hold the tables of a thousand instruments.
            Row::judged(CHECK, count > 0 || is_transparent, fact, wish).change(PATH, "64")
        }
    }
}

fn swap(seen: &Seen) -> Row {
    const CHECK: &str = "swap";
    let wish = "none";
    match seen.tree.text("/proc/swaps") {
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(text) => {
            let used: Vec<&str> =
                text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
            let fact = if used.is_empty() { "none".to_owned() } else { used.join(", ") };
            Row::judged(CHECK, used.is_empty(), fact, wish)
                .fix("`swapoff -a`, and out of /etc/fstab; or locked memory (see locked_memory)")
        }
    }
}

fn merging(seen: &Seen) -> Row {
    const CHECK: &str = "ksm";
    const PATH: &str = "/sys/kernel/mm/ksm/run";
    let wish = "equal pages are not merged";
    match seen.tree.number(PATH) {
        Err(absent) if absent.is_missing() && seen.has_config("CONFIG_KSM") == Some(false) => {
            Row::not_here(CHECK, "this kernel was built without CONFIG_KSM", wish)
        }
        Err(absent) => Row::unknown(CHECK, &absent, wish),
        Ok(mode) => {
            let fact = if mode == 1 { "merged" } else { "not merged" };
            Row::judged(CHECK, mode != 1, fact, wish).change(PATH, "0")
        }
    }
}
