//! The rules of this repository, as a test.
//!
//! Each rule is one of the invariants of absence in `docs/architecture.md`, or a habit that a
//! reader can rely on only if nothing breaks it unseen.

mod sources;

use sources::{code, dependencies, files, has_word, read, root, without_comment};
use std::collections::BTreeSet;
use std::path::Path;

/// Package folder, and the packages of ours that it may stand on outside tests.
const ARROWS: [(&str, &[&str]); 10] = [
    ("base/wire", &[]),
    ("base/ring", &[]),
    ("base/host", &[]),
    ("base/results", &[]),
    ("base/recording", &["wire"]),
    ("base/testkit", &["wire"]),
    ("engine/hot", &["wire", "ring", "host"]),
    ("engine/cold", &["hot", "wire", "ring", "host", "results"]),
    ("feed-sim", &["wire", "ring", "host", "results", "recording"]),
    ("tools", &["wire", "ring", "host", "results", "recording", "hot"]),
];

/// Packages that may contain `unsafe`; every other forbids it.
const UNSAFE: [&str; 3] = ["base/ring", "base/host", "base/testkit"];

/// This file: it says what it forbids.
const OURSELVES: &str = "tools/tests/tidy.rs";

/// Packages without the standard library.
const NO_STD: [&str; 2] = ["base/wire", "engine/hot"];

#[test]
fn arrows_between_packages_are_those_of_the_architecture() {
    let members: BTreeSet<String> = files(".", "Cargo.toml")
        .into_iter()
        .filter(|path| !path.contains("/fuzz/"))
        .filter_map(|path| path.strip_suffix("/Cargo.toml").map(str::to_owned))
        .collect();
    let drawn: BTreeSet<String> = ARROWS.iter().map(|(package, _)| (*package).to_owned()).collect();
    assert_eq!(members, drawn, "packages on disk against packages in the drawing");
    for (package, allowed) in ARROWS {
        for (name, is_test) in dependencies(&read(&format!("{package}/Cargo.toml"))) {
            let Some(ours) = name.strip_prefix("tickspin-") else { continue };
            if is_test {
                let programs = ["engine", "feed-sim", "tools"];
                assert!(!programs.contains(&ours), "{package}'s tests must not link {name}");
            } else {
                assert!(allowed.contains(&ours), "{package} must not stand on {name}");
            }
        }
    }
}

#[test]
fn a_dependency_is_seen_however_it_is_written() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\" # c\n\
                    alias = { package = \"d\", path = \"../d\" }\n[dependencies.e]\npath = \"e\"\n\
                    [target.'cfg(unix)'.dependencies]\nf = \"1\"\n[build-dependencies]\ng = \"1\"\n\
                    [target.x86_64-unknown-linux-gnu.dependencies.h]\nversion = \"1\"\n\
                    [dev-dependencies]\ni = \"1\"\n[lints]\nj = true\n";
    let found = dependencies(manifest);
    for name in ["a", "b", "d", "e", "f", "g", "h"] {
        assert!(found.contains(&(name.to_owned(), false)), "{name}: {found:?}");
    }
    assert!(found.contains(&("i".to_owned(), true)), "{found:?}");
    for name in ["c", "j", "x"] {
        assert!(!found.iter().any(|(found, _)| found == name), "{name}: {found:?}");
    }
}

#[test]
fn af_xdp_is_only_in_builds_that_ask_for_it() {
    // Each passes the wish on to what it stands on, and none makes it a default.
    for (package, below) in
        [("engine/cold", "hot"), ("engine/hot", "host"), ("feed-sim", "host"), ("tools", "host")]
    {
        let manifest = read(&format!("{package}/Cargo.toml"));
        let wish = manifest.lines().find(|line| line.starts_with("xdp = [")).unwrap_or_default();
        assert!(wish.contains(&format!("tickspin-{below}/xdp")), "{package}: {wish}");
    }
    for (package, _) in ARROWS {
        let manifest = read(&format!("{package}/Cargo.toml"));
        let default = manifest.lines().find(|line| line.starts_with("default ="));
        assert!(!default.is_some_and(|line| line.contains("xdp")), "{package}: {default:?}");
    }
    let host = read("base/host/src/lib.rs");
    assert!(host.contains("#[cfg(feature = \"xdp\")]\npub mod xdp;"), "the module is gated");
    for file in files("base/host/src", ".rs") {
        if file.starts_with("base/host/src/xdp") {
            continue;
        }
        for (number, line) in code(&file) {
            for word in ["AF_XDP", "SOL_XDP", "SYS_bpf", "xdp_desc"] {
                assert!(!has_word(&line, word), "{file}:{number}: {line}");
            }
        }
    }
}

#[test]
fn unsafe_lives_in_two_packages_and_the_testkit() {
    for (package, _) in ARROWS {
        let main = format!("{package}/src/main.rs");
        let lib = format!("{package}/src/lib.rs");
        for file in [lib, main].into_iter().filter(|file| root().join(file).exists()) {
            let forbids = read(&file).contains("#![forbid(unsafe_code)]");
            assert_eq!(forbids, !UNSAFE.contains(&package), "{file}: forbid(unsafe_code)");
        }
        if UNSAFE.contains(&package) {
            continue;
        }
        // The attribute reaches no further than its crate: tests, benches and build scripts are
        // crates of their own.
        for file in files(package, ".rs").into_iter().filter(|file| file != OURSELVES) {
            for (index, line) in read(&file).lines().enumerate() {
                let is_unsafe = has_word(without_comment(line), "unsafe");
                assert!(!is_unsafe, "{file}:{}: {line}", index + 1);
            }
        }
    }
}

#[test]
fn hot_and_wire_have_no_standard_library_outside_tests() {
    for package in NO_STD {
        assert!(read(&format!("{package}/src/lib.rs")).contains("#![no_std]"), "{package}");
        for file in files(&format!("{package}/src"), ".rs") {
            let text = read(&file);
            let lines: Vec<&str> = text.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                if line.trim_start().starts_with("extern crate") {
                    let guarded = index > 0 && lines[index - 1].trim() == "#[cfg(test)]";
                    assert!(guarded, "{file}:{}: extern crate re-opens the door", index + 1);
                }
            }
        }
    }
}

/// A clock is read here, or its reading is brought in: by path, under another name, by an
/// instruction. (The type that turns ticks into ns may be named.)
fn reads_clock(line: &str) -> bool {
    let words = ["ticks(", "ticks as", "clock::ticks", "ticks_ordered", "_rdtsc", "__rdtscp"];
    let brings_in = line.trim_start().starts_with("use ") && has_word(line, "ticks");
    let of_std = has_word(line, "Instant") || has_word(line, "SystemTime");
    brings_in || of_std || words.iter().any(|word| has_word(line, word))
}

#[test]
fn hot_reads_the_clock_only_through_stamps() {
    for file in files("engine/hot/src", ".rs") {
        if file.ends_with("/stamps.rs") {
            continue;
        }
        for (number, line) in code(&file) {
            assert!(!reads_clock(&line), "{file}:{number}: {line}");
        }
    }
    for line in [
        "let now = clock::ticks();",
        "use tickspin_host::clock::{Clock, ticks};",
        "    ticks as now,",
        "let read = clock::ticks;",
        "let now = ticks();",
        "let now = c::ticks_ordered();",
        "unsafe { core::arch::x86_64::_rdtsc() }",
    ] {
        assert!(reads_clock(line), "{line}");
    }
    for line in [
        "use tickspin_host::clock::Clock;",
        "self.span(event.intended_ticks(), marks.end);",
        "let ticks = 3;",
    ] {
        assert!(!reads_clock(line), "{line}");
    }
}

#[test]
fn every_module_says_what_it_is() {
    for (package, _) in ARROWS {
        for folder in ["src", "tests", "benches", "examples"] {
            if !root().join(package).join(folder).exists() {
                continue;
            }
            for file in files(&format!("{package}/{folder}"), ".rs") {
                assert!(read(&file).starts_with("//!"), "{file}: begins without a module doc");
            }
        }
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut checked = 0;
    for file in files(".", ".md") {
        let folder = root().join(&file).parent().map(Path::to_path_buf).unwrap_or_default();
        for (index, line) in read(&file).lines().enumerate() {
            for piece in line.split("](").skip(1) {
                let target = piece.split([')', '#', ' ']).next().unwrap_or("");
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                checked += 1;
                assert!(folder.join(target).exists(), "{file}:{}: dead link {target}", index + 1);
            }
        }
    }
    assert!(checked >= 5, "only {checked} links found: the rule would check nothing");
}

#[test]
fn nothing_unfinished_is_left() {
    for file in files(".", ".md") {
        assert!(!read(&file).contains("@@"), "{file}: a place is still to be filled");
    }
    for folder in ["base", "engine", "feed-sim", "tools"] {
        for file in files(folder, ".rs").into_iter().filter(|file| file != OURSELVES) {
            for (index, line) in read(&file).lines().enumerate() {
                for word in ["todo!(", "unimplemented!(", "FIXME", "XXX", "dbg!("] {
                    assert!(!line.contains(word), "{file}:{}: {word}", index + 1);
                }
            }
        }
    }
}

#[test]
fn decoders_open_no_file_and_allocate_nothing() {
    for file in files("base/wire/src", ".rs") {
        for (number, line) in code(&file) {
            for word in ["std::fs", "std::io", "alloc::", "Vec<", "Box<", "String"] {
                assert!(!line.contains(word), "{file}:{number}: {word}");
            }
        }
    }
}
