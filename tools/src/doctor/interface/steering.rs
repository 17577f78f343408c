//! On which core a packet is worked on before a spinner sees it: interrupts, softirqs, put-off work.

use super::Port;
use crate::doctor::irqs::{Landing, landing};
use crate::doctor::kernel::{mask, mask_text};
use crate::doctor::{Row, Seen, Verdict, cores};
use tickspin_host::interrupts;

pub(super) fn rows(seen: &Seen, port: &Port) -> Vec<Row> {
    vec![napi(seen, port), defer(seen, port), rps(seen, port), rfs(seen, port), irqs(seen, port)]
}

fn napi(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "napi";
    let wish = "an id other than 0, for busy polling only";
    let threaded = port.file("threaded").and_then(|path| seen.tree.number(&path).ok());
    let fact = match threaded {
        Some(1..) => "polled by threads of the kernel; its id is known after the first packet",
        _ => "its id is known after the first packet",
    };
    Row::new(CHECK, Verdict::Unknown, fact, wish)
        .note("the source tells it (napi_id); 0, as on veth, means that busy polling does nothing")
}

/// Measured on veth, with 2 and 200 µs: a datagram's way took 127 µs instead of 3.
fn defer(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "defer";
    let wish = "0 and 0: interrupts and flushes are not put off";
    let (Some(flush), Some(hard)) =
        (port.file("gro_flush_timeout"), port.file("napi_defer_hard_irqs"))
    else {
        return Row::new(CHECK, Verdict::Unknown, port.no_files(), wish);
    };
    let (flush_ns, hard_count) = match (seen.tree.number(&flush), seen.tree.number(&hard)) {
        (Ok(flush), Ok(hard)) => (flush, hard),
        (Err(absent), _) | (_, Err(absent)) => return Row::unknown(CHECK, &absent, wish),
    };
    let fact = format!("gro_flush_timeout {flush_ns} ns, napi_defer_hard_irqs {hard_count}");
    let mut row = Row::judged(CHECK, flush_ns == 0 && hard_count == 0, fact, wish)
        .fix("leave them only to a source that really polls busily; every other waits 100 µs");
    for (path, value) in [(hard, hard_count), (flush, flush_ns)] {
        if value != 0 {
            row = row.change(path, "0");
        }
    }
    row
}

/// Softirqs sent to a spinner's core: on the reference host 18 µs a datagram instead of 3.
fn rps(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "rps";
    let wish = format!("receive packet steering leaves {} alone", cores(&seen.quiet));
    let queues = port.queues(&seen.tree);
    if queues.is_empty() {
        return Row::new(CHECK, Verdict::Unknown, port.no_files(), &wish);
    }
    let (mut hits, mut unknown) = (Vec::new(), None);
    for queue in &queues {
        let path = format!("{queue}/rps_cpus");
        let text = match seen.tree.text(&path) {
            Ok(text) => text,
            Err(absent) => {
                unknown = Some(absent.to_string());
                continue;
            }
        };
        let Some(to) = mask(&text) else {
            unknown = Some(format!("{path} is no mask"));
            continue;
        };
        if to.iter().any(|core| seen.quiet.contains(core)) {
            let kept: Vec<usize> =
                to.iter().copied().filter(|core| !seen.quiet.contains(core)).collect();
            hits.push((path, to, mask_text(&kept)));
        }
    }
    let (count, all) = (hits.len(), queues.len());
    let mut row = match (count, unknown) {
        (0, Some(why)) => Row::new(CHECK, Verdict::Unknown, why, &wish),
        (0, None) => Row::judged(CHECK, true, "off, or to other cores", &wish),
        _ => {
            let fact = format!("{count} of {all} queues to {}", cores(&seen.quiet));
            Row::judged(CHECK, false, fact, &wish)
        }
    };
    for (path, to, kept) in hits {
        row.details.push(format!("{path}: {}", cores(&to)));
        row = row.change(path, kept);
    }
    row
}

/// Flow steering sends a packet's softirq to the core of whoever reads its socket: the spinner's.
fn rfs(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "rfs";
    const ALL: &str = "/proc/sys/net/core/rps_sock_flow_entries";
    let wish = "receive flow steering is off: it follows the reader";
    let entries = match seen.tree.number(ALL) {
        Err(absent) => return Row::unknown(CHECK, &absent, wish),
        Ok(entries) => entries,
    };
    let queues = port.queues(&seen.tree);
    let paths = queues.iter().map(|queue| format!("{queue}/rps_flow_cnt"));
    let on: Vec<String> =
        paths.filter(|path| seen.tree.number(path).is_ok_and(|count| count > 0)).collect();
    let good = entries == 0 || on.is_empty();
    let fact = if good {
        "off".to_owned()
    } else {
        format!("on for {} of {} queues", on.len(), queues.len())
    };
    let row = Row::judged(CHECK, good, fact, wish);
    on.into_iter().fold(row, |row, path| row.change(path, "0"))
}

/// Interrupts of the interface's device: those of its PCI function, of its virtio device, and those
/// that bear its name.
fn irqs(seen: &Seen, port: &Port) -> Row {
    const CHECK: &str = "queue_irqs";
    const VIRTIO: &str = "/sys/bus/virtio/devices";
    let wish = format!("interrupts of its queues go to {}", cores(&seen.rest));
    if port.folder.is_err() {
        return Row::new(CHECK, Verdict::Unknown, port.no_files(), &wish);
    }
    if port.device.is_none() {
        let why = "a virtual interface: the sender's core does the work";
        return Row::not_here(CHECK, why, &wish);
    }
    let sources = interrupts::parse(&seen.tree.text("/proc/interrupts").unwrap_or_default());
    let own = port.file("device/msi_irqs").map(|folder| seen.tree.names(&folder));
    let mut numbers: Vec<u32> =
        own.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    let is_behind =
        |device: &&String| seen.tree.has(&format!("{VIRTIO}/{device}/net/{}", port.name));
    let virtio = seen.tree.names(VIRTIO).iter().find(is_behind).cloned();
    let names = [Some(port.name.clone()), virtio];
    for source in &sources {
        let device = source.name.split_whitespace().last().unwrap_or("");
        let is_ours = names.iter().flatten().any(|name| {
            device.strip_prefix(name.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('-'))
        });
        if is_ours {
            numbers.extend(source.id.parse::<u32>().ok());
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return Row::new(CHECK, Verdict::Unknown, "/proc/interrupts names none of it", &wish);
    }
    if seen.quiet.is_empty() {
        return Row::not_here(CHECK, "no core can be spared on this machine", &wish);
    }
    let found: Vec<_> = numbers.iter().map(|&number| landing(seen, &sources, number)).collect();
    let hits: Vec<&Landing> = found.iter().flatten().flatten().collect();
    let (count, all) = (hits.len(), numbers.len());
    let mut row = match found.iter().find_map(|one| one.as_ref().err()) {
        Some(absent) if count == 0 => Row::unknown(CHECK, absent, &wish),
        _ => {
            let fact = format!("{count} of {all} go to {}", cores(&seen.quiet));
            Row::judged(CHECK, count == 0, fact, &wish)
        }
    };
    for hit in hits {
        row.details.push(hit.detail.clone());
        row = row.change(hit.change.path.clone(), hit.change.value.clone());
    }
    row.fix("those that a driver manages move with `ethtool -L` or the boot line alone")
}
