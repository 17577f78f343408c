//! IEX-TP segments and the messages in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::iex(data));
