//! Orders, executions, trades. Only `A F E C X D U` change a displayed book.

use super::Alpha;

message! {
    /// `A`: a new displayed order without attribution.
    AddOrder = b'A', 36 {
        /// The order's number, unique for the day; not monotonic.
        11 order_ref: u64,
        /// `B` buy, `S` sell.
        19 side: u8,
        /// Displayed shares.
        20 shares: u32,
        /// Symbol.
        24 stock: Alpha<8>,
        /// Limit, 1e-4 dollars.
        32 price_1e4: u32,
    }
}

message! {
    /// `F`: a new displayed order with its market participant.
    AddOrderMpid = b'F', 40 {
        /// The order's number, unique for the day; not monotonic.
        11 order_ref: u64,
        /// `B` buy, `S` sell.
        19 side: u8,
        /// Displayed shares.
        20 shares: u32,
        /// Symbol.
        24 stock: Alpha<8>,
        /// Limit, 1e-4 dollars.
        32 price_1e4: u32,
        /// Market participant.
        36 attribution: Alpha<4>,
    }
}

message! {
    /// `E`: a displayed order traded at its own price. At 0 shares left it is dead.
    OrderExecuted = b'E', 31 {
        /// Which order.
        11 order_ref: u64,
        /// Shares traded now.
        19 shares: u32,
        /// The trade's number.
        23 match_number: u64,
    }
}

message! {
    /// `C`: a displayed order traded at another price than its own.
    OrderExecutedWithPrice = b'C', 36 {
        /// Which order.
        11 order_ref: u64,
        /// Shares traded now.
        19 shares: u32,
        /// The trade's number.
        23 match_number: u64,
        /// `Y`; `N`: part of a cross, not to be counted as volume.
        31 printable: u8,
        /// The trade's price, 1e-4 dollars.
        32 price_1e4: u32,
    }
}

message! {
    /// `X`: a displayed order was cancelled in part. At 0 shares left it is dead.
    OrderCancel = b'X', 23 {
        /// Which order.
        11 order_ref: u64,
        /// Shares taken off.
        19 shares: u32,
    }
}

message! {
    /// `D`: a displayed order is gone.
    OrderDelete = b'D', 19 {
        /// Which order.
        11 order_ref: u64,
    }
}

message! {
    /// `U`: the old order out, a new one in at the tail; side, symbol, participant stay.
    OrderReplace = b'U', 35 {
        /// The order that goes.
        11 old_order_ref: u64,
        /// The order that comes.
        19 new_order_ref: u64,
        /// Its displayed shares.
        27 shares: u32,
        /// Its limit, 1e-4 dollars.
        31 price_1e4: u32,
    }
}

message! {
    /// `P`: a trade against a hidden order; changes no displayed book.
    Trade = b'P', 44 {
        /// 0 since 2010-12-06.
        11 order_ref: u64,
        /// `B` since 2014-07-14, whatever the side was.
        19 side: u8,
        /// Shares traded.
        20 shares: u32,
        /// Symbol.
        24 stock: Alpha<8>,
        /// Price, 1e-4 dollars.
        32 price_1e4: u32,
        /// The trade's number.
        36 match_number: u64,
    }
}

message! {
    /// `Q`: the trade of an auction, all shares in one; changes no displayed book.
    CrossTrade = b'Q', 40 {
        /// Shares crossed, 0 where nothing matched. Eight bytes, unlike everywhere else.
        11 shares: u64,
        /// Symbol.
        19 stock: Alpha<8>,
        /// Price, 1e-4 dollars.
        27 price_1e4: u32,
        /// The trade's number.
        31 match_number: u64,
        /// `O` opening, `C` closing, `H` after a halt or IPO, `I` intraday.
        39 cross_type: u8,
    }
}

message! {
    /// `B`: an earlier trade is void; changes no displayed book.
    BrokenTrade = b'B', 19 {
        /// Which trade.
        11 match_number: u64,
    }
}
