//! Root of a user namespace, and nothing more: under a rootless engine, and in a container.

use integration::{Config, Container, is_ours, is_v2, need_root, skip, this_test};
use serde_json::json;

use crate::lifecycle::lives_as_any_other;
use crate::rootless::UID;

/// A container of the ordinary user's, who is root by `prefix`; without a user namespace of its own.
fn nested(prefix: &[&str], change: impl FnOnce(&mut Config)) -> Container {
    let mut c = Container::new(|g| {
        g.without_mount_option("gid=5");
        change(g);
    })
    .owned_by(UID);
    c.runtime = c.runtime.behind(prefix);
    c
}

/// `run`, without a pid file: the number would be that of another pid namespace.
fn run(c: &Container) -> integration::Output {
    let bundle = c.bundle.path().to_str().unwrap();
    c.runtime.run(&["run", "--bundle", bundle, &c.id])
}

/// As `podman unshare`, with one id.
const ROOT: [&str; 2] = ["unshare", "-Ur"];
/// As in a container.
const CONTAINED: [&str; 3] = ["unshare", "-Urmpf", "--mount-proc"];

#[test]
fn containers_of_it() {
    need_root!();
    for prefix in [&ROOT[..], &CONTAINED] {
        let c = nested(prefix, |g| {
            g.sh("id -u; cat /proc/self/setgroups; stat -c '%t:%T %u' /dev/null; ls -d /sys/block; ls /sys/fs/cgroup >/dev/null && echo cgroups");
        });
        let out = run(&c).ok();
        let seen = ["0", "deny", "1:3 65534", "/sys/block", "cgroups"];
        assert_eq!(out.lines(), seen, "{prefix:?}: {out}");
    }
}

#[test]
fn it_lives_as_any_other() {
    need_root!();
    let c = nested(&ROOT, |g| {
        g.args(&["sleep", "1000"]);
    });
    lives_as_any_other(&c);
}

/// What an engine sets for every container of an image whose root is in a group of that name.
#[test]
fn groups_that_cannot_be_set() {
    need_root!();
    let c = nested(&ROOT, |g| {
        g.set("/process/user/additionalGids", json!([0]))
            .args(&["id", "-u"]);
    });
    let out = c.run().ok();
    assert_eq!((out.text(), out.stderr.as_str()), ("0", ""));
    let c = nested(&ROOT, |g| {
        g.set("/process/user/additionalGids", json!([0, 5, 7]))
            .args(&["id", "-G"]);
    });
    let out = c.run().ok();
    assert_eq!(out.text(), "0");
    if is_ours() {
        out.says("the process runs without the additionalGids 5, 7");
    } else {
        skip(
            &this_test(),
            "runc says nothing of groups that it does not set",
        );
    }
}

/// A caller in more groups than one keeps them: nobody can leave a group there.
#[test]
fn groups_that_cannot_be_left() {
    need_root!();
    let uid = UID.to_string();
    let groups = format!("{uid},4,20");
    let switch = [
        "setpriv", "--reuid", &uid, "--regid", &uid, "--groups", &groups,
    ];
    let mut c = nested(&[&switch[..], &ROOT].concat(), |g| {
        g.args(&["id", "-G"]);
    });
    c.runtime.user = None;
    let out = c.run().ok();
    let mut seen: Vec<&str> = out.text().split(' ').collect();
    seen.sort_unstable();
    assert_eq!(seen, ["0", "65534", "65534"]);
}

#[test]
fn what_it_may_not_have() {
    need_root!();
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 4] = [
        (
            |g| {
                g.set("/process/user/uid", 7);
            },
            "unable to setup user: ",
        ),
        (
            |g| {
                g.mount("/mnt", "devpts", "devpts", &["newinstance", "gid=5"]);
            },
            "error mounting \"devpts\" to rootfs at \"/mnt\": mount devpts:/mnt",
        ),
        (
            |g| {
                g.set("/linux/resources/pids", json!({"limit": 100}));
            },
            "cannot set pids limit: container could not join or create cgroup",
        ),
        (
            |g| {
                g.set("/linux/cgroupsPath", "/rrt-nobodys");
            },
            "/rrt-nobodys: permission denied",
        ),
    ];
    for (change, mut words) in cases {
        if is_v2() && words.contains("pids limit") {
            words = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: ";
        }
        let c = nested(&ROOT, change);
        c.run().refused(words);
        c.nothing_left();
    }
}

/// In a namespace of its own one level further.
#[test]
fn a_user_namespace_in_it() {
    need_root!();
    let c = nested(&CONTAINED, |g| {
        g.rootless(0)
            .sh("tr -s ' ' </proc/self/uid_map; cat /proc/self/setgroups");
    });
    let out = run(&c).ok();
    assert_eq!(out.lines(), [" 0 0 1", "deny"]);
}

/// A container is often given no cgroup hierarchy at all.
#[test]
fn where_no_cgroups_are_mounted() {
    need_root!();
    let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
    let prefix = ["unshare", "-Urmpf", "--mount-proc", "sh", "-c", hide, "sh"];
    if !is_ours() {
        return skip(
            &this_test(),
            "runc 1.1 looks for the device controller in vain",
        );
    }
    let c = nested(&prefix, |g| {
        g.unmount("/sys/fs/cgroup").args(&["id", "-u"]);
    });
    assert_eq!(run(&c).ok().text(), "0");
    let c = nested(&prefix, |g| {
        g.unmount("/sys/fs/cgroup")
            .set("/linux/resources/pids", json!({"limit": 100}));
    });
    run(&c).refused("cannot set pids limit: container could not join or create cgroup");
    c.nothing_left();
}

/// Another's cgroups of the same name are not in the way.
#[test]
fn somebody_elses_of_the_same_name() {
    need_root!();
    if is_v2() && !is_ours() {
        return skip(&this_test(), "on v2 runc 1.1 tries to join it");
    }
    let theirs = Container::sleeping();
    let pid = theirs.detach();
    let mut mine = nested(&ROOT, |g| {
        g.args(&["id", "-u"]);
    });
    mine.id.clone_from(&theirs.id);
    let out = mine.run().ok();
    assert_eq!(out.text(), "0");
    assert!(integration::alive(pid));
    assert!(mine.state_entries().is_empty());
    mine.id = "rrt-gone".to_owned();
}
