//! Frames of every kind that a feed's interface may bring.
#![allow(dead_code, reason = "each test program needs a part of it")]

use std::net::{Ipv4Addr, SocketAddrV4};
use tickspin_host::frame::{HEAD_BYTES, Head, multicast_mac};
use tickspin_host::packets::Flow;

const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 40_000);

/// A datagram in an untagged frame.
pub(crate) fn plain(to: Flow, payload: &[u8]) -> Vec<u8> {
    let to = SocketAddrV4::new(to.address, to.port);
    let head = Head::new(([2, 0, 0, 0, 0, 1], FROM), (multicast_mac(*to.ip()), to));
    let mut frame = vec![0; HEAD_BYTES + payload.len()];
    head.write(payload.len(), &mut frame).unwrap();
    frame[HEAD_BYTES..].copy_from_slice(payload);
    frame
}

/// With one VLAN tag.
pub(crate) fn tagged(to: Flow, payload: &[u8]) -> Vec<u8> {
    let mut frame = plain(to, payload);
    frame.splice(12..12, [0x81, 0, 0, 5]);
    frame
}

/// With bytes behind the datagram, as short frames have them.
pub(crate) fn padded(to: Flow, payload: &[u8]) -> Vec<u8> {
    let mut frame = plain(to, payload);
    frame.extend([0xEE; 18]);
    frame
}

/// With four bytes of IP options (no-operation).
pub(crate) fn with_options(to: Flow, payload: &[u8]) -> Vec<u8> {
    let mut frame = plain(to, payload);
    frame.splice(34..34, [1; 4]);
    frame[14] = 0x46;
    let total = u16::from_be_bytes([frame[16], frame[17]]) + 4;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    checksum(&mut frame);
    frame
}

/// One datagram in two fragments; `payload` has 8 bytes or more.
pub(crate) fn fragments(to: Flow, payload: &[u8]) -> [Vec<u8>; 2] {
    let whole = plain(to, payload);
    // The first carries the UDP header and 8 bytes.
    let cut = |from: usize, to: usize, flags: [u8; 2]| {
        let mut frame = [&whole[..34], &whole[from..to]].concat();
        let total = (20 + to - from) as u16;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        frame[18..20].copy_from_slice(&[0x12, 0x34]);
        frame[20..22].copy_from_slice(&flags);
        checksum(&mut frame);
        frame
    };
    [cut(34, 50, [0x20, 0]), cut(50, whole.len(), [0, 2])]
}

/// The checksum of the IPv4 header.
fn checksum(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let end = 14 + usize::from(frame[14] & 15) * 4;
    let words = frame[14..end].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
