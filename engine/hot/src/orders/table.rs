//! The table of own orders and its state machine (drawn in [`super`]).

use super::update::{Update, UpdateKind};
use super::{SKIPS, has_side};
use crate::strategy::Order;
use tickspin_wire::num::{InstrumentId, Px, Side};
use tickspin_wire::order::{Reason, Report, ReportKind, RequestKind};

/// Where an own order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No order here.
    #[default]
    Vacant = 0,
    /// Sent, no answer yet.
    PendingNew,
    /// Stands at the exchange end.
    Live,
    /// Its cancel was sent.
    PendingCancel,
    /// Its replacement was sent.
    PendingReplace,
    /// Not an order: a cancel on its way, `link` is its target.
    CancelRequest,
}

/// Bits of [`OwnOrder::flags`].
mod bit {
    /// Sells.
    pub(super) const ASK: u8 = 1 << 0;
    /// The exchange end has said that it stands: acknowledged, replaced, or filled.
    pub(super) const STANDING: u8 = 1 << 1;
    /// It stands by a fill, and its `Replaced` is still to come.
    pub(super) const REPLACED_IS_DUE: u8 = 1 << 2;
}

/// One entry: half a line, so that none lies across two. Zeros are vacant.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OwnOrder {
    /// Its number; of a vacant entry meaningless.
    pub client_id: u64,
    /// Limit.
    px: i64,
    /// Open quantity.
    pub leaves_qty: u64,
    /// Of a cancel or a replacement on its way and of its target: the request's number less the
    /// target's; 0 for none. See [`OwnOrder::link`].
    span: u32,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Where it stands.
    pub state: State,
    flags: u8,
}

const _: () = assert!(core::mem::size_of::<OwnOrder>() == 32);

impl OwnOrder {
    /// The other order of a cancel or a replacement on its way: from request to target and back;
    /// 0 for none.
    #[must_use]
    pub const fn link(&self) -> u64 {
        match self.state {
            _ if self.span == 0 => 0,
            State::PendingCancel | State::PendingReplace => self.client_id + self.span as u64,
            _ => self.client_id - self.span as u64,
        }
    }

    const fn has(&self, bits: u8) -> bool {
        self.flags & bits != 0
    }

    /// Sent in place of another order, and not known to stand.
    fn is_replacement(&self) -> bool {
        self.state == State::PendingNew && self.span != 0
    }

    /// From now on it is known to stand, on its own.
    fn stand(&mut self) {
        self.flags |= bit::STANDING;
        if self.state == State::PendingNew {
            self.state = State::Live;
            self.span = 0;
        }
    }

    /// Limit.
    #[must_use]
    pub const fn px(&self) -> Px {
        Px(self.px)
    }

    /// Which side.
    #[must_use]
    pub const fn side(&self) -> Side {
        if self.has(bit::ASK) { Side::Ask } else { Side::Bid }
    }
}

/// Entries for so many open orders: a power of two, eight times as many, at least 64.
#[must_use]
pub const fn table_len(open_orders: usize) -> usize {
    let wished = open_orders.saturating_mul(8);
    if wished < 64 { 64 } else { wished.next_power_of_two() }
}

#[derive(Debug)]
pub(super) struct OwnTable<'m> {
    entries: &'m mut [OwnOrder],
    mask: u64,
    open: usize,
}

impl<'m> OwnTable<'m> {
    pub(super) fn new(memory: &'m mut [OwnOrder]) -> OwnTable<'m> {
        memory.fill(OwnOrder::default());
        // An empty slice gives a mask of 0 and no entry: every request is refused.
        let len = memory.len().checked_ilog2().map_or(0, |lg| 1_u64 << lg);
        OwnTable { entries: memory, mask: len.saturating_sub(1), open: 0 }
    }

    pub(super) const fn open_count(&self) -> usize {
        self.open
    }

    #[inline]
    fn entry(&mut self, client_id: u64) -> Option<&mut OwnOrder> {
        let entry = self.entries.get_mut((client_id & self.mask) as usize)?;
        (entry.client_id == client_id && entry.state != State::Vacant).then_some(entry)
    }

    #[inline]
    pub(super) fn find(&self, client_id: u64) -> Option<&OwnOrder> {
        let entry = self.entries.get((client_id & self.mask) as usize)?;
        (entry.client_id == client_id && entry.state != State::Vacant).then_some(entry)
    }

    /// The first id from `from` on whose entry is vacant.
    #[inline]
    pub(super) fn vacant_id(&self, from: u64) -> Option<u64> {
        (from..from.saturating_add(SKIPS)).find(|id| {
            self.entries
                .get((id & self.mask) as usize)
                .is_some_and(|entry| entry.state == State::Vacant)
        })
    }

    /// May `order.target` be cancelled, or replaced by `order`, under `newest` at most?
    #[inline]
    pub(super) fn is_open_target(&self, order: &Order, newest: u64) -> bool {
        self.find(order.target).is_some_and(|target| {
            matches!(target.state, State::Live | State::PendingNew)
                && target.span == 0
                // What four billion requests have gone by goes with a mass cancel only.
                && newest - target.client_id <= u64::from(u32::MAX)
                && target.instrument == order.instrument
                && (!has_side(order) || target.side() == order.side)
        })
    }

    /// Enters a request that has left.
    #[inline]
    pub(super) fn open(&mut self, client_id: u64, order: &Order) {
        let (state, target_state) = match order.kind {
            RequestKind::Cancel => (State::CancelRequest, State::PendingCancel),
            RequestKind::Replace => (State::PendingNew, State::PendingReplace),
            _ => (State::PendingNew, State::Vacant),
        };
        let mut span = 0;
        if order.target != 0
            && let Some(target) = self.entry(order.target)
        {
            // `is_open_target` saw to it that it fits.
            span = (client_id - order.target) as u32;
            target.state = target_state;
            target.span = span;
        }
        if let Some(entry) = self.entries.get_mut((client_id & self.mask) as usize) {
            *entry = OwnOrder {
                client_id,
                px: order.px.0,
                leaves_qty: order.qty.0,
                span,
                instrument: order.instrument,
                state,
                flags: if matches!(order.side, Side::Ask) { bit::ASK } else { 0 },
            };
            self.open += 1;
        }
    }

    /// Takes an entry out and gives it.
    #[inline]
    fn remove(&mut self, client_id: u64) -> Option<OwnOrder> {
        let entry = self.entry(client_id)?;
        let gone = *entry;
        entry.state = State::Vacant;
        self.open -= 1;
        Some(gone)
    }

    /// One report about `report.client_id`; `None` where that is no open entry.
    #[inline]
    pub(super) fn on_report(
        &mut self,
        kind: ReportKind,
        report: &Report,
        reason: Reason,
    ) -> Option<Update> {
        let entry = *self.find(report.client_id)?;
        match kind {
            ReportKind::Acknowledged => Some(self.acknowledged(&entry)),
            ReportKind::Filled => self.filled(&entry, report),
            ReportKind::Cancelled => self.cancelled(&entry),
            ReportKind::Rejected => self.rejected(&entry, reason),
            ReportKind::Replaced => self.replaced(&entry),
        }
    }

    fn acknowledged(&mut self, entry: &OwnOrder) -> Update {
        // A replacement stands with `Replaced`, a cancel's acknowledgement only says that it came.
        if entry.state != State::CancelRequest
            && !entry.is_replacement()
            && let Some(order) = self.entry(entry.client_id)
        {
            order.stand();
        }
        self.update(UpdateKind::Acknowledged, entry)
    }

    fn filled(&mut self, entry: &OwnOrder, report: &Report) -> Option<Update> {
        if entry.state == State::CancelRequest {
            return None;
        }
        let filled_qty = report.qty.0;
        let traded_qty = filled_qty.min(entry.leaves_qty);
        let is_gone = traded_qty == entry.leaves_qty;
        // What trades stands, in the old one's place if it had one.
        let old = self.take_place(entry);
        if is_gone {
            // A cancel or replacement on its way stays: it will be refused under its own number.
            self.remove(entry.client_id);
        } else if let Some(order) = self.entry(entry.client_id) {
            order.leaves_qty -= traded_qty;
            if order.is_replacement() {
                order.flags |= bit::REPLACED_IS_DUE;
            }
            order.stand();
        }
        Some(Update {
            px: report.px,
            filled_qty,
            released_qty: traded_qty + old.map_or(0, |old| old.leaves_qty),
            closed: u32::from(is_gone) + u32::from(old.is_some()),
            is_overfill: filled_qty > entry.leaves_qty,
            ..self.update(UpdateKind::Filled, entry)
        })
    }

    fn cancelled(&mut self, entry: &OwnOrder) -> Option<Update> {
        // Named by the cancel's number or by the target's: both mean the target.
        let gone = if entry.state == State::CancelRequest {
            self.remove(entry.client_id);
            match self.remove(entry.link()) {
                Some(gone) => gone,
                None => return Some(self.target_gone(entry, UpdateKind::Cancelled)),
            }
        } else {
            if entry.state == State::PendingCancel {
                self.remove(entry.link());
            }
            self.remove(entry.client_id)?
        };
        // What is taken off stood, in the old one's place if it had one.
        let old = self.take_place(&gone);
        Some(Update {
            released_qty: gone.leaves_qty + old.map_or(0, |old| old.leaves_qty),
            closed: 1 + u32::from(old.is_some()),
            ..self.update(UpdateKind::Cancelled, &gone)
        })
    }

    fn rejected(&mut self, entry: &OwnOrder, reason: Reason) -> Option<Update> {
        match entry.state {
            State::CancelRequest => {
                self.remove(entry.client_id);
                Some(match self.find(entry.link()).copied() {
                    Some(target) => {
                        self.back_to_work(UpdateKind::CancelRejected, &target, &target, reason)
                    }
                    None => self.target_gone(entry, UpdateKind::CancelRejected),
                })
            }
            // What stands cannot be refused any more: it is the request against it that is, named
            // by the target's number.
            State::PendingCancel if entry.has(bit::STANDING) => {
                self.remove(entry.link());
                Some(self.back_to_work(UpdateKind::CancelRejected, entry, entry, reason))
            }
            State::PendingReplace if entry.has(bit::STANDING) => {
                let new = *self.find(entry.link())?;
                self.replacement_rejected(&new, reason)
            }
            State::PendingNew if entry.is_replacement() => self.replacement_rejected(entry, reason),
            // A request against it stays: it will be refused under its own number.
            _ => {
                let gone = self.remove(entry.client_id)?;
                Some(Update {
                    released_qty: gone.leaves_qty,
                    closed: 1,
                    ..self.update(UpdateKind::Rejected, &gone)
                })
            }
        }
    }

    fn replacement_rejected(&mut self, new: &OwnOrder, reason: Reason) -> Option<Update> {
        let new = self.remove(new.client_id)?;
        let update = match self.find(new.link()).copied() {
            Some(old) => self.back_to_work(UpdateKind::ReplaceRejected, &new, &old, reason),
            None => self.update(UpdateKind::ReplaceRejected, &new),
        };
        Some(Update {
            released_qty: update.released_qty + new.leaves_qty,
            closed: update.closed + 1,
            ..update
        })
    }

    fn replaced(&mut self, entry: &OwnOrder) -> Option<Update> {
        if entry.has(bit::REPLACED_IS_DUE) {
            // A fill has said so already; a replacement of this one may be on its way by now.
            if let Some(order) = self.entry(entry.client_id) {
                order.flags &= !bit::REPLACED_IS_DUE;
            }
            return Some(self.update(UpdateKind::Replaced, entry));
        }
        // Named by the new order's number, or by the old one's: both mean the pair.
        let new = match entry.state {
            State::PendingReplace => *self.find(entry.link())?,
            State::PendingNew if entry.span != 0 => *entry,
            _ => return None,
        };
        let old = self.take_place(&new);
        self.entry(new.client_id)?.stand();
        Some(Update {
            released_qty: old.map_or(0, |old| old.leaves_qty),
            closed: u32::from(old.is_some()),
            ..self.update(UpdateKind::Replaced, &new)
        })
    }

    /// A replacement stands: the old order is off. Nothing where `new` is none, or where the old
    /// one is gone.
    fn take_place(&mut self, new: &OwnOrder) -> Option<OwnOrder> {
        if new.is_replacement() { self.remove(new.link()) } else { None }
    }

    /// The answer to a cancel whose target went in the meantime: nothing is left to change.
    fn target_gone(&self, cancel: &OwnOrder, kind: UpdateKind) -> Update {
        self.update(kind, &OwnOrder { client_id: cancel.link(), ..*cancel })
    }

    /// The request against `target` was refused: it is where it was before, unless the reason says
    /// that the exchange end does not know it.
    fn back_to_work(
        &mut self,
        kind: UpdateKind,
        about: &OwnOrder,
        target: &OwnOrder,
        reason: Reason,
    ) -> Update {
        if reason == Reason::UnknownOrder {
            self.remove(target.client_id);
            return Update {
                released_qty: target.leaves_qty,
                closed: 1,
                ..self.update(kind, about)
            };
        }
        let is_standing = target.has(bit::STANDING);
        if let Some(order) = self.entry(target.client_id) {
            order.state = if is_standing { State::Live } else { State::PendingNew };
            order.span = 0;
        }
        Update {
            working_id: target.client_id,
            working_px: target.px(),
            is_pending: !is_standing,
            ..self.update(kind, about)
        }
    }

    /// An update about `entry` as it stands in the table now.
    #[inline]
    fn update(&self, kind: UpdateKind, entry: &OwnOrder) -> Update {
        let now = self.find(entry.client_id).filter(|now| now.state != State::CancelRequest);
        Update {
            kind,
            client_id: entry.client_id,
            working_id: now.map_or(0, |now| now.client_id),
            working_px: now.map_or(Px::NONE, OwnOrder::px),
            is_pending: now.is_some_and(|now| now.state != State::Live),
            instrument: entry.instrument,
            side: entry.side(),
            px: Px::NONE,
            filled_qty: 0,
            released_qty: 0,
            closed: 0,
            is_overfill: false,
            is_unknown: false,
        }
    }
}
