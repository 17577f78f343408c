//! [`Envelope`]: a payload put into UDP, IPv4, VLAN tags and Ethernet, for captures that we write.
//!
//! The IPv4 checksum is filled in; the UDP checksum is 0, which IPv4 reads as "none".
//! Frames are not padded to Ethernet's 60 bytes: a capture of a sending host has no padding either.

use core::fmt;
use core::net::SocketAddrV4;

/// The most a UDP datagram carries over IPv4 without options.
pub const PAYLOAD_BYTES_MAX: usize = 65_535 - IPV4_BYTES - UDP_BYTES;
/// VLAN tags that a frame is given at most.
pub const VLANS_MAX: usize = 4;

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;

/// The headers around a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Who sends it.
    pub src: SocketAddrV4,
    /// To whom: a multicast group gets its Ethernet address, any other one made from its own.
    pub dst: SocketAddrV4,
    /// VLAN numbers (the lower 12 bits of a tag), outermost first; 0..=[`VLANS_MAX`] of them. The
    /// innermost tag is 802.1Q, those around it 802.1ad.
    pub vlans: &'a [u16],
}

/// A payload that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The output has room for fewer bytes.
    Room {
        /// Bytes the frame takes.
        needed: usize,
    },
    /// A datagram carries at most [`PAYLOAD_BYTES_MAX`].
    Payload,
    /// A frame is given at most [`VLANS_MAX`].
    Vlans,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Room { needed } => write!(f, "the frame takes {needed} bytes"),
            EncodeError::Payload => {
                write!(f, "a datagram carries at most {PAYLOAD_BYTES_MAX} bytes")
            }
            EncodeError::Vlans => write!(f, "a frame is given at most {VLANS_MAX} VLAN tags"),
        }
    }
}

impl core::error::Error for EncodeError {}

impl Envelope<'_> {
    /// Bytes before the payload.
    #[must_use]
    pub const fn header_bytes(&self) -> usize {
        ETHERNET_BYTES + 4 * self.vlans.len() + IPV4_BYTES + UDP_BYTES
    }

    /// Writes the frame to the front of `out`; gives its length.
    ///
    /// # Errors
    /// Too little room, too long a payload, too many tags; nothing is written then.
    pub fn encode(&self, payload: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EncodeError::Payload);
        }
        if self.vlans.len() > VLANS_MAX {
            return Err(EncodeError::Vlans);
        }
        let needed = self.header_bytes() + payload.len();
        let Some(out) = out.get_mut(..needed) else { return Err(EncodeError::Room { needed }) };

        out[..6].copy_from_slice(&hardware(self.dst));
        out[6..12].copy_from_slice(&hardware(self.src));
        let mut at = 12;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        for (index, vlan) in self.vlans.iter().enumerate() {
            let tag = if index + 1 == self.vlans.len() { 0x8100_u16 } else { 0x88A8 };
            put(&tag.to_be_bytes());
            put(&(vlan & 0x0FFF).to_be_bytes());
        }
        put(&0x0800_u16.to_be_bytes());
        put(&ipv4(self.src, self.dst, (IPV4_BYTES + UDP_BYTES + payload.len()) as u16));
        put(&self.src.port().to_be_bytes());
        put(&self.dst.port().to_be_bytes());
        put(&((UDP_BYTES + payload.len()) as u16).to_be_bytes());
        put(&[0, 0]);
        put(payload);
        Ok(needed)
    }
}

/// Don't fragment, 16 hops, UDP.
fn ipv4(src: SocketAddrV4, dst: SocketAddrV4, total: u16) -> [u8; IPV4_BYTES] {
    let mut header = [0; IPV4_BYTES];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[6] = 0x40;
    header[8] = 16;
    header[9] = 17;
    header[12..16].copy_from_slice(&src.ip().octets());
    header[16..20].copy_from_slice(&dst.ip().octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The ones' complement of the ones' complement sum of 16-bit words; 0 over a header that holds it.
pub(super) fn checksum(header: &[u8; IPV4_BYTES]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words.iter().map(|&word| u32::from(u16::from_be_bytes(word))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !(((folded & 0xFFFF) + (folded >> 16)) as u16)
}

/// 01:00:5e and the lower 23 bits for a group; a locally administered address for a host.
fn hardware(endpoint: SocketAddrV4) -> [u8; 6] {
    let [a, b, c, d] = endpoint.ip().octets();
    if endpoint.ip().is_multicast() { [1, 0, 0x5E, b & 0x7F, c, d] } else { [2, 0, a, b, c, d] }
}
