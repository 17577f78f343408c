//! The loop: what it takes, measures, counts, and how it ends.

mod common;

use common::rig::{Left, Rig, payloads};
use common::{CENT, add, event, limit, wide, words};
use ringbuf::traits::{Observer, Split};
use ringbuf::{HeapCons, HeapRb};
use std::cell::RefCell;
use std::ops::Range;
use tickspin_hot::book::{Book, Change};
use tickspin_hot::decode::{Fault, Tick};
use tickspin_hot::input::{Input, PeerEnd, Polled, SliceInput};
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::Outbox;
use tickspin_hot::risk::{Closed, Limits, Rate, Refusal};
use tickspin_hot::spin::Ended;
use tickspin_hot::stamps::{CountedStamps, Stamps};
use tickspin_hot::strategy::market_maker::{MakerSlot, Quoting};
use tickspin_hot::strategy::{MarketMaker, Order, Probe, Silent, Strategy, Wishes};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Qty, Side};
use tickspin_wire::order::{ReportKind, Request, RequestKind};

const BID: i64 = 10_000 * CENT;

/// Ten ticks between any two reads of the clock.
fn counted() -> CountedStamps {
    CountedStamps { now: 1_000, step: 10 }
}

fn end() -> Event {
    event(Kind::End, InstrumentId::ALL.0)
}

/// A market of two sides, then `info` messages, then the end.
fn market(messages: usize) -> Vec<Event> {
    let mut events = vec![add(0, Side::Bid, 1, BID), add(0, Side::Ask, 2, BID + CENT)];
    events.extend((0..messages).map(|_| event(Kind::Info, 0)));
    events.push(end());
    events
}

#[test]
fn every_event_is_taken_and_counted_to_the_end() {
    let mut events = market(2_000);
    events[0].flags |= flag::WARM_UP;
    let left = Rig::default().events(&events, Silent, &mut counted());
    assert_eq!(left.outcome.ended, Ended::End);
    assert_eq!((left.outcome.last_seq, left.outcome.signal), (2_003, 0));
    assert!(left.outcome.reports_complete && !left.is_open);
    assert_eq!(left.counter("received"), 2_002);
    assert_eq!(left.counter("received_warm_up"), 1);
    assert_eq!(left.counter("last_seq"), 2_003);
    assert_eq!(left.counter("turns_work"), 2_003);
    assert_eq!(left.counter("book_orders"), 2);
    assert_eq!(left.counter("foreign"), 0);
    // Done, and disarmed.
    assert_eq!((left.counter("phase"), left.counter("armed")), (4, 0));
}

#[test]
fn stamps_become_spans() {
    // The clock reads 1,000 at the arrival of the first event and 10 more at each read: arrival,
    // booked, decided, end; two idle turns never come between.
    let mut events = market(0);
    for (at, event) in (0_u64..).zip(&mut events) {
        event.sent_ticks = 1_000 + 40 * at - 7;
        event.lag_ticks = 3;
    }
    let left = Rig::default().events(&events, Probe::new(Qty(1)), &mut counted());
    assert_eq!(left.stage("ring_wait"), (vec![(7, 2)], 0));
    assert_eq!(left.stage("book"), (vec![(10, 2)], 0));
    assert_eq!(left.stage("strategy"), (vec![(10, 2)], 0));
    // The end of the stream is no event of it: not measured.
    assert_eq!(left.stage("risk_order"), (vec![(10, 2)], 0));
    assert_eq!(left.stage("tick_to_order"), (vec![(30, 2)], 0));
    assert_eq!(left.stage("service"), (vec![(30, 2)], 0));
    assert_eq!(left.stage("response"), (vec![(30 + 7 + 3, 2)], 0));
    assert_eq!(left.counter("with_orders"), 2);
}

#[test]
fn warm_up_is_answered_and_not_measured() {
    let mut events = market(10);
    for event in &mut events[..8] {
        event.flags |= flag::WARM_UP;
    }
    let left = Rig::default().events(&events, Probe::new(Qty(1)), &mut counted());
    assert_eq!(left.requests.len(), 12, "each event but the end");
    assert_eq!(left.stage("service"), (vec![(30, 4)], 0));
    assert_eq!(left.stage("tick_to_order"), (vec![(30, 4)], 0));
}

#[test]
fn a_negative_difference_is_counted_apart() {
    let mut events = market(0);
    // Sent after it arrived, as two disagreeing clocks would have it.
    events[1].sent_ticks = 1_000 + 40 + 1;
    let left = Rig::default().events(&events, Silent, &mut counted());
    let (values, negative) = left.stage("ring_wait");
    assert_eq!(negative, 1);
    assert_eq!(values.iter().map(|(_, count)| count).sum::<u64>(), 1);
    // Its response is 30 − 1.
    assert!(left.stage("response").0.contains(&(29, 1)));
}

/// Marks the ends only.
struct Ends(CountedStamps);

impl Stamps for Ends {
    const STAGES: bool = false;
    fn arrival(&mut self) -> u64 {
        self.0.arrival()
    }
    fn stage(&mut self) -> u64 {
        0
    }
    fn end(&mut self) -> u64 {
        self.0.end()
    }
    fn idle(&mut self) -> u64 {
        self.0.idle()
    }
}

#[test]
fn stage_stamps_can_be_left_out() {
    let left = Rig::default().events(&market(0), Probe::new(Qty(1)), &mut Ends(counted()));
    for stage in ["book", "strategy", "risk_order"] {
        assert_eq!(left.stage(stage), (vec![], 0), "{stage}");
    }
    assert_eq!(left.stage("service"), (vec![(10, 2)], 0));
    assert_eq!(left.stage("tick_to_order"), (vec![(10, 2)], 0));
}

#[test]
fn the_largest_gap_is_seen_wherever_it_falls() {
    /// One read of the clock, the n-th, comes 5,000 late.
    struct Stall(CountedStamps, u32);
    impl Stall {
        fn read(&mut self) -> u64 {
            self.1 = self.1.wrapping_sub(1);
            if self.1 == 0 {
                self.0.now += 5_000;
            }
            self.0.idle()
        }
    }
    impl Stamps for Stall {
        const STAGES: bool = true;
        fn arrival(&mut self) -> u64 {
            self.read()
        }
        fn stage(&mut self) -> u64 {
            self.read()
        }
        fn end(&mut self) -> u64 {
            self.read()
        }
        fn idle(&mut self) -> u64 {
            self.read()
        }
    }
    // Within an event (the 6th read is `booked` of the second), or between two (the 5th: arrival).
    for read in [5, 6] {
        let left = Rig::default().events(&market(5), Silent, &mut Stall(counted(), read));
        let gap = left.counter("largest_gap_ns");
        assert!((5_010..=5_030).contains(&gap), "{gap}");
        assert!(left.notices.contains(&Notice::LargestGap { seq: 2, gap_ns: gap }));
    }
    let left = Rig::default().events(&market(5), Silent, &mut counted());
    assert_eq!(left.counter("largest_gap_ns"), 30);
}

#[test]
fn the_slowest_event_is_told() {
    let left = Rig::default().events(&market(5), Silent, &mut counted());
    let slowest: Vec<_> =
        left.notices.iter().filter(|notice| matches!(notice, Notice::Slowest { .. })).collect();
    assert_eq!(slowest, [&Notice::Slowest { seq: 1, service_ns: 30 }], "all are alike");
}

#[test]
fn a_foreign_payload_ends_the_run_with_its_name() {
    let mut events = market(3);
    events[2].kind_side = 63;
    let left = Rig::default().events(&events, Probe::new(Qty(1)), &mut counted());
    let fault = Fault::Kind(63);
    assert_eq!(left.outcome.ended, Ended::Foreign { seq: 3, fault });
    assert_eq!((left.outcome.last_seq, left.counter("received")), (2, 2));
    assert_eq!(left.counter("foreign"), 1);
    assert!(left.notices.contains(&Notice::Foreign { seq: 3, fault }));
    assert_eq!(left.requests.len(), 2);
    assert!(!left.is_open);
}

/// An input that the test writes, with a log of what was asked of it.
struct Scripted<'a> {
    name: &'static str,
    polls: Vec<Polled>,
    log: &'a RefCell<Vec<String>>,
    is_lockstep: bool,
}

impl Input for Scripted<'_> {
    fn poll(&mut self) -> Polled {
        if self.polls.is_empty() {
            return Polled::Empty;
        }
        let polled = self.polls.remove(0);
        if let Polled::Slot { seq, .. } = polled {
            self.log.borrow_mut().push(format!("{} {seq}", self.name));
        }
        polled
    }
    fn publish_position(&mut self) {
        self.log.borrow_mut().push(format!("{} position", self.name));
    }
    fn beat(&mut self) {}
    fn ended(&mut self) -> Option<PeerEnd> {
        self.polls.is_empty().then_some(PeerEnd::Failed)
    }
    fn epoch(&self) -> u64 {
        9
    }
    fn is_lockstep(&self) -> bool {
        self.is_lockstep
    }
}

fn slots(payloads: &[[u64; 7]]) -> Vec<Polled> {
    (1..).zip(payloads).map(|(seq, &words)| Polled::Slot { seq, words }).collect()
}

#[test]
fn a_foreign_stamp_ends_the_run() {
    let log = RefCell::new(Vec::new());
    let mut polls = slots(&payloads(&market(0)[..2]));
    polls.push(Polled::Foreign(4));
    let input = Scripted { name: "event", polls, log: &log, is_lockstep: false };
    let left = Rig::default().run(input, SliceInput::new(&[], 9), Silent, &mut counted());
    assert_eq!(left.outcome.ended, Ended::ForeignStamp { due: 3, stamp: 4 });
    assert_eq!((left.counter("received"), left.counter("foreign")), (2, 1));
    assert!(left.notices.contains(&Notice::ForeignStamp { due: 3, stamp: 4 }));
}

#[test]
fn a_feed_that_leaves_without_an_end_is_reported() {
    let log = RefCell::new(Vec::new());
    let polls = slots(&payloads(&market(0)[..2]));
    let input = Scripted { name: "event", polls, log: &log, is_lockstep: false };
    let left = Rig::default().run(input, SliceInput::new(&[], 9), Silent, &mut counted());
    assert_eq!(left.outcome.ended, Ended::PeerLeft(PeerEnd::Failed));
    assert!(left.notices.contains(&Notice::PeerLeft { seq: 2, how: PeerEnd::Failed }));
    assert!(left.counter("turns_idle") > 0);
}

#[test]
fn a_foreign_stamp_on_the_reports_ends_the_run() {
    /// Always foreign.
    struct Bad;
    impl Input for Bad {
        fn poll(&mut self) -> Polled {
            Polled::Foreign(77)
        }
        fn publish_position(&mut self) {}
        fn beat(&mut self) {}
        fn ended(&mut self) -> Option<PeerEnd> {
            None
        }
        fn epoch(&self) -> u64 {
            9
        }
        fn is_lockstep(&self) -> bool {
            false
        }
    }
    // Seen while events keep coming, on idle turns, and while draining.
    for (messages, has_end) in [(1_000, false), (0, false), (0, true)] {
        let mut events = market(messages);
        if !has_end {
            events.pop();
        }
        let words = payloads(&events);
        let left = Rig::default().run(SliceInput::new(&words, 9), Bad, Silent, &mut counted());
        assert_eq!(left.outcome.ended, Ended::ForeignReport(77));
        assert_eq!(left.counter("foreign"), 1);
        assert!(!left.outcome.reports_complete);
    }
}

#[test]
fn in_lock_step_reports_come_before_the_event_and_the_position_after_the_turn() {
    let log = RefCell::new(Vec::new());
    let input = Scripted {
        name: "event",
        polls: slots(&payloads(&market(0))),
        log: &log,
        is_lockstep: true,
    };
    let reports = Scripted {
        name: "report",
        polls: slots(&[words(ReportKind::Acknowledged, 1, 0), words(ReportKind::Cancelled, 1, 0)]),
        log: &log,
        is_lockstep: true,
    };
    // Time is the event's own: all at 0, so the second new order is one too many.
    let rate = Rate::new(1, 1, 1_000_000_000);
    let rig = Rig { limits: Limits { rate_new: rate, ..wide() }, ..Rig::default() };
    let left = rig.run(input, reports, Probe::new(Qty(1)), &mut counted());
    let log = log.borrow();
    let expected = [
        "event 1",
        "report 1",
        "report 2",
        "event position",
        "event 2",
        "event position",
        "event 3",
        "event position",
    ];
    assert_eq!(log[..8], expected);
    assert_eq!(left.requests.len(), 1);
    assert_eq!(left.counter("refused_rate_new"), 1);
    assert_eq!(left.counter("orders_refused"), 1);
}

#[test]
fn rates_restart_with_a_session_in_lock_step() {
    let rate = Rate::new(1, 1, 1_000_000_000);
    let rig = Rig { limits: Limits { rate_new: rate, ..wide() }, ..Rig::default() };
    let mut events = market(0);
    for event in &mut events {
        event.exchange_ns = 50_000_000_000;
    }
    // The next round of a loop: the venue's clock starts over.
    events.pop();
    let start = event(Kind::SessionStart, InstrumentId::ALL.0);
    events.extend([start, event(Kind::Info, 0), end()]);
    let words = payloads(&events);
    let input = SliceInput::new(&words, 9).lockstep();
    let left = rig.run(input, SliceInput::new(&[], 9), Probe::new(Qty(1)), &mut counted());
    assert_eq!(left.requests.len(), 2);
}

#[test]
fn only_the_first_refusal_of_each_kind_is_told() {
    let rig = Rig { limits: Limits { max_qty: 1, ..wide() }, ..Rig::default() };
    let left = rig.events(&market(10), Probe::new(Qty(2)), &mut counted());
    assert_eq!(left.counter("refused_qty"), 12);
    let refused: Vec<_> =
        left.notices.iter().filter(|notice| matches!(notice, Notice::Refused { .. })).collect();
    assert_eq!(refused, [&Notice::Refused { seq: 1, refusal: Refusal::Quantity }]);
    assert_eq!(left.stage("tick_to_order"), (vec![], 0));
}

#[test]
fn a_strategy_hears_of_a_refusal_and_tries_again() {
    // One new order a microsecond; an event takes 40 ns of the counting clock.
    let rate = Rate::new(1_000_000, 1, 1_000_000_000);
    let rig = Rig { limits: Limits { rate_new: rate, ..wide() }, ..Rig::default() };
    let quoting = Quoting {
        half_spread_px: CENT,
        skew_px: 0,
        qty: Qty(10),
        max_position: 100,
        hysteresis_ticks: 1,
        tick_px: CENT,
    };
    let mut slots = [MakerSlot::default(); 1];
    let maker = MarketMaker::new(quoting, &mut slots).unwrap();
    let left = rig.events(&market(50), maker, &mut counted());
    let sides: Vec<_> = left.requests.iter().map(|r| (r.side(), r.cause_seq)).collect();
    assert_eq!(sides, [(Some(Side::Bid), 2), (Some(Side::Ask), 2 + 25)]);
    assert_eq!(left.counter("refused_rate_new"), 25);
}

#[test]
fn a_full_requests_ring_is_counted_and_nothing_waits() {
    let rig = Rig { request_slots: 3, ..Rig::default() };
    let left = rig.events(&market(10), Probe::new(Qty(1)), &mut counted());
    assert_eq!(left.counter("orders_sent"), 3);
    assert_eq!(left.counter("refused_ring_full"), 9);
    assert_eq!(left.counter("open_orders"), 3);
    assert_eq!(left.outcome.ended, Ended::End);
}

#[test]
fn a_full_queue_of_notices_is_counted() {
    let rig = Rig { limits: Limits { max_qty: 1, ..wide() }, notice_slots: 1, ..Rig::default() };
    let left = rig.events(&market(3), Probe::new(Qty(2)), &mut counted());
    assert_eq!(left.notices.len(), 1);
    assert_eq!(left.counter("notices_lost"), 1);
}

#[test]
fn a_gap_stops_new_orders_until_the_clear() {
    let gap = Event { order_id: 50, second_id: 7, ..event(Kind::Gap, InstrumentId::ALL.0) };
    let clear = event(Kind::Clear, InstrumentId::ALL.0);
    let mut events = market(1);
    events.pop();
    events.extend([gap, event(Kind::Info, 0), clear, add(0, Side::Bid, 1, BID), end()]);
    let left = Rig::default().events(&events, Probe::new(Qty(1)), &mut counted());
    assert_eq!((left.counter("gaps"), left.counter("gap_missing")), (1, 7));
    assert!(left.notices.contains(&Notice::Gap { seq: 4, first: 50, missing: 7 }));
    assert_eq!(left.counter("refused_not_synced"), 1);
    let causes: Vec<u64> = left.requests.iter().map(|request| request.cause_seq).collect();
    assert_eq!(causes, [1, 2, 3, 7]);
    assert!(left.requests.iter().all(|r| r.cause_epoch == 9));
    assert_eq!(left.counter("duplicate_orders"), 0, "the clear made room for number 1");
}

#[test]
fn reports_reach_gate_and_counters() {
    let words = [
        words(ReportKind::Acknowledged, 1, 0),
        words(ReportKind::Filled, 1, 1),
        words(ReportKind::Acknowledged, 900, 0),
    ];
    let events = payloads(&market(3));
    let left = Rig::default().run(
        SliceInput::new(&events, 9),
        SliceInput::new(&words, 9),
        Probe::new(Qty(1)),
        &mut counted(),
    );
    assert_eq!(left.counter("reports"), 3);
    assert_eq!((left.counter("acknowledged"), left.counter("filled")), (2, 1));
    assert_eq!(left.counter("reports_unknown"), 1);
    assert_eq!((left.counter("bought_qty"), left.counter("open_orders")), (1, 4));
    assert!(left.notices.contains(&Notice::ForeignReport { seq: 3, client_id: 900 }));
}

#[test]
fn an_overfill_closes_the_gate_and_the_strategy_is_not_asked_again() {
    let words = [words(ReportKind::Filled, 1, 5)];
    let events = payloads(&market(5));
    let left = Rig::default().run(
        SliceInput::new(&events, 9),
        SliceInput::new(&words, 9),
        Probe::new(Qty(1)),
        &mut counted(),
    );
    assert_eq!(left.requests.len(), 1, "it was the only one: nothing to take off");
    assert_eq!((left.counter("gate_closed"), left.counter("overfilled")), (2, 1));
    assert!(left.notices.contains(&Notice::GateClosed { seq: 1, why: Closed::Overfill }));
    assert_eq!(left.counter("received"), 7, "events are taken all the same");
}

/// A way out that is full for some attempts, and counts the notices pushed before each request.
struct Watched<'a> {
    heard: HeapCons<Notice>,
    log: &'a RefCell<Vec<(Request, usize)>>,
    attempts: usize,
    full: Range<usize>,
}

impl Outbox for Watched<'_> {
    fn try_publish(&mut self, payload: &[u64; 7]) -> Option<u64> {
        self.attempts += 1;
        if self.full.contains(&self.attempts) {
            return None;
        }
        let request = (Request::from_words(*payload), self.heard.occupied_len());
        self.log.borrow_mut().push(request);
        Some(self.log.borrow().len() as u64)
    }
    fn arm(&mut self) {}
    fn beat(&mut self) {}
    fn halt(&mut self) {}
    fn fail(&mut self) {}
    fn peer_is_foreign(&self) -> bool {
        false
    }
}

/// Requests with the notices before each, from a run whose way out is full for some attempts.
fn watched<S: Strategy>(
    rig: &Rig,
    events: &[Event],
    reports: &[[u64; 7]],
    strategy: S,
    full: Range<usize>,
) -> (Vec<(Request, usize)>, Left) {
    let (notices, heard) = HeapRb::<Notice>::new(64).split();
    let log = RefCell::new(Vec::new());
    let outbox = Watched { heard, log: &log, attempts: 0, full };
    let events = payloads(events);
    let inputs = (SliceInput::new(&events, 9), SliceInput::new(reports, 9));
    let left = rig.run_on((outbox, notices), inputs, strategy, &mut counted(), |_| {});
    (log.into_inner(), left)
}

#[test]
fn a_fill_that_nothing_explains_takes_everything_off_before_it_is_told() {
    let acks = words(ReportKind::Acknowledged, 1, 0);
    // Events 1 and 2 send one probe each; the fourth report after event 2 closes the gate.
    for (bad, why) in [(1, Closed::Overfill), (900, Closed::UnknownFill)] {
        let reports = [acks, acks, acks, acks, acks, acks, acks, words(ReportKind::Filled, bad, 5)];
        let rig = Rig::default();
        let probe = Probe::new(Qty(1));
        let (requests, left) = watched(&rig, &market(5), &reports, probe, 0..0);
        assert_eq!(requests.len(), 3);
        let (request, told) = requests[2];
        assert_eq!(request.kind(), Some(RequestKind::MassCancel));
        assert_eq!((request.cause_epoch, request.cause_seq), (9, 2));
        // The first event is the slowest so far, as ever.
        assert_eq!(told, requests[1].1);
        assert_eq!(left.counter("gate_closed"), why as u64);
        assert_eq!(left.counter("bought_qty"), 5);
    }
}

#[test]
fn a_mass_cancel_that_could_not_leave_is_tried_again() {
    let reports = [words(ReportKind::Filled, 900, 5)];
    let probe = || Probe::new(Qty(1));
    // The first attempt is the probe's; the ring is full for three more.
    let (requests, left) = watched(&Rig::default(), &market(500), &reports, probe(), 2..5);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].0.kind(), Some(RequestKind::MassCancel));
    assert_eq!(requests[1].0.cause_seq, 3 * 64);
    assert_eq!(left.counter("refused_ring_full"), 1, "told and counted once");
    // On idle turns too.
    let log = RefCell::new(Vec::new());
    let (notices, heard) = HeapRb::<Notice>::new(64).split();
    let outbox = Watched { heard, log: &log, attempts: 0, full: 2..5 };
    let events = market(3);
    let words = payloads(&events[..5]);
    let mut polls = slots(&words);
    polls.extend([Polled::Empty; 64]);
    let quiet = RefCell::new(Vec::new());
    let input = Scripted { name: "event", polls, log: &quiet, is_lockstep: false };
    let inputs = (input, SliceInput::new(&reports, 9));
    Rig::default().run_on((outbox, notices), inputs, probe(), &mut counted(), |_| {});
    assert_eq!(log.borrow().len(), 2);
    assert_eq!(log.borrow()[1].0.kind(), Some(RequestKind::MassCancel));
}

#[test]
fn what_an_event_sends_leaves_before_its_notices() {
    /// A wish too large, then a good one; everything off at a gap.
    struct Clumsy;
    impl Strategy for Clumsy {
        const NAME: &'static str = "clumsy";
        fn on_tick(&mut self, _: &Book<'_>, tick: &Tick, _: &Change, wishes: &mut Wishes) {
            match tick.kind {
                Kind::Info => {
                    wishes.push(limit(Side::Bid, BID, 2));
                    wishes.push(limit(Side::Bid, BID, 1));
                }
                Kind::Gap => wishes.push(Order::mass_cancel()),
                _ => {}
            }
        }
    }
    let mut events = market(1);
    events.insert(3, event(Kind::Gap, InstrumentId::ALL.0));
    let rig = Rig { limits: Limits { max_qty: 1, ..wide() }, ..Rig::default() };
    let (requests, _) = watched(&rig, &events, &[], Clumsy, 0..0);
    assert_eq!(requests.len(), 2);
    // One before: the slowest event is the first.
    assert_eq!((requests[0].0.kind(), requests[0].1), (Some(RequestKind::New), 1));
    // The refusal was told by now, the gap is not.
    assert_eq!((requests[1].0.kind(), requests[1].1), (Some(RequestKind::MassCancel), 2));
}
