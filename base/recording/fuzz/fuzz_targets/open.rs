//! Whatever the bytes are: found by content, read to the end, twice.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::open(data));
