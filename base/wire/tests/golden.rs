//! Real messages, decoded field by field against what independent decoders made of them, and
//! encoded again to the same bytes.

mod data;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tickspin_wire::binaryfile::Records;
use tickspin_wire::itch50::{self, Alpha, Header, MESSAGE_BYTES_MAX, Message, StockDirectory};

fn byte(value: u8) -> Value {
    Value::String(char::from(value).to_string())
}

fn text<const N: usize>(value: Alpha<N>) -> Value {
    Value::String(value.0.iter().copied().map(char::from).collect())
}

/// All fields of a message under the names of the expected files.
fn as_json(message: &Message) -> Map<String, Value> {
    let fields = match *message {
        Message::SystemEvent(m) => json!({ "event": byte(m.event) }),
        Message::TradingAction(m) => json!({
            "stock": text(m.stock), "state": byte(m.state), "reserved": byte(m.reserved),
            "reason": text(m.reason),
        }),
        Message::RegShoRestriction(m) => {
            json!({ "stock": text(m.stock), "action": byte(m.action) })
        }
        Message::MarketParticipantPosition(m) => json!({
            "mpid": text(m.mpid), "stock": text(m.stock),
            "primary_mm": byte(m.primary_market_maker), "mm_mode": byte(m.mode),
            "state": byte(m.state),
        }),
        Message::LuldAuctionCollar(m) => json!({
            "stock": text(m.stock), "ref_price": m.reference_1e4, "upper": m.upper_1e4,
            "lower": m.lower_1e4, "extension": m.extension,
        }),
        Message::AddOrder(m) => json!({
            "ref": m.order_ref, "side": byte(m.side), "shares": m.shares, "stock": text(m.stock),
            "price": m.price_1e4,
        }),
        Message::AddOrderMpid(m) => json!({
            "ref": m.order_ref, "side": byte(m.side), "shares": m.shares, "stock": text(m.stock),
            "price": m.price_1e4, "mpid": text(m.attribution),
        }),
        Message::OrderExecuted(m) => {
            json!({ "ref": m.order_ref, "shares": m.shares, "match": m.match_number })
        }
        Message::OrderExecutedWithPrice(m) => json!({
            "ref": m.order_ref, "shares": m.shares, "match": m.match_number,
            "printable": byte(m.printable), "price": m.price_1e4,
        }),
        Message::OrderCancel(m) => json!({ "ref": m.order_ref, "shares": m.shares }),
        Message::OrderDelete(m) => json!({ "ref": m.order_ref }),
        Message::OrderReplace(m) => json!({
            "old_ref": m.old_order_ref, "ref": m.new_order_ref, "shares": m.shares,
            "price": m.price_1e4,
        }),
        Message::Trade(m) => json!({
            "ref": m.order_ref, "side": byte(m.side), "shares": m.shares, "stock": text(m.stock),
            "price": m.price_1e4, "match": m.match_number,
        }),
        Message::CrossTrade(m) => json!({
            "shares": m.shares, "stock": text(m.stock), "price": m.price_1e4,
            "match": m.match_number, "cross_type": byte(m.cross_type),
        }),
        Message::NetOrderImbalance(m) => json!({
            "paired": m.paired_shares, "imbalance": m.imbalance_shares,
            "direction": byte(m.direction), "stock": text(m.stock), "far": m.far_1e4,
            "near": m.near_1e4, "ref_price": m.reference_1e4, "cross_type": byte(m.cross_type),
            "variation": byte(m.variation),
        }),
        Message::RetailInterest(m) => {
            json!({ "stock": text(m.stock), "interest": byte(m.interest) })
        }
        other => panic!("{other:?} is not in the expected files"),
    };
    let Value::Object(mut fields) = fields else { unreachable!("json! of braces is an object") };
    let header = message.header();
    fields.insert("type".into(), byte(message.kind()));
    fields.insert("locate".into(), header.locate.into());
    fields.insert("tracking".into(), header.tracking.into());
    fields.insert("ts".into(), header.timestamp_ns.into());
    fields
}

/// Decodes every record of a file and proves that encoding gives back its bytes.
fn messages(file: &[u8]) -> Vec<Message> {
    let mut out = [0xAA; MESSAGE_BYTES_MAX];
    Records::new(file)
        .map(|record| {
            let record = record.expect("the file is whole");
            let message = itch50::decode(record).expect("a real message");
            let len = itch50::encode(&message, &mut out).expect("the buffer is large enough");
            assert_eq!(&out[..len], record, "{message:?} is encoded differently");
            message
        })
        .collect()
}

fn counts(messages: &[Message]) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for message in messages {
        *counts.entry(char::from(message.kind())).or_default() += 1;
    }
    counts
}

#[test]
fn every_field_of_218_real_messages_is_what_independent_decoders_say() {
    let mut all = Vec::new();
    for venue in ["nasdaq", "bx", "psx"] {
        let Some(file) = data::file(&format!("itch/{venue}_20230822.itch50")) else { return };
        let expected = data::file(&format!("expected/{venue}_20230822.itch50.jsonl"))
            .expect("the folder is there");
        let expected = String::from_utf8(expected).expect("JSON is UTF-8");
        let messages = messages(&file);
        assert_eq!(messages.len(), expected.lines().count(), "{venue}");
        for (index, (message, line)) in messages.iter().zip(expected.lines()).enumerate() {
            let mut wanted: Map<String, Value> = serde_json::from_str(line).expect("JSON");
            for origin in ["capture_ts_ns", "src", "mold_session", "mold_seq"] {
                wanted.remove(origin).expect("each line says where it is from");
            }
            assert_eq!(as_json(message), wanted, "{venue}, message {index}");
        }
        all.extend(messages);
    }
    assert_eq!((all.len(), counts(&all).len()), (218, 16));
}

#[test]
fn the_head_of_a_real_day_has_its_counts_and_its_directory() {
    let Some(file) = data::file("itch/nasdaq_day_head_1000.itch50") else { return };
    let messages = messages(&file);
    assert_eq!(counts(&messages), BTreeMap::from([('H', 3), ('R', 993), ('S', 1), ('Y', 3)]));
    // Read by eye from the file's bytes 14..55: of the seventeen types with real bytes, the only one
    // that the expected files lack.
    let agilent = StockDirectory {
        header: Header { locate: 1, tracking: 0, timestamp_ns: 0x0A53_A288_7058 },
        stock: Alpha(*b"A       "),
        market_category: b'N',
        financial_status: b' ',
        round_lot: 100,
        round_lots_only: b'N',
        issue_class: b'C',
        issue_subtype: Alpha(*b"Z "),
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b' ',
        luld_tier: b'1',
        etp_flag: b'N',
        etp_leverage: 0,
        inverse: b'N',
    };
    assert_eq!(messages.get(1), Some(&Message::StockDirectory(agilent)));
}

#[test]
fn three_thousand_order_messages_encode_to_the_same_bytes() {
    let Some(file) = data::file("itch/aapl_20190130_first3000.itch50") else { return };
    assert_eq!(messages(&file).len(), 3_000);
}

/// Of these no real bytes were found: the bytes are made from the specification's table, each field
/// filled with its own number, so that a field at another offset or of another width shows.
#[test]
fn types_without_real_bytes_follow_the_specifications_table() {
    fn build(kind: u8, fields: &[(usize, &[u8])], len: usize) -> Message {
        let mut bytes = vec![0xEE; len];
        bytes[0] = kind;
        bytes[1..11].copy_from_slice(&[0, 7, 0, 8, 0, 0, 0x1F, 0x1A, 0xCE, 0xD8]);
        for &(at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        assert!(!bytes[11..].contains(&0xEE), "the test fills every field");
        let message = itch50::decode(&bytes).expect("known type and length");
        let header = Header { locate: 7, tracking: 8, timestamp_ns: 0x1F1A_CED8 };
        assert_eq!(*message.header(), header);
        message
    }
    const STOCK: &[u8] = b"TICKSPIN";
    let stock = Alpha(*b"TICKSPIN");
    let n = |value: u32| value.to_be_bytes();
    let w = |value: u64| value.to_be_bytes();

    let Message::MwcbDeclineLevels(m) =
        build(b'V', &[(11, &w(1 << 40)), (19, &w(2 << 40)), (27, &w(3 << 40))], 35)
    else {
        panic!("V")
    };
    assert_eq!((m.level1_1e8, m.level2_1e8, m.level3_1e8), (1 << 40, 2 << 40, 3 << 40));

    let Message::MwcbStatus(m) = build(b'W', &[(11, b"2")], 12) else { panic!("W") };
    assert_eq!(m.breached_level, b'2');

    let Message::IpoQuotingPeriod(m) =
        build(b'K', &[(11, STOCK), (19, &n(34_200)), (23, b"A"), (24, &n(151_500))], 28)
    else {
        panic!("K")
    };
    assert_eq!((m.stock, m.release_time_s, m.qualifier), (stock, 34_200, b'A'));
    assert_eq!(m.price_1e4, 151_500);

    let Message::OperationalHalt(m) = build(b'h', &[(11, STOCK), (19, b"Q"), (20, b"H")], 21)
    else {
        panic!("h")
    };
    assert_eq!((m.stock, m.market, m.action), (stock, b'Q', b'H'));

    let Message::BrokenTrade(m) = build(b'B', &[(11, &w(99))], 19) else { panic!("B") };
    assert_eq!(m.match_number, 99);

    let fields: [(usize, &[u8]); 8] = [
        (11, STOCK),
        (19, b"Y"),
        (20, &n(1)),
        (24, &n(2)),
        (28, &n(3)),
        (32, &w(4)),
        (40, &n(5)),
        (44, &n(6)),
    ];
    let Message::DirectListing(m) = build(b'O', &fields, 48) else { panic!("O") };
    assert_eq!((m.stock, m.open_eligibility), (stock, b'Y'));
    assert_eq!((m.min_1e4, m.max_1e4, m.near_execution_1e4), (1, 2, 3));
    assert_eq!((m.near_execution_time_ns, m.lower_1e4, m.upper_1e4), (4, 5, 6));
}
