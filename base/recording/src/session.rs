//! [`Sessions`]: packets with sequence numbers in, each message once and in order out.
//!
//! ```text
//! line A ─► head, payload ─┐                    ┌─► Step::Start    a run of numbers begins
//!                          ├─► accept ─► held ──┼─► Step::Packet   messages nobody has seen yet
//! line B ─► head, payload ─┘    (a hole before) └─► Step::Gap      messages nobody will see
//! ```
//!
//! For MoldUDP64 and IEX-TP alike: both number the messages of a session from 1, and a packet says
//! the number of its first. A *line* is one destination of one capture; several lines that carry one
//! session (A and B) make one stream, whoever comes first wins. Sessions of different names are
//! followed separately.
//!
//! The rules, for a packet of messages `first..end` where `next` is what the session expects:
//!
//! - `first == next`: in order.
//! - `first > next`: a hole. The packet is held until the hole is filled, by another line or because
//!   packets came in the wrong order; the hole is declared a gap and the stream goes on behind it once
//!   [`REORDER_NS`] went by on the line that showed it without a step forward, or more than
//!   [`HELD_PACKETS`] or [`HELD_BYTES`] are held. What comes for a declared gap is dropped as late.
//! - `first < next < end`: the messages already seen are left out.
//! - `end <= next`: seen; dropped as a duplicate, or as late, unless the line restarted.
//!
//! A restart is a line that goes back, behind what it brought itself:
//! - Where packets carry a send time, to the run's first number (or before it) with a packet that was
//!   sent later than all before it: a restart at once. One that was not sent later never is.
//! - Without a send time, to the run's first number with other messages than the run's: a restart at
//!   once, for copies that a network makes are alike. With the same messages, or before the first
//!   number: the packet is set aside until the line's next. If that one goes on behind it the session
//!   restarted, with the packet set aside as its first; else it was a duplicate.
//! - Going back to the middle is a restart after [`RETURNED_PACKETS`] packets in a row, all of them
//!   seen before; the numbers before them are a gap.
//! - Another line that still brings the old run within the window is dropped as late.
//!
//! So two or more first packets of a run, duplicated as a block, are taken for a restart: books are
//! cleared and built again from the same messages.
//!
//! A new name on a line that had another is a new session: the old one is over, and all books are
//! void, for the sessions of one capture are taken to be one feed's.
//! A new name on a new line stands beside the others. Two names that take turns on one line stand
//! beside each other too, from the second turn on.
//! Messages with the number 0 do not exist in either protocol: captures that were made anonymous have
//! them. They are handed out as they come and counted as unsequenced.
//!
//! Cost: a copy of each packet handed out, and a look-up by destination.
//! Memory: what is held, and up to [`LINES`], [`SESSIONS`] and [`RUNS`]; what exceeds them is counted.
//! When wrong: a recorder that was away for longer than the window while only one line lagged makes
//! gaps that a later copy of the packets could have filled.

mod held; // 4. packets behind a hole
mod line; // 2. what one destination brought
mod run; // 3. the numbers of one session
mod step; // 1. what goes in and what comes out

pub use step::{Content, Delivery, Head, LineId, SessionId, Step};

use crate::facts::SessionFacts;
use held::Held;
use line::Line;
use run::Run;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How long a hole may stay open, in capture time: two recorders whose clocks are kept by NTP are some
/// milliseconds apart. A hole that is not filled is told at the same place however long it was open.
pub const REORDER_NS: i64 = 100_000_000;
/// The most packets held behind a hole.
pub const HELD_PACKETS: usize = 8_192;
/// The most bytes held behind holes, of all sessions together.
pub const HELD_BYTES: usize = 16 << 20;
/// Packets in a row, all seen before, that make a restart of a line that went back to the middle.
pub const RETURNED_PACKETS: usize = 8;
/// Lines, sessions and runs that are told apart.
pub const LINES: usize = 256;
/// See [`LINES`].
pub const SESSIONS: usize = 256;
/// See [`LINES`].
pub const RUNS: usize = 4_096;

/// Every session of a capture, or of several read together.
#[derive(Debug, Default)]
pub struct Sessions {
    runs: Vec<Run>,
    by_name: HashMap<SessionId, usize>,
    lines: BTreeMap<LineId, Line>,
    out: Output,
}

/// What the sessions have to say.
#[derive(Debug, Default)]
struct Output {
    steps: VecDeque<Step>,
    facts: Vec<SessionFacts>,
    /// Buffers of packets that were read.
    spare: Vec<Vec<u8>>,
    /// Bytes of packets that are held.
    held_bytes: usize,
    unsequenced: u64,
    refused: u64,
}

impl Output {
    /// A copy of a payload in a buffer that was used before.
    fn copied(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(payload);
        copy
    }
}

impl Sessions {
    /// Takes a packet; what follows from it is [`next_step`](Sessions::next_step)'s to tell.
    pub fn accept(&mut self, line: LineId, head: &Head, payload: &[u8], capture_ns: Option<i64>) {
        let held = |out: &mut Output| Held {
            delivery: Delivery {
                payload: out.copied(payload),
                header_bytes: head.header_bytes,
                first: head.first,
                skip: 0,
                count: head.count(),
                capture_ns,
                session: head.session,
            },
            sent_ns: head.sent_ns,
            is_repeat: false,
        };
        if head.first == 0 && head.count() > 0 {
            self.out.unsequenced += u64::from(head.count());
            let packet = held(&mut self.out).delivery;
            self.out.steps.push_back(Step::Packet(packet));
            return;
        }
        // A number that no sequence reaches, and its end could not be told.
        if head.first > u64::MAX - (1 << 32) {
            self.out.refused += 1;
            return;
        }
        let Some(number) = self.session_of(line, head) else {
            self.out.refused += 1;
            return;
        };
        let Some(line) = self.lines.get_mut(&line) else { return };
        let run = &mut self.runs[number];
        if run.is_over {
            self.out.facts[run.facts].late += u64::from(head.count());
            return;
        }
        let packet = held(&mut self.out);
        match head.content {
            Content::Messages(_) => run.messages(line, packet, &mut self.out),
            Content::Heartbeat => run.heartbeat(line, packet, &mut self.out),
            Content::End => run.end(line, packet, &mut self.out),
        }
    }

    /// Index of the session that a packet belongs to, with a line that stands there.
    fn session_of(&mut self, id: LineId, head: &Head) -> Option<usize> {
        if let Some(line) = self.lines.get(&id)
            && self.runs[line.session].id == head.session
        {
            return Some(line.session);
        }
        if !self.lines.contains_key(&id) && self.lines.len() == LINES {
            return None;
        }
        let mut is_shared = false;
        let before = self.lines.get_mut(&id).map(|line| {
            self.runs[line.session].settle_at_end(line, &mut self.out);
            is_shared = line.is_shared;
            line.session
        });
        let number = match self.by_name.get(&head.session) {
            // The line returned to a name that was over.
            Some(&number) if self.runs[number].is_over && before.is_some() => {
                let run = &mut self.runs[number];
                is_shared |= run.resumes(head);
                if !is_shared {
                    run.begin_again(head.first, None, &mut self.out);
                }
                number
            }
            Some(&number) => number,
            None if self.runs.len() == SESSIONS => return None,
            None => {
                if let Some(before) = before.filter(|_| !is_shared) {
                    self.runs[before].close(&mut self.out);
                }
                self.runs.push(Run::begin(head, before.is_some() && !is_shared, &mut self.out));
                self.by_name.insert(head.session, self.runs.len() - 1);
                self.runs.len() - 1
            }
        };
        if let Some(before) = before.filter(|_| !is_shared) {
            self.runs[before].close(&mut self.out);
        }
        self.lines.insert(id, Line::new(id, number, &self.runs[number], is_shared));
        Some(number)
    }

    /// The captures ended: what is held comes out.
    pub fn finish(&mut self) {
        for line in self.lines.values_mut() {
            self.runs[line.session].settle_at_end(line, &mut self.out);
        }
        for run in &mut self.runs {
            run.flush(&mut self.out);
        }
    }

    /// What is to be done next; `None`: more packets are needed.
    #[inline]
    pub fn next_step(&mut self) -> Option<Step> {
        self.out.steps.pop_front()
    }

    /// Takes back the buffer of a packet that was read.
    pub fn give_back(&mut self, payload: Vec<u8>) {
        // Few are away at a time; those of a long hole need not stay for ever.
        if self.out.spare.len() < 64 {
            self.out.spare.push(payload);
        }
    }

    /// Runs in the order in which they began.
    #[must_use]
    pub fn facts(&self) -> &[SessionFacts] {
        &self.out.facts
    }

    /// Messages without a number.
    #[must_use]
    pub fn unsequenced(&self) -> u64 {
        self.out.unsequenced
    }

    /// Packets of more lines or sessions than are told apart, or with numbers that cannot be.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.out.refused
    }
}
