//! [`MoldTerms`]: how long to wait for what; [`MoldCounts`]: what became of each message.

use super::line::{LINES, Line, LineCounts};
use tickspin_host::clock::Clock;

/// Where the first session is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// At the first number that comes: what was sent before is not missed.
    Here,
    /// At this number, usually 1: what was sent before the first datagram is a hole.
    At(u64),
}

/// How a feed is followed. Times in ticks: see [`MoldTerms::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoldTerms {
    /// Where the first session is entered; later ones at 1.
    pub join: Join,
    /// There is a server that answers requests.
    pub asks: bool,
    /// The feed is ours, and this is its epoch: its sessions have names by it, one after the other, the
    /// first is no event, and there are stamps behind its messages
    /// ([`tickspin_wire::moldudp64::stamps`]).
    pub ours: Option<u64>,
    /// How long a hole waits for the other line, and for packets out of order, before it is asked for.
    pub wait_ticks: u64,
    /// Between two requests for the same hole.
    pub retry_ticks: u64,
    /// When a hole is given up: counted from when it was seen.
    pub give_up_ticks: u64,
}

impl MoldTerms {
    /// 200 µs for the other line: the paths of two lines differ by tens of µs.
    pub const WAIT_NS: u64 = 200_000;
    /// 1 ms between requests: a round trip within a data centre takes a tenth of it.
    pub const RETRY_NS: u64 = 1_000_000;
    /// 100 ms in all: a book that is older is worth nothing, and a hole may be filled by a snapshot.
    pub const GIVE_UP_NS: u64 = 100_000_000;
    /// Without a server: ten times what the other line may take.
    pub const GIVE_UP_UNASKED_NS: u64 = 2_000_000;

    /// The same with at most `ns` for a hole; without a server the other line's time is not made longer.
    #[must_use]
    pub fn giving_up_after(self, ns: u64, clock: &Clock) -> MoldTerms {
        let ticks = clock.ticks_from_ns(ns);
        let give_up_ticks = if self.asks { ticks } else { self.give_up_ticks.min(ticks) };
        MoldTerms { give_up_ticks, ..self }
    }

    /// The same for a feed of ours.
    #[must_use]
    pub const fn of_ours(self, epoch: u64) -> MoldTerms {
        MoldTerms { ours: Some(epoch), ..self }
    }

    /// The usual times, by this clock.
    #[must_use]
    pub fn of(clock: &Clock, join: Join, asks: bool) -> MoldTerms {
        let give_up_ns = if asks { Self::GIVE_UP_NS } else { Self::GIVE_UP_UNASKED_NS };
        MoldTerms {
            join,
            asks,
            ours: None,
            wait_ticks: clock.ticks_from_ns(Self::WAIT_NS),
            retry_ticks: clock.ticks_from_ns(Self::RETRY_NS),
            give_up_ticks: clock.ticks_from_ns(give_up_ns),
        }
    }
}

/// What became of each message and packet, since the start. Every number of a session's sequence,
/// from where it was entered to where it stands, was delivered by exactly one line or is lost:
///
/// `passed = lines[A].first + lines[B].first + lines[Recovery].first + lost`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoldCounts {
    /// Numbers that were passed, of all sessions.
    pub passed: u64,
    /// Messages that never came.
    pub lost: u64,
    /// Holes that were given up.
    pub gaps: u64,
    /// Sessions that began, restarts counted.
    pub sessions: u64,
    /// Of them, those that began again under their name.
    pub restarts: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that found no place in their queue.
    pub requests_refused: u64,
    /// Packets parked behind a hole.
    pub parked: u64,
    /// Packets that could not be: too long, or no room.
    pub unparked: u64,
    /// Packets whose bytes end before their messages do, or that end before their numbers stand.
    pub broken: u64,
    /// Packets with numbers that cannot be, of unknown lines, or without a name.
    pub refused: u64,
    /// Packets of a session that is over.
    pub late: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// By line: A, B, answers.
    pub lines: [LineCounts; LINES],
}

impl MoldCounts {
    /// Messages delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.lines.iter().map(|line| line.first).sum()
    }

    /// Packets of any kind that came: while this grows, the feed's are on their way.
    #[must_use]
    pub fn packets(&self) -> u64 {
        let of_lines: u64 = self.lines.iter().map(|line| line.packets).sum();
        of_lines + self.heartbeats + self.broken + self.refused + self.late
    }

    /// Messages delivered because they were asked for.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.line(Line::Recovery).first
    }

    /// Of one line.
    #[must_use]
    pub fn line(&self, line: Line) -> LineCounts {
        self.lines.get(line as usize).copied().unwrap_or_default()
    }

    /// The share of messages that this line brought first, 0 to 1: the measure of a line's quality.
    #[must_use]
    pub fn first_share(&self, line: Line) -> f64 {
        let all = self.delivered();
        if all == 0 { 0.0 } else { self.line(line).first as f64 / all as f64 }
    }
}
