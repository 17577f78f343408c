//! One core: push and pop.
fn main() {}
