//! [`Source`]: the packets of one capture, or of several in the order of their capture times.

use crate::capture::{Capture, Packet};
use crate::{Facts, RecordingError};
use tickspin_wire::net::Link;

/// Captures that are read together; their number has a byte.
pub(super) struct Source {
    parts: Vec<Part>,
    /// Whose front was handed out last.
    given: Option<usize>,
    /// What stopped a capture while others went on.
    failed: Option<RecordingError>,
}

struct Part {
    capture: Capture,
    /// Its next packet, where several captures compete.
    front: Option<Front>,
    buffer: Vec<u8>,
    /// Time of the packet before, for one that has none.
    latest_ns: i64,
    is_ended: bool,
}

#[derive(Clone, Copy)]
struct Front {
    number: u64,
    at_ns: i64,
    capture_ns: Option<i64>,
    link: Link,
    original_len: u32,
}

impl Source {
    pub(super) fn new(captures: Vec<Capture>) -> Source {
        let part = |capture| Part {
            capture,
            front: None,
            buffer: Vec::new(),
            latest_ns: i64::MIN,
            is_ended: false,
        };
        Source { parts: captures.into_iter().map(part).collect(), given: None, failed: None }
    }

    /// The next packet and the number of its capture.
    ///
    /// # Errors
    /// What stopped a capture, after every packet of all of them.
    pub(super) fn next(&mut self) -> Result<Option<(u8, Packet<'_>)>, RecordingError> {
        // A single capture needs no copy of its front.
        if self.parts.len() == 1 {
            return Ok(self.parts[0].capture.next_packet()?.map(|packet| (0, packet)));
        }
        if let Some(given) = self.given.take() {
            self.parts[given].front = None;
        }
        for part in &mut self.parts {
            if let Err(error) = part.fill() {
                self.failed.get_or_insert(error);
            }
        }
        let fronts = self.parts.iter().enumerate();
        let least = fronts.filter_map(|(at, part)| Some((part.front?.at_ns, at))).min();
        let Some((_, at)) = least else {
            return match self.failed.take() {
                Some(error) => Err(error),
                None => Ok(None),
            };
        };
        self.given = Some(at);
        let part = &self.parts[at];
        Ok(part.front.map(|Front { number, capture_ns, link, original_len, .. }| {
            (at as u8, Packet { number, capture_ns, link, original_len, bytes: &part.buffer })
        }))
    }

    pub(super) fn rewind(&mut self) -> Result<(), RecordingError> {
        (self.given, self.failed) = (None, None);
        for part in &mut self.parts {
            part.capture.rewind()?;
            (part.front, part.latest_ns, part.is_ended) = (None, i64::MIN, false);
        }
        Ok(())
    }

    /// What the captures themselves are, and how they ended.
    pub(super) fn add_facts(&self, facts: &mut Facts) {
        let mut names: Vec<String> = Vec::new();
        for Part { capture, .. } in &self.parts {
            let name = format!("{}, {}", capture.container(), capture.format());
            if !names.contains(&name) {
                names.push(name);
            }
            facts.packets += capture.counts().packets;
            facts.truncated |= capture.truncated();
            if capture.counts().strays > 0 {
                *facts.skipped_by.entry("undescribed interface").or_default() +=
                    capture.counts().strays;
            }
        }
        facts.container = names.join(" + ");
    }
}

impl Part {
    fn fill(&mut self) -> Result<(), RecordingError> {
        if self.front.is_some() || self.is_ended {
            return Ok(());
        }
        let packet = match self.capture.next_packet() {
            Ok(Some(packet)) => packet,
            ended => {
                self.is_ended = true;
                return ended.map(drop);
            }
        };
        self.latest_ns = packet.capture_ns.unwrap_or(self.latest_ns);
        let Packet { number, capture_ns, link, original_len, bytes } = packet;
        self.front = Some(Front { number, at_ns: self.latest_ns, capture_ns, link, original_len });
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }
}
