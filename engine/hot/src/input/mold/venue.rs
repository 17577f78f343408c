//! What a feed's packets look like and what its messages mean: ITCH 5.0 in MoldUDP64, or IEX's feeds in
//! IEX-TP. The sequence is kept the same way for both.

use tickspin_wire::event::{Event, Kind};
use tickspin_wire::iex;
use tickspin_wire::iextp::Feed;
use tickspin_wire::moldudp64::Packet;
use tickspin_wire::normalize::{IexStanding, itch_event};
use tickspin_wire::num::{InstrumentId, Side};

/// The most events that a message becomes: a new instrument's definition, and both sides of a quote.
pub(super) const EVENTS_A_MESSAGE: usize = 3;

/// A venue's packets and messages.
pub trait Venue {
    /// The packet in a UDP payload; `None`: it is broken, or of another feed.
    fn packet<'a>(&self, payload: &'a [u8]) -> Option<Packet<'a>>;
    /// The events of a message, at most three. False: it is empty, or of an unknown type or length.
    fn events(&mut self, message: &[u8], push: impl FnMut(Event)) -> bool;
    /// A session begins: what is known of the one before is void.
    fn restart(&mut self);
}

/// Nasdaq's: each message is one event, and instruments have numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Itch;

impl Venue for Itch {
    #[inline]
    fn packet<'a>(&self, payload: &'a [u8]) -> Option<Packet<'a>> {
        Packet::decode(payload).ok()
    }

    #[inline]
    fn events(&mut self, message: &[u8], mut push: impl FnMut(Event)) -> bool {
        let event = itch_event(message);
        event.map(&mut push).is_ok()
    }

    fn restart(&mut self) {}
}

/// One instrument of IEX's: its name, the number it was given, and where its messages stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct IexSlot {
    /// The symbol as it comes, padded with spaces; 0: the place is free.
    symbol: u64,
    instrument: u16,
    standing: IexStanding,
}

/// IEX's TOPS, DEEP or DEEP+: instruments have names only and are numbered from 0 as they appear; before
/// an instrument's first event there is its `Definition`, the venue's or ours.
///
/// Cost: one look-up by symbol a message, a line of cache where the table is not half full.
#[derive(Debug)]
pub struct Iex<'m> {
    feed: Feed,
    slots: &'m mut [IexSlot],
    instruments: u16,
}

impl<'m> Iex<'m> {
    /// `slots`: memory for the symbols, a power of two, better twice their number; 32,768 hold all that
    /// IEX trades. `None` where it is no power of two. Packets of other feeds are broken ones here.
    #[must_use]
    pub fn new(feed: Feed, slots: &'m mut [IexSlot]) -> Option<Iex<'m>> {
        if !slots.len().is_power_of_two() {
            return None;
        }
        slots.fill(IexSlot::default());
        Some(Iex { feed, slots, instruments: 0 })
    }

    /// The place of a symbol; true beside it: it is new. `None`: no more room, or no name.
    #[inline]
    fn place(&mut self, symbol: [u8; 8]) -> Option<(&mut IexSlot, bool)> {
        let key = u64::from_le_bytes(symbol);
        let mask = self.slots.len() - 1;
        // The high bits of the product depend on all of the key's.
        let mut at = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & mask;
        for _ in 0..self.slots.len() {
            let found = self.slots.get(at)?.symbol;
            if found == key {
                return self.slots.get_mut(at).map(|slot| (slot, false));
            }
            if found == 0 {
                return self.number(at, key, symbol).map(|slot| (slot, true));
            }
            at = (at + 1) & mask;
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn number(&mut self, at: usize, key: u64, symbol: [u8; 8]) -> Option<&mut IexSlot> {
        let is_name = symbol.is_ascii() && !symbol.trim_ascii().is_empty();
        // A full table is looked through whole for each new name.
        let has_room = usize::from(self.instruments) < self.slots.len() / 8 * 7;
        if !is_name || !has_room || self.instruments == InstrumentId::ALL.0 {
            return None;
        }
        let slot = self.slots.get_mut(at)?;
        *slot = IexSlot { symbol: key, instrument: self.instruments, ..IexSlot::default() };
        self.instruments += 1;
        Some(slot)
    }
}

impl Venue for Iex<'_> {
    #[inline]
    fn packet<'a>(&self, payload: &'a [u8]) -> Option<Packet<'a>> {
        let (header, packet) = Packet::of_segment(payload).ok()?;
        (header.feed == self.feed).then_some(packet)
    }

    fn events(&mut self, bytes: &[u8], mut push: impl FnMut(Event)) -> bool {
        let Ok(message) = iex::decode(bytes) else { return false };
        if !iex::carries(self.feed, message.kind()) {
            return false;
        }
        let (event, second) = match iex::symbol(bytes) {
            None => IexStanding::default().events(&message, InstrumentId::ALL),
            Some(&symbol) => {
                let Some((slot, is_new)) = self.place(symbol) else { return false };
                let instrument = InstrumentId(slot.instrument);
                if is_new && !matches!(message, iex::Message::SecurityDirectory(_)) {
                    let at_ns = u64::try_from(message.timestamp_ns()).unwrap_or(0);
                    push(definition(instrument, symbol, at_ns));
                }
                slot.standing.events(&message, instrument)
            }
        };
        push(event);
        second.into_iter().for_each(push);
        true
    }

    fn restart(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.standing = IexStanding::default();
        }
    }
}

#[cold]
fn definition(instrument: InstrumentId, symbol: [u8; 8], exchange_ns: u64) -> Event {
    let (order_id, second_id) = Event::symbol_words(symbol.trim_ascii_end());
    let kind_side = Event::pack(Kind::Definition, Side::None);
    Event { exchange_ns, order_id, second_id, instrument, kind_side, ..Event::EMPTY }
}
