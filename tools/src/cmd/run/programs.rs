//! The two programs of a run: beside ourselves, and built from the same sources.

use crate::error::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Paths of the two programs, found and proven to be of our build.
#[derive(Debug)]
pub(super) struct Programs {
    /// `feed-sim`.
    pub(super) feed: PathBuf,
    /// `engine`.
    pub(super) engine: PathBuf,
}

impl Programs {
    /// Looks beside the running program.
    ///
    /// # Errors
    /// Exit code 4, the installation is not whole: a program is missing, does not start, or was
    /// built from other sources.
    pub(super) fn find() -> Result<Programs, Failure> {
        Ok(Programs { feed: program_beside("feed-sim")?, engine: program_beside("engine")? })
    }
}

/// A program beside the running one.
///
/// # Errors
/// As [`Programs::find`].
pub(in crate::cmd) fn program_beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::environment(format_args!("where am I? {error}")))?;
    find(own.parent().unwrap_or(Path::new(".")), name)
}

fn find(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let cure = "build all programs together: cargo build --release --workspace";
    let fail =
        |what: String| Failure::environment(format_args!("{}: {what}; {cure}", path.display()));
    if !path.is_file() {
        return Err(fail("this program is missing".to_owned()));
    }
    let asked = Command::new(&path)
        .arg("--build-id")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| fail(format!("does not start: {error}")))?;
    let theirs = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let ours = env!("TICKSPIN_BUILD");
    if !asked.status.success() || theirs != ours {
        let theirs = theirs.lines().next().filter(|line| !line.is_empty()).unwrap_or("unknown");
        return Err(fail(format!("its build is {theirs}, that of tickspin is {ours}")));
    }
    Ok(path)
}
