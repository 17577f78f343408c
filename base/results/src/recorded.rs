//! [`Recorded`]: what a replayed recording turned out to be, for `feed.json` and the notes.

use crate::table::grouped;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sessions that get a note of their own, at most.
const SESSION_NOTES_MAX: usize = 8;

/// A recording as far as it was played.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What its messages are wrapped in, outermost first.
    pub container: String,
    /// What they are.
    pub protocol: String,
    /// Messages read.
    pub messages: u64,
    /// The same by the venue's name of the type.
    pub by_type: BTreeMap<String, u64>,
    /// Runs of venue sequence numbers.
    pub sessions: Vec<RecordedSession>,
    /// Venue time of the first and the last message, ns since the venue's origin.
    pub first_ns: Option<u64>,
    /// See `first_ns`.
    pub last_ns: Option<u64>,
    /// Messages whose venue time is before that of the message before.
    pub reversals: u64,
    /// Recorded time minus venue time, least and most, ns; signed.
    pub latency_ns: Option<(i64, i64)>,
    /// Messages recorded before their own venue time.
    pub negative_latencies: u64,
    /// It ends inside a record.
    pub truncated: bool,
    /// What was stepped over, by reason.
    pub skipped_by: BTreeMap<String, u64>,
}

/// One session of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSession {
    /// The venue's name of it.
    pub id: String,
    /// First and last sequence number.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// Holes that were not filled.
    pub gaps: u64,
    /// Messages in those holes.
    pub missing: u64,
    /// Times the sequence went back to its start.
    pub restarts: u64,
    /// Messages that came more than once and were dropped.
    pub duplicates: u64,
}

impl Recorded {
    /// Lines for a terminal: what it is, and whatever was not as it should be.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "recording: {}, {}, {} messages{}",
            self.container,
            self.protocol,
            grouped(self.messages),
            if self.truncated { ", cut" } else { "" }
        )];
        let spoilt: Vec<&RecordedSession> = self
            .sessions
            .iter()
            .filter(|session| session.gaps + session.restarts + session.duplicates > 0)
            .collect();
        notes.extend(spoilt.iter().take(SESSION_NOTES_MAX).map(|session| {
            format!(
                "session {}: {} gaps with {} messages, {} restarts, {} duplicates",
                session.id,
                grouped(session.gaps),
                grouped(session.missing),
                grouped(session.restarts),
                grouped(session.duplicates)
            )
        }));
        if spoilt.len() > SESSION_NOTES_MAX {
            let more = spoilt.len() - SESSION_NOTES_MAX;
            notes.push(format!("{more} more sessions with gaps, restarts or duplicates"));
        }
        if !self.skipped_by.is_empty() {
            let reasons = self.skipped_by.iter();
            let reasons: Vec<String> =
                reasons.map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
            notes.push(format!("stepped over: {}", reasons.join(", ")));
        }
        if let Some((least, most)) = self.latency_ns {
            let negative = match self.negative_latencies {
                0 => String::new(),
                count => format!(
                    "; {} negative: the recorder's clock was behind the venue's",
                    grouped(count)
                ),
            };
            notes.push(format!("recorded time minus venue time: {least} to {most} ns{negative}"));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_should_be_is_one_line_and_latencies_keep_their_sign() {
        let mut recorded = Recorded {
            container: "gzip".into(),
            protocol: "itch50".into(),
            messages: 1_000,
            sessions: vec![RecordedSession { id: "A".into(), ..RecordedSession::default() }],
            ..Recorded::default()
        };
        assert_eq!(recorded.notes(), ["recording: gzip, itch50, 1,000 messages"]);
        recorded.sessions[0].gaps = 2;
        recorded.latency_ns = Some((-1_270_000_000, 5));
        recorded.negative_latencies = 3;
        let notes = recorded.notes().join("\n");
        assert!(notes.contains("session A: 2 gaps"), "{notes}");
        assert!(notes.contains("-1270000000 to 5 ns; 3 negative"), "{notes}");
    }
}
