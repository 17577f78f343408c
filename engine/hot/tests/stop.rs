//! The stop flag, which belongs to the process: one test, step by step.

mod common;

use common::rig::{Rig, payloads};
use common::{CENT, add, event};
use tickspin_host::process::{clear_stop, request_stop};
use tickspin_hot::input::{Input, PeerEnd, Polled, SliceInput};
use tickspin_hot::notice::Notice;
use tickspin_hot::risk::Closed;
use tickspin_hot::spin::{Ended, PSEUDO_SIGNAL, Terms};
use tickspin_hot::stamps::CountedStamps;
use tickspin_hot::strategy::Probe;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Qty, Side};
use tickspin_wire::order::RequestKind;

const BID: i64 = 10_000 * CENT;

/// A feed that stays: events from memory, then nothing, without an end of its own.
struct Staying<'m> {
    events: SliceInput<'m>,
    /// The stop flag is set when this event is handed out.
    stop_at: u64,
    reason: i32,
}

impl Input for Staying<'_> {
    fn poll(&mut self) -> Polled {
        let polled = self.events.poll();
        if matches!(polled, Polled::Slot { seq, .. } if seq == self.stop_at) {
            request_stop(self.reason);
        }
        polled
    }
    fn publish_position(&mut self) {
        self.events.publish_position();
    }
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

fn market(messages: usize) -> Vec<Event> {
    let mut events = vec![add(0, Side::Bid, 1, BID), add(0, Side::Ask, 2, BID + CENT)];
    events.extend((0..messages).map(|_| event(Kind::Info, 0)));
    events
}

#[test]
fn a_stop_signal_closes_the_gate_and_leaves_in_time() {
    let rig = Rig {
        // 40 ticks of the counting clock an event: 1,000 events.
        terms: Terms { stop_grace_ns: 40_000, drain_ns: 1_000 },
        ..Rig::default()
    };
    let run = |events: &[Event], stop_at, reason| {
        clear_stop();
        let words = payloads(events);
        let input = Staying { events: SliceInput::new(&words, 9), stop_at, reason };
        let mut stamps = CountedStamps { now: 1_000, step: 10 };
        let left = rig.run(input, SliceInput::new(&[], 9), Probe::new(Qty(1)), &mut stamps);
        clear_stop();
        left
    };

    // The flag is set at event 10 of a stream that falls silent: the loop waits the grace out.
    let left = run(&market(8), 10, 15);
    assert_eq!(left.outcome.ended, Ended::Stopped(15));
    assert_eq!(left.outcome.signal, 15);
    assert!(left.counter("turns_idle") > 1_000, "it did wait");
    assert_eq!(left.counter("gate_closed"), 1);
    assert!(left.notices.contains(&Notice::GateClosed { seq: 10, why: Closed::Stop }));
    // Ten probes, then everything is taken off.
    assert_eq!(left.requests.len(), 11);
    assert_eq!(left.requests[10].kind(), Some(RequestKind::MassCancel));
    assert!(!left.is_open);

    // The feed was signalled too and its `End` comes within the grace.
    let mut events = market(500);
    events.push(event(Kind::End, InstrumentId::ALL.0));
    let left = run(&events, 10, 2);
    assert_eq!((left.outcome.ended, left.outcome.signal), (Ended::End, 2));
    assert_eq!(left.counter("received"), 502);
    // The flag is looked at every 64 events; after that no new order.
    let sent = left.requests.len();
    assert!((11..=65).contains(&sent), "{sent}");
    assert_eq!(left.requests[sent - 1].kind(), Some(RequestKind::MassCancel));

    // A feed that does not care is left when the grace is over.
    let left = run(&market(5_000), 10, 15);
    assert_eq!(left.outcome.ended, Ended::Stopped(15));
    let received = left.counter("received");
    assert!((1_000..1_200).contains(&received), "{received}");

    // The other side is dead: what stands is taken, then nothing is waited for.
    let left = run(&market(600), 10, PSEUDO_SIGNAL + 1);
    assert_eq!(left.outcome.ended, Ended::Stopped(PSEUDO_SIGNAL + 1));
    assert_eq!(left.counter("received"), 602);
    assert!(left.counter("turns_idle") <= 8, "{}", left.counter("turns_idle"));
}
