//! The code that the processor sees on the poll and publish paths: no call, no locked instruction,
//! no division, and no more instructions than it should have.
//!
//! Builds `examples/poll_path.rs` with the release profile and reads `objdump`'s text. Without
//! `objdump` it prints ABSENT and passes, except under `CI=true`.

#![cfg(not(tickspin_loom))]
#![cfg(target_arch = "x86_64")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// One function's instructions, one a line: mnemonic and operands.
struct Listing {
    name: String,
    lines: Vec<String>,
}

fn build_example() -> PathBuf {
    // A target directory of its own: the one in use belongs to whoever runs this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--offline", "--example", "poll_path"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .arg("--target-dir")
        .arg(&target)
        // The product's code, not that of a caller's flags.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the example does not build");
    target.join("release/examples/poll_path")
}

/// The functions of the example, or `None` without `objdump`.
fn listings() -> Option<Vec<Listing>> {
    if Command::new("objdump").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "objdump is ABSENT");
        println!("ABSENT: objdump; the generated code was not looked at");
        return None;
    }
    let program = build_example();
    assert!(Command::new(&program).status().expect("it runs").success());
    let output = Command::new("objdump")
        .args(["--disassemble", "--demangle", "--no-show-raw-insn", "-Mintel"])
        .arg(&program)
        .output()
        .expect("objdump runs");
    assert!(output.status.success());
    Some(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(text: &str) -> Vec<Listing> {
    let mut found: Vec<Listing> = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        if let Some(header) = line.strip_suffix(">:") {
            let name = header.split_once('<').map_or("", |(_, name)| name);
            is_ours = name.starts_with("poll_path::path_");
            if is_ours {
                found.push(Listing { name: name.to_owned(), lines: Vec::new() });
            }
        } else if is_ours
            && let Some((_, instruction)) = line.split_once(":\t")
            && let Some(listing) = found.last_mut()
        {
            listing.lines.push(instruction.trim().to_owned());
        }
    }
    // What lies between two functions is padding, which objdump shows as the first one's.
    for listing in &mut found {
        while listing.lines.pop_if(|line| line == "int3" || line.contains("nop")).is_some() {}
    }
    found
}

/// Why an instruction has no place on a hot path.
fn fault(instruction: &str) -> Option<&'static str> {
    let mnemonic = instruction.split_whitespace().next().unwrap_or("");
    let target_is_elsewhere = |text: &str| text.contains('<') && !text.contains("poll_path::path_");
    match mnemonic {
        "call" => Some("a call"),
        // A jump out of the function is a call in disguise.
        m if m.starts_with('j') && target_is_elsewhere(instruction) => Some("a tail call"),
        "lock" => Some("a locked instruction"),
        // An exchange with memory is locked without saying so.
        "xchg" if instruction.contains('[') => Some("a locked exchange"),
        "div" | "idiv" | "divq" | "idivq" => Some("a division"),
        "mfence" | "lfence" | "sfence" => Some("a hardware fence"),
        "syscall" | "int3" | "ud2" => Some("a trap"),
        _ => None,
    }
}

#[test]
fn the_hot_paths_have_no_call_no_lock_no_division() {
    let Some(listings) = listings() else { return };
    // Instructions that the paths need today, and half as many again for another compiler.
    for (name, instructions_max) in [
        ("path_poll", 75),
        ("path_publish", 85),
        ("path_batch", 150),
        ("path_idle", 75),
        ("path_count", 75),
    ] {
        let listing = listings
            .iter()
            .find(|it| it.name.starts_with(&format!("poll_path::{name}")))
            .unwrap_or_else(|| panic!("{name} is not in the program"));
        let code = listing.lines.join("\n");
        println!("{name}: {} instructions", listing.lines.len());
        assert!(listing.lines.iter().any(|it| it.starts_with("ret")), "{name} is cut:\n{code}");
        for instruction in &listing.lines {
            if let Some(fault) = fault(instruction) {
                panic!("{name} contains {fault}: {instruction}\n{code}");
            }
        }
        assert!(
            listing.lines.len() <= instructions_max,
            "{name} has {} instructions:\n{code}",
            listing.lines.len()
        );
    }
}

#[test]
fn the_reader_of_listings_knows_a_fault_when_it_sees_one() {
    for planted in [
        "call   12340 <memcpy@plt>",
        "call   QWORD PTR [rip+0x2f]",
        "lock xadd QWORD PTR [rdi],rax",
        "xchg   QWORD PTR [rdi],rax",
        "div    rcx",
        "idiv   QWORD PTR [rsp]",
        "jmp    12340 <core::panicking::panic>",
        "jne    12340 <tickspin_ring::spsc::cold>",
        "mfence",
        "ud2",
    ] {
        assert!(fault(planted).is_some(), "{planted}");
    }
    for honest in [
        "mov    rax,QWORD PTR [rdi+0x8]",
        "jne    12340 <poll_path::path_poll+0x20>",
        "xchg   ax,ax",
        "ret",
    ] {
        assert!(fault(honest).is_none(), "{honest}");
    }
    let text = "0000000000001230 <poll_path::path_poll>:\n    1230:\tmov    rax,rdi\n    1233:\tret\n    1234:\tint3\n\n\
                0000000000001240 <other>:\n    1240:\tlock inc\n";
    let parsed = parse(text);
    assert_eq!(parsed.len(), 1);
    assert_eq!(parsed[0].lines, ["mov    rax,rdi", "ret"]);
}
