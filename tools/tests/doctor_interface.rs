//! `tickspin doctor IFACE` on made-up machines, and on a veth pair in a namespace of its own.
//!
//! No test looks at an interface of the machine that it runs on but `lo`, and none changes one.

mod machine;

use machine::{Machine, VIRTUAL};
use serde_json::Value;
use std::process::Command;

/// A card of two queues, with every fault that files can show.
const FAULTY: &[(&str, &str)] = &[
    ("sys/class/net/feed0/ifindex", "3"),
    ("sys/class/net/feed0/mtu", "9000"),
    ("sys/class/net/feed0/operstate", "down"),
    ("sys/class/net/feed0/device/uevent", "DRIVER=ice"),
    ("sys/class/net/feed0/device/msi_irqs/36", "msix"),
    ("sys/class/net/feed0/gro_flush_timeout", "200000"),
    ("sys/class/net/feed0/napi_defer_hard_irqs", "2"),
    ("sys/class/net/feed0/queues/rx-0/rps_cpus", "3"),
    ("sys/class/net/feed0/queues/rx-0/rps_flow_cnt", "0"),
    ("sys/class/net/feed0/queues/rx-1/rps_cpus", "0"),
    ("sys/class/net/feed0/queues/rx-1/rps_flow_cnt", "4096"),
    ("sys/class/net/other0/ifindex", "4"),
    ("sys/class/net/bonding_masters", ""),
    ("proc/sys/net/core/rps_sock_flow_entries", "32768"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0"),
];

fn row<'a>(json: &'a Value, check: &str) -> &'a Value {
    json["checks"].as_array().unwrap().iter().find(|row| row["check"] == check).unwrap()
}

fn faulty() -> Machine {
    Machine::new(&[VIRTUAL, FAULTY].concat())
}

#[test]
fn each_fault_of_a_card_is_named() {
    let json = faulty().json(&["feed0"], 0);
    assert_eq!(json["interface"], "feed0");
    for (check, verdict) in [
        ("link", "bad"),
        ("driver", "good"),
        ("queues", "good"),
        ("program", "unknown"),
        ("defer", "bad"),
        ("rps", "bad"),
        ("rfs", "bad"),
        ("queue_irqs", "bad"),
        ("mtu", "bad"),
        ("source_rights", "bad"),
    ] {
        assert_eq!(row(&json, check)["verdict"], verdict, "{check}: {}", row(&json, check));
    }
    assert!(row(&json, "queue_irqs")["details"].to_string().contains("virtio1-req.0: core 1"));
    faulty().text(&["feed0", "--strict"], 3);
}

#[test]
fn what_is_applied_to_an_interface_is_undone() {
    let machine = faulty();
    let before = machine.snapshot();
    machine.json(&["feed0", "--apply"], 0);
    for (path, value) in [
        ("gro_flush_timeout", "0\n"),
        ("napi_defer_hard_irqs", "0\n"),
        ("queues/rx-0/rps_cpus", "1\n"),
        ("queues/rx-1/rps_flow_cnt", "0\n"),
    ] {
        assert_eq!(machine.read(&format!("sys/class/net/feed0/{path}")), value, "{path}");
    }
    machine.text(&["--undo"], 0);
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn missing_and_hostile_files_are_unknown() {
    let machine = Machine::new(&[("sys/class/net/x/ifindex", "1")]);
    let json = machine.json(&["x", "--strict"], 0);
    for row in json["checks"].as_array().unwrap() {
        assert!(row["verdict"] != "good" && row["verdict"] != "bad", "{row}");
    }
    for text in ["\x1b[2J", "", "-1", "99999999999999999999999", "0-3,,"] {
        let machine = faulty();
        for (path, _) in FAULTY.iter().filter(|(path, _)| !path.ends_with("ifindex")) {
            machine.write(path, text);
        }
        let text = machine.text(&["feed0"], 0);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}

#[test]
fn a_wrong_name_lists_what_is_there() {
    let machine = faulty();
    for name in ["eth9", "..", "../net/feed0", "bonding_masters", ""] {
        let finished = machine.run(&[name]);
        assert_eq!(finished.code, 2, "{name}: {}", finished.stderr);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains("feed0, other0"), "{}", finished.stderr);
    }
    assert_eq!(machine.run(&["feed0", "--prove"]).code, 2);
}

#[test]
fn a_veth_of_a_namespace_of_its_own() {
    let script = "mount -t sysfs sysfs /sys
        ip link add near0 numrxqueues 2 numtxqueues 2 type veth peer name far0
        ip link set far0 up; ip link set near0 up
        echo 200000 > /sys/class/net/near0/gro_flush_timeout
        exec \"$0\" doctor near0 --json";
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-ec", script, env!("CARGO_BIN_EXE_tickspin")]);
    let output = command.env_remove("TICKSPIN_ROOT").output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
        assert!(!is_required, "network tests are required");
        println!("skipped: needs root, unshare and iproute2");
        return;
    };
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (check, verdict) in
        [("link", "good"), ("program", "good"), ("defer", "bad"), ("mtu", "good"), ("rps", "good")]
    {
        assert_eq!(row(&json, check)["verdict"], verdict, "{check}: {}", row(&json, check));
    }
}
