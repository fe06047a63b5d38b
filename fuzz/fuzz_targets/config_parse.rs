//! See `runc_rs::fuzzing::config_parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runc_rs::fuzzing::config_parse(data));
