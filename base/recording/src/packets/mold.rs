//! [`MoldFeed`]: ITCH 5.0 over MoldUDP64.

use super::feed::{PacketFeed, Sink, Verdict};
use crate::session::{Content, Head, SessionId};
use crate::{Counts, Facts, Protocol};
use tickspin_wire::moldudp64::{self, HEADER_BYTES, Packet};
use tickspin_wire::{itch50, normalize};

/// What was counted since the start of the file.
#[derive(Debug, Default)]
pub(crate) struct MoldFeed {
    counts: Counts,
}

impl PacketFeed for MoldFeed {
    fn name(&self) -> &'static str {
        "moldudp64"
    }

    /// The messages fill the payload to its last byte, and most are messages of ITCH.
    fn judge(&self, payload: &[u8]) -> Verdict {
        let Ok(packet) = Packet::decode(payload) else { return Verdict::No };
        let mut messages = packet.messages();
        let (mut known, mut others) = (0, 0);
        for message in messages.by_ref() {
            match message {
                Ok(message) if itch50::check(message).is_ok() => known += 1,
                Ok([]) => {}
                Ok(_) => others += 1,
                Err(_) => return Verdict::No,
            }
        }
        match packet.content {
            _ if messages.left() > 0 || !packet.session.is_plausible() => Verdict::No,
            moldudp64::Content::Messages(_) if known == 0 && others == 0 => Verdict::Perhaps,
            moldudp64::Content::Messages(_) if known < others || known == 0 => Verdict::No,
            moldudp64::Content::Messages(_) => Verdict::Yes,
            _ if packet.session.is_blank() => Verdict::No,
            _ => Verdict::Perhaps,
        }
    }

    fn head(&self, payload: &[u8]) -> Option<Head> {
        let packet = Packet::decode(payload).ok().filter(|packet| packet.session.is_plausible())?;
        let whole = packet.messages().filter(Result::is_ok).count() as u32;
        let content = match packet.content {
            moldudp64::Content::Messages(_) if whole == 0 => return None,
            moldudp64::Content::Messages(_) => Content::Messages(whole),
            moldudp64::Content::Heartbeat => Content::Heartbeat,
            moldudp64::Content::EndOfSession => Content::End,
        };
        Some(Head {
            session: SessionId::Mold(packet.session),
            first: packet.sequence,
            content,
            sent_ns: None,
            header_bytes: HEADER_BYTES,
            is_cut: whole < u32::from(packet.count()),
        })
    }

    fn length(&self, prefix: [u8; 2]) -> usize {
        u16::from_be_bytes(prefix).into()
    }

    fn translate(&mut self, message: &[u8], sink: &mut Sink<'_>) {
        if message.is_empty() {
            // It holds a place in the sequence, nothing else.
            sink.facts.skip("empty message");
            return;
        }
        if !self.counts.add(message) {
            return;
        }
        let Ok(event) = normalize::itch_event(message) else { return };
        sink.facts.at(event.exchange_ns);
        if let Some(name) = normalize::itch_symbol(message) {
            sink.symbols.learn(event.instrument, name);
        }
        sink.events.push_back(event);
    }

    fn position(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(1)
    }

    fn add_facts(&self, facts: &mut Facts) {
        if self.counts.messages() > 0 {
            facts.protocol = Protocol::Itch50;
        }
        self.counts.add_to(facts);
    }

    fn reset(&mut self) {
        self.counts = Counts::default();
    }
}
