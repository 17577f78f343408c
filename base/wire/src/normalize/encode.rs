//! Event to ITCH message: the way back, so that any source can be sent as a venue sends.
//!
//! For every ITCH message `m`, `itch_event(itch_message(itch_event(m)))` is `itch_event(m)` in all
//! fields. The message itself does not come back: an event does not know the tracking number, the
//! symbol, the participant, and an [`Info`](Kind::Info) knows nothing but its type. What is not known
//! is zero, or a space where the specification has a letter.
//!
//! What ITCH cannot say is refused, never bent: levels and quotes, changes of a price in place,
//! quantities beyond its integers, prices that are finer than 1e-4, events of several messages, parts
//! of a snapshot. Two things of ours are lost: a [`Definition`](Kind::Definition)'s price tick, and
//! the pacer's stamps and flags.
//!
//! Cost: ~10 ns, no heap. When it is the wrong choice: to copy a recording, which has the messages.

use crate::event::{Event, Kind, flag};
use crate::itch50::{self, *};
use crate::num::{InstrumentId, Side};

/// Symbol where none is known.
const NO_STOCK: Alpha<8> = Alpha([b' '; 8]);

/// Writes the message that becomes this event to the front of `out`; its length. `None` where ITCH
/// has no such message, or `out` is shorter than it ([`MESSAGE_BYTES_MAX`] is always enough).
#[must_use]
pub fn itch_message(event: &Event, out: &mut [u8]) -> Option<usize> {
    let is_all = event.instrument == InstrumentId::ALL;
    let said = event.flags & !(flag::WARM_UP | flag::LAG_SATURATED | flag::NON_PRINTABLE);
    // Each message is a whole event of its venue, and none is of a snapshot.
    if event.exchange_ns > Header::TIMESTAMP_MASK || said != flag::COMPLETE {
        return None;
    }
    let timestamp_ns = event.exchange_ns;
    let header = Header { locate: event.instrument.0, tracking: 0, timestamp_ns };
    let kind = event.kind()?;
    if kind == Kind::Info {
        return info(event, header, out);
    }
    // The number of "all" would be read as that, and the message as an `Info`.
    if is_all != (kind == Kind::System) {
        return None;
    }
    let message = match kind {
        Kind::Add => add(event, header)?,
        Kind::Execute => execute(event, header)?,
        Kind::Reduce | Kind::Delete | Kind::Replace => change(kind, event, header)?,
        Kind::Trade | Kind::Cross | Kind::Broken => trade(kind, event, header)?,
        Kind::Status | Kind::Definition | Kind::System => state(kind, event, header)?,
        _ => return None,
    };
    itch50::encode(&message, out)
}

/// Only adds have a side on the wire.
fn has_no_side(event: &Event) -> Option<()> {
    (event.side() == Some(Side::None)).then_some(())
}

fn shares(event: &Event) -> Option<u32> {
    u32::try_from(event.qty.0).ok()
}

fn add(event: &Event, header: Header) -> Option<Message> {
    let side = match event.side()? {
        Side::Bid => b'B',
        Side::Ask => b'S',
        Side::None => return None,
    };
    let (order_ref, shares) = (event.order_id, shares(event)?);
    let price_1e4 = event.px.to_1e4()?;
    Some(AddOrder { header, order_ref, side, shares, stock: NO_STOCK, price_1e4 }.into())
}

fn execute(event: &Event, header: Header) -> Option<Message> {
    has_no_side(event)?;
    let (order_ref, match_number) = (event.order_id, event.second_id);
    let shares = shares(event)?;
    let is_printable = event.flags & flag::NON_PRINTABLE == 0;
    if !event.px.is_some() {
        // An `E` is always counted as volume.
        let message = OrderExecuted { header, order_ref, shares, match_number };
        return is_printable.then_some(message.into());
    }
    let printable = if is_printable { b'Y' } else { b'N' };
    let price_1e4 = event.px.to_1e4()?;
    let message =
        OrderExecutedWithPrice { header, order_ref, shares, match_number, printable, price_1e4 };
    Some(message.into())
}

/// What happens to an order that is there.
fn change(kind: Kind, event: &Event, header: Header) -> Option<Message> {
    has_no_side(event)?;
    let order_ref = event.order_id;
    Some(match kind {
        Kind::Reduce => OrderCancel { header, order_ref, shares: shares(event)? }.into(),
        Kind::Delete => OrderDelete { header, order_ref }.into(),
        _ => OrderReplace {
            header,
            old_order_ref: order_ref,
            new_order_ref: event.second_id,
            shares: shares(event)?,
            price_1e4: event.px.to_1e4()?,
        }
        .into(),
    })
}

/// What no displayed order took part in.
fn trade(kind: Kind, event: &Event, header: Header) -> Option<Message> {
    has_no_side(event)?;
    let match_number = event.second_id;
    Some(match kind {
        Kind::Trade => Trade {
            header,
            order_ref: 0,
            // The byte of every trade since 2014.
            side: b'B',
            shares: shares(event)?,
            stock: NO_STOCK,
            price_1e4: event.px.to_1e4()?,
            match_number,
        }
        .into(),
        Kind::Cross => CrossTrade {
            header,
            shares: event.qty.0,
            stock: NO_STOCK,
            price_1e4: event.px.to_1e4()?,
            match_number,
            cross_type: b' ',
        }
        .into(),
        _ => {
            // A `B` has a match number and nothing else.
            let is_bare = !event.px.is_some() && event.qty.0 == 0;
            return is_bare.then_some(BrokenTrade { header, match_number }.into());
        }
    })
}

/// What is traded, and whether.
fn state(kind: Kind, event: &Event, header: Header) -> Option<Message> {
    let byte = || u8::try_from(event.order_id).ok();
    Some(match kind {
        Kind::Status => {
            // The letter of an operational halt is not in an `H`.
            let state = (event.second_id == 0).then(byte)??;
            TradingAction {
                header,
                stock: NO_STOCK,
                state,
                reserved: b' ',
                reason: Alpha(*b"    "),
            }
            .into()
        }
        Kind::Definition => directory(event, header)?.into(),
        // A venue's own header has no locate.
        _ => SystemEvent { header: Header { locate: 0, ..header }, event: byte()? }.into(),
    })
}

fn directory(event: &Event, header: Header) -> Option<StockDirectory> {
    let stock = (event.second_id == 0).then_some(Alpha(event.order_id.to_le_bytes()))?;
    Some(StockDirectory {
        header,
        stock,
        market_category: b' ',
        financial_status: b' ',
        round_lot: shares(event)?,
        round_lots_only: b'N',
        issue_class: b' ',
        issue_subtype: Alpha(*b"  "),
        authenticity: b'P',
        short_sale_threshold: b' ',
        ipo_flag: b' ',
        luld_tier: b' ',
        etp_flag: b' ',
        etp_leverage: 0,
        inverse: b'N',
    })
}

/// A message of this type byte, and otherwise zeros: no meaning that anybody could read.
fn info(event: &Event, header: Header, out: &mut [u8]) -> Option<usize> {
    let kind = u8::try_from(event.order_id).ok()?;
    let message = out.get_mut(..itch50::length_of(kind)?)?;
    message.fill(0);
    // Those of the venue are for all whatever their header says; of any other, "all" is the locate.
    let of_venue = matches!(kind, MwcbDeclineLevels::TYPE | MwcbStatus::TYPE);
    let locate = if of_venue { 0 } else { header.locate };
    let header = Header { locate, ..header }.encode(kind);
    message.get_mut(..header.len())?.copy_from_slice(&header);
    let len = message.len();
    // A type with a meaning becomes an `Info` only in some cases: an order without a side, "all".
    let same = super::itch_event(message).is_ok_and(|again| {
        (again.kind(), again.instrument, again.order_id)
            == (Some(Kind::Info), event.instrument, event.order_id)
    });
    same.then_some(len)
}
