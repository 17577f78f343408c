//! [`Sink`]: the formats that events can be written in, found by the end of the file's name.

use super::columns::Columns;
use crate::cmd::feed::dump;
use crate::cmd::feed::walk::Walk;
use crate::error::Failure;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tickspin_recording::tape::Record;
use tickspin_recording::{Protocol, TapeHead, TapeWriter};
use tickspin_wire::Event;

/// zstd's own default: a good third of the size at several hundred megabytes a second.
const ZSTD_LEVEL: i32 = 3;

/// What is written, and whether it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    kind: Kind,
    is_zstd: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Csv,
    JsonLines,
    Parquet,
    Tape,
    Itch50,
}

/// From the end of the name.
pub(super) fn format(path: &Path) -> Result<Format, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (name, is_zstd) = match name.strip_suffix(".zst") {
        Some(name) => (name, true),
        None => (&*name, false),
    };
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("csv") => Kind::Csv,
        Some("jsonl" | "ndjson") => Kind::JsonLines,
        Some("parquet") if !is_zstd => Kind::Parquet,
        Some("tape") => Kind::Tape,
        Some("itch50") => Kind::Itch50,
        Some("parquet") => {
            return Err(Failure::usage(format_args!(
                "{}: Parquet compresses its columns itself; leave .zst off",
                path.display()
            )));
        }
        _ => {
            return Err(Failure::usage(format_args!(
                "{}: its name ends in none of .csv, .jsonl, .parquet, .tape, .itch50 (.zst may \
                 follow)",
                path.display()
            )));
        }
    };
    Ok(Format { kind, is_zstd })
}

/// Bytes on their way into the file.
type Bytes = Box<dyn Write + Send>;

/// A file that events are written to.
pub(super) struct Sink {
    path: String,
    protocol: Protocol,
    out: Out,
}

enum Out {
    Csv(Bytes),
    JsonLines(Bytes),
    Parquet(Box<Columns>),
    Tape(TapeWriter<Bytes>, u64),
    /// The position of the message that was written last.
    Itch50(Bytes, Option<u64>),
}

impl Sink {
    pub(super) fn create(path: &Path, format: Format, protocol: Protocol) -> Result<Sink, Failure> {
        let name = path.display().to_string();
        let failed = |error: io::Error| sorted(&name, &error);
        let file = File::create(path).map_err(failed)?;
        let bytes = |file: File| -> io::Result<Bytes> {
            if !format.is_zstd {
                return Ok(Box::new(BufWriter::with_capacity(1 << 17, file)));
            }
            let encoder = zstd::Encoder::new(file, ZSTD_LEVEL)?.auto_finish();
            Ok(Box::new(BufWriter::with_capacity(1 << 17, encoder)))
        };
        let out = match format.kind {
            Kind::Csv => {
                let mut bytes = bytes(file).map_err(failed)?;
                writeln!(bytes, "{}", dump::CSV_HEAD).map_err(failed)?;
                Out::Csv(bytes)
            }
            Kind::JsonLines => Out::JsonLines(bytes(file).map_err(failed)?),
            Kind::Parquet => Out::Parquet(Box::new(
                Columns::new(file)
                    .map_err(|error| Failure::failed(format_args!("{name}: {error}")))?,
            )),
            Kind::Tape => {
                let head = TapeHead { protocol, ..TapeHead::default() };
                let bytes = bytes(file).map_err(failed)?;
                Out::Tape(TapeWriter::new(bytes, &head).map_err(failed)?, 0)
            }
            Kind::Itch50 if protocol == Protocol::Itch50 => {
                Out::Itch50(bytes(file).map_err(failed)?, None)
            }
            Kind::Itch50 => {
                return Err(Failure::usage(format_args!(
                    "only ITCH messages can be written as BinaryFILE, this recording has {protocol}"
                )));
            }
        };
        Ok(Sink { path: name, protocol, out })
    }

    /// Writes the event that `walk` gave last.
    pub(super) fn put(&mut self, event: &Event, walk: &Walk) -> Result<(), Failure> {
        let path = &self.path;
        let failed = |error: io::Error| sorted(path, &error);
        match &mut self.out {
            Out::Csv(bytes) => {
                writeln!(bytes, "{}", dump::csv(&dump::line(event, walk, self.protocol)))
                    .map_err(failed)
            }
            Out::JsonLines(bytes) => {
                let line = dump::line(event, walk, self.protocol);
                serde_json::to_writer(&mut *bytes, &line)
                    .map_err(io::Error::from)
                    .and_then(|()| writeln!(bytes))
                    .map_err(failed)
            }
            Out::Parquet(columns) => columns
                .put(event, walk)
                .map_err(|error| Failure::failed(format_args!("{path}: {error}"))),
            Out::Tape(writer, seq) => {
                *seq += 1;
                let record = Record { event: *event, recorded_ticks: 0 };
                writer
                    .append(*seq, record)
                    .map_err(|error| Failure::failed(format_args!("{path}: {error}")))
            }
            Out::Itch50(bytes, last) => {
                let position = walk.position();
                let Some(raw) = walk.raw().filter(|_| *last != Some(position)) else {
                    return Ok(());
                };
                *last = Some(position);
                let length = u16::try_from(raw.len()).unwrap_or(u16::MAX);
                bytes
                    .write_all(&length.to_be_bytes())
                    .and_then(|()| bytes.write_all(raw))
                    .map_err(failed)
            }
        }
    }

    /// Everything is in the file.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let path = &self.path;
        let failed = |error: io::Error| sorted(path, &error);
        match self.out {
            Out::Csv(mut bytes) | Out::JsonLines(mut bytes) | Out::Itch50(mut bytes, _) => {
                bytes.flush().map_err(failed)
            }
            Out::Parquet(columns) => {
                columns.finish().map_err(|error| Failure::failed(format_args!("{path}: {error}")))
            }
            Out::Tape(writer, _) => match writer.finish(0) {
                Ok(mut bytes) => bytes.flush().map_err(failed),
                Err(error) => Err(Failure::failed(format_args!("{path}: {error}"))),
            },
        }
    }
}

fn sorted(path: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::environment(format_args!("{path}: {error}")),
        io::ErrorKind::StorageFull => Failure::failed(format_args!(
            "{path}: {error}; free some space or write elsewhere, nothing was left behind"
        )),
        _ => Failure::failed(format_args!("{path}: {error}")),
    }
}
