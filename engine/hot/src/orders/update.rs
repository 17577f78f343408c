//! [`Update`]: what a report changed, for the gate and for the strategy.

use tickspin_wire::num::{InstrumentId, Px, Side};

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateKind {
    /// It stands.
    Acknowledged,
    /// It was refused.
    Rejected,
    /// It traded.
    Filled,
    /// It is off.
    Cancelled,
    /// It took the old one's place.
    Replaced,
    /// A cancel was refused.
    CancelRejected,
    /// A replacement was refused.
    ReplaceRejected,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// What happened.
    pub kind: UpdateKind,
    /// The order it happened to: for refused cancels the one that was to go, for replacements,
    /// refused or not, the new one.
    pub client_id: u64,
    /// The order that still works after this in the same place: itself, for a refused replacement
    /// the old one, 0 for none.
    pub working_id: u64,
    /// Its price; `Px::NONE` for none.
    pub working_px: Px,
    /// Something about the working order is still on its way.
    pub is_pending: bool,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Which side.
    pub side: Side,
    /// The trade's price; else `Px::NONE`.
    pub px: Px,
    /// Traded now; 0 for other kinds.
    pub filled_qty: u64,
    /// No longer open: filled, cancelled, refused.
    pub released_qty: u64,
    /// How many orders are gone with this: 0 to 2.
    pub closed: u32,
    /// Filled beyond what was open.
    pub is_overfill: bool,
    /// A fill that no order of ours explains; `filled_qty` is 0 where it names no side.
    pub is_unknown: bool,
}
