//! `tickspin ring`.

use crate::error::{Failure, Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &Args) -> Outcome {
    Err(Failure::failed("not built yet"))
}
