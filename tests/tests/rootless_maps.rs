//! An ordinary user with ranges of ids in /etc/subuid and /etc/subgid, which newuidmap and newgidmap map.

use integration::{Config, Container, TempDir, is_ours, need_root, skip, this_test};
use serde_json::json;

use crate::lifecycle::lives_as_any_other;
use crate::rootless::UID;

/// The first id of the user's range.
const FIRST: u32 = 3_000_000;

/// The user has an entry in /etc/passwd and its ranges in a mount namespace of this test's.
fn with_ranges(dir: &TempDir, change: impl FnOnce(&mut Config)) -> Container {
    let write = |name: &str, text: String| {
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    write("passwd", format!("{passwd}rrt:x:{UID}:{UID}::/:/bin/sh\n"));
    write("subuid", format!("rrt:{FIRST}:65536\n"));
    write("subgid", format!("rrt:{FIRST}:65536\n"));
    let mut c = Container::new(|g| {
        g.rootless(UID);
        for map in ["/linux/uidMappings", "/linux/gidMappings"] {
            g.push(
                map,
                json!({"containerID": 1, "hostID": FIRST, "size": 65536}),
            );
        }
        change(g);
    })
    .owned_by(UID);
    c.runtime.user = None;
    // The files may be missing: then there is nothing to cover, and newuidmap finds none.
    let script = format!(
        "for f in passwd subuid subgid; do mount --bind {0}/$f /etc/$f || exit 99; done; \
         exec setpriv --reuid {UID} --regid {UID} --clear-groups \"$@\"",
        dir.path().display()
    );
    c.runtime = c.runtime.with_own_mounts(&script);
    c
}

fn have_tools() -> bool {
    let there = |file: &str| std::path::Path::new(file).exists();
    let all = [
        "/usr/bin/newuidmap",
        "/usr/bin/newgidmap",
        "/etc/subuid",
        "/etc/subgid",
    ];
    if all.into_iter().all(there) {
        return true;
    }
    skip(
        &this_test(),
        "no newuidmap and newgidmap here, or no /etc/subuid",
    );
    false
}

#[test]
fn ranges_are_mapped_by_the_tools() {
    need_root!();
    if !have_tools() {
        return;
    }
    let dir = TempDir::new("etc");
    let c = with_ranges(&dir, |g| {
        g.set("/process/user", json!({"uid": 7, "gid": 8}))
            .sh("id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; cat /proc/self/setgroups");
    });
    let out = c.run().ok();
    let (own, range) = (format!(" 0 {UID} 1"), format!(" 1 {FIRST} 65536"));
    let seen = ["7", "8", &own, &range, &own, &range, "allow"];
    assert_eq!(out.lines(), seen, "{out}");
    if !is_ours() {
        return skip(
            &this_test(),
            "runc gives no groups to a rootless container, mapped or not",
        );
    }
    let c = with_ranges(&dir, |g| {
        g.set("/process/user/additionalGids", json!([9]))
            .args(&["id", "-G"]);
    });
    assert_eq!(c.run().ok().text(), "0 9");
    let c = with_ranges(&dir, |g| {
        g.set("/process/user/additionalGids", json!([9, 70000]));
    });
    c.run()
        .refused("cannot set additional group 70000, which is not mapped, in user namespace");
    c.nothing_left();
}

#[test]
fn it_lives_as_any_other() {
    need_root!();
    if !have_tools() {
        return;
    }
    let dir = TempDir::new("etc");
    // A user inside who is none of the caller's.
    let c = with_ranges(&dir, |g| {
        g.set("/process/user/uid", 7).args(&["sleep", "1000"]);
    });
    lives_as_any_other(&c);
}

#[test]
fn a_range_that_is_not_the_users() {
    need_root!();
    if !have_tools() {
        return;
    }
    if !is_ours() {
        return skip(&this_test(), "the words differ between runc's versions");
    }
    let dir = TempDir::new("etc");
    let c = with_ranges(&dir, |g| {
        g.set("/linux/uidMappings/1/hostID", 5_000_000);
    });
    c.run()
        .refused("uid_map (and newuidmap did not help: newuidmap: uid range [1-65537) -> [5000000-5065536) not allowed): operation not permitted");
    c.nothing_left();
}
