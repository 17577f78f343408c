//! Order entry without rings: a request in, answers into the outbox. See [`super`] for the rules.
//!
//! Every field of a request is input of another process. The checks, in this order:
//!
//! | rule | reason when broken |
//! |---|---|
//! | kind, side, flags known; instrument named by an event; unused fields empty | `Malformed`, foreign |
//! | epoch of the run, sequence that was sent | `UnknownCause` |
//! | number larger than all before | `DuplicateId` |
//! | price above 0, quantity 1..=[`QTY_MAX`] | `OutOfRange` |
//! | target open | `UnknownOrder` |
//! | target of the same instrument and side | `Malformed`, foreign |
//! | post only: would not trade | `WouldTrade` |
//! | room | `Full` |

use super::orders::{OpenOrder, OpenOrders};
use super::sent::{Sent, SentTable};
use crate::source::Touch;
use std::collections::VecDeque;
use tickspin_host::memory::MemoryError;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px, Qty, Side};
use tickspin_wire::order::{Reason, Report, ReportKind, Request, RequestKind, request_flag};

/// Largest quantity of an order: above it a slip of the finger is likelier than a wish.
pub const QTY_MAX: u64 = 1_000_000_000;

/// How long a request took from the event that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// So many ticks after the event was sent.
    Ticks(u64),
    /// Before the event was sent, by this clock: impossible on one core, counted apart.
    Negative,
    /// The event is not measured, or is not known any more.
    Unmeasured,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Requests taken.
    pub requests: u64,
    /// Of them: with bytes that no honest engine writes.
    pub foreign: u64,
    /// Reports `Acknowledged`.
    pub acknowledged: u64,
    /// Reports `Filled`.
    pub filled: u64,
    /// Reports `Rejected`.
    pub rejected: u64,
    /// Reports `Cancelled`.
    pub cancelled: u64,
    /// Reports `Replaced`.
    pub replaced: u64,
    /// All reports.
    pub reports: u64,
    /// Rejections, by [`Reason`] number.
    pub rejected_by: [u64; 8],
}

/// One engine's session.
pub struct Session {
    epoch: u64,
    orders: OpenOrders,
    sent: SentTable,
    outbox: VecDeque<Report>,
    last_client_id: u64,
    next_venue_id: u64,
    stats: SessionStats,
}

impl Session {
    /// For the events ring of `epoch` and `slots`; at most `open_orders` open at a time.
    ///
    /// # Errors
    /// No memory.
    pub fn new(epoch: u64, slots: u32, open_orders: u32) -> Result<Session, MemoryError> {
        // No request is taken while a report waits. One request gives at most three reports and
        // one for each order it takes off; each order left gives at most one more.
        let room = open_orders as usize + 8;
        let mut outbox = VecDeque::with_capacity(room);
        // Written once, so that the pages are there.
        outbox.resize(room, Report::from_words([0; 7]));
        outbox.clear();
        Ok(Session {
            epoch,
            orders: OpenOrders::new(open_orders)?,
            sent: SentTable::new(slots),
            outbox,
            last_client_id: 0,
            next_venue_id: 1,
            stats: SessionStats::default(),
        })
    }

    /// Reports on their way, oldest first.
    #[inline]
    pub fn outbox(&mut self) -> &mut VecDeque<Report> {
        &mut self.outbox
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// Sequence of the last event sent.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.sent.last_seq()
    }

    /// Open orders now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.orders.len()
    }

    /// Event `seq` was published, stamped `ticks`.
    #[inline]
    pub fn on_sent(&mut self, seq: u64, ticks: u64, is_measured: bool) {
        self.sent.note(seq, ticks, is_measured);
    }

    /// The market is where `event` took it (published or dropped: the market does not care).
    /// Resting orders that the touch has reached are filled.
    #[inline]
    pub fn on_market(&mut self, event: &Event, touch: Touch) {
        let number = event.kind_side & 0x3F;
        if number >= Kind::Clear as u8 {
            if number == Kind::Clear as u8 {
                self.on_clear(event.instrument);
            }
        } else if event.instrument != InstrumentId::ALL
            && self.orders.set_touch(event.instrument, touch)
        {
            self.fill_reached(event.instrument);
        }
    }

    #[cold]
    fn on_clear(&mut self, instrument: InstrumentId) {
        if instrument == InstrumentId::ALL {
            self.orders.void_touches();
        } else {
            self.orders.set_touch(instrument, Touch::NONE);
        }
    }

    #[cold]
    fn fill_reached(&mut self, instrument: InstrumentId) {
        while let Some(order) = self.orders.reached(instrument) {
            self.orders.remove(order.client_id);
            self.fill(&order, order.px);
        }
    }

    /// Takes one request that arrived at `arrival`, ticks; answers go to the outbox.
    #[inline]
    pub fn on_request(&mut self, request: &Request, arrival: u64) -> Timing {
        self.stats.requests += 1;
        let sent = self.sent.look(request.cause_seq);
        let is_ours = request.cause_epoch == self.epoch;
        if let Err(reason) = self.answer(request, is_ours && sent != Sent::Never) {
            self.reject(request, reason);
        }
        match sent {
            Sent::At(ticks) if is_ours => {
                arrival.checked_sub(ticks).map_or(Timing::Negative, Timing::Ticks)
            }
            _ => Timing::Unmeasured,
        }
    }

    fn answer(&mut self, request: &Request, is_cause_known: bool) -> Result<(), Reason> {
        let (Some(kind), Some(side)) = (request.kind(), request.side()) else {
            return Err(Reason::Malformed);
        };
        let has_order = matches!(kind, RequestKind::New | RequestKind::Replace);
        let has_target = matches!(kind, RequestKind::Cancel | RequestKind::Replace);
        let is_whole = request.flags & !request_flag::KNOWN == 0
            && has_target == (request.target_id != 0)
            && (!has_order || side != Side::None)
            && (has_order || (!request.px.is_some() && request.qty.0 == 0));
        let is_named = match kind {
            RequestKind::MassCancel => request.instrument == InstrumentId::ALL,
            _ => self.orders.is_known(request.instrument),
        };
        if !is_whole || !is_named {
            return Err(Reason::Malformed);
        }
        if !is_cause_known {
            return Err(Reason::UnknownCause);
        }
        if request.client_id <= self.last_client_id {
            return Err(Reason::DuplicateId);
        }
        self.last_client_id = request.client_id;
        if has_order {
            let is_priced = request.px.0 > 0 && request.px.is_some();
            if !is_priced || !(1..=QTY_MAX).contains(&request.qty.0) {
                return Err(Reason::OutOfRange);
            }
        }
        match kind {
            RequestKind::New => self.new_order(request, side),
            RequestKind::Cancel => self.cancel(request, side),
            RequestKind::Replace => self.replace(request, side),
            RequestKind::MassCancel => {
                self.mass_cancel(request);
                Ok(())
            }
        }
    }

    fn new_order(&mut self, request: &Request, side: Side) -> Result<(), Reason> {
        self.check_post_only(request, side)?;
        let is_immediate = request.flags & request_flag::IMMEDIATE_OR_CANCEL != 0;
        if self.orders.is_full() && !is_immediate {
            return Err(Reason::Full);
        }
        self.place(request, side, ReportKind::Acknowledged);
        Ok(())
    }

    fn replace(&mut self, request: &Request, side: Side) -> Result<(), Reason> {
        let target = self.orders.find(request.target_id).ok_or(Reason::UnknownOrder)?;
        if target.instrument != request.instrument || target.side != side {
            return Err(Reason::Malformed);
        }
        self.check_post_only(request, side)?;
        self.orders.remove(target.client_id);
        self.place(request, side, ReportKind::Replaced);
        Ok(())
    }

    fn cancel(&mut self, request: &Request, side: Side) -> Result<(), Reason> {
        let target = self.orders.find(request.target_id).ok_or(Reason::UnknownOrder)?;
        let is_same_side = side == Side::None || side == target.side;
        if target.instrument != request.instrument || !is_same_side {
            return Err(Reason::Malformed);
        }
        self.take_off(&target);
        Ok(())
    }

    fn mass_cancel(&mut self, request: &Request) {
        self.report(ReportKind::Acknowledged, request, 0, 0);
        while let Some(order) = self.orders.any() {
            self.take_off(&order);
        }
    }

    fn check_post_only(&self, request: &Request, side: Side) -> Result<(), Reason> {
        let is_post_only = request.flags & request_flag::POST_ONLY != 0;
        match self.orders.marketable(request.instrument, side, request.px) {
            Some(_) if is_post_only => Err(Reason::WouldTrade),
            _ => Ok(()),
        }
    }

    /// Says that the order stands, then trades it, rests it or cancels it.
    fn place(&mut self, request: &Request, side: Side, says: ReportKind) {
        let venue_id = self.next_venue_id;
        self.next_venue_id += 1;
        self.report(says, request, venue_id, request.qty.0);
        let Request { client_id, px, qty, instrument, .. } = *request;
        let order = OpenOrder { client_id, venue_id, px, qty, instrument, side };
        if let Some(at) = self.orders.marketable(instrument, side, px) {
            self.fill(&order, at);
        } else if request.flags & request_flag::IMMEDIATE_OR_CANCEL != 0 {
            self.cancelled(&order);
        } else {
            let is_in = self.orders.insert(order);
            debug_assert!(is_in, "room was checked, or made by the order replaced");
        }
    }

    fn take_off(&mut self, order: &OpenOrder) {
        self.orders.remove(order.client_id);
        self.cancelled(order);
    }

    fn cancelled(&mut self, order: &OpenOrder) {
        self.push(about(order, ReportKind::Cancelled, order.px));
    }

    fn fill(&mut self, order: &OpenOrder, at: Px) {
        self.push(about(order, ReportKind::Filled, at));
    }

    fn report(&mut self, kind: ReportKind, request: &Request, venue_id: u64, leaves: u64) {
        self.push(Report {
            after_seq: 0,
            client_id: request.client_id,
            venue_id,
            leaves: Qty(leaves),
            px: request.px,
            qty: request.qty,
            instrument: request.instrument,
            kind: kind as u8,
            // A foreign side is not passed on.
            side: request.side().unwrap_or(Side::None) as u8,
            reason: Reason::None as u32,
        });
    }

    #[cold]
    fn reject(&mut self, request: &Request, reason: Reason) {
        self.stats.foreign += u64::from(reason == Reason::Malformed);
        if let Some(count) = self.stats.rejected_by.get_mut(reason as usize) {
            *count += 1;
        }
        self.report(ReportKind::Rejected, request, 0, 0);
        if let Some(report) = self.outbox.back_mut() {
            report.reason = reason as u32;
        }
    }

    fn push(&mut self, report: Report) {
        let stats = &mut self.stats;
        stats.reports += 1;
        *match ReportKind::from_wire(report.kind) {
            Some(ReportKind::Filled) => &mut stats.filled,
            Some(ReportKind::Rejected) => &mut stats.rejected,
            Some(ReportKind::Cancelled) => &mut stats.cancelled,
            Some(ReportKind::Replaced) => &mut stats.replaced,
            Some(ReportKind::Acknowledged) | None => &mut stats.acknowledged,
        } += 1;
        debug_assert!(self.outbox.len() < self.outbox.capacity(), "see `new`");
        self.outbox.push_back(Report { after_seq: self.sent.last_seq(), ..report });
    }
}

/// A report about an order that has nothing left.
fn about(order: &OpenOrder, kind: ReportKind, px: Px) -> Report {
    Report {
        after_seq: 0,
        client_id: order.client_id,
        venue_id: order.venue_id,
        leaves: Qty(0),
        px,
        qty: order.qty,
        instrument: order.instrument,
        kind: kind as u8,
        side: order.side as u8,
        reason: Reason::None as u32,
    }
}

#[cfg(test)]
mod tests;
