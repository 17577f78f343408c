//! IEX-TP 1.25: the segment that a datagram carries, and the messages in it.
//!
//! Everything is little-endian:
//! ```text
//! byte  0        1         2         4        8        12       14     16      24       32         40
//!       ├────────┼─────────┼─────────┼────────┼────────┼────────┼──────┼───────┼────────┼──────────┤
//!       │version │reserved │protocol │channel │session │payload │count │stream │first   │send time │ blocks
//!       │u8 = 1  │u8       │u16      │u32     │u32     │bytes   │u16   │offset │sequence│i64 ns    │
//!       │        │         │         │        │        │u16     │      │i64    │i64     │since 1970│
//!       └────────┴─────────┴─────────┴────────┴────────┴────────┴──────┴───────┴────────┴──────────┘
//! block: ├─ length u16 ─┼─ message: that many bytes ─┤
//! ```
//!
//! A session's segments chain twice: first sequence and count give the next first sequence, stream
//! offset and payload length the next stream offset. A heartbeat has neither messages nor payload, its
//! first sequence is the next to come.
//! A session can start again at 1 under the same number (IEX's own sample does so eleven times): who
//! sees the sequence go back has a restart before him, not a gap.
//!
//! Cost: ten loads for the header, two compares for each block; nothing is copied.
//! When wrong: a segment that breaks a rule is told with the offset from the datagram's start; the
//! blocks before it were good.

use crate::error::clipped;
use core::fmt;

/// Bytes before the first block.
pub const HEADER_BYTES: usize = 40;
/// Bytes before each message.
pub const PREFIX_BYTES: usize = 2;
/// The only version there is.
pub const VERSION: u8 = 1;

/// What the messages of a segment are; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Feed {
    /// TOPS 1.5: top of book. Its messages are laid out as those of 1.6.
    Tops15 = 0x8002,
    /// TOPS 1.6: top of book.
    Tops16 = 0x8003,
    /// DEEP 1.0: market by price.
    Deep10 = 0x8004,
    /// DEEP+ 1.0: market by order.
    DeepPlus10 = 0x8005,
}

impl Feed {
    /// From the protocol number of a segment.
    #[inline]
    #[must_use]
    pub const fn from_protocol(protocol: u16) -> Option<Feed> {
        match protocol {
            0x8002 => Some(Feed::Tops15),
            0x8003 => Some(Feed::Tops16),
            0x8004 => Some(Feed::Deep10),
            0x8005 => Some(Feed::DeepPlus10),
            _ => None,
        }
    }
}

/// What stands before the blocks of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose messages they are.
    pub feed: Feed,
    /// Which part of the venue's stocks.
    pub channel: u32,
    /// Which run of sequence numbers.
    pub session: u32,
    /// Bytes of all blocks, 0 for a heartbeat.
    pub payload_bytes: u16,
    /// How many blocks there are, 0 for a heartbeat.
    pub message_count: u16,
    /// Bytes of all blocks of the session before these; 0 and up.
    pub stream_offset: i64,
    /// Sequence number of the first message, 0 and up; of a heartbeat, of the next one to come.
    pub first_sequence: i64,
    /// When it was sent, ns since the Unix epoch, UTC.
    pub send_ns: i64,
}

impl Header {
    /// The fields of a datagram's first bytes.
    ///
    /// # Errors
    /// Too short, another version or protocol, a number below 0.
    #[inline]
    pub fn decode(datagram: &[u8]) -> Result<Header, SegmentError> {
        let Some(bytes) = datagram.first_chunk::<HEADER_BYTES>() else {
            return Err(short(datagram.len()));
        };
        let wrong = |offset, rule| Err(SegmentError { offset, rule });
        if bytes[0] != VERSION {
            return wrong(0, SegmentRule::Version { found: bytes[0] });
        }
        let protocol = le16(bytes, 2);
        let Some(feed) = Feed::from_protocol(protocol) else {
            return wrong(2, SegmentRule::Protocol { found: protocol });
        };
        let header = Header {
            feed,
            channel: le32(bytes, 4),
            session: le32(bytes, 8),
            payload_bytes: le16(bytes, 12),
            message_count: le16(bytes, 14),
            stream_offset: le64(bytes, 16),
            first_sequence: le64(bytes, 24),
            send_ns: le64(bytes, 32),
        };
        if header.stream_offset < 0 {
            return wrong(16, SegmentRule::Negative { found: header.stream_offset });
        }
        if header.first_sequence < 0 {
            return wrong(24, SegmentRule::Negative { found: header.first_sequence });
        }
        Ok(header)
    }

    /// As it goes on the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        bytes[2..4].copy_from_slice(&(self.feed as u16).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.channel.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.session.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[14..16].copy_from_slice(&self.message_count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.stream_offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.send_ns.to_le_bytes());
        bytes
    }

    /// No messages: the sender lives.
    #[inline]
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.message_count == 0
    }

    /// The first check of the chain: what the next segment's first sequence must be.
    #[inline]
    #[must_use]
    pub const fn next_sequence(&self) -> i64 {
        self.first_sequence.saturating_add(self.message_count as i64)
    }

    /// The second: what its stream offset must be.
    #[inline]
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.stream_offset.saturating_add(self.payload_bytes as i64)
    }
}

/// The messages of a segment, one after the other. The first error is the last item.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    payload: &'a [u8],
    /// Bytes of the payload that were stepped over.
    at: usize,
    /// Messages still to come.
    left: u16,
}

/// Header and messages of the segment in `datagram`. What lies behind the announced payload is not
/// looked at.
///
/// # Errors
/// Those of [`Header::decode`], and a payload that the datagram does not hold.
#[inline]
pub fn segment(datagram: &[u8]) -> Result<(Header, Blocks<'_>), SegmentError> {
    let header = Header::decode(datagram)?;
    let rest = &datagram[HEADER_BYTES..];
    let Some(payload) = rest.get(..usize::from(header.payload_bytes)) else {
        let (needed, left) = (header.payload_bytes.into(), clipped(rest.len()));
        return Err(SegmentError { offset: 12, rule: SegmentRule::Payload { needed, left } });
    };
    Ok((header, Blocks { payload, at: 0, left: header.message_count }))
}

impl<'a> Blocks<'a> {
    /// Messages that are still to come.
    #[must_use]
    pub const fn left(&self) -> u16 {
        self.left
    }

    #[cold]
    #[inline(never)]
    fn wrong(&mut self, rule: SegmentRule) -> SegmentError {
        let offset = (HEADER_BYTES + self.at) as u64;
        (self.left, self.at) = (0, self.payload.len());
        SegmentError { offset, rule }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], SegmentError>;

    #[inline]
    fn next(&mut self) -> Option<Result<&'a [u8], SegmentError>> {
        let rest = &self.payload[self.at..];
        if self.left == 0 {
            let bytes = clipped(rest.len());
            return (bytes > 0).then(|| Err(self.wrong(SegmentRule::Behind { bytes })));
        }
        let needed = match rest.first_chunk() {
            Some(&length) => PREFIX_BYTES + usize::from(u16::from_le_bytes(length)),
            None => PREFIX_BYTES,
        };
        let Some(message) = rest.get(PREFIX_BYTES..needed) else {
            let (needed, left) = (clipped(needed), clipped(rest.len()));
            return Some(Err(self.wrong(SegmentRule::Block { needed, left })));
        };
        self.at += needed;
        self.left -= 1;
        Some(Ok(message))
    }
}

/// A datagram that is no segment, or a segment that is not as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentError {
    /// Bytes from the datagram's start to where the rule was broken.
    pub offset: u64,
    /// Which rule.
    pub rule: SegmentRule,
}

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRule {
    /// A segment has at least its header.
    Header {
        /// Bytes there are.
        left: u32,
    },
    /// The version is 1.
    Version {
        /// What stands there.
        found: u8,
    },
    /// The protocol is TOPS, DEEP or DEEP+.
    Protocol {
        /// What stands there.
        found: u16,
    },
    /// Stream offset and sequence are not below 0.
    Negative {
        /// What stands there.
        found: i64,
    },
    /// The datagram holds the payload that the header announces.
    Payload {
        /// Bytes announced.
        needed: u32,
        /// Bytes there are.
        left: u32,
    },
    /// A block does not reach beyond the payload.
    Block {
        /// Bytes that the block needs from its own start.
        needed: u32,
        /// Bytes there are from its start.
        left: u32,
    },
    /// The blocks that the header counts are all there is in the payload.
    Behind {
        /// Bytes behind the last of them.
        bytes: u32,
    },
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.rule)
    }
}

impl fmt::Display for SegmentRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            SegmentRule::Header { left } => {
                write!(f, "a segment has {HEADER_BYTES} bytes of header, {left} are left")
            }
            SegmentRule::Version { found } => write!(f, "the version is {VERSION}, here {found}"),
            SegmentRule::Protocol { found } => write!(f, "0x{found:04x} is no protocol of IEX"),
            SegmentRule::Negative { found } => write!(f, "offset or sequence below 0: {found}"),
            SegmentRule::Payload { needed, left } => {
                write!(f, "a payload of {needed} bytes is announced, {left} are left")
            }
            SegmentRule::Block { needed, left } => {
                write!(f, "the block needs {needed} bytes, {left} are left")
            }
            SegmentRule::Behind { bytes } => {
                write!(f, "{bytes} bytes behind the last of the announced messages")
            }
        }
    }
}

impl core::error::Error for SegmentError {}

#[cold]
#[inline(never)]
fn short(len: usize) -> SegmentError {
    SegmentError { offset: len as u64, rule: SegmentRule::Header { left: clipped(len) } }
}

fn le16(bytes: &[u8; HEADER_BYTES], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn le32(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

fn le64(bytes: &[u8; HEADER_BYTES], at: usize) -> i64 {
    (u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32).cast_signed()
}
