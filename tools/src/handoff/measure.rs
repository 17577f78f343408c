//! One way, there and back, and as fast as it goes, over any contender.
//!
//! One pair of threads does all measurements of a contender in one go, over the same two links
//! (there and back), each measurement ended by an end mark and an answer to it. A lap through the
//! whole ring comes first, so that no memory is touched for the first time while it counts.

use super::pair::{self, Gate};
use crate::error::Failure;
use std::hint::{black_box, spin_loop};
use std::time::Duration;
use tickspin_host::clock::{Clock, ticks, ticks_ordered};

/// Slots of every ring.
pub(super) const SLOTS: u32 = 65_536;
/// Payload of a message, words.
pub(super) type Payload = [u64; 7];
/// First word of the message that ends a measurement: this plus the measurement's number, so that
/// no two are equal (the bare line shows only changes). No clock ever shows it.
const END: u64 = u64::MAX - 1_023;
/// First word of the answer to it, plus the number.
const ANSWER: u64 = 1 << 63;
/// Numbers of the measurements; the one-way ones count from [`PACED`].
const LAP_THERE: u64 = 0;
const LAP_BACK: u64 = 1;
const PINGS: u64 = 2;
const SATURATED: u64 = 3;
const PACED: u64 = 4;
/// Messages sent before anything counts: a lap through every slot, and some more.
const LAP: u64 = SLOTS as u64 + 4_096;
/// Idle turns between two questions whether the other side is still there: ~1 ms.
const IDLE_TURNS: u32 = 1 << 16;
/// A contender that takes longer for all its measurements hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// The sending end of a link.
pub(super) trait Tx: Send {
    /// Sends one message; `false` when there is no room.
    fn try_send(&mut self, payload: &Payload) -> bool;
}

/// The receiving end of a link.
pub(super) trait Rx: Send {
    /// Takes the next message and reads all of it; `None` when there is none.
    fn try_take(&mut self) -> Option<Taken>;
}

/// What is left of a message that was read.
pub(super) struct Taken {
    /// Payload word 0.
    pub(super) first: u64,
    /// Of all words, the sequence's too: what proves that they were read.
    pub(super) sum: u64,
}

impl Taken {
    /// Reads eight words.
    #[inline(always)]
    pub(super) fn all_of(words: &[u64; 8]) -> Taken {
        Taken { first: words[1], sum: words.iter().fold(0, |sum, word| sum ^ word) }
    }

    /// Reads slots as bytes; the first word of the first one's payload counts.
    #[inline(always)]
    pub(super) fn all_of_bytes(bytes: &[u8]) -> Taken {
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let words = bytes.as_chunks().0;
        Taken {
            first: words.get(1).map_or(0, word),
            sum: words.iter().fold(0, |sum, bytes| sum ^ word(bytes)),
        }
    }
}

/// What to measure.
pub(super) struct Plan {
    /// (messages per second, for how long) of each one-way measurement.
    pub(super) one_way: Vec<(f64, Duration)>,
    /// Number of round trips; at most 100 ms are spent on them.
    pub(super) round_trips: usize,
    /// Time for sending as fast as it goes; zero: not at all.
    pub(super) saturated: Duration,
}

/// Median and 99th percentile, ns; zeros where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Median, ns.
    pub p50: f64,
    /// 99th percentile, ns.
    pub p99: f64,
}

impl Spread {
    /// Nearest rank.
    fn of(mut samples_ticks: Vec<u32>, clock: &Clock) -> Spread {
        samples_ticks.sort_unstable();
        let ns_per_tick = 1e9 / clock.ticks_per_second() as f64;
        let at = |percent: usize| {
            let rank = (samples_ticks.len() * percent).div_ceil(100).max(1);
            samples_ticks.get(rank - 1).map_or(0.0, |&ticks| f64::from(ticks) * ns_per_tick)
        };
        Spread { p50: at(50), p99: at(99) }
    }
}

/// What one contender showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) one_way: Vec<Spread>,
    pub(super) round_trip: Spread,
    /// The share of the time in which a thread had to wait for its core, 0 to 1.
    pub(super) queued_share: f64,
    /// Messages per second.
    pub(super) saturated: Option<f64>,
}

/// Measures over two links, `cores.0` to `cores.1` and back.
pub(super) fn over<T: Tx, R: Rx>(
    (there, back): ((T, R), (T, R)),
    cores: (usize, usize),
    clock: &Clock,
    plan: &Plan,
) -> Result<Outcome, Failure> {
    let per_second = clock.ticks_per_second() as f64;
    let in_ticks = |time: Duration| (time.as_secs_f64() * per_second) as u64;
    let schedules: Vec<(usize, u64)> = plan
        .one_way
        .iter()
        .map(|&(rate, time)| ((rate * time.as_secs_f64()) as usize, (per_second / rate) as u64))
        .collect();
    let (saturated, round_trips_most) =
        (in_ticks(plan.saturated), in_ticks(Duration::from_millis(100)));
    let (schedules, round_trips) = (schedules.as_slice(), plan.round_trips);
    // Each end moves to its thread's own stack: two ends side by side would share a line.
    let first = move |gate: &Gate| {
        let mut near = End { tx: there.0, rx: back.1 };
        near.lap(gate, LAP_THERE)?;
        // The lap back is the answer. On the bare line a message is lost when the next one comes
        // before it was seen, so whoever ends or answers is silent until the other side has spoken.
        near.take_saturated(gate)?;
        for (number, &(count, period)) in (PACED..).zip(schedules) {
            near.send_paced(gate, count, period)?;
            near.end(gate, number)?;
        }
        let there_and_back = near.ping(gate, round_trips, round_trips_most)?;
        near.end(gate, PINGS)?;
        near.send_saturated(gate, saturated)?;
        near.end(gate, SATURATED)?;
        Some(there_and_back)
    };
    let second = move |gate: &Gate| {
        let mut far = End { tx: back.0, rx: there.1 };
        far.take_saturated(gate)?;
        far.lap(gate, LAP_BACK)?;
        let mut one_way = Vec::new();
        for (number, &(count, _)) in (PACED..).zip(schedules) {
            one_way.push(far.take_paced(gate, count)?);
            far.answer(gate, number)?;
        }
        far.echo(gate)?;
        far.answer(gate, PINGS)?;
        let throughput = far.take_saturated(gate)?;
        far.answer(gate, SATURATED)?;
        Some((one_way, throughput))
    };
    let (round_trip, (one_way, (count, ticks)), queued_share) =
        pair::run(cores, LIMIT, first, second)?;
    Ok(Outcome {
        one_way: one_way.into_iter().map(|samples| Spread::of(samples, clock)).collect(),
        round_trip: Spread::of(round_trip, clock),
        queued_share,
        saturated: (saturated > 0 && ticks > 0).then(|| count as f64 * per_second / ticks as f64),
    })
}

/// One thread's ends of the two links.
struct End<T, R> {
    tx: T,
    rx: R,
}

/// A message whose words differ, built in registers.
#[inline(always)]
fn message(first: u64, number: u64) -> Payload {
    [first, number, !number, number, !number, number, !number]
}

/// Memory that was written once: counting into it takes no page fault.
fn touched(samples: usize) -> Vec<u32> {
    black_box(vec![1; samples])
}

#[inline(always)]
fn in_u32(ticks: u64) -> u32 {
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

impl<T: Tx, R: Rx> End<T, R> {
    #[inline(always)]
    fn send(&mut self, gate: &Gate, payload: &Payload) -> Option<()> {
        let mut idle = 0_u32;
        while !self.tx.try_send(payload) {
            spin_loop();
            idle += 1;
            if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                return None;
            }
        }
        Some(())
    }

    #[inline(always)]
    fn take(&mut self, gate: &Gate) -> Option<Taken> {
        let mut idle = 0_u32;
        loop {
            if let Some(taken) = self.rx.try_take() {
                return Some(taken);
            }
            spin_loop();
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                return None;
            }
        }
    }

    /// Says that a measurement is over and waits until the other side knows.
    fn end(&mut self, gate: &Gate, number: u64) -> Option<()> {
        // The bare line has no flow control: what was sent last must be seen first.
        let settled = ticks() + 20_000;
        while ticks() < settled {
            spin_loop();
        }
        self.send(gate, &message(END + number, number))?;
        while self.take(gate)?.first != ANSWER + number {}
        Some(())
    }

    fn answer(&mut self, gate: &Gate, number: u64) -> Option<()> {
        self.send(gate, &message(ANSWER + number, number))
    }

    /// A lap through the whole ring.
    fn lap(&mut self, gate: &Gate, number: u64) -> Option<()> {
        for message_number in 0..LAP {
            self.send(gate, &message(message_number, message_number))?;
        }
        self.send(gate, &message(END + number, number))
    }

    /// Open loop: each message has its instant, whether or not the one before it was late.
    fn send_paced(&mut self, gate: &Gate, count: usize, period: u64) -> Option<()> {
        let start = ticks() + 10 * period;
        for number in 0..count as u64 {
            let due = start + number * period;
            while ticks() < due {
                spin_loop();
            }
            self.send(gate, &message(ticks(), number))?;
        }
        Some(())
    }

    /// Samples until the end mark, ticks.
    fn take_paced(&mut self, gate: &Gate, count: usize) -> Option<Vec<u32>> {
        let mut samples = touched(count);
        let mut taken_count = 0;
        loop {
            let taken = self.take(gate)?;
            black_box(taken.sum);
            let arrival = ticks_ordered();
            if taken.first >= END {
                samples.truncate(taken_count);
                return Some(samples);
            }
            if let Some(sample) = samples.get_mut(taken_count) {
                *sample = in_u32(arrival.saturating_sub(taken.first));
                taken_count += 1;
            }
        }
    }

    fn ping(&mut self, gate: &Gate, count: usize, ticks_most: u64) -> Option<Vec<u32>> {
        let mut samples = touched(count);
        let (mut done, begin) = (0, ticks());
        for (number, sample) in samples.iter_mut().enumerate() {
            let sent = ticks();
            if sent.saturating_sub(begin) > ticks_most {
                break;
            }
            self.send(gate, &message(sent, number as u64))?;
            black_box(self.take(gate)?.sum);
            *sample = in_u32(ticks_ordered().saturating_sub(sent));
            done += 1;
        }
        samples.truncate(done);
        Some(samples)
    }

    fn echo(&mut self, gate: &Gate) -> Option<()> {
        let mut number = 0;
        loop {
            let taken = self.take(gate)?;
            if taken.first >= END {
                return Some(());
            }
            black_box(taken.sum);
            self.send(gate, &message(taken.first, number))?;
            number += 1;
        }
    }

    fn send_saturated(&mut self, gate: &Gate, time_ticks: u64) -> Option<()> {
        let until = ticks() + time_ticks;
        let mut number = 0;
        while ticks() < until {
            for _ in 0..1_024 {
                self.send(gate, &message(number, number))?;
                number += 1;
            }
        }
        Some(())
    }

    /// Until the end mark: (messages after the first, ticks from the first one to the mark).
    ///
    /// The sums of all messages go into one, which is used at the end: so every word is read, and
    /// nothing but taking stands in the loop. (A `black_box` a message costs a nanosecond, and a
    /// reader that is slower than the sender never runs dry, which spares index rings what running
    /// dry costs them.)
    fn take_saturated(&mut self, gate: &Gate) -> Option<(u64, u64)> {
        let (mut count, mut sum) = (0, 0);
        let first = self.take(gate)?;
        let begin = ticks_ordered();
        if first.first >= END {
            return Some((0, 0));
        }
        loop {
            let taken = self.take(gate)?;
            sum ^= taken.sum;
            if taken.first >= END {
                black_box(sum);
                return Some((count, ticks_ordered().saturating_sub(begin)));
            }
            count += 1;
        }
    }
}
