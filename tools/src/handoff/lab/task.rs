//! Async tasks of `tokio`: on one worker, and woken across threads.

use super::super::pair::{self, Gate, Seats};
use super::cell::{MORE, Outcome, Schedule, paced, touched};
use crate::error::Failure;
use std::hint::spin_loop;
use std::time::{Duration, Instant};
use tickspin_host::clock::{ticks, ticks_ordered};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, channel};

/// Messages that a channel holds, as the rings do.
const SLOTS: usize = 65_536;

fn runtime() -> Result<Runtime, Failure> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Failure::environment(format_args!("tokio: {error}")))
}

/// Sender and receiver are tasks of one worker: the sender spins until the instant, sends, and lets
/// the other one run. No thread is woken, so this is what a task costs by itself.
pub(super) fn one_worker(schedule: Schedule, slots: usize, seats: Seats) -> Outcome {
    let work = move || -> Outcome {
        pair::sit(seats.cores.1, seats.priority)?;
        let (began, queued_before_ns) = (Instant::now(), pair::queued_ns());
        let runtime = runtime()?;
        let (tx, rx) = channel::<[u64; 8]>(SLOTS);
        let receiver = runtime.spawn(collect(rx, schedule.count));
        let latencies = runtime.block_on(async move {
            let sender = tokio::spawn(async move {
                let start = ticks() + 20 * schedule.period;
                for number in 0..schedule.count as u64 {
                    let due = start + number * schedule.period;
                    while ticks() < due {
                        spin_loop();
                    }
                    for left in (0..slots).rev() {
                        let first = if left == 0 { due } else { MORE };
                        if tx.send([first, number, 0, 0, 0, 0, 0, 0]).await.is_err() {
                            return;
                        }
                    }
                    tokio::task::yield_now().await;
                }
            });
            let failed = |error| Failure::failed(format_args!("tokio: {error}"));
            sender.await.map_err(failed)?;
            receiver.await.map_err(failed)
        })?;
        let queued_ns = pair::queued_ns().saturating_sub(queued_before_ns);
        Ok((latencies, queued_ns as f64 / began.elapsed().as_nanos().max(1) as f64))
    };
    std::thread::scope(|scope| {
        let panicked = |_| Err(Failure::failed("a measuring thread panicked"));
        scope.spawn(work).join().unwrap_or_else(panicked)
    })
}

/// A thread sends, a task on another core's worker receives: each message wakes the worker if it
/// sleeps, as whatever comes from outside a runtime does.
pub(super) fn across(schedule: Schedule, slots: usize, seats: Seats, limit: Duration) -> Outcome {
    let runtime = runtime()?;
    let (tx, rx) = channel::<[u64; 8]>(SLOTS);
    let send = move |gate: &Gate| {
        let sent = paced(schedule, |payload| {
            let [due, number, ..] = *payload;
            let mut idle = 0_u32;
            for left in (0..slots).rev() {
                let first = if left == 0 { due } else { MORE };
                while tx.try_send([first, number, 0, 0, 0, 0, 0, 0]).is_err() {
                    spin_loop();
                    idle += 1;
                    if idle.is_multiple_of(1 << 14) && gate.is_broken() {
                        return None;
                    }
                }
            }
            Some(())
        });
        // Its end is dropped here, which ends the receiver.
        drop(tx);
        sent
    };
    let receive = move |_: &Gate| Some(runtime.block_on(collect(rx, schedule.count)));
    let ((), latencies, queued_share) = pair::run(seats, limit, send, receive)?;
    Ok((latencies, queued_share))
}

async fn collect(mut rx: Receiver<[u64; 8]>, most: usize) -> Vec<u64> {
    let mut latencies = touched(most);
    let mut count = 0;
    while let Some(words) = rx.recv().await {
        if words[0] == MORE {
            continue;
        }
        let arrival = ticks_ordered();
        if let Some(latency) = latencies.get_mut(count) {
            *latency = arrival.saturating_sub(words[0]);
            count += 1;
        }
    }
    latencies.truncate(count);
    latencies
}
