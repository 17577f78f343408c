//! System, directory, status: what is traded, and whether.

use super::Alpha;

message! {
    /// `S`: a phase of the day begins or ends for the whole venue.
    SystemEvent = b'S', 12 {
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours,
        /// `M` end of market hours, `E` end of system hours, `C` end of messages.
        11 event: u8,
    }
}

message! {
    /// `R`: a stock and what holds for it today.
    StockDirectory = b'R', 39 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// Listing market and tier.
        19 market_category: u8,
        /// Deficient, delinquent, bankrupt, …
        20 financial_status: u8,
        /// Shares of a round lot.
        21 round_lot: u32,
        /// `Y`: only round lots are accepted.
        25 round_lots_only: u8,
        /// Security class.
        26 issue_class: u8,
        /// Security subtype.
        27 issue_subtype: Alpha<2>,
        /// `P` live, `T` test.
        29 authenticity: u8,
        /// Short sale threshold: `Y`, `N`, space.
        30 short_sale_threshold: u8,
        /// First day of an IPO: `Y`, `N`, space.
        31 ipo_flag: u8,
        /// Limit-up limit-down tier: `1`, `2`, space.
        32 luld_tier: u8,
        /// `Y` for an exchange traded product.
        33 etp_flag: u8,
        /// Leverage of the exchange traded product, 0 where it is none.
        34 etp_leverage: u32,
        /// `Y` for an inverse product.
        38 inverse: u8,
    }
}

message! {
    /// `H`: the trading state of a stock on all markets.
    TradingAction = b'H', 25 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        19 state: u8,
        /// Reserved.
        20 reserved: u8,
        /// Why.
        21 reason: Alpha<4>,
    }
}

message! {
    /// `Y`: short sale price test.
    RegShoRestriction = b'Y', 20 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// `0` none, `1` in effect since an intra-day drop, `2` remains in effect.
        19 action: u8,
    }
}

message! {
    /// `L`: a market participant in a stock.
    MarketParticipantPosition = b'L', 26 {
        /// Market participant.
        11 mpid: Alpha<4>,
        /// Symbol.
        15 stock: Alpha<8>,
        /// `Y`: primary market maker.
        23 primary_market_maker: u8,
        /// Market maker mode.
        24 mode: u8,
        /// Registration state.
        25 state: u8,
    }
}

message! {
    /// `V`: the index levels of the market-wide circuit breaker.
    MwcbDeclineLevels = b'V', 35 {
        /// Level 1, 1e-8 index points.
        11 level1_1e8: u64,
        /// Level 2, 1e-8 index points.
        19 level2_1e8: u64,
        /// Level 3, 1e-8 index points.
        27 level3_1e8: u64,
    }
}

message! {
    /// `W`: a level of the market-wide circuit breaker was breached.
    MwcbStatus = b'W', 12 {
        /// `1`, `2`, `3`.
        11 breached_level: u8,
    }
}

message! {
    /// `K`: when and at what price quoting of an IPO is released.
    IpoQuotingPeriod = b'K', 28 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// Seconds since midnight.
        19 release_time_s: u32,
        /// `A` anticipated, `C` cancelled or postponed.
        23 qualifier: u8,
        /// IPO price, 1e-4 dollars.
        24 price_1e4: u32,
    }
}

message! {
    /// `J`: the collar of the auction after a limit-up limit-down pause.
    LuldAuctionCollar = b'J', 35 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// Reference price, 1e-4 dollars.
        19 reference_1e4: u32,
        /// Upper collar, 1e-4 dollars.
        23 upper_1e4: u32,
        /// Lower collar, 1e-4 dollars.
        27 lower_1e4: u32,
        /// How often the auction was extended.
        31 extension: u32,
    }
}

message! {
    /// `h`: one market halts a stock for reasons of its own.
    OperationalHalt = b'h', 21 {
        /// Symbol.
        11 stock: Alpha<8>,
        /// `Q` Nasdaq, `B` BX, `X` PSX.
        19 market: u8,
        /// `H` halted, `T` trading again.
        20 action: u8,
    }
}
