//! [`IexFeed`]: TOPS, DEEP and DEEP+ over IEX-TP, with instruments numbered as their symbols appear.
//!
//! ```text
//! packet ─► segment header ─► sequence (who saw what) ─► block ─► message ─► Definition? event (event)
//! ```
//!
//! Nothing on the wire numbers the instruments: a symbol gets the next free number where it is met
//! first, and a `Definition` says so before the instrument's first event, unless the message is the
//! venue's own definition. Trading states and unfinished book events are remembered for each
//! instrument and void when the session starts afresh.
//!
//! One recording is one feed, that of its first segment. A capture that holds TOPS and DEEP side by
//! side would make two books of each stock; what is not of the first is stepped over and counted.
//!
//! Message times go back all the time across instruments, and trades tell of a moment before the
//! levels that they changed: only messages that change a book are counted as
//! [`reversals`](Facts::reversals) here.
//!
//! Cost: a look-up by symbol for each message; memory is that of the symbols, at most 65,535.

use crate::packets::{PacketFeed, Sink, Verdict};
use crate::session::{Content, Head, SessionId};
use crate::{Facts, Protocol};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::iex::{self, Message};
use tickspin_wire::iextp::{self, Feed, HEADER_BYTES};
use tickspin_wire::normalize::IexStanding;
use tickspin_wire::num::{InstrumentId, Side};
use tickspin_wire::{DecodeError, Rule};

/// What is known of a feed while its messages come.
#[derive(Debug)]
pub(crate) struct IexFeed {
    /// Which one, once a message came.
    feed: Option<Feed>,
    /// By instrument.
    standings: Vec<IexStanding>,
    by_type: [u64; 256],
    /// Time of the last message that changed a book.
    book_ns: Option<u64>,
}

impl Default for IexFeed {
    fn default() -> IexFeed {
        IexFeed { feed: None, standings: Vec::new(), by_type: [0; 256], book_ns: None }
    }
}

impl PacketFeed for IexFeed {
    fn name(&self) -> &'static str {
        "iex-tp"
    }

    /// Version, protocol and lengths say it, with messages or without.
    fn judge(&self, payload: &[u8]) -> Verdict {
        if iextp::segment(payload).is_ok() { Verdict::Yes } else { Verdict::No }
    }

    fn head(&self, payload: &[u8]) -> Option<Head> {
        let (header, blocks) = iextp::segment(payload).ok()?;
        let whole = blocks.filter(Result::is_ok).count() as u32;
        let content = match header.message_count {
            0 => Content::Heartbeat,
            _ if whole == 0 => return None,
            _ => Content::Messages(whole),
        };
        Some(Head {
            session: SessionId::Iex {
                protocol: header.feed as u16,
                channel: header.channel,
                session: header.session,
            },
            first: header.first_sequence.unsigned_abs(),
            content,
            sent_ns: Some(header.send_ns),
            header_bytes: HEADER_BYTES,
            is_cut: whole < u32::from(header.message_count),
        })
    }

    fn length(&self, prefix: [u8; 2]) -> usize {
        u16::from_le_bytes(prefix).into()
    }

    fn restart(&mut self) {
        self.standings.fill(IexStanding::default());
        self.book_ns = None;
    }

    fn translate(&mut self, bytes: &[u8], sink: &mut Sink<'_>) {
        let message = match self.decode(bytes, sink.session) {
            Ok(message) => message,
            Err(reason) => return sink.facts.skip(reason),
        };
        let instrument = match self.instrument(bytes, &message, sink) {
            Ok(instrument) => instrument,
            Err(reason) => return sink.facts.skip(reason),
        };
        let (event, second) = match self.standings.get_mut(instrument.index()) {
            Some(standing) => standing.events(&message, instrument),
            None => IexStanding::default().events(&message, instrument),
        };
        self.count(&message, &event, sink.facts);
        sink.events.push_back(event);
        sink.events.extend(second);
    }

    fn position(&self, sequence: u64) -> u64 {
        sequence
    }

    fn add_facts(&self, facts: &mut Facts) {
        let Some(feed) = self.feed else { return };
        facts.protocol = match feed {
            Feed::Tops15 | Feed::Tops16 => Protocol::Tops16,
            Feed::Deep10 => Protocol::Deep10,
            Feed::DeepPlus10 => Protocol::DeepPlus10,
        };
        for (kind, count) in (0..=u8::MAX).zip(self.by_type).filter(|&(_, count)| count > 0) {
            facts.messages += count;
            facts.by_type.insert(char::from(kind).into(), count);
        }
    }

    fn reset(&mut self) {
        *self = IexFeed::default();
    }
}

impl IexFeed {
    /// The message, if it is one of this feed, or why it is none.
    fn decode(&mut self, bytes: &[u8], session: SessionId) -> Result<Message, &'static str> {
        let SessionId::Iex { protocol, .. } = session else {
            return Err("message of another feed");
        };
        let of_session = Feed::from_protocol(protocol).ok_or("message of another feed")?;
        let feed = *self.feed.get_or_insert(of_session);
        if of_session != feed {
            return Err("message of another feed");
        }
        match iex::decode(bytes) {
            Ok(message) if iex::carries(feed, message.kind()) => Ok(message),
            Ok(_) => Err("type of another feed"),
            Err(DecodeError { rule: Rule::Length { .. }, .. }) => Err("unexpected length"),
            Err(DecodeError { rule: Rule::Empty, .. }) => Err("empty message"),
            Err(_) => Err("unknown type"),
        }
    }

    /// The number of the instrument that a message is about; a new one is told of first.
    fn instrument(
        &mut self,
        bytes: &[u8],
        message: &Message,
        sink: &mut Sink<'_>,
    ) -> Result<InstrumentId, &'static str> {
        let Some(symbol) = iex::symbol(bytes) else { return Ok(InstrumentId::ALL) };
        let name = str::from_utf8(symbol).ok().map(str::trim_end);
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err("symbol that is no name");
        };
        let Some((instrument, _)) = sink.symbols.intern(name) else {
            return Err("more instruments than numbers");
        };
        // Names outlive a rewind, what was said about them does not.
        let is_new = self.standings.len() <= instrument.index();
        if is_new {
            self.standings.resize(instrument.index() + 1, IexStanding::default());
        }
        if is_new && !matches!(message, Message::SecurityDirectory(_)) {
            let (order_id, second_id) = Event::symbol_words(name.as_bytes());
            sink.events.push_back(Event {
                exchange_ns: u64::try_from(message.timestamp_ns()).unwrap_or(0),
                order_id,
                second_id,
                instrument,
                kind_side: Event::pack(Kind::Definition, Side::None),
                ..Event::EMPTY
            });
        }
        Ok(instrument)
    }

    fn count(&mut self, message: &Message, event: &Event, facts: &mut Facts) {
        self.by_type[usize::from(message.kind())] += 1;
        let at_ns = event.exchange_ns;
        facts.first_ns.get_or_insert(at_ns);
        facts.last_ns = Some(at_ns);
        // What changes a book comes before what does not.
        if event.kind().is_some_and(|kind| (kind as u8) < Kind::Trade as u8) {
            facts.reversals += u64::from(self.book_ns.is_some_and(|last| at_ns < last));
            self.book_ns = Some(at_ns);
        }
    }
}
