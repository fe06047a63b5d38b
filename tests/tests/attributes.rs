//! How the kernel runs the process: scheduler, I/O priority, personality, memory policy, CPU affinity.

use integration::{Config, Container, is_ours, need_root, skip, this_test};
use serde_json::{Value, json};

/// runc 1.1 reads none of these sections, and runs the program without.
macro_rules! need_newer {
    () => {
        need_root!();
        if !is_ours() {
            skip(&this_test(), "runc 1.1 does not know the section");
            return;
        }
    };
}

/// What `script` says in a container with `value` at `pointer`.
fn says(pointer: &str, value: Value, script: &str) -> String {
    let c = Container::new(|g| {
        g.set(pointer, value).sh(script);
    });
    c.run().ok().text().to_owned()
}

/// Nice value, real-time priority and policy (proc_pid_stat(5)) of the program and of its child.
const SCHEDULING: &str =
    "cut -d' ' -f19,40,41 /proc/$$/stat; cut -d' ' -f19,40,41 /proc/self/stat; true";

/// The nice value of this test: some policies leave it as it is.
fn own_nice() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(16).unwrap().to_owned()
}

#[test]
fn scheduler() {
    need_newer!();
    let own = own_nice();
    let idle = format!("{own} 0 5\n{own} 0 5");
    for (value, wanted) in [
        (json!({"policy": "SCHED_OTHER", "nice": 7}), "7 0 0\n7 0 0"),
        (json!({"policy": "SCHED_BATCH", "nice": 3}), "3 0 3\n3 0 3"),
        (json!({"policy": "SCHED_IDLE"}), idle.as_str()),
        (
            json!({"policy": "SCHED_OTHER", "nice": -4, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
            "-4 0 0\n0 0 0",
        ),
    ] {
        let name = value.to_string();
        assert_eq!(
            says("/process/scheduler", value, SCHEDULING),
            wanted,
            "{name}"
        );
    }
}

#[test]
fn the_scheduler_is_there_before_the_start_and_for_an_ordinary_user() {
    need_newer!();
    let c = Container::new(|g| {
        g.set(
            "/process/scheduler",
            json!({"policy": "SCHED_BATCH", "nice": -2}),
        )
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .sh(SCHEDULING);
    });
    let out = c.create().ok();
    c.start().ok();
    c.wait();
    let said = std::fs::read_to_string(&out.stdout_path).unwrap();
    assert_eq!(said.trim(), "-2 0 3\n-2 0 3");
}

#[test]
fn a_real_time_scheduler_or_why_not() {
    need_newer!();
    let c = Container::new(|g| {
        g.set(
            "/process/scheduler",
            json!({"policy": "SCHED_RR", "priority": 9}),
        )
        .sh(SCHEDULING);
    });
    let out = c.run();
    // On cgroup v1 a new group has no real-time bandwidth.
    match out.code {
        0 => assert_eq!(out.text(), "0 9 2\n0 9 2"),
        _ => {
            out.refused("error during container init: error setting scheduler: operation not permitted (needs CAP_SYS_NICE, and on cgroup v1 resources.cpu.realtimeRuntime)");
            c.nothing_left();
        }
    }
}

#[test]
fn io_priority() {
    need_newer!();
    for (class, level, wanted) in [
        ("IOPRIO_CLASS_RT", 1, "realtime: prio 1"),
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_IDLE", 0, "idle: prio 0"),
    ] {
        let value = json!({"class": class, "priority": level});
        let said = says("/process/ioPriority", value, "ionice -p $$");
        assert!(
            wanted.starts_with(&said) && !said.is_empty(),
            "{class}: {said}"
        );
    }
}

#[test]
fn personality() {
    need_newer!();
    let domain = |domain: &str| says("/linux/personality", json!({"domain": domain}), "uname -m");
    assert_eq!(domain("LINUX32"), "i686");
    assert_eq!(domain("LINUX"), "x86_64");
    let c = Container::new(|g| {
        g.set(
            "/linux/personality",
            json!({"domain": "LINUX32", "flags": ["A", "B"]}),
        )
        .sh("uname -m");
    });
    let out = c.run().ok();
    assert_eq!(out.text(), "i686");
    assert!(
        out.stderr.contains("ignoring unsupported personality flags: [A B] because personality flag has not supported at this time"),
        "{out}"
    );
}

#[test]
fn memory_policy() {
    need_newer!();
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        skip(&this_test(), "a kernel without NUMA");
        return;
    }
    let policy = "cut -d' ' -f2 /proc/self/numa_maps | sort -u | tr '\\n' ' '";
    for (value, wanted) in [
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0"),
        (
            json!({"mode": "MPOL_INTERLEAVE", "nodes": " 0 ,", "flags": ["MPOL_F_STATIC_NODES"]}),
            "interleave=static:0",
        ),
        (json!({"mode": "MPOL_LOCAL"}), "local"),
        (json!({"mode": "MPOL_DEFAULT"}), "default"),
    ] {
        assert_eq!(says("/linux/memoryPolicy", value, policy), wanted);
    }
    let c = Container::new(|g| {
        g.set(
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "nodes": "1023"}),
        );
    });
    c.run()
        .refused("error during container init: failed to set memory policy: invalid argument");
    c.nothing_left();
}

#[test]
fn exec_cpu_affinity_is_for_exec() {
    need_newer!();
    let mine = "grep Cpus_allowed_list /proc/self/status";
    let plain = Container::sh(mine).run().ok().text().to_owned();
    let value = json!({"initial": "0", "final": "0"});
    assert_eq!(says("/process/execCPUAffinity", value, mine), plain);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_made() {
    need_newer!();
    let refused = |change: &dyn Fn(&mut Config), words: &str| {
        let c = Container::new(|g| change(g));
        c.create().refused(words);
        c.nothing_left();
    };
    let at = |pointer: &'static str, value: Value| {
        move |g: &mut Config| {
            g.set(pointer, value.clone());
        }
    };
    for (pointer, value, words) in [
        (
            "/process/scheduler",
            json!({}),
            "scheduler policy is required",
        ),
        (
            "/process/ioPriority",
            json!({"class": "BE"}),
            "invalid io priority class: BE",
        ),
        (
            "/process/execCPUAffinity",
            json!({"final": "3-1"}),
            "bad CPUAffinity.Final: invalid range: 3-1",
        ),
        (
            "/linux/personality",
            json!({"domain": "BSD"}),
            "invalid personality domain BSD",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "x"}),
            "invalid memory policy mode \"x\"",
        ),
    ] {
        refused(&at(pointer, value), words);
    }
}
