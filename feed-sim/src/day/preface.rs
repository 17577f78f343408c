//! What a day says before its first order: that it begins, which stocks there are, that they trade.

use super::HOUR_NS;
use super::stock::name;
use tickspin_wire::itch50::{Alpha, Header, Message, StockDirectory, SystemEvent, TradingAction};

/// How many messages [`write`] makes.
pub(super) fn messages(instruments: u16) -> u64 {
    1 + 2 * u64::from(instruments)
}

/// `S` `O`, then `R` of every stock, then `H` of every stock.
pub(super) fn write(instruments: u16, mut put: impl FnMut(Message)) {
    let header = |locate, seconds: u64| Header {
        locate,
        tracking: 0,
        timestamp_ns: 3 * HOUR_NS + seconds * 1_000_000_000,
    };
    put(SystemEvent { header: header(0, 0), event: b'O' }.into());
    for locate in 1..=instruments {
        let message = StockDirectory {
            header: header(locate, 300),
            stock: name(locate),
            market_category: b'Q',
            financial_status: b'N',
            round_lot: 100,
            round_lots_only: b'N',
            issue_class: b'C',
            issue_subtype: Alpha(*b"Z "),
            authenticity: b'P',
            short_sale_threshold: b'N',
            ipo_flag: b'N',
            luld_tier: b'1',
            etp_flag: b'N',
            etp_leverage: 0,
            inverse: b'N',
        };
        put(message.into());
    }
    for locate in 1..=instruments {
        let message = TradingAction {
            header: header(locate, 600),
            stock: name(locate),
            state: b'T',
            reserved: b' ',
            reason: Alpha(*b"    "),
        };
        put(message.into());
    }
}
