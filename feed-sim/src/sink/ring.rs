//! Into the shared ring: stamped right before it is published, one by one or a batch at a time.
//!
//! | policy | ring full |
//! |---|---|
//! | `wait` | the event stays where it is; the caller comes again |
//! | `drop` | it is dropped and counted; dropping goes on until an eighth of the ring is free, then a `Gap` names what is missing, then sending goes on |
//!
//! Dropping in runs rather than one by one: a gap an event would fill the ring with gaps. A `Gap`
//! is an event of ours, outside the schedule: sent, not measured.
//!
//! The `sent` stamp of a batch is read once, before its first slot is written; the batch becomes
//! visible with its last store, which a paced batch, of a few events that were all due, takes some
//! ten nanoseconds an event to come to. At `--speed max` batches are longer, and waiting in the ring
//! is thousands of times longer still.

use super::{Offered, Sink, SinkStats, count, own_event};
use crate::ahead::Prepared;
use crate::args::PolicyName;
use crate::pace::stamp;
use tickspin_host::clock::ticks;
use tickspin_ring::Producer;
use tickspin_wire::event::{Event, Kind};

/// A run of dropped events that the engine has not been told of.
#[derive(Clone, Copy, Debug)]
struct Missing {
    first: u64,
    count: u64,
}

/// The events ring, seen from its writing end.
pub struct RingSink {
    producer: Producer,
    policy: PolicyName,
    /// Sequence of the next event within the feed session, from 1.
    session_seq: u64,
    missing: Option<Missing>,
    stats: SinkStats,
}

impl RingSink {
    /// Over a ring that is not running yet.
    #[must_use]
    pub fn new(producer: Producer, policy: PolicyName) -> RingSink {
        RingSink { producer, policy, session_seq: 1, missing: None, stats: SinkStats::default() }
    }

    #[cold]
    fn drop_one(&mut self) -> Offered {
        let missing = self.missing.get_or_insert(Missing { first: self.session_seq, count: 0 });
        missing.count += 1;
        self.session_seq += 1;
        self.stats.dropped += 1;
        self.producer.count_error();
        Offered::Dropped
    }

    /// An eighth of the ring is free, at least room for a gap and an event.
    #[cold]
    fn is_roomy(&mut self) -> bool {
        let used = self.last_seq() - self.producer.consumer_position();
        let slots = u64::from(self.producer.slots());
        slots - used.min(slots) >= (slots / 8).max(2)
    }

    #[cold]
    fn tell_gap(&mut self, missing: Missing, exchange_ns: u64) -> Option<(u64, u64)> {
        let mut gap = own_event(Kind::Gap, exchange_ns);
        (gap.order_id, gap.second_id) = (missing.first, missing.count);
        let ticks = ticks();
        stamp(&mut gap, ticks, ticks);
        let seq = self.producer.try_publish(&gap.to_words())?;
        self.missing = None;
        self.stats.published += 1;
        self.stats.warm_up += 1;
        self.stats.gaps += 1;
        Some((seq, ticks))
    }
}

/// Where the next event stands within the feed session.
#[inline]
fn next_session_seq(session_seq: u64, event: &Event) -> u64 {
    let is_start = event.kind_side & 0x3F == Kind::SessionStart as u8;
    if is_start { 1 } else { session_seq + 1 }
}

impl Sink for RingSink {
    #[inline]
    fn offer(&mut self, prepared: &Prepared, intended: u64, gap: impl FnOnce(u64, u64)) -> Offered {
        if let Some(missing) = self.missing {
            if !self.is_roomy() {
                return self.drop_one();
            }
            if let Some((seq, ticks)) = self.tell_gap(missing, prepared.event.exchange_ns) {
                gap(seq, ticks);
            }
        }
        let mut event = prepared.event;
        if !self.producer.has_room() {
            return match self.policy {
                PolicyName::Wait => Offered::Full,
                PolicyName::Drop => self.drop_one(),
            };
        }
        let ticks = ticks();
        let lag = stamp(&mut event, ticks, intended);
        let Some(seq) = self.producer.try_publish(&event.to_words()) else {
            return Offered::Full;
        };
        self.session_seq = next_session_seq(self.session_seq, &event);
        count(&mut self.stats, &event);
        Offered::Sent { seq, ticks, lag }
    }

    #[inline]
    fn offer_batch<'a>(
        &mut self,
        most: u32,
        events: impl Fn(u32) -> Option<(&'a Prepared, Option<u64>)>,
    ) -> Option<(u64, u64, u32)> {
        if self.missing.is_some() {
            return None;
        }
        let mut batch = self.producer.reserve(most)?;
        let (first, len) = (batch.first_seq(), batch.len());
        let ticks = ticks();
        let (mut stats, mut session_seq) = (self.stats, self.session_seq);
        for index in 0..len {
            // The caller has as many as it asked room for.
            let (prepared, intended) = events(index)?;
            let mut event = prepared.event;
            stamp(&mut event, ticks, intended.unwrap_or(ticks));
            session_seq = next_session_seq(session_seq, &event);
            count(&mut stats, &event);
            batch.write(index, &event.to_words());
        }
        batch.commit();
        (self.stats, self.session_seq) = (stats, session_seq);
        Some((first, ticks, len))
    }

    fn end(&mut self, exchange_ns: u64, gap: impl FnOnce(u64, u64)) -> Option<u64> {
        if let Some(missing) = self.missing {
            let (seq, ticks) = self.tell_gap(missing, exchange_ns)?;
            gap(seq, ticks);
        }
        let mut end = own_event(Kind::End, exchange_ns);
        stamp(&mut end, ticks(), u64::MAX);
        self.producer.try_publish(&end.to_words())
    }

    #[inline]
    fn stats(&self) -> &SinkStats {
        &self.stats
    }

    #[inline]
    fn last_seq(&self) -> u64 {
        self.producer.next_seq() - 1
    }

    #[inline]
    fn consumer_position(&mut self) -> u64 {
        self.producer.consumer_position()
    }

    #[inline]
    fn peer_is_foreign(&self) -> bool {
        self.producer.peer_is_foreign()
    }

    fn run(&mut self) {
        self.producer.run();
    }

    #[inline]
    fn beat(&mut self) {
        self.producer.beat();
    }

    fn halt(&mut self) {
        self.producer.halt();
    }

    fn fail(&mut self) {
        self.producer.fail();
    }
}
