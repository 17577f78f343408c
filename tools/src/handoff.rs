//! How fast two cores of this machine can hand something over.

use crate::error::Failure;
use std::time::Duration;
use tickspin_results::summary::ClockPart;

/// What two cores allow at this moment.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// One bare line, one way, median, ns.
    pub floor_one_way_ns: f64,
    /// There and back, median, ns.
    pub floor_round_trip_ns: f64,
    /// Our ring, one way, median, ns.
    pub ring_one_way_p50_ns: f64,
    /// `tight`, `near` or `far`.
    pub placement: &'static str,
    /// The clock it was measured with.
    pub clock: ClockPart,
}

/// Measures.
///
/// # Errors
/// Not built yet.
pub fn probe(
    _cores: (usize, usize),
    _rate_per_s: Option<f64>,
    _time: Duration,
) -> Result<Probe, Failure> {
    Err(Failure::failed("not built yet"))
}
