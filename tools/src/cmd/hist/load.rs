//! Files and result folders into sums, and what was cut off.

use super::unit::{self, Unit};
use crate::error::{Failure, exit};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tickspin_results::Stage;
use tickspin_results::hlog::{self, Interval};
use tickspin_results::sum;

/// All intervals of one tag.
pub(in crate::cmd) struct Sum {
    /// Empty: the log has no tags.
    pub(in crate::cmd) tag: String,
    /// Number of intervals.
    pub(super) intervals: usize,
    /// When the first began and the last ended, since 1970 as far as the log says.
    pub(super) span: (Duration, Duration),
    /// Their values, added.
    pub(in crate::cmd) values: hdrhistogram::Histogram<u64>,
}

impl Sum {
    /// One interval's worth.
    #[cfg(test)]
    pub(in crate::cmd) fn new(
        tag: &str,
        span: (Duration, Duration),
        values: hdrhistogram::Histogram<u64>,
    ) -> Sum {
        Sum { tag: tag.to_owned(), intervals: 1, span, values }
    }

    /// The tag, or what stands for none.
    pub(in crate::cmd) fn name(&self) -> &str {
        if self.tag.is_empty() { "(no tag)" } else { &self.tag }
    }

    /// Stages in their own order, then other tags by name: an order that no file decides.
    pub(in crate::cmd) fn place(&self) -> (usize, &str) {
        let place = Stage::from_name(&self.tag).map_or(Stage::ALL.len(), |stage| stage as usize);
        (place, &self.tag)
    }
}

/// A log that ends in the middle of a line.
pub(in crate::cmd) struct Cut {
    pub(in crate::cmd) file: String,
    /// What was dropped, for a reader.
    pub(in crate::cmd) what: String,
}

/// What all files hold together.
pub(in crate::cmd) struct Loaded {
    /// Names of the files, as given.
    pub(super) files: Vec<String>,
    /// In order of first appearance.
    pub(in crate::cmd) sums: Vec<Sum>,
    /// Tags beyond a limit.
    pub(super) left_out: usize,
    /// Files whose last line was dropped.
    pub(super) cut: Vec<Cut>,
}

impl Loaded {
    /// Exit code 1 where a log was cut: what was printed is of the whole lines before the cut.
    pub(super) fn whole(&self) -> Result<(), Failure> {
        whole(&self.cut)
    }

    /// Only the wished tags, in the order wished; all, where none is.
    pub(super) fn choose(&mut self, wished: &[String]) -> Result<(), Failure> {
        if wished.is_empty() {
            return Ok(());
        }
        let mut chosen = Vec::new();
        for (nth, tag) in wished.iter().enumerate() {
            if wished.iter().take(nth).any(|earlier| earlier == tag) {
                continue;
            }
            let Some(index) = self.sums.iter().position(|sum| sum.tag == *tag) else {
                return Err(Failure::usage(format_args!(
                    "--tag {tag}: not there; there is {}",
                    self.names()
                )));
            };
            chosen.push(self.sums.remove(index));
        }
        self.sums = chosen;
        Ok(())
    }

    /// The one sum that there is: percentile text and CSV have no place for a tag.
    pub(super) fn only(&self) -> Result<&Sum, Failure> {
        match self.sums.as_slice() {
            [sum] => Ok(sum),
            several => Err(Failure::usage(format_args!(
                "this format holds one tag, and there are {}: choose one with --tag ({})",
                several.len(),
                self.names()
            ))),
        }
    }

    pub(super) fn names(&self) -> String {
        self.sums.iter().map(Sum::name).collect::<Vec<_>>().join(", ")
    }
}

/// One line about all that was cut, exit code 1.
pub(in crate::cmd) fn whole(cut: &[Cut]) -> Result<(), Failure> {
    let cut: Vec<_> = cut.iter().map(|cut| format!("{}: {}", cut.file, cut.what)).collect();
    if cut.is_empty() { Ok(()) } else { Err(Failure::failed(cut.join("; "))) }
}

/// Reads all files, and those of all folders, and adds them up.
pub(in crate::cmd) fn all(paths: &[PathBuf], unit: Option<Unit>) -> Result<Loaded, Failure> {
    let mut sums: Vec<Sum> = Vec::new();
    let cut = each(paths, unit, |interval| add(&mut sums, &interval))?;
    Ok(Loaded { files: paths.iter().map(|path| name(path)).collect(), sums, left_out: 0, cut })
}

/// Cells of all sums together, 2 GiB of counts: a small file of many tags could ask for any number.
const CELLS_MAX: usize = 1 << 28;

/// Adds one interval to the sum of its tag.
pub(in crate::cmd) fn add(sums: &mut Vec<Sum>, interval: &Interval) -> Result<(), String> {
    let Interval { tag, since_epoch: start, length, values, .. } = interval;
    let end = start.saturating_add(*length);
    let of_tag = |error| format!("tag '{tag}': {error}");
    if let Some(sum) = sums.iter_mut().find(|sum| sum.tag == *tag) {
        let cells = sum.values.distinct_values();
        sum::add(&mut sum.values, values).map_err(of_tag)?;
        sum.intervals += 1;
        sum.span = (sum.span.0.min(*start), sum.span.1.max(end));
        return if sum.values.distinct_values() == cells { Ok(()) } else { check_room(sums) };
    }
    let values = sum::first(values).map_err(of_tag)?;
    sums.push(Sum { tag: tag.clone(), intervals: 1, span: (*start, end), values });
    check_room(sums)
}

fn check_room(sums: &[Sum]) -> Result<(), String> {
    let cells = sums.iter().map(|sum| sum.values.distinct_values()).sum::<usize>();
    if cells <= CELLS_MAX {
        return Ok(());
    }
    Err(format!(
        "{} tags with {cells} cells together; sums of more than {CELLS_MAX} are not held",
        sums.len()
    ))
}

/// Hands each interval of all files to `take`, in order; returns which were cut.
pub(in crate::cmd) fn each(
    paths: &[PathBuf],
    unit: Option<Unit>,
    mut take: impl FnMut(Interval) -> Result<(), String>,
) -> Result<Vec<Cut>, Failure> {
    let mut cut = Vec::new();
    for path in paths {
        for file in files(path)? {
            let dropped = one(&file, unit, &mut take)?;
            cut.extend(dropped.map(|what| Cut { file: name(&file), what }));
        }
    }
    Ok(cut)
}

/// The file itself, or the logs of a result folder in order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(|error| failed(path, &error))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> = paths.filter(|path| is_log(path)).collect();
    logs.sort();
    if logs.is_empty() {
        return Err(Failure::failed(format_args!("{}: a folder without .hlog", path.display())));
    }
    Ok(logs)
}

/// One file's intervals; returns what was dropped from its end.
fn one(
    path: &Path,
    unit: Option<Unit>,
    take: impl FnMut(Interval) -> Result<(), String>,
) -> Result<Option<String>, Failure> {
    let bytes = bytes(path).map_err(|error| failed(path, &error))?;
    of_bytes(&name(path), &bytes, unit, take)
}

/// Intervals of a file that was read already; returns what was dropped from its end.
pub(in crate::cmd) fn of_bytes(
    name: &str,
    bytes: &[u8],
    unit: Option<Unit>,
    mut take: impl FnMut(Interval) -> Result<(), String>,
) -> Result<Option<String>, Failure> {
    if bytes.is_empty() {
        return Err(Failure::failed(format_args!("{name}: empty")));
    }
    let foreign = |why: String| Failure::failed(format_args!("{name}: not an interval log: {why}"));
    let refused = |why: String| Failure::failed(format_args!("{name}: {why}"));
    let mut reader = hlog::Reader::new(bytes, true);
    let mut count = 0_u64;
    while let Some(interval) = reader.next() {
        let interval = interval.map_err(foreign)?;
        let interval = unit::in_ns(interval, reader.max_divisor(), unit).map_err(refused)?;
        take(interval).map_err(refused)?;
        count += 1;
    }
    if count == 0 {
        // One line without an end, dropped as cut, may be anything at all.
        hlog::read(bytes, false).map_err(foreign)?;
        return Err(Failure::failed(format_args!("{name}: an interval log without an interval")));
    }
    let line_start = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let what = format!(
        "cut inside its last line, {} bytes of it dropped; the {count} intervals before it are whole",
        bytes.len() - line_start,
    );
    Ok((reader.dropped() > 0).then_some(what))
}

/// By its name, compressed or not.
pub(in crate::cmd) fn is_log(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    ["", ".gz", ".zst"].iter().any(|end| name.ends_with(&format!(".hlog{end}")))
}

/// The file's bytes, unpacked where their first ones say gzip or zstd.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes).map(drop)?,
        false => bytes = fs::read(path)?,
    }
    let unpacked = unpack(&bytes)?;
    Ok(unpacked.unwrap_or(bytes))
}

/// What is inside, where the first bytes say gzip or zstd; else `None`.
pub(in crate::cmd) fn unpack(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    match bytes {
        [0x1F, 0x8B, ..] => unpacked(flate2::read::MultiGzDecoder::new(bytes)).map(Some),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => unpacked(zstd::Decoder::new(bytes)?).map(Some),
        _ => Ok(None),
    }
}

/// A log that unpacks to more than this is none.
const UNPACKED_MAX: u64 = 1 << 31;

fn unpacked(packed: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    packed.take(UNPACKED_MAX + 1).read_to_end(&mut bytes).map_err(|error| {
        io::Error::new(error.kind(), format!("cut or spoilt inside its compression: {error}"))
    })?;
    if bytes.len() as u64 > UNPACKED_MAX {
        return Err(io::Error::other("unpacks to more than 2 GiB"));
    }
    Ok(bytes)
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// One line and the exit code for a file that cannot be read or written.
pub(in crate::cmd) fn failed(path: &Path, error: &io::Error) -> Failure {
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
