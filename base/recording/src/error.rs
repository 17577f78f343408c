//! [`RecordingError`]: which file, at which byte, broke which rule, in one line.
//!
//! Everything that can be wrong with a recording ends here as one of few faults, so that a program
//! chooses its exit code by the fault and prints the line as it is.

use crate::container::Container;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A recording that cannot be read, or not to its end.
#[derive(Debug)]
pub struct RecordingError {
    path: PathBuf,
    fault: Fault,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// The file exists and this user may not read it.
    Permission,
    /// The operating system failed us otherwise.
    Io {
        /// What we were doing, as in "while reading".
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// Not one record is in it.
    Empty {
        /// Plain, or what it is wrapped in.
        container: Container,
    },
    /// It is not a recording of the expected format.
    Foreign {
        /// The format that was looked for.
        expected: &'static str,
        /// The first rule that it broke.
        rule: String,
    },
    /// It ends inside a record.
    Cut(Damage),
    /// The container's checks failed, or the bytes break a rule of their format: what follows cannot
    /// be known.
    Corrupt {
        /// Where.
        damage: Damage,
        /// Which rule, or what the container's decoder said.
        rule: String,
    },
}

/// How far a damaged recording could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Plain, or what it is wrapped in.
    pub container: Container,
    /// Number of the record, from 0, that is not whole: equally, how many whole ones came before.
    pub record: u64,
    /// Bytes of that record that are there, its prefix counted; 0 where only the container broke.
    pub partial: u64,
    /// Bytes of the unwrapped recording that are there.
    pub offset: u64,
}

impl RecordingError {
    pub(crate) fn new(path: &Path, fault: Fault) -> RecordingError {
        RecordingError { path: path.to_owned(), fault }
    }

    /// Sorts an error of the operating system.
    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> RecordingError {
        let fault = match source.kind() {
            io::ErrorKind::NotFound => Fault::Missing,
            io::ErrorKind::PermissionDenied => Fault::Permission,
            _ => Fault::Io { doing, source },
        };
        RecordingError::new(path, fault)
    }

    /// The file, as it was named to us.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The file exists and this user may not read it: an environment to mend, not a bad recording.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self.fault, Fault::Permission)
    }

    /// Everything up to the damage was handed out, and there was damage.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.fault, Fault::Cut(_) | Fault::Corrupt { .. })
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.fault {
            Fault::Missing => write!(f, "no such file"),
            Fault::Permission => write!(f, "permission denied: this user may not read it"),
            Fault::Io { doing, source } => write!(f, "{source} (while {doing})"),
            Fault::Empty { container: Container::Plain } => {
                write!(f, "empty: there is no record in it")
            }
            Fault::Empty { container } => {
                write!(f, "empty: once unpacked ({container}), there is no record in it")
            }
            Fault::Foreign { expected, rule } => {
                let article = if expected.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) {
                    "an"
                } else {
                    "a"
                };
                write!(f, "not {article} {expected}: {rule}")
            }
            Fault::Cut(damage) => write!(f, "cut {damage}"),
            Fault::Corrupt { damage, rule } => {
                write!(f, "corrupt ({rule}) {damage}")
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.partial > 0 { "inside" } else { "before" };
        write!(f, "{place} record {} at byte {}", Grouped(self.record), Grouped(self.offset))?;
        if self.container != Container::Plain {
            write!(f, " of what {} unpacked", self.container)?;
        }
        match self.record {
            0 => write!(f, "; no whole record is before it"),
            1 => write!(f, "; the 1 whole record before it was delivered"),
            n => write!(f, "; the {} whole records before it were delivered", Grouped(n)),
        }
    }
}

impl std::error::Error for RecordingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A number with a comma between each three digits.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                write!(f, ",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fault: Fault) -> String {
        RecordingError::new(Path::new("day.itch50"), fault).to_string()
    }

    #[test]
    fn each_fault_is_one_line_that_names_the_file() {
        let damage =
            Damage { container: Container::Plain, record: 1_233, partial: 9, offset: 1_234_567 };
        assert_eq!(
            line(Fault::Cut(damage)),
            "day.itch50: cut inside record 1,233 at byte 1,234,567; \
             the 1,233 whole records before it were delivered"
        );
        let damage = Damage { container: Container::Gzip, record: 1, partial: 0, offset: 20 };
        assert_eq!(
            line(Fault::Corrupt { damage, rule: "gzip: corrupt deflate stream".into() }),
            "day.itch50: corrupt (gzip: corrupt deflate stream) before record 1 at byte 20 of what \
              gzip unpacked; the 1 whole record before it was delivered"
        );
        assert_eq!(line(Fault::Missing), "day.itch50: no such file");
        assert_eq!(
            line(Fault::Empty { container: Container::Gzip }),
            "day.itch50: empty: once unpacked (gzip), there is no record in it"
        );
    }

    #[test]
    fn errors_of_the_system_are_sorted() {
        let sorted = |kind: io::ErrorKind| {
            RecordingError::io(Path::new("f"), "opening it", io::Error::from(kind))
        };
        assert!(sorted(io::ErrorKind::PermissionDenied).is_permission());
        assert!(matches!(sorted(io::ErrorKind::NotFound).fault(), Fault::Missing));
        let other = sorted(io::ErrorKind::IsADirectory);
        assert!(matches!(other.fault(), Fault::Io { .. }) && !other.is_permission());
        assert!(other.to_string().ends_with("(while opening it)"), "{other}");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let shown = |n| Grouped(n).to_string();
        assert_eq!(
            (shown(0), shown(999), shown(1_000)),
            ("0".into(), "999".into(), "1,000".into())
        );
        assert_eq!(shown(u64::MAX), "18,446,744,073,709,551,615");
    }
}
