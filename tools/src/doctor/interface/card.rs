//! The link, its driver, its queues, which program sits on it, and which mode is to be expected.

use super::Port;
use crate::doctor::{Row, Seen, Verdict};
use tickspin_host::interface::{AttachedProgram, ProgramPlace};
use tickspin_host::tree::{Tree, shown};

/// Drivers that run XDP programs themselves, and whether they have zero-copy; by the kernel's
/// sources. A word too much here costs one fall-back to generic mode, which the source reports.
const DRIVERS: [(&str, bool); 15] = [
    ("bnxt_en", false),
    ("ena", false),
    ("gve", true),
    ("hv_netvsc", false),
    ("i40e", true),
    ("ice", true),
    ("igb", true),
    ("igc", true),
    ("ixgbe", true),
    ("mana", false),
    ("mlx4_en", false),
    ("mlx5_core", true),
    ("nfp", true),
    ("sfc", false),
    ("virtio_net", true),
];
/// Slots of the map from queues to sockets.
const QUEUES_MAX: u32 = 64;
/// Files of processes that are looked into for the owner of a program.
const FILES_MAX: usize = 20_000;

pub(super) fn rows(seen: &Seen, port: &Port) -> Vec<Row> {
    vec![link(seen, port), driver(port), queues(port), program(seen, port), mode(port)]
}

fn link(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "link";
    let wish = "up, with a carrier";
    let Some(path) = port.file("operstate") else {
        return Row::new(CHECK, Verdict::Unknown, port.no_files(), wish);
    };
    let state = match seen.tree.text(&path) {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(state) => state,
    };
    // Of an interface that is down the kernel refuses to tell it.
    let number = |name: &str| port.file(name).and_then(|path| seen.tree.number(&path).ok());
    let carrier = number("carrier");
    let speed = number("speed").filter(|&speed| speed > 0);
    let speed = speed.map(|speed| format!(", {speed} Mbit/s")).unwrap_or_default();
    let good = state == "up" || (state == "unknown" && carrier == Some(1));
    let fix = match carrier {
        Some(_) => "no carrier: the cable, the switch, or the other end of the pair".to_owned(),
        None => format!("`ip link set {} up`", port.name),
    };
    Row::judged(CHECK, good, format!("{state}{speed}"), wish).fix(fix)
}

fn driver(port: &Port) -> Row {
    const CHECK: &str = "driver";
    let wish = "one that runs XDP programs itself";
    if port.folder.is_err() {
        return Row::new(CHECK, Verdict::Unknown, port.no_files(), wish);
    }
    let Some(name) = port.driver() else {
        return Row::not_here(CHECK, "a virtual interface: no device behind it", wish);
    };
    match DRIVERS.iter().find(|(known, _)| *known == name) {
        None => Row::new(CHECK, Verdict::Unknown, format!("{name}: not in the list"), wish)
            .note("generic mode works with every driver"),
        Some((_, has_zero_copy)) => {
            let copy = if *has_zero_copy { "newer kernels without copies" } else { "with copies" };
            let row = Row::judged(CHECK, true, format!("{name}: native, {copy}"), wish);
            match name {
                "virtio_net" => row.note(format!(
                    "the host may refuse native mode: `ethtool -K {} lro off`, and a queue to \
                     spare for each core",
                    port.name
                )),
                _ => row,
            }
        }
    }
}

fn queues(port: &Port) -> Row {
    const CHECK: &str = "queues";
    let wish = "a socket on each queue, as few as can be: a turn polls them all";
    let Some(count) = port.rx_queues else {
        return Row::new(CHECK, Verdict::Unknown, "its queues are not known", wish);
    };
    let (name, one) = (&port.name, "one queue, one socket".to_owned());
    match count {
        1 => Row::judged(CHECK, true, one, wish),
        _ => Row::judged(CHECK, count <= QUEUES_MAX, format!("{count}, so {count} sockets"), wish)
            .note(format!(
                "`ethtool -L {name} combined 1`; or one socket, with `ethtool -N {name} flow-type \
                 udp4 dst-ip GROUP dst-port PORT action QUEUE`"
            )),
    }
}

fn program(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "program";
    let wish = "none: ours goes there, and another owner's is never replaced";
    match port.program {
        None => Row::new(CHECK, Verdict::Unknown, "only the kernel itself tells", wish),
        Some(None) => Row::judged(CHECK, true, "none", wish),
        Some(Some(AttachedProgram { id, place })) => {
            let place = match place {
                ProgramPlace::Native => "native".to_owned(),
                ProgramPlace::Generic => "generic".to_owned(),
                ProgramPlace::Other(number) => format!("place {number}"),
            };
            let holder = holder(&seen.tree, id);
            let whose = holder.as_deref().unwrap_or("held by no process that may be looked into");
            Row::judged(CHECK, false, format!("{id}, {place}, {whose}"), wish).fix(format!(
                "end its owner (`bpftool prog show id {id}`); without one: `ip link set {} xdp off`",
                port.name
            ))
        }
    }
}

/// The process that has the program or its link open: "held by process 7 (engine)".
fn holder(tree: &Tree, id: u32) -> Option<String> {
    let wanted = id.to_string();
    let mut left = FILES_MAX;
    for process in tree.names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok()) {
        let folder = format!("/proc/{process}/fdinfo");
        for file in tree.names(&folder) {
            left = left.checked_sub(1)?;
            let text = tree.text(&format!("{folder}/{file}")).unwrap_or_default();
            let is_it = text
                .lines()
                .any(|line| line.strip_prefix("prog_id:").is_some_and(|id| id.trim() == wanted));
            if is_it {
                let name = tree.text(&format!("/proc/{process}/comm")).unwrap_or_default();
                return Some(format!("held by process {process} ({})", shown(&name)));
            }
        }
    }
    None
}

/// What a source would get is known once one is opened, which this command does not do.
fn mode(port: &Port) -> Row {
    const CHECK: &str = "mode";
    let wish = "native, without copies";
    if cfg!(not(feature = "xdp")) {
        let why = "not probed: this program was built without AF_XDP";
        return Row::not_here(CHECK, why, wish).note("`cargo build --release --features xdp`");
    }
    let expected = match port.driver().map(|name| DRIVERS.iter().find(|known| known.0 == name)) {
        Some(Some(_)) => "native to be expected, else generic",
        _ => "native or generic",
    };
    Row::new(CHECK, Verdict::Unknown, format!("not probed; {expected}; copies by default"), wish)
        .note("a source that is opened says in one line what it got")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_program_is_found_by_its_descriptors() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/71/fdinfo");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(root.path().join("proc/71/comm"), "engine\n").unwrap();
        std::fs::write(folder.join("0"), "pos:\t0\nflags:\t02\n").unwrap();
        std::fs::write(folder.join("9"), "link_type:\txdp\nprog_id:\t17\nifindex:\t3\n").unwrap();
        let tree = Tree::below(root.path());
        assert_eq!(holder(&tree, 17).as_deref(), Some("held by process 71 (engine)"));
        assert_eq!(holder(&tree, 1), None);
    }
}
