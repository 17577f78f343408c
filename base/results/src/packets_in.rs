//! What became of packets: every message delivered once by one of the lines, recovered, or lost.

use crate::table::grouped;
use serde::{Deserialize, Serialize};

/// Packets as the engine took them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketsIn {
    /// `udp`, `af-packet` or `af-xdp`.
    pub input: String,
    /// Interface.
    pub interface: String,
    /// Messages: `passed == delivered + lost`, of which `recovered` came because they were asked for.
    pub messages: Messages,
    /// The lines A and B, and the answers.
    pub lines: Vec<LineIn>,
    /// Requests for lost packets, by the loop; `asked` went out.
    pub requests: u64,
    /// See `requests`.
    pub asked: u64,
    /// Datagrams that came in answer, and those of them that found no place to wait.
    #[serde(default)]
    pub answers: u64,
    /// See `answers`.
    #[serde(default)]
    pub answers_dropped: u64,
    /// Packets that waited behind a hole.
    pub parked: u64,
    /// Packets cut short, with impossible numbers, of a session that is over, or without a place to wait.
    pub discarded: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Sessions that began.
    pub sessions: u64,
    /// Messages that became no event: empty, or of an unknown type or length.
    #[serde(default)]
    pub skipped: u64,
    /// What the source counted.
    pub source: SourceIn,
}

/// Messages by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Numbers of the sequence that were passed.
    pub passed: u64,
    /// Delivered, each once.
    pub delivered: u64,
    /// Of these: because they were asked for.
    pub recovered: u64,
    /// Never came.
    pub lost: u64,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineIn {
    /// `a`, `b`, or `recovery`.
    pub name: String,
    /// Packets with messages.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Messages that it brought first.
    pub first: u64,
    /// Messages that were there already.
    pub duplicates: u64,
    /// Messages that it jumped over.
    pub skipped: u64,
}

/// What became of the packets before they were looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIn {
    /// Datagrams handed out.
    pub received: u64,
    /// Frames that were no datagram of ours.
    pub foreign: u64,
    /// Frames whose headers contradict their lengths, or that were longer than a buffer.
    pub malformed: u64,
    /// Lost because we were late or the memory too small, as the kernel tells.
    pub dropped: u64,
    /// Of `dropped`: no place in the ring of the raw socket or of AF_XDP.
    pub ring_full: u64,
    /// Of `dropped`: no frame of ours was left (AF_XDP).
    pub fill_empty: u64,
    /// Descriptors that name no frame of ours.
    pub invalid: u64,
    /// System calls that failed.
    pub errors: u64,
}

impl PacketsIn {
    /// Lines for the terminal, each with its name.
    #[must_use]
    pub fn text(&self) -> Vec<(&'static str, String)> {
        let Messages { passed, delivered, recovered, lost } = self.messages;
        let source = &self.source;
        let mut lines = vec![
            (
                "packets",
                format!(
                    "{} on {}: messages passed {}, delivered {} (asked for {}), lost {}; requests {}, \
                     parked {}, discarded {}, heartbeats {} on all lines, sessions {}, no \
                     event {}",
                    self.input,
                    self.interface,
                    grouped(passed),
                    grouped(delivered),
                    grouped(recovered),
                    grouped(lost),
                    grouped(self.requests),
                    grouped(self.parked),
                    grouped(self.discarded),
                    grouped(self.heartbeats),
                    grouped(self.sessions),
                    grouped(self.skipped)
                ),
            ),
            (
                "source",
                format!(
                    "received {}, dropped {} (ring full {}, no frame {}), foreign {}, malformed {}, invalid {}, errors {}",
                    grouped(source.received),
                    grouped(source.dropped),
                    grouped(source.ring_full),
                    grouped(source.fill_empty),
                    grouped(source.foreign),
                    grouped(source.malformed),
                    grouped(source.invalid),
                    grouped(source.errors)
                ),
            ),
        ];
        let names = ["line A", "line B", "answers"];
        lines.extend(names.into_iter().zip(&self.lines).filter(|(_, line)| line.packets > 0).map(
            |(name, line)| {
                let jumped = match name {
                    "answers" => String::new(),
                    _ => format!(", jumped over {}", grouped(line.skipped)),
                };
                let text = format!(
                    "packets {}, messages {}, first with {}, late with {}{jumped}",
                    grouped(line.packets),
                    grouped(line.messages),
                    grouped(line.first),
                    grouped(line.duplicates),
                );
                (name, text)
            },
        ));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_brought_nothing_is_not_told() {
        let line = LineIn { name: "a".into(), packets: 9, first: 1_234, ..LineIn::default() };
        let silent = LineIn { name: "b".into(), ..LineIn::default() };
        let part = PacketsIn { lines: vec![line, silent], ..PacketsIn::default() };
        let text = part.text();
        let names: Vec<&str> = text.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["packets", "source", "line A"]);
        assert!(text[2].1.contains("first with 1,234"), "{}", text[2].1);
    }
}
