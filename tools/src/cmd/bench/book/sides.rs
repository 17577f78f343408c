//! What is measured: five ways through the same bytes, and the check that three of them agree.

use crate::error::Failure;
use std::collections::HashSet;
use std::fmt;
use std::hint::black_box;
use std::time::Instant;
use tickspin_host::memory::Table;
use tickspin_host::process;
use tickspin_hot::book::{
    Ahead, Book, BookMemory, BookSize, InstrumentSlot, Level, OrderSlot, Top,
};
use tickspin_hot::decode::check;
use tickspin_recording::TreeBook;
use tickspin_wire::binaryfile::Records;
use tickspin_wire::event::Kind;
use tickspin_wire::itch50::{
    AddOrder, AddOrderMpid, Header, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace,
};
use tickspin_wire::normalize::itch_event;
use tickspin_wire::num::{InstrumentId, Px, Qty};

/// A way through the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Walk,
    Decode,
    Book,
    BookNoLookahead,
    Naive,
}

/// In the order in which they take turns.
pub(super) const SIDES: [Side; 5] =
    [Side::Walk, Side::Decode, Side::Book, Side::BookNoLookahead, Side::Naive];

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Walk => "walk",
            Side::Decode => "decode",
            Side::Book => "book",
            Side::BookNoLookahead => "book_no_lookahead",
            Side::Naive => "naive",
        }
    }
}

/// What books must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Events about orders that are not in the book.
    pub(super) unknown: u64,
    /// Orders at the end.
    pub(super) live: u64,
    /// Best prices and quantities of all instruments at the end, hashed.
    pub(super) tops: u64,
    /// Orders and levels that found no room.
    refused: u64,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { unknown, live, tops, refused } = self;
        write!(f, "{live} live orders, {unknown} unknown, {refused} refused, tops {tops:016x}")
    }
}

/// What a pass of the naive twin found.
pub(super) struct Survey {
    pub(super) check: Check,
    pub(super) live_orders_peak: u64,
    /// Instruments that had an order.
    pub(super) symbols: usize,
    /// The highest number and one more.
    instruments: usize,
}

/// Goes through once, naively.
pub(super) fn survey(bytes: &[u8]) -> Survey {
    let mut twin = TreeBook::default();
    let (mut symbols, mut highest) = (HashSet::new(), 0);
    for event in Records::new(bytes).flatten().flat_map(itch_event) {
        if event.kind() == Some(Kind::Add) && symbols.insert(event.instrument.0) {
            highest = highest.max(event.instrument.index());
        }
        twin.apply(&event);
    }
    Survey {
        check: of_twin(&twin, highest + 1),
        live_orders_peak: twin.open_orders_peak() as u64,
        symbols: symbols.len(),
        instruments: highest + 1,
    }
}

/// One side, once.
pub(super) struct Round {
    /// CPU time of this thread, ns.
    pub(super) cpu_ns: u64,
    /// By the wall's clock, ns.
    pub(super) wall_ns: u64,
    /// Of the sides that make books.
    pub(super) check: Option<Check>,
}

/// The engine's memory for books, large enough for the day.
pub(super) struct Books {
    orders: Table<OrderSlot>,
    levels: Table<Level>,
    instruments: Table<InstrumentSlot>,
    size: BookSize,
}

impl Books {
    /// # Errors
    /// 4: no memory.
    pub(super) fn new(survey: &Survey, huge: bool) -> Result<Books, Failure> {
        // As many levels as orders always suffice.
        let orders = usize::try_from(survey.live_orders_peak).unwrap_or(usize::MAX).max(4);
        let size = BookSize { instruments: survey.instruments, orders, levels: orders };
        Ok(Books {
            orders: Table::new(size.order_slots(), huge).map_err(Failure::environment)?,
            levels: Table::new(size.level_slots(), huge).map_err(Failure::environment)?,
            instruments: Table::new(size.instrument_slots(), huge).map_err(Failure::environment)?,
            size,
        })
    }

    /// Of the table of orders, which is the largest.
    pub(super) fn pages(&self) -> String {
        self.orders.pages().to_string()
    }

    /// All three tables.
    pub(super) fn bytes(&self) -> usize {
        self.size.bytes()
    }

    /// One side, once. Making books and throwing them away is not in its time.
    pub(super) fn run(&mut self, side: Side, bytes: &[u8]) -> Round {
        let instruments = self.size.instruments;
        let (round, check) = match side {
            Side::Walk => (timed(|| black_box(walk(bytes))).0, None),
            Side::Decode => (timed(|| black_box(decode(bytes))).0, None),
            Side::Naive => {
                let (round, twin) = timed(|| naive(bytes));
                (round, Some(of_twin(&twin, instruments)))
            }
            Side::Book | Side::BookNoLookahead => {
                let mut book = self.book();
                let go = if side == Side::Book { ahead } else { singly };
                let (round, ()) = timed(|| go(&mut book, bytes));
                (round, Some(of_book(&book, instruments)))
            }
        };
        Round { check, ..round }
    }

    fn book(&mut self) -> Book<'_> {
        let memory = BookMemory {
            orders: self.orders.as_mut_slice(),
            levels: self.levels.as_mut_slice(),
            instruments: self.instruments.as_mut_slice(),
        };
        Book::new(memory, 7).expect("sizes from BookSize")
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Round, T) {
    let (cpu, wall) = (process::process_cpu_ns(), Instant::now());
    let made = work();
    let wall_ns = u64::try_from(wall.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let cpu_ns = process::process_cpu_ns().saturating_sub(cpu);
    (Round { cpu_ns, wall_ns, check: None }, made)
}

/// The fields that a book needs, taken from the bytes at fixed places.
fn walk(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for record in Records::new(bytes).flatten() {
        let parts = match record.first() {
            Some(&AddOrder::TYPE) => {
                AddOrder::from_slice(record).map(|m| (m.header, m.order_ref, m.price_1e4, m.shares))
            }
            Some(&OrderDelete::TYPE) => {
                OrderDelete::from_slice(record).map(|m| (m.header, m.order_ref, 0, 0))
            }
            Some(&OrderReplace::TYPE) => OrderReplace::from_slice(record)
                .map(|m| (m.header, m.old_order_ref ^ m.new_order_ref, m.price_1e4, m.shares)),
            Some(&OrderExecuted::TYPE) => {
                OrderExecuted::from_slice(record).map(|m| (m.header, m.order_ref, 0, m.shares))
            }
            Some(&OrderCancel::TYPE) => {
                OrderCancel::from_slice(record).map(|m| (m.header, m.order_ref, 0, m.shares))
            }
            Some(&AddOrderMpid::TYPE) => AddOrderMpid::from_slice(record)
                .map(|m| (m.header, m.order_ref, m.price_1e4, m.shares)),
            Some(&OrderExecutedWithPrice::TYPE) => OrderExecutedWithPrice::from_slice(record)
                .map(|m| (m.header, m.order_ref, m.price_1e4, m.shares)),
            _ => continue,
        };
        sum = sum.wrapping_add(parts.map_or(0, taken));
    }
    sum
}

/// All four fields and the header's, so that none is left unread.
#[inline(always)]
fn taken((header, id, px, qty): (Header, u64, u32, u32)) -> u64 {
    id.wrapping_add(px.into())
        .wrapping_add(qty.into())
        .wrapping_add(header.timestamp_ns)
        .wrapping_add(header.locate.into())
}

/// All seven words of each event.
fn decode(bytes: &[u8]) -> u64 {
    let events = Records::new(bytes).flatten().flat_map(itch_event);
    events.fold(0, |sum, event| event.to_words().into_iter().fold(sum, u64::wrapping_add))
}

fn ahead(book: &mut Book<'_>, bytes: &[u8]) {
    let mut ahead = Ahead::new();
    for event in Records::new(bytes).flatten().flat_map(itch_event) {
        if let Ok(tick) = check(event) {
            black_box(ahead.push(book, tick).is_some());
        }
    }
    while ahead.pop(book).is_some() {}
}

fn singly(book: &mut Book<'_>, bytes: &[u8]) {
    for event in Records::new(bytes).flatten().flat_map(itch_event) {
        if let Ok(tick) = check(event) {
            black_box(book.apply(&tick));
        }
    }
}

fn naive(bytes: &[u8]) -> TreeBook {
    let mut twin = TreeBook::default();
    for event in Records::new(bytes).flatten().flat_map(itch_event) {
        twin.apply(&event);
    }
    twin
}

fn of_twin(twin: &TreeBook, instruments: usize) -> Check {
    let top = |instrument| {
        let best = |side: Option<(Px, tickspin_recording::tree_book::Level)>| {
            side.map_or((Px::NONE, Qty(0)), |(px, level)| (px, Qty(level.qty)))
        };
        let [(bid, bid_qty), (ask, ask_qty)] = twin.best(instrument).map(best);
        Top { bid, bid_qty, ask, ask_qty }
    };
    Check {
        unknown: twin.unknown(),
        live: twin.open_orders() as u64,
        tops: hash((0..instruments).map(|i| top(InstrumentId(i as u16)))),
        refused: 0,
    }
}

fn of_book(book: &Book<'_>, instruments: usize) -> Check {
    let stats = book.stats();
    Check {
        unknown: stats.unknown,
        live: stats.orders,
        tops: hash((0..instruments).map(|i| book.top(InstrumentId(i as u16)))),
        refused: stats.refused_orders + stats.refused_levels,
    }
}

/// FNV-1a over the words.
fn hash(tops: impl Iterator<Item = Top>) -> u64 {
    let words =
        tops.flat_map(|top| [top.bid.0 as u64, top.bid_qty.0, top.ask.0 as u64, top.ask_qty.0]);
    words.fold(0xCBF2_9CE4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01B3))
}
