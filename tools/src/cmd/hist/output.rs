//! Where output goes and in which format: standard output, or a file that was not there.

use super::load;
use crate::error::{Failure, exists};
use crate::print as stdout;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// How sums are written. Percentile text and CSV have no place for a tag: they hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Columns for a reader, ns
    Table,
    /// Percentile text of one tag, ns, as HdrHistogram's Java library prints it
    Hgrm,
    /// quantile,value_ns,count of one tag
    Csv,
    /// One object
    Json,
    /// Every cell of every tag, one row each
    Parquet,
    /// An interval log of ours
    Hlog,
    /// Percentile curves
    Svg,
}

impl Format {
    /// The end of a file's name.
    fn end(self) -> &'static str {
        match self {
            Format::Table => "txt",
            Format::Hgrm => "hgrm",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Parquet => "parquet",
            Format::Hlog => "hlog",
            Format::Svg => "svg",
        }
    }
}

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Out {
    /// Write to this file instead of standard output (`-`); .csv, .json and .hlog may end in .zst
    #[arg(short, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Replace OUT if it is there already
    #[arg(long)]
    force: bool,
}

/// Decided, and found to be possible.
pub(super) struct Output {
    pub(super) format: Format,
    is_zstd: bool,
    target: Option<PathBuf>,
    force: bool,
}

impl Out {
    /// The wished format, else what the name ends in, else `default`; it must be one of `allowed`.
    pub(super) fn decide(
        &self,
        wished: Option<Format>,
        default: Option<Format>,
        allowed: &[Format],
    ) -> Result<Output, Failure> {
        let target = self.out.as_deref().filter(|path| *path != Path::new("-"));
        let name = target.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let (name, is_zstd) = match name.strip_suffix(".zst") {
            Some(name) => (name, true),
            None => (&*name, false),
        };
        let of_name = || {
            let (_, end) = name.rsplit_once('.')?;
            allowed.iter().copied().find(|format| format.end() == end)
        };
        let ends: Vec<_> = allowed.iter().map(|format| format!(".{}", format.end())).collect();
        let found = match (wished, target) {
            (Some(format), _) => Some(format),
            (None, Some(_)) => of_name(),
            (None, None) => default,
        };
        let Some(format) = found.filter(|format| allowed.contains(format)) else {
            return Err(Failure::usage(match (wished, target) {
                (Some(format), _) => {
                    format!("--format {}: not here; {} are", format.end(), ends.join(", "))
                }
                (None, Some(path)) => format!(
                    "{}: its name ends in none of {}; give --format",
                    path.display(),
                    ends.join(", ")
                ),
                (None, None) => format!("where to? give -o OUT ({})", ends.join(", ")),
            }));
        };
        if is_zstd && !matches!(format, Format::Csv | Format::Json | Format::Hlog) {
            return Err(Failure::usage(format_args!(
                "{}: only .csv, .json and .hlog are compressed with .zst",
                self.out.as_deref().unwrap_or(Path::new("")).display()
            )));
        }
        refuse_existing(target, self.force)?;
        Ok(Output { format, is_zstd, target: target.map(Path::to_path_buf), force: self.force })
    }
}

impl Output {
    /// A reader with a terminal that shows colours sits at the other end and has not forbidden it.
    pub(super) fn is_colourful(&self) -> bool {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        self.target.is_none() && !forbidden && !dumb && io::stdout().is_terminal()
    }

    /// Writes everything at once.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(path) = &self.target else { return stdout::bytes(bytes) };
        let packed = match self.is_zstd {
            true => {
                zstd::encode_all(bytes, ZSTD_LEVEL).map_err(|error| load::failed(path, &error))?
            }
            false => Vec::new(),
        };
        write(path, if self.is_zstd { &packed } else { bytes }, self.force)
    }
}

pub(in crate::cmd) fn refuse_existing(target: Option<&Path>, force: bool) -> Result<(), Failure> {
    match target {
        Some(path) if !force && path.exists() => Err(exists(path)),
        _ => Ok(()),
    }
}

/// To a name beside it first: a reader sees the whole file or none, and a failure leaves nothing.
pub(in crate::cmd) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written =
        fs::File::create(&beside).and_then(|mut file| file.write_all(bytes)).and_then(|()| {
            match force {
                true => fs::rename(&beside, path),
                // Unlike a rename it never replaces a file that came in between.
                false => fs::hard_link(&beside, path).and_then(|()| fs::remove_file(&beside)),
            }
        });
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        load::failed(path, &error)
    })
}
