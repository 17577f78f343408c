//! One cell, once: a sender that keeps its schedule, a receiver that waits as the cell says.

use super::super::contenders;
use super::super::measure::{Payload, Rx, Taken, Tx};
use super::super::pair::{self, Gate, Seats};
use super::super::pipe::{self, PipeRx};
use super::experiment::{Cell, Experiment, Transport, Waiting};
use super::links::{self, Native, SocketRx, SocketTx};
use super::task;
use super::waiting::{self, Waiter, Waker};
use crate::error::Failure;
use std::hint::{black_box, spin_loop};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tickspin_host::clock::{Clock, ticks, ticks_ordered};
use tickspin_results::Histogram;

/// First word of the message that ends a cell. No clock ever shows it.
const END: u64 = u64::MAX;
/// First word of a piece of a message that is not its last one.
pub(super) const MORE: u64 = u64::MAX - 1;
/// Questions without an answer between two looks whether the other side is still there.
const IDLE_TURNS: u32 = 1 << 14;
/// Beyond its schedule, how long a cell may take.
const GRACE: Duration = Duration::from_secs(10);

/// When messages leave, ticks.
#[derive(Clone, Copy)]
pub(super) struct Schedule {
    pub(super) count: usize,
    pub(super) period: u64,
}

/// Runs a cell: its responses, ns, and the share of time queued, 0 to 1.
pub(super) fn run(
    cell: &Cell,
    experiment: &Experiment,
    clock: &Clock,
) -> Result<(Histogram, f64), Failure> {
    let schedule = Schedule {
        count: experiment.messages,
        period: (clock.ticks_per_second() as f64 / cell.rate) as u64,
    };
    let limit = GRACE + Duration::from_secs_f64(schedule.count as f64 / cell.rate);
    let seats = Seats { cores: cell.cores, priority: cell.priority };
    let slots = cell.slots();
    // What is only memory takes a message slot by slot; a descriptor takes it in one write.
    let run = Run { schedule, seats, limit, pieces: slots };
    let whole = Run { pieces: 1, ..run };
    let is_blocking = cell.waiting == Waiting::Block;
    let sleeps = cell.waiting == Waiting::Futex;
    let memory = || waiting::pair(cell.waiting, None);
    let (latencies, queued_share) = match cell.transport {
        Transport::Ring => {
            let (tx, rx) = contenders::ring()?;
            run.polled(tx, rx, memory()?)
        }
        Transport::Ringbuf => {
            let (tx, rx) = contenders::ringbuf();
            run.polled(tx, rx, memory()?)
        }
        Transport::Rtrb => {
            let (tx, rx) = contenders::rtrb();
            run.polled(tx, rx, memory()?)
        }
        Transport::Mutex => {
            let (tx, rx) = links::queue();
            if sleeps { run.native(tx, rx) } else { run.polled(tx, rx, memory()?) }
        }
        Transport::Std => {
            let (tx, rx) = links::std_channel();
            if sleeps { run.native(tx, rx) } else { run.polled(tx, rx, memory()?) }
        }
        Transport::Crossbeam => {
            let (tx, rx) = links::crossbeam();
            if sleeps { run.native(tx, rx) } else { run.polled(tx, rx, memory()?) }
        }
        Transport::Pipe => {
            let (tx, rx) = pipe::pipe_of(slots)?;
            let wait = waiting::pair(cell.waiting, Some(rx.as_fd()))?;
            if is_blocking { whole.native(tx, rx) } else { whole.polled(tx, rx, wait) }
        }
        Transport::UnixDatagram => {
            let (tx, rx) = links::unix(is_blocking)?;
            let wait = waiting::pair(cell.waiting, Some(rx.as_fd()))?;
            let (tx, rx) = (SocketTx::new(tx, slots), SocketRx::new(rx, slots));
            if is_blocking { whole.native(tx, rx) } else { whole.polled(tx, rx, wait) }
        }
        Transport::Udp => {
            let (tx, rx) = links::udp(is_blocking)?;
            let wait = waiting::pair(cell.waiting, Some(rx.as_fd()))?;
            let (tx, rx) = (SocketTx::new(tx, slots), SocketRx::new(rx, slots));
            if is_blocking { whole.native(tx, rx) } else { whole.polled(tx, rx, wait) }
        }
        Transport::Tokio if cell.waiting == Waiting::Task => {
            task::one_worker(schedule, slots, seats)
        }
        Transport::Tokio => task::across(schedule, slots, seats, limit),
    }?;
    let mut response = Histogram::new();
    for &latency in latencies.iter().skip(experiment.warm_up) {
        response.record(clock.ns(latency));
    }
    Ok((response, queued_share))
}

/// What all transports of a cell share.
#[derive(Clone, Copy)]
struct Run {
    schedule: Schedule,
    seats: Seats,
    limit: Duration,
    /// Sends that a message takes.
    pieces: usize,
}

/// Arrival minus intended instant of each message that came, ticks; and the share of time queued.
pub(super) type Outcome = Result<(Vec<u64>, f64), Failure>;

impl Run {
    /// The receiver asks, and waits where there is nothing.
    fn polled<T: Tx, R: Rx>(&self, tx: T, mut rx: R, (waker, waiter): (Waker, Waiter)) -> Outcome {
        let begin = move || {
            waiter.begin();
            move || {
                let taken = rx.try_take();
                if taken.is_none() {
                    waiter.wait();
                }
                taken
            }
        };
        self.over(tx, &waker, begin)
    }

    /// The receiver sleeps as the transport does it.
    fn native<T: Tx, R: Native>(&self, tx: T, mut rx: R) -> Outcome {
        self.over(tx, &Waker::None, move || move || rx.take())
    }

    /// `begin` is called on the receiver's thread, and gives what is asked for each message.
    fn over<T: Tx, F: FnMut() -> Option<Taken>>(
        &self,
        tx: T,
        waker: &Waker,
        begin: impl FnOnce() -> F + Send,
    ) -> Outcome {
        let (schedule, pieces) = (self.schedule, self.pieces);
        let is_done = AtomicBool::new(false);
        let is_done = &is_done;
        let send = move |gate: &Gate| {
            let mut tx = tx;
            paced(schedule, |payload| {
                let mut idle = 0_u32;
                for left in (0..pieces).rev() {
                    let piece = if left == 0 { *payload } else { [MORE; 7] };
                    while !tx.try_send(&piece) {
                        spin_loop();
                        idle += 1;
                        if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                            return None;
                        }
                    }
                }
                waker.wake();
                Some(())
            })?;
            // A datagram may be lost, so the end is said until it was heard.
            while !is_done.load(Ordering::Acquire) {
                tx.try_send(&[END; 7]);
                waker.wake();
                std::thread::sleep(Duration::from_micros(200));
                if gate.is_broken() {
                    return None;
                }
            }
            Some(())
        };
        let receive = move |gate: &Gate| {
            let mut next = begin();
            let mut latencies = touched(schedule.count);
            let (mut count, mut idle) = (0, 0_u32);
            loop {
                let Some(taken) = next() else {
                    idle = idle.wrapping_add(1);
                    if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                        return None;
                    }
                    continue;
                };
                black_box(taken.sum);
                if taken.first == MORE {
                    continue;
                }
                let arrival = ticks_ordered();
                if taken.first == END {
                    is_done.store(true, Ordering::Release);
                    latencies.truncate(count);
                    return Some(latencies);
                }
                if let Some(latency) = latencies.get_mut(count) {
                    *latency = arrival.saturating_sub(taken.first);
                    count += 1;
                }
            }
        };
        let ((), latencies, queued_share) = pair::run(self.seats, self.limit, send, receive)?;
        Ok((latencies, queued_share))
    }
}

impl Native for PipeRx {
    fn take(&mut self) -> Option<Taken> {
        PipeRx::take(self)
    }
}

/// Memory that was written once: counting into it takes no page fault.
pub(super) fn touched(count: usize) -> Vec<u64> {
    black_box(vec![1; count])
}

/// Spins until each message's instant, then sends it; open loop.
pub(super) fn paced(
    schedule: Schedule,
    mut send: impl FnMut(&Payload) -> Option<()>,
) -> Option<()> {
    let start = ticks() + 20 * schedule.period;
    for number in 0..schedule.count as u64 {
        let due = start + number * schedule.period;
        while ticks() < due {
            spin_loop();
        }
        send(&[due, number, !number, number, !number, number, !number])?;
    }
    Some(())
}
