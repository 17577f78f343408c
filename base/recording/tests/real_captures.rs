//! Real captures, with counts that independent readers agree on.

mod build;
mod data;

use std::fs;
use tickspin_recording::{Capture, Container, Fault};
use tickspin_wire::net::{self, Link};

/// Packets, and bytes of UDP payload in them; every packet must hold a datagram.
fn datagrams(capture: &mut Capture) -> (u64, u64) {
    let mut counts = (0, 0);
    while let Some(packet) = capture.next_packet().unwrap_or(None) {
        assert_eq!(packet.link, Link::Ethernet);
        let datagram = net::datagram(packet.link, packet.bytes).expect("a datagram");
        counts = (counts.0 + 1, counts.1 + datagram.payload.len() as u64);
    }
    counts
}

#[test]
fn deep_delivers_every_packet_before_its_cut_last_record() {
    let Some(path) = data::path("iex/DEEP10.pcap.gz") else { return };
    let mut capture = Capture::open(path).expect("a capture");
    assert_eq!(
        (capture.container(), capture.format().to_string()),
        (Container::Gzip, "pcap us".into())
    );
    let mut packets = 0;
    let error = loop {
        match capture.next_packet() {
            Ok(Some(_)) => packets += 1,
            Ok(None) => panic!("the cut went unnoticed"),
            Err(error) => break error,
        }
    };
    assert_eq!((packets, capture.counts().packets), (121_314, 121_314));
    let Fault::Cut(damage) = error.fault() else { panic!("{error}") };
    // 460 of 1,490 bytes are there, behind the record's own 16.
    assert_eq!((damage.record, damage.partial), (121_314, 476));
    assert!(capture.next_packet().expect("an error is told once").is_none());
    assert!(capture.truncated());

    capture.rewind().expect("a file can be rewound");
    assert_eq!(datagrams(&mut capture), (121_314, 15_159_512));
    assert_eq!((capture.counts().snapped, capture.counts().reversals), (0, 0));
}

#[test]
fn tops_is_a_classic_capture_whatever_its_name() {
    let Some(path) = data::path("iex/TOPS16.pcapng.gz") else { return };
    let mut capture = Capture::open(path).expect("a capture");
    assert_eq!(capture.format().to_string(), "pcap us");
    assert_eq!(datagrams(&mut capture), (13_022, 2_534_328));
    assert!(!capture.truncated());
}

#[test]
fn nasdaq_captures_are_tagged_and_in_nanoseconds() {
    let name = "itch/pcap/Ise.OrderComboFeed.v1.1__Heartbeat.pcap";
    let Some(path) = data::path(name) else { return };
    let folder = path.parent().expect("its folder").to_owned();
    let mut heartbeat = Capture::open(&path).expect("a capture");
    assert_eq!(datagrams(&mut heartbeat), (1, 20));
    let mut packets = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let other = entry.expect("an entry").path();
        if other == path {
            continue;
        }
        let mut capture = Capture::open(&other).expect("a capture");
        assert_eq!(capture.format().to_string(), "pcap ns", "{}", other.display());
        while let Some(packet) = capture.next_packet().expect("whole") {
            assert_eq!(packet.bytes[12..14], [0x81, 0x00], "{}", other.display());
            let datagram = net::datagram(packet.link, packet.bytes).expect("a datagram");
            // What MoldUDP64 counts is what UDP says is there: padding is not taken for payload.
            let payload = datagram.payload;
            let mut at = 20;
            for _ in 0..u16::from_be_bytes([payload[18], payload[19]]) {
                at += 2 + usize::from(u16::from_be_bytes([payload[at], payload[at + 1]]));
            }
            assert_eq!(at, payload.len());
            // 2023-08-22, regular hours.
            let ns = packet.capture_ns.expect("a time");
            assert_eq!(ns / 86_400_000_000_000, 19_591);
            packets += 1;
        }
        assert!(!capture.truncated());
    }
    assert_eq!(packets, 190);
}
