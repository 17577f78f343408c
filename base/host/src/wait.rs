//! What a loop does when there is nothing to do: a type, not a branch.
//!
//! The hot loop is generic over [`Wait`], so the choice is made once, when the loop is compiled,
//! and an idle turn costs exactly the policy and nothing more.
//!
//! [`Spin`] is for a core of one's own. [`Yield`] is for two spinners that must share a core: it
//! makes a system call in each idle turn and lets the other side run at once, where a spinner
//! would burn its whole time slice (milliseconds) before the peer could answer. Yield is the one
//! named exception from "the hot loop makes no system call".

/// A waiting policy.
pub trait Wait {
    /// The policy's name in reports.
    const NAME: &'static str;
    /// One idle turn.
    fn idle(&mut self);
}

/// One `pause` per idle turn: 13 ns on the reference host; 35 to 140 cycles on Intel since
/// Skylake, about 10 before.
///
/// The poll keeps its place in the loop, the core does not fill its pipeline with loads that will
/// all be thrown away when the line changes, and a sibling thread gets the execution units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spin;

/// One `sched_yield` per idle turn: about 0.2 µs when nobody else wants the core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Yield;

impl Wait for Spin {
    const NAME: &'static str = "spin";
    #[inline]
    fn idle(&mut self) {
        core::hint::spin_loop();
    }
}

impl Wait for Yield {
    const NAME: &'static str = "yield";
    #[inline]
    fn idle(&mut self) {
        std::thread::yield_now();
    }
}
