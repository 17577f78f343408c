//! Binance streams, a line each.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::binance(data));
