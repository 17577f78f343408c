//! `tickspin doctor` on machines that were made up: a tuned one, a small virtual one, none, hostile
//! ones; and what `--apply`, `--undo` and `--prove` do to them.
//!
//! No test touches the settings of the machine that it runs on: the roots are folders.

mod machine;

use machine::{Machine, TUNED, VIRTUAL};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;

fn verdicts(json: &Value) -> Vec<(String, String)> {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = json["checks"].as_array().unwrap();
    rows.iter().map(|row| (word(row, "check"), word(row, "verdict"))).collect()
}

fn row<'a>(json: &'a Value, check: &str) -> &'a Value {
    json["checks"].as_array().unwrap().iter().find(|row| row["check"] == check).unwrap()
}

#[test]
fn a_tuned_machine_is_fit() {
    let machine = Machine::new(TUNED);
    let json = machine.json(&["--strict"], 0);
    assert_eq!(json["schema"], "tickspin.doctor/1");
    assert_eq!(json["spinners"], serde_json::json!([2, 3]));
    for (check, verdict) in verdicts(&json) {
        assert_eq!(verdict, "good", "{check}: {}", row(&json, &check));
    }
    assert!(json["is_fit"] == true && json["boot"].is_null());
    assert!(
        json["checks"].as_array().unwrap().iter().all(|row| row["changes"] == Value::Array(vec![]))
    );
    let text = machine.text(&["--strict"], 0);
    assert!(!text.contains("next boot") && text.contains("0 bad"), "{text}");
}

#[test]
fn on_a_small_virtual_machine_each_fault_is_named_with_what_mends_it() {
    let machine = Machine::new(VIRTUAL);
    machine.packed("proc/config.gz", "CONFIG_RCU_NOCB_CPU=y\n# CONFIG_NO_HZ_FULL is not set\n");
    let json = machine.json(&[], 0);
    for (check, verdict) in [
        ("isolated", "bad"),
        ("nohz_full", "not_on_this_machine"),
        ("rcu_nocbs", "bad"),
        ("irq_affinity", "bad"),
        ("irqbalance", "bad"),
        ("governor", "not_on_this_machine"),
        ("turbo", "not_on_this_machine"),
        ("swap", "bad"),
        ("watchdogs", "bad"),
        ("stat_interval", "bad"),
        ("rt_throttling", "good"),
        ("fair_server", "not_on_this_machine"),
        ("hypervisor", "bad"),
        ("steal", "bad"),
        ("locked_memory", "bad"),
        ("cpu_quota", "bad"),
        ("memory_limit", "bad"),
        ("clock_source", "bad"),
        ("tsc", "good"),
    ] {
        assert_eq!(row(&json, check)["verdict"], verdict, "{check}: {}", row(&json, check));
    }
    let irqs = row(&json, "irq_affinity")["details"].to_string();
    assert!(irqs.contains("irq 36 virtio1-req.0: core 1, 1558177 there since boot"), "{irqs}");
    assert!(!irqs.contains("virtio0-reporting_vq"), "it goes to core 0: {irqs}");
    assert_eq!(row(&json, "cpu_quota")["fact"], "0.50 cores");
    assert_eq!(
        json["boot"]["whole"],
        "quiet root=/dev/vda isolcpus=managed_irq,domain,1 rcu_nocbs=1 irqaffinity=0 -- single"
    );
    assert_eq!(json["boot"]["replace"], serde_json::json!(["isolcpus=7"]));
    machine.text(&["--strict"], 3);
    machine.text(&["--strict", "--only", "tsc,aslr"], 0);
}

/// What is right on a shared machine is wrong on a tuned one.
#[test]
fn throttling_is_a_fault_only_where_cores_are_isolated() {
    let machine = Machine::new(TUNED);
    let before = machine.snapshot();
    machine.write("proc/sys/kernel/sched_rt_runtime_us", "950000\n");
    machine.write("sys/kernel/debug/sched/fair_server/cpu3/runtime", "50000000\n");
    let json = machine.json(&["--strict"], 3);
    for check in ["rt_throttling", "fair_server"] {
        assert_eq!(row(&json, check)["verdict"], "bad", "{json:#}");
    }
    assert_eq!(row(&json, "fair_server")["fact"], "on, 50 ms a second");
    machine.text(&["--apply"], 0);
    assert_eq!(machine.snapshot(), before);
    machine.write("sys/devices/system/cpu/isolated", "\n");
    machine.text(&["--undo"], 0);
    let json = machine.json(&["--engine-core", "2,3"], 0);
    for check in ["rt_throttling", "fair_server"] {
        assert_eq!(row(&json, check)["verdict"], "good", "{json:#}");
    }
}

#[test]
fn of_an_empty_tree_everything_is_unknown_and_the_file_is_named() {
    let machine = Machine::new(&[]);
    let json = machine.json(&["--strict"], 0);
    for (check, verdict) in verdicts(&json) {
        assert_eq!(verdict, "unknown", "{check}");
        let fact = row(&json, &check)["fact"].as_str().unwrap();
        assert!(fact.contains("is not there") || fact.contains("not known"), "{check}: {fact}");
    }
    assert!(machine.text(&[], 0).contains("/sys/devices/system/cpu/isolated is not there"));
}

#[test]
fn hostile_files_give_verdicts_and_nothing_else() {
    let many = "0-65535,".repeat(100_000);
    let contents: [&[u8]; 9] = [
        &[0, 1, 2, 255, 254],
        b"",
        b"-1",
        b"-9223372036854775808 -5",
        b"99999999999999999999999999",
        b"\x1b[2J\x07 [ ] 0-\n:::,,\nCPU0 CPU1\n1: x",
        b"0-65535",
        many.as_bytes(),
        b"CPU0: -1\n0::/../../..\n1:cpu:/x\nMax locked memory -3",
    ];
    for (number, bytes) in contents.iter().enumerate() {
        for keeps_cores in [false, true] {
            let machine = Machine::new(TUNED);
            for (path, _) in TUNED {
                if !(keeps_cores && path.ends_with("cpu/online")) {
                    fs::write(machine.root().join(path), bytes).unwrap();
                }
            }
            let json = machine.json(&[], 0);
            assert!(verdicts(&json).len() > 25, "content {number}");
            let text = machine.text(&[], 0);
            assert!(
                text.chars().all(|c| c == '\n' || !c.is_control()),
                "content {number}: {text:?}"
            );
            assert!(text.len() < 40_000, "content {number}: {} bytes", text.len());
        }
    }
}

#[test]
fn files_without_end_and_pipes_without_writers_are_not_waited_for() {
    let machine = Machine::new(TUNED);
    for (path, _) in TUNED.iter().filter(|(path, _)| !path.ends_with("cpu/online")) {
        File::create(machine.root().join(path)).unwrap().set_len(1 << 40).unwrap();
    }
    let json = machine.json(&[], 0);
    assert_eq!(row(&json, "stat_interval")["verdict"], "unknown");
    let pipe = machine.root().join("proc/sys/vm/stat_interval");
    fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let fact = row(&machine.json(&[], 0), "stat_interval")["fact"].to_string();
    assert!(fact.contains("is no file"), "{fact}");
}

#[test]
fn what_is_applied_is_undone_to_the_last_byte() {
    let machine = Machine::new(VIRTUAL);
    let before = machine.snapshot();
    let json = machine.json(&["--apply"], 0);
    let values = json["values"].as_array().unwrap();
    assert!(values.iter().all(|value| value["is_changed"] == true), "{json:#}");
    for (path, value) in [
        ("proc/sys/vm/stat_interval", "10\n"),
        ("proc/sys/kernel/watchdog_cpumask", "0\n"),
        ("proc/irq/36/smp_affinity_list", "0\n"),
        ("sys/devices/virtual/workqueue/cpumask", "1\n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ] {
        assert_eq!(machine.read(path), value, "{path}");
    }
    assert_eq!(machine.read("proc/irq/32/smp_affinity_list"), "0-1\n", "it was not in the way");
    assert_eq!(json["journal_entries"], values.len());
    // Once more: nothing is left to change but what effective affinity still shows.
    let again = machine.json(&["--apply"], 0);
    assert_eq!(again["journal_entries"], values.len());
    let undone = machine.json(&["--undo"], 0);
    assert_eq!(
        (undone["values"].as_array().unwrap().len(), &undone["journal_entries"]),
        (values.len(), &0.into())
    );
    assert_eq!(machine.snapshot(), before);
    assert_eq!(machine.text(&["--undo"], 0), "nothing to undo\n");
}

#[test]
fn a_value_that_somebody_else_changed_is_left_alone_unless_forced() {
    let machine = Machine::new(VIRTUAL);
    let before = machine.snapshot();
    machine.text(&["--apply", "--only", "stat_interval,watchdogs"], 0);
    machine.write("proc/sys/vm/stat_interval", "60\n");
    let failed = machine.run(&["--undo"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stdout.contains("somebody else") && failed.stderr.contains("1 values"));
    assert_eq!(machine.read("proc/sys/vm/stat_interval"), "60\n");
    machine.text(&["--undo", "--force"], 0);
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn a_journal_of_another_boot_or_machine_or_none_of_ours_is_not_believed() {
    let machine = Machine::new(VIRTUAL);
    machine.text(&["--apply", "--only", "stat_interval"], 0);
    machine.write("proc/sys/kernel/random/boot_id", "another\n");
    assert_eq!(machine.text(&["--undo"], 0), "nothing to undo\n");
    assert_eq!(machine.read("proc/sys/vm/stat_interval"), "10\n");

    let machine = Machine::new(VIRTUAL);
    machine.text(&["--apply", "--only", "stat_interval"], 0);
    let journal = machine.runtime().join("tickspin/.doctor.json");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace(machine.root().to_str().unwrap(), "/elsewhere")).unwrap();
    let failed = machine.run(&["--undo"]);
    assert!(failed.code == 1 && failed.stderr.contains("/elsewhere"), "{}", failed.stderr);
    for damage in [&text.as_bytes()[..text.len() / 2], b"", b"{}", &[0, 255]] {
        fs::write(&journal, damage).unwrap();
        let failed = machine.run(&["--apply"]);
        assert_eq!(failed.code, 1, "{}", failed.stderr);
        assert_eq!(failed.stderr.trim_end().lines().count(), 1, "{}", failed.stderr);
    }
}

#[test]
fn settings_of_the_real_machine_take_root_and_the_command_is_named() {
    let machine = Machine::new(&[]);
    for action in ["--apply", "--undo", "--prove"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tickspin"));
        // A check without changes, should this ever get through.
        command.args(["doctor", action, "--engine-core", "0"]);
        if action != "--undo" {
            command.args(["--only", "aslr"]);
        }
        command.env("XDG_RUNTIME_DIR", machine.runtime()).env_remove("TICKSPIN_ROOT");
        if tickspin_host::process::is_root() {
            command.uid(65_534).gid(65_534);
        }
        let Ok(output) = command.output() else {
            eprintln!("SKIPPED: another user may not start the program where it lies");
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(stderr.contains("`sudo ") && stderr.contains(action), "{stderr}");
    }
}

#[test]
fn proving_leaves_what_was_not_shown_to_help_as_it_was() {
    let cores = tickspin_host::cpu::cores().unwrap();
    if !cores.iter().any(|core| core.id == 1 && core.allowed) {
        eprintln!("SKIPPED: this process may not use core 1");
        return;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spinners");
    let turn = File::create(place).unwrap();
    turn.lock().unwrap();
    let machine = Machine::new(VIRTUAL);
    let before = machine.snapshot();
    let only = ["--only", "stat_interval,watchdogs", "--engine-core", "1"];
    let arguments = [&["--prove", "--pairs", "2", "--slice", "2ms"][..], &only].concat();
    let json = machine.json(&arguments, 0);
    let trials = json["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 2, "{json:#}");
    for trial in trials {
        // Two pairs prove nothing, whatever they show.
        assert_eq!((&trial["effect"], &trial["pairs"]), (&"cannot tell".into(), &2.into()));
        assert!(trial["difference_99_ppm"][0].is_null());
    }
    assert_eq!(machine.snapshot(), before);
    let text = machine.text(&arguments, 0);
    assert!(text.contains("about") && text.contains("nothing was shown to help"), "{text}");
}

#[test]
fn wrong_use_is_one_line_and_code_2() {
    let machine = Machine::new(TUNED);
    for (arguments, word) in [
        (&["--engine-core", "99"][..], "99"),
        (&["--engine-core", "x"], "x"),
        (&["--only", "sleep"], "c_states"),
        (&["--strict", "--apply"], "--apply"),
        (&["--apply", "--undo"], "--undo"),
        (&["--pairs", "3"], "--prove"),
        (&["--force"], "--undo"),
        (&["--prove", "--slice", "1"], "500ms"),
    ] {
        let finished = machine.run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(word), "{word:?} is not in {:?}", finished.stderr);
    }
}
