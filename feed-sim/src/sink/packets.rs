//! As a venue multicasts: MoldUDP64 packets of ITCH 5.0 messages, on two lines, with faults if wished.
//!
//! ```text
//!   event ─► ITCH message ─► draft ─► sealed: number, send stamps ─┬─► line A ─► kernel or card
//!   clock ─► heartbeat, End of Session ───────────────────────────┼─► line B ─►
//!                                                                  └─► resend ─► who asks
//! ```
//! One packet a paced event; a batch is bundled as far as a frame of Ethernet carries it.
//!
//! **Numbers.** Events are counted from 1 in the order offered, as the ring would number them, and by
//! the ring: its slots stay empty. The engine counts what it makes of the packets in the same way; a
//! `Gap` counts for all that it names. Messages are numbered from 1 in each
//! session. What has no message of its own is told by the numbers:
//!
//! | event | what is sent | what the receiver makes of it |
//! |---|---|---|
//! | `Clear` of all books, then `SessionStart` | a heartbeat of a session of another name | both |
//! | `SessionStart` elsewhere, as at the very first; a `Gap` of 0 | nothing; it is not counted | nothing |
//! | `Gap` | so many numbers are left out, then a heartbeat | one `Gap`, when nobody had them |
//! | `End` | End of Session, every 5 ms until the engine has halted its requests | `End` |
//!
//! What ITCH has no message for ends the run there, with one line that names it.
//!
//! **Flow control** is not in multicast. With policy `wait` an event stays while `window` events are
//! on the way: the engine's position stands in the events ring's shared memory, as always. With any
//! policy it stays while as many are on the way as the ring has slots. A new
//! session waits until the engine has all of the old one, for what is missing of that is never
//! asked for again.
//!
//! **Heartbeats** go out at the start, after each [`Terms::heartbeat_ticks`] in which nothing was sent,
//! and 2 ms after the last packet while the engine is not through with it, so that it sees a hole at
//! the tail; then at ever longer intervals.
//!
//! Sending is the pinned loop's named exception from "no system call": one a packet and line by
//! UDP, one a packet for both lines by AF_XDP. It allocates nothing. When it is the wrong choice: to
//! measure the engine alone; the ring is faster and never loses anything.

pub mod draft; // 1. a packet while it is made
pub mod lines; // 2. out on all lines, with faults
pub mod open; // 4. from the configuration to open sockets
pub mod resend; // 3. the server that sends again
pub mod stand; // 5. how each event is told, and whether it can be
mod words; // 6. heartbeats, ends, new sessions: what is said beside messages

pub use open::Opened;

use super::{Offered, Sink, SinkStats, count};
use crate::ahead::Prepared;
use crate::error::SimError;
use crate::pace::stamp;
use draft::{Draft, Put};
use lines::Lines;
use resend::Resend;
use stand::{Stand, Tell, is_plain};
use tickspin_host::clock::ticks;
use tickspin_host::packets::PacketSink;
use tickspin_results::PacketsOut;
use tickspin_ring::Producer;
use tickspin_wire::event::{Event, Kind};
use words::Words;

/// Times and limits, in ticks and events.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Longest silence.
    pub heartbeat_ticks: u64,
    /// From a packet to the first word about the sequence, while the engine is not through with it.
    pub nudge_ticks: u64,
    /// Longest wait of a new session for the old one's last event.
    pub patience_ticks: u64,
    /// Between two Ends of Session.
    pub end_ticks: u64,
    /// Most events that are on the way; `u64::MAX`: no bound.
    pub window: u64,
}

/// Lines, server and numbers.
pub struct PacketsSink<P> {
    /// States, signs of life, and the engine's position; nothing is published.
    ring: Producer,
    lines: Lines<P>,
    resend: Option<Resend>,
    terms: Terms,
    draft: Box<Draft>,
    words: Words,
    stand: Stand,
    /// Sequence of the last event.
    seq: u64,
    /// The engine's position when it was looked at last.
    position: u64,
    stats: SinkStats,
    fault: Option<SimError>,
    part: PacketsOut,
}

impl<P: PacketSink> PacketsSink<P> {
    /// Over a ring that is not running yet.
    #[must_use]
    pub fn new(
        ring: Producer,
        lines: Lines<P>,
        resend: Option<Resend>,
        terms: Terms,
    ) -> PacketsSink<P> {
        let window = terms.window.min(ring.slots().into());
        PacketsSink {
            words: Words::new(ring.epoch(), terms.nudge_ticks),
            ring,
            lines,
            resend,
            terms: Terms { window, ..terms },
            draft: Box::default(),
            stand: Stand::Plain,
            seq: 0,
            position: 0,
            stats: SinkStats::default(),
            fault: None,
            part: PacketsOut { sessions: 1, ..PacketsOut::default() },
        }
    }

    /// How many events may go now. The shared position is looked at only where the copy says none.
    #[inline]
    fn room(&mut self) -> u64 {
        let room = |sink: &Self| sink.terms.window.saturating_sub(sink.on_the_way());
        if room(self) == 0 {
            self.look();
        }
        room(self)
    }

    fn on_the_way(&self) -> u64 {
        self.seq.saturating_sub(self.position)
    }

    /// Looks at the engine's position.
    fn look(&mut self) -> u64 {
        self.position = self.ring.consumer_position();
        self.position
    }

    /// The draft leaves on all lines; its send stamp.
    #[inline]
    fn send_draft(&mut self) -> u64 {
        let messages = self.draft.count() as u64;
        let (session, first) = (self.words.session(), self.words.next_number());
        let sent = ticks();
        let packet = self.draft.seal(session, first, sent);
        self.lines.send(packet, messages);
        if let Some(resend) = &mut self.resend {
            resend.keep_packet(self.words.session_count(), packet);
        }
        self.words.sent(messages, sent);
        self.part.packets += 1;
        self.part.messages += messages;
        if self.lines.refused().is_some() {
            self.refuse();
        }
        sent
    }

    #[cold]
    fn refuse(&mut self) {
        if let (None, Some((flow, error))) = (&self.fault, self.lines.refused()) {
            self.fault = Some(SimError::NotSent { flow, error });
        }
    }

    /// An event that is told without a message of its own, or cannot be told.
    #[cold]
    fn offer_special(&mut self, event: &Event, intended: u64) -> Offered {
        let now = ticks();
        let Some(tell) = self.stand.tell(event, self.ring.slots().into()) else {
            return self.unsayable(event);
        };
        let numbers = match tell {
            Tell::Nothing => return Offered::Unneeded,
            Tell::Told => 1,
            // The receiver makes both events of one packet: both are numbered now.
            Tell::NewSession if self.is_through(now) && self.ring.pass(2).is_some() => {
                self.begin_session(now);
                1
            }
            Tell::LeftOut(count) if self.ring.pass(count).is_some() => {
                self.leave_out(count, now);
                count
            }
            Tell::NewSession | Tell::LeftOut(_) => return Offered::Full,
        };
        self.stand = self.stand.behind(tell);
        let mut event = *event;
        let lag = stamp(&mut event, now, intended);
        self.seq += numbers;
        count(&mut self.stats, &event);
        // Each number that was left out is an event that the engine has lost, and that nobody measures.
        self.stats.published += numbers - 1;
        self.stats.warm_up += numbers - 1;
        Offered::Sent { seq: self.seq, ticks: now, lag }
    }

    #[cold]
    fn unsayable(&mut self, event: &Event) -> Offered {
        let kind = event.kind().map_or("unknown", Kind::name);
        self.fault.get_or_insert(SimError::Unsayable { seq: self.seq + 1, kind });
        Offered::Full
    }
}

impl<P: PacketSink> Sink for PacketsSink<P> {
    #[inline]
    fn offer(
        &mut self,
        prepared: &Prepared,
        intended: u64,
        _gap: impl FnOnce(u64, u64),
    ) -> Offered {
        if self.fault.is_some() || self.room() == 0 {
            return Offered::Full;
        }
        let event = &prepared.event;
        if !is_plain(event) || self.stand == Stand::OwesStart {
            return self.offer_special(event, intended);
        }
        self.draft.clear();
        if self.draft.put(event, Some(intended)) != Put::Taken {
            return self.unsayable(event);
        }
        if self.ring.pass(1).is_none() {
            return Offered::Full;
        }
        let ticks = self.send_draft();
        let mut event = *event;
        let lag = stamp(&mut event, ticks, intended);
        self.seq += 1;
        count(&mut self.stats, &event);
        Offered::Sent { seq: self.seq, ticks, lag }
    }

    #[inline]
    fn offer_batch<'a>(
        &mut self,
        most: u32,
        events: impl Fn(u32) -> Option<(&'a Prepared, Option<u64>)>,
    ) -> Option<(u64, u64, u32)> {
        let most = self.room().min(most.into()) as u32;
        if most == 0 || self.fault.is_some() || self.stand == Stand::OwesStart {
            return None;
        }
        self.draft.clear();
        // What is not plain, does not fit or cannot be said is offered again: singly, if it is first.
        let is_in = |(prepared, intended): &(&Prepared, Option<u64>), draft: &mut Draft| {
            is_plain(&prepared.event) && draft.put(&prepared.event, *intended) == Put::Taken
        };
        let draft = &mut self.draft;
        let len = (0..most).map_while(&events).take_while(|one| is_in(one, draft)).count() as u32;
        self.ring.pass(len.into())?;
        let ticks = self.send_draft();
        for (prepared, intended) in (0..len).map_while(events) {
            let mut event = prepared.event;
            stamp(&mut event, ticks, intended.unwrap_or(ticks));
            count(&mut self.stats, &event);
        }
        let first = self.seq + 1;
        self.seq += u64::from(len);
        Some((first, ticks, len))
    }

    fn end(&mut self, _exchange_ns: u64, gap: impl FnOnce(u64, u64)) -> Option<u64> {
        let now = ticks();
        self.ring.pass(1)?;
        if self.stand == Stand::OwesStart {
            // The stream was cut between the two: the receiver has made both of them.
            self.stand = Stand::Plain;
            self.seq += 1;
            self.stats.published += 1;
            self.stats.warm_up += 1;
            gap(self.seq, now);
        }
        self.seq += 1;
        self.say_end(now);
        Some(self.seq)
    }

    #[inline]
    fn tend(&mut self, now: u64) {
        if self.words.is_due(now) {
            self.say_what_is_due(now);
        }
    }

    #[inline]
    fn take_fault(&mut self) -> Option<SimError> {
        self.fault.take()
    }

    #[inline]
    fn stats(&self) -> &SinkStats {
        &self.stats
    }

    #[inline]
    fn last_seq(&self) -> u64 {
        self.seq
    }

    #[inline]
    fn consumer_position(&mut self) -> u64 {
        self.look()
    }

    #[inline]
    fn peer_is_foreign(&self) -> bool {
        self.ring.peer_is_foreign()
    }

    fn run(&mut self) {
        self.ring.run();
        self.say_heartbeat(ticks());
    }

    #[inline]
    fn beat(&mut self) {
        self.ring.beat();
    }

    fn halt(&mut self) {
        self.ring.halt();
    }

    fn fail(&mut self) {
        self.ring.fail();
    }

    fn finish(&mut self) -> Option<PacketsOut> {
        Some(PacketsOut {
            session: self.words.session().to_string(),
            lines: self.lines.parts(),
            resend: self.resend.as_mut().and_then(Resend::finish),
            ..self.part.clone()
        })
    }
}
