//! `tickspin bench book`: what decoding and booking a message costs, beside a naive twin.
//!
//! | side | what a message costs |
//! |---|---|
//! | `walk` | length, type, and the fields of order messages |
//! | `decode` | bytes to the normalized event, all of it |
//! | `book` | decode and full book update, looking ahead as a replay can |
//! | `book_no_lookahead` | the same for messages that come singly |
//! | `naive` | decode, and books of the standard library's `HashMap` and `BTreeMap` |
//!
//! All sides are compiled alike and take turns, round after round, over the same day in memory: a
//! synthetic one that `feed-sim` beside this program makes, or a recording. Times are of the thread's
//! own CPU time, so another program on the core is not in them, though it cools the caches.
//! At the end of every round the books must be those of the naive twin, top for top, with as many
//! unknown orders; otherwise the bench fails.
//! Compare numbers of one report with one another, never with those of another run.

mod day; // the messages, in memory
mod report; // the table and the JSON object
mod sides; // what is measured

use crate::error::{Failure, Outcome, exit};
use crate::num::{median, span};
use crate::print;
use day::Day;
use indicatif::{ProgressBar, ProgressStyle};
use sides::{Books, Check, SIDES};
use std::path::PathBuf;
use tickspin_host::{cpu, process};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Messages of the synthetic day; with --file the first so many [default: 20000000, or all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// An ITCH 5.0 day in BinaryFILE framing instead, plain, gzip or zstd
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Seed of the synthetic day
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with = "file")]
    seed: u32,
    /// Instruments of the synthetic day
    #[arg(long, value_name = "N", default_value_t = 5_000, conflicts_with = "file",
        value_parser = clap::value_parser!(u16).range(1..=65_534))]
    instruments: u16,
    /// Rounds; each side once in each
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// The engine's books in 4 KiB pages
    #[arg(long)]
    small_pages: bool,
    /// The core to measure on; chosen as the engine's in `tickspin run` where not given
    #[arg(long, value_name = "CORE")]
    core: Option<usize>,
}

/// What all rounds gave.
struct Measured {
    /// By side, in the order of [`SIDES`]: CPU time of each round, ns a message.
    cpu_ns: Vec<Vec<f64>>,
    /// The same by the wall's clock.
    wall_ns: Vec<Vec<f64>>,
    check: Check,
    live_orders_peak: u64,
    symbols: usize,
    pages: String,
    book_bytes: usize,
    core: usize,
}

/// Runs the command.
///
/// # Errors
/// 1: the day cannot be read or made; 2: no such core; 3: the sides disagree, or orders were
/// refused; 4: no memory, no core, or `feed-sim` is not beside this program.
pub(super) fn run(args: &Args) -> Outcome {
    let day = match &args.file {
        Some(path) => Day::read(path, args.messages.unwrap_or(u64::MAX))?,
        None => Day::make(args.messages.unwrap_or(20_000_000), args.seed, args.instruments)?,
    };
    let facts = tickspin_host::facts::Facts::read();
    let core = match args.core {
        Some(core) => core,
        None => super::super::cores::plan(None)?.engine,
    };
    cpu::pin(core).map_err(|error| match args.core {
        Some(_) => Failure::usage(format_args!("--core: {error}")),
        None => Failure::environment(error),
    })?;
    let stolen_before = process::steal_ns(core).unwrap_or(0);
    let measured = measure(args, &day, core)?;
    let steal_ns = process::steal_ns(core).unwrap_or(0).saturating_sub(stolen_before);
    if args.json {
        print::json(&report::json(&measured, &day, &facts, steal_ns))?;
    } else {
        print::out(&report::table(&measured, &day, &facts, steal_ns))?;
    }
    Ok(exit::OK)
}

fn measure(args: &Args, day: &Day, core: usize) -> Result<Measured, Failure> {
    // The naive twin needs no capacity: it tells how much the others need, and what is right.
    let survey = sides::survey(day.bytes());
    let mut books = Books::new(&survey, !args.small_pages)?;
    let bar = ProgressBar::new(u64::from(args.rounds)).with_style(
        ProgressStyle::with_template("{bar:30} round {pos} of {len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut cpu_ns = vec![Vec::new(); SIDES.len()];
    let mut wall_ns = cpu_ns.clone();
    for _ in 0..args.rounds {
        for (at, side) in SIDES.iter().enumerate() {
            let round = books.run(*side, day.bytes());
            let each = |ns: u64| ns as f64 / day.messages() as f64;
            cpu_ns[at].push(each(round.cpu_ns));
            wall_ns[at].push(each(round.wall_ns));
            if let Some(check) = round.check
                && check != survey.check
            {
                let line =
                    format_args!("{}: {check}; the first pass: {}", side.name(), survey.check);
                return Err(Failure::new(exit::CHECK, line));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Measured {
        cpu_ns,
        wall_ns,
        check: survey.check,
        live_orders_peak: survey.live_orders_peak,
        symbols: survey.symbols,
        pages: books.pages(),
        book_bytes: books.bytes(),
        core,
    })
}

impl Measured {
    /// Median, lowest and highest round of a side, ns a message.
    fn spread(&self, name: &str) -> (f64, f64, f64) {
        let at = SIDES.iter().position(|side| side.name() == name).unwrap_or(0);
        let (low, high) = span(&self.cpu_ns[at]);
        (median(self.cpu_ns[at].clone()), low, high)
    }

    /// How many times faster than the naive twin.
    fn ratio(&self, name: &str) -> f64 {
        self.spread("naive").0 / self.spread(name).0.max(f64::MIN_POSITIVE)
    }
}
