//! See `runc_rs::fuzzing::mountinfo`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runc_rs::fuzzing::mountinfo(data));
