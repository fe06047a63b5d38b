//! New namespaces: each differs from the host's, and is set up.

use integration::{Container, need_root};
use serde_json::{Value, json};

const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("mount", "mnt"),
];

fn host(link: &str) -> String {
    std::fs::read_link(format!("/proc/self/ns/{link}"))
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn each_new_namespace_differs_from_the_hosts() {
    need_root!();
    let c = Container::sh(
        "for n in pid net ipc uts cgroup mnt; do echo $(readlink /proc/self/ns/$n); done",
    );
    let out = c.run().ok();
    for (line, (_, link)) in out.lines().iter().zip(KINDS) {
        assert!(line.starts_with(link), "{out}");
        assert_ne!(*line, host(link), "{link}");
    }
    assert_eq!(out.lines().len(), KINDS.len());
}

#[test]
fn a_namespace_that_is_not_listed_is_the_hosts() {
    need_root!();
    for (kind, link) in KINDS.into_iter().filter(|(k, _)| *k != "mount") {
        let c = Container::new(|g| {
            g.without_namespace(kind)
                .sh(&format!("readlink /proc/self/ns/{link}"));
            if kind == "uts" {
                g.remove("/hostname");
            }
            if kind == "network" {
                // A new sysfs needs a network namespace of its own only in user namespaces; here it mounts.
                g.unmount("/sys/fs/cgroup");
            }
        });
        assert_eq!(c.run().ok().text(), host(link), "{kind}");
    }
}

#[test]
fn user_and_time_namespaces_stay_the_hosts() {
    need_root!();
    let out = Container::sh("readlink /proc/self/ns/user; readlink /proc/self/ns/time")
        .run()
        .ok();
    assert_eq!(out.lines(), [host("user"), host("time")]);
}

#[test]
fn the_process_is_pid_1_and_sees_only_itself() {
    need_root!();
    let out = Container::sh("echo $$; ls /proc | grep -c '^[0-9]'")
        .run()
        .ok();
    // The shell and the two processes of the pipeline at most.
    assert_eq!(out.lines()[0], "1");
    assert!(out.lines()[1].parse::<u32>().unwrap() <= 3, "{out}");
}

#[test]
fn loopback_is_up_and_alone() {
    need_root!();
    let out = Container::sh("cat /proc/net/dev | grep -c :; ip addr show lo")
        .run()
        .ok();
    assert_eq!(out.lines()[0], "1", "{out}");
    assert!(out.stdout.contains("LOOPBACK,UP"), "{out}");
    assert!(out.stdout.contains("127.0.0.1/8"), "{out}");
}

#[test]
fn hostname_and_domainname() {
    need_root!();
    let before = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let c = Container::new(|g| {
        g.set("/hostname", "box.example").sh("hostname; uname -n");
    });
    assert_eq!(c.run().ok().lines(), ["box.example", "box.example"]);
    assert_eq!(
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before,
        "the host keeps its name"
    );
}

#[test]
fn ipc_objects_do_not_cross() {
    need_root!();
    assert_eq!(
        Container::sh("tail -n +2 /proc/sysvipc/shm | wc -l")
            .run()
            .ok()
            .text(),
        "0"
    );
}

#[test]
fn the_cgroup_namespace_hides_the_path() {
    need_root!();
    let out = Container::sh("cut -d: -f3 /proc/self/cgroup | sort -u")
        .run()
        .ok();
    assert_eq!(
        out.text(),
        "/",
        "every hierarchy's root is the container's own cgroup"
    );
}

#[test]
fn a_namespace_listed_twice_is_refused() {
    need_root!();
    let c = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "ipc"}));
    });
    let out = c.run().exits(1);
    assert!(
        out.stderr.contains("duplicate") || out.stderr.contains("malformed"),
        "{out}"
    );
    c.nothing_left();
}

#[test]
fn hostname_without_a_uts_namespace_is_refused() {
    need_root!();
    let c = Container::new(|g| {
        g.without_namespace("uts");
    });
    c.run()
        .refused("unable to set hostname without a private UTS namespace");
    c.nothing_left();
}

/// The default is what keeps the host safe: a mount inside never shows outside.
#[test]
fn mounts_inside_stay_inside() {
    need_root!();
    let c = Container::new(|g| {
        g.caps(&["CAP_SYS_ADMIN"])
            .sh("mount -t tmpfs inner /mnt && grep -c ' /mnt ' /proc/self/mountinfo");
    });
    assert_eq!(c.run().ok().text(), "1");
    c.nothing_left();
}

/// What tools that enter a container read in runc's record (`jq -r .namespace_paths.NEWNET state.json`).
#[test]
fn the_record_names_the_namespaces() {
    need_root!();
    let net = std::fs::read_link("/proc/self/ns/net").unwrap();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"]);
        let all = g.0["linux"]["namespaces"].as_array_mut().unwrap();
        all.retain(|it| it["type"] != "network");
        all.push(json!({"type": "network", "path": "/proc/self/ns/net"}));
    });
    c.create().ok();
    let text = std::fs::read_to_string(c.runtime.root().join(&c.id).join("state.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let paths = record["namespace_paths"].as_object().unwrap();
    for (name, file) in [
        ("NEWNET", "net"),
        ("NEWNS", "mnt"),
        ("NEWPID", "pid"),
        ("NEWIPC", "ipc"),
        ("NEWUTS", "uts"),
        ("NEWUSER", "user"),
        ("NEWCGROUP", "cgroup"),
    ] {
        let path = format!("/proc/{}/ns/{file}", c.pid());
        assert_eq!(paths[name], path.as_str(), "{record}");
        assert!(std::fs::read_link(&path).is_ok());
    }
    let path = paths["NEWNET"].as_str().unwrap();
    assert_eq!(std::fs::read_link(path).unwrap(), net);
    let asked = record["config"]["namespaces"].as_array().unwrap();
    let find = |kind: &str| asked.iter().find(|it| it["type"] == kind);
    assert_eq!(find("NEWPID"), Some(&json!({"type": "NEWPID", "path": ""})));
    assert_eq!(find("NEWNET").unwrap()["path"], "/proc/self/ns/net");
    assert_eq!(find("NEWUSER"), None);
}
