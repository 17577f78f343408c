//! The table and the JSON object of `tickspin bench handoff`.

use super::Host;
use crate::handoff::{Bench, CONTENDERS, Contender, Kept, Throughput, clock_part};
use crate::num::{hundredth, tenth};
use serde_json::{Map, Value, json};
use tickspin_host::clock::Clock;
use tickspin_host::facts::Facts;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.bench.handoff/1";

/// One object; times in ns, throughput in messages per second.
pub(super) fn json(
    bench: &Bench,
    host: &Host,
    cores: (usize, usize),
    clock: &Clock,
    facts: &Facts,
) -> Value {
    let mut object = Map::new();
    object.insert("schema".into(), json!(SCHEMA));
    for (name, contender) in CONTENDERS.iter().zip(&bench.contenders) {
        object.insert((*name).into(), one(contender));
    }
    let [floor, ring] = [by_name(bench, "floor"), by_name(bench, "ring")];
    let above = |of: fn(&Contender) -> &Kept| tenth(of(ring).spread.p50 - of(floor).spread.p50);
    let mut host_object: Map<String, Value> = crate::host::facts(facts)
        .into_iter()
        .map(|(key, value)| (key.into(), json!(value)))
        .collect();
    host_object.insert("steal_ns".into(), json!(host.steal_ns));
    let rest = json!({
        // Scripts compare this one number; the other differences stand beside it.
        "ring_minus_floor_ns": above(|c| &c.one_way),
        "ring_minus_floor": {
            "one_way": above(|c| &c.one_way),
            "one_way_100k": above(|c| &c.one_way_100k),
            "round_trip": above(|c| &c.round_trip),
        },
        "throughput_ratio": ratio(bench, "ring").map(hundredth),
        "throughput_ratio_copy": ratio(bench, "ring_copy").map(hundredth),
        "rounds": bench.rounds,
        "rounds_set_aside": bench.rounds_set_aside,
        "rounds_crowded": bench.rounds_crowded,
        "is_every_round_moved": bench.is_every_round_moved,
        "placement": bench.placement,
        "placement_round_trip_ns": tenth(bench.placement_round_trip_ns),
        "cores": [cores.0, cores.1],
        "clock": clock_part(clock),
        "host": host_object,
    });
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    Value::Object(object)
}

fn one(contender: &Contender) -> Value {
    let spread = |kept: &Kept| {
        json!({
            "p50": tenth(kept.spread.p50),
            "p99": tenth(kept.spread.p99),
            "p50_min": tenth(kept.p50_min),
            "p50_max": tenth(kept.p50_max),
        })
    };
    let rounded = |of: fn(&Throughput) -> f64| contender.throughput.map(|rate| of(&rate).round());
    json!({
        "one_way_ns": spread(&contender.one_way),
        "one_way_100k_ns": spread(&contender.one_way_100k),
        "round_trip_ns": spread(&contender.round_trip),
        "throughput_msgs_per_s": rounded(|rate| rate.per_s),
        "throughput_msgs_per_s_min": rounded(|rate| rate.per_s_min),
        "throughput_msgs_per_s_max": rounded(|rate| rate.per_s_max),
    })
}

/// The table, what our ring is worth, and what the host did.
pub(super) fn table(bench: &Bench, host: &Host, cores: (usize, usize)) -> String {
    let mut table = Table::new(&[
        "ns",
        "one way, 1 M/s: p50",
        "(rounds)",
        "p99",
        "100 k/s: p50",
        "p99",
        "round trip: p50",
        "(rounds)",
        "p99",
        "M/s saturated",
        "(rounds)",
    ]);
    for (name, contender) in CONTENDERS.iter().zip(&bench.contenders) {
        let rounds = |kept: &Kept| format!("{:.0}-{:.0}", kept.p50_min, kept.p50_max);
        let ns = |value: f64| grouped(value.round() as u64);
        let rates = contender.throughput.map(|rate| {
            let millions = |per_s: f64| format!("{:.1}", per_s / 1e6);
            let rounds = format!("{}-{}", millions(rate.per_s_min), millions(rate.per_s_max));
            (millions(rate.per_s), rounds)
        });
        let (rate, rate_rounds) = rates.unwrap_or_else(|| ("-".into(), "-".into()));
        table.row(vec![
            (*name).to_owned(),
            ns(contender.one_way.spread.p50),
            rounds(&contender.one_way),
            ns(contender.one_way.spread.p99),
            ns(contender.one_way_100k.spread.p50),
            ns(contender.one_way_100k.spread.p99),
            ns(contender.round_trip.spread.p50),
            rounds(&contender.round_trip),
            ns(contender.round_trip.spread.p99),
            rate,
            rate_rounds,
        ]);
    }
    let [floor, ring] = [by_name(bench, "floor"), by_name(bench, "ring")];
    let above = |of: fn(&Contender) -> &Kept| of(ring).spread.p50 - of(floor).spread.p50;
    let times = |name| ratio(bench, name).unwrap_or_default();
    let began: Vec<String> = bench
        .began_in
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    format!(
        "{}\n\
         ring against floor: {:+.1} ns one way at 1 M/s, {:+.1} at 100 k/s, {:+.1} round trip\n\
         ring against the best of ringbuf and rtrb: {:.2} times the messages, {:.2} copied out\n\
         rounds: medians over {}; {} set aside{}\n\
         host: cores {} and {} were {} (bare round trip {:.0} ns; rounds began {}); {:.1} ms \
         stolen from them; in {} rounds something else ran there; load {:.2}\n",
        table.render(),
        above(|c| &c.one_way),
        above(|c| &c.one_way_100k),
        above(|c| &c.round_trip),
        times("ring"),
        times("ring_copy"),
        bench.rounds,
        bench.rounds_set_aside,
        if bench.is_every_round_moved {
            ": the host moved the cores in every one, so all are used; compare nothing"
        } else {
            ""
        },
        cores.0,
        cores.1,
        bench.placement,
        bench.placement_round_trip_ns,
        began.join(", "),
        host.steal_ns as f64 / 1e6,
        bench.rounds_crowded,
        host.load_1m,
    )
}

/// A contender that [`CONTENDERS`] names.
fn by_name<'a>(bench: &'a Bench, name: &str) -> &'a Contender {
    let index = CONTENDERS.iter().position(|&known| known == name).unwrap_or(0);
    &bench.contenders[index]
}

/// `name`'s throughput over the better one of the two crates.
fn ratio(bench: &Bench, name: &str) -> Option<f64> {
    let rate = |name| by_name(bench, name).throughput.map(|rate| rate.per_s);
    let best = rate("ringbuf")?.max(rate("rtrb")?);
    (best > 0.0).then(|| rate(name).map(|rate| rate / best))?
}
