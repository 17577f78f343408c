//! BinaryFILE: the same records whole and in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickspin_wire_fuzz::binaryfile(data));
