//! The bytes of a slot are a contract between processes: sizes, offsets and numbers are frozen here.
//! A change of any of them needs a new ABI version.

use core::mem::{align_of, offset_of, size_of, size_of_val};
use tickspin_wire::event::flag;
use tickspin_wire::order::{Reason, request_flag};
use tickspin_wire::{
    Event, InstrumentId, Kind, Px, Qty, Report, ReportKind, Request, RequestKind, Side,
};

/// Asserts offset and size of each field, and that together they leave no byte between or behind.
macro_rules! assert_layout {
    ($type:ident of $value:expr; $($at:literal $field:ident $size:literal,)+) => {
        let value: $type = $value;
        let mut end = 0;
        $(
            assert_eq!(offset_of!($type, $field), $at, stringify!($field));
            assert_eq!(size_of_val(&value.$field), $size, stringify!($field));
            assert_eq!($at, end, "padding before {}", stringify!($field));
            end += $size;
        )+
        assert_eq!(end, size_of::<$type>(), "padding at the end");
        assert_eq!((size_of::<$type>(), align_of::<$type>()), (56, 8));
    };
}

const REQUEST: Request = Request {
    cause_epoch: 1,
    cause_seq: 2,
    client_id: 3,
    target_id: 4,
    px: Px(5),
    qty: Qty(6),
    instrument: InstrumentId(0x0807),
    kind: 9,
    side: 10,
    flags: 0x0E0D_0C0B,
};

const REPORT: Report = Report {
    after_seq: 1,
    client_id: 2,
    venue_id: 3,
    leaves: Qty(4),
    px: Px(5),
    qty: Qty(6),
    instrument: InstrumentId(0x0807),
    kind: 9,
    side: 10,
    reason: 0x0E0D_0C0B,
};

const EVENT: Event = Event {
    exchange_ns: 1,
    sent_ticks: 2,
    px: Px(3),
    qty: Qty(4),
    order_id: 5,
    second_id: 6,
    lag_ticks: 0x0A09_0807,
    instrument: InstrumentId(0x0C0B),
    kind_side: 13,
    flags: 14,
};

#[test]
fn an_event_has_56_bytes_without_padding() {
    assert_layout! { Event of EVENT;
        0 exchange_ns 8,
        8 sent_ticks 8,
        16 px 8,
        24 qty 8,
        32 order_id 8,
        40 second_id 8,
        48 lag_ticks 4,
        52 instrument 2,
        54 kind_side 1,
        55 flags 1,
    }
}

#[test]
fn a_request_has_56_bytes_without_padding() {
    assert_layout! { Request of REQUEST;
        0 cause_epoch 8,
        8 cause_seq 8,
        16 client_id 8,
        24 target_id 8,
        32 px 8,
        40 qty 8,
        48 instrument 2,
        50 kind 1,
        51 side 1,
        52 flags 4,
    }
}

#[test]
fn a_report_has_56_bytes_without_padding() {
    assert_layout! { Report of REPORT;
        0 after_seq 8,
        8 client_id 8,
        16 venue_id 8,
        24 leaves 8,
        32 px 8,
        40 qty 8,
        48 instrument 2,
        50 kind 1,
        51 side 1,
        52 reason 4,
    }
}

#[test]
fn slot_words_are_the_bytes_as_they_lie() {
    assert_eq!(EVENT.to_words(), [1, 2, 3, 4, 5, 6, 0x0E0D_0C0B_0A09_0807]);
    assert_eq!(REQUEST.to_words(), [1, 2, 3, 4, 5, 6, 0x0E0D_0C0B_0A09_0807]);
    assert_eq!(REPORT.to_words(), [1, 2, 3, 4, 5, 6, 0x0E0D_0C0B_0A09_0807]);
    assert_eq!(Event::from_words(EVENT.to_words()), EVENT);
    assert_eq!(Request::from_words(REQUEST.to_words()), REQUEST);
    assert_eq!(Report::from_words(REPORT.to_words()), REPORT);
}

#[test]
fn kinds_have_the_numbers_of_the_wire_and_no_others() {
    use Kind::{
        Add, Broken, Clear, Cross, Definition, Delete, End, Execute, Gap, Info, Level, Modify,
        Quote, Reduce, Replace, SessionStart, Status, System, Trade,
    };
    let kinds = [
        Add,
        Execute,
        Reduce,
        Delete,
        Replace,
        Modify,
        Level,
        Quote,
        Trade,
        Cross,
        Broken,
        Status,
        Definition,
        System,
        Info,
        Clear,
        Gap,
        SessionStart,
        End,
    ];
    assert_eq!(kinds.len() + 1, Kind::COUNT);
    for raw in 0..=u8::MAX {
        let expected = (raw as usize).checked_sub(1).and_then(|index| kinds.get(index)).copied();
        assert_eq!(Kind::from_wire(raw), expected);
        assert!(expected.is_none_or(|kind| kind as u8 == raw));
    }
}

#[test]
fn orders_have_the_numbers_of_the_wire_and_no_others() {
    use {ReportKind as P, RequestKind as Q};
    let requests = [Q::New, Q::Cancel, Q::Replace, Q::MassCancel];
    let reports = [P::Acknowledged, P::Rejected, P::Filled, P::Cancelled, P::Replaced];
    for raw in 0..=u8::MAX {
        let index = (raw as usize).wrapping_sub(1);
        assert_eq!(Q::from_wire(raw), requests.get(index).copied());
        assert_eq!(P::from_wire(raw), reports.get(index).copied());
    }
    let reasons = [
        Reason::None,
        Reason::Malformed,
        Reason::UnknownOrder,
        Reason::DuplicateId,
        Reason::WouldTrade,
        Reason::OutOfRange,
        Reason::Full,
        Reason::UnknownCause,
    ];
    for raw in 0..=u32::from(u8::MAX) {
        assert_eq!(Reason::from_wire(raw), reasons.get(raw as usize).copied());
    }
    assert_eq!(request_flag::KNOWN, 3);
    assert_eq!((request_flag::IMMEDIATE_OR_CANCEL, request_flag::POST_ONLY), (1, 2));
}

#[test]
fn kind_and_side_share_a_byte_and_come_apart_again() {
    for raw in 0..=u8::MAX {
        let event = Event { kind_side: raw, ..Event::EMPTY };
        match (event.kind(), event.side()) {
            (Some(kind), Some(side)) => assert_eq!(Event::pack(kind, side), raw),
            (kind, side) => assert!(kind.is_none() || side.is_none()),
        }
    }
    assert_eq!(Event::pack(Kind::End, Side::Ask), 0b10_010011);
    assert_eq!([Side::None, Side::Bid, Side::Ask].map(|side| side as u8), [0, 1, 2]);
}

#[test]
fn flags_are_different_bits_and_all_known() {
    let bits =
        [flag::COMPLETE, flag::WARM_UP, flag::NON_PRINTABLE, flag::SNAPSHOT, flag::LAG_SATURATED];
    assert_eq!(bits, [1, 2, 4, 8, 16]);
    assert_eq!(bits.iter().fold(0, |all, bit| all | bit), flag::KNOWN);
}

#[test]
fn a_symbol_goes_through_a_definition_and_loses_only_its_padding() {
    for (symbol, trimmed) in [
        (&b"AAPL    "[..], &b"AAPL"[..]),
        (b"", b""),
        (b"ESM4-ESU4 123456", b"ESM4-ESU4 123456"),
        (b"ESM4-ESU4 123456789", b"ESM4-ESU4 123456"),
    ] {
        let (order_id, second_id) = Event::symbol_words(symbol);
        let (bytes, len) = Event { order_id, second_id, ..Event::EMPTY }.symbol_bytes();
        assert_eq!(&bytes[..len], trimmed);
    }
}

#[test]
fn prices_of_four_decimals_convert_both_ways_and_refuse_what_would_be_lost() {
    for raw in [0, 1, 1_627_500, u32::MAX] {
        assert_eq!(Px::from_1e4(raw).to_1e4(), Some(raw));
    }
    assert_eq!(Px::from_1e4(1_627_500), Px(162_750_000_000));
    for lost in [Px(1), Px(-100_000), Px(99_999), Px::NONE, Px((u32::MAX as i64 + 1) * 100_000)] {
        assert_eq!(lost.to_1e4(), None, "{lost:?}");
    }
}
