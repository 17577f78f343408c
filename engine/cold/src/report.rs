//! What a run leaves behind: engine.json, engine.hlog and one .hgrm a stage. The same in every
//! ending.

use crate::config::Config;
use crate::ending::Ending;
use crate::error::EngineError;
use crate::events::PacketCounts;
use crate::packets::ask::AskCounts;
use crate::pinned::Finished;
use crate::plan::Plan;
use std::collections::BTreeMap;
use tickspin_host::clock::Clock;
use tickspin_hot::input::mold::{Line, LineCounts};
use tickspin_hot::orders::Unsent;
use tickspin_hot::record::counter::{COUNTERS, REFUSED_GATE_CLOSED, REFUSED_RING_FULL};
use tickspin_hot::record::{STAGES, stage};
use tickspin_hot::risk::Refusal;
use tickspin_results::hgrm;
use tickspin_results::out::{OutDir, OutError};
use tickspin_results::packets_in::{LineIn, Messages, PacketsIn, SourceIn};
use tickspin_results::summary::{ClockPart, EnginePart, NotHeld, SCHEMA, Turns};
use tickspin_results::{Histogram, Stage, slow};

/// Name of the interval log.
pub const HLOG: &str = "engine.hlog";
/// Name of the JSON object's file.
pub const JSON: &str = "engine.json";

/// Percentile text files are in nanoseconds.
const HGRM_SCALE: f64 = 1.0;

/// The stages that are counted into with these stamps, as indices of the tallies.
#[must_use]
pub fn stages(stamps: crate::config::Stamps) -> Vec<usize> {
    let inner = [stage::BOOK, stage::STRATEGY, stage::RISK_ORDER];
    let all = stamps == crate::config::Stamps::All;
    (0..STAGES.len()).filter(|index| all || !inner.contains(index)).collect()
}

/// Every file that a run may write.
#[must_use]
pub fn file_names() -> Vec<String> {
    let stages = STAGES.iter().map(|stage| format!("{stage}.hgrm"));
    [HLOG, JSON, slow::FILE].map(str::to_owned).into_iter().chain(stages).collect()
}

/// What the report is made of, beside the totals.
pub struct Facts<'a> {
    /// In force.
    pub config: &'a Config,
    /// Settled.
    pub plan: &'a Plan,
    /// Calibrated.
    pub clock: &'a Clock,
    /// Cost and step of one reading, ns.
    pub clock_cost_ns: (f64, f64),
    /// Epoch of the run.
    pub epoch: u64,
    /// Why it ended.
    pub ending: Ending,
    /// What the thread that asks for lost packets counted, where there was one.
    pub asked: Option<AskCounts>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// The clock of a run.
#[must_use]
pub fn clock_part(clock: &Clock, (read_ns, step_ns): (f64, f64)) -> ClockPart {
    ClockPart {
        read_ns,
        step_ns,
        error_ppm: clock.error_ppm(),
        ticks_per_second: clock.ticks_per_second(),
    }
}

/// The engine's part of the run's summary.
#[must_use]
pub fn part(facts: Facts<'_>, finished: &Finished, totals: &[Histogram]) -> EnginePart {
    let Facts { config, plan, clock, clock_cost_ns, epoch, ending, asked, notes } = facts;
    let packets = finished.packets.as_ref();
    let (lost, jumped) = packets.map_or((0, 0), |counts| (counts.mold.lost, counts.jumped));
    // Told as warm-up, since nobody sent them.
    let own_gaps = if packets.is_some() { finished.stats.gaps } else { 0 };
    let Finished { usage, stats, book, orders, refused, book_hash, .. } = finished;
    let refused_by = refused_by(refused, &orders.unsent);
    let named = || STAGES.iter().map(|&name| name.to_owned()).zip(totals);
    EnginePart {
        schema: SCHEMA.to_owned(),
        build: env!("TICKSPIN_BUILD").to_owned(),
        run: config.run.name.clone(),
        epoch: format!("{epoch:016x}"),
        ended: ending.to_string(),
        stamps_cost_ns: Some(finished.stamps_cost),
        strategy: config.run.strategy.name().to_owned(),
        stamps: config.run.stamps.name().to_owned(),
        clock: clock_part(clock, clock_cost_ns),
        // A gap of packets takes the numbers of all that is missing, and is no event of the feed's.
        received: stats.received() - jumped - own_gaps,
        warm_up: stats.received_warm_up.saturating_sub(own_gaps),
        // By the ring nothing is lost unnoticed: a hole in its sequence ends the run as foreign.
        lost,
        overruns: 0,
        foreign: stats.foreign,
        feed_gaps: stats.gaps,
        unknown_orders: book.unknown,
        duplicate_orders: book.duplicate,
        book_refused: book.refused(),
        orders_sent: orders.sent,
        orders_refused: refused_by.values().sum(),
        refused_by,
        reports: orders.reports,
        filled: orders.filled,
        book_hash: book_hash.clone(),
        book_instruments: finished.book_instruments,
        book_orders: book.orders,
        limits_hash: plan.limits_hash.clone(),
        usage: usage.clone(),
        turns: Turns { idle: stats.turns_idle, work: stats.turns_work() + stats.turns_report },
        latency_ns: named().map(|(name, total)| (name, total.percentiles())).collect(),
        not_held: named()
            .filter(|(_, total)| total.overflow + total.negative > 0)
            .map(|(name, &Histogram { overflow, negative, .. })| {
                (name, NotHeld { overflow, negative })
            })
            .collect(),
        slow: None,
        packets: packets.map(|counts| packets_in(config, counts, asked)),
        notes,
    }
}

fn packets_in(config: &Config, counts: &PacketCounts, asked: Option<AskCounts>) -> PacketsIn {
    let (mold, health) = (&counts.mold, &counts.health);
    let line = |(name, line): (&str, Line)| {
        let LineCounts { packets, messages, first, duplicates, skipped } = mold.line(line);
        LineIn { name: name.to_owned(), packets, messages, first, duplicates, skipped }
    };
    let lines = [("a", Line::A), ("b", Line::B), ("recovery", Line::Recovery)];
    PacketsIn {
        input: config.packets.input.name().to_owned(),
        interface: config.packets.interface.clone(),
        messages: Messages {
            passed: mold.passed,
            delivered: mold.delivered(),
            recovered: mold.recovered(),
            lost: mold.lost,
        },
        lines: lines.into_iter().map(line).collect(),
        requests: mold.requests,
        asked: asked.map_or(0, |counts| counts.sent),
        answers: asked.map_or(0, |counts| counts.answers),
        answers_dropped: asked.map_or(0, |counts| counts.dropped),
        parked: mold.parked,
        discarded: mold.broken + mold.refused + mold.late + mold.unparked,
        heartbeats: mold.heartbeats,
        sessions: mold.sessions,
        skipped: counts.skipped,
        source: SourceIn {
            received: health.received,
            foreign: health.foreign,
            malformed: health.malformed + health.truncated,
            dropped: health.dropped,
            ring_full: health.ring_full,
            fill_empty: health.fill_empty,
            invalid: health.invalid,
            errors: health.errors,
        },
    }
}

/// Refusals by cause, those that happened.
fn refused_by(
    refused: &[u64; Refusal::COUNT],
    unsent: &[u64; Unsent::COUNT],
) -> BTreeMap<String, u64> {
    let gate = refused.iter().enumerate().map(|(at, &count)| (REFUSED_GATE_CLOSED + at, count));
    let out = unsent.iter().enumerate().map(|(at, &count)| (REFUSED_RING_FULL + at, count));
    gate.chain(out)
        .filter(|(_, count)| *count > 0)
        .filter_map(|(at, count)| {
            let label = COUNTERS.get(at)?;
            Some((label.trim_start_matches("refused_").to_owned(), count))
        })
        .collect()
}

/// Comments of the interval log: what is needed to understand it alone.
#[must_use]
pub fn comments(config: &Config, plan: &Plan, clock: &ClockPart, epoch: u64) -> Vec<String> {
    let mut lines = vec![
        format!(" tickspin engine {}", env!("TICKSPIN_BUILD")),
        format!(
            " commit {}, {}, profile {}",
            env!("TICKSPIN_COMMIT"),
            env!("TICKSPIN_RUSTC"),
            env!("TICKSPIN_PROFILE")
        ),
        format!(
            " run {}, epoch {epoch:016x}, strategy {}, stamps {}, core {}, {}",
            config.run.name,
            config.run.strategy.name(),
            config.run.stamps.name(),
            plan.core,
            plan.waiting.name()
        ),
        format!(
            " clock: TSC at {} Hz, within {:.2} ppm; a reading costs {:.1} ns, steps of {:.1} ns",
            clock.ticks_per_second, clock.error_ppm, clock.read_ns, clock.step_ns
        ),
    ];
    let measured = STAGES.iter().filter_map(|name| Stage::from_name(name));
    lines.extend(measured.map(|stage| format!(" {}: {}", stage.name(), stage.meaning())));
    let host = tickspin_host::facts::Facts::read();
    lines.extend(host.pairs().into_iter().map(|(key, value)| format!(" host {key}: {value}")));
    lines
}

/// Writes engine.json and a .hgrm for each stage that has values; a stage without leaves no file,
/// an old one of it is removed.
///
/// # Errors
/// The first file that cannot be written; the others are tried all the same.
pub fn write_files(
    out: &OutDir,
    part: &EnginePart,
    totals: &[Histogram],
) -> Result<(), EngineError> {
    let mut first = None;
    let mut keep = |result: Result<(), OutError>| {
        if let Err(error) = result {
            first.get_or_insert(error);
        }
    };
    keep(out.write(JSON, json(part).as_bytes()).map(drop));
    for (stage, total) in STAGES.iter().zip(totals) {
        let name = format!("{stage}.hgrm");
        if total.values.is_empty() {
            // Only ever there with --force: refused otherwise.
            let _ = std::fs::remove_file(out.path().join(name));
        } else {
            let text = hgrm::to_string(&total.values, HGRM_SCALE);
            keep(out.write(&name, text.as_bytes()).map(drop));
        }
    }
    first.map_or(Ok(()), |error| Err(error.into()))
}

/// The JSON object with a newline.
#[must_use]
pub fn json(part: &EnginePart) -> String {
    // Strings, integers and finite floats: cannot fail.
    let mut text = serde_json::to_string_pretty(part).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_host::packets::SourceHealth;
    use tickspin_hot::book::BookStats;
    use tickspin_hot::input::mold::MoldCounts;
    use tickspin_hot::orders::OrderStats;
    use tickspin_hot::record::LoopStats;
    use tickspin_hot::spin::{Ended, Outcome};
    use tickspin_results::summary::{StampsCost, Usage};
    use tickspin_ring::tally::{Snapshot, TallySegment};

    fn finished() -> Finished {
        let mut refused = [0; Refusal::COUNT];
        refused[Refusal::Collar as usize] = 3;
        let mut unsent = [0; Unsent::COUNT];
        unsent[Unsent::RingFull as usize] = 4;
        Finished {
            thread: tickspin_host::process::ThreadUsage::default(),
            stamps_cost: StampsCost::default(),
            outcome: Outcome {
                ended: Ended::End,
                signal: 0,
                last_seq: 1_001,
                reports_complete: true,
            },
            usage: Usage { core: 1, waiting: "spin".into(), ..Usage::default() },
            stats: LoopStats {
                last_seq: 1_001,
                has_ended: true,
                received_warm_up: 10,
                ..LoopStats::default()
            },
            book: BookStats { unknown: 5, refused_levels: 2, ..BookStats::default() },
            orders: OrderStats { sent: 70, unsent, ..OrderStats::default() },
            refused,
            book_hash: "00".into(),
            book_instruments: 2,
            packets: None,
        }
    }

    /// 990 measured events: service times of 1 to 990 ns, and one that no cell holds.
    fn totals() -> Vec<Histogram> {
        let segment = TallySegment::create("engine", &STAGES).unwrap();
        let mut writer = segment.writer().unwrap();
        (1..=990).for_each(|ns| writer.record(stage::SERVICE, ns));
        writer.record(stage::SERVICE, u64::MAX);
        writer.record_negative(stage::RING_WAIT);
        let reader = segment.reader();
        let total = |index| {
            let mut snapshot = Snapshot::default();
            reader.snapshot(index, &mut snapshot);
            crate::keep::histogram(&snapshot)
        };
        (0..STAGES.len()).map(total).collect()
    }

    fn reported() -> EnginePart {
        of(&finished())
    }

    fn of(finished: &Finished) -> EnginePart {
        let config: Config = crate::layers::Layers::compiled_in().typed().unwrap();
        let plan = Plan {
            core: 1,
            cold: vec![0],
            waiting: crate::plan::Waiting::Spin,
            fifo: None,
            own_orders: 64,
            table_bytes: 0,
            limits_hash: config.risk.hash(),
            why: String::new(),
            notes: Vec::new(),
        };
        let facts = Facts {
            config: &config,
            plan: &plan,
            clock: &Clock::with_frequency(1_000_000_000),
            clock_cost_ns: (10.0, 1.0),
            epoch: 0xAB,
            ending: Ending::End,
            asked: None,
            notes: vec!["a note".into()],
        };
        part(facts, finished, &totals())
    }

    #[test]
    fn what_packets_lost_is_lost_and_not_received() {
        let mut finished = finished();
        finished.stats.gaps = 2;
        finished.stats.received_warm_up = 12;
        // Two gaps, of three messages and of four: the numbers jumped over two and over three.
        let mold = MoldCounts { passed: 1_001, lost: 7, ..MoldCounts::default() };
        let health = SourceHealth { received: 900, dropped: 1, ..SourceHealth::default() };
        finished.packets = Some(PacketCounts { mold, health, skipped: 0, jumped: 5 });
        let part = of(&finished);
        assert_eq!((part.received, part.warm_up, part.lost), (993, 10, 7));
        let packets = part.packets.unwrap();
        assert_eq!((packets.messages.lost, packets.source.dropped), (7, 1));
        assert_eq!(packets.lines.len(), 3);
    }

    #[test]
    fn the_part_says_what_was_counted() {
        let part = reported();
        assert_eq!((part.received, part.warm_up, part.unknown_orders), (1_000, 10, 5));
        assert_eq!((part.orders_sent, part.orders_refused, part.book_refused), (70, 7, 2));
        let refused: Vec<_> = part.refused_by.iter().map(|(why, n)| (why.as_str(), *n)).collect();
        assert_eq!(refused, [("collar", 3), ("ring_full", 4)]);
        assert_eq!(part.latency_ns.len(), STAGES.len(), "empty ones too");
        let service = part.latency_ns["service"];
        assert_eq!((service.count, service.p50, service.max), (990, Some(495), Some(990)));
        assert_eq!(part.latency_ns["book"].count, 0);
        assert_eq!(part.not_held["service"], NotHeld { overflow: 1, negative: 0 });
        assert_eq!(part.not_held["ring_wait"], NotHeld { overflow: 0, negative: 1 });
        assert_eq!((part.not_held.len(), part.epoch.as_str()), (2, "00000000000000ab"));
        let back: EnginePart = serde_json::from_str(&json(&part)).unwrap();
        assert_eq!(back, part);
        let text = crate::terminal::table(&part);
        for words in ["service", "collar 3, ring_full 4", "a note", "ended    end of stream"] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }

    #[test]
    fn a_stage_without_values_leaves_no_file_and_no_stale_one() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        std::fs::write(folder.path().join("book.hgrm"), "of an earlier run").unwrap();
        write_files(&out, &reported(), &totals()).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["engine.json", "service.hgrm"]);
        let names = file_names();
        assert!(names.contains(&"response.hgrm".to_owned()) && names.len() == STAGES.len() + 3);
    }

    #[test]
    fn with_end_stamps_only_the_ends_are_counted() {
        let named = |stamps| stages(stamps).into_iter().map(|at| STAGES[at]).collect::<Vec<_>>();
        assert_eq!(
            named(crate::config::Stamps::Ends),
            ["ring_wait", "tick_to_order", "service", "response"]
        );
        assert_eq!(named(crate::config::Stamps::All), STAGES);
    }
}
