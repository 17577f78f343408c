//! Datagrams from frames in memory: what was captured, or made, given as if it came in now.
//!
//! ```text
//! bytes  │ frame 0 │ frame 1       │ frame 2 │ …      Ethernet, as on the wire
//! ends             ▲               ▲         ▲
//! ```
//!
//! For tests and measurements of what stands behind a source: it never waits, loses nothing, and gives
//! the same datagrams each time. Headers are read and flows told apart by the code of the raw sources,
//! so a frame that one of those would skip is skipped here, and counted the same.
//! It knows nothing of capture files: who reads them fills a [`Frames`].
//!
//! Cost: headers are read, nothing is copied. When it is the wrong choice: for time. Frames come as fast
//! as they are polled, all with the time of their poll; recorded feeds at their own pace are feed-sim's
//! business.

use crate::clock;
use crate::packets::{
    Datagram, Flow, OpenError, PacketSource, RxStamp, SourceHealth, check_flows, hand_out,
};

/// Frames one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Frames {
    /// Adds a frame, from its Ethernet header on and without the check sequence.
    pub fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }
}

/// Gives frames, each once.
#[derive(Clone, Debug)]
pub struct MemorySource {
    frames: Frames,
    /// Index of the frame that comes next.
    next: usize,
    flows: Vec<Flow>,
    health: SourceHealth,
}

impl MemorySource {
    /// The datagrams of `flows` among `frames`.
    ///
    /// # Errors
    /// [`OpenError::Unfit`]: flows that no source takes.
    pub fn new(frames: Frames, flows: &[Flow]) -> Result<MemorySource, OpenError> {
        check_flows(flows)?;
        let health = SourceHealth::default();
        Ok(MemorySource { frames, next: 0, flows: flows.to_vec(), health })
    }

    /// Frames that are still to come; 0: no poll will bring anything any more.
    #[must_use]
    pub fn left(&self) -> usize {
        self.frames.len() - self.next
    }
}

impl PacketSource for MemorySource {
    #[inline]
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, mut f: F) -> u32 {
        let before = self.health.received;
        let stamp = RxStamp { ticks: clock::ticks(), kernel_ns: None };
        for _ in 0..budget {
            let Some(frame) = self.frames.get(self.next) else { break };
            hand_out(frame, &self.flows, stamp, &mut self.health, &mut f);
            self.next += 1;
        }
        (self.health.received - before) as u32
    }

    fn health(&mut self) -> SourceHealth {
        self.health
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEAD_BYTES, Head, multicast_mac};
    use std::net::{Ipv4Addr, SocketAddrV4};

    const FLOWS: [Flow; 2] = [
        Flow { address: Ipv4Addr::new(239, 1, 1, 1), port: 5_001 },
        Flow { address: Ipv4Addr::new(239, 1, 1, 2), port: 5_001 },
    ];

    fn frame(to: Flow, payload: &[u8]) -> Vec<u8> {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 40_000);
        let to = SocketAddrV4::new(to.address, to.port);
        let head = Head::new(([2; 6], from), (multicast_mac(*to.ip()), to));
        let mut frame = vec![0; HEAD_BYTES + payload.len()];
        head.write(payload.len(), &mut frame).unwrap();
        frame[HEAD_BYTES..].copy_from_slice(payload);
        frame
    }

    #[test]
    fn each_frame_comes_once_and_what_is_none_of_ours_is_counted() {
        let mut tagged = frame(FLOWS[1], b"tagged");
        tagged.splice(12..12, [0x81, 0, 0, 5]);
        let mut frames = Frames::default();
        assert!(frames.is_empty());
        frames.push(&frame(FLOWS[0], b"plain"));
        frames.push(&[]);
        frames.push(&tagged);
        frames.push(&frame(Flow { port: 5_002, ..FLOWS[0] }, b"other"));
        frames.push(&frame(FLOWS[0], b"last"));
        let mut source = MemorySource::new(frames, &FLOWS).unwrap();
        let mut seen: Vec<(u16, Vec<u8>)> = Vec::new();
        // Frames that give nothing use up the budget.
        for (budget, taken, left) in [(2, 1, 3), (0, 0, 3), (2, 1, 1), (9, 1, 0), (9, 0, 0)] {
            let take = |datagram: Datagram<'_>| {
                seen.push((datagram.flow, datagram.payload.to_vec()));
            };
            assert_eq!((source.rx_burst(budget, take), source.left()), (taken, left));
        }
        let want: [(u16, &[u8]); 3] = [(0, b"plain"), (1, b"tagged"), (0, b"last")];
        assert!(seen.iter().map(|(flow, payload)| (*flow, &payload[..])).eq(want));
        let health = source.health();
        assert_eq!((health.received, health.foreign, health.malformed), (3, 1, 1));
        assert!(matches!(MemorySource::new(Frames::default(), &[]), Err(OpenError::Unfit { .. })));
    }
}
