//! [`Place`]: a place in a recording as people write it, and [`Bound`], as its venue counts.

use crate::merge::SINCE_MIDNIGHT_MAX_NS;

/// What [`Place::parse`] takes.
pub const PLACE_RULE: &str = "a time of day HH:MM[:SS[.f]], a date as 2024-05-08T13:30:00Z, \
                              nanoseconds of the venue, or '#' and the number of a message";

/// A place in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nanoseconds since wherever the recording counts from.
    Ns(u64),
    /// Nanoseconds since midnight, for recordings that count from there.
    TimeOfDay(u64),
    /// Nanoseconds since 1970, for recordings that count from there.
    Date(u64),
    /// The venue's number of a message, as `tickspin feed dump` shows it.
    Index(u64),
}

impl Place {
    /// From what people write.
    ///
    /// # Errors
    /// [`PLACE_RULE`].
    pub fn parse(text: &str) -> Result<Place, &'static str> {
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if is_number { digits.parse().map_err(|_| PLACE_RULE) } else { Err(PLACE_RULE) }
        };
        match text.strip_prefix('#') {
            Some(index) => number(index).map(Place::Index),
            None if text.contains('T') => date(text).map(Place::Date),
            None if text.contains(':') => venue_time(text).map(Place::TimeOfDay),
            None => number(text).map(Place::Ns),
        }
    }
}

/// RFC 3339: `2024-05-08T13:30:00.5Z`, `2024-05-08T09:30-04:00`, as nanoseconds since 1970.
fn date(text: &str) -> Result<u64, &'static str> {
    let (day, time) = text.split_once('T').ok_or(PLACE_RULE)?;
    let (time, ahead_ns) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let at = time.rfind(['+', '-']).ok_or(PLACE_RULE)?;
            let (time, offset) = time.split_at(at);
            let ns = i128::from(venue_time(&offset[1..])?);
            (time, if offset.starts_with('-') { -ns } else { ns })
        }
    };
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(PLACE_RULE) };
    let digits = |part: &str, len: usize| {
        let is_it = part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i128>().ok().filter(|_| is_it).ok_or(PLACE_RULE)
    };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i128::from(is_leap),
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=month_days).contains(&day) {
        return Err(PLACE_RULE);
    }
    // Days since 1970-01-01, in years that begin on 1 March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    let ns = days * 86_400_000_000_000 + i128::from(venue_time(time)?) - ahead_ns;
    u64::try_from(ns).map_err(|_| PLACE_RULE)
}

/// `09:30`, `09:30:00.5` as nanoseconds since midnight.
fn venue_time(text: &str) -> Result<u64, &'static str> {
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split(':');
    let mut two_digits = |most: u64| {
        let part = parts.next().filter(|part| part.len() == 2 && all_digits(part))?;
        part.parse::<u64>().ok().filter(|&n| n <= most)
    };
    let hours = two_digits(23).ok_or(PLACE_RULE)?;
    let minutes = two_digits(59).ok_or(PLACE_RULE)?;
    let (seconds, fraction_ns) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
            let is_whole = whole.len() == 2 && all_digits(whole);
            if !is_whole || !all_digits(fraction) || fraction.len() > 9 || parts.next().is_some() {
                return Err(PLACE_RULE);
            }
            let fraction_ns = format!("{fraction:0<9}").parse().map_err(|_| PLACE_RULE)?;
            (whole.parse().map_err(|_| PLACE_RULE)?, fraction_ns)
        }
    };
    if seconds > 59 {
        return Err(PLACE_RULE);
    }
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction_ns)
}

/// A place as the venue counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Venue time, ns.
    Time(u64),
    /// Number of the message.
    Index(u64),
}

impl Bound {
    /// `first_ns`, the first event's time, shows where the venue counts from.
    ///
    /// # Errors
    /// A time of day where it counts from 1970, a date where it counts from midnight.
    pub fn settle(place: Place, first_ns: u64) -> Result<Bound, &'static str> {
        let is_since_midnight = first_ns < SINCE_MIDNIGHT_MAX_NS;
        match place {
            Place::Index(index) => Ok(Bound::Index(index)),
            Place::Ns(ns) => Ok(Bound::Time(ns)),
            Place::TimeOfDay(ns) if is_since_midnight => Ok(Bound::Time(ns)),
            Place::Date(ns) if !is_since_midnight => Ok(Bound::Time(ns)),
            Place::TimeOfDay(_) => {
                Err("its times count from 1970: a date as 2024-05-08T13:30:00Z, or nanoseconds")
            }
            Place::Date(_) => {
                Err("its times count from midnight: a time of day as 09:30:00, or nanoseconds")
            }
        }
    }

    /// A message at this time and of this number is at the place or behind it.
    #[must_use]
    pub fn is_reached(self, at_ns: u64, index: u64) -> bool {
        match self {
            Bound::Time(ns) => at_ns >= ns,
            Bound::Index(first) => index >= first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn places_are_times_dates_or_numbers() {
        for (text, place) in [
            ("09:30", Place::TimeOfDay(34_200_000_000_000)),
            ("7", Place::Ns(7)),
            ("1715126400000000000", Place::Ns(1_715_126_400_000_000_000)),
            ("#1000", Place::Index(1_000)),
            ("2024-05-08T00:00Z", Place::Date(1_715_126_400_000_000_000)),
            ("2024-05-08T09:30:00.5-04:00", Place::Date(1_715_175_000_500_000_000)),
            ("1970-01-01T01:00:00+01:00", Place::Date(0)),
            ("2000-02-29T23:59:59Z", Place::Date(951_868_799_000_000_000)),
        ] {
            assert_eq!(Place::parse(text), Ok(place), "{text}");
        }
        for text in [
            "",
            "#",
            "#x",
            "-1",
            "+1",
            "1e9",
            "2024-05-08",
            "2024-05-08T00:00",
            "2024-13-01T00:00Z",
            "2023-02-29T00:00Z",
            "2024-5-8T00:00Z",
            "1969-12-31T23:59Z",
            "2024-05-08T25:00Z",
            "99999999999999999999999",
        ] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_held_against_where_the_venue_counts_from() {
        let (midnight, since_1970) = (34_200_000_000_000, 1_715_126_400_000_000_000);
        assert_eq!(Bound::settle(Place::TimeOfDay(7), midnight), Ok(Bound::Time(7)));
        assert_eq!(Bound::settle(Place::Ns(7), since_1970), Ok(Bound::Time(7)));
        assert!(Bound::settle(Place::TimeOfDay(7), since_1970).is_err());
        assert!(Bound::settle(Place::Date(7), midnight).is_err());
        assert!(Bound::Index(3).is_reached(0, 3) && !Bound::Time(3).is_reached(2, 99));
    }
}
