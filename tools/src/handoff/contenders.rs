//! What carries the messages: the bare line, our ring in two read modes, two other crates' rings.

use super::measure::{Payload, Rx, SLOTS, Taken, Tx};
use crate::error::Failure;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tickspin_hot::input::ring::PUBLISH_EVERY;
use tickspin_ring::region::{ClockWords, Policy, random_epoch};
use tickspin_ring::{Consumer, PeerPosition, PeerRing, Polled, PositionSegment, Producer};
use tickspin_ring::{RingSegment, RingSpec};

/// A word on a page of its own, so that nothing else moves its line.
#[derive(Debug, Default)]
#[repr(align(4096))]
pub(super) struct Line(AtomicU64);

/// A line that two threads hold.
pub(super) type SharedLine = Arc<Line>;

/// The floor: one u64, released and read. No flow control: what is not read in time is gone.
pub(super) fn line() -> (LineTx, LineRx) {
    line_on(&SharedLine::default())
}

/// The same, on a line that was used before: what lies on it is old news.
pub(super) fn line_on(line: &SharedLine) -> (LineTx, LineRx) {
    let last = line.0.load(Ordering::Relaxed);
    (LineTx(Arc::clone(line)), LineRx { line: Arc::clone(line), last })
}

pub(super) struct LineTx(SharedLine);

impl LineTx {
    pub(super) fn page(&self) -> SharedLine {
        Arc::clone(&self.0)
    }
}

impl Tx for LineTx {
    #[inline(always)]
    fn try_send(&mut self, payload: &Payload) -> bool {
        self.0.0.store(payload[0], Ordering::Release);
        true
    }
}

pub(super) struct LineRx {
    line: SharedLine,
    last: u64,
}

impl Rx for LineRx {
    #[inline(always)]
    fn try_take(&mut self) -> Option<Taken> {
        let value = self.line.0.load(Ordering::Acquire);
        if value == self.last {
            return None;
        }
        self.last = value;
        Some(Taken { first: value, sum: value })
    }
}

/// Our ring, read in place.
pub(super) fn ring() -> Result<(RingTx, InPlace), Failure> {
    let (tx, rx) = our_ring()?;
    Ok((tx, InPlace(rx)))
}

/// Our ring, each message copied out: as the engine reads it.
pub(super) fn ring_copy() -> Result<(RingTx, CopiedOut), Failure> {
    let (tx, rx) = our_ring()?;
    Ok((tx, CopiedOut(rx)))
}

/// Both ends over sealed segments, each mapped a second time by the other end.
fn our_ring() -> Result<(RingTx, Consumer), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::environment(format_args!("ring: {error}"));
    let ring = RingSegment::create(&RingSpec {
        label: "bench",
        slots: SLOTS,
        policy: Policy::Wait,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    })
    .map_err(|error| failed(&error))?;
    let position =
        PositionSegment::create("bench", random_epoch()).map_err(|error| failed(&error))?;
    let seen = ring.share().to_received().map_err(|error| failed(&error))?;
    let peer_ring = PeerRing::attach(seen).map_err(|error| failed(&error))?;
    let seen = position.share().to_received().map_err(|error| failed(&error))?;
    let peer_position = PeerPosition::attach(seen).map_err(|error| failed(&error))?;
    let consumer = Consumer::new(peer_ring, position, PUBLISH_EVERY);
    Ok((RingTx(Producer::new(ring, peer_position)), consumer))
}

pub(super) struct RingTx(Producer);

impl Tx for RingTx {
    #[inline(always)]
    fn try_send(&mut self, payload: &Payload) -> bool {
        self.0.try_publish(payload).is_some()
    }
}

pub(super) struct InPlace(Consumer);

impl Rx for InPlace {
    #[inline(always)]
    fn try_take(&mut self) -> Option<Taken> {
        match self.0.poll() {
            Polled::Slot(view) => {
                // Each word once: atomic loads are never merged.
                let first = view.word(0);
                let sum = (1..7).fold(view.seq() ^ first, |sum, word| sum ^ view.word(word));
                Some(Taken { first, sum })
            }
            // A foreign stamp cannot be: the other end is ours. If it were, the time limit ends it.
            Polled::Empty | Polled::Foreign(_) => None,
        }
    }
}

pub(super) struct CopiedOut(Consumer);

impl Rx for CopiedOut {
    #[inline(always)]
    fn try_take(&mut self) -> Option<Taken> {
        let (seq, copy) = self.0.poll_copy()?;
        let taken = Taken { first: copy[0], sum: copy.iter().fold(seq, |sum, word| sum ^ word) };
        // The copy lies in memory, whatever was needed of it. It is not read back from there:
        // wider loads than the stores that made it would wait for them.
        std::hint::black_box(&copy);
        Some(taken)
    }
}

/// A message of the others: the sequence, which our ring has in its stamp, and the payload.
#[inline(always)]
pub(super) fn with_sequence(sequence: u64, payload: &Payload) -> [u64; 8] {
    let [a, b, c, d, e, f, g] = *payload;
    [sequence, a, b, c, d, e, f, g]
}

/// The crate `ringbuf`, with its cached indices.
pub(super) fn ringbuf() -> (RingbufTx, RingbufRx) {
    let (tx, rx) = HeapRb::<[u64; 8]>::new(SLOTS as usize).split();
    (RingbufTx { tx, sequence: 1 }, RingbufRx(rx))
}

pub(super) struct RingbufTx {
    tx: ringbuf::HeapProd<[u64; 8]>,
    sequence: u64,
}

impl Tx for RingbufTx {
    #[inline(always)]
    fn try_send(&mut self, payload: &Payload) -> bool {
        let sent = self.tx.try_push(with_sequence(self.sequence, payload)).is_ok();
        self.sequence += u64::from(sent);
        sent
    }
}

pub(super) struct RingbufRx(ringbuf::HeapCons<[u64; 8]>);

impl Rx for RingbufRx {
    #[inline(always)]
    fn try_take(&mut self) -> Option<Taken> {
        self.0.try_pop().map(|words| Taken::all_of(&words))
    }
}

/// The crate `rtrb`.
pub(super) fn rtrb() -> (RtrbTx, RtrbRx) {
    let (tx, rx) = rtrb::RingBuffer::new(SLOTS as usize);
    (RtrbTx { tx, sequence: 1 }, RtrbRx(rx))
}

pub(super) struct RtrbTx {
    tx: rtrb::Producer<[u64; 8]>,
    sequence: u64,
}

impl Tx for RtrbTx {
    #[inline(always)]
    fn try_send(&mut self, payload: &Payload) -> bool {
        let sent = self.tx.push(with_sequence(self.sequence, payload)).is_ok();
        self.sequence += u64::from(sent);
        sent
    }
}

pub(super) struct RtrbRx(rtrb::Consumer<[u64; 8]>);

impl Rx for RtrbRx {
    #[inline(always)]
    fn try_take(&mut self) -> Option<Taken> {
        self.0.pop().ok().map(|words| Taken::all_of(&words))
    }
}
