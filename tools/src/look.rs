//! What an observer sees of a run: read-only copies of descriptors of everything both ends write.
//!
//! Nothing here disturbs a run, except that the feed's cold thread answers one connection a look.
//! All numbers were written by the run's processes: they are shown, nothing is decided by them.

use tickspin_ring::MeetError;
use tickspin_ring::SegmentKind;
use tickspin_ring::counters::PeerCounters;
use tickspin_ring::region::{PeerPosition, PeerRing};
use tickspin_ring::rendezvous::{RuntimeDir, observe};

/// The three rings in the order of a tick's way.
pub const RINGS: [&str; 4] = ["events", "packets", "requests", "reports"];

/// The segments of one run.
pub struct Look {
    /// Rings, as far as both ends have joined.
    pub rings: Vec<PeerRing>,
    /// Their consumers' positions.
    pub positions: Vec<PeerPosition>,
    /// Counters of both processes.
    pub counters: Vec<PeerCounters>,
    /// Segments that were refused, one line each.
    pub refused: Vec<String>,
}

impl Look {
    /// Asks the run's feed for its segments and the engine's, and maps them.
    ///
    /// # Errors
    /// No live run of that name, or the meeting failed. A segment that is refused is no error, it
    /// stands in [`Look::refused`].
    pub fn at(dir: &RuntimeDir, run: &str) -> Result<Look, MeetError> {
        let mut look = Look {
            rings: Vec::new(),
            positions: Vec::new(),
            counters: Vec::new(),
            refused: Vec::new(),
        };
        for received in observe(dir, run)? {
            let name = format!("{:?} {}", received.kind, received.label);
            let refused = match received.kind {
                SegmentKind::Ring => PeerRing::attach(received).map(|ring| look.rings.push(ring)),
                SegmentKind::Position => {
                    PeerPosition::attach(received).map(|position| look.positions.push(position))
                }
                SegmentKind::Counters => {
                    PeerCounters::attach(received).map(|counters| look.counters.push(counters))
                }
                SegmentKind::Tallies => Ok(()),
            };
            if let Err(error) = refused {
                look.refused.push(format!("{name}: {error}"));
            }
        }
        let place = |label: &str| RINGS.iter().position(|&name| name == label);
        look.rings.sort_by_key(|ring| place(ring.label()).unwrap_or(RINGS.len()));
        Ok(look)
    }

    /// A ring by its label.
    #[must_use]
    pub fn ring(&self, label: &str) -> Option<&PeerRing> {
        self.rings.iter().find(|ring| ring.label() == label)
    }

    /// The position of a ring's consumer.
    #[must_use]
    pub fn position(&self, label: &str) -> Option<&PeerPosition> {
        self.positions.iter().find(|position| position.label() == label)
    }

    /// One counter: whose, and which.
    #[must_use]
    pub fn counter(&self, process: &str, label: &str) -> Option<u64> {
        self.counters.iter().find(|counters| counters.label() == process)?.by_label(label)
    }

    /// Messages of a ring that its consumer has not released, 0..=slots. `None` where either end
    /// is missing. The cursor is a hint: a few may be missing in a busy ring.
    #[must_use]
    pub fn depth(&self, label: &str) -> Option<u64> {
        let ring = self.ring(label)?;
        let (position, _) = self.position(label)?.live();
        Some(ring.live().cursor.saturating_sub(position).min(u64::from(ring.slots())))
    }
}
