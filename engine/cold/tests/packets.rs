//! Sessions whose events come by packets: an engine process, a feed in this process, real sockets.

mod feed;

use feed::{Feed, PATIENCE, Place, Waiting, finish, start};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::clock::ticks;
use tickspin_host::process::is_root;
use tickspin_ring::region::Policy;
use tickspin_ring::rendezvous::Served;
use tickspin_testkit::twin::Twin;
use tickspin_wire::event::{Event, flag};
use tickspin_wire::itch50::{
    AddOrder, Alpha, Header, MESSAGE_BYTES_MAX, Message, OrderDelete, encode,
};
use tickspin_wire::moldudp64::stamps::{MessageStamp, write_stamps};
use tickspin_wire::moldudp64::{PacketWriter, Request, Session, end_of_session, heartbeat};
use tickspin_wire::normalize::itch_event;

const WARM_UP: u64 = 100;

/// Orders that enter and leave, and some of them stay.
fn message(number: u64) -> Vec<u8> {
    let header =
        Header { locate: 1 + (number % 3) as u16, tracking: 0, timestamp_ns: number * 1_000 };
    let message: Message = match number % 4 {
        0 => OrderDelete { header, order_ref: number - 3 }.into(),
        at => AddOrder {
            header,
            order_ref: number,
            side: if at == 2 { b'S' } else { b'B' },
            shares: 100 + number as u32 % 7,
            stock: Alpha(*b"TICKSPIN"),
            price_1e4: if at == 2 { 1_010_000 } else { 1_000_000 } + number as u32 % 9 * 100,
        }
        .into(),
    };
    let mut bytes = [0; MESSAGE_BYTES_MAX];
    let len = encode(&message, &mut bytes).unwrap();
    bytes[..len].to_vec()
}

/// One message in a packet, stamped now.
fn packet(session: Session, first: u64) -> Vec<u8> {
    let mut out = [0; 1_472];
    let mut writer = PacketWriter::new(&mut out, session, first).unwrap();
    assert!(writer.push(&message(first)));
    let len = writer.finish();
    let stamp = MessageStamp { lag_ticks: 0, is_warm_up: first <= WARM_UP };
    let more = write_stamps(&mut out[len..], &[stamp], ticks()).unwrap();
    out[..len + more].to_vec()
}

/// Ports of this test: lines A and B on this host.
struct Lines {
    socket: UdpSocket,
    to: [SocketAddrV4; 2],
}

impl Lines {
    fn new() -> Lines {
        let port = || {
            let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            probe.local_addr().unwrap().port()
        };
        let to = [port(), port()].map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        Lines { socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), to }
    }

    fn send(&self, line: usize, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to[line]).unwrap();
    }

    fn both(&self, bytes: &[u8]) {
        self.send(0, bytes);
        self.send(1, bytes);
    }

    fn flags(&self, recovery: Option<SocketAddrV4>) -> Vec<String> {
        let recovery = recovery.map_or("none".to_owned(), |server| server.to_string());
        let [a, b] = self.to.map(|to| to.to_string());
        ["--input", "udp", "--interface", "lo", "--line-a", &a, "--line-b", &b, "--recovery"]
            .into_iter()
            .map(str::to_owned)
            .chain([recovery])
            .collect()
    }
}

/// Answers requests for lost packets, as the venue's server does.
struct Server {
    address: SocketAddrV4,
    is_over: Arc<AtomicBool>,
    handle: thread::JoinHandle<u64>,
}

impl Server {
    fn start(sent: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>) -> Server {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let handle = thread::spawn(move || {
            let (mut buffer, mut answered) = ([0; 64], 0);
            while !told.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                let request = Request::decode(&buffer[..len]).unwrap();
                for number in request.first..request.first + u64::from(request.count) {
                    if let Some(packet) = sent.lock().unwrap().get(&number) {
                        socket.send_to(packet, from).unwrap();
                        answered += 1;
                    }
                }
            }
            answered
        });
        Server { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), is_over, handle }
    }

    fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.handle.join().unwrap()
    }
}

/// The first session of this feed.
fn session(feed: &Feed) -> Session {
    Session::of_run(feed.epoch, 1)
}

/// The end of the session, until the engine has halted its requests.
fn end(mut feed: Feed, lines: &Lines, next: u64) -> usize {
    let session = session(&feed);
    feed.events.pass(1).unwrap();
    let begun = Instant::now();
    while feed.requests.ended().is_none() {
        lines.both(&end_of_session(session, next));
        thread::sleep(Duration::from_millis(2));
        feed.answer();
        assert!(begun.elapsed() < PATIENCE, "the engine never halted its requests");
    }
    feed.events.halt();
    feed.answer();
    feed.reports.halt();
    feed.taken.len()
}

fn hash_of(numbers: impl Iterator<Item = u64>) -> String {
    let mut twin = Twin::new();
    for number in numbers {
        let event = itch_event(&message(number)).unwrap();
        let flags = event.flags | if number <= WARM_UP { flag::WARM_UP } else { 0 };
        twin.apply(&Event { flags, ..event });
    }
    tickspin_engine::book_hash::hex(&Sha256::digest(twin.lines()))
}

#[test]
fn what_each_line_loses_the_other_brings_and_the_rest_is_asked_for_in_step() {
    const COUNT: u64 = 2_000;
    let (place, lines) = (Place::new(), Lines::new());
    let sent = Arc::new(Mutex::new(BTreeMap::new()));
    let server = Server::start(Arc::clone(&sent));
    let waiting = Waiting::by_packets(&place, Policy::Lockstep);
    let flags = lines.flags(Some(server.address));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let fixed = ["--strategy", "probe", "--json"];
    let mut command = place.engine(&[&fixed[..], &flags].concat());
    let engine = start(command.env("TICKSPIN_ENGINE_PACKETS_GIVE_UP_MS", "20000"));
    let mut feed = waiting.meet();
    let session = session(&feed);
    lines.both(&heartbeat(session, 1));
    for number in 1..=COUNT {
        let packet = packet(session, number);
        sent.lock().unwrap().insert(number, packet.clone());
        if number % 3 != 0 {
            lines.send(0, &packet);
        }
        if number % 5 != 0 {
            lines.send(1, &packet);
        }
        assert_eq!(feed.events.pass(1), Some(number));
        let begun = Instant::now();
        while feed.events.consumer_position() < number {
            // A packet that both lines lost at the tail shows by what is said behind it.
            if begun.elapsed() > Duration::from_millis(2) {
                lines.both(&heartbeat(session, number + 1));
                thread::sleep(Duration::from_millis(1));
            }
            assert!(begun.elapsed() < PATIENCE, "event {number} was never finished");
        }
        feed.answer();
    }
    let requests = end(feed, &lines, COUNT + 1);
    let finished = finish(engine);
    assert_eq!(finished.code, 0, "{finished:?}");
    let answered = server.finish();

    let json = place.json();
    assert_eq!((&json["received"], &json["lost"]), (&COUNT.into(), &0.into()));
    assert_eq!(json["warm_up"], WARM_UP);
    assert_eq!(json["book_hash"], hash_of(1..=COUNT));
    assert_eq!(json["orders_sent"], requests);
    assert_eq!(json["latency_ns"]["response"]["count"], COUNT - WARM_UP);
    let packets = &json["packets"];
    assert_eq!((&packets["input"], &packets["interface"]), (&"udp".into(), &"lo".into()));
    let messages = &packets["messages"];
    assert_eq!((&messages["passed"], &messages["lost"]), (&COUNT.into(), &0.into()));
    assert_eq!(messages["recovered"], COUNT / 15);
    assert!(answered >= COUNT / 15);
    let brought = |line: usize| packets["lines"][line]["messages"].as_u64().unwrap();
    assert_eq!((brought(0), brought(1)), (COUNT - COUNT / 3, COUNT - COUNT / 5));
    assert_eq!((&packets["discarded"], &packets["source"]["dropped"]), (&0.into(), &0.into()));
    let notes = json["notes"].to_string();
    assert!(notes.contains("no system calls but") && notes.contains("spinning UDP"), "{notes}");
}

#[test]
fn what_nobody_brings_is_a_gap_and_the_account_holds() {
    const COUNT: u64 = 600;
    let (place, lines) = (Place::new(), Lines::new());
    let waiting = Waiting::by_packets(&place, Policy::Wait);
    let flags = lines.flags(None);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let fixed = ["--strategy", "probe", "--json"];
    let engine = start(&mut place.engine(&[&fixed[..], &flags].concat()));
    let mut feed = waiting.meet();
    let is_lost = |number: u64| (200..203).contains(&number) || number == 400;
    for number in 1..=COUNT {
        feed.events.pass(1).unwrap();
        if !is_lost(number) {
            lines.both(&packet(session(&feed), number));
        }
        feed.answer();
        thread::sleep(Duration::from_micros(50));
    }
    let begun = Instant::now();
    while feed.events.consumer_position() < COUNT {
        feed.answer();
        assert!(begun.elapsed() < PATIENCE, "the numbers are the feed's");
    }
    end(feed, &lines, COUNT + 1);
    let finished = finish(engine);
    assert_eq!(finished.code, 0, "{finished:?}");
    let json = place.json();
    assert_eq!((&json["received"], &json["lost"]), (&(COUNT - 4).into(), &4.into()));
    assert_eq!(json["feed_gaps"], 2);
    assert_eq!(json["book_hash"], hash_of((1..=COUNT).filter(|&number| !is_lost(number))));
}

#[test]
fn a_feed_that_leaves_without_a_word_ends_the_run() {
    let (place, lines) = (Place::new(), Lines::new());
    let waiting = Waiting::by_packets(&place, Policy::Wait);
    let flags = lines.flags(None);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let engine = start(&mut place.engine(&flags));
    let mut feed = waiting.meet();
    for number in 1..=50 {
        feed.events.pass(1).unwrap();
        lines.both(&packet(session(&feed), number));
    }
    feed.events.halt();
    // For longer than the grace after the end that it said: packets are still on their way.
    for number in 51..=60 {
        feed.events.pass(1).unwrap();
        thread::sleep(Duration::from_millis(20));
        lines.both(&packet(session(&feed), number));
    }
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    let json = place.json();
    assert_eq!(json["ended"], "feed left without an end of stream");
    assert_eq!(json["received"], 60, "what was on its way was taken first");
    drop(feed);
}

#[test]
fn another_user_notices_a_dead_feed_and_locked_memory_outlives_the_privilege() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let (place, lines) = (Place::new(), Lines::new());
    let server = Server::start(Arc::default());
    let flags = lines.flags(Some(server.address));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    std::fs::set_permissions(place.temp.path(), Permissions::from_mode(0o711)).unwrap();
    let waiting = Waiting::by_packets(&place, Policy::Wait);
    let fixed = ["--user", "nobody", "--lock-memory"];
    let engine = start(&mut place.engine(&[&fixed[..], &flags].concat()));
    let mut feed = waiting.meet();
    for number in 1..=50 {
        feed.events.pass(1).unwrap();
        lines.both(&packet(session(&feed), number));
    }
    let begun = Instant::now();
    while feed.events.consumer_position() < 50 {
        feed.answer();
        assert!(begun.elapsed() < PATIENCE);
    }
    feed.die();
    let finished = finish(engine);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert_eq!(
        (&place.json()["ended"], &place.json()["received"]),
        (&"feed died".into(), &50.into())
    );
    server.finish();
}

#[test]
fn root_becomes_who_is_named_and_leaves_all_files_to_them() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let (place, lines) = (Place::new(), Lines::new());
    let flags = lines.flags(None);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // Where that user may not even look, or would get what is not theirs, the run is refused.
    let refused = |words: &str| {
        let engine = start(&mut place.engine(&[&["--user", "nobody"][..], &flags].concat()));
        let finished = finish(engine);
        assert_eq!(finished.code, 4, "{finished:?}");
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    };
    refused("cannot get through it");
    assert!(!place.out().exists(), "nothing is left behind");
    std::fs::set_permissions(place.temp.path(), Permissions::from_mode(0o711)).unwrap();
    std::fs::create_dir(place.out()).unwrap();
    std::fs::write(place.out().join("theirs"), "").unwrap();
    refused("not empty");
    std::fs::remove_dir_all(place.out()).unwrap();

    let waiting = Waiting::by_packets(&place, Policy::Wait);
    let engine = start(&mut place.engine(&[&["--user", "nobody"][..], &flags].concat()));
    let mut feed = waiting.meet();
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(of("Uid:").iter().all(|uid| uid != "0"), "{status}");
    assert_eq!(of("CapEff:"), ["0000000000000000"]);
    assert_eq!(of("Seccomp:"), ["2"], "a filter");
    let hot = engine.thread("tickspin-hot").unwrap();
    let of_hot = format!("/proc/{}/task/{hot}/status", engine.pid());
    let of_hot = std::fs::read_to_string(of_hot).unwrap();
    assert!(of_hot.contains("CapEff:\t0000000000000000"), "{of_hot}");
    for number in 1..=50 {
        feed.events.pass(1).unwrap();
        lines.both(&packet(session(&feed), number));
    }
    end(feed, &lines, 51);
    let finished = finish(engine);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(place.json()["received"], 50);
    let owner = std::fs::metadata(place.out().join("engine.json")).unwrap().uid();
    assert_eq!(of("Uid:")[0], owner.to_string());
}

#[test]
fn a_feed_that_sends_elsewhere_is_told_and_does_not_hang_a_signal() {
    let (place, lines, elsewhere) = (Place::new(), Lines::new(), Lines::new());
    let waiting = Waiting::by_packets(&place, Policy::Wait);
    let flags = lines.flags(None);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let engine = start(&mut place.engine(&flags));
    let mut feed = waiting.meet();
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_millis(3_500) {
        number += 1;
        feed.events.pass(1).unwrap();
        feed.events.beat();
        elsewhere.both(&packet(session(&feed), number));
        thread::sleep(Duration::from_millis(20));
    }
    engine.signal(15).unwrap();
    let finished = finish(engine);
    assert_eq!(finished.code, 143, "{finished:?}");
    assert!(finished.stderr.contains("no packet of them came"), "{}", finished.stderr);
    assert_eq!(place.json()["received"], 0);
    drop(feed);
}

#[test]
fn an_engine_that_waits_for_the_other_way_says_so() {
    let (place, lines) = (Place::new(), Lines::new());
    let flags = lines.flags(None);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for (by_packets, arguments, words) in
        [(false, &flags[..], "start it with --sink udp"), (true, &[], "--input udp")]
    {
        let make = if by_packets { Waiting::by_packets } else { Waiting::new };
        let mut waiting = make(&place, Policy::Wait);
        let engine = start(&mut place.engine(arguments));
        assert!(matches!(waiting.serve(), Served::Attached(_)));
        let finished = finish(engine);
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
}

#[test]
fn what_cannot_be_opened_is_one_line_with_the_cure() {
    let place = Place::new();
    for (arguments, code, words) in [
        (&["--input", "udp"][..], 2, "packets.interface"),
        (&["--interface", "lo"], 2, "--input udp"),
        (&["--input", "udp", "--interface", "no-such0"], 4, "there is no interface no-such0"),
        (&["--input", "udp", "--interface", "lo", "--line-a", "x"], 2, "ADDRESS:PORT"),
        (&["--input", "udp", "--interface", "lo", "--line-a", "none"], 2, "one line"),
        (&["--input", "udp", "--interface", "lo", "--user", "no such"], 2, "getent passwd"),
        (&["--input", "udp", "--interface", "lo", "--user", "root"], 4, "only root can become"),
        (&["--user", "nobody"], 2, "only for packets"),
        (&["--recovery", "127.0.0.1:4"], 2, "only for packets"),
        (&["--input", "udp", "--interface", "lo", "--recovery", "239.1.1.1:4"], 2, "one host"),
    ] {
        let finished = finish(start(&mut place.engine(arguments)));
        assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(words), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(!place.out().exists(), "{arguments:?}");
    }
    if !cfg!(feature = "xdp") {
        let finished =
            finish(start(&mut place.engine(&["--input", "af-xdp", "--interface", "lo"])));
        assert_eq!(finished.code, 2);
        assert!(finished.stderr.contains("--features xdp"), "{}", finished.stderr);
    }
}
