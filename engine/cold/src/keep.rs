//! Housekeeping beside the loop: intervals of the tallies into `engine.hlog`, notices to the
//! terminal. Runs on the main thread; the pinned one only counts and pushes.
//!
//! Counts only grow, so an interval is the difference of two copies, and the last copy is the
//! total: nothing is flipped, nothing waits, and a log cut by a crash keeps every whole interval.

use crate::report::HLOG;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use tickspin_hot::notice::Notice;
use tickspin_hot::risk::Closed;
use tickspin_results::Histogram;
use tickspin_results::hlog;
use tickspin_results::out::OutError;
use tickspin_ring::tally::{Snapshot, TallyReader};

/// Lines of one kind that are printed; later ones are counted.
const LINES: usize = 3;

/// The interval log and what it has seen so far.
pub struct Keep {
    tallies: TallyReader,
    /// Indices of the stages that are stamped in this run.
    stages: Vec<usize>,
    log: hlog::Writer<File>,
    path: std::path::PathBuf,
    began: Instant,
    interval: Duration,
    /// When the present interval began, since `began`.
    since: Duration,
    last: Vec<Snapshot>,
    failed: Option<OutError>,
}

impl Keep {
    /// Opens the log. `stages`: which tallies are counted into.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(
        folder: &Path,
        tallies: TallyReader,
        stages: Vec<usize>,
        interval: Duration,
        comments: &[String],
    ) -> Result<Keep, OutError> {
        let path = folder.join(HLOG);
        let log = File::create(&path)
            .and_then(|file| hlog::Writer::begin(file, SystemTime::now(), comments))
            .map_err(|source| OutError::Io { doing: "write", path: path.clone(), source })?;
        let last = vec![Snapshot::default(); tallies.labels().len()];
        let since = Duration::ZERO;
        let began = Instant::now();
        Ok(Keep { tallies, stages, log, path, began, interval, since, last, failed: None })
    }

    /// Writes an interval if one is due.
    pub fn tick(&mut self) {
        if self.began.elapsed() >= self.since + self.interval {
            self.write();
        }
    }

    /// Writes the last interval and gives the totals of all stages, in the order of the tallies;
    /// the error is that of the first interval that could not be written.
    pub fn finish(mut self) -> (Vec<Histogram>, Option<OutError>) {
        self.write();
        let mut totals = Vec::with_capacity(self.last.len());
        for index in 0..self.last.len() {
            let mut total = Snapshot::default();
            self.tallies.snapshot(index, &mut total);
            totals.push(histogram(&total));
        }
        (totals, self.failed)
    }

    fn write(&mut self) {
        let now = self.began.elapsed();
        let length = now.saturating_sub(self.since);
        for &index in &self.stages {
            let mut later = Snapshot::default();
            self.tallies.snapshot(index, &mut later);
            let values = histogram(&later.minus(&self.last[index]));
            let tag = &self.tallies.labels()[index];
            if let Err(source) = self.log.interval(tag, self.since, length, &values) {
                let path = self.path.clone();
                self.failed.get_or_insert(OutError::Io { doing: "write", path, source });
            }
            self.last[index] = later;
        }
        self.since = now;
    }
}

/// The counts of a tally as they go into files.
pub(crate) fn histogram(snapshot: &Snapshot) -> Histogram {
    Histogram::from_counts(snapshot.values(), snapshot.overflow, snapshot.negative)
}

const fn closed(why: Closed) -> &'static str {
    match why {
        Closed::Stop => "the engine is to stop",
        Closed::Overfill => "an own order was filled beyond what was open",
        Closed::UnknownFill => "a fill is about no order of ours",
    }
}

/// Notices: a few lines of each kind on standard error, the rest counted. Records (the slowest
/// event, the largest gap) are kept, not printed: each is one of a series of ever larger ones.
#[derive(Debug, Default)]
pub struct Journal {
    kinds: Vec<(std::mem::Discriminant<Notice>, &'static str, usize)>,
    slowest: Option<(u64, u64)>,
    largest_gap: Option<(u64, u64)>,
}

impl Journal {
    /// Takes one notice; `Some` is a line to print.
    pub fn take(&mut self, notice: &Notice) -> Option<String> {
        let (kind, line) = match *notice {
            Notice::Slowest { seq, service_ns } => {
                self.slowest = Some((seq, service_ns));
                return None;
            }
            Notice::LargestGap { seq, gap_ns } => {
                self.largest_gap = Some((seq, gap_ns));
                return None;
            }
            Notice::Gap { seq, first, missing } => (
                "gaps",
                format!("event {seq}: the venue's sequence lacks {missing} from {first} on"),
            ),
            Notice::Foreign { seq, fault } => {
                ("foreign events", format!("event {seq}: foreign bytes, {fault:?}"))
            }
            Notice::ForeignStamp { due, stamp } => {
                ("foreign stamps", format!("foreign stamp {stamp:#x} where event {due} was due"))
            }
            Notice::Refused { seq, refusal } => (
                "kinds of refusal",
                format!("event {seq}: first order refused by the gate: {refusal:?}"),
            ),
            Notice::Unsent { seq, unsent } => (
                "kinds of unsent orders",
                format!("event {seq}: first order that could not leave: {unsent:?}"),
            ),
            Notice::GateClosed { seq, why } => (
                "closed gates",
                format!("event {seq}: the gate is closed, no new order: {}", closed(why)),
            ),
            Notice::PeerLeft { seq, how } => {
                ("departures", format!("the feed left after event {seq}: {how:?}"))
            }
            Notice::ForeignReport { seq, client_id } => (
                "foreign reports",
                format!("report {seq} is about order {client_id}, which is none of ours"),
            ),
        };
        let discriminant = std::mem::discriminant(notice);
        let seen = match self.kinds.iter_mut().find(|(one, ..)| *one == discriminant) {
            Some((.., seen)) => seen,
            None => {
                self.kinds.push((discriminant, kind, 0));
                &mut self.kinds.last_mut()?.2
            }
        };
        *seen += 1;
        (*seen <= LINES).then_some(line)
    }

    /// What a reader of the results must know: what was not printed, and the records.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let more = self.kinds.iter().filter(|(.., seen)| *seen > LINES);
        let mut notes: Vec<String> =
            more.map(|(_, kind, seen)| format!("{seen} {kind} in all")).collect();
        notes.extend(
            self.slowest.map(|(seq, ns)| format!("slowest measured event: {seq}, {ns} ns")),
        );
        notes.extend(
            self.largest_gap
                .map(|(seq, ns)| format!("largest gap of the loop: {ns} ns, at event {seq}")),
        );
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_ring::tally::TallySegment;

    #[test]
    fn intervals_sum_to_the_totals_and_are_on_disk_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let segment = TallySegment::create("engine", &["book", "service"]).unwrap();
        let mut writer = segment.writer().unwrap();
        let mut keep = Keep::begin(
            folder.path(),
            segment.reader(),
            vec![0, 1],
            Duration::from_millis(1),
            &["a comment".to_owned()],
        )
        .unwrap();
        for ns in 1..=1_000 {
            writer.record(1, ns);
        }
        std::thread::sleep(Duration::from_millis(2));
        keep.tick();
        let read = || hlog::read(&std::fs::read(folder.path().join(HLOG)).unwrap(), false);
        assert_eq!(read().unwrap().0.len(), 2, "one interval of two stages");
        writer.record(1, 5);
        writer.record(0, u64::MAX);
        writer.record_negative(0);
        let (totals, failed) = keep.finish();
        assert!(failed.is_none());
        assert_eq!((totals[0].overflow, totals[0].negative), (1, 1));
        assert_eq!(totals[1].values.len(), 1_001);
        let (intervals, cut) = read().unwrap();
        assert_eq!(cut, 0);
        let service = intervals.iter().filter(|interval| interval.tag == "service");
        assert_eq!(service.map(|interval| interval.values.len()).collect::<Vec<_>>(), [1_000, 1]);
    }

    #[test]
    fn a_few_lines_are_printed_and_the_rest_is_counted() {
        let mut journal = Journal::default();
        let gap = |seq| Notice::Gap { seq, first: 4, missing: 2 };
        let printed = (1..=10).filter_map(|seq| journal.take(&gap(seq))).count();
        assert_eq!(printed, LINES);
        for ns in [10, 20, 30] {
            assert_eq!(journal.take(&Notice::Slowest { seq: ns, service_ns: ns }), None);
        }
        assert!(journal.take(&Notice::GateClosed { seq: 11, why: Closed::Stop }).is_some());
        assert_eq!(journal.notes(), ["10 gaps in all", "slowest measured event: 30, 30 ns"]);
    }
}
