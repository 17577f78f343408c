//! What a run leaves behind: stages, histograms, their files and tables, the summary.
//!
//! Each program writes its part with these types, and `tickspin` joins the parts, so the words and
//! the shapes stand here once. Everything in this package is cold: it allocates, formats and does
//! file I/O, and is the wrong thing to call from a pinned thread.
//! It knows nothing of rings, clocks or feeds: values come in as nanoseconds, facts as pairs.
#![forbid(unsafe_code)]

pub mod certificate; // how well a paced run kept its schedule
pub mod cure; // the command that mends a missing permission
pub mod exit; // exit codes, the same for every program
pub mod hgrm; // percentile text files, as HdrHistogram's Java library prints them
pub mod histogram; // one stage's values, and the percentiles we quote
pub mod hlog; // interval logs: write ours, read anyone's
pub mod out; // the result folder: made late, checked early, never overwritten by accident
pub mod packets_in; // what became of the packets that an engine took
pub mod packets_out; // what became of the packets of a feed that multicasts
pub mod recorded; // what a replayed recording turned out to be
pub mod slow; // why ticks were slow: causes, records, the budget of the tail
pub mod stage; // the names of what is measured, and what each means
pub mod sum; // adding histograms, exactly
pub mod summary; // the JSON object of a run, and the parts that each program adds
pub mod table; // text tables for the terminal
pub mod utc; // seconds since 1970 as date and time

pub use certificate::{Certificate, PaceCounts, Verdict};
pub use histogram::{Histogram, Percentiles};
pub use packets_out::{LineOut, PacketsOut, ResendOut};
pub use recorded::{Recorded, RecordedSession};
pub use stage::Stage;
pub use summary::{EnginePart, FeedPart, Summary};
