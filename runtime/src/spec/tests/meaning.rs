//! What accepted configs mean.

use serde_json::{Value, json};

use super::*;
use crate::plan::*;

#[test]
fn the_template_becomes_a_plan() {
    let plan = with(|_| {}).unwrap();
    assert_eq!(plan.oci_version, VERSION);
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.cgroup.path, None);
    assert_eq!(
        plan.cgroup.resources,
        Resources {
            devices: vec![DeviceRule {
                allow: false,
                kind: None,
                major: None,
                minor: None,
                read: true,
                write: true,
                mknod: true,
            }],
            ..Resources::default()
        }
    );

    let init = plan.init;
    assert_eq!(init.hostname.as_deref(), Some("runc"));
    assert_eq!(init.domainname, None);
    assert_eq!(
        init.namespaces.0,
        Namespaces::PID
            | Namespaces::NETWORK
            | Namespaces::IPC
            | Namespaces::UTS
            | Namespaces::MOUNT
            | if template(false).contains("\"cgroup\"\n") {
                Namespaces::CGROUP
            } else {
                0
            }
    );

    let process = init.process;
    let caps = 1 << 29 | 1 << 5 | 1 << 10;
    assert_eq!(
        process,
        ProcessPlan {
            args: vec!["sh".into()],
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                "TERM=xterm".into()
            ],
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            additional_gids: vec![],
            umask: 0o022,
            capabilities: Some(Capabilities {
                bounding: caps,
                effective: caps,
                inheritable: 0,
                permitted: caps,
                ambient: caps,
            }),
            rlimits: vec![Rlimit {
                resource: libc::RLIMIT_NOFILE,
                soft: 1024,
                hard: 1024
            }],
            no_new_privileges: true,
            oom_score_adj: None,
            terminal: false,
            console_size: None,
        }
    );

    let rootfs = init.rootfs;
    assert_eq!(rootfs.path, "/bundle/rootfs");
    assert!(rootfs.readonly && rootfs.setup_dev && !rootfs.no_pivot);
    assert_eq!(rootfs.propagation, libc::MS_SLAVE | libc::MS_REC);
    assert_eq!(rootfs.masked_paths.len(), 10);
    assert_eq!(rootfs.readonly_paths.len(), 5);
    let nodes: Vec<_> = rootfs
        .devices
        .iter()
        .map(|node| (node.path.as_str(), node.major, node.minor, node.mode))
        .collect();
    assert_eq!(
        nodes,
        [
            ("/dev/null", 1, 3, 0o666),
            ("/dev/random", 1, 8, 0o666),
            ("/dev/full", 1, 7, 0o666),
            ("/dev/tty", 5, 0, 0o666),
            ("/dev/zero", 1, 5, 0o666),
            ("/dev/urandom", 1, 9, 0o666),
        ]
    );
    let mounts: Vec<_> = rootfs
        .mounts
        .iter()
        .map(|mount| (mount.destination.as_str(), mount.flags, mount.data.as_str()))
        .collect();
    let locked = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    assert_eq!(
        mounts,
        [
            ("/proc", 0, ""),
            (
                "/dev",
                libc::MS_NOSUID | libc::MS_STRICTATIME,
                "mode=755,size=65536k"
            ),
            (
                "/dev/pts",
                libc::MS_NOSUID | libc::MS_NOEXEC,
                "newinstance,ptmxmode=0666,mode=0620,gid=5"
            ),
            ("/dev/shm", locked, "mode=1777,size=65536k"),
            ("/dev/mqueue", locked, ""),
            ("/sys", locked | libc::MS_RDONLY, ""),
            (
                "/sys/fs/cgroup",
                locked | libc::MS_RELATIME | libc::MS_RDONLY,
                ""
            ),
        ]
    );
    assert_eq!(rootfs.mounts[6].kind, MountKind::Cgroup);
    assert_eq!(
        rootfs.mounts[3].kind,
        MountKind::Filesystem {
            fstype: "tmpfs".into(),
            source: "shm".into()
        }
    );
}

#[test]
fn what_runc_warns_of() {
    let plan = with(|config| {
        config["process"]["capabilities"] =
            json!({"bounding": ["KILL", "CAP_FOO", "CAP_KILL"], "ambient": ["cap_kill", "CAP_FOO"]});
        config["linux"]["resources"]["memory"] = json!({"kernel": 1});
        set(config, "/mounts/-", json!({"destination": "mnt", "type": "tmpfs"}));
    })
    .unwrap();
    assert_eq!(
        plan.warnings,
        [
            "ignoring unknown or unavailable capabilities: [CAP_FOO KILL cap_kill]",
            "mount destination mnt is not absolute. Support for non-absolute mount destinations will be removed in a future \
             release.",
            "Kernel memory settings are ignored and will be removed",
        ]
    );
    assert_eq!(plan.init.process.capabilities.unwrap().bounding, 1 << 5);
    assert_eq!(plan.init.rootfs.mounts[7].destination, "/mnt");
}

#[test]
fn a_process_in_full() {
    let process = with(|config| {
        config["process"] = json!({
            "terminal": true, "consoleSize": {"height": 24, "width": 80},
            "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [3, 4]},
            "args": ["a", "", "b\u{7f}"], "cwd": "/a/../b/",
            "env": ["A=1", "B=2", "A=3", "C=", "C=4"],
            "oomScoreAdj": -1000, "noNewPrivileges": false,
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX}],
        });
    })
    .unwrap()
    .init
    .process;
    assert_eq!(
        process,
        ProcessPlan {
            args: vec!["a".into(), String::new(), "b\u{7f}".into()],
            env: vec!["B=2".into(), "A=3".into(), "C=4".into()],
            cwd: "/a/../b/".into(),
            uid: 1,
            gid: 2,
            additional_gids: vec![3, 4],
            umask: 0o77,
            capabilities: None,
            rlimits: vec![Rlimit {
                resource: libc::RLIMIT_CORE,
                soft: 0,
                hard: u64::MAX
            }],
            no_new_privileges: false,
            oom_score_adj: Some(-1000),
            terminal: true,
            console_size: Some((24, 80)),
        }
    );
}

#[test]
fn the_last_of_an_environment_name_stays_at_its_place_however_many_there_are() {
    for count in [3_usize, 64, 65, 1000] {
        let env: Vec<String> = (0..count)
            .map(|n| format!("V{}={n}", n % count.div_ceil(2)))
            .collect();
        let last: Vec<String> = env[count - count.div_ceil(2)..].to_vec();
        let plan = at("/process/env", json!(env)).unwrap();
        assert_eq!(plan.init.process.env, last, "{count}");

        // Not the same read backwards: twice at the beginning, once each after it.
        let mut env: Vec<String> = (0..count).map(|n| format!("V{n}=x")).collect();
        env.insert(0, "V0=first".to_owned());
        let plan = at("/process/env", json!(env)).unwrap();
        assert_eq!(plan.init.process.env, env[1..], "{count}");
    }
}

#[test]
fn mounts_in_full() {
    let mount = |mount: Value| {
        let plan = at("/mounts", json!([mount])).unwrap();
        plan.init.rootfs.mounts.into_iter().next().unwrap()
    };
    assert_eq!(
        mount(json!({
            "destination": "/a/./b//", "type": "none", "source": "src/../x",
            "options": ["ro", "rbind", "rw", "nosuid", "suid", "nosuid", "rprivate", "shared", "rro", "rnoatime", "rexec",
                "rrw", "symfollow", "defaults"],
        })),
        MountPlan {
            destination: "/a/b".into(),
            kind: MountKind::Bind {
                source: "/bundle/x".into(),
                recursive: true
            },
            flags: libc::MS_NOSUID,
            cleared: libc::MS_RDONLY | 0x100,
            propagation: vec![libc::MS_PRIVATE | libc::MS_REC, libc::MS_SHARED],
            rec_attr_set: libc::MOUNT_ATTR_NOATIME,
            rec_attr_clear: libc::MOUNT_ATTR__ATIME
                | libc::MOUNT_ATTR_NOEXEC
                | libc::MOUNT_ATTR_RDONLY,
            data: String::new(),
            tmpcopyup: false,
            idmap: None,
        }
    );
    assert_eq!(
        mount(
            json!({"destination": "../t", "type": "tmpfs", "options": ["tmpcopyup", "size=1k", "remount", "mode=700"]})
        ),
        MountPlan {
            destination: "/t".into(),
            kind: MountKind::Filesystem {
                fstype: "tmpfs".into(),
                source: "tmpfs".into()
            },
            flags: libc::MS_REMOUNT,
            cleared: 0,
            propagation: vec![],
            rec_attr_set: 0,
            rec_attr_clear: 0,
            data: "size=1k,mode=700".into(),
            tmpcopyup: true,
            idmap: None,
        }
    );
    // Below the host's root `..` may follow a link: the kernel resolves it, not we.
    assert_eq!(
        mount(json!({"destination": "/a", "source": "/x/../y", "options": ["bind"]})).kind,
        MountKind::Bind {
            source: "/x/../y".into(),
            recursive: false
        }
    );
    assert_eq!(
        mount(json!({"destination": "/a", "type": "tmpfs", "options": ["rrelatime"]}))
            .rec_attr_clear,
        libc::MOUNT_ATTR__ATIME
    );
}

#[test]
fn devices_in_full() {
    let plan = at(
        "/linux/devices",
        json!([
            {"path": "/dev/null", "type": "u", "major": 5, "minor": 6, "fileMode": 0o100600, "uid": 7, "gid": 8},
            {"path": "/dev/p", "type": "p", "major": 1, "minor": 1},
            {"path": "dev/../dev/b", "type": "b", "major": 1, "minor": 2, "fileMode": 0o4711},
        ]),
    )
    .unwrap();
    let nodes = &plan.init.rootfs.devices;
    assert_eq!(nodes.len(), 8);
    let node = |path: &str, kind, major, minor, mode, uid, gid| DeviceNode {
        path: path.into(),
        kind,
        major,
        minor,
        mode,
        uid,
        gid,
    };
    assert_eq!(
        nodes[0].path, "/dev/random",
        "the config's /dev/null took the default's place"
    );
    assert_eq!(
        nodes[5..],
        [
            node("/dev/null", DeviceKind::Char, 5, 6, 0o600, 7, 8),
            node("/dev/p", DeviceKind::Fifo, 0, 0, 0o666, 0, 0),
            // Set-ID bits mean nothing there.
            node("/dev/b", DeviceKind::Block, 1, 2, 0o711, 0, 0),
        ]
    );

    let rootfs = with(|config| {
        config["linux"]["devices"] = json!([{"path": "/dev/p", "type": "p"}]);
        config["mounts"][1] =
            json!({"destination": "/dev/", "source": "/dev", "options": ["rbind"]});
    })
    .unwrap()
    .init
    .rootfs;
    assert!(!rootfs.setup_dev);
    assert_eq!(rootfs.devices, []);
}

#[test]
fn sysctl_keys_become_paths() {
    let plan = at(
        "/linux/sysctl",
        json!({
            "net.ipv4.conf.eno2/100.rp_filter": "1", "net/ipv4/conf/eno2.100/rp_filter": "2", "kernel.shm_rmid_forced": "3",
            "fs.mqueue.msg_max": "", "kernel.domainname": "d",
        }),
    )
    .unwrap();
    let expected = [
        ("fs/mqueue/msg_max", ""),
        ("kernel/domainname", "d"),
        ("kernel/shm_rmid_forced", "3"),
        ("net/ipv4/conf/eno2.100/rp_filter", "1"),
        ("net/ipv4/conf/eno2.100/rp_filter", "2"),
    ];
    assert_eq!(
        plan.init.sysctl,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
}

#[test]
fn how_the_process_is_run() {
    let plan = at(
        "/process/scheduler",
        json!({"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3, "flags": [
            "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
            "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX",
        ]}),
    )
    .unwrap();
    assert_eq!(
        plan.init.execution.scheduler,
        Some(crate::plan::Scheduler {
            policy: 6,
            flags: 0x7f,
            nice: 0,
            priority: 0,
            runtime: 1,
            deadline: 2,
            period: 3,
        })
    );
    for (name, policy) in [
        ("SCHED_FIFO", 1),
        ("SCHED_RR", 2),
        ("SCHED_ISO", 4),
        ("SCHED_IDLE", 5),
    ] {
        let plan = at("/process/scheduler", json!({"policy": name, "nice": 99})).unwrap();
        assert_eq!(plan.init.execution.scheduler.unwrap().policy, policy);
    }
    let plan = at(
        "/process/ioPriority",
        json!({"class": "IOPRIO_CLASS_IDLE", "priority": 7}),
    )
    .unwrap();
    assert_eq!(plan.init.execution.io_priority, Some(3 << 13 | 7));
    let plan = at("/linux/personality", json!({"domain": "LINUX32"})).unwrap();
    assert_eq!(plan.init.execution.personality, Some(8));
    let plan = at(
        "/linux/memoryPolicy",
        json!({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0-1,64", "flags": [
            "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES",
        ]}),
    )
    .unwrap();
    let policy = plan.init.execution.memory_policy.unwrap();
    assert_eq!(policy.mode, 6 | 7 << 13);
    assert_eq!(policy.nodes[..3], [3, 1, 0]);
}
