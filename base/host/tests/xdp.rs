//! `AF_XDP` with the real kernel and real packets: each test on a veth pair in namespaces of its own.
#![cfg(feature = "xdp")]

#[path = "net/frames.rs"]
mod frames;
mod net;

use net::{FAR, FAR_ADDRESS, FLOWS, NEAR, NEAR_ADDRESS, Namespace, Pair, inject, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tickspin_host::interface::{Interface, ProgramPlace};
use tickspin_host::netns::CablePlan;
use tickspin_host::packets::{Flow, NotSent, OpenError, PacketSink, PacketSource};
use tickspin_host::rights::{self, User};
use tickspin_host::udp::{UdpSender, UdpSource};
use tickspin_host::xdp::{
    Mode, ModeWish, Queues, Verdict, XdpConfig, XdpSender, XdpSenderConfig, XdpSource, ZeroCopy,
};

/// Few enough that several tests at once stay small.
const FRAMES: u32 = 1_024;

fn config(mode: ModeWish) -> XdpConfig<'static> {
    XdpConfig { mode, frames: FRAMES, ..XdpConfig::new(FAR, &FLOWS) }
}

fn open(far: &Namespace, mode: ModeWish) -> XdpSource {
    far.run(|| XdpSource::open(&config(mode))).unwrap_or_else(|error| panic!("{error}"))
}

fn sender(near: &Namespace, queue: u32) -> XdpSender {
    let config = XdpSenderConfig {
        interface: NEAR,
        flows: &FLOWS,
        queue,
        frames: FRAMES,
        port: 40_000,
        host: None,
        zero_copy: ZeroCopy::Off,
    };
    near.run(|| XdpSender::open(&config)).unwrap_or_else(|error| panic!("{error}"))
}

/// Sends `count` numbered datagrams on the lines in turn; each line must bring its own, in order.
fn carry(sender: &mut impl PacketSink, source: &mut impl PacketSource, count: u32) {
    let (mut next, mut taken) = ([0, 1], 0);
    let mut take = |source: &mut _| {
        PacketSource::rx_burst(source, 16, |datagram| {
            let line = usize::from(datagram.flow);
            assert_eq!(datagram.payload, u32::to_be_bytes(next[line]));
            next[line] += 2;
        })
    };
    let before = source.health().received;
    for number in 0..count {
        assert!(until(|| sender.send((number % 2) as u16, &number.to_be_bytes()).is_ok()));
        assert!(until(|| sender.flush().is_ok()));
        // So that no queue on the way is ever full.
        assert!(until(|| {
            taken += take(source);
            taken + 30 >= number
        }));
    }
    assert!(
        until(|| {
            taken += take(source);
            taken == count
        }),
        "{taken} of {count}: {:?}",
        source.health()
    );
    let health = source.health();
    assert_eq!(health.received - before, u64::from(count));
    assert_eq!((health.dropped, health.invalid, health.errors), (0, 0, 0), "{health:?}");
}

#[test]
fn the_program_takes_our_flows_and_nothing_else() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let source = open(&pair.far, ModeWish::Generic);
    let [first, second] = frames::fragments(FLOWS[0], &[9; 32]);
    let other_port = Flow { port: 5_002, ..FLOWS[0] };
    let other_group = Flow { address: Ipv4Addr::new(239, 1, 1, 3), ..FLOWS[0] };
    let changed = |at: usize, byte: u8| {
        let mut frame = frames::plain(FLOWS[0], b"changed");
        frame[at] = byte;
        frame
    };
    let mut twice_tagged = frames::tagged(FLOWS[0], b"two");
    twice_tagged.splice(12..12, [0x81, 0, 0, 6]);
    let table = [
        ("line A", frames::plain(FLOWS[0], b"a"), Verdict::Redirect),
        ("line B", frames::plain(FLOWS[1], b"b"), Verdict::Redirect),
        ("no payload", frames::plain(FLOWS[0], b""), Verdict::Redirect),
        ("the longest", frames::plain(FLOWS[0], &[1; 1_472]), Verdict::Redirect),
        ("one tag", frames::tagged(FLOWS[1], b"t"), Verdict::Redirect),
        ("padding", frames::padded(FLOWS[0], b"p"), Verdict::Redirect),
        ("two tags", twice_tagged, Verdict::Pass),
        ("another port", frames::plain(other_port, b"x"), Verdict::Pass),
        ("another group", frames::plain(other_group, b"x"), Verdict::Pass),
        ("IP options", frames::with_options(FLOWS[0], b"o"), Verdict::Pass),
        ("first fragment", first, Verdict::Pass),
        ("second fragment", second, Verdict::Pass),
        ("ARP", changed(13, 6), Verdict::Pass),
        ("IPv6", changed(12, 0x86), Verdict::Pass),
        ("TCP", changed(23, 6), Verdict::Pass),
        ("IGMP", changed(23, 2), Verdict::Pass),
        ("version 6", changed(14, 0x65), Verdict::Pass),
        ("cut", frames::plain(FLOWS[0], b"")[..41].to_vec(), Verdict::Pass),
        ("cut behind a tag", frames::tagged(FLOWS[0], b"")[..45].to_vec(), Verdict::Pass),
        ("an Ethernet header", frames::plain(FLOWS[0], b"")[..14].to_vec(), Verdict::Pass),
    ];
    for (name, frame, want) in table {
        let (verdict, _) = source.verdict(&frame, 1).unwrap();
        assert_eq!(verdict, want, "{name}");
    }
    let (_, ns) = source.verdict(&frames::plain(FLOWS[1], b"b"), 10_000).unwrap();
    println!("{ns} ns a redirected packet");
}

/// Traffic that is not ours goes on as if nobody listened.
fn others_are_untouched(pair: &Pair, source: &mut XdpSource) {
    let echo = pair.far.run(|| UdpSocket::bind((FAR_ADDRESS, 7_000))).unwrap();
    let client = pair.near.run(|| UdpSocket::bind((NEAR_ADDRESS, 0))).unwrap();
    let listener = pair.far.run(|| TcpListener::bind((FAR_ADDRESS, 7_001))).unwrap();
    let same_port = pair
        .far
        .run(|| UdpSource::open(FAR, &[Flow { address: FAR_ADDRESS, port: 5_001 }], 1 << 16));
    let mut same_port = same_port.unwrap();
    client.send_to(b"ping", (FAR_ADDRESS, 7_000)).unwrap();
    let mut buffer = [0; 16];
    let (len, from) = echo.recv_from(&mut buffer).unwrap();
    echo.send_to(&buffer[..len], from).unwrap();
    assert_eq!(client.recv_from(&mut buffer).unwrap().0, 4);
    client.send_to(b"own port, not a group", (FAR_ADDRESS, 5_001)).unwrap();
    assert!(until(|| same_port.rx_burst(1, |_| ()) == 1));
    let mut stream = pair.near.run(|| TcpStream::connect((FAR_ADDRESS, 7_001))).unwrap();
    stream.write_all(b"hello").unwrap();
    drop(stream);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert_eq!(source.rx_burst(64, |_| panic!("none of it is ours")), 0);
    assert_eq!(source.health().foreign, 0);
}

#[test]
fn both_lines_come_in_native_and_in_generic_mode_and_others_are_untouched() {
    for (wish, mode, place) in [
        (ModeWish::NativeThenGeneric, Mode::Native, ProgramPlace::Native),
        (ModeWish::Native, Mode::Native, ProgramPlace::Native),
        (ModeWish::Generic, Mode::Generic, ProgramPlace::Generic),
    ] {
        let Some(pair) = Pair::new(CablePlan::default()) else { return };
        let mut source = open(&pair.far, wish);
        let obtained = source.obtained();
        assert_eq!((obtained.mode, obtained.is_zero_copy, obtained.queues), (mode, false, 1));
        let line = obtained.to_string();
        let start = format!("AF_XDP on far0: {mode} mode, copy, 1 queue of 1024 × 2048 bytes on ");
        assert!(line.starts_with(&start), "{line}");
        let program = pair.far.run(|| Interface::named(FAR)).unwrap().xdp.unwrap();
        assert_eq!(program.place, place);
        assert!(pair.far.sh(&format!("ip maddr show dev {FAR}")).contains("239.1.1.1"));
        let mut udp = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
        carry(&mut udp, &mut source, 10_000);
        carry_from_zero(&pair, &mut source);
        others_are_untouched(&pair, &mut source);
        assert!(source.health().napi_id.is_some());
        drop(source);
        let after = pair.far.run(|| Interface::named(FAR)).unwrap();
        assert_eq!(after.xdp, None, "the program is gone with its source");
        assert!(!pair.far.sh(&format!("ip maddr show dev {FAR}")).contains("239.1.1.1"));
    }
}

/// More datagrams than there are frames, so that each is used several times at both ends.
fn carry_from_zero(pair: &Pair, source: &mut XdpSource) {
    let mut sender = sender(&pair.near, 0);
    carry(&mut sender, source, 10_000);
    assert!(until(|| sender.free() == FRAMES as usize - 64), "{} came back", sender.free());
    assert_eq!((sender.invalid(), sender.is_zero_copy()), (0, false));
    assert_eq!(sender.send(0, &[0; 1_473]), Err(NotSent::TooLong { bytes_max: 1_472 }));
    assert_eq!(sender.send(2, b""), Err(NotSent::NoSuchFlow));
}

#[test]
fn what_the_wire_brings_is_either_ours_or_the_kernels() {
    for mode in [ModeWish::Native, ModeWish::Generic] {
        let Some(pair) = Pair::new(CablePlan::default()) else { return };
        let mut source = open(&pair.far, mode);
        let mut kernel = pair.far.run(|| UdpSource::open(FAR, &FLOWS, 1 << 16)).unwrap();
        let [first, second] = frames::fragments(FLOWS[0], &[9; 32]);
        let mut malformed = frames::plain(FLOWS[0], b"length");
        malformed[39] = 200;
        pair.near.run(|| {
            inject(&[
                frames::plain(FLOWS[0], b"plain"),
                frames::tagged(FLOWS[1], b"tagged"),
                frames::padded(FLOWS[1], b"padded"),
                malformed,
                frames::with_options(FLOWS[1], b"options"),
                first,
                second,
                frames::plain(FLOWS[0], &[5; 1_472]),
            ]);
        });
        let mut seen: Vec<(u16, Vec<u8>)> = Vec::new();
        let mut theirs: Vec<Vec<u8>> = Vec::new();
        let all = until(|| {
            source.rx_burst(16, |d| seen.push((d.flow, d.payload.to_vec())));
            kernel.rx_burst(16, |d| theirs.push(d.payload.to_vec()));
            seen.len() == 4 && theirs.len() == 2
        });
        assert!(all, "{mode:?}: {seen:?} {theirs:?} {:?}", source.health());
        let ours: [(u16, &[u8]); 4] =
            [(0, b"plain"), (1, b"tagged"), (1, b"padded"), (0, &[5; 1_472])];
        for ((flow, payload), want) in seen.iter().zip(ours) {
            assert_eq!((*flow, &payload[..]), want);
        }
        theirs.sort();
        // Options and fragments: the kernel reads the ones and puts the others together.
        assert_eq!(theirs, [vec![9; 32], b"options".to_vec()]);
        let health = source.health();
        assert_eq!((health.received, health.malformed, health.invalid), (4, 1, 0), "{health:?}");
    }
}

#[test]
fn a_longer_mtu_takes_larger_frames_and_one_too_long_is_refused() {
    let Some(pair) = Pair::new(CablePlan { mtu_bytes: 3_000, ..CablePlan::default() }) else {
        return;
    };
    for mode in [ModeWish::NativeThenGeneric, ModeWish::Generic] {
        let mut source = open(&pair.far, mode);
        assert_eq!(source.obtained().frame_bytes, 4_096);
        let mut udp = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
        udp.send(1, &[6; 2_972]).unwrap();
        assert!(until(|| source.rx_burst(1, |d| assert_eq!(d.payload, [6; 2_972])) == 1));
    }
    pair.far.sh(&format!("ip link set {FAR} mtu 9000"));
    let error = pair.far.run(|| XdpSource::open(&config(ModeWish::Generic))).unwrap_err();
    assert!(error.to_string().contains("ip link set far0 mtu 1500"), "{error}");
}

#[test]
fn two_queues_are_both_listened_to_and_one_alone_leaves_the_other_to_the_kernel() {
    for mode in [ModeWish::Native, ModeWish::Generic] {
        let Some(pair) = Pair::new(CablePlan { queues: 2, ..CablePlan::default() }) else { return };
        let mut senders = [sender(&pair.near, 0), sender(&pair.near, 1)];
        let send = |senders: &mut [XdpSender; 2], count: u32| {
            for _ in 0..count {
                for (queue, sender) in senders.iter_mut().enumerate() {
                    sender.send(queue as u16, &[queue as u8]).unwrap();
                    sender.flush().unwrap();
                }
            }
        };
        let mut source = open(&pair.far, mode);
        assert_eq!(source.obtained().queues, 2);
        send(&mut senders, 20);
        let mut seen = [0, 0];
        let all = until(|| {
            source.rx_burst(1, |datagram| seen[usize::from(datagram.flow)] += 1);
            seen == [20, 20]
        });
        assert!(all, "{mode:?} {seen:?} {:?}", source.health());
        drop(source);

        let one = XdpConfig { queues: Queues::One(1), ..config(mode) };
        let mut source = pair.far.run(|| XdpSource::open(&one)).unwrap();
        let mut kernel = pair.far.run(|| UdpSource::open(FAR, &FLOWS, 1 << 16)).unwrap();
        send(&mut senders, 20);
        let (mut ours, mut theirs) = ([0, 0], [0, 0]);
        let all = until(|| {
            source.rx_burst(8, |datagram| ours[usize::from(datagram.flow)] += 1);
            kernel.rx_burst(8, |datagram| theirs[usize::from(datagram.flow)] += 1);
            // Without a program in its driver a veth pair brings all to queue 0.
            match mode {
                ModeWish::Generic => ours == [0, 0] && theirs == [20, 20],
                _ => ours == [0, 20] && theirs == [20, 0],
            }
        });
        assert!(all, "{mode:?} {ours:?} {theirs:?}");
        let none = XdpConfig { queues: Queues::One(2), ..config(mode) };
        let error = pair.far.run(|| XdpSource::open(&none)).unwrap_err();
        assert!(error.to_string().contains("it has 2, from 0 on"), "{error}");
    }
}

#[test]
fn what_a_stalled_receiver_loses_is_counted_to_the_last_packet() {
    for mode in [ModeWish::Native, ModeWish::Generic] {
        let Some(pair) = Pair::new(CablePlan::default()) else { return };
        let config = XdpConfig { frames: 64, ..config(mode) };
        let mut source = pair.far.run(|| XdpSource::open(&config)).unwrap();
        let mut sender = sender(&pair.near, 0);
        let mut sent = 0;
        let mut send = |count: u32| {
            for _ in 0..count {
                sender.send(0, b"x").unwrap();
                sender.flush().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
            sent += u64::from(count);
            sent
        };
        let mut taken = 0;
        for _ in 0..10 {
            send(100);
        }
        assert!(until(|| source.health().dropped >= 1_000 - 64));
        let mut all_told = |source: &mut XdpSource, sent: u64| {
            until(|| {
                taken += u64::from(source.rx_burst(16, |_| ()));
                taken + source.health().dropped == sent
            })
        };
        assert!(all_told(&mut source, 1_000), "{mode:?} {:?}", source.health());
        let health = source.health();
        assert_eq!((health.received, health.dropped), (64, 936), "{health:?}");
        assert!(health.fill_empty >= 936 && health.ring_full == 0, "{health:?}");
        // It goes on where it was, and loses no more.
        let sent = send(50);
        assert!(all_told(&mut source, sent), "{mode:?} {:?}", source.health());
        assert_eq!((source.health().received, source.health().dropped), (114, 936));
    }
}

#[test]
fn another_program_on_the_interface_is_named_and_left_alone() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let mut first = open(&pair.far, ModeWish::Native);
    let id = pair.far.run(|| Interface::named(FAR)).unwrap().xdp.unwrap().id;
    for mode in [ModeWish::Native, ModeWish::NativeThenGeneric, ModeWish::Generic] {
        let since = Instant::now();
        let error = pair.far.run(|| XdpSource::open(&config(mode))).unwrap_err();
        assert!(matches!(error, OpenError::Taken { .. }), "{error}");
        assert!(error.to_string().contains(&format!("program {id} on it")), "{error}");
        assert!((1..3).contains(&since.elapsed().as_secs()), "waited for a predecessor");
    }
    let mut udp = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
    carry(&mut udp, &mut first, 100);
}

#[test]
fn zero_copy_is_refused_or_not_got_and_never_claimed() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let wish = |zero_copy| XdpConfig { zero_copy, ..config(ModeWish::Native) };
    let open = |zero_copy| pair.far.run(|| XdpSource::open(&wish(zero_copy)));
    let error = open(ZeroCopy::Require).unwrap_err();
    assert!(error.to_string().contains("no zero-copy"), "{error}");
    assert!(!open(ZeroCopy::Auto).unwrap().obtained().is_zero_copy);
}

/// This very program again, as one test of it that does something only as a child.
fn child(namespace: &Namespace, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).env("TICKSPIN_CHILD", name);
    namespace.run(|| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()).unwrap()
}

fn is_child(name: &str) -> bool {
    std::env::var("TICKSPIN_CHILD").is_ok_and(|child| child == name)
}

/// Waits for a line of the child's that ends in `word`.
fn expect(child: &mut Child, word: &str) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.ends_with(word));
    if !found {
        let mut text = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        panic!("the child did not say {word}: {text}");
    }
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_receives() {
    if !is_child("child_that_receives") {
        return;
    }
    let mode =
        if std::process::id().is_multiple_of(2) { ModeWish::Native } else { ModeWish::Generic };
    let mut source = XdpSource::open(&config(mode)).unwrap();
    println!("ready");
    loop {
        source.rx_burst(16, |_| ());
    }
}

#[test]
fn a_killed_receiver_leaves_nothing_and_the_next_one_begins_at_once() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let mut udp = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
    let program = || pair.far.run(|| Interface::named(FAR)).unwrap().xdp;
    for round in 0..20 {
        let mut receiver = child(&pair.far, "child_that_receives");
        expect(&mut receiver, "ready");
        assert!(program().is_some());
        // Killed with packets under way.
        for _ in 0..50 {
            udp.send(0, b"x").unwrap();
        }
        receiver.kill().unwrap();
        receiver.wait().unwrap();
        assert!(until(|| program().is_none()), "round {round}: a program is left");
    }
    let mut source = open(&pair.far, ModeWish::Native);
    source.rx_burst(1_024, |_| ());
    carry(&mut udp, &mut source, 1_000);
}

#[test]
#[ignore = "a child of the test below"]
fn child_without_rights() {
    if !is_child("child_without_rights") {
        return;
    }
    let mut source = XdpSource::open(&config(ModeWish::Native)).unwrap();
    rights::give_up(Some(User { uid: 65_534, gid: 65_534 })).unwrap();
    let error = XdpSource::open(&config(ModeWish::Native)).unwrap_err();
    assert!(error.is_permission(), "{error}");
    let wish = "sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep /";
    assert!(error.to_string().contains(wish), "{error}");
    println!("ready");
    let mut taken = 0;
    assert!(until(|| {
        taken += source.rx_burst(16, |_| ());
        taken == 100
    }));
    assert_eq!(source.health().errors, 0);
    println!("received");
}

#[test]
fn a_source_goes_on_without_the_privileges_that_it_was_opened_with() {
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let mut udp = pair.near.run(|| UdpSender::open(NEAR, &FLOWS, false)).unwrap();
    let mut receiver = child(&pair.far, "child_without_rights");
    expect(&mut receiver, "ready");
    for _ in 0..100 {
        udp.send(1, b"x").unwrap();
    }
    let output = receiver.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = pair.far.run(|| Interface::named(FAR)).unwrap().xdp;
    assert_eq!(program, None, "an orderly end takes the program off, without privilege");
}
