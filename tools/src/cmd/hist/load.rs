//! Files into sums, and what was cut off.

use crate::error::{Failure, exit};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tickspin_results::hlog::{self, Interval};

/// All intervals of one tag.
pub(super) struct Sum {
    /// Empty: the log has no tags.
    pub(super) tag: String,
    /// Number of intervals.
    pub(super) intervals: usize,
    /// Their values, added.
    pub(super) values: hdrhistogram::Histogram<u64>,
}

impl Sum {
    /// The tag, or what stands for none.
    pub(super) fn name(&self) -> &str {
        if self.tag.is_empty() { "(no tag)" } else { &self.tag }
    }
}

/// A log that ends in the middle of a line.
pub(super) struct Cut {
    pub(super) file: String,
    /// What was dropped, for a reader.
    pub(super) what: String,
}

/// What all files hold together.
pub(super) struct Loaded {
    /// Names of the files, as given.
    pub(super) files: Vec<String>,
    /// In order of first appearance.
    pub(super) sums: Vec<Sum>,
    /// Tags beyond a limit.
    pub(super) left_out: usize,
    /// Files whose last line was dropped.
    pub(super) cut: Vec<Cut>,
}

/// Reads all files and adds them up.
pub(super) fn all(files: &[PathBuf]) -> Result<Loaded, Failure> {
    let (mut intervals, mut cut) = (Vec::new(), Vec::new());
    for path in files {
        let (read, dropped) = one(path)?;
        intervals.extend(read);
        cut.extend(dropped.map(|what| Cut { file: name(path), what }));
    }
    let totals = hlog::totals(&intervals).map_err(Failure::failed)?;
    let sums = totals
        .into_iter()
        .map(|(tag, values)| Sum {
            intervals: intervals.iter().filter(|interval| interval.tag == tag).count(),
            tag,
            values,
        })
        .collect();
    let files = files.iter().map(|path| name(path)).collect();
    Ok(Loaded { files, sums, left_out: 0, cut })
}

/// One file's intervals, and what was dropped from its end.
fn one(path: &Path) -> Result<(Vec<Interval>, Option<String>), Failure> {
    let bytes = bytes(path).map_err(|error| failed(path, &error))?;
    let name = name(path);
    if bytes.is_empty() {
        return Err(Failure::failed(format_args!("{name}: empty")));
    }
    let foreign = |why: String| Failure::failed(format_args!("{name}: not an interval log: {why}"));
    let (intervals, dropped) = hlog::read(&bytes, true).map_err(foreign)?;
    if intervals.is_empty() {
        // One line without an end, dropped as cut, may be anything at all.
        hlog::read(&bytes, false).map_err(foreign)?;
        return Err(Failure::failed(format_args!("{name}: an interval log without an interval")));
    }
    let line_start = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let what = format!(
        "cut inside its last line, {} bytes of it dropped; the {} intervals before it are whole",
        bytes.len() - line_start,
        intervals.len(),
    );
    Ok((intervals, (dropped > 0).then_some(what)))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// One line and the exit code for a file that cannot be read or written.
pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    let (code, why) = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            (exit::ENVIRONMENT, "no permission; see `ls -l` on it and its folder".to_owned())
        }
        io::ErrorKind::ReadOnlyFilesystem => (exit::ENVIRONMENT, error.to_string()),
        io::ErrorKind::NotFound => (exit::FAILURE, "no such file".to_owned()),
        io::ErrorKind::IsADirectory => (exit::FAILURE, "a folder, not a file".to_owned()),
        _ => (exit::FAILURE, error.to_string()),
    };
    Failure::new(code, format_args!("{}: {why}", name(path)))
}
