//! cgroup v2: where a container's group is, what it takes on the way there, and what the container sees of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use integration::{Container, Output, is_ours, skip, this_test, wait_until};
use serde_json::json;

use crate::cgroups::value;
use crate::cgroups_v2::{group, need_v2};
use crate::differential::with_runc;
use crate::hangs::within;

const ROOT: &str = "/sys/fs/cgroup";

/// A group of the test's own, directly below the root. Its processes are killed, and it is removed with all below it.
pub struct Group(PathBuf);

impl Group {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("{ROOT}/rrt-group-{}-{n}", std::process::id());
        fs::create_dir(&path).unwrap();
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// As `cgroupsPath` has it.
    pub fn below(&self, name: &str) -> String {
        format!("/{}/{name}", self.0.file_name().unwrap().to_str().unwrap())
    }

    /// A process in it.
    fn occupied(&self) -> Sleeper {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(self.0.join("cgroup.procs"), child.id().to_string()).unwrap();
        Sleeper(child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fn remove(path: &Path) {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    remove(&entry.path());
                }
            }
            let _ = fs::remove_dir(path);
        }
        let _ = fs::write(self.0.join("cgroup.freeze"), "0");
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        wait_until(|| {
            remove(&self.0);
            !self.0.exists()
        });
    }
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn at(path: &str, change: impl FnOnce(&mut integration::Config)) -> Container {
    Container::new(|g| {
        g.args(&["sleep", "1000"]).set("/linux/cgroupsPath", path);
        change(g);
    })
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words
}

/// Every controller of the root is passed on along the path; what was made on the way stays, as with runc.
#[test]
fn controllers_are_passed_on_along_the_path() {
    need_v2!("memory");
    let top = Group::new();
    let c = at(&top.below("a/b/box"), |g| {
        g.set("/linux/resources/memory/limit", 33_554_432);
    });
    let dir = group(c.detach());
    assert_eq!(dir, top.path().join("a/b/box"));
    let all = words(&value(Path::new(ROOT), "cgroup.controllers"));
    for parent in [
        top.path().to_owned(),
        top.path().join("a"),
        top.path().join("a/b"),
    ] {
        assert_eq!(
            words(&value(&parent, "cgroup.subtree_control")),
            all,
            "{parent:?}"
        );
    }
    assert_eq!(value(&dir, "cgroup.subtree_control"), "");
    assert_eq!(value(&dir, "memory.max"), "33554432");
    c.call(&["delete", "--force"]).ok();
    assert!(!dir.exists() && top.path().join("a/b").exists());
}

/// A relative path is beside the caller's own group: one with processes in it can pass nothing on.
#[test]
fn a_relative_path() {
    need_v2!("memory");
    let parent = group(std::process::id()).parent().unwrap().to_owned();
    for (path, place) in [
        ("rrt-relative/x", "rrt-relative/x"),
        ("../../rrt-relative/../rrt-relative/y", "rrt-relative/y"),
    ] {
        let c = at(path, |g| {
            g.set("/linux/resources/memory/limit", 33_554_432);
        });
        let dir = group(c.detach());
        assert_eq!(dir, parent.join(place));
        assert_eq!(value(&dir, "memory.max"), "33554432");
        c.call(&["delete", "--force"]).ok();
        assert!(!dir.exists());
    }
    fs::remove_dir(parent.join("rrt-relative")).unwrap();
}

/// A group with processes in it can pass on no controllers but those for threads ("no internal processes"), and what is below is
/// made threaded. Who asks for no more does not notice, and has all of a container's life.
#[test]
fn processes_above_keep_controllers_away() {
    need_v2!("memory");
    let top = Group::new();
    let _sleeper = top.occupied();
    for resources in [
        json!({"memory": {"limit": 33_554_432}}),
        json!({"cpu": {"shares": 2}}),
        json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}),
    ] {
        let c = at(&top.below("box"), |g| {
            g.set("/linux/resources", resources);
        });
        let out = c
            .create()
            .refused("cannot enter cgroupv2 \"/sys/fs/cgroup/rrt-group-")
            .says("with domain controllers -- it is in ");
        if is_ours() {
            out.says("has processes of its own");
            c.nothing_left();
            assert!(!top.path().join("box").exists());
        }
    }
    let c = at(&top.below("box"), |g| {
        g.set(
            "/linux/resources/rdma",
            json!({"nosuch_0": {"hcaHandles": 3}}),
        );
    });
    let out = c.create().refused("rdma.max: no such file or directory");
    if is_ours() {
        out.says("has processes in it, so it can pass no controllers on (a cgroup v2 rule)");
    }
    threaded(&top, "box");
}

/// A container in a group that is made threaded on the way: limited, paused, killed with all that it has started.
#[track_caller]
fn threaded(top: &Group, path: &str) {
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.set("/linux/cgroupsPath", top.below(path))
            .set("/linux/resources/pids/limit", 20)
            .without_namespace("pid")
            .sh("sleep 1000 & sleep 1000 & echo ready >/ready; wait");
    });
    let dir = group(c.detach());
    ready.line();
    assert_eq!(dir, top.path().join(path));
    assert_eq!(value(&dir, "cgroup.type"), "threaded");
    assert_eq!(value(&dir, "pids.max"), "20");
    assert_eq!(value(&dir, "cgroup.threads").lines().count(), 3);
    fs::write(dir.join("cgroup.freeze"), "1").unwrap();
    assert!(wait_until(|| c.status() == "paused"));
    if is_ours() {
        within(5, || c.call(&["delete", "--force"])).ok();
        c.nothing_left();
        // Whose are they? Asked as of any other group.
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cgroup.type"), "threaded").unwrap();
        let sleeper = Command::new("sleep")
            .arg("1000")
            .spawn()
            .map(Sleeper)
            .unwrap();
        fs::write(dir.join("cgroup.procs"), sleeper.0.id().to_string()).unwrap();
        at(&top.below(path), |_| {})
            .create()
            .refused("container's cgroup is not empty: 1 process(es) found");
    } else {
        // Whether runc finds whom to kill there is not asked.
        fs::write(dir.join("cgroup.freeze"), "0").unwrap();
        for pid in value(&dir, "cgroup.threads").lines() {
            integration::signal(pid.parse().unwrap(), integration::Signal::KILL);
        }
    }
}

/// Below a threaded group, and below what is good for nothing because of one beside it.
#[test]
fn threaded_groups() {
    need_v2!("memory");
    let top = Group::new();
    let threads = top.path().join("threads");
    fs::create_dir(&threads).unwrap();
    fs::write(threads.join("cgroup.type"), "threaded").unwrap();
    fs::create_dir(top.path().join("invalid")).unwrap();
    assert_eq!(
        value(&top.path().join("invalid"), "cgroup.type"),
        "domain invalid"
    );
    for path in ["threads/box", "invalid/box"] {
        let c = at(&top.below(path), |g| {
            g.set("/linux/resources/memory/limit", 33_554_432);
        });
        c.create()
            .refused("cannot enter cgroupv2 \"/sys/fs/cgroup/rrt-group-")
            .says("with domain controllers -- it is in ");
        if is_ours() {
            c.nothing_left();
        }
        threaded(&top, path);
    }
}

#[test]
fn a_group_that_is_there_already() {
    need_v2!("memory");
    let top = Group::new();
    let place = top.path().join("box");
    // Empty: it is used, and removed at the end.
    fs::create_dir(&place).unwrap();
    let c = at(&top.below("box"), |g| {
        g.set("/linux/resources/pids/limit", 5);
    });
    assert_eq!(group(c.detach()), place);
    assert_eq!(value(&place, "pids.max"), "5");
    c.call(&["delete", "--force"]).ok();
    assert!(!place.exists());
    // Frozen: init would never run.
    fs::create_dir(&place).unwrap();
    fs::write(place.join("cgroup.freeze"), "1").unwrap();
    let c = at(&top.below("box"), |_| {});
    c.create().refused("container's cgroup unexpectedly frozen");
    assert!(c.state_entries().is_empty());
    fs::write(place.join("cgroup.freeze"), "0").unwrap();
    if !is_ours() {
        return skip(
            &this_test(),
            "in part: runc 1.1 only warns of processes; 1.2 and later refuse",
        );
    }
    // With somebody in it, or below it: whose processes are they?
    let below = place.join("below");
    for dir in [&place, &below] {
        fs::create_dir_all(dir).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(dir.join("cgroup.procs"), child.id().to_string()).unwrap();
        let c = at(&top.below("box"), |_| {});
        c.create()
            .refused("container's cgroup is not empty: 1 process(es) found");
        c.call(&["delete", "--force"]).ok();
        assert!(
            child.try_wait().unwrap().is_none(),
            "it is nobody's to kill"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Domain controllers enabled in the group itself: nobody can be in it.
#[test]
fn a_group_that_passes_controllers_on() {
    need_v2!("memory");
    let top = Group::new();
    fs::write(top.path().join("cgroup.subtree_control"), "+memory").unwrap();
    let place = top.path().join("box");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("cgroup.subtree_control"), "+memory").unwrap();
    let c = at(&top.below("box"), |_| {});
    let out = c.create().exits(1);
    assert!(
        out.stderr
            .to_lowercase()
            .contains("device or resource busy"),
        "{out}"
    );
    if is_ours() {
        out.says("in its cgroup, which passes controllers on (cgroup.subtree_control), so no process can be in it");
    }
}

/// Runs a command with a group of the caller's own in which there is room for one process.
fn alone(c: &Container, caller: &Path, args: &[&str]) -> Output {
    let (inner, out, err) = c.runtime.command(args);
    let append = |p: &Path| fs::File::options().append(true).open(p).unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "echo 0 >\"$0/cgroup.procs\" && exec \"$@\""])
        .arg(caller)
        .arg(inner.get_program())
        .args(inner.get_args())
        .stdin(Stdio::null())
        .stdout(append(&out))
        .stderr(append(&err))
        .process_group(0);
    c.runtime.finish(command, args, out, err)
}

/// No process of the container is ever in its creator's group, which has room for the creator alone.
#[test]
fn init_is_born_in_its_group() {
    need_v2!("pids");
    if !is_ours() {
        return skip(
            &this_test(),
            "runc starts its init in its own group, and moves it",
        );
    }
    let top = Group::new();
    fs::write(top.path().join("cgroup.subtree_control"), "+pids").unwrap();
    let caller = top.path().join("caller");
    fs::create_dir(&caller).unwrap();
    fs::write(caller.join("pids.max"), "1").unwrap();
    let c = at(&top.below("box"), |_| {});
    let bundle = c.bundle.path().to_str().unwrap();
    alone(&c, &caller, &["create", "--bundle", bundle, &c.id]).ok();
    let place = top.path().join("box");
    assert_eq!(value(&place, "cgroup.procs"), c.pid().to_string());
    assert_eq!(value(&caller, "pids.events"), "max 0", "nobody was refused");
    alone(&c, &caller, &["start", &c.id]).ok();
    alone(&c, &caller, &["delete", "--force", &c.id]).ok();
    assert_eq!(value(&caller, "pids.events"), "max 0");
    assert!(!place.exists());
}

/// The limits hold from the first instruction: a limit of one process, and the container is it.
#[test]
fn limits_are_there_before_init() {
    need_v2!("pids");
    if !is_ours() {
        return skip(&this_test(), "runc's init is several threads");
    }
    let c = Container::new(|g| {
        g.set("/linux/resources/pids/limit", 1).args(&[
            "cat",
            "/sys/fs/cgroup/pids.max",
            "/sys/fs/cgroup/pids.events",
        ]);
    });
    assert_eq!(c.run().ok().text(), "1\nmax 0");
}

#[test]
fn the_namespace_begins_at_the_containers_group() {
    need_v2!();
    let script = "cat /proc/self/cgroup; grep ' /sys/fs/cgroup ' /proc/self/mountinfo | cut -d' ' -f4,6; head -n1 /sys/fs/cgroup$0/cgroup.procs";
    let options = "/ ro,nosuid,nodev,noexec,relatime";
    let private = Container::new(|g| {
        g.args(&["sh", "-c", script, "/"]);
    });
    assert_eq!(private.run().ok().lines(), ["0::/", options, "1"]);
    // Without a namespace of its own it sees the host's hierarchy, and where it is in it: as with runc.
    let c = Container::unsaved();
    let own = group(std::process::id());
    let parent = own.strip_prefix(ROOT).unwrap().parent().unwrap();
    let place = format!("/{}", parent.join(&c.id).display());
    let c = c.with_config(|g| {
        g.without_namespace("cgroup")
            .args(&["sh", "-c", script, &place]);
    });
    let shown = format!("0::{place}");
    assert_eq!(c.run().ok().lines(), [&*shown, options, "1"]);
}

/// A writable mount: the container makes groups of its own, and passes controllers on when it has left its root.
#[test]
fn groups_of_the_containers_own() {
    need_v2!("memory");
    let c = Container::new(|g| {
        g.unmount("/sys/fs/cgroup")
            .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["rw", "nosuid", "nodev", "noexec"])
            .sh("cd /sys/fs/cgroup && mkdir me && echo 1 >me/cgroup.procs && echo 0 >me/cgroup.procs && echo '+memory +pids' >cgroup.subtree_control
                cat cgroup.subtree_control /proc/self/cgroup me/pids.max; echo max >pids.max || echo closed");
    });
    let out = c.run();
    assert_eq!(out.lines()[..3], ["memory pids", "0::/me", "max"], "{out}");
    c.nothing_left();
}

/// Whose files they are is the same with runc's file system manager: nobody's but the caller's, whatever the container's root is.
#[test]
fn the_groups_owner() {
    need_v2!();
    for user in [false, true] {
        let change = |g: &mut integration::Config| {
            if user {
                g.push("/linux/namespaces", json!({"type": "user"}));
                for map in ["uidMappings", "gidMappings"] {
                    g.set(
                        &format!("/linux/{map}"),
                        json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]),
                    );
                }
            }
            g.unmount("/sys/fs/cgroup")
                .mount(
                    "/sys/fs/cgroup",
                    "cgroup",
                    "cgroup",
                    &["rw", "nosuid", "nodev", "noexec"],
                )
                .args(&["sleep", "1000"]);
        };
        let look = |c: &Container| -> Vec<(String, u32, u32)> {
            fs::set_permissions(
                c.bundle.path(),
                std::os::unix::fs::PermissionsExt::from_mode(0o755),
            )
            .unwrap();
            let dir = group(c.detach());
            [
                "",
                "cgroup.procs",
                "cgroup.subtree_control",
                "cgroup.threads",
                "memory.max",
            ]
            .map(|file| {
                let meta = fs::metadata(dir.join(file)).unwrap();
                (file.to_owned(), meta.uid(), meta.mode())
            })
            .into()
        };
        let Some((ours, theirs)) = with_runc(&this_test(), change, look) else {
            return;
        };
        assert_eq!(
            ours, theirs,
            "user namespace: {user}; left: ours, right: runc's"
        );
    }
}
