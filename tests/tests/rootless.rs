//! An ordinary user: without anything in /etc, without capabilities, without cgroups of its own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use integration::{
    Config, Container, Output, TempDir, is_ours, need_root, proc_status, receive_fd, skip,
    this_test,
};
use serde_json::{Value, json};

/// Nobody's number, it is to be hoped.
pub const UID: u32 = 34_521;

/// A container of the ordinary user.
pub fn user(change: impl FnOnce(&mut Config)) -> Container {
    Container::new(|g| {
        g.rootless(UID);
        change(g);
    })
    .owned_by(UID)
}

/// `command` of the user, without `--root`, with this XDG_RUNTIME_DIR.
fn with_xdg(c: &Container, dir: &Path, args: &[&str]) -> Output {
    let (_, out, err) = c.runtime.command(&[]);
    let log = |path: &Path| std::fs::File::options().append(true).open(path).unwrap();
    let mut command = c.runtime.bare();
    command
        .args(args)
        .env("XDG_RUNTIME_DIR", dir)
        .stdin(std::process::Stdio::null())
        .stdout(log(&out))
        .stderr(log(&err));
    c.runtime.finish(command, args, out, err)
}

/// A directory of the user's.
fn own_dir(name: &str, mode: u32) -> TempDir {
    let dir = TempDir::new(name);
    std::os::unix::fs::chown(dir.path(), Some(UID), Some(UID)).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    dir
}

#[test]
fn the_template_runs() {
    need_root!();
    let c = user(|_| {});
    std::fs::remove_file(c.bundle.path().join("config.json")).unwrap();
    let bundle = c.bundle.path().to_str().unwrap();
    c.runtime
        .run(&["spec", "--rootless", "--bundle", bundle])
        .ok();
    let path = c.bundle.path().join("config.json");
    let mut g = Config(serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
    assert_eq!(g.0["linux"]["uidMappings"][0]["hostID"], UID);
    g.set("/process/terminal", false).sh(
        "id -u; id -g; cat /proc/self/setgroups; tr -s ' ' </proc/self/uid_map; \
         touch /x 2>/dev/null || echo read-only; hostname; echo >/dev/null && echo null",
    );
    c.bundle.save_raw(&serde_json::to_vec(&g.0).unwrap());
    let out = c.run().ok();
    let map = format!(" 0 {UID} 1");
    let seen = ["0", "0", "deny", &map, "read-only", "runc", "null"];
    assert_eq!(out.lines(), seen, "{out}");
    assert_eq!(out.stderr, "");
}

#[test]
fn created_started_signalled_and_deleted() {
    need_root!();
    let c = user(|g| {
        g.sh("trap 'exit 7' USR1; echo there >/said; while :; do sleep 0.05; done")
            .set("/root/readonly", false);
    });
    let mut said = c.fifo("said");
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(said.line(), "there");
    assert_eq!(c.status(), "running");
    let uids = proc_status(c.pid(), "Uid").unwrap();
    assert!(
        uids.split_whitespace().all(|it| it == UID.to_string()),
        "{uids}"
    );
    let listed = c.runtime.run(&["list", "--format", "json"]).ok();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed[0]["id"], *c.id);
    c.delete().refused("is not stopped");
    c.kill("USR1").ok();
    assert_eq!(c.wait(), Some(7));
    assert_eq!(c.status(), "stopped");
    c.delete().ok();
    c.nothing_left();
    // Never started, and one that runs.
    c.create().ok();
    c.delete().ok();
    c.nothing_left();
    c.detach();
    assert_eq!(said.line(), "there");
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

#[test]
fn statuses_and_errors_of_the_program() {
    need_root!();
    user(|g| {
        g.sh("exit 3");
    })
    .run()
    .exits(3);
    let c = user(|g| {
        g.args(&["nosuch"]);
    });
    c.run()
        .refused("exec: \"nosuch\": executable file not found in $PATH");
    c.nothing_left();
}

#[test]
fn a_terminal_goes_to_the_console_socket() {
    need_root!();
    let dir = own_dir("console", 0o755);
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let c = user(|g| {
        g.set("/process/terminal", true)
            .sh("test -t 0 && stty size && sleep 1000");
    });
    c.run_with(&["--detach", "--console-socket", path.to_str().unwrap()])
        .ok();
    let (stream, _) = listener.accept().unwrap();
    let (name, _master) = receive_fd(&stream);
    assert_eq!(name, b"/dev/ptmx");
    assert_eq!(c.status(), "running");
}

/// runc's rule for who may not write to /run; with the sticky bit, which keeps the directory from being cleaned away.
#[test]
fn the_root_is_in_the_runtime_directory() {
    need_root!();
    let c = user(|_| {});
    let dir = own_dir("xdg", 0o700);
    let out = with_xdg(&c, dir.path(), &["list"]).ok();
    assert!(out.stdout.starts_with("ID "), "{out}");
    let root = dir.path().join(if is_ours() { "runc-rs" } else { "runc" });
    let mode = std::fs::metadata(&root).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o1700);
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    with_xdg(&c, dir.path(), &["run", "--bundle", &bundle, &c.id]).ok();
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    // One that is somebody else's.
    let words = "the path in $XDG_RUNTIME_DIR must be writable by the user";
    let root_s = TempDir::new("xdg");
    with_xdg(&c, root_s.path(), &["list"])
        .refused(words)
        .says("permission denied");
    // --root comes first.
    c.runtime.run(&["list"]).ok();
}

#[test]
fn without_a_runtime_directory() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "runc does not say what to do");
    }
    let c = user(|_| {});
    let closed = TempDir::new("closed");
    let root = closed.path().join("root");
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    let args = [
        "--root",
        root.to_str().unwrap(),
        "run",
        "--bundle",
        &bundle,
        &c.id,
    ];
    let hint =
        "(set $XDG_RUNTIME_DIR to a directory of your own, or give --root): permission denied";
    with_xdg(&c, Path::new(""), &args).refused(hint);
    c.nothing_left();
}

type Change = fn(&mut Config);

/// Refused in runc's words.
#[test]
fn what_an_ordinary_user_may_not_have() {
    need_root!();
    let cases: [(Change, &str); 13] = [
        (
            |g| {
                g.without_namespace("user");
                g.remove("/linux/uidMappings").remove("/linux/gidMappings");
            },
            "rootless container requires user namespaces",
        ),
        (
            |g| {
                g.set("/process/user/additionalGids", json!([5]));
            },
            "unable to setup user: cannot set any additional groups in a rootless container",
        ),
        (
            |g| {
                g.set("/process/user/uid", 7);
            },
            "unable to setup user: cannot set uid to unmapped user in user namespace",
        ),
        (
            |g| {
                g.set("/process/user/gid", 7);
            },
            "unable to setup user: cannot set gid to unmapped user in user namespace",
        ),
        (
            |g| {
                g.mount("/tmp", "tmpfs", "tmpfs", &["gid=5"]);
            },
            "cannot specify gid= mount options for unmapped gid in rootless containers",
        ),
        (
            |g| {
                g.mount("/tmp", "tmpfs", "tmpfs", &["mode=755", "uid=5"]);
            },
            "cannot specify uid= mount options for unmapped uid in rootless containers",
        ),
        (
            |g| {
                g.set("/process/oomScoreAdj", -1000);
            },
            if_ours("failed to update /proc/self/oom_score_adj to -1000: permission denied"),
        ),
        (
            |g| {
                g.set(
                    "/process/rlimits",
                    json!([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 9_999_999_999_u64}]),
                );
            },
            "error setting rlimit type 7",
        ),
        (
            |g| {
                g.without_namespace("network");
            },
            "error mounting \"sysfs\" to rootfs at \"/sys\": mount sysfs:/sys",
        ),
        (
            |g| {
                g.without_namespace("ipc");
            },
            "error mounting \"mqueue\" to rootfs at \"/dev/mqueue\": mount mqueue:/dev/mqueue",
        ),
        (
            |g| {
                g.without_namespace("pid");
            },
            "error mounting \"proc\" to rootfs at \"/proc\": mount proc:/proc",
        ),
        (
            |g| {
                g.bind(Path::new("/root/nothing"), "/mnt", &[]);
            },
            "error mounting \"/root/nothing\" to rootfs at \"/mnt\": stat /root/nothing: permission denied",
        ),
        (
            |g| {
                g.push(
                    "/linux/devices",
                    json!({"path": "/dev/rrt-none", "type": "c", "major": 1, "minor": 3}),
                );
            },
            "error creating device nodes: ",
        ),
    ];
    for (change, words) in cases {
        let c = user(change);
        c.run().refused(words);
        c.nothing_left();
    }
}

/// The words, where runc's are only in a line of its debug log.
fn if_ours(words: &'static str) -> &'static str {
    if is_ours() { words } else { "" }
}

#[test]
fn what_runc_does_not_refuse_or_explain() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "runc 1.1 ignores it, or does not say why");
    }
    let cases: [(Change, &str); 5] = [
        (
            |g| {
                let map = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
                g.push(
                    "/mounts",
                    json!({"destination": "/mnt", "source": "/", "options": ["bind"], "uidMappings": map, "gidMappings": map}),
                );
            },
            "gidMappings/uidMappings is not supported when runc is being launched as unprivileged user",
        ),
        (
            |g| {
                g.without_namespace("network");
            },
            "operation not permitted (in a user namespace this needs a network namespace of the container's own; or bind /sys)",
        ),
        (
            |g| {
                g.bind(Path::new("/dev"), "/mnt", &[]);
            },
            "invalid argument (in a user namespace what other mounts cover stays covered: use rbind)",
        ),
        (
            |g| {
                g.set("/process/user/additionalGids", json!([0]));
            },
            "(one group alone is mapped, so setgroups(2) is denied)",
        ),
        (
            |g| {
                // Two groups, of which the user may map one by itself.
                g.push(
                    "/linux/gidMappings",
                    json!({"containerID": 1, "hostID": 1, "size": 1}),
                );
            },
            "gid_map (and newgidmap did not help: ",
        ),
    ];
    for (change, words) in cases {
        let c = user(change);
        c.run().refused(words);
        c.nothing_left();
    }
}

/// Nobody makes devices in a user namespace: the host's stand in, with their owners and modes.
#[test]
fn devices_are_the_hosts() {
    need_root!();
    let c = user(|g| {
        g.sh("for d in null zero full random urandom tty; do stat -c '%n %t:%T %u' /dev/$d; done; grep -c ' /dev/null ' /proc/self/mountinfo");
    });
    let out = c.run().ok();
    let seen = [
        "/dev/null 1:3 65534",
        "/dev/zero 1:5 65534",
        "/dev/full 1:7 65534",
        "/dev/random 1:8 65534",
        "/dev/urandom 1:9 65534",
        "/dev/tty 5:0 65534",
        "1",
    ];
    assert_eq!(out.lines(), seen, "{out}");
}

/// mount_namespaces(7): a mount from a more privileged namespace keeps its flags; whoever adds one must not drop the others.
#[test]
fn a_source_keeps_its_locked_flags() {
    need_root!();
    use rustix::mount::MountFlags;
    let source = TempDir::new("locked");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(
        "tmpfs",
        source.path(),
        "tmpfs",
        flags,
        None::<&std::ffi::CStr>,
    )
    .unwrap();
    let seen = |options: &[&str]| {
        let c = user(|g| {
            g.bind(source.path(), "/mnt", options)
                .sh("grep ' /mnt ' /proc/self/mountinfo | cut -d ' ' -f 6");
        });
        c.run().ok().text().to_owned()
    };
    assert_eq!(seen(&[]), "rw,nosuid,nodev,noexec,relatime");
    assert_eq!(seen(&["rw"]), "rw,nosuid,nodev,noexec,relatime");
    if !is_ours() {
        return skip(
            &this_test(),
            "runc before 1.2 drops the flags, and is refused that",
        );
    }
    assert_eq!(seen(&["ro"]), "ro,nosuid,nodev,noexec,relatime");
    assert_eq!(seen(&["noexec"]), "rw,nosuid,nodev,noexec,relatime");
    // But what asks for less is told that it does not get it.
    let c = user(|g| {
        g.bind(source.path(), "/mnt", &["exec"]);
    });
    c.run().refused("operation not permitted");
    c.nothing_left();
}

/// A container of root is nothing to a user, and the other way round it is root's to end.
#[test]
fn other_peoples_containers() {
    need_root!();
    let theirs = Container::sleeping();
    let pid = theirs.detach();
    // As it is below /run.
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(theirs.runtime.root(), closed).unwrap();
    let mine = user(|g| {
        g.args(&["sleep", "1000"]);
    });
    let root = theirs.runtime.root().to_str().unwrap();
    for command in [
        &["state"][..],
        &["kill"],
        &["delete", "--force"],
        &["start"],
    ] {
        let mut args = vec!["--root", root];
        args.extend_from_slice(command);
        args.push(&theirs.id);
        with_xdg(&mine, Path::new(""), &args).refused("permission denied");
    }
    assert!(integration::alive(pid));
    assert_eq!(theirs.status(), "running");
    mine.detach();
    let mut roots = mine.runtime.clone();
    roots.user = None;
    roots.run(&["delete", "--force", &mine.id]).ok();
    mine.nothing_left();
}

#[test]
fn hooks_seccomp_and_network() {
    need_root!();
    let c = user(|g| {
        g.set(
            "/hooks/createRuntime",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", "id -u >&2; test $(id -u) != 0"]}]),
        )
        .set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}),
        )
        .set("/process/noNewPrivileges", false)
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .sh("mkdir /dev/shm/x 2>/dev/null || cat /proc/sys/net/ipv4/ip_forward; ip address show lo | grep -c LOOPBACK,UP");
    });
    let out = c.run().ok();
    assert_eq!(out.lines(), ["1", "1"], "{out}");
}
