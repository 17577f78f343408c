//! Is this interface fit for a feed past the kernel? The rows of `tickspin doctor IFACE`.
//!
//! ```text
//!   netlink ─┐
//!   /sys  ───┴► Port ─► link, driver, queues, program, mode     interface/card.rs
//!                  └──► napi, defer, rps, rfs, queue_irqs        interface/steering.rs
//!                  └──► mtu, frame_memory, frame_pages, rights   interface/frames.rs
//! ```
//!
//! Everything is read and nothing is attached. On this machine the kernel is asked by netlink, which
//! answers for the network namespace of the process; the files under `/sys/class/net` are those of
//! whoever mounted them, and where they describe another interface of the same name they are not
//! believed. Below a made-up root there are only files.

mod card; // the link, its driver, its queues, who sits on it
mod frames; // memory and privileges of a source
mod steering; // which core the packets' interrupts and softirqs run on

use super::{Row, Seen};
use tickspin_host::interface::{AttachedProgram, Interface};
use tickspin_host::tree::{Tree, shown};

/// Longest name of an interface, bytes (`IFNAMSIZ` less the 0 at its end).
const NAME_BYTES_MAX: usize = 15;
/// What a source asks for by default: frames of each queue.
const FRAMES: u64 = 8_192;

/// The interface, as far as all its checks need it.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The longest IP packet, bytes; `None` where the files do not say.
    mtu_bytes: Option<u32>,
    /// RX queues in use; under a made-up root, those that have a folder.
    rx_queues: Option<u32>,
    /// The program on it; `None` where only files were asked, which do not tell.
    program: Option<Option<AttachedProgram>>,
    /// Its files, or why they are not believed.
    folder: Result<String, String>,
    /// The device behind it: `uevent` of its driver; `None` for a virtual one.
    device: Option<String>,
}

impl Port {
    /// Asks the kernel and the files.
    ///
    /// # Errors
    /// One line: there is no such interface, and which there are.
    pub fn read(tree: &Tree, name: &str) -> Result<Port, String> {
        let path = format!("/sys/class/net/{name}");
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && !name.contains(['/', '\0'])
            && ![".", ".."].contains(&name);
        let mut port = if tree.is_host() {
            let found = Interface::named(name).map_err(|error| error.to_string())?;
            let folder = believed(tree, &path, &found);
            Port {
                name: name.to_owned(),
                mtu_bytes: Some(found.mtu_bytes),
                rx_queues: Some(found.rx_queues),
                program: Some(found.xdp),
                folder,
                device: None,
            }
        } else if is_name && tree.has(&format!("{path}/ifindex")) {
            let mtu = tree.number(&format!("{path}/mtu")).ok();
            let queues = tree.names(&format!("{path}/queues"));
            let queues = queues.iter().filter(|name| name.starts_with("rx-")).count();
            Port {
                name: name.to_owned(),
                mtu_bytes: mtu.and_then(|mtu| u32::try_from(mtu).ok()),
                rx_queues: u32::try_from(queues).ok().filter(|&queues| queues > 0),
                program: None,
                folder: Ok(path),
                device: None,
            }
        } else {
            let all = tree.names("/sys/class/net");
            let is_one = |name: &&String| tree.has(&format!("/sys/class/net/{name}/ifindex"));
            let there: Vec<String> = all.iter().filter(is_one).map(|name| shown(name)).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(format!("there is no interface {}; there are: {there}", shown(name)));
        };
        port.device = port.file("device/uevent").and_then(|path| tree.text(&path).ok());
        Ok(port)
    }

    /// The path of one of its files.
    fn file(&self, name: &str) -> Option<String> {
        self.folder.as_ref().ok().map(|folder| format!("{folder}/{name}"))
    }

    /// Why there are no files, or that one is missing.
    fn no_files(&self) -> &str {
        self.folder.as_ref().err().map_or("its files are not there", String::as_str)
    }

    /// The folders of its RX queues.
    fn queues(&self, tree: &Tree) -> Vec<String> {
        let Some(folder) = self.file("queues") else { return Vec::new() };
        let mut names = tree.names(&folder);
        names.retain(|name| name.starts_with("rx-"));
        names.into_iter().map(|name| format!("{folder}/{name}")).collect()
    }

    fn driver(&self) -> Option<&str> {
        self.device.as_ref()?.lines().find_map(|line| line.strip_prefix("DRIVER="))
    }

    /// Bytes of a frame that holds its longest packet; `None` where none does.
    ///
    /// As base/host's AF_XDP source computes it: Ethernet, two VLAN tags, the kernel's headroom.
    fn frame_bytes(&self) -> Option<u64> {
        let needed = u64::from(self.mtu_bytes?) + 14 + 8 + 256;
        [2_048, 4_096].into_iter().find(|&bytes| needed <= bytes)
    }

    /// Bytes of all frames of a source on all queues.
    fn memory_bytes(&self) -> Option<u64> {
        Some(self.frame_bytes()? * FRAMES * u64::from(self.rx_queues?))
    }

    /// For the head of the report.
    #[must_use]
    pub fn describe(&self) -> String {
        let known = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |v| v.to_string());
        format!(
            "{}: RX queues {}, MTU {}",
            shown(&self.name),
            known(self.rx_queues),
            known(self.mtu_bytes)
        )
    }
}

/// The folder, if it is of the interface that the kernel has told of.
fn believed(tree: &Tree, path: &str, found: &Interface) -> Result<String, String> {
    let index = tree.number(&format!("{path}/ifindex"));
    let mac: Vec<String> = found.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let is_mac = !tree.text(&format!("{path}/address")).is_ok_and(|text| text != mac.join(":"));
    match index {
        Ok(index) if index == i64::from(found.index) && is_mac => Ok(path.to_owned()),
        _ => Err("/sys shows another network namespace: run it with `ip netns exec`".to_owned()),
    }
}

/// All checks of an interface, in the order of the report.
#[must_use]
pub fn examine_interface(seen: &Seen, port: &Port) -> Vec<Row> {
    [card::rows, steering::rows, frames::rows].iter().flat_map(|rows| rows(seen, port)).collect()
}
