//! How much memory the books need: functions of the capacity, callable before any memory exists,
//! so that the caller chooses pages and node.

use super::ladder::{self, Level};
use super::{InstrumentSlot, OrderSlot};
use core::fmt;

/// Instrument numbers are `u16`, and the last means "all".
pub const MAX_INSTRUMENTS: usize = u16::MAX as usize;

/// Most orders: a table of 2^31 slots is 64 GiB.
pub const MAX_ORDERS: usize = 1 << 30;

/// How many of what the books are to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookSize {
    /// Instruments, numbered from 0: 1..=65,535.
    pub instruments: usize,
    /// Orders at one time over all instruments: 1..=2^30.
    pub orders: usize,
    /// Price levels at one time over all instruments and sides: 1..=2^31.
    pub levels: usize,
}

impl BookSize {
    /// Length of the slice of [`InstrumentSlot`]; 64 bytes each.
    #[must_use]
    pub const fn instrument_slots(&self) -> usize {
        self.instruments
    }

    /// Length of the slice of [`OrderSlot`]; 32 bytes each. A power of two, at least twice the
    /// orders: below half full a probe looks at 1.5 slots on average, a miss at 2.5.
    #[must_use]
    pub const fn order_slots(&self) -> usize {
        let wished = if self.orders < 4 { 8 } else { self.orders * 2 };
        wished.next_power_of_two()
    }

    /// Length of the slice of [`Level`]; 24 bytes each.
    ///
    /// Ladders live in blocks of 8, 16, 32 … levels. A ladder may leave half of its block empty,
    /// and the blocks that it grew out of (as much again) may find no taker; every instrument that
    /// ever had an order keeps one smallest block a side. Hence four times the levels, plus those.
    #[must_use]
    pub const fn level_slots(&self) -> usize {
        self.levels * 4 + self.instruments * 2 * ladder::SMALLEST
    }

    /// All of it, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.instrument_slots() * size_of::<InstrumentSlot>()
            + self.order_slots() * size_of::<OrderSlot>()
            + self.level_slots() * size_of::<Level>()
    }
}

/// The slices that the books borrow. Contents do not matter: [`super::Book::new`] formats them.
#[derive(Debug)]
pub struct BookMemory<'m> {
    /// [`BookSize::order_slots`] long.
    pub orders: &'m mut [OrderSlot],
    /// [`BookSize::level_slots`] long.
    pub levels: &'m mut [Level],
    /// [`BookSize::instrument_slots`] long.
    pub instruments: &'m mut [InstrumentSlot],
}

/// Slices that no [`BookSize`] gives, with the length found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSizeError {
    /// Not 1..=65,535.
    Instruments(usize),
    /// Not a power of two in 8..=2^31.
    Orders(usize),
    /// Not 8..=2^32 − 2.
    Levels(usize),
}

impl fmt::Display for BookSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookSizeError::Instruments(len) => {
                write!(f, "{len} instruments: a book holds 1 to {MAX_INSTRUMENTS}")
            }
            BookSizeError::Orders(len) => {
                write!(f, "{len} order slots: a power of two from 8 to 2^31 would do")
            }
            BookSizeError::Levels(len) => {
                write!(f, "{len} level slots: 8 to 2^32 - 2 would do")
            }
        }
    }
}

impl core::error::Error for BookSizeError {}
