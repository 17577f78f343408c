//! The pinned loop: stages in path order, and the rules they obey.
//!
//! ```text
//!   events ─► input ─► decode ─► book ─► strategy ─► risk ─► orders ─► requests
//!               │                                              ▲
//!            stamps ───────────────► record ─► tallies       reports
//! ```
//!
//! One thread runs [`spin::run`] from the arming to the end of the stream.
//! Nothing here allocates, locks, formats, makes a system call, divides by a variable on the path
//! from event to order, or reads a clock outside of [`stamps`]; `no_std` and `forbid(unsafe_code)`
//! make most of that a compile error, a counting allocator in the tests sees to the rest.
//! All memory is borrowed from cold as slices whose sizes are functions callable before the memory
//! exists ([`book::BookSize`], [`orders::table_len`]).
//! Full, empty, gap and foreign are counted outcomes; errors exist only where things are built.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod book; // 3. Tick -> orders, levels, top
pub mod decode; // 2. payload -> Tick, checked
pub mod input; // 1. where payloads come from
pub mod notice; // what is worth a line in cold's journal
pub mod orders; // 6. own orders: requests out, reports in
pub mod record; // 7. stamps -> tallies, outcomes -> counters
pub mod rehearse;
pub mod risk; // 5. wish -> Approved or a counted refusal
pub mod spin; // the loop that runs 1 to 7
pub mod stamps; // the only reader of a clock
pub mod strategy; // 4. book in, wishes out // the loop over scratch memory before the first real tick
