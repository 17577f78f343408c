//! Captures of every variant, whole, cut and damaged.

mod build;

use build::{File, Seen, drain, read, written};
use proptest::prelude::*;
use tickspin_recording::capture::{CAPTURED_BYTES_MAX, CaptureFormat, Writer};
use tickspin_recording::{Capture, Container, Damage, Fault, RecordingError};
use tickspin_wire::net::{self, Envelope, Link};

fn seen(ns: i64, link: Link, bytes: &[u8]) -> Seen {
    (Some(ns), link, bytes.len() as u32, bytes.to_vec())
}

/// Three packets: snapped, empty, and back in time.
fn classic(big_endian: bool, nanoseconds: bool) -> File {
    let mut file = File::new(big_endian);
    file.pcap(nanoseconds, 0xF000_0001);
    file.record(1_700_000_000, 999_999, 1_500, b"first");
    file.record(4_294_967_295, 0, 0, b"");
    file.record(1_700_000_000, 7, 3, b"abc");
    file
}

/// Two sections in both byte orders, three interfaces in the first, every kind of block.
fn sections() -> (File, Vec<Seen>) {
    let mut file = File::new(false);
    file.section(false);
    file.interface(1, 0, None, None);
    file.interface(101, 0, Some(9), Some(1_000_000_000));
    file.interface(276, 0, Some(0x80 | 20), None);
    file.enhanced(0, 1_700_000_000_000_001, 5, b"micro");
    file.block(5, |file| file.bytes.extend([7; 33]));
    file.enhanced(1, 700_000_000_000_000_001, 4, b"nano");
    file.enhanced(2, (1_700_000_000 << 20) + 1, 6, b"binary");
    file.enhanced(9, 1, 4, b"lost");
    file.simple(8, b"untimed!");
    file.block(0x0BAD, |_| {});
    file.section(true);
    file.interface(113, 4, Some(3), Some(-1));
    file.enhanced(0, 1_700_000_000_500, 9, b"mill");
    file.simple(6, b"snap");
    file.block(2, |file| {
        file.u16(0);
        file.u16(3);
        for field in [395, 3_474_770_304, 3, 3] {
            file.u32(field);
        }
        file.bytes.extend(b"old");
    });
    let expected = vec![
        seen(1_700_000_000_000_001_000, Link::Ethernet, b"micro"),
        seen(1_700_000_000_000_000_001, Link::Raw, b"nano"),
        seen(1_700_000_000_000_000_953, Link::LinuxSll2, b"binary"),
        (None, Link::Ethernet, 8, b"untimed!".to_vec()),
        (Some(1_699_999_999_500_000_000), Link::LinuxSll, 9, b"mill".to_vec()),
        (None, Link::LinuxSll, 6, b"snap".to_vec()),
        seen(((395 << 32) + 3_474_770_304) * 1_000_000 - 1_000_000_000, Link::LinuxSll, b"old"),
    ];
    (file, expected)
}

#[test]
fn classic_captures_of_both_byte_orders_and_resolutions() {
    for (big_endian, nanoseconds) in [(false, false), (false, true), (true, false), (true, true)] {
        let file = classic(big_endian, nanoseconds);
        let format = CaptureFormat::Pcap { nanoseconds, big_endian };
        assert_eq!(CaptureFormat::of(&file.bytes), Some(format));
        let (packets, error) = read(&file.bytes).expect("a capture");
        assert!(error.is_none());
        let unit_ns = if nanoseconds { 1 } else { 1_000 };
        let second = 1_700_000_000 * 1_000_000_000_i64;
        let link = Link::Ethernet;
        assert_eq!(
            packets,
            [
                (Some(second + 999_999 * unit_ns), link, 1_500, b"first".to_vec()),
                seen(4_294_967_295_000_000_000, link, b""),
                seen(second + 7 * unit_ns, link, b"abc"),
            ]
        );
    }
}

#[test]
fn sections_interfaces_and_resolutions_of_pcapng() {
    let (file, expected) = sections();
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut capture = Capture::open(written(&folder, &file.bytes)).expect("a capture");
    assert_eq!((capture.format(), capture.container()), (CaptureFormat::Pcapng, Container::Plain));
    for _ in 0..2 {
        let (packets, error) = drain(&mut capture);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, expected);
        let counts = capture.counts();
        assert_eq!((counts.sections, counts.interfaces), (2, 4));
        assert_eq!((counts.packets, counts.untimed, counts.strays), (7, 2, 1));
        assert_eq!((counts.other_blocks, counts.snapped, counts.reversals), (2, 2, 3));
        assert_eq!((counts.first_ns, counts.last_ns), (expected[0].0, expected[6].0));
        capture.rewind().expect("a file can be rewound");
        assert_eq!(capture.counts().packets, 0);
    }
}

/// Cut after every byte: what is whole is delivered, what is not is said, unless nothing is missing.
fn cut_everywhere(file: &File, packets: &[Seen], packet_ends: &[usize]) {
    for len in 4..file.bytes.len() {
        let whole = packet_ends.iter().filter(|&&end| end <= len).count();
        let last_end = file.ends.iter().copied().filter(|&end| end <= len).max().unwrap_or(0);
        let error = match read(&file.bytes[..len]) {
            Ok((found, error)) => {
                assert_eq!(found, packets[..whole], "cut after {len} bytes");
                error
            }
            Err(error) => Some(error),
        };
        let Some(error) = error else {
            assert_eq!(last_end, len, "the cut after {len} bytes went unnoticed");
            continue;
        };
        let Fault::Cut(damage) = error.fault() else { panic!("{error}") };
        let (record, offset) = (whole as u64, len as u64);
        assert_eq!((damage.record, damage.offset), (record, offset));
        assert_eq!(damage.partial, (len - last_end) as u64);
    }
}

#[test]
fn a_capture_cut_at_any_byte_gives_every_packet_before_the_cut() {
    for big_endian in [false, true] {
        let file = classic(big_endian, true);
        let (packets, _) = read(&file.bytes).expect("a capture");
        cut_everywhere(&file, &packets, &file.ends[1..]);
    }
    let (file, packets) = sections();
    let of_packets = [4, 6, 7, 9, 13, 14, 15].map(|block| file.ends[block]);
    cut_everywhere(&file, &packets, &of_packets);
}

/// The error that ends the capture, with the packets before it.
fn corrupt(bytes: &[u8]) -> (usize, Damage, String) {
    let (packets, error) = read(bytes).expect("it opens");
    let error = error.expect("the damage is noticed");
    let Fault::Corrupt { damage, rule } = error.fault() else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("corrupt ({rule}) before record ")), "{error}");
    (packets.len(), *damage, rule.clone())
}

#[test]
fn a_length_that_no_packet_has_is_named_with_its_place() {
    for big_endian in [false, true] {
        let mut file = classic(big_endian, false);
        let place = file.bytes.len();
        file.record(1, 1, 1, &vec![0; CAPTURED_BYTES_MAX]);
        let whole = file.bytes.len();
        file.record(1, 1, 1, &vec![0; CAPTURED_BYTES_MAX + 1]);
        let (packets, damage, rule) = corrupt(&file.bytes);
        assert_eq!((packets, damage.record, damage.offset), (4, 4, whole as u64));
        assert_eq!(rule, "a packet has at most 262144 captured bytes, this one 262145");
        // Told before the bytes are asked for.
        file.bytes.truncate(place + 8);
        file.u32(u32::MAX);
        file.u32(u32::MAX);
        assert_eq!(corrupt(&file.bytes).1.offset, place as u64);
    }
    let mut file = File::new(true);
    file.section(true);
    file.interface(1, 0, None, None);
    file.enhanced(0, 1, 1, &vec![1; CAPTURED_BYTES_MAX]);
    let place = file.bytes.len();
    file.enhanced(0, 1, 1, &vec![1; CAPTURED_BYTES_MAX + 1]);
    let (packets, damage, rule) = corrupt(&file.bytes);
    assert_eq!((packets, damage.offset), (1, place as u64));
    assert!(rule.ends_with("this one 262145"), "{rule}");
}

#[test]
fn broken_blocks_are_named() {
    let good = || {
        let mut file = File::new(false);
        file.section(false);
        file.interface(1, 0, None, None);
        file.enhanced(0, 1, 3, b"one");
        let place = file.bytes.len();
        (file, place)
    };
    type Break = fn(&mut File, usize);
    let cases: [(Break, &str); 8] = [
        (|file, at| file.bytes[at + 4] = 35, "32 bytes or more, a multiple of 4, this one 35"),
        (|file, at| file.bytes[at + 4] = 28, "32 bytes or more, a multiple of 4, this one 28"),
        (|file, at| file.bytes[at + 20] = 9, "inside its block: 9 bytes from byte 28 of 40"),
        (|file, at| file.bytes[at + 36] = 44, "two lengths are equal, here 40 and 44"),
        (|file, at| file.bytes[at..at + 4].fill(0x77), "two lengths are equal, here 40 and 41"),
        (
            |file, at| file.bytes.splice(at + 8..at + 12, [1, 2, 3, 4]).for_each(drop),
            "a section's byte-order magic is 1a2b3c4d, this one's 01020304",
        ),
        (|file, at| file.bytes[at + 12] = 9, "a section's version is 9.0, not 1.0"),
        (
            |file, at| file.bytes.splice(at + 4..at + 8, [0, 0, 16, 0]).for_each(drop),
            "a block that matters has at most 524288 bytes, this one 1048576",
        ),
    ];
    for (index, (damage, expected)) in cases.into_iter().enumerate() {
        let (mut file, place) = good();
        if index < 5 {
            file.enhanced(0, 2, 8, b"eight by");
        } else {
            file.section(false);
        }
        if index == 4 {
            let last = file.bytes.len() - 4;
            file.bytes[last] = 41;
        }
        damage(&mut file, place);
        let (packets, damage, rule) = corrupt(&file.bytes);
        assert!(rule.ends_with(expected), "{rule}");
        assert_eq!((packets, damage.record), (1, 1));
        assert_eq!((damage.offset, damage.partial), (place as u64, 0), "{rule}");
    }
}

#[test]
fn blocks_that_nobody_needs_may_be_longer_than_any_buffer() {
    let mut file = File::new(false);
    file.section(false);
    file.interface(1, 0, None, None);
    file.block(0x4000_0BAD, |file| file.bytes.extend(vec![0xA5; 3_000_001]));
    file.enhanced(0, 1, 5, b"after");
    let (packets, error) = read(&file.bytes).expect("a capture");
    assert!(error.is_none());
    assert_eq!(packets, [seen(1_000, Link::Ethernet, b"after")]);
}

#[test]
fn options_behind_a_packet_are_not_its_bytes_and_cannot_lose_it() {
    let mut file = File::new(false);
    file.section(false);
    file.interface(1, 0, None, None);
    file.block(6, |file| {
        for field in [0, 0, 1, 3, 3] {
            file.u32(field);
        }
        file.bytes.extend(b"abc\0");
        file.option(1, b"a comment");
        file.u16(1);
        file.u16(u16::MAX);
    });
    let (packets, error) = read(&file.bytes).expect("a capture");
    assert!(error.is_none());
    assert_eq!(packets, [seen(1_000, Link::Ethernet, b"abc")]);
}

#[test]
fn what_is_no_capture_is_refused() {
    let refused = |bytes: &[u8]| -> RecordingError { read(bytes).expect_err("no capture") };
    assert!(matches!(refused(b"").fault(), Fault::Empty { container: Container::Plain }));
    let line = refused(b"DBN\x01 and more").to_string();
    assert!(line.contains(": not a pcap or pcapng capture: it begins with [44, 42, 4e"), "{line}");
    let mut other = classic(false, true).bytes;
    other[4] = 3;
    let line = refused(&other).to_string();
    assert!(line.ends_with("its version is 3.4, not 2.4"), "{line}");
    let error = refused(&classic(false, true).bytes[..20]);
    assert!(matches!(error.fault(), Fault::Cut(Damage { record: 0, partial: 20, .. })), "{error}");
}

#[test]
fn what_the_writer_writes_is_what_is_read() {
    let envelope = Envelope {
        src: "10.0.0.1:1".parse().expect("an address"),
        dst: "239.1.1.1:30001".parse().expect("an address"),
        vlans: &[12],
    };
    let mut writer = Writer::new(Vec::new()).expect("memory");
    for index in 0..100_u8 {
        let ns = 1_700_000_000_000_000_000 + i64::from(index);
        writer.datagram(ns, &envelope, &vec![index; usize::from(index)]).expect("it fits");
    }
    for (ns, payload) in [(-1, 0), (i64::MAX, 0), (1, 70_000)] {
        let error = writer.datagram(ns, &envelope, &vec![0; payload]).expect_err("refused");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    let (packets, error) = read(&writer.into_inner()).expect("a capture");
    assert!(error.is_none());
    assert_eq!(packets.len(), 100);
    for (index, (ns, link, _, bytes)) in packets.iter().enumerate() {
        assert_eq!(*ns, Some(1_700_000_000_000_000_000 + index as i64));
        let datagram = net::datagram(*link, bytes).expect("a datagram");
        assert_eq!(datagram.dst, envelope.dst.into());
        assert_eq!(datagram.payload, vec![index as u8; index]);
    }
}

proptest! {
    #[test]
    fn no_change_to_a_capture_is_a_panic_or_an_endless_loop(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = match which {
            0 => classic(false, true).bytes,
            1 => classic(true, false).bytes,
            _ => sections().0.bytes,
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok((packets, _)) = read(&bytes) {
            prop_assert!(packets.len() <= bytes.len() / 16);
        }
    }

    #[test]
    fn no_bytes_behind_a_magic_are_a_panic(
        head in prop::sample::select(vec![
            &[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0][..],
            &[0xA1, 0xB2, 0x3C, 0x4D, 0, 2, 0, 4],
            &[0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0],
            &[0x28, 0xB5, 0x2F, 0xFD],
            &[0x50, 0x2A, 0x4D, 0x18],
            &[0x1F, 0x8B, 8],
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [head, &tail].concat();
        if let Ok((packets, _)) = read(&bytes) {
            prop_assert!(packets.len() <= bytes.len() / 16);
        }
    }
}
