//! A whole loop over memory: inputs from slices, requests into a slice, a clock that counts.

use super::{Memory, wide};
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Producer, Split};
use tickspin_host::clock::Clock;
use tickspin_host::wait::Wait;
use tickspin_hot::book::BookSize;
use tickspin_hot::input::{Input, SliceInput};
use tickspin_hot::notice::Notice;
use tickspin_hot::orders::{Orders, Outbox, OwnOrder, SliceOutbox, table_len};
use tickspin_hot::record::{COUNTERS, LoopStats, Recorder, STAGES, Spell};
use tickspin_hot::risk::{Exposure, Limits, Risk};
use tickspin_hot::spin::{Hot, Outcome, Terms, run};
use tickspin_hot::stamps::Stamps;
use tickspin_hot::strategy::Strategy;
use tickspin_ring::counters::{CounterSegment, PeerCounters};
use tickspin_ring::tally::{Snapshot, TallySegment};
use tickspin_wire::event::Event;
use tickspin_wire::order::Request;

/// Nothing to wait for: inputs never get more than they have.
pub(crate) struct NoWait;

impl Wait for NoWait {
    const NAME: &'static str = "none";
    fn idle(&mut self) {}
}

/// What a run needs beside its inputs and its strategy.
pub(crate) struct Rig {
    pub(crate) limits: Limits,
    pub(crate) terms: Terms,
    pub(crate) request_slots: usize,
    pub(crate) notice_slots: usize,
    /// Responses from here on are kept.
    pub(crate) slow_over_ns: u64,
    pub(crate) spell_slots: usize,
}

impl Default for Rig {
    fn default() -> Rig {
        Rig {
            limits: wide(),
            terms: Terms { stop_grace_ns: 1_000, drain_ns: 1_000 },
            request_slots: 1 << 12,
            notice_slots: 1 << 10,
            slow_over_ns: 5_000,
            spell_slots: 1 << 6,
        }
    }
}

/// What a run left behind.
pub(crate) struct Left {
    pub(crate) outcome: Outcome,
    pub(crate) stats: LoopStats,
    pub(crate) requests: Vec<Request>,
    /// Armed and not halted at the end.
    pub(crate) is_open: bool,
    pub(crate) notices: Vec<Notice>,
    pub(crate) spells: Vec<Spell>,
    counters: PeerCounters,
    tallies: Vec<Snapshot>,
}

impl Left {
    pub(crate) fn counter(&self, label: &str) -> u64 {
        self.counters.by_label(label).unwrap_or_else(|| panic!("no counter {label}"))
    }

    /// (value, count) of one stage, and how many were negative.
    pub(crate) fn stage(&self, label: &str) -> (Vec<(u64, u64)>, u64) {
        let at = STAGES.iter().position(|stage| *stage == label).expect("a stage");
        (self.tallies[at].values().collect(), self.tallies[at].negative)
    }
}

/// Events as a slice input takes them.
pub(crate) fn payloads(events: &[Event]) -> Vec<[u64; 7]> {
    events.iter().map(|event| event.to_words()).collect()
}

impl Rig {
    /// Runs the loop with a clock of 1 GHz: ticks are ns.
    pub(crate) fn run<I: Input, R: Input, S: Strategy, T: Stamps>(
        &self,
        input: I,
        reports: R,
        strategy: S,
        stamps: &mut T,
    ) -> Left {
        let mut slots = vec![[0; 7]; self.request_slots];
        let (notices, mut heard) = HeapRb::<Notice>::new(self.notice_slots).split();
        let (mut requests, mut is_open) = (Vec::new(), false);
        let left = self.run_on(
            (SliceOutbox::new(&mut slots), notices),
            (input, reports),
            strategy,
            stamps,
            |outbox| {
                let published = outbox.published().iter();
                requests = published.map(|&words| Request::from_words(words)).collect();
                is_open = outbox.is_open();
            },
        );
        Left { requests, is_open, notices: heard.pop_iter().collect(), ..left }
    }

    /// The same with a way out and a queue of the test's own, which it looks at itself.
    pub(crate) fn run_on<I: Input, R: Input, S: Strategy, T: Stamps, O: Outbox, N>(
        &self,
        (outbox, notices): (O, N),
        (input, reports): (I, R),
        strategy: S,
        stamps: &mut T,
        look: impl FnOnce(&O),
    ) -> Left
    where
        N: Producer<Item = Notice>,
    {
        let mut memory = Memory::new(BookSize { instruments: 8, orders: 4_096, levels: 4_096 });
        let mut exposures = [Exposure::default(); 8];
        let mut own = vec![OwnOrder::default(); table_len(1_024)];
        let counters = CounterSegment::create("engine", &COUNTERS).expect("a segment");
        let peer = PeerCounters::attach(counters.share().to_received().expect("a descriptor"))
            .expect("our own segment");
        let tallies = TallySegment::create("engine", &STAGES).expect("a segment");
        let writer = tallies.writer().expect("the first");
        let clock = Clock::with_frequency(1_000_000_000);
        let (spells, mut slow) = HeapRb::<Spell>::new(self.spell_slots).split();
        let mut hot = Hot {
            input,
            reports,
            book: memory.book(),
            strategy,
            risk: Risk::new(self.limits, &mut exposures).expect("limits"),
            orders: Orders::new(outbox, &mut own),
            record: Recorder::new(writer, counters.writer(), clock)
                .with_slow_over(self.slow_over_ns),
            notices,
            spells,
        };
        let outcome = run(&mut hot, stamps, &mut NoWait, &self.terms);
        look(hot.orders.outbox());
        let reader = tallies.reader();
        Left {
            outcome,
            stats: hot.record.stats,
            requests: Vec::new(),
            is_open: false,
            notices: Vec::new(),
            spells: slow.pop_iter().collect(),
            counters: peer,
            tallies: (0..STAGES.len())
                .map(|at| {
                    let mut snapshot = Snapshot::default();
                    reader.snapshot(at, &mut snapshot);
                    snapshot
                })
                .collect(),
        }
    }

    /// The same over events from memory, without reports.
    pub(crate) fn events<S: Strategy, T: Stamps>(
        &self,
        events: &[Event],
        strategy: S,
        stamps: &mut T,
    ) -> Left {
        let payloads = payloads(events);
        self.run(SliceInput::new(&payloads, 9), SliceInput::new(&[], 9), strategy, stamps)
    }
}
