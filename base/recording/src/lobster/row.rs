//! One row of a LOBSTER message file, and what it means.

use crate::lines::fixed;
use crate::lobster::INSTRUMENT;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{Px, Qty, Side};

const COLUMNS: usize = 6;
const TIME_DECIMALS: u32 = 9;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since midnight, ns.
    pub ns: u64,
    /// 1 to 7.
    pub kind: u8,
    /// 0 where there is none.
    pub order_id: u64,
    /// Shares.
    pub size: u64,
    /// Price × 10,000; of a type 7 the state.
    pub price_1e4: i64,
    /// The order's side.
    pub side: Side,
}

impl Row {
    /// `None` for what is no row.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Row> {
        let mut columns = [&b""[..]; COLUMNS];
        let mut count = 0;
        for column in line.split(|&byte| byte == b',') {
            *columns.get_mut(count)? = column;
            count += 1;
        }
        let [time, kind, order_id, size, price, direction] = columns;
        let kind = match kind {
            [digit @ b'1'..=b'7'] => digit - b'0',
            _ => return None,
        };
        let side = match direction {
            b"1" => Side::Bid,
            b"-1" => Side::Ask,
            _ => return None,
        };
        let (sign, digits) = match price {
            [b'-', digits @ ..] => (-1, digits),
            digits => (1, digits),
        };
        let price_1e4 = sign * i64::try_from(fixed(digits, 0)?).ok()?;
        (count == COLUMNS).then_some(Row {
            ns: fixed(time, TIME_DECIMALS)?,
            kind,
            order_id: fixed(order_id, 0)?,
            size: fixed(size, 0)?,
            price_1e4,
            side,
        })
    }

    /// What it means.
    #[must_use]
    pub fn event(&self) -> Event {
        let px = match self.price_1e4.checked_mul(Px::PER_1E4) {
            Some(px) if self.price_1e4 >= 0 => Px(px),
            _ => Px::NONE,
        };
        let (order_id, qty) = (self.order_id, Qty(self.size));
        let base = Event {
            exchange_ns: self.ns,
            instrument: INSTRUMENT,
            flags: flag::COMPLETE,
            ..Event::EMPTY
        };
        let (kind, side, event) = match self.kind {
            1 => (Kind::Add, self.side, Event { order_id, px, qty, ..base }),
            2 => (Kind::Reduce, self.side, Event { order_id, qty, ..base }),
            3 => (Kind::Delete, self.side, Event { order_id, ..base }),
            4 => (Kind::Execute, self.side, Event { order_id, qty, ..base }),
            5 => (Kind::Trade, self.side.opposite(), Event { px, qty, ..base }),
            6 => (Kind::Cross, Side::None, Event { px, qty, ..base }),
            _ => {
                let state = match self.price_1e4 {
                    0 => b'Q',
                    1 => b'T',
                    _ => b'H',
                };
                (Kind::Status, Side::None, Event { order_id: state.into(), ..base })
            }
        };
        Event { kind_side: Event::pack(kind, side), ..event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lobster::LobsterFile;

    fn event(line: &str) -> Option<Event> {
        Row::parse(line.as_bytes()).map(|row| row.event())
    }

    #[test]
    fn times_are_exact_and_every_type_has_its_event() {
        let add = Row::parse(b"34200.00426064,1,16113584,18,5853200,1").expect("a row");
        assert_eq!((add.ns, add.price_1e4), (34_200_004_260_640, 5_853_200));
        assert_eq!(add.event().px, Px::from_1e4(5_853_200));
        let kinds =
            [Kind::Add, Kind::Reduce, Kind::Delete, Kind::Execute, Kind::Trade, Kind::Cross];
        for (kind, number) in kinds.into_iter().zip(1..) {
            let event = event(&format!("1.5,{number},7,3,100,-1")).expect("a row");
            assert_eq!((event.kind(), event.flags), (Some(kind), flag::COMPLETE));
        }
        for (price, state) in [(-1, b'H'), (0, b'Q'), (1, b'T')] {
            let event = event(&format!("1.5,7,0,0,{price},-1")).expect("a row");
            assert_eq!((event.kind(), event.order_id), (Some(Kind::Status), u64::from(state)));
        }
    }

    #[test]
    fn what_is_no_row_is_nothing() {
        for line in [
            "",
            "1,1,1,1,1",
            "1,1,1,1,1,1,1",
            "1,8,1,1,1,1",
            "1,1,1,1,1,0",
            "x,1,1,1,1,1",
            "1,1,-1,1,1,1",
        ] {
            assert_eq!(event(line), None, "{line}");
        }
        assert!(LobsterFile::claims(b"5859400,200,5853300,18\n"));
        assert!(!LobsterFile::claims(b"5859400,200,5853300\n"));
        assert!(!LobsterFile::claims(b"\0\x0cS\0\0"));
    }
}
