//! The folder of recorded data: `TICKSPIN_DATA`, by default `shared/data` beside the workspace.

use std::path::PathBuf;

/// The path of a file of the folder. `None` where the folder is missing, which is said aloud and, in CI, a
/// failure. A folder that lacks the file is always a failure.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("TICKSPIN_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
    };
    if !folder.is_dir() {
        let text = format!("recorded data is missing: no folder {}", folder.display());
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{text}");
        eprintln!("SKIPPED: {text}");
        return None;
    }
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    Some(path)
}
