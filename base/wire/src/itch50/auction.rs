//! Imbalance, retail interest, direct listing: news about auctions and hidden interest.

use super::Alpha;

message! {
    /// `I`: net order imbalance before an auction.
    NetOrderImbalance = b'I', 50 {
        /// Shares that would match at the reference price.
        11 paired_shares: u64,
        /// Shares that would not.
        19 imbalance_shares: u64,
        /// `B` buy, `S` sell, `N` none, `O` too few orders, `P` paused.
        27 direction: u8,
        /// Symbol.
        28 stock: Alpha<8>,
        /// Far price, 1e-4 dollars.
        36 far_1e4: u32,
        /// Near price, 1e-4 dollars.
        40 near_1e4: u32,
        /// Reference price, 1e-4 dollars.
        44 reference_1e4: u32,
        /// `O` opening, `C` closing, `H` after a halt or IPO, `A` extended closing.
        48 cross_type: u8,
        /// How far near and reference price are apart, as a class.
        49 variation: u8,
    }
}

message! {
    /// `N`: retail price improvement interest.
    RetailInterest = b'N', 20 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// `B` buy, `S` sell, `A` both, `N` none.
        19 interest: u8,
    }
}

message! {
    /// `O`: direct listing with a capital raise, its price limits.
    DirectListing = b'O', 48 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// `Y`: may open.
        19 open_eligibility: u8,
        /// Lowest price, 1e-4 dollars.
        20 min_1e4: u32,
        /// Highest price, 1e-4 dollars.
        24 max_1e4: u32,
        /// Near execution price, 1e-4 dollars.
        28 near_execution_1e4: u32,
        /// When that price was first reached, nanoseconds since midnight.
        32 near_execution_time_ns: u64,
        /// Lower collar, 1e-4 dollars.
        40 lower_1e4: u32,
        /// Upper collar, 1e-4 dollars.
        44 upper_1e4: u32,
    }
}
