//! cgroup v2: the end of a container, frozen or not, with however many processes and groups of its own.

use std::fs;
use std::path::Path;

use integration::{Config, Container, is_ours, skip, this_test, wait_until};
use serde_json::json;

use crate::cgroups::value;
use crate::cgroups_v2::{group, need_v2};
use crate::hangs::{ours_alone, within};

/// A writable cgroup mount.
fn writable(g: &mut Config) -> &mut Config {
    g.unmount("/sys/fs/cgroup").mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["rw", "nosuid", "nodev", "noexec"],
    )
}

fn populated(dir: &Path) -> bool {
    value(dir, "cgroup.events").contains("populated 1")
}

/// Processes in groups that the container made below its own, some of them frozen, threaded, or passing controllers on;
/// without a pid namespace, so that no death of init ends the rest.
#[test]
fn many_processes_in_groups_of_the_containers_own() {
    need_v2!("pids");
    if !ours_alone("1.1.5 leaves those in groups below, if frozen or threaded") {
        return;
    }
    for private in [true, false] {
        let c = Container::unsaved();
        let mut ready = c.fifo("ready");
        let c = c.with_config(|g| {
            if !private {
                g.without_namespace("pid");
            }
            writable(g).sh("cd /sys/fs/cgroup
                mkdir -p a/b/c/d frozen threads/t me
                put() { echo 0 >$1/cgroup.procs; for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; }
                for group in me a/b/c/d a/b threads frozen; do (put $group); done
                echo 0 >me/cgroup.procs
                echo '+pids' >cgroup.subtree_control
                echo threaded >threads/t/cgroup.type
                echo 1 >frozen/cgroup.freeze
                echo ready >/ready
                exec sleep 1000");
        });
        let dir = group(c.detach());
        assert_eq!(ready.line(), "ready");
        // Init has left the container's own group.
        assert_eq!(value(&dir, "cgroup.procs"), "");
        assert!(populated(&dir.join("a/b/c/d")) && populated(&dir.join("frozen")));
        assert_eq!(c.status(), "running");
        within(5, || c.call(&["delete", "--force"])).ok();
        c.nothing_left();
        assert!(!dir.exists(), "private pid namespace: {private}");
    }
}

/// Without a pid namespace, and faster than anybody could list them.
#[test]
fn processes_that_keep_forking() {
    need_v2!("pids");
    if !ours_alone("1.1.5 leaves some, and the group") {
        return;
    }
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.without_namespace("pid")
            .set("/linux/resources/pids/limit", 60)
            .sh("echo ready >/ready; while :; do (sleep 0.01; sleep 0.01 &) & done 2>/dev/null");
    });
    c.detach();
    ready.line();
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
}

/// A frozen container is paused. A signal that ends a process ends it at once (on v1 only SIGKILL does), one that it
/// handles waits until it is thawed.
#[test]
fn a_frozen_container() {
    need_v2!();
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("USR1", 3)] {
        // As process 1 it would not get TERM.
        let c = Container::unsaved();
        let mut ready = c.fifo("ready");
        let c = c.with_config(|g| {
            g.without_namespace("pid")
                .sh("trap 'exit 3' USR1; echo ready >/ready; while :; do sleep 0.1; done");
        });
        let pid = c.detach();
        ready.line();
        let dir = group(pid);
        fs::write(dir.join("cgroup.freeze"), "1").unwrap();
        assert!(wait_until(
            || value(&dir, "cgroup.events").contains("frozen 1")
        ));
        assert_eq!(c.status(), "paused");
        c.delete().exits(1).says("paused");
        within(2, || c.kill(signal)).ok();
        if signal == "USR1" {
            assert_eq!(c.status(), "paused");
            fs::write(dir.join("cgroup.freeze"), "0").unwrap();
        }
        assert_eq!(within(2, || c.wait()), Some(code), "{signal}");
        if is_ours() {
            // runc 1.1 asks the group, and not whether init lives.
            assert_eq!(c.status(), "stopped");
            c.delete().ok();
            c.nothing_left();
        }
    }
    if !is_ours() {
        return skip(
            &this_test(),
            "in part: deleted by force while frozen, runc 1.1 may leave the group",
        );
    }
    // By force, with everybody frozen, also in a group below.
    let c = Container::sleeping();
    let dir = group(c.detach());
    fs::create_dir(dir.join("below")).unwrap();
    fs::write(dir.join("cgroup.freeze"), "1").unwrap();
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
}

/// What the kernel kills for want of memory is killed, and told as that: by the exit code, and the group's own count.
#[test]
fn out_of_memory() {
    need_v2!("memory");
    let script = "dd if=/dev/zero of=/mnt/f bs=1M count=64 2>/dev/null; echo $?; grep -w oom_kill /sys/fs/cgroup/memory.events";
    let memory = json!({"limit": 16_777_216, "swap": 16_777_216});
    let eats = |g: &mut Config| {
        g.set("/linux/resources/memory", memory.clone()).mount(
            "/mnt",
            "tmpfs",
            "tmpfs",
            &["size=100m"],
        );
    };
    let c = Container::new(|g| {
        eats(g);
        g.sh(script);
    });
    assert_eq!(c.run().ok().text(), "137\noom_kill 1");
    // The program itself.
    let c = Container::new(|g| {
        eats(g);
        g.args(&["dd", "if=/dev/zero", "of=/mnt/f", "bs=1M", "count=64"]);
    });
    let out = c.run().exits(137);
    assert!(!out.stderr.contains("level=error"), "{out}");
    // All of the container, if it says so.
    let c = Container::new(|g| {
        eats(g);
        g.set("/linux/resources/unified", json!({"memory.oom.group": "1"}))
            .sh(script);
    });
    assert_eq!(c.run().exits(137).text(), "");
}

/// A container that is over keeps its group until it is deleted; whoever still is in it is killed then.
#[test]
fn what_outlives_init() {
    need_v2!();
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.without_namespace("pid")
            .sh("sleep 1000 & echo ready >/ready");
    });
    let dir = {
        c.create().ok();
        let dir = group(c.pid());
        c.start().ok();
        dir
    };
    ready.line();
    c.wait();
    assert_eq!(c.status(), "stopped");
    assert!(populated(&dir));
    within(5, || c.delete()).ok();
    c.nothing_left();
}
