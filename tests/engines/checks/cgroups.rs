//! Where Podman puts a container and its monitor, on version 2.

use std::path::{Path, PathBuf};

use super::{background, inspect, sh};
use crate::configure::give_group;
use crate::engine::{Engine, Kind};

/// The only group that a process is in.
fn group_of(pid: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.trim().strip_prefix("0::/").unwrap().to_owned();
    Path::new("/sys/fs/cgroup").join(path)
}

fn text(file: PathBuf) -> String {
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
    text.trim().to_owned()
}

/// Below the group that Podman itself is in.
pub fn split(e: &Engine) {
    let top = match e.kind {
        Kind::PodmanUser => "/sys/fs/cgroup/of-the-user/split",
        _ => "/sys/fs/cgroup/split",
    };
    give_group(Path::new(top), e.kind == Kind::PodmanUser);
    let args = [
        "run",
        "-d",
        "--name",
        "c1",
        "--cgroups=split",
        "--memory",
        "64m",
        "busybox:1",
        "sleep",
        "1000",
    ];
    e.run_in(Path::new(top), &args).ok();
    let group = group_of(&inspect(e, "c1", ".State.Pid"));
    let id = inspect(e, "c1", ".Id");
    assert_eq!(group, Path::new(top).join(format!("libpod-payload-{id}")));
    assert_eq!(text(group.join("memory.max")), "67108864");
    super::remove(e, "c1");
    assert!(!group.exists(), "{group:?} is left");
}

pub fn no_conmon(e: &Engine) {
    background(e, "c1", &["--cgroups=no-conmon"], "exec sleep 1000");
    let group = group_of(&inspect(e, "c1", ".State.Pid"));
    let id = inspect(e, "c1", ".Id");
    // An ordinary user's Podman leaves the place to the runtime.
    let name = match e.kind {
        Kind::PodmanUser => id,
        _ => format!("libpod-{id}"),
    };
    assert!(group.ends_with(&name), "{group:?}");
    let monitor = group_of(&inspect(e, "c1", ".State.ConmonPid"));
    let own = match e.kind {
        Kind::PodmanUser => "/sys/fs/cgroup/of-the-user/session",
        _ => "/sys/fs/cgroup/init",
    };
    assert_eq!(monitor, Path::new(own));
}

/// Only crun says that it can do without.
pub fn disabled(e: &Engine) {
    let out = sh(e, &["--cgroups=disabled"], "cat /proc/self/cgroup");
    if e.runtime == "crun" {
        assert!(out.code == 0 && !out.stdout.contains("libpod"), "{out}");
    } else {
        assert!(out.code != 0 && out.stderr.contains("NoCgroups"), "{out}");
    }
}

/// Its containers are together.
pub fn pod(e: &Engine) {
    e.run(&["pod", "create", "--name", "p"]).ok();
    let started = |name: &str, options: &[&str]| {
        background(e, name, options, "exec sleep 1000");
        group_of(&inspect(e, name, ".State.Pid"))
    };
    let [one, two] = ["c1", "c2"].map(|name| started(name, &["--pod", "p", "--memory", "32m"]));
    for group in [&one, &two] {
        assert_eq!(text(group.join("memory.max")), "33554432");
    }
    assert_eq!(one.parent(), two.parent());
}
