//! The command line. Every flag that has a key in the configuration overrides it.

use crate::config::{InputName, Stamps, Strategy, XdpMode};
use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;
use tickspin_results::slow::parse_over;

/// Reads ticks from a feed's ring, keeps the books, quotes, and records where the time went.
///
/// Waits for a feed of the same name, runs until the feed ends, dies or a signal comes, and leaves
/// engine.json, engine.hlog and one .hgrm a stage.
#[derive(Debug, Parser)]
#[command(name = "engine", version = env!("TICKSPIN_BUILD"), max_term_width = 100)]
pub struct Args {
    /// Name of the run: the feed with the same name is the peer [default: default]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Core of the pinned thread; without it one is chosen
    #[arg(long, value_name = "CORE")]
    pub core: Option<usize>,

    /// Cores of all other threads, comma-separated; without it those that the spinners leave
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub cold_cores: Vec<usize>,

    /// Give the core away in every idle turn (spinners that share one core)
    #[arg(long = "yield")]
    pub yields: bool,

    /// What answers the ticks
    #[arg(long, value_enum)]
    pub strategy: Option<Strategy>,

    /// Time every stage, or only both ends of the work
    #[arg(long, value_enum)]
    pub stamps: Option<Stamps>,

    /// Keep the cause of ticks that take so long: 2us to 1s, or off [default: 5us]
    #[arg(long, value_name = "TIME|off", value_parser = parse_over)]
    pub slow: Option<u64>,

    /// What brings the events: the feed's ring, or its packets [default: ring]
    #[arg(long, value_enum)]
    pub input: Option<InputName>,

    /// Interface that the packets come in by
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Group and port of line A
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub line_a: Option<String>,

    /// Group and port of line B, or none
    #[arg(long, value_name = "ADDRESS:PORT|none")]
    pub line_b: Option<String>,

    /// Where lost packets are asked for, or none
    #[arg(long, value_name = "ADDRESS:PORT|none")]
    pub recovery: Option<String>,

    /// Where the AF_XDP program runs
    #[arg(long, value_enum)]
    pub xdp_mode: Option<XdpMode>,

    /// Become this user once the packets' sockets are open
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Configuration; without it the compiled-in default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the configuration in force and the plan as a comment, then leave
    #[arg(long)]
    pub print_config: bool,

    /// Longest wait for the feed, as 500ms, 30s or 5m [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub wait_feed: Option<Duration>,

    /// Run the pinned thread with SCHED_FIFO at this priority, 1 to 99
    #[arg(long, value_name = "PRIO", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub fifo: Option<u8>,

    /// Lock all memory (mlockall)
    #[arg(long)]
    pub lock_memory: bool,

    /// Ask for 2 MiB pages for tables and rings
    #[arg(long)]
    pub huge_pages: bool,

    /// Folder for the result files [default: tickspin-runs/TIME-NAME]
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Overwrite result files
    #[arg(long)]
    pub force: bool,

    /// Print one JSON object instead of plan and table
    #[arg(long)]
    pub json: bool,

    /// Length of one interval of engine.hlog [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub interval: Option<Duration>,

    /// Print the build id alone and leave: programs of different builds refuse to meet
    #[arg(long)]
    pub build_id: bool,
}

/// `500ms`, `30s`, `5m`; a whole number, 1 ms to 1,000 hours.
///
/// # Errors
/// One line with the rule.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    const RULE: &str = "a whole number with a unit: 500ms, 30s, 5m";
    const LONGEST_MS: u64 = 1_000 * 3_600_000;
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(RULE)?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(RULE.to_owned()),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    match ms {
        Some(ms @ 1..=LONGEST_MS) => Ok(Duration::from_millis(ms)),
        _ => Err(format!("{RULE}; 1ms to 60000m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn times_need_a_unit_and_are_bounded() {
        for (text, ms) in [("1ms", 1), ("30s", 30_000), ("5m", 300_000), ("60000m", 3_600_000_000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(ms)));
        }
        for text in ["", "s", "0s", "-1s", "1.5s", "30", "1h", "99999999999999999999s", "60001m"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
