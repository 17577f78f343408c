//! UDP and `AF_PACKET` with the real kernel: over loopback without privilege, over a veth pair in
//! namespaces of its own with it.

#[path = "net/frames.rs"]
mod frames;
mod net;

use net::{FAR, FLOWS, NEAR, Pair, inject, until};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};
use tickspin_host::af_packet::AfPacketSource;
use tickspin_host::clock::ticks;
use tickspin_host::netns::CablePlan;
use tickspin_host::packets::{Flow, NotSent, OpenError, PacketSink, PacketSource};
use tickspin_host::udp::{UdpSender, UdpSource};

/// Flows of this test alone: other tests run beside it on the same loopback.
fn loopback_flows(test: u8) -> [Flow; 2] {
    let address = |line| Ipv4Addr::new(239, 77, test, line);
    [Flow { address: address(1), port: 15_000 }, Flow { address: address(2), port: 15_000 }]
}

/// Sends `count` numbered datagrams, on the lines in turn, and takes them meanwhile.
fn carry(sender: &mut impl PacketSink, source: &mut impl PacketSource, count: u32) {
    let mut next = [0, 1];
    let mut taken = 0;
    let start = ticks();
    for number in 0..count {
        sender.send((number % 2) as u16, &number.to_be_bytes()).unwrap();
        sender.flush().unwrap();
        // So that no buffer on the way is ever full.
        while taken + 30 < number {
            taken += take(source, &mut next, start);
        }
    }
    assert!(
        until(|| {
            taken += take(source, &mut next, start);
            taken == count
        }),
        "{taken} of {count}: {:?}",
        source.health()
    );
    assert_eq!(source.health().received, u64::from(count));
}

/// Each line in order, nothing twice, nothing else.
fn take(source: &mut impl PacketSource, next: &mut [u32; 2], start: u64) -> u32 {
    source.rx_burst(16, |datagram| {
        let line = usize::from(datagram.flow);
        assert_eq!(datagram.payload, next[line].to_be_bytes());
        assert!(datagram.stamp.ticks >= start);
        next[line] += 2;
    })
}

#[test]
fn udp_carries_both_lines_over_loopback() {
    let flows = loopback_flows(1);
    let mut source = UdpSource::open("lo", &flows, 1 << 18).unwrap();
    let mut sender = UdpSender::open("lo", &flows, true).unwrap();
    assert!(source.receive_buffer_bytes() > 0 && sender.port().unwrap() > 0);
    carry(&mut sender, &mut source, 1_000);
    assert_eq!(source.rx_burst(16, |_| panic!("nothing is left")), 0);
    assert_eq!(sender.send(2, b""), Err(NotSent::NoSuchFlow));
    assert!(matches!(sender.send(0, &[0; 65_508]), Err(NotSent::TooLong { .. })));
}

#[test]
fn a_burst_ends_at_its_budget_and_no_line_waits_for_another() {
    let flows = loopback_flows(2);
    let mut source = UdpSource::open("lo", &flows, 1 << 18).unwrap();
    let mut sender = UdpSender::open("lo", &flows, true).unwrap();
    for _ in 0..8 {
        sender.send(0, b"a").unwrap();
    }
    sender.send(1, b"b").unwrap();
    assert!(until(|| {
        let mut lines = Vec::new();
        let taken = source.rx_burst(3, |datagram| lines.push(datagram.flow));
        assert!(taken <= 3 && taken as usize == lines.len());
        // The second line's only datagram is among the first three.
        taken == 0 || lines.contains(&1)
    }));
    assert_eq!(source.rx_burst(0, |_| panic!("no budget")), 0);
}

#[test]
fn udp_sleeps_until_a_datagram_comes_or_time_is_up() {
    let flows = loopback_flows(3);
    for count in [1, 2] {
        let flows = &flows[..count];
        let mut source = UdpSource::open("lo", flows, 1 << 18).unwrap();
        let mut sender = UdpSender::open("lo", flows, true).unwrap();
        let since = Instant::now();
        assert_eq!(source.wait_burst(Duration::from_millis(30), 4, |_| panic!("nothing")), 0);
        assert!(since.elapsed() >= Duration::from_millis(25), "{:?}", since.elapsed());
        sender.send(0, b"abc").unwrap();
        let mut seen = 0;
        let taken = source.wait_burst(Duration::from_secs(5), 4, |datagram| {
            assert_eq!(datagram.payload, b"abc");
            seen += 1;
        });
        assert_eq!((taken, seen), (1, 1));
    }
}

#[test]
fn what_a_full_buffer_loses_is_counted() {
    let flows = loopback_flows(4);
    let mut source = UdpSource::open("lo", &flows[..1], 4_096).unwrap();
    let mut sender = UdpSender::open("lo", &flows[..1], true).unwrap();
    for _ in 0..200 {
        sender.send(0, &[7; 1_000]).unwrap();
    }
    let mut taken = 0;
    assert!(until(|| {
        taken += source.rx_burst(64, |_| ());
        u64::from(taken) + source.health().dropped == 200
    }));
    assert!(taken > 0 && source.health().dropped > 0, "{taken}, {:?}", source.health());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let none = UdpSource::open("no-such-if", &loopback_flows(5), 4_096).unwrap_err();
    assert!(none.to_string().contains("there are: "), "{none}");
    let elsewhere = Flow { address: Ipv4Addr::new(192, 0, 2, 1), port: 15_001 };
    assert!(matches!(UdpSource::open("lo", &[elsewhere], 1), Err(OpenError::Refused { .. })));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mine = Flow { address: Ipv4Addr::LOCALHOST, port };
    let error = UdpSource::open("lo", &[mine], 1).unwrap_err();
    assert!(error.to_string().contains("ss -ulnp"), "{error}");
}

#[test]
fn af_packet_carries_both_lines_and_sees_what_the_wire_brings() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let open = || AfPacketSource::open(FAR, &FLOWS, 1_024).unwrap();
    let mut source = pair.far.run(open);
    assert!(pair.far.sh(&format!("ip maddr show dev {FAR}")).contains("239.1.1.2"));
    let mut sender = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
    carry(&mut sender, &mut source, 20_000);

    let other = Flow { port: 5_002, ..FLOWS[0] };
    let [first, second] = frames::fragments(FLOWS[0], &[9; 32]);
    pair.near.run(|| {
        inject(&[
            frames::plain(FLOWS[0], b"plain"),
            frames::tagged(FLOWS[0], b"tagged"),
            frames::padded(FLOWS[1], b"padded"),
            frames::with_options(FLOWS[1], b"options"),
            first,
            second,
            frames::plain(other, b"other"),
            frames::plain(FLOWS[0], &[5; 1_472]),
        ]);
    });
    let mut seen: Vec<(u16, Vec<u8>)> = Vec::new();
    assert!(until(|| {
        source.rx_burst(16, |datagram| {
            assert!(datagram.stamp.kernel_ns.is_some());
            seen.push((datagram.flow, datagram.payload.to_vec()));
        });
        seen.len() == 5
    }));
    let want: [(u16, &[u8]); 5] =
        [(0, b"plain"), (0, b"tagged"), (1, b"padded"), (1, b"options"), (0, &[5; 1_472])];
    for ((flow, payload), want) in seen.iter().zip(want) {
        assert_eq!((*flow, &payload[..]), want);
    }
    let health = source.health();
    assert_eq!((health.foreign, health.malformed, health.dropped), (0, 0, 0), "{health:?}");
    drop(source);
    let gone = || !pair.far.sh(&format!("ip maddr show dev {FAR}")).contains("239.1.1.2");
    assert!(until(gone), "the group is left when nobody listens");
}

#[test]
fn af_packet_counts_what_a_stalled_receiver_loses() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let mut source = pair.far.run(|| AfPacketSource::open(FAR, &FLOWS, 64)).unwrap();
    let mut sender = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
    let send = |sender: &mut UdpSender| {
        for _ in 0..50 {
            sender.send(0, b"x").unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (0..20).for_each(|_| send(&mut sender));
    let mut taken = source.rx_burst(u32::MAX, |_| ());
    assert!(taken <= 64);
    assert_eq!(u64::from(taken) + source.health().dropped, 1_000, "{:?}", source.health());
    // The ring goes on where it was.
    send(&mut sender);
    assert!(until(|| {
        taken += source.rx_burst(16, |_| ());
        u64::from(taken) + source.health().dropped == 1_050
    }));
    assert_eq!(source.health().dropped, 1_000 - 64);
}

#[test]
fn a_host_that_listens_by_af_packet_does_not_say_unreachable() {
    let Some(pair) = Pair::new(CablePlan { mtu_bytes: 3_000, ..CablePlan::default() }) else {
        return;
    };
    let flow = Flow { address: net::FAR_ADDRESS, port: 6_000 };
    let client = pair.near.run(|| UdpSocket::bind((net::NEAR_ADDRESS, 0))).unwrap();
    client.connect((flow.address, flow.port)).unwrap();
    // Without a listener the answer comes back as an error of the next call.
    client.send(b"x").unwrap();
    assert!(until(|| client.send(b"x").is_err()), "the kernel says unreachable");
    let mut source = pair.far.run(|| AfPacketSource::open(FAR, &[flow], 64)).unwrap();
    let _ = client.take_error();
    let mut taken = 0;
    for _ in 0..20 {
        client.send(&[3; 2_900]).unwrap();
        assert!(until(|| {
            let fresh = source.rx_burst(8, |datagram| assert_eq!(datagram.payload, [3; 2_900]));
            taken += fresh;
            fresh > 0
        }));
    }
    assert_eq!((taken, client.take_error().unwrap().map(|e| e.kind())), (20, None));
}
