//! Captured frames.

use std::net::{SocketAddr, SocketAddrV4};
use tickspin_wire::net::{self, Endpoint, Envelope, Link, NotUdp, VLANS_MAX};

const LINKS: [Link; 6] =
    [Link::Ethernet, Link::Null, Link::Raw, Link::LinuxSll, Link::LinuxSll2, Link::Other(105)];

/// A frame of any link: a payload lies inside it, and put into a frame of ours it comes out again.
pub fn net(data: &[u8]) {
    let Some((&link, frame)) = data.split_first() else { return };
    let link = LINKS[usize::from(link) % LINKS.len()];
    let datagram = match net::datagram(link, frame) {
        Ok(datagram) => datagram,
        Err(other) => {
            if let NotUdp::Cut { needed, left, .. } = other {
                assert!(needed > left && left as usize <= frame.len(), "{other}");
            }
            assert!(!other.name().is_empty() && !other.to_string().contains('\n'));
            return;
        }
    };
    assert!(!matches!(link, Link::Other(_)));
    let payload = datagram.payload;
    assert!(payload.len() + 28 <= frame.len(), "headers of IP and UDP are before it");
    let inside = frame.as_ptr_range();
    let at = payload.as_ptr_range();
    assert!(inside.start <= at.start && at.end <= inside.end, "it lies in the frame");

    let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (datagram.src, datagram.dst) else { return };
    let vlans = [1, 0xFFF, 100, 7];
    let vlans = &vlans[..frame.len() % (VLANS_MAX + 1)];
    round_trip(src, dst, vlans, payload);
}

fn round_trip(src: SocketAddrV4, dst: SocketAddrV4, vlans: &[u16], payload: &[u8]) {
    let envelope = Envelope { src, dst, vlans };
    let mut out = vec![0; envelope.header_bytes() + payload.len()];
    let Ok(len) = envelope.encode(payload, &mut out) else {
        assert!(payload.len() > net::PAYLOAD_BYTES_MAX, "the only reason left");
        return;
    };
    assert_eq!(len, out.len());
    // What a network card adds to a short frame does not matter.
    out.resize(len.max(64), 0);
    let again = net::datagram(Link::Ethernet, &out).expect("a whole frame");
    assert_eq!((again.src, again.dst), (Endpoint::V4(src), Endpoint::V4(dst)));
    assert_eq!(again.payload, payload);
}
