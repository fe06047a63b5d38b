//! cgroups of an ordinary user: those that were given to it, no others; and none where none is needed.

use std::path::{Path, PathBuf};

use integration::{
    Config, Container, cgroup_dirs, cgroup_mounts, cgroups_named, is_ours, is_v2, need_root,
    proc_status, skip, this_test,
};
use serde_json::{Value, json};

use crate::rootless::{UID, user};

pub fn value(file: PathBuf) -> String {
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
    text.trim().to_owned()
}

/// Groups that are the user's: one in each hierarchy that was asked for.
pub struct Delegated(pub Vec<PathBuf>);

/// How the name of a group ends that holds a delegated one.
const OUTER: &str = "-outer";

/// cgroups(7), "Delegation": these files and the directory itself.
fn give(dir: &Path) {
    for file in [
        "",
        "cgroup.procs",
        "tasks",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        let path = dir.join(file);
        if path.exists() {
            std::os::unix::fs::chown(path, Some(UID), Some(UID)).unwrap();
        }
    }
}

impl Delegated {
    /// `which`: controllers; "" is v2's.
    pub fn new(name: &str, which: impl Fn(&str) -> bool) -> Self {
        let own = cgroup_dirs(std::process::id());
        let mut made = Self(Vec::new());
        for (controllers, _) in cgroup_mounts() {
            if !which(&controllers) {
                continue;
            }
            let dir = &own.iter().find(|(c, _)| *c == controllers).unwrap().1;
            // v2: beside this process's own, which passes nothing on.
            let dir = match controllers.is_empty() && is_v2() {
                true => dir.parent().unwrap().join(name),
                false => dir.join(name),
            };
            std::fs::create_dir(&dir).unwrap();
            made.0.push(dir.clone());
            for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| !is_v2()) {
                if let Ok(text) = std::fs::read(dir.parent().unwrap().join(file)) {
                    std::fs::write(dir.join(file), text).unwrap();
                }
            }
            give(&dir);
        }
        made
    }

    /// One of v2 in a group that is root's and passes these controllers on, no others.
    pub fn below_another(name: &str, controllers: &str) -> Self {
        let own = &cgroup_dirs(std::process::id())[0].1;
        let outer = own.parent().unwrap().join(format!("{name}{OUTER}"));
        std::fs::create_dir(&outer).unwrap();
        let dir = outer.join("given");
        std::fs::create_dir(&dir).unwrap();
        let made = Self(vec![dir]);
        std::fs::write(outer.join("cgroup.subtree_control"), controllers).unwrap();
        give(&made.0[0]);
        made
    }

    /// A prefix for commands of the user in these groups.
    pub fn enter(&self, below: &str) -> Vec<String> {
        let mut script = String::new();
        for dir in &self.0 {
            let dir = dir.join(below);
            if !below.is_empty() && !dir.exists() {
                std::fs::create_dir(&dir).unwrap();
                std::os::unix::fs::chown(&dir, Some(UID), Some(UID)).unwrap();
                std::os::unix::fs::chown(dir.join("cgroup.procs"), Some(UID), Some(UID)).unwrap();
            }
            script.push_str(&format!("echo 0 >{}/cgroup.procs && ", dir.display()));
        }
        script.push_str(&format!(
            "exec setpriv --reuid {UID} --regid {UID} --clear-groups \"$@\""
        ));
        ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for dir in &self.0 {
            let gone = integration::wait_until(|| {
                let _ = std::fs::remove_dir(dir.join("own"));
                std::fs::remove_dir(dir).is_ok() || !dir.exists()
            });
            if !gone && !std::thread::panicking() {
                panic!("{dir:?} cannot be removed");
            }
            let outer = dir.parent().unwrap();
            if outer.to_string_lossy().ends_with(OUTER) {
                let _ = std::fs::remove_dir(outer);
            }
        }
    }
}

pub fn in_groups(groups: &Delegated, below: &str, change: impl FnOnce(&mut Config)) -> Container {
    let mut c = user(change);
    c.runtime.user = None;
    c.runtime.prefix = groups.enter(below);
    c
}

pub fn name() -> String {
    this_test().replace(':', "-") + "-delegated"
}

#[test]
fn all_of_v1() {
    need_root!();
    if is_v2() {
        return skip(&this_test(), "no cgroup v1 here");
    }
    let groups = Delegated::new(&name(), |_| true);
    let c = in_groups(&groups, "", |g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources/pids", json!({"limit": 50}))
            .set("/linux/resources/memory", json!({"limit": 33_554_432}))
            .set("/linux/resources/cpu", json!({"shares": 512, "cpus": "0"}));
    });
    let pid = c.detach();
    for (controllers, dir) in cgroup_dirs(pid) {
        if controllers.is_empty() && !is_ours() {
            // runc 1.1 leaves the v2 hierarchy alone.
            continue;
        }
        assert!(dir.ends_with(&c.id), "{controllers}: {dir:?}");
        assert!(
            groups.0.iter().any(|own| dir.parent() == Some(own)),
            "{dir:?}"
        );
        match controllers.as_str() {
            "pids" => assert_eq!(value(dir.join("pids.max")), "50"),
            "memory" => assert_eq!(value(dir.join("memory.limit_in_bytes")), "33554432"),
            "cpuset" => assert_eq!(value(dir.join("cpuset.cpus")), "0"),
            _ => {}
        }
    }
    c.kill("KILL").ok();
    c.wait();
    c.delete().ok();
    c.nothing_left();
    // And with a path, which is a demand.
    let own = cgroup_dirs(std::process::id());
    let path = groups
        .0
        .iter()
        .find(|dir| dir.starts_with("/sys/fs/cgroup/pids"));
    let below = own
        .iter()
        .find(|(c, _)| c == "memory")
        .unwrap()
        .1
        .components()
        .count();
    if let (Some(path), 5) = (path, below) {
        let inner = path.strip_prefix("/sys/fs/cgroup/pids").unwrap();
        let c = in_groups(&groups, "", |g| {
            g.set("/linux/cgroupsPath", format!("/{}/inner", inner.display()));
        });
        c.run().ok();
    }
}

#[test]
fn one_of_v1() {
    need_root!();
    if is_v2() {
        return skip(&this_test(), "no cgroup v1 here");
    }
    let groups = Delegated::new(&name(), |controllers| controllers == "pids");
    let c = in_groups(&groups, "", |g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources/pids", json!({"limit": 50}));
    });
    let pid = c.detach();
    for (controllers, dir) in cgroup_dirs(pid) {
        assert_eq!(
            dir.ends_with(&c.id),
            controllers == "pids",
            "{controllers}: {dir:?}"
        );
    }
    assert_eq!(value(groups.0[0].join(&c.id).join("pids.max")), "50");
    let text = std::fs::read(c.runtime.root().join(&c.id).join("state.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    if is_ours() {
        // What `delete` goes by.
        let paths = record["cgroup_paths"].as_object().unwrap();
        assert_eq!(paths.keys().collect::<Vec<_>>(), ["pids"]);
    }
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    let c = in_groups(&groups, "", |g| {
        g.set("/linux/resources/memory", json!({"limit": 33_554_432}));
    });
    c.run()
        .refused("cannot set memory limit: container could not join or create cgroup");
    c.nothing_left();
}

#[test]
fn none() {
    need_root!();
    let c = user(|g| {
        g.args(&["sleep", "1000"]);
    });
    let pid = c.detach();
    assert!(cgroups_named(&c.id).is_empty());
    assert_eq!(cgroup_dirs(pid), cgroup_dirs(std::process::id()));
    c.kill("KILL").ok();
    c.wait();
    c.delete().ok();
    c.nothing_left();
    // A limit, and a place, are demands.
    let c = user(|g| {
        g.set("/linux/resources/pids", json!({"limit": 50}));
    });
    c.run().refused(match is_v2() {
        true => {
            "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: mkdir "
        }
        false => "cannot set pids limit: container could not join or create cgroup",
    });
    c.nothing_left();
    let c = user(|g| {
        g.set("/linux/cgroupsPath", "/rrt-nobodys");
    });
    c.run()
        .refused("unable to apply cgroup configuration: mkdir /sys/fs/cgroup/")
        .says("/rrt-nobodys: permission denied");
    c.nothing_left();
}

/// Of a container without a group only init is known. With a pid namespace of its own it takes everybody with it; else nobody can say
/// that all were signalled, or that these are all.
#[test]
fn all_processes_without_a_group() {
    need_root!();
    let c = user(|g| {
        g.args(&["sleep", "1000"]);
    });
    c.detach();
    let words = "the container has no cgroup, and only its first process is known";
    // runc: "lstat : no such file or directory"
    let words = if is_ours() { words } else { "no such file" };
    c.call(&["ps"]).refused(words);
    c.call(&["ps", "--format", "json"]).refused(words);
    let kill = |signal| c.runtime.run(&["kill", "--all", &c.id, signal]);
    kill("TERM").refused(words);
    if !is_ours() {
        kill("KILL").refused(words);
        return;
    }
    kill("KILL").ok();
    c.wait();
    assert_eq!(c.status(), "stopped");
    kill("KILL").refused("container not running");
}

/// `--rootless`
#[test]
fn by_word() {
    need_root!();
    let mut c = user(|_| {});
    c.runtime.globals = vec!["--rootless=false".to_owned()];
    c.run()
        .refused("unable to apply cgroup configuration: mkdir /sys/fs/cgroup/")
        .says(": permission denied");
    c.nothing_left();
    c.runtime.globals = vec!["--rootless=true".to_owned()];
    c.run().ok();
    // Root may make what it likes.
    let mut c = Container::sleeping();
    c.runtime.globals = vec!["--rootless=true".to_owned()];
    let pid = c.detach();
    let dirs = cgroup_dirs(pid);
    assert!(
        dirs.iter()
            .all(|(_, dir)| dir.ends_with(&c.id) || !is_ours()),
        "{dirs:?}"
    );
}

/// Another's group of the same name is neither joined nor in the way, and never removed.
#[test]
fn somebody_elses_of_the_same_name() {
    need_root!();
    if is_v2() && !is_ours() {
        return skip(&this_test(), "on v2 runc 1.1 tries to join it");
    }
    let theirs = Container::sleeping();
    let pid = theirs.detach();
    let mut mine = user(|g| {
        g.args(&["sleep", "1000"]);
    });
    mine.id.clone_from(&theirs.id);
    let own = mine.detach();
    assert_eq!(cgroup_dirs(own), cgroup_dirs(std::process::id()));
    mine.call(&["delete", "--force"]).ok();
    assert!(integration::alive(pid));
    assert_eq!(theirs.status(), "running");
    let places = cgroups_named(&theirs.id);
    assert!(!places.is_empty());
    // Nothing else is left of mine.
    assert!(mine.state_entries().is_empty());
    mine.id = "rrt-gone".to_owned();
}

#[test]
fn nobody_is_found_again_without_a_group_and_a_pid_namespace() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "runc 1.1 does not warn");
    }
    let c = user(|g| {
        g.without_namespace("pid")
            .unmount("/proc")
            .mount("/proc", "bind", "/proc", &["rbind"]);
        g.set("/linux/maskedPaths", json!([]))
            .set("/linux/readonlyPaths", json!([]));
    });
    c.run()
        .ok()
        .says("the container has no cgroup and no pid namespace of its own");
}

#[test]
fn a_subtree_of_v2() {
    need_root!();
    if !is_v2() {
        return skip(&this_test(), "no unified cgroup v2 hierarchy here");
    }
    let groups = Delegated::new(&name(), |_| true);
    let group = &groups.0[0];
    let control = group.parent().unwrap().join("cgroup.subtree_control");
    std::fs::write(control, "+pids +memory").unwrap();
    let c = in_groups(&groups, "own", |g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources/pids", json!({"limit": 50}))
            .set("/linux/resources/memory", json!({"limit": 33_554_432}));
    });
    let pid = c.detach();
    let dir = group.join(&c.id);
    assert_eq!(cgroup_dirs(pid)[0].1, dir);
    assert_eq!(value(dir.join("pids.max")), "50");
    assert_eq!(value(dir.join("memory.max")), "33554432");
    assert_eq!(
        proc_status(pid, "NSpid")
            .unwrap()
            .split_whitespace()
            .count(),
        2
    );
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    // What the container sees of it.
    let c = in_groups(&groups, "own", |g| {
        g.sh("cat /proc/self/cgroup; test -f /sys/fs/cgroup/cgroup.procs && echo own");
    });
    let out = c.run().ok();
    assert_eq!(out.lines(), ["0::/", "own"]);
    let c = in_groups(&groups, "own", |g| {
        g.without_namespace("cgroup")
            .sh("test -f /sys/fs/cgroup/cgroup.procs && echo hosts");
    });
    assert_eq!(c.run().ok().text(), "hosts");
}

/// CVE-2023-25809: the groups that are the user's, and so the container's root's, seen through a read-only mount: its own ones
/// with a cgroup namespace, the host's without.
#[test]
fn cve_2023_25809_a_read_only_view_is_read_only() {
    need_root!();
    let groups = Delegated::new(&name(), |_| true);
    let below = if is_v2() { "own" } else { "" };
    // Of v1 the directory itself is a tmpfs of the container's own.
    let depth = u8::from(!is_v2());
    let script = format!(
        "cd /sys/fs/cgroup; find . -mindepth {depth} -type d 2>/dev/null | while read d; do \
         mkdir $d/made 2>/dev/null && echo made $d; done; \
         test -n \"$(find . -name cgroup.procs)\" && echo seen"
    );
    for new_namespace in [true, false] {
        let c = in_groups(&groups, below, |g| {
            g.unmount("/sys/fs/cgroup")
                .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro"])
                .sh(&script);
            if !new_namespace {
                g.without_namespace("cgroup");
            }
        });
        assert_eq!(c.run().ok().text(), "seen", "{new_namespace}");
        c.nothing_left();
    }
}

/// The group may be made, but the way there is through one that is not the user's.
#[test]
fn a_place_of_v2_that_cannot_be_entered() {
    need_root!();
    if !is_v2() {
        return skip(&this_test(), "no unified cgroup v2 hierarchy here");
    }
    if !is_ours() {
        return skip(&this_test(), "runc gives the errno alone");
    }
    let groups = Delegated::new(&name(), |_| true);
    let inner = groups.0[0].strip_prefix("/sys/fs/cgroup").unwrap();
    let c = user(|g| {
        g.set("/linux/cgroupsPath", format!("/{}/inner", inner.display()));
    });
    c.run()
        .refused("in its cgroup; the caller must be allowed to write cgroup.procs there and in the closest group above")
        .says(": permission denied");
    c.nothing_left();
}

/// As on most hosts: the hierarchies are mounted with flags that a user namespace may not take off.
#[test]
fn a_view_of_locked_mounts() {
    need_root!();
    if is_v2() {
        return skip(&this_test(), "no cgroup v1 here");
    }
    if !is_ours() {
        return skip(
            &this_test(),
            "runc before 1.2 drops the flags, and is refused that",
        );
    }
    let mut c = user(|g| {
        g.without_namespace("cgroup")
            .unmount("/sys/fs/cgroup")
            .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro"])
            .sh("grep ' /sys/fs/cgroup/pids ' /proc/self/mountinfo | cut -d ' ' -f 6");
    });
    c.runtime.user = None;
    let script = format!(
        "for m in /sys/fs/cgroup/*/; do mount -o remount,bind,nosuid,nodev,noexec $m; done; \
         exec setpriv --reuid {UID} --regid {UID} --clear-groups \"$@\""
    );
    c.runtime = c.runtime.with_own_mounts(&script);
    assert_eq!(c.run().ok().text(), "ro,nosuid,nodev,noexec,relatime");
}

/// Who can make devices gets the rules, or nothing.
#[test]
fn the_word_does_not_free_root_of_device_rules() {
    need_root!();
    if is_v2() || !Path::new("/sys/fs/cgroup/devices").exists() {
        return skip(&this_test(), "no cgroup v1 devices controller here");
    }
    let mut c = Container::sleeping();
    c.runtime.globals = vec!["--rootless=true".to_owned()];
    let script = "umount /sys/fs/cgroup/devices && exec \"$@\"";
    c.runtime = c.runtime.with_own_mounts(script);
    c.run().exits(1).says("devices");
    c.nothing_left();
}
