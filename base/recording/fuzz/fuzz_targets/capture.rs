//! pcap and pcapng: packets out of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_recording_fuzz::capture(data));
