//! Results of an earlier run, moved out of the way of a forced one.
//!
//! They must not be taken for the new run's, so they cannot stay where they are; and they must not
//! be lost to a run that never came to results, so they cannot be deleted at its start. They wait
//! in a hidden folder beside the new ones. When this is dropped they are deleted if the new run
//! left a result of any name, and moved back if it left none. After a kill of this very process
//! they stay where they wait, `.before-<process>`.

use std::fs;
use std::path::{Path, PathBuf};
use tickspin_results::out::OutError;

const DOING: &str = "move an earlier run's result aside";

/// Results that wait.
#[derive(Debug)]
pub(super) struct Aside {
    folder: PathBuf,
    /// Where they wait; made only for the first of them.
    waiting: PathBuf,
    /// All names that a run's results have.
    names: Vec<String>,
    /// All of them wait: what lies under one of the names from now on is the new run's.
    is_whole: bool,
}

impl Aside {
    /// Moves what lies in `folder` under one of `names`.
    ///
    /// # Errors
    /// One of them cannot be moved; then all are back.
    pub(super) fn of(folder: &Path, names: Vec<String>) -> Result<Aside, OutError> {
        let waiting = folder.join(format!(".before-{}", std::process::id()));
        let folder = folder.to_path_buf();
        let mut aside = Aside { folder, waiting, names, is_whole: false };
        for name in &aside.names {
            let (path, waiting) = (aside.folder.join(name), aside.waiting.join(name));
            if path.exists() {
                fs::create_dir_all(&aside.waiting)
                    .and_then(|()| fs::rename(&path, waiting))
                    .map_err(|source| OutError::Io { doing: DOING, path, source })?;
            }
        }
        aside.is_whole = true;
        Ok(aside)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let is_there = |name: &String| self.folder.join(name).exists();
        let has_new = self.is_whole && self.names.iter().any(is_there);
        for name in &self.names {
            let waiting = self.waiting.join(name);
            let _ = match has_new {
                true => fs::remove_file(waiting),
                false if waiting.exists() => fs::rename(waiting, self.folder.join(name)),
                false => Ok(()),
            };
        }
        // Goes only when it is empty: what could not be moved back is not lost.
        let _ = fs::remove_dir(&self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["summary.json", "feed.hlog"].map(str::to_owned).into()
    }

    fn left(folder: &Path) -> Vec<(String, String)> {
        let mut left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        left.sort();
        left
    }

    #[test]
    fn a_run_without_results_gives_the_old_ones_back_and_one_with_results_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        fs::write(path.join("summary.json"), "old").unwrap();
        fs::write(path.join("feed.hlog"), "old").unwrap();
        fs::write(path.join("notes.txt"), "the user's").unwrap();
        let before = left(path);
        let aside = Aside::of(path, names()).unwrap();
        assert!(!path.join("summary.json").exists() && !path.join("feed.hlog").exists());
        drop(aside);
        assert_eq!(left(path), before);

        let aside = Aside::of(path, names()).unwrap();
        fs::write(path.join("feed.hlog"), "new").unwrap();
        drop(aside);
        assert_eq!(left(path), pairs(&[("feed.hlog", "new"), ("notes.txt", "the user's")]));
    }
}
