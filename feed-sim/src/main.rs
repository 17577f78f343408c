//! The feed: paces ticks into an engine's ring and answers its orders.
#![forbid(unsafe_code)]

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use tickspin_feed_sim::args::{self, Args};
use tickspin_feed_sim::error::{SimError, exit};
use tickspin_feed_sim::run;

fn main() -> ExitCode {
    tickspin_host::process::quiet_pipes();
    let outcome = match Args::try_parse() {
        Ok(args) => run::main(&args),
        // Help and version are answers, not mistakes.
        Err(error) if !error.use_stderr() => run::print(&error.to_string()).map(|()| exit::OK),
        Err(error) => Err(SimError::Usage(args::one_line(&error))),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = error.exit_code();
            if code != exit::OK {
                // Nobody may be listening any more: no reason to panic.
                let _ = writeln!(io::stderr(), "feed-sim: {error}");
            }
            ExitCode::from(code)
        }
    }
}
