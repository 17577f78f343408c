//! Frames of every link layer, with everything that real captures put around a datagram.

use core::net::{Ipv6Addr, SocketAddr, SocketAddrV4};
use proptest::prelude::*;
use tickspin_wire::net::{
    Datagram, EncodeError, Envelope, Layer, Link, NotUdp, PAYLOAD_BYTES_MAX, VLANS_MAX, datagram,
};

const LINKS: [Link; 6] =
    [Link::Ethernet, Link::Null, Link::Raw, Link::LinuxSll, Link::LinuxSll2, Link::Other(147)];

fn src() -> SocketAddrV4 {
    "10.1.2.3:4001".parse().expect("an address")
}

fn dst() -> SocketAddrV4 {
    "233.54.12.111:26477".parse().expect("an address")
}

fn frame(vlans: &[u16], payload: &[u8]) -> Vec<u8> {
    let envelope = Envelope { src: src(), dst: dst(), vlans };
    let mut frame = vec![0; envelope.header_bytes() + payload.len()];
    assert_eq!(envelope.encode(payload, &mut frame), Ok(frame.len()));
    frame
}

/// The IPv4 packet of an untagged frame.
fn packet(payload: &[u8]) -> Vec<u8> {
    frame(&[], payload).split_off(14)
}

fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&[0; 12][..], &ethertype.to_be_bytes(), packet].concat()
}

fn payload(link: Link, frame: &[u8]) -> Result<&[u8], NotUdp> {
    let datagram = datagram(link, frame)?;
    assert_eq!((datagram.src, datagram.dst), (src().into(), dst().into()));
    Ok(datagram.payload)
}

/// The same with the packet's bytes from `at` replaced.
fn changed(at: usize, bytes: &[u8]) -> Result<Datagram<'static>, NotUdp> {
    let mut packet = packet(b"tick");
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    datagram(Link::Raw, packet.leak())
}

#[test]
fn what_is_encoded_is_what_a_card_would_send() {
    let frame = frame(&[100, 7], b"tick");
    let expected = [
        &[0x01, 0x00, 0x5E, 0x36, 0x0C, 0x6F, 0x02, 0x00, 10, 1, 2, 3][..],
        &[0x88, 0xA8, 0, 100, 0x81, 0x00, 0, 7, 0x08, 0x00],
        // The checksum, 6924, is worked out elsewhere.
        &[0x45, 0, 0, 32, 0, 0, 0x40, 0, 16, 17, 0x69, 0x24, 10, 1, 2, 3, 233, 54, 12, 111],
        &[0x0F, 0xA1, 0x67, 0x6D, 0, 12, 0, 0],
        b"tick",
    ]
    .concat();
    assert_eq!(frame, expected);
}

#[test]
fn every_link_layer_is_opened() {
    let packet = packet(b"tick");
    let sll = [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0][..], &packet].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6][..], &[0; 8], &packet].concat();
    let tagged_sll = [&sll[..14], &[0x81, 0, 0, 9, 8, 0], &packet].concat();
    let frames = [
        (1, ethernet(0x0800, &packet)),
        (0, [&[2, 0, 0, 0][..], &packet].concat()),
        (0, [&[0, 0, 0, 2][..], &packet].concat()),
        (108, [&[0, 0, 0, 2][..], &packet].concat()),
        (101, packet.clone()),
        (228, packet.clone()),
        (113, sll),
        (113, tagged_sll),
        (276, sll2),
    ];
    for (code, frame) in &frames {
        assert_eq!(payload(Link::from_code(*code), frame), Ok(&b"tick"[..]), "link type {code}");
    }
    let link = Link::from_code(147);
    assert_eq!(datagram(link, &packet), Err(NotUdp::Link(Link::Other(147))));
}

#[test]
fn tags_of_every_kind_are_stepped_over_however_many() {
    let packet = packet(b"tick");
    let mut tagged = [&[8, 0][..], &packet].concat();
    for tag in [0x8100_u16, 0x88A8, 0x9100].into_iter().cycle().take(30) {
        tagged = [&tag.to_be_bytes()[..], &[0x20, 5], &tagged].concat();
        let frame = [&[0; 12][..], &tagged].concat();
        assert_eq!(payload(Link::Ethernet, &frame), Ok(&b"tick"[..]));
    }
}

#[test]
fn padding_and_check_sequences_are_no_payload() {
    for len in [0, 1, 4, 18, 100] {
        let mut frame = frame(&[], &vec![7; len]);
        frame.resize(frame.len().max(60) + 4, 0xEE);
        assert_eq!(payload(Link::Ethernet, &frame), Ok(&vec![7; len][..]));
    }
}

#[test]
fn options_of_ipv4_are_stepped_over() {
    let mut packet = packet(b"tick");
    packet[0] = 0x47;
    packet[3] += 8;
    packet.splice(20..20, [1; 8]);
    assert_eq!(payload(Link::Raw, &packet), Ok(&b"tick"[..]));
    packet[0] = 0x4F;
    assert!(matches!(datagram(Link::Raw, &packet), Err(NotUdp::Cut { layer: Layer::Ipv4, .. })));
}

#[test]
fn fragments_are_named_and_not_read() {
    assert_eq!(changed(6, &[0x20, 0]), Err(NotUdp::Fragment), "the first");
    assert_eq!(changed(6, &[0x20, 1]), Err(NotUdp::Fragment), "one between");
    assert_eq!(changed(6, &[0x00, 185]), Err(NotUdp::Fragment), "the last");
    assert!(changed(6, &[0x40, 0]).is_ok(), "don't fragment");
    assert!(changed(6, &[0x80, 0]).is_ok(), "the reserved bit");
}

#[test]
fn headers_that_contradict_themselves_are_named() {
    let broken = |layer| Err(NotUdp::Broken { layer });
    assert_eq!(changed(0, &[0x44]), broken(Layer::Ipv4), "a header below 20 bytes");
    assert_eq!(changed(2, &[0, 19]), broken(Layer::Ipv4), "a packet shorter than its header");
    assert_eq!(changed(2, &[0, 31]), broken(Layer::Udp), "a datagram longer than its packet");
    assert_eq!(changed(24, &[0, 7]), broken(Layer::Udp), "a datagram shorter than its header");
    assert_eq!(changed(0, &[0x55]), broken(Layer::Link), "no version of IP");
    let wrong = ethernet(0x0800, &[0x65; 40]);
    assert_eq!(datagram(Link::Ethernet, &wrong), broken(Layer::Ipv4));
    let wrong = ethernet(0x86DD, &[0x45; 40]);
    assert_eq!(datagram(Link::Ethernet, &wrong), broken(Layer::Ipv6));
}

#[test]
fn a_packet_whose_length_its_card_was_to_fill_in_is_read() {
    assert_eq!(changed(2, &[0, 0]).map(|datagram| datagram.payload), Ok(&b"tick"[..]));
}

#[test]
fn what_is_not_udp_is_told_apart() {
    assert_eq!(changed(9, &[6]), Err(NotUdp::Protocol { protocol: 6 }));
    for (ethertype, name) in [(0x0806, "ARP"), (38, "802.3"), (0x88CC, "LLDP")] {
        let frame = ethernet(ethertype, &[0; 46]);
        assert_eq!(datagram(Link::Ethernet, &frame), Err(NotUdp::NotIp { ethertype }), "{name}");
    }
    let other_family = [16, 0, 0, 0, 1, 2, 3];
    assert_eq!(datagram(Link::Null, &other_family), Err(NotUdp::NotIp { ethertype: 16 }));
    assert_eq!(NotUdp::NotIp { ethertype: 0x806 }.to_string(), "not IP: ethertype 0x0806");
}

#[test]
fn a_frame_cut_at_any_byte_says_where() {
    let frame = frame(&[5], b"tick");
    for len in 0..frame.len() {
        let layer = match len {
            0..14 => Layer::Link,
            14..18 => Layer::Vlan,
            18..38 => Layer::Ipv4,
            _ => Layer::Udp,
        };
        let error = datagram(Link::Ethernet, &frame[..len]).expect_err("it is cut");
        let NotUdp::Cut { layer: found, needed, left } = error else { panic!("{error}") };
        assert!(found == layer && needed > left, "cut after {len} bytes: {error}");
    }
    let snapped = &frame[..frame.len() - 1];
    let error = NotUdp::Cut { layer: Layer::Udp, needed: 12, left: 11 };
    assert_eq!(datagram(Link::Ethernet, snapped), Err(error));
    assert_eq!(error.to_string(), "Udp needs 12 bytes, 11 were captured");
}

/// An IPv6 packet with `headers` between its own and UDP's, the first of type `next`.
fn v6(next: u8, headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let udp = [&[0x0F, 0xA1, 0x67, 0x6D, 0, 8 + payload.len() as u8, 0, 0][..], payload].concat();
    let len = (headers.len() + udp.len()) as u16;
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([next, 16]);
    packet.extend(Ipv6Addr::LOCALHOST.octets());
    packet.extend([0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11]);
    packet.extend([headers, &udp[..]].concat());
    packet
}

#[test]
fn ipv6_is_read_with_the_headers_that_may_stand_before_udp() {
    let dst: SocketAddr = "[ff02::11]:26477".parse().expect("an address");
    let hop = [17, 0, 5, 2, 0, 0, 1, 0];
    let two = [[60, 0, 1, 4, 0, 0, 0, 0], hop].concat();
    for packet in [v6(17, &[], b"tick"), v6(0, &hop, b"tick"), v6(43, &two, b"tick")] {
        for (link, frame) in [
            (Link::Raw, packet.clone()),
            (Link::Ethernet, ethernet(0x86DD, &packet)),
            (Link::Null, [&[30, 0, 0, 0][..], &packet].concat()),
        ] {
            let datagram = datagram(link, &frame).expect("a datagram");
            assert_eq!((datagram.dst, datagram.payload), (dst, &b"tick"[..]));
            for len in 0..frame.len() {
                let cut = tickspin_wire::net::datagram(link, &frame[..len]);
                assert!(matches!(cut, Err(NotUdp::Cut { .. })), "{link}, {len}: {cut:?}");
            }
        }
    }
    let fragment = v6(44, &[17, 0, 0, 1, 0, 0, 0, 1], b"tick");
    assert_eq!(datagram(Link::Raw, &fragment), Err(NotUdp::Fragment));
    let icmp = v6(58, &[], b"tick");
    assert_eq!(datagram(Link::Raw, &icmp), Err(NotUdp::Protocol { protocol: 58 }));
    let mut longer = v6(0, &hop, b"tick");
    longer[5] = 7;
    assert_eq!(datagram(Link::Raw, &longer), Err(NotUdp::Broken { layer: Layer::Ipv6 }));
}

#[test]
fn what_does_not_fit_is_refused_before_a_byte_is_written() {
    let envelope = Envelope { src: src(), dst: dst(), vlans: &[] };
    let mut out = [0xEE; 45];
    assert_eq!(envelope.encode(b"tick", &mut out), Err(EncodeError::Room { needed: 46 }));
    let mut large = vec![0xEE; 70_000];
    let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(envelope.encode(&payload, &mut large), Err(EncodeError::Payload));
    let tagged = Envelope { vlans: &[1; VLANS_MAX + 1], ..envelope };
    assert_eq!(tagged.encode(b"tick", &mut large), Err(EncodeError::Vlans));
    assert!(out.iter().chain(&large).all(|&byte| byte == 0xEE));
    assert!(envelope.encode(&payload[1..], &mut large).is_ok());
    assert_eq!(self::payload(Link::Ethernet, &large).map(<[u8]>::len), Ok(PAYLOAD_BYTES_MAX));
}

/// Ones' complement sum over the header; 0xFFFF where its checksum is right.
fn sum(header: &[u8]) -> u16 {
    header.chunks(2).fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], word[1]]));
        sum + u16::from(carry)
    })
}

proptest! {
    #[test]
    fn encoded_frames_decode_to_what_they_were_made_of(
        src: (u32, u16),
        dst: (u32, u16),
        vlans in prop::collection::vec(any::<u16>(), 0..=VLANS_MAX),
        payload in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let (src, dst) = (SocketAddrV4::new(src.0.into(), src.1), SocketAddrV4::new(dst.0.into(), dst.1));
        let envelope = Envelope { src, dst, vlans: &vlans };
        let mut frame = vec![0; 2000];
        let len = envelope.encode(&payload, &mut frame).expect("it fits");
        let ipv4 = envelope.header_bytes() - 28;
        prop_assert_eq!(sum(&frame[ipv4..ipv4 + 20]), 0xFFFF);
        let expected = Datagram { src: src.into(), dst: dst.into(), payload: &payload };
        prop_assert_eq!(datagram(Link::Ethernet, &frame[..len]), Ok(expected));
    }

    #[test]
    fn no_bytes_whatever_are_a_panic(
        link in 0..LINKS.len(),
        head in prop::sample::select(vec![&b""[..], &[0x45], &[0x60], &[0; 12], &[2, 0, 0, 0, 0x45]]),
        tail in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = [head, &tail].concat();
        if let Ok(datagram) = datagram(LINKS[link], &bytes) {
            prop_assert!(datagram.payload.len() + 28 <= bytes.len());
        }
    }

    #[test]
    fn no_change_to_a_good_frame_is_a_panic(
        at in 0..60_usize,
        byte: u8,
        at_2 in 0..60_usize,
        byte_2: u8,
    ) {
        for mut frame in [frame(&[1, 2], b"some tick"), ethernet(0x86DD, &v6(0, &[17, 0, 0, 0, 0, 0, 0, 0], b"x"))] {
            let len = frame.len();
            frame[at % len] = byte;
            frame[at_2 % len] = byte_2;
            if let Ok(datagram) = datagram(Link::Ethernet, &frame) {
                prop_assert!(datagram.payload.len() <= len);
            }
        }
    }
}
