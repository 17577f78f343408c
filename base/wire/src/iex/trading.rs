//! Levels, quotes, trades.

use crate::itch50::Alpha;

message! {
    /// `8` (DEEP): a level of the buy side, as it is from now on.
    BuyLevel = b'8', 30 {
        /// Bit 0: the venue's event is complete with this message.
        1 event_flags: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// All that is displayed there, shares; 0: the level is gone.
        18 size: u32,
        /// Its price.
        22 price_1e4: i64,
    }
}

message! {
    /// `5` (DEEP): a level of the sell side, as it is from now on.
    SellLevel = b'5', 30 {
        /// Bit 0: the venue's event is complete with this message.
        1 event_flags: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// All that is displayed there, shares; 0: the level is gone.
        18 size: u32,
        /// Its price.
        22 price_1e4: i64,
    }
}

message! {
    /// `Q` (TOPS): the best of both sides, as it is from now on.
    QuoteUpdate = b'Q', 42 {
        /// Bits: 0x80 halted, paused or not open, 0x40 before or after regular hours.
        1 flags: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Displayed at the best bid, shares; 0: there is none.
        18 bid_size: u32,
        /// The best bid, 0: there is none.
        22 bid_1e4: i64,
        /// The best ask, 0: there is none.
        30 ask_1e4: i64,
        /// Displayed at the best ask, shares; 0: there is none.
        38 ask_size: u32,
    }
}

message! {
    /// `T`: a trade. In DEEP+ only one that no displayed order took part in.
    TradeReport = b'T', 38 {
        /// Sale condition, bits: 0x80 intermarket sweep, 0x40 extended hours, 0x20 odd lot,
        /// 0x10 exempt from the trade-through rule, 0x08 single-price cross.
        1 sale_condition: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Shares.
        18 size: u32,
        /// The trade's price.
        22 price_1e4: i64,
        /// The venue's number of the trade.
        30 trade_id: i64,
    }
}

message! {
    /// `B`: an earlier trade is void.
    TradeBreak = b'B', 38 {
        /// As that of the trade.
        1 sale_condition: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Shares.
        18 size: u32,
        /// The trade's price.
        22 price_1e4: i64,
        /// The number of the trade that is void.
        30 trade_id: i64,
    }
}
