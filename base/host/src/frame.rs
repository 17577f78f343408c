//! An Ethernet frame and the UDP datagram in it, both ways: what the raw sources and sinks need and
//! no more.
//!
//! ```text
//! byte  0      6      12    14        14 (18 with a VLAN tag)      +20 or IHL × 4    +8
//!       ├──────┼──────┼─────┼─────────┼────────────────────────────┼─────────────────┼─────────┼─ ─ ─
//!       │to    │from  │type │IPv4: length, fragment, protocol, from, to │UDP: ports, length    │payload
//!       └──────┴──────┴─────┴───────────────────────────────────────────┴──────────────────────┴─ ─ ─
//! ```
//!
//! Recorded frames of every link layer, IPv6 and reasons in detail are the business of the package
//! that reads captures; this one runs for every packet of a live feed.
//! Of all lengths the one in the UDP header is believed, as far as it lies inside what IP says and
//! what arrived; what stands behind is padding. Checksums are not verified: the card has done it, or
//! the sender on the same machine has left them to the card.
//!
//! Cost: 2 to 3 ns, no copy. When it is the wrong choice: tunnels, and more than two VLAN tags.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Bytes of Ethernet, IPv4 and UDP before the payload of a frame that [`Head`] makes.
pub const HEAD_BYTES: usize = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;
/// Tags that are stepped over.
const TAGS_MAX: usize = 2;

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const IPV4: u16 = 0x0800;
const TAGS: [u16; 2] = [0x8100, 0x88A8];
const UDP: u8 = 17;

/// A datagram, its payload still in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpFrame<'a> {
    /// To whom: the multicast group, or a host.
    pub address: Ipv4Addr,
    /// Destination port.
    pub port: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Why a frame gives no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDatagram {
    /// It is something else: ARP, IPv6, TCP, a fragment.
    Foreign,
    /// Its headers contradict its length, or one another.
    Malformed,
}

/// The datagram in an Ethernet frame.
///
/// # Errors
/// [`NoDatagram`].
#[inline]
pub fn udp(frame: &[u8]) -> Result<UdpFrame<'_>, NoDatagram> {
    let (ethernet, mut packet) = split::<ETHERNET_BYTES>(frame)?;
    let mut kind = be16(ethernet, 12);
    for _ in 0..TAGS_MAX {
        if kind == IPV4 || !TAGS.contains(&kind) {
            break;
        }
        let (tag, rest) = split::<4>(packet)?;
        (kind, packet) = (be16(tag, 2), rest);
    }
    if kind != IPV4 {
        return Err(NoDatagram::Foreign);
    }
    let (ip, _) = split::<IPV4_BYTES>(packet)?;
    let header = usize::from(ip[0] & 0x0F) * 4;
    if ip[0] >> 4 != 4 || header < IPV4_BYTES {
        return Err(NoDatagram::Malformed);
    }
    // More fragments, or an offset.
    if be16(ip, 6) & 0x3FFF != 0 || ip[9] != UDP {
        return Err(NoDatagram::Foreign);
    }
    let (_, datagram) = packet.split_at_checked(header).ok_or(NoDatagram::Malformed)?;
    let Some(announced) = usize::from(be16(ip, 2)).checked_sub(header) else {
        return Err(NoDatagram::Malformed);
    };
    let (udp, rest) = split::<UDP_BYTES>(datagram)?;
    let length = usize::from(be16(udp, 4));
    if length > announced {
        return Err(NoDatagram::Malformed);
    }
    let payload = length.checked_sub(UDP_BYTES).and_then(|bytes| rest.get(..bytes));
    Ok(UdpFrame {
        address: Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]),
        port: be16(udp, 2),
        payload: payload.ok_or(NoDatagram::Malformed)?,
    })
}

#[inline]
fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), NoDatagram> {
    bytes.split_first_chunk::<N>().ok_or(NoDatagram::Malformed)
}

#[inline]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A hardware address.
pub type Mac = [u8; 6];

/// Where the card listens for a multicast group: 01:00:5e and the lower 23 bits of the group.
#[must_use]
pub fn multicast_mac(group: Ipv4Addr) -> Mac {
    let [_, b, c, d] = group.octets();
    [0x01, 0x00, 0x5E, b & 0x7F, c, d]
}

/// The headers of frames to one destination, made once: sending fills in lengths and a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; HEAD_BYTES],
    /// Sum of the IPv4 header's words without length and checksum.
    sum: u32,
}

impl Head {
    /// Frames from one hardware and IP address to another; time to live 1, "don't fragment".
    #[must_use]
    pub fn new(from: (Mac, SocketAddrV4), to: (Mac, SocketAddrV4)) -> Head {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..6].copy_from_slice(&to.0);
        bytes[6..12].copy_from_slice(&from.0);
        bytes[12..14].copy_from_slice(&IPV4.to_be_bytes());
        let ip = &mut bytes[ETHERNET_BYTES..ETHERNET_BYTES + IPV4_BYTES];
        (ip[0], ip[6], ip[8], ip[9]) = (0x45, 0x40, 1, UDP);
        ip[12..16].copy_from_slice(&from.1.ip().octets());
        ip[16..20].copy_from_slice(&to.1.ip().octets());
        let words =
            ip.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum = words.sum();
        let udp = &mut bytes[ETHERNET_BYTES + IPV4_BYTES..];
        udp[..2].copy_from_slice(&from.1.port().to_be_bytes());
        udp[2..4].copy_from_slice(&to.1.port().to_be_bytes());
        Head { bytes, sum }
    }

    /// Writes the headers of a payload of this many bytes to the front of `out`; the UDP checksum is
    /// 0, which IPv4 reads as "none". `None`: it does not fit a datagram, or `out` has no room for
    /// headers and payload.
    #[inline]
    pub fn write(&self, payload_bytes: usize, out: &mut [u8]) -> Option<usize> {
        let total = u16::try_from(IPV4_BYTES + UDP_BYTES + payload_bytes).ok()?;
        let frame_bytes = HEAD_BYTES + payload_bytes;
        let (head, _) = out.get_mut(..frame_bytes)?.split_first_chunk_mut::<HEAD_BYTES>()?;
        *head = self.bytes;
        head[16..18].copy_from_slice(&total.to_be_bytes());
        head[38..40].copy_from_slice(&(total - IPV4_BYTES as u16).to_be_bytes());
        let sum = self.sum + u32::from(total);
        let sum = (sum & 0xFFFF) + (sum >> 16);
        let sum = (sum & 0xFFFF) + (sum >> 16);
        head[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        Some(frame_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickspin_wire::net::{self, Link};

    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 40_000);
    const TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 1, 129, 7), 5_001);

    fn frame(payload: &[u8]) -> Vec<u8> {
        let head = Head::new(([2; 6], FROM), (multicast_mac(*TO.ip()), TO));
        let mut out = vec![0; HEAD_BYTES + payload.len()];
        assert_eq!(head.write(payload.len(), &mut out), Some(out.len()));
        out[HEAD_BYTES..].copy_from_slice(payload);
        out
    }

    #[test]
    fn what_is_written_is_read_and_the_checksum_holds() {
        for len in [0, 1, 64, 1_472] {
            let payload = vec![7; len];
            let frame = frame(&payload);
            let read = udp(&frame).unwrap();
            assert_eq!(
                (read.address, read.port, read.payload),
                (*TO.ip(), TO.port(), &payload[..])
            );
            let words = frame[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
            let sum: u32 = words.sum();
            assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
            assert_eq!(frame[..6], [1, 0, 0x5E, 1, 129, 7]);
        }
        let head = Head::new(([2; 6], FROM), ([3; 6], TO));
        assert_eq!(head.write(10, &mut [0; HEAD_BYTES + 9]), None);
        assert_eq!(head.write(65_508, &mut vec![0; 70_000]), None);
    }

    #[test]
    fn tags_and_padding_are_stepped_over() {
        let plain = frame(b"abc");
        let want = udp(&plain).unwrap();
        for tags in [&[0x81, 0, 0, 5][..], &[0x88, 0xA8, 0, 1, 0x81, 0, 0, 2]] {
            let tagged = [&plain[..12], tags, &plain[12..], &[0; 20]].concat();
            assert_eq!(udp(&tagged), Ok(want));
        }
        let three = [&plain[..12], &[0x81, 0, 0, 5].repeat(3), &plain[12..]].concat();
        assert_eq!(udp(&three), Err(NoDatagram::Foreign));
        let mut fragment = plain.clone();
        fragment[20] = 0x20;
        assert_eq!(udp(&fragment), Err(NoDatagram::Foreign));
        for cut in 0..plain.len() {
            assert_eq!(udp(&plain[..cut]), Err(NoDatagram::Malformed), "{cut} bytes");
        }
    }

    /// The decoder of captures is the twin: where it sees a datagram over IPv4 in an Ethernet frame
    /// with at most two tags, we see the same.
    fn agrees(frame: &[u8]) {
        let tags = frame.get(12..).unwrap_or(&[]).chunks(4).take_while(|tag| {
            matches!(tag.first_chunk::<2>(), Some([0x81, 0] | [0x88, 0xA8] | [0x91, 0]))
        });
        let is_old = frame.get(12..14) == Some(&[0x91, 0]) || frame.get(16..18) == Some(&[0x91, 0]);
        let total = frame.get(16..18).unwrap_or(&[0, 0]);
        if tags.count() > TAGS_MAX || is_old || total == [0, 0] {
            return;
        }
        match net::datagram(Link::Ethernet, frame) {
            Ok(theirs) if theirs.dst.is_ipv4() && is_ethernet_ipv4(frame) => {
                if let Ok(ours) = udp(frame) {
                    assert_eq!(ours.payload, theirs.payload);
                    assert_eq!(
                        (ours.address.into(), ours.port),
                        (theirs.dst.ip(), theirs.dst.port())
                    );
                } else {
                    // Only an IPv4 total length of 0 behind a tag is read there and not here.
                    assert!(frame[12] != 8, "{frame:?}");
                }
            }
            Ok(_) => assert!(udp(frame).is_err()),
            Err(_) => assert!(udp(frame).is_err(), "{frame:?}"),
        }
    }

    fn is_ethernet_ipv4(frame: &[u8]) -> bool {
        frame.get(12..).is_some_and(|rest| rest.chunks(4).take(3).any(|c| c.starts_with(&[8, 0])))
    }

    proptest! {
        #[test]
        fn a_changed_frame_is_read_as_the_decoder_of_captures_reads_it(
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            changes in proptest::collection::vec((0_usize..60, any::<u8>()), 0..4),
            tags in 0_usize..3,
            cut in 0_usize..90,
        ) {
            let plain = frame(&payload);
            let mut frame = [&plain[..12], &[0x81, 0, 0, 5].repeat(tags), &plain[12..]].concat();
            for (at, byte) in changes {
                if let Some(place) = frame.get_mut(at) { *place = byte; }
            }
            frame.truncate(cut.max(10));
            agrees(&frame);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = udp(&bytes);
            agrees(&bytes);
        }
    }
}
