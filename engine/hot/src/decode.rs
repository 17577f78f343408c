//! Payload to [`Tick`]: the bytes of another process become a checked event, or a counted fault.
//!
//! Every bit pattern is an `Event`; this is where kind, side, flags and instrument are held
//! against what exists. Nothing is guessed or repaired: one foreign byte is a [`Fault`].
//! Cost: the seven words stay in registers, four compares.

use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Side};

/// An event whose kind, side, flags and instrument were checked. Only [`check`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The event as it came.
    pub event: Event,
    /// Its kind.
    pub kind: Kind,
    /// Its side; `Bid` or `Ask` for `Add`.
    pub side: Side,
}

impl Tick {
    /// The venue's event is complete: the book may be quoted on.
    #[inline]
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.event.flags & flag::COMPLETE != 0
    }

    /// A message of the venue about one instrument, as opposed to the session and to the feed's
    /// own events (clear, gap, session start, end).
    #[inline]
    #[must_use]
    pub const fn is_of_instrument(&self) -> bool {
        (self.kind as u8) < Kind::Clear as u8 && self.event.instrument.0 != InstrumentId::ALL.0
    }
}

/// What was foreign about a payload, with the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No such kind.
    Kind(u8),
    /// No such side, or an `Add` without one.
    Side(u8),
    /// A flag without meaning.
    Flags(u8),
    /// An order event for "all instruments".
    Instrument(u16),
}

/// From the seven words of a slot.
///
/// # Errors
/// The first rule broken, in the order kind, side, flags, instrument.
#[inline]
pub fn decode(words: &[u64; 7]) -> Result<Tick, Fault> {
    check(Event::from_words(*words))
}

/// The same for an event that is already one: recordings, tests, back-tests.
///
/// # Errors
/// See [`decode`].
#[inline]
pub fn check(event: Event) -> Result<Tick, Fault> {
    let Some(kind) = event.kind() else { return Err(Fault::Kind(event.kind_side & 0x3F)) };
    let Some(side) = event.side() else { return Err(Fault::Side(event.kind_side >> 6)) };
    if event.flags & !flag::KNOWN != 0 {
        return Err(Fault::Flags(event.flags));
    }
    // What changes a book has the numbers 1 to 8.
    if kind as u8 <= Kind::Quote as u8 {
        if matches!(side, Side::None) && matches!(kind, Kind::Add | Kind::Level | Kind::Quote) {
            return Err(Fault::Side(0));
        }
        if event.instrument.0 == InstrumentId::ALL.0 {
            return Err(Fault::Instrument(event.instrument.0));
        }
    }
    Ok(Tick { event, kind, side })
}

const _: () = {
    assert!(Kind::Add as u8 == 1 && Kind::Execute as u8 == 2 && Kind::Reduce as u8 == 3);
    assert!(Kind::Delete as u8 == 4 && Kind::Replace as u8 == 5 && Kind::Modify as u8 == 6);
    assert!(Kind::Level as u8 == 7 && Kind::Quote as u8 == 8 && Kind::Trade as u8 == 9);
    assert!(Kind::Clear as u8 == 16 && Kind::Info as u8 == 15, "feed's own events come last");
};

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::num::{Px, Qty};

    fn add() -> Event {
        Event {
            px: Px(1_000),
            qty: Qty(5),
            order_id: 7,
            instrument: InstrumentId(3),
            kind_side: Event::pack(Kind::Add, Side::Bid),
            flags: flag::COMPLETE,
            ..Event::EMPTY
        }
    }

    #[test]
    fn a_good_event_passes_unchanged() {
        let tick = decode(&add().to_words()).unwrap();
        assert_eq!(tick.event, add());
        assert_eq!((tick.kind, tick.side), (Kind::Add, Side::Bid));
        assert!(tick.is_complete() && tick.is_of_instrument());
    }

    #[test]
    fn every_kind_byte_is_either_a_kind_or_a_fault() {
        for raw in 0..64_u8 {
            let event = Event { kind_side: raw | 1 << 6, ..add() };
            match check(event) {
                Ok(tick) => assert_eq!(tick.kind as u8, raw),
                Err(fault) => {
                    assert_eq!(fault, Fault::Kind(raw));
                    assert!(raw == 0 || usize::from(raw) >= Kind::COUNT);
                }
            }
        }
    }

    #[test]
    fn foreign_side_flags_and_instrument_are_faults() {
        let kind = Kind::Add as u8;
        assert_eq!(check(Event { kind_side: kind | 3 << 6, ..add() }), Err(Fault::Side(3)));
        assert_eq!(check(Event { kind_side: kind, ..add() }), Err(Fault::Side(0)));
        assert_eq!(check(Event { flags: 0x80, ..add() }), Err(Fault::Flags(0x80)));
        let all = Event { instrument: InstrumentId::ALL, ..add() };
        assert_eq!(check(all), Err(Fault::Instrument(u16::MAX)));
        let end = Event { kind_side: Event::pack(Kind::End, Side::None), flags: 0, ..all };
        assert!(check(end).is_ok_and(|tick| !tick.is_of_instrument()));
    }
}
