//! MoldUDP64: Nasdaq's session layer over UDP, one packet a datagram.
//!
//! ```text
//! byte  0                   10                  18          20
//!       ├───────────────────┼───────────────────┼───────────┼────────────┬─────────┬────────────┬─
//!       │session            │sequence number    │count      │u16 length  │message  │u16 length  │ …
//!       │ASCII, 10          │of the first, u64  │u16        │            │         │            │
//!       └───────────────────┴───────────────────┴───────────┴────────────┴─────────┴────────────┴─
//! ```
//!
//! All integers are big-endian. A sequence number is that of a message, from 1 in each session; a
//! message of length 0 has one too.
//! Count 0 is a heartbeat and count 65,535 the end of the session; the sequence number of both is that
//! of the next message, and neither has messages.
//! A lost packet is asked for with a [`Request`], which looks like a packet's header.
//!
//! Nothing here knows what came before: gaps and duplicates are the business of who keeps the
//! sequence.
//! When wrong: a packet without messages has no mark of its own, so 20 bytes of anything can look
//! like a heartbeat. Captures whose session and sequence were zeroed exist: no number here is assumed
//! to be above 0.

mod ours; // names of our own feed's sessions
mod segment; // IEX-TP's segments as packets
pub mod stamps; // send stamps behind the messages

use crate::cursor::Cursor;
use crate::error::{DecodeError, Rule, clipped};
use core::fmt;

/// Bytes before the first message.
pub const HEADER_BYTES: usize = 20;
/// Bytes of the length before each message.
pub const PREFIX_BYTES: usize = 2;
/// The most messages that fit a count: 65,535 is the end of the session.
pub const COUNT_MAX: u16 = 0xFFFE;

const HEARTBEAT: u16 = 0;
const END_OF_SESSION: u16 = 0xFFFF;

/// The name of a session, padded with spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub [u8; 10]);

impl Session {
    /// It has no name: zeros, as anonymised captures have it, in bytes or in digits, or spaces.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        [0, b'0', b' '].iter().any(|&blank| self.0.iter().all(|&byte| byte == blank))
    }

    /// It is text, or nothing at all.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.is_blank() || self.0.iter().all(|byte| (b' '..=b'~').contains(byte))
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == [0; 10] {
            return Ok(());
        }
        write!(f, "{}", self.0.trim_ascii().escape_ascii())
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// So many messages, 1..=[`COUNT_MAX`].
    Messages(u16),
    /// Nothing but where the sequence stands.
    Heartbeat,
    /// No message follows in this session.
    EndOfSession,
}

/// A packet, its messages still in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Whose sequence it is.
    pub session: Session,
    /// Sequence number of the first message; where there is none, of the next to come.
    pub sequence: u64,
    /// What it is for.
    pub content: Content,
    /// What follows the header.
    blocks: &'a [u8],
    /// Of the messages' lengths: an IEX-TP segment's.
    is_little_endian: bool,
}

impl<'a> Packet<'a> {
    /// The packet in a UDP payload. Only the header is looked at.
    ///
    /// # Errors
    /// [`Rule::Cut`] where the payload is shorter than a header.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Packet<'a>, DecodeError> {
        let Header { session, sequence, count } = Header::decode(payload)?;
        let content = match count {
            HEARTBEAT => Content::Heartbeat,
            END_OF_SESSION => Content::EndOfSession,
            count => Content::Messages(count),
        };
        let blocks = &payload[HEADER_BYTES..];
        Ok(Packet { session, sequence, content, blocks, is_little_endian: false })
    }

    /// Messages that the header announces.
    #[inline]
    #[must_use]
    pub const fn count(&self) -> u16 {
        match self.content {
            Content::Messages(count) => count,
            Content::Heartbeat | Content::EndOfSession => 0,
        }
    }

    /// The messages that are whole, then the fault where one is not.
    #[inline]
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        let (left, is_little_endian) = (self.blocks, self.is_little_endian);
        Messages { left, count: self.count(), offset: HEADER_BYTES, is_little_endian }
    }
}

/// The messages of a packet, one after the other, without their lengths. The first that reaches
/// beyond the payload is an error, and the last item.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    left: &'a [u8],
    count: u16,
    offset: usize,
    is_little_endian: bool,
}

impl Messages<'_> {
    /// Bytes of the payload behind the messages handed out so far.
    #[inline]
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left.len()
    }

    #[inline]
    const fn length(&self, prefix: [u8; PREFIX_BYTES]) -> usize {
        let big = u16::from_be_bytes(prefix);
        (if self.is_little_endian { big.swap_bytes() } else { big }) as usize
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let message = self
            .left
            .split_first_chunk::<PREFIX_BYTES>()
            .and_then(|(prefix, rest)| rest.split_at_checked(self.length(*prefix)));
        match message {
            Some((message, rest)) => {
                self.left = rest;
                self.offset += PREFIX_BYTES + message.len();
                Some(Ok(message))
            }
            None => {
                self.count = 0;
                let needed = self.left.first_chunk().map_or(0, |prefix| self.length(*prefix));
                Some(Err(cut(needed, self.left, self.offset)))
            }
        }
    }
}

#[cold]
#[inline(never)]
fn cut(message: usize, left: &[u8], offset: usize) -> DecodeError {
    let needed = clipped(PREFIX_BYTES + message);
    DecodeError { offset: offset as u64, rule: Rule::Cut { needed, left: clipped(left.len()) } }
}

/// "Send these again": to the server for lost packets, which answers with ordinary packets to the
/// sender, and perhaps with fewer messages than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose sequence it is.
    pub session: Session,
    /// The first message that is missing.
    pub first: u64,
    /// How many are, 1..=[`COUNT_MAX`].
    pub count: u16,
}

impl Request {
    /// The request in a UDP payload.
    ///
    /// # Errors
    /// [`Rule::Cut`] where the payload is shorter.
    pub fn decode(payload: &[u8]) -> Result<Request, DecodeError> {
        let Header { session, sequence, count } = Header::decode(payload)?;
        Ok(Request { session, first: sequence, count })
    }

    /// The request as it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        Header { session: self.session, sequence: self.first, count: self.count }.encode()
    }
}

/// The twenty bytes that packets and requests begin with.
struct Header {
    session: Session,
    sequence: u64,
    count: u16,
}

impl Header {
    #[inline]
    fn decode(payload: &[u8]) -> Result<Header, DecodeError> {
        let mut cursor = Cursor::new(payload);
        let bytes: [u8; HEADER_BYTES] = cursor.array()?;
        let mut cursor = Cursor::new(&bytes);
        Ok(Header {
            session: Session(cursor.array()?),
            sequence: cursor.be_u64()?,
            count: cursor.be_u16()?,
        })
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..10].copy_from_slice(&self.session.0);
        bytes[10..18].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[18..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }
}

/// A packet while it is filled with messages. Its size is that of the buffer: 1,472 bytes is what an
/// Ethernet frame carries.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    out: &'a mut [u8],
    filled: usize,
    session: Session,
    sequence: u64,
    count: u16,
}

impl<'a> PacketWriter<'a> {
    /// An empty packet whose first message will have this number. `None` where `out` has no room for
    /// the header.
    #[must_use]
    pub fn new(out: &'a mut [u8], session: Session, sequence: u64) -> Option<PacketWriter<'a>> {
        (out.len() >= HEADER_BYTES).then_some(PacketWriter {
            out,
            filled: HEADER_BYTES,
            session,
            sequence,
            count: 0,
        })
    }

    /// Adds a message. False where it does not fit: it belongs in the next packet.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let Ok(len) = u16::try_from(message.len()) else { return false };
        let end = self.filled + PREFIX_BYTES + message.len();
        if self.count == COUNT_MAX || end > self.out.len() {
            return false;
        }
        let block = &mut self.out[self.filled..end];
        block[..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
        block[PREFIX_BYTES..].copy_from_slice(message);
        (self.filled, self.count) = (end, self.count + 1);
        true
    }

    /// Sequence number of the first message of the next packet.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add(self.count as u64)
    }

    /// The packet's length; one without messages is a heartbeat.
    #[must_use]
    pub fn finish(self) -> usize {
        let PacketWriter { out, filled, session, sequence, count } = self;
        out[..HEADER_BYTES].copy_from_slice(&Header { session, sequence, count }.encode());
        filled
    }
}

/// What stands before so many messages, 1..=[`COUNT_MAX`], for who writes them in place.
#[must_use]
pub fn packet_header(session: Session, first: u64, count: u16) -> [u8; HEADER_BYTES] {
    Header { session, sequence: first, count }.encode()
}

/// A packet that says only where the sequence stands.
#[must_use]
pub fn heartbeat(session: Session, next: u64) -> [u8; HEADER_BYTES] {
    Header { session, sequence: next, count: HEARTBEAT }.encode()
}

/// A packet that says that no message follows.
#[must_use]
pub fn end_of_session(session: Session, next: u64) -> [u8; HEADER_BYTES] {
    Header { session, sequence: next, count: END_OF_SESSION }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec::Vec;

    const SESSION: Session = Session(*b"000010059B");

    fn packet(messages: &[&[u8]], out: &mut [u8]) -> usize {
        let mut writer = PacketWriter::new(out, SESSION, 7).unwrap();
        for message in messages {
            assert!(writer.push(message));
        }
        assert_eq!(writer.next_sequence(), 7 + messages.len() as u64);
        writer.finish()
    }

    #[test]
    fn messages_come_back_and_one_may_be_empty() {
        let mut out = [0; 64];
        let len = packet(&[b"ab", b"", b"cde"], &mut out);
        assert_eq!(len, 20 + 3 * 2 + 5);
        let packet = Packet::decode(&out[..len]).unwrap();
        assert_eq!((packet.session, packet.sequence, packet.count()), (SESSION, 7, 3));
        let messages: Vec<_> = packet.messages().collect();
        assert_eq!(messages, [Ok(&b"ab"[..]), Ok(&b""[..]), Ok(&b"cde"[..])]);
    }

    #[test]
    fn a_message_beyond_the_payload_is_an_error_behind_those_that_are_whole() {
        let mut out = [0; 64];
        let len = packet(&[b"ab", b"cde"], &mut out);
        for cut in 20..len {
            let mut messages = Packet::decode(&out[..cut]).unwrap().messages();
            let start = if cut < 24 { 20 } else { 24 };
            if start == 24 {
                assert_eq!(messages.next(), Some(Ok(&b"ab"[..])));
            }
            let Some(Err(error)) = messages.next() else { panic!("cut after {cut}") };
            assert_eq!(error.offset, start);
            let Rule::Cut { needed, left } = error.rule else { panic!("{error}") };
            assert_eq!(u64::from(left), cut as u64 - start);
            assert!(needed > left);
            assert_eq!(messages.next(), None, "told once");
        }
        for cut in 0..20 {
            assert!(Packet::decode(&out[..cut]).is_err());
        }
    }

    #[test]
    fn heartbeats_and_the_end_have_no_messages() {
        let alive = heartbeat(SESSION, 383_265);
        let packet = Packet::decode(&alive).unwrap();
        assert_eq!((packet.content, packet.sequence), (Content::Heartbeat, 383_265));
        assert_eq!(packet.messages().next(), None);
        let over = end_of_session(SESSION, u64::MAX);
        let packet = Packet::decode(&over).unwrap();
        assert_eq!((packet.content, packet.sequence), (Content::EndOfSession, u64::MAX));
        assert_eq!(packet.messages().next(), None);
    }

    #[test]
    fn a_request_has_the_layout_of_a_header() {
        let request = Request { session: SESSION, first: 5, count: COUNT_MAX };
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes), Ok(request));
        assert_eq!(bytes[..10], SESSION.0);
        assert_eq!(bytes[10..], [0, 0, 0, 0, 0, 0, 0, 5, 0xFF, 0xFE]);
        assert!(Request::decode(&bytes[..19]).is_err());
    }

    #[test]
    fn what_does_not_fit_belongs_in_the_next_packet() {
        let mut out = [0; 26];
        let mut writer = PacketWriter::new(&mut out, SESSION, 1).unwrap();
        assert!(!writer.push(b"12345"));
        assert!(writer.push(b"1234"));
        assert!(!writer.push(b""));
        assert_eq!(writer.finish(), 26);
        assert!(PacketWriter::new(&mut out[..19], SESSION, 1).is_none());
    }

    #[test]
    fn a_name_is_shown_as_text_and_zeros_are_no_name() {
        assert_eq!(SESSION.to_string(), "000010059B");
        assert_eq!(Session(*b"S1        ").to_string(), "S1");
        assert_eq!(Session([0; 10]).to_string(), "");
        assert_eq!(Session(*b"a\x00\xFF       ").to_string(), "a\\x00\\xff");
        for blank in [[0; 10], *b"0000000000", *b"          "] {
            assert!(Session(blank).is_blank() && Session(blank).is_plausible());
        }
        assert!(!SESSION.is_blank() && SESSION.is_plausible());
        assert!(!Session([7; 10]).is_plausible());
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_reading_beyond_them(bytes: Vec<u8>) {
            if let Ok(packet) = Packet::decode(&bytes) {
                let (mut taken, mut items) = (HEADER_BYTES, 0_u32);
                let mut messages = packet.messages();
                for message in messages.by_ref() {
                    items += 1;
                    taken += message.map_or(0, |message| PREFIX_BYTES + message.len());
                }
                prop_assert_eq!(taken + messages.left(), bytes.len());
                prop_assert!(items <= u32::from(packet.count()));
            }
        }

        #[test]
        fn what_is_written_is_read(messages in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..60), 0..40)) {
            let mut out = [0; 4_096];
            let mut writer = PacketWriter::new(&mut out, SESSION, 0).unwrap();
            for message in &messages {
                prop_assert!(writer.push(message));
            }
            let len = writer.finish();
            let packet = Packet::decode(&out[..len]).unwrap();
            let read: Vec<_> = packet.messages().map(Result::unwrap).collect();
            prop_assert_eq!(read, messages);
        }
    }
}
