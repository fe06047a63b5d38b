//! Limits, as they are seen from inside.

use integration::is_v2;

use super::{background, cgroup_file as file, inspect, sh, sleeping};
use crate::engine::{Engine, Kind};

/// What 512 shares are: version 2 has weights, from 1 to 10000.
fn half_of_the_shares() -> &'static str {
    if is_v2() { "20" } else { "512" }
}

/// Quota and period: one file of version 2.
fn quota_files() -> String {
    let period = if is_v2() {
        String::new()
    } else {
        file("cpu/cpu.cfs_period_us", "")
    };
    format!("{} {period}", file("cpu/cpu.cfs_quota_us", "cpu.max"))
}

pub fn memory(e: &Engine) {
    let script = format!(
        "cat {} {}",
        file("memory/memory.limit_in_bytes", "memory.max"),
        file("memory/memory.soft_limit_in_bytes", "memory.low")
    );
    let out = sh(
        e,
        &["--memory", "64m", "--memory-reservation", "32m"],
        &script,
    )
    .ok();
    assert_eq!(out.lines(), ["67108864", "33554432"]);
}

pub fn oom(e: &Engine) {
    // The kernel kills a child first, so that the engine hears of it while the container is there. (Debian's conmon hears of it too, but
    // says so where its Podman does not look.)
    let script = "(x=0123456789; while :; do x=$x$x; done); echo $?; sleep 0.5; exit 3";
    background(e, "c1", &["--memory", "16m"], script);
    assert_eq!(e.run(&["wait", "c1"]).ok().text(), "3");
    assert_eq!(e.run(&["logs", "c1"]).ok().text(), "137");
    if e.kind == Kind::Docker {
        assert_eq!(inspect(e, "c1", ".State.OOMKilled"), "true");
    }
}

pub fn pids(e: &Engine) {
    let script = format!(
        "cat {}; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all",
        file("pids/pids.max", "pids.max")
    );
    let out = sh(e, &["--pids-limit", "5"], &script);
    assert_eq!(out.lines(), ["5"], "{out}");
    assert!(out.code != 0 && out.stderr.contains("fork"), "{out}");
}

pub fn cpu(e: &Engine) {
    let script = format!(
        "echo $(cat {}); cat {} {}; nproc",
        quota_files(),
        file("cpu/cpu.shares", "cpu.weight"),
        file("cpuset/cpuset.cpus", "cpuset.cpus")
    );
    let out = sh(
        e,
        &["--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"],
        &script,
    )
    .ok();
    assert_eq!(
        out.lines(),
        ["50000 100000", half_of_the_shares(), "0", "1"]
    );
}

pub fn devices(e: &Engine) {
    // Version 2's rules are a program, and are nowhere to be read.
    let list = if is_v2() {
        ""
    } else {
        "cat /sys/fs/cgroup/devices/devices.list"
    };
    let script = format!(
        "echo x >/dev/mine && mknod /tmp/kmsg c 1 11 && ! cat /tmp/kmsg; ls -l /dev/mine | cut -c1; {list}"
    );
    let out = sh(
        e,
        &["--device", "/dev/null:/dev/mine:rw", "--cap-add", "MKNOD"],
        &script,
    )
    .ok();
    assert!(out.stderr.contains("Operation not permitted"), "{out}");
    assert_eq!(out.lines()[0], "c", "{out}");
    assert!(
        is_v2() || !out.stdout.contains("a *:* rwm") && out.stdout.contains("c 1:3 rw"),
        "{out}"
    );
}

pub fn ulimit(e: &Engine) {
    let out = sh(
        e,
        &[
            "--ulimit",
            "nofile=100:200",
            "--ulimit",
            "nproc=1000:1000",
            "--oom-score-adj",
            "500",
        ],
        "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj",
    )
    .ok();
    assert_eq!(out.lines(), ["100", "200", "500"]);
}

pub fn update(e: &Engine) {
    sleeping(e, "c1");
    let mut args = vec![
        "update",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--cpu-shares",
        "512",
    ];
    if e.kind == Kind::Docker {
        args.extend(["--memory-swap", "64m", "--pids-limit", "50"]);
    }
    args.push("c1");
    e.run(&args).ok();
    let files = format!(
        "cat {}; cat {}; cat {} {}",
        file("memory/memory.limit_in_bytes", "memory.max"),
        file("cpu/cpu.cfs_quota_us", "cpu.max"),
        file("cpu/cpu.shares", "cpu.weight"),
        file("pids/pids.max", "pids.max")
    );
    let out = e.run(&["exec", "c1", "sh", "-c", &files]).ok();
    let quota = if is_v2() { "50000 100000" } else { "50000" };
    assert_eq!(
        out.lines()[..3],
        ["67108864", quota, half_of_the_shares()],
        "{out}"
    );
    if e.kind == Kind::Docker {
        assert_eq!(out.lines()[3], "50", "{out}");
    }
}
