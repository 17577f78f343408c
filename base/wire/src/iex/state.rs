//! What is traded, and whether: messages that change no book.

use crate::itch50::Alpha;

message! {
    /// `S`: a phase of the day begins or ends for the whole venue.
    SystemEvent = b'S', 10 {
        /// `O` start of messages, `S` start of system hours, `R` start of regular hours, `M` end of
        /// regular hours, `E` end of system hours, `C` end of messages.
        1 event: u8,
    }
}

message! {
    /// `D`: a security and what holds for it today.
    SecurityDirectory = b'D', 31 {
        /// Bits: 0x80 test, 0x40 when issued, 0x20 exchange traded product.
        1 flags: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Shares of a round lot.
        18 round_lot: u32,
        /// The previous official close, adjusted for corporate actions.
        22 adjusted_close_1e4: i64,
        /// Limit-up limit-down tier: 0 none, 1, 2.
        30 luld_tier: u8,
    }
}

message! {
    /// `H`: the trading state of a security on all markets.
    TradingStatus = b'H', 22 {
        /// `H` halted, `O` orders are accepted after a halt, `P` paused, `T` trading.
        1 state: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Why.
        18 reason: Alpha<4>,
    }
}

message! {
    /// `I`: retail orders would find hidden interest.
    RetailLiquidity = b'I', 18 {
        /// Space none, `A` to buy, `B` to sell, `C` both.
        1 interest: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
    }
}

message! {
    /// `O`: this venue alone stopped trading a security, or goes on with it.
    OperationalHalt = b'O', 18 {
        /// `O` halted here, `N` not halted here.
        1 state: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
    }
}

message! {
    /// `P`: whether the price test for short sales is in effect.
    ShortSaleTest = b'P', 19 {
        /// 0 or 1.
        1 state: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Space, `A` activated, `C` continued, `D` deactivated, `N` not available.
        18 detail: u8,
    }
}

message! {
    /// `E`: a security's opening or closing process is complete.
    SecurityEvent = b'E', 18 {
        /// `O` opening, `C` closing.
        1 event: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
    }
}

message! {
    /// `X`: the official opening or closing price of a security listed here.
    OfficialPrice = b'X', 26 {
        /// `Q` opening, `M` closing.
        1 price_type: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// The price.
        18 price_1e4: i64,
    }
}

message! {
    /// `A`: what an auction would do now.
    AuctionInformation = b'A', 80 {
        /// `O` opening, `C` closing, `I` IPO, `H` halt, `V` volatility.
        1 auction_type: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Shares that would be paired at the reference price.
        18 paired_shares: u32,
        /// Where the clearing price is looked for.
        22 reference_1e4: i64,
        /// Price at which all orders of the auction would clear.
        30 indicative_1e4: i64,
        /// Shares left over.
        38 imbalance_shares: u32,
        /// `B` buy, `S` sell, `N` none.
        42 imbalance_side: u8,
        /// How often the auction was put off.
        43 extension: u8,
        /// When it is to take place, seconds since the Unix epoch.
        44 scheduled_s: u32,
        /// Price at which the auction's own orders would clear.
        48 auction_book_1e4: i64,
        /// What the collar is measured from.
        56 collar_reference_1e4: i64,
        /// Lower end of the collar.
        64 collar_lower_1e4: i64,
        /// Upper end of the collar.
        72 collar_upper_1e4: i64,
    }
}
