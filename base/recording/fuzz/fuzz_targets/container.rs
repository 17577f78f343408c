//! Plain, gzip and zstd bytes: the same stream however it is asked for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::container(data));
