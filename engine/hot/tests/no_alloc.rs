//! A counting allocator sees zero calls while the loop runs, and sees a planted one.

#![allow(clippy::disallowed_methods, reason = "a test reads the clock where it likes")]

mod common;

use common::{Memory, wide};
use ringbuf::HeapRb;
use ringbuf::traits::{Observer, Split};
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::wait::Spin;
use tickspin_hot::book::{Book, BookSize, Change};
use tickspin_hot::decode::Tick;
use tickspin_hot::input::{Input, RingInput, SliceInput};
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Orders, Outbox, OwnOrder, SliceOutbox, table_len};
use tickspin_hot::record::{COUNTERS, Recorder, STAGES, Spell};
use tickspin_hot::rehearse;
use tickspin_hot::risk::{Exposure, Risk};
use tickspin_hot::spin::{Ended, Hot, Outcome, Terms, run};
use tickspin_hot::stamps::AllStamps;
use tickspin_hot::strategy::market_maker::{MakerSlot, Quoting};
use tickspin_hot::strategy::{MarketMaker, Probe, Strategy, Wishes};
use tickspin_ring::counters::CounterSegment;
use tickspin_ring::region::{ClockWords, Policy};
use tickspin_ring::tally::TallySegment;
use tickspin_ring::{PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec};
use tickspin_testkit::alloc::{AllocationCounts, CountingAllocator, arm, disarm};
use tickspin_wire::event::{Event, flag};
use tickspin_wire::num::Qty;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const EVENTS: usize = 16_384;

fn quoting() -> Quoting {
    let cent = tickspin_wire::num::Px::ONE / 100;
    Quoting {
        half_spread_px: cent,
        skew_px: 10,
        qty: Qty(10),
        max_position: 1_000,
        hysteresis_ticks: 1,
        tick_px: cent,
    }
}

/// The script of the rehearsal as fresh, measured events, so that everything is on the path.
fn script() -> Vec<[u64; 7]> {
    let mut payloads = vec![[0; 7]; EVENTS];
    rehearse::script(&mut payloads, 8);
    for words in &mut payloads {
        let event = Event::from_words(*words);
        let flags = event.flags & !flag::WARM_UP;
        *words = Event { sent_ticks: ticks(), flags, ..event }.to_words();
    }
    payloads
}

fn answers() -> Vec<[u64; 7]> {
    let mut payloads = vec![[0; 7]; EVENTS];
    rehearse::answers(&mut payloads);
    payloads
}

/// Runs the loop and gives what the allocator saw of it.
fn counted<I: Input, R: Input, O: Outbox, S: Strategy>(
    input: I,
    reports: R,
    outbox: O,
    strategy: S,
) -> (Outcome, u64, AllocationCounts) {
    let mut memory = Memory::new(BookSize { instruments: 8, orders: 32_768, levels: 4_096 });
    let mut exposures = [Exposure::default(); 8];
    let mut own = vec![OwnOrder::default(); table_len(4_096)];
    let (notices, _heard) = HeapRb::<Notice>::new(64).split();
    let (spells, slow) = HeapRb::<Spell>::new(64).split();
    let counters = CounterSegment::create("engine", &COUNTERS).unwrap().writer();
    let tallies = TallySegment::create("engine", &STAGES).unwrap();
    let clock = Clock::with_frequency(2_000_000_000);
    let mut hot = Hot {
        input,
        reports,
        book: memory.book(),
        strategy,
        risk: Risk::new(wide(), &mut exposures).unwrap(),
        orders: Orders::new(outbox, &mut own),
        record: Recorder::new(tallies.writer().unwrap(), counters, clock).with_slow_over(1_024),
        notices,
        spells,
    };
    let terms = Terms { stop_grace_ns: 0, drain_ns: 0 };
    arm();
    let outcome = run(&mut hot, &mut AllStamps, &mut Spin, &terms);
    let counts = disarm();
    assert!(slow.occupied_len() > 0, "slow ticks were recorded, too");
    (outcome, hot.orders.stats().sent, counts)
}

fn over_slices<S: Strategy>(strategy: S) -> (Outcome, u64, AllocationCounts) {
    let (events, reports) = (script(), answers());
    let mut slots = vec![[0; 7]; 256];
    let outbox = SliceOutbox::new(&mut slots).wrapping();
    counted(SliceInput::new(&events, 1), SliceInput::new(&reports, 1), outbox, strategy)
}

#[test]
fn the_loop_allocates_nothing_over_slices() {
    let mut slots = [MakerSlot::default(); 8];
    let maker = MarketMaker::new(quoting(), &mut slots).unwrap();
    for (outcome, sent, counts) in [over_slices(maker), over_slices(Probe::new(Qty(1)))] {
        assert_eq!((outcome.ended, outcome.last_seq), (Ended::End, EVENTS as u64));
        assert!(sent > 400, "{sent} requests: the path was taken");
        assert!(counts.is_zero(), "{counts:?}");
    }
}

/// Both ends of a ring in this process, the consumer's descriptor kept.
fn ring(label: &str) -> (Producer, PeerRing, PositionSegment) {
    let spec = RingSpec {
        label,
        slots: EVENTS as u32,
        policy: Policy::Drop,
        epoch: 5,
        clock: ClockWords::default(),
        huge_pages: false,
    };
    let segment = RingSegment::create(&spec).unwrap();
    let position = PositionSegment::create(label, 5).unwrap();
    let ring = PeerRing::attach(segment.share().to_received().unwrap()).unwrap();
    let peer = PeerPosition::attach(position.share().to_received().unwrap()).unwrap();
    (Producer::new(segment, peer), ring, position)
}

#[test]
fn the_loop_allocates_nothing_over_rings() {
    let (mut events, event_ring, event_position) = ring("events");
    let (mut reports, report_ring, report_position) = ring("reports");
    let (requests, _request_ring, _request_position) = ring("requests");
    for words in script() {
        events.try_publish(&words).unwrap();
    }
    for words in answers() {
        reports.try_publish(&words).unwrap();
    }
    reports.halt();
    let input = RingInput::new(event_ring, event_position);
    let answers = RingInput::new(report_ring, report_position);
    let (outcome, sent, counts) = counted(input, answers, requests, Probe::new(Qty(1)));
    assert_eq!((outcome.ended, outcome.last_seq), (Ended::End, EVENTS as u64));
    assert!(outcome.reports_complete && sent > 1_000);
    assert!(counts.is_zero(), "{counts:?}");
}

/// Must fail: a strategy that allocates once.
struct Planted;

impl Strategy for Planted {
    const NAME: &'static str = "planted";
    fn on_tick(&mut self, _: &Book<'_>, tick: &Tick, _: &Change, _: &mut Wishes) {
        if tick.event.exchange_ns == 1_000_000 {
            drop(std::hint::black_box(Box::new(1_u64)));
        }
    }
}

#[test]
fn a_planted_allocation_is_seen() {
    let (_, _, counts) = over_slices(Planted);
    assert_eq!((counts.allocations, counts.deallocations), (1, 1));
}
