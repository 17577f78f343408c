//! The rules of this repository, as a test.
//!
//! Each rule is one of the invariants of absence in `docs/architecture.md`, or a habit that a
//! reader can rely on only if nothing breaks it unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
    ("tools", &["wire", "ring", "host", "results", "hot"]),
];

/// Packages that may contain `unsafe`; every other forbids it.
const UNSAFE: [&str; 3] = ["base/ring", "base/host", "base/testkit"];

/// Packages without the standard library.
const NO_STD: [&str; 2] = ["base/wire", "engine/hot"];

/// Files that may name atomics, in the packages that share memory or spin.
const ATOMICS: [&str; 2] = ["base/ring/src/sync.rs", "base/host/src/process.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(relative: &str) -> String {
    let path = root().join(relative);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn walk(path: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != "tickspin-runs" && !name.starts_with('.') {
                walk(&path, end, found);
            }
        } else if name.ends_with(end) {
            found.push(path);
        }
    }
}

/// Files below `folder` that end in `end`, relative to the root, build outputs left out.
fn files(folder: &str, end: &str) -> Vec<String> {
    let (root, mut found) = (root(), Vec::new());
    walk(&root.join(folder), end, &mut found);
    let mut relative: Vec<String> = found
        .iter()
        .filter_map(|path| path.strip_prefix(&root).ok())
        .map(|path| path.to_string_lossy().trim_start_matches("./").to_owned())
        .collect();
    relative.sort();
    assert!(!relative.is_empty(), "no *{end} below {folder}: the rule would check nothing");
    relative
}

/// Lines of a file that are code: comments and what follows the unit tests' heading left out.
fn code(file: &str) -> Vec<(usize, String)> {
    let text = read(file);
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("mod tests") {
            break;
        }
        let line = line.split("//").next().unwrap_or("");
        lines.push((index + 1, line.to_owned()));
    }
    lines
}

/// Names in one section of a package's manifest.
fn dependencies(package: &str, section: &str) -> BTreeSet<String> {
    let manifest = read(&format!("{package}/Cargo.toml"));
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == format!("[{section}]");
        } else if inside {
            let name = line.split(['=', '.', ' ']).next().unwrap_or("");
            if !name.is_empty() && !name.starts_with('#') {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

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
        for name in dependencies(package, "dependencies") {
            if let Some(ours) = name.strip_prefix("tickspin-") {
                assert!(allowed.contains(&ours), "{package} must not stand on {name}");
            }
        }
        for name in dependencies(package, "dev-dependencies") {
            let programs = ["tickspin-engine", "tickspin-feed-sim", "tickspin-tools"];
            assert!(!programs.contains(&name.as_str()), "{package}'s tests must not link {name}");
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

#[test]
fn hot_reads_the_clock_only_through_stamps() {
    for file in files("engine/hot/src", ".rs") {
        if file.ends_with("/stamps.rs") {
            continue;
        }
        for (number, line) in code(&file) {
            let reads = ["clock::ticks", "ticks_ordered", "_rdtsc", "Instant", "SystemTime"];
            assert!(!reads.iter().any(|read| line.contains(read)), "{file}:{number}: {line}");
        }
    }
}

#[test]
fn atomics_are_named_in_two_files() {
    for package in ["base/ring", "base/host", "engine/hot"] {
        for file in files(&format!("{package}/src"), ".rs") {
            if ATOMICS.contains(&file.as_str()) {
                continue;
            }
            for (number, line) in code(&file) {
                let named = line.contains("sync::atomic") || line.contains("loom::");
                assert!(!named, "{file}:{number}: {line}");
            }
        }
    }
}

#[test]
fn every_acquire_names_its_release() {
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut orderings = 0;
    for package in ["base/ring", "base/host"] {
        for file in files(&format!("{package}/src"), ".rs") {
            let text = read(&file);
            let lines: Vec<&str> = text.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                if let Some((_, rest)) = line.split_once("// PAIR ") {
                    let tag = rest.split([':', ' ', ',', '.', ';']).next().unwrap_or("").to_owned();
                    tags.entry(tag).or_default().push(format!("{file}:{}", index + 1));
                }
                let code = line.split("//").next().unwrap_or("");
                let orders = ["Acquire)", "Release)"].iter().any(|order| code.contains(order));
                if orders {
                    orderings += 1;
                    let near = &lines[index.saturating_sub(8)..=index];
                    let tagged = near.iter().any(|line| line.contains("// PAIR "));
                    assert!(tagged, "{file}:{}: an ordering without its PAIR: {line}", index + 1);
                }
            }
        }
    }
    assert!(orderings >= 4, "only {orderings} orderings found: the rule would check nothing");
    for (tag, places) in &tags {
        assert!(places.len() >= 2, "PAIR {tag} has one end only: {places:?}");
    }
}

#[test]
fn a_single_writer_stores() {
    for package in ["base/ring", "base/host", "engine/hot"] {
        for file in files(&format!("{package}/src"), ".rs") {
            for (number, line) in code(&file) {
                for word in ["fetch_add", "fetch_sub", "compare_exchange"] {
                    let is_cold = file == "base/host/src/process.rs";
                    assert!(is_cold || !line.contains(word), "{file}:{number}: {line}");
                }
            }
        }
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
        for file in files(folder, ".rs").into_iter().filter(|file| file != "tools/tests/tidy.rs") {
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
