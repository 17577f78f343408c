//! Interval logs (`.hlog`): write ours, read anyone's.
//!
//! Format version 1.3 of HdrHistogram's logs: V2, deflated, base64, one tag per stage, integers in
//! nanoseconds. The plain-text maximum is divided by 1e6, as the Java and Python tools expect.
//! A line is complete once its newline is written, so a log cut by a crash keeps every interval
//! before the cut.

mod payload; // one encoded histogram, checked before it is decoded
mod read; // interval by interval, or summed per tag

pub use read::{Interval, MAX_DIVISOR, Reader, read, totals};

use crate::histogram::Histogram;
use base64::Engine as _;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Appends intervals to a log.
pub struct Writer<W: Write> {
    out: W,
    serializer: V2DeflateSerializer,
    bytes: Vec<u8>,
    line: String,
}

impl<W: Write> Writer<W> {
    /// Writes the header: the comments first, then version, start time and legend.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn begin(mut out: W, start: SystemTime, comments: &[String]) -> io::Result<Writer<W>> {
        for comment in comments {
            for line in comment.lines() {
                writeln!(out, "#{line}")?;
            }
        }
        let start_s = start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {start_s:.3} (seconds since epoch)]")?;
        writeln!(out, "#[MaxValueDivisor: {MAX_DIVISOR:.1}]")?;
        writeln!(
            out,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )?;
        out.flush()?;
        Ok(Writer {
            out,
            serializer: V2DeflateSerializer::new(),
            bytes: Vec::new(),
            line: String::new(),
        })
    }

    /// Appends one interval of one stage; `since_start` is when it began.
    /// Empty histograms are written too: an interval in which nothing happened is a fact.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn interval(
        &mut self,
        tag: &str,
        since_start: Duration,
        length: Duration,
        histogram: &Histogram,
    ) -> io::Result<()> {
        self.values(tag, since_start, length, &histogram.values)
    }

    /// As [`Writer::interval`], of any HDR histogram; an empty tag is left out.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn values(
        &mut self,
        tag: &str,
        since_start: Duration,
        length: Duration,
        values: &hdrhistogram::Histogram<u64>,
    ) -> io::Result<()> {
        use std::fmt::Write as _;
        self.bytes.clear();
        self.line.clear();
        self.serializer
            .serialize(values, &mut self.bytes)
            .map_err(|error| io::Error::other(format!("histogram of {tag}: {error}")))?;
        let max = values.max() as f64 / MAX_DIVISOR;
        let (start_s, length_s) = (since_start.as_secs_f64(), length.as_secs_f64());
        if !tag.is_empty() {
            let _ = write!(self.line, "Tag={tag},");
        }
        let _ = write!(self.line, "{start_s:.3},{length_s:.3},{max:.3},");
        base64::engine::general_purpose::STANDARD.encode_string(&self.bytes, &mut self.line);
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())?;
        self.out.flush()
    }

    /// What was written to.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<u8>, u64) {
        let mut log = Vec::new();
        let comments = vec!["first\nsecond".to_owned()];
        let mut writer = Writer::begin(&mut log, UNIX_EPOCH, &comments).unwrap();
        let mut count = 0;
        for second in 0..3 {
            for tag in ["book", "service"] {
                let mut histogram = Histogram::new();
                for ns in 1..1_000 * (second + 1) {
                    histogram.record(ns);
                    count += 1;
                }
                let at = Duration::from_secs(second);
                writer.interval(tag, at, Duration::from_secs(1), &histogram).unwrap();
            }
        }
        (log, count)
    }

    #[test]
    fn what_was_written_reads_back_exactly() {
        let (log, count) = sample();
        let (intervals, dropped) = read(&log, false).unwrap();
        assert_eq!((intervals.len(), dropped), (6, 0));
        let sums = totals(&intervals).unwrap();
        assert_eq!(sums.len(), 2);
        assert_eq!(sums.iter().map(|(_, sum)| sum.len()).sum::<u64>(), count);
        assert_eq!(intervals[5].start, Duration::from_secs(2));
    }

    #[test]
    fn a_log_cut_anywhere_keeps_the_intervals_before_the_cut() {
        let (log, _) = sample();
        for end in (log.len() / 2..log.len()).step_by(7) {
            let (intervals, dropped) = read(&log[..end], true).unwrap();
            let lines =
                log[..end].split(|&b| b == b'\n').filter(|line| line.starts_with(b"Tag=")).count();
            assert!(intervals.len() as u64 + dropped >= lines as u64, "cut at {end}");
        }
    }

    #[test]
    fn garbage_is_refused_by_entry() {
        let error = read(b"Tag=a,0.0,1.0,1.0,!!!!\n", false).err().unwrap();
        assert!(error.starts_with("line 1: "), "{error}");
    }

    #[test]
    fn starts_count_from_base_time_else_start_time_else_1970() {
        let (log, _) = sample();
        let log = String::from_utf8(log).unwrap();
        let line = log.lines().find(|line| line.starts_with("Tag=")).unwrap();
        let line = line.replacen("0.000,1.000", "5.250,1.000", 1);
        for (header, since_epoch_ms) in [
            ("", 5_250),
            ("#[BaseTime: 1700000000.5 (seconds since epoch)]\n", 1_700_000_005_750),
            ("#[StartTime: 1700000000.000 (seconds since epoch), a date]\n", 1_700_000_005_250),
            ("#[StartTime: 7.000 (seconds since epoch)]\n", 5_250),
            ("\"StartTimestamp\",\"Interval_Length\"\r\n\r\n#[MaxValueDivisor: 1000.0]\n", 5_250),
        ] {
            let text = format!("{header}{line}\r\n\n");
            let mut reader = Reader::new(text.as_bytes(), false);
            let interval = reader.next().unwrap().unwrap();
            assert_eq!(interval.since_epoch, Duration::from_millis(since_epoch_ms), "{header}");
            assert_eq!(interval.start, Duration::from_millis(5_250));
            assert_eq!(reader.max_divisor(), header.contains("Divisor").then_some(1_000.0));
            assert!(reader.next().is_none());
        }
    }
}
