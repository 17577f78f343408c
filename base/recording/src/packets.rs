//! [`PacketFile`]: captured packets of a feed as a stream of events, whatever the venue's protocol.
//!
//! ```text
//! Capture ─► net: UDP datagram ─► which feed? ─► Sessions: each message once, in order ─► events
//!   └ several, by capture time      └ by content, a line at a time
//! ```
//!
//! A payload belongs to a feed by what it contains; the first packet with messages decides for its
//! line (its destination), until then and for all other lines a packet is counted and stepped over.
//! Packets of a claimed line that are broken are counted; whole messages of a packet that breaks off
//! are handed out.
//!
//! Beside the messages' own events there are three of ours, which stand before the first event behind
//! them and have its time:
//! - `SessionStart` where a session begins or restarts, a `Clear` of all books before it where it takes
//!   the place of another run,
//! - `Gap` where messages are missing: first number and how many.
//!
//! What the messages of one file have in common is the venue: two venues in one capture share the
//! numbers of their instruments, so their books would be mixed. That is seen in the facts, several
//! sessions, and mended by cutting the capture.
//!
//! A new protocol is one more `PacketFeed` in `feeds`.
//! Memory: a buffer for each capture, packets held behind a hole, 64 bytes for each destination.

mod feed; // 2. what a protocol is asked
mod mold; // 3. ITCH over MoldUDP64
mod outgoing; // 4. events with their positions
mod source; // 1. packets of several captures

pub(crate) use feed::{PacketFeed, Sink, Verdict};

use crate::capture::Capture;
use crate::container::Stream;
use crate::iex::IexFeed;
use crate::session::{Delivery, LineId, SessionId, Sessions, Step};
use crate::{EventReader, Facts, RecordingError, Symbols};
use mold::MoldFeed;
use outgoing::Outgoing;
use source::Source;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use tickspin_wire::Event;
use tickspin_wire::event::Kind;
use tickspin_wire::net::{self, Link};

/// Destinations whose feed is remembered; packets to others are looked at one by one.
const FLOWS: usize = 4_096;
const MOLD: usize = 0;
const IEX: usize = 1;

/// All feeds, each at the place that [`feed_of`] knows.
fn feeds() -> Vec<Box<dyn PacketFeed>> {
    vec![Box::new(MoldFeed::default()), Box::new(IexFeed::default())]
}

/// Place of a session's feed.
fn feed_of(session: SessionId) -> usize {
    match session {
        SessionId::Mold(_) => MOLD,
        SessionId::Iex { .. } => IEX,
    }
}

/// Open captures, read as one feed.
pub struct PacketFile {
    source: Source,
    feeds: Vec<Box<dyn PacketFeed>>,
    /// Which feed a destination belongs to.
    flows: HashMap<LineId, usize>,
    sessions: Sessions,
    /// The packet whose messages are handed out, and where in it the next one is.
    current: Option<Current>,
    outgoing: Outgoing,
    /// Events of the message that is being translated.
    fresh: VecDeque<Event>,
    position: u64,
    capture_ns: Option<i64>,
    unsequenced: u64,
    facts: Facts,
    symbols: Symbols,
    /// Feeds that took a packet.
    used: Vec<bool>,
    link: Option<Link>,
    has_vlan: bool,
    /// The captures gave all they had; what they ended with is told last.
    is_ended: bool,
    failed: Option<RecordingError>,
}

struct Current {
    delivery: Delivery,
    at: usize,
    /// Number of the next message, from 0.
    index: u32,
}

impl PacketFile {
    /// Opens a capture.
    ///
    /// # Errors
    /// Those of [`Capture::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<PacketFile, RecordingError> {
        Ok(PacketFile::of(vec![Capture::open(path)?]))
    }

    /// Opens captures of the same feed, one for each of its lines, that are read as one: in the order
    /// of their capture times, each message once.
    ///
    /// # Errors
    /// Those of [`Capture::open`], of the first that has one.
    ///
    /// # Panics
    /// With no path, or more than 256.
    pub fn open_lines<P: AsRef<Path>>(paths: &[P]) -> Result<PacketFile, RecordingError> {
        assert!((1..=256).contains(&paths.len()), "lines are numbered by a byte");
        Ok(PacketFile::of(paths.iter().map(Capture::open).collect::<Result<_, _>>()?))
    }

    /// The same, over a stream that stands at its first byte.
    ///
    /// # Errors
    /// Those of [`Capture::over`].
    pub fn over(stream: Stream) -> Result<PacketFile, RecordingError> {
        Ok(PacketFile::of(vec![Capture::over(stream)?]))
    }

    fn of(captures: Vec<Capture>) -> PacketFile {
        let feeds = feeds();
        PacketFile {
            source: Source::new(captures),
            used: vec![false; feeds.len()],
            feeds,
            flows: HashMap::new(),
            sessions: Sessions::default(),
            current: None,
            outgoing: Outgoing::default(),
            fresh: VecDeque::new(),
            position: 0,
            capture_ns: None,
            unsequenced: 0,
            facts: Facts::default(),
            symbols: Symbols::default(),
            link: None,
            has_vlan: false,
            is_ended: false,
            failed: None,
        }
    }

    /// When the packet of the last event was captured, ns since the Unix epoch.
    #[must_use]
    pub fn capture_ns(&self) -> Option<i64> {
        self.capture_ns
    }

    /// Reads one packet; false at the end.
    fn read_packet(&mut self) -> bool {
        let (capture, packet) = match self.source.next() {
            Ok(Some(packet)) => packet,
            Ok(None) => return false,
            Err(error) => {
                self.failed = Some(error);
                return false;
            }
        };
        self.link.get_or_insert(packet.link);
        self.has_vlan |= packet.link == Link::Ethernet
            && matches!(packet.bytes.get(12..14), Some([0x81, 0x00] | [0x88, 0xA8] | [0x91, 0x00]));
        let datagram = match net::datagram(packet.link, packet.bytes) {
            Ok(datagram) => datagram,
            Err(other) => {
                self.facts.skip(other.name());
                return true;
            }
        };
        let line = LineId { capture, dst: datagram.dst };
        let payload = datagram.payload;
        let known = self.flows.get(&line).copied();
        let feed = known.or_else(|| {
            let verdicts = self.feeds.iter().map(|feed| feed.judge(payload));
            let (at, verdict) = verdicts.enumerate().max_by_key(|&(_, verdict)| verdict)?;
            if verdict == Verdict::No {
                return None;
            }
            if verdict == Verdict::Yes && self.flows.len() < FLOWS {
                self.flows.insert(line, at);
            }
            Some(at)
        });
        let Some(feed) = feed else {
            self.facts.skip("other udp");
            return true;
        };
        let Some(head) = self.feeds[feed].head(payload) else {
            self.facts.skip("broken packet");
            return true;
        };
        if head.is_cut {
            self.facts.skip("broken packet");
        }
        if let (Some(capture_ns), Some(sent_ns)) = (packet.capture_ns, head.sent_ns) {
            self.facts.latency(capture_ns.cast_unsigned(), sent_ns.cast_unsigned());
        }
        self.used[feed] = true;
        self.sessions.accept(line, &head, payload, packet.capture_ns);
        true
    }

    /// Translates the next message of the current packet; false where there is none.
    fn next_message(&mut self) -> bool {
        let Some(current) = &mut self.current else { return false };
        let Current { delivery, at, index } = current;
        let feed = &mut self.feeds[feed_of(delivery.session)];
        let message = loop {
            let message = delivery.payload.get(*at..).and_then(|rest| {
                let (prefix, rest) = rest.split_first_chunk()?;
                rest.get(..feed.length(*prefix))
            });
            let (Some(message), true) = (message, *index < delivery.count) else {
                if let Some(done) = self.current.take() {
                    self.sessions.give_back(done.delivery.payload);
                }
                return false;
            };
            *at += 2 + message.len();
            *index += 1;
            if *index > delivery.skip {
                break message;
            }
        };
        let position = if delivery.first == 0 {
            self.unsequenced += 1;
            self.unsequenced - 1
        } else {
            feed.position(delivery.first + u64::from(*index - 1))
        };
        self.capture_ns = delivery.capture_ns;
        let (fresh, facts, symbols) = (&mut self.fresh, &mut self.facts, &mut self.symbols);
        let session = delivery.session;
        feed.translate(message, &mut Sink { events: fresh, facts, symbols, session });
        self.outgoing.message(&mut self.fresh, position);
        true
    }

    /// Has an event of ours told before the next message.
    fn announce(
        &mut self,
        session: SessionId,
        kind: Kind,
        (order_id, second_id): (u64, u64),
        at: u64,
    ) {
        let position = self.feeds[feed_of(session)].position(at);
        self.outgoing.announce(kind, order_id, second_id, position);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Packet(delivery) => {
                let at = delivery.header_bytes;
                self.current = Some(Current { delivery, at, index: 0 });
            }
            Step::Gap { session, first, missing } => {
                self.announce(session, Kind::Gap, (first, missing), first);
            }
            Step::Start { session, first, is_new } => {
                if is_new {
                    self.feeds[feed_of(session)].restart();
                    self.announce(session, Kind::Clear, (0, 0), first);
                }
                let (name, _) = Event::symbol_words(session.to_string().as_bytes());
                self.announce(session, Kind::SessionStart, (name, first), first);
            }
        }
    }
}

impl EventReader for PacketFile {
    fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        loop {
            if let Some((event, position)) = self.outgoing.next() {
                self.position = position;
                return Ok(Some(event));
            }
            if self.next_message() {
                continue;
            }
            if let Some(step) = self.sessions.next_step() {
                self.take(step);
            } else if !self.is_ended {
                if !self.read_packet() {
                    self.is_ended = true;
                    self.sessions.finish();
                }
            } else if !self.outgoing.finish() {
                return self.failed.take().map_or(Ok(None), Err);
            }
        }
    }

    fn rewind(&mut self) -> Result<(), RecordingError> {
        self.source.rewind()?;
        self.feeds.iter_mut().for_each(|feed| feed.reset());
        self.flows.clear();
        self.used.fill(false);
        self.sessions = Sessions::default();
        (self.current, self.failed, self.is_ended) = (None, None, false);
        self.outgoing = Outgoing::default();
        (self.position, self.unsequenced, self.capture_ns) = (0, 0, None);
        self.facts = Facts::default();
        Ok(())
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn facts(&self) -> Facts {
        let mut facts = self.facts.clone();
        self.source.add_facts(&mut facts);
        let link = self.link.map(|link| link.to_string().to_lowercase());
        let mut layers: Vec<&str> = link.as_deref().into_iter().collect();
        layers.extend(self.has_vlan.then_some("vlan"));
        for (at, feed) in self.feeds.iter().enumerate() {
            feed.add_facts(&mut facts);
            layers.extend(self.used[at].then_some(feed.name()));
        }
        for layer in layers {
            facts.container.push_str(", ");
            facts.container.push_str(layer);
        }
        facts.sessions = self.sessions.facts().to_vec();
        facts.unsequenced = self.sessions.unsequenced();
        if self.sessions.refused() > 0 {
            facts.skipped_by.insert("too many sessions", self.sessions.refused());
        }
        facts
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

impl fmt::Debug for PacketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketFile").field("position", &self.position).finish_non_exhaustive()
    }
}
