//! The build id: included by the build script of each program.
//!
//! A hash over every source file of the workspace but tests and benches, the lock file, and what
//! turns sources into code: compiler, profile, flags, and the features of the program's package.
//! Programs meet only when all of these are equal, so a feature must be switched alike in each.
//! Programs that were built from different sources lay out shared memory and files as they please,
//! so they refuse to meet; and a report names the very sources its numbers came from.

use std::fs;
use std::path::{Path, PathBuf};

/// Sets `TICKSPIN_BUILD` (`<version>-<hash>`), `TICKSPIN_COMMIT` and `TICKSPIN_RUSTC` for the crate
/// being built. `root` is the workspace's folder.
pub(crate) fn emit(root: &Path) {
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for folder in ["base", "engine", "feed-sim", "tools"] {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(root).unwrap_or(file);
        hash.add(name.to_string_lossy().as_bytes());
        hash.add(&fs::read(file).unwrap_or_default());
    }
    let log = root.join(".git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = first_line(&variable("RUSTC"), &["--version"]);
    println!("cargo::rerun-if-env-changed=RUSTFLAGS");
    hash.add(rustc.as_bytes());
    for name in ["PROFILE", "OPT_LEVEL", "CARGO_ENCODED_RUSTFLAGS"] {
        hash.add(variable(name).as_bytes());
    }
    for feature in features() {
        hash.add(feature.as_bytes());
    }
    println!("cargo::rustc-env=TICKSPIN_BUILD={}-{:016x}", variable("CARGO_PKG_VERSION"), hash.0);
    println!("cargo::rustc-env=TICKSPIN_RUSTC={rustc}");
    println!("cargo::rustc-env=TICKSPIN_COMMIT={}", commit(root));
    println!("cargo::rustc-env=TICKSPIN_PROFILE={}", variable("PROFILE"));
}

/// Features of the package being built, as Cargo names their variables, in order.
fn features() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut features: Vec<String> =
        names.filter(|name| name.starts_with("CARGO_FEATURE_")).collect();
    features.sort();
    features
}

/// Sources below `folder`, build outputs left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", "tests", "benches", "fuzz"].iter().any(|skip| name == *skip) {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|end| end == "rs" || end == "toml") {
            files.push(path);
        }
    }
}

/// The commit checked out, with `+` when files differ from it; `unknown` outside a checkout.
fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| {
        let root = root.to_string_lossy();
        first_line("git", &[&["-C", root.as_ref()], arguments].concat())
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"]);
    if head.is_empty() {
        return "unknown".to_owned();
    }
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{head}{}", if dirty { "+" } else { "" })
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    std::process::Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| {
            String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
        })
        .unwrap_or_default()
}

/// FNV-1a, 64 bits: not for adversaries, for telling two builds apart.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0xFF]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
