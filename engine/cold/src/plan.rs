//! Which thread, which core, which ring, how much memory: settled before anything starts.
//!
//! ```text
//!   core of the feed          core of the engine
//!   feed's spinner            tickspin-hot (pinned)
//!   all cold threads ◄──┐
//!                       └── unless a core is left over: then they go there
//! ```
//!
//! An engine started alone does not know where its feed is pinned; it assumes the plan that the
//! feed, started alone on the same machine, would make ([`tickspin_host::cpu::plan`]).

use crate::config::{Config, InputName, Strategy, WaitingWish};
use crate::error::EngineError;
use tickspin_host::cpu::{self, CorePlan, CpuError};
use tickspin_hot::orders::table_len;
use tickspin_results::table::grouped;

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
    /// Entries of the table of own orders.
    pub own_orders: usize,
    /// Bytes of all tables.
    pub table_bytes: usize,
    /// Hash of the limits in force.
    pub limits_hash: String,
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
    pub fn settle(config: &Config) -> Result<Plan, EngineError> {
        let cores = pair(config.cores.engine.given().copied())?;
        let cold = match config.cores.cold.given() {
            Some(wished) => wished.clone(),
            None => cores.cold.clone(),
        };
        let fifo = match config.cores.fifo_priority {
            0 => None,
            priority => {
                cores.may_use_fifo()?;
                Some(priority)
            }
        };
        let mut notes = Vec::new();
        let waiting = match config.cores.waiting {
            WaitingWish::Yield => Waiting::Yield,
            WaitingWish::Auto | WaitingWish::Spin if cores.must_yield => {
                notes.push(format!(
                    "feed and engine share core {}: the loop yields in each idle turn (system \
                     calls), and latencies are those of the scheduler",
                    cores.engine
                ));
                Waiting::Yield
            }
            WaitingWish::Auto | WaitingWish::Spin => Waiting::Spin,
        };
        if cold.contains(&cores.engine) && !cores.must_yield {
            notes.push(format!(
                "cold threads may run on core {}, the pinned thread's own",
                cores.engine
            ));
        }
        notes.extend(quotes_against_limits(config));
        let own_orders = table_len(config.risk.open_orders_max as usize);
        let tables = crate::tables::bytes(&config.books.size(), own_orders);
        Ok(Plan {
            core: cores.engine,
            cold,
            waiting,
            fifo,
            own_orders,
            table_bytes: tables,
            limits_hash: config.risk.hash(),
            why: cores.why,
            notes,
        })
    }

    /// The plan as lines of a name and a sentence.
    #[must_use]
    pub fn lines(&self, config: &Config) -> Vec<(&'static str, String)> {
        let books = &config.books;
        let wished = |wish: bool, yes: &str, no: &str| (if wish { yes } else { no }).to_owned();
        let priority = match self.fifo {
            Some(priority) => format!("SCHED_FIFO {priority}"),
            None => "ordinary scheduling".to_owned(),
        };
        let (strategy, stamps) = (config.run.strategy.name(), config.run.stamps.name());
        let mut lines = vec![
            ("run", format!("{}: {strategy}, stamps {stamps}", config.run.name)),
            (
                "pinned",
                format!("tickspin-hot on core {}, {}, {priority}", self.core, self.waiting.name()),
            ),
            ("cold", format!("main on {:?}, at most ten wakes a second", self.cold)),
            ("cores", self.why.clone()),
            (
                "rings",
                format!(
                    "{}, requests out ({} slots), reports in",
                    match config.packets.input {
                        InputName::Ring => "events in".to_owned(),
                        input => format!(
                            "events in by packets ({} on {})",
                            input.name(),
                            config.packets.interface
                        ),
                    },
                    grouped(u64::from(config.rings.requests_slots))
                ),
            ),
            (
                "tables",
                format!(
                    "{} instruments, {} orders, {} levels, {} own orders: {} MiB",
                    grouped(books.instruments as u64),
                    grouped(books.orders as u64),
                    grouped(books.levels as u64),
                    grouped(u64::from(config.risk.open_orders_max)),
                    self.table_bytes.div_ceil(1 << 20)
                ),
            ),
            (
                "memory",
                format!(
                    "prefaulted, {}, {}",
                    wished(config.memory.lock, "locked", "not locked"),
                    wished(config.memory.huge_pages, "2 MiB pages asked for", "4 KiB pages")
                ),
            ),
            ("limits", format!("SHA-256 {}", self.limits_hash)),
        ];
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        lines
    }

    /// The same as text, each line behind `lead`.
    #[must_use]
    pub fn text(&self, config: &Config, lead: &str) -> String {
        let lines = self.lines(config);
        lines.iter().map(|(name, line)| format!("{lead}{name:<7} {line}\n")).collect()
    }
}

/// Quotes that the gate would refuse: allowed, since the gate is right, but never meant.
fn quotes_against_limits(config: &Config) -> Vec<String> {
    let (quotes, risk) = (&config.quotes, &config.risk);
    if config.run.strategy != Strategy::MarketMaker {
        return Vec::new();
    }
    let mut notes = Vec::new();
    if quotes.qty > risk.order_qty_max {
        notes.push(format!(
            "quotes.qty {} is above risk.order_qty_max {}: every quote will be refused",
            quotes.qty, risk.order_qty_max
        ));
    }
    // The quote and its replacement are both open until the answer.
    let worst = quotes.position_qty_max.saturating_add(quotes.qty);
    if worst > risk.position_qty_max {
        notes.push(format!(
            "quotes.position_qty_max + quotes.qty is {worst}, above risk.position_qty_max {}: \
             replacements will be refused near the limit",
            risk.position_qty_max
        ));
    }
    notes
}

/// The feed's core and ours. A wished core of ours leaves the feed the best of the others.
fn pair(wished: Option<usize>) -> Result<CorePlan, CpuError> {
    let chosen = cpu::plan(None)?;
    match wished {
        None => Ok(chosen),
        Some(engine) if engine == chosen.engine => Ok(chosen),
        Some(engine) => {
            let feed = if engine == chosen.feed { chosen.engine } else { chosen.feed };
            cpu::plan(Some((feed, engine)))
        }
    }
}
