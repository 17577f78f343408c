//! Where the fields of a DBN record lie, and which sizes a record may have.
//!
//! Offsets and sizes are those of the `dbn` crate's record structs, taken at compile time; the bytes
//! are read one field at a time. So a record may start at any offset of a file (those of versions 1
//! and 2 do), nothing is cast, and no length of a file is trusted by anybody: a record is read only
//! where its size is one that its type has.

use ::dbn::{
    BidAskPair, CbboMsg, Cmbp1Msg, ErrorMsg, ImbalanceMsg, MboMsg, Mbp1Msg, Mbp10Msg, OhlcvMsg,
    RecordHeader, StatusMsg, SymbolMappingMsg, SystemMsg, TradeMsg, rtype, v1, v2, v3,
};
use std::mem::{offset_of, size_of};
use tickspin_wire::num::{Px, Qty};

pub(crate) const HEADER_BYTES: usize = size_of::<RecordHeader>();
pub(crate) const MBO_BYTES: usize = size_of::<MboMsg>();
/// What `ts_out` adds at the end of every record.
pub(crate) const TS_OUT_BYTES: usize = 8;
/// The length byte counts in words of this many bytes.
pub(crate) const LENGTH_UNIT_BYTES: usize = 4;

/// Reads a field of a record struct of the crate: `field!(record, MboMsg, order_id, u64)`.
macro_rules! field {
    ($record:expr, $message:ty, $name:ident, $number:ty) => {
        <$number>::from_le_bytes($crate::dbn::layout::bytes_at(
            $record,
            ::std::mem::offset_of!($message, $name),
        ))
    };
}
pub(crate) use field;

/// `N` bytes of a record; zeros where it is shorter, which its checked size rules out.
#[inline(always)]
pub(crate) fn bytes_at<const N: usize>(record: &[u8], offset: usize) -> [u8; N] {
    record.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// What stands at the front of every record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Bytes of the whole record, this header counted.
    pub(crate) size: usize,
    pub(crate) rtype: u8,
    pub(crate) publisher: u16,
    pub(crate) instrument: u32,
    pub(crate) ts_event_ns: u64,
}

impl Header {
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8; HEADER_BYTES]) -> Header {
        Header {
            size: usize::from(bytes[0]) * LENGTH_UNIT_BYTES,
            rtype: bytes[offset_of!(RecordHeader, rtype)],
            publisher: field!(bytes, RecordHeader, publisher_id, u16),
            instrument: field!(bytes, RecordHeader, instrument_id, u32),
            ts_event_ns: field!(bytes, RecordHeader, ts_event, u64),
        }
    }
}

/// Sizes that a record of this type has in one of the versions, `ts_out` left out; none for a type
/// we do not know. No type has one size with different fields in two versions, so the size of a
/// record says which fields it has, also where nothing else tells the version.
pub(crate) const fn sizes(rtype: u8) -> &'static [usize] {
    match rtype {
        rtype::MBO => &[MBO_BYTES],
        rtype::MBP_0 => &[size_of::<TradeMsg>()],
        rtype::MBP_1 => &[size_of::<Mbp1Msg>()],
        rtype::MBP_10 => &[size_of::<Mbp10Msg>()],
        rtype::CMBP_1 | rtype::TCBBO => &[size_of::<Cmbp1Msg>()],
        rtype::CBBO_1S | rtype::CBBO_1M | rtype::BBO_1S | rtype::BBO_1M => &[size_of::<CbboMsg>()],
        0x11 | rtype::OHLCV_1S..=rtype::OHLCV_EOD => &[size_of::<OhlcvMsg>()],
        rtype::STATUS => &[size_of::<StatusMsg>()],
        rtype::INSTRUMENT_DEF => &[
            size_of::<v1::InstrumentDefMsg>(),
            size_of::<v2::InstrumentDefMsg>(),
            size_of::<v3::InstrumentDefMsg>(),
        ],
        rtype::IMBALANCE => &[size_of::<ImbalanceMsg>()],
        rtype::SYMBOL_MAPPING => {
            &[size_of::<v1::SymbolMappingMsg>(), size_of::<SymbolMappingMsg>()]
        }
        rtype::STATISTICS => &[size_of::<v1::StatMsg>(), size_of::<v3::StatMsg>()],
        rtype::ERROR => &[size_of::<v1::ErrorMsg>(), size_of::<ErrorMsg>()],
        rtype::SYSTEM => &[size_of::<v1::SystemMsg>(), size_of::<SystemMsg>()],
        _ => &[],
    }
}

/// As the venue names the type.
pub(crate) const fn name(rtype: u8) -> &'static str {
    match rtype {
        rtype::MBO => "mbo",
        rtype::MBP_0 => "trades",
        rtype::MBP_1 => "mbp-1",
        rtype::MBP_10 => "mbp-10",
        rtype::CMBP_1 => "cmbp-1",
        rtype::TCBBO => "tcbbo",
        rtype::CBBO_1S => "cbbo-1s",
        rtype::CBBO_1M => "cbbo-1m",
        rtype::BBO_1S => "bbo-1s",
        rtype::BBO_1M => "bbo-1m",
        rtype::OHLCV_1S => "ohlcv-1s",
        rtype::OHLCV_1M => "ohlcv-1m",
        rtype::OHLCV_1H => "ohlcv-1h",
        rtype::OHLCV_1D => "ohlcv-1d",
        rtype::OHLCV_EOD => "ohlcv-eod",
        0x11 => "ohlcv",
        rtype::STATUS => "status",
        rtype::INSTRUMENT_DEF => "definition",
        rtype::IMBALANCE => "imbalance",
        rtype::SYMBOL_MAPPING => "symbol_mapping",
        rtype::STATISTICS => "statistics",
        rtype::ERROR => "error",
        rtype::SYSTEM => "system",
        _ => "unknown",
    }
}

/// A price as it lies in the record: undefined is our `NONE`.
#[inline(always)]
pub(crate) const fn px(raw: i64) -> Px {
    const _: () = assert!(::dbn::UNDEF_PRICE == Px::NONE.0);
    Px(raw)
}

/// A size as it lies in the record; undefined is 0.
#[inline(always)]
pub(crate) const fn qty(raw: u32) -> Qty {
    Qty(if raw == ::dbn::UNDEF_ORDER_SIZE { 0 } else { raw as u64 })
}

/// The symbol at `range` of a record, up to its first zero byte.
fn text(record: &[u8], offset: usize, bytes: usize) -> String {
    let field = record.get(offset..offset + bytes).unwrap_or(&[]);
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// What we take from a definition, in whichever version its size says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) raw_symbol: String,
    pub(crate) tick_px: Px,
    /// 0: unknown.
    pub(crate) lot_qty: Qty,
}

impl Definition {
    /// `record` without `ts_out`.
    pub(crate) fn of(record: &[u8]) -> Definition {
        macro_rules! taken {
            ($message:ty, $symbol_bytes:expr) => {{
                let lot = |raw: i32| (raw > 0 && raw != i32::MAX).then_some(raw as u64);
                let round_lot = lot(field!(record, $message, min_lot_size_round_lot, i32));
                let least = lot(field!(record, $message, min_lot_size, i32));
                Definition {
                    raw_symbol: text(record, offset_of!($message, raw_symbol), $symbol_bytes),
                    tick_px: px(field!(record, $message, min_price_increment, i64)),
                    lot_qty: Qty(round_lot.or(least).unwrap_or(0)),
                }
            }};
        }
        if record.len() == size_of::<v1::InstrumentDefMsg>() {
            taken!(v1::InstrumentDefMsg, v1::SYMBOL_CSTR_LEN)
        } else if record.len() == size_of::<v2::InstrumentDefMsg>() {
            taken!(v2::InstrumentDefMsg, v2::SYMBOL_CSTR_LEN)
        } else {
            taken!(v3::InstrumentDefMsg, v3::SYMBOL_CSTR_LEN)
        }
    }
}

/// The raw symbol that a symbol mapping gives its instrument; `record` without `ts_out`.
pub(crate) fn mapped_symbol(record: &[u8]) -> String {
    if record.len() == size_of::<v1::SymbolMappingMsg>() {
        let offset = offset_of!(v1::SymbolMappingMsg, stype_out_symbol);
        text(record, offset, v1::SYMBOL_CSTR_LEN)
    } else {
        let offset = offset_of!(SymbolMappingMsg, stype_out_symbol);
        text(record, offset, v2::SYMBOL_CSTR_LEN)
    }
}

/// One level of both sides, as MBP, BBO and their consolidated kin have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) bid: Level,
    pub(crate) ask: Level,
}

/// One level of one side; none where `px` is [`Px::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) px: Px,
    pub(crate) qty: Qty,
    /// Orders, 0 where they are not told.
    pub(crate) orders: u32,
}

impl Level {
    pub(crate) const NONE: Level = Level { px: Px::NONE, qty: Qty(0), orders: 0 };
}

/// The levels of all these records begin here.
const LEVELS_AT: usize = offset_of!(Mbp10Msg, levels);

impl Pair {
    /// The level of this index; a consolidated one has publishers where others have counts.
    pub(crate) fn of(record: &[u8], index: usize, is_consolidated: bool) -> Pair {
        let pair = record.get(LEVELS_AT + index * size_of::<BidAskPair>()..).unwrap_or(&[]);
        let orders = |count: u32| if is_consolidated || count == u32::MAX { 0 } else { count };
        let level = |px_raw, size, count| match (px(px_raw), qty(size)) {
            (Px::NONE, _) | (_, Qty(0)) => Level::NONE,
            (px, qty) => Level { px, qty, orders: orders(count) },
        };
        Pair {
            bid: level(
                field!(pair, BidAskPair, bid_px, i64),
                field!(pair, BidAskPair, bid_sz, u32),
                field!(pair, BidAskPair, bid_ct, u32),
            ),
            ask: level(
                field!(pair, BidAskPair, ask_px, i64),
                field!(pair, BidAskPair, ask_sz, u32),
                field!(pair, BidAskPair, ask_ct, u32),
            ),
        }
    }
}

// What is read of several record types by the offsets of one.
const _: () = {
    assert!(offset_of!(Mbp1Msg, levels) == LEVELS_AT);
    assert!(offset_of!(Cmbp1Msg, levels) == LEVELS_AT);
    assert!(offset_of!(CbboMsg, levels) == LEVELS_AT);
    assert!(offset_of!(::dbn::BboMsg, levels) == LEVELS_AT);
    assert!(size_of::<::dbn::BboMsg>() == size_of::<CbboMsg>());
    assert!(size_of::<::dbn::ConsolidatedBidAskPair>() == size_of::<BidAskPair>());
    assert!(offset_of!(Cmbp1Msg, action) == offset_of!(TradeMsg, action));
    assert!(offset_of!(Mbp10Msg, action) == offset_of!(TradeMsg, action));
    assert!(offset_of!(Mbp1Msg, ts_recv) == offset_of!(TradeMsg, ts_recv));
    assert!(offset_of!(Cmbp1Msg, ts_recv) == offset_of!(TradeMsg, ts_recv));
    assert!(offset_of!(Mbp10Msg, ts_recv) == offset_of!(TradeMsg, ts_recv));
    assert!(offset_of!(CbboMsg, ts_recv) == offset_of!(TradeMsg, ts_recv));
    assert!(offset_of!(CbboMsg, flags) == offset_of!(TradeMsg, flags));
    assert!(offset_of!(::dbn::BboMsg, flags) == offset_of!(TradeMsg, flags));
    assert!(offset_of!(Mbp10Msg, flags) == offset_of!(TradeMsg, flags));
    assert!(offset_of!(Mbp1Msg, sequence) == offset_of!(TradeMsg, sequence));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_published_format() {
        let table: [(u8, &[usize]); 14] = [
            (0x00, &[48]),
            (0x01, &[80]),
            (0x0A, &[368]),
            (0xA0, &[56]),
            (0xB1, &[80]),
            (0xC2, &[80]),
            (0xC0, &[80]),
            (0xC4, &[80]),
            (0x21, &[56]),
            (0x12, &[40]),
            (0x13, &[360, 400, 520]),
            (0x14, &[112]),
            (0x16, &[80, 176]),
            (0x18, &[64, 80]),
        ];
        for (rtype, expected) in table {
            assert_eq!(sizes(rtype), expected, "{rtype:#x} {}", name(rtype));
        }
        for rtype in 0..=u8::MAX {
            assert_eq!(sizes(rtype).is_empty(), name(rtype) == "unknown", "{rtype:#x}");
            assert!(sizes(rtype).iter().all(|size| size % 8 == 0 && *size >= HEADER_BYTES));
        }
    }

    #[test]
    fn a_field_beyond_the_record_is_zero_and_no_panic() {
        assert_eq!(bytes_at::<8>(&[1; 7], 0), [0; 8]);
        assert_eq!(bytes_at::<2>(&[1; 7], 9), [0; 2]);
        assert_eq!(Definition::of(&[]).raw_symbol, "");
        assert_eq!(Pair::of(&[], 9, false).bid, Level::NONE);
    }
}
