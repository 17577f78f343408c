//! The other side of the ring: sources of ticks, their pace, and a simulated exchange.
//!
//! ```text
//!   args ─► config ◄─ layers (default.toml < file < environment < flags)
//!              └─► plan ─► run ──► pinned thread: spin (pace, sink, exchange), from what is ahead
//!                           │      main thread: keep (intervals), observers, is the engine alive
//!                           └───► report: feed.json, feed.hlog, *.hgrm, the table
//! ```
//!
//! Two threads, up to four. The pinned one ([`spin`]) decides when each event leaves and is the exchange
//! end of the order ring; between armed and disarmed it allocates nothing and makes no system call, as
//! long as it need not yield or send packets. The main one wakes at most ten times a second, and so
//! does the [`decoder`] of a recording that is too long to be prepared as a whole, while it is ahead.
//! Where packets may be asked for again, a server ([`sink::packets::resend`]) answers.
//! Everything but [`spin`] and what it calls is cold.
#![forbid(unsafe_code)]

// What was asked for, and what it comes to.
pub mod args; // the command line
pub mod config; // every key, typed and in its range
pub mod layers; // where each value comes from: default < file < environment < flag
pub mod plan; // which thread, which core
pub mod times; // lengths and times of day as people write them

// What is sent, and when.
pub mod ahead; // prepared before its time
pub mod decoder; // a thread that prepares what does not fit
pub mod pace; // the open-loop schedule
pub mod sink; // into the ring, or out as packets
pub mod source; // the next event, when it is due, the touch after it

// What is made instead of sent.
pub mod day; // a synthetic ITCH day, as a file

// What comes back.
pub mod exchange; // requests in, reports out

// The two threads.
pub mod control; // what they tell one another
pub mod pinned; // the pinned one, before and after the loop
pub mod record; // what it counts
pub mod run; // the main one: prepare, meet, report
pub mod segments; // the six segments of a run's rings, seen from here
pub mod serve; // the main one while the loop runs
pub mod spin; // the loop
pub mod status; // what observers see of it

// Beside and after the loop.
pub mod ending; // why an armed run ended
pub mod error; // what failed, on which key, file or core
pub mod keep; // intervals into feed.hlog
pub mod report; // what a run leaves behind
pub mod watch; // is the engine alive?
