//! What the feed will be told, as far as this program must know it before it starts.

use super::Args;

/// Rate of a synthetic market that nobody gave another one, events a second: feed-sim's own
/// default, which this program does not link (a test compares the two).
const RATE_DEFAULT: f64 = 100_000.0;

/// What the feed will be told beside its flags: by its table of the configuration, and above that
/// by the environment. Read only as far as this program must know it; `feed-sim` is the judge.
pub(super) struct Said<'t> {
    /// `[feed]`.
    pub(super) feed: Option<&'t toml::Table>,
}

impl Said<'_> {
    fn value(&self, key: &str) -> Option<String> {
        let variable = format!("TICKSPIN_FEED_{}", key.to_uppercase());
        let text = |value: &toml::Value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        std::env::var(variable).ok().or_else(|| self.feed?.get(key).map(text))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.value(key)?.parse().ok().filter(|&number| number != 0.0)
    }

    /// Events a second that the schedule asks for. `None`: as recorded, or as fast as they go.
    pub(super) fn rate(&self, args: &Args) -> Option<f64> {
        let speed = args.speed.clone().or_else(|| self.value("speed"));
        let factor: f64 = speed.as_deref().unwrap_or("1").parse().ok()?;
        let default = args.files.is_empty().then_some(RATE_DEFAULT);
        let rate = args.rate.or_else(|| self.number("rate")).or(default)?;
        Some(rate * factor)
    }

    /// Whether the run has an end: a recording's own, or one that somebody set.
    pub(super) fn is_bounded(&self, args: &Args) -> bool {
        let is_set = |key: &str, none: &str| self.value(key).is_some_and(|text| text != none);
        !args.files.is_empty()
            || args.duration.is_some()
            || args.count.is_some()
            || is_set("duration", "none")
            || is_set("count", "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let words = std::iter::once("run").chain(line.split_whitespace());
        <Line as clap::Parser>::try_parse_from(words).unwrap().args
    }

    #[test]
    fn the_rate_of_the_bare_ring_is_that_of_the_schedule() {
        let table: toml::Table = "rate = 2000\nspeed = 2.0\ncount = 0\n".parse().unwrap();
        let (none, some) = (Said { feed: None }, Said { feed: Some(&table) });
        for (said, line, rate) in [
            (&none, "", Some(100_000.0)),
            (&none, "--rate 500", Some(500.0)),
            (&none, "--rate 500 --speed 4", Some(2_000.0)),
            (&none, "--speed max", None),
            (&none, "file", None),
            (&none, "file --rate 10", Some(10.0)),
            (&some, "", Some(4_000.0)),
            (&some, "--rate 7", Some(14.0)),
            (&some, "--speed max", None),
        ] {
            assert_eq!(said.rate(&args(line)), rate, "{line}");
        }
    }

    #[test]
    fn a_synthetic_market_ends_somewhere() {
        let table: toml::Table = "duration = \"none\"\ncount = 0\n".parse().unwrap();
        let (none, endless) = (Said { feed: None }, Said { feed: Some(&table) });
        let bounded: toml::Table = "count = 9\n".parse().unwrap();
        let bounded = Said { feed: Some(&bounded) };
        assert!(!none.is_bounded(&args("")) && !endless.is_bounded(&args("--rate 5")));
        assert!(bounded.is_bounded(&args("")) && none.is_bounded(&args("file")));
        assert!(none.is_bounded(&args("--count 5")) && none.is_bounded(&args("--duration 1s")));
    }
}
