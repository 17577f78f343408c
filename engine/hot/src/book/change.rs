//! What an event did to a book, and the counts of it all.

use tickspin_wire::num::InstrumentId;

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, as its kind says.
    None,
    /// The book of `Change::instrument` took it.
    Changed,
    /// The order is not in the book.
    Unknown,
    /// The id is in the book already.
    Duplicate,
    /// No room, no such instrument, or nothing that could rest (no price, quantity 0).
    Refused,
    /// The book of one instrument, or all books, are empty now.
    Cleared,
}

/// What an event did, and to which instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it did.
    pub effect: Effect,
    /// Best price or quantity of a side is another now.
    pub is_top: bool,
    /// Whose book: that of the order, which is the event's for an honest feed.
    pub instrument: InstrumentId,
}

/// Counts of the books since they were made; a `Clear` does not reset them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookStats {
    /// Executions, reductions, deletions, replacements of an order that is not in the book.
    pub unknown: u64,
    /// Adds and replacements to an id that is in the book.
    pub duplicate: u64,
    /// No room in the order table.
    pub refused_orders: u64,
    /// No room for a level.
    pub refused_levels: u64,
    /// No such instrument, no price, or quantity 0.
    pub refused_other: u64,
    /// Executions and reductions beyond what was there.
    pub over_taken: u64,
    /// Orders in all books now.
    pub orders: u64,
    /// Most orders at one time.
    pub orders_peak: u64,
    /// Clears of one or all instruments.
    pub clears: u64,
}

impl BookStats {
    /// All refusals.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused_orders + self.refused_levels + self.refused_other
    }
}
