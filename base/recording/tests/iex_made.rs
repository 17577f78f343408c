//! IEX captures put together message by message: orders, restarts, what cannot be read.

use proptest::prelude::*;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use tempfile::TempDir;
use tickspin_recording::capture::Writer;
use tickspin_recording::tree_book::Level;
use tickspin_recording::{EventReader, Protocol, TreeBook, open};
use tickspin_wire::event::flag;
use tickspin_wire::iex::*;
use tickspin_wire::iextp::{Feed, Header};
use tickspin_wire::net::Envelope;
use tickspin_wire::num::{InstrumentId, Px};
use tickspin_wire::{Event, Kind, iex};

/// Prices with four decimals, an empty side as zeros.
fn touch(book: &TreeBook, instrument: InstrumentId) -> [i64; 4] {
    let side = |best: Option<(Px, Level)>| {
        best.map_or([0, 0], |(px, level)| [px.0 / Px::PER_1E4, level.qty.cast_signed()])
    };
    let [bid, ask] = book.best(instrument).map(side);
    [bid[0], bid[1], ask[0], ask[1]]
}

/// A capture of segments, put together message by message.
struct Recording {
    _folder: TempDir,
    path: PathBuf,
}

struct Builder {
    writer: Writer<Vec<u8>>,
    header: Header,
}

impl Builder {
    fn new(feed: Feed) -> Builder {
        let header = Header {
            feed,
            channel: 1,
            session: 7,
            payload_bytes: 0,
            message_count: 0,
            stream_offset: 0,
            first_sequence: 1,
            send_ns: 1_700_000_000_000_000_000,
        };
        Builder { writer: Writer::new(Vec::new()).expect("memory"), header }
    }

    /// One segment, captured a microsecond before it was sent: the recorder's clock is behind.
    fn segment(&mut self, messages: &[Vec<u8>]) -> &mut Builder {
        let prefixed = messages
            .iter()
            .map(|message| [&(message.len() as u16).to_le_bytes()[..], message].concat());
        let payload = prefixed.collect::<Vec<_>>().concat();
        self.header.payload_bytes = payload.len() as u16;
        self.header.message_count = messages.len() as u16;
        self.header.send_ns += 1_000_000;
        self.raw(&[&self.header.encode()[..], &payload].concat());
        self.header.first_sequence = self.header.next_sequence();
        self.header.stream_offset = self.header.next_offset();
        self
    }

    fn raw(&mut self, payload: &[u8]) {
        let group = SocketAddrV4::new([233, 215, 21, 4].into(), 10_378);
        let src = SocketAddrV4::new([23, 226, 155, 132].into(), 10_378);
        let envelope = Envelope { src, dst: group, vlans: &[] };
        self.writer.datagram(self.header.send_ns - 1_000, &envelope, payload).expect("it fits");
    }

    fn recording(self) -> Recording {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("iex");
        std::fs::write(&path, self.writer.into_inner()).expect("writable");
        Recording { _folder: folder, path }
    }
}

fn bytes(message: impl Into<Message>) -> Vec<u8> {
    let mut out = [0; iex::MESSAGE_BYTES_MAX];
    let len = iex::encode(&message.into(), &mut out).expect("room enough");
    out[..len].to_vec()
}

fn symbol(name: &str) -> Alpha<8> {
    Alpha::padded(name.as_bytes()).expect("at most eight bytes")
}

const AT: i64 = 1_700_000_000_000_000_000;

fn add(name: &str, side: u8, order_id: u64, size: u32, price_1e4: i64) -> Vec<u8> {
    bytes(AddOrder { side, timestamp_ns: AT, symbol: symbol(name), order_id, size, price_1e4 })
}

fn modify(modify_flags: u8, order_id: u64, size: u32, price_1e4: i64) -> Vec<u8> {
    let (timestamp_ns, symbol) = (AT + 1, symbol("ZIEXT"));
    bytes(OrderModify { modify_flags, timestamp_ns, symbol, order_id, size, price_1e4 })
}

fn level(name: &str, event_flags: u8, size: u32, price_1e4: i64) -> Vec<u8> {
    bytes(BuyLevel { event_flags, timestamp_ns: AT, symbol: symbol(name), size, price_1e4 })
}

fn system(event: u8) -> Vec<u8> {
    bytes(SystemEvent { event, timestamp_ns: AT })
}

fn all(recording: &Recording) -> (Vec<(Event, u64)>, Box<dyn EventReader + Send>) {
    let mut reader = open(&recording.path).expect("a recording");
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().expect("the file is whole") {
        events.push((event, reader.position()));
    }
    (events, reader)
}

#[test]
fn deep_plus_builds_a_book_of_orders() {
    let (timestamp_ns, order_id, sale_condition) = (AT + 2, 12, 0);
    let ziext = symbol("ZIEXT");
    let executed = OrderExecuted {
        sale_condition,
        timestamp_ns,
        symbol: ziext,
        order_id,
        size: 40,
        price_1e4: 990_000,
        trade_id: 5,
    };
    let hidden = TradeReport {
        sale_condition,
        timestamp_ns,
        symbol: ziext,
        size: 70,
        price_1e4: 990_200,
        trade_id: 6,
    };
    let mut builder = Builder::new(Feed::DeepPlus10);
    builder.segment(&[system(b'O')]).segment(&[
        add("ZIEXT", b'8', 11, 100, 990_000),
        add("ZIEXT", b'8', 12, 100, 990_000),
        add("ZIEXT", b'5', 13, 50, 990_500),
        add("ZXIET", b'8', 14, 10, 100_000),
    ]);
    // Smaller and still first; to the tail of another price; both parts of an order traded.
    builder.segment(&[modify(1, 11, 60, 990_000), modify(0, 13, 80, 990_400)]);
    builder.segment(&[bytes(executed), bytes(hidden)]);
    let delete = OrderDelete { reserved: 0, timestamp_ns, symbol: ziext, order_id: 11 };
    builder.segment(&[bytes(delete)]);
    builder.segment(&[bytes(ClearBook { reserved: 0, timestamp_ns, symbol: symbol("ZXIET") })]);
    builder.segment(&[]);
    let (events, reader) = all(&builder.recording());

    let names: Vec<_> = reader.symbols().iter().map(|(_, name)| name.to_owned()).collect();
    assert_eq!(names, ["ZIEXT", "ZXIET"]);
    let mut book = TreeBook::default();
    let mut touches = Vec::new();
    for (event, position) in &events {
        book.apply(event);
        if event.flags & flag::COMPLETE != 0 && event.instrument == InstrumentId(0) {
            touches.push((*position, touch(&book, InstrumentId(0))));
        }
    }
    let expected = [
        (2, [990_000, 100, 0, 0]),
        (3, [990_000, 200, 0, 0]),
        (4, [990_000, 200, 990_500, 50]),
        (6, [990_000, 160, 990_500, 50]),
        (7, [990_000, 160, 990_400, 80]),
        (8, [990_000, 120, 990_400, 80]),
        (9, [990_000, 120, 990_400, 80]),
        (10, [990_000, 60, 990_400, 80]),
    ];
    assert_eq!(touches, expected);
    assert_eq!(touch(&book, InstrumentId(1)), [0; 4], "cleared");
    assert_eq!((book.open_orders(), book.unknown()), (2, 0));

    let facts = reader.facts();
    assert_eq!(facts.protocol, Protocol::DeepPlus10);
    assert_eq!((facts.messages, facts.packets, facts.skipped()), (11, 7, 0));
    assert_eq!((facts.sessions[0].last, facts.sessions[0].heartbeats), (11, 1));
    assert_eq!((facts.latency_ns, facts.negative_latencies), (Some((-1_000, -1_000)), 7));
}

#[test]
fn a_restart_forgets_states_and_keeps_numbers() {
    let halted =
        || bytes(OperationalHalt { state: b'O', timestamp_ns: AT, symbol: symbol("MSFT") });
    let trading = || {
        let (state, symbol, reason) = (b'T', symbol("MSFT"), Alpha(*b"    "));
        bytes(TradingStatus { state, timestamp_ns: AT, symbol, reason })
    };
    let mut builder = Builder::new(Feed::Deep10);
    builder.segment(&[trading(), halted(), trading(), level("MSFT", 0, 5, 10_000), trading()]);
    (builder.header.first_sequence, builder.header.stream_offset) = (1, 0);
    builder.segment(&[trading(), level("MSFT", 1, 6, 10_000)]);
    builder.segment(&[system(b'S')]);
    let (events, reader) = all(&builder.recording());
    let said: Vec<_> = events
        .iter()
        .map(|(event, position)| {
            let kind = event.kind().expect("a kind");
            (kind, *position, event.flags & flag::COMPLETE != 0, event.order_id as u8)
        })
        .filter(|said| !matches!(said.0, Kind::SessionStart | Kind::Level))
        .collect();
    assert_eq!(
        said,
        [
            (Kind::Definition, 1, false, b'M'),
            (Kind::Status, 1, true, b'T'),
            (Kind::Status, 2, true, b'H'),
            (Kind::Status, 3, true, b'H'),
            (Kind::Status, 5, false, b'H'),
            (Kind::Clear, 1, true, 0),
            (Kind::Status, 1, true, b'T'),
            (Kind::System, 3, true, b'S'),
        ]
    );
    let sessions: Vec<_> = reader
        .facts()
        .sessions
        .iter()
        .map(|session| (session.first, session.last, session.gaps, session.restarts))
        .collect();
    assert_eq!(sessions, [(1, 5, 0, 1), (1, 3, 0, 0)]);
}

#[test]
fn what_cannot_be_read_is_counted_and_takes_its_number() {
    let mut longer = level("MSFT", 1, 5, 10_000);
    longer.extend(b"what came later");
    let mut builder = Builder::new(Feed::Deep10);
    builder.segment(&[
        longer,
        b"~unknown".to_vec(),
        level("MSFT", 1, 6, 10_000)[..29].to_vec(),
        Vec::new(),
        add("MSFT", b'8', 1, 2, 3),
        level("", 1, 6, 10_000),
        b"H\xFF12345678\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF    ".to_vec(),
        level("MSFT", 1, 7, 10_000),
    ]);
    // A message of another feed, and a hole before the last.
    builder.header.feed = Feed::Tops16;
    builder.segment(&[system(b'S')]);
    builder.header.feed = Feed::Deep10;
    builder.header.first_sequence -= 1;
    builder.segment(&[system(b'R')]);
    let (events, reader) = all(&builder.recording());
    let levels = events.iter().filter(|(event, _)| event.kind() == Some(Kind::Level));
    let levels: Vec<_> = levels.map(|(event, position)| (event.qty.0, *position)).collect();
    assert_eq!(levels, [(5, 1), (7, 8)]);
    let facts = reader.facts();
    let skipped: Vec<_> =
        facts.skipped_by.iter().map(|(reason, count)| (*reason, *count)).collect();
    assert_eq!(
        skipped,
        [
            ("empty message", 1),
            ("message of another feed", 1),
            ("symbol that is no name", 2),
            ("type of another feed", 1),
            ("unexpected length", 1),
            ("unknown type", 1),
        ]
    );
    assert_eq!(facts.by_type["8"], 2);
}

#[test]
fn a_definition_of_the_venue_stands_for_ours() {
    let directory = SecurityDirectory {
        flags: 0,
        timestamp_ns: AT,
        symbol: symbol("ZEXIT"),
        round_lot: 100,
        adjusted_close_1e4: 0,
        luld_tier: 1,
    };
    let quote = QuoteUpdate {
        flags: 0x40,
        timestamp_ns: AT,
        symbol: symbol("ZEXIT"),
        bid_size: 3,
        bid_1e4: 99,
        ask_1e4: 0,
        ask_size: 0,
    };
    let mut builder = Builder::new(Feed::Tops15);
    builder.segment(&[bytes(directory), bytes(quote)]);
    let recording = builder.recording();
    let (events, mut reader) = all(&recording);
    let kinds: Vec<_> = events.iter().filter_map(|(event, _)| event.kind()).collect();
    assert_eq!(kinds, [Kind::SessionStart, Kind::Definition, Kind::Quote, Kind::Quote]);
    assert_eq!(events[1].0.qty.0, 100);
    assert_eq!(reader.facts().protocol, Protocol::Tops16);
    // Rewound half way, it tells the same again.
    reader.rewind().expect("a file can be rewound");
    for _ in 0..2 {
        assert!(reader.next_event().expect("whole").is_some());
    }
    reader.rewind().expect("a file can be rewound");
    let again = std::iter::from_fn(|| reader.next_event().expect("whole"));
    assert!(again.eq(events.iter().map(|(event, _)| *event)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn segments_of_anything_end(
        segments in prop::collection::vec(
            (prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8), any::<[u8; 4]>()),
            0..20,
        ),
    ) {
        let mut builder = Builder::new(Feed::Deep10);
        for (messages, [field, at, byte, how]) in segments {
            let mut messages = messages;
            for message in &mut messages {
                if let Some(kind) = message.first_mut() {
                    *kind = iex::TYPES[usize::from(*kind) % iex::TYPES.len()];
                }
            }
            if how % 4 == 0 {
                builder.header.first_sequence = i64::from(field);
            }
            if how % 5 == 0 {
                let mut header = builder.header.encode();
                header[usize::from(at) % header.len()] = byte;
                builder.raw(&header);
            }
            builder.segment(&messages);
        }
        let recording = builder.recording();
        let mut reader = open(&recording.path).expect("a capture");
        let mut book = TreeBook::default();
        while let Some(event) = reader.next_event().expect("the capture is whole") {
            prop_assert!(event.kind().is_some() && event.side().is_some());
            book.apply(&event);
        }
        let facts = reader.facts();
        prop_assert_eq!(facts.by_type.values().sum::<u64>(), facts.messages);
    }
}
