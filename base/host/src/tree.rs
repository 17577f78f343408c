//! The kernel's small text files, below a root folder that need not be `/`.
//!
//! Whoever judges a machine by `/proc` and `/sys` reads them through a [`Tree`], so that a test can
//! put a made-up machine into a folder. What is read there is input: a file that is missing, is no
//! file, is longer than any kernel file, or is no text is an [`Absent`] that says so, never a
//! panic, a wait or a gigabyte of memory.
//!
//! Cost: some 10 µs a file. When it is the wrong choice: for data, and for anything on a hot path.

use crate::text;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{env, fmt};

/// Longest file: `/proc/interrupts` of 512 cores and a thousand lines has 6 MiB.
const BYTES_MAX: u64 = 8 << 20;
/// Most entries of a folder that are looked at.
const ENTRIES_MAX: usize = 65_536;
/// Longest text that [`shown`] lets through, characters.
const SHOWN_MAX: usize = 96;

/// Where `/proc` and `/sys` are.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

/// Why there is nothing to read; prints as "/proc/x is not there".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    path: String,
    why: String,
    is_missing: bool,
}

impl Absent {
    /// There is no such file, as against one that cannot be read or is not what it should be.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.why)
    }
}

impl std::error::Error for Absent {}

impl Tree {
    /// This machine.
    #[must_use]
    pub fn host() -> Tree {
        Tree { root: PathBuf::from("/") }
    }

    /// The machine whose `/proc` and `/sys` lie in `root`.
    #[must_use]
    pub fn below(root: &Path) -> Tree {
        Tree { root: root.to_path_buf() }
    }

    /// Whether it is this machine's own.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The folder that stands for `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is a file or folder of that name.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.place(path).exists()
    }

    /// The bytes of a regular file.
    ///
    /// # Errors
    /// [`Absent`].
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, Absent> {
        let absent = |why: String, is_missing| Absent { path: path.to_owned(), why, is_missing };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                absent("is not there".into(), true)
            }
            io::ErrorKind::PermissionDenied => absent("may not be read by this user".into(), false),
            _ => absent(format!("cannot be read ({error})"), false),
        };
        // A named pipe would keep us waiting for a writer that never comes.
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(self.place(path));
        let file: File = file.map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(absent("is no file".into(), false));
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(absent("is longer than any file of a kernel".into(), false));
        }
        Ok(bytes)
    }

    /// A text file without the white space around it.
    ///
    /// # Errors
    /// [`Absent`]; also where it is no text.
    pub fn text(&self, path: &str) -> Result<String, Absent> {
        let text = String::from_utf8(self.bytes(path)?).ok().filter(|text| !text.contains('\0'));
        text.map(|text| text.trim().to_owned()).ok_or_else(|| Absent {
            path: path.to_owned(),
            why: "is no text".into(),
            is_missing: false,
        })
    }

    /// A file that holds one number.
    ///
    /// # Errors
    /// [`Absent`]; also where it is something else.
    pub fn number(&self, path: &str) -> Result<i64, Absent> {
        let text = self.text(path)?;
        text.parse().map_err(|_| odd(path, &text, "no number"))
    }

    /// A file that holds a list of cores or nodes, "0-3,8".
    ///
    /// # Errors
    /// [`Absent`]; also where it is something else.
    pub fn list(&self, path: &str) -> Result<Vec<usize>, Absent> {
        let text = self.text(path)?;
        text::cpu_list(&text).ok_or_else(|| odd(path, &text, "no list of numbers"))
    }

    /// The names in a folder, sorted; none where there is no such folder.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .take(ENTRIES_MAX)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// Writes a file that is there, with a line end, in one go; never makes one.
    ///
    /// # Errors
    /// The kernel's answer, or `InvalidInput` where a link leads out of the root.
    pub fn write(&self, path: &str, value: &str) -> io::Result<()> {
        let place = fs::canonicalize(self.place(path))?;
        if !place.starts_with(fs::canonicalize(&self.root)?) || !place.is_file() {
            let why = format!("{path} is no file below the root");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).truncate(true).open(place)?;
        file.write_all(format!("{value}\n").as_bytes())
    }
}

fn odd(path: &str, text: &str, what: &str) -> Absent {
    let why = format!("reads {:?}: {what}", shown(text));
    Absent { path: path.to_owned(), why, is_missing: false }
}

/// Foreign text for a terminal: one line, nothing that steers it, not too long.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut line: String =
        text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        line.push('…');
    }
    line
}

/// The kernel's list format, "0-3,8"; `None` for anything else. Empty is an empty list.
#[must_use]
pub fn parse_list(text: &str) -> Option<Vec<usize>> {
    text::cpu_list(text)
}

/// A list as the kernel would write it; "none" of none.
#[must_use]
pub fn list_text(list: &[usize]) -> String {
    text::list_text(list)
}

/// The bracketed word of `always [madvise] never`; the text itself where there is none.
#[must_use]
pub fn chosen(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(text, |(word, _)| word)
}

/// The value behind "key:" at the start of a line (`/proc/*/status`, meminfo, cpuinfo), trimmed.
#[must_use]
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text::value(text, key)
}

/// The folder that stands for `/` by the environment: `TICKSPIN_ROOT`, for tests.
#[must_use]
pub fn root_from_environment() -> Option<PathBuf> {
    env::var_os("TICKSPIN_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = env::temp_dir().join(format!("tree-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("proc/sys")).unwrap();
            Folder(path)
        }

        fn with(&self, path: &str, bytes: &[u8]) -> &Folder {
            fs::write(self.0.join(path), bytes).unwrap();
            self
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_read_below_the_root_and_what_is_missing_is_said() {
        let folder = Folder::new("read");
        folder.with("proc/one", b" -7 \n").with("proc/list", b"0-2,9\n").with("proc/no", b"x\n");
        let tree = Tree::below(&folder.0);
        assert_eq!(tree.number("/proc/one"), Ok(-7));
        assert_eq!(tree.list("/proc/list"), Ok(vec![0, 1, 2, 9]));
        assert_eq!(tree.names("/proc"), ["list", "no", "one", "sys"]);
        let absent = tree.text("/proc/none").unwrap_err();
        assert!(absent.is_missing() && absent.to_string() == "/proc/none is not there");
        let absent = tree.number("/proc/no").unwrap_err();
        assert_eq!(absent.to_string(), "/proc/no reads \"x\": no number");
        assert!(!absent.is_missing() && tree.names("/nowhere").is_empty());
    }

    #[test]
    fn hostile_files_are_refused_without_waiting_or_memory() {
        let folder = Folder::new("hostile");
        folder.with("proc/binary", &[0, 255, 1]).with("proc/zero", b"a\0b");
        let huge = File::create(folder.0.join("proc/huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        let tree = Tree::below(&folder.0);
        for (path, word) in [
            ("/proc/binary", "no text"),
            ("/proc/zero", "no text"),
            ("/proc/huge", "longer"),
            ("/proc/sys", "no file"),
        ] {
            let absent = tree.text(path).unwrap_err();
            assert!(absent.to_string().contains(word), "{absent}");
        }
        assert_eq!(shown("a\x1b[2J\nb"), "a [2J b");
        assert_eq!(shown(&"x".repeat(1_000)).chars().count(), SHOWN_MAX + 1);
    }

    #[test]
    fn writing_changes_what_is_there_and_never_leaves_the_root() {
        let folder = Folder::new("write");
        folder.with("proc/one", b"12345\n");
        std::os::unix::fs::symlink("/dev/null", folder.0.join("proc/out")).unwrap();
        let tree = Tree::below(&folder.0);
        tree.write("/proc/one", "3").unwrap();
        assert_eq!(tree.text("/proc/one").unwrap(), "3");
        let error = tree.write("/proc/out", "3").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(tree.write("/proc/new", "3").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!tree.has("/proc/new"));
    }
}
