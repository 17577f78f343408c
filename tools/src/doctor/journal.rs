//! What was changed, so that it can be undone exactly.
//!
//! Before a value is written, the old one stands in the journal, on disk: a crash between the two
//! leaves an entry too many, never one too few. Undoing writes the old values back, the last change
//! first, and keeps the entries that it could not write.
//! A value that somebody else has changed since is left alone, unless forced.
//!
//! The journal lies in the runtime directory and bears the kernel's boot number: after a boot the
//! old values are back by themselves, and a journal of before is thrown away.

use super::Change;
use crate::error::{Failure, exit, meet};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tickspin_host::tree::{Tree, chosen, parse_list, shown};
use tickspin_ring::rendezvous::RuntimeDir;

const SCHEMA: &str = "tickspin.doctor.journal/1";
const NAME: &str = ".doctor.json";
const LOCK: &str = ".doctor.lock";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Longer than any journal of ours.
const BYTES_MAX: u64 = 4 << 20;

/// One value that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The file.
    pub path: String,
    /// What it read before us.
    pub before: String,
    /// What we wrote.
    pub wrote: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: String,
    boot_id: String,
    root: PathBuf,
    entries: Vec<Entry>,
}

/// What became of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The file.
    pub path: String,
    /// What it read before.
    pub from: String,
    /// What it reads now.
    pub to: String,
    /// Why it is not as it should be; empty where it is.
    pub why_not: String,
    /// A privilege was missing.
    pub is_permission: bool,
}

/// The journal, held by this process alone.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    content: Content,
    _lock: File,
}

impl Journal {
    /// Opens the one of this user, or begins one; throws away one of an earlier boot.
    ///
    /// # Errors
    /// Exit code 1: another process holds it, or it is damaged; 4: no runtime directory.
    pub fn open(tree: &Tree) -> Result<Journal, Failure> {
        let folder = RuntimeDir::open().map_err(|error| meet(&error))?;
        Journal::in_folder(folder.path(), tree)
    }

    fn in_folder(folder: &Path, tree: &Tree) -> Result<Journal, Failure> {
        let path = folder.join(NAME);
        let failed = |error: io::Error| failed(&path, &error);
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(Failure::failed(format_args!(
                "{}: another `tickspin doctor` is changing this machine",
                path.display()
            )));
        }
        let boot_id = tree.text(BOOT_ID).unwrap_or_default();
        let root = tree.root().to_path_buf();
        let fresh = Content { schema: SCHEMA.into(), boot_id, root, entries: Vec::new() };
        let content = match read(&path)? {
            Some(content) if content.boot_id != fresh.boot_id => fresh,
            Some(content) if content.root != fresh.root => {
                return Err(Failure::failed(format_args!(
                    "{}: it is about the machine in {}",
                    path.display(),
                    content.root.display()
                )));
            }
            Some(content) => content,
            None => fresh,
        };
        Ok(Journal { path, content, _lock: lock })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.content.entries
    }

    /// Writes a value, its old one into the journal first. A value that is as wished already is not
    /// touched and not noted.
    ///
    /// # Errors
    /// The journal cannot be written; then nothing was changed.
    pub fn apply(&mut self, tree: &Tree, change: &Change) -> Result<Done, Failure> {
        let before = match tree.text(&change.path) {
            Ok(text) => chosen(&text).to_owned(),
            Err(absent) => return Ok(Done::refused(change, "", absent.to_string(), false)),
        };
        if is_same(&change.path, &before, &change.value) {
            return Ok(Done::made(&change.path, before.clone(), before));
        }
        // Where we changed it once already, the oldest value is the one to go back to.
        let noted = self.content.entries.iter_mut().find(|entry| entry.path == change.path);
        let is_new = noted.is_none();
        let wrote = change.value.clone();
        match noted {
            Some(entry) => entry.wrote = wrote,
            None => {
                let entry = Entry { path: change.path.clone(), before: before.clone(), wrote };
                self.content.entries.push(entry);
            }
        }
        self.save()?;
        let written = tree.write(&change.path, &change.value);
        let now = tree.text(&change.path).map(|text| chosen(&text).to_owned()).unwrap_or_default();
        if is_same(&change.path, &now, &change.value) && written.is_ok() {
            return Ok(Done::made(&change.path, before, now));
        }
        if is_new && is_same(&change.path, &now, &before) {
            self.content.entries.pop();
        } else if let Some(entry) =
            self.content.entries.iter_mut().find(|entry| entry.path == change.path)
        {
            // The kernel made another value of it: that is ours too, when it comes to undoing.
            entry.wrote.clone_from(&now);
        }
        self.save()?;
        let (why, is_permission) = match written {
            Err(error) => (format!("refused: {error}"), is_permission(&error)),
            Ok(()) => (format!("accepted, but it reads {:?}", shown(&now)), false),
        };
        Ok(Done::refused(change, &before, why, is_permission))
    }

    /// Takes back what stands in the journal about these files; all of it where none is named.
    ///
    /// # Errors
    /// The journal cannot be written; the values are back all the same.
    pub fn undo(&mut self, tree: &Tree, only: &[&str], force: bool) -> Result<Vec<Done>, Failure> {
        let mut done = Vec::new();
        let entries = std::mem::take(&mut self.content.entries);
        let mut kept = Vec::new();
        for entry in entries.into_iter().rev() {
            if !only.is_empty() && !only.contains(&entry.path.as_str()) {
                kept.push(entry);
                continue;
            }
            let one = undone(tree, &entry, force);
            if !one.why_not.is_empty() && tree.has(&entry.path) {
                kept.push(entry);
            }
            done.push(one);
        }
        kept.reverse();
        self.content.entries = kept;
        self.save()?;
        Ok(done)
    }

    /// To a name beside it first, onto the disk, then in place: whole or not at all.
    fn save(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| failed(&self.path, &error);
        if self.content.entries.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_string_pretty(&self.content).map_err(Failure::failed)?;
        let beside = self.path.with_extension("new");
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.and_then(|()| fs::rename(&beside, &self.path)).map_err(failed)
    }
}

impl Done {
    fn made(path: &str, from: String, to: String) -> Done {
        Done { path: path.to_owned(), from, to, why_not: String::new(), is_permission: false }
    }

    fn refused(change: &Change, from: &str, why_not: String, is_permission: bool) -> Done {
        let (path, from) = (change.path.clone(), from.to_owned());
        Done { path, to: from.clone(), from, why_not, is_permission }
    }

    /// Whether a value was changed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.why_not.is_empty() && self.from != self.to
    }
}

fn undone(tree: &Tree, entry: &Entry, force: bool) -> Done {
    let now = match tree.text(&entry.path) {
        Ok(text) => chosen(&text).to_owned(),
        Err(absent) => {
            let change = Change { path: entry.path.clone(), value: entry.before.clone() };
            return Done::refused(&change, "", absent.to_string(), false);
        }
    };
    let change = Change { path: entry.path.clone(), value: entry.before.clone() };
    let is = |value: &str| is_same(&entry.path, &now, value);
    if is(&entry.before) {
        return Done::made(&entry.path, now.clone(), now);
    }
    if !is(&entry.wrote) && !force {
        let why = "changed since by somebody else, left alone; --force puts the old value back";
        return Done::refused(&change, &now, why.to_owned(), false);
    }
    let written = tree.write(&entry.path, &entry.before);
    let after = tree.text(&entry.path).map(|text| chosen(&text).to_owned()).unwrap_or_default();
    match written {
        Err(error) => {
            Done::refused(&change, &now, format!("refused: {error}"), is_permission(&error))
        }
        Ok(()) if is_same(&entry.path, &after, &entry.before) => {
            Done::made(&entry.path, now, after)
        }
        Ok(()) => {
            let why = format!("accepted, but it reads {:?}", shown(&after));
            Done::refused(&change, &now, why, false)
        }
    }
}

fn is_permission(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Equal as the kernel reads them: "0,1" is "0-1", and a mask "3" is "00000003".
fn is_same(path: &str, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    if path.ends_with("/workqueue/cpumask") || path.ends_with("/rps_cpus") {
        let digits = |text: &str| text.replace(',', "").trim_start_matches('0').to_owned();
        return digits(one) == digits(other);
    }
    if path.ends_with("_list") || path.ends_with("_cpumask") {
        let lists = (parse_list(one), parse_list(other));
        return matches!(lists, (Some(one), Some(other)) if one == other);
    }
    false
}

fn read(path: &Path) -> Result<Option<Content>, Failure> {
    use std::io::Read;
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
        Ok(_) => {}
    }
    let content: Result<Content, _> = serde_json::from_str(&text);
    let why = match content {
        Ok(content) if content.schema == SCHEMA => return Ok(Some(content)),
        Ok(content) => format!("its schema is {:?}", shown(&content.schema)),
        Err(error) => error.to_string(),
    };
    Err(Failure::failed(format_args!(
        "{}: this is no journal of ours ({why}); what it held has to be put back by hand, then \
         remove it",
        path.display()
    )))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let code = if is_permission(error) { exit::ENVIRONMENT } else { exit::FAILURE };
    Failure::new(code, format_args!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_the_kernel_reads_them() {
        assert!(is_same("/proc/irq/7/smp_affinity_list", "0,1", "0-1"));
        assert!(is_same("/proc/sys/kernel/watchdog_cpumask", "0-1", "0,1"));
        assert!(is_same("/sys/devices/virtual/workqueue/cpumask", "00000001", "1"));
        assert!(is_same("/sys/class/net/a/queues/rx-0/rps_cpus", "00000000,00000001", "1"));
        assert!(!is_same("/proc/sys/vm/stat_interval", "01", "1"));
        assert!(!is_same("/proc/irq/7/smp_affinity_list", "x", "y"));
    }

    #[test]
    fn a_journal_remembers_the_oldest_value_and_forgets_what_was_undone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proc/sys/vm/stat_interval");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "1\n").unwrap();
        let tree = Tree::below(folder.path());
        let change =
            |value: &str| Change { path: "/proc/sys/vm/stat_interval".into(), value: value.into() };
        let mut journal = Journal::in_folder(folder.path(), &tree).unwrap();
        assert!(Journal::in_folder(folder.path(), &tree).is_err(), "held by one at a time");
        assert!(journal.apply(&tree, &change("10")).unwrap().is_changed());
        assert!(journal.apply(&tree, &change("60")).unwrap().is_changed());
        assert!(!journal.apply(&tree, &change("60")).unwrap().is_changed());
        let gone = Change { path: "/proc/none".into(), value: "1".into() };
        assert!(journal.apply(&tree, &gone).unwrap().why_not.contains("is not there"));
        assert_eq!(journal.entries().len(), 1);
        drop(journal);
        let mut journal = Journal::in_folder(folder.path(), &tree).unwrap();
        assert_eq!((&*journal.entries()[0].before, &*journal.entries()[0].wrote), ("1", "60"));
        fs::write(&file, "7\n").unwrap();
        let done = journal.undo(&tree, &[], false).unwrap();
        assert!(done[0].why_not.contains("somebody else"), "{done:?}");
        assert!(journal.undo(&tree, &[], true).unwrap()[0].is_changed());
        assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
        assert!(journal.entries().is_empty() && !journal.path().exists());
    }
}
