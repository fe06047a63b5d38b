//! Joined namespaces: each kind alone, with others, and paths that cannot be joined.

use integration::{Config, Container, is_ours, need_root, skip};
use serde_json::json;

use crate::userns::{mapped, maps, own};

const KINDS: [(&str, &str); 5] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
];

fn join(g: &mut Config, kind: &str, path: &str) {
    g.without_namespace(kind);
    g.push("/linux/namespaces", json!({"type": kind, "path": path}));
}

fn link(pid: u32, link: &str) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{link}")).unwrap();
    link.to_str().unwrap().to_owned()
}

fn show(kinds: &[(&str, &str)]) -> String {
    kinds
        .iter()
        .map(|(_, link)| format!("readlink /proc/self/ns/{link};"))
        .collect()
}

#[test]
fn each_kind_alone() {
    need_root!();
    let other = Container::sleeping();
    other.detach();
    for (kind, name) in KINDS {
        let path = format!("/proc/{}/ns/{name}", other.pid());
        let c = Container::new(|g| {
            join(g, kind, &path);
            g.sh(&show(&[(kind, name)]));
        });
        assert_eq!(c.run().ok().text(), link(other.pid(), name), "{kind}");
        c.nothing_left();
    }
    other.call(&["delete", "--force"]).ok();
}

#[test]
fn several_at_once() {
    need_root!();
    let other = Container::sleeping();
    other.detach();
    let c = Container::new(|g| {
        for (kind, name) in KINDS {
            join(g, kind, &format!("/proc/{}/ns/{name}", other.pid()));
        }
        g.sh(&show(&KINDS));
    });
    let out = c.run().ok();
    for (line, (_, name)) in out.lines().iter().zip(KINDS) {
        assert_eq!(*line, link(other.pid(), name));
    }
    c.nothing_left();
    other.call(&["delete", "--force"]).ok();
}

#[test]
fn a_user_namespace_with_new_others_and_with_its_own() {
    need_root!();
    let other = mapped(|g| {
        g.sh("sleep 1000");
    });
    other.detach();
    let kinds = [("user", "user"), ("network", "net"), ("pid", "pid")];
    for joined in 1..=kinds.len() {
        let c = Container::new(|g| {
            for (kind, name) in &kinds[..joined] {
                join(g, kind, &format!("/proc/{}/ns/{name}", other.pid()));
            }
            // runc 1.1 wants them, later ones that they are the same.
            maps(g);
            g.sh(&format!("id -u; {}", show(&kinds[..joined])));
        });
        own(&c);
        let out = c.run().ok();
        assert_eq!(out.lines()[0], "0");
        for (line, (_, name)) in out.lines()[1..].iter().zip(kinds) {
            assert_eq!(*line, link(other.pid(), name));
        }
        c.nothing_left();
    }
    other.call(&["delete", "--force"]).ok();
}

#[test]
fn a_new_user_namespace_and_a_joined_network() {
    need_root!();
    let other = Container::sleeping();
    other.detach();
    let c = mapped(|g| {
        join(g, "network", &format!("/proc/{}/ns/net", other.pid()));
        // sysfs belongs to the network namespace's owner.
        g.unmount("/sys/fs/cgroup").unmount("/sys");
        g.sh("id -u; readlink /proc/self/ns/net");
    });
    let out = c.run().ok();
    assert_eq!(out.lines(), ["0", &link(other.pid(), "net")]);
    other.call(&["delete", "--force"]).ok();
}

#[test]
fn a_joined_time_namespace() {
    need_root!();
    if !is_ours() {
        skip(
            "join::a_joined_time_namespace",
            "Debian's runc 1.1 knows no time namespace",
        );
        return;
    }
    let other = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "time"}));
        g.sh("sleep 1000");
    });
    other.detach();
    let c = Container::new(|g| {
        join(g, "time", &format!("/proc/{}/ns/time", other.pid()));
        g.sh("readlink /proc/self/ns/time; ls /proc/self/fd");
    });
    let out = c.run().ok();
    assert_eq!(out.lines()[0], link(other.pid(), "time"));
    // 0, 1, 2, and the one of ls itself.
    assert_eq!(out.lines()[1..], ["0", "1", "2", "3"]);
    other.call(&["delete", "--force"]).ok();
}

#[test]
fn a_path_that_cannot_be_joined() {
    need_root!();
    if !is_ours() {
        skip(
            "join::a_path_that_cannot_be_joined",
            "the words differ between runc's versions",
        );
        return;
    }
    for (path, words) in [
        ("/nowhere", "network namespace /nowhere: no such file"),
        ("/proc/self/ns/uts", "not a network namespace"),
        ("/etc/passwd", "not a network namespace"),
        ("relative", "is not absolute"),
    ] {
        let c = Container::new(|g| join(g, "network", path));
        c.run().refused(words);
        c.nothing_left();
    }
}

/// Set in the container, it would be the host's that changes. The value is what it is already.
#[test]
fn no_sysctl_of_a_joined_namespace_that_is_the_hosts() {
    need_root!();
    let cases = [
        ("network", "net", "net.ipv4.ip_unprivileged_port_start"),
        ("ipc", "ipc", "kernel.msgmax"),
    ];
    for (kind, name, key) in cases {
        if kind == "ipc" && !is_ours() {
            skip(
                "join::no_sysctl_of_a_joined_namespace_that_is_the_hosts",
                "runc looks at the network namespace alone",
            );
            continue;
        }
        let file = format!("/proc/sys/{}", key.replace('.', "/"));
        let value = std::fs::read_to_string(file).unwrap();
        let c = Container::new(|g| {
            join(g, kind, &format!("/proc/self/ns/{name}"));
            g.set("/linux/sysctl", json!({key: value.trim()}));
        });
        c.run()
            .refused(&format!("not allowed in host {kind} namespace"));
        c.nothing_left();
    }
}
