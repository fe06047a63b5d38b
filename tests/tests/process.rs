//! `process`: what the user's program finds when it starts, and the words when it cannot start.

use integration::{Container, need_root};
use serde_json::json;

/// Fields of /proc/self/status inside, one line each.
fn status(fields: &str, change: impl FnOnce(&mut integration::Config)) -> Vec<String> {
    let c = Container::new(|g| {
        g.args(&["grep", "-E", &format!("^({fields}):"), "/proc/self/status"]);
        change(g);
    });
    c.run()
        .ok()
        .stdout
        .lines()
        .map(|l| l.split_once(':').unwrap().1.trim().to_owned())
        .collect()
}

#[test]
fn args_arrive_as_they_are() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["printf", "[%s]", "a b", "", "$x", "'q'", "\u{e4}", "-n"]);
    });
    assert_eq!(c.run().ok().stdout, "[a b][][$x]['q'][\u{e4}][-n]");
}

#[test]
fn the_environment_is_the_configs_alone() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/process/env",
            json!(["PATH=/bin", "A=1", "B=with = sign", "HOME=/tmp"]),
        )
        .args(&["env"]);
    });
    let out = c.run().ok();
    let mut lines = out.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["A=1", "B=with = sign", "HOME=/tmp", "PATH=/bin"]);
}

#[test]
fn the_last_of_a_duplicate_variable_wins() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/process/env", json!(["PATH=/bin", "A=1", "A=2"]))
            .args(&["env"]);
    });
    let out = c.run().ok();
    assert!(
        out.stdout.contains("A=2\n") && !out.stdout.contains("A=1"),
        "{out}"
    );
}

#[test]
fn home_comes_from_passwd_when_it_is_not_set() {
    need_root!();
    let c = Container::unsaved();
    std::fs::write(
        c.bundle.rootfs("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n",
    )
    .unwrap();
    let mut c = c.with_config(|g| {
        g.sh("echo $HOME");
    });
    assert_eq!(c.run().ok().text(), "/root");
    c = c.with_config(|g| {
        g.set("/process/user", json!({"uid": 1000, "gid": 1000}));
    });
    assert_eq!(c.run().ok().text(), "/home/u");
    c = c.with_config(|g| {
        g.set("/process/user", json!({"uid": 4242, "gid": 0}));
    });
    assert_eq!(c.run().ok().text(), "/", "an unknown user's home");
}

#[test]
fn cwd() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/process/cwd", "/tmp").args(&["pwd"]);
    });
    assert_eq!(c.run().ok().text(), "/tmp");
}

#[test]
fn a_missing_cwd_is_created() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/process/cwd", "/made/by/runtime")
            .set("/root/readonly", false)
            .args(&["pwd"]);
    });
    assert_eq!(c.run().ok().text(), "/made/by/runtime");
}

#[test]
fn user_group_and_additional_groups() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/process/user",
            json!({"uid": 1000, "gid": 1001, "additionalGids": [7, 1001, 9]}),
        )
        .sh("id -u; id -g; grep ^Groups: /proc/self/status");
    });
    let out = c.run().ok();
    assert_eq!(out.lines()[..2], ["1000", "1001"]);
    let mut groups: Vec<&str> = out.lines()[2].split_whitespace().skip(1).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["1001", "7", "9"]);
}

#[test]
fn the_hosts_groups_do_not_leak() {
    need_root!();
    assert_eq!(status("Groups", |_| {}), [""]);
}

#[test]
fn umask() {
    need_root!();
    let umask = |value: Option<u32>| {
        let c = Container::new(|g| {
            g.sh("umask");
            if let Some(v) = value {
                g.set("/process/user/umask", v);
            }
        });
        c.run().ok().text().to_owned()
    };
    assert_eq!(umask(None), "0022", "the default, whatever the caller's is");
    assert_eq!(umask(Some(0o077)), "0077");
    assert_eq!(umask(Some(0)), "0000");
}

#[test]
fn capabilities_of_root() {
    need_root!();
    // AUDIT_WRITE 29, KILL 5, NET_BIND_SERVICE 10
    let mask = format!("{:016x}", (1u64 << 29) | (1 << 5) | (1 << 10));
    assert_eq!(
        status("CapInh|CapPrm|CapEff|CapBnd|CapAmb", |_| {}),
        ["0000000000000000", &mask, &mask, &mask, "0000000000000000"]
    );
}

#[test]
fn inheritable_and_ambient_capabilities() {
    need_root!();
    let mask = format!("{:016x}", 1u64 << 5);
    let sets = status("CapInh|CapPrm|CapEff|CapBnd|CapAmb", |g| {
        g.caps(&["CAP_KILL"])
            .set("/process/user", json!({"uid": 1000, "gid": 1000}));
    });
    assert_eq!(
        sets,
        [mask.as_str(); 5],
        "ambient capabilities survive the change of user and exec"
    );
}

#[test]
fn no_capabilities_section_means_none() {
    need_root!();
    let sets = status("CapInh|CapPrm|CapEff|CapBnd|CapAmb", |g| {
        g.remove("/process/capabilities");
    });
    assert_eq!(sets, ["0000000000000000"; 5]);
}

#[test]
fn an_ordinary_user_has_no_capabilities() {
    need_root!();
    let sets = status("CapPrm|CapEff|CapAmb", |g| {
        g.set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .remove("/process/capabilities/ambient");
    });
    assert_eq!(sets, ["0000000000000000"; 3]);
}

#[test]
fn an_unknown_capability_is_warned_of_and_ignored() {
    need_root!();
    let c = Container::new(|g| {
        g.push("/process/capabilities/bounding", json!("CAP_NOSUCH"))
            .sh("true");
    });
    let out = c.run().ok();
    assert!(
        out.stderr.contains("level=warning") && out.stderr.contains("CAP_NOSUCH"),
        "{out}"
    );
}

#[test]
fn rlimits() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 600}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_STACK", "soft": 1048576, "hard": 2097152}]),
        )
        .args(&["cat", "/proc/self/limits"]);
    });
    let out = c.run().ok();
    let row = |name: &str| {
        let line = out.stdout.lines().find(|l| l.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("Max open files"), ["512", "600"]);
    assert_eq!(row("Max core file size"), ["0", "0"]);
    assert_eq!(row("Max stack size"), ["1048576", "2097152"]);
}

#[test]
fn no_new_privileges() {
    need_root!();
    assert_eq!(status("NoNewPrivs", |_| {}), ["1"]);
    assert_eq!(
        status("NoNewPrivs", |g| {
            g.set("/process/noNewPrivileges", false);
        }),
        ["0"]
    );
}

#[test]
fn oom_score_adj() {
    need_root!();
    let adj = |value: Option<i32>| {
        let c = Container::new(|g| {
            g.args(&["cat", "/proc/self/oom_score_adj"]);
            if let Some(v) = value {
                g.set("/process/oomScoreAdj", v);
            }
        });
        c.run().ok().text().to_owned()
    };
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(adj(None), own.trim(), "not asked for: the caller's");
    assert_eq!(adj(Some(500)), "500");
}

#[test]
fn the_signal_mask_and_dispositions_are_clean() {
    need_root!();
    let sets = status("SigBlk|SigIgn", |_| {});
    let named = |mask: &str| u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff;
    // Only signals 1 to 31: runc 1.1 passes an ignored signal 32 on, which is glibc's own.
    assert_eq!((named(&sets[0]), named(&sets[1])), (0, 0), "{sets:?}");
}

#[test]
fn stdin_stdout_stderr_are_the_callers() {
    need_root!();
    let c = Container::sh("cat; echo err >&2");
    let (mut command, out, err) =
        c.runtime
            .command(&["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id]);
    let input = c.bundle.path().join("input");
    std::fs::write(&input, "from the caller").unwrap();
    command.stdin(std::fs::File::open(input).unwrap());
    let out = c.runtime.finish(command, &["run"], out, err).ok();
    assert_eq!(
        (out.text(), out.stderr.as_str()),
        ("from the caller", "err\n")
    );
}

/// Engines map these words to exit code 127.
#[test]
fn a_missing_program() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["nosuch"]);
    });
    c.run()
        .refused("exec: \"nosuch\": executable file not found in $PATH");
    c.nothing_left();
    let c = Container::new(|g| {
        g.args(&["/bin/nosuch"]);
    });
    c.run()
        .refused("/bin/nosuch")
        .says("no such file or directory");
    c.nothing_left();
}

/// Engines map these words to exit code 126.
#[test]
fn a_program_that_is_not_executable() {
    need_root!();
    let c = Container::unsaved();
    std::fs::write(c.bundle.rootfs("etc/data"), "#!/bin/sh\n").unwrap();
    let c = c.with_config(|g| {
        g.args(&["/etc/data"]);
    });
    c.run().refused("/etc/data").says("permission denied");
    c.nothing_left();
    let c = Container::new(|g| {
        g.args(&["/etc"]);
    });
    c.run().refused("exec: \"/etc\": permission denied");
    c.nothing_left();
}

#[test]
fn a_program_of_a_wrong_format() {
    need_root!();
    let c = Container::unsaved();
    std::fs::write(
        c.bundle.rootfs("bin/junk"),
        [0x7f, b'E', b'L', b'F', 0, 0, 0, 0],
    )
    .unwrap();
    std::fs::set_permissions(
        c.bundle.rootfs("bin/junk"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let c = c.with_config(|g| {
        g.args(&["/bin/junk"]);
    });
    c.run().refused("exec format error");
    c.nothing_left();
}

/// With `create` the program is looked up at once, as runc does, so that the error comes before `start`.
#[test]
fn create_finds_a_missing_program() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["nosuch"]);
    });
    c.create().refused("executable file not found in $PATH");
    c.nothing_left();
}

#[test]
fn path_lookup_uses_the_containers_path() {
    need_root!();
    let c = Container::unsaved();
    std::fs::create_dir(c.bundle.rootfs("opt")).unwrap();
    std::fs::write(c.bundle.rootfs("opt/tool"), "#!/bin/sh\necho tool $0\n").unwrap();
    std::fs::set_permissions(
        c.bundle.rootfs("opt/tool"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let c = c.with_config(|g| {
        g.set("/process/env", json!(["PATH=/nosuch:/opt"]))
            .args(&["tool"]);
    });
    assert_eq!(c.run().ok().text(), "tool /opt/tool");
}

#[test]
fn a_cwd_that_is_a_file() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/process/cwd", "/bin/busybox");
    });
    let out = c.run().exits(1);
    assert!(
        out.stderr.contains("not a directory") && out.stderr.contains("/bin/busybox"),
        "{out}"
    );
    c.nothing_left();
}

/// A cwd that only the user of the container may enter.
#[test]
fn a_cwd_that_root_without_capabilities_cannot_enter() {
    need_root!();
    let c = Container::unsaved();
    let dir = c.bundle.rootfs("home/u");
    std::fs::create_dir(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(1000), Some(1000)).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let c = c.with_config(|g| {
        g.remove("/process/capabilities")
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/cwd", "/home/u")
            .args(&["pwd"]);
    });
    assert_eq!(c.run().ok().text(), "/home/u");
}
