//! One line of the recording: local time and one JSON object, decoded.
//!
//! The object is what a stream sent (`{"stream":…,"data":{…}}` or the data alone) or the answer to
//! a snapshot request. Its members are looked at as far as we need them, in whatever order; others
//! are stepped over. Numbers that come as text are taken exactly: prices in 1e-9, quantities in 1e-8.

use crate::lines::fixed;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use tickspin_wire::num::{Px, Qty};

const PX_DECIMALS: u32 = 9;
const QTY_DECIMALS: u32 = 8;

/// A price and the quantity there; 0: nothing any more.
pub type Level = (Px, Qty);

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When the recorder got it, by its own clock, ns since 1970.
    pub local_ns: u64,
    /// When it happened by the venue's clock (`T`, else `E`), ns since 1970.
    pub venue_ns: Option<u64>,
    /// Symbol, in upper case; a snapshot has none.
    pub symbol: Option<String>,
    /// The rest.
    pub body: Body,
}

/// See [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Changes of the book.
    Depth(Depth),
    /// The whole book, as far as it was asked for.
    Snapshot {
        /// Update id up to which it is right.
        last_update_id: u64,
        /// Bids.
        bids: Vec<Level>,
        /// Asks.
        asks: Vec<Level>,
    },
    /// A trade, or several of one order at one price.
    Trade {
        /// Trade id, or that of the aggregate.
        id: u64,
        /// Price.
        px: Px,
        /// Quantity.
        qty: Qty,
        /// The buyer's order was in the book, so the seller was the aggressor.
        is_buyer_maker: bool,
        /// An `aggTrade`.
        is_aggregate: bool,
    },
    /// The best level of both sides.
    BookTicker {
        /// Update id.
        update_id: u64,
        /// Best bid.
        bid: Level,
        /// Best ask.
        ask: Level,
    },
    /// A stream that we have no use for.
    Other,
}

/// Changes of the book from one update id to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// `U`: the first update in it.
    pub first_id: u64,
    /// `u`: the last.
    pub last_id: u64,
    /// `pu`: the last of the event before; futures only.
    pub previous_id: Option<u64>,
    /// Levels as they are from now on.
    pub bids: Vec<Level>,
    /// The same.
    pub asks: Vec<Level>,
}

/// `None` for a line that is not of the format.
pub(crate) fn decode(line: &[u8]) -> Option<Message> {
    let space = line.iter().position(|&byte| byte == b' ')?;
    let local_ns = fixed(&line[..space], 0)?;
    let outer: Object<'_> = serde_json::from_slice(&line[space + 1..]).ok()?;
    let stream = outer.stream.text();
    let object = match &outer.data {
        Some(data) => data,
        None => &outer,
    };
    let symbol = object.s.text().or(stream.and_then(|name| name.split('@').next()));
    Some(Message {
        local_ns,
        venue_ns: object.T.number().or(object.E.number()).and_then(venue_ns),
        symbol: symbol.map(str::to_ascii_uppercase),
        body: body(object, stream)?,
    })
}

fn body(object: &Object<'_>, stream: Option<&str>) -> Option<Body> {
    // What a stream of the best twenty levels sends looks like a snapshot and is not the book.
    let is_partial = stream.is_some_and(|name| name.contains("@depth"));
    if !is_partial
        && let (Some(last_update_id), Field::Levels(bids), Field::Levels(asks)) =
            (object.lastUpdateId.number(), &object.bids, &object.asks)
    {
        return Some(Body::Snapshot { last_update_id, bids: bids.clone(), asks: asks.clone() });
    }
    let kind = object.e.text().unwrap_or("");
    let is_ticker = kind == "bookTicker"
        || (kind.is_empty() && stream.is_none_or(|name| name.ends_with("@bookTicker")));
    Some(match kind {
        "depthUpdate" => {
            let (Field::Levels(bids), Field::Levels(asks)) = (&object.b, &object.a) else {
                return None;
            };
            Body::Depth(Depth {
                first_id: object.U.number()?,
                last_id: object.u.number()?,
                previous_id: object.pu.number(),
                bids: bids.clone(),
                asks: asks.clone(),
            })
        }
        "trade" | "aggTrade" => Body::Trade {
            id: if kind == "trade" { object.t.number()? } else { object.a.number()? },
            px: px(object.p.text()?)?,
            qty: qty(object.q.text()?)?,
            is_buyer_maker: object.m.bool()?,
            is_aggregate: kind == "aggTrade",
        },
        _ if is_ticker => Body::BookTicker {
            update_id: object.u.number()?,
            bid: (px(object.b.text()?)?, qty(object.B.text()?)?),
            ask: (px(object.a.text()?)?, qty(object.A.text()?)?),
        },
        // A subscription's answer and the like: an object that is no message of a market.
        "" if stream.is_none() => return None,
        _ => Body::Other,
    })
}

fn px(text: &str) -> Option<Px> {
    let raw = fixed(text.as_bytes(), PX_DECIMALS)?;
    (raw < Px::NONE.0 as u64).then_some(Px(raw as i64))
}

fn qty(text: &str) -> Option<Qty> {
    fixed(text.as_bytes(), QTY_DECIMALS).map(Qty)
}

/// Milliseconds, or microseconds where a stream was asked for them: they have 16 digits.
fn venue_ns(raw: u64) -> Option<u64> {
    const MS_MAX: u64 = 100_000_000_000_000;
    raw.checked_mul(if raw < MS_MAX { 1_000_000 } else { 1_000 })
}

/// Members we know, of all messages: some names mean one thing here and another there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(non_snake_case, reason = "the venue's names differ by their case only")]
struct Object<'a> {
    #[serde(borrow)]
    stream: Field<'a>,
    data: Option<Box<Object<'a>>>,
    e: Field<'a>,
    E: Field<'a>,
    T: Field<'a>,
    s: Field<'a>,
    U: Field<'a>,
    u: Field<'a>,
    pu: Field<'a>,
    b: Field<'a>,
    a: Field<'a>,
    B: Field<'a>,
    A: Field<'a>,
    t: Field<'a>,
    p: Field<'a>,
    q: Field<'a>,
    m: Field<'a>,
    lastUpdateId: Field<'a>,
    bids: Field<'a>,
    asks: Field<'a>,
}

/// Whatever a member may be.
#[derive(Debug, Default)]
enum Field<'a> {
    #[default]
    None,
    Text(&'a str),
    Number(u64),
    Bool(bool),
    /// Pairs of texts, both decimal numbers.
    Levels(Vec<Level>),
    /// Something else.
    Other,
}

impl<'a> Field<'a> {
    fn text(&self) -> Option<&'a str> {
        if let Field::Text(text) = self { Some(text) } else { None }
    }

    fn number(&self) -> Option<u64> {
        if let Field::Number(number) = self { Some(*number) } else { None }
    }

    fn bool(&self) -> Option<bool> {
        if let Field::Bool(bool) = self { Some(*bool) } else { None }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field<'a>, D::Error> {
        deserializer.deserialize_any(AnyField)
    }
}

struct AnyField;

impl<'de> Visitor<'de> for AnyField {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(text))
    }

    // Text with escapes: no name or number of the venue has any.
    fn visit_str<E>(self, _: &str) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Field<'de>, E> {
        Ok(Field::Bool(bool))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::None)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Field<'de>, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut pairs: S) -> Result<Field<'de>, S::Error> {
        let mut levels = Vec::new();
        let mut is_strange = false;
        while let Some(Pair(level)) = pairs.next_element()? {
            match level {
                Some(level) => levels.push(level),
                None => is_strange = true,
            }
        }
        Ok(if is_strange { Field::Other } else { Field::Levels(levels) })
    }
}

/// `["price","quantity"]`; older streams add a third, empty element.
struct Pair(Option<Level>);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pair, D::Error> {
        deserializer.deserialize_any(AnyPair)
    }
}

struct AnyPair;

impl<'de> Visitor<'de> for AnyPair {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("price and quantity")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut pair: S) -> Result<Pair, S::Error> {
        let (first, second) = (pair.next_element::<&str>()?, pair.next_element::<&str>()?);
        while pair.next_element::<IgnoredAny>()?.is_some() {}
        let level = |(first, second)| Some((px(first)?, qty(second)?));
        Ok(Pair(first.zip(second).and_then(level)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(json: &str) -> Option<Body> {
        decode(format!("1723161254024619568 {json}").as_bytes()).map(|message| message.body)
    }

    #[test]
    fn every_message_is_known_wrapped_or_bare() {
        let bare = r#"{"e":"trade","E":2,"s":"X","t":7,"p":"1.5","q":"2","T":3,"m":true}"#;
        let wrapped = format!(r#"{{"stream":"x@trade","data":{bare}}}"#);
        for json in [bare, &wrapped] {
            let message = decode(format!("9 {json}").as_bytes()).expect("a trade");
            assert_eq!((message.local_ns, message.venue_ns), (9, Some(3_000_000)));
            assert_eq!(message.symbol.as_deref(), Some("X"));
            let (px, qty) = (Px(1_500_000_000), Qty(200_000_000));
            let (is_buyer_maker, is_aggregate) = (true, false);
            assert_eq!(message.body, Body::Trade { id: 7, px, qty, is_buyer_maker, is_aggregate });
        }
        let depth = body_of(r#"{"e":"depthUpdate","U":1,"u":2,"pu":0,"b":[["1","0"]],"a":[]}"#);
        let Some(Body::Depth(depth)) = depth else { panic!("{depth:?}") };
        assert_eq!((depth.previous_id, depth.bids.len(), depth.asks.len()), (Some(0), 1, 0));
        let ticker = r#"{"u":4,"s":"X","b":"1","B":"2","a":"3","A":"4"}"#;
        assert!(matches!(body_of(ticker), Some(Body::BookTicker { update_id: 4, .. })));
        let snapshot = r#"{"lastUpdateId":4,"bids":[["1","2",[]]],"asks":[]}"#;
        assert!(matches!(body_of(snapshot), Some(Body::Snapshot { last_update_id: 4, .. })));
        let aggregate = r#"{"e":"aggTrade","s":"X","a":7,"p":"1","q":"2","m":false,"l":9}"#;
        assert!(matches!(body_of(aggregate), Some(Body::Trade { is_aggregate: true, .. })));
        let other = r#"{"stream":"x@kline_1m","data":{"e":"kline","k":{"o":1}}}"#;
        assert_eq!(body_of(other), Some(Body::Other));
    }

    #[test]
    fn what_is_not_of_the_format_is_nothing() {
        for line in
            ["", "1", "1 ", "x {}", "1 {}", "1 []", "1 {\"result\":null,\"id\":1}", "1 {\"u\":"]
        {
            assert_eq!(decode(line.as_bytes()), None, "{line}");
        }
        for json in [
            r#"{"e":"depthUpdate","U":1,"u":2,"b":[["x","0"]],"a":[]}"#,
            r#"{"e":"depthUpdate","U":-1,"u":2,"b":[],"a":[]}"#,
            r#"{"e":"trade","t":7,"p":1.5,"q":"2","m":true}"#,
            r#"{"e":"trade","t":7,"p":"1.0000000001","q":"2","m":true}"#,
        ] {
            assert_eq!(body_of(json), None, "{json}");
        }
    }
}
