//! The loop over scratch memory before the first real tick.
//!
//! Page tables, caches, branch predictors and the lazy parts of the dynamic linker all cost most the
//! first time. A rehearsal runs the same code over a script of made-up events, with memory, tallies
//! and counters of its own, so that nothing of it shows in the run.
//!
//! A loop is compiled for each kind of input: [`script`] can be read through a
//! [`crate::input::SliceInput`], or published into a scratch ring of the process itself, which
//! warms the very instance that will run.

use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{Report, ReportKind};

/// A price in the middle of the script's books: 100 of the quote currency.
const MID_PX: i64 = 100 * Px::ONE;

/// Distance between prices of the script: a hundredth.
const STEP_PX: i64 = Px::ONE / 100;

/// Fills `payloads` with a market over `instruments` instruments (at least 1), flagged as warm-up,
/// and `End` in the last place. Every kind that changes a book occurs; tops move, so that a
/// market maker requotes. Deterministic.
pub fn script(payloads: &mut [[u64; 7]], instruments: u16) {
    let Some((last, events)) = payloads.split_last_mut() else { return };
    let instruments = u64::from(instruments.max(1));
    let mut instrument = 0;
    let mut round = 0;
    let mut id = 0;
    for (at, words) in (0_u64..).zip(events) {
        let beat = at & 7;
        let event = Event {
            exchange_ns: at * 1_000,
            instrument: InstrumentId(instrument as u16),
            flags: flag::COMPLETE | flag::WARM_UP,
            ..Event::EMPTY
        };
        // Eight events an instrument: two adds a side, an execution, a reduction, a replacement,
        // a deletion; the next round's prices are a step up or down.
        let drift = if round & 1 == 0 { 0 } else { 3 * STEP_PX };
        let add = |side, steps: i64, id| Event {
            kind_side: Event::pack(Kind::Add, side),
            px: Px(MID_PX + drift + steps * STEP_PX),
            qty: Qty(300),
            order_id: id,
            ..event
        };
        let on = |kind, order_id, qty| Event {
            kind_side: Event::pack(kind, Side::None),
            order_id,
            qty: Qty(qty),
            ..event
        };
        *words = match beat {
            0 => {
                id += 8;
                add(Side::Bid, -1, id)
            }
            1 => add(Side::Ask, 1, id + 1),
            2 => add(Side::Bid, -2, id + 2),
            3 => add(Side::Ask, 2, id + 3),
            4 => on(Kind::Execute, id, 100),
            5 => on(Kind::Reduce, id + 1, 100),
            6 => Event {
                px: Px(MID_PX + drift - 3 * STEP_PX),
                second_id: id + 4,
                ..on(Kind::Replace, id, 200)
            },
            _ => on(Kind::Delete, id + 1, 0),
        }
        .to_words();
        if beat == 7 {
            instrument += 1;
            if instrument == instruments {
                instrument = 0;
                round += 1;
            }
        }
    }
    *last = Event {
        kind_side: Event::pack(Kind::End, Side::None),
        flags: flag::WARM_UP,
        ..Event::EMPTY
    }
    .to_words();
}

/// Fills `payloads` with answers to requests 1, 2, 3 …: each acknowledged, every other one then
/// filled in part and cancelled. Numbers that no request will have count as unknown, which warms
/// that path too.
pub fn answers(payloads: &mut [[u64; 7]]) {
    for (at, words) in (0_u64..).zip(payloads) {
        let (kind, qty) = match at & 3 {
            0 | 1 => (ReportKind::Acknowledged, 0),
            2 => (ReportKind::Filled, 1),
            _ => (ReportKind::Cancelled, 0),
        };
        // Four answers for each pair of requests: both acknowledged, the first one finished.
        let client_id = (at >> 2) * 2 + 1 + u64::from(at & 3 == 1);
        *words = Report {
            after_seq: 0,
            client_id,
            venue_id: client_id,
            leaves: Qty(0),
            px: Px(MID_PX),
            qty: Qty(qty),
            instrument: InstrumentId(0),
            kind: kind as u8,
            side: Side::Bid as u8,
            reason: 0,
        }
        .to_words();
    }
}
