//! Which part of a recording is played: where it begins and ends, and which instruments pass.

use crate::times::Place;
use tickspin_recording::Symbols;
use tickspin_recording::merge::SINCE_MIDNIGHT_MAX_NS;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::InstrumentId;

/// A place as the venue counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// Venue time, ns.
    Time(u64),
    /// Number of the message.
    Index(u64),
}

impl Bound {
    /// `first_ns`, the first event's time, shows where the venue counts from.
    ///
    /// # Errors
    /// A time of day where it counts from 1970, a date where it counts from midnight.
    pub(super) fn settle(place: Place, first_ns: u64) -> Result<Bound, &'static str> {
        let is_since_midnight = first_ns < SINCE_MIDNIGHT_MAX_NS;
        match place {
            Place::Index(index) => Ok(Bound::Index(index)),
            Place::Ns(ns) => Ok(Bound::Time(ns)),
            Place::TimeOfDay(ns) if is_since_midnight => Ok(Bound::Time(ns)),
            Place::Date(ns) if !is_since_midnight => Ok(Bound::Time(ns)),
            Place::TimeOfDay(_) => {
                Err("its times count from 1970: a date as 2024-05-08T13:30:00Z, or nanoseconds")
            }
            Place::Date(_) => {
                Err("its times count from midnight: a time of day as 09:30:00, or nanoseconds")
            }
        }
    }

    /// A message at this time and of this number is at the place or behind it.
    pub(super) fn is_reached(self, at_ns: u64, index: u64) -> bool {
        match self {
            Bound::Time(ns) => at_ns >= ns,
            Bound::Index(first) => index >= first,
        }
    }
}

/// The instruments that were asked for, by name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: Vec<String>,
    /// By name: an instrument has it.
    is_seen: Vec<bool>,
    /// By number: it passes, once its name is known.
    passes: Vec<Option<bool>>,
}

impl Wanted {
    /// Nothing but these; with no name everything passes.
    pub(super) fn new(names: &[String]) -> Wanted {
        Wanted { names: names.to_vec(), is_seen: vec![false; names.len()], passes: Vec::new() }
    }

    /// Whether an event belongs. What is about the whole session always does; an instrument whose
    /// name nothing has said yet does not.
    pub(super) fn passes(&mut self, event: &Event, symbols: &Symbols) -> bool {
        let instrument = event.instrument;
        if self.names.is_empty() || instrument == InstrumentId::ALL {
            return true;
        }
        let is_renamed = event.kind() == Some(Kind::Definition);
        match self.passes.get(instrument.index()) {
            Some(&Some(passes)) if !is_renamed => passes,
            _ => self.look_up(instrument, symbols),
        }
    }

    fn look_up(&mut self, instrument: InstrumentId, symbols: &Symbols) -> bool {
        let Some(name) = symbols.name(instrument) else { return false };
        let found = self.names.iter().position(|wanted| wanted == name);
        if let Some(seen) = found.and_then(|index| self.is_seen.get_mut(index)) {
            *seen = true;
        }
        if self.passes.len() <= instrument.index() {
            self.passes.resize(instrument.index() + 1, None);
        }
        self.passes[instrument.index()] = Some(found.is_some());
        found.is_some()
    }

    /// A note that names what was asked for and never seen.
    pub(super) fn unseen(&self) -> Vec<String> {
        let names = self.names.iter().zip(&self.is_seen);
        let unseen: Vec<&str> =
            names.filter(|(_, is_seen)| !**is_seen).map(|(name, _)| name.as_str()).collect();
        match unseen[..] {
            [] => Vec::new(),
            _ => vec![format!("--symbols: what was played has no {}", unseen.join(", "))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::num::Side;

    #[test]
    fn names_decide_once_they_are_known_and_what_never_came_is_named() {
        let mut wanted = Wanted::new(&["AAPL".to_owned(), "TSLA".to_owned()]);
        let mut symbols = Symbols::default();
        let event = |number, kind| Event {
            instrument: InstrumentId(number),
            kind_side: Event::pack(kind, Side::None),
            ..Event::EMPTY
        };
        assert!(!wanted.passes(&event(5, Kind::Add), &symbols), "no name yet");
        assert!(wanted.passes(&event(InstrumentId::ALL.0, Kind::System), &symbols));
        symbols.learn(InstrumentId(5), "AAPL");
        symbols.learn(InstrumentId(6), "MSFT");
        assert!(wanted.passes(&event(5, Kind::Add), &symbols));
        assert!(!wanted.passes(&event(6, Kind::Add), &symbols));
        symbols.learn(InstrumentId(5), "GOOG");
        assert!(wanted.passes(&event(5, Kind::Add), &symbols), "until a definition says otherwise");
        assert!(!wanted.passes(&event(5, Kind::Definition), &symbols));
        assert_eq!(wanted.unseen(), ["--symbols: what was played has no TSLA"]);
        assert!(Wanted::new(&[]).passes(&event(9, Kind::Add), &symbols));
    }

    #[test]
    fn places_are_held_against_where_the_venue_counts_from() {
        let (midnight, since_1970) = (34_200_000_000_000, 1_715_126_400_000_000_000);
        assert_eq!(Bound::settle(Place::TimeOfDay(7), midnight), Ok(Bound::Time(7)));
        assert_eq!(Bound::settle(Place::Ns(7), since_1970), Ok(Bound::Time(7)));
        assert!(Bound::settle(Place::TimeOfDay(7), since_1970).is_err());
        assert!(Bound::settle(Place::Date(7), midnight).is_err());
        assert!(Bound::Index(3).is_reached(0, 3) && !Bound::Time(3).is_reached(2, 99));
    }
}
