//! An IEX-TP segment as a packet: both protocols number messages, count them, and put a length before
//! each, so what keeps the sequence of one keeps that of the other.
//!
//! | IEX-TP | here |
//! |---|---|
//! | channel and session | the session's name: `CCSSSSSSSS`, hexadecimal |
//! | first sequence | the sequence number |
//! | no messages | a heartbeat: IEX-TP says nothing of a session's end |
//! | lengths little-endian | told by the packet |

use super::{Content, Packet, Session};
use crate::iextp::{self, HEADER_BYTES, SegmentError, SegmentRule};

/// The highest channel that has room in a name.
const CHANNEL_MAX: u32 = 0xFF;

impl<'a> Packet<'a> {
    /// The segment in a UDP payload, as a packet. Which feed it is of stands in its header.
    ///
    /// # Errors
    /// Those of [`iextp::segment`]; [`SegmentRule::Protocol`] also for a channel above 255.
    #[inline]
    pub fn of_segment(payload: &'a [u8]) -> Result<(iextp::Header, Packet<'a>), SegmentError> {
        let (header, _) = iextp::segment(payload)?;
        if header.channel > CHANNEL_MAX {
            let rule = SegmentRule::Protocol { found: header.feed as u16 };
            return Err(SegmentError { offset: 4, rule });
        }
        let content = match header.message_count {
            0 => Content::Heartbeat,
            count => Content::Messages(count),
        };
        let end = HEADER_BYTES + usize::from(header.payload_bytes);
        let packet = Packet {
            session: name(header.channel, header.session),
            sequence: header.first_sequence.unsigned_abs(),
            content,
            blocks: payload.get(HEADER_BYTES..end).unwrap_or_default(),
            is_little_endian: true,
        };
        Ok((header, packet))
    }
}

fn name(channel: u32, session: u32) -> Session {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let number = u64::from(channel) << 32 | u64::from(session);
    let digit = |at: usize| DIGITS[(number >> (4 * (9 - at)) & 0xF) as usize];
    Session(core::array::from_fn(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iextp::{Feed, Header};
    use std::vec::Vec;

    fn segment(channel: u32, messages: &[&[u8]]) -> Vec<u8> {
        let blocks: Vec<u8> = messages
            .iter()
            .flat_map(|message| [&(message.len() as u16).to_le_bytes()[..], message].concat())
            .collect();
        let header = Header {
            feed: Feed::Deep10,
            channel,
            session: 0xABCD_0123,
            payload_bytes: blocks.len() as u16,
            message_count: messages.len() as u16,
            stream_offset: 0,
            first_sequence: 7,
            send_ns: 1,
        };
        [&header.encode()[..], &blocks].concat()
    }

    #[test]
    fn a_segment_is_a_packet_of_its_messages() {
        let bytes = segment(1, &[b"ab", b"", b"cde"]);
        let (header, packet) = Packet::of_segment(&bytes).unwrap();
        assert_eq!(header.feed, Feed::Deep10);
        assert_eq!((packet.session, packet.sequence), (Session(*b"01abcd0123"), 7));
        assert!(packet.session.is_plausible() && packet.count() == 3);
        let messages: Vec<_> = packet.messages().collect();
        assert_eq!(messages, [Ok(&b"ab"[..]), Ok(&b""[..]), Ok(&b"cde"[..])]);
        // What lies behind the payload is the frame's padding.
        let padded = [&bytes[..], &[0; 9]].concat();
        assert_eq!(Packet::of_segment(&padded).unwrap().1, packet);
    }

    #[test]
    fn without_messages_it_is_a_heartbeat_and_what_is_none_is_an_error() {
        let bytes = segment(1, &[]);
        assert_eq!(Packet::of_segment(&bytes).unwrap().1.content, Content::Heartbeat);
        assert!(Packet::of_segment(&bytes[..39]).is_err());
        assert!(Packet::of_segment(&segment(256, &[])).is_err());
    }
}
