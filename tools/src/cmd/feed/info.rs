//! `tickspin feed info`: what a file is.

use super::walk::{Out, Walk};
use super::{Input, show};
use crate::error::Outcome;
use crate::print;
use serde::Serialize;
use std::collections::BTreeMap;
use tickspin_recording::{Facts, SessionFacts};
use tickspin_results::table::{Table, grouped};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only the first N sessions
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: String,
    container: &'a str,
    protocol: &'static str,
    packets: u64,
    messages: u64,
    /// Events that they become.
    events: u64,
    by_type: &'a BTreeMap<String, u64>,
    instruments: usize,
    sessions: Vec<Session<'a>>,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    reversals: u64,
    latency_ns: Option<Latency>,
    truncated: bool,
    skipped: u64,
    skipped_by: &'a BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Latency {
    min: i64,
    max: i64,
    negative: u64,
}

#[derive(Serialize)]
struct Session<'a> {
    id: &'a str,
    first: u64,
    last: u64,
    gaps: u64,
    missing: u64,
    restarts: u64,
    duplicates: u64,
    heartbeats: u64,
    ended: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut walk = Walk::open(&args.input)?;
    while walk.next().is_some() {}
    let facts = walk.facts();
    let outcome = walk.end();
    if args.json {
        print::json(&report(args, &walk, &facts))?;
        return outcome;
    }
    let mut out = Out::new();
    for line in text(args, &walk, &facts) {
        out.line(format_args!("{line}"))?;
    }
    out.flush()?;
    outcome
}

fn report<'a>(args: &Args, walk: &Walk, facts: &'a Facts) -> Report<'a> {
    let shown = args.limit.unwrap_or(usize::MAX);
    Report {
        schema: "tickspin.feed-info.1",
        file: args.input.file.display().to_string(),
        container: &facts.container,
        protocol: facts.protocol.name(),
        packets: facts.packets,
        messages: facts.messages,
        events: walk.events(),
        by_type: &facts.by_type,
        instruments: walk.symbols().len(),
        sessions: facts.sessions.iter().take(shown).map(session).collect(),
        first_ns: facts.first_ns,
        last_ns: facts.last_ns,
        reversals: facts.reversals,
        latency_ns: facts.latency_ns.map(|(min, max)| Latency {
            min,
            max,
            negative: facts.negative_latencies,
        }),
        truncated: facts.truncated,
        skipped: facts.skipped(),
        skipped_by: &facts.skipped_by,
    }
}

fn session(session: &SessionFacts) -> Session<'_> {
    Session {
        id: &session.id,
        first: session.first,
        last: session.last,
        gaps: session.gaps,
        missing: session.missing,
        restarts: session.restarts,
        duplicates: session.duplicates,
        heartbeats: session.heartbeats,
        ended: session.is_ended,
    }
}

fn text(args: &Args, walk: &Walk, facts: &Facts) -> Vec<String> {
    let mut lines = vec![
        format!("file       {}", args.input.file.display()),
        format!("container  {}", facts.container),
        format!("protocol   {}", facts.protocol),
    ];
    if facts.packets > 0 {
        lines.push(format!("packets    {}", grouped(facts.packets)));
    }
    lines.push(format!(
        "messages   {} ({} events, {} instruments)",
        grouped(facts.messages),
        grouped(walk.events()),
        grouped(walk.symbols().len() as u64)
    ));
    if let (Some(first), Some(last)) = (facts.first_ns, facts.last_ns) {
        lines.push(format!("time       {} to {}", show::time(first), show::time(last)));
    }
    if facts.reversals > 0 {
        lines.push(format!("reversals  {} times that run backwards", grouped(facts.reversals)));
    }
    if let Some((min, max)) = facts.latency_ns {
        lines.push(format!(
            "latency    {min} to {max} ns from the venue's clock to the recorder's, {} negative",
            grouped(facts.negative_latencies)
        ));
    }
    let mut types = Table::new(&["type", "messages"]);
    facts.by_type.iter().for_each(|(name, &n)| types.row(vec![name.clone(), grouped(n)]));
    lines.extend(types.render().lines().map(str::to_owned));
    if !facts.sessions.is_empty() {
        lines.extend(sessions(args, facts).render().lines().map(str::to_owned));
        let hidden = facts.sessions.len().saturating_sub(args.limit.unwrap_or(usize::MAX));
        if hidden > 0 {
            lines.push(format!("and {} more sessions", grouped(hidden as u64)));
        }
    }
    for (reason, &n) in &facts.skipped_by {
        lines.push(format!("skipped    {} ({reason})", grouped(n)));
    }
    if facts.truncated {
        lines.push("truncated  yes: it ends inside a record".to_owned());
    }
    lines
}

fn sessions(args: &Args, facts: &Facts) -> Table {
    let mut table =
        Table::new(&["session", "first", "last", "gaps", "missing", "restarts", "duplicates"]);
    for session in facts.sessions.iter().take(args.limit.unwrap_or(usize::MAX)) {
        let numbers = [
            session.first,
            session.last,
            session.gaps,
            session.missing,
            session.restarts,
            session.duplicates,
        ];
        let mut cells = vec![session.id.clone()];
        cells.extend(numbers.map(grouped));
        table.row(cells);
    }
    table
}
