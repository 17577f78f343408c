//! IEX: every number and every hash of the expectations comes out of the real recordings.

mod data;

use proptest::prelude::*;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use tempfile::TempDir;
use tickspin_recording::capture::Writer;
use tickspin_recording::tree_book::Level;
use tickspin_recording::{Capture, EventReader, Fault, Protocol, TreeBook, open};
use tickspin_wire::event::flag;
use tickspin_wire::iex::*;
use tickspin_wire::iextp::{self, Feed, Header};
use tickspin_wire::net::{Envelope, datagram};
use tickspin_wire::num::{InstrumentId, Px, Side};
use tickspin_wire::{Event, Kind, iex};

fn expected(name: &str) -> Option<Value> {
    let path = data::path(name)?;
    let text = std::fs::read(path).expect("readable");
    Some(serde_json::from_slice(&text).expect("the expectations are JSON"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is a number"))
}

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is an object"))
}

/// A set of numbers by name, as the expectations have it.
fn numbers(value: &Value) -> BTreeMap<String, u64> {
    map(value).iter().map(|(name, count)| (name.clone(), number(count))).collect()
}

/// Lines as they come, hashed.
#[derive(Default)]
struct Lines {
    rows: u64,
    hash: Sha256,
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.rows += 1;
        self.hash.update(line);
        self.hash.update("\n");
    }

    fn sha256(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Prices with four decimals, an empty side as zeros.
fn touch(book: &TreeBook, instrument: InstrumentId) -> [i64; 4] {
    let side = |best: Option<(Px, Level)>| {
        best.map_or([0, 0], |(px, level)| [px.0 / Px::PER_1E4, level.qty.cast_signed()])
    };
    let [bid, ask] = book.best(instrument).map(side);
    [bid[0], bid[1], ask[0], ask[1]]
}

/// What one run of a session came to.
#[derive(Default)]
struct Run {
    last: u64,
    /// Messages by type.
    counts: BTreeMap<String, u64>,
    system: Vec<(char, u64)>,
    volume: BTreeMap<String, u64>,
    trades: BTreeMap<String, u64>,
    broken: BTreeMap<String, u64>,
    /// By symbol: lines at every complete state, and those that changed.
    bbo: BTreeMap<String, (Lines, Lines, [i64; 4])>,
    quotes: BTreeMap<String, Lines>,
    quoted_bid: [i64; 2],
    /// Instruments that ever had a level.
    levelled: BTreeSet<String>,
    book: TreeBook,
}

impl Run {
    fn take(&mut self, event: &Event, name: Option<&str>, position: u64) {
        self.book.apply(event);
        self.last = position;
        if let Some(letter) = letter(event) {
            *self.counts.entry(letter.into()).or_default() += 1;
        }
        let name = name.unwrap_or_default();
        let add = |to: &mut BTreeMap<String, u64>, count| {
            *to.entry(name.to_owned()).or_default() += count;
        };
        match event.kind() {
            Some(Kind::System) => {
                self.system.push((char::from(event.order_id as u8), event.exchange_ns));
            }
            Some(Kind::Trade | Kind::Cross) => {
                add(&mut self.volume, event.qty.0);
                add(&mut self.trades, 1);
            }
            Some(Kind::Broken) => add(&mut self.broken, event.qty.0),
            Some(Kind::Level) => {
                self.levelled.insert(name.to_owned());
                if event.flags & flag::COMPLETE != 0 {
                    self.quotable(event, name);
                }
            }
            Some(Kind::Quote) => self.quote(event, name),
            _ => {}
        }
    }

    fn quotable(&mut self, event: &Event, name: &str) {
        let [bid, bid_size, ask, ask_size] = touch(&self.book, event.instrument);
        let line = format!("{},{bid},{bid_size},{ask},{ask_size}", event.exchange_ns);
        let (all, changes, last) = self.bbo.entry(name.to_owned()).or_default();
        let now = [bid, bid_size, ask, ask_size];
        if all.rows == 0 || now != *last {
            changes.push(&line);
        }
        all.push(&line);
        *last = now;
    }

    /// Line of a quote: `ts_ns,flags,bid_px,bid_sz,ask_px,ask_sz`.
    fn quote(&mut self, event: &Event, name: &str) {
        let side =
            [if event.px.is_some() { event.px.0 / Px::PER_1E4 } else { 0 }, event.qty.0 as i64];
        if event.side() == Some(Side::Bid) {
            assert_eq!(event.flags & flag::COMPLETE, 0, "the ask follows");
            self.quoted_bid = side;
            return;
        }
        assert_ne!(event.flags & flag::COMPLETE, 0);
        let [[bid, bid_size], [ask, ask_size]] = [self.quoted_bid, side];
        // A quote replaces a side: the book shows the same.
        assert_eq!(touch(&self.book, event.instrument), [bid, bid_size, ask, ask_size]);
        let (at, flags) = (event.exchange_ns, event.second_id);
        let lines = self.quotes.entry(name.to_owned()).or_default();
        lines.push(&format!("{at},{flags},{bid},{bid_size},{ask},{ask_size}"));
    }

    /// `SYMBOL|px:sz;…|px:sz;…` of every instrument that ever had a level, by name.
    fn books(&self, reader: &dyn EventReader) -> (Lines, u64) {
        let mut lines = Lines::default();
        let mut filled = 0;
        for name in &self.levelled {
            let instrument = reader.symbols().number(name).expect("it was named");
            let side = |side| {
                let levels = self.book.levels(instrument, side);
                let shown =
                    levels.map(|(px, level)| format!("{}:{}", px.0 / Px::PER_1E4, level.qty));
                shown.collect::<Vec<_>>().join(";")
            };
            let (bids, asks) = (side(Side::Bid), side(Side::Ask));
            filled += u64::from(!bids.is_empty() || !asks.is_empty());
            lines.push(&format!("{name}|{bids}|{asks}"));
        }
        (lines, filled)
    }

    fn check(&self, reader: &dyn EventReader, expected: &Value) {
        assert_eq!(self.last, number(&expected["last_seq"]));
        assert_eq!(self.counts, numbers(&expected["counts"]));
        let system: Vec<_> = expected["system_events"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pair| {
                (pair[0].as_str().expect("a letter").chars().next().expect("one"), number(&pair[1]))
            })
            .collect();
        assert_eq!(self.system, system);
        assert_eq!(self.volume, numbers(&expected["volume"]));
        assert_eq!(self.trades, numbers(&expected["trades"]));
        assert_eq!(self.broken, numbers(&expected["broken"]));
        let bbo = map(&expected["bbo"]);
        assert!(self.bbo.keys().eq(bbo.keys().collect::<BTreeSet<_>>()), "symbols with levels");
        for (name, expected) in bbo {
            let (all, changes, _) = &self.bbo[name];
            assert_eq!(all.rows, number(&expected["event_rows"]), "{name}");
            assert_eq!(all.sha256(), expected["event_sha256"], "{name}");
            assert_eq!(changes.rows, number(&expected["chg_rows"]), "{name}");
            assert_eq!(changes.sha256(), expected["chg_sha256"], "{name}");
            let instrument = reader.symbols().number(name).expect("it was named");
            // Of the book as it ends, be the last event complete or not.
            let last = touch(&self.book, instrument);
            assert_eq!(Value::from(last.to_vec()), expected["final"], "{name}");
            let levels =
                [Side::Bid, Side::Ask].map(|side| self.book.levels(instrument, side).count());
            assert_eq!(Value::from(levels.to_vec()), expected["final_levels"], "{name}");
        }
        let quotes = expected.get("quotes").map(map).cloned().unwrap_or_default();
        assert_eq!(quotes.is_empty(), self.quotes.is_empty());
        for (name, expected) in &quotes {
            assert_eq!(self.quotes[name].rows, number(&expected["rows"]), "{name}");
            assert_eq!(self.quotes[name].sha256(), expected["sha256"], "{name}");
        }
        let (books, filled) = self.books(reader);
        assert_eq!(books.sha256(), expected["final_books_sha256"]);
        assert_eq!(filled, number(&expected["symbols_with_levels"]));
    }
}

/// The type of the message that an event came from; `None` for those of our own, and for the first of
/// two.
fn letter(event: &Event) -> Option<char> {
    let is_complete = event.flags & flag::COMPLETE != 0;
    Some(match (event.kind()?, event.side()?) {
        (Kind::Level, Side::Bid) => '8',
        (Kind::Level, Side::Ask) => '5',
        (Kind::Quote, Side::Ask) => 'Q',
        (Kind::Trade | Kind::Cross, _) => 'T',
        (Kind::Broken, _) => 'B',
        (Kind::Status, _) if event.second_id == u64::from(b'O') => 'O',
        (Kind::Status, _) => 'H',
        (Kind::System, _) => 'S',
        (Kind::Definition, _) if is_complete => 'D',
        (Kind::Info, _) => char::from(event.order_id as u8),
        _ => return None,
    })
}

/// Reads a recording to its end, checks each run when the next begins; gives the error it ended with.
fn walk(reader: &mut dyn EventReader, expected: &Value) -> Option<String> {
    let segments = expected["segments"].as_array().expect("a list");
    let mut segments = segments.iter();
    let mut run: Option<Run> = None;
    let mut named = BTreeSet::new();
    let mut finish = |reader: &dyn EventReader, run: Run| {
        let expected = segments.next().expect("no more runs than expected");
        run.check(reader, expected);
    };
    let end = loop {
        match reader.next_event() {
            Ok(Some(event)) => {
                // A run that takes the place of another begins with all books cleared.
                let is_next =
                    event.kind() == Some(Kind::Clear) && event.instrument == InstrumentId::ALL;
                if is_next && let Some(run) = run.take() {
                    finish(reader, run);
                }
                if event.kind() == Some(Kind::SessionStart) {
                    run.get_or_insert_default();
                }
                if event.instrument != InstrumentId::ALL {
                    let is_first = named.insert(event.instrument);
                    assert!(!is_first || event.kind() == Some(Kind::Definition), "{event:?}");
                }
                let name = reader.symbols().name(event.instrument);
                if let Some(run) = &mut run {
                    run.take(&event, name, reader.position());
                } else {
                    assert!(is_next, "a session begins first: {event:?}");
                }
            }
            Ok(None) => break None,
            Err(error) => {
                assert!(error.is_damage() && matches!(error.fault(), Fault::Cut(_)), "{error}");
                assert!(matches!(reader.next_event(), Ok(None)), "an error is told once");
                break Some(error.to_string());
            }
        }
    };
    finish(reader, run.expect("there are messages"));
    assert!(segments.next().is_none(), "all runs were there");
    end
}

fn check(file: &str, expectations: &str, protocol: Protocol) {
    let Some(path) = data::path(file) else { return };
    let expected = expected(expectations).expect("the folder is there");
    let mut reader = open(&path).expect("a recording");
    let end = walk(&mut *reader, &expected);

    let facts = reader.facts();
    assert_eq!(facts.protocol, protocol);
    assert_eq!(facts.packets, number(&expected["packets"]));
    assert_eq!(facts.messages, number(&expected["messages"]));
    assert_eq!(facts.skipped(), 0, "{:?}", facts.skipped_by);
    let heartbeats: u64 = facts.sessions.iter().map(|session| session.heartbeats).sum();
    assert_eq!(heartbeats, number(&expected["heartbeats"]));
    // A message shorter than the fields known here would not count; none of these is longer.
    let by_length = facts.by_type.iter().map(|(kind, count)| {
        (format!("{kind}/{}", iex::length_of(kind.as_bytes()[0]).expect("a type")), *count)
    });
    assert_eq!(by_length.collect::<BTreeMap<_, _>>(), numbers(&expected["counts"]));
    let latency = &expected["capture_minus_send_ns_min_median_max"];
    let least_most = (number(&latency[0]) as i64, number(&latency[2]) as i64);
    assert_eq!((facts.latency_ns, facts.negative_latencies), (Some(least_most), 0));

    let segments = expected["segments"].as_array().expect("a list");
    assert_eq!(facts.sessions.len(), segments.len());
    for (session, segment) in facts.sessions.iter().zip(segments) {
        assert_eq!(session.id, segment["session"].to_string());
        assert_eq!(session.first, number(&segment["first_seq"]));
        assert_eq!(session.last, number(&segment["last_seq"]));
        assert_eq!(session.gaps, number(&segment["gaps"]));
        assert_eq!((session.missing, session.duplicates, session.late), (0, 0, 0));
    }
    let restarts: u64 = facts.sessions.iter().map(|session| session.restarts).sum();
    assert_eq!(restarts, segments.len() as u64 - 1);

    // Of DEEP10 the last record has 460 of its 1,490 bytes.
    assert_eq!(facts.truncated, protocol == Protocol::Deep10);
    match end {
        Some(end) => assert!(end.contains("cut inside record 121,314"), "{end}"),
        None => assert_eq!(protocol, Protocol::Tops16),
    }

    // The same again.
    reader.rewind().expect("a file can be rewound");
    assert_eq!((reader.facts().messages, reader.facts().packets), (0, 0));
    walk(&mut *reader, &expected);
    assert_eq!(reader.facts(), facts);
}

#[test]
fn deep10_comes_out_as_expected() {
    check("iex/DEEP10.pcap.gz", "expected/deep10_2017.json", Protocol::Deep10);
}

#[test]
fn tops16_comes_out_as_expected() {
    check("iex/TOPS16.pcapng.gz", "expected/tops16_2017.json", Protocol::Tops16);
}

/// 7,355 is the count of book messages; trades and breaks among them go back more often.
#[test]
fn message_times_go_back_and_are_counted() {
    let Some(path) = data::path("iex/DEEP10.pcap.gz") else { return };
    let mut reader = open(&path).expect("a recording");
    let (mut any, mut last_ns) = (0, 0);
    let of_venue = |kind| !matches!(kind, Kind::SessionStart | Kind::Clear | Kind::Gap | Kind::End);
    while let Ok(Some(event)) = reader.next_event() {
        if event.kind().is_some_and(of_venue) {
            any += u64::from(event.exchange_ns < last_ns);
            last_ns = event.exchange_ns;
        }
    }
    assert_eq!((reader.facts().reversals, any), (7_355, 15_841));
}

/// What the events do not tell: where each run begins, the chain of stream offsets, the middle latency.
#[test]
fn segments_chain_and_lag_as_expected() {
    let files = [
        ("iex/DEEP10.pcap.gz", "expected/deep10_2017.json"),
        ("iex/TOPS16.pcapng.gz", "expected/tops16_2017.json"),
    ];
    for (file, expectations) in files {
        let Some(path) = data::path(file) else { return };
        let expected = expected(expectations).expect("the folder is there");
        let mut capture = Capture::open(path).expect("a capture");
        let (mut next, mut starts, mut latencies_ns) = (None, Vec::new(), Vec::new());
        while let Ok(Some(packet)) = capture.next_packet() {
            let payload = datagram(packet.link, packet.bytes).expect("all are UDP").payload;
            let (header, blocks) = iextp::segment(payload).expect("all are segments");
            assert_eq!(blocks.filter(Result::is_ok).count(), usize::from(header.message_count));
            latencies_ns.push(packet.capture_ns.expect("pcap has times") - header.send_ns);
            if next != Some((header.first_sequence, header.stream_offset)) {
                starts.push((packet.number + 1, header.first_sequence as u64));
                assert_eq!(header.stream_offset, 0, "both chains break together");
            }
            next = Some((header.next_sequence(), header.next_offset()));
        }
        let segments = expected["segments"].as_array().expect("a list");
        let expected_starts = segments
            .iter()
            .map(|segment| (number(&segment["first_packet"]), number(&segment["first_seq"])));
        assert!(starts.iter().copied().eq(expected_starts), "{starts:?}");
        latencies_ns.sort_unstable();
        let middle = latencies_ns[latencies_ns.len() / 2];
        let expected_ns = &expected["capture_minus_send_ns_min_median_max"];
        assert_eq!(
            Value::from(vec![latencies_ns[0], middle, latencies_ns[latencies_ns.len() - 1]]),
            *expected_ns
        );
        assert_eq!(capture.counts().reversals, number(&expected["capture_time_goes_back"]));
    }
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
