//! The command line. Every flag that has a key in the configuration overrides it.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use std::path::PathBuf;

/// Paces ticks into an engine's ring and answers its orders.
///
/// Waits for an engine of the same name, runs to the end of the source, until the engine leaves or
/// a signal comes, and leaves feed.json, feed.hlog and one .hgrm a stage.
#[derive(Debug, Parser)]
#[command(name = "feed-sim", version = env!("TICKSPIN_BUILD"), max_term_width = 100)]
pub struct Args {
    /// Where the ticks come from
    #[command(subcommand)]
    pub source: Option<SourceArgs>,

    /// Print the build id alone and leave: programs of different builds refuse to meet
    #[arg(long)]
    pub build_id: bool,
}

/// Where the ticks come from.
#[derive(Debug, Subcommand)]
pub enum SourceArgs {
    /// A synthetic market, seeded, same seed same bytes; with --format a file instead of a run
    Synth {
        /// A file instead of a run
        #[command(flatten)]
        day: DayArgs,
        /// Everything else
        #[command(flatten)]
        flags: Flags,
    },
    /// Recordings of any format we know, found by what they contain; several merged by venue time
    Replay {
        /// The recordings
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Everything else
        #[command(flatten)]
        flags: Flags,
    },
}

impl SourceArgs {
    /// The flags of either.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        match self {
            SourceArgs::Synth { flags, .. } | SourceArgs::Replay { flags, .. } => flags,
        }
    }

    /// What to make a file of, where no run is wished.
    #[must_use]
    pub fn day(&self) -> Option<&DayArgs> {
        match self {
            SourceArgs::Synth { day, .. } if day.format.is_some() => Some(day),
            _ => None,
        }
    }

    /// The recordings, for a replay.
    #[must_use]
    pub fn files(&self) -> Option<&[PathBuf]> {
        match self {
            SourceArgs::Synth { .. } => None,
            SourceArgs::Replay { files, .. } => Some(files),
        }
    }
}

/// A synthetic day as a file.
#[derive(Debug, Default, ClapArgs)]
pub struct DayArgs {
    /// Write a whole day in this format to -o FILE, with --messages, --seed, --instruments
    #[arg(long, value_enum, requires = "messages")]
    pub format: Option<DayFormat>,

    /// With --format: messages of the day
    #[arg(long, value_name = "N", requires = "format", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
}

/// What a synthetic day is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DayFormat {
    /// Nasdaq ITCH 5.0 in BinaryFILE framing.
    Itch50,
}

/// What both sources understand.
#[derive(Clone, Debug, Default, PartialEq, ClapArgs)]
pub struct Flags {
    /// Name of the run: the engine with the same name is the peer [default: default]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Events a second; for a replay evenly spaced instead of as recorded
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,

    /// Factor on the schedule, 0.01 to 1000, or max: as fast as the ring takes them
    #[arg(long, value_name = "X")]
    pub speed: Option<String>,

    /// Length of the schedule, as 500ms, 5s or 2m
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,

    /// Most events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub count: Option<i64>,

    /// Replay: send what lies before at once and unmeasured: HH:MM[:SS[.f]], a date, ns, or #MESSAGE
    #[arg(long, value_name = "PLACE")]
    pub from: Option<String>,

    /// Replay: end before this place, written as for --from
    #[arg(long, value_name = "PLACE")]
    pub to: Option<String>,

    /// Replay: only these instruments, by name
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub symbols: Vec<String>,

    /// Replay: the files are parts of one recording, not markets of their own
    #[arg(long)]
    pub parts: bool,

    /// Replay: begin again at the end of the file
    #[arg(long = "loop")]
    pub repeats: bool,

    /// Synth: same seed, same bytes
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: Option<i64>,

    /// Events from the first that are not measured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub warm_up: Option<i64>,

    /// Synth: number of instruments
    #[arg(long, value_name = "N")]
    pub instruments: Option<u16>,

    /// Synth: share of events that come in bursts, and mean length of a burst
    #[arg(long, value_name = "SHARE,LENGTH", value_delimiter = ',', num_args = 1)]
    pub burst: Vec<f64>,

    /// Events prepared ahead of their time; the rest is decoded by a thread of its own
    #[arg(long, value_name = "N")]
    pub ahead: Option<u32>,

    /// What to do when the ring is full
    #[arg(long, value_enum)]
    pub policy: Option<PolicyName>,

    /// Send the next event only after the engine has finished the last
    #[arg(long)]
    pub lockstep: bool,

    /// Where events go: into the ring, or out as multicast packets of ITCH 5.0 on two lines
    #[arg(long, value_enum)]
    pub sink: Option<SinkName>,

    /// Packets: through this interface
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Packets: line A [default: 239.255.71.1:26400]
    #[arg(long, value_name = "GROUP:PORT")]
    pub line_a: Option<String>,

    /// Packets: line B, or none [default: 239.255.71.2:26400]
    #[arg(long, value_name = "GROUP:PORT")]
    pub line_b: Option<String>,

    /// Packets: where lost messages may be asked for, an address of this host
    #[arg(long, value_name = "ADDR:PORT")]
    pub recovery: Option<String>,

    /// Packets: messages kept to be asked for
    #[arg(long, value_name = "N")]
    pub resend: Option<u32>,

    /// Packets: share of them that the lines lose, 0 to 0.5; two numbers: line A, line B
    #[arg(long, value_name = "SHARE[,SHARE]", value_delimiter = ',', num_args = 1)]
    pub loss: Vec<f64>,

    /// Packets: share of them that a line sends twice, 0 to 0.5
    #[arg(long, value_name = "SHARE")]
    pub duplicate: Option<f64>,

    /// Packets: share of them that a line sends behind the next one, 0 to 0.5
    #[arg(long, value_name = "SHARE")]
    pub reorder: Option<f64>,

    /// Packets: seed of the faults
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(i64).range(0..))]
    pub sink_seed: Option<i64>,

    /// Packets: longest silence, as 500ms or 1s
    #[arg(long, value_name = "TIME")]
    pub heartbeat: Option<String>,

    /// Packets: events that may be on the way, 0: no bound
    #[arg(long, value_name = "N")]
    pub window: Option<u32>,

    /// Slots of the events ring
    #[arg(long, value_name = "N")]
    pub ring_slots: Option<u32>,

    /// Core of the pinned thread; without it one is chosen
    #[arg(long, value_name = "CORE")]
    pub core: Option<u32>,

    /// Cores of all other threads, comma-separated; without it those that the spinners leave
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub cold_cores: Vec<u32>,

    /// Give the core away in every idle turn (spinners that share one core)
    #[arg(long = "yield")]
    pub yields: bool,

    /// Run the pinned thread with SCHED_FIFO at this priority, 1 to 99
    #[arg(long, value_name = "PRIO", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub fifo: Option<u8>,

    /// Lock all memory (mlockall)
    #[arg(long)]
    pub lock_memory: bool,

    /// Ask for 2 MiB pages for the rings
    #[arg(long)]
    pub huge_pages: bool,

    /// Longest wait for the engine, as 500ms, 30s or 5m [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub wait_peer: Option<String>,

    /// Length of one interval of feed.hlog [default: 1s]
    #[arg(long, value_name = "TIME")]
    pub interval: Option<String>,

    /// Configuration; without it the compiled-in default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the configuration in force and the plan as a comment, then leave
    #[arg(long)]
    pub print_config: bool,

    /// Folder for the result files [default: tickspin-runs/TIME-NAME]
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Overwrite result files
    #[arg(long)]
    pub force: bool,

    /// Print one JSON object instead of plan and table
    #[arg(long)]
    pub json: bool,
}

/// What to do when the ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyName {
    /// Wait: the schedule slips, and lag says so.
    Wait,
    /// Drop, count, and tell the engine.
    Drop,
}

impl PolicyName {
    /// The name in configuration and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PolicyName::Wait => "wait",
            PolicyName::Drop => "drop",
        }
    }
}

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkName {
    /// Into the engine's shared memory.
    Ring,
    /// Multicast through the kernel's sockets.
    Udp,
    /// Multicast past the kernel, AF_XDP.
    Xdp,
}

impl SinkName {
    /// The name in configuration and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SinkName::Ring => "ring",
            SinkName::Udp => "udp",
            SinkName::Xdp => "xdp",
        }
    }
}

/// A mistake on the command line as one line: what clap says before its first blank line.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let head = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = head.split_whitespace().collect();
    let line = words.join(" ");
    format!("{}; see feed-sim --help", line.strip_prefix("error: ").unwrap_or(&line))
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
    fn mistakes_are_one_line_each() {
        for arguments in
            [&["synth", "--bogus"][..], &["replay"], &["fly"], &["synth", "--count", "0"]]
        {
            let line = [&["feed-sim"], arguments].concat();
            let error = one_line(&Args::try_parse_from(line).unwrap_err());
            assert!(!error.contains('\n') && error.ends_with("--help"), "{error}");
        }
    }
}
