//! Limits, as they are seen from inside.

use super::{background, inspect, sh, sleeping};
use crate::engine::{Engine, Kind};

/// A file of a version 1 controller, from inside.
fn file(name: &str) -> String {
    format!("/sys/fs/cgroup/{name}")
}

pub fn memory(e: &Engine) {
    let script = format!(
        "cat {} {}",
        file("memory/memory.limit_in_bytes"),
        file("memory/memory.soft_limit_in_bytes")
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
        file("pids/pids.max")
    );
    let out = sh(e, &["--pids-limit", "5"], &script);
    assert_eq!(out.lines(), ["5"], "{out}");
    assert!(out.code != 0 && out.stderr.contains("fork"), "{out}");
}

pub fn cpu(e: &Engine) {
    let script = format!(
        "cat {} {} {} {}; nproc",
        file("cpu/cpu.cfs_quota_us"),
        file("cpu/cpu.cfs_period_us"),
        file("cpu/cpu.shares"),
        file("cpuset/cpuset.cpus")
    );
    let out = sh(
        e,
        &["--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"],
        &script,
    )
    .ok();
    assert_eq!(out.lines(), ["50000", "100000", "512", "0", "1"]);
}

pub fn devices(e: &Engine) {
    let script = "echo x >/dev/mine && mknod /tmp/kmsg c 1 11 && ! cat /tmp/kmsg; ls -l /dev/mine | cut -c1; cat /sys/fs/cgroup/devices/devices.list";
    let out = sh(
        e,
        &["--device", "/dev/null:/dev/mine:rw", "--cap-add", "MKNOD"],
        script,
    )
    .ok();
    assert!(out.stderr.contains("Operation not permitted"), "{out}");
    assert_eq!(out.lines()[0], "c", "{out}");
    assert!(
        !out.stdout.contains("a *:* rwm") && out.stdout.contains("c 1:3 rw"),
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
    let files = [
        "memory/memory.limit_in_bytes",
        "cpu/cpu.cfs_quota_us",
        "cpu/cpu.shares",
        "pids/pids.max",
    ]
    .map(file);
    let mut args = vec!["exec", "c1", "cat"];
    args.extend(files.iter().map(String::as_str));
    let out = e.run(&args).ok();
    assert_eq!(out.lines()[..3], ["67108864", "50000", "512"], "{out}");
    if e.kind == Kind::Docker {
        assert_eq!(out.lines()[3], "50", "{out}");
    }
}
