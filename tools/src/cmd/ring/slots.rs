//! A slot's words as what they mean. Every bit pattern is shown: foreign bytes by their number.

use serde_json::{Value, json};
use tickspin_ring::region::PeerRing;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::{InstrumentId, Px};
use tickspin_wire::order::{Reason, Report, Request};

/// The latest `limit` messages of a ring that still lie in it, oldest first, with their sequence.
/// The producer is not stopped: what is overwritten while it is read is left out.
pub(super) fn latest(ring: &PeerRing, limit: usize) -> Vec<(u64, [u64; 7])> {
    let slots = u64::from(ring.slots());
    let mut last = ring.live().cursor;
    // The cursor is stored now and then only; what was published since is found by its stamp.
    let farthest = last.saturating_add(slots);
    while last < farthest && ring.peek(last + 1).is_some() {
        last += 1;
    }
    let count = (limit as u64).min(slots).min(last);
    (last - count + 1..=last).filter_map(|seq| Some((seq, ring.peek(seq)?))).collect()
}

/// A message of the ring `label` as an object, with its names in reading order.
pub(super) fn decoded(label: &str, seq: u64, words: [u64; 7]) -> Value {
    match label {
        "events" => event(seq, &Event::from_words(words)),
        "requests" => request(seq, &Request::from_words(words)),
        "reports" => report(seq, &Report::from_words(words)),
        _ => json!({ "seq": seq, "words": words.map(|word| format!("{word:016x}")) }),
    }
}

/// The same on one line: `key=value`, what is null left out.
pub(super) fn line(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    pairs.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(" ")
}

fn event(seq: u64, event: &Event) -> Value {
    let kind = event.kind();
    let symbol = (kind == Some(Kind::Definition)).then(|| {
        let (bytes, length) = event.symbol_bytes();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    });
    let is_id = symbol.is_none();
    json!({
        "seq": seq,
        "kind": named(kind, event.kind_side & 0x3F),
        "side": named(event.side(), event.kind_side >> 6),
        "instrument": instrument(event.instrument),
        "px": price(event.px),
        "qty": event.qty.0,
        "symbol": symbol,
        "order_id": is_id.then_some(event.order_id),
        "second_id": is_id.then_some(event.second_id),
        "exchange_ns": event.exchange_ns,
        "sent_ticks": event.sent_ticks,
        "lag_ticks": event.lag_ticks,
        "flags": event.flags,
    })
}

fn request(seq: u64, request: &Request) -> Value {
    json!({
        "seq": seq,
        "kind": named(request.kind(), request.kind),
        "side": named(request.side(), request.side),
        "instrument": instrument(request.instrument),
        "px": price(request.px),
        "qty": request.qty.0,
        "client_id": request.client_id,
        "target_id": request.target_id,
        "cause_epoch": format!("{:016x}", request.cause_epoch),
        "cause_seq": request.cause_seq,
        "flags": request.flags,
    })
}

fn report(seq: u64, report: &Report) -> Value {
    json!({
        "seq": seq,
        "kind": named(report.kind(), report.kind),
        "side": named(report.side(), report.side),
        "instrument": instrument(report.instrument),
        "px": price(report.px),
        "qty": report.qty.0,
        "leaves": report.leaves.0,
        "client_id": report.client_id,
        "venue_id": report.venue_id,
        "after_seq": report.after_seq,
        "reason": Reason::from_wire(report.reason)
            .map_or_else(|| report.reason.to_string(), |reason| format!("{reason:?}")),
    })
}

fn named(name: Option<impl std::fmt::Debug>, raw: u8) -> String {
    name.map_or_else(|| format!("foreign {raw}"), |name| format!("{name:?}"))
}

fn instrument(instrument: InstrumentId) -> Value {
    if instrument == InstrumentId::ALL { json!("all") } else { json!(instrument.0) }
}

/// In the quote currency, exactly: nine decimals, trailing zeros cut. `null`: no price.
fn price(px: Px) -> Option<String> {
    px.is_some().then(|| {
        let (sign, raw) = (if px.0 < 0 { "-" } else { "" }, px.0.unsigned_abs());
        let one = Px::ONE.unsigned_abs();
        let text = format!("{sign}{}.{:09}", raw / one, raw % one);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickspin_wire::num::{Qty, Side};

    #[test]
    fn prices_are_exact_decimals() {
        let shown = [0, 1, -1, 150_250_000_000, -7_000_000_000, i64::MIN].map(|raw| price(Px(raw)));
        let want = ["0", "0.000000001", "-0.000000001", "150.25", "-7", "-9223372036.854775808"];
        assert_eq!(shown, want.map(|text| Some(text.to_owned())));
        assert_eq!(price(Px::NONE), None);
    }

    #[test]
    fn an_event_is_one_readable_line_and_foreign_bytes_are_numbers() {
        let mut add = Event {
            px: Px(150_250_000_000),
            qty: Qty(300),
            order_id: 7,
            instrument: InstrumentId(3),
            kind_side: Event::pack(Kind::Add, Side::Bid),
            ..Event::EMPTY
        };
        let text = line(&decoded("events", 42, add.to_words()));
        assert!(
            text.starts_with("seq=42 kind=Add side=Bid instrument=3 px=150.25 qty=300"),
            "{text}"
        );
        assert!(text.contains("order_id=7"), "{text}");
        add.kind_side = 0xFF;
        let text = line(&decoded("events", 42, add.to_words()));
        assert!(text.contains("kind=foreign 63 side=foreign 3"), "{text}");
    }

    #[test]
    fn every_pattern_of_words_is_shown() {
        for label in ["events", "requests", "reports", "other"] {
            for word in [0, u64::MAX, 0x0102_0304_0506_0708] {
                assert!(line(&decoded(label, 1, [word; 7])).starts_with("seq=1 "), "{label}");
            }
        }
    }
}
