//! Everything before, beside and after the pinned loop.
//!
//! ```text
//!   args ─► config ◄─ layers (default.toml < file < environment < flags)
//!              └─► plan ─► run ──► pinned thread: rehearsal ─► tickspin-hot's loop ─► books hashed
//!                           │      main thread: keep (intervals, notices), watch (is the feed alive)
//!                           └───► report: engine.json, engine.hlog, *.hgrm, the table
//! ```
//!
//! Two threads: the pinned one, which belongs to [`tickspin_hot`] between armed and disarmed, and
//! the main thread, which wakes at most ten times a second and shares the feed's core where there
//! are only two. Everything here may allocate, lock, format and call the kernel; nothing here may
//! run on the pinned thread while it is armed.
#![forbid(unsafe_code)]

// What was asked for, and what it comes to.
pub mod args; // the command line
pub mod config; // every key, typed
pub mod layers; // where each value comes from: default < file < environment < flag
pub mod plan; // which thread, which core, which ring, how much memory
pub mod rules; // every value in its range, every limit stated

// Before the loop.
pub mod events; // what brings the events: the ring, or packets
pub mod packets; // sources of packets, who asks for lost ones, privileges
pub mod rehearsal; // the loop over made-up events, before the first real one
pub mod segments; // the six segments of a run's rings, seen from here
mod stamps_cost; // what stamping itself costs a tick
pub mod tables; // the memory that the pinned loop borrows

// The two threads.
pub mod pinned; // the pinned one, before and after the loop
pub mod run; // the main one: build, lock, pin, meet, wait, tear down in reverse

// Beside the loop.
pub mod causes; // why ticks were slow
pub mod keep; // intervals into engine.hlog, notices to the terminal
pub mod watch; // is the feed alive?

// After it.
pub mod book_hash; // the hash of the final books
pub mod ending; // why an armed run ended
pub mod error; // what failed, on which key, file or core
pub mod report; // what a run leaves behind
pub mod terminal; // what it prints
