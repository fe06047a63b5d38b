//! The profiles of engines (`tests/seccomp-profiles`): every number of every architecture, and arguments at the edges.

use super::libseccomp::{Reference, knows};
use super::{Random, answers, inputs};
use crate::seccomp::interpret::{Data, Program};
use crate::seccomp::{Arch, Filter, Profile, at_most, compile};
use crate::spec::{self, LoadOptions};

const PROFILES: [(&str, &str); 5] = [
    (
        "docker",
        include_str!("../../../../tests/seccomp-profiles/docker.json"),
    ),
    (
        "docker-all-caps",
        include_str!("../../../../tests/seccomp-profiles/docker-all-caps.json"),
    ),
    (
        "podman",
        include_str!("../../../../tests/seccomp-profiles/podman.json"),
    ),
    (
        "allow-list",
        include_str!("../../../../tests/seccomp-profiles/allow-list.json"),
    ),
    (
        "deny-list",
        include_str!("../../../../tests/seccomp-profiles/deny-list.json"),
    ),
];

/// As a config.json with it means it.
fn parse(section: &str) -> Profile {
    let config = format!(
        r#"{{"ociVersion": "1.0.2", "root": {{"path": "rootfs"}},
            "process": {{"args": ["true"], "cwd": "/", "user": {{"uid": 0, "gid": 0}}}},
            "linux": {{"namespaces": [{{"type": "mount"}}], "seccomp": {section}}}}}"#
    );
    let plan = spec::parse(config.as_bytes(), "/bundle", &LoadOptions::default());
    plan.expect("a config").seccomp.expect("a profile")
}

/// Every number that any of the architectures could have, with and without the bits of x32 and ARM; then the edges.
fn every_call(profile: &Profile, mut ask: impl FnMut(&Data)) {
    let mut random = Random(1);
    let lines = [
        0..=1023,
        0x4000_0000..=0x4000_03ff,
        0x8000_0000..=0x8000_001f,
        0xc000_0000..=0xc000_001f,
    ];
    let private = [0x000e_ffff..=0x000f_0010, 0xffff_fff0..=0xffff_ffff];
    for arch in Arch::ALL.into_iter().filter(|&arch| arch != Arch::X32) {
        for nr in lines.iter().chain(&private).cloned().flatten() {
            ask(&Data {
                nr,
                arch: arch.audit(),
                ip: 0,
                args: std::array::from_fn(|_| random.draw()),
            });
        }
    }
    inputs(profile, 1, 100, ask);
}

/// What libseccomp can be asked about: names that it knows as we do.
fn known(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    for rule in &mut profile.rules {
        rule.syscalls.retain(|syscall| knows(syscall.name()));
    }
    profile
}

/// Compares, and counts the calls.
fn check(name: &str, profile: &Profile, theirs: Option<&Reference>) -> (Filter, u64) {
    let filter = compile(profile).expect("a filter");
    assert!(
        filter.program.len() <= at_most(profile).min(Filter::MAX),
        "{name}"
    );
    let program = Program::new(&filter.program).expect("a filter that the kernel takes");
    let mut calls = 0;
    every_call(profile, |data| {
        calls += 1;
        let rules = answers(profile, data);
        let ours = program.run(data).0;
        assert!(
            rules.contains(&ours),
            "{name}: {data:x?}: {ours:x} not in {rules:x?}"
        );
        if let Some(theirs) = theirs {
            let theirs = theirs.run(data).0;
            assert_eq!(
                ours, theirs,
                "{name}: {data:x?}: ours {ours:x}, libseccomp {theirs:x}"
            );
        }
    });
    (filter, calls)
}

/// Instructions for one call of x86_64, without runc's answer in front of libseccomp's filter.
fn steps(program: &[crate::seccomp::Instruction], name: &str, args: [u64; 6]) -> usize {
    let syscall = crate::seccomp::Syscall::from_name(name).expect("a name");
    let nr = syscall.number(Arch::X86_64).expect("a number");
    let data = Data {
        nr,
        arch: Arch::X86_64.audit(),
        ip: 0,
        args,
    };
    Program::new(program).expect("valid").run(&data).1
}

#[test]
fn engines_profiles_are_equal_everywhere() {
    println!(
        "profile: ours, libseccomp's list, its tree (instructions; run for getppid and personality(-1))"
    );
    for (name, section) in PROFILES {
        let profile = parse(section);
        let (_, whole) = check(name, &profile, None);
        let profile = known(&profile);
        let theirs = Reference::new(&profile).expect("libseccomp's filter");
        let (ours, calls) = check(name, &profile, Some(&theirs));
        let list = Reference::optimized(&profile, 1).expect("libseccomp's list");
        let tree = Reference::optimized(&profile, 2).expect("libseccomp's tree");
        let run = |program| {
            let personality = [0xffff_ffff, 0, 0, 0, 0, 0];
            (
                steps(program, "getppid", [0; 6]),
                steps(program, "personality", personality),
            )
        };
        println!(
            "{name}: {} {:?}, {} {:?}, {} {:?}; {whole} calls of two, {calls} of three agree",
            ours.program.len(),
            run(&ours.program),
            list.program.len(),
            run(&list.program),
            tree.program.len(),
            run(&tree.program),
        );
        assert!(ours.program.len() < tree.program.len(), "{name}");
    }
}

crate::testing::solo! {
    fn the_kernel_takes_each_of_them() {
        // One on the other: the rest of this process runs under all of them.
        for (name, section) in PROFILES {
            let filter = compile(&parse(section)).expect("a filter");
            let loaded = crate::sys::seccomp::load(&filter);
            assert!(loaded.is_ok(), "{name}: {loaded:?}");
        }
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs");
        assert!(status.contains("Seccomp_filters:\t5\n"), "{status}");
    }
}

/// Compile time, size, and what a call costs under Docker's profile, beside libseccomp: figures for the documentation, not a
/// test. `ci/bench/seccomp` runs it, on an optimised build.
#[test]
#[ignore = "a measurement"]
fn beside_libseccomp() {
    use std::time::{Duration, Instant};
    fn median(mut times: Vec<Duration>) -> f64 {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    }
    fn timed<T>(rounds: usize, mut make: impl FnMut() -> T) -> (T, f64) {
        let mut made = make();
        let times = (0..rounds).map(|_| {
            let start = Instant::now();
            made = make();
            start.elapsed()
        });
        let median = median(times.collect());
        (made, median)
    }
    /// In a thread of its own, whom alone the filter binds: microseconds of the load, nanoseconds of a getppid.
    fn under(program: &[crate::seccomp::Instruction]) -> (f64, f64) {
        const CALLS: u32 = 200_000;
        let loads = (0..51).map(|_| {
            let filter = Filter {
                flags: crate::seccomp::Flags(crate::seccomp::Flags::SPEC_ALLOW),
                program: program.to_vec(),
            };
            let thread = std::thread::spawn(move || {
                crate::sys::caps::no_new_privs().expect("no_new_privs");
                let start = Instant::now();
                crate::sys::seccomp::load(&filter).expect("a filter");
                let load = start.elapsed();
                let start = Instant::now();
                for _ in 0..CALLS {
                    std::hint::black_box(std::os::unix::process::parent_id());
                }
                (load, start.elapsed())
            });
            thread.join().expect("the thread")
        });
        let (loads, calls): (Vec<_>, Vec<_>) = loads.unzip();
        (median(loads), median(calls) * 1e3 / f64::from(CALLS))
    }
    let profile = known(&parse(PROFILES[0].1));
    let (ours, our_time) = timed(501, || compile(&profile).expect("a filter").program);
    let (linear, linear_time) = timed(51, || {
        Reference::optimized(&profile, 1).expect("a filter").program
    });
    let (tree, tree_time) = timed(51, || {
        Reference::optimized(&profile, 2).expect("a filter").program
    });
    println!("| Docker's profile | compiled, us | instructions | loaded, us | getppid, ns |");
    println!("|---|---|---|---|---|");
    for (name, program, time) in [
        ("ours", &ours, our_time),
        ("libseccomp", &linear, linear_time),
        ("libseccomp, binary tree (runc)", &tree, tree_time),
    ] {
        let (load, call) = under(program);
        println!(
            "| {name} | {time:.0} | {} | {load:.0} | {call:.0} |",
            program.len()
        );
    }
}
