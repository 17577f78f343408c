//! A cold thread that decodes what does not fit into the queue, while the run is on.
//!
//! ```text
//!   decoder: source ─► Preparer ─► ring of 256 Ki ─► pinned thread: try_take, a copy of 80 bytes
//!            full: rests a tenth of a second         empty: not yet, counted as starved
//! ```
//! The ring is lock-free, one writer, one reader; the pinned thread never waits for it, allocates
//! nothing and makes no system call. What is decoded, and in which order, does not depend on when.
//!
//! Its cores are those of the cold threads. Where that is the pinned core, each burst is a gap of our
//! own making in the schedule: counted as such in the certificate, never as the machine's. There
//! the queue itself is made so long that most recordings need no decoder.
//!
//! Cost: ~0.2 µs an event of an ITCH recording, more where it is packed; 20 MiB. When the schedule
//! asks for more than that gives, the run is starved: its lag shows it.

use crate::ahead::{Prepared, Preparer};
use crate::control::Control;
use crate::error::SimError;
use crate::source::SourceFacts;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Events between decoder and queue: at 1 M events a second those of a rest and as many again.
const RING_EVENTS: usize = 1 << 18;
/// Rest once the ring is full: ten wakes a second are few enough to share a spinner's core.
const REST: Duration = Duration::from_millis(100);

/// What the decoder has for the pinned thread.
pub enum Given {
    /// The next event.
    Event(Prepared),
    /// It has none ready, but will.
    NotYet,
    /// The stream is at its end.
    End,
    /// It ends here, with a fault of the source.
    Fault(SimError),
}

#[derive(Debug, Default)]
struct Flags {
    /// Set by the decoder after its last event and its fault are on their rings.
    is_done: AtomicBool,
    /// Nobody wants more.
    is_unwanted: AtomicBool,
}

/// Says that no more comes, however the thread ends.
struct Done(Arc<Flags>);

impl Drop for Done {
    fn drop(&mut self) {
        // PAIR done: what stands on the rings happens-before a look at them that saw this.
        self.0.is_done.store(true, Ordering::Release);
    }
}

/// The thread, seen from the one that takes.
pub struct Decoder {
    events: HeapCons<Prepared>,
    faults: HeapCons<SimError>,
    flags: Arc<Flags>,
    facts: SourceFacts,
    thread: Option<JoinHandle<Box<Preparer>>>,
}

impl Decoder {
    /// Starts the thread; it inherits the cores of the caller.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(preparer: Box<Preparer>, control: Arc<Control>) -> Result<Decoder, SimError> {
        let facts = preparer.facts();
        let (events_in, events) = HeapRb::new(RING_EVENTS).split();
        let (faults_in, faults) = HeapRb::new(1).split();
        let flags = Arc::new(Flags::default());
        let work = Work { preparer, events: events_in, faults: faults_in, control };
        let theirs = Arc::clone(&flags);
        let thread = thread::Builder::new()
            .name("tickspin-decode".to_owned())
            .spawn(move || work.run(theirs))
            .map_err(|source| SimError::System { doing: "start a thread", source })?;
        Ok(Decoder { events, faults, flags, facts, thread: Some(thread) })
    }

    /// What is next, without waiting.
    #[inline]
    pub fn try_take(&mut self) -> Given {
        match self.events.try_pop() {
            Some(prepared) => Given::Event(prepared),
            None => self.none_ready(),
        }
    }

    #[cold]
    fn none_ready(&mut self) -> Given {
        // PAIR done: a look at the rings after this sees all that was put there.
        if !self.flags.is_done.load(Ordering::Acquire) {
            return Given::NotYet;
        }
        match self.events.try_pop() {
            Some(prepared) => Given::Event(prepared),
            None => self.faults.try_pop().map_or(Given::End, Given::Fault),
        }
    }

    /// What was known of the source when the thread began.
    #[must_use]
    pub fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    /// Ends the thread and gives what it knows of the source.
    pub fn finish(&mut self) -> SourceFacts {
        self.flags.is_unwanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if let Ok(preparer) = thread.join() {
                self.facts = preparer.facts();
            }
        }
        self.facts.clone()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread's own.
struct Work {
    preparer: Box<Preparer>,
    events: HeapProd<Prepared>,
    faults: HeapProd<SimError>,
    control: Arc<Control>,
}

impl Work {
    fn run(mut self, flags: Arc<Flags>) -> Box<Preparer> {
        let done = Done(Arc::clone(&flags));
        let mut waiting = None;
        loop {
            self.control.begin_cold_work();
            let has_more = self.fill(&flags, &mut waiting);
            self.control.end_cold_work();
            if !has_more || flags.is_unwanted.load(Ordering::Relaxed) {
                break;
            }
            thread::park_timeout(REST);
        }
        drop(done);
        self.preparer
    }

    /// Until the ring is full: true. False at the end of the stream.
    fn fill(&mut self, flags: &Flags, waiting: &mut Option<Prepared>) -> bool {
        while !flags.is_unwanted.load(Ordering::Relaxed) {
            let prepared = match waiting.take() {
                Some(prepared) => prepared,
                None => match self.preparer.prepare() {
                    Ok(Some(prepared)) => prepared,
                    Ok(None) => return false,
                    Err(fault) => {
                        // The first and only one: there is room.
                        let _ = self.faults.try_push(fault);
                        return false;
                    }
                },
            };
            if let Err(prepared) = self.events.try_push(prepared) {
                *waiting = Some(prepared);
                return true;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ahead::{Ahead, Limits, Room};
    use crate::pace::{Scale, Speed};
    use crate::source::Source;
    use crate::source::synth::{Synth, SynthSpec};
    use tickspin_host::clock::Clock;

    fn preparer(count: u64) -> Box<Preparer> {
        let spec = SynthSpec { seed: 1, instruments: 2, rate: 1_000.0, bursts: None };
        let source = Source::Synth(Box::new(Synth::new(spec)));
        let scale = Scale::new(Clock::with_frequency(1_000_000_000), Speed::Times(1.0));
        let limits = Limits { count: Some(count), warm_up: 100, ..Limits::default() };
        Box::new(Preparer::new(source, scale, limits))
    }

    fn all(decoder: &mut Decoder) -> Vec<Prepared> {
        let mut events = Vec::new();
        loop {
            match decoder.try_take() {
                Given::Event(prepared) => events.push(prepared),
                Given::NotYet => thread::yield_now(),
                Given::End => return events,
                Given::Fault(fault) => panic!("{fault}"),
            }
        }
    }

    #[test]
    fn what_a_decoder_gives_is_what_the_source_gives() {
        // More than the ring holds.
        let count = RING_EVENTS as u64 + 10_000;
        let mut decoder = Decoder::start(preparer(count), Arc::default()).unwrap();
        let beside = all(&mut decoder);
        let whole = Ahead::new(*preparer(count), Room::of(1 << 19)).unwrap();
        assert_eq!(beside.len() as u64, count);
        assert!((0..count).all(|n| whole.get(n) == beside.get(n as usize)));
        assert!(decoder.finish().line.starts_with("synthetic"));
    }

    #[test]
    fn a_decoder_that_nobody_wants_any_more_ends() {
        let decoder = Decoder::start(preparer(u64::MAX), Arc::default()).unwrap();
        drop(decoder);
    }

    #[test]
    fn its_work_on_the_pinned_core_is_announced() {
        let control = Arc::new(Control::default());
        control.share_core();
        let mut decoder = Decoder::start(preparer(10), Arc::clone(&control)).unwrap();
        assert_eq!(all(&mut decoder).len(), 10);
        decoder.finish();
        let work = control.cold_work();
        assert!(work != 0 && !Control::is_at_work(work));
    }
}
