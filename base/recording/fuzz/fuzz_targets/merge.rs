//! Two recordings as one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::merge(data));
