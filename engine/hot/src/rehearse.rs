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
/// and `End` in the last place. Deterministic.
///
/// Each instrument in turn gets eight events. In the first round they build a book of two levels a
/// side; in every later one the best quotes are replaced three steps up or down again, so that a
/// market maker requotes, and an order comes and goes at each touch. Every kind that changes a
/// book occurs, and no book is ever crossed.
pub fn script(payloads: &mut [[u64; 7]], instruments: u16) {
    let Some((last, events)) = payloads.split_last_mut() else { return };
    let instruments = instruments.max(1);
    let (mut instrument, mut round, mut part) = (0_u16, 0_u64, 0_u8);
    for (at, words) in (0_u64..).zip(events) {
        let base = Event {
            exchange_ns: at * 1_000,
            instrument: InstrumentId(instrument),
            flags: flag::COMPLETE | flag::WARM_UP,
            ..Event::EMPTY
        };
        *words = scripted(base, round, part).to_words();
        part += 1;
        if part == 8 {
            part = 0;
            instrument += 1;
        }
        if instrument == instruments {
            instrument = 0;
            round += 1;
        }
    }
    *last = Event {
        kind_side: Event::pack(Kind::End, Side::None),
        flags: flag::WARM_UP,
        ..Event::EMPTY
    }
    .to_words();
}

/// Event `part` (0 to 7) of an instrument in a round. Its orders are numbered from eight times its
/// number: 0, 1 the best bid by turns, 2, 3 the best ask, 4, 5 the levels below, 6, 7 the visitors.
fn scripted(base: Event, round: u64, part: u8) -> Event {
    let id = |k: u64| (u64::from(base.instrument.0) + 1) * 8 + k;
    let is_up = round & 1 == 1;
    let drift = if is_up { 3 } else { 0 };
    let at = |steps: i64| Px(MID_PX + steps * STEP_PX);
    let event = |kind, side, k, px, qty| Event {
        kind_side: Event::pack(kind, side),
        order_id: id(k),
        px,
        qty: Qty(qty),
        ..base
    };
    let turn = round & 1;
    let move_to = |k: u64, steps| Event {
        second_id: id(k + turn),
        ..event(Kind::Replace, Side::None, k + 1 - turn, at(steps), 300)
    };
    match (round, part) {
        (0, 0) => event(Kind::Add, Side::Bid, 0, at(-2), 300),
        (0, 1) => event(Kind::Add, Side::Ask, 2, at(2), 300),
        (0, 2) => event(Kind::Add, Side::Bid, 4, at(-3), 500),
        (0, 3) => event(Kind::Add, Side::Ask, 5, at(3), 500),
        // The side that gives way moves first.
        (1.., 0) if is_up => move_to(2, drift + 2),
        (1.., 0) => move_to(0, drift - 2),
        (1.., 1) if is_up => move_to(0, drift - 2),
        (1.., 1) => move_to(2, drift + 2),
        (1.., 2) => event(Kind::Add, Side::Bid, 6, at(drift - 2), 200),
        (1.., 3) => event(Kind::Add, Side::Ask, 7, at(drift + 2), 200),
        (1.., 4) => event(Kind::Execute, Side::None, 6, Px::NONE, 100),
        (1.., 5) => event(Kind::Reduce, Side::None, 7, Px::NONE, 100),
        (1.., 6) => event(Kind::Delete, Side::None, 6, Px::NONE, 0),
        (1.., 7) => event(Kind::Delete, Side::None, 7, Px::NONE, 0),
        _ => event(Kind::Info, Side::None, 0, Px::NONE, 0),
    }
}

/// Reports that the loop takes after an event, at most: the rhythm of [`answers`].
const PER_EVENT: u64 = crate::spin::REPORTS_PER_TURN as u64;

/// Fills `payloads` with answers to requests 1, 2, 3 …, in the order and at the pace at which a
/// loop over [`script`] takes them: four for each event, none waited for.
///
/// Every 8 events the next number is acknowledged and replaced (whichever it waits for), then
/// filled, by nothing: a trade of a number that narrow limits kept from being sent would close the
/// gate. A market maker over `n` instruments has at most 2n requests on their way and
/// looks at an instrument again within 8n events, so it has sent that number by then; it keeps
/// quoting to the end. From event 512 on the number 64 events back is cancelled: for a probe, which
/// sends one with each event, an order of its own; a market maker is nowhere near that number.
/// Numbers that no request has yet count as unknown, which warms that path too.
pub fn answers(payloads: &mut [[u64; 7]]) {
    for (at, words) in (0_u64..).zip(payloads) {
        let (event, part) = (at / PER_EVENT, at % PER_EVENT);
        let paced = event / 8 + 1;
        let (kind, client_id) = match (part, event % 8) {
            (0, 0) => (ReportKind::Acknowledged, paced),
            (1, 0) => (ReportKind::Replaced, paced),
            (0, 4) => (ReportKind::Filled, paced),
            (2, _) if event >= 512 => (ReportKind::Cancelled, event - 64),
            _ => (ReportKind::Acknowledged, 0),
        };
        *words = Report {
            after_seq: 0,
            client_id,
            venue_id: client_id,
            leaves: Qty(0),
            px: Px(MID_PX),
            qty: Qty(0),
            instrument: InstrumentId(0),
            kind: kind as u8,
            side: Side::Bid as u8,
            reason: 0,
        }
        .to_words();
    }
}
