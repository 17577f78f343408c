//! `tickspin feed dump`: the events of a file, one a line.
//!
//! What is printed is what the engine would see: the venue's messages after their one translation.

use super::walk::{Out, Walk, Wanted};
use super::{Input, show};
use crate::error::Outcome;
use serde::Serialize;
use tickspin_recording::Protocol;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::InstrumentId;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// Only events of this instrument: its symbol, or # and the venue's number
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Stop after N lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object a line, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: times, symbols, decimal prices
    Text,
    /// With a head line; times in ns, decimal prices
    Csv,
    /// One object a line, fields as in CSV
    Json,
}

/// Columns of [`csv`].
pub(super) const CSV_HEAD: &str = "position,exchange_ns,kind,instrument,symbol,side,px,qty,order_id,\
                                   second_id,complete,snapshot,printable";

/// Fields of one event as scripts see them. What a kind does not use is empty or missing.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    position: u64,
    exchange_ns: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instrument: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    side: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    px: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    qty: String,
    order_id: u64,
    second_id: u64,
    complete: bool,
    snapshot: bool,
    printable: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut wanted = args.symbol.as_deref().map(Wanted::new).transpose()?;
    let format = if args.json { Format::Json } else { args.format };
    let mut walk = Walk::open(&args.input)?;
    let mut out = Out::new();
    if format == Format::Csv {
        out.line(format_args!("{CSV_HEAD}"))?;
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut protocol = None;
    while left > 0 && out.is_open() {
        let Some(event) = walk.next() else { break };
        if wanted.as_mut().is_some_and(|wanted| !wanted.is(&event, &walk)) {
            continue;
        }
        left -= 1;
        let protocol = *protocol.get_or_insert_with(|| walk.facts().protocol);
        let line = line(&event, &walk, protocol);
        match format {
            Format::Text => out.line(format_args!("{}", text(&event, &line)))?,
            Format::Csv => out.line(format_args!("{}", csv(&line)))?,
            Format::Json => match serde_json::to_string(&line) {
                Ok(line) => out.line(format_args!("{line}"))?,
                Err(error) => return Err(crate::error::Failure::failed(error)),
            },
        }
    }
    out.flush()?;
    let outcome = walk.end()?;
    if let Some(wanted) = wanted
        && out.is_open()
        && left == args.limit.unwrap_or(u64::MAX)
    {
        wanted.found(&walk)?;
    }
    Ok(outcome)
}

pub(super) fn line<'a>(event: &Event, walk: &'a Walk, protocol: Protocol) -> Line<'a> {
    let is_of_one = event.instrument != InstrumentId::ALL;
    let has_qty = event
        .kind()
        .is_some_and(|kind| (kind as u8) <= Kind::Cross as u8 && !matches!(kind, Kind::Delete));
    Line {
        position: walk.position(),
        exchange_ns: event.exchange_ns,
        kind: event.kind().map_or("foreign", Kind::name),
        instrument: is_of_one.then_some(event.instrument.0),
        symbol: walk.symbols().name(event.instrument),
        side: show::side(event),
        px: show::px(event.px),
        qty: if has_qty { show::qty(event.qty.0, protocol) } else { String::new() },
        order_id: event.order_id,
        second_id: event.second_id,
        complete: event.flags & flag::COMPLETE != 0,
        snapshot: event.flags & flag::SNAPSHOT != 0,
        printable: event.flags & flag::NON_PRINTABLE == 0,
    }
}

/// `3 09:30:00.000000001 add AAPL ask 100 @ 165 order 17`
fn text(event: &Event, line: &Line<'_>) -> String {
    let mut text =
        format!("{:>9} {} {:<10}", line.position, show::time(line.exchange_ns), line.kind);
    let mut word = |word: &str| {
        if !word.is_empty() {
            text.push(' ');
            text.push_str(word);
        }
    };
    match (line.symbol, line.instrument) {
        (Some(symbol), _) => word(symbol),
        (None, Some(number)) => word(&format!("#{number}")),
        (None, None) => {}
    }
    word(line.side);
    word(&line.qty);
    if !line.px.is_empty() {
        word(&format!("@ {}", line.px));
    }
    match event.kind() {
        Some(Kind::Add | Kind::Execute | Kind::Reduce | Kind::Delete | Kind::Modify) => {
            word(&format!("order {}", line.order_id));
        }
        Some(Kind::Replace) => word(&format!("order {} by {}", line.order_id, line.second_id)),
        Some(Kind::Level | Kind::Quote) if line.order_id > 0 => {
            word(&format!("orders {}", line.order_id));
        }
        Some(Kind::Trade | Kind::Cross | Kind::Broken) => {
            word(&format!("match {}", line.second_id));
        }
        Some(Kind::Gap) => word(&format!("{} from {}", line.second_id, line.order_id)),
        Some(Kind::Status | Kind::System | Kind::Info) => {
            let byte = u8::try_from(line.order_id).ok().filter(u8::is_ascii_graphic);
            word(&byte.map_or_else(|| line.order_id.to_string(), |byte| char::from(byte).into()));
        }
        _ => {}
    }
    if !line.printable {
        word("not printable");
    }
    if line.snapshot {
        word("snapshot");
    }
    if !line.complete {
        word("…");
    }
    text
}

pub(super) fn csv(line: &Line<'_>) -> String {
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{},{}",
        line.position,
        line.exchange_ns,
        line.kind,
        line.instrument.map_or_else(String::new, |number| number.to_string()),
        line.symbol.unwrap_or(""),
        line.side,
        line.px,
        line.qty,
        line.order_id,
        line.second_id,
        u8::from(line.complete),
        u8::from(line.snapshot),
        u8::from(line.printable),
    )
}
