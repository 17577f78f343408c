//! Why ticks were slow: causes, what the engine counts of them, and the budget of the tail.
//!
//! A record stands for slow ticks in a row that have one root: the tick that was held up, and those
//! that queued behind it. Every slow tick is in exactly one record, and the counts by range of
//! response add up to all of them, so the tail can be divided among causes exactly from each
//! range's edge on. `engine.json` has the sums, [`FILE`] the records, one JSON object a line.
//!
//! A cause is a judgement. [`SlowRecord::is_likely`] says where it rests on a likeness of numbers
//! and not on a count of the kernel's that belongs to this very thread.

use crate::table::{Table, grouped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the records' file in the result folder.
pub const FILE: &str = "slow.jsonl";

/// What held up the root of a run of slow ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The feed sent it after its instant.
    FeedLate,
    /// The engine was stopped by a signal, a debugger or a freezer.
    Stopped,
    /// Another thread had the core.
    CompetingThread,
    /// A page fault without I/O.
    PageFault,
    /// A page fault that waited for a disk.
    MajorFault,
    /// The hypervisor had the core.
    HostSteal,
    /// An interrupt was served.
    Interrupt,
    /// The book took long.
    Book,
    /// The strategy took long.
    Strategy,
    /// The gate and the order took long.
    RiskOrder,
    /// The work took long; which stage was not stamped.
    Service,
    /// Nothing was held up: ticks came faster than the loop takes them.
    Backlog,
    /// Nothing at hand explains it.
    Unexplained,
}

impl Cause {
    /// All causes, in the order of this list.
    pub const ALL: [Cause; 13] = [
        Cause::FeedLate,
        Cause::Stopped,
        Cause::CompetingThread,
        Cause::PageFault,
        Cause::MajorFault,
        Cause::HostSteal,
        Cause::Interrupt,
        Cause::Book,
        Cause::Strategy,
        Cause::RiskOrder,
        Cause::Service,
        Cause::Backlog,
        Cause::Unexplained,
    ];

    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::FeedLate => "feed_late",
            Cause::Stopped => "stopped",
            Cause::CompetingThread => "competing_thread",
            Cause::PageFault => "page_fault",
            Cause::MajorFault => "major_fault",
            Cause::HostSteal => "host_steal",
            Cause::Interrupt => "interrupt",
            Cause::Book => "book",
            Cause::Strategy => "strategy",
            Cause::RiskOrder => "risk_order",
            Cause::Service => "service",
            Cause::Backlog => "backlog",
            Cause::Unexplained => "unexplained",
        }
    }

    /// The words for a reader.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Cause::FeedLate => "feed late",
            Cause::Stopped => "stopped",
            Cause::CompetingThread => "competing thread",
            Cause::PageFault => "page fault",
            Cause::MajorFault => "major page fault",
            Cause::HostSteal => "host steal",
            Cause::Interrupt => "interrupt",
            Cause::Book => "book",
            Cause::Strategy => "strategy",
            Cause::RiskOrder => "risk and order",
            Cause::Service => "own work",
            Cause::Backlog => "backlog",
            Cause::Unexplained => "unexplained",
        }
    }
}

/// What the kernel says of the pinned thread and its core, around a record: between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Time between the two looks, ns.
    pub window_ns: u64,
    /// Time the hypervisor took from the core, ns, in steps of 10 ms.
    pub steal_ns: u64,
    /// Time the thread was ready and had no core, ns.
    pub queued_ns: u64,
    /// Time it was neither on a core nor ready, ns; what the hypervisor took is in it.
    pub off_ns: u64,
    /// Times it was taken off its core.
    pub involuntary_switches: u64,
    /// Times it left by itself, or was stopped.
    pub voluntary_switches: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Interrupts of the core by source, the most frequent first.
    pub interrupts: Vec<(String, u64)>,
    /// Softirqs of the core by kind.
    pub softirqs: Vec<(String, u64)>,
}

impl Evidence {
    /// Adds what was counted in another window.
    pub fn add(&mut self, other: &Evidence) {
        self.window_ns += other.window_ns;
        self.steal_ns += other.steal_ns;
        self.queued_ns += other.queued_ns;
        self.off_ns += other.off_ns;
        self.involuntary_switches += other.involuntary_switches;
        self.voluntary_switches += other.voluntary_switches;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        for (sum, more) in
            [(&mut self.interrupts, &other.interrupts), (&mut self.softirqs, &other.softirqs)]
        {
            for (name, count) in more {
                match sum.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known += count,
                    None => sum.push((name.clone(), *count)),
                }
            }
            sum.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        }
    }
}

/// Slow ticks in a row, with one root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowRecord {
    /// Ring sequence of the root.
    pub seq: u64,
    /// Ring sequence of the last one.
    pub last_seq: u64,
    /// When the root was done, seconds since the engine began to take events.
    pub at_s: f64,
    /// Slow ticks, the root counted.
    pub samples: u64,
    /// Why.
    pub cause: Option<Cause>,
    /// Likely, not counted by the kernel for this thread.
    pub is_likely: bool,
    /// The same in a sentence, with its numbers.
    pub why: String,
    /// The root's response, ns.
    pub response_ns: u64,
    /// The longest response, ns.
    pub worst_ns: u64,
    /// The root: intended to sent, ns.
    pub schedule_lag_ns: u64,
    /// The root: sent to arrival, ns.
    pub ring_wait_ns: u64,
    /// The root: from the loop's last sign of life to the arrival, ns.
    pub loop_gap_ns: u64,
    /// The root: the book, ns; `null`: not stamped.
    pub book_ns: Option<u64>,
    /// The root: the strategy, ns; `null`: not stamped.
    pub strategy_ns: Option<u64>,
    /// The root: gate and order, ns; `null`: not stamped.
    pub risk_order_ns: Option<u64>,
    /// The root: arrival to the end of the work, ns.
    pub service_ns: u64,
    /// Slow ticks that had been sent when the root arrived: so deep was the ring.
    pub depth: u64,
    /// What the kernel says of the time around.
    pub evidence: Evidence,
}

/// The sums of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseSum {
    /// Which.
    pub cause: Cause,
    /// Records.
    pub records: u64,
    /// Slow ticks in them.
    pub samples: u64,
    /// Of these: queued behind the root.
    pub behind: u64,
    /// The longest response, ns.
    pub longest_ns: u64,
    /// Slow ticks by range of response, see [`Slow::edges_ns`].
    pub counts: Vec<u64>,
}

/// Slow ticks that no record tells of: the queue to the cold thread was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotKept {
    /// Records.
    pub records: u64,
    /// Slow ticks in them.
    pub samples: u64,
}

/// What a run says of its slow ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// From this response on a tick is slow, ns.
    pub over_ns: u64,
    /// Slow ticks.
    pub samples: u64,
    /// Records, the lost ones left out.
    pub records: u64,
    /// Of these in [`FILE`], the worst: all of them would have made it too long.
    pub written: u64,
    /// No room in the queue.
    pub lost: NotKept,
    /// Gaps of the waiting loop as long as that, in which nothing came.
    pub long_gaps: u64,
    /// Lower edges of the ranges, ns; the first is `over_ns`.
    pub edges_ns: Vec<u64>,
    /// By cause, the one with the most ticks first; causes that did not come are left out.
    pub causes: Vec<CauseSum>,
}

/// The tail from one response on, divided among causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Responses from here on, ns: an edge of a range.
    pub from_ns: u64,
    /// Ticks in the tail that records tell of.
    pub samples: u64,
    /// Ticks by cause, the largest share first.
    pub shares: Vec<(Cause, u64)>,
}

impl Slow {
    /// The tail from the first edge on that is not below `from_ns`.
    #[must_use]
    pub fn tail(&self, from_ns: u64) -> Tail {
        let first = self.edges_ns.partition_point(|&edge| edge < from_ns);
        let first = first.min(self.edges_ns.len().saturating_sub(1));
        let mut shares: Vec<(Cause, u64)> = self
            .causes
            .iter()
            .map(|sum| (sum.cause, sum.counts.iter().skip(first).sum::<u64>()))
            .filter(|(_, count)| *count > 0)
            .collect();
        shares.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Tail {
            from_ns: self.edges_ns.get(first).copied().unwrap_or(self.over_ns),
            samples: shares.iter().map(|(_, count)| count).sum(),
            shares,
        }
    }

    /// Lines for a terminal; `count`: measured ticks, slow or not.
    #[must_use]
    pub fn lines(&self, count: u64) -> Vec<String> {
        let over_us = self.over_ns as f64 / 1e3;
        if self.samples == 0 {
            return vec![format!("no tick took {over_us} us or longer")];
        }
        let mut lines = Vec::new();
        for from_ns in self.tails() {
            let tail = self.tail(from_ns);
            if tail.samples == 0 {
                continue;
            }
            let share = |part: u64| part as f64 / tail.samples as f64 * 100.0;
            let mut words = Vec::new();
            let mut rest = 0;
            for (cause, part) in &tail.shares {
                match share(*part) {
                    percent if percent >= 1.0 => {
                        words.push(format!("{percent:.0} % {}", cause.words()));
                    }
                    _ => rest += part,
                }
            }
            if rest > 0 {
                words.push(format!("{:.1} % others", share(rest)));
            }
            let quantile = 100.0 - tail.samples as f64 / count.max(1) as f64 * 100.0;
            lines.push(format!(
                "{} ticks from {:.1} us on (p{quantile:.3} and above): {}",
                grouped(tail.samples),
                tail.from_ns as f64 / 1e3,
                words.join(", ")
            ));
        }
        if self.lost.samples > 0 {
            lines.push(format!(
                "{} more in {} runs of slow ticks that no record tells of: the queue was full",
                grouped(self.lost.samples),
                grouped(self.lost.records)
            ));
        }
        lines
    }

    /// Where tails worth a line begin: all slow ticks, and the slowest tenth and hundredth of them.
    fn tails(&self) -> Vec<u64> {
        let mut tails = vec![self.over_ns];
        for part in [10, 100] {
            let wanted = self.samples / part;
            let from =
                self.edges_ns.iter().copied().find(|&edge| self.tail(edge).samples <= wanted);
            if let Some(edge) = from
                && wanted >= 10
                && self.tail(edge).samples > 0
                && !tails.contains(&edge)
            {
                tails.push(edge);
            }
        }
        tails
    }

    /// The causes as a table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new(&["cause", "records", "ticks", "of these behind", "longest ns"]);
        for sum in &self.causes {
            table.row(vec![
                sum.cause.words().to_owned(),
                grouped(sum.records),
                grouped(sum.samples),
                grouped(sum.behind),
                grouped(sum.longest_ns),
            ]);
        }
        table.render()
    }
}

/// A threshold as the command line has it, ns: `2us`, `5us`, `1ms`; `off` is 0.
///
/// # Errors
/// One line with the rule.
pub fn parse_over(text: &str) -> Result<u64, String> {
    const RULE: &str = "a whole number with a unit: 2000ns, 5us, 1ms; or off";
    if text == "off" {
        return Ok(0);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(RULE)?;
    let (number, unit) = text.split_at(digits);
    let unit_ns = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(RULE.to_owned()),
    };
    let ns = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ns));
    ns.filter(|&ns| ns > 0).ok_or_else(|| RULE.to_owned())
}

/// Sums by cause while records come in.
#[derive(Clone, Debug, Default)]
pub struct Sums(BTreeMap<Cause, CauseSum>);

impl Sums {
    /// Adds a record's ticks: `counts` are (range, ticks), of `ranges` ranges.
    pub fn add(&mut self, cause: Cause, worst_ns: u64, counts: &[(usize, u64)], ranges: usize) {
        let sum = self.0.entry(cause).or_insert_with(|| CauseSum {
            cause,
            records: 0,
            samples: 0,
            behind: 0,
            longest_ns: 0,
            counts: vec![0; ranges],
        });
        let samples: u64 = counts.iter().map(|(_, ticks)| ticks).sum();
        sum.records += 1;
        sum.samples += samples;
        sum.behind += samples.saturating_sub(1);
        sum.longest_ns = sum.longest_ns.max(worst_ns);
        for &(range, ticks) in counts {
            if let Some(count) = sum.counts.get_mut(range) {
                *count += ticks;
            }
        }
    }

    /// The sums, the one with the most ticks first.
    #[must_use]
    pub fn finish(self) -> Vec<CauseSum> {
        let mut sums: Vec<CauseSum> = self.0.into_values().collect();
        sums.sort_by(|a, b| b.samples.cmp(&a.samples).then(a.cause.cmp(&b.cause)));
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> Slow {
        let mut sums = Sums::default();
        sums.add(Cause::HostSteal, 9_000, &[(0, 3), (2, 1)], 4);
        sums.add(Cause::Interrupt, 5_500, &[(0, 10)], 4);
        sums.add(Cause::HostSteal, 12_000, &[(3, 2)], 4);
        Slow {
            over_ns: 5_000,
            samples: 16,
            records: 3,
            edges_ns: vec![5_000, 6_000, 8_000, 10_000],
            causes: sums.finish(),
            ..Slow::default()
        }
    }

    #[test]
    fn tails_are_divided_exactly_from_an_edge_on() {
        let slow = slow();
        let all = slow.tail(0);
        assert_eq!((all.from_ns, all.samples), (5_000, 16));
        assert_eq!(all.shares, [(Cause::Interrupt, 10), (Cause::HostSteal, 6)]);
        let tail = slow.tail(7_000);
        assert_eq!((tail.from_ns, tail.samples), (8_000, 3), "the next edge, said");
        assert_eq!(tail.shares, [(Cause::HostSteal, 3)]);
        assert_eq!(slow.tail(u64::MAX).from_ns, 10_000);
        assert_eq!(Slow::default().tail(1).samples, 0);
    }

    #[test]
    fn sums_know_roots_from_what_queued_behind() {
        let steal = slow().causes.into_iter().find(|sum| sum.cause == Cause::HostSteal).unwrap();
        assert_eq!((steal.records, steal.samples, steal.behind), (2, 6, 4));
        assert_eq!((steal.longest_ns, steal.counts), (12_000, vec![3, 0, 1, 2]));
    }

    #[test]
    fn thresholds_have_a_unit_or_are_off() {
        for (text, ns) in [("off", 0), ("2000ns", 2_000), ("5us", 5_000), ("1s", 1_000_000_000)] {
            assert_eq!(parse_over(text), Ok(ns));
        }
        for text in ["", "5", "0us", "-1us", "1.5us", "5m", "on", "99999999999999999999ns"] {
            assert!(parse_over(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_in_files_are_those_of_serde() {
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
    }

    #[test]
    fn lines_say_which_quantile_a_tail_is() {
        let lines = slow().lines(16_000);
        assert_eq!(
            lines,
            ["16 ticks from 5.0 us on (p99.900 and above): 62 % interrupt, 38 % host steal"]
        );
        assert_eq!(Slow { over_ns: 5_000, ..Slow::default() }.lines(9).len(), 1);
    }
}
