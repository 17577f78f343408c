//! The messages, in memory: made by `feed-sim`, or out of a recording.

use crate::cmd::run::program_beside;
use crate::error::Failure;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use tickspin_recording::container::{Stream, StreamEnd};
use tickspin_wire::binaryfile::{PREFIX_BYTES, RECORD_BYTES_MAX, Records};
use tickspin_wire::itch50;

/// A whole day.
pub(super) struct Day {
    bytes: Vec<u8>,
    messages: u64,
    name: String,
}

impl Day {
    /// `feed-sim` writes it into a pipe: no file, no disk.
    ///
    /// # Errors
    /// 4: `feed-sim` is missing or of another build; 1: it failed, in its own words.
    pub(super) fn make(messages: u64, seed: u32, instruments: u16) -> Result<Day, Failure> {
        let failed = |what: String| Failure::failed(format_args!("feed-sim synth: {what}"));
        let mut child = Command::new(program_beside("feed-sim")?)
            .args(["synth", "--format", "itch50", "-o", "-"])
            .args(["--messages", &messages.to_string(), "--seed", &seed.to_string()])
            .args(["--instruments", &instruments.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        // 31 bytes a message of the usual mix, and some.
        let room = usize::try_from(messages.saturating_mul(32)).unwrap_or(0).min(1 << 32);
        let mut bytes = Vec::with_capacity(room);
        let read = child.stdout.take().map(|mut out| out.read_to_end(&mut bytes)).transpose();
        let ended = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            let line = said.lines().next().unwrap_or("no word").trim_start_matches("feed-sim: ");
            return Err(failed(line.to_owned()));
        }
        read.map_err(|error| failed(error.to_string()))?;
        let name = format!("synthetic day, seed {seed}, {instruments} instruments");
        Day::checked(bytes, name)
    }

    /// At most `most` messages of a file.
    ///
    /// # Errors
    /// 1: it cannot be read, breaks off, or is no ITCH day.
    pub(super) fn read(path: &Path, most: u64) -> Result<Day, Failure> {
        let failed = |what: String| Failure::failed(format_args!("{}: {what}", path.display()));
        let mut stream = Stream::open(path).map_err(Failure::failed)?;
        let mut bytes = Vec::new();
        for _ in 0..most {
            stream.fill(RECORD_BYTES_MAX);
            let window = stream.window();
            let prefix = window.first_chunk::<PREFIX_BYTES>();
            let len = prefix.map_or(0, |prefix| usize::from(u16::from_be_bytes(*prefix)));
            match window.get(..PREFIX_BYTES + len) {
                Some(record) if len > 0 => bytes.extend_from_slice(record),
                // The end marker.
                Some(_) => break,
                None => {
                    // Nothing, or what was cut off: `checked` says where.
                    bytes.extend_from_slice(window);
                    break;
                }
            }
            stream.take(PREFIX_BYTES + len);
        }
        match stream.end() {
            Some(StreamEnd::Cut) => return Err(failed("the file is cut".to_owned())),
            Some(StreamEnd::Corrupt(what)) => return Err(failed(what.clone())),
            Some(StreamEnd::Failed(error)) => return Err(failed(error.to_string())),
            Some(StreamEnd::Clean) | None => {}
        }
        Day::checked(bytes, path.display().to_string())
    }

    fn checked(bytes: Vec<u8>, name: String) -> Result<Day, Failure> {
        let (mut messages, mut known) = (0, 0);
        for record in Records::new(&bytes) {
            let record =
                record.map_err(|error| Failure::failed(format_args!("{name}: {error}")))?;
            messages += 1;
            known += u64::from(itch50::check(record).is_ok());
        }
        if known == 0 {
            return Err(Failure::failed(format_args!("{name}: no ITCH 5.0 message in it")));
        }
        Ok(Day { bytes, messages, name })
    }

    /// BinaryFILE framing.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there are.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Where they come from.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
