//! The seeds of the fuzz target `config_parse`, through its body: every one of them, on every run of the tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runc_rs::fuzzing;
use runc_rs::spec::{LoadOptions, parse};

/// Name and bytes of each seed.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config_parse");
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // The fuzzer's own finds are named by their hash, without an extension.
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn every_seed_passes_the_fuzz_body() {
    let seeds = seeds();
    assert!(seeds.len() > 29, "{} seeds", seeds.len());
    for (name, bytes) in &seeds {
        println!("{name}");
        fuzzing::config_parse(bytes);
        // Cut and flipped: a small share of what the fuzzer does, the same on every run.
        for at in (0..bytes.len()).step_by(37) {
            fuzzing::config_parse(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fuzzing::config_parse(&flipped);
        }
    }
}

#[test]
fn seeds_reach_both_ends() {
    let accepted: Vec<String> = seeds()
        .into_iter()
        .filter(|(_, bytes)| parse(bytes, "/bundle", &LoadOptions::default()).is_ok())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        accepted,
        [
            "devices",
            "docker",
            "docker-seccomp",
            "kubernetes",
            "minimal",
            "mounts",
            "nulls",
            "podman",
            "process",
            "resources",
            "seccomp",
            "spec",
            "spec-rootless",
            "sysctl",
            "unknown",
        ]
    );
}
