//! Id-mapped mounts: the owners that a container sees, and those on the disk.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use integration::{Config, Container, TempDir, is_ours, need_root, skip, this_test};
use serde_json::{Value, json};

use crate::mount_options::mount_below;

macro_rules! need_idmap {
    () => {
        need_root!();
        if !is_ours() {
            skip(&this_test(), "runc 1.1 has no id-mapped mounts");
            return;
        }
    };
}

/// `size` ids from `container` on the disk are `host` and on in the mount.
fn map(container: u32, host: u32, size: u32) -> Value {
    json!([{"containerID": container, "hostID": host, "size": size}])
}

fn mapped(g: &mut Config, source: &Path, at: &str, options: &[&str], uid: Value, gid: Value) {
    g.push(
        "/mounts",
        json!({"destination": at, "type": "bind", "source": source.to_str().unwrap(), "options": options,
            "uidMappings": uid, "gidMappings": gid}),
    );
}

/// What is user 1000's and group 1001's on the disk is these in the mount, and nothing else is anybody's.
fn theirs_as(g: &mut Config, source: &Path, at: &str, options: &[&str], (uid, gid): (u32, u32)) {
    mapped(g, source, at, options, map(1000, uid, 1), map(1001, gid, 1));
}

/// A directory of user 1000 and group 1001, with a file of theirs and one of root's.
fn owned() -> TempDir {
    let dir = TempDir::new("idmap");
    for (name, uid, gid) in [("theirs", 1000, 1001), ("roots", 0, 0)] {
        let file = dir.path().join(name);
        std::fs::write(&file, name).unwrap();
        chown(file, Some(uid), Some(gid)).unwrap();
    }
    chown(dir.path(), Some(1000), Some(1001)).unwrap();
    dir
}

#[test]
fn owners_are_mapped_both_ways() {
    need_idmap!();
    let dir = owned();
    let c = Container::new(|g| {
        mapped(
            g,
            dir.path(),
            "/mnt",
            &["bind", "idmap"],
            map(1000, 5000, 10),
            map(1001, 6000, 10),
        );
        g.set("/process/user", json!({"uid": 5000, "gid": 6000}))
            .sh("stat -c %u:%g /mnt /mnt/theirs /mnt/roots; echo x > /mnt/new; stat -c %u:%g /mnt/new");
    });
    assert_eq!(
        c.run().ok().lines(),
        ["5000:6000", "5000:6000", "65534:65534", "5000:6000"]
    );
    let new = dir.path().join("new").metadata().unwrap();
    assert_eq!((new.uid(), new.gid()), (1000, 1001), "on the disk");
}

/// An id that the mapping does not have can own nothing there: not even root's.
#[test]
fn an_unmapped_id_makes_no_file() {
    need_idmap!();
    let dir = owned();
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let c = Container::new(|g| {
        theirs_as(g, dir.path(), "/mnt", &["bind", "idmap"], (5000, 6000));
        g.sh("echo x > /mnt/new");
    });
    let out = c.run().exits(1);
    assert!(
        out.stderr.contains("Value too large for defined data type"),
        "{out}"
    );
    assert!(!dir.path().join("new").exists());
}

/// Mappings alone ask for it as well; flags and read-only come on top.
#[test]
fn mappings_without_the_option_and_with_flags() {
    need_idmap!();
    let dir = owned();
    let c = Container::new(|g| {
        theirs_as(g, dir.path(), "/mnt", &["bind", "ro", "nosuid"], (0, 0));
        theirs_as(
            g,
            &dir.path().join("theirs"),
            "/file",
            &["bind", "idmap"],
            (0, 7),
        );
        g.sh("stat -c %u:%g /mnt/theirs /file; touch /mnt/x 2>/dev/null || echo ro; grep ' /mnt ' /proc/self/mountinfo | grep -c ro,nosuid");
    });
    assert_eq!(c.run().ok().lines(), ["0:0", "0:7", "ro", "1"]);
}

/// `idmap` maps the mount, `ridmap` those below it as well.
#[test]
fn recursive_mapping() {
    need_idmap!();
    let run = |option: &str| {
        let dir = owned();
        let below = mount_below(&dir);
        chown(&below, Some(1000), Some(1001)).unwrap();
        let c = Container::new(|g| {
            theirs_as(g, dir.path(), "/mnt", &["rbind", option], (5000, 6000));
            g.sh("stat -c %u:%g /mnt /mnt/below");
        });
        c.run().ok().text().to_owned()
    };
    assert_eq!(run("idmap"), "5000:6000\n1000:1001");
    assert_eq!(run("ridmap"), "5000:6000\n5000:6000");
}

/// A filesystem that cannot be mapped is an error, and nothing has been made yet.
#[test]
fn what_cannot_be_mapped() {
    need_idmap!();
    let c = Container::new(|g| {
        theirs_as(
            g,
            Path::new("/proc/sys"),
            "/mnt",
            &["bind", "idmap"],
            (5000, 5000),
        );
    });
    c.run().refused("/proc/sys").says("cannot be id-mapped");
    c.nothing_left();
    let c = Container::new(|g| {
        theirs_as(
            g,
            Path::new("/nonexistent/source"),
            "/mnt",
            &["bind", "idmap"],
            (5000, 5000),
        );
    });
    c.run()
        .refused("/nonexistent/source")
        .says("no such file or directory");
    c.nothing_left();
    // Two ranges that overlap: the kernel's refusal, with the file.
    let c = Container::new(|g| {
        let twice = json!([{"containerID": 0, "hostID": 5, "size": 9}, {"containerID": 3, "hostID": 50, "size": 9}]);
        mapped(
            g,
            Path::new("/mnt"),
            "/mnt",
            &["bind", "idmap"],
            twice.clone(),
            twice,
        );
    });
    c.run().refused("uid_map").says("invalid argument");
    c.nothing_left();
}

/// The container has neither the tree's descriptor nor the namespace's; a detached one ends as others do.
#[test]
fn nothing_of_it_is_handed_on() {
    need_idmap!();
    let dir = owned();
    let c = Container::new(|g| {
        theirs_as(g, dir.path(), "/mnt", &["bind", "idmap"], (0, 0));
        g.sh("for i in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && readlink /proc/$$/fd/$i; done; echo end");
    });
    assert_eq!(c.run().ok().text(), "end");
    c.create().ok();
    c.start().ok();
    assert_eq!(c.wait(), Some(0));
    c.delete().ok();
    c.nothing_left();
}
