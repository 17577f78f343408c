//! What a DBN record means: one record, one or more events.
//!
//! | record | events |
//! |---|---|
//! | MBO `A` `C` `M` `R` | `Add`, `Reduce` by the size, `Modify`, `Clear` of the instrument |
//! | MBO `T` | `Trade`; the side is the aggressor's |
//! | MBO `F` `N` | `Info`: they never change a book, what they tell of comes as `C` or `M` |
//! | trades | `Trade` |
//! | MBP-1, TBBO, BBO and their consolidated kin | `Trade` where the action is `T`, then a `Quote` of each side |
//! | MBP-10 | `Trade` or `Clear` by the action, then a `Level` for each difference from the instrument's record before |
//! | status, definition | `Status`, `Definition` |
//! | all others | `Info` |
//!
//! `LAST` becomes `COMPLETE`, on the last event of the record. Records that were picked out or
//! sampled by themselves (trades, TBBO, BBO: by schema or type) are complete always, because the one
//! with `LAST` may have been left out. What is not about a book completes nothing.

use crate::dbn::layout::{self, Definition, Level, Pair, field};
use ::dbn::{MboMsg, StatusAction, StatusMsg, TradeMsg, flags, rtype};
use std::collections::HashMap;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};

const DEPTH: usize = 10;

/// The last MBP-10 record of an instrument: bids, asks, best first.
type Ladder = [[Level; DEPTH]; 2];

/// What translation has to remember.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    ladders: HashMap<u16, Box<Ladder>>,
    /// Every record of this file stands for itself.
    pub(crate) is_sampled: bool,
}

/// The wire's side of a side byte.
#[inline(always)]
fn side_of(byte: u8) -> Side {
    match byte {
        b'A' => Side::Ask,
        b'B' => Side::Bid,
        _ => Side::None,
    }
}

#[inline(always)]
fn flags_of(raw: u8) -> u8 {
    let complete = if raw & flags::LAST != 0 { flag::COMPLETE } else { 0 };
    let snapshot = if raw & flags::SNAPSHOT != 0 { flag::SNAPSHOT } else { 0 };
    complete | snapshot
}

/// What an action of an MBO record says. Looked up, not matched: actions come in no order that a
/// processor could foresee, and a wrong guess costs as much as half the record.
#[derive(Clone, Copy)]
struct Action {
    kind: Kind,
    has_px: bool,
    has_order: bool,
    has_qty_and_side: bool,
    is_unknown: bool,
    /// In place of the order.
    other: u8,
}

const ACTIONS: [Action; 256] = {
    let info = Action {
        kind: Kind::Info,
        has_px: false,
        has_order: false,
        has_qty_and_side: false,
        is_unknown: true,
        other: 0,
    };
    let known = Action { is_unknown: false, ..info };
    let order = Action { has_order: true, has_qty_and_side: true, ..known };
    let mut actions = [info; 256];
    let mut byte = 0;
    while byte < actions.len() {
        actions[byte].other = byte as u8;
        byte += 1;
    }
    actions[b'A' as usize] = Action { kind: Kind::Add, has_px: true, ..order };
    actions[b'C' as usize] = Action { kind: Kind::Reduce, ..order };
    actions[b'M' as usize] = Action { kind: Kind::Modify, has_px: true, ..order };
    actions[b'T' as usize] = Action { kind: Kind::Trade, has_px: true, has_order: false, ..order };
    actions[b'R' as usize] = Action { kind: Kind::Clear, ..known };
    actions[b'F' as usize].is_unknown = false;
    actions[b'N' as usize].is_unknown = false;
    actions
};

/// The event of one MBO record; the second says that its action is none we know.
#[inline(always)]
pub(crate) fn mbo(
    record: &[u8; layout::MBO_BYTES],
    instrument: InstrumentId,
    exchange_ns: u64,
) -> (Event, bool) {
    let action = ACTIONS[usize::from(field!(record, MboMsg, action, u8))];
    let px = layout::px(field!(record, MboMsg, price, i64));
    let qty = layout::qty(field!(record, MboMsg, size, u32));
    let side = side_of(field!(record, MboMsg, side, u8));
    let order_id = field!(record, MboMsg, order_id, u64);
    let event = Event {
        exchange_ns,
        px: if action.has_px { px } else { Px::NONE },
        qty: if action.has_qty_and_side { qty } else { Qty(0) },
        order_id: if action.has_order { order_id } else { u64::from(action.other) },
        instrument,
        kind_side: Event::pack(
            action.kind,
            if action.has_qty_and_side { side } else { Side::None },
        ),
        flags: flags_of(field!(record, MboMsg, flags, u8)),
        ..Event::EMPTY
    };
    (event, action.is_unknown)
}

impl Translation {
    pub(crate) fn new(is_sampled: bool) -> Translation {
        Translation { is_sampled, ..Translation::default() }
    }

    /// The events of a record that is no MBO; `record` is without `ts_out`.
    pub(crate) fn others(
        &mut self,
        rtype: u8,
        record: &[u8],
        instrument: InstrumentId,
        exchange_ns: u64,
        out: &mut Vec<Event>,
    ) {
        let base = Event { exchange_ns, instrument, ..Event::EMPTY };
        let start = out.len();
        let flags = match rtype {
            rtype::MBP_0 | rtype::MBP_1 | rtype::MBP_10 | rtype::CMBP_1 | rtype::TCBBO => {
                let action = field!(record, TradeMsg, action, u8);
                if action == b'T' {
                    out.push(Event {
                        px: layout::px(field!(record, TradeMsg, price, i64)),
                        qty: layout::qty(field!(record, TradeMsg, size, u32)),
                        kind_side: Event::pack(
                            Kind::Trade,
                            side_of(field!(record, TradeMsg, side, u8)),
                        ),
                        ..base
                    });
                }
                match rtype {
                    rtype::MBP_0 => {}
                    rtype::MBP_10 => self.levels(record, action, &base, out),
                    _ => quotes(record, is_consolidated(rtype), &base, out),
                }
                if out.len() == start {
                    out.push(info(&base, action));
                }
                let is_sampled = self.is_sampled || matches!(rtype, rtype::MBP_0 | rtype::TCBBO);
                book_flags(record, is_sampled)
            }
            rtype::BBO_1S | rtype::BBO_1M | rtype::CBBO_1S | rtype::CBBO_1M => {
                quotes(record, is_consolidated(rtype), &base, out);
                book_flags(record, true)
            }
            _ => {
                out.push(match rtype {
                    rtype::STATUS => status(record, &base),
                    rtype::INSTRUMENT_DEF => definition(&Definition::of(record), &base),
                    _ => info(&base, rtype),
                });
                0
            }
        };
        let last = out.len() - 1;
        for (index, event) in out.iter_mut().enumerate().skip(start) {
            event.flags |= if index == last { flags } else { flags & !flag::COMPLETE };
        }
    }

    /// MBP-10: what is different from the instrument's record before.
    fn levels(&mut self, record: &[u8], action: u8, base: &Event, out: &mut Vec<Event>) {
        let none = || Box::new([[Level::NONE; DEPTH]; 2]);
        let ladder = self.ladders.entry(base.instrument.0).or_insert_with(none);
        if action == b'R' {
            **ladder = [[Level::NONE; DEPTH]; 2];
            out.push(Event { kind_side: Event::pack(Kind::Clear, Side::None), ..*base });
        }
        let mut now = [[Level::NONE; DEPTH]; 2];
        let [bids, asks] = &mut now;
        for (index, (bid, ask)) in bids.iter_mut().zip(asks).enumerate() {
            let pair = Pair::of(record, index, false);
            (*bid, *ask) = (pair.bid, pair.ask);
        }
        let before = std::mem::replace(&mut **ladder, now);
        for (side, before, now) in
            [(Side::Bid, &before[0], &now[0]), (Side::Ask, &before[1], &now[1])]
        {
            let level = |level: &Level| Event {
                px: level.px,
                qty: level.qty,
                order_id: level.orders.into(),
                kind_side: Event::pack(Kind::Level, side),
                ..*base
            };
            for old in before.iter().filter(|level| level.px.is_some()) {
                if now.iter().all(|new| new.px != old.px) {
                    out.push(level(&Level { px: old.px, ..Level::NONE }));
                }
            }
            for new in now.iter().filter(|level| level.px.is_some()) {
                if !before.contains(new) {
                    out.push(level(new));
                }
            }
        }
    }
}

/// Flags of a record about prices.
fn book_flags(record: &[u8], is_sampled: bool) -> u8 {
    let flags = flags_of(field!(record, TradeMsg, flags, u8));
    if is_sampled { flags | flag::COMPLETE } else { flags }
}

/// Publishers stand where others have counts of orders.
pub(crate) const fn is_consolidated(rtype: u8) -> bool {
    matches!(rtype, rtype::CMBP_1 | rtype::TCBBO | rtype::CBBO_1S | rtype::CBBO_1M)
}

/// Both sides as the record says they are.
fn quotes(record: &[u8], is_consolidated: bool, base: &Event, out: &mut Vec<Event>) {
    let pair = Pair::of(record, 0, is_consolidated);
    for (side, level) in [(Side::Bid, pair.bid), (Side::Ask, pair.ask)] {
        out.push(Event {
            px: level.px,
            qty: level.qty,
            order_id: level.orders.into(),
            kind_side: Event::pack(Kind::Quote, side),
            ..*base
        });
    }
}

/// Nothing for a book or a strategy; `code` is the record's type or its action.
pub(crate) fn info(base: &Event, code: u8) -> Event {
    Event { order_id: code.into(), kind_side: Event::pack(Kind::Info, Side::None), ..*base }
}

pub(crate) fn definition(definition: &Definition, base: &Event) -> Event {
    let (order_id, second_id) = Event::symbol_words(definition.raw_symbol.as_bytes());
    Event {
        px: definition.tick_px,
        qty: definition.lot_qty,
        order_id,
        second_id,
        kind_side: Event::pack(Kind::Definition, Side::None),
        ..*base
    }
}

fn status(record: &[u8], base: &Event) -> Event {
    use StatusAction as Action;
    let is_trading = field!(record, StatusMsg, is_trading, u8);
    let action = Action::try_from(field!(record, StatusMsg, action, u16)).unwrap_or(Action::None);
    let state = match (action, is_trading) {
        (Action::Trading, _) => b'T',
        (Action::Pause, _) => b'P',
        (
            Action::Halt
            | Action::Suspend
            | Action::Close
            | Action::PostClose
            | Action::NotAvailableForTrading,
            _,
        ) => b'H',
        // What is left tells of a phase of the day, or of nothing that concerns trading at all.
        (_, b'Y') => b'T',
        (Action::None | Action::SsrChange, b'N') => b'H',
        (Action::None | Action::SsrChange, _) => return info(base, rtype::STATUS),
        _ => b'Q',
    };
    Event { order_id: state.into(), kind_side: Event::pack(Kind::Status, Side::None), ..*base }
}
