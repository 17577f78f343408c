//! Our own recording, written, cut and damaged: what comes back was written.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::tape_writer(data));
