//! A synthetic market: seeded order flow around a slowly moving fair price.
//!
//! ```text
//!   preface (at once)                      flow (paced)
//!   Definition, Status T, opening levels │ Add Delete Replace Reduce Execute Trade …
//! ```
//! Each instrument has a fair price that walks by single ticks. Orders are added behind it on both
//! sides, most of them near, and taken off again; those that the fair price has overrun are
//! executed first, which is what moves the touch. Books never lock or cross, every event applies to
//! an order that is there, and order numbers are never used twice.
//!
//! **Same seed, same bytes**: two generators of fixed algorithm (PCG), one for the flow and one
//! for arrivals, so that the flow is the same at any rate. Arrivals are Poisson at the given mean
//! rate, part of them in bursts if wished.
//!
//! Cost: ~100 ns an event, no allocation after construction. Wrong choice for anything that
//! depends on how real prices, sizes or clusters of activity are distributed: replay a recording.

pub mod arrivals;
pub mod flow;
pub mod ladder;

use super::{Due, Tick, Touch};
use arrivals::Arrivals;
pub use arrivals::Bursts;
use flow::Flow;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

/// Venue time of the first event: 09:30, ns since midnight.
pub const OPEN_NS: u64 = (9 * 60 + 30) * 60 * 1_000_000_000;
/// Mean arrivals a second that nobody gave another number.
pub const RATE_DEFAULT: f64 = 100_000.0;
/// Price tick: one cent.
pub const TICK: i64 = Px::ONE / 100;
/// Round lot.
pub const LOT: u64 = 100;
/// Levels a side that each book opens with.
pub const OPENING_LEVELS: u16 = 4;

/// What a synthetic market is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SynthSpec {
    /// Same seed, same bytes.
    pub seed: u64,
    /// How many instruments, 1..=65,534.
    pub instruments: u16,
    /// Mean arrivals a second, positive.
    pub rate: f64,
    /// Events that come in clusters.
    pub bursts: Option<Bursts>,
}

/// The market and where it stands.
pub struct Synth {
    spec: SynthSpec,
    flow: Flow,
    arrivals: Arrivals,
    /// Events of the preface given so far.
    opened: u64,
    offset_ns: u64,
}

impl Synth {
    /// Deterministic in `spec`.
    #[must_use]
    pub fn new(spec: SynthSpec) -> Synth {
        // Two streams from one seed; the constant only tells them apart.
        let arrivals_seed = spec.seed ^ 0x9E37_79B9_7F4A_7C15;
        Synth {
            spec,
            flow: Flow::new(Pcg64Mcg::seed_from_u64(spec.seed), spec.instruments),
            arrivals: Arrivals::new(Pcg64Mcg::seed_from_u64(arrivals_seed), spec.rate, spec.bursts),
            opened: 0,
            offset_ns: 0,
        }
    }

    /// How many events come before the flow.
    #[must_use]
    pub fn preface(&self) -> u64 {
        u64::from(self.spec.instruments) * u64::from(2 + 2 * OPENING_LEVELS)
    }

    /// The next tick; there is always one.
    #[inline]
    pub fn next_tick(&mut self) -> Tick {
        if self.opened < self.preface() {
            return self.open_next();
        }
        let offset_ns = self.offset_ns;
        self.offset_ns = offset_ns.saturating_add(self.arrivals.next_gap_ns());
        let (event, touch) = self.flow.next_event();
        let exchange_ns = OPEN_NS.saturating_add(offset_ns);
        let event = Event { exchange_ns, flags: flag::COMPLETE, ..event };
        Tick { event, touch, due: Due::After(offset_ns) }
    }

    /// One line for the report.
    #[must_use]
    pub fn line(&self) -> String {
        let SynthSpec { seed, instruments, rate, bursts } = self.spec;
        let bursts = bursts.map_or(String::new(), |b| {
            format!(", {} of events in bursts of {}", b.share, b.length)
        });
        format!("synthetic market, seed {seed}, {instruments} instruments, {rate} events/s{bursts}")
    }

    /// Definitions of all instruments first, then their states, then opening levels in turn.
    fn open_next(&mut self) -> Tick {
        let count = u64::from(self.spec.instruments);
        let (step, index) = (self.opened / count, self.opened % count);
        self.opened += 1;
        // Below the number of instruments, a u16. Nasdaq numbers its stocks from 1, so do we.
        let index = index as u16;
        let instrument = InstrumentId(index + 1);
        let base =
            Event { exchange_ns: OPEN_NS, instrument, flags: flag::COMPLETE, ..Event::EMPTY };
        let (event, touch) = match step {
            0 => {
                let symbol = format!("SYN{:05}", instrument.0);
                let (order_id, second_id) = Event::symbol_words(symbol.as_bytes());
                let kind_side = Event::pack(Kind::Definition, Side::None);
                let (px, qty) = (Px(TICK), Qty(LOT));
                (Event { kind_side, order_id, second_id, px, qty, ..base }, Touch::NONE)
            }
            1 => {
                let kind_side = Event::pack(Kind::Status, Side::None);
                (Event { kind_side, order_id: u64::from(b'T'), ..base }, Touch::NONE)
            }
            _ => {
                let level = step - 2;
                let side = if level.is_multiple_of(2) { Side::Bid } else { Side::Ask };
                let (event, touch) = self.flow.open_level(index, side, (level / 2) as u16);
                let Event { kind_side, order_id, px, qty, .. } = event;
                (Event { kind_side, order_id, px, qty, ..base }, touch)
            }
        };
        Tick { event, touch, due: Due::AtOnce }
    }
}
