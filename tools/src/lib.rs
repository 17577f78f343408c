//! One program, one file a command.
//!
//! `tickspin` starts the two programs of a run, reads what they leave behind, looks at running
//! rings without touching them, and measures what the machine allows at best.
//! Everything here is cold, except the measuring loops of [`handoff`] and [`gaps`].
//! It links neither `engine` nor `feed-sim`: it finds them beside itself and asks for their build.
#![forbid(unsafe_code)]

pub mod cmd; // the commands, one file each
pub mod compare; // is B faster than A, and how sure is that
pub mod doctor; // is this host fit: fact, wish, verdict, fix
pub mod error; // one line and an exit code: what every command fails with
pub mod gaps; // time that a spinning thread loses, core by core
pub mod handoff; // how fast two cores of this machine can hand something over
pub mod host; // the machine and the program that measured on it
pub mod look; // what an observer sees of a run, read-only
pub mod num; // medians, and numbers rounded for a report
pub mod print; // standard output, where a closed pipe is success

use clap::Parser;
use std::process::ExitCode;

/// A low-latency, busy-polling market data engine: run it, watch it, read what it leaves behind.
#[derive(Debug, Parser)]
#[command(name = "tickspin", version = env!("TICKSPIN_BUILD"), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: cmd::Command,
}

/// Reads the command line, runs the command, says what failed on one line of standard error.
#[must_use]
pub fn main() -> ExitCode {
    tickspin_host::process::quiet_pipes();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cmd::run(&cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            print::complain(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

/// Help and version go to standard output; a wrong use is one line, as every failure.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is success.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        print::complain(&"which command? see --help");
        return ExitCode::from(error::exit::USAGE);
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or("wrong use");
    let line: Vec<&str> = first.split_whitespace().collect();
    let line = line.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    print::complain(&format_args!("{line}; see --help"));
    ExitCode::from(error::exit::USAGE)
}
