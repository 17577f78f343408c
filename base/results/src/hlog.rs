//! Interval logs (`.hlog`): write ours, read anyone's.
//!
//! Format version 1.3 of HdrHistogram's logs: V2, deflated, base64, one tag per stage, integers in
//! nanoseconds. The plain-text maximum is divided by 1e6, as the Java and Python tools expect.
//! A line is complete once its newline is written, so a log cut by a crash keeps every interval
//! before the cut.

use crate::histogram::Histogram;
use base64::Engine as _;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the plain-text maximum is divided by: nanoseconds to milliseconds.
const MAX_DIVISOR: f64 = 1e6;

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
        use std::fmt::Write as _;
        self.bytes.clear();
        self.line.clear();
        self.serializer
            .serialize(&histogram.values, &mut self.bytes)
            .map_err(|error| io::Error::other(format!("histogram of {tag}: {error}")))?;
        let max = histogram.values.max() as f64 / MAX_DIVISOR;
        let (start_s, length_s) = (since_start.as_secs_f64(), length.as_secs_f64());
        let _ = write!(self.line, "Tag={tag},{start_s:.3},{length_s:.3},{max:.3},");
        base64::engine::general_purpose::STANDARD.encode_string(&self.bytes, &mut self.line);
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())?;
        self.out.flush()
    }

    /// Where it was written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// One interval of a log.
pub struct Interval {
    /// The stage; empty where the log has no tags.
    pub tag: String,
    /// Since the log's start or base time, or since 1970 where it has neither.
    pub start: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// Its values.
    pub values: hdrhistogram::Histogram<u64>,
}

/// Reads a whole log.
///
/// # Errors
/// A line that says which entry is broken and how. A cut last line is such an error unless
/// `tolerate_cut`, which drops it and returns the number of dropped lines (0 or 1) beside the rest.
pub fn read(log: &[u8], tolerate_cut: bool) -> Result<(Vec<Interval>, u64), String> {
    let whole = match log.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => &log[..=end],
        None => &log[..0],
    };
    let cut = u64::from(whole.len() < log.len());
    // Logs of other tools may end without a newline and be whole; ours never do.
    let text = if tolerate_cut && cut == 1 && read(log, false).is_err() { whole } else { log };
    let text_complete: Vec<u8>;
    let text = if text.ends_with(b"\n") {
        text
    } else {
        text_complete = [text, b"\n"].concat();
        &text_complete
    };
    let mut deserializer = Deserializer::new();
    let mut intervals = Vec::new();
    for (index, entry) in IntervalLogIterator::new(text).enumerate() {
        let at = || format!("entry {}", index + 1);
        let entry =
            entry.map_err(|error| format!("{}: not an interval log line ({error:?})", at()))?;
        let LogEntry::Interval(entry) = entry else { continue };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(entry.encoded_histogram())
            .map_err(|error| format!("{}: base64: {error}", at()))?;
        let values = deserializer
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| format!("{}: histogram: {error}", at()))?;
        intervals.push(Interval {
            tag: entry.tag().map_or_else(String::new, |tag| tag.as_str().to_owned()),
            start: entry.start_timestamp(),
            length: entry.duration(),
            values,
        });
    }
    let dropped = u64::from(text.len() < log.len());
    Ok((intervals, dropped))
}

/// Sums a log's intervals per tag, in order of first appearance. Exact: counts are added.
///
/// # Errors
/// A line where two intervals of one tag cannot be added.
pub fn totals(
    intervals: &[Interval],
) -> Result<Vec<(String, hdrhistogram::Histogram<u64>)>, String> {
    let mut sums: Vec<(String, hdrhistogram::Histogram<u64>)> = Vec::new();
    for interval in intervals {
        match sums.iter_mut().find(|(tag, _)| *tag == interval.tag) {
            Some((tag, sum)) => {
                sum.auto(true);
                sum.add(&interval.values).map_err(|error| format!("tag '{tag}': {error}"))?;
            }
            None => sums.push((interval.tag.clone(), interval.values.clone())),
        }
    }
    Ok(sums)
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
        assert!(error.starts_with("entry 1: "), "{error}");
    }
}
