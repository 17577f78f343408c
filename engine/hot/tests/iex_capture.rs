//! Real packets of IEX through the live input: the events are those that the reader of captures gives for
//! the same file.

#![allow(clippy::disallowed_methods, reason = "a test may allocate and read the clock")]

mod captured;

use captured::{bare, capture, folder, recorded, until_quiet};
use ringbuf::HeapRb;
use ringbuf::traits::Split;
use std::path::Path;
use tickspin_host::clock::Clock;
use tickspin_host::memory_source::MemorySource;
use tickspin_hot::input::mold::{
    Iex, IexSlot, Join, MoldCounts, MoldInput, MoldMemory, MoldTerms, ParkedPacket, ParkingMemory,
    Reply,
};
use tickspin_hot::stamps::EndStamps;
use tickspin_wire::Event;
use tickspin_wire::event::Kind;
use tickspin_wire::iextp::Feed;
use tickspin_wire::moldudp64::Request;

/// What the live input gives until nothing has come for ten times what a hole may take.
fn live(path: &Path, feed: Feed) -> (Vec<Event>, MoldCounts) {
    let (frames, flow) = capture(path, |payload| {
        tickspin_wire::iextp::segment(payload).is_ok_and(|(header, _)| header.feed == feed)
    });
    let source = MemorySource::new(frames, &[flow]).unwrap();
    let terms = MoldTerms::of(&Clock::with_frequency(1_000_000_000), Join::Here, false);
    let mut symbols = vec![IexSlot::default(); 1 << 15];
    let venue = Iex::new(feed, &mut symbols).unwrap();
    let mut slots = vec![ParkedPacket::default(); 64];
    let (mut order, mut free) = (vec![0; 64], vec![0; 64]);
    let mut places = vec![[0; 7]; 1_024];
    let parking = ParkingMemory { slots: &mut slots, order: &mut order, free: &mut free };
    let memory = MoldMemory { parking, events: &mut places };
    let (requests, _asked) = HeapRb::<Request>::new(16).split();
    let (_answers, replies) = HeapRb::<Reply>::new(16).split();
    let queues = (requests, replies);
    let mut input = MoldInput::of(venue, source, EndStamps, queues, memory, terms, 9).unwrap();
    let events = until_quiet(&mut input);
    (events, *input.counts())
}

/// Session names are put together in different ways.
fn nameless(event: &Event) -> Event {
    let is_start = event.kind() == Some(Kind::SessionStart);
    Event { order_id: if is_start { 0 } else { event.order_id }, ..bare(event) }
}

fn until_restart(events: &[Event]) -> Vec<Event> {
    let is_clear = |event: &&Event| event.kind() == Some(Kind::Clear);
    events.iter().take_while(|event| !is_clear(event)).map(nameless).collect()
}

#[test]
fn tops_gives_the_events_of_its_capture() {
    let Some(folder) = folder("iex") else { return };
    let path = folder.join("TOPS16.pcapng.gz");
    let (live, counts) = live(&path, Feed::Tops16);
    assert_eq!((live.len(), counts.lost, counts.restarts), (92_681, 0, 0));
    let (live, recorded) = (until_restart(&live), until_restart(&recorded(&path)));
    assert_eq!(live.len(), 92_681);
    assert!(live == recorded);
}

#[test]
fn deep_gives_the_same_and_what_a_restart_costs_without_a_server_is_told() {
    let Some(folder) = folder("iex") else { return };
    let path = folder.join("DEEP10.pcap.gz");
    let (live, counts) = live(&path, Feed::Deep10);
    let recorded = recorded(&path);
    let (first, of_file) = (until_restart(&live), until_restart(&recorded));
    assert!(first.len() > 10_000, "{}", first.len());
    assert!(first == of_file);
    // Eleven times the sample begins again at 1 under its name. A reader of files waits with what it
    // cannot place; live it is dropped until the line is believed, and would be asked for.
    assert_eq!((counts.sessions, counts.restarts, counts.gaps), (12, 11, 11));
    assert_eq!(counts.passed, 391_999);
    assert_eq!((recorded.len() - live.len()) as u64, counts.lost - counts.gaps);
}
