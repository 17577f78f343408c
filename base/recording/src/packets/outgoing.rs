//! [`Outgoing`]: events with their positions, ours before the message that they belong to.

use std::collections::VecDeque;
use tickspin_wire::Event;
use tickspin_wire::event::{Kind, flag};
use tickspin_wire::num::Side;

/// Events of ours that wait for a message at most.
const WAITING: usize = 1_024;

/// What was translated and not yet handed out.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    events: VecDeque<(Event, u64)>,
    /// Ours: they get the time of the next message.
    waiting: Vec<(Event, u64)>,
    /// Time of the last message.
    latest_ns: u64,
}

impl Outgoing {
    /// Takes an event of ours.
    pub(super) fn announce(&mut self, kind: Kind, order_id: u64, second_id: u64, position: u64) {
        let kind_side = Event::pack(kind, Side::None);
        let event = Event { kind_side, order_id, second_id, flags: flag::COMPLETE, ..Event::EMPTY };
        self.waiting.push((event, position));
        if self.waiting.len() == WAITING {
            self.finish();
        }
    }

    /// Takes the events of a message.
    #[inline]
    pub(super) fn message(&mut self, events: &mut VecDeque<Event>, position: u64) {
        let Some(first) = events.front() else { return };
        self.latest_ns = first.exchange_ns;
        if !self.waiting.is_empty() {
            self.finish();
        }
        self.events.extend(events.drain(..).map(|event| (event, position)));
    }

    /// What waits need wait no longer; false where nothing does.
    pub(super) fn finish(&mut self) -> bool {
        let exchange_ns = self.latest_ns;
        let any = !self.waiting.is_empty();
        let ours = self.waiting.drain(..);
        self.events.extend(ours.map(|(event, at)| (Event { exchange_ns, ..event }, at)));
        any
    }

    /// The next to hand out.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Event, u64)> {
        self.events.pop_front()
    }
}
