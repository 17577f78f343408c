//! Messages become events and wait for their poll.

use super::arbiter::Deliver;
use super::venue::{EVENTS_A_MESSAGE, Venue};
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::moldudp64::stamps::{LAG_MAX, MessageStamp};
use tickspin_wire::moldudp64::{Packet, Session};
use tickspin_wire::num::Side;

/// Places that are left free: for what one message becomes, and for events of ours, a session's two, a
/// gap, an end.
const RESERVED: usize = 4 + EVENTS_A_MESSAGE;

/// Filled when it is empty, then emptied: it needs no wrapping.
#[derive(Debug)]
pub(super) struct EventQueue<'m, V> {
    events: &'m mut [[u64; 7]],
    next: usize,
    end: usize,
    /// When the datagram was taken, ticks.
    taken_ticks: u64,
    /// The venue's time of the last message.
    latest_ns: u64,
    /// Of the next message.
    stamp: Option<(u64, MessageStamp)>,
    /// Of what is no message of the venue's.
    own_flags: u8,
    venue: V,
    skipped: u64,
}

impl<'m, V: Venue> EventQueue<'m, V> {
    /// `is_ours`: the feed tells when its messages were sent; beside them nothing is measured then.
    pub(super) fn new(events: &'m mut [[u64; 7]], is_ours: bool, venue: V) -> EventQueue<'m, V> {
        let own_flags = if is_ours { flag::WARM_UP } else { 0 };
        EventQueue {
            events,
            next: 0,
            end: 0,
            taken_ticks: 0,
            latest_ns: 0,
            stamp: None,
            own_flags,
            venue,
            skipped: 0,
        }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.next == self.end
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<[u64; 7]> {
        if self.is_empty() {
            return None;
        }
        let event = self.events.get(self.next).copied();
        self.next += 1;
        if self.is_empty() {
            (self.next, self.end) = (0, 0);
        }
        event
    }

    /// What follows was taken then.
    #[inline]
    pub(super) const fn set_taken(&mut self, ticks: u64) {
        self.taken_ticks = ticks;
    }

    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    #[inline]
    fn push(&mut self, event: Event) {
        if let Some(place) = self.events.get_mut(self.end) {
            *place = event.to_words();
            self.end += 1;
        }
    }

    fn announce(&mut self, kind: Kind, order_id: u64, second_id: u64) {
        let kind_side = Event::pack(kind, Side::None);
        let (exchange_ns, sent_ticks) = (self.latest_ns, self.taken_ticks);
        let flags = flag::COMPLETE | self.own_flags;
        let base = Event { exchange_ns, sent_ticks, flags, ..Event::EMPTY };
        self.push(Event { order_id, second_id, kind_side, ..base });
    }
}

/// An event with the instants that its feed tells.
#[inline]
fn stamped(event: Event, sent_ticks: u64, message: MessageStamp) -> Event {
    let mut flags = event.flags;
    if message.is_warm_up {
        flags |= flag::WARM_UP;
    }
    let mut lag_ticks = message.lag_ticks;
    if lag_ticks >= LAG_MAX {
        (lag_ticks, flags) = (u32::MAX, flags | flag::LAG_SATURATED);
    }
    Event { sent_ticks, lag_ticks, flags, ..event }
}

impl<V: Venue> Deliver for EventQueue<'_, V> {
    #[inline]
    fn packet<'a>(&self, payload: &'a [u8]) -> Option<Packet<'a>> {
        self.venue.packet(payload)
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.end + RESERVED < self.events.len()
    }

    #[inline]
    fn stamp(&mut self, sent_ticks: u64, message: MessageStamp) {
        self.stamp = Some((sent_ticks, message));
    }

    #[inline]
    fn message(&mut self, _number: u64, bytes: &[u8]) {
        let EventQueue { events, end, taken_ticks, latest_ns, venue, .. } = self;
        let stamp = self.stamp.take();
        let is_meant = venue.events(bytes, |event| {
            *latest_ns = event.exchange_ns;
            let event = match stamp {
                None => Event { sent_ticks: *taken_ticks, ..event },
                Some((sent_ticks, message)) => stamped(event, sent_ticks, message),
            };
            if let Some(place) = events.get_mut(*end) {
                *place = event.to_words();
                *end += 1;
            }
        });
        // One that is not has its place in the sequence and nothing to say to a book.
        self.skipped += u64::from(!is_meant);
    }

    fn gap(&mut self, first: u64, missing: u64) {
        self.announce(Kind::Gap, first, missing);
    }

    fn session(&mut self, session: Session, first: u64, replaces: bool) {
        self.venue.restart();
        if replaces {
            self.announce(Kind::Clear, 0, 0);
        }
        let (name, _) = Event::symbol_words(session.0.trim_ascii());
        self.announce(Kind::SessionStart, name, first);
    }

    fn end(&mut self) {
        self.announce(Kind::End, 0, 0);
    }
}
