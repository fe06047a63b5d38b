//! The same bundle under Debian's runc and under runc-rs: what a container sees must be the same, but for the
//! differences that are listed here with their reasons.

use std::path::PathBuf;

use integration::{Config, Container, Runtime, is_ours, need_root, parse_mountinfo, skip};
use serde_json::{Value, json};

/// Both runtimes' output of the same config, ours first.
fn both(test: &str, change: impl Fn(&mut Config)) -> Option<(String, String)> {
    with_runc(test, change, |c| {
        c.run()
            .ok()
            .stdout
            .replace(&c.id, "ID")
            .replace(c.bundle.path().to_str().unwrap(), "BUNDLE")
    })
}

/// What is seen of a container of the same config with both runtimes, ours first.
pub fn with_runc<T>(
    test: &str,
    change: impl Fn(&mut Config),
    look: impl Fn(&Container) -> T,
) -> Option<(T, T)> {
    if !is_ours() {
        skip(test, "compares runc-rs with runc: RUNTIME is another");
        return None;
    }
    let Some(runc) = runc() else {
        skip(
            test,
            "no /usr/sbin/runc or /usr/bin/runc (apt-get install runc)",
        );
        return None;
    };
    let see = |binary: Option<&PathBuf>| {
        let mut c = Container::unsaved();
        if let Some(b) = binary {
            c.runtime = Runtime::with_binary(b.clone(), c.bundle.path());
        }
        look(&c.with_config(&change))
    };
    Some((see(None), see(Some(&runc))))
}

pub fn runc() -> Option<PathBuf> {
    ["/usr/sbin/runc", "/usr/bin/runc"]
        .map(PathBuf::from)
        .into_iter()
        .find(|p| p.exists())
}

#[track_caller]
fn same(test: &str, change: impl Fn(&mut Config)) {
    if let Some((ours, runcs)) = both(test, change) {
        assert_eq!(ours, runcs, "left: ours, right: runc's");
    }
}

fn sh(script: &str) -> impl Fn(&mut Config) {
    move |g| {
        g.sh(script);
    }
}

#[test]
fn the_listing_of_dev() {
    need_root!();
    same(
        "the_listing_of_dev",
        sh(
            "ls -lA /dev /dev/pts /dev/shm /dev/mqueue | tr -s ' ' | cut -d' ' -f1-6,10-; stat -c '%n %a %u:%g' / /dev /proc /sys /tmp",
        ),
    );
}

#[test]
fn the_environment() {
    need_root!();
    same("the_environment", sh("env | sort"));
    same("the_environment", |g| {
        g.set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .sh("env | sort; id");
    });
}

#[test]
fn the_identity() {
    need_root!();
    same("the_identity", |g| {
        g.set(
            "/process/user",
            json!({"uid": 12, "gid": 34, "additionalGids": [56, 78], "umask": 0o027}),
        )
        .sh("id; umask; cat /proc/self/loginuid; cut -d' ' -f5-8 /proc/self/stat");
    });
}

/// runc 1.1.5, as a Go program, raises its own soft limit of open files, and its containers inherit that: not compared.
#[test]
fn the_limits() {
    need_root!();
    same("the_limits", |g| {
        g.set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NPROC", "soft": 100, "hard": 200}]),
        )
        .sh("grep -v '^Max open files' /proc/self/limits");
    });
}

/// Fields of /proc/self/status that a runtime decides about.
#[test]
fn the_status_of_the_process() {
    need_root!();
    let fields = "^(Umask|Uid|Gid|Groups|NSpid|NSpgid|NSsid|SigQ|SigBlk|SigCgt|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|THP_enabled|Threads|Ngid)";
    let script = format!(
        "grep -E '{fields}' /proc/1/status | grep -v SigQ; cat /proc/1/oom_score_adj /proc/1/coredump_filter /proc/1/timerslack_ns; cat /proc/1/personality 2>/dev/null"
    );
    same("the_status_of_the_process", |g| {
        g.sh(&script);
    });
}

#[test]
fn the_status_of_a_user() {
    need_root!();
    let script = "grep -E '^(Umask|Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status";
    same("the_status_of_a_user", |g| {
        g.caps(&["CAP_CHOWN", "CAP_NET_RAW"])
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .sh(script);
    });
    same("the_status_of_a_user", |g| {
        g.set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/noNewPrivileges", false)
            .sh(script);
    });
}

#[test]
fn the_cgroups_from_inside() {
    need_root!();
    same(
        "the_cgroups_from_inside",
        sh(
            "cat /proc/self/cgroup; ls -l /sys/fs/cgroup | tr -s ' ' | cut -d' ' -f1,9-; cat /sys/fs/cgroup/pids/pids.max; cat /sys/fs/cgroup/devices/devices.list | grep -v '10:200' | sort",
        ),
    );
}

#[test]
fn the_network() {
    need_root!();
    same(
        "the_network",
        sh("ip addr; ip route; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_forward"),
    );
}

/// The mount table: mount point, options, fstype, in order.
///
/// Differences:
/// - the tmpfs that carries the cgroup hierarchies is `rw` under runc 1.1, and what the config asks for (`ro`) under ours;
/// - runc mounts one tmpfs for each masked directory; ours clones one, which has no name as its source: that would be one
///   more call, for a word that nobody reads.
#[test]
fn the_mount_table() {
    need_root!();
    let table = |text: &str| -> Vec<String> {
        let rows = parse_mountinfo(text).into_iter().map(
            |(point, options, optional, fstype, source, sup)| {
                let point = point.to_str().unwrap().to_owned();
                let options = if point == "/sys/fs/cgroup" {
                    options.replacen("rw,", "ro,", 1)
                } else {
                    options
                };
                // A filesystem-wide option of the host's disk says nothing about the runtime.
                let sup =
                    if matches!(fstype.as_str(), "tmpfs" | "devpts") && point.starts_with("/dev") {
                        sup
                    } else {
                        String::new()
                    };
                let masked = fstype == "tmpfs" && !point.starts_with("/dev");
                let source = if masked { String::new() } else { source };
                format!(
                    "{point} {options} [{optional}] {fstype} {} {sup}",
                    if fstype == "ext4" { "DISK" } else { &source }
                )
            },
        );
        let mut rows: Vec<String> = rows.collect();
        rows.sort_unstable();
        rows
    };
    if let Some((ours, runcs)) = both("the_mount_table", |g| {
        g.args(&["cat", "/proc/self/mountinfo"]);
    }) {
        assert_eq!(table(&ours), table(&runcs), "left: ours, right: runc's");
    }
}

#[test]
fn masked_and_readonly_paths() {
    need_root!();
    same(
        "masked_and_readonly_paths",
        sh("for p in /proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do
            stat -c '%n %F %a %t:%T' $p 2>/dev/null || echo $p missing; ls -A $p 2>/dev/null | wc -l; done"),
    );
}

#[test]
fn open_descriptors() {
    need_root!();
    same("open_descriptors", |g| {
        g.args(&["ls", "/proc/self/fd"]);
    });
}

/// `state` of the same container, but for pid, time and the version of the specification.
#[test]
fn state_json() {
    need_root!();
    if !is_ours() {
        return skip(
            "state_json",
            "compares runc-rs with runc: RUNTIME is another",
        );
    }
    let Some(runc) = runc() else {
        return skip("state_json", "no runc");
    };
    let state = |binary: Option<&PathBuf>| {
        let mut c = Container::unsaved();
        if let Some(b) = binary {
            c.runtime = Runtime::with_binary(b.clone(), c.bundle.path());
        }
        let c = c.with_config(|g| {
            g.args(&["sleep", "1000"])
                .set("/annotations", json!({"z": "1", "a": "2"}));
        });
        c.detach();
        let out = c.call(&["state"]).ok();
        let json: Value = serde_json::from_str(&out.stdout).unwrap();
        let mut text = out
            .stdout
            .replace(&c.id, "ID")
            .replace(c.bundle.path().to_str().unwrap(), "BUNDLE");
        for key in ["created", "ociVersion"] {
            text = text.replace(json[key].as_str().unwrap(), "X");
        }
        text.replace(&json["pid"].to_string(), "PID")
    };
    assert_eq!(state(None), state(Some(&runc)), "byte for byte");
}

/// The words on standard error of the usual failures, but for the prefix that runc's layers add.
#[test]
fn exit_codes_of_failures() {
    need_root!();
    if !is_ours() {
        return skip(
            "exit_codes_of_failures",
            "compares runc-rs with runc: RUNTIME is another",
        );
    }
    let Some(runc) = runc() else {
        return skip("exit_codes_of_failures", "no runc");
    };
    let code = |binary: Option<&PathBuf>, pointer: &str, value: &Value| {
        let mut c = Container::unsaved();
        if let Some(b) = binary {
            c.runtime = Runtime::with_binary(b.clone(), c.bundle.path());
        }
        let c = c.with_config(|g| {
            g.set(pointer, value.clone());
        });
        c.run().code
    };
    for (pointer, value) in [
        ("/process/args", json!(["nosuch"])),
        ("/process/args", json!(["/etc"])),
        ("/process/args", json!(["sh", "-c", "kill -9 $$"])),
        ("/process/args", json!(["sh", "-c", "exit 200"])),
        ("/process/cwd", json!("/bin/busybox")),
        ("/root/path", json!("nosuch")),
        ("/process/user", json!({"uid": 4_294_967_295u32, "gid": 0})),
    ] {
        assert_eq!(
            code(None, pointer, &value),
            code(Some(&runc), pointer, &value),
            "{pointer} = {value}"
        );
    }
}
