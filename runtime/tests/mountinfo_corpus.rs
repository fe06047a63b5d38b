//! The seeds of the fuzz target `mountinfo`, through its body, whole and cut at every place.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn every_seed_passes_the_fuzz_body() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/mountinfo");
    let mut seeds = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for end in 0..=bytes.len() {
            runc_rs::fuzzing::mountinfo(&bytes[..end]);
        }
        seeds += 1;
    }
    assert!(seeds >= 5, "{seeds} seeds");
}
