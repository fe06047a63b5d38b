//! `linux.seccomp` in containers that run: what a program sees of its filter, and what a filter does to init.

use integration::{Container, is_ours, need_root, skip, this_test};
use serde_json::{Value, json};

/// A container that runs a script under this profile.
pub fn under(profile: Value, script: &str) -> Container {
    Container::new(|c| {
        c.set("/linux/seccomp", profile).sh(script);
    })
}

/// Everything is allowed but what the entry says.
fn but(entry: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]})
}

pub fn on(names: &[&str], action: &str) -> Value {
    but(json!({"names": names, "action": action}))
}

/// What runc 1.1.5 does not have.
pub fn only_ours(why: &str) -> bool {
    if is_ours() {
        return true;
    }
    skip(&this_test(), why);
    false
}

#[test]
fn each_action_as_a_program_sees_it() {
    need_root!();
    for (entry, code, words) in [
        (
            json!({"action": "SCMP_ACT_ERRNO"}),
            1,
            "Operation not permitted",
        ),
        (
            json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 123}),
            1,
            "No medium found",
        ),
        (json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 0}), 0, ""),
        // Without a tracer.
        (
            json!({"action": "SCMP_ACT_TRACE"}),
            1,
            "Function not implemented",
        ),
        (json!({"action": "SCMP_ACT_LOG"}), 0, ""),
        (json!({"action": "SCMP_ACT_ALLOW"}), 0, ""),
        (json!({"action": "SCMP_ACT_KILL"}), 159, "Bad system call"),
        (
            json!({"action": "SCMP_ACT_KILL_THREAD"}),
            159,
            "Bad system call",
        ),
        (
            json!({"action": "SCMP_ACT_KILL_PROCESS"}),
            159,
            "Bad system call",
        ),
        (json!({"action": "SCMP_ACT_TRAP"}), 159, "Bad system call"),
    ] {
        let mut entry = entry;
        entry["names"] = json!(["no_such_call", "mkdir", "mkdirat"]);
        let c = under(but(entry.clone()), "mkdir /dev/shm/d; exit $?");
        let out = c.run().exits(code);
        assert!(out.stderr.contains(words), "{entry}\n{out}");
    }
}

/// The default action, for a program of which all calls are listed: what the list leaves out gets it.
#[test]
fn the_default_action_with_its_errno() {
    need_root!();
    let c = under(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}),
        "mkdir /dev/shm/d && rmdir /dev/shm/d",
    );
    let out = c.run().exits(1);
    assert!(
        out.stderr.contains("I/O error") || out.stderr.contains("Input/output error"),
        "{out}"
    );
}

#[test]
fn every_operator() {
    need_root!();
    // chmod's second argument is the mode.
    for (op, value, value_two, caught) in [
        ("EQ", 0o600, 0, vec!["600"]),
        ("NE", 0o600, 0, vec!["400", "601", "777"]),
        ("LT", 0o600, 0, vec!["400"]),
        ("LE", 0o600, 0, vec!["400", "600"]),
        ("GE", 0o600, 0, vec!["600", "601", "777"]),
        ("GT", 0o600, 0, vec!["601", "777"]),
        ("MASKED_EQ", 0o200, 0o200, vec!["600", "601", "777"]),
        ("MASKED_EQ", 0o001, 0, vec!["400", "600"]),
    ] {
        let c = under(
            but(
                json!({"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "args": [
                {"index": if cfg!(target_arch = "x86_64") { 1 } else { 2 },
                 "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": value_two}]}),
            ),
            "touch /dev/shm/f; for m in 400 600 601 777; do chmod $m /dev/shm/f 2>/dev/null || echo $m; done",
        );
        let out = c.run().ok();
        assert_eq!(out.lines(), caught, "{op}\n{out}");
    }
}

/// ftruncate's length has 64 bits: both halves count.
#[test]
fn arguments_are_64_bits_wide() {
    need_root!();
    let sizes = "for s in 1 4294967296 4294967297 8589934593; do \
                 busybox truncate -s $s /dev/shm/f 2>/dev/null || echo $s; done";
    for (op, value, value_two, caught) in [
        ("EQ", (1_u64 << 32) + 1, 0, vec!["4294967297"]),
        ("GT", 1 << 32, 0, vec!["4294967297", "8589934593"]),
        ("LE", 1 << 32, 0, vec!["1", "4294967296"]),
        (
            "MASKED_EQ",
            1 << 32,
            1_u64 << 32,
            vec!["4294967296", "4294967297"],
        ),
    ] {
        let args = json!([{"index": 1, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": value_two}]);
        let c = under(
            but(json!({"names": ["ftruncate"], "action": "SCMP_ACT_ERRNO", "args": args})),
            sizes,
        );
        let out = c.run().ok();
        assert_eq!(out.lines(), caught, "{op}\n{out}");
    }
}

/// Of different arguments all conditions must hold; of the same argument any of them.
#[test]
fn conditions_of_one_entry() {
    need_root!();
    if !cfg!(target_arch = "x86_64") {
        return skip(&this_test(), "chmod is a system call of x86_64");
    }
    let modes = "touch /dev/shm/f; for m in 400 600 777; do chmod $m /dev/shm/f 2>/dev/null || echo $m; done";
    let entry =
        |args: Value| but(json!({"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": args}));
    let both = json!([{"index": 1, "op": "SCMP_CMP_GE", "value": 0o600}, {"index": 0, "op": "SCMP_CMP_EQ", "value": 0}]);
    assert!(under(entry(both), modes).run().ok().lines().is_empty());
    let both = json!([{"index": 1, "op": "SCMP_CMP_GE", "value": 0o600}, {"index": 0, "op": "SCMP_CMP_NE", "value": 0}]);
    assert_eq!(under(entry(both), modes).run().ok().lines(), ["600", "777"]);
    let either = json!([{"index": 1, "op": "SCMP_CMP_EQ", "value": 0o400}, {"index": 1, "op": "SCMP_CMP_EQ", "value": 0o777}]);
    let out = under(entry(either), modes).run().ok();
    assert_eq!(out.lines(), ["400", "777"]);
    if is_ours() {
        out.says("alternatives");
    }
}

/// Docker's default profile: an ordinary script does not notice, and what it forbids is forbidden.
#[test]
fn dockers_default_profile() {
    need_root!();
    let text = include_str!("../seccomp-profiles/docker.json");
    let profile: Value = serde_json::from_str(text).unwrap();
    for nnp in [false, true] {
        let c = under(
            profile.clone(),
            "set -e; cd /dev/shm; mkdir d; echo one two > d/f; cut -d' ' -f2 < d/f | tr t T; ls d | wc -l; \
             ln -s f d/l; cat d/l; mv d/f d/g; rm -r d; sleep 0 & wait; kill -0 $$; stat -c %a /; \
             unshare -U true 2>&1 || echo refused",
        )
        .with_config(|c| {
            c.set("/process/noNewPrivileges", nnp).caps(&[
                "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
                "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
                "CAP_AUDIT_WRITE",
            ]);
        });
        let out = c.run().ok();
        let lines = out.lines();
        assert_eq!(lines[..3], ["Two", "1", "one two"], "{out}");
        assert_eq!(lines.last(), Some(&"refused"), "{out}");
        assert!(out.stdout.contains("Operation not permitted"), "{out}");
    }
}

/// One filter, and the capabilities and the user that the config asks for, with and without no_new_privs.
#[test]
fn what_the_kernel_says_of_the_process() {
    need_root!();
    for (user, nnp) in [(0, true), (0, false), (1000, true), (1000, false)] {
        let c = Container::new(|c| {
            c.set("/linux/seccomp", on(&["mkdir"], "SCMP_ACT_ERRNO"))
                .set("/process/noNewPrivileges", nnp)
                .set("/process/user/uid", user)
                .caps(&["CAP_KILL"])
                .args(&[
                    "grep",
                    "-E",
                    "^(Seccomp|Cap|NoNewPrivs|SigBlk|SigIgn)",
                    "/proc/self/status",
                ]);
        });
        let out = c.run().ok();
        let value = |field: &str| {
            let line = out.lines().into_iter().find(|line| line.starts_with(field));
            line.and_then(|line| line.split_whitespace().nth(1))
                .unwrap_or("-")
                .to_owned()
        };
        assert_eq!(value("Seccomp:"), "2", "{out}");
        assert_eq!(value("Seccomp_filters:"), "1", "{out}");
        assert_eq!(value("NoNewPrivs:"), if nnp { "1" } else { "0" }, "{out}");
        for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapInh:", "CapAmb:"] {
            assert_eq!(
                u64::from_str_radix(&value(set), 16),
                Ok(1 << 5),
                "{set}\n{out}"
            );
        }
        assert_eq!(value("SigBlk:"), "0000000000000000", "{out}");
    }
}

#[test]
fn flags() {
    need_root!();
    if !only_ours("1.1.5 knows no flags") {
        return;
    }
    let speculation = "grep Speculation_Store_Bypass: /proc/self/status";
    for flags in [
        Value::Null,
        json!([]),
        json!([
            "SECCOMP_FILTER_FLAG_TSYNC",
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
        ]),
    ] {
        let mut profile = on(&["mkdir"], "SCMP_ACT_ERRNO");
        if !flags.is_null() {
            profile["flags"] = flags;
        }
        under(profile, speculation).run().ok();
    }
    let mut profile = on(&["mkdir"], "SCMP_ACT_ERRNO");
    profile["flags"] = json!(["SECCOMP_FILTER_FLAG_NO"]);
    let c = under(profile, "true");
    c.run()
        .refused("seccomp flag SECCOMP_FILTER_FLAG_NO is not known to runc");
    c.nothing_left();
}

/// What cannot become a filter is refused before there is anything.
#[test]
fn what_is_refused() {
    need_root!();
    let mut listener = on(&["write"], "SCMP_ACT_NOTIFY");
    listener["listenerPath"] = json!("/nobody");
    for (profile, words) in [
        (
            json!({"defaultAction": "SCMP_ACT_NO"}),
            "string SCMP_ACT_NO is not a valid action for seccomp",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NO"]}),
            "string SCMP_ARCH_NO is not a valid arch for seccomp",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_LOG",
                "args": [{"index": 0, "op": "SCMP_CMP_NO", "value": 1}]}]}),
            "string SCMP_CMP_NO is not a valid operator for seccomp",
        ),
        (
            on(&[""], "SCMP_ACT_LOG"),
            "empty string is not a valid syscall",
        ),
        (on(&["mkdir"], "SCMP_ACT_NOTIFY"), "listenerPath is not set"),
        (
            listener,
            "SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/nobody"}),
            "SCMP_ACT_NOTIFY cannot be used as default action",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["chmod"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}]},
                {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}]}]}),
            "error adding seccomp",
        ),
    ] {
        let c = under(profile, "true");
        c.run().refused(words);
        c.nothing_left();
    }
    if !is_ours() {
        return;
    }
    let args: Vec<Value> = (0..5000_u64)
        .map(|n| {
            json!({"names": ["chmod"], "action": "SCMP_ACT_LOG", "args": [
            {"index": n % 6, "op": "SCMP_CMP_MASKED_EQ", "value": (n << 33) + 1, "valueTwo": n}]})
        })
        .collect();
    let c = under(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": args}),
        "true",
    );
    c.run().refused("the kernel takes 4096");
    c.nothing_left();
}

/// A profile that names nothing but what a small static program needs: init needs no more than the execve of it.
#[test]
fn a_profile_need_not_allow_what_only_init_needs() {
    need_root!();
    if !only_ours("runc's init needs openat, close, futex and more") {
        return;
    }
    let own = [
        "execve",
        "brk",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "readlink",
        "readlinkat",
        "getrandom",
        "mprotect",
        "getuid",
        "prctl",
        "exit_group",
    ];
    for nnp in [true, false] {
        let c = Container::new(|c| {
            c.set(
                "/linux/seccomp",
                json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [
                {"names": own, "action": "SCMP_ACT_ALLOW"}
                ]}),
            )
            .set("/process/noNewPrivileges", nnp)
            .args(&["true"]);
        });
        c.run().ok();
        c.create().ok();
        c.start().ok();
        assert_eq!(c.wait(), Some(0), "nnp {nnp}");
        c.delete().ok();
    }
}
