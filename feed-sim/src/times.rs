//! Times as people write them: lengths with a unit, the venue's time of day.

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

/// What [`venue_time`] takes.
pub const FROM_RULE: &str = "HH:MM, HH:MM:SS or HH:MM:SS.fraction, or nanoseconds since midnight";

/// `09:30`, `09:30:00.5` as nanoseconds since midnight.
///
/// # Errors
/// [`FROM_RULE`].
pub fn venue_time(text: &str) -> Result<u64, &'static str> {
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split(':');
    let mut two_digits = |most: u64| {
        let part = parts.next().filter(|part| part.len() == 2 && all_digits(part))?;
        part.parse::<u64>().ok().filter(|&n| n <= most)
    };
    let hours = two_digits(23).ok_or(FROM_RULE)?;
    let minutes = two_digits(59).ok_or(FROM_RULE)?;
    let (seconds, fraction_ns) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
            let is_whole = whole.len() == 2 && all_digits(whole);
            if !is_whole || !all_digits(fraction) || fraction.len() > 9 || parts.next().is_some() {
                return Err(FROM_RULE);
            }
            let fraction_ns = format!("{fraction:0<9}").parse().map_err(|_| FROM_RULE)?;
            (whole.parse().map_err(|_| FROM_RULE)?, fraction_ns)
        }
    };
    if seconds > 59 {
        return Err(FROM_RULE);
    }
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction_ns)
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

    #[test]
    fn venue_times_are_nanoseconds_since_midnight() {
        for (text, ns) in [
            ("09:30", 34_200_000_000_000),
            ("09:30:00", 34_200_000_000_000),
            ("09:30:01.5", 34_201_500_000_000),
            ("00:00:00.000000001", 1),
        ] {
            assert_eq!(venue_time(text), Ok(ns), "{text}");
        }
        for text in ["", "9:30", "24:00", "09:60", "09:30:60", "09:30:00.", "09:30:00:00", "x:y"] {
            assert!(venue_time(text).is_err(), "{text}");
        }
    }
}
