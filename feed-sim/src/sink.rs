//! Where events go.
//!
//! One place so far: the shared ring. A sink stamps, publishes, and says what became of the event;
//! it never waits, because the loop has requests to answer.

pub mod ring;
