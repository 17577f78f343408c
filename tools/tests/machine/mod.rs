//! Made-up machines: a folder that stands for `/`, and the command that examines it.

#![allow(dead_code, reason = "each test program needs a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tickspin_testkit::process::{Finished, Running, TempDir};

/// No examination takes longer, whatever lies in the folder.
const BOUND: Duration = Duration::from_secs(60);

/// A machine in a folder, and a runtime directory of its own.
pub(crate) struct Machine {
    root: TempDir,
    runtime: TempDir,
}

impl Machine {
    pub(crate) fn new(files: &[(&str, &str)]) -> Machine {
        let machine = Machine { root: TempDir::new().unwrap(), runtime: TempDir::new().unwrap() };
        for (path, text) in files {
            machine.write(path, &format!("{text}\n"));
        }
        machine
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn packed(&self, path: &str, text: &str) {
        let file = fs::File::create(self.root().join(path)).unwrap();
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Every file's bytes.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.root().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all.insert(path.display().to_string(), fs::read(&path).unwrap());
                }
            }
        }
        all
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.runtime.command(env!("CARGO_BIN_EXE_tickspin"));
        command.arg("doctor").arg("--root").arg(self.root()).args(arguments);
        Running::start(&mut command).unwrap().finish_within(BOUND).unwrap()
    }

    /// Standard output, once the exit code is as expected and nothing was said beside it.
    pub(crate) fn text(&self, arguments: &[&str], code: i32) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr, "", "{arguments:?}");
        finished.stdout
    }

    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> serde_json::Value {
        let text = self.text(&[arguments, &["--json"]].concat(), code);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// Eight cores of bare metal, 2 and 3 for the spinners, everything done.
pub(crate) const TUNED: &[(&str, &str)] = &[
    (
        "proc/cmdline",
        "root=/dev/nvme0n1 isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3",
    ),
    ("proc/cpuinfo", "processor : 0\nflags : fpu tsc constant_tsc nonstop_tsc"),
    (
        "proc/stat",
        "cpu  9 0 9 9 0 0 0 0 0 0\ncpu2 900 0 10 9000 0 0 0 0 0 0\ncpu3 5 0 5 5 0 0 0 0 0 0",
    ),
    ("proc/swaps", "Filename Type Size Used Priority"),
    ("proc/interrupts", "      CPU0 CPU1 CPU2 CPU3\n 24: 7 8 0 0 PCI-MSI nvme0q0"),
    ("proc/irq/default_smp_affinity", "f3"),
    ("proc/irq/24/smp_affinity_list", "0-1,4-7"),
    ("proc/irq/24/effective_affinity_list", "0"),
    ("proc/1/comm", "systemd"),
    ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7\nCapEff:\t0000000000000000"),
    (
        "proc/self/limits",
        "Limit Soft Hard Units\nMax locked memory unlimited unlimited bytes\nMax realtime priority 99 99",
    ),
    ("proc/self/cgroup", "0::/user.slice/shell"),
    ("proc/sys/kernel/numa_balancing", "0"),
    ("proc/sys/kernel/sched_rt_runtime_us", "-1"),
    ("proc/sys/kernel/osrelease", "6.12.3-generic"),
    ("sys/kernel/debug/sched/fair_server/cpu2/runtime", "0"),
    ("sys/kernel/debug/sched/fair_server/cpu3/runtime", "0"),
    ("proc/sys/kernel/nmi_watchdog", "0"),
    ("proc/sys/kernel/soft_watchdog", "1"),
    ("proc/sys/kernel/watchdog_cpumask", "0-1,4-7"),
    ("proc/sys/kernel/timer_migration", "1"),
    ("proc/sys/kernel/randomize_va_space", "2"),
    ("proc/sys/kernel/random/boot_id", "one"),
    ("proc/sys/vm/stat_interval", "10"),
    ("sys/devices/system/cpu/online", "0-7"),
    ("sys/devices/system/cpu/isolated", "2-3"),
    ("sys/devices/system/cpu/nohz_full", "2-3"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "1"),
    ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance"),
    ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance"),
    ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "0"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/disable", "0"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "1"),
    ("sys/devices/system/cpu/cpu3/cpuidle/state0/latency", "0"),
    ("sys/devices/system/cpu/cpu3/cpuidle/state0/disable", "0"),
    ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Enhanced IBRS"),
    ("sys/devices/system/node/online", "0"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet"),
    ("sys/devices/virtual/workqueue/cpumask", "f3"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64"),
    ("sys/kernel/mm/ksm/run", "0"),
    ("sys/fs/cgroup/user.slice/cpu.max", "max 100000"),
];

/// Two cores of a guest, as it comes, in a container with limits.
pub(crate) const VIRTUAL: &[(&str, &str)] = &[
    ("proc/cmdline", "quiet isolcpus=7 root=/dev/vda -- single"),
    ("proc/cpuinfo", "processor : 0\nflags : fpu tsc constant_tsc nonstop_tsc hypervisor"),
    ("proc/stat", "cpu0 900 0 10 9000 0 0 0 1 0 0\ncpu1 900 0 10 9000 0 0 0 90 0 0"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/vdb partition 100 0 -2"),
    (
        "proc/interrupts",
        "      CPU0 CPU1\n 32: 22614 0 PCI-MSIX virtio0-reporting_vq\n 36: 0 1558177 PCI-MSIX virtio1-req.0",
    ),
    ("proc/irq/32/smp_affinity_list", "0-1"),
    ("proc/irq/32/effective_affinity_list", "0"),
    ("proc/irq/36/smp_affinity_list", "0-1"),
    ("proc/irq/36/effective_affinity_list", "1"),
    ("proc/irq/36/virtio1-req.0/nothing", ""),
    ("proc/711/comm", "irqbalance"),
    ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-1\nCapEff:\t0000000000000000"),
    (
        "proc/self/limits",
        "Limit Soft Hard Units\nMax locked memory 8388608 8388608 bytes\nMax realtime priority 0 0",
    ),
    ("proc/self/cgroup", "3:memory:/box\n2:cpu,cpuacct:/box\n0::/"),
    ("proc/sys/kernel/sched_rt_runtime_us", "950000"),
    ("proc/sys/kernel/osrelease", "6.8.0"),
    ("proc/sys/kernel/soft_watchdog", "1"),
    ("proc/sys/kernel/watchdog_cpumask", "0-1"),
    ("proc/sys/kernel/timer_migration", "1"),
    ("proc/sys/kernel/randomize_va_space", "2"),
    ("proc/sys/kernel/random/boot_id", "one"),
    ("proc/sys/vm/stat_interval", "1"),
    ("sys/devices/system/cpu/online", "0-1"),
    ("sys/devices/system/cpu/isolated", ""),
    ("sys/devices/system/node/online", "0"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc kvm-clock"),
    ("sys/devices/virtual/workqueue/cpumask", "3"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0"),
    ("sys/kernel/mm/ksm/run", "0"),
    ("sys/class/dmi/id/sys_vendor", "QEMU"),
    ("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000"),
    ("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000"),
    ("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "536870912"),
];
