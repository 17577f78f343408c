//! The result folder: made late, checked early, never overwritten by accident.

use crate::{cure, utc};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Why a result folder or file could not be used; each is one clear line.
#[derive(Debug)]
pub enum OutError {
    /// A result file is there already and `--force` was not given.
    Exists(PathBuf),
    /// The folder or file could not be made.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OutError {
    /// Permission or a read-only file system: the program exits 4.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            OutError::Exists(_) => false,
            OutError::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                )
            }
        }
    }
}

impl std::fmt::Display for OutError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OutError::Exists(path) => {
                write!(f, "{}: exists already; give another place or --force", path.display())
            }
            OutError::Io { doing, path, source } => {
                write!(f, "{}: cannot {doing}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => write!(f, "; {}", cure::may_write(path)),
                    io::ErrorKind::ReadOnlyFilesystem => write!(f, "; give another place"),
                    io::ErrorKind::StorageFull => {
                        write!(f, "; `df -h {}` shows the room", cure::existing(path).display())
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for OutError {}

/// Where a run's results go when nobody says: `tickspin-runs/20260131T235959Z-name`, UTC.
#[must_use]
pub fn default_folder(name: &str, time: SystemTime) -> PathBuf {
    PathBuf::from("tickspin-runs").join(format!("{}-{name}", utc::compact(time)))
}

/// A folder for one program's results. Folders that did not exist are remembered, so that a run
/// that failed before its first result leaves none behind.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
    made: Vec<PathBuf>,
}

impl OutDir {
    /// Makes the folder (and those above it) and proves by a trial file that it can be written.
    ///
    /// # Errors
    /// [`OutError::Io`]; then nothing is left behind.
    pub fn create(path: &Path) -> Result<OutDir, OutError> {
        let mut missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .map(Path::to_path_buf)
            .collect();
        missing.reverse();
        let out = OutDir { path: path.to_path_buf(), made: missing };
        let failed = |doing, source| OutError::Io { doing, path: path.to_path_buf(), source };
        let trial = path.join(format!(".tickspin-trial-{}", std::process::id()));
        let proven =
            fs::create_dir_all(path).map_err(|source| failed("make the folder", source)).and_then(
                |()| fs::write(&trial, b"").map_err(|source| failed("write into it", source)),
            );
        let _ = fs::remove_file(&trial);
        match proven {
            Ok(()) => Ok(out),
            Err(error) => {
                out.abandon();
                Err(error)
            }
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folders that `create` made, as far as they are empty.
    pub fn abandon(&self) {
        for dir in self.made.iter().rev() {
            if fs::remove_dir(dir).is_err() {
                break;
            }
        }
    }

    /// Writes a file at once: to a temporary name first, then renamed, so that a reader sees the
    /// whole file or none.
    ///
    /// # Errors
    /// [`OutError::Io`]; the temporary file is removed.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, OutError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.{}", std::process::id()));
        let written = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|source| {
            let _ = fs::remove_file(&temporary);
            OutError::Io { doing: "write", path: path.clone(), source }
        })?;
        Ok(path)
    }

    /// Refuses names that exist, unless forced.
    ///
    /// # Errors
    /// [`OutError::Exists`] with the first of them.
    pub fn refuse_existing(&self, names: &[&str], force: bool) -> Result<(), OutError> {
        match names.iter().map(|name| self.path.join(name)).find(|path| path.exists()) {
            Some(path) if !force => Err(OutError::Exists(path)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_folder_is_gone_and_a_used_one_stays() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        OutDir::create(&deep).unwrap().abandon();
        assert!(!root.path().join("a").exists());
        let out = OutDir::create(&deep).unwrap();
        out.write("x.json", b"{}").unwrap();
        out.abandon();
        assert_eq!(fs::read(deep.join("x.json")).unwrap(), b"{}");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "no trial or temporary file is left");
    }

    #[test]
    fn a_file_in_the_way_is_one_clear_line() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), b"").unwrap();
        let error = OutDir::create(&root.path().join("file/run")).unwrap_err();
        assert!(error.to_string().contains("cannot make the folder"), "{error}");
        assert!(!error.is_permission());
    }

    #[test]
    fn no_permission_names_the_command_that_mends_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("not/there");
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = OutError::Io { doing: "make the folder", path, source };
        let cure = format!("`chmod u+rwx {}`", root.path().display());
        assert!(error.is_permission() && error.to_string().contains(&cure), "{error}");
    }

    #[test]
    fn existing_results_are_refused_unless_forced() {
        let root = tempfile::tempdir().unwrap();
        let out = OutDir::create(root.path()).unwrap();
        out.write("summary.json", b"{}").unwrap();
        assert!(matches!(out.refuse_existing(&["summary.json"], false), Err(OutError::Exists(_))));
        assert!(out.refuse_existing(&["summary.json"], true).is_ok());
    }
}
