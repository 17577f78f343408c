//! What tests and benches need and programs must not have. Never a dependency of a program:
//! `[dev-dependencies]` only.
//!
//! | module | what it shows |
//! |---|---|
//! | [`alloc`] | a thread allocates nothing between two marks |
//! | [`syscalls`] | a thread of another process makes no system call, counted from outside |
//! | [`evict`] | a page fault, planted into another process |
//! | [`faults`] | a thread takes no page fault |
//! | [`process`] | our own binaries, started, bounded, and gone when the test is |
//! | [`twin`] | the order book once more, as naively as possible |
//!
//! `unsafe` is allowed here, because an allocator, `ptrace` and `kill` are nothing else; each
//! block says why it is sound.

pub mod alloc;
pub mod evict; // a page fault planted from outside
pub mod faults;
pub mod process;
pub mod syscalls;
pub mod twin;
