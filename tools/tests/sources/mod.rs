//! The sources of this repository, as the rules read them: by line, by word, by manifest.
#![allow(dead_code, reason = "each test program needs a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(relative: &str) -> String {
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
pub(crate) fn files(folder: &str, end: &str) -> Vec<String> {
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

/// A line without its comment.
pub(crate) fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Lines of a file that are code, by number: comments and what follows the unit tests' heading
/// left out.
pub(crate) fn code(file: &str) -> Vec<(usize, String)> {
    read(file)
        .lines()
        .take_while(|line| !line.starts_with("mod tests"))
        .enumerate()
        .map(|(index, line)| (index + 1, without_comment(line).to_owned()))
        .collect()
}

/// `word` stands in `line`, not as a part of a longer name. Where `word` ends in no letter
/// (`ticks(`), only its beginning is looked at.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends_in_name = word.chars().next_back().is_some_and(is_name);
        let is_longer = before.is_some_and(is_name) || ends_in_name && after.is_some_and(is_name);
        !is_longer
    })
}

/// What a manifest depends on: (package, for tests only), whatever the kind of section and however
/// the dependency is written.
pub(crate) fn dependencies(manifest: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut section = None;
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let is_test = header.contains("dev-dependencies");
            section = header.contains("dependencies").then_some(is_test);
            // [dependencies.name] and [target.'…'.dependencies.name]
            if let Some((_, name)) = header.rsplit_once("dependencies.") {
                found.push((name.to_owned(), is_test));
            }
        } else if let Some(is_test) = section {
            // `name.workspace = true`, and the true name of a renamed one: `package = "name"`.
            let name = line.split(['=', '.', ' ']).next().unwrap_or("");
            let renamed = line.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            let names = [name, renamed.unwrap_or("")].into_iter().filter(|name| !name.is_empty());
            found.extend(names.map(|name| (name.to_owned(), is_test)));
        }
    }
    found
}
