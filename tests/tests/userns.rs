//! New user namespaces: ids, capabilities, files, and that nothing is left of one that fails.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use integration::{Config, Container, is_ours, need_root, skip};
use serde_json::json;

/// Where the container's root is outside.
pub const BASE: u32 = 100_000;

/// A container whose root is [`BASE`], and whose files are that user's.
pub fn mapped(change: impl FnOnce(&mut Config)) -> Container {
    let c = Container::new(|g| {
        g.user_namespace(BASE, 65536);
        change(g);
    });
    own(&c);
    c
}

/// The default maps.
pub fn maps(g: &mut Config) {
    let map = json!([{"containerID": 0, "hostID": BASE, "size": 65536}]);
    g.set("/linux/uidMappings", map.clone());
    g.set("/linux/gidMappings", map);
}

/// Gives the root filesystem to the container's root, who must be able to get there.
pub fn own(c: &Container) {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(c.bundle.path(), open).unwrap();
    let owner = format!("{BASE}:{BASE}");
    let rootfs = c.bundle.rootfs("/");
    let done = Command::new("chown")
        .args(["-R", &owner])
        .arg(rootfs)
        .status();
    assert!(done.unwrap().success());
}

/// What the kernel makes for the container belongs to its root: the mqueue filesystem is that of who made the ipc namespace.
#[test]
fn mqueue_is_roots() {
    need_root!();
    let c = mapped(|g| {
        g.sh("stat -c %u /dev/mqueue /dev/shm /dev/pts");
    });
    assert_eq!(c.run().ok().lines(), ["0", "0", "0"]);
}

#[test]
fn root_inside_is_the_mapped_user_outside() {
    need_root!();
    let c = mapped(|g| {
        g.set("/root/readonly", false);
        g.sh("id -u; id -g; cat /proc/self/uid_map; touch /made; stat -c %u /made; cat /proc/self/setgroups");
    });
    let out = c.run().ok();
    let lines: Vec<String> = out
        .lines()
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, ["0", "0", "0 100000 65536", "0", "allow"]);
    let made = std::fs::metadata(c.bundle.rootfs("/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), BASE);
    c.nothing_left();
}

#[test]
fn another_user_and_groups_inside() {
    need_root!();
    let c = mapped(|g| {
        g.set(
            "/process/user",
            json!({"uid": 7, "gid": 8, "additionalGids": [9]}),
        );
        g.sh("id -u; id -g; grep Groups: /proc/self/status; grep CapEff /proc/self/status");
    });
    let out = c.run().ok();
    let lines = out.lines();
    assert_eq!(lines[..2], ["7", "8"]);
    assert_eq!(lines[2].split_whitespace().nth(1), Some("9"), "{out}");
}

#[test]
fn created_started_and_deleted_as_any_other() {
    need_root!();
    let c = mapped(|g| {
        g.sh("sleep 1000");
    });
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(c.status(), "running");
    let uid = integration::proc_status(c.pid(), "Uid").unwrap();
    assert!(uid.contains(&BASE.to_string()), "{uid}");
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    // And one that was never started.
    c.create().ok();
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

#[test]
fn maps_that_cannot_be() {
    need_root!();
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 5] = [
        (
            |g| {
                g.without_namespace("user");
            },
            "user namespace isn't enabled in the config",
        ),
        (
            |g| {
                g.remove("/linux/uidMappings").remove("/linux/gidMappings");
            },
            "no namespace path to join nor mappings to apply",
        ),
        (
            |g| {
                g.set("/linux/uidMappings/0/size", 0);
            },
            "size must not be 0",
        ),
        (
            |g| {
                g.set("/linux/gidMappings/0/containerID", 1);
            },
            "no group mapping found",
        ),
        (
            |g| {
                let twice = json!({"containerID": 5, "hostID": 1, "size": 1});
                g.push("/linux/uidMappings", twice);
            },
            "overlaps",
        ),
    ];
    if !is_ours() {
        skip(
            "userns::maps_that_cannot_be",
            "the words differ between runc's versions",
        );
        return;
    }
    for (change, words) in cases {
        let c = mapped(change);
        c.run().refused(words);
        c.nothing_left();
    }
}
