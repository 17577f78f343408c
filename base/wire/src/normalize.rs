//! Venue message to [`Event`]: the one place where meaning is translated.
//!
//! Each ITCH message becomes exactly one event, so events and messages count alike:
//!
//! | ITCH | event | notes |
//! |---|---|---|
//! | `A` `F` | `Add` | a side that is neither `B` nor `S` gives [`Side::None`] |
//! | `E` | `Execute` | [`Px::NONE`]: it traded at the order's own price |
//! | `C` | `Execute` | the trade's price; [`flag::NON_PRINTABLE`] where printable is `N` |
//! | `X` `D` `U` | `Reduce` `Delete` `Replace` | side `None`: the order has it |
//! | `P` | `Trade` | side `None`: the byte says `B` for every trade since 2014 |
//! | `Q` `B` | `Cross` `Broken` | |
//! | `H` | `Status` | |
//! | `R` | `Definition` | lot: the round lot; the tick is not in the message |
//! | `S` | `System` | for [`InstrumentId::ALL`] |
//! | others | `Info` | the type byte |
//!
//! The instrument is the stock locate. `S`, `V` and `W` are about the venue as a whole and carry
//! [`InstrumentId::ALL`].
//! A locate of 65,535 would be taken for that: such a message, of whatever type, becomes an `Info`
//! for `ALL` that no book sees, and the reader counts it by [`has_reserved_locate`]. Nasdaq numbers
//! its stocks from 1, some 12,000 of them a day.
//!
//! Every ITCH message is an event by itself: all carry [`flag::COMPLETE`].
//! `sent_ticks` and `lag_ticks` stay 0; they are the pacer's.

use crate::error::DecodeError;
use crate::event::{Event, Kind, flag};
use crate::itch50::{self, *};
use crate::num::{InstrumentId, Px, Qty, Side};

/// The event of exactly one ITCH message, straight from its bytes: the fast way, the message is
/// never built as a whole.
///
/// # Errors
/// Those of [`itch50::decode`]; all of them are skippable.
#[inline]
pub fn itch_event(bytes: &[u8]) -> Result<Event, DecodeError> {
    // The common types first, in the order of their frequency on a real day; the match is a jump
    // table either way.
    let event = match bytes.first() {
        Some(&AddOrder::TYPE) => AddOrder::from_slice(bytes)?.normalize(),
        Some(&OrderDelete::TYPE) => OrderDelete::from_slice(bytes)?.normalize(),
        Some(&OrderReplace::TYPE) => OrderReplace::from_slice(bytes)?.normalize(),
        Some(&OrderExecuted::TYPE) => OrderExecuted::from_slice(bytes)?.normalize(),
        Some(&OrderCancel::TYPE) => OrderCancel::from_slice(bytes)?.normalize(),
        Some(&AddOrderMpid::TYPE) => AddOrderMpid::from_slice(bytes)?.normalize(),
        Some(&OrderExecutedWithPrice::TYPE) => {
            OrderExecutedWithPrice::from_slice(bytes)?.normalize()
        }
        Some(&Trade::TYPE) => Trade::from_slice(bytes)?.normalize(),
        _ => itch50::decode(bytes)?.normalize(),
    };
    Ok(event)
}

/// True for an ITCH message whose locate is the number that stands for all instruments.
#[inline]
#[must_use]
pub fn has_reserved_locate(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 0xFF, 0xFF, ..])
}

/// What a message means.
pub trait Normalize {
    /// The one event that it becomes.
    fn normalize(&self) -> Event;
}

/// `fields` with time, instrument and flags of a message about one stock.
#[inline(always)]
fn about_stock(header: &Header, type_byte: u8, fields: Event) -> Event {
    if header.locate == InstrumentId::ALL.0 {
        return info_for_all(header, type_byte);
    }
    Event {
        exchange_ns: header.timestamp_ns,
        instrument: InstrumentId(header.locate),
        flags: fields.flags | flag::COMPLETE,
        ..fields
    }
}

/// A message without meaning for any book, or one whose locate is reserved.
#[cold]
#[inline(never)]
fn info_for_all(header: &Header, type_byte: u8) -> Event {
    Event {
        exchange_ns: header.timestamp_ns,
        kind_side: Event::pack(Kind::Info, Side::None),
        order_id: u64::from(type_byte),
        flags: flag::COMPLETE,
        ..Event::EMPTY
    }
}

const fn fields(kind: Kind, side: Side) -> Event {
    Event { kind_side: Event::pack(kind, side), ..Event::EMPTY }
}

const fn side(byte: u8) -> Side {
    match byte {
        b'B' => Side::Bid,
        b'S' => Side::Ask,
        _ => Side::None,
    }
}

macro_rules! normalize {
    ($($name:ident, $m:ident => $fields:expr;)+) => {$(
        impl Normalize for $name {
            #[inline]
            fn normalize(&self) -> Event {
                let $m = self;
                about_stock(&self.header, $name::TYPE, $fields)
            }
        }
    )+};
}

normalize! {
    AddOrder, m => Event {
        order_id: m.order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..fields(Kind::Add, side(m.side))
    };
    AddOrderMpid, m => Event {
        order_id: m.order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..fields(Kind::Add, side(m.side))
    };
    OrderExecuted, m => Event {
        order_id: m.order_ref,
        second_id: m.match_number,
        qty: Qty(m.shares.into()),
        ..fields(Kind::Execute, Side::None)
    };
    OrderExecutedWithPrice, m => Event {
        order_id: m.order_ref,
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        flags: if m.printable == b'N' { flag::NON_PRINTABLE } else { 0 },
        ..fields(Kind::Execute, Side::None)
    };
    OrderCancel, m => Event {
        order_id: m.order_ref,
        qty: Qty(m.shares.into()),
        ..fields(Kind::Reduce, Side::None)
    };
    OrderDelete, m => Event { order_id: m.order_ref, ..fields(Kind::Delete, Side::None) };
    OrderReplace, m => Event {
        order_id: m.old_order_ref,
        second_id: m.new_order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..fields(Kind::Replace, Side::None)
    };
    Trade, m => Event {
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..fields(Kind::Trade, Side::None)
    };
    CrossTrade, m => Event {
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares),
        ..fields(Kind::Cross, Side::None)
    };
    BrokenTrade, m => Event { second_id: m.match_number, ..fields(Kind::Broken, Side::None) };
    TradingAction, m => Event { order_id: m.state.into(), ..fields(Kind::Status, Side::None) };
    StockDirectory, m => {
        let (order_id, second_id) = Event::symbol_words(&m.stock.0);
        let qty = Qty(m.round_lot.into());
        Event { order_id, second_id, qty, ..fields(Kind::Definition, Side::None) }
    };
}

impl Normalize for SystemEvent {
    fn normalize(&self) -> Event {
        let kind_side = Event::pack(Kind::System, Side::None);
        let order_id = self.event.into();
        Event { kind_side, order_id, ..info_for_all(&self.header, SystemEvent::TYPE) }
    }
}

impl Normalize for Message {
    fn normalize(&self) -> Event {
        match self {
            Message::AddOrder(m) => m.normalize(),
            Message::AddOrderMpid(m) => m.normalize(),
            Message::OrderExecuted(m) => m.normalize(),
            Message::OrderExecutedWithPrice(m) => m.normalize(),
            Message::OrderCancel(m) => m.normalize(),
            Message::OrderDelete(m) => m.normalize(),
            Message::OrderReplace(m) => m.normalize(),
            Message::Trade(m) => m.normalize(),
            Message::CrossTrade(m) => m.normalize(),
            Message::BrokenTrade(m) => m.normalize(),
            Message::TradingAction(m) => m.normalize(),
            Message::StockDirectory(m) => m.normalize(),
            Message::SystemEvent(m) => m.normalize(),
            Message::MwcbDeclineLevels(_) | Message::MwcbStatus(_) => {
                info_for_all(self.header(), self.kind())
            }
            Message::RegShoRestriction(_)
            | Message::MarketParticipantPosition(_)
            | Message::IpoQuotingPeriod(_)
            | Message::LuldAuctionCollar(_)
            | Message::OperationalHalt(_)
            | Message::NetOrderImbalance(_)
            | Message::RetailInterest(_)
            | Message::DirectListing(_) => {
                let order_id = self.kind().into();
                let info = Event { order_id, ..fields(Kind::Info, Side::None) };
                about_stock(self.header(), self.kind(), info)
            }
        }
    }
}
