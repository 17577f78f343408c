//! [`Queue`]: packets behind a hole, in the order of their numbers.

use super::{Delivery, HELD_BYTES, HELD_PACKETS, LineId, REORDER_NS};
use std::collections::BTreeMap;

/// A packet that may have to wait.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) delivery: Delivery,
    pub(super) sent_ns: Option<i64>,
    /// Its own line had already been there: dropped, it is no work of arbitration.
    pub(super) is_repeat: bool,
}

impl Held {
    pub(super) fn first(&self) -> u64 {
        self.delivery.first
    }

    /// Number behind its last message.
    pub(super) fn end(&self) -> u64 {
        self.delivery.first + u64::from(self.delivery.count)
    }

    /// Bytes that it takes.
    fn size(&self) -> usize {
        self.delivery.payload.len()
    }

    /// The bytes of its messages.
    pub(super) fn blocks(&self) -> &[u8] {
        self.delivery.payload.get(self.delivery.header_bytes..).unwrap_or(&[])
    }
}

/// Held packets by their first number. One without messages marks where the sequence stands.
#[derive(Debug, Default)]
pub(super) struct Queue {
    packets: BTreeMap<u64, Held>,
    /// The line that showed the hole, or that took the last step towards filling it, and when.
    since: Option<(LineId, Option<i64>)>,
}

impl Queue {
    /// Takes a packet; gives back the one that is not needed where two begin alike. `bytes` is what is
    /// held in all queues.
    pub(super) fn insert(&mut self, packet: Held, bytes: &mut usize) -> Option<Held> {
        if let Some(held) = self.packets.get(&packet.first())
            && held.end() >= packet.end()
        {
            return Some(packet);
        }
        *bytes += packet.size();
        let shorter = self.packets.insert(packet.first(), packet);
        *bytes -= shorter.as_ref().map_or(0, Held::size);
        shorter
    }

    /// The first packet, if it begins at or before `next`.
    pub(super) fn pop(&mut self, next: u64, bytes: &mut usize) -> Option<Held> {
        let first = self.packets.first_entry()?;
        if *first.key() > next {
            return None;
        }
        let packet = first.remove();
        *bytes -= packet.size();
        Some(packet)
    }

    /// Where the hole ends.
    pub(super) fn first(&self) -> Option<u64> {
        self.packets.first_key_value().map(|(&first, _)| first)
    }

    /// The sequence moved, or the hole was just seen: the window begins anew.
    pub(super) fn touch(&mut self, line: LineId, capture_ns: Option<i64>) {
        self.since = Some((line, capture_ns));
    }

    /// The hole was open for long enough, as `line` shows that just brought a packet.
    pub(super) fn is_due(&self, line: LineId, capture_ns: Option<i64>, bytes: usize) -> bool {
        if self.packets.len() > HELD_PACKETS || bytes > HELD_BYTES {
            return true;
        }
        // Lines may be captured by different clocks, and a line may die.
        match (self.since, capture_ns) {
            (Some((since_line, Some(since))), Some(now)) => {
                let window = if since_line == line { REORDER_NS } else { 10 * REORDER_NS };
                now.saturating_sub(since) > window
            }
            _ => false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}
