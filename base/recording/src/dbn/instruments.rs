//! From Databento's instrument ids to the engine's dense numbers, and their names.
//!
//! An id is 32 bits, means something only together with its publisher, and at some venues means
//! another instrument every day. A name is, in this order: what the file's metadata maps the id to
//! on that day, what a symbol mapping or definition record said, or the id in decimal digits.
//! - The same id from a further publisher is another book: its name is followed by `.` and the
//!   publisher's number.
//! - A name that passes to another id (a continuous symbol that rolls, a venue that renumbers every
//!   day) keeps its number; its book is void then, and whoever asks is told so.
//!
//! Cost: one look into a table of [`NEAR`] entries a record; a hash map where two ids meet in one.
//! Bounded: by the 65,535 numbers there are, the metadata, and [`TOLD_MAX`] names from records.

use crate::symbols::Symbols;
use std::collections::HashMap;
use tickspin_wire::num::InstrumentId;

/// Entries of the near table: 16 KiB. A file rarely has more instruments that are busy at once.
const NEAR: usize = 1_024;
/// Names told by records and not used yet; a file for all of OPRA tells 1.5 million.
const TOLD_MAX: usize = 1 << 20;

const DAY_NS: u64 = 86_400_000_000_000;

/// Publisher and the venue's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) publisher: u16,
    pub(crate) id: u32,
}

/// From the first day on and before the last, days since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) days: std::ops::Range<i64>,
    pub(crate) name: Box<str>,
}

/// What became of a key that was not near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Seen before.
    Known(InstrumentId),
    /// Its first appearance.
    New(InstrumentId),
    /// Its name belonged to another id until now: the book under it is void.
    TakesOver(InstrumentId),
    /// There are no numbers left.
    Refused,
}

#[derive(Debug, Default)]
pub(crate) struct Instruments {
    pub(crate) symbols: Symbols,
    mapped: HashMap<u32, Vec<Mapping>>,
    told: HashMap<u32, Box<str>>,
    known: HashMap<Key, InstrumentId>,
    /// By number: the key it stands for now.
    holders: Vec<Key>,
    near: Vec<(Key, InstrumentId)>,
    /// Mappings change in the course of the file, so the day matters.
    is_dated: bool,
    day: i64,
}

impl Instruments {
    pub(crate) fn new(mapped: HashMap<u32, Vec<Mapping>>) -> Instruments {
        let mut ids_by_name: HashMap<&str, u32> = HashMap::new();
        let mut is_dated = false;
        for (&id, mappings) in &mapped {
            is_dated |= mappings.len() > 1;
            for mapping in mappings {
                is_dated |= ids_by_name.insert(&mapping.name, id).is_some_and(|other| other != id);
            }
        }
        let nobody = (Key { publisher: u16::MAX, id: u32::MAX }, InstrumentId::ALL);
        Instruments { mapped, is_dated, near: vec![nobody; NEAR], ..Instruments::default() }
    }

    /// The number of a key that was seen lately; `None` says only that [`find`](Self::find) knows.
    #[inline(always)]
    pub(crate) fn near(&self, key: Key, ts_event_ns: u64) -> Option<InstrumentId> {
        if self.is_dated && day_of(ts_event_ns) != self.day {
            return None;
        }
        let (there, instrument) = self.near[near_index(key)];
        // A record may carry the key of an empty entry.
        (there == key && instrument != InstrumentId::ALL).then_some(instrument)
    }

    /// The number of a key, given out if need be.
    pub(crate) fn find(&mut self, key: Key, ts_event_ns: u64) -> Found {
        if self.is_dated && day_of(ts_event_ns) != self.day {
            self.day = day_of(ts_event_ns);
            self.known.clear();
            self.near.fill((Key { publisher: u16::MAX, id: u32::MAX }, InstrumentId::ALL));
        }
        let found = match self.known.get(&key) {
            Some(&instrument) => Found::Known(instrument),
            None => self.resolve(key),
        };
        if let Found::Known(instrument) | Found::New(instrument) | Found::TakesOver(instrument) =
            found
        {
            self.known.insert(key, instrument);
            self.near[near_index(key)] = (key, instrument);
        }
        found
    }

    fn resolve(&mut self, key: Key) -> Found {
        let base = self.name_of(key.id);
        let mut names = vec![base.clone()];
        // Only where the plain name is taken: the further ones.
        names.push(format!("{base}.{}", key.publisher));
        names.push(format!("{base}.{}.{}", key.publisher, key.id));
        for name in names {
            let Some((instrument, is_new)) = self.symbols.intern(&name) else {
                return Found::Refused;
            };
            let Some(&holder) = self.holders.get(instrument.index()) else {
                self.holders.push(key);
                return Found::New(instrument);
            };
            debug_assert!(!is_new);
            if holder == key {
                return Found::Known(instrument);
            }
            let has_passed = holder.id != key.id && self.name_of(holder.id) != base;
            if has_passed && holder.publisher == key.publisher {
                self.known.remove(&holder);
                self.near[near_index(holder)].1 = InstrumentId::ALL;
                self.near[near_index(holder)].0 = Key { publisher: u16::MAX, id: u32::MAX };
                self.holders[instrument.index()] = key;
                return Found::TakesOver(instrument);
            }
        }
        Found::Refused
    }

    /// The name of an id on the day at hand.
    fn name_of(&self, id: u32) -> String {
        let mappings = self.mapped.get(&id).map_or(&[][..], Vec::as_slice);
        let today = mappings.iter().find(|mapping| mapping.days.contains(&self.day));
        let only = (!self.is_dated).then(|| mappings.first()).flatten();
        match (today.or(only), self.told.get(&id)) {
            (Some(mapping), _) => mapping.name.as_ref().into(),
            (None, Some(told)) => told.as_ref().into(),
            (None, None) => id.to_string(),
        }
    }

    /// A record says what an id is called. It counts where the metadata says nothing. True where a
    /// number that was given out before is called so from now on.
    pub(crate) fn tell(&mut self, key: Key, name: &str) -> bool {
        if name.is_empty() || self.mapped.contains_key(&key.id) || self.told.contains_key(&key.id) {
            return false;
        }
        if self.told.len() < TOLD_MAX {
            self.told.insert(key.id, name.into());
        }
        match self.known.get(&key) {
            Some(&instrument) if self.symbols.number(name).is_none() => {
                self.symbols.learn(instrument, name);
                true
            }
            _ => false,
        }
    }
}

#[inline(always)]
fn near_index(key: Key) -> usize {
    // Ids of one venue are close together or strided; the multiplication spreads both.
    let mixed = (key.id ^ u32::from(key.publisher) << 16).wrapping_mul(0x9E37_79B1);
    (mixed >> 22) as usize
}

const _: () = assert!(NEAR == 1 << (32 - 22));

#[inline(always)]
fn day_of(ns: u64) -> i64 {
    (ns / DAY_NS) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(publisher: u16, id: u32) -> Key {
        Key { publisher, id }
    }

    fn mapping(days: std::ops::Range<i64>, name: &str) -> Mapping {
        Mapping { days, name: name.into() }
    }

    #[test]
    fn an_id_is_called_what_the_metadata_or_a_record_says_or_by_its_digits() {
        let mapped = HashMap::from([(7, vec![mapping(0..9, "ESM4")])]);
        let mut instruments = Instruments::new(mapped);
        assert!(!instruments.tell(key(1, 8), "NQM4"));
        for (id, name) in [(7, "ESM4"), (8, "NQM4"), (9, "9")] {
            let Found::New(instrument) = instruments.find(key(1, id), 0) else { panic!("{id}") };
            assert_eq!(instruments.symbols.name(instrument), Some(name));
            assert_eq!(instruments.near(key(1, id), 0), Some(instrument));
            assert_eq!(instruments.find(key(1, id), 0), Found::Known(instrument));
        }
        assert!(instruments.tell(key(1, 9), "CLN4"), "it is named later");
        assert_eq!(instruments.symbols.number("CLN4"), Some(InstrumentId(2)));
        assert!(!instruments.tell(key(1, 9), "CLQ4"), "and only once");
    }

    #[test]
    fn the_key_of_an_empty_entry_is_an_instrument_like_any_other() {
        let mut instruments = Instruments::new(HashMap::new());
        let nobody = key(u16::MAX, u32::MAX);
        assert_eq!(instruments.near(nobody, 0), None);
        assert_eq!(instruments.find(nobody, 0), Found::New(InstrumentId(0)));
        assert_eq!(instruments.near(nobody, 0), Some(InstrumentId(0)));
    }

    #[test]
    fn a_further_publisher_of_an_id_has_a_book_of_its_own() {
        let mut instruments = Instruments::new(HashMap::new());
        assert_eq!(instruments.find(key(1, 7), 0), Found::New(InstrumentId(0)));
        assert_eq!(instruments.find(key(2, 7), 0), Found::New(InstrumentId(1)));
        assert_eq!(instruments.symbols.name(InstrumentId(1)), Some("7.2"));
        assert_eq!(instruments.near(key(1, 7), 0), Some(InstrumentId(0)));
    }

    #[test]
    fn a_name_that_passes_to_another_id_keeps_its_number_and_voids_its_book() {
        let mapped = HashMap::from([
            (7, vec![mapping(0..1, "ES.c.0"), mapping(1..2, "ES.c.1")]),
            (8, vec![mapping(1..2, "ES.c.0")]),
        ]);
        let mut instruments = Instruments::new(mapped);
        let first = instruments.find(key(1, 7), 5);
        assert_eq!(first, Found::New(InstrumentId(0)));
        assert_eq!(instruments.near(key(1, 7), DAY_NS), None, "another day");
        assert_eq!(instruments.find(key(1, 8), DAY_NS), Found::TakesOver(InstrumentId(0)));
        assert_eq!(instruments.find(key(1, 7), DAY_NS), Found::New(InstrumentId(1)));
        assert_eq!(instruments.find(key(1, 8), DAY_NS), Found::Known(InstrumentId(0)));
        assert_eq!(instruments.symbols.name(InstrumentId(1)), Some("ES.c.1"));
    }

    #[test]
    fn numbers_run_out_and_nothing_else_happens() {
        let mut instruments = Instruments::new(HashMap::new());
        for id in 0..u32::from(u16::MAX) {
            assert!(matches!(instruments.find(key(1, id), 0), Found::New(_)), "{id}");
        }
        assert_eq!(instruments.find(key(1, 1 << 20), 0), Found::Refused);
        assert_eq!(instruments.find(key(1, 9), 0), Found::Known(InstrumentId(9)));
    }
}
