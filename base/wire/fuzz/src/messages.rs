//! ITCH messages, their framing, and the words of a slot.

use tickspin_wire::binaryfile::{self as framing, Framing, PREFIX_BYTES, Records, Step};
use tickspin_wire::event::flag;
use tickspin_wire::itch50::{self, Header, MESSAGE_BYTES_MAX};
use tickspin_wire::normalize::{self, Normalize};
use tickspin_wire::num::{InstrumentId, Px};
use tickspin_wire::order::{Reason, ReportKind, RequestKind};
use tickspin_wire::{DecodeError, Event, Kind, Report, Request, Rule, Side};

/// One message: decoding loses nothing, and every way to its event gives the same one.
pub fn itch50(data: &[u8]) {
    let decoded = itch50::decode(data);
    assert_eq!(itch50::check(data), decoded.map(|message| message.kind()), "check and decode");
    let event = normalize::itch_event(data);
    match decoded {
        Err(fault) => {
            assert!(fault.is_skippable() && fault.offset <= data.len() as u64, "{fault}");
            assert_eq!(event, Err(fault), "the short way to the event");
        }
        Ok(message) => {
            assert_eq!(Some(data.len()), itch50::length_of(message.kind()));
            assert!(message.header().timestamp_ns <= Header::TIMESTAMP_MASK);
            let mut out = [0; MESSAGE_BYTES_MAX];
            let len = itch50::encode(&message, &mut out).expect("room for any message");
            assert_eq!(&out[..len], data, "encoding gives the same bytes back");
            assert_eq!(itch50::encode(&message, &mut out[..len - 1]), None, "one byte short");
            assert_eq!(event, Ok(message.normalize()), "the short way to the event");
        }
    }
    if let Ok(event) = event {
        known(&event);
        assert_ne!(event.flags & flag::COMPLETE, 0, "each message is complete by itself");
        if normalize::has_reserved_locate(data) {
            assert_eq!(event.instrument, InstrumentId::ALL);
            assert!(matches!(event.kind(), Some(Kind::Info | Kind::System)), "{event:?}");
        }
    }
    if let Some(name) = normalize::itch_symbol(data) {
        assert!(!name.is_empty() && name.len() <= 8);
    }
}

/// An event of ours is well formed: the engine refuses a foreign byte, a decoder must not make one.
pub(crate) fn known(event: &Event) {
    let (Some(kind), Some(side)) = (event.kind(), event.side()) else { panic!("{event:?}") };
    if matches!(kind, Kind::Add | Kind::Level | Kind::Quote) {
        // (IEX's `a` with a side byte of neither kind keeps no side.)
        assert!(side != Side::None || kind == Kind::Add, "{event:?}");
    }
    assert_eq!((event.sent_ticks, event.lag_ticks), (0, 0), "the pacer's fields");
    assert_eq!(event.flags & flag::WARM_UP, 0, "the feed's flag");
}

/// The same records from a file in memory and from pieces of it; all bytes are accounted for.
pub fn binaryfile(data: &[u8]) {
    let Some((&piece, file)) = data.split_first() else { return };
    let mut records = Records::new(file);
    let (mut whole, mut fault) = (Vec::new(), None);
    for record in records.by_ref() {
        assert!(fault.is_none(), "a fault is the last item");
        match record {
            Ok(record) => whole.push(record),
            Err(error) => fault = Some(error),
        }
    }
    let framing = *records.framing();
    assert_eq!(framing.records(), whole.len() as u64);
    let taken: usize = whole.iter().map(|record| PREFIX_BYTES + record.len()).sum();
    let marker = if framing.is_ended() { PREFIX_BYTES } else { 0 };
    assert_eq!(framing.position(), (taken + marker) as u64);
    match fault {
        None => assert!(framing.is_ended() || taken == file.len()),
        Some(DecodeError { offset, rule: Rule::Cut { needed, left } }) => {
            assert_eq!((offset, u64::from(left)), (taken as u64, (file.len() - taken) as u64));
            assert!(needed > left && !framing.is_ended());
        }
        Some(other) => panic!("{other}"),
    }

    let mut pieces = Framing::new();
    let (mut start, mut end, mut at) = (0, 0, 0);
    loop {
        match pieces.step(&file[start..end]) {
            Step::Record(record) => {
                assert_eq!(Some(&record), whole.get(at), "record {at}");
                at += 1;
                start += PREFIX_BYTES + record.len();
            }
            Step::Partial { needed } => {
                assert!(needed > end - start, "it asks for more than it has");
                if end == file.len() {
                    assert_eq!(pieces.finish(&file[start..]).err(), fault);
                    break;
                }
                end = file.len().min(end + 1 + usize::from(piece));
            }
            Step::End => break,
        }
    }
    assert_eq!((at, pieces), (whole.len(), framing));

    let mut out = vec![0; file.len()];
    let mut filled = 0;
    for record in &whole {
        filled += framing::write_record(record, &mut out[filled..]).expect("it was framed before");
    }
    assert_eq!(out[..filled], file[..taken]);
}

/// Any eight words are an event, a request and a report; what is read from them is checked.
pub fn words(data: &[u8]) {
    let mut words = [0; 7];
    let (chunks, _) = data.as_chunks::<8>();
    words.iter_mut().zip(chunks).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));

    let event = Event::from_words(words);
    assert_eq!(event.to_words(), words);
    if let (Some(kind), Some(side)) = (event.kind(), event.side()) {
        assert_eq!(Event::pack(kind, side), event.kind_side);
        assert_eq!(Kind::from_wire(kind as u8), Some(kind));
        assert_eq!(side.opposite().opposite(), side);
        assert!(!kind.name().is_empty());
    }
    assert_eq!(event.intended_ticks().wrapping_add(u64::from(event.lag_ticks)), event.sent_ticks);
    let (symbol, len) = event.symbol_bytes();
    if symbol[len..].iter().all(|&byte| byte == 0) {
        let pair = (event.order_id, event.second_id);
        assert_eq!(Event::symbol_words(&symbol[..len]), pair, "a symbol comes back");
    }
    if let Some(raw) = event.px.to_1e4() {
        assert_eq!(Px::from_1e4(raw), event.px);
    }

    let request = Request::from_words(words);
    assert_eq!(request.to_words(), words);
    if let Some(kind) = request.kind() {
        assert_eq!(RequestKind::from_wire(kind as u8), Some(kind));
    }
    let _ = request.side();
    let report = Report::from_words(words);
    assert_eq!(report.to_words(), words);
    if let Some(kind) = report.kind() {
        assert_eq!(ReportKind::from_wire(kind as u8), Some(kind));
    }
    let _ = report.side();
    if let Some(reason) = Reason::from_wire(words[0] as u32) {
        assert_eq!(reason as u32, words[0] as u32);
    }
}
