//! Session layers: MoldUDP64, and IEX-TP with its messages.

use crate::messages::known;
use tickspin_wire::event::flag;
use tickspin_wire::iex::{self, MESSAGE_BYTES_MAX};
use tickspin_wire::iextp::{self, HEADER_BYTES, Header};
use tickspin_wire::moldudp64::{self, Content, Packet, PacketWriter, Request};
use tickspin_wire::normalize::{self, IexStanding};
use tickspin_wire::num::{InstrumentId, Side};
use tickspin_wire::{Kind, Rule};

/// A packet: its messages lie in it, one behind the other, and written again they are the same bytes.
pub fn moldudp64(data: &[u8]) {
    let Ok(packet) = Packet::decode(data) else {
        assert!(data.len() < moldudp64::HEADER_BYTES && Request::decode(data).is_err());
        return;
    };
    let request = Request::decode(data).expect("as long as a packet's header");
    assert_eq!(request.encode(), data[..moldudp64::HEADER_BYTES]);
    assert_eq!((request.session, request.first), (packet.session, packet.sequence));
    let shown = packet.session.to_string();
    assert!(shown.is_ascii() && !shown.contains(['\n', '\0']), "{shown:?}");

    let (mut whole, mut fault) = (Vec::new(), None);
    let mut messages = packet.messages();
    for message in messages.by_ref() {
        assert!(fault.is_none(), "a fault is the last item");
        match message {
            Ok(message) => whole.push(message),
            Err(error) => fault = Some(error),
        }
    }
    assert!(whole.len() <= usize::from(packet.count()));
    let bytes: usize = whole.iter().map(|message| moldudp64::PREFIX_BYTES + message.len()).sum();
    match fault {
        None => {
            assert_eq!(whole.len(), usize::from(packet.count()));
            assert_eq!(moldudp64::HEADER_BYTES + bytes + messages.left(), data.len());
        }
        Some(error) => {
            assert_eq!(error.offset, (moldudp64::HEADER_BYTES + bytes) as u64);
            assert!(matches!(error.rule, Rule::Cut { needed, left } if needed > left), "{error}");
        }
    }

    let mut out = vec![0; moldudp64::HEADER_BYTES + bytes];
    match packet.content {
        Content::EndOfSession => {
            let again = moldudp64::end_of_session(packet.session, packet.sequence);
            assert_eq!(again, data[..moldudp64::HEADER_BYTES]);
        }
        _ if fault.is_none() => {
            let mut writer = PacketWriter::new(&mut out, packet.session, packet.sequence)
                .expect("room for a header");
            assert!(whole.iter().all(|message| writer.push(message)), "they fitted before");
            assert!(!writer.push(b""), "the buffer is full");
            assert_eq!(writer.finish(), out.len());
            assert_eq!(out, data[..out.len()]);
        }
        _ => {}
    }
}

/// A segment: the header comes back, the blocks fill the payload, each message means the same twice.
pub fn iex(data: &[u8]) {
    message(data);
    let Ok((header, blocks)) = iextp::segment(data) else {
        let Err(fault) = iextp::segment(data) else { panic!("an error only once") };
        assert!(fault.offset <= data.len().max(HEADER_BYTES) as u64, "{fault}");
        return;
    };
    assert_eq!(Header::decode(&header.encode()), Ok(header));
    assert!(header.next_sequence() >= header.first_sequence);
    assert!(header.next_offset() >= header.stream_offset);
    let (mut bytes, mut count, mut fault) = (0, 0, None);
    let mut standing = IexStanding::default();
    for block in blocks {
        assert!(fault.is_none(), "a fault is the last item");
        match block {
            Err(error) => fault = Some(error),
            Ok(block) => {
                bytes += iextp::PREFIX_BYTES + block.len();
                count += 1;
                message(block);
                if let Ok(message) = iex::decode(block) {
                    let (first, second) = standing.events(&message, InstrumentId(7));
                    known(&first);
                    second.iter().for_each(known);
                }
            }
        }
    }
    match fault {
        None => {
            assert_eq!(bytes, usize::from(header.payload_bytes));
            assert_eq!(count, header.message_count);
        }
        Some(error) => assert!(error.offset >= HEADER_BYTES as u64, "{error}"),
    }
}

fn message(data: &[u8]) {
    if let Some(symbol) = iex::symbol(data) {
        assert_eq!(symbol[..], data[10..18]);
    }
    let message = match iex::decode(data) {
        Ok(message) => message,
        Err(fault) => {
            assert!(fault.is_skippable() && fault.offset <= data.len() as u64, "{fault}");
            return;
        }
    };
    let mut out = [0; MESSAGE_BYTES_MAX];
    let len = iex::encode(&message, &mut out).expect("room for any message");
    assert_eq!(Some(len), iex::length_of(message.kind()));
    assert_eq!(out[..len], data[..len], "encoding gives the same bytes back");
    assert_eq!(iex::encode(&message, &mut out[..len - 1]), None, "one byte short");

    let (first, second) = normalize::iex_events(&message, InstrumentId(7));
    known(&first);
    if let Some(second) = second {
        known(&second);
        assert_eq!((first.kind(), second.kind()), (Some(Kind::Quote), Some(Kind::Quote)));
        assert_eq!((first.side(), second.side()), (Some(Side::Bid), Some(Side::Ask)));
        assert_eq!(first.flags & flag::COMPLETE, 0, "half a quote is not complete");
        assert_ne!(second.flags & flag::COMPLETE, 0);
    }
}
