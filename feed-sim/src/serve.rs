//! What the main thread does beside the loop: serves visitors, samples what the kernel does to the
//! pinned thread, looks whether the engine is alive, passes signals on.
//!
//! At most ten wakes a second once the thread is armed: on two cores the main thread shares the
//! pinned one's.

use crate::config::Config;
use crate::control::{Control, Mark, Order};
use crate::error::SimError;
use crate::keep::Keep;
use crate::pinned::{Done, Handle};
use crate::plan::Plan;
use crate::run::say;
use crate::segments::Offer;
use crate::spin::Outcome;
use crate::watch::{Engine, Watch};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickspin_host::process::{self, ThreadUsage};
use tickspin_results::summary::Usage;
use tickspin_ring::region::Received;
use tickspin_ring::rendezvous::{Listener, Served};

/// Between two wakes of the main thread: ten a second are few enough to share a spinner's core.
const WAKE: Duration = Duration::from_millis(100);
/// The same while nothing is measured.
const START_WAKE: Duration = Duration::from_millis(5);

/// What the main thread serves and watches.
pub struct Main<'a> {
    /// In force.
    pub config: &'a Config,
    /// Our segments.
    pub offer: Offer,
    /// Where visitors come.
    pub listener: Listener,
    /// The pinned thread's ear.
    pub control: Arc<Control>,
}

/// What is left of a run that was armed.
pub struct Ran {
    /// Of the loop.
    pub outcome: Outcome,
    /// What the kernel did to the pinned thread between the marks.
    pub usage: Usage,
    /// The engine was seen to be dead.
    pub has_died: bool,
}

/// What the kernel did so far: to the pinned thread, to its core, to the whole process.
#[derive(Clone, Copy, Default)]
struct Sample {
    thread: ThreadUsage,
    steal_ns: u64,
    process_cpu_ns: u64,
}

impl Sample {
    fn take(control: &Control, core: usize) -> Sample {
        let thread = control.thread().and_then(|id| process::thread_usage(id).ok());
        Sample {
            thread: thread.unwrap_or_default(),
            steal_ns: process::steal_ns(core).unwrap_or(0),
            process_cpu_ns: process::process_cpu_ns(),
        }
    }

    fn usage_since(&self, armed: &Sample, plan: &Plan) -> Usage {
        let thread = self.thread.since(&armed.thread);
        let all_ns = self.process_cpu_ns.saturating_sub(armed.process_cpu_ns);
        Usage {
            core: plan.core,
            waiting: plan.waiting.name().to_owned(),
            minor_faults: thread.minor_faults,
            major_faults: thread.major_faults,
            involuntary_switches: thread.involuntary_switches,
            voluntary_switches: thread.voluntary_switches,
            steal_ns: self.steal_ns.saturating_sub(armed.steal_ns),
            largest_gap_ns: 0,
            cold_cpu_ns: all_ns.saturating_sub(thread.cpu_ns),
        }
    }
}

impl Main<'_> {
    /// One visitor, or the time.
    fn serve(&mut self, timeout: Duration) -> Result<Served, SimError> {
        let served = self.listener.serve(timeout, &self.offer.shares());
        served.map_err(|source| SimError::Meet { run: self.config.name.clone(), source })
    }

    /// Serves until the engine attached: bounded, and by a signal.
    ///
    /// # Errors
    /// It did not come, a signal did, or the listener failed.
    pub fn wait_for_engine(&mut self, until: Instant) -> Result<Vec<Received>, SimError> {
        loop {
            match self.serve(WAKE)? {
                Served::Attached(received) => return Ok(received),
                Served::Refused(why) => say(&format_args!("sent a visitor away: {why}")),
                Served::Nothing | Served::Observed => {}
            }
            if process::stop_signal() != 0 {
                return Err(SimError::Signal(process::stop_signal()));
            }
            if Instant::now() >= until {
                return Err(self.no_engine(false));
            }
        }
    }

    fn no_engine(&self, is_attached: bool) -> SimError {
        let after_ms = u64::try_from(self.config.wait_peer.as_millis()).unwrap_or(u64::MAX);
        SimError::NoEngine { run: self.config.name.clone(), after_ms, is_attached }
    }

    /// From the pinned thread's start to its end: at most ten wakes a second once it is armed.
    ///
    /// # Errors
    /// Nothing was sent: the thread could not be pinned, or the engine was not armed.
    pub fn watch(
        &mut self,
        handle: Handle,
        watch: &mut Watch,
        keep: &mut Keep,
        plan: &Plan,
    ) -> Result<Ran, SimError> {
        let control = Arc::clone(&self.control);
        let mut armed = None;
        let mut usage = Usage::default();
        let mut has_died = false;
        while !handle.is_finished() {
            control.begin_cold_work();
            match (control.mark(), &armed) {
                (Mark::Armed, None) => {
                    armed = Some(Sample::take(&control, plan.core));
                    control.pass(Mark::Armed);
                    control.end_cold_work();
                    continue;
                }
                (Mark::Disarmed, armed) if !control.has_passed(Mark::Disarmed) => {
                    let now = Sample::take(&control, plan.core);
                    usage = now.usage_since(&armed.unwrap_or_default(), plan);
                    control.pass(Mark::Disarmed);
                }
                _ => {}
            }
            let wake = if control.mark() == Mark::Armed { WAKE } else { START_WAKE };
            control.end_cold_work();
            let served = self.serve(wake);
            control.begin_cold_work();
            // A listener that fails is no reason to end a run.
            if let Ok(Served::Refused(why)) = served {
                say(&format_args!("sent a visitor away: {why}"));
            }
            if armed.is_some() {
                keep.tick();
            }
            if process::stop_signal() != 0 {
                control.ask(Order::End);
            }
            if !has_died && watch.look() == Engine::Died {
                has_died = true;
                control.ask(Order::Abandon);
            }
            control.end_cold_work();
        }
        let defect = || io::Error::other("it panicked: a defect of ours");
        let done = handle
            .join()
            .map_err(|_| SimError::System { doing: "run the pinned thread", source: defect() })??;
        match done {
            Done::Ran(outcome) => Ok(Ran { outcome: *outcome, usage, has_died }),
            Done::NotArmed => Err(self.no_engine(true)),
            Done::Asked if !has_died => Err(SimError::Signal(process::stop_signal())),
            Done::PeerGone | Done::Asked => Err(SimError::Foreign {
                segment: "process".to_owned(),
                why: "it was gone before it was armed; see its own messages".to_owned(),
            }),
        }
    }
}
