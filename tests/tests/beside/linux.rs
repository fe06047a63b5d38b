//! Random `linux` sections.

use serde_json::{Value, json};

use super::mounts::PLACES;
use super::random::Random;

pub fn random(r: &mut Random) -> Value {
    let mut linux = json!({});
    let mut namespaces = vec![json!({"type": "mount"})];
    for (kind, percent) in [
        ("pid", 85),
        ("network", 60),
        ("ipc", 80),
        ("uts", 75),
        ("cgroup", 60),
    ] {
        if r.chance(percent) {
            namespaces.push(json!({"type": kind}));
        }
    }
    if r.chance(9) {
        namespaces.push(json!({"type": "user"}));
        let first = *r.pick(&[0, 0, 100_000]);
        let size = *r.pick(&[65536, 1001, 1]);
        let map = json!([{"containerID": 0, "hostID": first, "size": size}]);
        linux["uidMappings"] = map.clone();
        linux["gidMappings"] = map;
    }
    if r.odd(4) {
        let n = r.below(namespaces.len());
        let all = [
            json!({"type": "pid", "path": "/proc/self/ns/pid"}),
            json!({"type": "network", "path": "/proc/self/ns/net"}),
            json!({"type": "ipc", "path": "/proc/1/ns/ipc"}),
            json!({"type": "network", "path": "/missing"}),
            json!({"type": "uts", "path": "/proc/self/ns/net"}),
            json!({"type": "network", "path": ""}),
            json!({"type": "nosuch"}),
            json!({"type": "network"}),
        ];
        namespaces.insert(n, r.pick(&all).clone());
    }
    linux["namespaces"] = json!(namespaces);
    if r.chance(40) {
        linux["maskedPaths"] = json!(paths(r));
    }
    if r.chance(40) {
        linux["readonlyPaths"] = json!(paths(r));
    }
    if r.chance(25) {
        linux["devices"] = devices(r);
    }
    if r.chance(25) {
        linux["sysctl"] = sysctl(r);
    }
    if r.chance(60) {
        linux["resources"] = resources(r);
    }
    if r.chance(25) {
        linux["rootfsPropagation"] = json!(r.pick(&[
            "private", "rprivate", "slave", "rslave", "shared", "rshared", "rslave", "", "nonsense"
        ]));
    }
    if r.odd(2) {
        linux["rootfsPropagation"] = json!(r.pick(&["", "nonsense"]));
    }
    if r.chance(30) {
        linux["cgroupsPath"] = json!(r.pick(&[
            "/@ID@",
            "@ID@",
            "/@ID@/sub",
            "@ID@/a/b",
            "/../@ID@",
            "../@ID@",
            "//@ID@/./x/../y",
            ""
        ]));
    }
    if r.chance(20) {
        linux["seccomp"] = seccomp(r);
    }
    if r.odd(3) {
        linux["mountLabel"] = json!("");
    }
    linux
}

fn paths(r: &mut Random) -> Vec<String> {
    let usual = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/sys/firmware",
        "/proc/scsi",
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
    ];
    let mut all: Vec<String> = r.each(&usual, 35).into_iter().map(str::to_owned).collect();
    if r.chance(40) {
        all.extend(r.some(&PLACES[..24], 3).into_iter().map(str::to_owned));
    }
    if r.odd(5) {
        all.extend(r.some(PLACES, 2).into_iter().map(str::to_owned));
    }
    if r.odd(5) {
        all.push(
            (*r.pick(&[
                "",
                "relative",
                "/missing/x",
                "/loop",
                "/dev/null",
                "/data/file/x",
            ]))
            .to_owned(),
        );
    }
    all
}

fn devices(r: &mut Random) -> Value {
    let mut all = Vec::new();
    for _ in 0..=r.below(3) {
        let path = *r.pick(&[
            "/dev/one",
            "/dev/deep/er/two",
            "/dev/null",
            "/dev/fuse",
            "/data/device",
            "/dev/x",
            "/link-dir/device",
            "/new/device",
            "/dev/tty",
            "/dev/../data/d2",
            "/data/file",
        ]);
        let mut device = json!({"path": path, "type": r.pick(&["c", "c", "c", "b", "u", "p"])});
        if device["type"] != "p" || r.chance(30) {
            device["major"] = json!(*r.pick(&[1, 10, 7]));
            device["minor"] = json!(*r.pick(&[3, 5, 229, 0]));
        }
        if r.chance(70) {
            device["fileMode"] = json!(*r.pick(&[0o666u32, 0o600, 0o4755, 0, 0o20644]));
        }
        if r.chance(50) {
            device["uid"] = json!(*r.pick(&[0, 1000]));
            device["gid"] = json!(*r.pick(&[0, 5]));
        }
        if r.odd(3) {
            device["type"] = json!(r.pick(&["x", "", "cc"]));
        }
        all.push(device);
    }
    json!(all)
}

fn sysctl(r: &mut Random) -> Value {
    let mut all = json!({});
    let usual = [
        ("kernel.shmmax", "65536"),
        ("kernel.msgmax", "4096"),
        ("kernel.sem", "250 32000 32 10"),
        ("fs.mqueue.msg_max", "20"),
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv4.ip_unprivileged_port_start", "0"),
        ("net.ipv4.ping_group_range", "0 1000"),
        ("net/core/somaxconn", "200"),
        ("kernel.domainname", "dom"),
    ];
    let chance = *r.pick(&[15, 40]);
    for (key, value) in r.each(&usual, chance) {
        all[key] = json!(value);
    }
    if r.chance(8) {
        let (key, value) = *r.pick(&[
            ("kernel.hostname", "h"),
            ("net.nosuch", "1"),
            ("kernel.shmmax", "words"),
            ("kernel.nosuch", "1"),
            ("", "1"),
            ("net.ipv4.ip_forward", ""),
            ("kernel.shm_rmid_forced", "1"),
            ("net.ipv4.conf.lo/x.forwarding", "1"),
            ("net..ipv4.ip_forward", "1"),
        ]);
        all[key] = json!(value);
    }
    all
}

fn resources(r: &mut Random) -> Value {
    let mut all = json!({});
    if r.chance(60) {
        let mut rules = vec![json!({"allow": false, "access": "rwm"})];
        for _ in 0..r.below(4) {
            let mut rule = json!({"allow": r.chance(75), "type": r.pick(&["c", "c", "b", "a"]), "access": r.pick(&["rwm", "rw", "r", "m", "wm", "mrw"])});
            if rule["type"] != "a" {
                rule["major"] = json!(*r.pick(&[1, 10, 5, 7]));
                rule["minor"] = json!(*r.pick(&[3, 5, 229]));
            }
            if r.chance(15) {
                rule["minor"] = Value::Null;
            }
            rules.push(rule);
        }
        all["devices"] = json!(rules);
    }
    if r.chance(30) {
        let mut memory = json!({"limit": *r.pick(&[67_108_864i64, 268_435_456, -1, 0])});
        if r.chance(40) {
            memory["reservation"] = json!(*r.pick(&[33_554_432i64, -1]));
        }
        if r.chance(30) {
            memory["swap"] = json!(*r.pick(&[67_108_864i64, 536_870_912, -1, 0]));
        }
        if r.chance(30) {
            memory["swappiness"] = json!(*r.pick(&[0, 60, 100]));
        }
        if r.chance(20) {
            memory["disableOOMKiller"] = json!(r.chance(50));
        }
        if r.chance(10) {
            memory["kernel"] = json!(*r.pick(&[-1i64, 67_108_864]));
        }
        all["memory"] = memory;
    }
    if r.chance(30) {
        let mut cpu = json!({});
        for (name, values) in [
            (
                "shares",
                &[json!(1024), json!(512), json!(0), json!(1_000_000)][..],
            ),
            ("quota", &[json!(50000), json!(-1), json!(0), json!(30000)]),
            (
                "period",
                &[json!(100_000), json!(50000), json!(0), json!(30000)],
            ),
            (
                "cpus",
                &[
                    json!("0"),
                    json!("0-1"),
                    json!(""),
                    json!("1,0"),
                    json!("99"),
                    json!("x"),
                ],
            ),
            ("mems", &[json!("0"), json!(""), json!("9")]),
        ] {
            if r.chance(40) {
                let choice = if !r.odd(20) {
                    r.below(2)
                } else {
                    r.below(values.len())
                };
                cpu[name] = values[choice].clone();
            }
        }
        all["cpu"] = cpu;
    }
    if r.chance(30) {
        all["pids"] = json!({"limit": *r.pick(&[100i64, 1000, -1, 32768])});
    }
    if r.odd(6) {
        all["blockIO"] = r
            .pick(&[
                json!({"weight": 500}),
                json!({"throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 1_000_000}]}),
                json!({"throttleWriteIOPSDevice": [{"major": 254, "minor": 0, "rate": 100}]}),
                json!({"weightDevice": [{"major": 254, "minor": 0, "weight": 300}]}),
            ])
            .clone();
    }
    if r.odd(4) {
        all["hugepageLimits"] =
            json!([{"pageSize": r.pick(&["2MB", "1GB", "64KB", "x"]), "limit": 4_194_304}]);
    }
    if r.odd(3) {
        all["network"] = json!({"classID": 100});
    }
    if r.odd(2) {
        all["unified"] = json!({"pids.max": "10"});
    }
    all
}

fn seccomp(r: &mut Random) -> Value {
    let calls = [
        "mkdir",
        "chmod",
        "chown",
        "mknodat",
        "mknod",
        "sethostname",
        "socket",
        "link",
        "linkat",
        "setpriority",
        "rmdir",
        "getgroups",
        "uname",
        "nosuchcall",
        "faccessat",
        "access",
        "fchmodat",
        "clone",
        "bind",
    ];
    let mut rules = Vec::new();
    for _ in 0..=r.below(3) {
        let mut rule = json!({"names": r.some(&calls, 4), "action": r.pick(&["SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])});
        if r.chance(40) {
            rule["errnoRet"] = json!(*r.pick(&[1, 38, 99, 0]));
        }
        if r.chance(30) {
            rule["args"] = json!([{"index": r.below(3), "value": *r.pick(&[0, 1, 2, 0o700]), "valueTwo": 0, "op": r.pick(&["SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_GE", "SCMP_CMP_LT"])}]);
        }
        rules.push(rule);
    }
    rules.retain(|rule| rule["names"].as_array().is_some_and(|n| !n.is_empty()) || r.chance(20));
    let mut all = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
    if r.chance(50) {
        all["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    }
    if r.chance(10) {
        all["defaultAction"] =
            json!(r.pick(&["SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_NOSUCH", ""]));
    }
    if r.chance(10) {
        all["defaultErrnoRet"] = json!(5);
    }
    if r.chance(10) {
        all["flags"] = json!(r.some(
            &[
                "SECCOMP_FILTER_FLAG_LOG",
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                "SECCOMP_FILTER_FLAG_NOSUCH"
            ],
            2
        ));
    }
    all
}
