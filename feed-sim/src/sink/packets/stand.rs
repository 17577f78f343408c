//! How each event is told, and whether it can be: one rule, asked before the run and in it.

use super::draft::{Draft, Put};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::InstrumentId;

/// Where the stream stands, as far as what may follow depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Behind an event with a message, or at the very first.
    Plain,
    /// Behind a `Clear`: the receiver has made a `SessionStart` beside it.
    OwesStart,
}

/// How an event without a message of its own is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Not at all; it has no sequence.
    Nothing,
    /// By what went before.
    Told,
    /// By a session of another name.
    NewSession,
    /// By so many numbers that are left out.
    LeftOut(u64),
}

/// It may have a message of its own.
#[inline]
#[must_use]
pub fn is_plain(event: &Event) -> bool {
    event.kind_side & 0x3F < Kind::Clear as u8
}

impl Stand {
    /// How an event that is not plain is told; `None`: it cannot be. `most`: numbers that a gap may
    /// have.
    #[must_use]
    pub fn tell(self, event: &Event, most: u64) -> Option<Tell> {
        match (self, event.kind()?) {
            (Stand::OwesStart, Kind::SessionStart) => Some(Tell::Told),
            (_, Kind::SessionStart) => Some(Tell::Nothing),
            (Stand::OwesStart, _) => None,
            (_, Kind::Clear) => (event.instrument == InstrumentId::ALL).then_some(Tell::NewSession),
            (_, Kind::Gap) => match event.second_id {
                0 => Some(Tell::Nothing),
                count => (count <= most).then_some(Tell::LeftOut(count)),
            },
            _ => None,
        }
    }

    /// Behind an event that was told so.
    #[must_use]
    pub const fn behind(self, tell: Tell) -> Stand {
        match tell {
            Tell::Nothing => self,
            Tell::Told | Tell::LeftOut(_) => Stand::Plain,
            Tell::NewSession => Stand::OwesStart,
        }
    }
}

/// The first event of a stream that cannot be told, with its place from 1.
#[must_use]
pub fn first_unsayable<'a>(
    events: impl Iterator<Item = &'a Event>,
    most: u64,
) -> Option<(u64, &'a Event)> {
    let (mut stand, mut draft) = (Stand::Plain, Draft::default());
    (1..).zip(events).find(|(_, event)| {
        if is_plain(event) && stand != Stand::OwesStart {
            draft.clear();
            return draft.put(event, None) != Put::Taken;
        }
        match stand.tell(event, most) {
            Some(tell) => stand = stand.behind(tell),
            None => return true,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::event::flag;
    use tickspin_wire::num::Side;

    fn event(kind: Kind) -> Event {
        Event {
            kind_side: Event::pack(kind, Side::None),
            second_id: u64::from(kind == Kind::Gap),
            flags: flag::COMPLETE,
            ..Event::EMPTY
        }
    }

    fn delete() -> Event {
        Event { instrument: InstrumentId(1), ..event(Kind::Delete) }
    }

    #[test]
    fn a_stream_is_sayable_up_to_the_first_event_that_is_not() {
        use Kind::{Clear, Gap, SessionStart};
        let of = |events: &[Event]| first_unsayable(events.iter(), 100).map(|(at, _)| at);
        let [clear, start, gap] = [Clear, SessionStart, Gap].map(event);
        assert_eq!(of(&[start, delete(), clear, start, delete(), gap, delete(), gap]), None);
        assert_eq!(of(&[delete(), start, delete(), gap, clear, start]), None);
        assert_eq!(of(&[clear, delete()]), Some(2), "a Clear alone");
        assert_eq!(of(&[gap, gap]), None, "one hole, but as many numbers");
        assert_eq!(of(&[Event { second_id: 0, ..gap }]), None, "no number is missing");
        assert_eq!(of(&[clear, gap]), Some(2), "a Clear alone");
        assert_eq!(of(&[Event { second_id: 101, ..gap }]), Some(1), "more than may be on the way");
        assert_eq!(of(&[Event { instrument: InstrumentId(1), ..clear }]), Some(1), "one book");
        assert_eq!(of(&[delete(), event(Kind::Level)]), Some(2));
        assert_eq!(of(&[event(Kind::End)]), Some(1), "it is the feed's own");
    }
}
