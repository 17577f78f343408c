//! ns of each stage, on warm and on cold memory, and of the whole turn.
//!
//! ```text
//! cargo bench -p tickspin-hot
//! ```
//!
//! Each row is measured in rounds and the best and the median round are printed: the best is what
//! the code costs, the distance to the median what the machine adds. What a regression would mean:
//! `turn` rows above 100 ns put the engine's tick-to-order above its budget; `stamps: all` more than
//! 60 ns above `ends` breaks the promise of the stage stamps; a `book` row that grows with nothing
//! else means that an entry, a line or a probe was added to the path.
//!
//! The book's "far" row walks ids at random over a table of 64 MiB: one miss per event is the floor.

#![allow(clippy::disallowed_methods, reason = "a bench is cold code")]

mod memory;

use memory::Memory;
use ringbuf::HeapRb;
use ringbuf::traits::Split;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::wait::Spin;
use tickspin_hot::book::{Book, BookSize};
use tickspin_hot::decode::{check, decode};
use tickspin_hot::input::SliceInput;
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Cause, Orders, OwnOrder, SliceOutbox, table_len};
use tickspin_hot::record::{COUNTERS, Recorder, STAGES, Spell};
use tickspin_hot::rehearse;
use tickspin_hot::risk::{Exposure, Limits, Now, Rate, Risk};
use tickspin_hot::spin::{Hot, Terms, run};
use tickspin_hot::stamps::{AllStamps, EndStamps, Marks, Stamps};
use tickspin_hot::strategy::market_maker::{MakerSlot, Quoting};
use tickspin_hot::strategy::{MarketMaker, Order, Probe, Silent, Strategy, Wishes};
use tickspin_ring::counters::CounterSegment;
use tickspin_ring::tally::{Snapshot, TallyReader, TallySegment};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::RequestKind;

const ROUNDS: usize = 15;
const EVENTS: usize = 1 << 16;
const CENT: i64 = Px::ONE / 100;

/// Prints best and median ns a step over the rounds; `round` gives the time of so many steps.
fn row(name: &str, steps: usize, mut round: impl FnMut() -> Duration) -> f64 {
    round();
    let mut times: Vec<f64> =
        (0..ROUNDS).map(|_| round().as_nanos() as f64 / steps as f64).collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<44} {:>8.1} {:>8.1}", times[0], times[ROUNDS / 2]);
    times[0]
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn main() {
    println!("{:<44} {:>8} {:>8}", "ns a step", "best", "median");
    let payloads = script();
    decoding(&payloads);
    books(&payloads);
    strategies();
    gate_and_encoder();
    let clock = Clock::calibrate(Duration::from_millis(100)).expect("an invariant clock");
    recording(clock);
    turns(clock);
}

/// The rehearsal's market over 16 instruments, measured and fresh.
fn script() -> Vec<[u64; 7]> {
    let mut payloads = vec![[0; 7]; EVENTS];
    rehearse::script(&mut payloads, 16);
    for words in &mut payloads {
        let event = Event::from_words(*words);
        *words = Event { flags: flag::COMPLETE, sent_ticks: ticks(), ..event }.to_words();
    }
    payloads
}

fn decoding(payloads: &[[u64; 7]]) {
    row("decode", EVENTS, || {
        timed(|| {
            for words in payloads {
                black_box(decode(black_box(words)).is_ok());
            }
        })
    });
}

fn books(payloads: &[[u64; 7]]) {
    let mut memory = Memory::new(BookSize { instruments: 16, orders: 4_096, levels: 4_096 }, false);
    row("decode + book, warm", EVENTS, || {
        let mut book = memory.book();
        timed(|| {
            for words in payloads {
                if let Ok(tick) = decode(words) {
                    black_box(book.apply(&tick));
                }
            }
        })
    });
    far(false);
    far(true);
}

/// Adds, reductions and deletions of orders that nobody looked at for a million events.
fn far(huge: bool) {
    let live = 1 << 19;
    let size = BookSize { instruments: 8_192, orders: 1 << 20, levels: 1 << 20 };
    let mut memory = Memory::new(size, huge);
    let mut book = memory.book();
    let mut state = 1_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    };
    let event = |kind, id: u64, qty| {
        // All that an order is follows from its id, so that a deletion can name its instrument.
        let mix = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // Squared: most of them near the touch, as in a market.
        let spread = (mix >> 50) as i64 & 31;
        let steps = (spread * spread) >> 5;
        let is_bid = mix >> 63 == 0;
        let px = if is_bid { 1_000 - steps } else { 1_001 + steps };
        let side = if is_bid { Side::Bid } else { Side::Ask };
        let event = Event {
            order_id: id,
            instrument: InstrumentId((mix >> 32) as u16 & 8_191),
            px: Px(px * CENT),
            qty: Qty(qty),
            kind_side: Event::pack(kind, side),
            ..Event::EMPTY
        };
        check(event).expect("a good event")
    };
    let mut ids: Vec<u64> = (0..live).map(|_| random()).collect();
    for &id in &ids {
        book.apply(&event(Kind::Add, id, 200));
    }
    let ticks: Vec<_> = (0..EVENTS)
        .flat_map(|_| {
            let at = random() as usize % ids.len();
            let old = std::mem::replace(&mut ids[at], random());
            let other = ids[random() as usize % ids.len()];
            [
                event(Kind::Delete, old, 0),
                event(Kind::Add, ids[at], 200),
                event(Kind::Execute, other, 1),
            ]
        })
        .collect();
    // Each round is a stretch of its own: no order is met twice.
    let mut stretches = ticks.chunks(ticks.len() / (ROUNDS + 1));
    let len = ticks.len() / (ROUNDS + 1);
    let pages = if huge { "huge pages" } else { "small pages" };
    row(&format!("book, far: 524,288 orders, {pages}"), len, || {
        let stretch = stretches.next().expect("one for each round");
        timed(|| {
            for tick in stretch {
                black_box(book.apply(tick));
            }
        })
    });
    let stats = book.stats();
    assert_eq!((stats.refused(), stats.unknown), (0, 0), "the feed is consistent");
}

fn quoting() -> Quoting {
    Quoting {
        half_spread_px: CENT,
        skew_px: 10,
        qty: Qty(10),
        max_position: 1_000,
        hysteresis_ticks: 1,
        tick_px: CENT,
    }
}

/// A quoted book, and an event that moves its top up and down.
fn moving(book: &mut Book<'_>) -> [Event; 2] {
    let add = |order_id, side, px| Event {
        order_id,
        px: Px(px),
        qty: Qty(100),
        instrument: InstrumentId(0),
        kind_side: Event::pack(Kind::Add, side),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    };
    for event in [add(1, Side::Bid, 10_000 * CENT), add(2, Side::Ask, 10_010 * CENT)] {
        book.apply(&check(event).expect("a good event"));
    }
    let better = add(3, Side::Bid, 10_004 * CENT);
    let gone = Event { kind_side: Event::pack(Kind::Delete, Side::None), ..better };
    [better, gone]
}

fn strategies() {
    let mut memory = Memory::new(BookSize { instruments: 1, orders: 64, levels: 64 }, false);
    let mut slots = [MakerSlot::default(); 1];
    let mut book = memory.book();
    let ticks = moving(&mut book).map(|event| check(event).expect("a good event"));
    let mut wishes = Wishes::new();
    let mut strategy_row = |name: &str, strategy: &mut dyn FnMut(&Book<'_>, usize, &mut Wishes)| {
        row(name, EVENTS, || {
            timed(|| {
                for at in 0..EVENTS {
                    wishes.clear();
                    strategy(&book, at, &mut wishes);
                    black_box(wishes.as_slice());
                }
            })
        });
    };
    let top = tickspin_hot::book::Change {
        effect: tickspin_hot::book::Effect::Changed,
        is_top: true,
        instrument: InstrumentId(0),
    };
    let deep = tickspin_hot::book::Change { is_top: false, ..top };
    let mut maker = MarketMaker::new(quoting(), &mut slots).expect("good keys");
    strategy_row("market maker, top moved, two wishes", &mut |book, at, wishes| {
        maker.on_tick(book, &ticks[at & 1], &top, wishes);
    });
    let mut slots = [MakerSlot::default(); 1];
    let mut maker = MarketMaker::new(quoting(), &mut slots).expect("good keys");
    strategy_row("market maker, top did not move", &mut |book, at, wishes| {
        maker.on_tick(book, &ticks[at & 1], &deep, wishes);
    });
    let mut probe = Probe::new(Qty(1));
    strategy_row("probe", &mut |book, at, wishes| {
        probe.on_tick(book, &ticks[at & 1], &top, wishes);
    });
}

fn wide() -> Limits {
    let rate = Rate::new(1_000_000_000, 1_000_000, 1_000_000_000);
    Limits {
        max_qty: 1_000_000,
        max_notional: u64::MAX,
        max_position: i64::MAX as u64,
        max_open_orders: u32::MAX,
        collar_bp: 10_000,
        max_age: u64::MAX,
        rate_new: rate,
        rate_replace: rate,
        rate_total: rate,
    }
}

fn gate_and_encoder() {
    let mut memory = Memory::new(BookSize { instruments: 1, orders: 64, levels: 64 }, false);
    let mut book = memory.book();
    moving(&mut book);
    let order = Order {
        kind: RequestKind::New,
        side: Side::Bid,
        instrument: InstrumentId(0),
        flags: 0,
        px: Px(10_000 * CENT),
        qty: Qty(1),
        target: 0,
    };
    let mut exposures = [Exposure::default(); 1];
    let mut risk = Risk::new(wide(), &mut exposures).expect("limits");
    let mut time = 0;
    row("risk", EVENTS, || {
        timed(|| {
            for _ in 0..EVENTS {
                time += 100;
                let verdict = risk.check(black_box(&order), &book, Now { time, age: 0 });
                black_box(verdict.is_ok());
            }
        })
    });
    row("risk + orders", EVENTS, || {
        let mut slots = vec![[0; 7]; 1_024];
        let mut own = vec![OwnOrder::default(); table_len(EVENTS)];
        let outbox = SliceOutbox::new(&mut slots).wrapping();
        let mut orders = Orders::new(outbox, &mut own);
        timed(|| {
            for seq in 0..EVENTS as u64 {
                time += 100;
                let verdict = risk.check(black_box(&order), &book, Now { time, age: 0 });
                if let Ok(approved) = verdict {
                    black_box(orders.send(&approved, Cause { epoch: 1, seq }).is_ok());
                }
            }
        })
    });
}

fn recorder(clock: Clock) -> (Recorder, TallyReader) {
    let counters = CounterSegment::create("bench", &COUNTERS).expect("a segment").writer();
    let tallies = TallySegment::create("bench", &STAGES).expect("a segment");
    let writer = tallies.writer().expect("the first");
    (Recorder::new(writer, counters, clock), tallies.reader())
}

fn recording(clock: Clock) {
    let (mut record, _tallies) = recorder(clock);
    let marks = |at: u64| Marks {
        arrival: 1_000_000 + at,
        booked: 1_000_050 + at * 2,
        decided: 1_000_080 + at * 3,
        end: 1_000_120 + at * 4,
    };
    let event = Event { sent_ticks: 999_000, ..Event::EMPTY };
    row("record, all stages", EVENTS, || {
        timed(|| {
            for at in 0..EVENTS as u64 {
                black_box(record.tick::<true>(&marks(at & 1_023), &event, true));
            }
        })
    });
    row("record, ends", EVENTS, || {
        timed(|| {
            for at in 0..EVENTS as u64 {
                black_box(record.tick::<false>(&marks(at & 1_023), &event, true));
            }
        })
    });
}

/// The whole loop over memory: what one event costs a saturated engine, four reports looked at
/// with each, and the spans that the loop recorded itself.
fn turns(clock: Clock) {
    let ends = turn_rows(clock, EndStamps, "ends");
    let all = turn_rows(clock, AllStamps, "all");
    for ((strategy, all), ends) in ["silent", "probe", "market maker"].iter().zip(all).zip(ends) {
        println!("{:<44} {:>8.1}", format!("stage stamps cost, {strategy}"), all - ends);
    }
    println!("\n{:<44} {:>8} {:>8}", "spans of the market maker's turns, ns", "p50", "p99");
    let mut slots = [MakerSlot::default(); 16];
    let maker = MarketMaker::new(quoting(), &mut slots).expect("good keys");
    let (_, tallies) = turn(maker, AllStamps, clock);
    for (at, stage) in STAGES.iter().enumerate().filter(|(_, stage)| **stage != "response") {
        let mut cells = Snapshot::default();
        tallies.snapshot(at, &mut cells);
        println!("{stage:<44} {:>8} {:>8}", quantile(&cells, 0.5), quantile(&cells, 0.99));
    }
}

fn quantile(cells: &Snapshot, share: f64) -> u64 {
    let wanted = (cells.count() as f64 * share).ceil() as u64;
    let mut seen = 0;
    let at = cells.values().find(|(_, count)| {
        seen += count;
        seen >= wanted
    });
    at.map_or(0, |(value, _)| value)
}

fn turn_rows<T: Stamps + Copy>(clock: Clock, stamps: T, name: &str) -> [f64; 3] {
    let turn_row = |strategy: &str, turn: &mut dyn FnMut() -> Duration| {
        row(&format!("turn, {strategy}, stamps: {name}"), EVENTS, turn)
    };
    let silent = turn_row("silent", &mut || turn(Silent, stamps, clock).0);
    let probe = turn_row("probe", &mut || turn(Probe::new(Qty(1)), stamps, clock).0);
    let maker = turn_row("market maker", &mut || {
        let mut slots = [MakerSlot::default(); 16];
        let maker = MarketMaker::new(quoting(), &mut slots).expect("good keys");
        turn(maker, stamps, clock).0
    });
    [silent, probe, maker]
}

fn turn<S: Strategy, T: Stamps>(
    strategy: S,
    mut stamps: T,
    clock: Clock,
) -> (Duration, TallyReader) {
    let payloads = script();
    let mut answers = vec![[0; 7]; 4 * EVENTS];
    rehearse::answers(&mut answers);
    let mut memory = Memory::new(BookSize { instruments: 16, orders: 4_096, levels: 4_096 }, false);
    let mut exposures = [Exposure::default(); 16];
    let mut slots = vec![[0; 7]; 1_024];
    let mut own = vec![OwnOrder::default(); table_len(4_096)];
    let (notices, _heard) = HeapRb::<Notice>::new(64).split();
    let (spells, _slow) = HeapRb::<Spell>::new(64).split();
    let (record, tallies) = recorder(clock);
    let mut hot = Hot {
        input: SliceInput::new(&payloads, 1),
        reports: SliceInput::new(&answers, 1),
        book: memory.book(),
        strategy,
        risk: Risk::new(wide(), &mut exposures).expect("limits"),
        orders: Orders::new(SliceOutbox::new(&mut slots).wrapping(), &mut own),
        record,
        notices,
        spells,
    };
    let terms = Terms { stop_grace_ns: 0, drain_ns: 0 };
    let time = timed(|| {
        black_box(run(&mut hot, &mut stamps, &mut Spin, &terms));
    });
    (time, tallies)
}
