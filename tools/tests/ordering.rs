//! Shared words: who may name atomics, which ordering pairs with which, and that a single writer
//! stores.
//!
//! The proofs stand in `docs/ring.md`; these rules keep the sources in step with them.

mod sources;

use sources::{code, files, has_word, read, without_comment};
use std::collections::BTreeMap;

/// The packages that share memory, or spin over it.
const SHARING: [&str; 3] = ["base/ring", "base/host", "engine/hot"];

/// Files of theirs that may name atomics.
const NAMING: [&str; 3] =
    ["base/ring/src/sync.rs", "base/host/src/process.rs", "base/host/src/mapping.rs"];

/// Reading, changing and writing a word in one go. A single writer needs none of it.
const READ_MODIFY_WRITE: [&str; 10] = [
    "fetch_add",
    "fetch_sub",
    "fetch_or",
    "fetch_and",
    "fetch_xor",
    "fetch_nand",
    "fetch_max",
    "fetch_min",
    "fetch_update",
    "swap",
];

/// Cold places of it: the stop flag, which three may set; a writer's end, which is given out once.
const COLD: [(&str, &str); 2] =
    [("base/host/src/process.rs", "compare_exchange"), ("base/ring/src/tally.rs", "swap")];

/// The module of atomics is named, in whatever style of import; `AtomicU64` itself may come from
/// the one file that chooses between the true ones and loom's.
fn names_atomics(line: &str) -> bool {
    has_word(line, "atomic") || has_word(line, "loom")
}

fn modifies(line: &str) -> Option<&'static str> {
    let exchange = ["compare_exchange", "compare_exchange_weak", "compare_and_swap"];
    let words = READ_MODIFY_WRITE.into_iter().chain(exchange);
    // A swap of two elements names both; of two places it is a function.
    let is_call = |word: &str| {
        let called = format!(".{word}(");
        line.contains(&called)
            && !(word == "swap" && !line.contains("Ordering") && !line.contains("Relaxed"))
    };
    words.into_iter().find(|word| is_call(word))
}

/// The ends of a pair that an ordering in this line makes: (acquire, release).
fn ends(line: &str) -> (bool, bool) {
    // A constant says which ordering; where it is used, it is called by its name.
    if line.trim_start().starts_with("const ") || line.trim_start().starts_with("use ") {
        return (false, false);
    }
    let any = |words: &[&str]| words.iter().any(|word| has_word(line, word));
    (
        any(&["Acquire", "AcqRel", "SeqCst"]),
        any(&["Release", "AcqRel", "SeqCst", "D::PUBLISH", "D::COMMIT", "D::POSITION"]),
    )
}

#[test]
fn atomics_are_named_in_three_files() {
    for package in SHARING {
        for file in files(&format!("{package}/src"), ".rs") {
            for (number, line) in code(&file) {
                let is_free = NAMING.contains(&file.as_str());
                assert!(is_free || !names_atomics(&line), "{file}:{number}: {line}");
            }
        }
    }
}

#[test]
fn every_acquire_names_its_release() {
    let mut tags: BTreeMap<String, Vec<(String, bool, bool)>> = BTreeMap::new();
    let mut orderings = 0;
    for package in SHARING {
        for file in files(&format!("{package}/src"), ".rs") {
            let text = read(&file);
            let lines: Vec<&str> = text.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                let place = format!("{file}:{}", index + 1);
                if let Some((_, rest)) = line.split_once("// PAIR ") {
                    let tag = rest.split([':', ' ', ',', '.', ';']).next().unwrap_or("").to_owned();
                    let code = lines[index..].iter().take(9).map(|line| without_comment(line));
                    let found = code.map(ends).find(|ends| *ends != (false, false));
                    let (acquires, releases) =
                        found.unwrap_or_else(|| panic!("{place}: PAIR {tag} without an ordering"));
                    tags.entry(tag).or_default().push((place.clone(), acquires, releases));
                }
                // Branches that only the broken disciplines of the model tests take.
                let above = lines[index.saturating_sub(1)].trim();
                let is_broken = above.starts_with("if D::") && above.ends_with("_FIRST {");
                if !is_broken && ends(without_comment(line)) != (false, false) {
                    orderings += 1;
                    let near = &lines[index.saturating_sub(8)..=index];
                    let tagged = near.iter().any(|line| line.contains("// PAIR "));
                    assert!(tagged, "{place}: an ordering without its PAIR: {line}");
                }
            }
        }
    }
    assert!(orderings >= 8, "only {orderings} orderings found: the rule would check nothing");
    for (tag, places) in &tags {
        assert!(
            places.iter().any(|(_, acquires, _)| *acquires),
            "PAIR {tag} acquires nowhere: {places:?}"
        );
        assert!(
            places.iter().any(|(.., releases)| *releases),
            "PAIR {tag} releases nowhere: {places:?}"
        );
    }
}

#[test]
fn a_single_writer_stores() {
    for package in SHARING {
        for file in files(&format!("{package}/src"), ".rs") {
            for (number, line) in code(&file) {
                if let Some(word) = modifies(&line) {
                    assert!(COLD.contains(&(file.as_str(), word)), "{file}:{number}: {line}");
                }
            }
        }
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    for line in [
        "use core::sync::atomic::AtomicU64;",
        "use std::sync::{atomic, Arc};",
        "use std::sync::{Arc, atomic::{AtomicU64, Ordering}};",
        "    atomic::fence(Ordering::Acquire);",
        "use loom::thread;",
    ] {
        assert!(names_atomics(line), "{line}");
    }
    assert!(!names_atomics("use crate::sync::{AtomicU64, Ordering};"));
    for line in [
        "a.fetch_or(1, Ordering::Relaxed);",
        "a.fetch_max(1, Relaxed);",
        "a.swap(1, Ordering::Relaxed);",
        "a.compare_exchange_weak(0, 1, Relaxed, Relaxed)",
    ] {
        assert!(modifies(line).is_some(), "{line}");
    }
    for line in ["slots.swap(a, b);", "mem::swap(&mut a, &mut b);", "self.slots.fetch_ahead(seq);"]
    {
        assert!(modifies(line).is_none(), "{line}");
    }
    assert_eq!(ends("a.store(1, Ordering::Release);"), (false, true));
    assert_eq!(ends("a.load(Acquire)"), (true, false));
    assert_eq!(
        ends("a.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)"),
        (true, false)
    );
    assert_eq!(ends("fence(Ordering::SeqCst);"), (true, true));
    assert_eq!(ends("a.swap(1, Ordering::AcqRel);"), (true, true));
    assert_eq!(ends("    const PUBLISH: Ordering = Ordering::Release;"), (false, false));
    assert_eq!(ends("if D::POSITION_FIRST {"), (false, false));
}
