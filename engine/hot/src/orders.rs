//! Own orders: requests out, reports in.
//!
//! ```text
//!   New ──► PendingNew ──ack──► Live ──cancel sent──► PendingCancel ──cancelled──► gone
//!               │                │ ▲                      │ rejected: back to Live
//!            rejected            │ └──────────────────────┘
//!               ▼                └─replace sent─► PendingReplace ──replaced──► gone
//!             gone                                    │ rejected: back to Live
//!                                                     └─ the new one: PendingNew ──replaced──► Live
//! ```
//! A fill may come in any of these states; at zero the order is gone. A replacement that trades or is
//! cancelled before its `Replaced` has taken the old one's place all the same. A rejection under an
//! order's own number means the order as long as nothing has said that it stands, and the request
//! against it from then on.
//!
//! Client ids increase strictly from 1. The table is a power of two of entries and an id's entry is
//! `id & mask`: a look-up is one load. An id whose entry is still taken by an older open order is
//! skipped; after [`SKIPS`] of them the request is refused, and the next one looks further on.
//! A mass cancel is no order and takes no entry: it leaves with the table full.
//!
//! A full ring is a counted refusal, never a wait; a mass cancel that found it full stays due, and
//! the loop tries again ([`Orders::retry_mass_cancel`]). Reports with foreign bytes are counted and
//! change nothing, so are those about orders that are not ours, except for fills: what was traded
//! was traded, and the gate closes ([`Update::is_unknown`]).

pub mod outbox;
pub mod table;
pub mod update;

pub use outbox::{Outbox, SliceOutbox};
pub use table::{OwnOrder, State, table_len};
pub use update::{Update, UpdateKind};

use crate::risk::Approved;
use crate::strategy::Order;
use table::OwnTable;
use tickspin_wire::num::{Px, Side};
use tickspin_wire::order::{Reason, Report, ReportKind, Request, RequestKind};

/// How many taken entries a new id steps over. With the table at least eight times as long as the
/// open orders, the chance of not finding a free one is below 1e-14.
pub const SKIPS: u64 = 16;

/// Which event caused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Epoch of the market-data ring.
    pub epoch: u64,
    /// Ring sequence of the event.
    pub seq: u64,
}

/// Why an approved order did not leave. The number is the index into [`OrderStats::unsent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unsent {
    /// The requests ring is full.
    RingFull = 0,
    /// The own table has no free entry near the next id.
    TableFull,
    /// Cancel or replace of an order that is not open, or is about to go already; or a replacement
    /// of another side or instrument.
    Target,
}

impl Unsent {
    /// How many reasons.
    pub const COUNT: usize = Unsent::Target as usize + 1;

    /// All of them, by number.
    pub const ALL: [Unsent; Unsent::COUNT] = [Unsent::RingFull, Unsent::TableFull, Unsent::Target];
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderStats {
    /// Requests published, cancels counted.
    pub sent: u64,
    /// Approved, but not published; by [`Unsent`] number.
    pub unsent: [u64; Unsent::COUNT],
    /// Reports taken from the ring.
    pub reports: u64,
    /// By kind.
    pub acknowledged: u64,
    /// Fills, partial ones counted.
    pub filled: u64,
    /// Refused by the exchange end.
    pub rejected: u64,
    /// Off the book.
    pub cancelled: u64,
    /// Replaced.
    pub replaced: u64,
    /// About no order of ours.
    pub unknown: u64,
    /// A kind, side or reason that does not exist.
    pub foreign: u64,
    /// Filled beyond what was open.
    pub overfilled: u64,
}

/// Own orders and the way out.
#[derive(Debug)]
pub struct Orders<'m, O> {
    outbox: O,
    table: OwnTable<'m>,
    next_id: u64,
    /// Ids of the latest mass cancels: their own answers are about no order.
    mass_cancels: [u64; 8],
    /// One was approved and has not left yet.
    is_mass_cancel_due: bool,
    stats: OrderStats,
}

impl<'m, O: Outbox> Orders<'m, O> {
    /// `memory`: [`table_len`] entries; a length that is not a power of two uses the largest one
    /// that fits.
    #[must_use]
    pub fn new(outbox: O, memory: &'m mut [OwnOrder]) -> Orders<'m, O> {
        Orders {
            outbox,
            table: OwnTable::new(memory),
            next_id: 1,
            mass_cancels: [0; 8],
            is_mass_cancel_due: false,
            stats: OrderStats::default(),
        }
    }

    /// Encodes and publishes an approved order; gives the number under which it left.
    ///
    /// # Errors
    /// Why it did not leave; counted.
    #[inline]
    pub fn send(&mut self, approved: &Approved, cause: Cause) -> Result<u64, Unsent> {
        let order = approved.order();
        if matches!(order.kind, RequestKind::MassCancel) {
            return match self.publish_mass_cancel(cause) {
                Some(client_id) => Ok(client_id),
                None => Err(self.unsent(Unsent::RingFull)),
            };
        }
        let newest = self.next_id + SKIPS;
        if matches!(order.kind, RequestKind::Cancel | RequestKind::Replace)
            && !self.table.is_open_target(order, newest)
        {
            return Err(self.unsent(Unsent::Target));
        }
        let Some(client_id) = self.table.vacant_id(self.next_id) else {
            self.next_id = newest;
            return Err(self.unsent(Unsent::TableFull));
        };
        if !self.publish(order, client_id, cause) {
            return Err(self.unsent(Unsent::RingFull));
        }
        self.table.open(client_id, order);
        Ok(client_id)
    }

    /// A mass cancel that found the ring full leaves as soon as there is room; not counted again as
    /// unsent. `None`: none is due, nothing is open any more, or there is still no room.
    #[inline]
    pub fn retry_mass_cancel(&mut self, cause: Cause) -> Option<u64> {
        self.is_mass_cancel_due &= self.open() > 0;
        if self.is_mass_cancel_due { self.publish_mass_cancel(cause) } else { None }
    }

    #[cold]
    fn publish_mass_cancel(&mut self, cause: Cause) -> Option<u64> {
        let client_id = self.next_id;
        self.is_mass_cancel_due = !self.publish(&Order::mass_cancel(), client_id, cause);
        if self.is_mass_cancel_due {
            return None;
        }
        self.mass_cancels.rotate_right(1);
        if let Some(first) = self.mass_cancels.first_mut() {
            *first = client_id;
        }
        Some(client_id)
    }

    #[inline]
    fn publish(&mut self, order: &Order, client_id: u64, cause: Cause) -> bool {
        let request = Request {
            cause_epoch: cause.epoch,
            cause_seq: cause.seq,
            client_id,
            target_id: order.target,
            px: order.px,
            qty: order.qty,
            instrument: order.instrument,
            kind: order.kind as u8,
            side: order.side as u8,
            flags: order.flags,
        };
        if self.outbox.try_publish(&request.to_words()).is_none() {
            return false;
        }
        self.next_id = client_id + 1;
        self.stats.sent += 1;
        true
    }

    /// Takes one report's seven words. `None`: nothing changed.
    #[inline]
    pub fn on_report(&mut self, words: &[u64; 7]) -> Option<Update> {
        let report = Report::from_words(*words);
        self.stats.reports += 1;
        let (Some(kind), Some(side), Some(reason)) =
            (report.kind(), report.side(), Reason::from_wire(report.reason))
        else {
            self.stats.foreign += 1;
            return None;
        };
        *match kind {
            ReportKind::Acknowledged => &mut self.stats.acknowledged,
            ReportKind::Rejected => &mut self.stats.rejected,
            ReportKind::Filled => &mut self.stats.filled,
            ReportKind::Cancelled => &mut self.stats.cancelled,
            ReportKind::Replaced => &mut self.stats.replaced,
        } += 1;
        let Some(update) = self.table.on_report(kind, &report, reason) else {
            // 0 is no order number: it marks unused places here.
            let is_mass_cancel =
                report.client_id != 0 && self.mass_cancels.contains(&report.client_id);
            self.stats.unknown += u64::from(!is_mass_cancel);
            return unknown_fill(kind, side, &report);
        };
        self.stats.overfilled += u64::from(update.is_overfill);
        Some(update)
    }

    /// An own order by its number.
    #[must_use]
    pub fn find(&self, client_id: u64) -> Option<&OwnOrder> {
        self.table.find(client_id)
    }

    /// How many entries are open: orders and cancels on their way.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.table.open_count()
    }

    /// Counts so far.
    #[must_use]
    pub const fn stats(&self) -> &OrderStats {
        &self.stats
    }

    /// The way out.
    #[must_use]
    pub const fn outbox(&self) -> &O {
        &self.outbox
    }

    /// The way out, to arm, beat and halt.
    #[inline]
    pub fn outbox_mut(&mut self) -> &mut O {
        &mut self.outbox
    }

    #[cold]
    fn unsent(&mut self, unsent: Unsent) -> Unsent {
        if let Some(count) = self.stats.unsent.get_mut(unsent as usize) {
            *count += 1;
        }
        unsent
    }
}

/// A fill that is about no order of ours. It was traded all the same; without a side nobody knows
/// which way. One of nothing needs no explanation.
#[cold]
fn unknown_fill(kind: ReportKind, side: Side, report: &Report) -> Option<Update> {
    (matches!(kind, ReportKind::Filled) && report.qty.0 > 0).then_some(Update {
        kind: UpdateKind::Filled,
        client_id: report.client_id,
        working_id: 0,
        working_px: Px::NONE,
        is_pending: false,
        instrument: report.instrument,
        side,
        px: report.px,
        filled_qty: if matches!(side, Side::None) { 0 } else { report.qty.0 },
        released_qty: 0,
        closed: 0,
        is_overfill: false,
        is_unknown: true,
    })
}

/// A cancel names no side; everything else does.
#[inline]
pub(crate) const fn has_side(order: &Order) -> bool {
    !matches!(order.side, Side::None)
}
