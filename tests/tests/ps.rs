//! `ps`.

use std::collections::BTreeSet;

use integration::{Container, cgroup_dirs, is_ours, need_root, pids_of_cgroup, skip, wait_until};

fn json(c: &Container) -> BTreeSet<u32> {
    let out = c.call(&["ps", "--format", "json"]).ok();
    assert!(out.stdout.ends_with("]\n"), "{out}");
    let pids: Vec<u32> = serde_json::from_str(&out.stdout).unwrap();
    assert!(pids.is_sorted() || !is_ours(), "{out}");
    pids.into_iter().collect()
}

/// The pids in the table's column.
fn table(out: &str, column: usize) -> BTreeSet<u32> {
    let pid = |line: &str| {
        line.split_whitespace()
            .nth(column)
            .unwrap()
            .parse()
            .unwrap()
    };
    out.lines().skip(1).map(pid).collect()
}

/// A shell and three that sleep.
fn four() -> (Container, BTreeSet<u32>) {
    let c = Container::sh("sleep 1000 & sleep 1000 & sleep 1000 & wait");
    c.detach();
    let all = || -> BTreeSet<u32> { pids_of_cgroup(&c.id).into_iter().collect() };
    assert!(wait_until(|| all().len() == 4));
    let pids = all();
    (c, pids)
}

#[test]
fn every_process_and_no_other() {
    need_root!();
    let (c, pids) = four();
    assert_eq!(json(&c), pids);
    let out = c.call(&["ps"]).ok();
    assert!(out.stdout.starts_with("UID          PID    PPID") || out.stdout.starts_with("UID "));
    assert_eq!(table(&out.stdout, 1), pids);
    let named = c.call(&["ps", "--format", "table"]).ok();
    assert_eq!(table(&named.stdout, 1), pids);
    assert_eq!(named.lines()[0], out.lines()[0]);
}

#[test]
fn options_of_ps() {
    need_root!();
    let (c, pids) = four();
    let ps = |args: &[&str]| {
        let mut all = vec!["ps", c.id.as_str()];
        all.extend_from_slice(args);
        c.runtime.run(&all)
    };
    let out = ps(&["-e", "-o", "pid,comm"]).ok();
    assert_eq!(
        out.lines()[0].split_whitespace().collect::<Vec<_>>(),
        ["PID", "COMMAND"]
    );
    assert_eq!(table(&out.stdout, 0), pids);
    let out = ps(&["aux"]).ok();
    assert_eq!(table(&out.stdout, 1), pids, "BSD's options");
    // What follows the name is for ps, though it looks as if it were for us.
    ps(&["-e", "-o", "comm"]).refused("couldn't find PID field in ps output");
    ps(&["--format", "json"]).refused("exit status 1: error:");
    ps(&["--bogus-option"]).refused("exit status 1: error:");
    c.runtime
        .run(&["ps", "--format", "yaml", &c.id])
        .refused("invalid format option");
}

#[test]
fn processes_in_groups_below() {
    need_root!();
    let (c, pids) = four();
    let init = c.pid();
    let moved = *pids.iter().find(|&&p| p != init).unwrap();
    for (_, dir) in cgroup_dirs(init) {
        let inner = dir.join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        for name in ["cpuset.cpus", "cpuset.mems"] {
            // v1: a group without them takes nobody.
            if let Ok(value) = std::fs::read_to_string(dir.join(name)) {
                let _ = std::fs::write(dir.join("a").join(name), &value);
                let _ = std::fs::write(inner.join(name), &value);
            }
        }
        std::fs::write(inner.join("cgroup.procs"), moved.to_string()).unwrap();
    }
    assert_eq!(json(&c), pids);
    assert_eq!(table(&c.call(&["ps"]).ok().stdout, 1), pids);
}

#[test]
fn in_every_state() {
    need_root!();
    let c = Container::sleeping();
    c.call(&["ps"]).refused("container does not exist");
    c.call(&["ps", "--format", "json"])
        .refused("container does not exist");
    c.create().ok();
    let init = c.pid();
    assert_eq!(json(&c), [init].into());
    c.start().ok();
    assert_eq!(json(&c), [init].into());
    c.call(&["pause"]).ok();
    assert_eq!(json(&c), [init].into());
    assert_eq!(table(&c.call(&["ps"]).ok().stdout, 1), [init].into());
    c.call(&["resume"]).ok();
    c.kill("KILL").ok();
    c.wait();
    assert!(wait_until(|| c.status() == "stopped"));
    let none = || c.call(&["ps", "--format", "json"]).ok().stdout == "null\n";
    // A zombie leaves its cgroup when it is reaped, or soon after.
    assert!(wait_until(none));
    assert_eq!(c.call(&["ps"]).ok().lines().len(), 1);
}

/// A container without an own pid namespace outlives its init.
#[test]
fn who_is_left_of_a_dead_init() {
    need_root!();
    let c = Container::new(|g| {
        g.without_namespace("pid")
            .sh("sleep 1000 & echo $! > /out; exit 0");
    });
    let mut out = c.fifo("out");
    c.run_with(&["--detach"]).ok();
    let left: u32 = out.line().parse().unwrap();
    c.wait();
    assert!(wait_until(|| c.status() == "stopped"));
    assert!(wait_until(|| json(&c) == [left].into()));
    c.kill("KILL").refused("container not running");
    // What containerd calls then.
    c.runtime.run(&["kill", "--all", &c.id, "9"]).ok();
    assert!(wait_until(|| !integration::alive(left)));
    c.delete().ok();
}

#[test]
fn without_a_ps() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let args = ["ps", c.id.as_str()];
    let (mut command, out, err) = c.runtime.command(&args);
    command.env("PATH", "/nonexistent");
    let out = c.runtime.finish(command, &args, out, err);
    out.refused("exec: \"ps\": executable file not found in $PATH");
    assert_eq!(json(&c), [pid].into(), "which needs none");
}

/// A `ps` that says much and takes its time.
#[test]
fn a_strange_ps() {
    need_root!();
    if !is_ours() {
        return skip("a_strange_ps", "runc is not asked for this");
    }
    let c = Container::sleeping();
    let pid = c.detach();
    let dir = c.bundle.path().join("bin");
    std::fs::create_dir(&dir).unwrap();
    let with = |script: &str| {
        use std::os::unix::fs::PermissionsExt;
        let ps = dir.join("ps");
        std::fs::write(&ps, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&ps, PermissionsExt::from_mode(0o755)).unwrap();
        let args = ["ps", c.id.as_str()];
        let (mut command, out, err) = c.runtime.command(&args);
        command.env("PATH", format!("{}:/bin:/usr/bin", dir.display()));
        c.runtime.finish(command, &args, out, err)
    };
    let much = format!(
        "echo NAME PID; i=0; while [ $i -lt 20000 ]; do echo some{} $i; i=$((i+1)); done; echo x {pid}",
        "x".repeat(40)
    );
    let out = with(&much).ok();
    assert!(out.lines().contains(&format!("x {pid}").as_str()), "{out}");
    with("echo oops >&2; kill -9 $$").refused("signal: ");
    with("exit 3").refused("exit status 3: ");
    with("printf ''").refused("couldn't find PID field in ps output");
    let bytes = with(&format!("printf 'PID X\\n{pid} \\377\\n'")).ok();
    assert_eq!(bytes.lines().len(), 2);
}

/// A caller that ignores the ends of its children, as a daemon may.
#[test]
fn a_caller_that_ignores_sigchld() {
    need_root!();
    let mut c = Container::sleeping();
    let pid = c.detach();
    c.runtime.prefix = ["env", "--ignore-signal=CHLD"].map(str::to_owned).to_vec();
    let out = c.call(&["ps"]).ok();
    assert_eq!(table(&out.stdout, 1), [pid].into());
}
