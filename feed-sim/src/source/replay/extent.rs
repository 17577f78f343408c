//! Which instruments of a recording pass.

use tickspin_recording::Symbols;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::InstrumentId;

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
}
