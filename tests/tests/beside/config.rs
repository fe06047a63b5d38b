//! Random documents: mostly what an engine could write, a few members odd.

use serde_json::{Value, json};

use crate::hooks::KINDS;

use super::random::Random;
use super::{linux, mounts};

/// A config.json, for a bundle as [`super::stage::Stage`] makes it.
pub fn random(r: &mut Random) -> Value {
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": process(r),
        "root": {"path": "rootfs"},
        "mounts": mounts::random(r),
        "linux": linux::random(r),
    });
    if r.chance(40) {
        config["root"]["readonly"] = json!(r.chance(70));
    }
    if r.odd(3) {
        config["root"]["path"] = json!(r.pick(&[
            "./rootfs/",
            "rootfs/../rootfs",
            "missing",
            "rootfs/data/file",
            "link-rootfs"
        ]));
    }
    let has = |config: &Value, kind: &str| config["linux"]["namespaces"].to_string().contains(kind);
    if r.chance(50) && (has(&config, "\"uts\"") || r.odd(3)) {
        config["hostname"] = json!(r.pick(&["box", "a.b-c", "", "UPPER", "with space", "\u{e4}"]));
    }
    if r.chance(10) {
        config["annotations"] = json!({"a": "1", "org.example.b": ""});
    }
    if r.chance(12) {
        config["hooks"] = hooks(r);
    }
    // Mostly those that the container may set.
    if !r.odd(10)
        && let Some(all) = config["linux"]["sysctl"].as_object().cloned()
    {
        let namespace = |key: &str| match key {
            "kernel.domainname" => "\"uts\"",
            key if key.starts_with("net") => "\"network\"",
            _ => "\"ipc\"",
        };
        let mut all = all;
        all.retain(|key, _| has(&config, namespace(key)));
        config["linux"]["sysctl"] = Value::Object(all);
    }
    // What the payload looks at besides.
    let mut paths: Vec<String> = Vec::new();
    for m in config["mounts"].as_array().into_iter().flatten() {
        paths.extend(m["destination"].as_str().map(str::to_owned));
    }
    for list in ["maskedPaths", "readonlyPaths"] {
        for p in config["linux"][list].as_array().into_iter().flatten() {
            paths.extend(p.as_str().map(str::to_owned));
        }
    }
    for d in config["linux"]["devices"].as_array().into_iter().flatten() {
        paths.extend(d["path"].as_str().map(str::to_owned));
    }
    paths.extend(["/", "/dev/null", "/dev/console", "/proc/sys", "/sys/fs"].map(str::to_owned));
    paths.sort();
    paths.dedup();
    if let Some(args) = config["process"]["args"].as_array_mut()
        && args
            .first()
            .is_some_and(|a| a.as_str().is_some_and(|a| a.ends_with("probe")))
    {
        args.extend(paths.into_iter().map(Value::String));
    }
    config
}

const CAPS: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
    "CAP_SYS_ADMIN",
    "CAP_SYS_NICE",
    "CAP_SYS_PTRACE",
];

fn process(r: &mut Random) -> Value {
    let mut p = json!({
        "terminal": false,
        "user": {"uid": 0, "gid": 0},
        "args": args(r),
        "env": env(r),
        "cwd": "/",
    });
    if r.chance(25) {
        p["cwd"] = json!(r.pick(&[
            "/data",
            "/data/dir",
            "/tmp",
            "/link-dir",
            "/new/cwd",
            "/proc",
            "/data/../tmp/",
            "//tmp/.",
            "/dev",
            "/mnt/a"
        ]));
    } else if r.odd(4) {
        p["cwd"] = json!(r.pick(&[
            "/data/file",
            "/closed",
            "/dangling",
            "relative",
            "",
            "/loop"
        ]));
    }
    if r.chance(40) {
        let mut user = json!({
            "uid": *r.pick(&[0u32, 1, 1000, 1001, 65534, 70000]),
            "gid": *r.pick(&[0u32, 5, 1000, 65534, 70000]),
        });
        if r.chance(50) {
            user["additionalGids"] = json!(r.some(&[0u32, 5, 10, 1000, 1000, 65535, 70000], 4));
        }
        if r.chance(30) {
            user["umask"] = json!(*r.pick(&[0u32, 0o022, 0o077, 0o777, 0o027, 0o007]));
        }
        p["user"] = user;
    }
    if r.chance(70) {
        p["capabilities"] = capabilities(r);
    }
    if r.chance(40) {
        p["noNewPrivileges"] = json!(r.chance(60));
    }
    if r.chance(15) {
        p["oomScoreAdj"] = json!(if r.odd(40) {
            *r.pick(&[-1000, -1, 1001])
        } else {
            *r.pick(&[0, 100, 1000])
        });
    }
    if r.chance(25) {
        p["rlimits"] = rlimits(r);
    }
    if r.odd(2) {
        p["apparmorProfile"] = json!(r.pick(&["", "unconfined", "nosuch"]));
    }
    if r.odd(1) {
        p["selinuxLabel"] = json!(r.pick(&["", "system_u:system_r:svirt_lxc_net_t:s0:c124,c675"]));
    }
    p
}

fn args(r: &mut Random) -> Value {
    if !r.odd(20) {
        return json!([r.pick(&[
            "/bin/probe",
            "/bin/probe",
            "/bin/probe",
            "probe",
            "/bin/link-probe",
            "bin/probe",
            "./bin/probe"
        ])]);
    }
    r.pick(&[
        json!([
            "/bin/busybox",
            "grep",
            "-E",
            "Sig[BPC]|Cap|NoNew",
            "/proc/self/status"
        ]),
        json!(["sh", "-c", "exit 7"]),
        json!(["sh", "-c", "kill -9 $$"]),
        json!(["sh", "-c", "kill -USR1 $$; echo alive"]),
        json!(["sh", "-c", "echo out; echo err >&2; exit 255"]),
        json!(["env"]),
        json!(["missing"]),
        json!(["/missing"]),
        json!(["/data"]),
        json!(["data"]),
        json!(["/data/file"]),
        json!(["/data/script"]),
        json!(["/data/no-interpreter"]),
        json!(["/closed/x"]),
        json!(["/dangling"]),
        json!(["/loop"]),
        json!(["/data/file/x"]),
        json!([""]),
        json!([]),
        json!([" "]),
        json!(["not-executable"]),
        json!(["."]),
        json!(["../bin/probe"]),
        json!(["true", "", "a b"]),
    ])
    .clone()
}

fn env(r: &mut Random) -> Value {
    let path = "PATH=/usr/bin:/bin";
    let mut env: Vec<&str> = Vec::new();
    if r.chance(92) {
        env.push(path);
    }
    if r.chance(30) {
        env.extend(r.some(
            &[
                "HOME=/home/x",
                "HOME=",
                "A=1",
                "A=2",
                "A=",
                "EMPTY=",
                "B=x=y",
                "LANG=\u{e4}",
                "PATH=/bin",
                "PATH=",
                "PATH=/nowhere",
                "TERM=xterm",
                "X Y=1",
                "a=1",
                "_LIBCONTAINER_INITTYPE=standard",
                "GOMAXPROCS=1",
                "NL=a\nb",
                "LISTEN_FDS=1",
                "PATH=.:/bin",
                "PATH=:/data:/bin",
            ],
            5,
        ));
    }
    if r.odd(2) {
        env.push(*r.pick(&["NOEQUALS", "=x", ""]));
    }
    json!(env)
}

fn capabilities(r: &mut Random) -> Value {
    let mut sets = json!({});
    if r.chance(40) {
        // As engines do.
        let caps = r.each(CAPS, 60);
        for set in [
            "bounding",
            "effective",
            "permitted",
            "inheritable",
            "ambient",
        ] {
            if r.chance(match set {
                "inheritable" | "ambient" => 40,
                _ => 95,
            }) {
                sets[set] = json!(caps);
            }
        }
        return sets;
    }
    for set in [
        "bounding",
        "effective",
        "permitted",
        "inheritable",
        "ambient",
    ] {
        if r.chance(80) {
            let chance = *r.pick(&[10, 50, 90, 100]);
            sets[set] = json!(r.each(CAPS, chance));
        }
    }
    if r.chance(10) {
        sets[*r.pick(&["bounding", "effective", "ambient"])] = r
            .pick(&[
                json!(["CAP_NOSUCH"]),
                json!(["cap_chown"]),
                json!(["CHOWN"]),
                json!(["CAP_CHOWN", "CAP_CHOWN"]),
                Value::Null,
            ])
            .clone();
    }
    sets
}

fn rlimits(r: &mut Random) -> Value {
    let kinds = [
        "RLIMIT_NOFILE",
        "RLIMIT_NPROC",
        "RLIMIT_CORE",
        "RLIMIT_STACK",
        "RLIMIT_FSIZE",
        "RLIMIT_AS",
        "RLIMIT_CPU",
        "RLIMIT_MEMLOCK",
        "RLIMIT_NICE",
        "RLIMIT_RTPRIO",
        "RLIMIT_SIGPENDING",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_LOCKS",
        "RLIMIT_RSS",
        "RLIMIT_DATA",
        "RLIMIT_RTTIME",
    ];
    let mut list = Vec::new();
    for kind in r.each(&kinds, 20) {
        let hard = *r.pick(&[1000u64, 4096, 100_000_000, 1_000_000_000]);
        let hard = match kind {
            "RLIMIT_NOFILE" => *r.pick(&[4, 64, 1024, 20000]),
            "RLIMIT_NICE" | "RLIMIT_RTPRIO" => 0,
            "RLIMIT_AS" | "RLIMIT_DATA" | "RLIMIT_STACK" => 1_000_000_000,
            "RLIMIT_CPU" => 100,
            "RLIMIT_MEMLOCK" => 65536,
            "RLIMIT_RTTIME" | "RLIMIT_FSIZE" => 100_000_000,
            "RLIMIT_SIGPENDING" => 1000,
            "RLIMIT_MSGQUEUE" => 819_200,
            _ => hard,
        };
        let soft = if r.odd(3) {
            hard + 1
        } else {
            *r.pick(&[hard, hard / 2])
        };
        list.push(json!({"type": kind, "hard": hard, "soft": soft}));
    }
    if r.odd(3) {
        list.push(json!({"type": r.pick(&["RLIMIT_NOSUCH", "NOFILE", "", "rlimit_nofile"]), "hard": 1, "soft": 1}));
    }
    json!(list)
}

/// Each writes what it was given into the directory `hooks` of the stage.
fn hooks(r: &mut Random) -> Value {
    let mut all = json!({});
    for point in KINDS {
        if !r.chance(35) {
            continue;
        }
        let mut list = Vec::new();
        for n in 0..=r.below(2) {
            let to = if point == "startContainer" {
                "/tmp".to_owned()
            } else {
                "@STAGE@/hooks".to_owned()
            };
            let code = if r.odd(15) { 3 } else { 0 };
            let script = format!(
                "{{ cat; echo; pwd; env | sort; echo \"$0 $@\"; }} > {to}/{point}-{n}; echo said; exit {code}"
            );
            let mut hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"]});
            if r.chance(50) {
                hook["env"] = json!(r.some(&["PATH=/usr/bin:/bin", "A=1", "B="], 3));
            }
            if r.chance(30) {
                hook["timeout"] = json!(9);
            }
            if r.odd(4) {
                hook["path"] = json!(r.pick(&["/missing", "/etc", "sh"]));
            }
            if r.odd(4) {
                hook["args"] = json!([]);
            }
            list.push(hook);
        }
        all[point] = json!(list);
    }
    all
}
