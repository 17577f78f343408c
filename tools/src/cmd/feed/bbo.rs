//! `tickspin feed bbo`: best bid and offer of one instrument.
//!
//! A line stands wherever the venue's own event is complete: after each order message (ITCH, DEEP+,
//! LOBSTER), after each level update that completes (DEEP), each quote (TOPS), each record with the
//! flag LAST (DBN), each applied depth update (Binance). An empty side is 0.
//!
//! `--format canonical`, for hashes: integers in the venue's unit, no head line.
//!
//! | protocol | columns |
//! |---|---|
//! | ITCH, LOBSTER, DEEP+, DBN, ours | `position,ts_ns,bid_px,bid_sz,bid_ct,ask_px,ask_sz,ask_ct` |
//! | DEEP, TOPS | `ts_ns,bid_px,bid_sz,ask_px,ask_sz` |
//! | TOPS with `--flags` | `ts_ns,flags,bid_px,bid_sz,ask_px,ask_sz` |
//! | Binance | `u,bid_px,bid_qty,ask_px,ask_qty` |
//!
//! `--changes` keeps a line only where its book values differ from the last such line.

use super::walk::{Out, Walk, Wanted};
use super::{Input, show};
use crate::error::Outcome;
use tickspin_recording::tree_book::Level;
use tickspin_recording::{Protocol, TreeBook};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::Px;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// The instrument: its symbol, or # and the venue's number
    #[arg(long, value_name = "SYMBOL")]
    symbol: String,
    /// Only lines whose book values differ from the line before
    #[arg(long)]
    changes: bool,
    /// Only the Nth session of the file, counted from 1 (a restart begins a new one)
    #[arg(long, value_name = "N")]
    session: Option<usize>,
    /// TOPS, canonical: the quote's flags behind the time
    #[arg(long)]
    flags: bool,
    /// Stop after N lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object a line, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With a head line; decimal prices
    Csv,
    /// One object a line, fields as in CSV
    Json,
    /// Integers in the venue's unit, no head line: what is hashed
    Canonical,
}

/// Price, quantity and orders of the best bid and ask; zeros where a side is empty.
type Best = [(Px, Level); 2];

pub(super) fn run(args: &Args) -> Outcome {
    let mut wanted = Wanted::new(&args.symbol)?;
    let format = if args.json { Format::Json } else { args.format };
    let mut walk = Walk::open(&args.input)?;
    let mut out = Out::new();
    if format == Format::Csv {
        out.line(format_args!(
            "position,exchange_ns,bid_px,bid_qty,bid_orders,ask_px,ask_qty,ask_orders"
        ))?;
    }
    let mut book = TreeBook::default();
    let mut last: Option<Best> = None;
    let (mut session, mut begun) = (1, false);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut protocol = None;
    while left > 0 && out.is_open() {
        let Some(event) = walk.next() else { break };
        if is_next_session(&event, &mut begun) {
            session += 1;
            last = None;
        }
        let is_wanted = wanted.is(&event, &walk);
        // One book is enough; orders of others would only take memory. Clears are for all.
        if is_wanted || event.kind() == Some(Kind::Clear) {
            book.apply(&event);
        }
        let protocol = *protocol.get_or_insert_with(|| walk.facts().protocol);
        if !is_wanted
            || !is_line(&event, protocol)
            || args.session.is_some_and(|only| only != session)
        {
            continue;
        }
        let best =
            book.best(event.instrument).map(|best| best.unwrap_or((Px::NONE, Level::default())));
        if args.changes && last.replace(best) == Some(best) {
            continue;
        }
        left -= 1;
        let at = (walk.position(), event.exchange_ns);
        match format {
            Format::Canonical if args.flags && protocol == Protocol::Tops16 => {
                let line = canonical(at, &best, protocol);
                let (ns, rest) = line.split_once(',').unwrap_or((&line, ""));
                out.line(format_args!("{ns},{},{rest}", event.second_id))?;
            }
            Format::Canonical => out.line(format_args!("{}", canonical(at, &best, protocol)))?,
            Format::Csv => out.line(format_args!("{}", csv(at, &best, protocol)))?,
            Format::Json => out.line(format_args!("{}", json(at, &best, protocol)))?,
        }
    }
    out.flush()?;
    let outcome = walk.end()?;
    if out.is_open() {
        wanted.found(&walk)?;
    }
    Ok(outcome)
}

/// Whether a session begins that is not the recording's first. Some recordings announce their first,
/// others just begin.
pub(super) fn is_next_session(event: &Event, has_begun: &mut bool) -> bool {
    match event.kind() {
        Some(Kind::SessionStart) => std::mem::replace(has_begun, true),
        Some(Kind::Definition | Kind::Clear) | None => false,
        Some(_) => {
            *has_begun = true;
            false
        }
    }
}

/// Whether the venue's event that ends here gives a line.
fn is_line(event: &Event, protocol: Protocol) -> bool {
    let is_complete = event.flags & flag::COMPLETE != 0;
    let Some(kind) = event.kind() else { return false };
    let changes_books = kind as u8 <= Kind::Quote as u8;
    is_complete
        && match protocol {
            Protocol::Dbn | Protocol::Tape | Protocol::Unknown => {
                (kind as u8) < Kind::Clear as u8 || kind == Kind::Clear
            }
            Protocol::Binance => {
                event.flags & flag::SNAPSHOT == 0
                    && (kind == Kind::Level
                        || (kind == Kind::Info && event.order_id == u64::from(b'd')))
            }
            _ => changes_books,
        }
}

fn canonical((position, ns): (u64, u64), best: &Best, protocol: Protocol) -> String {
    let [(bid, bids), (ask, asks)] = best;
    let px = |px: &Px| show::venue_px(*px, protocol);
    match protocol {
        Protocol::Deep10 | Protocol::Tops16 => {
            format!("{ns},{},{},{},{}", px(bid), bids.qty, px(ask), asks.qty)
        }
        Protocol::Binance => {
            format!("{position},{},{},{},{}", px(bid), bids.qty, px(ask), asks.qty)
        }
        _ => format!(
            "{position},{ns},{},{},{},{},{},{}",
            px(bid),
            bids.qty,
            bids.orders,
            px(ask),
            asks.qty,
            asks.orders
        ),
    }
}

/// Decimal price, quantity, orders; empty cells where the side is.
fn cells((px, level): &(Px, Level), protocol: Protocol) -> [String; 3] {
    if !px.is_some() {
        return [String::new(), String::new(), String::new()];
    }
    [show::px(*px), show::qty(level.qty, protocol), level.orders.to_string()]
}

fn csv((position, ns): (u64, u64), best: &Best, protocol: Protocol) -> String {
    let [bid, ask] = best.each_ref().map(|side| cells(side, protocol).join(","));
    format!("{position},{ns},{bid},{ask}")
}

fn json((position, ns): (u64, u64), best: &Best, protocol: Protocol) -> String {
    let side = |name: &str, side: &(Px, Level)| {
        let [px, qty, orders] = cells(side, protocol);
        match px.is_empty() {
            true => format!("\"{name}\":null"),
            false => {
                format!("\"{name}\":{{\"px\":\"{px}\",\"qty\":\"{qty}\",\"orders\":{orders}}}")
            }
        }
    };
    let [bid, ask] = best;
    format!(
        "{{\"position\":{position},\"exchange_ns\":{ns},{},{}}}",
        side("bid", bid),
        side("ask", ask)
    )
}
