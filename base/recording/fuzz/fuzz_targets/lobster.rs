//! LOBSTER rows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::lobster(data));
