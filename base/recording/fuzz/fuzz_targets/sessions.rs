//! Two captured lines of one session, with losses: every message is delivered or told as missing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::sessions(data));
