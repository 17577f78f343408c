//! The command that mends a missing permission, for the one line in which a program says why it
//! did not start.

use std::path::Path;

/// How this user comes to read the file `path`.
#[must_use]
pub fn may_read(path: &Path) -> String {
    format!("`chmod u+r {}` if it is yours, else ask its owner", path.display())
}

/// How this user comes to make `path`: by the nearest folder at or above it that is there.
#[must_use]
pub fn may_write(path: &Path) -> String {
    let folder = existing(path).display();
    format!("`chmod u+rwx {folder}` if it is yours, else give another place")
}

/// The nearest folder at or above `path`.
#[must_use]
pub fn existing(path: &Path) -> &Path {
    let found = path.ancestors().find(|above| above.is_dir());
    // A relative path ends in the empty one, which is here.
    found.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_is_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let command = format!("`chmod u+rwx {}`", root.path().display());
        assert!(may_write(&root.path().join("not/there")).contains(&command));
        assert_eq!(existing(Path::new("not-there/either")), Path::new("."));
    }
}
