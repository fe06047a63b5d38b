//! Where each kind of hook runs, with what it is given, and how it may end.

use std::path::{Path, PathBuf};

use integration::{Container, TempDir, is_ours, need_root, skip, this_test};
use serde_json::{Value, json};

use crate::hangs::within;
use crate::hooks::KINDS;

const SPACES: [&str; 6] = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];

pub fn sh(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]})
}

/// From create to delete.
fn life(c: &Container) {
    c.create().ok();
    c.start().ok();
    c.wait();
    c.delete().ok();
}

/// The container's own end of a life: it has a writable root, and ends by itself.
fn short_lived() -> Container {
    Container::new(|g| {
        g.args(&["true"])
            .set("/root/readonly", false)
            .set("/process/cwd", "/tmp")
            .set("/process/env", json!(["PATH=/bin", "OF=the program"]));
    })
}

/// Where a hook that is told to write to `/report` of the container finds that.
fn report(c: &Container, kind: &str) -> (String, PathBuf) {
    let outside = c.bundle.rootfs(&format!("report-{kind}"));
    match kind {
        "startContainer" => (format!("/report-{kind}"), outside),
        _ => (outside.to_str().unwrap().to_owned(), outside),
    }
}

/// What `script` prints in a hook of each kind, as lines.
fn of_each_kind(
    c: Container,
    script: &str,
    change: impl Fn(&mut Value),
) -> Vec<(&'static str, Vec<String>)> {
    let reports: Vec<_> = KINDS.iter().map(|&kind| (kind, report(&c, kind))).collect();
    let c = c.with_config(|g| {
        for (kind, (inside, _)) in &reports {
            let mut hook = sh(&format!("{{ {script}; }} > {inside} 2>&1"));
            change(&mut hook);
            g.push(&format!("/hooks/{kind}"), hook);
        }
    });
    life(&c);
    let lines = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        text.lines().map(str::to_owned).collect()
    };
    reports
        .iter()
        .map(|(kind, (_, outside))| (*kind, lines(outside)))
        .collect()
}

/// The runtime's namespaces, or the container's; of the latter the mount namespace before or after pivot_root.
#[test]
fn the_namespaces_of_each_kind() {
    need_root!();
    let script =
        "for ns in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$ns; done; hostname";
    let seen = of_each_kind(short_lived(), script, |_| {});
    let host: Vec<String> = SPACES
        .iter()
        .map(|ns| {
            let link = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
            link.to_str().unwrap().to_owned()
        })
        .collect();
    let of = |kind: &str| &seen.iter().find(|(it, _)| *it == kind).unwrap().1;
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        assert_eq!(of(kind)[..6], host, "{kind}");
        assert_ne!(of(kind)[6], "runc", "{kind}");
    }
    let container = of("startContainer");
    for (ns, (theirs, ours)) in SPACES.iter().zip(container.iter().zip(&host)) {
        assert_ne!(theirs, ours, "startContainer {ns}");
    }
    // Not of another container, either.
    assert_eq!(of("createContainer")[..6], container[..6]);
    assert_eq!(container[6], "runc");
    // It gets its name after its hook.
    assert_eq!(of("createContainer")[6], of("prestart")[6]);
}

/// Outside it is the bundle, whose paths a hook may be given relative to; inside it is the container's root.
#[test]
fn the_working_directory_of_each_kind() {
    need_root!();
    let c = short_lived();
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    let rootfs = format!("{bundle}/rootfs");
    for (kind, lines) in of_each_kind(c, "pwd -P; umask; id -u; echo done", |_| {}) {
        let own = std::env::current_dir().unwrap();
        let wanted: &[&str] = match kind {
            "createContainer" => &[&rootfs],
            "startContainer" => &["/tmp"],
            // Of commands that know no bundle.
            "poststart" if is_ours() => &[own.to_str().unwrap()],
            "poststop" => &[own.to_str().unwrap()],
            _ => &[&bundle],
        };
        println!("{kind}: {lines:?}");
        assert!(
            wanted.contains(&lines[0].as_str()),
            "{kind}: {lines:?}, not {wanted:?}"
        );
        assert_eq!(lines[1..], ["0022", "0", "done"], "{kind}");
    }
}

/// What a hook's environment is: its own, and without one that of who runs it, or in the container the program's.
#[test]
fn the_environment_of_each_kind() {
    need_root!();
    // As the shell was given it.
    let script = "PATH=/bin:/usr/bin; tr '\\0' '\\n' < /proc/self/environ";
    let given = ["PATH=/bin:/usr/bin", "ONE=two words", "EMPTY="];
    for (kind, lines) in of_each_kind(short_lived(), script, |hook| {
        hook["env"] = json!(given);
    }) {
        assert_eq!(lines, given, "{kind}");
    }
    let path = std::env::var("PATH").unwrap();
    let outside = format!("PATH={path}");
    for (kind, lines) in of_each_kind(short_lived(), script, |hook| {
        hook.as_object_mut().unwrap().remove("env");
    }) {
        let inside = matches!(kind, "createContainer" | "startContainer");
        let has = |line: &str| lines.iter().any(|it| it == line);
        assert_eq!(has("OF=the program"), inside, "{kind}: {lines:?}");
        assert_eq!(has(&outside), !inside, "{kind}: {lines:?}");
        if inside {
            // Which is the program's alone, and is found after the container is built.
            assert_eq!(has("HOME=/"), kind == "startContainer", "{lines:?}");
        }
    }
}

/// No descriptor of the runtime's, no signal blocked or ignored.
#[test]
fn descriptors_and_signals_of_each_kind() {
    need_root!();
    // By the shell itself: its number is another one in the /proc of a createContainer hook.
    let script = "for f in /proc/self/fd/*; do echo ${f##*/}; done; \
        while read -r line; do echo \"$line\"; done < /proc/self/status";
    for (kind, lines) in of_each_kind(short_lived(), script, |_| {}) {
        // 3 is the directory that it reads; from 10 on are the shell's own.
        let fds: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| line.parse::<u32>().is_ok_and(|fd| fd < 10))
            .collect();
        if !is_ours() {
            // A createContainer hook has three of runc's; Go leaves some signals blocked or ignored, not always the same.
            continue;
        }
        assert_eq!(fds, ["0", "1", "2", "3"], "{kind}: {lines:?}");
        for field in ["SigBlk:\t", "SigIgn:\t"] {
            let value = lines
                .iter()
                .find_map(|line| line.strip_prefix(field))
                .unwrap();
            // busybox's shell, which the container has, ignores SIGQUIT.
            let shells = if kind == "startContainer" { 1 << 2 } else { 0 };
            let value = u64::from_str_radix(value, 16).unwrap();
            assert_eq!(value & !shells, 0, "{kind} {field}");
        }
    }
}

/// `args` are argv as they are, and without any it is the path.
#[test]
fn the_arguments() {
    need_root!();
    for (args, wanted) in [
        (
            json!(["another name", "-c", "exit 7", "one"]),
            "exit status 7",
        ),
        (
            json!(["sh", "-c", "exit $#", "zero", "1", "2 2", "3"]),
            "exit status 3",
        ),
        (json!(["sh", "-c", "exit ${#0}", "four"]), "exit status 4"),
    ] {
        let c = Container::new(|g| {
            g.args(&["true"]).push(
                "/hooks/createRuntime",
                json!({"path": "/bin/sh", "args": args}),
            );
        });
        c.run().refused(wanted);
        c.nothing_left();
    }
    // By its name busybox knows what it is to be; by an empty one it does not.
    let c = Container::new(|g| {
        g.args(&["true"])
            .push("/hooks/createRuntime", json!({"path": "/bin/busybox"}));
    });
    c.run().ok();
    let dir = TempDir::new("hook");
    let script = dir.path().join("script");
    std::fs::write(
        &script,
        "#!/bin/sh\nread -r state\ncase $0 in */script) exit 5;; esac\n",
    )
    .unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for args in [Value::Null, json!([])] {
        let c = Container::new(|g| {
            g.args(&["true"]).push(
                "/hooks/createRuntime",
                json!({"path": script, "args": args}),
            );
        });
        c.run().refused("exit status 5");
        c.nothing_left();
    }
}

/// How a hook may end or not begin, in the words of Go and runc.
#[test]
fn the_words_for_each_end() {
    need_root!();
    let dir = TempDir::new("hook");
    let file = |name: &str, mode: u32, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (plain, odd) = (
        file("plain", 0o644, "#!/bin/sh\n"),
        file("odd", 0o755, "\0no program"),
    );
    let directory = dir.path().to_str().unwrap();
    let path = |path: &str| json!({"path": path});
    let mut slow = sh("exec sleep 1000");
    slow["timeout"] = json!(1);
    for (hook, words) in [
        (
            sh("echo out; echo err >&2; exit 3"),
            "exit status 3, stdout: out\n, stderr: err\n",
        ),
        (sh("exit 255"), "exit status 255, stdout: , stderr: "),
        (sh("kill -9 $$"), "signal: killed, stdout: , stderr: "),
        (
            sh("kill -TERM $$"),
            "signal: terminated, stdout: , stderr: ",
        ),
        (sh("kill -SEGV $$"), "signal: segmentation fault"),
        (sh("kill -USR1 $$"), "signal: user defined signal 1, stdout"),
        (sh("kill -ALRM $$"), "signal: alarm clock, stdout"),
        (slow, "hook ran past specified timeout of 1.0s"),
        (
            path(&plain),
            &format!("fork/exec {plain}: permission denied"),
        ),
        (path(&odd), &format!("fork/exec {odd}: exec format error")),
        (
            path(directory),
            &format!("fork/exec {directory}: permission denied"),
        ),
        (
            path("/nonexistent"),
            "fork/exec /nonexistent: no such file or directory",
        ),
        (
            path("/etc/passwd/x"),
            "fork/exec /etc/passwd/x: not a directory",
        ),
    ] {
        let c = Container::new(|g| {
            g.sh("echo ran").push("/hooks/createRuntime", hook);
        });
        let out = within(5, || c.run());
        assert_eq!((out.code, out.text()), (1, ""), "{words}: {out}");
        // logrus escapes a newline.
        let said = out.stderr.replace("\\n", "\n");
        assert!(said.contains(words), "{words:?}: {out}");
        c.nothing_left();
    }
}

/// What is refused before anything is made.
#[test]
fn hooks_that_are_none() {
    need_root!();
    for (hook, words) in [
        (json!({"path": "bin/sh"}), "must be an absolute path"),
        (json!({"path": ""}), "must be an absolute path"),
        (
            json!({"path": "/bin/true", "timeout": 0}),
            "must be greater than 0",
        ),
        (
            json!({"path": "/bin/true", "timeout": -1}),
            "must be greater than 0",
        ),
    ] {
        for kind in KINDS {
            if !is_ours() && kind != "createRuntime" {
                // runc refuses each when its time comes.
                continue;
            }
            let c = Container::new(|g| {
                g.args(&["true"])
                    .push(&format!("/hooks/{kind}"), hook.clone());
            });
            let out = c.run().exits(1);
            if is_ours() {
                out.says(words);
            }
            c.nothing_left();
        }
    }
}

/// As in runc, startContainer hooks are confined like the program.
#[test]
fn a_start_container_hook_is_under_the_filter() {
    need_root!();
    for nnp in [true, false] {
        let c = short_lived();
        let outside = c.bundle.rootfs("other");
        let c = c.with_config(|g| {
            g.set("/process/noNewPrivileges", nnp)
                .set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}))
                .push("/hooks/startContainer", sh("mkdir /made 2>/said; echo $? >> /said; grep ^Seccomp: /proc/self/status >> /said"))
                .push("/hooks/createContainer", json!({"path": "/bin/mkdir", "args": ["mkdir", outside]}));
        });
        life(&c);
        let said = std::fs::read_to_string(c.bundle.rootfs("said")).unwrap();
        assert!(said.contains("Operation not permitted"), "{said}");
        assert!(said.ends_with("1\nSeccomp:\t2\n"), "{said}");
        assert!(!c.bundle.rootfs("made").exists());
        assert!(
            c.bundle.rootfs("other").exists(),
            "the filter is for startContainer's alone"
        );
    }
}

/// Much to read and much to write at once: neither waits for the other.
#[test]
fn a_large_state_and_much_output() {
    need_root!();
    for kind in KINDS {
        let c = Container::new(|g| {
            g.set("/annotations", json!({"large": "x".repeat(1 << 20)}))
                .set("/root/readonly", false)
                .push(
                    &format!("/hooks/{kind}"),
                    sh("head -c 300000 /dev/zero; [ $(wc -c) -gt 1048576 ] && head -c 300000 /dev/zero >&2"),
                );
        });
        within(8, || life(&c));
        c.nothing_left();
    }
}

/// A hook's child that writes without end, when the hook itself has ended.
#[test]
fn a_child_of_a_hook_that_writes_for_ever() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 waits for the child");
    }
    for (script, code) in [("yes & yes >&2 & exit 0", 0), ("yes & yes >&2 & exit 3", 1)] {
        let c = Container::new(|g| {
            g.args(&["true"]).push("/hooks/createRuntime", sh(script));
        });
        let out = within(3, || c.run()).exits(code);
        assert!(out.stderr.len() < 5000, "{out}");
        c.nothing_left();
    }
}

/// A caller that ignores SIGCHLD passes that on, and the kernel would reap hooks before anybody knows how they ended.
#[test]
fn a_caller_that_ignores_its_children() {
    need_root!();
    let c = Container::sleeping().with_config(|g| {
        g.push("/hooks/poststart", sh("exit 0"))
            .push("/hooks/poststop", sh("exit 3"));
    });
    let ignoring = c.runtime.behind(&["env", "--ignore-signal=CHLD"]);
    c.create().ok();
    ignoring.run(&["start", &c.id]).ok();
    assert_eq!(c.status(), "running");
    ignoring
        .run(&["delete", "--force", &c.id])
        .ok()
        .says("exit status 3, stdout: , stderr: ");
    c.nothing_left();
}

/// What the caller has open is not for hooks.
#[test]
fn descriptors_of_the_caller() {
    need_root!();
    let dir = TempDir::new("hook");
    let said = dir.path().join("said");
    let c = Container::new(|g| {
        let script = format!(
            "for f in /proc/self/fd/*; do echo ${{f##*/}}; done > {}",
            said.display()
        );
        g.args(&["true"]).push("/hooks/createRuntime", sh(&script));
    });
    let bundle = c.bundle.path().to_str().unwrap();
    let args = ["run", "--bundle", bundle, &c.id];
    let script = "exec 4</etc/passwd 8</etc/passwd; exec \"$@\"";
    c.runtime.in_shell(script).run(&args).ok();
    let fds = std::fs::read_to_string(&said).unwrap();
    let low: Vec<&str> = fds.lines().filter(|fd| fd.len() == 1).collect();
    assert_eq!(low, ["0", "1", "2", "3"]);
    c.nothing_left();
}
