//! What is said beside messages: where the sequence stands, that a session begins, that one ends.
//!
//! ```text
//!   packet ── 2 ms ──► engine not through with it? heartbeat ── 4 ms ── 8 ms … ──► each heartbeat
//!                      else: silence until the heartbeat's interval is over
//!   End ── 5 ms ── End ── 5 ms ── End … until the loop is over
//! ```
//! Cold: once a millisecond at most, and never between two packets of a stream that flows.

use super::PacketsSink;
use tickspin_host::packets::PacketSink;
use tickspin_wire::moldudp64::{Session, end_of_session, heartbeat};

/// The session, its next number, and when something is to be said.
#[derive(Debug)]
pub(super) struct Words {
    epoch: u64,
    session: Session,
    session_count: u32,
    next_number: u64,
    nudge_ticks: u64,
    /// When the next look is due, ticks.
    due: u64,
    /// From now to the look after it.
    interval: u64,
    last_said: u64,
    is_ended: bool,
    /// Until when a new session waits for the old one.
    patience: Option<u64>,
}

impl Words {
    pub(super) fn new(epoch: u64, nudge_ticks: u64) -> Words {
        Words {
            epoch,
            session: Session::of_run(epoch, 1),
            session_count: 1,
            next_number: 1,
            nudge_ticks,
            due: u64::MAX,
            interval: nudge_ticks,
            last_said: 0,
            is_ended: false,
            patience: None,
        }
    }

    pub(super) fn session(&self) -> Session {
        self.session
    }

    pub(super) fn session_count(&self) -> u32 {
        self.session_count
    }

    /// Number of the next message.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// A packet of so many messages left.
    #[inline]
    pub(super) fn sent(&mut self, messages: u64, now: u64) {
        self.next_number += messages;
        (self.last_said, self.interval) = (now, self.nudge_ticks);
        self.due = now.saturating_add(self.nudge_ticks);
    }

    #[inline]
    pub(super) fn is_due(&self, now: u64) -> bool {
        now >= self.due
    }

    fn look_again(&mut self, now: u64, after: u64) {
        self.due = now.saturating_add(after);
    }
}

impl<P: PacketSink> PacketsSink<P> {
    /// What is held back goes, and where the engine or the clock asks for it, a word.
    #[cold]
    pub(super) fn say_what_is_due(&mut self, now: u64) {
        if self.words.is_ended {
            self.say_end(now);
            return;
        }
        self.lines.release_all();
        let silence = now.saturating_sub(self.words.last_said);
        let longest = self.terms.heartbeat_ticks;
        if self.look() < self.seq {
            self.say_heartbeat(now);
            self.words.interval = self.words.interval.saturating_mul(2).min(longest);
            self.words.look_again(now, self.words.interval);
        } else if silence >= longest {
            self.say_heartbeat(now);
        } else {
            self.words.look_again(now, longest - silence);
        }
    }

    /// Where the sequence stands.
    pub(super) fn say_heartbeat(&mut self, now: u64) {
        self.lines.say(&heartbeat(self.words.session, self.words.next_number));
        self.part.heartbeats += 1;
        self.words.last_said = now;
        self.words.look_again(now, self.terms.heartbeat_ticks);
        self.refuse();
    }

    /// No message follows.
    pub(super) fn say_end(&mut self, now: u64) {
        self.words.is_ended = true;
        self.lines.say(&end_of_session(self.words.session, self.words.next_number));
        self.words.look_again(now, self.terms.end_ticks);
    }

    /// The engine has all of the session, or has had its time.
    pub(super) fn is_through(&mut self, now: u64) -> bool {
        let patience = now.saturating_add(self.terms.patience_ticks);
        let until = *self.words.patience.get_or_insert(patience);
        self.look() >= self.seq || now >= until
    }

    /// A session of another name.
    pub(super) fn begin_session(&mut self, now: u64) {
        self.words.patience = None;
        self.lines.release_all();
        self.words.session_count += 1;
        self.words.session = Session::of_run(self.words.epoch, self.words.session_count);
        self.words.next_number = 1;
        self.part.sessions += 1;
        self.say_heartbeat(now);
        self.nudge_soon(now);
    }

    /// So many numbers have no message.
    pub(super) fn leave_out(&mut self, count: u64, now: u64) {
        self.words.next_number += count;
        self.part.skipped += count;
        self.say_heartbeat(now);
        self.nudge_soon(now);
    }

    /// The word may be lost like a packet.
    fn nudge_soon(&mut self, now: u64) {
        self.words.interval = self.terms.nudge_ticks;
        self.words.look_again(now, self.terms.nudge_ticks);
    }
}
