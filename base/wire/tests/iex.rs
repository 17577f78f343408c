//! IEX: segments, messages and what they mean.

use proptest::prelude::*;
use tickspin_wire::event::flag;
use tickspin_wire::iex::*;
use tickspin_wire::iextp::{self, Feed, HEADER_BYTES, Header, SegmentError, SegmentRule};
use tickspin_wire::normalize::{IexStanding, iex_events};
use tickspin_wire::{Event, InstrumentId, Kind, Px, Qty, Rule, Side};

const HEADER: Header = Header {
    feed: Feed::Deep10,
    channel: 1,
    session: 1_132_527_616,
    payload_bytes: 0,
    message_count: 0,
    stream_offset: 1_000,
    first_sequence: 51,
    send_ns: 1_493_132_621_826_542_542,
};

const SYMBOL: Alpha<8> = Alpha(*b"ZIEXT   ");
const STOCK: InstrumentId = InstrumentId(7);
const AT: i64 = 1_493_132_621_826_542_542;

fn segment(messages: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    for message in messages {
        payload.extend((message.len() as u16).to_le_bytes());
        payload.extend(*message);
    }
    let header = Header {
        payload_bytes: payload.len() as u16,
        message_count: messages.len() as u16,
        ..HEADER
    };
    [&header.encode()[..], &payload].concat()
}

fn read(datagram: &[u8]) -> (Vec<Vec<u8>>, Option<SegmentError>) {
    match iextp::segment(datagram) {
        Ok((_, mut blocks)) => {
            let mut messages = Vec::new();
            for block in blocks.by_ref() {
                match block {
                    Ok(message) => messages.push(message.to_vec()),
                    Err(error) => {
                        assert!(blocks.next().is_none(), "an error is the last item");
                        return (messages, Some(error));
                    }
                }
            }
            (messages, None)
        }
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(TYPES.to_vec()).prop_flat_map(|kind| {
        let len = length_of(kind).expect("a type has a length");
        prop::collection::vec(any::<u8>(), len).prop_map(move |mut bytes| {
            bytes[0] = kind;
            bytes
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn decoding_loses_nothing_and_more_at_the_end_is_not_looked_at(
        bytes in any_message(),
        more in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let message = decode(&bytes).expect("known type and length");
        let mut out = [0; MESSAGE_BYTES_MAX];
        let len = encode(&message, &mut out).expect("room enough");
        prop_assert_eq!(&out[..len], &bytes[..]);
        prop_assert_eq!(message.kind(), bytes[0]);
        prop_assert_eq!(encode(&message, &mut out[..len - 1]), None);
        prop_assert_eq!(decode(&[&bytes[..], &more].concat()), Ok(message));
        let error = decode(&bytes[..len - 1]).expect_err("too short");
        prop_assert!(error.is_skippable());
        let too_short = matches!(error.rule, Rule::Length { expected, .. } if expected as usize == len);
        prop_assert!(too_short);
        // Any field at any value has a meaning, and one that a book can take.
        for event in [Some(iex_events(&message, STOCK).0), iex_events(&message, STOCK).1] {
            let Some(event) = event else { continue };
            prop_assert!(event.kind().is_some() && event.side().is_some());
            prop_assert_eq!(event.flags & !flag::COMPLETE, 0);
        }
    }

    #[test]
    fn segments_give_back_any_messages(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..40),
        padding in 0_usize..20,
    ) {
        let parts: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let mut datagram = segment(&parts);
        datagram.resize(datagram.len() + padding, 0xEE);
        prop_assert_eq!(read(&datagram), (messages, None));
    }

    #[test]
    fn any_bytes_are_messages_or_one_named_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        begins_well: bool,
    ) {
        if begins_well && bytes.len() >= HEADER_BYTES {
            bytes[..12].copy_from_slice(&HEADER.encode()[..12]);
            let payload_bytes = (bytes.len() - HEADER_BYTES) as u16;
            bytes[12..14].copy_from_slice(&payload_bytes.to_le_bytes());
            bytes[15] = 0;
            (bytes[23], bytes[31]) = (0, 0);
        }
        let (messages, error) = read(&bytes);
        if let Some(error) = error {
            prop_assert!(error.offset as usize <= bytes.len());
        }
        let mut standing = IexStanding::default();
        for message in messages.iter().filter_map(|bytes| decode(bytes).ok()) {
            let (event, _) = standing.events(&message, STOCK);
            prop_assert!(event.kind().is_some());
        }
    }

    #[test]
    fn a_header_survives(bytes in prop::collection::vec(any::<u8>(), HEADER_BYTES)) {
        let mut bytes = bytes;
        bytes[..4].copy_from_slice(&[1, 0, 5, 0x80]);
        (bytes[23], bytes[31]) = (bytes[23] & 0x7F, bytes[31] & 0x7F);
        let header = Header::decode(&bytes).expect("a header");
        prop_assert_eq!(header.feed, Feed::DeepPlus10);
        prop_assert_eq!(&header.encode()[..], &bytes[..]);
        prop_assert!(header.next_sequence() >= header.first_sequence);
        prop_assert!(header.next_offset() >= header.stream_offset);
    }
}

#[test]
fn each_rule_of_a_segment_is_told_with_its_place() {
    let good = segment(&[b"S1234567890", b"ab"]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read(&bytes)
    };
    let broken = |offset, rule| (Vec::new(), Some(SegmentError { offset, rule }));
    assert_eq!(read(&good[..39]), broken(39, SegmentRule::Header { left: 39 }));
    assert_eq!(with(0, 2), broken(0, SegmentRule::Version { found: 2 }));
    assert_eq!(with(2, 9), broken(2, SegmentRule::Protocol { found: 0x8009 }));
    assert_eq!(with(12, 18), broken(12, SegmentRule::Payload { needed: 18, left: 17 }));
    let (_, error) = with(31, 0x80);
    assert!(matches!(error, Some(SegmentError { offset: 24, rule: SegmentRule::Negative { .. } })));
    let (messages, error) = with(53, 3);
    assert_eq!(messages, [b"S1234567890"]);
    let rule = SegmentRule::Block { needed: 5, left: 4 };
    assert_eq!(error, Some(SegmentError { offset: 53, rule }));
    assert_eq!(rule.to_string(), "the block needs 5 bytes, 4 are left");
    let (messages, error) = with(14, 1);
    assert_eq!((messages.len(), error.map(|error| error.offset)), (1, Some(53)));
    let (messages, error) = with(14, 3);
    assert_eq!((messages.len(), error.map(|error| error.offset)), (2, Some(57)));
}

#[test]
fn segments_chain_by_sequence_and_by_stream_offset() {
    let (two, none) = (segment(&[b"S1234567890", b"ab"]), segment(&[]));
    let (header, blocks) = iextp::segment(&two).expect("a segment");
    assert_eq!((header.next_sequence(), header.next_offset()), (53, 1_017));
    assert!(!header.is_heartbeat() && blocks.left() == 2);
    let (header, mut blocks) = iextp::segment(&none).expect("a heartbeat");
    assert!(header.is_heartbeat() && blocks.next().is_none());
    assert_eq!((header.next_sequence(), header.next_offset()), (51, 1_000));
}

#[test]
fn lengths_and_feeds_are_those_of_the_specifications() {
    const DEEP: &str = "85";
    const DEEP_PLUS: &str = "aMRLC";
    let specified = [
        ('S', 10),
        ('D', 31),
        ('H', 22),
        ('I', 18),
        ('O', 18),
        ('P', 19),
        ('E', 18),
        ('8', 30),
        ('5', 30),
        ('Q', 42),
        ('T', 38),
        ('B', 38),
        ('X', 26),
        ('A', 80),
        ('a', 38),
        ('M', 38),
        ('R', 26),
        ('L', 46),
        ('C', 18),
    ];
    assert_eq!(specified.len(), TYPES.len());
    for byte in 0..=u8::MAX {
        let kind = char::from(byte);
        let known = specified.iter().find(|(known, _)| *known == kind);
        assert_eq!(length_of(byte), known.map(|(_, len)| *len), "{kind}");
        let of_one = [DEEP, DEEP_PLUS, "Q"].iter().position(|feed| feed.contains(kind));
        let feeds =
            [(Feed::Deep10, 0), (Feed::DeepPlus10, 1), (Feed::Tops16, 2), (Feed::Tops15, 2)];
        for (feed, number) in feeds {
            let expected = known.is_some() && of_one.is_none_or(|only| only == number);
            assert_eq!(carries(feed, byte), expected, "{kind} in {feed:?}");
        }
    }
}

fn event(kind: Kind, side: Side, order_id: u64, second_id: u64, px: i64, qty: u64) -> Event {
    Event {
        exchange_ns: AT.cast_unsigned(),
        px: Px(px),
        qty: Qty(qty),
        order_id,
        second_id,
        instrument: STOCK,
        kind_side: Event::pack(kind, side),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

fn of(message: impl Into<Message>) -> (Event, Option<Event>) {
    iex_events(&message.into(), STOCK)
}

const NONE: i64 = Px::NONE.0;

fn buy(event_flags: u8, size: u32) -> BuyLevel {
    BuyLevel { event_flags, timestamp_ns: AT, symbol: SYMBOL, size, price_1e4: 990_500 }
}

fn status(state: u8) -> TradingStatus {
    TradingStatus { state, timestamp_ns: AT, symbol: SYMBOL, reason: Alpha(*b"T1  ") }
}

fn halt(state: u8) -> OperationalHalt {
    OperationalHalt { state, timestamp_ns: AT, symbol: SYMBOL }
}

fn report(sale_condition: u8) -> TradeReport {
    let (size, price_1e4, trade_id) = (100, 990_500, 429_974);
    TradeReport { sale_condition, timestamp_ns: AT, symbol: SYMBOL, size, price_1e4, trade_id }
}

#[test]
fn a_level_is_complete_where_its_flag_says_so() {
    let complete = event(Kind::Level, Side::Bid, 0, 0, 99_050_000_000, 300);
    assert_eq!(of(buy(1, 300)), (complete, None));
    assert_eq!(of(buy(0xFE, 300)).0, Event { flags: 0, ..complete });
    assert_eq!(of(buy(1, 0)).0, Event { qty: Qty(0), ..complete });
    let BuyLevel { event_flags, timestamp_ns, symbol, size, price_1e4 } = buy(1, 300);
    let sell = SellLevel { event_flags, timestamp_ns, symbol, size, price_1e4 };
    let ask = Event { kind_side: Event::pack(Kind::Level, Side::Ask), ..complete };
    assert_eq!(of(sell).0, ask);
}

#[test]
fn a_quote_is_two_events_and_an_empty_side_has_no_price() {
    let quote = QuoteUpdate {
        flags: 0x40,
        timestamp_ns: AT,
        symbol: SYMBOL,
        bid_size: 9_700,
        bid_1e4: 990_500,
        ask_1e4: 990_700,
        ask_size: 1_000,
    };
    let bid = event(Kind::Quote, Side::Bid, 0, 0x40, 99_050_000_000, 9_700);
    let ask = event(Kind::Quote, Side::Ask, 0, 0x40, 99_070_000_000, 1_000);
    assert_eq!(of(quote), (Event { flags: 0, ..bid }, Some(ask)));
    let empty = event(Kind::Quote, Side::Ask, 0, 0x40, NONE, 0);
    assert_eq!(of(QuoteUpdate { ask_size: 0, ..quote }).1, Some(empty));
    assert_eq!(of(QuoteUpdate { ask_1e4: 0, ..quote }).1, Some(empty));
}

#[test]
fn trades_say_what_was_traded_and_auctions_are_crosses() {
    let trade = event(Kind::Trade, Side::None, 0, 429_974, 99_050_000_000, 100);
    assert_eq!(of(report(0xE0)), (trade, None));
    let cross = Event { kind_side: Event::pack(Kind::Cross, Side::None), ..trade };
    assert_eq!(of(report(0x48)), (cross, None));
    let TradeReport { sale_condition, timestamp_ns, symbol, size, price_1e4, trade_id } = report(0);
    let voided = TradeBreak { sale_condition, timestamp_ns, symbol, size, price_1e4, trade_id };
    let broken = Event { kind_side: Event::pack(Kind::Broken, Side::None), ..trade };
    assert_eq!(of(voided), (broken, None));
}

#[test]
fn orders_of_deep_plus_enter_change_and_leave() {
    let (timestamp_ns, symbol, order_id) = (AT, SYMBOL, 11);
    let add =
        AddOrder { side: b'8', timestamp_ns, symbol, order_id, size: 100, price_1e4: 990_500 };
    let px = 99_050_000_000;
    assert_eq!(of(add).0, event(Kind::Add, Side::Bid, 11, 0, px, 100));
    assert_eq!(of(AddOrder { side: b'5', ..add }).0, event(Kind::Add, Side::Ask, 11, 0, px, 100));
    assert_eq!(
        of(AddOrder { side: b'B', ..add }).0,
        event(Kind::Info, Side::None, b'a'.into(), 0, NONE, 0)
    );
    let modify = OrderModify {
        modify_flags: 1,
        timestamp_ns,
        symbol,
        order_id,
        size: 50,
        price_1e4: 990_500,
    };
    assert_eq!(of(modify).0, event(Kind::Modify, Side::None, 11, 0, px, 50));
    let reset = OrderModify { modify_flags: 0, ..modify };
    assert_eq!(of(reset).0, event(Kind::Replace, Side::None, 11, 11, px, 50));
    let gone = OrderModify { size: 0, ..reset };
    assert_eq!(of(gone).0, event(Kind::Modify, Side::None, 11, 0, px, 0));
    let executed = OrderExecuted {
        sale_condition: 0,
        timestamp_ns,
        symbol,
        order_id,
        size: 30,
        price_1e4: 990_500,
        trade_id: 5,
    };
    assert_eq!(of(executed).0, event(Kind::Execute, Side::None, 11, 5, px, 30));
    let delete = OrderDelete { reserved: 0, timestamp_ns, symbol, order_id };
    assert_eq!(of(delete).0, event(Kind::Delete, Side::None, 11, 0, NONE, 0));
    let clear = ClearBook { reserved: 0, timestamp_ns, symbol };
    assert_eq!(of(clear).0, event(Kind::Clear, Side::None, 0, 0, NONE, 0));
}

#[test]
fn the_rest_says_who_trades_and_since_when() {
    let directory = SecurityDirectory {
        flags: 0x80,
        timestamp_ns: AT,
        symbol: SYMBOL,
        round_lot: 100,
        adjusted_close_1e4: 990_500,
        luld_tier: 1,
    };
    let definition = of(directory).0;
    let (bytes, len) = definition.symbol_bytes();
    assert_eq!((definition.kind(), definition.qty), (Some(Kind::Definition), Qty(100)));
    assert_eq!(&bytes[..len], b"ZIEXT");
    assert_eq!(of(status(b'P')).0, event(Kind::Status, Side::None, b'P'.into(), 0, NONE, 0));
    let system = of(SystemEvent { event: b'R', timestamp_ns: AT }).0;
    let expected = event(Kind::System, Side::None, b'R'.into(), 0, NONE, 0);
    assert_eq!(system, Event { instrument: InstrumentId::ALL, ..expected });
    let detail = ShortSaleTest { state: 1, timestamp_ns: AT, symbol: SYMBOL, detail: b'A' };
    assert_eq!(of(detail).0, event(Kind::Info, Side::None, b'P'.into(), 0, NONE, 0));
    assert_eq!(of(halt(b'N')).0, event(Kind::Info, Side::None, b'O'.into(), 0, NONE, 0));
    // What no real message has.
    assert_eq!(of(SystemEvent { event: b'R', timestamp_ns: -1 }).0.exchange_ns, 0);
    let beyond = TradeReport { price_1e4: i64::MIN, ..report(0) };
    assert_eq!(of(beyond).0.px, Px::NONE);
}

#[test]
fn both_kinds_of_halt_come_to_one_state() {
    let mut standing = IexStanding::default();
    let mut states = Vec::new();
    let messages: [Message; 9] = [
        halt(b'N').into(),
        halt(b'O').into(),
        status(b'T').into(),
        halt(b'N').into(),
        halt(b'N').into(),
        status(b'P').into(),
        halt(b'O').into(),
        halt(b'N').into(),
        status(b'T').into(),
    ];
    for message in messages {
        let (event, _) = standing.events(&message, STOCK);
        let is_status = event.kind() == Some(Kind::Status);
        states.push(if is_status { event.order_id as u8 } else { b'-' });
    }
    assert_eq!(states, *b"-HHT-PHPT");
    assert_eq!(standing.events(&halt(b'O').into(), STOCK).0.second_id, u64::from(b'O'));
    // Nobody said that it trades: the end of the halt does not say it either.
    let mut standing = IexStanding::default();
    assert_eq!(standing.events(&halt(b'O').into(), STOCK).0.order_id, u64::from(b'H'));
    assert_eq!(standing.events(&halt(b'N').into(), STOCK).0.kind(), Some(Kind::Info));
}

#[test]
fn nothing_completes_an_event_of_the_book_but_the_book() {
    let mut standing = IexStanding::default();
    let messages: [Message; 7] = [
        report(0).into(),
        buy(0, 5).into(),
        report(0).into(),
        status(b'H').into(),
        buy(0, 6).into(),
        buy(1, 7).into(),
        report(0).into(),
    ];
    let complete = messages.map(|message| standing.events(&message, STOCK).0.flags);
    assert_eq!(complete, [1, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn the_symbol_stands_at_one_place() {
    let mut out = [0; MESSAGE_BYTES_MAX];
    let len = encode(&report(0).into(), &mut out).expect("room enough");
    assert_eq!(symbol(&out[..len]), Some(b"ZIEXT   "));
    assert_eq!((symbol(&out[..17]), symbol(b"")), (None, None));
    assert_eq!(symbol(b"S12345678901234567890"), None);
}
