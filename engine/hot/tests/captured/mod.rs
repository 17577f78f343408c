//! Captures of real feeds, as frames for the live input and as their own reader's events.
#![allow(dead_code, reason = "each test program needs a part of it")]

use ringbuf::traits::{Consumer, Producer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tickspin_host::memory_source::{Frames, MemorySource};
use tickspin_host::packets::{Flow, PacketSource};
use tickspin_hot::input::mold::{MoldInput, MoldTerms, Reply, Venue};
use tickspin_hot::input::{Input, Polled};
use tickspin_hot::stamps::Stamps;
use tickspin_recording::{Capture, EventReader, PacketFile};
use tickspin_wire::Event;
use tickspin_wire::event::Kind;
use tickspin_wire::moldudp64::Request;
use tickspin_wire::net;

/// A folder of the recordings, or `None` where it is missing; with `CI=true` that is a failure.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("TICKSPIN_DATA").map_or(default.into(), PathBuf::from);
    let folder = folder.join(name);
    if folder.exists() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", folder.display());
    println!("skipped: {} is missing", folder.display());
    None
}

/// The frames whose payload is wanted, and where their feed goes to: a group of multicast.
pub(crate) fn capture(path: &Path, is_wanted: impl Fn(&[u8]) -> bool) -> (Frames, Flow) {
    let mut capture = Capture::open(path).unwrap();
    let (mut frames, mut flow) = (Frames::default(), None);
    while let Ok(Some(packet)) = capture.next_packet() {
        let Ok(datagram) = net::datagram(packet.link, packet.bytes) else { continue };
        let SocketAddr::V4(to) = datagram.dst else { panic!("{}", path.display()) };
        if !is_wanted(datagram.payload) {
            continue;
        }
        frames.push(packet.bytes);
        assert!(to.ip().is_multicast());
        let this = Flow { address: *to.ip(), port: to.port() };
        assert_eq!(*flow.get_or_insert(this), this, "one flow: {}", path.display());
    }
    (frames, flow.expect("a packet"))
}

/// All that a live input gives, until nothing has come for ten times what a hole may take; of the frames
/// each was a datagram of ours.
pub(crate) fn until_quiet<T, Q, R, V>(
    input: &mut MoldInput<'_, MemorySource, T, Q, R, V>,
) -> Vec<Event>
where
    T: Stamps,
    Q: Producer<Item = Request>,
    R: Consumer<Item = Reply>,
    V: Venue,
{
    let count = input.source_mut().left() as u64;
    let quiet = Duration::from_nanos(10 * MoldTerms::GIVE_UP_UNASKED_NS);
    let (mut events, mut since) = (Vec::new(), Instant::now());
    while input.source_mut().left() > 0 || since.elapsed() < quiet {
        if let Polled::Slot { words, .. } = input.poll() {
            events.push(Event::from_words(words));
            since = Instant::now();
        }
    }
    let health = input.source_mut().health();
    assert_eq!((health.received, health.foreign, health.malformed), (count, 0, 0));
    events
}

/// What the reader of captures gives, to where the file is cut, if it is.
pub(crate) fn recorded(path: &Path) -> Vec<Event> {
    let mut file = PacketFile::open(path).unwrap();
    let mut events = Vec::new();
    while let Ok(Some(event)) = file.next_event() {
        events.push(event);
    }
    events
}

/// Without what only one of them can know: when a datagram was taken, and, for an event of ours, the
/// time of the message behind it.
pub(crate) fn bare(event: &Event) -> Event {
    let is_ours = matches!(event.kind(), Some(Kind::SessionStart | Kind::Gap));
    let exchange_ns = if is_ours { 0 } else { event.exchange_ns };
    Event { sent_ticks: 0, exchange_ns, ..*event }
}
