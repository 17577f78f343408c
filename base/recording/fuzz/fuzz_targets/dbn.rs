//! Databento's records, with metadata or without.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::dbn(data));
