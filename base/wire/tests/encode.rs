//! Events as ITCH messages: what comes from ITCH comes back in all fields, and nothing is bent.

use proptest::prelude::*;
use tickspin_wire::event::flag;
use tickspin_wire::itch50::{self, MESSAGE_BYTES_MAX, TYPES};
use tickspin_wire::normalize::{itch_event, itch_message};
use tickspin_wire::{Event, InstrumentId, Kind, Px, Qty, Side};

/// The event after a round trip; `None`: it cannot be said.
fn again(event: &Event) -> Option<Event> {
    let mut out = [0; MESSAGE_BYTES_MAX];
    let len = itch_message(event, &mut out)?;
    assert_eq!(itch50::check(&out[..len]), Ok(out[0]), "a message of its type's length");
    assert_eq!(itch_message(event, &mut out[..len - 1]), None, "no room");
    Some(itch_event(&out[..len]).expect("a message that we wrote"))
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(TYPES.to_vec()).prop_flat_map(|kind| {
        let len = itch50::length_of(kind).expect("a type has a length");
        let bytes = prop::collection::vec(any::<u8>(), len);
        // Half of the orders have a side, some messages name the locate of all instruments.
        (bytes, any::<bool>(), 0_u8..8).prop_map(move |(mut bytes, is_bid, locate)| {
            bytes[0] = kind;
            if matches!(kind, b'A' | b'F') && locate < 6 {
                bytes[19] = if is_bid { b'B' } else { b'S' };
            }
            if locate == 7 {
                bytes[1..3].fill(0xFF);
            }
            bytes
        })
    })
}

fn event(kind: Kind, side: Side) -> Event {
    Event {
        exchange_ns: 34_200_000_000_000,
        px: Px(1_230_000_000),
        qty: Qty(100),
        order_id: 7,
        second_id: 0,
        instrument: InstrumentId(3),
        kind_side: Event::pack(kind, side),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_a_message_means_comes_back_in_all_fields(bytes in any_message()) {
        let event = itch_event(&bytes).expect("known type and length");
        prop_assert_eq!(again(&event), Some(event));
    }

    #[test]
    fn any_words_are_said_exactly_or_not_at_all(words: [u64; 7]) {
        let event = Event::from_words(words);
        if let Some(again) = again(&event) {
            prop_assert_eq!(again.kind(), event.kind());
            prop_assert_eq!(again.exchange_ns, event.exchange_ns);
            prop_assert_eq!(again.instrument, event.instrument);
            prop_assert_eq!(again.side(), event.side());
        }
    }
}

#[test]
fn stamps_and_the_pacers_flags_are_not_the_messages() {
    let plain = event(Kind::Add, Side::Bid);
    let stamped = Event {
        sent_ticks: 9,
        lag_ticks: 8,
        flags: flag::COMPLETE | flag::WARM_UP | flag::LAG_SATURATED,
        ..plain
    };
    assert_eq!(again(&stamped), Some(plain));
}

#[test]
fn what_itch_has_no_message_for_is_refused() {
    for kind in [Kind::Modify, Kind::Level, Kind::Quote, Kind::Clear, Kind::Gap, Kind::End] {
        assert_eq!(again(&event(kind, Side::Bid)), None, "{kind:?}");
    }
    let add = event(Kind::Add, Side::Ask);
    let all = InstrumentId::ALL;
    let px = |units: i64| Px(1_230_000_000 + units);
    for (wrong, why) in [
        (Event { px: px(10_000), ..add }, "finer than 1e-4"),
        (Event { px: Px(-Px::ONE), ..add }, "below zero"),
        (Event { px: Px((i64::from(u32::MAX) + 1) * Px::PER_1E4), ..add }, "beyond 32 bits"),
        (Event { px: Px::NONE, ..add }, "an order without a price"),
        (Event { qty: Qty(1 << 32), ..add }, "more shares than 32 bits"),
        (Event { kind_side: Event::pack(Kind::Add, Side::None), ..add }, "no side"),
        (Event { instrument: all, ..add }, "an order of all instruments"),
        (Event { flags: 0, ..add }, "not the whole event"),
        (Event { flags: flag::COMPLETE | flag::SNAPSHOT, ..add }, "of a snapshot"),
        (Event { exchange_ns: 1 << 48, ..add }, "later than a day has nanoseconds"),
        (event(Kind::Delete, Side::Bid), "a delete with a side"),
        (Event { second_id: u64::from(b'O'), ..event(Kind::Status, Side::None) }, "who halted"),
        (Event { order_id: 256, ..event(Kind::System, Side::None) }, "no byte"),
        (event(Kind::Broken, Side::None), "what was broken"),
    ] {
        assert_eq!(again(&wrong), None, "{why}");
    }
    assert_eq!(again(&add), Some(add));
    // A cross has eight bytes of shares.
    let cross = Event { qty: Qty(1 << 40), order_id: 0, ..event(Kind::Cross, Side::None) };
    assert_eq!(again(&cross), Some(cross));
}

#[test]
fn a_definition_loses_its_tick_and_nothing_else() {
    let (order_id, second_id) = Event::symbol_words(b"SYN00001");
    let definition = Event { order_id, second_id, ..event(Kind::Definition, Side::None) };
    assert_eq!(again(&definition), Some(Event { px: Px::NONE, ..definition }));
    let (order_id, second_id) = Event::symbol_words(b"LONGER-THAN-8");
    assert_eq!(again(&Event { order_id, second_id, ..definition }), None);
}
