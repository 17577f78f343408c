//! How far two cores' counters are apart, at most: an interval that follows from cause and effect.
//!
//! ```text
//!   core A                    core B
//!   a = tsc ── line ─────────►
//!                             b = tsc        b was read after a and before c:
//!   c = tsc ◄───────── line ──               b − c  ≤  offset of B against A  ≤  b − a
//! ```
//!
//! Each exchange is such an interval, whatever delayed it, so their intersection over many is a
//! hard bound: its width is the fastest way there plus the fastest way back. An empty intersection
//! means that the counters drift or jump, and no stamp of one core may be compared to the other's.

use super::contenders::{LineRx, LineTx, line};
use super::measure::{Payload, Rx, Tx};
use super::pair::{self, Gate};
use crate::error::Failure;
use std::hint::spin_loop;
use std::time::Duration;
use tickspin_host::clock::{ticks, ticks_ordered};

/// Idle turns between two questions whether the other side is still there.
const IDLE_TURNS: u32 = 1 << 16;
/// Exchanges that are left out: pages and caches are cold.
const COLD: usize = 100;
/// Thousands of exchanges take milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// What is known of the second core's counter against the first one's, ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// At least this much ahead.
    pub low: i64,
    /// At most this much.
    pub high: i64,
}

impl Offset {
    const ANY: Offset = Offset { low: i64::MIN, high: i64::MAX };

    /// One more exchange.
    fn narrowed(self, a: u64, b: u64, c: u64) -> Offset {
        // Counters count from power-on: differences of two of them fit.
        let (low, high) = (b.wrapping_sub(c) as i64, b.wrapping_sub(a) as i64);
        Offset { low: self.low.max(low), high: self.high.min(high) }
    }

    /// No offset explains all exchanges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// Zero, what one counter for all cores would show, is possible.
    #[must_use]
    pub fn may_be_zero(&self) -> bool {
        self.low <= 0 && 0 <= self.high
    }

    /// How wrong a difference of two cores' stamps may be if they are taken as in step, ticks.
    #[must_use]
    pub fn worst(&self) -> u64 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }
}

/// Bounds the offset of `cores.1` against `cores.0`, by at most `exchanges` of them.
///
/// # Errors
/// Exit code 4: a core is not to be had, both are one, or one is kept busy by something else.
pub fn offset(cores: (usize, usize), exchanges: usize) -> Result<Offset, Failure> {
    let ((there_tx, there_rx), (back_tx, back_rx)) = (line(), line());
    let first = move |gate: &Gate| -> Option<Offset> {
        let (mut tx, mut rx) = (there_tx, back_rx);
        let mut offset = Offset::ANY;
        for number in 0..COLD + exchanges {
            let a = ticks();
            send(&mut tx, a);
            let b = take(&mut rx, gate)?;
            let c = ticks_ordered();
            if number >= COLD {
                offset = offset.narrowed(a, b, c);
            }
        }
        send(&mut tx, u64::MAX);
        Some(offset)
    };
    let second = move |gate: &Gate| -> Option<()> {
        let (mut tx, mut rx) = (back_tx, there_rx);
        while take(&mut rx, gate)? != u64::MAX {
            send(&mut tx, ticks_ordered());
        }
        Some(())
    };
    let (offset, (), _) = pair::run(cores, LIMIT, first, second)?;
    Ok(offset)
}

#[inline(always)]
fn send(tx: &mut LineTx, value: u64) {
    let payload: Payload = [value, 0, 0, 0, 0, 0, 0];
    tx.try_send(&payload);
}

#[inline(always)]
fn take(rx: &mut LineRx, gate: &Gate) -> Option<u64> {
    let mut idle = 0_u32;
    loop {
        if let Some(taken) = rx.try_take() {
            return Some(taken.first);
        }
        spin_loop();
        idle = idle.wrapping_add(1);
        if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_narrow_the_interval_around_the_truth() {
        // B is 40 ahead; ways of 100 and 30 there, 20 and 200 back.
        let slow_back = Offset::ANY.narrowed(1_000, 1_030 + 40, 1_230);
        assert_eq!(slow_back, Offset { low: -160, high: 70 });
        let both = slow_back.narrowed(2_000, 2_100 + 40, 2_120);
        assert_eq!(both, Offset { low: 20, high: 70 });
        assert!(!both.is_empty() && !both.may_be_zero() && both.worst() == 70);
        assert!(slow_back.may_be_zero());
    }

    #[test]
    fn a_counter_that_jumped_leaves_no_offset() {
        let jumped = Offset::ANY.narrowed(1_000, 1_050, 1_100).narrowed(2_000, 3_050, 2_100);
        assert!(jumped.is_empty(), "{jumped:?}");
    }
}
