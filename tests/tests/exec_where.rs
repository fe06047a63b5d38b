//! `exec`: which namespaces, which cgroup, which states of a container.

use std::process::Command;

use integration::tracer::Call;
use integration::{
    Container, Signal, cgroup_dirs, cgroup_mounts, is_ours, need_root, proc_status, signal, skip,
    this_test, wait_until,
};
use serde_json::json;

use crate::exec::{detached, exec, running, sh};
use crate::looked_into::{run, while_stopped};
use crate::userns::mapped;

const LINKS: [&str; 8] = ["mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time"];

fn links() -> String {
    LINKS
        .map(|link| format!("readlink /proc/self/ns/{link}; "))
        .concat()
}

fn of(pid: u32) -> Vec<String> {
    LINKS
        .iter()
        .map(|link| std::fs::read_link(format!("/proc/{pid}/ns/{link}")).unwrap())
        .map(|link| link.to_str().unwrap().to_owned())
        .collect()
}

/// Is the process where init is?
fn same(c: &Container) {
    assert_eq!(sh(c, &[], &links()).ok().lines(), of(c.pid()));
}

#[test]
fn every_namespace_of_init() {
    need_root!();
    same(&running());
    let c = Container::new(|g| {
        for kind in ["ipc", "uts", "network", "cgroup", "pid"] {
            g.without_namespace(kind);
        }
        g.remove("/hostname").args(&["sleep", "1000"]);
    });
    c.detach();
    same(&c);
    let out = sh(&c, &[], "exit 3").exits(3);
    assert_eq!(out.stderr, "");
}

#[test]
fn a_user_namespace() {
    need_root!();
    let c = mapped(|g| {
        g.args(&["sleep", "1000"]);
        g.set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "hard": 600, "soft": 600}]),
        );
    });
    c.detach();
    same(&c);
    let script = "id -u; id -g; cat /proc/self/uid_map | tr -s ' '; grep CapEff /proc/self/status | cut -f 2; grep -c Groups:.[0-9] /proc/self/status; ulimit -n; touch /tmp/x 2>&1";
    let out = sh(&c, &[], script);
    assert_eq!(
        out.lines()[..6],
        ["0", "0", " 0 100000 65536", "0000000020000420", "0", "600"],
        "{out}"
    );
    let out = sh(
        &c,
        &["-u", "7:8", "-g", "9"],
        "id -u; id -g; grep Groups: /proc/self/status",
    )
    .ok();
    assert_eq!(out.lines(), ["7", "8", "Groups:\t9 "]);
    exec(&c, &["-u", "70000"], &["true"])
        .exits(255)
        .says("cannot set uid to unmapped user in user namespace");
    let process = detached(&c, &[], &["sleep", "1000"]);
    let pid = process.0;
    assert!(proc_status(pid, "Uid").unwrap().starts_with("100000\t"));
    drop(process);
}

#[test]
fn a_time_namespace() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "Debian's runc 1.1 knows no time namespace");
    }
    let c = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "time"}))
            .set(
                "/linux/timeOffsets",
                json!({"boottime": {"secs": 1_000_000, "nanosecs": 0}}),
            )
            .args(&["sleep", "1000"]);
    });
    c.detach();
    same(&c);
    let up = sh(&c, &[], "cut -d . -f 1 /proc/uptime").ok();
    assert!(up.text().parse::<u64>().unwrap() > 1_000_000, "{up}");
    let c = mapped(|g| {
        g.push("/linux/namespaces", json!({"type": "time"}))
            .args(&["sleep", "1000"]);
    });
    c.detach();
    same(&c);
}

#[test]
fn joined_namespaces() {
    need_root!();
    let other = running();
    let c = Container::new(|g| {
        for (kind, link) in [
            ("pid", "pid"),
            ("network", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
        ] {
            g.without_namespace(kind);
            let path = format!("/proc/{}/ns/{link}", other.pid());
            g.push("/linux/namespaces", json!({"type": kind, "path": path}));
        }
        g.remove("/hostname").args(&["sleep", "1000"]);
    });
    c.detach();
    same(&c);
    c.kill("KILL").ok();
    c.wait();
    other.call(&["delete", "--force"]).ok();
}

/// The start gate is still held, and closed to whoever is brought in.
#[test]
fn a_created_container() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/process/noNewPrivileges", false)
            .sh("exec sleep 1000");
    });
    c.create().ok();
    same(&c);
    if is_ours() {
        // As much as init has: who may look at init sees its files.
        let out = sh(
            &c,
            &[],
            "ls -l /proc/1/fd; for f in /proc/1/fd/*; do echo >$f && echo WROTE $f; done",
        );
        assert!(
            !out.stdout.contains("gate") && !out.stdout.contains("WROTE"),
            "{out}"
        );
        assert!(out.stderr.contains("Permission denied"), "{out}");
    }
    assert_eq!(c.status(), "created");
    let process = detached(&c, &[], &["sleep", "1000"]);
    c.start().ok();
    assert_eq!(c.status(), "running");
    drop(process);
    c.kill("KILL").ok();
    c.wait();
}

#[test]
fn a_stopped_container() {
    need_root!();
    let c = Container::sh("true");
    c.detach();
    c.wait();
    exec(&c, &[], &["true"])
        .exits(255)
        .says("cannot exec in a stopped container");
    exec(&c, &["-p", "/none"], &[])
        .exits(255)
        .says("cannot exec in a stopped container");
}

/// The directory by which the container is frozen, with the file and its two words.
fn freezer(c: &Container) -> (std::path::PathBuf, &'static str, &'static str) {
    let dirs = cgroup_dirs(c.pid());
    let of = |name: &str| dirs.iter().find(|(controllers, _)| controllers == name);
    match of("freezer") {
        Some((_, dir)) => (dir.join("freezer.state"), "FROZEN", "THAWED"),
        None => (of("").unwrap().1.join("cgroup.freeze"), "1", "0"),
    }
}

/// Freezes, and waits until it is so.
fn pause(file: &std::path::Path, freeze: &str) {
    std::fs::write(file, freeze).unwrap();
    let is = || std::fs::read_to_string(file).unwrap().trim() == freeze;
    assert!(wait_until(is));
}

#[test]
fn a_paused_container() {
    need_root!();
    let c = running();
    let (file, freeze, thaw) = freezer(&c);
    pause(&file, freeze);
    exec(&c, &[], &["true"])
        .exits(255)
        .says("cannot exec in a paused container (use --ignore-paused to override)");
    // It waits for the container to go on, and is there then.
    let args = ["exec", "--ignore-paused", &c.id, "echo", "thawed"];
    let (mut command, out, err) = c.runtime.command(&args);
    let child = command.spawn().unwrap();
    assert!(wait_until(|| integration::pids_of_cgroup(&c.id).len() > 1));
    std::fs::write(&file, thaw).unwrap();
    let out = c.runtime.wait(child, &args, out, err).ok();
    assert_eq!(out.text(), "thawed");
}

/// Paused when the decision is made already: an error, and no waiting for who may never come.
#[test]
fn paused_meanwhile() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "runc waits for ever");
    }
    let c = running();
    let (file, freeze, thaw) = freezer(&c);
    // A pid file that waits to be taken would be a way, but the kernel's answer is faster: frozen by what it reads.
    let fifo = c.bundle.path().join("process");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let args = ["exec", "-p", fifo.to_str().unwrap(), &c.id];
    let (mut command, out, err) = c.runtime.command(&args);
    let child = command.spawn().unwrap();
    // It has looked at the container when it opens the file.
    let mut write = std::fs::File::options().write(true).open(&fifo).unwrap();
    pause(&file, freeze);
    std::io::Write::write_all(&mut write, br#"{"args": ["sleep", "1000"], "cwd": "/"}"#).unwrap();
    drop(write);
    c.runtime
        .wait(child, &args, out, err)
        .exits(255)
        .says("the container was paused meanwhile");
    std::fs::write(&file, thaw).unwrap();
    let alone = wait_until(|| integration::pids_of_cgroup(&c.id).len() == 1);
    assert!(alone, "{:?}", integration::pids_of_cgroup(&c.id));
}

/// The same between the last word of the process that was started outside and its end: the other one, born in the pid namespace, is
/// there by then, and who is to be collected does not come to its end.
#[test]
fn paused_at_its_birth() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "it is about ours");
    }
    let c = running();
    let (file, freeze, thaw) = freezer(&c);
    let dir = integration::TempDir::new("stdio");
    let mut command = Command::new(c.runtime.binary());
    command.arg("--root").arg(c.runtime.root());
    command.args(["exec", &c.id, "true"]);
    let whole = run(&command, dir.path(), None);
    assert_eq!(whole.code, 0, "{whole:?}");
    let is_last_word = |call: &&Call| call.process == 1 && call.name == "sendto";
    let call = whole.calls.iter().rev().find(is_last_word).unwrap();
    let (trace, told) = while_stopped(&command, dir.path(), &c, call, |pid| {
        std::fs::write(&file, freeze).unwrap();
        signal(pid, Signal::CONT);
        let told = wait_until(|| {
            let text = std::fs::read_to_string(dir.path().join("err")).unwrap();
            text.contains("the container was paused meanwhile")
        });
        // The tracer has to do with the frozen ones, too.
        std::fs::write(&file, thaw).unwrap();
        told
    });
    assert_eq!(told, Some(true));
    assert_eq!((trace.code, trace.hung), (255, None));
    let alone = wait_until(|| {
        c.reap_orphans();
        integration::pids_of_cgroup(&c.id).len() == 1
    });
    assert!(alone, "{:?}", integration::pids_of_cgroup(&c.id));
}

/// In every hierarchy where init is.
#[test]
fn the_containers_cgroups() {
    need_root!();
    let c = running();
    let process = detached(&c, &[], &["sleep", "1000"]);
    assert_eq!(cgroup_dirs(process.0), cgroup_dirs(c.pid()));
    // Below them, all or some.
    for (controllers, dir) in cgroup_dirs(c.pid()) {
        if is_ours() || !controllers.is_empty() || cgroup_mounts().len() == 1 {
            std::fs::create_dir(dir.join("below")).unwrap();
        }
        if controllers == "cpuset" {
            for name in ["cpuset.cpus", "cpuset.mems"] {
                let value = std::fs::read_to_string(dir.join(name)).unwrap();
                std::fs::write(dir.join("below").join(name), value).unwrap();
            }
        }
    }
    if is_ours() {
        let process = detached(&c, &["--cgroup", "/below/"], &["sleep", "1000"]);
        for (controllers, dir) in cgroup_dirs(process.0) {
            assert!(dir.ends_with("below"), "{controllers} {dir:?}");
        }
    }
    if cgroup_mounts().len() > 1 {
        let process = detached(&c, &["--cgroup", "pids:below"], &["sleep", "1000"]);
        for (controllers, dir) in cgroup_dirs(process.0) {
            assert_eq!(
                dir.ends_with("below"),
                controllers == "pids",
                "{controllers} {dir:?}"
            );
        }
    }
    for (asked, words) in [
        (&["--cgroup", "none"][..], "no such file or directory"),
        (&["--cgroup", "../x"], "../x is not a sub cgroup path"),
        (&["--cgroup", "a:b:c"], "invalid --cgroup argument: a:b:c"),
        (
            &["--cgroup", "none:b"],
            "unknown controller none in SubCgroupPaths",
        ),
        (
            &["--cgroup", "a", "--cgroup", "b"],
            "invalid --cgroup argument: a (missing <controller>: prefix)",
        ),
    ] {
        exec(&c, asked, &["true"]).exits(255).says(words);
    }
    drop(process);
    c.call(&["delete", "--force"]).ok();
}

/// On v2 a container that passes controllers on to groups of its own has left its first one: it takes no process any more.
#[test]
fn init_in_another_cgroup() {
    need_root!();
    if cgroup_mounts()
        .iter()
        .any(|(controllers, _)| !controllers.is_empty())
    {
        return skip(
            &this_test(),
            "cgroup v1: a group with groups below takes processes too",
        );
    }
    let c = running();
    let (_, dir) = cgroup_dirs(c.pid()).remove(0);
    let below = dir.join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("cgroup.procs"), c.pid().to_string()).unwrap();
    std::fs::write(dir.join("cgroup.subtree_control"), "+pids").unwrap();
    let process = detached(&c, &[], &["sleep", "1000"]);
    let pid = process.0;
    assert_eq!(cgroup_dirs(pid)[0].1, below);
    drop(process);
    // One that is asked for is meant as it is.
    let out = exec(&c, &["--cgroup", "/"], &["true"]).exits(255);
    let out = out.says("device or resource busy");
    if is_ours() {
        out.says(
            "exec's process in its cgroup, which passes controllers on (cgroup.subtree_control)",
        );
    }
    c.call(&["delete", "--force"]).ok();
}
