//! Events, requests and reports from arbitrary words of a slot.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::words(data));
