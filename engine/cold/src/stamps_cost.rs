//! What stamping itself costs a tick: the loop over made-up events with clock reads and without.
//!
//! Three variants in turn, round after round, on the pinned thread before the run: all stamps, both
//! ends only, and a clock that is not read but counted. The medians' differences are the cost of
//! the reads; what a recorded stage is charged for them is in every value that the run reports.
//! Some 20 ms.

use crate::error::EngineError;
use crate::tables::{Borrowed, Tables};
use ringbuf::HeapRb;
use ringbuf::traits::Split;
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::wait::Spin;
use tickspin_hot::book::{Book, BookSize};
use tickspin_hot::input::SliceInput;
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Orders, SliceOutbox, table_len};
use tickspin_hot::record::{COUNTERS, Recorder, STAGES, Spell};
use tickspin_hot::rehearse;
use tickspin_hot::risk::{Limits, Risk};
use tickspin_hot::spin::{self, Hot, Terms};
use tickspin_hot::stamps::{AllStamps, CountedStamps, EndStamps, Stamps};
use tickspin_hot::strategy::Probe;
use tickspin_results::summary::StampsCost;
use tickspin_ring::counters::CounterSegment;
use tickspin_ring::tally::TallySegment;
use tickspin_wire::event::{Event, flag};
use tickspin_wire::num::Qty;

const EVENTS: usize = 4_096;
const INSTRUMENTS: u16 = 16;
const OPEN_ORDERS: usize = 1_024;
/// Rounds of all variants; the first warms and is left out.
const ROUNDS: usize = 16;

/// [`CountedStamps`] of both ends only.
struct CountedEnds(CountedStamps);

impl Stamps for CountedEnds {
    const STAGES: bool = false;
    fn arrival(&mut self) -> u64 {
        self.0.arrival()
    }
    fn stage(&mut self) -> u64 {
        0
    }
    fn end(&mut self) -> u64 {
        self.0.end()
    }
    fn idle(&mut self) -> u64 {
        self.0.idle()
    }
}

/// Measures it on the calling thread.
///
/// # Errors
/// No memory for the scratch tables.
pub(crate) fn measure(clock: &Clock, limits: Limits) -> Result<StampsCost, EngineError> {
    let mut bench = Bench::new(*clock, limits)?;
    let (mut all, mut ends) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let counted = || CountedStamps { now: ticks(), step: 1 };
        let costs = [
            bench.event_ns(AllStamps)? - bench.event_ns(counted())?,
            bench.event_ns(EndStamps)? - bench.event_ns(CountedEnds(counted()))?,
        ];
        if round > 0 {
            all.push(costs[0]);
            ends.push(costs[1]);
        }
    }
    Ok(StampsCost { all_ns: median(&mut all), ends_ns: median(&mut ends) })
}

/// Never below 0: what is not measurable costs nothing that could be told.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or(0.0, |middle| (middle.max(0.0) * 10.0).round() / 10.0)
}

struct Bench {
    tables: Tables,
    events: Vec<[u64; 7]>,
    limits: Limits,
    clock: Clock,
}

impl Bench {
    fn new(clock: Clock, limits: Limits) -> Result<Bench, EngineError> {
        let size =
            BookSize { instruments: usize::from(INSTRUMENTS), orders: EVENTS, levels: EVENTS };
        let tables = Tables::new(&size, table_len(OPEN_ORDERS), false)?;
        let mut events = vec![[0; 7]; EVENTS];
        rehearse::script(&mut events, INSTRUMENTS);
        Ok(Bench { tables, events, limits, clock })
    }

    /// One run over all events, ns an event.
    fn event_ns<T: Stamps>(&mut self, mut stamps: T) -> Result<f64, EngineError> {
        // Fresh and measured, so that the recording is in it.
        let sent_ticks = ticks();
        for words in &mut self.events {
            let event = Event::from_words(*words);
            *words = Event { sent_ticks, flags: event.flags & !flag::WARM_UP, ..event }.to_words();
        }
        let named = |source| EngineError::Segment { label: "stamps", source };
        let misfit = |error: &dyn std::fmt::Display| EngineError::Tables(error.to_string());
        let tallies = TallySegment::create("stamps", &STAGES).map_err(named)?;
        let counters = CounterSegment::create("stamps", &COUNTERS).map_err(named)?.writer();
        let writer = tallies.writer().ok_or(EngineError::Thread("tallies"))?;
        let Borrowed { book, exposures, own_orders, quotes: _ } = self.tables.borrow();
        let mut slots = vec![[0; 7]; OPEN_ORDERS];
        let (notices, _heard) = HeapRb::<Notice>::new(64).split();
        let (spells, _slow) = HeapRb::<Spell>::new(1).split();
        let mut hot = Hot {
            input: SliceInput::new(&self.events, 1),
            reports: SliceInput::new(&[], 1),
            book: Book::new(book, 1).map_err(|error| misfit(&error))?,
            strategy: Probe::new(Qty(1)),
            risk: Risk::new(self.limits, exposures).map_err(|error| misfit(&error))?,
            orders: Orders::new(SliceOutbox::new(&mut slots).wrapping(), own_orders),
            record: Recorder::new(writer, counters, self.clock),
            notices,
            spells,
        };
        let terms = Terms { stop_grace_ns: 0, drain_ns: 0 };
        let from = ticks();
        spin::run(&mut hot, &mut stamps, &mut Spin, &terms);
        Ok(self.clock.ns(ticks().saturating_sub(from)) as f64 / EVENTS as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_the_clock_costs_something_and_less_than_a_microsecond() {
        let config: crate::config::Config = crate::layers::Layers::compiled_in().typed().unwrap();
        let clock = Clock::calibrate(std::time::Duration::from_millis(10)).unwrap();
        let per_second = clock.ticks_per_second();
        let cost = measure(&clock, config.risk.limits(per_second, per_second)).unwrap();
        assert!(cost.all_ns > 0.0 && cost.all_ns < 1_000.0, "{cost:?}");
        assert!(cost.ends_ns < cost.all_ns + 100.0, "{cost:?}");
    }
}
