//! The parts joined, what a reader must know beside the numbers, and the text for a terminal.

use super::job::{FILES, Job};
use super::spans::Spans;
use super::watch::Ended;
use crate::error::{Failure, Outcome, exit, output};
use crate::print;
use serde::de::DeserializeOwned;
use std::fs;
use tickspin_host::facts::Facts;
use tickspin_results::packets_in::PacketsIn;
use tickspin_results::packets_out::PacketsOut;
use tickspin_results::summary::{EnginePart, FeedPart, Summary, Usage};
use tickspin_results::table::{Floors, grouped, latency};

/// What a run came to.
pub(super) struct Report {
    summary: Option<Summary>,
    /// Lines for standard error.
    complaints: Vec<String>,
    code: u8,
}

impl Report {
    /// Reads both parts, joins them, adds what only this process knows, and decides the exit code.
    pub(super) fn new(job: &Job<'_>, spans: &Spans, ended: &Ended) -> Report {
        let mut complaints = ended.complaints.clone();
        let mut code = ended.code;
        let parts = part::<FeedPart>(job, FILES[1])
            .and_then(|feed| Ok((feed, part::<EnginePart>(job, FILES[2])?)))
            .and_then(|(feed, engine)| joined(&feed, &engine).map(|()| (feed, engine)));
        let summary = match parts {
            Ok((feed, engine)) => {
                let mut summary = Summary::join(&feed, &engine);
                summary.host = crate::host::facts(&Facts::read())
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect();
                spans.add_to(&mut summary);
                let own_cpu = ended.own_cpu_ns.to_string();
                summary.settings.insert("tickspin_cpu_ns".to_owned(), own_cpu);
                if summary.events.received > 0 && summary.events.received == summary.events.warm_up
                {
                    summary.notes.push(
                        "nothing was measured: every event was warm-up or lay before --from; see \
                         --warm-up"
                            .to_owned(),
                    );
                }
                summary.notes.extend(job.road.as_ref().map(|road| road.line(job.args.over)));
                summary.notes.extend(spoilt("feed", &feed.usage));
                summary.notes.extend(spoilt("engine", &engine.usage));
                if let Err(line) = summary.accounted() {
                    complaints.push(line);
                    code = if code == exit::OK { exit::FAILURE } else { code };
                }
                Some(summary)
            }
            Err(line) => {
                complaints.push(format!("no summary: {line}"));
                code = if code == exit::OK { exit::FAILURE } else { code };
                None
            }
        };
        if ended.signal != 0 && [exit::OK, exit::SIGINT, exit::SIGTERM].contains(&code) {
            code = exit::of_signal(ended.signal);
        }
        Report { summary, complaints, code }
    }

    /// Writes `summary.json`, prints, and gives the exit code.
    ///
    /// # Errors
    /// The file or standard output could not be written.
    pub(super) fn print(&self, job: &Job<'_>) -> Outcome {
        if let Some(summary) = &self.summary {
            let mut bytes = serde_json::to_vec_pretty(summary)
                .map_err(|error| Failure::failed(format_args!("{}: {error}", FILES[0])))?;
            bytes.push(b'\n');
            job.out.write(FILES[0], &bytes).map_err(|error| output(&error))?;
            if job.args.json {
                print::json(summary)?;
            } else {
                print::out(&text(summary))?;
                print::out(&format!("files: {}\n", job.out.path().display()))?;
            }
        }
        for line in &self.complaints {
            print::complain(line);
        }
        Ok(self.code)
    }
}

fn part<T: DeserializeOwned>(job: &Job<'_>, name: &str) -> Result<T, String> {
    let path = job.out.path().join(name);
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// Both parts are of this very run.
fn joined(feed: &FeedPart, engine: &EnginePart) -> Result<(), String> {
    if feed.epoch == engine.epoch {
        return Ok(());
    }
    Err(format!("the parts are of two runs: epoch {} and {}", feed.epoch, engine.epoch))
}

/// What the host did to a pinned thread, where it did something.
fn spoilt(who: &str, usage: &Usage) -> Vec<String> {
    let mut notes = Vec::new();
    if usage.steal_ns > 0 {
        notes.push(format!(
            "the hypervisor took core {} from the {who} for {} ms",
            usage.core,
            grouped(usage.steal_ns / 1_000_000)
        ));
    }
    if usage.involuntary_switches > 0 {
        notes.push(format!(
            "the {who}'s thread was taken off core {} {} times",
            usage.core,
            grouped(usage.involuntary_switches)
        ));
    }
    if usage.minor_faults + usage.major_faults > 0 {
        let faults = grouped(usage.minor_faults + usage.major_faults);
        notes.push(format!("the {who}'s thread took {faults} page faults"));
    }
    notes
}

/// The report for a terminal.
fn text(summary: &Summary) -> String {
    let mut lines = vec![format!("{}; {}", summary.source, summary.ended)];
    let per_second = |rate: f64| format!("{}/s", grouped(rate as u64));
    lines.push(format!(
        "rate: {}, {} got",
        summary.rate.target.map_or_else(
            || "none asked for".to_owned(),
            |rate| format!("{} asked for", per_second(rate))
        ),
        summary.rate.achieved.map_or_else(|| "-".to_owned(), per_second),
    ));
    if let Some(certificate) = &summary.certificate {
        lines.extend(certificate.lines().map(|line| format!("pace: {line}")));
    }
    lines.push(String::new());
    let floors = Floors::new(&summary.clock, summary.offset.as_ref());
    lines.push(latency(&summary.latency_ns, &floors));
    lines.push(floors.meaning());
    lines.extend(measurement(summary));
    let ns = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"));
    let place = |place: &Option<String>| place.clone().unwrap_or_else(|| "-".to_owned());
    lines.push(format!(
        "floor on these cores, ns: one way {}, round trip {}; the ring alone one way {}; placement \
         {} before, {} after",
        ns(summary.floor_ns.one_way),
        ns(summary.floor_ns.round_trip),
        ns(summary.ring_one_way_ns.p50),
        place(&summary.placement.before),
        place(&summary.placement.after),
    ));
    let events = &summary.events;
    lines.push(format!(
        "events: {} sent, {} received, {} lost, {} overrun; {} of them warm-up, {} about unknown \
         orders",
        grouped(events.sent),
        grouped(events.received),
        grouped(events.lost),
        grouped(events.overruns),
        grouped(events.warm_up),
        grouped(events.unknown_orders),
    ));
    let orders = &summary.orders;
    lines.push(format!(
        "orders: {} sent, {} received, {} acknowledged, {} fills, {} rejected, {} refused; hash {}",
        grouped(orders.sent),
        grouped(orders.received),
        grouped(orders.acknowledged),
        grouped(orders.filled),
        grouped(orders.rejected),
        grouped(orders.refused),
        orders.hash.as_deref().unwrap_or("- (lock-step only)"),
    ));
    lines.push(format!(
        "books: {} instruments, {} orders; hash {}",
        grouped(summary.book.instruments),
        grouped(summary.book.orders),
        summary.book.hash,
    ));
    for (name, words) in summary.packets_out.iter().flat_map(PacketsOut::text) {
        lines.push(format!("sent, {name}: {words}"));
    }
    for (name, words) in summary.packets_in.iter().flat_map(PacketsIn::text) {
        lines.push(format!("taken, {name}: {words}"));
    }
    lines.push(spinner("feed", &summary.feed.usage, summary.feed.turn_p99_ns));
    lines.push(spinner("engine", &summary.engine, None));
    if let Some(slow) = &summary.slow {
        let measured = events.received - events.warm_up.min(events.received);
        lines.extend(slow.lines(measured).into_iter().map(|line| format!("slow: {line}")));
    }
    for (stage, held) in &summary.not_held {
        if held.overflow + held.negative > 0 {
            lines.push(format!(
                "{stage}: {} negative and {} too large, counted apart",
                grouped(held.negative),
                grouped(held.overflow)
            ));
        }
    }
    lines.extend(summary.notes.iter().map(|note| format!("note: {note}")));
    lines.push(String::new());
    lines.join("\n")
}

/// What the numbers above are worth: clock, stamps, the two counters, the idle cores.
fn measurement(summary: &Summary) -> Vec<String> {
    let clock = &summary.clock;
    let stamps = summary.stamps_cost_ns.map_or_else(String::new, |cost| {
        format!(
            "; stamping costs a tick {:.1} ns, both ends alone {:.1} ns",
            cost.all_ns, cost.ends_ns
        )
    });
    let mut lines = vec![format!(
        "clock: a reading {:.1} ns, steps of {:.1} ns, within {:.2} ppm{stamps}",
        clock.read_ns, clock.step_ns, clock.error_ppm
    )];
    if let Some(offset) = &summary.offset {
        lines.push(format!(
            "counters: the engine's core {:+.0} to {:+.0} ns against the feed's",
            offset.low_ns, offset.high_ns
        ));
    }
    if !summary.idle_control.is_empty() {
        let cores: Vec<String> = summary
            .idle_control
            .iter()
            .map(|idle| {
                format!(
                    "core {} lost {:.3} % in {} gaps of 1 us or more, longest {} ns",
                    idle.core,
                    idle.lost_ns as f64 / idle.ran_ns.max(1) as f64 * 100.0,
                    grouped(idle.gaps),
                    grouped(idle.longest_ns)
                )
            })
            .collect();
        lines.push(format!("idle control, before the run: {}", cores.join("; ")));
    }
    lines
}

fn spinner(who: &str, usage: &Usage, turn_p99_ns: Option<u64>) -> String {
    let turn = turn_p99_ns.map(|ns| format!("turn p99 {} ns, ", grouped(ns))).unwrap_or_default();
    format!(
        "{who} on core {} ({}): {turn}largest gap {} ns, {} page faults, {} involuntary switches, \
         steal {} ms, other threads {} ms",
        usage.core,
        usage.waiting,
        grouped(usage.largest_gap_ns),
        grouped(usage.minor_faults + usage.major_faults),
        grouped(usage.involuntary_switches),
        grouped(usage.steal_ns / 1_000_000),
        grouped(usage.cold_cpu_ns / 1_000_000),
    )
}
