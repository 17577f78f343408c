//! `tickspin feed book`: a whole book at one moment.

use super::bbo::is_next_session;
use super::walk::{Out, Walk, Wanted};
use super::{Input, show};
use crate::error::{Failure, Outcome};
use crate::print;
use serde::Serialize;
use tickspin_recording::place::{Bound, Place};
use tickspin_recording::tree_book::Level;
use tickspin_recording::{Protocol, TreeBook};
use tickspin_results::table::{Table, grouped};
use tickspin_wire::event::Kind;
use tickspin_wire::num::{InstrumentId, Px, Side};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// The instrument: its symbol, or # and the venue's number; without it all that have levels
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// When: END, a time (HH:MM[:SS[.f]], a date as 2024-05-08T13:30:00Z, venue nanoseconds), or # and
    /// the position of a message (as `feed dump` shows it); what happens then is in the book
    #[arg(long, value_name = "MOMENT", default_value = "END")]
    at: String,
    /// At the end of the Nth session of the file, counted from 1 (a restart begins a new one)
    #[arg(long, value_name = "N", conflicts_with = "at")]
    session: Option<usize>,
    /// Only the best N levels of each side
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Bids beside asks, decimal prices
    Table,
    /// One object
    Json,
    /// `SYMBOL|px:sz;…|px:sz;…`, bids from the highest, asks from the lowest, venue's integers
    Canonical,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    position: u64,
    exchange_ns: u64,
    books: Vec<Sides>,
}

#[derive(Serialize)]
struct Sides {
    symbol: String,
    instrument: u16,
    bids: Vec<JsonLevel>,
    asks: Vec<JsonLevel>,
}

#[derive(Serialize)]
struct JsonLevel {
    px: String,
    qty: String,
    orders: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let moment = moment(&args.at)?;
    let mut wanted = args.symbol.as_deref().map(Wanted::new).transpose()?;
    let mut walk = Walk::open(&args.input)?;
    let mut book = TreeBook::default();
    let (mut at, mut ns) = (0, 0);
    let mut last = None;
    let (mut session, mut begun) = (1, false);
    while let Some(event) = walk.next() {
        if let (Some(moment), None) = (moment, last) {
            let settled = Bound::settle(moment, event.exchange_ns);
            last = Some(settled.map_err(|rule| Failure::usage(format_args!("--at: {rule}")))?);
        }
        let is_behind = match last {
            Some(Bound::Time(last_ns)) => event.exchange_ns > last_ns,
            Some(Bound::Index(last)) => walk.position() > last,
            None => false,
        };
        // The books of a session end where the next one clears them.
        let is_cleared = event.kind() == Some(Kind::Clear)
            && event.instrument == InstrumentId::ALL
            && begun
            && args.session == Some(session);
        if is_behind || is_cleared {
            break;
        }
        if is_next_session(&event, &mut begun) {
            session += 1;
            if args.session.is_some_and(|only| session > only) {
                break;
            }
        }
        (at, ns) = (walk.position(), event.exchange_ns);
        if let Some(wanted) = &mut wanted {
            wanted.is(&event, &walk);
        }
        book.apply(&event);
    }
    let outcome = walk.end();
    let instruments = match &wanted {
        Some(wanted) => vec![wanted.found(&walk)?],
        None => all(&walk, &book),
    };
    let protocol = walk.facts().protocol;
    match (args.json, args.format) {
        (true, _) | (_, Format::Json) => {
            let books = instruments.iter().map(|&i| sides(args, &walk, &book, i, protocol));
            print::json(&Report {
                schema: "tickspin.feed-book.1",
                position: at,
                exchange_ns: ns,
                books: books.collect(),
            })?;
        }
        (_, format) => {
            let mut out = Out::new();
            for &instrument in &instruments {
                let text = match format {
                    Format::Canonical => canonical(args, &walk, &book, instrument, protocol),
                    _ => table(args, &walk, &book, instrument, protocol),
                };
                out.line(format_args!("{text}"))?;
            }
            out.flush()?;
        }
    }
    outcome
}

/// `None`: the end.
fn moment(at: &str) -> Result<Option<Place>, Failure> {
    if at.eq_ignore_ascii_case("END") {
        return Ok(None);
    }
    let place = Place::parse(at);
    place.map(Some).map_err(|rule| Failure::usage(format_args!("--at {at}: END, or {rule}")))
}

/// Instruments that have or had a level, by name.
fn all(walk: &Walk, book: &TreeBook) -> Vec<InstrumentId> {
    let mut all: Vec<_> = book.instruments().map(|i| (name(walk, i), i)).collect();
    all.sort();
    all.into_iter().map(|(_, instrument)| instrument).collect()
}

fn name(walk: &Walk, instrument: InstrumentId) -> String {
    let name = walk.symbols().name(instrument);
    name.map_or_else(|| format!("#{}", instrument.0), str::to_owned)
}

fn levels(args: &Args, book: &TreeBook, of: InstrumentId, side: Side) -> Vec<(Px, Level)> {
    book.levels(of, side).take(args.limit.unwrap_or(usize::MAX)).collect()
}

fn sides(args: &Args, walk: &Walk, book: &TreeBook, of: InstrumentId, protocol: Protocol) -> Sides {
    let side = |side| {
        let levels = levels(args, book, of, side).into_iter();
        levels
            .map(|(px, level)| JsonLevel {
                px: show::px(px),
                qty: show::qty(level.qty, protocol),
                orders: level.orders,
            })
            .collect()
    };
    let (bids, asks) = (side(Side::Bid), side(Side::Ask));
    Sides { symbol: name(walk, of), instrument: of.0, bids, asks }
}

fn canonical(
    args: &Args,
    walk: &Walk,
    book: &TreeBook,
    of: InstrumentId,
    protocol: Protocol,
) -> String {
    let side = |side| {
        let levels = levels(args, book, of, side).into_iter();
        let levels =
            levels.map(|(px, level)| format!("{}:{}", show::venue_px(px, protocol), level.qty));
        levels.collect::<Vec<_>>().join(";")
    };
    format!("{}|{}|{}", name(walk, of), side(Side::Bid), side(Side::Ask))
}

fn table(
    args: &Args,
    walk: &Walk,
    book: &TreeBook,
    of: InstrumentId,
    protocol: Protocol,
) -> String {
    let (bids, asks) = (levels(args, book, of, Side::Bid), levels(args, book, of, Side::Ask));
    let mut table = Table::new(&["orders", "bid qty", "bid", "ask", "ask qty", "orders"]);
    for row in 0..bids.len().max(asks.len()) {
        let cells = |levels: &[(Px, Level)]| {
            levels.get(row).map_or_else(Default::default, |(px, level)| {
                [show::px(*px), show::qty(level.qty, protocol), grouped(level.orders)]
            })
        };
        let ([bid, bid_qty, bid_orders], [ask, ask_qty, ask_orders]) = (cells(&bids), cells(&asks));
        table.row(vec![bid_orders, bid_qty, bid, ask, ask_qty, ask_orders]);
    }
    let count = |levels: &[_]| grouped(levels.len() as u64);
    let head = format!("{}: {} bids, {} asks", name(walk, of), count(&bids), count(&asks));
    format!("{head}\n{}", table.render().trim_end())
}
