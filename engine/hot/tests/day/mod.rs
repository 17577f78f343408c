//! A day of messages on two lines, and an input to take it: what the tests of live feeds share.
#![allow(dead_code, reason = "each test program needs a part of it")]

use ringbuf::traits::Split;
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::net::Ipv4Addr;
use tickspin_host::packets::{Flow, PacketSource};
use tickspin_hot::input::mold::{
    MoldInput, MoldMemory, MoldTerms, ParkedPacket, ParkingMemory, Reply,
};
use tickspin_hot::stamps::Stamps;
use tickspin_wire::itch50::{
    AddOrder, Alpha, Header, MESSAGE_BYTES_MAX, Message, OrderDelete, encode,
};
use tickspin_wire::moldudp64::{PacketWriter, Request, Session};

pub(crate) const SESSION: Session = Session(*b"DAY0000001");
/// Messages of a packet.
pub(crate) const EACH: u64 = 5;
/// Lines A and B.
pub(crate) const FLOWS: [Flow; 2] = [
    Flow { address: Ipv4Addr::new(239, 78, 1, 1), port: 15_100 },
    Flow { address: Ipv4Addr::new(239, 78, 1, 2), port: 15_100 },
];

/// A message of the day: orders enter and leave; here and there one is empty or of no known type.
pub(crate) fn message(number: u64, out: &mut [u8; MESSAGE_BYTES_MAX]) -> usize {
    let header =
        Header { locate: 1 + (number % 3) as u16, tracking: 0, timestamp_ns: number * 100 };
    let message: Message = match number % 50 {
        7 => return 0,
        13 => {
            out[0] = b'?';
            return 1;
        }
        _ if number.is_multiple_of(2) => OrderDelete { header, order_ref: number - 1 }.into(),
        _ => AddOrder {
            header,
            order_ref: number,
            side: if number.is_multiple_of(3) { b'S' } else { b'B' },
            shares: 100,
            stock: Alpha(*b"TICKSPIN"),
            price_1e4: 10_000 + number as u32,
        }
        .into(),
    };
    encode(&message, out).unwrap()
}

/// The packet that begins with message `first`.
pub(crate) fn packet(first: u64) -> Vec<u8> {
    let mut out = [0; 1_472];
    let len = write_packet(first, &mut out);
    out[..len].to_vec()
}

/// The same, into a buffer; its length.
pub(crate) fn write_packet(first: u64, out: &mut [u8; 1_472]) -> usize {
    let mut writer = PacketWriter::new(out, SESSION, first).unwrap();
    for number in first..first + EACH {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let len = message(number, &mut bytes);
        assert!(writer.push(&bytes[..len]));
    }
    writer.finish()
}

pub(crate) type Rig<'m, S, T> = MoldInput<'m, S, T, HeapProd<Request>, HeapCons<Reply>>;

/// Packets that can be parked, and events that can wait.
pub(crate) struct Room {
    pub(crate) parked: usize,
    pub(crate) events: usize,
}

/// Gives an input over `source` to `work`, with cold's ends of its queues.
pub(crate) fn with_input<S: PacketSource, T: Stamps, O>(
    (source, stamps): (S, T),
    room: Room,
    terms: MoldTerms,
    work: impl FnOnce(&mut Rig<'_, S, T>, HeapCons<Request>, HeapProd<Reply>) -> O,
) -> O {
    let mut slots = vec![ParkedPacket::default(); room.parked];
    let (mut order, mut free) = (vec![0; room.parked], vec![0; room.parked]);
    let mut events = vec![[0; 7]; room.events];
    let parking = ParkingMemory { slots: &mut slots, order: &mut order, free: &mut free };
    let memory = MoldMemory { parking, events: &mut events };
    let (requests, asked) = HeapRb::new(16).split();
    let (answers, replies) = HeapRb::new(16).split();
    let mut input = MoldInput::new(source, stamps, (requests, replies), memory, terms, 9).unwrap();
    work(&mut input, asked, answers)
}
