//! Requests and their answers, without a socket and with one.

use super::*;

const SESSION: Session = Session(*b"demo000001");

fn name(session: u32) -> Session {
    if session == 1 { SESSION } else { Session(*b"demo000002") }
}

/// Message `number` is its number, and left at ten times that, three together.
fn kept(session: u32, number: u64) -> Kept {
    let stamp = MessageStamp { lag_ticks: number as u32, is_warm_up: number < 3 };
    Kept::of((session, number), number.div_ceil(3) * 10, stamp, &number.to_be_bytes()).unwrap()
}

fn server(messages: usize, sent: impl Iterator<Item = Kept>) -> Server {
    let (mut queue, queued) = HeapRb::new(1 << 12).split();
    sent.for_each(|kept| assert!(queue.try_push(kept).is_ok()));
    let kept = vec![Kept::NONE; messages].into_boxed_slice();
    let mut server = Server { queued, kept, session: 0, last: 0, part: ResendOut::default() };
    server.take();
    server
}

/// (first number, messages, send stamp) of each packet of the answer.
fn ask(server: &mut Server, request: &[u8]) -> Vec<(u64, Vec<u64>, u64)> {
    let mut packets = Vec::new();
    let session = name(server.session);
    server.answer(request, session, |bytes| {
        assert!(bytes.len() <= PAYLOAD_BYTES);
        let packet = Packet::decode(bytes).unwrap();
        let stamps = packet.send_stamps().unwrap();
        let messages: Vec<u64> = packet
            .messages()
            .map(|message| u64::from_be_bytes(message.unwrap().try_into().unwrap()))
            .collect();
        for (index, &number) in messages.iter().enumerate() {
            let stamp = stamps.message(index);
            assert_eq!((u64::from(stamp.lag_ticks), stamp.is_warm_up), (number, number < 3));
        }
        packets.push((packet.sequence, messages, stamps.sent_ticks));
        true
    });
    packets
}

fn request(session: Session, first: u64, count: u16) -> [u8; 20] {
    Request { session, first, count }.encode()
}

#[test]
fn an_answer_has_the_messages_with_the_stamps_they_had() {
    let mut server = server(64, (1..=20).map(|number| kept(1, number)));
    let answer = ask(&mut server, &request(SESSION, 2, 4));
    assert_eq!(answer, [(2, vec![2, 3], 10), (4, vec![4, 5], 20)]);
    // No further than what was sent.
    assert_eq!(ask(&mut server, &request(SESSION, 20, 500)), [(20, vec![20], 70)]);
    assert_eq!((server.part.answered, server.part.packets, server.part.messages), (2, 3, 5));
}

#[test]
fn what_cannot_be_answered_is_counted_by_cause() {
    let mut server = server(8, (1..=20).filter(|number| *number != 17).map(|n| kept(1, n)));
    for (bytes, cause) in [
        (&request(SESSION, 2, 4)[..19], "malformed"),
        (&request(SESSION, 20, 0), "malformed"),
        (&request(SESSION, 0, 1), "malformed"),
        (&request(Session(*b"other     "), 20, 1), "other_session"),
        (&request(SESSION, 21, 1), "beyond"),
        (&request(SESSION, 2, 4), "not_kept"),
        (&request(SESSION, 17, 1), "not_kept"),
    ] {
        assert_eq!(ask(&mut server, bytes), [], "{cause}");
    }
    let ResendOut { malformed, other_session, beyond, not_kept, answered, .. } = server.part;
    assert_eq!((malformed, other_session, beyond, not_kept, answered), (3, 1, 1, 2, 0));
    // What the source left out is stepped over.
    assert_eq!(ask(&mut server, &request(SESSION, 17, 2)), [(18, vec![18], 60)]);
}

#[test]
fn a_new_session_voids_the_one_before() {
    let sent = (1..=20).map(|n| kept(1, n)).chain((1..=2).map(|n| kept(2, n)));
    let mut server = server(64, sent);
    assert_eq!(ask(&mut server, &request(SESSION, 1, 1)), []);
    assert_eq!(ask(&mut server, &request(name(2), 3, 1)), []);
    assert_eq!(ask(&mut server, &request(name(2), 1, 9)), [(1, vec![1, 2], 10)]);
    assert_eq!((server.part.other_session, server.part.beyond), (1, 1));
}

#[test]
fn one_answer_is_bounded() {
    let sent = (1..=1_000).map(|number| Kept { sent_ticks: number, ..kept(1, number) });
    let mut server = server(1_024, sent);
    let answer = ask(&mut server, &request(SESSION, 1, 1_000));
    assert_eq!(answer.len(), PACKETS_MAX);
    // Those that left together fill the packet.
    let sent = (1..=1_000).map(|number| Kept { sent_ticks: 1, ..kept(1, number) });
    let mut server = self::server(1_024, sent);
    let answer = ask(&mut server, &request(SESSION, 1, 1_000));
    let counts: Vec<usize> = answer.iter().map(|(_, messages, _)| messages.len()).collect();
    assert!(counts[0] > 60 && counts.iter().sum::<usize>() == 1_000, "{counts:?}");
}

#[test]
fn the_thread_answers_what_was_handed_over_and_ends() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(address) = free.local_addr().unwrap() else { panic!("IPv4") };
    drop(free);
    let mut resend = Resend::start(address, 64, name, &Arc::default()).unwrap();
    (1..=5).for_each(|number| resend.keep(kept(1, number)));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(&request(SESSION, 4, 1), address).unwrap();
    let mut bytes = [0; 2_048];
    let (len, _) = client.recv_from(&mut bytes).unwrap();
    assert_eq!(Packet::decode(&bytes[..len]).unwrap().sequence, 4);
    let taken = Resend::start(address, 64, name, &Arc::default()).err().unwrap().to_string();
    assert!(taken.contains("ss -ulnp"), "{taken}");
    assert_eq!(resend.finish().map(|part| (part.answered, part.unkept)), Some((1, 0)));
}
