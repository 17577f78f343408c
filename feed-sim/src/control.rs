//! What cold and pinned threads tell one another: a few words.
//!
//! ```text
//!   cold ──order──► pinned: NONE, END (finish the stream), ABANDON (the engine is gone)
//!   pinned ──mark──► cold:  STARTING, ARMED, DISARMED
//!   cold ──seen──► pinned:  the last mark that cold has taken its samples at
//!   cold ──work──► pinned:  how often a thread of ours began and ended to work on its core
//! ```
//! The pinned thread waits at each mark, spinning, until cold has sampled what the kernel did to
//! it, so that the samples lie outside what they measure. All words are values by themselves: no
//! data is published through them, so relaxed accesses are enough.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What the pinned thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Order {
    /// Go on.
    None = 0,
    /// End the stream now, orderly.
    End = 1,
    /// The engine is gone: nobody is served any more.
    Abandon = 2,
}

/// How far the pinned thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Mark {
    /// Being pinned, or waiting for the engine to be armed.
    Starting = 0,
    /// Everything is ready; what follows is measured.
    Armed = 1,
    /// Everything is over; what was measured lies before.
    Disarmed = 2,
}

/// The words.
#[derive(Debug, Default)]
pub struct Control {
    order: AtomicU32,
    mark: AtomicU32,
    seen: AtomicU32,
    thread: AtomicI32,
    shares_core: AtomicBool,
    work: AtomicU64,
}

/// One beginning in [`Control::cold_work`]; an end counts 1.
const BEGAN: u64 = 1 << 32;

impl Control {
    /// Asks the pinned thread. `Abandon` overrides `End`; nothing is taken back.
    pub fn ask(&self, order: Order) {
        self.order.fetch_max(order as u32, Relaxed);
    }

    /// What is asked of the pinned thread.
    #[inline]
    #[must_use]
    pub fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::None,
            1 => Order::End,
            _ => Order::Abandon,
        }
    }

    /// The pinned thread has come to `mark`.
    pub fn reach(&self, mark: Mark) {
        self.mark.store(mark as u32, Relaxed);
    }

    /// How far the pinned thread is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        match self.mark.load(Relaxed) {
            0 => Mark::Starting,
            1 => Mark::Armed,
            _ => Mark::Disarmed,
        }
    }

    /// Cold has taken its samples at `mark`: the pinned thread may go on.
    pub fn pass(&self, mark: Mark) {
        self.seen.store(mark as u32, Relaxed);
    }

    /// Whether cold has taken its samples at `mark`.
    #[inline]
    #[must_use]
    pub fn has_passed(&self, mark: Mark) -> bool {
        self.seen.load(Relaxed) >= mark as u32
    }

    /// The cold threads have no core but the pinned one's: what they do there is a gap of ours.
    pub fn share_core(&self) {
        self.shares_core.store(true, Relaxed);
    }

    /// Whether cold threads run on the pinned core.
    #[must_use]
    pub fn shares_core(&self) -> bool {
        self.shares_core.load(Relaxed)
    }

    /// A cold thread woke.
    pub fn begin_cold_work(&self) {
        if self.shares_core() {
            self.work.fetch_add(BEGAN, Relaxed);
        }
    }

    /// It is about to sleep.
    pub fn end_cold_work(&self) {
        if self.shares_core() {
            self.work.fetch_add(1, Relaxed);
        }
    }

    /// Changes whenever a cold thread begins or ends to work on the pinned core.
    #[inline]
    #[must_use]
    pub fn cold_work(&self) -> u64 {
        self.work.load(Relaxed)
    }

    /// Whether one was at work when [`Control::cold_work`] gave this.
    #[must_use]
    pub const fn is_at_work(cold_work: u64) -> bool {
        cold_work >> 32 != cold_work & (BEGAN - 1)
    }

    /// The pinned thread's number.
    pub fn set_thread(&self, id: i32) {
        self.thread.store(id, Relaxed);
    }

    /// The pinned thread's number; `None` until it has said it.
    #[must_use]
    pub fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Relaxed)).filter(|&id| id != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_only_get_graver_and_marks_are_passed_in_turn() {
        let control = Control::default();
        assert_eq!((control.order(), control.mark()), (Order::None, Mark::Starting));
        control.ask(Order::Abandon);
        control.ask(Order::End);
        assert_eq!(control.order(), Order::Abandon);
        assert!(!control.has_passed(Mark::Armed));
        control.pass(Mark::Disarmed);
        assert!(control.has_passed(Mark::Armed) && control.has_passed(Mark::Disarmed));
    }

    #[test]
    fn work_on_a_core_of_its_own_is_nobodys_business() {
        let control = Control::default();
        control.begin_cold_work();
        assert_eq!(control.cold_work(), 0);
        control.share_core();
        let before = control.cold_work();
        control.begin_cold_work();
        assert!(Control::is_at_work(control.cold_work()));
        control.end_cold_work();
        assert!(!Control::is_at_work(control.cold_work()));
        assert_ne!(control.cold_work(), before);
    }
}
