//! How times, prices and kinds are written for people, and how exactly for scripts.

use tickspin_recording::Protocol;
use tickspin_results::utc;
use tickspin_wire::event::Event;
use tickspin_wire::num::{Px, Side};

/// A price in the venue's own integer unit; 0 where there is none.
pub(super) fn venue_px(px: Px, protocol: Protocol) -> i64 {
    if px.is_some() { px.0 / 10_i64.pow(9 - protocol.px_decimals()) } else { 0 }
}

/// An integer with `decimals` behind the point, trailing zeros taken off.
pub(super) fn decimal(number: i128, decimals: u32) -> String {
    let unit = 10_u128.pow(decimals);
    let (whole, part) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    let sign = if number < 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let part = format!("{part:0width$}", width = decimals as usize);
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

/// A price in units of the quote currency; nothing where there is none.
pub(super) fn px(px: Px) -> String {
    if px.is_some() { decimal(px.0.into(), 9) } else { String::new() }
}

/// A quantity in whole units.
pub(super) fn qty(qty: u64, protocol: Protocol) -> String {
    decimal(qty.into(), protocol.qty_decimals())
}

/// Nanoseconds of a year: venue times below are since midnight.
const YEAR_NS: u64 = 365 * 86_400 * 1_000_000_000;

/// `09:30:00.123456789` since midnight, or the date and time (UTC) since 1970.
pub(super) fn time(ns: u64) -> String {
    let (seconds, part) = (ns / 1_000_000_000, ns % 1_000_000_000);
    if ns >= YEAR_NS {
        return format!("{}.{part:09}Z", utc::date_time(seconds));
    }
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{part:09}", seconds % 60)
}

/// `bid`, `ask` or nothing.
pub(super) fn side(event: &Event) -> &'static str {
    match event.side() {
        Some(Side::Bid) => "bid",
        Some(Side::Ask) => "ask",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(px(Px(1_650_000 * Px::PER_1E4)), "165");
        assert_eq!(px(Px(-1_500_000_000)), "-1.5");
        assert_eq!(px(Px::NONE), "");
        assert_eq!(qty(302_920_000, Protocol::Binance), "3.0292");
        assert_eq!(qty(100, Protocol::Itch50), "100");
        assert_eq!(venue_px(Px::from_1e4(1_650_000), Protocol::Itch50), 1_650_000);
        assert_eq!(venue_px(Px::NONE, Protocol::Itch50), 0);
        assert_eq!(decimal(i128::from(u64::MAX), 8), "184467440737.09551615");
    }

    #[test]
    fn times_are_of_a_day_or_of_the_calendar() {
        assert_eq!(time(34_200_000_000_001), "09:30:00.000000001");
        assert_eq!(time(1_493_132_621_826_542_542), "2017-04-25T15:03:41.826542542Z");
    }
}
