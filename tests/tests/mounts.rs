//! The root filesystem: default mounts, binds, propagation, masks, read-only paths, devices.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

use integration::{Config, Container, TempDir, is_ours, is_v2, need_root, parse_mountinfo};
use serde_json::json;

/// The mounts that the container sees, as (point, options, optional fields, fstype, source, super options).
pub fn mountinfo(
    change: impl FnOnce(&mut Config),
) -> Vec<(String, String, String, String, String, String)> {
    let c = Container::new(|g| {
        change(g);
        g.args(&["cat", "/proc/self/mountinfo"]);
    });
    let text = c.run().ok().stdout;
    parse_mountinfo(&text)
        .into_iter()
        .map(|m| (m.0.to_str().unwrap().to_owned(), m.1, m.2, m.3, m.4, m.5))
        .collect()
}

fn has(options: &str, wanted: &str) -> bool {
    wanted
        .split(',')
        .all(|w| options.split(',').any(|o| o == w))
}

#[test]
fn the_default_mounts() {
    need_root!();
    let mounts = mountinfo(|_| {});
    let find = |point: &str| {
        mounts
            .iter()
            .find(|m| m.0 == point)
            .unwrap_or_else(|| panic!("{point} is not mounted: {mounts:#?}"))
    };
    for (point, fstype, options) in [
        ("/proc", "proc", "rw,relatime"),
        ("/dev", "tmpfs", "rw,nosuid"),
        ("/dev/pts", "devpts", "rw,nosuid,noexec,relatime"),
        ("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec,relatime"),
        ("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec,relatime"),
        ("/sys", "sysfs", "ro,nosuid,nodev,noexec,relatime"),
        match is_v2() {
            true => (
                "/sys/fs/cgroup",
                "cgroup2",
                "ro,nosuid,nodev,noexec,relatime",
            ),
            false => ("/sys/fs/cgroup", "tmpfs", "nosuid,nodev,noexec,relatime"),
        },
    ] {
        let m = find(point);
        assert_eq!(m.3, fstype, "{point}");
        assert!(has(&m.1, options), "{point}: {}, not {options}", m.1);
    }
    // Its parent tmpfs is writable under runc 1.1, without effect: there is no capability to write with.
    if !is_v2() {
        assert!(has(
            &find("/sys/fs/cgroup/pids").1,
            "ro,nosuid,nodev,noexec,relatime"
        ));
    }
    assert!(
        has(&find("/dev").5, "size=65536k,mode=755"),
        "{:?}",
        find("/dev")
    );
    assert!(
        has(&find("/dev/pts").5, "gid=5,mode=620,ptmxmode=666"),
        "{:?}",
        find("/dev/pts")
    );
    // The order is the config's, and the host's mounts are gone.
    assert_eq!(mounts[0].0, "/");
    assert!(
        !mounts.iter().any(|m| m.0.contains("rrt-")),
        "a path of the host: {mounts:#?}"
    );
}

#[test]
fn dev_has_the_default_nodes_and_links() {
    need_root!();
    let c = Container::sh(
        "cd /dev; for n in null zero full random urandom tty; do stat -c '%n %F %t:%T %a %u:%g' $n; done; for l in fd stdin stdout stderr ptmx; do echo $l $(readlink $l); done",
    );
    let expected = "null character special file 1:3 666 0:0
zero character special file 1:5 666 0:0
full character special file 1:7 666 0:0
random character special file 1:8 666 0:0
urandom character special file 1:9 666 0:0
tty character special file 5:0 666 0:0
fd /proc/self/fd
stdin /proc/self/fd/0
stdout /proc/self/fd/1
stderr /proc/self/fd/2
ptmx pts/ptmx";
    assert_eq!(c.run().ok().text(), expected);
}

#[test]
fn dev_nodes_work() {
    need_root!();
    let c = Container::sh(
        "head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; echo x > /dev/null && echo y > /dev/full",
    );
    let out = c.run();
    assert_eq!(out.lines(), ["3", "5"], "{out}");
    assert!(out.stderr.contains("No space left"), "{out}");
}

#[test]
fn devices_of_the_config() {
    need_root!();
    let c = Container::new(|g| {
        g.push("/linux/devices", json!({"path": "/dev/test/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7, "gid": 8}))
            .push("/linux/devices", json!({"path": "/dev/pipe", "type": "p", "fileMode": 0o600}))
            .sh("stat -c '%F %t:%T %a %u:%g' /dev/test/fuse; stat -c '%F %a' /dev/pipe");
    });
    assert_eq!(
        c.run().ok().lines(),
        ["character special file a:e5 640 7:8", "fifo 600"]
    );
}

/// Of two devices with one path the first is made; a default one makes way.
#[test]
fn devices_that_are_given_twice() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/linux/devices",
            json!([
                {"path": "/dev/null", "type": "c", "major": 1, "minor": 5},
                {"path": "/dev/one", "type": "c", "major": 1, "minor": 3, "fileMode": 0o4755},
                {"path": "/dev/one", "type": "c", "major": 1, "minor": 5, "uid": 7},
                {"path": "/dev/null", "type": "c", "major": 1, "minor": 7},
            ]),
        )
        .remove("/linux/maskedPaths")
        .sh("stat -c '%t:%T %a %u' /dev/one /dev/null");
    });
    assert_eq!(c.run().ok().stdout, "1:3 755 0\n1:5 666 0\n");
}

#[test]
fn bind_of_a_directory() {
    need_root!();
    let host = TempDir::new("bind");
    std::fs::write(host.path().join("file"), "hello\n").unwrap();
    let c = Container::new(|g| {
        g.bind(host.path(), "/mnt", &[])
            .sh("cat /mnt/file; echo back > /mnt/new");
    });
    assert_eq!(c.run().ok().text(), "hello");
    assert_eq!(
        std::fs::read_to_string(host.path().join("new")).unwrap(),
        "back\n"
    );
}

#[test]
fn a_read_only_bind_refuses_writes() {
    need_root!();
    let host = TempDir::new("bind");
    let c = Container::new(|g| {
        g.bind(host.path(), "/mnt", &["ro"]).sh("echo x > /mnt/new");
    });
    let out = c.run().exits(1);
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    assert!(!host.path().join("new").exists());
}

#[test]
fn bind_flags() {
    need_root!();
    let host = TempDir::new("bind");
    let mounts = mountinfo(|g| {
        g.bind(host.path(), "/mnt", &["nosuid", "nodev", "noexec", "ro"]);
    });
    let m = mounts.iter().find(|m| m.0 == "/mnt").unwrap();
    assert!(has(&m.1, "ro,nosuid,nodev,noexec"), "{m:?}");
}

#[test]
fn bind_of_a_file_onto_a_missing_target() {
    need_root!();
    let host = TempDir::new("bind");
    let file = host.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
    let c = Container::new(|g| {
        g.bind(&file, "/etc/deep/er/resolv.conf", &["ro"])
            .sh("cat /etc/deep/er/resolv.conf");
    });
    assert_eq!(c.run().ok().text(), "nameserver 127.0.0.1");
    assert!(
        c.bundle.rootfs("etc/deep/er/resolv.conf").is_file(),
        "the target is made as a file"
    );
}

#[test]
fn bind_of_a_missing_source() {
    need_root!();
    let c = Container::new(|g| {
        g.bind(std::path::Path::new("/nonexistent/source"), "/mnt", &[]);
    });
    c.run()
        .refused("/nonexistent/source")
        .says("no such file or directory");
    c.nothing_left();
}

#[test]
fn a_relative_bind_source_is_below_the_bundle() {
    need_root!();
    let c = Container::unsaved();
    std::fs::create_dir(c.bundle.path().join("data")).unwrap();
    std::fs::write(c.bundle.path().join("data/f"), "here").unwrap();
    let c = c.with_config(|g| {
        g.mount("/mnt", "bind", "data", &["bind"]).sh("cat /mnt/f");
    });
    assert_eq!(c.run().ok().text(), "here");
}

/// `rbind` takes the mounts below along, `bind` does not; `rro` makes all of them read-only, `ro` only the top one.
#[test]
fn recursive_binds() {
    need_root!();
    let run = |options: &[&str]| {
        let host = TempDir::new("bind");
        std::fs::create_dir(host.path().join("sub")).unwrap();
        // A mount on the host side, in this container's own TempDir; detached when that is dropped.
        rustix::mount::mount(
            "below",
            host.path().join("sub"),
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        )
        .unwrap();
        std::fs::write(host.path().join("sub/file"), "below").unwrap();
        let c = Container::new(|g| {
            let mut all = options.to_vec();
            all.retain(|o| *o != "rbind");
            let kind = if options.contains(&"rbind") {
                "rbind"
            } else {
                "bind"
            };
            let mut o = vec![kind];
            o.extend(all);
            g.mount("/mnt", "bind", host.path().to_str().unwrap(), &o)
                .sh("cat /mnt/sub/file 2>/dev/null; echo; touch /mnt/sub/x 2>/dev/null && echo writable || echo not; touch /mnt/x 2>/dev/null && echo writable || echo not");
        });
        c.run()
            .ok()
            .lines()
            .iter()
            .map(|l| l.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&["bind"]), ["", "writable", "writable"]);
    assert_eq!(run(&["rbind"]), ["below", "writable", "writable"]);
    assert_eq!(run(&["rbind", "ro"]), ["below", "writable", "not"]);
    assert_eq!(run(&["rbind", "rro"]), ["below", "not", "not"]);
}

#[test]
fn tmpfs_with_size_and_mode() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/mnt", "tmpfs", "tmpfs", &["size=1m", "mode=1770"]).sh("stat -c %a /mnt; dd if=/dev/zero of=/mnt/f bs=1k count=2000 2>&1 | grep -o 'No space.*'; stat -c %s /mnt/f");
    });
    // runc 1.1 lets the covered directory's mode win over `mode=`; 1.2 mended it.
    let mode = if is_ours() { "1770" } else { "755" };
    assert_eq!(
        c.run().ok().lines(),
        [mode, "No space left on device", "1048576"]
    );
}

/// Without `mode=`, the new tmpfs has the mode of the directory that it covers.
#[test]
fn tmpfs_takes_the_mode_of_what_it_covers() {
    need_root!();
    let c = Container::unsaved();
    std::fs::set_permissions(c.bundle.rootfs("mnt"), PermissionsExt::from_mode(0o2751)).unwrap();
    let c = c.with_config(|g| {
        g.mount("/mnt", "tmpfs", "tmpfs", &[]).sh("stat -c %a /mnt");
    });
    assert_eq!(c.run().ok().text(), "2751");
}

#[test]
fn tmpcopyup() {
    need_root!();
    let c = Container::unsaved();
    std::fs::write(c.bundle.rootfs("mnt/file"), "copied").unwrap();
    let c = c.with_config(|g| {
        g.mount("/mnt", "tmpfs", "tmpfs", &["tmpcopyup"])
            .sh("cat /mnt/file; echo changed > /mnt/file");
    });
    assert_eq!(c.run().ok().text(), "copied");
    assert_eq!(
        std::fs::read_to_string(c.bundle.rootfs("mnt/file")).unwrap(),
        "copied",
        "the image is untouched"
    );
}

/// There is nothing whose mode it could take: it has a tmpfs's own.
#[test]
fn tmpcopyup_of_what_is_missing() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/new/dir", "tmpfs", "tmpfs", &["tmpcopyup"])
            .sh("stat -c %a /new /new/dir; ls -A /new/dir");
    });
    assert_eq!(c.run().ok().stdout, "755\n1777\n");
}

#[test]
fn a_missing_mount_point_is_created() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/made/by/mount", "tmpfs", "tmpfs", &[])
            .sh("touch /made/by/mount/x && echo ok");
    });
    assert_eq!(c.run().ok().text(), "ok");
    assert!(c.bundle.rootfs("made/by/mount").is_dir());
}

/// A mount on the root is the root, for what comes after it and for the program.
#[test]
fn a_mount_on_the_root() {
    need_root!();
    for destination in ["/", "/."] {
        let c = Container::new(|g| {
            g.sh("cat /here; stat -c %F /dev/null; ls /mnt; touch /new && echo written");
        });
        let other = c.bundle.path().join("other");
        for dir in ["bin", "proc", "dev", "sys", "mnt"] {
            std::fs::create_dir_all(other.join(dir)).unwrap();
        }
        std::fs::write(other.join("here"), "the other\n").unwrap();
        for applet in ["sh", "cat", "stat", "ls", "touch"] {
            std::fs::hard_link(
                c.bundle.rootfs("bin/busybox"),
                other.join("bin").join(applet),
            )
            .unwrap();
        }
        let c = c.with_config(|g| {
            g.set("/root/readonly", false);
            if let Some(mounts) = g.0["mounts"].as_array_mut() {
                let root = json!({"destination": destination, "type": "bind", "source": other, "options": ["rbind"]});
                mounts.insert(0, root);
            }
            g.bind(&other.join("bin"), "/mnt", &[]);
        });
        let out = c.run().ok();
        assert_eq!(
            out.stdout,
            "the other\ncharacter special file\ncat\nls\nsh\nstat\ntouch\nwritten\n"
        );
        assert!(other.join("new").exists(), "not in what it covers");
    }
}

#[test]
fn mounts_are_made_in_order() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/mnt", "tmpfs", "first", &[])
            .mount("/mnt/sub", "tmpfs", "second", &["ro"])
            .sh("touch /mnt/x && ! touch /mnt/sub/x 2>/dev/null && echo ok");
    });
    assert_eq!(c.run().ok().text(), "ok");
}

#[test]
fn an_unknown_filesystem_is_a_clear_error() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/mnt", "nosuchfs", "x", &[]);
    });
    c.run().refused("/mnt").says("no such device");
    c.nothing_left();
}

#[test]
fn no_pivot() {
    need_root!();
    let c = Container::new(|g| {
        g.sh("ls / | tr '\\n' ' '; ls /.. | wc -l; grep -c rrt- /proc/self/mountinfo");
    });
    let out = c.run_with(&["--no-pivot"]);
    assert!(out.stdout.contains("bin dev etc home mnt proc"), "{out}");
    c.nothing_left();
}

/// A dev that is bound from the host is left alone: no nodes, no links are made in the host's.
#[test]
fn a_bound_dev_is_left_alone() {
    need_root!();
    let host = TempDir::new("dev");
    // One that the runtime itself wants to see.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        host.path().join("null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 3),
    )
    .unwrap();
    let c = Container::new(|g| {
        g.unmount("/dev")
            .unmount("/dev/pts")
            .unmount("/dev/shm")
            .unmount("/dev/mqueue")
            .bind(host.path(), "/dev", &[])
            .sh("ls -A /dev");
    });
    assert_eq!(c.run().ok().text(), "null");
}

#[test]
fn proc_must_not_be_a_symlink() {
    need_root!();
    let c = Container::unsaved();
    std::fs::remove_dir(c.bundle.rootfs("proc")).unwrap();
    symlink("tmp", c.bundle.rootfs("proc")).unwrap();
    let c = c.with_config(|_| {});
    let out = c.run().exits(1);
    assert!(out.stderr.contains("proc"), "{out}");
    c.nothing_left();
}

#[test]
fn mounts_over_proc_files_are_refused() {
    need_root!();
    let host = TempDir::new("bind");
    std::fs::write(host.path().join("f"), "x").unwrap();
    let c = Container::new(|g| {
        g.bind(&host.path().join("f"), "/proc/version", &[]);
    });
    c.run()
        .refused("/proc/version")
        .says("cannot be mounted because it is inside /proc");
    c.nothing_left();
}

#[test]
fn a_cgroup_mount_shows_every_hierarchy() {
    need_root!();
    let pids = if is_v2() { "" } else { "pids/" };
    let out = Container::sh(&format!("ls /sys/fs/cgroup; cat /sys/fs/cgroup/{pids}cgroup.procs | head -n 1; mkdir /sys/fs/cgroup/{pids}x")).run();
    if is_v2() {
        assert!(out.lines().contains(&"cgroup.controllers"), "{out}");
        assert!(
            out.lines().contains(&"1") && out.stderr.contains("Read-only"),
            "{out}"
        );
        return;
    }
    for controller in [
        "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd",
    ] {
        assert!(out.lines().contains(&controller), "{controller}: {out}");
    }
    assert!(
        out.lines().contains(&"1"),
        "its own cgroup is the root of the mount: {out}"
    );
    assert!(out.stderr.contains("Read-only file system"), "{out}");
}

/// Absolute links of an image are meant to be followed inside it.
/// The options are those of the hierarchies; what carries them keeps its own.
#[test]
fn the_tmpfs_of_a_cgroup_mount() {
    need_root!();
    if is_v2() {
        return;
    }
    for options in [
        &["ro"][..],
        &["rw"],
        &["nosuid", "ro"],
        &["noatime", "nodiratime"],
    ] {
        let mounts = mountinfo(|g| {
            g.without_namespace("cgroup")
                .unmount("/sys/fs/cgroup")
                .mount("/sys/fs/cgroup", "cgroup", "cgroup", options);
        });
        let tmpfs = &mounts.iter().find(|m| m.0 == "/sys/fs/cgroup").unwrap().1;
        assert!(
            tmpfs.ends_with(",nosuid,nodev,noexec,relatime"),
            "{options:?}: {tmpfs}"
        );
    }
}

#[test]
fn links_in_mount_points_stay_inside() {
    need_root!();
    let outside = TempDir::new("outside");
    let c = Container::unsaved();
    symlink(outside.path(), c.bundle.rootfs("link")).unwrap();
    symlink("../../../../../../../..", c.bundle.rootfs("up")).unwrap();
    let c = c.with_config(|g| {
        g.mount("/link/a", "tmpfs", "tmpfs", &[])
            .mount("/up/b", "tmpfs", "tmpfs", &[])
            .sh("ls -d /b");
    });
    assert_eq!(c.run().ok().text(), "/b");
    assert_eq!(
        std::fs::read_dir(outside.path()).unwrap().count(),
        0,
        "nothing was made outside"
    );
    assert!(!std::path::Path::new("/b").exists());
    assert!(
        c.bundle
            .rootfs(outside.path().to_str().unwrap())
            .join("a")
            .is_dir()
    );
}

#[test]
fn the_hosts_nodes_are_untouched() {
    need_root!();
    let before = std::fs::metadata("/dev/null").unwrap();
    Container::sh("true").run().ok();
    let after = std::fs::metadata("/dev/null").unwrap();
    assert!(after.file_type().is_char_device());
    assert_eq!(
        (
            before.permissions(),
            std::os::unix::fs::MetadataExt::uid(&before)
        ),
        (
            after.permissions(),
            std::os::unix::fs::MetadataExt::uid(&after)
        )
    );
}
