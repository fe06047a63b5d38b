//! Random mounts: those that engines make, others on top of them, and strange destinations.

use serde_json::{Value, json};

use super::random::Random;

const FLAGS: &[&str] = &[
    "ro",
    "rw",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "atime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "nodiratime",
    "diratime",
    "sync",
    "async",
    "dirsync",
    "silent",
    "loud",
    "lazytime",
    "nolazytime",
    "nomand",
    "noiversion",
];
const PROPAGATION: &[&str] = &[
    "private",
    "rprivate",
    "slave",
    "rslave",
    "shared",
    "rshared",
    "unbindable",
    "runbindable",
];
const RECURSIVE: &[&str] = &[
    "rro",
    "rrw",
    "rnosuid",
    "rsuid",
    "rnodev",
    "rdev",
    "rnoexec",
    "rexec",
    "rnodiratime",
    "rrelatime",
    "rnoatime",
    "rstrictatime",
    "rnosymfollow",
];

pub const PLACES: &[&str] = &[
    "/mnt",
    "/mnt/a",
    "/mnt/a/b",
    "/new",
    "/new/deep/er",
    "/data",
    "/data/dir",
    "/data/file",
    "/data/new",
    "/link-dir",
    "/link-abs",
    "/link-file",
    "/dangling",
    "/tmp/../mnt/x",
    "mnt/rel",
    "/tmp",
    "/etc/passwd",
    "/etc/../../../mnt/up",
    "/tmp/",
    "//tmp//x/.",
    "/data/dir/sub",
    "/link-up/x",
    "/closed/x",
    "/with space",
    "/dev/x",
    "/dev/shm/y",
    "/sys/fs/x",
    "/proc/x",
    "/proc/loadavg",
    "/proc/self",
    "/",
    "/.",
    "/loop",
    "/data/file/x",
    "/bin/busybox",
];

/// Those of them that are files.
const FILES: &[&str] = &[
    "/data/file",
    "/link-file",
    "/etc/passwd",
    "/closed/x",
    "/bin/busybox",
    "/proc/loadavg",
];

fn flags(r: &mut Random, most: usize) -> Vec<String> {
    let mut options: Vec<String> = r.some(FLAGS, most).iter().map(|&o| o.to_owned()).collect();
    if r.chance(12) {
        options.push((*r.pick(PROPAGATION)).to_owned());
    }
    if r.odd(4) {
        options.push((*r.pick(PROPAGATION)).to_owned());
    }
    if r.chance(8) {
        options.push((*r.pick(RECURSIVE)).to_owned());
    }
    if r.odd(2) {
        options.push(
            (*r.pick(&["nonsense", "x=y", "", "remount", "defaults", "nosymfollow"])).to_owned(),
        );
    }
    options
}

pub fn random(r: &mut Random) -> Value {
    let mut all = Vec::new();
    let add = |all: &mut Vec<Value>, to: &str, kind: &str, source: &str, options: Vec<String>| {
        all.push(json!({"destination": to, "type": kind, "source": source, "options": options}));
    };
    if r.chance(98) {
        let options = if r.chance(15) {
            flags(r, 3)
        } else {
            Vec::new()
        };
        add(&mut all, "/proc", "proc", "proc", options);
    }
    if r.chance(90) {
        let mut options = words(&["nosuid", "strictatime", "mode=755", "size=65536k"]);
        if r.chance(10) {
            options.extend(flags(r, 3));
        }
        add(&mut all, "/dev", "tmpfs", "tmpfs", options);
        if r.chance(80) {
            let mut options = words(&[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
            ]);
            options.extend(r.some(
                &words(&["gid=5", "ptmxmode=000", "mode=600", "uid=1", "max=10", "ro"]),
                2,
            ));
            add(&mut all, "/dev/pts", "devpts", "devpts", options);
        }
        if r.chance(50) {
            add(
                &mut all,
                "/dev/shm",
                "tmpfs",
                "shm",
                words(&["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            );
        }
        if r.chance(40) {
            let options = flags(r, 3);
            add(&mut all, "/dev/mqueue", "mqueue", "mqueue", options);
        }
    }
    if r.chance(60) {
        let mut options = words(&["nosuid", "noexec", "nodev"]);
        if r.chance(70) {
            options.push("ro".to_owned());
        }
        add(&mut all, "/sys", "sysfs", "sysfs", options);
        if r.chance(70) {
            let mut options = words(&["nosuid", "noexec", "nodev", "relatime"]);
            if r.chance(60) {
                options.push("ro".to_owned());
            }
            if r.chance(15) {
                options.extend(flags(r, 2));
            }
            add(&mut all, "/sys/fs/cgroup", "cgroup", "cgroup", options);
        }
    }
    let extra = *r.pick(&[0, 0, 1, 1, 2, 3, 5]);
    for _ in 0..extra {
        all.push(one(r));
    }
    // Where something is already, runc 1.1 does not look at the mode: see `known`.
    for n in 1..all.len() {
        let (before, rest) = all.split_at_mut(n);
        if before
            .iter()
            .any(|m| m["destination"] == rest[0]["destination"])
            && let Some(options) = rest[0]["options"].as_array_mut()
        {
            options.retain(|o| !o.as_str().is_some_and(|o| o.starts_with("mode=")));
        }
    }
    if r.odd(4) && all.len() > 1 {
        let (a, b) = (r.below(all.len()), r.below(all.len()));
        all.swap(a, b);
    }
    json!(all)
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|&w| w.to_owned()).collect()
}

fn one(r: &mut Random) -> Value {
    let to = if !r.odd(20) {
        *r.pick(&PLACES[..24])
    } else {
        *r.pick(PLACES)
    };
    let mut mount = json!({"destination": to});
    if r.chance(60) {
        let source = if !r.odd(15) {
            *r.pick(&[
                "src/file",
                "src/dir",
                "src/tree",
                "src/tree/sub",
                "@STAGE@/bundle/src/dir",
                "@STAGE@/bundle/src/file",
                "src/closed",
                "src/link",
                "src/null",
                "src/fifo",
            ])
        } else {
            *r.pick(&[
                "src/missing",
                "",
                "/dev/null",
                "/dev/zero",
                "rootfs/data",
                "src/dangling",
                "@STAGE@/bundle/src/../src/dir/.",
                "/proc",
                "/sys",
            ])
        };
        let is_file = FILES.contains(&to);
        let source = if r.odd(50)
            || is_file
                == (source.contains("file") || source.ends_with("null") || source.ends_with("fifo"))
        {
            source
        } else if is_file {
            "src/file"
        } else {
            "src/tree"
        };
        mount["source"] = json!(source);
        let mut options = vec![(*r.pick(&["bind", "rbind", "rbind"])).to_owned()];
        options.extend(flags(r, 4));
        if r.odd(5) {
            options.swap_remove(0);
        }
        mount["options"] = json!(options);
        if r.chance(90) {
            mount["type"] = json!(r.pick(&["bind", "bind", "none", "", "tmpfs"]));
        }
        return mount;
    }
    if FILES.contains(&to) && !r.odd(30) {
        mount["destination"] = json!("/mnt/t");
    }
    let kind = *r.pick(&[
        "tmpfs", "tmpfs", "tmpfs", "tmpfs", "mqueue", "proc", "sysfs", "devpts", "cgroup", "ramfs",
        "nosuchfs", "",
    ]);
    let kind = if !r.odd(30) { "tmpfs" } else { kind };
    mount["type"] = json!(kind);
    if r.chance(85) {
        mount["source"] = json!(r.pick(&[kind, kind, "none", "name", "with space", ""]));
    }
    let mut options = flags(r, 4);
    if kind == "tmpfs" {
        options.extend(r.some(
            &words(&[
                "size=1m",
                "size=64k",
                "mode=0700",
                "mode=1777",
                "mode=755",
                "uid=5",
                "gid=7",
                "nr_inodes=100",
                "tmpcopyup",
                "size=10%",
                "huge=never",
                "tmpcopyup",
            ]),
            3,
        ));
    }
    if !to.contains("new") {
        options.retain(|o| !o.starts_with("mode="));
    }
    if r.chance(95) {
        mount["options"] = json!(options);
    }
    mount
}
