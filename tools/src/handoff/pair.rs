//! Two pinned threads that meet, and neither waits for ever.

use crate::error::Failure;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_host::{cpu, process};

/// Where the two threads sit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seats {
    /// Core of the first and of the second.
    pub(super) cores: (usize, usize),
    /// SCHED_FIFO priority of both; 0: ordinary scheduling.
    pub(super) priority: u8,
}

impl From<(usize, usize)> for Seats {
    fn from(cores: (usize, usize)) -> Seats {
        Seats { cores, priority: 0 }
    }
}

/// Pins the calling thread, with its priority.
pub(super) fn sit(core: usize, priority: u8) -> Result<(), Failure> {
    cpu::pin(core).map_err(Failure::environment)?;
    if priority > 0 {
        cpu::fifo(priority).map_err(Failure::environment)?;
    }
    Ok(())
}

/// Where the two threads meet, and where each learns that it waits in vain.
pub(super) struct Gate {
    arrived: AtomicUsize,
    is_broken: AtomicBool,
    deadline: Instant,
}

impl Gate {
    /// The other thread has failed, or the time is up. Asked once in many idle turns.
    #[cold]
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    /// Pins the calling thread, waits until the other one is pinned too, and goes on with `body`.
    /// Returns its result and the share of the time in which the thread wanted its core in vain.
    fn pass<T>(
        &self,
        core: usize,
        priority: u8,
        body: impl FnOnce(&Gate) -> Option<T>,
    ) -> Result<(T, f64), Failure> {
        let pledge = Pledge(self);
        sit(core, priority)?;
        self.arrived.fetch_add(1, Ordering::Relaxed);
        while self.arrived.load(Ordering::Relaxed) < 2 && !self.is_broken() {
            thread::yield_now();
        }
        let began = Instant::now();
        let queued_before_ns = queued_ns();
        let done = body(self).ok_or_else(|| {
            Failure::environment(format_args!(
                "core {core} waited in vain for the other one: something else keeps it busy"
            ))
        })?;
        std::mem::forget(pledge);
        let queued_ns = queued_ns().saturating_sub(queued_before_ns);
        Ok((done, queued_ns as f64 / began.elapsed().as_nanos().max(1) as f64))
    }
}

/// How long the calling thread was ready to run and had no core, since it began.
pub(super) fn queued_ns() -> u64 {
    process::thread_usage(process::thread_id()).map_or(0, |usage| usage.queued_ns)
}

/// Breaks the gate when its thread ends early, by an error or a panic.
struct Pledge<'a>(&'a Gate);

impl Drop for Pledge<'_> {
    fn drop(&mut self) {
        self.0.is_broken.store(true, Ordering::Relaxed);
    }
}

/// Runs `first` on the first seat's core and `second` on the second's, for at most `limit`. The calling thread
/// waits without spinning. A body gives `None` when it finds the gate broken.
///
/// The number beside the results is the larger share of its time that one of the threads was kept
/// off its core by something else, 0 to 1.
///
/// # Errors
/// Exit code 4: a core is not to be had, both are one, or the time was up.
pub(super) fn run<A: Send, B: Send>(
    seats: impl Into<Seats>,
    limit: Duration,
    first: impl FnOnce(&Gate) -> Option<A> + Send,
    second: impl FnOnce(&Gate) -> Option<B> + Send,
) -> Result<(A, B, f64), Failure> {
    let Seats { cores, priority } = seats.into();
    if cores.0 == cores.1 {
        return Err(Failure::environment(format_args!(
            "a hand-over needs two cores, and core {} is only one",
            cores.0
        )));
    }
    let gate = Gate {
        arrived: AtomicUsize::new(0),
        is_broken: AtomicBool::new(false),
        deadline: Instant::now() + limit,
    };
    let gate = &gate;
    thread::scope(|scope| {
        let first = scope.spawn(move || gate.pass(cores.0, priority, first));
        let second = scope.spawn(move || gate.pass(cores.1, priority, second));
        let panicked = |_| Err(Failure::failed("a measuring thread panicked"));
        let (first, second) = (
            first.join().unwrap_or_else(panicked),
            second.join().unwrap_or_else(|_| Err(Failure::failed("a measuring thread panicked"))),
        );
        let ((first, first_share), (second, second_share)) = (first?, second?);
        Ok((first, second, first_share.max(second_share)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_is_refused() {
        let error = run((0, 0), Duration::from_secs(1), |_| Some(()), |_| Some(())).unwrap_err();
        assert!(error.message.contains("two cores"), "{error}");
    }

    #[test]
    fn who_waits_in_vain_is_told() {
        let forever = |gate: &Gate| -> Option<()> {
            while !gate.is_broken() {
                thread::yield_now();
            }
            None
        };
        let began = Instant::now();
        // A core that no machine has: the thread that was to sit there never comes.
        let error = run((0, 100_000), Duration::from_secs(20), forever, forever).unwrap_err();
        assert_eq!(error.exit, crate::error::exit::ENVIRONMENT);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
