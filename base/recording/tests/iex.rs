//! IEX: every number and every hash of the expectations comes out of the real recordings.

mod data;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tickspin_recording::tree_book::Level;
use tickspin_recording::{Capture, EventReader, Fault, Protocol, TreeBook, open};
use tickspin_wire::event::flag;
use tickspin_wire::iextp;
use tickspin_wire::net::datagram;
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
