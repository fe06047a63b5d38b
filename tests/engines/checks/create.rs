//! `run`: programs, their exit codes, and what cannot be run.

use super::{background, sh};
use crate::engine::{Engine, Kind};

pub fn run(e: &Engine) {
    let out = e.run(&["run", "--rm", "busybox:1", "echo", "hi"]).ok();
    assert_eq!(out.stdout, "hi\n");
    // Standard error is another stream.
    let out = sh(e, &[], "echo out; echo err >&2").ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("out\n", "err\n")
    );
}

pub fn exit_code(e: &Engine) {
    sh(e, &[], "exit 42").exits(42);
    sh(e, &[], "exit 255").exits(255);
}

pub fn not_found(e: &Engine) {
    e.run(&["run", "--rm", "busybox:1", "nope"])
        .exits(127)
        .says("exec: \"nope\": executable file not found in $PATH");
    e.run(&["run", "--rm", "busybox:1", "/bin/nope"])
        .exits(127)
        .says("exec: \"/bin/nope\": stat /bin/nope: no such file or directory");
}

pub fn not_executable(e: &Engine) {
    for path in ["/etc/not-executable", "/adir"] {
        e.run(&["run", "--rm", "busybox:1", path])
            .exits(126)
            .says(&format!("exec: \"{path}\": permission denied"));
    }
}

/// What the engines do not see: the mount of /proc. (A directory's descriptor would be one of the host's: CVE-2024-21626.)
pub fn bad_cwd(e: &Engine) {
    e.run(&["run", "--rm", "-w", "/proc/self/fd/99", "busybox:1", "true"])
        .exits(127)
        .says("mkdir /proc/self/fd/99: no such file or directory");
    // One that is not there is made, by the engine or the runtime.
    let out = sh(e, &["--tmpfs", "/adir", "-w", "/adir/below"], "pwd").ok();
    assert_eq!(out.text(), "/adir/below");
}

pub fn bad_user(e: &Engine) {
    e.run(&["run", "--rm", "-u", "nobody-here", "busybox:1", "true"])
        .exits(if e.kind == Kind::Docker { 125 } else { 126 })
        .says("unable to find user nobody-here");
}

pub fn identity(e: &Engine) {
    let out = sh(
        e,
        &[
            "-u",
            "1000:1000",
            "--group-add",
            "2000",
            "-w",
            "/tmp",
            "-e",
            "A=b c",
            "-h",
            "box",
        ],
        "id; pwd; echo $A $FROM_IMAGE; hostname; umask; cat /etc/hostname",
    )
    .ok();
    let lines = out.lines();
    assert!(
        lines[0].starts_with("uid=1000(user) gid=1000(user) groups=")
            && lines[0].contains("2000(extra)"),
        "{out}"
    );
    assert_eq!(
        lines[1..],
        ["/tmp", "b c yes", "box", "0022", "box"],
        "{out}"
    );
}

pub fn stdin(e: &Engine) {
    let text = "a line\n".repeat(10_000);
    let out = e
        .feed(&["run", "-i", "--rm", "busybox:1", "cat"], &text)
        .ok();
    assert!(
        out.stdout == text,
        "{} bytes of {}",
        out.stdout.len(),
        text.len()
    );
    // Without -i there is none.
    let out = e.feed(&["run", "--rm", "busybox:1", "cat"], "text").ok();
    assert_eq!(out.stdout, "");
}

pub fn detached(e: &Engine) {
    background(e, "d1", &[], "echo one; echo two >&2; exit 3");
    assert_eq!(e.run(&["wait", "d1"]).ok().text(), "3");
    let out = e.run(&["logs", "d1"]).ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("one\n", "two\n")
    );
}

pub fn init(e: &Engine) {
    let out = sh(
        e,
        &["--init"],
        "cat /proc/1/comm; (true & exec true); exit 5",
    )
    .exits(5);
    let name = if e.kind == Kind::Docker {
        "docker-init"
    } else {
        "podman-init"
    };
    assert_eq!(out.text(), name);
}
