//! Lengths of time as people write them: with a unit.

use std::time::Duration;

/// What [`time`] takes.
pub const TIME_RULE: &str = "a whole number with a unit: 500ms, 30s, 5m; 1ms to 60000m";

/// `500ms`, `30s`, `5m`: a whole number, 1 ms to 1,000 hours; `none`.
///
/// # Errors
/// [`TIME_RULE`].
pub fn time(text: &str) -> Result<Option<Duration>, &'static str> {
    const LONGEST_MS: u64 = 60_000 * 60_000;
    if text == "none" {
        return Ok(None);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(TIME_RULE)?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(TIME_RULE),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    match ms {
        Some(ms @ 1..=LONGEST_MS) => Ok(Some(Duration::from_millis(ms))),
        _ => Err(TIME_RULE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_need_a_unit_and_are_bounded() {
        for (text, ms) in [("1ms", 1), ("30s", 30_000), ("5m", 300_000), ("60000m", 3_600_000_000)]
        {
            assert_eq!(time(text), Ok(Some(Duration::from_millis(ms))));
        }
        assert_eq!(time("none"), Ok(None));
        for text in ["", "s", "0s", "-1s", "1.5s", "30", "1h", "99999999999999999999s", "60001m"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
