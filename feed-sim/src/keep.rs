//! Housekeeping beside the loop: intervals of the tallies into `feed.hlog`. Runs on the main
//! thread; the pinned one only counts.
//!
//! Counts only grow, so an interval is the difference of two copies, and the last copy is the
//! total; a log cut by a crash keeps every whole interval.

use crate::record::TALLIES;
use crate::report::HLOG;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tickspin_results::Histogram;
use tickspin_results::hlog;
use tickspin_results::out::OutError;
use tickspin_ring::tally::{Snapshot, TallyReader, lowest_of};

/// The interval log and what it has seen so far.
pub struct Keep {
    tallies: TallyReader,
    log: hlog::Writer<File>,
    path: PathBuf,
    began: Instant,
    interval: Duration,
    /// When the present interval began, since `began`.
    since: Duration,
    last: Vec<Snapshot>,
    /// Where the present one is taken: no new memory an interval, for this thread may share the
    /// pinned one's core.
    present: Snapshot,
    failed: Option<OutError>,
}

impl Keep {
    /// Opens the log.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(
        folder: &Path,
        tallies: TallyReader,
        interval: Duration,
        comments: &[String],
    ) -> Result<Keep, OutError> {
        let path = folder.join(HLOG);
        let log = File::create(&path)
            .and_then(|file| hlog::Writer::begin(file, SystemTime::now(), comments))
            .map_err(|source| OutError::Io { doing: "write", path: path.clone(), source })?;
        let last = vec![Snapshot::default(); TALLIES.len()];
        let (began, since) = (Instant::now(), Duration::ZERO);
        Ok(Keep {
            tallies,
            log,
            path,
            began,
            interval,
            since,
            last,
            present: Snapshot::default(),
            failed: None,
        })
    }

    /// Writes an interval if one is due.
    pub fn tick(&mut self) {
        if self.began.elapsed() >= self.since + self.interval {
            self.write();
        }
    }

    /// Writes the last interval and gives the totals, in the order of the tallies; the error is
    /// that of the first interval that could not be written.
    pub fn finish(mut self) -> (Vec<Histogram>, Option<OutError>) {
        self.write();
        let totals = self.last.iter().map(histogram).collect();
        (totals, self.failed)
    }

    fn write(&mut self) {
        let now = self.began.elapsed();
        let length = now.saturating_sub(self.since);
        for (index, tag) in TALLIES.into_iter().enumerate() {
            let (present, last) = (&mut self.present, &mut self.last[index]);
            self.tallies.snapshot(index, present);
            let values = since(present, last);
            if let Err(source) = self.log.interval(tag, self.since, length, &values) {
                let path = self.path.clone();
                self.failed.get_or_insert(OutError::Io { doing: "write", path, source });
            }
            std::mem::swap(&mut self.present, &mut self.last[index]);
        }
        self.since = now;
    }
}

/// What was counted between two snapshots.
fn since(present: &Snapshot, last: &Snapshot) -> Histogram {
    let before = last.cells.iter().copied().chain(std::iter::repeat(0));
    let cells = present.cells.iter().zip(before).enumerate();
    let counts = cells.map(|(cell, (&now, was))| (lowest_of(cell), now.saturating_sub(was)));
    Histogram::from_counts(
        counts.filter(|&(_, count)| count != 0),
        present.overflow.saturating_sub(last.overflow),
        present.negative.saturating_sub(last.negative),
    )
}

fn histogram(snapshot: &Snapshot) -> Histogram {
    Histogram::from_counts(snapshot.values(), snapshot.overflow, snapshot.negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_ring::tally::TallySegment;

    #[test]
    fn intervals_sum_to_the_totals_and_are_on_disk_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let segment = TallySegment::create("feed", &TALLIES).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader();
        let interval = Duration::from_millis(1);
        let mut keep = Keep::begin(folder.path(), reader, interval, &[]).unwrap();
        (1..=1_000).for_each(|ns| writer.record(0, ns));
        std::thread::sleep(Duration::from_millis(2));
        keep.tick();
        let read = || hlog::read(&std::fs::read(folder.path().join(HLOG)).unwrap(), false);
        assert_eq!(read().unwrap().0.len(), TALLIES.len());
        writer.record(0, 7);
        writer.record_negative(1);
        let (totals, failed) = keep.finish();
        assert!(failed.is_none());
        assert_eq!((totals[0].values.len(), totals[1].negative), (1_001, 1));
        let lag: Vec<u64> = read()
            .unwrap()
            .0
            .iter()
            .filter(|interval| interval.tag == "schedule_lag")
            .map(|interval| interval.values.len())
            .collect();
        assert_eq!(lag, [1_000, 1]);
    }
}
