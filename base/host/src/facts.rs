//! What this machine is and how it is tuned: the block that every report carries.
//!
//! A latency without its host is a rumour. Files that a kernel or a container does not show leave
//! their fact absent ("unknown" in [`Facts::pairs`]); nothing here fails.
//! Compiler, flags and commit are the program's own to add.

use crate::text::{self, cpu_list, list_text, number, read_trimmed, value};
use crate::tree::chosen;

const CPU: &str = "/sys/devices/system/cpu";
/// Flags worth a line: the first two make the clock, the rest say what a guest was given.
const TSC_FLAGS: [&str; 6] =
    ["constant_tsc", "nonstop_tsc", "tsc_known_freq", "tsc_reliable", "rdtscp", "tsc_adjust"];

/// What this machine is. Absent facts are `None`, empty or 0.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// "model name" of the first processor.
    pub cpu_model: String,
    /// Online cores (hardware threads).
    pub cores_online: usize,
    /// Kernel name, release and version.
    pub kernel: String,
    /// What the kernel was booted with.
    pub kernel_command_line: String,
    /// Frequency governor of core 0; absent where the host does not let us see frequencies.
    pub governor: Option<String>,
    /// Whether hardware threads share cores.
    pub smt: Option<bool>,
    /// Cores out of the scheduler's balancing.
    pub isolated: Vec<usize>,
    /// Cores without a scheduler tick.
    pub nohz_full: Vec<usize>,
    /// Which hypervisor, by CPUID and DMI; `None` on bare metal.
    pub hypervisor: Option<String>,
    /// What the kernel keeps time by.
    pub clock_source: Option<String>,
    /// The processor flags that concern the TSC.
    pub tsc_flags: Vec<String>,
    /// The chosen mode: always, madvise or never.
    pub transparent_huge_pages: Option<String>,
    /// Reserved pages of 2 MiB.
    pub huge_pages_2m: u64,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Load average over one minute, when read.
    pub load_1m: f64,
    /// First-level data cache of core 0.
    pub l1d: Option<String>,
    /// Second-level cache of core 0.
    pub l2: Option<String>,
    /// Third-level cache, and the cores that share it.
    pub l3: Option<String>,
}

impl Facts {
    /// Reads them now. Cold: some 20 small files, ~1 ms.
    #[must_use]
    pub fn read() -> Facts {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let list = |name: &str| -> Vec<usize> {
            read_trimmed(&format!("{CPU}/{name}"))
                .and_then(|text| cpu_list(&text))
                .unwrap_or_default()
        };
        let flags = text::cpu_flags();
        Facts {
            cpu_model: value(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores_online: list("online").len(),
            kernel: kernel(),
            kernel_command_line: read_trimmed("/proc/cmdline").unwrap_or_default(),
            governor: read_trimmed(&format!("{CPU}/cpu0/cpufreq/scaling_governor")),
            smt: read_trimmed(&format!("{CPU}/smt/active")).map(|active| active == "1"),
            isolated: list("isolated"),
            nohz_full: list("nohz_full"),
            hypervisor: hypervisor(),
            clock_source: read_trimmed(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            ),
            tsc_flags: flags.into_iter().filter(|f| TSC_FLAGS.contains(&f.as_str())).collect(),
            transparent_huge_pages: read_trimmed("/sys/kernel/mm/transparent_hugepage/enabled")
                .map(|text| chosen(&text).to_owned()),
            huge_pages_2m: read_trimmed("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            memory_bytes: number(&meminfo, "MemTotal").unwrap_or(0) * 1024,
            load_1m: read_trimmed("/proc/loadavg")
                .and_then(|text| text.split_whitespace().next()?.parse().ok())
                .unwrap_or(0.0),
            l1d: cache(1),
            l2: cache(2),
            l3: cache(3),
        }
    }

    /// (key, value) in report order; what is absent reads "unknown" or "none".
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "unknown".into());
        let words = |list: &[String]| {
            if list.is_empty() { "none".to_owned() } else { list.join(" ") }
        };
        vec![
            ("cpu", self.cpu_model.clone()),
            ("cores_online", self.cores_online.to_string()),
            ("smt", self.smt.map_or("unknown", |on| if on { "on" } else { "off" }).to_owned()),
            ("l1d", known(&self.l1d)),
            ("l2", known(&self.l2)),
            ("l3", known(&self.l3)),
            ("memory_mib", (self.memory_bytes >> 20).to_string()),
            ("hypervisor", self.hypervisor.clone().unwrap_or_else(|| "none".into())),
            ("kernel", self.kernel.clone()),
            ("kernel_command_line", self.kernel_command_line.clone()),
            ("governor", known(&self.governor)),
            ("isolated", list_text(&self.isolated)),
            ("nohz_full", list_text(&self.nohz_full)),
            ("clock_source", known(&self.clock_source)),
            ("tsc_flags", words(&self.tsc_flags)),
            ("transparent_huge_pages", known(&self.transparent_huge_pages)),
            ("huge_pages_2m", self.huge_pages_2m.to_string()),
            ("load_1m", format!("{:.2}", self.load_1m)),
        ]
    }
}

fn kernel() -> String {
    let part = |name: &str| read_trimmed(&format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    [part("ostype"), part("osrelease"), part("version")].join(" ").trim().to_owned()
}

/// Size of core 0's data or unified cache of a level, with its sharers beyond level 2.
fn cache(level: u32) -> Option<String> {
    (0..8).find_map(|index| {
        let folder = format!("{CPU}/cpu0/cache/index{index}");
        let file = |name: &str| read_trimmed(&format!("{folder}/{name}"));
        if file("level")? != level.to_string() || file("type")? == "Instruction" {
            return None;
        }
        let size = file("size")?;
        let shared = file("shared_cpu_list").filter(|_| level == 3);
        Some(shared.map_or(size.clone(), |cores| format!("{size} (cores {cores})")))
    })
}

/// CPUID says that there is one and which; DMI tells the product, where the guest may read it.
fn hypervisor() -> Option<String> {
    const PRESENT: u32 = 1 << 31;
    if text::cpuid(1).ecx & PRESENT == 0 {
        return None;
    }
    let leaf = text::cpuid(0x4000_0000);
    let name = vendor(leaf.ebx, leaf.ecx, leaf.edx);
    let dmi = ["sys_vendor", "product_name"]
        .iter()
        .filter_map(|file| read_trimmed(&format!("/sys/class/dmi/id/{file}")))
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    Some(if dmi.is_empty() { name } else { format!("{name} ({dmi})") })
}

/// The twelve letters of the hypervisor's CPUID signature, as people call it.
fn vendor(ebx: u32, ecx: u32, edx: u32) -> String {
    let letters: Vec<u8> = [ebx, ecx, edx].iter().flat_map(|r| r.to_le_bytes()).collect();
    let signature = String::from_utf8_lossy(&letters);
    let signature = signature.trim_matches(|c: char| c == '\0' || c == ' ');
    match signature {
        "KVMKVMKVM" => "KVM",
        "Microsoft Hv" => "Hyper-V",
        "VMwareVMware" => "VMware",
        "XenVMMXenVMM" => "Xen",
        "TCGTCGTCGTCG" => "QEMU (TCG)",
        "ACRNACRNACRN" => "ACRN",
        "bhyve bhyve" => "bhyve",
        "" => "unnamed",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_mode_is_the_bracketed_one() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("never"), "never");
    }

    #[test]
    fn hypervisors_are_named_by_their_signature() {
        let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
        assert_eq!(vendor(word(b"KVMK"), word(b"VMKV"), word(b"M\0\0\0")), "KVM");
        assert_eq!(vendor(word(b"Micr"), word(b"osof"), word(b"t Hv")), "Hyper-V");
        assert_eq!(vendor(word(b"Odd "), word(b"one!"), 0), "Odd one!");
        assert_eq!(vendor(0, 0, 0), "unnamed");
    }

    #[test]
    fn this_host_is_described_and_no_value_is_empty_but_the_command_line() {
        let facts = Facts::read();
        assert!(facts.cores_online >= 1 && facts.memory_bytes > 0);
        let keys: std::collections::BTreeSet<_> = facts.pairs().iter().map(|p| p.0).collect();
        assert_eq!(keys.len(), facts.pairs().len(), "keys are unique");
        for (key, value) in facts.pairs() {
            assert!(!value.is_empty() || key == "kernel_command_line", "{key} is empty");
            assert!(!value.contains('\n'), "{key} is one line");
        }
    }
}
