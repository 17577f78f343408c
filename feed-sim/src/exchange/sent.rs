//! When each event was sent, by ring sequence: what tick-to-order is measured from.
//!
//! A power of two of entries, four times the ring at least: an engine that holds a request back for
//! longer than that gets an answer, but no time. Cost: one store an event, one load a request.

/// Entry of an event that is not measured; no clock of ours reads 0.
const UNMEASURED: u64 = 0;

/// What the table says about a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Sent then, ticks, and measured.
    At(u64),
    /// Sent, but warm-up, or too long ago to know.
    Unmeasured,
    /// Never sent.
    Never,
}

/// The table.
pub struct SentTable {
    ticks: Box<[u64]>,
    mask: u64,
    last_seq: u64,
}

impl SentTable {
    /// For a ring of `slots`.
    #[must_use]
    pub fn new(slots: u32) -> SentTable {
        let len = (slots.max(2) as usize).next_power_of_two() * 4;
        // Written, so that the pages are there.
        let mut ticks = vec![u64::MAX; len].into_boxed_slice();
        ticks.fill(UNMEASURED);
        SentTable { ticks, mask: len as u64 - 1, last_seq: 0 }
    }

    /// Event `seq` was sent; sequences only rise. One that was jumped over is no event, and nobody
    /// names it as a cause.
    #[inline]
    pub fn note(&mut self, seq: u64, ticks: u64, is_measured: bool) {
        debug_assert!(seq > self.last_seq);
        self.last_seq = seq;
        if let Some(entry) = self.ticks.get_mut((seq & self.mask) as usize) {
            *entry = if is_measured { ticks } else { UNMEASURED };
        }
    }

    /// When `seq` was sent.
    #[inline]
    #[must_use]
    pub fn look(&self, seq: u64) -> Sent {
        if seq == 0 || seq > self.last_seq {
            return Sent::Never;
        }
        if self.last_seq - seq > self.mask {
            return Sent::Unmeasured;
        }
        match self.ticks.get((seq & self.mask) as usize) {
            Some(&ticks) if ticks != UNMEASURED => Sent::At(ticks),
            _ => Sent::Unmeasured,
        }
    }

    /// Sequence of the last event sent.
    #[inline]
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_known_for_four_rings_and_never_confused() {
        let mut table = SentTable::new(4);
        for seq in 1..=40 {
            table.note(seq, 1_000 + seq, seq % 10 != 0);
        }
        assert_eq!(table.look(40), Sent::Unmeasured, "warm-up");
        assert_eq!(table.look(39), Sent::At(1_039));
        assert_eq!(table.look(25), Sent::At(1_025));
        assert_eq!(table.look(24), Sent::Unmeasured, "16 entries");
        for seq in [0, 41, u64::MAX] {
            assert_eq!(table.look(seq), Sent::Never);
        }
    }
}
