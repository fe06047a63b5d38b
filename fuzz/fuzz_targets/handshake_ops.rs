//! See `sync_model::fuzzing::handshake_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync_model::fuzzing::handshake_ops(data));
