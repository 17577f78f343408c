//! DEEP+: orders.

use crate::itch50::Alpha;

message! {
    /// `a` (DEEP+): a new displayed order.
    AddOrder = b'a', 38 {
        /// `8` buy, `5` sell.
        1 side: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// The order's number; one that was deleted may come again.
        18 order_id: u64,
        /// Displayed, shares.
        26 size: u32,
        /// Where it stands in the book.
        30 price_1e4: i64,
    }
}

message! {
    /// `M` (DEEP+): an order's price, size or priority changed.
    OrderModify = b'M', 38 {
        /// Bit 0: it keeps its priority; not set: it goes to the tail.
        1 modify_flags: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Which order.
        18 order_id: u64,
        /// Displayed from now on, shares.
        26 size: u32,
        /// Where it stands in the book from now on.
        30 price_1e4: i64,
    }
}

message! {
    /// `R` (DEEP+): an order is gone.
    OrderDelete = b'R', 26 {
        /// Reserved.
        1 reserved: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Which order.
        18 order_id: u64,
    }
}

message! {
    /// `L` (DEEP+): a displayed order traded, in whole or in part.
    OrderExecuted = b'L', 46 {
        /// As that of a trade.
        1 sale_condition: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
        /// Which order.
        18 order_id: u64,
        /// Shares.
        26 size: u32,
        /// The trade's price, which may be better than the order's.
        30 price_1e4: i64,
        /// The venue's number of the trade.
        38 trade_id: i64,
    }
}

message! {
    /// `C` (DEEP+): the book of a security is empty.
    ClearBook = b'C', 18 {
        /// Reserved.
        1 reserved: u8,
        /// Symbol.
        10 symbol: Alpha<8>,
    }
}
