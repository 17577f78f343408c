//! The pinned thread: its life before and after the loop.
//!
//! ```text
//!   pin, priority, stack ─► waits until the engine is armed ─► ARMED ─► (usage sampled)
//!     ─► the loop ─► DISARMED ─► (usage sampled) ─► outcome
//! ```

use crate::control::{Control, Mark, Order};
use crate::error::SimError;
use crate::plan::Waiting;
use crate::sink::Sink;
use crate::spin::{Outcome, Spinner};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tickspin_host::process::thread_id;
use tickspin_host::wait::{Spin, Wait, Yield};
use tickspin_host::{cpu, memory};
use tickspin_ring::State;

/// Stack touched before arming: the loop's deepest call needs a few KiB.
const PREFAULT_BYTES: usize = 128 << 10;
/// Stack of the thread: a locked one is populated whole.
const STACK_BYTES: usize = 1 << 20;
/// Between two looks at the engine's state, before anything is measured.
const LOOK: Duration = Duration::from_millis(1);

/// Where and how the thread runs.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Its core.
    pub core: usize,
    /// What an idle turn does.
    pub waiting: Waiting,
    /// SCHED_FIFO priority.
    pub fifo: Option<u8>,
    /// Until when the engine has to be armed.
    pub armed_by: Instant,
}

/// How the thread ended.
pub enum Done {
    /// The loop ran.
    Ran(Box<Outcome>),
    /// The engine was not armed in time.
    NotArmed,
    /// The engine halted before anything was sent.
    PeerGone,
    /// Cold asked before anything was sent.
    Asked,
}

/// The running thread.
pub type Handle = JoinHandle<Result<Done, SimError>>;

/// Starts it.
///
/// # Errors
/// No thread is to be had.
pub fn start<S: Sink + Send + 'static>(
    spinner: Spinner<S>,
    terms: Terms,
) -> Result<Handle, SimError> {
    thread::Builder::new()
        .name("tickspin-feed".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || work(spinner, terms))
        .map_err(|source| SimError::System { doing: "start a thread", source })
}

fn work<S: Sink>(spinner: Spinner<S>, terms: Terms) -> Result<Done, SimError> {
    cpu::pin(terms.core)?;
    if let Some(priority) = terms.fifo {
        cpu::fifo(priority)?;
    }
    memory::prefault_stack(PREFAULT_BYTES);
    memory::prefault_image();
    let control = Arc::clone(&spinner.control);
    control.set_thread(thread_id());
    loop {
        match spinner.exchange.peer_state() {
            Some(State::Run) => break,
            Some(State::Halt | State::Fail) => return Ok(Done::PeerGone),
            Some(State::Boot) | None => {}
        }
        if control.order() != Order::None {
            return Ok(Done::Asked);
        }
        if Instant::now() > terms.armed_by {
            return Ok(Done::NotArmed);
        }
        thread::sleep(LOOK);
    }
    Ok(Done::Ran(Box::new(match terms.waiting {
        Waiting::Spin => armed(spinner, &control, &mut Spin),
        Waiting::Yield => armed(spinner, &control, &mut Yield),
    })))
}

fn armed<S: Sink, W: Wait>(mut spinner: Spinner<S>, control: &Control, wait: &mut W) -> Outcome {
    meet(control, Mark::Armed, wait);
    let finish = spinner.run(wait);
    meet(control, Mark::Disarmed, wait);
    spinner.outcome(finish)
}

/// Waits, as the loop does, until cold has taken its samples at `mark`.
fn meet<W: Wait>(control: &Control, mark: Mark, wait: &mut W) {
    control.reach(mark);
    while !control.has_passed(mark) {
        wait.idle();
    }
}
