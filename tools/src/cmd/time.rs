//! A length of time, as the command line has it.

use std::time::Duration;

/// `500ms`, `30s`, `5m`; more than nothing, a day at most.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(86_400);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let time = number.zip(ms).and_then(|(number, ms)| number.checked_mul(ms));
    time.map(Duration::from_millis)
        .filter(|time| !time.is_zero() && *time <= DAY)
        .ok_or_else(|| "a whole number with a unit: 500ms, 30s, 5m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_its_unit_and_nothing_else() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "5", "ms", "0s", "-1s", "1.5s", "5 s", "99999999999999999999s", "2000m"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
