//! `tickspin ring`: runs that are alive on this host, and what is in their rings. Read-only.
//!
//! A run is alive where a lock is held, whatever its files say; entries of dead runs are removed
//! on the way, and said. Numbers come from segments that the run's own processes write.
//! It costs a run one answered connection of its cold thread, and cache lines that are read while
//! they are written: do not look ten times a second at a run whose tail you want to quote.

mod list; // ls: one line a run
mod show; // show: headers, live words, counters, latest slots
mod slots; // a slot's words as an event, a request, a report

use crate::error::{Failure, Outcome, exit, meet};
use tickspin_ring::MeetError;
use tickspin_ring::rendezvous::{Role, RunEntry, RuntimeDir};

/// What to look at.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Runs alive on this host: processes, states, depth, rate, heartbeats
    Ls {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// One run: headers, live words, depth, counters of both processes, latest slots
    Show {
        /// Name of the run
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Slots to show of each ring
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: no live run of that name; 2: not a name; 4: the runtime directory is not ours.
pub fn run(args: &Args) -> Outcome {
    let dir = RuntimeDir::open().map_err(|error| meet(&error))?;
    match &args.what {
        What::Ls { json } => list::run(&dir, *json)?,
        What::Show { name, json, limit } => show::run(&dir, name, *json, *limit)?,
    }
    Ok(exit::OK)
}

/// The entry of one run, whoever of its two processes is alive.
fn entry(dir: &RuntimeDir, name: &str) -> Result<RunEntry, Failure> {
    let owner = |role| dir.owner(name, role).map_err(|error| meet(&error));
    let entry =
        RunEntry { name: name.to_owned(), feed: owner(Role::Feed)?, engine: owner(Role::Engine)? };
    if entry.feed.is_none() && entry.engine.is_none() {
        return Err(meet(&MeetError::NoSuchRun(name.to_owned())));
    }
    Ok(entry)
}
