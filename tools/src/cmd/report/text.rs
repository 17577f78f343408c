//! Numbers as text, one way for the whole page.

use serde_json::Value;
use tickspin_results::table::grouped;

/// `300 ns`, `1.5 µs`, `20 ms`: three digits, for axes and sentences.
pub(super) fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| ns >= size * 0.999_999).unwrap_or((1.0, "ns"));
    let number = format!("{:.2}", ns / size);
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// [`time`] with two digits: for bounds of which nobody wants more.
pub(super) fn rough(ns: f64) -> String {
    let digit = 10_f64.powf(ns.max(1.0).log10().floor() - 1.0).max(1.0);
    time((ns / digit).round() * digit)
}

/// `p50`, `p99.99` of decades of nines: 0.301 is the half, each whole one a nine more.
pub(super) fn nines(decades: u32) -> String {
    match decades {
        0 => "p0".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        more => format!("p99.{}", "9".repeat(more as usize - 2)),
    }
}

/// A number of JSON with its thousands apart; fractions with one place, small ones with three digits.
pub(super) fn number(value: &Value) -> Option<String> {
    if let Some(whole) = value.as_u64() {
        return Some(grouped(whole));
    }
    if let Some(negative) = value.as_i64() {
        return Some(format!("\u{2212}{}", grouped(negative.unsigned_abs())));
    }
    value.as_f64().map(fraction)
}

/// See [`number`].
pub(super) fn fraction(number: f64) -> String {
    let sign = if number < 0.0 { "\u{2212}" } else { "" };
    let size = number.abs();
    match size {
        _ if size.fract() == 0.0 && size < 1e18 => format!("{sign}{}", grouped(size as u64)),
        ..1.0 => format!("{sign}{size:.3}"),
        ..1e15 => {
            let tenths = (size * 10.0).round() as u64;
            format!("{sign}{}.{}", grouped(tenths / 10), tenths % 10)
        }
        _ => format!("{sign}{size:e}"),
    }
}

/// Three decimals, rounded down: 99 % is only said where it is.
pub(super) fn percent(share: f64) -> String {
    format!("{:.3} %", (share * 100_000.0).floor() / 1_000.0)
}

/// Anything of JSON on one line; `null` is "none".
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(is) => is.to_string(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(_) => value.to_string(),
        Value::Number(_) => number(value).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_short_and_never_wrong() {
        for (ns, text) in [(1.0, "1 ns"), (0.0, "0 ns"), (1_500.0, "1.5 µs"), (2e7, "20 ms")] {
            assert_eq!(time(ns), text);
        }
        assert_eq!([rough(237.4), rough(236_940.0), rough(7.2)], ["240 ns", "240 µs", "7 ns"]);
        let cases = [
            (json!(1234567), "1,234,567"),
            (json!(-42), "\u{2212}42"),
            (json!(0.3230), "0.323"),
            (json!(99869.96), "99,870"),
            (json!(8.173), "8.2"),
            (json!(100000.0), "100,000"),
        ];
        for (value, text) in cases {
            let shown = number(&value).unwrap();
            assert_eq!(shown.strip_suffix(".0").unwrap_or(&shown), text);
        }
        assert_eq!(percent(0.989_999_9), "98.999 %");
        assert_eq!(plain(&json!([1, "a", null])), "1, a, none");
        assert_eq!([0, 1, 2, 3, 5].map(nines), ["p0", "p90", "p99", "p99.9", "p99.999"]);
    }
}
