//! What is measured on a road from a sender to a receiver: one way, one look in vain, one message
//! taken of many that wait.

use super::super::super::contenders::{InPlace, RingTx, with_sequence};
use super::super::super::measure::{Payload, Rx, Taken, Tx};
use super::super::super::pair::{self, Gate, sit};
use super::super::cell::{Schedule, paced, touched};
use crate::error::Failure;
use crate::num::median;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::clock::{Clock, ticks, ticks_ordered};
use tickspin_host::packets::{NotSent, PacketSink, PacketSource};
use tickspin_host::udp::UdpSource;
use tickspin_results::Histogram;

/// Messages of one look at most.
const BURST: u32 = 64;
/// How long a sleeping receiver sleeps before it asks whether all is well.
const SLEEP: Duration = Duration::from_millis(100);
/// Looks in vain between two questions whether the other side is still there.
const IDLE_TURNS: u32 = 1 << 14;
/// First word of the message that ends a passage. No clock ever shows it.
pub(super) const END: u64 = u64::MAX;
/// Beyond its schedule, how long a passage may take.
const GRACE: Duration = Duration::from_secs(10);
/// Looks in vain, and messages that wait: as many as in `receive_cost` of the package host.
const LOOKS: u32 = 20_000;
const WAITING: u32 = 2_000;
/// Times that each is repeated in a round; the median counts.
const REPEATS: usize = 5;

/// Where messages of 64 bytes come out.
pub(super) trait Inlet: Send {
    /// As the transport receives: spinning, one look; sleeping, until something is there.
    fn receive(&mut self, f: &mut impl FnMut(Taken)) -> u32;
    /// One look that never sleeps.
    fn look(&mut self, f: &mut impl FnMut(Taken)) -> u32;
}

/// A source that spins.
pub(super) struct Spinning<S>(pub(super) S);

impl<S: PacketSource + Send> Inlet for Spinning<S> {
    #[inline]
    fn receive(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        self.look(f)
    }

    #[inline]
    fn look(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        self.0.rx_burst(BURST, |datagram| f(Taken::all_of_bytes(datagram.payload)))
    }
}

/// The socket that sleeps in `recv`.
pub(super) struct Sleeping(pub(super) UdpSource);

impl Inlet for Sleeping {
    fn receive(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        self.0.wait_burst(SLEEP, BURST, |datagram| f(Taken::all_of_bytes(datagram.payload)))
    }

    fn look(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        self.0.rx_burst(BURST, |datagram| f(Taken::all_of_bytes(datagram.payload)))
    }
}

impl Inlet for InPlace {
    #[inline]
    fn receive(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        self.look(f)
    }

    #[inline]
    fn look(&mut self, f: &mut impl FnMut(Taken)) -> u32 {
        for taken in 0..BURST {
            let Some(message) = self.try_take() else { return taken };
            f(message);
        }
        BURST
    }
}

/// Where they go in.
pub(super) trait Outlet: Send {
    /// Whether there was room for it.
    ///
    /// # Errors
    /// Exit code 1: there will never be.
    fn send(&mut self, payload: &Payload) -> Result<bool, Failure>;
}

/// A sink of datagrams.
pub(super) struct Datagrams<S>(pub(super) S);

impl<S: PacketSink + Send> Outlet for Datagrams<S> {
    #[inline]
    fn send(&mut self, payload: &Payload) -> Result<bool, Failure> {
        let words = with_sequence(payload[1], payload);
        match self.0.send(0, bytemuck::bytes_of(&words)) {
            // A queued one that the kernel has no room for now goes with the next.
            Ok(()) => match self.0.flush() {
                Ok(()) | Err(NotSent::NoRoom) => Ok(true),
                Err(error) => Err(Failure::failed(format_args!("sending: {error}"))),
            },
            Err(NotSent::NoRoom) => Ok(false),
            Err(error) => Err(Failure::failed(format_args!("sending: {error}"))),
        }
    }
}

impl Outlet for RingTx {
    #[inline]
    fn send(&mut self, payload: &Payload) -> Result<bool, Failure> {
        Ok(self.try_send(payload))
    }
}

/// What is sent in one passage, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    /// Messages.
    pub(super) messages: usize,
    /// Of them, those that are not counted.
    pub(super) warm_up: usize,
    /// Messages a second.
    pub(super) rate_per_s: f64,
    /// Sender's and receiver's core.
    pub(super) cores: (usize, usize),
    /// When the first round began.
    pub(super) origin: Instant,
}

/// What became of the messages of one passage.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// When it began, from the first round on, and how long it took.
    pub(super) span: (Duration, Duration),
    /// Arrival minus intended instant, ns.
    pub(super) response: Histogram,
    /// Messages that never came.
    pub(super) lost: u64,
    /// Messages a second that did.
    pub(super) rate_per_s: f64,
    /// Share of its time that a thread of it was kept off its core, 0 to 1.
    pub(super) queued_share: f64,
}

/// Sends at the intended instants from one core, receives on the other.
pub(super) fn one_way(
    outlet: &mut impl Outlet,
    inlet: &mut impl Inlet,
    journey: &Journey,
    clock: &Clock,
) -> Result<Passage, Failure> {
    let schedule = Schedule {
        count: journey.messages,
        period: (clock.ticks_per_second() as f64 / journey.rate_per_s) as u64,
    };
    let limit = GRACE + Duration::from_secs_f64(journey.messages as f64 / journey.rate_per_s);
    let is_done = AtomicBool::new(false);
    let began = journey.origin.elapsed();
    let send = |gate: &Gate| sender(outlet, schedule, &is_done, gate);
    let receive = |gate: &Gate| receiver(inlet, schedule.count, &is_done, gate);
    let (sent, arrived, queued_share) = pair::run(journey.cores, limit, send, receive)?;
    sent?;
    let mut response = Histogram::new();
    for &latency in arrived.latencies.iter().skip(journey.warm_up) {
        response.record(clock.ns(latency));
    }
    let came = arrived.latencies.len();
    let seconds = clock.ns(arrived.last.saturating_sub(arrived.first)) as f64 / 1e9;
    Ok(Passage {
        span: (began, journey.origin.elapsed().saturating_sub(began)),
        response,
        lost: (journey.messages - came.min(journey.messages)) as u64,
        rate_per_s: if seconds > 0.0 { (came - 1) as f64 / seconds } else { 0.0 },
        queued_share,
    })
}

/// `None`: the gate is broken.
fn sender(
    outlet: &mut impl Outlet,
    schedule: Schedule,
    is_done: &AtomicBool,
    gate: &Gate,
) -> Option<Result<(), Failure>> {
    let mut failed = None;
    let sent = paced(schedule, |payload| {
        let mut idle = 0_u32;
        loop {
            match outlet.send(payload) {
                Ok(true) => return Some(()),
                Ok(false) => spin_loop(),
                Err(failure) => {
                    failed = Some(failure);
                    return None;
                }
            }
            idle += 1;
            if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                return None;
            }
        }
    });
    // After a failure too: the receiver is not to wait in vain. A datagram may be lost, so the end
    // is said until it was heard.
    if failed.is_none() {
        sent?;
    }
    while !is_done.load(Ordering::Acquire) {
        if let Err(failure) = outlet.send(&[END; 7]) {
            return failed.or(Some(failure)).map(Err);
        }
        thread::sleep(Duration::from_micros(200));
        if gate.is_broken() {
            return None;
        }
    }
    Some(failed.map_or(Ok(()), Err))
}

/// What came, ticks.
struct Arrived {
    latencies: Vec<u64>,
    first: u64,
    last: u64,
}

fn receiver(
    inlet: &mut impl Inlet,
    count: usize,
    is_done: &AtomicBool,
    gate: &Gate,
) -> Option<Arrived> {
    let mut latencies = touched(count);
    let (mut came, mut idle, mut is_over) = (0, 0_u32, false);
    let (mut first, mut last) = (0, 0);
    while !is_over {
        let fresh = inlet.receive(&mut |taken| {
            black_box(taken.sum);
            let arrival = ticks_ordered();
            if taken.first == END {
                is_over = true;
                return;
            }
            if let Some(latency) = latencies.get_mut(came) {
                *latency = arrival.saturating_sub(taken.first);
                first = if came == 0 { arrival } else { first };
                last = arrival;
                came += 1;
            }
        });
        if fresh == 0 {
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                return None;
            }
        }
    }
    is_done.store(true, Ordering::Release);
    latencies.truncate(came);
    Some(Arrived { latencies, first, last })
}

/// Takes what still waits: the end was said more than once.
pub(super) fn clear(inlet: &mut impl Inlet) {
    thread::sleep(Duration::from_millis(1));
    while inlet.look(&mut |_| ()) > 0 {}
}

/// What the receiving thread pays, apart from sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// A look that finds nothing, ns.
    pub(super) empty_poll_ns: f64,
    /// A message, of 2,000 that wait, ns.
    pub(super) drain_ns: f64,
}

/// Measures both on the receiver's core; the kernel's own work is done before the clock starts.
pub(super) fn costs(
    outlet: &mut impl Outlet,
    inlet: &mut impl Inlet,
    core: usize,
    clock: &Clock,
) -> Result<Costs, Failure> {
    let measure = || -> Result<Costs, Failure> {
        sit(core, 0)?;
        let (mut empty_ns, mut drain_ns) = (Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            clear(inlet);
            empty_ns.push(empty(inlet, clock));
            drain_ns.push(drain(outlet, inlet, clock)?);
        }
        Ok(Costs { empty_poll_ns: median(empty_ns), drain_ns: median(drain_ns) })
    };
    let measured = thread::scope(|scope| scope.spawn(measure).join());
    measured.unwrap_or_else(|_| Err(Failure::failed("a measuring thread panicked")))
}

fn empty(inlet: &mut impl Inlet, clock: &Clock) -> f64 {
    let start = ticks();
    for _ in 0..LOOKS {
        black_box(inlet.look(&mut |_| ()));
    }
    clock.ns(ticks_ordered() - start) as f64 / f64::from(LOOKS)
}

fn drain(outlet: &mut impl Outlet, inlet: &mut impl Inlet, clock: &Clock) -> Result<f64, Failure> {
    for number in 0..u64::from(WAITING) {
        let mut left = IDLE_TURNS;
        while !outlet.send(&[number; 7])? && left > 0 {
            left -= 1;
        }
    }
    thread::sleep(Duration::from_millis(2));
    let (mut taken, mut sum) = (0, 0);
    let start = ticks();
    loop {
        let fresh = inlet.look(&mut |message| sum ^= message.sum);
        if fresh == 0 {
            break;
        }
        taken += fresh;
    }
    let ns = clock.ns(ticks_ordered() - start) as f64;
    black_box(sum);
    if taken == 0 {
        return Err(Failure::environment("of 2,000 messages none came: something takes them"));
    }
    Ok(ns / f64::from(taken))
}
