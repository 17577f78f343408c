//! The pinned thread: everything of its life before and after the loop.
//!
//! ```text
//!   pin, priority, stack ─► books formatted ─► ready ─► (main attaches) ─► rehearsal
//!     ─► usage sampled ─► ARMED: the loop ─► DISARMED ─► usage sampled ─► books hashed
//! ```
//!
//! Between the two samples the thread makes no system call (spinning), allocates nothing and takes
//! no page fault: whatever it touches was made, formatted and touched before. An observer sees the
//! same two marks in the counters `armed` and `phase`.

use crate::book_hash::{BookHash, HashedLevel};
use crate::config::{Config, Stamps, Strategy as StrategyName};
use crate::error::EngineError;
use crate::events::{Events, PacketCounts};
use crate::plan::{Plan, Waiting};
use crate::rehearsal::{self, Scratch};
use crate::segments::Links;
use crate::stamps_cost;
use crate::tables::{Borrowed, Tables};
use ringbuf::traits::Producer as Queue;
use std::sync::mpsc::{Receiver, SyncSender};
use tickspin_host::clock::Clock;
use tickspin_host::process::{ThreadUsage, process_cpu_ns, steal_ns, thread_id, thread_usage};
use tickspin_host::wait::{Spin, Wait, Yield};
use tickspin_host::{cpu, memory, rights};
use tickspin_hot::book::{Book, BookStats};
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{OrderStats, Orders};
use tickspin_hot::record::{LoopStats, Recorder, Spell};
use tickspin_hot::risk::{Refusal, Risk};
use tickspin_hot::spin::{self, Hot, Outcome, Terms};
use tickspin_hot::stamps::{self, AllStamps, EndStamps};
use tickspin_hot::strategy::market_maker::{MakerSlot, MarketMaker, Quoting};
use tickspin_hot::strategy::{Probe, Strategy};
use tickspin_results::summary::{StampsCost, Usage};
use tickspin_wire::num::{InstrumentId, Qty, Side};

/// Stack touched before arming: the loop's deepest call needs a few KiB.
const STACK_BYTES: usize = 256 << 10;

/// What the thread takes along.
pub struct Baggage<N, C, E> {
    /// In force.
    pub config: Config,
    /// Settled.
    pub plan: Plan,
    /// Calibrated.
    pub clock: Clock,
    /// Populated.
    pub tables: Tables,
    /// For the rehearsal.
    pub scratch: Scratch,
    /// Where notices go.
    pub notices: N,
    /// Where spells of slow ticks go.
    pub spells: C,
    /// What brings the events.
    pub events: E,
}

impl<N, C> Baggage<N, C, ()> {
    /// The same with what brings the events.
    pub fn with<E>(self, events: E) -> Baggage<N, C, E> {
        let Baggage { config, plan, clock, tables, scratch, notices, spells, events: () } = self;
        Baggage { config, plan, clock, tables, scratch, notices, spells, events }
    }
}

/// What the thread tells the main thread.
pub enum Up {
    /// Pinned and prepared: attach now. The thread's number, as under /proc/self/task.
    Ready(i32),
    /// Rehearsed: the loop begins.
    Armed,
    /// Over.
    Done(Result<Box<Finished>, EngineError>),
}

/// What is left of a run.
pub struct Finished {
    /// What the kernel had counted for the thread when the loop was over.
    pub thread: ThreadUsage,
    /// What stamping costs.
    pub stamps_cost: StampsCost,
    /// How the loop ended.
    pub outcome: Outcome,
    /// What the kernel did to the thread between the marks.
    pub usage: Usage,
    /// Counts of the loop.
    pub stats: LoopStats,
    /// Counts of the books.
    pub book: BookStats,
    /// Counts of own orders.
    pub orders: OrderStats,
    /// Refusals of the gate, by number.
    pub refused: [u64; Refusal::COUNT],
    /// Hash of the final books.
    pub book_hash: String,
    /// Instruments with a level.
    pub book_instruments: u64,
    /// What packets left behind, where they brought the events.
    pub packets: Option<PacketCounts>,
}

/// The thread's body. `up` hears of it; `down` brings the links, or nothing more.
pub fn work<N: Queue<Item = Notice>, C: Queue<Item = Spell>, E: Events>(
    baggage: Baggage<N, C, E>,
    up: &SyncSender<Up>,
    down: &Receiver<Links>,
) {
    let waiting = baggage.plan.waiting;
    let done = match (baggage.config.run.stamps, waiting) {
        (Stamps::All, Waiting::Spin) => strategy(baggage, AllStamps, Spin, up, down),
        (Stamps::All, Waiting::Yield) => strategy(baggage, AllStamps, Yield, up, down),
        (Stamps::Ends, Waiting::Spin) => strategy(baggage, EndStamps, Spin, up, down),
        (Stamps::Ends, Waiting::Yield) => strategy(baggage, EndStamps, Yield, up, down),
    };
    if let Some(done) = done.transpose() {
        // Where nobody listens any more the main thread has failed and says so itself.
        let _ = up.send(Up::Done(done));
    }
}

/// Makes a strategy over borrowed slots: one for the rehearsal, one for the run, of one type, so
/// that the very code that runs has been rehearsed.
pub(crate) trait Make {
    /// What it makes.
    type Made<'m>: Strategy;
    /// Makes one.
    fn make<'m>(&self, slots: &'m mut [MakerSlot]) -> Result<Self::Made<'m>, EngineError>;
}

struct MakeProbe(Probe);
struct MakeMaker(Quoting);

impl Make for MakeProbe {
    type Made<'m> = Probe;
    fn make(&self, _: &mut [MakerSlot]) -> Result<Probe, EngineError> {
        Ok(self.0)
    }
}

impl Make for MakeMaker {
    type Made<'m> = MarketMaker<'m>;
    fn make<'m>(&self, slots: &'m mut [MakerSlot]) -> Result<MarketMaker<'m>, EngineError> {
        MarketMaker::new(self.0, slots).map_err(|error| EngineError::Tables(error.to_string()))
    }
}

type Done = Result<Option<Box<Finished>>, EngineError>;

fn strategy<N, C, E, T, W>(
    baggage: Baggage<N, C, E>,
    stamps: T,
    wait: W,
    up: &SyncSender<Up>,
    down: &Receiver<Links>,
) -> Done
where
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
    E: Events,
    T: stamps::Stamps + Copy,
    W: Wait + Copy,
{
    match baggage.config.run.strategy {
        StrategyName::Probe => {
            let keys = &baggage.config.probe;
            let probe = Probe::new(Qty(keys.qty)).thinking(keys.think_steps, keys.think_every);
            let make = MakeProbe(probe);
            session(baggage, &make, stamps, wait, up, down)
        }
        StrategyName::MarketMaker => {
            let make = MakeMaker(baggage.config.quotes.quoting());
            session(baggage, &make, stamps, wait, up, down)
        }
    }
}

fn session<N, C, E, M, T, W>(
    baggage: Baggage<N, C, E>,
    make: &M,
    stamps: T,
    wait: W,
    up: &SyncSender<Up>,
    down: &Receiver<Links>,
) -> Done
where
    N: Queue<Item = Notice>,
    C: Queue<Item = Spell>,
    E: Events,
    M: Make,
    T: stamps::Stamps + Copy,
    W: Wait + Copy,
{
    let Baggage { config, plan, clock, mut tables, scratch, notices, spells, mut events } = baggage;
    cpu::pin(plan.core)?;
    if let Some(priority) = plan.fifo {
        cpu::fifo(priority)?;
    }
    memory::prefault_stack(STACK_BYTES);
    memory::prefault_image();
    let misfit = |error: &dyn std::fmt::Display| EngineError::Tables(error.to_string());
    let Borrowed { book, exposures, own_orders, quotes } = tables.borrow();
    let seed = tickspin_ring::region::random_epoch();
    let book = Book::new(book, seed).map_err(|error| misfit(&error))?;
    let strategy = make.make(quotes)?;

    let per_second = clock.ticks_per_second();
    let stamps_cost = stamps_cost::measure(&clock, config.risk.limits(per_second, per_second))?;

    let _ = up.send(Up::Ready(thread_id()));
    // No links: the main thread could not attach, and says why.
    let Ok(links) = down.recv() else { return Ok(None) };
    if E::HAS_PRIVILEGES {
        // Not before: a process becomes another user on all its threads or, where one may not any
        // more, aborts.
        rights::give_up(None).map_err(EngineError::Rights)?;
    }

    let units_per_second = if links.is_lockstep { 1_000_000_000 } else { clock.ticks_per_second() };
    let limits = config.risk.limits(units_per_second, clock.ticks_per_second());
    let risk = Risk::new(limits, exposures).map_err(|error| misfit(&error))?;
    rehearsal::run::<E, _, _, _>(scratch, make, stamps, wait, &clock, limits)?;
    let (ring, position) = links.events;
    let input = events.input(ring, position, &clock)?;
    let record = Recorder::new(links.tallies, links.counters, clock);
    let record = match config.run.slow_over_ns {
        0 => record,
        over_ns => record.with_slow_over(over_ns),
    };
    let mut hot = Hot {
        input,
        reports: links.reports,
        book,
        strategy,
        risk,
        orders: Orders::new(links.requests, own_orders),
        record,
        notices,
        spells,
    };
    let terms = Terms {
        stop_grace_ns: config.run.linger_ms * 1_000_000,
        drain_ns: config.run.drain_ms * 1_000_000,
    };
    // The first sample makes the memory that the second one uses again.
    Sample::after(plan.core);
    let before = Sample::before(plan.core);
    // After the sample, so that whoever looks now sees nothing of what came before the loop.
    let _ = up.send(Up::Armed);
    let outcome = spin::run(&mut hot, &mut { stamps }, &mut { wait }, &terms);
    let after = Sample::after(plan.core);

    let usage = after.since(&before, &plan, hot.record.largest_gap_ns());
    let packets = E::counts(&mut hot.input);
    let (book_hash, book_instruments) = hash(&hot.book);
    Ok(Some(Box::new(Finished {
        thread: after.thread,
        stamps_cost,
        outcome,
        usage,
        stats: hot.record.stats,
        book: *hot.book.stats(),
        orders: *hot.orders.stats(),
        refused: *hot.risk.refused(),
        book_hash,
        book_instruments,
        packets,
    })))
}

/// One look at what the kernel did, taken by the thread itself just outside of the marks.
struct Sample {
    thread: ThreadUsage,
    steal_ns: u64,
    process_cpu_ns: u64,
}

impl Sample {
    /// The thread's own counts last, so that the other reads are not in them.
    fn before(core: usize) -> Sample {
        let steal_ns = steal_ns(core).unwrap_or(0);
        let process_cpu_ns = process_cpu_ns();
        Sample { thread: own_usage(), steal_ns, process_cpu_ns }
    }

    /// The thread's own counts first, for the same reason.
    fn after(core: usize) -> Sample {
        let thread = own_usage();
        let process_cpu_ns = process_cpu_ns();
        Sample { thread, steal_ns: steal_ns(core).unwrap_or(0), process_cpu_ns }
    }

    fn since(&self, before: &Sample, plan: &Plan, largest_gap_ns: u64) -> Usage {
        let thread = self.thread.since(&before.thread);
        let process_ns = self.process_cpu_ns.saturating_sub(before.process_cpu_ns);
        Usage {
            core: plan.core,
            waiting: plan.waiting.name().to_owned(),
            minor_faults: thread.minor_faults,
            major_faults: thread.major_faults,
            involuntary_switches: thread.involuntary_switches,
            voluntary_switches: thread.voluntary_switches,
            steal_ns: self.steal_ns.saturating_sub(before.steal_ns),
            largest_gap_ns,
            cold_cpu_ns: process_ns.saturating_sub(thread.cpu_ns),
        }
    }
}

fn own_usage() -> ThreadUsage {
    thread_usage(thread_id()).unwrap_or_default()
}

fn hash(book: &Book<'_>) -> (String, u64) {
    let mut hash = BookHash::default();
    let levels = |instrument, side| {
        book.levels(instrument, side).map(|(px, qty, count)| HashedLevel {
            px: px.0,
            qty: qty.0,
            count: u64::from(count),
        })
    };
    for instrument in 0..book.instrument_count() {
        let Ok(number) = u16::try_from(instrument) else { break };
        let id = InstrumentId(number);
        hash.instrument(number, levels(id, Side::Bid), levels(id, Side::Ask));
    }
    let instruments = hash.instruments();
    (hash.finish(), instruments)
}
