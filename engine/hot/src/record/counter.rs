//! Counters of the engine: labels, indices, and the copying of each group.

use super::LoopStats;
use crate::book::Book;
use crate::orders::{OrderStats, Unsent};
use crate::risk::{Refusal, Risk};
use tickspin_ring::counters::CounterWriter;

/// Declares the labels and an index constant for each, in one list so that they cannot drift.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Labels of the engine's counters, in the order of their indices.
        pub const COUNTERS: [&str; counters!(@count $($name)*)] = [$($label),*];
        counters!(@index 0usize; $($(#[$doc])* $name)*);
    };
    (@count $($name:ident)*) => { <[()]>::len(&[$(counters!(@unit $name)),*]) };
    (@unit $name:ident) => { () };
    (@index $at:expr;) => {};
    (@index $at:expr; $(#[$doc:meta])* $name:ident $($rest:tt)*) => {
        $(#[$doc])*
        pub const $name: usize = $at;
        counters!(@index $at + 1usize; $($rest)*);
    };
}

counters! {
    /// See [`super::Phase`].
    PHASE = "phase",
    /// 1 between arming and leaving.
    ARMED = "armed",
    /// Events taken, all kinds, warm-up included.
    RECEIVED = "received",
    /// Of these: warm-up.
    RECEIVED_WARM_UP = "received_warm_up",
    /// Payloads or stamps that no honest feed writes.
    FOREIGN = "foreign",
    /// Gap events.
    GAPS = "gaps",
    /// Venue messages missing in them.
    GAP_MISSING = "gap_missing",
    /// Turns of the loop that took an event.
    TURNS_WORK = "turns_work",
    /// Turns that took reports only.
    TURNS_REPORT = "turns_report",
    /// Turns that found nothing.
    TURNS_IDLE = "turns_idle",
    /// Longest time between two looks at the clock, ns.
    LARGEST_GAP_NS = "largest_gap_ns",
    /// Ring sequence of the last event.
    LAST_SEQ = "last_seq",
    /// Notices that found the queue full.
    NOTICES_LOST = "notices_lost",
    /// Measured events that sent at least one request.
    WITH_ORDERS = "with_orders",
    /// Book events for an order that is not there.
    UNKNOWN_ORDERS = "unknown_orders",
    /// Adds of an order that is there.
    DUPLICATE_ORDERS = "duplicate_orders",
    /// Book events refused: no room, no such instrument, nothing that could rest.
    BOOK_REFUSED = "book_refused",
    /// Of these: no room for an order.
    BOOK_REFUSED_ORDERS = "book_refused_orders",
    /// Of these: no room for a level.
    BOOK_REFUSED_LEVELS = "book_refused_levels",
    /// Executions and reductions beyond what was there.
    OVER_TAKEN = "over_taken",
    /// Orders in all books.
    BOOK_ORDERS = "book_orders",
    /// Most at one time.
    BOOK_ORDERS_PEAK = "book_orders_peak",
    /// Levels reserved by ladders.
    BOOK_LEVELS_RESERVED = "book_levels_reserved",
    /// Requests published, cancels counted.
    ORDERS_SENT = "orders_sent",
    /// Wishes that did not leave, all reasons below.
    ORDERS_REFUSED = "orders_refused",
    /// The gate is closed.
    REFUSED_GATE_CLOSED = "refused_gate_closed",
    /// The feed has a hole.
    REFUSED_NOT_SYNCED = "refused_not_synced",
    /// Unknown or stopped instrument.
    REFUSED_INSTRUMENT = "refused_instrument",
    /// The event was too old.
    REFUSED_STALE = "refused_stale",
    /// Side, price or quantity missing.
    REFUSED_MALFORMED = "refused_malformed",
    /// Quantity of one order.
    REFUSED_QTY = "refused_qty",
    /// Notional of one order.
    REFUSED_NOTIONAL = "refused_notional",
    /// No reference price.
    REFUSED_NO_REFERENCE = "refused_no_reference",
    /// Too far from it.
    REFUSED_COLLAR = "refused_collar",
    /// Worst-case position.
    REFUSED_POSITION = "refused_position",
    /// Count of open orders.
    REFUSED_OPEN_ORDERS = "refused_open_orders",
    /// Rate of new orders.
    REFUSED_RATE_NEW = "refused_rate_new",
    /// Rate of replacements.
    REFUSED_RATE_REPLACE = "refused_rate_replace",
    /// Rate of both.
    REFUSED_RATE_TOTAL = "refused_rate_total",
    /// The requests ring was full.
    REFUSED_RING_FULL = "refused_ring_full",
    /// The own table was full.
    REFUSED_TABLE_FULL = "refused_table_full",
    /// Cancel or replace of an order that is not open.
    REFUSED_TARGET = "refused_target",
    /// Reports taken.
    REPORTS = "reports",
    /// Acknowledgements.
    ACKNOWLEDGED = "acknowledged",
    /// Fills, partial ones counted.
    FILLED = "filled",
    /// Rejections.
    REJECTED = "rejected",
    /// Cancellations.
    CANCELLED = "cancelled",
    /// Replacements.
    REPLACED = "replaced",
    /// Reports about no order of ours.
    REPORTS_UNKNOWN = "reports_unknown",
    /// Reports with a foreign byte.
    REPORTS_FOREIGN = "reports_foreign",
    /// Fills beyond what was open.
    OVERFILLED = "overfilled",
    /// Own orders open or on their way.
    OPEN_ORDERS = "open_orders",
    /// Bought, all instruments.
    BOUGHT_QTY = "bought_qty",
    /// Sold, all instruments.
    SOLD_QTY = "sold_qty",
    /// 0: the gate is open; else why it closed, a number of [`crate::risk::Closed`].
    GATE_CLOSED = "gate_closed",
}

const _: () = {
    assert!(COUNTERS.len() <= 64, "a counter segment has 64 places");
    // The gate's array of refusals is copied from here on, the encoder's right after it.
    assert!(REFUSED_GATE_CLOSED + Refusal::RateTotal as usize == REFUSED_RATE_TOTAL);
    assert!(REFUSED_RING_FULL == REFUSED_GATE_CLOSED + Refusal::COUNT);
    assert!(REFUSED_RING_FULL + Unsent::Target as usize == REFUSED_TARGET);
    assert!(REFUSED_GATE_CLOSED + Refusal::Collar as usize == REFUSED_COLLAR);
    assert!(REFUSED_GATE_CLOSED + Refusal::Position as usize == REFUSED_POSITION);
};

pub(super) fn flush_loop(to: &mut CounterWriter, stats: &LoopStats, largest_gap_ns: u64) {
    to.set(RECEIVED, stats.received());
    to.set(RECEIVED_WARM_UP, stats.received_warm_up);
    to.set(FOREIGN, stats.foreign);
    to.set(GAPS, stats.gaps);
    to.set(GAP_MISSING, stats.gap_missing);
    to.set(TURNS_WORK, stats.turns_work());
    to.set(TURNS_REPORT, stats.turns_report);
    to.set(TURNS_IDLE, stats.turns_idle);
    to.set(LARGEST_GAP_NS, largest_gap_ns);
    to.set(LAST_SEQ, stats.last_seq);
    to.set(NOTICES_LOST, stats.notices_lost);
    to.set(WITH_ORDERS, stats.with_orders);
}

pub(super) fn flush_book(to: &mut CounterWriter, book: &Book<'_>) {
    let stats = book.stats();
    to.set(UNKNOWN_ORDERS, stats.unknown);
    to.set(DUPLICATE_ORDERS, stats.duplicate);
    to.set(BOOK_REFUSED, stats.refused());
    to.set(BOOK_REFUSED_ORDERS, stats.refused_orders);
    to.set(BOOK_REFUSED_LEVELS, stats.refused_levels);
    to.set(OVER_TAKEN, stats.over_taken);
    to.set(BOOK_ORDERS, stats.orders);
    to.set(BOOK_ORDERS_PEAK, stats.orders_peak);
    to.set(BOOK_LEVELS_RESERVED, book.levels_reserved() as u64);
}

pub(super) fn flush_risk(to: &mut CounterWriter, risk: &Risk<'_>) {
    for (at, &count) in risk.refused().iter().enumerate() {
        to.set(REFUSED_GATE_CLOSED + at, count);
    }
    to.set(OPEN_ORDERS, u64::from(risk.open_orders()));
    let (bought, sold) = risk.traded();
    to.set(BOUGHT_QTY, bought);
    to.set(SOLD_QTY, sold);
    to.set(GATE_CLOSED, risk.closed().map_or(0, |why| why as u64));
}

pub(super) fn flush_orders(to: &mut CounterWriter, stats: &OrderStats, risk: &Risk<'_>) {
    to.set(ORDERS_SENT, stats.sent);
    for (at, &count) in stats.unsent.iter().enumerate() {
        to.set(REFUSED_RING_FULL + at, count);
    }
    to.set(ORDERS_REFUSED, risk.refused().iter().chain(&stats.unsent).sum());
    to.set(REPORTS, stats.reports);
    to.set(ACKNOWLEDGED, stats.acknowledged);
    to.set(FILLED, stats.filled);
    to.set(REJECTED, stats.rejected);
    to.set(CANCELLED, stats.cancelled);
    to.set(REPLACED, stats.replaced);
    to.set(REPORTS_UNKNOWN, stats.unknown);
    to.set(REPORTS_FOREIGN, stats.foreign);
    to.set(OVERFILLED, stats.overfilled);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_their_places_and_stand_once() {
        for (at, label) in COUNTERS.iter().enumerate() {
            assert!(!label.is_empty() && label.len() <= 24, "{label}");
            assert_eq!(COUNTERS.iter().position(|other| other == label), Some(at), "{label}");
        }
        assert_eq!(COUNTERS[ORDERS_REFUSED], "orders_refused");
        assert_eq!(COUNTERS[REFUSED_POSITION], "refused_position");
        assert_eq!(COUNTERS[GATE_CLOSED], "gate_closed");
        assert_eq!(GATE_CLOSED + 1, COUNTERS.len());
    }
}
