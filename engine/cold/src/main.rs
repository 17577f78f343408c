//! The engine: reads ticks from a feed's ring, keeps the books, quotes, records.
#![forbid(unsafe_code)]

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use tickspin_engine::args::Args;
use tickspin_engine::{error::exit, run};

fn main() -> ExitCode {
    tickspin_host::process::quiet_pipes();
    let args = Args::parse();
    match run::main(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = error.exit_code();
            if code != exit::OK {
                // Nobody may be listening any more: no reason to panic.
                let _ = writeln!(io::stderr(), "engine: {error}");
            }
            ExitCode::from(code)
        }
    }
}
