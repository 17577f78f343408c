//! Integers that know their unit: prices, quantities, sides, instruments.
//!
//! A book never holds a float: equal prices must be equal, and sums must be exact.

use bytemuck::{Pod, Zeroable};

/// A price in 1e-9 of the quote currency, the scale Databento chose for DBN.
///
/// Nasdaq's four implied decimals are a multiple of it (× 100,000), as are CME's and crypto
/// venues' nine or fewer.
/// Range: ± 9.22e9 of the quote currency.
/// [`Px::NONE`] (`i64::MAX`) means "no price".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Px(pub i64);

impl Px {
    /// "No price": an empty side of a book, a market order, an execution at the resting price.
    pub const NONE: Px = Px(i64::MAX);
    /// How many units make one of the quote currency.
    pub const ONE: i64 = 1_000_000_000;
    /// Units per ten-thousandth, the scale of ITCH `Price(4)`.
    pub const PER_1E4: i64 = 100_000;

    /// From Nasdaq `Price(4)`: four implied decimals.
    #[inline]
    #[must_use]
    pub const fn from_1e4(raw: u32) -> Px {
        Px(raw as i64 * Self::PER_1E4)
    }

    /// To Nasdaq `Price(4)`; `None` where the price does not fit or would lose digits.
    #[must_use]
    pub const fn to_1e4(self) -> Option<u32> {
        let raw = self.0 / Self::PER_1E4;
        if self.0 % Self::PER_1E4 != 0 || raw < 0 || raw > u32::MAX as i64 {
            return None;
        }
        Some(raw as u32)
    }

    /// False for [`Px::NONE`].
    #[inline]
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != i64::MAX
    }
}

/// A quantity in the instrument's own smallest unit: shares on Nasdaq, contracts on CME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Qty(pub u64);

/// Which side of the book. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Neither, or unknown.
    None = 0,
    /// Buyers; the best is the highest.
    Bid = 1,
    /// Sellers; the best is the lowest.
    Ask = 2,
}

impl Side {
    /// Checked: a byte from another process is input, never a variant.
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u8) -> Option<Side> {
        match raw {
            0 => Some(Side::None),
            1 => Some(Side::Bid),
            2 => Some(Side::Ask),
            _ => None,
        }
    }

    /// The other side; `None` stays `None`.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::None => Side::None,
            Side::Bid => Side::Ask,
            Side::Ask => Side::Bid,
        }
    }
}

/// A dense instrument number, assigned by the feed: 0..65,534. On Nasdaq it is the stock locate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct InstrumentId(pub u16);

impl InstrumentId {
    /// All instruments: a session-wide event.
    pub const ALL: InstrumentId = InstrumentId(u16::MAX);

    /// As an index into a table of instruments.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
