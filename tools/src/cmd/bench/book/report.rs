//! The table and the JSON object of `tickspin bench book`.

use super::sides::SIDES;
use super::{Day, Measured};
use crate::num::{hundredth, median, tenth};
use serde_json::{Map, Value, json};
use tickspin_host::facts::Facts;
use tickspin_hot::book::{LOOK_AHEAD, LOOK_AT_LEVEL};
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.bench.book/1";

/// One object; times in ns a message.
pub(super) fn json(measured: &Measured, day: &Day, facts: &Facts, steal_ns: u64) -> Value {
    let mut object = Map::new();
    object.insert("schema".into(), json!(SCHEMA));
    for (at, side) in SIDES.iter().enumerate() {
        let (middle, low, high) = measured.spread(side.name());
        let part = json!({
            "ns_per_message": hundredth(middle),
            "ns_per_message_min": hundredth(low),
            "ns_per_message_max": hundredth(high),
            "wall_ns_per_message": hundredth(median(measured.wall_ns[at].clone())),
            "naive_over_this": hundredth(measured.ratio(side.name())),
        });
        object.insert(side.name().into(), part);
    }
    let mut host: Map<String, Value> = crate::host::facts(facts)
        .into_iter()
        .map(|(key, value)| (key.into(), json!(value)))
        .collect();
    host.insert("steal_ns".into(), json!(steal_ns));
    let rest = json!({
        "messages": day.messages(),
        "source": day.name(),
        "symbols": measured.symbols,
        "live_orders_peak": measured.live_orders_peak,
        "live_orders_end": measured.check.live,
        "unknown": measured.check.unknown,
        "tops_hash": format!("{:016x}", measured.check.tops),
        "look_ahead": { "entry": LOOK_AHEAD, "level": LOOK_AT_LEVEL },
        "pages": measured.pages,
        "book_bytes": measured.book_bytes,
        "rounds": measured.cpu_ns.first().map_or(0, Vec::len),
        "time": "thread CPU time; wall_ns_per_message: clock on the wall",
        "core": measured.core,
        "host": host,
    });
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    Value::Object(object)
}

/// The table, what was measured on, and what the host did.
pub(super) fn table(measured: &Measured, day: &Day, facts: &Facts, steal_ns: u64) -> String {
    let mut table = Table::new(&["ns a message", "median", "(rounds)", "wall", "naive is"]);
    for (at, side) in SIDES.iter().enumerate() {
        let (middle, low, high) = measured.spread(side.name());
        table.row(vec![
            side.name().to_owned(),
            format!("{middle:.1}"),
            format!("{low:.1}-{high:.1}"),
            format!("{:.1}", median(measured.wall_ns[at].clone())),
            format!("{:.2} times that", measured.ratio(side.name())),
        ]);
    }
    format!(
        "{}\n\
         {}: {} messages, {} symbols, {} live orders at the peak, {} unknown\n\
         books: {:.0} MiB in {}, looking {LOOK_AHEAD} and {LOOK_AT_LEVEL} messages ahead; all ended \
         with the same tops\n\
         host: core {}, {:.1} ms stolen from it; load {:.2}; times are CPU time of the thread\n",
        table.render(),
        day.name(),
        grouped(day.messages()),
        grouped(measured.symbols as u64),
        grouped(measured.live_orders_peak),
        grouped(measured.check.unknown),
        measured.book_bytes as f64 / f64::from(1 << 20),
        measured.pages,
        measured.core,
        tenth(steal_ns as f64 / 1e6),
        facts.load_1m,
    )
}
