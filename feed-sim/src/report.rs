//! What a run leaves behind: feed.json, a `.hgrm` a stage, and the lines on the terminal.

use crate::config::Config;
use crate::error::SimError;
use crate::pace::Speed;
use crate::plan::Plan;
use crate::record::TALLIES;
use crate::source::synth;
use crate::spin::Outcome;
use std::collections::BTreeMap;
use tickspin_host::clock::Clock;
use tickspin_results::out::{OutDir, OutError};
use tickspin_results::summary::{ClockPart, NotHeld, Rate, SCHEMA, Usage};
use tickspin_results::table::{Floors, grouped, latency};
use tickspin_results::{Certificate, FeedPart, Histogram, Stage, hgrm};

/// The part of the summary.
pub const JSON: &str = "feed.json";
/// The interval log.
pub const HLOG: &str = "feed.hlog";
/// Percentile tables are in nanoseconds.
const HGRM_SCALE: f64 = 1.0;

/// Tallies that are stages of the run, with their table's file name.
fn stages() -> impl Iterator<Item = (usize, String)> {
    let is_stage = |name: &str| Stage::from_name(name).is_some();
    TALLIES
        .into_iter()
        .enumerate()
        .filter(move |(_, name)| is_stage(name))
        .map(|(index, name)| (index, format!("{name}.hgrm")))
}

/// Files that a run writes.
#[must_use]
pub fn file_names() -> Vec<String> {
    let fixed = [JSON, HLOG].map(str::to_owned);
    fixed.into_iter().chain(stages().map(|(_, name)| name)).collect()
}

/// What was known before the run.
pub struct Facts<'a> {
    /// In force.
    pub config: &'a Config,
    /// Settled.
    pub plan: &'a Plan,
    /// Of both stamps.
    pub clock: &'a Clock,
    /// What a reading costs, and its step, ns.
    pub clock_cost_ns: (f64, f64),
    /// Of the run.
    pub epoch: u64,
    /// A synthetic market, not a file.
    pub is_synth: bool,
}

impl Facts<'_> {
    /// The clock of the run.
    #[must_use]
    pub fn clock_part(&self) -> ClockPart {
        let (read_ns, step_ns) = self.clock_cost_ns;
        let (error_ppm, ticks_per_second) = (self.clock.error_ppm(), self.clock.ticks_per_second());
        ClockPart { read_ns, step_ns, error_ppm, ticks_per_second }
    }

    /// Events a second asked for; `None` at full speed and at the recorded pace.
    #[must_use]
    pub fn target(&self) -> Option<f64> {
        let rate = self.config.rate.or(self.is_synth.then_some(synth::RATE_DEFAULT))?;
        match self.config.speed {
            Speed::Max => None,
            Speed::Times(times) => Some(rate * times),
        }
    }

    /// Comments of the interval log: what is needed to understand it alone.
    #[must_use]
    pub fn comments(&self, source: &str) -> Vec<String> {
        let clock = self.clock_part();
        let mut lines = vec![
            format!(" tickspin feed-sim {}", env!("TICKSPIN_BUILD")),
            format!(
                " commit {}, {}, profile {}",
                env!("TICKSPIN_COMMIT"),
                env!("TICKSPIN_RUSTC"),
                env!("TICKSPIN_PROFILE")
            ),
            format!(
                " run {}, epoch {:016x}, policy {}, core {}, {}",
                self.config.name,
                self.epoch,
                self.config.policy_name(),
                self.plan.core,
                self.plan.waiting.name()
            ),
            format!(" source: {source}"),
            format!(
                " clock: TSC at {} Hz, within {:.2} ppm; a reading costs {:.1} ns, steps of {:.1} ns",
                clock.ticks_per_second, clock.error_ppm, clock.read_ns, clock.step_ns
            ),
        ];
        let measured = TALLIES.into_iter().filter_map(Stage::from_name);
        lines.extend(measured.map(|stage| format!(" {}: {}", stage.name(), stage.meaning())));
        lines.extend(self.config.packets.as_ref().map(|packets| format!(" {packets}")));
        lines.push(" turn: one turn of the pinned loop: how fine its clock of arrival is".into());
        let host = tickspin_host::facts::Facts::read();
        lines.extend(host.pairs().into_iter().map(|(key, value)| format!(" host {key}: {value}")));
        lines
    }
}

/// The feed's part of the run's summary. `ended` and `truncated` are the ending's words.
#[must_use]
pub fn part(
    facts: &Facts<'_>,
    outcome: &Outcome,
    usage: Usage,
    totals: &[Histogram],
    (ended, truncated): (String, Option<String>),
    notes: Vec<String>,
) -> FeedPart {
    let Outcome { sink, session, source, .. } = outcome;
    let measured_ns =
        outcome.measured.map_or(0, |(first, last)| facts.clock.ns(last.saturating_sub(first)));
    let measured = sink.published - sink.warm_up;
    let achieved =
        (measured > 1 && measured_ns > 0).then(|| (measured - 1) as f64 * 1e9 / measured_ns as f64);
    let certificate =
        Certificate::of(&outcome.pace, facts.target().or(outcome.schedule_rate), achieved);
    let named = || TALLIES.iter().map(|&name| name.to_owned()).zip(totals);
    let latency_ns: BTreeMap<_, _> =
        named().map(|(name, total)| (name, total.percentiles())).collect();
    FeedPart {
        schema: SCHEMA.to_owned(),
        build: env!("TICKSPIN_BUILD").to_owned(),
        run: facts.config.name.clone(),
        epoch: format!("{:016x}", facts.epoch),
        source: source.line.clone(),
        ended,
        policy: facts.config.policy_name().to_owned(),
        clock: facts.clock_part(),
        rate: Rate { target: facts.target(), achieved },
        measured_ns,
        sent: sink.published + sink.dropped,
        warm_up: sink.warm_up,
        dropped: sink.dropped,
        lag_saturated: sink.lag_saturated,
        reversals: source.reversals,
        skipped: source.skipped,
        truncated,
        full_turns: outcome.full_turns,
        starved_turns: outcome.starved_turns,
        certificate,
        recording: source.recording.clone(),
        packets: outcome.packets.clone(),
        requests: session.requests,
        foreign: session.foreign,
        // A replacement stands as an acknowledged order does.
        acknowledged: session.acknowledged + session.replaced,
        filled: session.filled,
        rejected: session.rejected,
        cancelled: session.cancelled,
        orders_hash: outcome.orders_hash.clone(),
        turn_p99_ns: latency_ns.get("turn").and_then(|turn| turn.p99),
        usage,
        not_held: named()
            .filter(|(_, total)| total.overflow + total.negative > 0)
            .map(|(name, &Histogram { overflow, negative, .. })| {
                (name, NotHeld { overflow, negative })
            })
            .collect(),
        latency_ns,
        notes,
    }
}

/// Writes feed.json and a .hgrm for each stage that has values; a stage without leaves no file,
/// an old one of it is removed.
///
/// # Errors
/// The first file that cannot be written; the others are tried all the same.
pub fn write_files(out: &OutDir, part: &FeedPart, totals: &[Histogram]) -> Result<(), SimError> {
    let mut first = None;
    let mut keep = |result: Result<(), OutError>| {
        if let Err(error) = result {
            first.get_or_insert(error);
        }
    };
    keep(out.write(JSON, json(part).as_bytes()).map(drop));
    for (index, name) in stages() {
        match totals.get(index) {
            Some(total) if !total.values.is_empty() => {
                let text = hgrm::to_string(&total.values, HGRM_SCALE);
                keep(out.write(&name, text.as_bytes()).map(drop));
            }
            _ => {
                // Only ever there with --force: refused otherwise.
                let _ = std::fs::remove_file(out.path().join(name));
            }
        }
    }
    first.map_or(Ok(()), |error| Err(error.into()))
}

/// The JSON object with a newline.
#[must_use]
pub fn json(part: &FeedPart) -> String {
    // Strings, integers and finite floats: cannot fail.
    serde_json::to_string_pretty(part).unwrap_or_default() + "\n"
}

/// The table and the counts, for the terminal.
#[must_use]
pub fn table(part: &FeedPart) -> String {
    let usage = &part.usage;
    let floors = Floors::new(&part.clock, None);
    let mut text = latency(&part.latency_ns, &floors);
    text.push_str(&format!("{}\n\n", floors.meaning()));
    let mut line = |name: &str, line: String| text.push_str(&format!("{name:<8} {line}\n"));
    line(
        "events",
        format!(
            "sent {}, of these warm-up {}, dropped {}; full turns {}, lags that did not fit {}, \
             times that ran backwards {}, skipped {}",
            grouped(part.sent),
            grouped(part.warm_up),
            grouped(part.dropped),
            grouped(part.full_turns),
            grouped(part.lag_saturated),
            grouped(part.reversals),
            grouped(part.skipped)
        ),
    );
    if let Some(certificate) = &part.certificate {
        certificate.lines().into_iter().for_each(|text| line("pace", text));
    }
    let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| grouped(rate as u64));
    line(
        "rate",
        format!(
            "target {}, achieved {} events/s",
            rate(part.rate.target),
            rate(part.rate.achieved)
        ),
    );
    line(
        "orders",
        format!(
            "requests {}, acknowledged {}, filled {}, rejected {}, cancelled {}, foreign {}",
            grouped(part.requests),
            grouped(part.acknowledged),
            grouped(part.filled),
            grouped(part.rejected),
            grouped(part.cancelled),
            grouped(part.foreign)
        ),
    );
    line(
        "thread",
        format!(
            "core {}, {}: faults {} minor {} major, switches {} involuntary {} voluntary, steal {} \
             ms, largest gap {} ns, turn p99 {} ns",
            usage.core,
            usage.waiting,
            grouped(usage.minor_faults),
            grouped(usage.major_faults),
            grouped(usage.involuntary_switches),
            grouped(usage.voluntary_switches),
            usage.steal_ns / 1_000_000,
            grouped(usage.largest_gap_ns),
            part.turn_p99_ns.map_or("-".to_owned(), grouped)
        ),
    );
    if let Some(packets) = &part.packets {
        packets.text().into_iter().for_each(|(name, text)| line(name, text));
    }
    line("ended", part.ended.clone());
    part.notes.iter().for_each(|note| line("note", note.clone()));
    text
}
