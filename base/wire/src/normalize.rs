//! Venue message to [`Event`]: the one place where meaning is translated.
//!
//! IEX has a file of its own, and so has the way back, an event as an ITCH message. Each ITCH message becomes exactly one event, so events and messages
//! count alike:
//!
//! | ITCH | event | notes |
//! |---|---|---|
//! | `A` `F` | `Add` | one whose side is neither `B` nor `S` is an `Info`, the type byte: no book can take it |
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

mod encode; // the way back: an event as an ITCH message
mod iex;

pub use encode::itch_message;
pub use iex::{IexStanding, iex_events};

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
    let (header, meaning) = match bytes.first() {
        Some(&AddOrder::TYPE) => AddOrder::from_slice(bytes)?.parts(),
        Some(&OrderDelete::TYPE) => OrderDelete::from_slice(bytes)?.parts(),
        Some(&OrderReplace::TYPE) => OrderReplace::from_slice(bytes)?.parts(),
        Some(&OrderExecuted::TYPE) => OrderExecuted::from_slice(bytes)?.parts(),
        Some(&OrderCancel::TYPE) => OrderCancel::from_slice(bytes)?.parts(),
        Some(&AddOrderMpid::TYPE) => AddOrderMpid::from_slice(bytes)?.parts(),
        Some(&OrderExecutedWithPrice::TYPE) => OrderExecutedWithPrice::from_slice(bytes)?.parts(),
        _ => other(bytes)?,
    };
    Ok(event(&header, bytes[0], meaning))
}

/// What changes no displayed book: few in a thousand, so out of the way of those that do.
#[cold]
#[inline(never)]
fn other(bytes: &[u8]) -> Result<(Header, Meaning), DecodeError> {
    Ok(itch50::decode(bytes)?.parts())
}

/// True for an ITCH message whose locate is the number that stands for all instruments.
#[inline]
#[must_use]
pub fn has_reserved_locate(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 0xFF, 0xFF, ..])
}

/// The stock that an ITCH message names, its padding taken off; `None` where it names none or the
/// bytes are no name.
#[inline]
#[must_use]
pub fn itch_symbol(bytes: &[u8]) -> Option<&str> {
    let at = match *bytes.first()? {
        AddOrder::TYPE | AddOrderMpid::TYPE | Trade::TYPE => 24,
        StockDirectory::TYPE | TradingAction::TYPE => 11,
        CrossTrade::TYPE => 19,
        _ => return None,
    };
    let name = core::str::from_utf8(bytes.get(at..at + 8)?).ok()?.trim_end();
    (!name.is_empty()).then_some(name)
}

/// What a message means.
pub trait Normalize {
    /// The one event that it becomes.
    fn normalize(&self) -> Event;
}

/// What an event says apart from when and about what. Its fields travel in registers: the event is
/// put together at one place, behind the choice of the message, and is not built in memory by
/// narrow stores that wide loads would have to wait for (measured: 15.5 against 7.0 ns a message).
#[derive(Clone, Copy)]
struct Meaning {
    kind_side: u8,
    flags: u8,
    /// About no single stock.
    of_venue: bool,
    px: Px,
    qty: Qty,
    order_id: u64,
    second_id: u64,
}

impl Meaning {
    const fn of(kind: Kind) -> Meaning {
        Meaning {
            kind_side: Event::pack(kind, Side::None),
            flags: flag::COMPLETE,
            of_venue: false,
            px: Px::NONE,
            qty: Qty(0),
            order_id: 0,
            second_id: 0,
        }
    }

    const fn info(type_byte: u8) -> Meaning {
        Meaning { order_id: type_byte as u64, ..Meaning::of(Kind::Info) }
    }
}

#[inline(always)]
fn event(header: &Header, type_byte: u8, meaning: Meaning) -> Event {
    let all = header.locate == InstrumentId::ALL.0;
    let Meaning { kind_side, flags, of_venue, px, qty, order_id, second_id } =
        if all && !meaning.of_venue { Meaning::info(type_byte) } else { meaning };
    Event {
        exchange_ns: header.timestamp_ns,
        sent_ticks: 0,
        px,
        qty,
        order_id,
        second_id,
        lag_ticks: 0,
        instrument: if of_venue { InstrumentId::ALL } else { InstrumentId(header.locate) },
        kind_side,
        flags,
    }
}

/// An order enters, on the side of its byte. One without a side would end the run of whoever takes
/// it for an order; a byte of a recording must not.
#[inline(always)]
fn add(type_byte: u8, side_byte: u8, order: Meaning) -> Meaning {
    let side = match side_byte {
        b'B' => Side::Bid,
        b'S' => Side::Ask,
        _ => return no_side(type_byte),
    };
    Meaning { kind_side: Event::pack(Kind::Add, side), ..order }
}

#[cold]
fn no_side(type_byte: u8) -> Meaning {
    Meaning::info(type_byte)
}

macro_rules! normalize {
    ($($name:ident, $m:ident => $meaning:expr;)+) => {
        $(
            impl $name {
                #[inline(always)]
                fn parts(&self) -> (Header, Meaning) {
                    let $m = self;
                    (self.header, $meaning)
                }
            }

            impl Normalize for $name {
                #[inline]
                fn normalize(&self) -> Event {
                    let (header, meaning) = self.parts();
                    event(&header, $name::TYPE, meaning)
                }
            }
        )+

        impl Message {
            fn parts(&self) -> (Header, Meaning) {
                match self {
                    $(Message::$name(m) => m.parts(),)+
                }
            }
        }

        impl Normalize for Message {
            fn normalize(&self) -> Event {
                let (header, meaning) = self.parts();
                event(&header, self.kind(), meaning)
            }
        }
    };
}

normalize! {
    AddOrder, m => add(AddOrder::TYPE, m.side, Meaning {
        order_id: m.order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Add)
    });
    AddOrderMpid, m => add(AddOrderMpid::TYPE, m.side, Meaning {
        order_id: m.order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Add)
    });
    OrderExecuted, m => Meaning {
        order_id: m.order_ref,
        second_id: m.match_number,
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Execute)
    };
    OrderExecutedWithPrice, m => Meaning {
        order_id: m.order_ref,
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        flags: flag::COMPLETE | if m.printable == b'N' { flag::NON_PRINTABLE } else { 0 },
        ..Meaning::of(Kind::Execute)
    };
    OrderCancel, m => Meaning {
        order_id: m.order_ref,
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Reduce)
    };
    OrderDelete, m => Meaning { order_id: m.order_ref, ..Meaning::of(Kind::Delete) };
    OrderReplace, m => Meaning {
        order_id: m.old_order_ref,
        second_id: m.new_order_ref,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Replace)
    };
    Trade, m => Meaning {
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares.into()),
        ..Meaning::of(Kind::Trade)
    };
    CrossTrade, m => Meaning {
        second_id: m.match_number,
        px: Px::from_1e4(m.price_1e4),
        qty: Qty(m.shares),
        ..Meaning::of(Kind::Cross)
    };
    BrokenTrade, m => Meaning { second_id: m.match_number, ..Meaning::of(Kind::Broken) };
    TradingAction, m => Meaning { order_id: m.state.into(), ..Meaning::of(Kind::Status) };
    StockDirectory, m => {
        let (order_id, second_id) = Event::symbol_words(&m.stock.0);
        let qty = Qty(m.round_lot.into());
        Meaning { order_id, second_id, qty, ..Meaning::of(Kind::Definition) }
    };
    SystemEvent, m => Meaning {
        order_id: m.event.into(),
        of_venue: true,
        ..Meaning::of(Kind::System)
    };
    MwcbDeclineLevels, _m => Meaning { of_venue: true, ..Meaning::info(MwcbDeclineLevels::TYPE) };
    MwcbStatus, _m => Meaning { of_venue: true, ..Meaning::info(MwcbStatus::TYPE) };
    RegShoRestriction, _m => Meaning::info(RegShoRestriction::TYPE);
    MarketParticipantPosition, _m => Meaning::info(MarketParticipantPosition::TYPE);
    IpoQuotingPeriod, _m => Meaning::info(IpoQuotingPeriod::TYPE);
    LuldAuctionCollar, _m => Meaning::info(LuldAuctionCollar::TYPE);
    OperationalHalt, _m => Meaning::info(OperationalHalt::TYPE);
    NetOrderImbalance, _m => Meaning::info(NetOrderImbalance::TYPE);
    RetailInterest, _m => Meaning::info(RetailInterest::TYPE);
    DirectListing, _m => Meaning::info(DirectListing::TYPE);
}
