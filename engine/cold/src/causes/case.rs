//! One run of slow ticks, in nanoseconds: where its root's time went.

use tickspin_host::clock::Clock;
use tickspin_hot::record::Spell;
use tickspin_hot::record::slow::{OVER_MIN_NS, RANGES, range_ns};
use tickspin_results::slow::{Cause, Evidence, SlowRecord};

/// The longest piece of a root's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Intended to sent.
    Lag,
    /// Sent, and the loop still with earlier ticks.
    Behind,
    /// The loop saw nothing although something was there.
    Away,
    /// A stage of the work.
    Stage(Cause),
}

/// A run of slow ticks and what is known of it so far.
#[derive(Clone, Debug)]
pub struct Case {
    /// What will be written, cause still open.
    pub record: SlowRecord,
    /// (range, ticks), ranges of responses from the threshold on.
    pub counts: Vec<(usize, u64)>,
    /// The longest piece of the root's response.
    pub piece: Piece,
    /// Its length, ns.
    pub piece_ns: u64,
    /// When it began, ns on the TSC's own scale.
    pub began_ns: u64,
    /// When the root was done, on the same scale.
    pub ended_ns: u64,
}

/// Lower edges of the ranges from a threshold on, ns; the first is the threshold itself.
#[must_use]
pub fn edges_ns(over_ns: u64) -> Vec<u64> {
    let over_ns = over_ns.max(OVER_MIN_NS);
    let above = (0..RANGES).map(range_ns).filter(|&edge| edge > over_ns);
    std::iter::once(over_ns).chain(above).collect()
}

impl Case {
    /// From a spell; `start`: the instant that the run began, TSC ticks; `has_stages`: stages were
    /// stamped; `over_ns`: the threshold.
    #[must_use]
    pub fn new(spell: &Spell, clock: &Clock, start: u64, has_stages: bool, over_ns: u64) -> Case {
        let root = &spell.root;
        let marks = &root.marks;
        let span = |from: u64, to: u64| clock.ns(to.saturating_sub(from));
        let stage = |from, to| has_stages.then(|| span(from, to));
        // Whatever the loop did until it was last seen, it did for earlier ticks.
        let seen = root.looked.clamp(root.sent, marks.arrival.max(root.sent));
        let lag_ns = span(root.intended, root.sent);
        let record = SlowRecord {
            seq: root.seq,
            last_seq: spell.last_seq,
            at_s: clock.ns(marks.end.saturating_sub(start)) as f64 / 1e9,
            samples: spell.count,
            response_ns: span(root.intended, marks.end),
            worst_ns: spell.worst_ns,
            schedule_lag_ns: lag_ns,
            ring_wait_ns: span(root.sent, marks.arrival),
            loop_gap_ns: span(root.looked, marks.arrival),
            book_ns: stage(marks.arrival, marks.booked),
            strategy_ns: stage(marks.booked, marks.decided),
            risk_order_ns: stage(marks.decided, marks.end),
            service_ns: span(marks.arrival, marks.end),
            depth: spell.depth,
            ..SlowRecord::default()
        };
        let work: Vec<(Piece, u64, u64)> = if has_stages {
            vec![
                (Piece::Stage(Cause::Book), marks.arrival, marks.booked),
                (Piece::Stage(Cause::Strategy), marks.booked, marks.decided),
                (Piece::Stage(Cause::RiskOrder), marks.decided, marks.end),
            ]
        } else {
            vec![(Piece::Stage(Cause::Service), marks.arrival, marks.end)]
        };
        let before = [
            (Piece::Lag, root.intended, root.sent),
            (Piece::Behind, root.sent, seen),
            (Piece::Away, seen, marks.arrival),
        ];
        let (piece, from, to) = before
            .into_iter()
            .chain(work)
            .max_by_key(|(_, from, to)| to.saturating_sub(*from))
            .unwrap_or((Piece::Away, 0, 0));
        let edges = edges_ns(over_ns);
        let counts = spell.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let counts = counts
            .map(|(range, &count)| {
                // The threshold lies within a range: what is counted there is not below it.
                let at = edges.partition_point(|&edge| edge <= range_ns(range)).saturating_sub(1);
                (at, u64::from(count))
            })
            .collect();
        // The gap itself began when the loop was last seen, whenever the tick was sent.
        let from = if piece == Piece::Away { root.looked.min(from) } else { from };
        Case {
            record,
            counts,
            piece,
            piece_ns: span(from, to),
            began_ns: clock.ns(from),
            ended_ns: clock.ns(marks.end),
        }
    }

    /// Settles the cause.
    pub fn judge(&mut self, cause: Cause, is_likely: bool, why: String) {
        self.record.cause = Some(cause);
        self.record.is_likely = is_likely;
        self.record.why = why;
    }

    /// What the kernel says of the time around.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.record.evidence
    }
}

/// A time for a sentence.
#[must_use]
pub fn time(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_hot::record::slow::{SlowTick, range_of};
    use tickspin_hot::stamps::Marks;

    fn clock() -> Clock {
        Clock::with_frequency(1_000_000_000)
    }

    fn spell(intended: u64, sent: u64, looked: u64, marks: [u64; 4]) -> Spell {
        let [arrival, booked, decided, end] = marks;
        let mut spell = Spell {
            root: SlowTick {
                seq: 7,
                intended,
                sent,
                looked,
                marks: Marks { arrival, booked, decided, end },
            },
            last_seq: 9,
            last_end: end,
            count: 3,
            depth: 2,
            worst_ns: end - intended,
            ..Spell::EMPTY
        };
        spell.counts[range_of(end - intended)] = 1;
        spell.counts[range_of(5_100)] += 2;
        spell
    }

    fn case(intended: u64, sent: u64, looked: u64, marks: [u64; 4]) -> Case {
        Case::new(&spell(intended, sent, looked, marks), &clock(), 0, true, 5_000)
    }

    #[test]
    fn the_longest_piece_is_found() {
        let done = |at| [at, at + 100, at + 200, at + 300];
        let lag = case(10_000, 90_000, 89_900, done(90_100));
        assert_eq!((lag.piece, lag.piece_ns), (Piece::Lag, 80_000));
        let behind = case(10_000, 10_100, 90_000, done(90_050));
        assert_eq!((behind.piece, behind.piece_ns), (Piece::Behind, 79_900));
        let away = case(10_000, 10_100, 9_000, done(90_000));
        assert_eq!((away.piece, away.piece_ns, away.began_ns), (Piece::Away, 81_000, 9_000));
        let strategy = case(10_000, 10_100, 10_090, [10_200, 10_300, 40_000, 40_100]);
        assert_eq!(strategy.piece, Piece::Stage(Cause::Strategy));
        assert_eq!((strategy.piece_ns, strategy.record.strategy_ns), (29_700, Some(29_700)));
        assert_eq!((strategy.record.response_ns, strategy.record.depth), (30_100, 2));
    }

    #[test]
    fn unstamped_stages_are_one_piece_and_not_given() {
        let spell = spell(10_000, 10_100, 10_090, [10_200, 0, 0, 40_100]);
        let case = Case::new(&spell, &clock(), 0, false, 5_000);
        assert_eq!((case.piece, case.piece_ns), (Piece::Stage(Cause::Service), 29_900));
        assert_eq!((case.record.book_ns, case.record.service_ns), (None, 29_900));
    }

    #[test]
    fn counts_lie_on_the_edges_from_the_threshold_on() {
        let edges = edges_ns(5_000);
        assert_eq!(edges[..3], [5_000, 5_120, 6_144]);
        assert_eq!(edges_ns(0)[0], 1_024);
        let case = case(10_000, 10_100, 9_000, [90_000, 90_001, 90_002, 90_003]);
        // 5,100 lies between the threshold and the first whole range, 80,003 in the one of 65,536.
        assert_eq!(case.counts[0], (0, 2));
        let (range, ticks) = case.counts[1];
        assert_eq!((edges[range], ticks), (65_536, 1));
        assert!(edges[range + 1] > 80_003 || range + 1 == edges.len());
    }

    #[test]
    fn times_read_well() {
        for (ns, text) in [
            (900, "900 ns"),
            (12_300, "12.3 us"),
            (4_560_000, "4.56 ms"),
            (12_000_000_000, "12.0 s"),
        ] {
            assert_eq!(time(ns), text);
        }
    }
}
