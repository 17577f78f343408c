//! Any message survives encode and decode; any bytes at all do no harm.

use proptest::prelude::*;
use tickspin_wire::binaryfile::{Framing, PREFIX_BYTES, Records, Step, write_record};
use tickspin_wire::cursor::Cursor;
use tickspin_wire::itch50::{self, Header, LENGTHS, MESSAGE_BYTES_MAX, OrderDelete, TYPES};
use tickspin_wire::{Rule, normalize};

/// The bytes of any message of any type, every field at any value.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(TYPES.to_vec()).prop_flat_map(|kind| {
        let len = itch50::length_of(kind).expect("a type has a length");
        prop::collection::vec(any::<u8>(), len).prop_map(move |mut bytes| {
            bytes[0] = kind;
            bytes
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn decoding_loses_nothing_and_encoding_adds_nothing(bytes in any_message()) {
        let message = itch50::decode(&bytes).expect("known type and length");
        let mut out = [0; MESSAGE_BYTES_MAX];
        let len = itch50::encode(&message, &mut out).expect("room enough");
        prop_assert_eq!(&out[..len], &bytes[..]);
        prop_assert_eq!(itch50::decode(&out[..len]), Ok(message));
        prop_assert_eq!(message.kind(), bytes[0]);
        prop_assert_eq!(itch50::encode(&message, &mut out[..len - 1]), None);
    }

    #[test]
    fn bytes_of_any_kind_are_a_message_or_a_named_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        kind in prop::sample::select(TYPES.to_vec()),
        use_kind: bool,
    ) {
        // Half of the cases have a true type byte: one in eleven random bytes would be one.
        if let (true, Some(first)) = (use_kind, bytes.first_mut()) {
            *first = kind;
        }
        let decoded = itch50::decode(&bytes);
        prop_assert_eq!(itch50::check(&bytes), decoded.map(|message| message.kind()));
        prop_assert_eq!(
            normalize::itch_event(&bytes),
            decoded.map(|message| normalize::Normalize::normalize(&message))
        );
        match decoded {
            Ok(message) => prop_assert_eq!(LENGTHS[message.kind() as usize] as usize, bytes.len()),
            Err(error) => {
                prop_assert!(error.is_skippable());
                match error.rule {
                    Rule::Empty => prop_assert!(bytes.is_empty()),
                    Rule::UnknownType { found } => prop_assert_eq!(itch50::length_of(found), None),
                    Rule::Length { kind, found, expected } => {
                        prop_assert_eq!(itch50::length_of(kind), Some(expected as usize));
                        prop_assert_eq!(bytes.len(), found as usize);
                        prop_assert!(error.offset as usize <= bytes.len() && found != expected);
                    }
                    Rule::Cut { .. } => prop_assert!(false, "a message cannot be cut"),
                }
            }
        }
    }

    #[test]
    fn framing_gives_back_any_records_whatever_the_pieces(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        piece in 1_usize..700,
    ) {
        let mut file = Vec::new();
        for record in &records {
            let mut out = vec![0; PREFIX_BYTES + record.len()];
            prop_assert_eq!(write_record(record, &mut out), Some(out.len()));
            file.extend(out);
        }
        let whole: Result<Vec<_>, _> = Records::new(&file).collect();
        prop_assert_eq!(whole.expect("no cut"), &records[..]);

        let (mut framing, mut start, mut end, mut seen) = (Framing::new(), 0, 0, Vec::new());
        while end < file.len() {
            end = (end + piece).min(file.len());
            while let Step::Record(record) = framing.step(&file[start..end]) {
                start += PREFIX_BYTES + record.len();
                seen.push(record.to_vec());
            }
        }
        prop_assert_eq!(&seen, &records);
        prop_assert_eq!(framing.position(), file.len() as u64);
    }

    #[test]
    fn framing_of_arbitrary_bytes_ends_and_covers_them(file in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut records = Records::new(&file);
        let (mut covered, mut cuts) = (0, 0);
        for record in records.by_ref() {
            match record {
                Ok(record) => covered += PREFIX_BYTES + record.len(),
                Err(error) => {
                    cuts += 1;
                    prop_assert_eq!(error.offset as usize, covered);
                }
            }
        }
        let ended = records.framing().is_ended();
        prop_assert!(ended || cuts == usize::from(covered < file.len()));
        prop_assert!(!ended || cuts == 0);
    }

    #[test]
    fn a_cursor_never_reads_beyond_its_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        reads in prop::collection::vec(0_usize..12, 0..20),
    ) {
        let mut cursor = Cursor::new(&bytes);
        for count in reads {
            let before = cursor.offset();
            match cursor.take(count) {
                Ok(taken) => prop_assert_eq!(taken, &bytes[before..before + count]),
                Err(error) => {
                    prop_assert!(before + count > bytes.len());
                    prop_assert_eq!((error.offset as usize, cursor.offset()), (before, before));
                }
            }
        }
    }
}

#[test]
fn a_time_beyond_48_bits_does_not_spill_into_its_neighbour() {
    let timestamp_ns = u64::MAX;
    let message =
        OrderDelete { header: Header { locate: 1, tracking: 2, timestamp_ns }, order_ref: 3 };
    let mut out = [0; OrderDelete::LENGTH];
    message.encode(&mut out);
    let decoded = OrderDelete::decode(&out);
    assert_eq!((decoded.header.locate, decoded.header.tracking, decoded.order_ref), (1, 2, 3));
    assert_eq!(decoded.header.timestamp_ns, Header::TIMESTAMP_MASK);
}

#[test]
fn lengths_are_those_of_the_specification() {
    let specified: [(u8, usize); 23] = [
        (b'S', 12),
        (b'R', 39),
        (b'H', 25),
        (b'Y', 20),
        (b'L', 26),
        (b'V', 35),
        (b'W', 12),
        (b'K', 28),
        (b'J', 35),
        (b'h', 21),
        (b'A', 36),
        (b'F', 40),
        (b'E', 31),
        (b'C', 36),
        (b'X', 23),
        (b'D', 19),
        (b'U', 35),
        (b'P', 44),
        (b'Q', 40),
        (b'B', 19),
        (b'I', 50),
        (b'N', 20),
        (b'O', 48),
    ];
    for kind in 0..=u8::MAX {
        let expected = specified.iter().find(|(known, _)| *known == kind).map(|(_, len)| *len);
        assert_eq!(itch50::length_of(kind), expected);
    }
}
