//! Every real ITCH capture in the data folder, read as whatever [`open`] finds it to be.

mod data;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tickspin_recording::{EventReader, Facts, PacketFile, Protocol, open};
use tickspin_wire::binaryfile::Records;
use tickspin_wire::event::Kind;
use tickspin_wire::{Event, normalize};

const DAYS: [&str; 3] = ["nasdaq", "bx", "psx"];
const FOLDER: &str = "itch/pcap";

/// A message as `expected/*.jsonl` has it, with the bytes of the BinaryFILE made of the same packets.
struct Line {
    capture_ns: i64,
    src: String,
    sequence: Option<u64>,
    kind: String,
    event: Event,
}

/// The text behind `"key": `, without quotes.
fn field(line: &str, key: &str) -> String {
    let start = line.find(&format!("\"{key}\": ")).expect("the key") + key.len() + 4;
    let text = &line[start..];
    match text.strip_prefix('"') {
        Some(text) => text[..text.find('"').expect("the quote")].to_owned(),
        None => text[..text.find([',', '}']).expect("the end")].to_owned(),
    }
}

fn expected(day: &str) -> Option<Vec<Line>> {
    let text = fs::read_to_string(data::path(&format!("expected/{day}_20230822.itch50.jsonl"))?);
    let bytes = fs::read(data::path(&format!("itch/{day}_20230822.itch50"))?).expect("readable");
    let records = Records::new(&bytes).map(|record| record.expect("whole"));
    let line = |(line, record): (&str, &[u8])| {
        let kind = field(line, "type");
        assert_eq!(kind.as_bytes(), &record[..1]);
        let event = normalize::itch_event(record).expect("a message");
        assert_eq!(field(line, "ts"), event.exchange_ns.to_string());
        Line {
            capture_ns: field(line, "capture_ts_ns").parse().expect("a number"),
            src: field(line, "src"),
            sequence: field(line, "mold_seq").parse().ok(),
            kind,
            event,
        }
    };
    let text = text.expect("readable");
    Some(text.lines().zip(records).map(line).collect())
}

/// `Nasdaq/A/B.pcap` is stored as `A__B.pcap`.
fn stored(src: &str) -> Option<PathBuf> {
    let (_, name) = src.split_once('/')?;
    data::path(&format!("{FOLDER}/{}", name.replacen('/', "__", 1)))
}

fn read(path: &Path) -> (Vec<(Event, u64)>, Facts) {
    let mut file = open(path).expect("a capture");
    let mut events = Vec::new();
    while let Some(event) = file.next_event().expect("a whole capture") {
        events.push((event, file.position()));
    }
    (events, file.facts())
}

fn is_ours(event: &Event) -> bool {
    event.kind().is_some_and(|kind| kind as u8 >= Kind::Clear as u8)
}

#[test]
fn every_capture_gives_the_messages_that_were_decoded_from_it() {
    let (mut files, mut messages) = (0, 0);
    for day in DAYS {
        let Some(lines) = expected(day) else { return };
        let mut by_file: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in &lines {
            by_file.entry(&line.src).or_default().push(line);
        }
        for (src, lines) in by_file {
            let Some(path) = stored(src) else { return };
            let mut file = PacketFile::open(&path).expect("a capture");
            let mut at = lines.iter();
            let mut unsequenced = 0;
            while let Some(event) = file.next_event().expect("a whole capture") {
                if is_ours(&event) {
                    continue;
                }
                let line = at.next().unwrap_or_else(|| panic!("{src}: too many events"));
                assert_eq!(event, line.event, "{src}");
                assert_eq!(file.capture_ns(), Some(line.capture_ns), "{src}");
                match line.sequence {
                    Some(sequence) => assert_eq!(file.position(), sequence - 1, "{src}"),
                    None => {
                        assert_eq!(file.position(), unsequenced, "{src}");
                        unsequenced += 1;
                    }
                }
            }
            assert!(at.next().is_none(), "{src}: too few events");
            let facts = file.facts();
            assert_eq!(facts.messages, lines.len() as u64, "{src}");
            let kinds = |kind: &str| lines.iter().filter(|line| line.kind == kind).count() as u64;
            assert!(facts.by_type.iter().all(|(kind, &count)| count == kinds(kind)), "{src}");
            assert_eq!(facts.unsequenced, unsequenced, "{src}");
            assert_eq!((facts.skipped(), facts.truncated), (0, false), "{src}");
            assert_eq!(facts.container, "plain, pcap ns, ethernet, vlan, moldudp64", "{src}");
            files += 1;
            messages += lines.len();
        }
    }
    // Of the 218 messages those of the captures that are stored under the name they were found by.
    assert!(files > 30 && messages > 190, "{files} files, {messages} messages");
}

#[test]
fn every_stored_capture_opens_and_gives_each_packet_its_messages() {
    let Some(first) = data::path(&format!("{FOLDER}/{HEARTBEAT}")) else { return };
    let folder = fs::read_dir(first.parent().expect("a folder")).expect("readable");
    let mut total = 0;
    for entry in folder {
        let path = entry.expect("readable").path();
        let (events, facts) = read(&path);
        let messages = events.iter().filter(|(event, _)| !is_ours(event)).count() as u64;
        assert_eq!(messages, facts.messages, "{}", path.display());
        // One message a packet in all but two of them.
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match name.as_str() {
            HEARTBEAT => assert_eq!((facts.packets, messages), (1, 0)),
            MULTIPLE => assert_eq!((facts.packets, messages), (2, 39)),
            _ => assert_eq!(facts.packets, messages, "{name}"),
        }
        assert_eq!((facts.skipped(), facts.truncated), (0, false), "{name}");
        total += messages;
    }
    assert_eq!(total, 227, "counted by a reader of its own");
}

const HEARTBEAT: &str = "Ise.OrderComboFeed.v1.1__Heartbeat.pcap";
const MULTIPLE: &str = "Nasdaq.Equities.TotalView.Itch.v5.0__Multiple.Packets.pcap";

#[test]
fn a_heartbeat_alone_is_a_session_that_is_alive() {
    let Some(path) = data::path(&format!("{FOLDER}/{HEARTBEAT}")) else { return };
    let (events, facts) = read(&path);
    assert_eq!(events.len(), 1, "a session begins");
    assert_eq!(events[0].0.kind(), Some(Kind::SessionStart));
    assert_eq!((events[0].0.second_id, events[0].1), (383_265, 383_264));
    let [session] = facts.sessions.as_slice() else { panic!("{:?}", facts.sessions) };
    assert_eq!((session.id.as_str(), session.heartbeats, session.gaps), ("000008367I", 1, 0));
    assert_eq!((session.first, session.last), (0, 0), "no message was seen");
    assert_eq!((facts.messages, facts.protocol), (0, Protocol::Unknown));
    assert_eq!(facts.container, "plain, pcap us, ethernet, moldudp64");
}

#[test]
fn what_lies_between_two_packets_of_a_session_is_a_gap() {
    let Some(path) = data::path(&format!("{FOLDER}/{MULTIPLE}")) else { return };
    let (events, facts) = read(&path);
    let [session] = facts.sessions.as_slice() else { panic!("{:?}", facts.sessions) };
    assert_eq!(
        (session.id.as_str(), session.first, session.last),
        ("000010059B", 14_764_496, 19_009_154)
    );
    assert_eq!((session.gaps, session.missing), (1, 19_009_117 - 14_764_497));
    assert_eq!(facts.protocol, Protocol::Itch50);
    let kinds: Vec<_> = events.iter().take(3).map(|(event, _)| event.kind()).collect();
    assert_eq!(kinds, [Some(Kind::SessionStart), Some(Kind::Delete), Some(Kind::Gap)]);
    let (gap, position) = events[2];
    assert_eq!((gap.order_id, gap.second_id), (14_764_497, session.missing));
    assert_eq!((position, events[3].1), (14_764_496, 19_009_116));
    assert_eq!(gap.exchange_ns, events[3].0.exchange_ns, "it has the time of what follows");
}
