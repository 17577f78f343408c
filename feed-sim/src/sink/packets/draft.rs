//! A packet while it is made: messages in place, then header and send stamps around them.
//!
//! ```text
//!   │ header, 20 bytes │u16│message│u16│message│ … │ stamps │      at most 1,472 bytes
//!     └── seal: when all are in                     └── seal: when the clock was read
//! ```

use tickspin_wire::event::Event;
use tickspin_wire::moldudp64::stamps::{LAG_MAX, MessageStamp, stamps_bytes, write_stamps};
use tickspin_wire::moldudp64::{HEADER_BYTES, PREFIX_BYTES, Session, packet_header};
use tickspin_wire::normalize::itch_message;

/// What an Ethernet frame of 1,500 bytes carries behind IPv4 and UDP headers.
pub const PAYLOAD_BYTES: usize = 1_472;
/// Most messages of a packet: the loop's longest batch.
pub const MESSAGES_MAX: usize = 32;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    Taken,
    /// It belongs in the next packet.
    Full,
    /// ITCH has no message for it.
    Unsayable,
}

/// A packet in the making.
#[derive(Debug)]
pub struct Draft {
    bytes: [u8; PAYLOAD_BYTES],
    /// End of the last message.
    end: usize,
    count: usize,
    intended: [u64; MESSAGES_MAX],
    stamps: [MessageStamp; MESSAGES_MAX],
}

impl Default for Draft {
    /// Empty.
    fn default() -> Draft {
        Draft {
            bytes: [0; PAYLOAD_BYTES],
            end: HEADER_BYTES,
            count: 0,
            intended: [0; MESSAGES_MAX],
            stamps: [MessageStamp::default(); MESSAGES_MAX],
        }
    }
}

impl Draft {
    /// Begins anew.
    pub fn clear(&mut self) {
        (self.end, self.count) = (HEADER_BYTES, 0);
    }

    /// Messages in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds an event whose intended instant is this; `None`: the instant at which it leaves.
    #[inline]
    pub fn put(&mut self, event: &Event, intended: Option<u64>) -> Put {
        let at = self.end + PREFIX_BYTES;
        // Room for its stamp, and those of the others, stays free.
        let last = PAYLOAD_BYTES.saturating_sub(stamps_bytes(self.count + 1));
        let (Some(instant), Some(stamp)) =
            (self.intended.get_mut(self.count), self.stamps.get_mut(self.count))
        else {
            return Put::Full;
        };
        let mut message = [0; tickspin_wire::itch50::MESSAGE_BYTES_MAX];
        let Some(len) = itch_message(event, &mut message) else { return Put::Unsayable };
        if at + len > last {
            return Put::Full;
        }
        let Some(place) = self.bytes.get_mut(self.end..at + len) else { return Put::Full };
        let (prefix, body) = place.split_at_mut(PREFIX_BYTES);
        // At most 50 bytes.
        prefix.copy_from_slice(&(len as u16).to_be_bytes());
        body.copy_from_slice(&message[..len]);
        *instant = intended.unwrap_or(u64::MAX);
        stamp.is_warm_up = event.is_warm_up();
        (self.end, self.count) = (at + len, self.count + 1);
        Put::Taken
    }

    /// The whole packet; its first message has the number `first`, and it leaves at `sent`, ticks.
    #[inline]
    pub fn seal(&mut self, session: Session, first: u64, sent: u64) -> &[u8] {
        for (stamp, &intended) in self.stamps.iter_mut().zip(&self.intended).take(self.count) {
            let lag = sent.saturating_sub(intended);
            stamp.lag_ticks = u32::try_from(lag).unwrap_or(LAG_MAX).min(LAG_MAX);
        }
        let header = packet_header(session, first, self.count as u16);
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
        let stamps = self.stamps.get(..self.count).unwrap_or(&[]);
        let room = self.bytes.get_mut(self.end..).unwrap_or(&mut []);
        let more = write_stamps(room, stamps, sent).unwrap_or(0);
        self.bytes.get(..self.end + more).unwrap_or(&[])
    }

    /// The stamps of the messages, once it is sealed.
    #[must_use]
    pub fn stamps(&self) -> &[MessageStamp] {
        self.stamps.get(..self.count).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::event::{Kind, flag};
    use tickspin_wire::moldudp64::Packet;
    use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

    fn event(kind: Kind) -> Event {
        Event {
            exchange_ns: 5,
            px: Px::from_1e4(100),
            qty: Qty(1),
            instrument: InstrumentId(1),
            kind_side: Event::pack(kind, Side::Bid),
            flags: flag::COMPLETE | flag::WARM_UP,
            ..Event::EMPTY
        }
    }

    #[test]
    fn messages_and_stamps_are_read_back_and_the_limit_holds() {
        let mut draft = Draft::default();
        let session = Session(*b"demo000001");
        assert_eq!(draft.put(&event(Kind::Level), None), Put::Unsayable);
        assert_eq!(draft.put(&event(Kind::Add), Some(70)), Put::Taken);
        assert_eq!(draft.put(&event(Kind::Add), None), Put::Taken);
        let packet = Packet::decode(draft.seal(session, 9, 100)).unwrap();
        assert_eq!((packet.session, packet.sequence, packet.count()), (session, 9, 2));
        let stamps = packet.send_stamps().unwrap();
        assert_eq!(stamps.sent_ticks, 100);
        let stamp = |lag_ticks| MessageStamp { lag_ticks, is_warm_up: true };
        assert_eq!([stamps.message(0), stamps.message(1)], [stamp(30), stamp(0)]);

        draft.clear();
        // The longest message: 50 bytes, its length and its stamp.
        let info = Event { order_id: b'I'.into(), ..event(Kind::Info) };
        let info = Event { kind_side: Event::pack(Kind::Info, Side::None), ..info };
        let count = (0..).take_while(|_| draft.put(&info, None) == Put::Taken).count();
        assert_eq!(count, (PAYLOAD_BYTES - HEADER_BYTES - 12) / 56);
        assert!(draft.seal(session, 1, 1).len() <= PAYLOAD_BYTES);
    }
}
