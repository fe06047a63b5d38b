//! containerd through `ctr`, in its default namespace.

use integration::{Output, Pty};

use crate::engine::{Engine, wait};
use crate::image::BUSYBOX;
use crate::sandbox::WORK;

pub fn remove_all(e: &Engine) {
    for id in e.run(&["tasks", "ls", "-q"]).ok().stdout.split_whitespace() {
        e.run(&["tasks", "delete", "-f", id]);
    }
    for id in e
        .run(&["containers", "ls", "-q"])
        .ok()
        .stdout
        .split_whitespace()
    {
        e.run(&["containers", "delete", id]).ok();
    }
}

/// `ctr run OPTIONS IMAGE ID PROGRAM`.
fn start(e: &Engine, options: &[&str], id: &str, program: &[&str]) -> Output {
    let binary = e.binary();
    let mut args = vec!["run", "--runc-binary", &binary];
    args.extend(options);
    args.extend([BUSYBOX, id]);
    args.extend(program);
    e.run(&args)
}

fn sh(e: &Engine, options: &[&str], script: &str) -> Output {
    let mut all = vec!["--rm"];
    all.extend(options);
    start(e, &all, "c", &["sh", "-c", script])
}

fn sleeping(e: &Engine) {
    start(e, &["-d"], "c", &["sleep", "1000"]).ok();
}

/// The task's pid and status, as `tasks ls` has them.
fn task(e: &Engine) -> Option<(u32, String)> {
    let out = e.run(&["tasks", "ls"]).ok();
    let line = out.stdout.lines().find(|l| l.starts_with("c "))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    Some((words[1].parse().unwrap(), words[2].to_owned()))
}

#[track_caller]
fn await_status(e: &Engine, wanted: &str) {
    let mut seen = None;
    let there = crate::engine::until(|| {
        seen = task(e);
        seen.as_ref().is_some_and(|(_, status)| status == wanted)
    });
    assert!(there, "{seen:?}, not {wanted}");
}

pub fn run(e: &Engine) {
    let out = sh(e, &[], "echo out; echo err >&2; exit 42").exits(42);
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("out\n", "err\n")
    );
    // By the default: containerd finds the shim's runtime by the name `runc`.
    let out = e
        .run(&["run", "--rm", BUSYBOX, "c", "echo", "by name"])
        .ok();
    assert_eq!(out.text(), "by name");
}

pub fn errors(e: &Engine) {
    start(e, &["--rm"], "c", &["nope"])
        .exits(1)
        .says("exec: \"nope\": executable file not found in $PATH");
    remove_all(e);
    start(e, &["--rm"], "c", &["/etc/not-executable"])
        .exits(1)
        .says("exec: \"/etc/not-executable\": permission denied");
    remove_all(e);
    start(e, &["--rm", "--cwd", "/etc/passwd"], "c", &["true"])
        .exits(1)
        .says("not a directory");
}

fn talks(e: &Engine, args: &[&str]) {
    let mut pty = Pty::new(33, 99);
    let mut all = args.to_vec();
    all.extend([
        "sh",
        "-c",
        "tty; stty size; echo ready; read a; echo got $a; exit 6",
    ]);
    let child = e.on_terminal(&all, &pty);
    let seen = pty.expect("ready");
    assert!(seen.contains("/dev/pts/0"), "{seen:?}");
    pty.type_in("words\n");
    pty.expect("got words");
    assert_eq!(wait(child), 6);
}

pub fn terminal(e: &Engine) {
    let binary = e.binary();
    talks(
        e,
        &["run", "--runc-binary", &binary, "--rm", "-t", BUSYBOX, "c"],
    );
}

pub fn detached(e: &Engine) {
    sleeping(e);
    let (pid, status) = task(e).unwrap();
    assert_eq!(status, "RUNNING");
    assert!(integration::alive(pid));
    // It runs, so it cannot be deleted.
    assert_ne!(e.run(&["tasks", "delete", "c"]).code, 0);
    e.run(&["tasks", "delete", "-f", "c"]).ok();
    assert!(task(e).is_none());
    assert!(!integration::alive(pid));
    e.run(&["containers", "delete", "c"]).ok();
}

pub fn options(e: &Engine) {
    let pid_file = format!("{WORK}/tmp/pid");
    let out = sh(
        e,
        &[
            "--pid-file",
            &pid_file,
            "--read-only",
            "--env",
            "A=b",
            "--cwd",
            "/tmp",
        ],
        "touch /x; echo $A; pwd",
    )
    .ok();
    assert_eq!(out.lines(), ["b", "/tmp"]);
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    let volume = format!("type=bind,src={WORK}/tmp,dst=/given,options=rbind:ro");
    let out = sh(e, &["--mount", &volume], "touch /given/x; ls /given/pid").ok();
    assert_eq!(out.text(), "/given/pid");
    assert!(out.stderr.contains("Read-only file system"), "{out}");
}

fn exec(e: &Engine, options: &[&str], program: &[&str]) -> Output {
    let mut args = vec!["tasks", "exec", "--exec-id", "x"];
    args.extend(options);
    args.push("c");
    args.extend(program);
    e.run(&args)
}

pub fn tasks_exec(e: &Engine) {
    sleeping(e);
    let script = "echo out; echo err >&2; pwd; id -u; exit 7";
    let out = exec(
        e,
        &["--cwd", "/tmp", "--user", "1000"],
        &["sh", "-c", script],
    )
    .exits(7);
    assert_eq!(out.lines(), ["out", "/tmp", "1000"]);
    assert_eq!(out.stderr, "err\n");
    exec(e, &[], &["nope"])
        .exits(1)
        .says("exec: \"nope\": executable file not found in $PATH");
    exec(e, &["--detach"], &["sleep", "999"]).ok();
}

pub fn exec_terminal(e: &Engine) {
    sleeping(e);
    talks(e, &["tasks", "exec", "-t", "--exec-id", "x", "c"]);
}

pub fn pause(e: &Engine) {
    sleeping(e);
    e.run(&["tasks", "pause", "c"]).ok();
    assert_eq!(task(e).unwrap().1, "PAUSED");
    e.run(&["tasks", "resume", "c"]).ok();
    assert_eq!(task(e).unwrap().1, "RUNNING");
}

pub fn kill(e: &Engine) {
    start(
        e,
        &["-d"],
        "c",
        &[
            "sh",
            "-c",
            "trap 'exit 7' TERM; touch /up; while :; do sleep 0.05; done",
        ],
    )
    .ok();
    let (pid, _) = task(e).unwrap();
    assert!(crate::engine::until(|| {
        std::path::Path::new(&format!("/proc/{pid}/root/up")).exists()
    }));
    e.run(&["tasks", "kill", "-s", "TERM", "c"]).ok();
    await_status(e, "STOPPED");
    let out = e.run(&["tasks", "delete", "c"]);
    assert!(out.code == 7 || out.stderr.contains("exit code 7"), "{out}");
    e.run(&["containers", "delete", "c"]).ok();
    sleeping(e);
    e.run(&["tasks", "kill", "--all", "-s", "KILL", "c"]).ok();
    await_status(e, "STOPPED");
    let out = e.run(&["tasks", "delete", "c"]);
    assert!(
        out.code == 137 || out.stderr.contains("exit code 137"),
        "{out}"
    );
}

pub fn metrics(e: &Engine) {
    start(
        e,
        &["-d", "--memory-limit", "67108864"],
        "c",
        &["sleep", "1000"],
    )
    .ok();
    let out = e.run(&["tasks", "metrics", "c"]).ok();
    for line in [["memory.limit_in_bytes", "67108864"], ["pids.current", "1"]] {
        let there = out.stdout.lines().any(|l| l.split_whitespace().eq(line));
        assert!(there, "{out}");
    }
}

pub fn ps(e: &Engine) {
    start(e, &["-d"], "c", &["sh", "-c", "sleep 998 & exec sleep 999"]).ok();
    let (pid, _) = task(e).unwrap();
    let there = crate::engine::until(|| {
        let out = e.run(&["tasks", "ps", "c"]).ok();
        let pids: Vec<u32> = out
            .stdout
            .lines()
            .filter_map(|l| l.split_whitespace().next()?.parse().ok())
            .collect();
        pids.len() == 2 && pids.contains(&pid)
    });
    assert!(there, "{}", e.run(&["tasks", "ps", "c"]));
}

pub fn limits(e: &Engine) {
    // ctr gives no cgroup mount to look at: from outside then.
    start(
        e,
        &["-d", "--memory-limit", "67108864", "--cpus", "0.5"],
        "c2",
        &["sleep", "1000"],
    )
    .ok();
    for (controller, file, wanted) in [
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
    ] {
        let path = format!("/sys/fs/cgroup/{controller}/default/c2/{file}");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap().trim(),
            wanted,
            "{path}"
        );
    }
}

pub fn isolation(e: &Engine) {
    let script = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status; unshare -U true; echo $?";
    let out = sh(e, &["--seccomp"], script).ok();
    assert_eq!(out.lines(), ["NoNewPrivs:\t1", "Seccomp:\t2", "1"]);
    let out = sh(
        e,
        &["--privileged", "--allow-new-privs"],
        "mount -t tmpfs none /mnt && echo yes",
    )
    .ok();
    assert_eq!(out.text(), "yes");
}

pub fn many(e: &Engine) {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|n: i32| {
                scope.spawn(move || {
                    let n = n.to_string();
                    let out = start(e, &["--rm"], &format!("c{n}"), &["echo", &n]).ok();
                    assert_eq!(out.text(), n);
                })
            })
            .collect();
        let failed = all.into_iter().filter_map(|t| t.join().err()).count();
        assert_eq!(failed, 0, "of ten");
    });
}
