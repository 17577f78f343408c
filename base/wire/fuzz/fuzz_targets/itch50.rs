//! ITCH messages: decode, encode and meaning agree.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::itch50(data));
