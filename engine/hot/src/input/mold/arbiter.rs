//! Two lines in, each message once and in order out; what stays missing is asked for, then declared.
//!
//! ```text
//!  numbers  … delivered │ hole │ parked │ hole │ parked │
//!                       next                            known_end
//!
//!  in order ─► deliver, then what was parked behind it
//!  beyond   ─► park ─► 200 µs: ask ─► each 1 ms: ask again ─► 100 ms: declare the hole, go on
//!  before   ─► a duplicate, or the first part of one
//! ```
//!
//! A pure state machine: time comes in as a number, messages go out by [`Deliver`], requests into a
//! queue. Whatever the packets say, every number is passed once: delivered or lost.
//!
//! Rules beyond these:
//! - No more room to park: the first hole is given up at once; a book that stands still for a packet
//!   that may never come is worth less than one with a known gap.
//! - A heartbeat, and the end of the session, say which number is next: a hole at the tail is seen.
//! - Another name is another session, entered at 1; what is undelivered of the old one is lost, and
//!   its late packets are dropped.
//! - A feed of ours is followed by the names of its sessions: others' packets on its groups are refused,
//!   and what was lost of a session is told by a gap before the next one.
//! - A number far ahead, or behind what its own line brought, is not believed until
//!   `RETURNED_PACKETS` in a row continue one another. Then it is where the feed stands: ahead, all
//!   between is a gap; behind, the session has begun again.

use super::line::{LINES, Line, LineCounts, Standing};
use super::parking::{Parked, Parking, ParkingMemory};
use super::terms::{Join, MoldCounts, MoldTerms};
use ringbuf::traits::Producer;
use tickspin_wire::moldudp64::stamps::MessageStamp;
use tickspin_wire::moldudp64::{COUNT_MAX, Content, Packet, Request, Session};

/// A number so far ahead is not believed from one packet: seconds of the busiest feed.
const AHEAD_MAX: u64 = 1 << 24;
/// Parked packets that are looked through for holes to be asked for at once: as many requests at most.
const PACKETS_LOOKED_AT: usize = 64;
/// Numbers beyond cannot be: no sequence reaches them, and sums with them would not fit.
const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Where messages go, and what else there is to say.
pub trait Deliver {
    /// The packet in a payload; `None`: it is broken.
    fn packet<'a>(&self, payload: &'a [u8]) -> Option<Packet<'a>> {
        Packet::decode(payload).ok()
    }
    /// There is room for a message more. For what is said beside messages there always is.
    fn has_room(&self) -> bool;
    /// When the next message was sent and how late that was, where the feed is ours and says so.
    fn stamp(&mut self, _sent_ticks: u64, _message: MessageStamp) {}
    /// The message of this number.
    fn message(&mut self, number: u64, bytes: &[u8]);
    /// So many messages from `first` on are lost.
    fn gap(&mut self, first: u64, missing: u64);
    /// A session begins, its first number is due; `replaces`: the one before is void.
    fn session(&mut self, session: Session, first: u64, replaces: bool);
    /// All of the session was passed, and it is over.
    fn end(&mut self);
}

/// See the module.
#[derive(Debug)]
pub struct Arbiter<'m> {
    terms: MoldTerms,
    session: Option<Session>,
    /// The session before, whose late packets are dropped.
    previous: Option<Session>,
    progress: Progress,
    /// One past the highest number that exists, as far as was told.
    known_end: u64,
    /// When numbers at and behind `next` were first known of, ticks.
    known_since: u64,
    /// The session ends before this number.
    end_at: Option<u64>,
    is_over: bool,
    hole: Hole,
    parking: Parking<'m>,
    lines: [Standing; LINES],
}

/// How far the sequence was passed.
#[derive(Debug, Default)]
struct Progress {
    /// The number that is due.
    next: u64,
    /// When a message was delivered last, ticks.
    delivered_at: u64,
    /// See [`MoldTerms::ours`].
    is_ours: bool,
    counts: MoldCounts,
}

/// The hole that `next` stands at.
#[derive(Clone, Copy, Debug, Default)]
struct Hole {
    /// Its first number; another one than `next`: not looked at yet.
    at: u64,
    /// When it was seen, ticks.
    since: u64,
    /// When it is to be asked for next, ticks.
    due: u64,
    is_asked: bool,
    /// Holes before this number were asked for, at `asked_at`.
    asked_to: u64,
    /// See `asked_to`.
    asked_at: u64,
}

/// A packet of messages, taken apart.
#[derive(Clone, Copy)]
struct Messages<'a> {
    packet: Packet<'a>,
    payload: &'a [u8],
    line: Line,
    now: u64,
}

impl Messages<'_> {
    fn first(&self) -> u64 {
        self.packet.sequence
    }

    fn end(&self) -> u64 {
        self.packet.sequence + u64::from(self.packet.count())
    }
}

/// How far a packet was delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivered {
    Whole,
    /// Its bytes end before its messages do.
    Broken,
    /// There was no more room.
    NoRoom,
}

impl Progress {
    /// Delivers the messages of a packet that are due.
    #[inline]
    fn deliver(
        &mut self,
        packet: Packet<'_>,
        line: Line,
        now: u64,
        out: &mut impl Deliver,
    ) -> Delivered {
        let before = self.next;
        let skip = before.saturating_sub(packet.sequence) as usize;
        let stamps = if self.is_ours { packet.send_stamps() } else { None };
        let mut outcome = Delivered::Whole;
        for (index, message) in packet.messages().enumerate().skip(skip) {
            let Ok(bytes) = message else {
                outcome = Delivered::Broken;
                break;
            };
            if !out.has_room() {
                outcome = Delivered::NoRoom;
                break;
            }
            if let Some(stamps) = &stamps {
                out.stamp(stamps.sent_ticks, stamps.message(index));
            }
            out.message(self.next, bytes);
            self.next += 1;
        }
        if outcome == Delivered::Whole && self.next < packet.sequence + u64::from(packet.count()) {
            // The fault lay among those that were skipped.
            outcome = Delivered::Broken;
        }
        self.counts.broken += u64::from(outcome == Delivered::Broken);
        let delivered = self.next - before;
        if delivered > 0 {
            self.delivered_at = now;
            self.counts.passed += delivered;
            self.line(line).first += delivered;
        }
        outcome
    }

    /// Messages up to `until` are lost.
    fn lose(&mut self, until: u64, out: &mut impl Deliver) {
        let missing = until.saturating_sub(self.next);
        if missing == 0 {
            return;
        }
        out.gap(self.next, missing);
        self.next = until;
        self.counts.lost += missing;
        self.counts.passed += missing;
        self.counts.gaps += 1;
    }

    #[inline]
    fn line(&mut self, line: Line) -> &mut LineCounts {
        let [a, b, recovery] = &mut self.counts.lines;
        match line {
            Line::A => a,
            Line::B => b,
            Line::Recovery => recovery,
        }
    }
}

impl<'m> Arbiter<'m> {
    /// Nothing is known yet; the first packet names the session.
    #[must_use]
    pub fn new(memory: ParkingMemory<'m>, terms: MoldTerms) -> Arbiter<'m> {
        Arbiter {
            terms,
            session: None,
            previous: None,
            progress: Progress { is_ours: terms.ours.is_some(), ..Progress::default() },
            known_end: 0,
            known_since: 0,
            end_at: None,
            is_over: false,
            hole: Hole::default(),
            parking: Parking::new(memory),
            lines: [Standing::default(); LINES],
        }
    }

    /// What became of each message so far.
    #[must_use]
    pub const fn counts(&self) -> &MoldCounts {
        &self.progress.counts
    }

    /// The number that is due; 0 before the first packet.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.progress.next
    }

    /// The session is over and all of it was passed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Something is known of that was not passed: [`Arbiter::attend`] is to be called now and then.
    #[inline]
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.progress.next < self.known_end || (self.end_at.is_some() && !self.is_over)
    }

    /// Counts a datagram that belongs to no line.
    pub const fn refuse(&mut self) {
        self.progress.counts.refused += 1;
    }

    /// Takes a datagram of a line, at `now` in ticks.
    #[inline]
    pub fn datagram(&mut self, line: Line, payload: &[u8], now: u64, out: &mut impl Deliver) {
        let Some(packet) = out.packet(payload) else {
            self.progress.counts.broken += 1;
            return;
        };
        if packet.sequence == 0 || packet.sequence > NUMBER_MAX {
            self.refuse();
            return;
        }
        if self.session != Some(packet.session) && !self.enter(line, &packet, now, out) {
            return;
        }
        match packet.content {
            Content::Messages(_) => {
                self.messages(&Messages { packet, payload, line, now }, out);
            }
            Content::Heartbeat => {
                self.progress.counts.heartbeats += 1;
                self.stands_at(packet.sequence, now);
            }
            Content::EndOfSession => self.ends_at(packet.sequence, now, out),
        }
    }

    /// A packet of another session than the one that is followed; whether it is the one from now on.
    #[cold]
    #[inline(never)]
    fn enter(&mut self, line: Line, packet: &Packet<'_>, now: u64, out: &mut impl Deliver) -> bool {
        if line == Line::Recovery || !packet.session.is_plausible() {
            self.refuse();
            return false;
        }
        if self.previous == Some(packet.session) {
            self.progress.counts.late += 1;
            return false;
        }
        if let Some(epoch) = self.terms.ours {
            let now = self.session.and_then(|session| session.count_in_run(epoch)).unwrap_or(0);
            match packet.session.count_in_run(epoch) {
                // Somebody else's, on our groups.
                None => {
                    self.refuse();
                    return false;
                }
                Some(count) if count <= now => {
                    self.progress.counts.late += 1;
                    return false;
                }
                Some(_) => {}
            }
        }
        let first = match (self.session, self.terms.join) {
            (None, Join::Here) => packet.sequence,
            (None, Join::At(first)) => first.clamp(1, NUMBER_MAX),
            (Some(_), _) => 1,
        };
        self.previous = self.session;
        self.begin(packet.session, first, now, out);
        true
    }

    /// From here on `session` is followed, from `first` on.
    fn begin(&mut self, session: Session, first: u64, now: u64, out: &mut impl Deliver) {
        let replaces = self.session.is_some();
        if replaces && self.terms.ours.is_some() {
            // Every number of the feed's has its event, or its place in a gap.
            self.progress.lose(self.known_end, out);
        }
        self.void();
        if replaces || self.terms.ours.is_none() {
            out.session(session, first, replaces);
        }
        self.session = Some(session);
        (self.progress.next, self.progress.delivered_at) = (first, now);
        (self.known_end, self.known_since) = (first, now);
        (self.end_at, self.is_over) = (None, false);
        self.hole = Hole::default();
        self.lines = [Standing::default(); LINES];
        self.progress.counts.sessions += 1;
    }

    /// What is known of and was not passed is lost.
    fn void(&mut self) {
        let lost = self.known_end.saturating_sub(self.progress.next);
        self.progress.counts.lost += lost;
        self.progress.counts.passed += lost;
        self.parking.clear();
    }

    #[inline]
    fn messages(&mut self, m: &Messages<'_>, out: &mut impl Deliver) {
        let (first, end) = (m.first(), m.end());
        if self.is_over || self.is_astray(m, out) {
            self.progress.counts.late += 1;
            return;
        }
        let count = u64::from(m.packet.count());
        let skipped = self.standing(m.line).brought(first, end);
        let next = self.progress.next;
        let line = self.progress.line(m.line);
        line.packets += 1;
        line.messages += count;
        line.skipped += skipped;
        if end <= next {
            line.duplicates += count;
            return;
        }
        self.known_to(end, m.now);
        if first > next {
            self.park(m, out);
            return;
        }
        // In order; perhaps its first messages were there already.
        self.progress.line(m.line).duplicates += next - first;
        if self.progress.deliver(m.packet, m.line, m.now, out) == Delivered::NoRoom {
            self.keep_or_count(m);
        }
        if !self.parking.is_empty() || self.end_at.is_some() {
            self.advance(m.now, out);
        }
    }

    /// Delivers what was parked, as far as it is due and there is room; then the end, if it is due.
    fn advance(&mut self, now: u64, out: &mut impl Deliver) {
        while let Some(front) = self.parking.front() {
            let (first, end) = (front.first, front.end());
            if end <= self.progress.next {
                self.parking.pop_front();
                continue;
            }
            if first > self.progress.next || !out.has_room() {
                break;
            }
            let line = Line::of_flow(front.line.into()).unwrap_or(Line::A);
            let outcome = match out.packet(front.payload()) {
                Some(packet) => self.progress.deliver(packet, line, now, out),
                None => Delivered::Broken,
            };
            if outcome == Delivered::NoRoom {
                break;
            }
            self.parking.pop_front();
        }
        if !self.is_over && self.end_at.is_some_and(|end| end <= self.progress.next) {
            self.is_over = true;
            out.end();
        }
    }

    /// A packet behind a hole.
    #[cold]
    #[inline(never)]
    fn park(&mut self, m: &Messages<'_>, out: &mut impl Deliver) {
        if self.keep(m) == Parked::Full {
            self.give_up(out);
            self.advance(m.now, out);
            if m.first() <= self.progress.next {
                // All that was parked lay before it.
                if self.progress.deliver(m.packet, m.line, m.now, out) == Delivered::NoRoom {
                    self.keep_or_count(m);
                }
                return;
            }
            self.keep_or_count(m);
        }
    }

    fn keep_or_count(&mut self, m: &Messages<'_>) {
        if self.keep(m) == Parked::Full {
            self.progress.counts.unparked += 1;
        }
    }

    fn keep(&mut self, m: &Messages<'_>) -> Parked {
        let origin = (m.line as u8, m.now);
        let parked = self.parking.insert(m.first(), m.packet.count(), origin, m.payload);
        match parked {
            Parked::Yes => self.progress.counts.parked += 1,
            Parked::Duplicate => {
                self.progress.line(m.line).duplicates += u64::from(m.packet.count());
            }
            Parked::TooLong => self.progress.counts.unparked += 1,
            Parked::Full => {}
        }
        parked
    }

    /// The first hole is lost.
    fn give_up(&mut self, out: &mut impl Deliver) {
        let until = self.parking.front().map_or(self.known_end, |front| front.first);
        self.progress.lose(until, out);
    }

    /// Numbers up to `end` exist.
    #[inline]
    fn known_to(&mut self, end: u64, now: u64) {
        if end > self.known_end {
            if self.known_end <= self.progress.next {
                self.known_since = now;
            }
            self.known_end = end;
        }
    }

    fn stands_at(&mut self, number: u64, now: u64) {
        if number > self.progress.next.saturating_add(AHEAD_MAX) {
            self.progress.counts.refused += 1;
        } else if !self.is_over {
            self.known_to(number, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn ends_at(&mut self, number: u64, now: u64, out: &mut impl Deliver) {
        if self.is_over {
            return;
        }
        // Of two that contradict each other the first is believed; one that lies behind is none.
        if number < self.progress.next || number > self.progress.next.saturating_add(AHEAD_MAX) {
            self.progress.counts.broken += 1;
            return;
        }
        self.known_to(number, now);
        self.end_at.get_or_insert(number);
        self.advance(now, out);
    }

    /// True where the packet is not to be delivered: it lies where none should be.
    #[inline]
    fn is_astray(&mut self, m: &Messages<'_>, out: &mut impl Deliver) -> bool {
        let standing = self.standing(m.line);
        let is_behind = m.first() < standing.reach;
        let (reach, late_until) = (standing.reach, standing.late_until);
        let is_ahead = m.first() > self.progress.next.saturating_add(AHEAD_MAX);
        if late_until == 0 && !is_ahead && !(is_behind && m.end() <= self.progress.next) {
            return false;
        }
        self.judge(m, is_ahead, is_behind, (reach, late_until), out)
    }

    #[cold]
    #[inline(never)]
    fn judge(
        &mut self,
        m: &Messages<'_>,
        is_ahead: bool,
        is_behind: bool,
        (reach, late_until): (u64, u64),
        out: &mut impl Deliver,
    ) -> bool {
        if late_until != 0 {
            if m.now < late_until && !is_behind && m.first() >= reach {
                // Still the run before the restart.
                return true;
            }
            *self.standing(m.line) = Standing::default();
            return is_ahead;
        }
        if m.line == Line::Recovery {
            return is_ahead;
        }
        let Some(first) = self.standing(m.line).stray(m.first(), m.end()) else {
            // A packet ahead is dropped, a duplicate is counted as one.
            return is_ahead;
        };
        if is_ahead {
            // All between is lost, what was parked there too: it is where the feed does not stand.
            self.parking.clear();
            self.progress.lose(first, out);
            self.known_end = self.known_end.max(self.progress.next);
            return false;
        }
        self.restart(first, m, out);
        false
    }

    /// The session has begun again under its name.
    fn restart(&mut self, first: u64, m: &Messages<'_>, out: &mut impl Deliver) {
        let Some(session) = self.session else { return };
        let before = self.lines;
        self.begin(session, first, m.now, out);
        self.progress.counts.restarts += 1;
        // What the other lines still bring of the old run is late, for as long as a hole may be open.
        let late_until = m.now.saturating_add(self.terms.give_up_ticks).max(1);
        for (number, (line, before)) in self.lines.iter_mut().zip(before).enumerate() {
            if number != m.line as usize && before.reach != 0 {
                *line = Standing::late(before.reach, late_until);
            }
        }
    }

    /// Looks after what waits: delivers what fits now, asks for the first hole, or gives it up.
    pub fn attend<Q: Producer<Item = Request>>(
        &mut self,
        now: u64,
        out: &mut impl Deliver,
        requests: &mut Q,
    ) {
        self.advance(now, out);
        let until = self.parking.front().map_or(self.known_end, |front| front.first);
        if until <= self.progress.next {
            // No hole: parked packets that wait for room, or nothing.
            return;
        }
        if self.hole.at != self.progress.next {
            // A tail's hole is as old as the last message that was delivered; one before a parked packet
            // is as old as that packet.
            let since = self
                .parking
                .front()
                .map_or(self.known_since.max(self.progress.delivered_at), |front| front.arrived);
            // What is left of a hole that is being filled is asked for once the answer goes on no more:
            // a server sends so many packets a request, and asking for the rest behind each of them
            // would bring most of them many times.
            let is_rest = self.hole.is_asked && self.hole.since == since;
            let from = if is_rest { self.progress.delivered_at } else { since };
            let mut due = from.saturating_add(self.terms.wait_ticks);
            let Hole { asked_to, asked_at, .. } = self.hole;
            if !is_rest && self.progress.next < asked_to {
                // It was asked for together with one before it.
                due = due.max(asked_at.saturating_add(self.terms.retry_ticks));
            }
            let (at, is_asked) = (self.progress.next, is_rest);
            self.hole = Hole { at, since, due, is_asked, asked_to, asked_at };
        }
        if now.saturating_sub(self.hole.since) >= self.terms.give_up_ticks {
            self.give_up(out);
            self.advance(now, out);
        } else if self.terms.asks && now >= self.hole.due {
            self.ask(until, now, requests);
        }
    }

    #[cold]
    #[inline(never)]
    fn ask<Q: Producer<Item = Request>>(&mut self, until: u64, now: u64, requests: &mut Q) {
        let Some(session) = self.session else { return };
        let (mut first, mut until) = (self.progress.next, until);
        for n in 0..PACKETS_LOOKED_AT {
            if first < until {
                let count = (until - first).min(u64::from(COUNT_MAX)) as u16;
                if requests.try_push(Request { session, first, count }).is_ok() {
                    self.progress.counts.requests += 1;
                } else {
                    self.progress.counts.requests_refused += 1;
                }
                (self.hole.asked_to, self.hole.asked_at) = (until, now);
            }
            // Later holes go with the first, once the other line has had its time for them: where each
            // waited for the one before, a feed that loses much could not be followed.
            let Some(before) = self.parking.get(n) else { break };
            first = before.end();
            match self.parking.get(n + 1) {
                Some(behind) if behind.arrived.saturating_add(self.terms.wait_ticks) <= now => {
                    until = behind.first;
                }
                _ => break,
            }
        }
        self.hole.due = now.saturating_add(self.terms.retry_ticks);
        self.hole.is_asked = true;
    }

    #[inline]
    fn standing(&mut self, line: Line) -> &mut Standing {
        let [a, b, recovery] = &mut self.lines;
        match line {
            Line::A => a,
            Line::B => b,
            Line::Recovery => recovery,
        }
    }
}
