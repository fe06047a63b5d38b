//! See `sync_model::fuzzing::frame_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync_model::fuzzing::frame_decode(data));
