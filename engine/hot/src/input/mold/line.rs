//! What one line brought, and whether it went astray.

/// A line of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// The first.
    A = 0,
    /// The second.
    B = 1,
    /// Answers to requests.
    Recovery = 2,
}

/// How many there are.
pub const LINES: usize = 3;

impl Line {
    /// By the index of a source's flow.
    #[inline]
    #[must_use]
    pub const fn of_flow(flow: u16) -> Option<Line> {
        match flow {
            0 => Some(Line::A),
            1 => Some(Line::B),
            2 => Some(Line::Recovery),
            _ => None,
        }
    }
}

/// Counts of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Packets with messages.
    pub packets: u64,
    /// Messages that their headers announce.
    pub messages: u64,
    /// Messages that it brought first.
    pub first: u64,
    /// Messages that were there already.
    pub duplicates: u64,
    /// Messages that it jumped over; those that came out of order are counted, too.
    pub skipped: u64,
}

/// Packets in a row that continue one another where none should be, and are believed: a network does
/// not reorder or repeat so many in a block. The same number as for recorded feeds.
pub(super) const RETURNED_PACKETS: u32 = 8;

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// One past the highest number that it brought in this session.
    pub(super) reach: u64,
    /// A run of packets that do not belong where they are.
    stray_first: u64,
    stray_next: u64,
    stray_packets: u32,
    /// Until then, packets beyond `reach` are those of the run before a restart.
    pub(super) late_until: u64,
}

impl Standing {
    /// Of a line that may still bring the run before a restart, from `reach` on.
    pub(super) fn late(reach: u64, late_until: u64) -> Standing {
        Standing { reach, late_until, ..Standing::default() }
    }

    /// Takes a packet that is where none should be; the first number of its run, once that is long
    /// enough to be believed.
    pub(super) fn stray(&mut self, first: u64, end: u64) -> Option<u64> {
        if self.stray_packets > 0 && first == self.stray_next {
            self.stray_packets += 1;
        } else {
            (self.stray_first, self.stray_packets) = (first, 1);
        }
        self.stray_next = end;
        if self.stray_packets < RETURNED_PACKETS {
            return None;
        }
        self.stray_packets = 0;
        Some(self.stray_first)
    }

    /// Takes a packet that is delivered, parked or a duplicate; how many messages it jumped over.
    #[inline]
    pub(super) fn brought(&mut self, first: u64, end: u64) -> u64 {
        let skipped = if self.reach == 0 { 0 } else { first.saturating_sub(self.reach) };
        if end > self.reach {
            self.reach = end;
            // It goes on where it was: what strayed was a copy.
            self.stray_packets = 0;
        }
        skipped
    }
}
