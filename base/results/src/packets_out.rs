//! What became of the packets of a feed that multicasts its events.

use crate::table::grouped;
use serde::{Deserialize, Serialize};

/// A feed's packets, of all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketsOut {
    /// Sessions that were begun; each numbers its messages from 1.
    pub sessions: u64,
    /// Name of the last one.
    pub session: String,
    /// Packets of messages; each is sent on every line.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Message numbers that were left out, because the source has a gap there.
    pub skipped: u64,
    /// Heartbeats; each is sent on every line and counted once.
    pub heartbeats: u64,
    /// Line A, then line B.
    pub lines: Vec<LineOut>,
    /// The server that sends again; `null`: there was none.
    pub resend: Option<ResendOut>,
}

/// Packets of messages on one line. `packets = sent + lost + unsent`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineOut {
    /// Where it goes to, `ADDRESS:PORT`.
    pub flow: String,
    /// Handed to the kernel or the card, second copies not counted.
    pub sent: u64,
    /// Left out on purpose: the seeded fault.
    pub lost: u64,
    /// Messages in these.
    pub lost_messages: u64,
    /// Of `sent`: twice, on purpose.
    pub duplicated: u64,
    /// Of `sent`: behind the packet that follows, on purpose.
    pub reordered: u64,
    /// Not taken by the kernel or the card: no free buffer.
    pub unsent: u64,
}

/// What the server that sends again was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendOut {
    /// Where it listens, `ADDRESS:PORT`.
    pub address: String,
    /// Requests that were answered, wholly or in part.
    pub answered: u64,
    /// Packets that it sent.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Requests not answered: shorter than a request, or for no message.
    pub malformed: u64,
    /// Of another session than the present one.
    pub other_session: u64,
    /// For messages that were not sent yet.
    pub beyond: u64,
    /// For messages that are not kept any more, or that the source's gap left out.
    pub not_kept: u64,
    /// Messages that could not be handed to the server: it fell behind.
    pub unkept: u64,
    /// System calls that failed.
    pub errors: u64,
}

impl PacketsOut {
    /// Lines for the terminal, each with its name.
    #[must_use]
    pub fn text(&self) -> Vec<(&'static str, String)> {
        let PacketsOut { sessions, session, packets, messages, skipped, heartbeats, .. } = self;
        let mut lines = vec![(
            "packets",
            format!(
                "{} of {} messages, numbers left out {}, heartbeats {}, sessions {}, the last {session}",
                grouped(*packets),
                grouped(*messages),
                grouped(*skipped),
                grouped(*heartbeats),
                grouped(*sessions)
            ),
        )];
        lines.extend(self.lines.iter().zip(["line A", "line B"]).map(|(line, name)| {
            let text = format!(
                "{}: sent {}, lost {} with {} messages, doubled {}, reordered {}, no buffer {}",
                line.flow,
                grouped(line.sent),
                grouped(line.lost),
                grouped(line.lost_messages),
                grouped(line.duplicated),
                grouped(line.reordered),
                grouped(line.unsent)
            );
            (name, text)
        }));
        lines.extend(self.resend.as_ref().map(|resend| ("resend", resend.text())));
        lines
    }
}

impl ResendOut {
    fn text(&self) -> String {
        let unanswered = [
            ("malformed", self.malformed),
            ("of another session", self.other_session),
            ("not sent yet", self.beyond),
            ("not kept", self.not_kept),
        ];
        let causes: Vec<String> = unanswered
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(cause, count)| format!("{cause} {}", grouped(*count)))
            .collect();
        format!(
            "{}: requests answered {} with {} messages in {} packets; not answered: {}; messages not \
             handed over {}, errors {}",
            self.address,
            grouped(self.answered),
            grouped(self.messages),
            grouped(self.packets),
            if causes.is_empty() { "none".to_owned() } else { causes.join(", ") },
            grouped(self.unkept),
            grouped(self.errors)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_and_the_server_have_a_line_and_causes_are_named() {
        let line = LineOut { flow: "239.0.0.1:1".into(), sent: 9, lost: 1, ..LineOut::default() };
        let resend = ResendOut { answered: 3, beyond: 2, ..ResendOut::default() };
        let part = PacketsOut {
            lines: vec![line.clone(), line],
            resend: Some(resend),
            ..PacketsOut::default()
        };
        let text = part.text();
        let names: Vec<&str> = text.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["packets", "line A", "line B", "resend"]);
        assert!(text[1].1.contains("sent 9, lost 1"), "{}", text[1].1);
        assert!(text[3].1.contains("not answered: not sent yet 2;"), "{}", text[3].1);
    }
}
