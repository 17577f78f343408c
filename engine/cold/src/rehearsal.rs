//! The rehearsal: the loop runs once over made-up events before the first real one.
//!
//! It is the very instance that will run (same input, strategy, stamps and waiting), over rings,
//! tables, tallies and counters of its own, so that nothing of it shows in the results.
//! Caches, branch predictors and lazily bound symbols are warm then; takes a few milliseconds.

use crate::error::EngineError;
use crate::events::Events;
use crate::pinned::Make;
use crate::tables::{Borrowed, Tables};
use ringbuf::HeapRb;
use ringbuf::traits::Split;
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::wait::Wait;
use tickspin_hot::book::{Book, BookSize};
use tickspin_hot::input::RingInput;
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Orders, table_len};
use tickspin_hot::record::{COUNTERS, Recorder, STAGES, Spell};
use tickspin_hot::rehearse;
use tickspin_hot::risk::{Limits, Risk};
use tickspin_hot::spin::{self, Hot, Terms};
use tickspin_hot::stamps::Stamps;
use tickspin_ring::counters::{CounterSegment, CounterWriter};
use tickspin_ring::region::{ClockWords, Policy, random_epoch};
use tickspin_ring::tally::{TallySegment, TallyWriter};
use tickspin_ring::{PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec};
use tickspin_wire::event::{Event, flag};

/// Events of the script: some thousand calls of each stage are plenty for any branch predictor.
const EVENTS: u32 = 4_096;
/// Instruments of the script.
const INSTRUMENTS: usize = 16;
/// Open orders that the scratch table is made for.
const OPEN_ORDERS: usize = 1_024;

/// Memory and rings of the rehearsal.
pub struct Scratch {
    tables: Tables,
    events: (Producer, RingInput),
    requests: Producer,
    /// Keeps the requests' consumer segment mapped.
    _requests: PositionSegment,
    reports: (Producer, RingInput),
    counters: CounterWriter,
    tallies: TallyWriter,
}

impl Scratch {
    /// Makes it; some 5 MiB.
    ///
    /// # Errors
    /// The kernel has no memory or descriptors left.
    pub fn new() -> Result<Scratch, EngineError> {
        let size =
            BookSize { instruments: INSTRUMENTS, orders: EVENTS as usize, levels: EVENTS as usize };
        let tables = Tables::new(&size, table_len(OPEN_ORDERS), false)?;
        let named = |source| EngineError::Segment { label: "scratch", source };
        let counters = CounterSegment::create("scratch", &COUNTERS).map_err(named)?.writer();
        let tallies = TallySegment::create("scratch", &STAGES).map_err(named)?;
        let tallies = tallies.writer().ok_or(EngineError::Thread("tallies"))?;
        let (requests, _, _requests) = ring("requests")?;
        let looped = |label| {
            ring(label).map(|(producer, ring, position)| (producer, RingInput::new(ring, position)))
        };
        let (events, reports) = (looped("events")?, looped("reports")?);
        Ok(Scratch { tables, events, requests, _requests, reports, counters, tallies })
    }
}

/// Both ends of a ring within this process.
fn ring(label: &'static str) -> Result<(Producer, PeerRing, PositionSegment), EngineError> {
    let created = |source| EngineError::Segment { label, source };
    let refused = |why: &dyn std::fmt::Display| EngineError::Foreign {
        segment: format!("scratch ring {label}"),
        why: why.to_string(),
    };
    let spec = RingSpec {
        label,
        slots: EVENTS,
        policy: Policy::Drop,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    };
    let segment = RingSegment::create(&spec).map_err(created)?;
    let position = PositionSegment::create(label, random_epoch()).map_err(created)?;
    let share =
        |share: tickspin_ring::Share<'_>| share.to_received().map_err(|error| refused(&error));
    let ring = PeerRing::attach(share(segment.share())?).map_err(|error| refused(&error))?;
    let peer = PeerPosition::attach(share(position.share())?).map_err(|error| refused(&error))?;
    Ok((Producer::new(segment, peer), ring, position))
}

/// Runs it on the calling thread.
///
/// # Errors
/// Scratch memory that does not fit: a defect.
pub(crate) fn run<E: Events, M: Make, T: Stamps, W: Wait>(
    scratch: Scratch,
    make: &M,
    mut stamps: T,
    mut wait: W,
    clock: &Clock,
    limits: Limits,
) -> Result<(), EngineError> {
    let Scratch { mut tables, events, requests, _requests, reports, counters, tallies } = scratch;
    let ((mut event_source, input), (mut report_source, reports)) = (events, reports);
    let mut payloads = vec![[0; 7]; EVENTS as usize];
    rehearse::answers(&mut payloads);
    for words in &payloads {
        report_source.try_publish(words);
    }
    report_source.halt();
    rehearse::script(&mut payloads, INSTRUMENTS as u16);
    for words in &payloads {
        // Fresh and measured, so that the gate lets orders pass and the recording is rehearsed too.
        let event = Event::from_words(*words);
        let event = Event { sent_ticks: ticks(), flags: event.flags & !flag::WARM_UP, ..event };
        event_source.try_publish(&event.to_words());
    }
    let misfit = |error: &dyn std::fmt::Display| EngineError::Tables(error.to_string());
    let Borrowed { book, exposures, own_orders, quotes } = tables.borrow();
    let (notices, _) = HeapRb::<Notice>::new(64).split();
    let (spells, _) = HeapRb::<Spell>::new(64).split();
    let mut hot = Hot {
        input: E::rehearsal(input),
        reports,
        book: Book::new(book, 1).map_err(|error| misfit(&error))?,
        strategy: make.make(quotes)?,
        risk: Risk::new(limits, exposures).map_err(|error| misfit(&error))?,
        orders: Orders::new(requests, own_orders),
        record: Recorder::new(tallies, counters, *clock),
        notices,
        spells,
    };
    let terms = Terms { stop_grace_ns: 0, drain_ns: 0 };
    spin::run(&mut hot, &mut stamps, &mut wait, &terms);
    Ok(())
}
