//! A subtree of cgroup v2 that is an ordinary user's: what of the limits arrives there, what the user can do with it, and what is said
//! of what was not given. (A manager gives such subtrees to sessions; these tests do, and there need be none.)

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use integration::{Config, Container, cgroup_dirs, is_ours, is_v2, need_root, skip, this_test};
use serde_json::{Value, json};

use crate::rootless::{UID, user};
use crate::rootless_cgroups::{Delegated, in_groups, name, value};

macro_rules! need_v2 {
    () => {
        need_root!();
        if !is_v2() {
            return skip(&this_test(), "no unified cgroup v2 hierarchy here");
        }
    };
}

/// Passes these on to what is below.
fn pass_on(group: &Path, controllers: &str) {
    std::fs::write(group.join("cgroup.subtree_control"), controllers).unwrap();
}

/// The user's group, in which every controller is there.
fn full() -> Delegated {
    let groups = Delegated::new(&name(), |_| true);
    pass_on(groups.0[0].parent().unwrap(), "+memory +pids +cpu +cpuset");
    groups
}

fn limits(g: &mut Config) {
    g.args(&["sleep", "1000"]).set(
        "/linux/resources",
        json!({
            "memory": {"limit": 33_554_432, "reservation": 16_777_216, "swap": 67_108_864},
            "pids": {"limit": 50},
            "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0"},
            "unified": {"memory.high": "25165824"},
        }),
    );
}

#[track_caller]
fn has(group: &Path, wanted: &[(&str, &str)]) {
    for (file, text) in wanted {
        assert_eq!(value(group.join(file)), *text, "{file}");
    }
}

const ARRIVED: [(&str, &str); 8] = [
    ("memory.max", "33554432"),
    ("memory.low", "16777216"),
    ("memory.swap.max", "33554432"),
    ("memory.high", "25165824"),
    ("pids.max", "50"),
    ("cpu.max", "50000 100000"),
    ("cpu.weight", "20"),
    ("cpuset.cpus", "0"),
];

/// The container's group: the user's own, below the one that was given.
#[track_caller]
fn group_of(c: &Container, pid: u32, groups: &Delegated) -> PathBuf {
    let dir = groups.0[0].join(&c.id);
    assert_eq!(cgroup_dirs(pid)[0].1, dir);
    assert_eq!(std::fs::metadata(&dir).unwrap().uid(), UID);
    dir
}

#[test]
fn every_limit_arrives() {
    need_v2!();
    let groups = full();
    let c = in_groups(&groups, "own", limits);
    let pid = c.detach();
    has(&group_of(&c, pid, &groups), &ARRIVED);
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    // As under an engine that is root of its user namespace already.
    let mut c = in_groups(&groups, "own", |g| {
        limits(g);
        g.set("/linux/uidMappings/0/hostID", 0)
            .set("/linux/gidMappings/0/hostID", 0);
    });
    c.runtime
        .prefix
        .extend(["unshare", "-Ur"].map(str::to_owned));
    let pid = c.detach();
    has(&group_of(&c, pid, &groups), &ARRIVED);
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// A path is taken as it is.
#[test]
fn a_path_in_it() {
    need_v2!();
    let groups = full();
    let place = groups.0[0].join("some/place");
    let inner = place.strip_prefix("/sys/fs/cgroup").unwrap();
    let c = in_groups(&groups, "own", |g| {
        limits(g);
        g.set("/linux/cgroupsPath", format!("/{}", inner.display()));
    });
    let pid = c.detach();
    assert_eq!(cgroup_dirs(pid)[0].1, place);
    has(&place, &ARRIVED);
    c.call(&["delete", "--force"]).ok();
    assert!(!place.exists());
    c.nothing_left();
    let _ = std::fs::remove_dir(place.parent().unwrap());
}

/// All that goes by the group, done by the user.
#[test]
fn updated_paused_looked_at_and_killed() {
    need_v2!();
    let groups = full();
    let c = in_groups(&groups, "own", limits);
    let pid = c.detach();
    let group = group_of(&c, pid, &groups);
    let all = ["--memory", "50331648", "--memory-swap", "50331648"];
    c.call(
        &[
            &["update"][..],
            &all,
            &["--pids-limit", "60", "--cpu-quota", "70000"],
        ]
        .concat(),
    )
    .ok();
    let wanted = [
        ("memory.max", "50331648"),
        ("memory.swap.max", "0"),
        ("pids.max", "60"),
        ("cpu.max", "70000 100000"),
        ("cpu.weight", "20"),
    ];
    has(&group, &wanted);
    c.call(&["pause"]).ok();
    assert_eq!(c.status(), "paused");
    has(&group, &[("cgroup.freeze", "1")]);
    c.call(&["resume"]).ok();
    assert_eq!(c.status(), "running");
    let out = c.call(&["events", "--stats"]).ok();
    let seen: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(seen["data"]["pids"]["limit"], 60, "{out}");
    assert!(
        seen["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0,
        "{out}"
    );
    let out = c.call(&["ps", "--format", "json"]).ok();
    assert_eq!(out.text(), format!("[{pid}]"));
    c.runtime.run(&["kill", "--all", &c.id, "KILL"]).ok();
    c.wait();
    c.delete().ok();
    assert!(!group.exists());
    c.nothing_left();
}

/// The word names the controller, and the group that holds it back.
#[test]
fn what_is_not_passed_on() {
    need_v2!();
    let groups = Delegated::below_another(&name(), "+pids");
    let outer = groups.0[0].parent().unwrap().to_owned();
    let cases: [(&str, Value, &str); 3] = [
        ("memory", json!({"limit": 33_554_432}), "memory.max"),
        (
            "cpu",
            json!({"quota": 50_000, "period": 100_000}),
            "cpu.max",
        ),
        ("cpu", json!({"cpus": "0"}), "cpuset.cpus"),
    ];
    for (resource, limit, file) in cases {
        let c = in_groups(&groups, "own", |g| {
            g.set(&format!("/linux/resources/{resource}"), limit);
        });
        let out = c
            .run()
            .refused(&format!("/{file}: no such file or directory"));
        if is_ours() {
            out.says(&format!(
                "the controller is not enabled in it: {} does not pass it on (cgroup.subtree_control)",
                outer.display()
            ));
        }
        c.nothing_left();
    }
    // What is, arrives.
    let c = in_groups(&groups, "own", |g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources/pids", json!({"limit": 50}));
    });
    let pid = c.detach();
    has(&group_of(&c, pid, &groups), &[("pids.max", "50")]);
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// Where the user's processes are in the group itself there is no place for one beside them.
#[test]
fn processes_in_the_group_itself() {
    need_v2!();
    let groups = full();
    let c = in_groups(&groups, "", |g| {
        g.args(&["sleep", "1000"]);
    });
    let pid = c.detach();
    assert_eq!(cgroup_dirs(pid)[0].1, groups.0[0]);
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    let c = in_groups(&groups, "", limits);
    c.run()
        .refused("rootless needs no limits + no cgrouppath when no permission is granted for cgroups: mkdir ");
    c.nothing_left();
    // Nor below them, for what is not for threads.
    let inner = groups.0[0].strip_prefix("/sys/fs/cgroup").unwrap();
    let c = in_groups(&groups, "", |g| {
        limits(g);
        g.set("/linux/cgroupsPath", format!("/{}/inner", inner.display()));
    });
    c.run()
        .refused("with domain controllers -- it is in an invalid state");
    c.nothing_left();
}

/// Nobody's number, again: without a subtree a limit is refused, whoever else has one.
#[test]
fn somebody_elses() {
    need_v2!();
    let groups = full();
    let inner = groups.0[0].strip_prefix("/sys/fs/cgroup").unwrap();
    std::os::unix::fs::chown(&groups.0[0], Some(UID + 1), Some(UID + 1)).unwrap();
    let c = user(|g| {
        limits(g);
        g.set("/linux/cgroupsPath", format!("/{}/inner", inner.display()));
    });
    c.run().refused("permission denied");
    c.nothing_left();
}
