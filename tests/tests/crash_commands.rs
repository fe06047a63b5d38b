//! Death and failure at every system call of the commands that change a container which is there: pause, resume, update.

use std::path::Path;

use integration::tracer::Action;
use integration::{Container, cgroup_dirs, is_ours, need_root, skip, slow};
use serde_json::Value;

use crate::crash::{calls_of, killed_at, traced_command};

macro_rules! need {
    ($test:literal) => {
        need_root!();
        if !is_ours() {
            return skip(
                $test,
                "runc's calls are those of several threads: they are counted anew each time",
            );
        }
    };
}

/// Whatever it was at: the container is paused or runs, and either command still does what it is for.
#[test]
fn pause_and_resume_killed_at_every_system_call() {
    need!("pause_and_resume_killed_at_every_system_call");
    let c = Container::sh("sleep 1000 & wait");
    c.detach();
    let (pause, resume) = (["pause", &c.id], ["resume", &c.id]);
    let pausing = calls_of(&c, &pause);
    let resuming = calls_of(&c, &resume);
    let mut deaths = 0;
    for n in &pausing {
        deaths += u32::from(killed_at(&c, n, &pause));
        match c.status().as_str() {
            "running" => c.runtime.run(&pause).ok(),
            "paused" => c.runtime.run(&pause).refused("container not running"),
            other => panic!("pause, call {n:?}: {other}"),
        };
        assert_eq!(c.status(), "paused");
        c.runtime.run(&resume).ok();
    }
    for n in &resuming {
        c.runtime.run(&pause).ok();
        deaths += u32::from(killed_at(&c, n, &resume));
        match c.status().as_str() {
            "paused" => c.runtime.run(&resume).ok(),
            "running" => c.runtime.run(&resume).refused("container not paused"),
            other => panic!("resume, call {n:?}: {other}"),
        };
        assert_eq!(c.status(), "running");
    }
    println!(
        "killed at {deaths} of {} system calls",
        pausing.len() + resuming.len()
    );
    assert!(deaths * slow() > 30, "{deaths}");
}

/// Of swap alone, which is what v2 limits, there is another amount in either.
const OLD: [&str; 4] = [
    "--memory=128m",
    "--memory-swap=160m",
    "--pids-limit=50",
    "--cpu-share=1024",
];
const NEW: [&str; 4] = [
    "--memory=64m",
    "--memory-swap=80m",
    "--pids-limit=33",
    "--cpu-share=512",
];

fn update<'a>(c: &'a Container, limits: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["update"];
    args.extend_from_slice(limits);
    args.push(&c.id);
    args
}

/// What the kernel has, and what the record says.
fn limits(c: &Container) -> (Vec<String>, Value) {
    let pid = c.pid();
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let files = if v2 {
        [
            ("", "memory.max"),
            ("", "memory.swap.max"),
            ("", "pids.max"),
            ("", "cpu.weight"),
        ]
    } else {
        [
            ("memory", "memory.limit_in_bytes"),
            ("memory", "memory.memsw.limit_in_bytes"),
            ("pids", "pids.max"),
            ("cpu", "cpu.shares"),
        ]
    };
    let dirs = cgroup_dirs(pid);
    let read = |(controller, file): (&str, &str)| {
        let dir = dirs
            .iter()
            .find(|(c, _)| c.split(',').any(|c| c == controller));
        std::fs::read_to_string(dir.expect("a group").1.join(file)).unwrap_or_default()
    };
    let record = std::fs::read(c.runtime.root().join(&c.id).join("state.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    (
        files.map(read).to_vec(),
        record["config"]["cgroups"].clone(),
    )
}

/// A dead update can be repeated, and then all of it is there; nobody waits for its lock.
#[test]
fn update_killed_at_every_system_call() {
    need!("update_killed_at_every_system_call");
    let c = Container::sleeping();
    c.detach();
    let (old, new) = (update(&c, &OLD), update(&c, &NEW));
    c.runtime.run(&old).ok();
    let calls = calls_of(&c, &new);
    let wanted = limits(&c);
    let mut deaths = 0;
    for n in &calls {
        c.runtime.run(&old).ok();
        deaths += u32::from(killed_at(&c, n, &new));
        assert_eq!(c.status(), "running", "call {n:?}");
        c.runtime.run(&new).ok();
        assert_eq!(limits(&c), wanted, "call {n:?}");
    }
    println!("killed at {deaths} of {} system calls", calls.len());
    assert!(deaths * slow() > 30, "{deaths}");
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// Each call fails once: all of the update is there, or none of it, and the exit status says which.
#[test]
fn update_with_a_call_that_fails() {
    need!("update_with_a_call_that_fails");
    let c = Container::sleeping();
    c.detach();
    let (old, new) = (update(&c, &OLD), update(&c, &NEW));
    c.runtime.run(&new).ok();
    let after = limits(&c);
    c.runtime.run(&old).ok();
    let before = limits(&c);
    assert!(
        before.0.iter().zip(&after.0).all(|(a, b)| a != b),
        "{before:?}"
    );
    let (mut failed, mut passed) = (0, 0);
    let calls = calls_of(&c, &new);
    c.runtime.run(&old).ok();
    for call in &calls {
        // Without these there is no program that could fail.
        if ![
            "openat", "write", "read", "renameat", "flock", "fcntl", "fstat", "lseek",
        ]
        .contains(&call.name.as_str())
        {
            continue;
        }
        // Invalid is what is tried again.
        let errnos: &[i32] = if call.name == "write" {
            &[libc::EIO, libc::EINVAL]
        } else {
            &[libc::EIO]
        };
        for errno in errnos {
            let (_, out) = traced_command(&c, &new, Some((call, Action::Errno(*errno))));
            let now = limits(&c);
            if out.code == 0 {
                passed += 1;
                assert_eq!(now, after, "{out}");
            } else {
                failed += 1;
                assert!(!out.stderr.contains("panicked"), "{out}");
                // What could not even be looked at cannot be set back, and is named.
                assert!(
                    now == before || out.stderr.contains("could not be set back"),
                    "{out}{now:?}"
                );
            }
            c.runtime.run(&old).ok();
            assert_eq!(limits(&c), before, "{out}");
        }
    }
    println!("{failed} failed, {passed} passed");
    assert!(
        failed * slow() > 15 && (passed > 2 || slow() > 1),
        "{failed} {passed}"
    );
}
