//! IEX message to [`Event`]: one event, two for a quote.
//!
//! | IEX | event | notes |
//! |---|---|---|
//! | `8` `5` | `Level` | [`flag::COMPLETE`] is bit 0 of the event flags |
//! | `Q` | two `Quote` | bid, then ask with [`flag::COMPLETE`]; price or size 0: the side is empty; `second_id`: the flags byte |
//! | `T` | `Trade` | `Cross` where the sale condition says single-price cross; `second_id`: trade id |
//! | `B` | `Broken` | with the trade's price and size |
//! | `H` | `Status` | the state byte, `O` for "orders are accepted" |
//! | `O` | `Info` | `Status` where it changes something, see [`IexStanding`]; `second_id`: `O` |
//! | `D` | `Definition` | lot: the round lot; the tick is not in the message |
//! | `S` | `System` | for [`InstrumentId::ALL`] |
//! | `a` | `Add` | one whose side is neither `8` nor `5` is an `Info`: no book can take it |
//! | `M` | `Modify` | `Replace` by the same id where the order loses its priority |
//! | `L` `R` `C` | `Execute` `Delete` `Clear` | an execution carries the trade's price |
//! | `I` `P` `E` `X` `A` | `Info` | the type byte |
//!
//! Instruments have no numbers on the wire; the reader gives them.
//! Times are since the Unix epoch; one before it, which no message has, becomes 0. A price beyond
//! what [`Px`] holds becomes [`Px::NONE`].

use crate::event::{Event, Kind, flag};
use crate::iex::*;
use crate::num::{InstrumentId, Px, Qty, Side};

/// The bit of an event flags byte that says that the venue's event is complete.
const EVENT_COMPLETE: u8 = 0x01;
/// The bit of a modify's flags that says that the order keeps its priority.
const KEEPS_PRIORITY: u8 = 0x01;
/// The bit of a sale condition that says that the trade is an auction's.
const SINGLE_PRICE_CROSS: u8 = 0x08;

/// What one message means, about `instrument`: one event or two. For a message of the venue as a
/// whole, `instrument` is not looked at.
#[must_use]
pub fn iex_events(message: &Message, instrument: InstrumentId) -> (Event, Option<Event>) {
    let base = Event {
        exchange_ns: u64::try_from(message.timestamp_ns()).unwrap_or(0),
        instrument,
        flags: flag::COMPLETE,
        ..Event::EMPTY
    };
    let of = |kind| Event { kind_side: Event::pack(kind, Side::None), ..base };
    let info = || Event { order_id: message.kind().into(), ..of(Kind::Info) };
    let event = match message {
        Message::BuyLevel(m) => level(&base, Side::Bid, m.event_flags, m.size, m.price_1e4),
        Message::SellLevel(m) => level(&base, Side::Ask, m.event_flags, m.size, m.price_1e4),
        Message::QuoteUpdate(m) => {
            let bid = quote(&base, Side::Bid, m.flags, m.bid_size, m.bid_1e4);
            let ask = quote(&base, Side::Ask, m.flags, m.ask_size, m.ask_1e4);
            return (Event { flags: 0, ..bid }, Some(ask));
        }
        Message::TradeReport(m) => {
            let is_cross = m.sale_condition & SINGLE_PRICE_CROSS != 0;
            Event {
                px: px(m.price_1e4),
                qty: Qty(m.size.into()),
                second_id: m.trade_id.cast_unsigned(),
                ..of(if is_cross { Kind::Cross } else { Kind::Trade })
            }
        }
        Message::TradeBreak(m) => Event {
            px: px(m.price_1e4),
            qty: Qty(m.size.into()),
            second_id: m.trade_id.cast_unsigned(),
            ..of(Kind::Broken)
        },
        Message::TradingStatus(m) => Event { order_id: m.state.into(), ..of(Kind::Status) },
        Message::SecurityDirectory(m) => {
            let (order_id, second_id) = Event::symbol_words(m.symbol.trimmed());
            Event { order_id, second_id, qty: Qty(m.round_lot.into()), ..of(Kind::Definition) }
        }
        Message::SystemEvent(m) => {
            Event { order_id: m.event.into(), instrument: InstrumentId::ALL, ..of(Kind::System) }
        }
        Message::AddOrder(m) => match side(m.side) {
            Side::None => info(),
            side => Event {
                kind_side: Event::pack(Kind::Add, side),
                order_id: m.order_id,
                px: px(m.price_1e4),
                qty: Qty(m.size.into()),
                ..base
            },
        },
        Message::OrderModify(m) => {
            let keeps = m.modify_flags & KEEPS_PRIORITY != 0 || m.size == 0;
            Event {
                order_id: m.order_id,
                second_id: if keeps { 0 } else { m.order_id },
                px: px(m.price_1e4),
                qty: Qty(m.size.into()),
                ..of(if keeps { Kind::Modify } else { Kind::Replace })
            }
        }
        Message::OrderDelete(m) => Event { order_id: m.order_id, ..of(Kind::Delete) },
        Message::OrderExecuted(m) => Event {
            order_id: m.order_id,
            second_id: m.trade_id.cast_unsigned(),
            px: px(m.price_1e4),
            qty: Qty(m.size.into()),
            ..of(Kind::Execute)
        },
        Message::ClearBook(_) => of(Kind::Clear),
        Message::RetailLiquidity(_)
        | Message::OperationalHalt(_)
        | Message::ShortSaleTest(_)
        | Message::SecurityEvent(_)
        | Message::OfficialPrice(_)
        | Message::AuctionInformation(_) => info(),
    };
    (event, None)
}

/// What must be known of an instrument to read its next message right: whether an event of the venue
/// is under way in its book, and the two states that decide together whether it trades. Void when the
/// session starts afresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IexStanding {
    /// The last trading state, 0 for none yet.
    state: u8,
    /// The venue stopped it on its own.
    is_halted: bool,
    /// The last level update was not the last of its event.
    is_under_way: bool,
}

impl IexStanding {
    /// [`iex_events`], and what only the messages before can tell:
    ///
    /// * While an event is under way in the book, nothing else completes it: a trade or a halt between
    ///   two level updates is not [`flag::COMPLETE`].
    /// * An operational halt is a `Status` `H`, whatever the trading state; its end brings back the
    ///   trading state, where one is known. One that changes nothing stays an `Info`.
    #[must_use]
    pub fn events(
        &mut self,
        message: &Message,
        instrument: InstrumentId,
    ) -> (Event, Option<Event>) {
        let (mut event, second) = iex_events(message, instrument);
        match message {
            Message::BuyLevel(_) | Message::SellLevel(_) => {
                self.is_under_way = event.flags & flag::COMPLETE == 0;
            }
            Message::TradingStatus(m) => {
                self.state = m.state;
                event.order_id = self.trading().into();
            }
            Message::OperationalHalt(m) => {
                let was_halted = self.is_halted;
                self.is_halted = m.state == b'O';
                if was_halted != self.is_halted && self.trading() != 0 {
                    event.kind_side = Event::pack(Kind::Status, Side::None);
                    event.order_id = self.trading().into();
                    event.second_id = OperationalHalt::TYPE.into();
                }
            }
            _ => {}
        }
        if self.is_under_way {
            event.flags &= !flag::COMPLETE;
        }
        (event, second)
    }

    /// What both states come to, as a trading state; 0 for unknown.
    const fn trading(&self) -> u8 {
        if self.is_halted { b'H' } else { self.state }
    }
}

fn level(base: &Event, side: Side, event_flags: u8, size: u32, price_1e4: i64) -> Event {
    Event {
        kind_side: Event::pack(Kind::Level, side),
        flags: if event_flags & EVENT_COMPLETE != 0 { flag::COMPLETE } else { 0 },
        px: px(price_1e4),
        qty: Qty(size.into()),
        ..*base
    }
}

fn quote(base: &Event, side: Side, flags: u8, size: u32, price_1e4: i64) -> Event {
    let is_empty = size == 0 || price_1e4 == 0;
    Event {
        kind_side: Event::pack(Kind::Quote, side),
        second_id: flags.into(),
        px: if is_empty { Px::NONE } else { px(price_1e4) },
        qty: Qty(if is_empty { 0 } else { size.into() }),
        ..*base
    }
}

const fn side(byte: u8) -> Side {
    match byte {
        b'8' => Side::Bid,
        b'5' => Side::Ask,
        _ => Side::None,
    }
}

const fn px(price_1e4: i64) -> Px {
    match price_1e4.checked_mul(Px::PER_1E4) {
        Some(px) => Px(px),
        None => Px::NONE,
    }
}
