//! MoldUDP64: packets, requests, and packets written again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::moldudp64(data));
