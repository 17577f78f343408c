//! When synthetic events arrive: Poisson, with part of them in bursts if wished.
//!
//! With bursts, a share *s* of the events comes in clusters of *L* on average, inside which they
//! follow one another 16 times as fast as the mean rate. Gaps outside are stretched so that the
//! mean rate stays what it was: with mean gap *g*, outside *g·(1 − s/16)/(1 − s)*, inside *g/16*.

use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64Mcg;

/// How much faster than the mean rate events follow one another inside a burst.
pub const BURST_SPEED: f64 = 16.0;

/// Events that come in clusters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Share of all events that lie in bursts, in 0..=0.95.
    pub share: f64,
    /// Mean number of events of a burst, at least 1.
    pub length: f64,
}

/// Gaps between arrivals.
pub struct Arrivals {
    rng: Pcg64Mcg,
    /// Mean gaps, ns.
    outside_ns: f64,
    inside_ns: f64,
    /// Chance that a burst begins with the next event, and that it goes on.
    begin: f64,
    go_on: f64,
    is_inside: bool,
    /// Of a nanosecond, carried on so that rounding does not shift the rate.
    rest_ns: f64,
}

impl Arrivals {
    /// `rate` in events a second, positive.
    #[must_use]
    pub fn new(rng: Pcg64Mcg, rate: f64, bursts: Option<Bursts>) -> Arrivals {
        let mean_ns = 1e9 / rate;
        let Bursts { share, length } = bursts.unwrap_or(Bursts { share: 0.0, length: 1.0 });
        Arrivals {
            rng,
            outside_ns: mean_ns * (1.0 - share / BURST_SPEED) / (1.0 - share),
            inside_ns: mean_ns / BURST_SPEED,
            begin: share / (length * (1.0 - share)),
            go_on: 1.0 - 1.0 / length,
            is_inside: false,
            rest_ns: 0.0,
        }
    }

    /// Nanoseconds to the next arrival.
    #[inline]
    pub fn next_gap_ns(&mut self) -> u64 {
        let turn: f64 = self.rng.random();
        self.is_inside = turn < if self.is_inside { self.go_on } else { self.begin.min(1.0) };
        let mean_ns = if self.is_inside { self.inside_ns } else { self.outside_ns };
        let unit: f64 = Exp1.sample(&mut self.rng);
        let exact = unit * mean_ns + self.rest_ns;
        let whole = exact.floor();
        self.rest_ns = exact - whole;
        whole as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn gaps(rate: f64, bursts: Option<Bursts>) -> Vec<u64> {
        let mut arrivals = Arrivals::new(Pcg64Mcg::seed_from_u64(7), rate, bursts);
        (0..400_000).map(|_| arrivals.next_gap_ns()).collect()
    }

    fn mean(gaps: &[u64]) -> f64 {
        gaps.iter().sum::<u64>() as f64 / gaps.len() as f64
    }

    #[test]
    fn gaps_are_exponential_with_the_mean_of_the_rate() {
        let gaps = gaps(100_000.0, None);
        assert!((mean(&gaps) - 10_000.0).abs() < 100.0, "{}", mean(&gaps));
        let above = gaps.iter().filter(|&&gap| gap > 10_000).count() as f64 / gaps.len() as f64;
        assert!((above - (-1.0_f64).exp()).abs() < 0.01, "{above}");
    }

    #[test]
    fn bursts_keep_the_mean_rate_and_make_short_gaps_common() {
        let bursts = Bursts { share: 0.3, length: 50.0 };
        let (calm, bursty) = (gaps(100_000.0, None), gaps(100_000.0, Some(bursts)));
        assert!((mean(&bursty) - 10_000.0).abs() < 300.0, "{}", mean(&bursty));
        let short = |gaps: &[u64]| gaps.iter().filter(|&&gap| gap < 1_000).count();
        assert!(short(&bursty) > 2 * short(&calm), "{} {}", short(&bursty), short(&calm));
    }

    #[test]
    fn high_rates_do_not_lose_their_fractions() {
        let mean = mean(&gaps(300_000_000.0, None));
        assert!((mean - 3.333).abs() < 0.05, "{mean}");
    }
}
