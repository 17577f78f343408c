//! Frames of every link: a datagram lies inside its frame.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::net(data));
