//! Captures: real files with counts that independent readers agree on, and every variant built here.

mod data;

use tickspin_recording::{Capture, Container, Fault};
use tickspin_wire::net::{self, Link};

/// Packets, datagrams, bytes of payload.
fn walk(capture: &mut Capture) -> ((u64, u64, u64), Option<String>) {
    let mut counts = (0, 0, 0);
    loop {
        match capture.next_packet() {
            Ok(Some(packet)) => {
                assert_eq!(packet.number, counts.0);
                counts.0 += 1;
                if let Ok(datagram) = net::datagram(packet.link, packet.bytes) {
                    counts.1 += 1;
                    counts.2 += datagram.payload.len() as u64;
                }
            }
            Ok(None) => return (counts, None),
            Err(error) => {
                assert!(matches!(error.fault(), Fault::Cut(_)), "{error}");
                assert!(capture.next_packet().expect("an error is told once").is_none());
                return (counts, Some(error.to_string()));
            }
        }
    }
}

#[test]
fn deep_delivers_every_packet_before_its_cut_last_record() {
    let Some(path) = data::path("iex/DEEP10.pcap.gz") else { return };
    let mut capture = Capture::open(path).expect("a capture");
    for _ in 0..2 {
        let (counts, error) = walk(&mut capture);
        println!("{counts:?} {error:?} {:?} {}", capture.counts(), capture.format());
        assert_eq!((counts.0, counts.1), (121_314, 121_314));
        assert!(error.expect("it is cut").contains(": cut inside record 121,314 at byte "));
        assert!(capture.truncated());
        capture.rewind().expect("a file can be rewound");
    }
    assert_eq!(capture.container(), Container::Gzip);
}

#[test]
fn tops_is_a_classic_capture_whatever_its_name() {
    let Some(path) = data::path("iex/TOPS16.pcapng.gz") else { return };
    let mut capture = Capture::open(path).expect("a capture");
    let (counts, error) = walk(&mut capture);
    println!("{counts:?} {error:?} {:?} {}", capture.counts(), capture.format());
    assert_eq!((counts.0, counts.1, error), (13_022, 13_022, None));
    let _ = Link::Ethernet;
}
