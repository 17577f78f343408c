//! `tickspin feed`: recorded feeds, looked at without a run.
//!
//! Every command reads its file once from front to back as a stream, whatever its container and
//! format, found by content; a day of ten gigabytes needs no more memory than one of ten megabytes
//! (books grow with the orders that are open). A damaged file is read to the damage: what is whole
//! is printed, then comes the line that says what is missing, and exit code 1.

mod bbo; // top of book, line by line
mod book; // a whole book at one moment
mod convert; // a recording as another file
mod dump; // events as text, CSV or JSON lines
mod info; // what a file is
mod record; // a live run into a file
mod show; // how times, prices and kinds are written
mod walk; // open, step, count, end

use crate::error::Outcome;
use std::path::PathBuf;

/// What to do with recordings.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What a file is: container, protocol, messages by type, sessions, gaps, time span
    Info(info::Args),
    /// Its events, one a line
    Dump(dump::Args),
    /// Best bid and offer of one instrument, a line each time the venue says that it is complete
    Bbo(bbo::Args),
    /// The book of one instrument or of all, at one moment
    Book(book::Args),
    /// Write it as CSV, JSON lines, Parquet, our own recording, or ITCH BinaryFILE
    Convert(convert::Args),
    /// Write a part of it
    Cut(convert::CutArgs),
    /// Record what passes through a live run's ring
    Record(record::Args),
}

/// Runs the command.
///
/// # Errors
/// Exit code 1: the file is missing, empty, foreign, cut or corrupt, or has no such instrument; 2: a
/// time or an index that is none; 4: no permission.
pub fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Info(args) => info::run(args),
        What::Dump(args) => dump::run(args),
        What::Bbo(args) => bbo::run(args),
        What::Book(args) => book::run(args),
        What::Convert(args) => convert::run(args),
        What::Cut(args) => convert::cut(args),
        What::Record(args) => record::run(args),
    }
}

/// The file that every command reads.
#[derive(Debug, clap::Args)]
struct Input {
    /// The recording, whatever its format; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}
