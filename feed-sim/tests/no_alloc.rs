//! A counting allocator sees zero calls while the loop runs, and sees a planted one.

mod rig;

use rig::{Rig, new_order};
use tickspin_feed_sim::args::{Flags, SinkName};
use tickspin_feed_sim::source::Source;
use tickspin_feed_sim::source::replay::{Replay, ReplaySpec};
use tickspin_recording::{EventReader, Facts, RecordingError, Symbols};
use tickspin_testkit::alloc::CountingAllocator;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A run in which every event with two sides is answered by an order.
fn run(flags: &Flags, between: fn()) -> rig::Left {
    let mut rig = Rig::with_hook(flags, between);
    let mut number = 0;
    loop {
        let event = rig.take();
        while rig.try_report().is_some() {}
        if event.kind() == Some(Kind::End) {
            break;
        }
        if rig.quotable(&event) && rig.requests_waiting() < 1_000 {
            number += 1;
            // Some rest, some trade, some are foreign.
            let px = [1, 1_000_000_000_000, -1][number as usize % 3];
            rig.send(new_order(&rig, number, &event, px));
        }
        if flags.lockstep {
            rig.finish_event();
        }
    }
    rig.finish()
}

/// A recording in memory: orders that rest and go, a microsecond apart.
struct Memory {
    next: u64,
    count: u64,
    symbols: Symbols,
}

impl EventReader for Memory {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        let n = self.next;
        if n == self.count {
            return Ok(None);
        }
        self.next += 1;
        let kind = if n % 3 == 2 { Kind::Delete } else { Kind::Add };
        let side = if n.is_multiple_of(3) { Side::Bid } else { Side::Ask };
        let order_id = if n % 3 == 2 { n - 1 } else { n };
        // As decoding does.
        drop(std::hint::black_box(Box::new(n)));
        Ok(Some(Event {
            exchange_ns: 1_000 * n,
            order_id: order_id + 1,
            px: Px(1_000_000_000 + i64::from(side == Side::Ask)),
            qty: Qty(1),
            instrument: InstrumentId(1),
            kind_side: Event::pack(kind, side),
            flags: flag::COMPLETE,
            ..Event::EMPTY
        }))
    }
    fn rewind(&mut self) -> Result<(), RecordingError> {
        self.next = 0;
        Ok(())
    }
    fn position(&self) -> u64 {
        self.next.saturating_sub(1)
    }
    fn facts(&self) -> Facts {
        Facts::default()
    }
    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

#[test]
fn what_a_thread_decodes_beside_the_run_costs_the_pinned_one_nothing() {
    for speed in ["1", "max"] {
        let memory = Memory { next: 0, count: 30_000, symbols: Symbols::default() };
        let replay = Replay::new(Box::new(memory), "memory".to_owned(), ReplaySpec::default());
        let speed = Some(speed.to_owned());
        let flags = Flags { ahead: Some(64), rate: None, speed, ..Flags::default() };
        let mut rig = Rig::with_source(&flags, Source::Replay(Box::new(replay)));
        let events = rig.take_until_end();
        let left = rig.finish();
        assert_eq!(events.len(), 30_001);
        assert!(
            events.iter().zip(0..).take(30_000).all(|(event, n)| event.exchange_ns == 1_000 * n)
        );
        assert_eq!(left.outcome.decoded_beside, 30_000 - 64);
        assert!(left.allocations.is_zero(), "{:?}", left.allocations);
    }
}

fn flags() -> Flags {
    Flags { count: Some(20_000), rate: Some(200_000.0), ..Flags::default() }
}

#[test]
fn nothing_is_allocated_between_the_first_event_and_the_last_answer() {
    let cases = [
        ("prepared as a whole", flags()),
        ("topped up", Flags { ahead: Some(64), ..flags() }),
        ("full speed", Flags { speed: Some("max".into()), ..flags() }),
        ("lock-step", Flags { speed: Some("max".into()), lockstep: true, ..flags() }),
        ("a small ring", Flags { ring_slots: Some(16), ..flags() }),
    ];
    for (name, flags) in cases {
        let left = run(&flags, || ());
        assert_eq!(left.outcome.sink.published, 20_000, "{name}");
        assert!(left.outcome.session.requests >= 1_000, "{name}: {:?}", left.outcome.session);
        assert!(left.allocations.is_zero(), "{name}: {:?}", left.allocations);
    }
}

/// Real sockets, faults and a server that keeps all; nobody listens, so no event is waited for.
#[test]
fn packets_are_made_sent_and_kept_without_an_allocation() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let packets = Flags {
        sink: Some(SinkName::Udp),
        interface: Some("lo".into()),
        line_a: Some(format!("239.255.73.1:{}", free.port())),
        line_b: Some(format!("239.255.73.2:{}", free.port())),
        recovery: Some(free.to_string()),
        loss: vec![0.1],
        duplicate: Some(0.1),
        reorder: Some(0.1),
        window: Some(0),
        ..flags()
    };
    for speed in ["1", "max"] {
        let mut rig = Rig::new(&Flags { speed: Some(speed.into()), ..packets.clone() });
        rig.wait_for_halt();
        let left = rig.finish();
        assert_eq!(left.outcome.sink.published, 20_000);
        let sent = left.outcome.packets.unwrap();
        assert_eq!(sent.messages, 20_000);
        assert_eq!(speed == "max", sent.packets < 5_000, "{sent:?}");
        assert!(sent.lines.iter().all(|line| line.lost > 0 && line.reordered > 0), "{sent:?}");
        assert!(sent.resend.is_some_and(|resend| resend.unkept == 0));
        assert!(left.allocations.is_zero(), "{speed}: {:?}", left.allocations);
    }
}

#[test]
fn a_planted_allocation_is_seen() {
    let left = run(&flags(), || drop(std::hint::black_box(Box::new(1))));
    assert_eq!((left.allocations.allocations, left.allocations.deallocations), (1, 1));
}
