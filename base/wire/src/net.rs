//! From a captured frame to the UDP datagram in it: link layer, VLAN tags, IPv4 or IPv6, UDP.
//!
//! ```text
//! ├─ link ─┼─ VLAN tags, 4 bytes each ─┼─ IPv4 (IHL × 4) or IPv6 (40 + extensions) ─┼─ UDP 8 ─┼─ payload ─┼─ padding ─┤
//!   14 Ethernet · 4 null · 0 raw · 16 cooked · 20 cooked v2                            └─ UDP length ──────┘
//! ```
//!
//! Of all lengths the one in the UDP header is believed: short Ethernet frames are padded, and a frame
//! check sequence may be captured behind the payload. It must lie inside what the IP header says and
//! inside what was captured.
//!
//! Cost: no copy, no loop but over tags and extension headers.
//! When wrong: nothing is put together again. A fragment is named as one and its bytes are not looked
//! at; checksums are not verified, because a capturing host often sees them before its card has filled
//! them in; tunnels (GRE, VXLAN, MPLS) are not opened.

mod encode;

pub use core::net::SocketAddr as Endpoint;
pub use encode::{EncodeError, Envelope, PAYLOAD_BYTES_MAX, VLANS_MAX};

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The lowest layer of a capture: what its frames begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet, tagged or not (1).
    Ethernet,
    /// BSD loopback: 4 bytes of address family, in either byte order (0, and 108).
    Null,
    /// An IP packet and nothing before it (101; 228 and 229 say which version; 12 and 14 are 101 as
    /// two systems once wrote it).
    Raw,
    /// Linux "cooked": what a capture of all interfaces gives (113).
    LinuxSll,
    /// The same with the interface's number (276).
    LinuxSll2,
    /// Any other: its number in the registry of link types.
    Other(u32),
}

impl Link {
    /// From the number that a capture file gives.
    #[must_use]
    pub const fn from_code(code: u32) -> Link {
        match code {
            1 => Link::Ethernet,
            0 | 108 => Link::Null,
            12 | 14 | 101 | 228 | 229 => Link::Raw,
            113 => Link::LinuxSll,
            276 => Link::LinuxSll2,
            other => Link::Other(other),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Ethernet => f.write_str("Ethernet"),
            Link::Null => f.write_str("null"),
            Link::Raw => f.write_str("raw IP"),
            Link::LinuxSll => f.write_str("Linux cooked"),
            Link::LinuxSll2 => f.write_str("Linux cooked v2"),
            Link::Other(code) => write!(f, "link type {code}"),
        }
    }
}

/// A UDP datagram, its payload still in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom: for market data the multicast group, which tells the feed's channel and its line.
    pub dst: Endpoint,
    /// What it carries, 0..=65,527 bytes.
    pub payload: &'a [u8],
}

/// A header that has a rule of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Ethernet, null, cooked.
    Link,
    /// VLAN tag.
    Vlan,
    /// IPv4 with its options.
    Ipv4,
    /// IPv6 with its extension headers.
    Ipv6,
    /// UDP header and payload.
    Udp,
}

/// Why a frame gives no datagram. Each is counted by the caller, none ends a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotUdp {
    /// Frames of this link layer are not read.
    Link(Link),
    /// It carries something else than IP: ARP, LLDP, spanning tree, time synchronisation.
    NotIp {
        /// Ethertype, or the length that an 802.3 frame has in its place.
        ethertype: u16,
    },
    /// IP, and a part of a datagram only: the first part as well as all later ones.
    Fragment,
    /// IP, and something else than UDP in it.
    Protocol {
        /// Number in the registry of IP protocols: 1 ICMP, 2 IGMP, 6 TCP.
        protocol: u8,
    },
    /// Fewer bytes were captured than this header, or the payload that it announces, has.
    Cut {
        /// Whose.
        layer: Layer,
        /// Bytes it takes from its own start.
        needed: u32,
        /// Bytes there are from its start.
        left: u32,
    },
    /// A header that contradicts itself: another version, a length below its own size or beyond the
    /// packet around it.
    Broken {
        /// Whose.
        layer: Layer,
    },
}

impl NotUdp {
    /// Its name where such frames are counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            NotUdp::Link(_) => "unknown link",
            NotUdp::NotIp { .. } => "not IP",
            NotUdp::Fragment => "IP fragment",
            NotUdp::Protocol { .. } => "not UDP",
            NotUdp::Cut { .. } => "cut frame",
            NotUdp::Broken { .. } => "broken header",
        }
    }
}

impl fmt::Display for NotUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NotUdp::Link(link) => write!(f, "frames of {link} are not read"),
            NotUdp::NotIp { ethertype } => write!(f, "not IP: ethertype 0x{ethertype:04x}"),
            NotUdp::Fragment => f.write_str("a fragment of an IP packet"),
            NotUdp::Protocol { protocol } => write!(f, "not UDP: IP protocol {protocol}"),
            NotUdp::Cut { layer, needed, left } => {
                write!(f, "{layer:?} needs {needed} bytes, {left} were captured")
            }
            NotUdp::Broken { layer } => write!(f, "{layer:?} header contradicts itself"),
        }
    }
}

impl core::error::Error for NotUdp {}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
/// Tags of 802.1Q, 802.1ad, and of switches older than that.
const VLANS: [u16; 3] = [0x8100, 0x88A8, 0x9100];
const UDP: u8 = 17;

/// The first `N` bytes and what follows, or the cut.
#[inline]
fn split<const N: usize>(bytes: &[u8], layer: Layer) -> Result<(&[u8; N], &[u8]), NotUdp> {
    bytes.split_first_chunk::<N>().ok_or_else(|| cut(layer, N, bytes))
}

#[cold]
#[inline(never)]
fn cut(layer: Layer, needed: usize, bytes: &[u8]) -> NotUdp {
    NotUdp::Cut {
        layer,
        needed: crate::error::clipped(needed),
        left: crate::error::clipped(bytes.len()),
    }
}

/// The datagram in `frame`, as captured on `link`.
///
/// # Errors
/// What else it is; see [`NotUdp`].
#[inline]
pub fn datagram(link: Link, frame: &[u8]) -> Result<Datagram<'_>, NotUdp> {
    let (ethertype, packet) = match link {
        Link::Ethernet => {
            let (header, rest) = split::<14>(frame, Layer::Link)?;
            (be16(header, 12), rest)
        }
        Link::LinuxSll => {
            let (header, rest) = split::<16>(frame, Layer::Link)?;
            (be16(header, 14), rest)
        }
        Link::LinuxSll2 => {
            let (header, rest) = split::<20>(frame, Layer::Link)?;
            (be16(header, 0), rest)
        }
        Link::Null => {
            let (family, rest) = split::<4>(frame, Layer::Link)?;
            match u32::from_le_bytes(*family).min(u32::from_be_bytes(*family)) {
                2 => (IPV4, rest),
                // NetBSD and OpenBSD, FreeBSD, macOS; Linux has 10.
                24 | 28 | 30 | 10 => (IPV6, rest),
                family => return Err(NotUdp::NotIp { ethertype: family as u16 }),
            }
        }
        Link::Raw => match frame.first().map(|first| first >> 4) {
            Some(4) => (IPV4, frame),
            Some(6) => (IPV6, frame),
            Some(_) => return Err(NotUdp::Broken { layer: Layer::Link }),
            None => return Err(cut(Layer::Ipv4, 20, frame)),
        },
        Link::Other(_) => return Err(NotUdp::Link(link)),
    };
    let (ethertype, packet) = untagged(ethertype, packet)?;
    match ethertype {
        IPV4 => ipv4(packet),
        IPV6 => ipv6(packet),
        _ => Err(NotUdp::NotIp { ethertype }),
    }
}

/// Steps over VLAN tags, however many are stacked; each takes 4 bytes, so it ends.
#[inline]
fn untagged(mut ethertype: u16, mut packet: &[u8]) -> Result<(u16, &[u8]), NotUdp> {
    while VLANS.contains(&ethertype) {
        let (tag, rest) = split::<4>(packet, Layer::Vlan)?;
        (ethertype, packet) = (be16(tag, 2), rest);
    }
    Ok((ethertype, packet))
}

#[inline]
fn ipv4(packet: &[u8]) -> Result<Datagram<'_>, NotUdp> {
    let (header, _) = split::<20>(packet, Layer::Ipv4)?;
    let header_len = usize::from(header[0] & 0x0F) * 4;
    let total = usize::from(be16(header, 2));
    if header[0] >> 4 != 4 || header_len < 20 {
        return Err(NotUdp::Broken { layer: Layer::Ipv4 });
    }
    // More fragments, or an offset; "don't fragment" and the reserved bit mean nothing here.
    if be16(header, 6) & 0x3FFF != 0 {
        return Err(NotUdp::Fragment);
    }
    if header[9] != UDP {
        return Err(NotUdp::Protocol { protocol: header[9] });
    }
    let Some(payload) = packet.get(header_len..) else {
        return Err(cut(Layer::Ipv4, header_len, packet));
    };
    let announced = match total {
        // The network card was to cut it into packets and fill this in.
        0 => payload.len(),
        _ if total < header_len => return Err(NotUdp::Broken { layer: Layer::Ipv4 }),
        _ => total - header_len,
    };
    let address =
        |at| Ipv4Addr::from_octets([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    udp(payload, announced, IpAddr::V4(address(12)), IpAddr::V4(address(16)))
}

#[inline(never)]
fn ipv6(packet: &[u8]) -> Result<Datagram<'_>, NotUdp> {
    let (header, mut payload) = split::<40>(packet, Layer::Ipv6)?;
    if header[0] >> 4 != 6 {
        return Err(NotUdp::Broken { layer: Layer::Ipv6 });
    }
    let mut announced = usize::from(be16(header, 4));
    let mut next = header[6];
    // Hop-by-hop, routing and destination options: length in units of 8 bytes, the first not counted.
    while matches!(next, 0 | 43 | 60) {
        let (start, _) = split::<2>(payload, Layer::Ipv6)?;
        let len = (usize::from(start[1]) + 1) * 8;
        let Some(rest) = payload.get(len..) else { return Err(cut(Layer::Ipv6, len, payload)) };
        let Some(left) = announced.checked_sub(len) else {
            return Err(NotUdp::Broken { layer: Layer::Ipv6 });
        };
        (next, payload, announced) = (start[0], rest, left);
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from_octets(octets))
    };
    match next {
        UDP => udp(payload, announced, address(8), address(24)),
        44 => Err(NotUdp::Fragment),
        protocol => Err(NotUdp::Protocol { protocol }),
    }
}

/// `packet` begins with the UDP header; `announced` is what the IP header leaves for it.
#[inline]
fn udp(packet: &[u8], announced: usize, src: IpAddr, dst: IpAddr) -> Result<Datagram<'_>, NotUdp> {
    let (header, _) = split::<8>(packet, Layer::Udp)?;
    let len = usize::from(be16(header, 4));
    if len < 8 || len > announced {
        return Err(NotUdp::Broken { layer: Layer::Udp });
    }
    let Some(payload) = packet.get(8..len) else { return Err(cut(Layer::Udp, len, packet)) };
    Ok(Datagram {
        src: Endpoint::new(src, be16(header, 0)),
        dst: Endpoint::new(dst, be16(header, 2)),
        payload,
    })
}

#[inline]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
