//! The loop over made-up events with records of slow ticks, for a counter of instructions:
//!
//! ```text
//! valgrind --tool=callgrind target/release/examples/slow_cost off 100000     keeps none
//! valgrind --tool=callgrind target/release/examples/slow_cost usual 100000   none is slow
//! valgrind --tool=callgrind target/release/examples/slow_cost all 100000     every one is slow
//! ```
//! The difference of two of them, over the events, is what a tick pays. The clock is counted, not
//! read: the same instructions every time.

use ringbuf::HeapRb;
use ringbuf::traits::Split;
use tickspin_host::clock::Clock;
use tickspin_host::wait::Spin;
use tickspin_hot::book::{Book, BookMemory, BookSize, InstrumentSlot, Level, OrderSlot};
use tickspin_hot::input::SliceInput;
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Orders, OwnOrder, SliceOutbox, table_len};
use tickspin_hot::record::{COUNTERS, Recorder, STAGES, Spell};
use tickspin_hot::rehearse;
use tickspin_hot::risk::{Exposure, Limits, Rate, Risk};
use tickspin_hot::spin::{Hot, Terms, run};
use tickspin_hot::stamps::CountedStamps;
use tickspin_hot::strategy::Probe;
use tickspin_ring::counters::CounterSegment;
use tickspin_ring::tally::TallySegment;
use tickspin_wire::event::{Event, flag};
use tickspin_wire::num::Qty;

fn main() {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_else(|| "usual".to_owned());
    let count: usize = words.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let size = BookSize { instruments: 16, orders: 4_096, levels: 4_096 };
    let mut orders = vec![OrderSlot::default(); size.order_slots()];
    let mut levels = vec![Level::default(); size.level_slots()];
    let mut instruments = vec![InstrumentSlot::default(); size.instrument_slots()];
    let memory =
        BookMemory { orders: &mut orders, levels: &mut levels, instruments: &mut instruments };
    let mut exposures = [Exposure::default(); 16];
    let mut own = vec![OwnOrder::default(); table_len(1_024)];
    let mut slots = vec![[0; 7]; 1_024];
    let mut events = vec![[0; 7]; count];
    rehearse::script(&mut events, 16);
    // The counted clock stands where the event was sent, or half a second later.
    let start = 1 << 40;
    for (at, words) in events.iter_mut().enumerate() {
        let event = Event::from_words(*words);
        let sent_ticks = start + 4 * at as u64;
        *words = Event { sent_ticks, flags: event.flags & !flag::WARM_UP, ..event }.to_words();
    }
    let now = if mode == "all" { start + 500_000_000 } else { start };
    let tallies = TallySegment::create("slow", &STAGES).expect("a segment");
    let counters = CounterSegment::create("slow", &COUNTERS).expect("a segment").writer();
    let clock = Clock::with_frequency(1_000_000_000);
    let record = Recorder::new(tallies.writer().expect("the first"), counters, clock);
    let record = if mode == "off" { record } else { record.with_slow_over(5_000) };
    let rate = Rate::new(1_000_000_000, 1_000_000, 1_000_000_000);
    let limits = Limits {
        max_qty: 1 << 30,
        max_notional: 1 << 60,
        max_position: 1 << 40,
        max_open_orders: 1_024,
        collar_bp: 10_000,
        max_age: 1_000_000_000,
        rate_new: rate,
        rate_replace: rate,
        rate_total: rate,
    };
    let (notices, _heard) = HeapRb::<Notice>::new(64).split();
    let (spells, _slow) = HeapRb::<Spell>::new(64).split();
    let mut hot = Hot {
        input: SliceInput::new(&events, 1),
        reports: SliceInput::new(&[], 1),
        book: Book::new(memory, 1).expect("sizes from BookSize"),
        strategy: Probe::new(Qty(1)),
        risk: Risk::new(limits, &mut exposures).expect("limits"),
        orders: Orders::new(SliceOutbox::new(&mut slots).wrapping(), &mut own),
        record,
        notices,
        spells,
    };
    let terms = Terms { stop_grace_ns: 0, drain_ns: 0 };
    let outcome = run(&mut hot, &mut CountedStamps { now, step: 1 }, &mut Spin, &terms);
    println!("{mode}: {} events, {:?}", outcome.last_seq, outcome.ended);
}
