//! The container of the matrix: it asks for all isolation that can be seen from inside, and its program looks.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use integration::{
    Config, Container, cgroup_mounts, copy_program, find_busybox, is_ours, need_root, skip,
};
use serde_json::{Value, json};

use crate::hooks::KINDS;
use crate::userns::{BASE, maps, own};

/// Prints START, and WHOLE or what of its isolation is MISSING.
pub const PAYLOAD: &str = include_str!("payload.sh");

/// End of the path of the container's program, and of nothing else that runs.
pub const PROGRAM: &str = "busybox-program";
/// End of the path of a hook.
pub const HOOK: &str = "busybox-hook";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variation {
    /// What every engine asks for.
    Plain,
    /// That, and what is rarer: a user and a time namespace, hooks, an id-mapped mount.
    Mapped,
}

/// A bundle; its program does `after` when it has looked.
pub fn bundle(variation: Variation, after: &str) -> Container {
    let c = Container::unsaved();
    for name in ["bound", "hidden", "soft", "log", "mapped"] {
        std::fs::create_dir_all(c.bundle.rootfs(name)).unwrap();
    }
    for name in ["hidden/entry", "secret"] {
        std::fs::write(c.bundle.rootfs(name), "to be masked").unwrap();
    }
    copy_program(find_busybox(), c.bundle.rootfs("bin").join(PROGRAM));
    let source = c.bundle.rootfs("home");
    let mut namespaces = vec!["cgroup", "ipc", "mnt", "net", "pid", "uts"];
    let c = c.with_config(|g| {
        everyday(g, &source);
        g.args(&[
            &format!("/bin/{PROGRAM}"),
            "sh",
            "-c",
            &format!("{PAYLOAD}{after}"),
        ]);
    });
    let c = match variation {
        Variation::Plain => c.with_config(|g| {
            denied(g, Path::new("/dev/denied"), 1, 11);
        }),
        Variation::Mapped => {
            namespaces.extend(["time", "user"]);
            namespaces.sort_unstable();
            rarer(c)
        }
    };
    c.with_config(|g| {
        for ns in &namespaces {
            let host = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
            g.push(
                "/process/env",
                json!(format!("HOST_{ns}={}", host.display())),
            );
        }
        g.push(
            "/process/env",
            json!(format!("NAMESPACES= {}", namespaces.join(" "))),
        );
    })
}

fn everyday(g: &mut Config, source: &Path) {
    g.caps(&[])
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set("/process/cwd", "/tmp")
        .set("/process/oomScoreAdj", 77)
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "hard": 512, "soft": 512}]),
        )
        .set("/hostname", "matrix")
        .set(
            "/linux/sysctl",
            json!({"net.ipv4.ip_unprivileged_port_start": "81"}),
        )
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO"}]}),
        )
        .set("/mounts/0/options", json!(["nosuid", "noexec", "nodev"]))
        .mount(
            "/tmp",
            "tmpfs",
            "tmpfs",
            &["nosuid", "nodev", "noexec", "mode=1777"],
        )
        .mount("/soft", "tmpfs", "tmpfs", &["mode=1777"])
        .bind(source, "/bound", &["ro"])
        .push("/linux/maskedPaths", json!("/hidden"))
        .push("/linux/maskedPaths", json!("/secret"))
        .push("/linux/readonlyPaths", json!("/soft"))
        .push("/process/env", json!("MATRIX=yes"));
    for (controller, variable, limit) in [("pids", "PIDS", 64), ("memory", "MEMORY", 64 << 20)] {
        if has_controller(controller) {
            g.set(
                &format!("/linux/resources/{controller}"),
                json!({"limit": limit}),
            )
            .push("/process/env", json!(format!("{variable}={limit}")));
        }
    }
}

/// Can limits of this kind be set here?
pub fn has_controller(name: &str) -> bool {
    cgroup_mounts().iter().any(|(controllers, mount)| {
        let own = |text: &str, by| text.split(by).any(|it| it == name);
        match controllers.is_empty() {
            true => std::fs::read_to_string(mount.join("cgroup.controllers"))
                .is_ok_and(|text| own(text.trim(), ' ')),
            false => own(controllers, ','),
        }
    })
}

/// A device that everybody may open by its mode, and nobody by the rules.
fn denied(g: &mut Config, path: &Path, major: u32, minor: u32) {
    g.push(
        "/linux/devices",
        json!({"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666}),
    );
    g.push("/process/env", json!(format!("DEVICE={}", path.display())));
}

/// Such a one of the host: in a user namespace devices are bind mounts of the host's.
fn host_device() -> Option<(PathBuf, u32, u32)> {
    ["/dev/fuse", "/dev/vsock", "/dev/hwrng", "/dev/net/tun"]
        .iter()
        .find_map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            let device = meta.rdev();
            File::open(path).ok()?;
            (meta.mode() & 0o006 == 0o006).then(|| {
                let (major, minor) = (libc::major(device), libc::minor(device));
                (PathBuf::from(path), major, minor)
            })
        })
}

fn rarer(c: Container) -> Container {
    let dir = c.bundle.path().to_owned();
    let make = |name: &str| {
        std::fs::create_dir(dir.join(name)).unwrap();
        dir.join(name)
    };
    let (log, mapped) = (make("log"), make("mapped"));
    std::fs::write(mapped.join("theirs"), "").unwrap();
    chown(mapped.join("theirs"), Some(1000), Some(1000)).unwrap();
    for hook in [dir.join(HOOK), c.bundle.rootfs("bin").join(HOOK)] {
        copy_program(find_busybox(), hook);
    }
    let c = c.with_config(|g| {
        maps(g);
        g.push("/linux/namespaces", json!({"type": "user"}))
            .push("/linux/namespaces", json!({"type": "time"}))
            .set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 1_000_000}}))
            .bind(&log, "/log", &["rw"])
            .push("/mounts", json!({"destination": "/mapped", "type": "bind", "source": mapped, "options": ["bind"],
                "uidMappings": one(1000), "gidMappings": one(1000)}));
        for kind in KINDS {
            let inside = kind == "startContainer";
            let (path, log) = match inside {
                true => (format!("/bin/{HOOK}"), "/log/hooks".into()),
                false => (dir.join(HOOK).display().to_string(), log.join("hooks")),
            };
            let script = format!("echo {kind} >>{}", log.display());
            g.set(&format!("/hooks/{kind}"), json!([{"path": path, "args": [HOOK, "sh", "-c", script]}]));
        }
        if let Some((path, major, minor)) = host_device() {
            denied(g, &path, major, minor);
        }
    });
    own(&c);
    c
}

/// This id on the disk is the same in the container.
fn one(id: u32) -> Value {
    json!([{"containerID": id, "hostID": BASE + id, "size": 1}])
}

/// Empties the log of the hooks; everybody may write to it.
pub fn clear_log(c: &Container) {
    let log = c.bundle.path().join("log/hooks");
    if log.parent().is_some_and(Path::is_dir) {
        std::fs::write(&log, "").unwrap();
        std::fs::set_permissions(&log, Permissions::from_mode(0o666)).unwrap();
    }
}

/// Which hooks have run.
pub fn log(c: &Container) -> Vec<String> {
    let text = std::fs::read_to_string(c.bundle.path().join("log/hooks")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What is not there is missed: the program is no formality.
#[test]
fn the_program_sees_what_is_missing() {
    need_root!();
    if !is_ours() {
        return skip(
            "matrix::the_program_sees_what_is_missing",
            "runc 1.1 has no time namespace and no id-mapped mounts",
        );
    }
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 20] = [
        ("/proc/sys-not-ro /soft-not-ro", |g| {
            g.remove("/linux/readonlyPaths");
        }),
        ("/hidden/entry secret", |g| {
            g.remove("/linux/maskedPaths");
        }),
        ("/-not-ro", |g| {
            g.set("/root/readonly", false);
        }),
        ("/proc-not-nosuid", |g| {
            g.set("/mounts/0/options", json!([]));
        }),
        ("nnp", |g| {
            g.set("/process/noNewPrivileges", false);
        }),
        ("seccomp(0) filter", |g| {
            g.remove("/linux/seccomp");
        }),
        ("nofile", |g| {
            g.remove("/process/rlimits");
        }),
        ("Uid:(0)", |g| {
            g.set("/process/user/uid", 0);
        }),
        ("CapBnd:", |g| {
            g.caps(&["CAP_KILL"]);
        }),
        ("cwd(/)", |g| {
            g.set("/process/cwd", "/");
        }),
        ("oom", |g| {
            g.set("/process/oomScoreAdj", 78);
        }),
        ("hostname", |g| {
            g.set("/hostname", "other");
        }),
        ("sysctl(1024)", |g| {
            g.remove("/linux/sysctl");
        }),
        ("MISSING time uptime(", |g| {
            g.without_namespace("time").remove("/linux/timeOffsets");
        }),
        ("cgroup", |g| {
            g.without_namespace("cgroup");
        }),
        ("uptime", |g| {
            g.remove("/linux/timeOffsets");
        }),
        ("uid-map", |g| {
            g.set("/linux/uidMappings/0/size", 65535);
        }),
        ("hooks( prestart createRuntime startContainer", |g| {
            g.remove("/hooks/createContainer");
        }),
        ("hooks( createRuntime", |g| {
            g.remove("/hooks/prestart");
        }),
        ("id-mapped", |g| {
            if let Some(Value::Array(mounts)) = g.0.pointer_mut("/mounts") {
                mounts.retain(|mount| mount.get("uidMappings").is_none());
            }
        }),
    ];
    for (words, change) in changes {
        let c = bundle(Variation::Mapped, "").with_config(change);
        clear_log(&c);
        let out = c.run().ok();
        let last = out.lines().last().copied().unwrap_or_default();
        assert!(
            last.starts_with("MISSING") && last.contains(words),
            "{words}: {out}"
        );
    }
    let c = bundle(Variation::Mapped, "");
    clear_log(&c);
    assert_eq!(c.run().ok().lines(), ["START", "WHOLE"]);
}
