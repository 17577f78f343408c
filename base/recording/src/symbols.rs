//! [`Symbols`]: the names of a recording's instruments and their dense numbers.
//!
//! Some venues number their instruments (ITCH: the stock locate), others only name them (IEX,
//! Binance); the engine wants small numbers. Names are learnt from whatever message carries one.
//! Bounded by the 65,535 numbers there are; a name more is refused and its reader counts it.

use std::collections::HashMap;
use tickspin_wire::num::InstrumentId;

/// Names by number and numbers by name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    names: Vec<Option<Box<str>>>,
    numbers: HashMap<Box<str>, InstrumentId>,
    next: u16,
}

impl Symbols {
    /// Learns the venue's own number of a name; a number that had another name has this one now.
    pub fn learn(&mut self, instrument: InstrumentId, name: &str) {
        if instrument == InstrumentId::ALL || self.name(instrument) == Some(name) {
            return;
        }
        if self.names.len() <= instrument.index() {
            self.names.resize(instrument.index() + 1, None);
        }
        self.names[instrument.index()] = Some(name.into());
        self.numbers.insert(name.into(), instrument);
    }

    /// The number of a name, given out from 0 on as names appear; `None` when all are taken.
    /// True beside it: the name is new.
    pub fn intern(&mut self, name: &str) -> Option<(InstrumentId, bool)> {
        if let Some(&instrument) = self.numbers.get(name) {
            return Some((instrument, false));
        }
        if self.next == InstrumentId::ALL.0 {
            return None;
        }
        let instrument = InstrumentId(self.next);
        self.next += 1;
        self.learn(instrument, name);
        Some((instrument, true))
    }

    /// Name of a number.
    #[must_use]
    pub fn name(&self, instrument: InstrumentId) -> Option<&str> {
        self.names.get(instrument.index())?.as_deref()
    }

    /// Number of a name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<InstrumentId> {
        self.numbers.get(name).copied()
    }

    /// All that are known, by number.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &str)> {
        let named = self.names.iter().zip(0..);
        named.filter_map(|(name, number)| Some((InstrumentId(number), name.as_deref()?)))
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// None is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_learnt_with_their_numbers_or_get_the_next() {
        let mut symbols = Symbols::default();
        symbols.learn(InstrumentId(7), "AAPL");
        symbols.learn(InstrumentId(7), "AAPL");
        assert_eq!(symbols.number("AAPL"), Some(InstrumentId(7)));
        assert_eq!((symbols.name(InstrumentId(7)), symbols.len()), (Some("AAPL"), 1));
        let mut symbols = Symbols::default();
        assert_eq!(symbols.intern("A"), Some((InstrumentId(0), true)));
        assert_eq!(symbols.intern("B"), Some((InstrumentId(1), true)));
        assert_eq!(symbols.intern("A"), Some((InstrumentId(0), false)));
        assert!(symbols.iter().eq([(InstrumentId(0), "A"), (InstrumentId(1), "B")]));
    }

    #[test]
    fn more_names_than_numbers_are_refused() {
        let mut symbols = Symbols::default();
        for n in 0..u32::from(u16::MAX) {
            assert!(symbols.intern(&n.to_string()).is_some());
        }
        assert_eq!(symbols.intern("one more"), None);
        assert_eq!(symbols.intern("5"), Some((InstrumentId(5), false)));
        symbols.learn(InstrumentId::ALL, "all");
        assert_eq!(symbols.number("all"), None);
    }
}
