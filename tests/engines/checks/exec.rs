//! `exec`: another program in a running container.

use super::{background, sleeping};
use crate::engine::{Engine, Kind};

pub fn exec(e: &Engine) {
    sleeping(e, "x1");
    let out = e
        .run(&["exec", "x1", "sh", "-c", "echo out; echo err >&2"])
        .ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("out\n", "err\n")
    );
}

pub fn exit_code(e: &Engine) {
    sleeping(e, "x1");
    e.run(&["exec", "x1", "sh", "-c", "exit 7"]).exits(7);
    e.run(&["exec", "x1", "sh", "-c", "kill -9 $$"]).exits(137);
}

pub fn stdin(e: &Engine) {
    sleeping(e, "x1");
    let text = "a line\n".repeat(10_000);
    let out = e.feed(&["exec", "-i", "x1", "cat"], &text).ok();
    assert!(
        out.stdout == text,
        "{} bytes of {}",
        out.stdout.len(),
        text.len()
    );
}

/// Docker says 126 for a program that is not there, and tells why.
pub fn errors(e: &Engine) {
    sleeping(e, "x1");
    e.run(&["exec", "x1", "nope"])
        .exits(if e.kind == Kind::Docker { 126 } else { 127 });
    let out = e.run(&["exec", "x1", "nope"]);
    let text = out.stdout.clone() + &out.stderr;
    assert!(
        text.contains("exec: \"nope\": executable file not found in $PATH"),
        "{out}"
    );
    let out = e.run(&["exec", "x1", "/etc/not-executable"]).exits(126);
    let text = out.stdout.clone() + &out.stderr;
    assert!(
        text.contains("exec: \"/etc/not-executable\": permission denied"),
        "{out}"
    );
    // It is still there.
    e.run(&["exec", "x1", "true"]).ok();
}

pub fn identity(e: &Engine) {
    sleeping(e, "x1");
    let out = e
        .run(&[
            "exec",
            "-u",
            "1000:1000",
            "-w",
            "/tmp",
            "-e",
            "A=b c",
            "x1",
            "sh",
            "-c",
            "id -u; id -g; pwd; echo $A $FROM_IMAGE; grep CapEff /proc/self/status",
        ])
        .ok();
    assert_eq!(
        out.lines(),
        [
            "1000",
            "1000",
            "/tmp",
            "b c yes",
            "CapEff:\t0000000000000000"
        ]
    );
    let caps = |options: &[&str]| {
        let mut args = vec!["exec"];
        args.extend(options);
        args.extend(["x1", "sed", "-n", "s/CapEff:.//p", "/proc/self/status"]);
        u64::from_str_radix(e.run(&args).ok().text(), 16).unwrap()
    };
    if e.kind == Kind::Docker && !super::all_capabilities() {
        return;
    }
    let (plain, privileged) = (caps(&[]), caps(&["--privileged"]));
    let admin = 1 << 21;
    assert!(
        plain & admin == 0 && privileged & admin != 0,
        "{plain:x} {privileged:x}"
    );
}

pub fn detached(e: &Engine) {
    sleeping(e, "x1");
    e.run(&[
        "exec",
        "-d",
        "x1",
        "sh",
        "-c",
        "echo $$ >/tmp/pid; exec sleep 999",
    ])
    .ok();
    let there = crate::engine::until(|| {
        let out = e.run(&[
            "exec",
            "x1",
            "sh",
            "-c",
            "cat /proc/$(cat /tmp/pid)/cmdline | tr '\\0' ' '",
        ]);
        out.text() == "sleep 999"
    });
    assert!(there, "the detached program is not there");
}

pub fn inside(e: &Engine) {
    background(e, "x1", &[], "echo $$ >/tmp/one; exec sleep 1000");
    let out = e
        .run(&[
            "exec", "x1", "sh", "-c",
            "for p in 1 self; do for n in cgroup ipc mnt net pid user uts; do readlink /proc/$p/ns/$n; done; cat /proc/$p/cgroup; done",
        ])
        .ok();
    let lines = out.lines();
    let (one, own) = lines.split_at(lines.len() / 2);
    assert_eq!(one, own, "left: process 1, right: exec's");
}

pub fn many(e: &Engine) {
    sleeping(e, "x1");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|n: i32| {
                scope.spawn(move || {
                    let n = n.to_string();
                    let out = e.run(&["exec", "x1", "echo", &n]).ok();
                    assert_eq!(out.text(), n);
                })
            })
            .collect();
        let failed = all.into_iter().filter_map(|t| t.join().err()).count();
        assert_eq!(failed, 0, "of ten");
    });
}
