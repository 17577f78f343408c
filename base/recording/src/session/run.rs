//! [`Run`]: the numbers of one session from its start, or its last restart, on.

use super::held::{Held, Queue};
use super::line::Line;
use super::{HELD_PACKETS, Head, Output, REORDER_NS, RETURNED_PACKETS, RUNS, SessionId, Step};
use crate::facts::SessionFacts;
use std::collections::VecDeque;

/// Gaps that a packet may still come for.
const GAPS_KNOWN: usize = 64;

#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: SessionId,
    /// Another session took its place.
    pub(super) is_over: bool,
    /// How many runs of the session came before.
    pub(super) number: u32,
    /// Index of the run's facts, and of those of the session's first run.
    pub(super) facts: usize,
    first_facts: usize,
    /// The first number, and the next that is expected.
    first: u64,
    next: u64,
    /// Messages of the first packet, to know a second copy of it.
    start: Vec<u8>,
    /// The latest that anything was sent.
    sent_ns: Option<i64>,
    /// When it began, and packets since.
    began_ns: Option<i64>,
    packets: usize,
    held: Queue,
    /// Gaps declared, `first..end`, the latest last.
    gaps: VecDeque<(u64, u64)>,
}

impl Run {
    /// A session's first run, as its first packet has it.
    pub(super) fn begin(head: &Head, is_new: bool, out: &mut Output) -> Run {
        let facts = new_facts(head.session, out);
        out.steps.push_back(Step::Start { session: head.session, first: head.first, is_new });
        Run {
            id: head.session,
            is_over: false,
            number: 0,
            facts,
            first_facts: facts,
            first: head.first,
            next: head.first,
            start: Vec::new(),
            sent_ns: None,
            began_ns: None,
            packets: 0,
            held: Queue::default(),
            gaps: VecDeque::new(),
        }
    }

    /// The session restarts with this number; books are void.
    pub(super) fn begin_again(&mut self, first: u64, began_ns: Option<i64>, out: &mut Output) {
        self.flush(out);
        out.facts[self.first_facts].restarts += 1;
        self.facts = new_facts(self.id, out);
        out.steps.push_back(Step::Start { session: self.id, first, is_new: true });
        self.is_over = false;
        self.number += 1;
        (self.first, self.next, self.sent_ns) = (first, first, None);
        (self.began_ns, self.packets) = (began_ns, 0);
        self.start.clear();
        self.gaps.clear();
    }

    /// A session that was taken for over goes on where it was.
    pub(super) fn resumes(&mut self, head: &Head) -> bool {
        self.is_over &= head.first < self.next;
        !self.is_over
    }

    /// A packet with messages.
    pub(super) fn messages(&mut self, line: &mut Line, mut packet: Held, out: &mut Output) {
        if self.is_of_old_run(line, &packet, out) {
            out.facts[self.facts].late += u64::from(packet.delivery.count);
            return give_back(packet, out);
        }
        packet.is_repeat = packet.first() < line.next;
        // Later than all before it, where packets say when they were sent.
        let is_later = packet.sent_ns.zip(self.sent_ns).map(|(sent, latest)| sent > latest);
        let is_start = packet.first() < self.next && packet.first() <= self.first;
        if is_later == Some(true) && packet.is_repeat && is_start {
            line.aside.push(packet);
            return self.restart(line, out);
        }
        if let Some(packet) = self.set_aside(line, packet, is_later != Some(false), out) {
            self.place(line, packet, out);
        }
    }

    /// The session restarted, and the line still brings what was before.
    fn is_of_old_run(&mut self, line: &mut Line, packet: &Held, out: &mut Output) -> bool {
        if line.run == self.number {
            return false;
        }
        let is_young = self.packets <= HELD_PACKETS
            && packet
                .delivery
                .capture_ns
                .zip(self.began_ns)
                .is_none_or(|(now, began)| now.saturating_sub(began) <= REORDER_NS);
        if is_young && line.next > 0 && packet.first() >= line.next {
            line.next = packet.end();
            return true;
        }
        (line.run, line.next) = (self.number, 0);
        self.settle(line, out);
        false
    }

    /// Keeps a packet with which the line went back until it is known why; gives it back where it is
    /// to be placed.
    fn set_aside(
        &mut self,
        line: &mut Line,
        packet: Held,
        may_restart: bool,
        out: &mut Output,
    ) -> Option<Held> {
        let is_seen = packet.end() <= self.next;
        if let (Some(head), Some(last)) = (line.aside.first(), line.aside.last()) {
            let is_start = head.first() <= self.first;
            let goes_on = may_restart && packet.first() == last.end();
            let is_believed = if is_start {
                // Where the run had no more than this, its copy and a restart go on alike.
                packet.first() < self.next || !self.is_start(head)
            } else {
                is_seen
            };
            if goes_on && is_believed {
                line.aside.push(packet);
                if is_start || line.aside.len() >= RETURNED_PACKETS {
                    self.restart(line, out);
                }
                return None;
            }
            self.settle(line, out);
        }
        if packet.is_repeat && packet.first() < self.next && may_restart {
            // Copies made by a network are alike to the last byte.
            if packet.first() == self.first && !self.is_start(&packet) {
                line.aside.push(packet);
                self.restart(line, out);
                return None;
            }
            if is_seen {
                line.aside.push(packet);
                return None;
            }
        }
        Some(packet)
    }

    /// The run began with this packet, as far as both go.
    fn is_start(&self, packet: &Held) -> bool {
        let blocks = packet.blocks();
        blocks.starts_with(&self.start) || self.start.starts_with(blocks)
    }

    /// What was set aside was no restart.
    fn settle(&mut self, line: &mut Line, out: &mut Output) {
        for packet in line.aside.drain(..) {
            self.drop(packet, out);
        }
    }

    /// What was set aside is the beginning of another run.
    fn restart(&mut self, line: &mut Line, out: &mut Output) {
        let packets = std::mem::take(&mut line.aside);
        let Some(head) = packets.first() else { return };
        let (first, began_ns) = (head.first(), head.delivery.capture_ns);
        let lost = if first > self.first { self.first.max(1)..first } else { first..first };
        self.begin_again(lost.start, began_ns, out);
        if !lost.is_empty() {
            self.give_up(first, out);
        }
        (line.run, line.next) = (self.number, 0);
        for packet in packets {
            self.place(line, packet, out);
        }
    }

    /// Nothing but where the sequence stands.
    pub(super) fn heartbeat(&mut self, line: &mut Line, packet: Held, out: &mut Output) {
        out.facts[self.facts].heartbeats += 1;
        self.stand(line, packet, out);
    }

    /// No message follows.
    pub(super) fn end(&mut self, line: &mut Line, packet: Held, out: &mut Output) {
        out.facts[self.facts].is_ended = true;
        self.stand(line, packet, out);
    }

    fn stand(&mut self, line: &mut Line, packet: Held, out: &mut Output) {
        if packet.first() > self.next && !self.is_of_old_run(line, &packet, out) {
            self.place(line, packet, out);
        } else {
            give_back(packet, out);
        }
    }

    /// Puts a packet where its numbers belong.
    fn place(&mut self, line: &mut Line, packet: Held, out: &mut Output) {
        let capture_ns = packet.delivery.capture_ns;
        self.packets += 1;
        self.sent_ns = self.sent_ns.max(packet.sent_ns);
        line.next = line.next.max(packet.end());
        if packet.first() > self.next {
            if self.held.is_empty() {
                self.held.touch(line.id, capture_ns);
            }
            if let Some(other) = self.held.insert(packet, &mut out.held_bytes) {
                self.drop(other, out);
            }
        } else if packet.end() <= self.next {
            self.drop(packet, out);
        } else {
            self.deliver(packet, out);
            self.drain(out);
            self.held.touch(line.id, capture_ns);
        }
        while let Some(end) = self.held.first()
            && self.held.is_due(line.id, capture_ns, out.held_bytes)
        {
            self.give_up(end, out);
            self.drain(out);
            self.held.touch(line.id, capture_ns);
        }
    }

    /// Hands out what is new in a packet, at least one message.
    fn deliver(&mut self, mut packet: Held, out: &mut Output) {
        if packet.first() == self.first && self.start.is_empty() {
            self.start.extend_from_slice(packet.blocks());
        }
        let seen = self.next - packet.first();
        self.count_dropped(packet.first(), self.next, packet.is_repeat, out);
        packet.delivery.skip = seen as u32;
        let facts = &mut out.facts[self.facts];
        if facts.last == 0 {
            facts.first = self.next;
        }
        self.next = packet.end();
        facts.last = self.next - 1;
        out.steps.push_back(Step::Packet(packet.delivery));
    }

    /// Hands out what was held and is no longer behind a hole.
    fn drain(&mut self, out: &mut Output) {
        while let Some(packet) = self.held.pop(self.next, &mut out.held_bytes) {
            if packet.end() > self.next {
                self.deliver(packet, out);
            } else {
                self.drop(packet, out);
            }
        }
    }

    /// The hole before `end` stays open for ever.
    fn give_up(&mut self, end: u64, out: &mut Output) {
        let (first, missing) = (self.next, end - self.next);
        let facts = &mut out.facts[self.facts];
        facts.gaps += 1;
        facts.missing = facts.missing.saturating_add(missing);
        out.steps.push_back(Step::Gap { session: self.id, first, missing });
        if self.gaps.len() == GAPS_KNOWN {
            self.gaps.pop_front();
        }
        self.gaps.push_back((first, end));
        self.next = end;
    }

    /// Nothing comes any more: all holes are gaps.
    pub(super) fn flush(&mut self, out: &mut Output) {
        while let Some(end) = self.held.first() {
            self.give_up(end, out);
            self.drain(out);
        }
    }

    /// No more comes by this line; a packet of it may be set aside.
    pub(super) fn settle_at_end(&mut self, line: &mut Line, out: &mut Output) {
        if line.run == self.number
            && !self.is_over
            && let Some(head) = line.aside.first()
            && head.first() < self.first
            && head.first() == 1
        {
            return self.restart(line, out);
        }
        self.settle(line, out);
    }

    /// Another session took the place of this one.
    pub(super) fn close(&mut self, out: &mut Output) {
        self.flush(out);
        self.is_over = true;
    }

    /// Every message of the packet was seen or given up before.
    fn drop(&mut self, packet: Held, out: &mut Output) {
        self.count_dropped(packet.first(), packet.end(), packet.is_repeat, out);
        give_back(packet, out);
    }

    fn count_dropped(&mut self, first: u64, end: u64, is_repeat: bool, out: &mut Output) {
        let overlap = |&(start, stop): &(u64, u64)| stop.min(end).saturating_sub(start.max(first));
        // What came before the first that was seen is late too.
        let late: u64 = self.gaps.iter().chain([&(0, self.first)]).map(overlap).sum();
        let seen = (end - first).saturating_sub(late);
        let facts = &mut out.facts[self.facts];
        facts.late += late;
        facts.duplicates += seen;
        facts.arbitrated += if is_repeat { 0 } else { seen };
    }
}

fn give_back(packet: Held, out: &mut Output) {
    if out.spare.len() < 64 {
        out.spare.push(packet.delivery.payload);
    }
}

/// Facts of a run that begins; of more than [`RUNS`] the last ones share theirs.
fn new_facts(id: SessionId, out: &mut Output) -> usize {
    if out.facts.len() < RUNS {
        out.facts.push(SessionFacts { id: id.to_string(), ..SessionFacts::default() });
    }
    out.facts.len() - 1
}
