//! Two captured lines of one session.

use crate::scratch::Scratch;
use std::net::{Ipv4Addr, SocketAddrV4};
use tickspin_recording::capture::Writer;
use tickspin_recording::{EventReader, PacketFile};
use tickspin_wire::Kind;
use tickspin_wire::itch50::{Header, Message, OrderDelete, encode};
use tickspin_wire::moldudp64::{self, PacketWriter, Session};
use tickspin_wire::net::Envelope;

const SESSION: Session = Session(*b"0000012345");
const SRC: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9_000);
const LINES: [SocketAddrV4; 2] = [
    SocketAddrV4::new(Ipv4Addr::new(233, 54, 12, 1), 26_400),
    SocketAddrV4::new(Ipv4Addr::new(233, 54, 12, 2), 26_401),
];

/// Each message is delivered once and in order, or told as missing, until the session starts again.
///
/// ```text
/// a byte is a packet: bit 0 its line │ bits 1..3 what │ bits 3..5 messages - 1 │ bits 5..8 time since
/// what: 0, 1 sent · 2 lost · 3 the line goes back by so many messages
/// ```
pub fn sessions(data: &[u8]) {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    let mut next = [1_u64; 2];
    let mut at_ns = 1_000_000_000_000;
    for &byte in data.iter().take(2_000) {
        let line = usize::from(byte & 1);
        let count = u64::from(byte >> 3 & 3) + 1;
        at_ns += [0, 1, 1_000, 100_000, 1_000_000, 4_000_000, 11_000_000, 60_000_000_000]
            [usize::from(byte >> 5)];
        match byte >> 1 & 3 {
            2 => next[line] += count,
            3 => next[line] = next[line].saturating_sub(count).max(1),
            _ => {
                let payload = packet(next[line], count);
                next[line] += count;
                let envelope = Envelope { src: SRC, dst: LINES[line], vlans: &[] };
                writer.datagram(at_ns, &envelope, &payload).expect("memory");
            }
        }
    }
    let file = Scratch::new(0, &writer.into_inner());
    let mut packets = PacketFile::open(file.path()).expect("a capture of ours");
    let mut expected = None;
    while let Some(event) = packets.next_event().expect("it is whole") {
        match event.kind() {
            Some(Kind::SessionStart) => expected = Some(event.second_id),
            Some(Kind::Gap) => {
                assert_eq!(Some(event.order_id), expected, "a hole begins behind the last message");
                assert!(event.second_id > 0);
                expected = Some(event.order_id + event.second_id);
            }
            Some(Kind::Clear) => expected = None,
            Some(Kind::Delete) => {
                assert_eq!(Some(event.order_id), expected, "in order, nothing left out in silence");
                assert_eq!(packets.position(), event.order_id - 1);
                expected = Some(event.order_id + 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Messages `first..first + count`; each deletes the order of its own number.
fn packet(first: u64, count: u64) -> Vec<u8> {
    let mut out = [0; 256];
    let mut writer = PacketWriter::new(&mut out, SESSION, first).expect("room");
    for number in first..first + count {
        let header = Header { locate: 7, tracking: 0, timestamp_ns: number };
        let message = Message::OrderDelete(OrderDelete { header, order_ref: number });
        let mut bytes = [0; 50];
        let len = encode(&message, &mut bytes).expect("room");
        assert!(writer.push(&bytes[..len]), "four fit");
    }
    let len = writer.finish();
    assert!(len > moldudp64::HEADER_BYTES);
    out[..len].to_owned()
}
