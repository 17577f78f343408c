//! Reading interval logs, whoever wrote them: interval by interval, or summed per tag.
//!
//! Comments, legends, blank lines, logs without tags, Windows line ends, several start times in one
//! file (logs that were joined): all read. A log may be large, and a histogram of five digits takes
//! tens of megabytes, so [`Reader`] holds one interval at a time.
//! The format has no place for the unit of its values: see [`Interval::max_shown`].

use super::payload;
use crate::sum;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::time::Duration;

/// What a log's maxima are divided by unless it says otherwise: the field's habit.
pub const MAX_DIVISOR: f64 = 1e6;
/// Starts that lie more than this before the log's start time count from it: the rule of the Java
/// library for logs that do not say which of the two they mean.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// One interval of a log.
pub struct Interval {
    /// The stage; empty where the log has no tags.
    pub tag: String,
    /// As written: since the log's start or base time, or since 1970 where it has neither.
    pub start: Duration,
    /// Since 1970, by the base or start time in force; `start` where there is neither.
    pub since_epoch: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// The maximum as the line shows it: that of `values`, divided. The only trace of the unit.
    pub max_shown: f64,
    /// Its values.
    pub values: hdrhistogram::Histogram<u64>,
}

/// Intervals one after the other; ends at the first line that is none.
pub struct Reader<'a> {
    rest: &'a [u8],
    line_number: u64,
    tolerate_cut: bool,
    dropped: u64,
    start_time: Option<Duration>,
    base_time: Option<Duration>,
    max_divisor: Option<f64>,
    deserializer: Deserializer,
}

impl<'a> Reader<'a> {
    /// At the beginning of `log`. With `tolerate_cut` a last line that has no end and cannot be
    /// read is dropped and counted instead of being an error.
    #[must_use]
    pub fn new(log: &'a [u8], tolerate_cut: bool) -> Reader<'a> {
        Reader {
            rest: log,
            line_number: 0,
            tolerate_cut,
            dropped: 0,
            start_time: None,
            base_time: None,
            max_divisor: None,
            deserializer: Deserializer::new(),
        }
    }

    /// Dropped lines so far: 0 or 1.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What maxima are divided by, where the log has said so by now.
    #[must_use]
    pub fn max_divisor(&self) -> Option<f64> {
        self.max_divisor
    }

    /// The next line with its end; one is added to a last line that has none.
    fn line(&mut self) -> Option<(Vec<u8>, bool)> {
        if self.rest.is_empty() {
            return None;
        }
        self.line_number += 1;
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let (line, rest) = self.rest.split_at(end.map_or(self.rest.len(), |end| end + 1));
        self.rest = rest;
        let mut line = line.to_vec();
        if end.is_none() {
            line.push(b'\n');
        }
        Some((line, end.is_some()))
    }

    fn parse(&mut self, line: &[u8]) -> Result<Option<Interval>, String> {
        if let Some(divisor) = stated_divisor(line) {
            self.max_divisor = Some(divisor);
        }
        let entry = IntervalLogIterator::new(line).next().transpose();
        let entry = match entry.map_err(|_| "not an interval log line".to_owned())? {
            None => return Ok(None),
            Some(LogEntry::StartTime(time)) => {
                self.start_time = Some(time);
                return Ok(None);
            }
            Some(LogEntry::BaseTime(time)) => {
                self.base_time = Some(time);
                return Ok(None);
            }
            Some(LogEntry::Interval(entry)) => entry,
        };
        let start = entry.start_timestamp();
        let relative_to =
            self.base_time.or(self.start_time.filter(|time| start.saturating_add(YEAR) < *time));
        Ok(Some(Interval {
            tag: entry.tag().map_or_else(String::new, |tag| tag.as_str().to_owned()),
            start,
            since_epoch: start.saturating_add(relative_to.unwrap_or_default()),
            length: entry.duration(),
            max_shown: entry.max(),
            values: payload::decode(entry.encoded_histogram(), &mut self.deserializer)?,
        }))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Interval, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((line, is_whole)) = self.line() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.parse(&line) {
                Ok(None) => {}
                Ok(Some(interval)) => return Some(Ok(interval)),
                // Logs of other tools may end without a newline and be whole; ours never do.
                Err(_) if !is_whole && self.tolerate_cut => self.dropped = 1,
                Err(why) => {
                    self.rest = &[];
                    return Some(Err(format!("line {}: {why}", self.line_number)));
                }
            }
        }
        None
    }
}

/// `#[MaxValueDivisor: 1000000.0]`, as our logs and those of the Rust library say it.
fn stated_divisor(line: &[u8]) -> Option<f64> {
    let text = line.strip_prefix(b"#[MaxValueDivisor:")?;
    let text = std::str::from_utf8(text).ok()?.split(']').next()?;
    text.trim().parse().ok().filter(|divisor: &f64| *divisor > 0.0 && divisor.is_finite())
}

/// Reads a whole log.
///
/// # Errors
/// A line that says which line is broken and how. A cut last line is such an error unless
/// `tolerate_cut`, which drops it and returns the number of dropped lines (0 or 1) beside the rest.
pub fn read(log: &[u8], tolerate_cut: bool) -> Result<(Vec<Interval>, u64), String> {
    let mut reader = Reader::new(log, tolerate_cut);
    let intervals = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((intervals, reader.dropped()))
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
        let of_tag = |error| format!("tag '{}': {error}", interval.tag);
        match sums.iter_mut().find(|(tag, _)| *tag == interval.tag) {
            Some((_, sum)) => sum::add(sum, &interval.values).map_err(of_tag)?,
            None => {
                let sum = sum::first(&interval.values).map_err(of_tag)?;
                sums.push((interval.tag.clone(), sum));
            }
        }
    }
    Ok(sums)
}
