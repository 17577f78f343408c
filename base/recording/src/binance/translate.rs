//! A line's meaning as events, by the table in [`binance`](super).

use crate::binance::line::{Body, Depth, Level, Message};
use crate::binance::sync::Verdict;
use crate::binance::{BinanceFile, Instrument};
use crate::facts::SessionFacts;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

impl BinanceFile {
    /// The events of a message into `pending`.
    pub(super) fn translate(&mut self, mut message: Message) {
        let shifted = message.local_ns.saturating_add_signed(self.ahead_ns);
        let exchange_ns = message.venue_ns.unwrap_or(shifted);
        if message.symbol.is_none() {
            // The bare answer to a request: it is about the book whose update ids are the nearest.
            let nearest = match &message.body {
                Body::Snapshot { last_update_id, .. } => self.nearest(*last_update_id),
                _ => None,
            };
            match nearest {
                Some(instrument) => message.symbol = self.symbols.name(instrument).map(Into::into),
                None => {
                    if matches!(message.body, Body::Snapshot { .. }) {
                        self.counts.unclaimed += u64::from(self.unclaimed.is_some());
                        self.unclaimed = Some(message);
                    }
                    return self.push(
                        Event { exchange_ns, ..Event::EMPTY },
                        Kind::Info,
                        Side::None,
                    );
                }
            }
        }
        let Some((instrument, is_new)) =
            self.symbols.intern(message.symbol.as_deref().unwrap_or(""))
        else {
            self.counts.unnumbered += 1;
            return self.push(Event { exchange_ns, ..Event::EMPTY }, Kind::Info, Side::None);
        };
        let base = Event { exchange_ns, instrument, ..Event::EMPTY };
        let position = match &message.body {
            Body::Depth(depth) => depth.last_id,
            Body::Snapshot { last_update_id: id, .. } | Body::BookTicker { update_id: id, .. } => {
                *id
            }
            _ => self.position,
        };
        if is_new {
            let name = message.symbol.unwrap_or_default();
            let (order_id, second_id) = Event::symbol_words(name.as_bytes());
            let named = Event { order_id, second_id, ..base };
            self.push_at(position, named, Kind::Definition, Side::None);
            let facts = SessionFacts { id: name, ..SessionFacts::default() };
            self.instruments.push(Instrument { facts, ..Instrument::default() });
        }
        match message.body {
            Body::Depth(depth) => {
                self.instruments[instrument.index()].has_depth = true;
                if let Some(Message {
                    body: Body::Snapshot { last_update_id, bids, asks }, ..
                }) = self.unclaimed.take()
                {
                    self.snapshot(&base, last_update_id, &bids, &asks);
                }
                self.depth(&base, depth, false);
            }
            Body::Snapshot { last_update_id, bids, asks } => {
                self.instruments[instrument.index()].has_depth = true;
                self.snapshot(&base, last_update_id, &bids, &asks);
            }
            Body::Trade { id, px, qty, is_buyer_maker, is_aggregate } => {
                let has_trades = &mut self.instruments[instrument.index()].has_trades;
                *has_trades |= !is_aggregate;
                if is_aggregate && *has_trades {
                    return self.push(base, Kind::Info, Side::None);
                }
                let side = if is_buyer_maker { Side::Ask } else { Side::Bid };
                self.push(Event { px, qty, second_id: id, ..base }, Kind::Trade, side);
            }
            Body::BookTicker { bid, ask, .. } => {
                if self.is_depth_ahead || self.instruments[instrument.index()].has_depth {
                    return self.push_at(position, base, Kind::Info, Side::None);
                }
                let (px, qty) = bid;
                self.push_at(position, Event { px, qty, ..base }, Kind::Quote, Side::Bid);
                let (px, qty) = ask;
                let flags = flag::COMPLETE;
                self.push_at(position, Event { px, qty, flags, ..base }, Kind::Quote, Side::Ask);
            }
            Body::Other => self.push(base, Kind::Info, Side::None),
        }
    }

    fn nearest(&self, update_id: u64) -> Option<InstrumentId> {
        let with_depth = (0..).zip(&self.instruments).filter(|(_, it)| it.has_depth);
        with_depth.min_by_key(|(_, it)| it.sync.distance(update_id)).map(|(n, _)| InstrumentId(n))
    }

    /// One that was held was told as an `Info` when it came.
    fn depth(&mut self, base: &Event, depth: Depth, was_held: bool) {
        let it = &mut self.instruments[base.instrument.index()];
        let position = depth.last_id;
        match it.sync.verdict(&depth) {
            Verdict::Apply => {
                if it.facts.first == 0 {
                    it.facts.first = depth.first_id;
                }
                it.facts.last = depth.last_id;
                self.counts.applied += 1;
                self.levels(position, base, &depth.bids, &depth.asks, flag::COMPLETE);
            }
            Verdict::Hold => {
                self.counts.overflowed += it.sync.hold(base.exchange_ns, depth);
                if !was_held {
                    self.push_at(position, *base, Kind::Info, Side::None);
                }
            }
            Verdict::Older => {
                self.counts.older += 1;
                if !was_held {
                    self.push_at(position, *base, Kind::Info, Side::None);
                }
            }
            Verdict::Duplicate => {
                it.facts.duplicates += 1;
                if !was_held {
                    self.push_at(position, *base, Kind::Info, Side::None);
                }
            }
            Verdict::Gap { first_missing, missing } => {
                it.facts.gaps += 1;
                it.facts.missing = it.facts.missing.saturating_add(missing);
                self.counts.overflowed += it.sync.hold(base.exchange_ns, depth);
                self.push_at(position, *base, Kind::Clear, Side::None);
                let gap = Event { order_id: first_missing, second_id: missing, ..*base };
                self.push_at(position, gap, Kind::Gap, Side::None);
            }
        }
    }

    fn snapshot(&mut self, base: &Event, last_id: u64, bids: &[Level], asks: &[Level]) {
        let it = &mut self.instruments[base.instrument.index()];
        if !it.sync.snapshot(last_id) {
            return self.push_at(last_id, *base, Kind::Info, Side::None);
        }
        let base = Event { flags: flag::SNAPSHOT, ..*base };
        self.push_at(last_id, base, Kind::Clear, Side::None);
        self.levels(last_id, &base, bids, asks, 0);
        // What was held meanwhile: each is older, joins, or shows that the snapshot came too late.
        let mut held = Vec::new();
        while let Some(event) = self.instruments[base.instrument.index()].sync.release() {
            held.push(event);
        }
        for (exchange_ns, depth) in held {
            self.depth(&Event { exchange_ns, flags: 0, ..base }, depth, true);
        }
    }

    fn levels(&mut self, position: u64, base: &Event, bids: &[Level], asks: &[Level], last: u8) {
        let start = self.pending.len();
        for (side, levels) in [(Side::Bid, bids), (Side::Ask, asks)] {
            for &(px, qty) in levels {
                self.push_at(position, Event { px, qty, ..*base }, Kind::Level, side);
            }
        }
        if self.pending.len() == start && last != 0 {
            self.push_at(position, *base, Kind::Info, Side::None);
        }
        if let Some((_, event)) = self.pending.back_mut() {
            event.flags |= last;
        }
    }

    fn push(&mut self, event: Event, kind: Kind, side: Side) {
        self.push_at(self.position, event, kind, side);
    }

    fn push_at(&mut self, position: u64, event: Event, kind: Kind, side: Side) {
        let kind_side = Event::pack(kind, side);
        let event = match kind {
            Kind::Info | Kind::Clear | Kind::Gap | Kind::Definition => {
                Event { px: Px::NONE, qty: Qty(0), kind_side, ..event }
            }
            _ => Event { kind_side, ..event },
        };
        self.pending.push_back((position, event));
    }
}
