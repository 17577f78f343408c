//! Which thread, which core, what waiting: settled before anything starts.
//!
//! A feed started alone does not know where its engine is pinned; it assumes the plan that the
//! engine, started alone on the same machine, would make ([`tickspin_host::cpu::plan`]).

use crate::ahead::{Prepared, Room};
use crate::config::{Config, WaitingWish};
use crate::error::SimError;
use crate::pace::Speed;
use tickspin_host::cpu::{self, CorePlan, CpuError};
use tickspin_host::facts::Facts;
use tickspin_results::table::grouped;

/// Events prepared ahead that nobody gave another number.
const AHEAD: usize = 1 << 20;
/// The same of a recording whose decoder would have no core but the pinned one's: 80 s at 100,000
/// a second, 640 MiB, three seconds of decoding before the start.
const AHEAD_SHARED: usize = 1 << 23;

/// What an idle turn of the pinned loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// One `pause`.
    Spin,
    /// One `sched_yield`: the named exception from "no system call".
    Yield,
}

impl Waiting {
    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Waiting::Spin => "spin",
            Waiting::Yield => "yield",
        }
    }
}

/// The checked plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Core of the pinned thread.
    pub core: usize,
    /// Cores of all other threads.
    pub cold: Vec<usize>,
    /// What an idle turn does.
    pub waiting: Waiting,
    /// SCHED_FIFO priority, where wished and allowed.
    pub fifo: Option<u8>,
    /// Events prepared before the start.
    pub room: Room,
    /// Why these cores.
    pub why: String,
    /// What a reader of the results must know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Settles what the configuration leaves open, on this machine.
    ///
    /// # Errors
    /// A core that is not to be had, SCHED_FIFO without a core left over.
    pub fn settle(config: &Config) -> Result<Plan, SimError> {
        let cores = pair(config.core)?;
        let cold = config.cold_cores.clone().unwrap_or_else(|| cores.cold.clone());
        if config.fifo.is_some() {
            cores.may_use_fifo()?;
        }
        let mut notes = Vec::new();
        let waiting = match config.waiting {
            WaitingWish::Yield => Waiting::Yield,
            WaitingWish::Auto | WaitingWish::Spin if cores.must_yield => {
                notes.push(format!(
                    "feed and engine share core {}: the loop yields in each idle turn (system \
                     calls), and latencies are those of the scheduler",
                    cores.feed
                ));
                Waiting::Yield
            }
            WaitingWish::Auto | WaitingWish::Spin => Waiting::Spin,
        };
        let (core, fifo, why) = (cores.feed, config.fifo, cores.why);
        let room = match config.ahead {
            Some(ahead) => Room::of(ahead as usize),
            None if cold.iter().any(|&one| one != core) => Room::of(AHEAD),
            None => Room { light: AHEAD, most: shared_room(Facts::read().memory_bytes) },
        };
        Ok(Plan { core, cold, waiting, fifo, room, why, notes })
    }

    /// Cold threads have no core but the pinned one's.
    #[must_use]
    pub fn shares_core(&self) -> bool {
        self.cold.iter().all(|&cold| cold == self.core)
    }

    /// The plan as text, each line behind `lead`.
    #[must_use]
    pub fn text(&self, config: &Config, source: &str, lead: &str) -> String {
        let speed = match config.speed {
            Speed::Max => "as fast as the ring takes them".to_owned(),
            Speed::Times(times) => format!("at {times} times the schedule"),
        };
        let priority = match self.fifo {
            Some(priority) => format!("SCHED_FIFO {priority}"),
            None => "ordinary scheduling".to_owned(),
        };
        let mut lines = vec![
            ("run", format!("{}: {source}", config.name)),
            ("pace", format!("{speed}, policy {}", config.policy_name())),
            (
                "pinned",
                format!("tickspin-feed on core {}, {}, {priority}", self.core, self.waiting.name()),
            ),
            ("cold", format!("main on {:?}, at most ten wakes a second", self.cold)),
            (
                "ahead",
                format!(
                    "{} events prepared before the start; what a recording has beyond is decoded \
                     on {:?}{}",
                    grouped(self.room.most as u64),
                    self.cold,
                    if self.shares_core() {
                        ", the pinned core: the certificate counts those gaps as our own"
                    } else {
                        ""
                    }
                ),
            ),
            ("cores", self.why.clone()),
            (
                "rings",
                format!(
                    "events {} ({} slots), requests in, reports out ({} slots)",
                    if config.packets.is_some() { "as packets" } else { "out" },
                    grouped(config.ring_slots.into()),
                    grouped(config.report_slots.into())
                ),
            ),
        ];
        lines.extend(config.packets.as_ref().map(|packets| ("packets", packets.to_string())));
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        lines.iter().map(|(name, line)| format!("{lead}{name:<7} {line}\n")).collect()
    }
}

/// A quarter of the memory at most: the queue, and as much again until it is filled.
fn shared_room(memory_bytes: u64) -> usize {
    let fits = usize::try_from(memory_bytes / 8).unwrap_or(usize::MAX) / size_of::<Prepared>();
    let is_room = |room: &usize| *room <= fits;
    (AHEAD.ilog2()..=AHEAD_SHARED.ilog2()).rev().map(|lg| 1 << lg).find(is_room).unwrap_or(AHEAD)
}

/// Our core and the engine's. A wished core of ours leaves the engine the best of the others.
fn pair(wished: Option<usize>) -> Result<CorePlan, CpuError> {
    let chosen = cpu::plan(None)?;
    match wished {
        None => Ok(chosen),
        Some(feed) if feed == chosen.feed => Ok(chosen),
        Some(feed) => {
            let engine = if feed == chosen.engine { chosen.feed } else { chosen.engine };
            cpu::plan(Some((feed, engine)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Flags;

    #[test]
    fn the_wished_core_is_taken_and_cold_threads_have_somewhere_to_go() {
        let free = Plan::settle(&Config::load(&Flags::default()).unwrap().0).unwrap();
        assert!(!free.cold.is_empty());
        for core in cpu::cores().unwrap().into_iter().filter(|core| core.allowed) {
            let flags = Flags { core: Some(core.id as u32), ..Flags::default() };
            let plan = Plan::settle(&Config::load(&flags).unwrap().0).unwrap();
            assert_eq!(plan.core, core.id);
        }
        let flags = Flags { core: Some(4_000), ..Flags::default() };
        let error = Plan::settle(&Config::load(&flags).unwrap().0).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
    }

    #[test]
    fn where_the_decoder_has_no_core_most_is_prepared_before_the_start_as_far_as_memory_goes() {
        assert_eq!(shared_room(64 << 30), AHEAD_SHARED);
        assert_eq!(shared_room(2 << 30), AHEAD_SHARED / 4);
        assert_eq!(shared_room(0), AHEAD);
        let flags = Flags { ahead: Some(64), ..Flags::default() };
        let plan = Plan::settle(&Config::load(&flags).unwrap().0).unwrap();
        assert_eq!(plan.room, Room::of(64));
    }
}
