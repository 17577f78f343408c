//! What each ITCH message means, as an event.

mod data;

use tickspin_wire::binaryfile::Records;
use tickspin_wire::event::flag;
use tickspin_wire::itch50::*;
use tickspin_wire::normalize::{Normalize, has_reserved_locate, itch_event};
use tickspin_wire::{Event, InstrumentId, Kind, Px, Qty, Side};

const HEADER: Header = Header { locate: 7, tracking: 9, timestamp_ns: 34_200_000_000_001 };
const STOCK: Alpha<8> = Alpha(*b"AAPL    ");

/// What every event of `HEADER` has in common.
fn event(kind: Kind, side: Side, order_id: u64, second_id: u64, px: Px, qty: u64) -> Event {
    Event {
        exchange_ns: HEADER.timestamp_ns,
        sent_ticks: 0,
        px,
        qty: Qty(qty),
        order_id,
        second_id,
        lag_ticks: 0,
        instrument: InstrumentId(7),
        kind_side: Event::pack(kind, side),
        flags: flag::COMPLETE,
    }
}

/// The message's event, which must be the same from the struct and from its bytes.
fn of(message: impl Into<Message>) -> Event {
    let message = message.into();
    let mut out = [0; MESSAGE_BYTES_MAX];
    let len = encode(&message, &mut out).expect("room enough");
    assert_eq!(itch_event(&out[..len]), Ok(message.normalize()));
    message.normalize()
}

fn add(side: u8) -> AddOrder {
    AddOrder {
        header: HEADER,
        order_ref: 11,
        side,
        shares: 300,
        stock: STOCK,
        price_1e4: 1_627_500,
    }
}

#[test]
fn adds_carry_side_price_and_quantity() {
    let px = Px(162_750_000_000);
    assert_eq!(of(add(b'B')), event(Kind::Add, Side::Bid, 11, 0, px, 300));
    assert_eq!(of(add(b'S')), event(Kind::Add, Side::Ask, 11, 0, px, 300));
    let AddOrder { header, order_ref, side, shares, stock, price_1e4 } = add(b'S');
    let attribution = Alpha(*b"GSCO");
    let m = AddOrderMpid { header, order_ref, side, shares, stock, price_1e4, attribution };
    assert_eq!(of(m), event(Kind::Add, Side::Ask, 11, 0, px, 300));
    // Without a side it is no order that a book could take.
    for byte in [b'?', 0, b'b'] {
        let info = |kind: u8| event(Kind::Info, Side::None, kind.into(), 0, Px::NONE, 0);
        assert_eq!(of(add(byte)), info(b'A'));
        assert_eq!(of(AddOrderMpid { side: byte, ..m }), info(b'F'));
    }
}

#[test]
fn executions_carry_a_price_only_where_it_is_not_the_orders_own() {
    let m = OrderExecuted { header: HEADER, order_ref: 11, shares: 25, match_number: 99 };
    assert_eq!(of(m), event(Kind::Execute, Side::None, 11, 99, Px::NONE, 25));
    let with_price = |printable| OrderExecutedWithPrice {
        header: HEADER,
        order_ref: 11,
        shares: 25,
        match_number: 99,
        printable,
        price_1e4: 8_500,
    };
    let expected = event(Kind::Execute, Side::None, 11, 99, Px(850_000_000), 25);
    assert_eq!(of(with_price(b'Y')), expected);
    let flags = flag::COMPLETE | flag::NON_PRINTABLE;
    assert_eq!(of(with_price(b'N')), Event { flags, ..expected });
}

#[test]
fn cancels_deletes_and_replaces_name_their_orders() {
    let m = OrderCancel { header: HEADER, order_ref: 11, shares: 5 };
    assert_eq!(of(m), event(Kind::Reduce, Side::None, 11, 0, Px::NONE, 5));
    let m = OrderDelete { header: HEADER, order_ref: 11 };
    assert_eq!(of(m), event(Kind::Delete, Side::None, 11, 0, Px::NONE, 0));
    let m = OrderReplace {
        header: HEADER,
        old_order_ref: 11,
        new_order_ref: 12,
        shares: 6,
        price_1e4: 10_000,
    };
    assert_eq!(of(m), event(Kind::Replace, Side::None, 11, 12, Px(Px::ONE), 6));
}

#[test]
fn trades_that_touch_no_displayed_order_have_no_order_and_no_side() {
    let m = Trade {
        header: HEADER,
        order_ref: 0,
        side: b'B',
        shares: 14,
        stock: STOCK,
        price_1e4: 10_000,
        match_number: 99,
    };
    assert_eq!(of(m), event(Kind::Trade, Side::None, 0, 99, Px(Px::ONE), 14));
    let m = CrossTrade {
        header: HEADER,
        shares: 1 << 33,
        stock: STOCK,
        price_1e4: 10_000,
        match_number: 98,
        cross_type: b'O',
    };
    assert_eq!(of(m), event(Kind::Cross, Side::None, 0, 98, Px(Px::ONE), 1 << 33));
    let m = BrokenTrade { header: HEADER, match_number: 97 };
    assert_eq!(of(m), event(Kind::Broken, Side::None, 0, 97, Px::NONE, 0));
}

#[test]
fn status_and_system_events_carry_their_byte() {
    let m = TradingAction {
        header: HEADER,
        stock: STOCK,
        state: b'H',
        reserved: b' ',
        reason: Alpha(*b"T1  "),
    };
    assert_eq!(of(m), event(Kind::Status, Side::None, b'H'.into(), 0, Px::NONE, 0));
    let m = SystemEvent { header: Header { locate: 0, ..HEADER }, event: b'Q' };
    let expected = event(Kind::System, Side::None, b'Q'.into(), 0, Px::NONE, 0);
    assert_eq!(of(m), Event { instrument: InstrumentId::ALL, ..expected });
}

#[test]
fn a_real_directory_entry_becomes_a_definition_with_symbol_and_lot() {
    let Some(file) = data::file("itch/nasdaq_day_head_1000.itch50") else { return };
    let definitions: Vec<Event> = Records::new(&file)
        .map(|record| itch_event(record.expect("the file is whole")).expect("a real message"))
        .filter(|event| event.kind() == Some(Kind::Definition))
        .collect();
    assert_eq!(definitions.len(), 993);
    let (symbol, len) = definitions[0].symbol_bytes();
    assert_eq!(&symbol[..len], b"A");
    assert_eq!((definitions[0].qty, definitions[0].px), (Qty(100), Px::NONE));
    assert_eq!(definitions[0].instrument, InstrumentId(1));
}

/// One message of every type, all bytes behind the header zero but the side of an order.
fn of_every_type(locate: u16) -> impl Iterator<Item = Vec<u8>> {
    TYPES.into_iter().map(move |kind| {
        let mut bytes = vec![0; length_of(kind).expect("a type has a length")];
        bytes[..HEADER_BYTES].copy_from_slice(&Header { locate, ..HEADER }.encode(kind));
        if matches!(kind, b'A' | b'F') {
            bytes[HEADER_BYTES + 8] = b'B';
        }
        bytes
    })
}

#[test]
fn all_types_become_one_complete_event_and_the_rest_are_info() {
    let mut info = Vec::new();
    for bytes in of_every_type(7) {
        let event = itch_event(&bytes).expect("known type and length");
        assert_eq!((event.exchange_ns, event.flags), (HEADER.timestamp_ns, flag::COMPLETE));
        assert_eq!((event.sent_ticks, event.lag_ticks), (0, 0));
        let of_venue = matches!(bytes[0], b'S' | b'V' | b'W');
        assert_eq!(event.instrument == InstrumentId::ALL, of_venue, "{}", char::from(bytes[0]));
        if event.kind() == Some(Kind::Info) {
            assert_eq!(event.order_id, bytes[0].into());
            info.push(bytes[0]);
        }
    }
    info.sort_unstable();
    assert_eq!(info, b"IJKLNOVWYh");
}

#[test]
fn the_locate_that_means_all_instruments_reaches_no_book() {
    for bytes in of_every_type(u16::MAX) {
        assert!(has_reserved_locate(&bytes));
        let event = itch_event(&bytes).expect("known type and length");
        assert_eq!(event.instrument, InstrumentId::ALL);
        let kind = if bytes[0] == b'S' { Kind::System } else { Kind::Info };
        assert_eq!((event.kind(), event.side()), (Some(kind), Some(Side::None)));
        assert_eq!((event.px, event.qty, event.second_id), (Px::NONE, Qty(0), 0));
    }
    assert!(of_every_type(u16::MAX - 1).all(|bytes| !has_reserved_locate(&bytes)));
    assert!(!has_reserved_locate(&[b'A', 0xFF]));
}
