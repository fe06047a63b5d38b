//! What becomes of a config.json: what is refused, in which words, and what the accepted ones mean.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::plan::*;

/// The text that `spec` writes, without a terminal.
fn base() -> Value {
    let mut config: Value = serde_json::from_str(&template(false)).unwrap();
    config["process"]["terminal"] = false.into();
    config
}

/// The plan of the base config after `change`.
fn with(change: impl FnOnce(&mut Value)) -> Result<Plan> {
    with_options(&LoadOptions::default(), change)
}

fn with_options(options: &LoadOptions, change: impl FnOnce(&mut Value)) -> Result<Plan> {
    let mut config = base();
    change(&mut config);
    parse(config.to_string().as_bytes(), "/bundle", options)
}

/// Sets the value at a JSON pointer; the parent must be there. `-` at the end of a list appends.
fn set(config: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(members) => {
            members.insert(key.replace("~1", "/"), value);
        }
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
}

/// Replaces the value at a pointer.
fn at(pointer: &str, value: Value) -> Result<Plan> {
    with(|config| set(config, pointer, value))
}

/// Without the namespaces of these types.
fn drop_namespaces(config: &mut Value, kinds: &[&str]) {
    config["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|entry| !kinds.contains(&entry["type"].as_str().unwrap()));
}

#[track_caller]
fn refused(result: Result<Plan>, words: &str) {
    match result {
        Ok(_) => panic!("accepted, instead of: {words}"),
        Err(error) => assert_eq!(error.to_string(), words),
    }
}

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
fn what_runc_refuses_is_refused_in_its_words() {
    for (pointer, value, words) in [
        (
            "/process",
            Value::Null,
            "process property must not be empty",
        ),
        ("/process/args", json!([]), "args must not be empty"),
        (
            "/process/args",
            json!([""]),
            "exec: \"\": executable file not found in $PATH",
        ),
        ("/process/cwd", json!("x"), "Cwd must be an absolute path"),
        (
            "/process/cwd",
            Value::Null,
            "Cwd property must not be empty",
        ),
        ("/root", Value::Null, "root must be specified"),
        (
            "/process/rlimits/0/type",
            json!("RLIMIT_X"),
            "wrong rlimit value: RLIMIT_X",
        ),
        (
            "/linux/namespaces/-",
            json!({"type": "pid"}),
            "malformed spec file: duplicated ns {\"pid\" \"\"}",
        ),
        (
            "/linux/namespaces/-",
            json!({"type": "foo", "path": "/x"}),
            "namespace {\"foo\" \"/x\"} does not exist",
        ),
        (
            "/linux/rootfsPropagation",
            json!("foo"),
            "rootfsPropagation=foo is not supported",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "z"}]),
            "invalid device type \"z\"",
        ),
        (
            "/linux/resources/devices",
            json!([{"allow": true, "access": "r", "type": "p"}]),
            "invalid cgroup device type \"p\"",
        ),
        (
            "/linux/resources/devices",
            json!([{"allow": true, "access": "r"}, {"allow": true}]),
            "device access at 1 field cannot be empty",
        ),
        (
            "/linux/resources/unified",
            json!({"../memory.max": "1"}),
            "unified resource \"../memory.max\" must be a file name (no slashes)",
        ),
        (
            "/linux/sysctl",
            json!({"vm.swappiness": "1"}),
            "sysctl \"vm.swappiness\" is not in a separate kernel namespace",
        ),
        (
            "/linux/sysctl",
            json!({"kernel/hostname": "1"}),
            "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field",
        ),
    ] {
        refused(at(pointer, value), words);
    }
    for (kind, words) in [
        (
            "uts",
            "unable to set hostname without a private UTS namespace",
        ),
        (
            "mount",
            "unable to restrict sys entries without a private MNT namespace",
        ),
    ] {
        refused(with(|config| drop_namespaces(config, &[kind])), words);
    }
    refused(
        with(|config| {
            drop_namespaces(config, &["uts"]);
            config["hostname"] = Value::Null;
            config["domainname"] = "d".into();
        }),
        "unable to set domainname without a private UTS namespace",
    );
    for (key, kind, words) in [
        (
            "kernel.sem",
            "ipc",
            "sysctl \"kernel.sem\" is not allowed in the hosts ipc namespace",
        ),
        (
            "net/ipv4/conf/eth0.1/forwarding",
            "network",
            "sysctl \"net.ipv4.conf.eth0/1.forwarding\" not allowed in host network namespace",
        ),
    ] {
        refused(
            with(|config| {
                drop_namespaces(config, &[kind]);
                config["linux"]["sysctl"] = json!({key: "1"});
            }),
            words,
        );
    }
}

#[test]
fn options_of_the_caller_are_checked_against_the_config() {
    let tty = |detach, console_socket| {
        with_options(
            &LoadOptions {
                detach,
                console_socket,
                ..LoadOptions::default()
            },
            |config| config["process"]["terminal"] = true.into(),
        )
    };
    assert!(tty(false, false).is_ok() && tty(true, true).is_ok());
    refused(
        tty(true, false),
        "cannot allocate tty if runc will detach without setting console socket",
    );
    let unused = "cannot use console socket if runc will not detach or allocate tty";
    refused(tty(false, true), unused);
    let options = LoadOptions {
        console_socket: true,
        detach: true,
        ..LoadOptions::default()
    };
    refused(with_options(&options, |_| {}), unused);

    let options = LoadOptions {
        no_pivot: true,
        ..LoadOptions::default()
    };
    assert!(with_options(&options, |_| {}).unwrap().init.rootfs.no_pivot);
    refused(
        with_options(&options, |config| {
            config["linux"]["rootfsPropagation"] = "rprivate".into();
        }),
        "rootfsPropagation of [r]private is not safe without pivot_root",
    );

    let options = LoadOptions {
        systemd_cgroup: true,
        ..LoadOptions::default()
    };
    let path = |path: &str| {
        with_options(&options, |config| {
            config["linux"]["cgroupsPath"] = path.into()
        })
    };
    assert!(path("system.slice:runc:x").is_ok());
    refused(
        path("/x"),
        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/x\" instead",
    );

    let options = LoadOptions {
        rootless: true,
        ..LoadOptions::default()
    };
    refused(
        with_options(&options, |_| {}),
        "rootless container requires user namespaces",
    );
}

#[test]
fn what_is_not_there_yet_is_refused_by_name_and_nothing_of_it_is_not() {
    for (pointer, asks, nothing) in [
        (
            "/hooks",
            json!({"prestart": [], "poststop": [{"path": "/x"}]}),
            json!({"prestart": [], "poststop": null}),
        ),
        ("/process/apparmorProfile", json!("p"), json!("")),
        ("/process/selinuxLabel", json!("p"), json!("")),
        (
            "/process/scheduler",
            json!({"policy": "SCHED_BATCH"}),
            Value::Null,
        ),
        (
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_IDLE"}),
            Value::Null,
        ),
        (
            "/process/execCPUAffinity",
            json!({"initial": "0"}),
            json!({"initial": ""}),
        ),
        (
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW"}),
            json!({}),
        ),
        ("/linux/uidMappings", json!([{"size": 1}]), json!([])),
        ("/linux/gidMappings", json!([{"size": 1}]), json!([])),
        (
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 1}}),
            json!({}),
        ),
        (
            "/linux/netDevices",
            json!({"eth0": {"name": "x"}}),
            json!({}),
        ),
        ("/linux/mountLabel", json!("l"), json!("")),
        ("/linux/intelRdt", json!({}), Value::Null),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_LOCAL"}),
            Value::Null,
        ),
        (
            "/linux/personality",
            json!({"domain": "LINUX"}),
            Value::Null,
        ),
    ] {
        let field = pointer[1..].replace('/', ".");
        refused(at(pointer, asks), &format!("{field}: not supported yet"));
        assert!(at(pointer, nothing).is_ok(), "{pointer}");
        assert!(at(pointer, Value::Null).is_ok(), "{pointer}");
    }
    for kind in ["user", "time"] {
        refused(
            at("/linux/namespaces/-", json!({"type": kind})),
            &format!(
                "linux.namespaces[{}] ({kind}): not supported yet",
                base()["linux"]["namespaces"].as_array().unwrap().len()
            ),
        );
    }
    refused(
        at("/linux/namespaces/1/path", json!("/proc/1/ns/net")),
        "linux.namespaces[1].path: not supported yet",
    );
    assert!(at("/linux/namespaces/1/path", json!("")).is_ok());
    let mount = |more: Value| {
        let mut mount = json!({"destination": "/m", "source": "/s", "options": ["bind"]});
        mount
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        at("/mounts/-", mount)
    };
    for option in ["idmap", "ridmap"] {
        refused(
            mount(json!({"options": ["rbind", option]})),
            "mounts[7].options (idmap): not supported yet",
        );
    }
    for field in ["uidMappings", "gidMappings"] {
        refused(
            mount(json!({field: [{"size": 1}]})),
            &format!("mounts[7].{field}: not supported yet"),
        );
        assert!(mount(json!({field: []})).is_ok());
    }
    refused(
        with(|config| {
            drop_namespaces(config, &["mount"]);
            config["linux"]["maskedPaths"] = Value::Null;
            config["linux"]["readonlyPaths"] = json!([]);
        }),
        "linux.namespaces: a container without a new mount namespace: not supported yet",
    );
}

#[test]
fn impossible_values_name_their_field() {
    for (pointer, value, words) in [
        ("/ociVersion", Value::Null, "ociVersion: must be given"),
        (
            "/ociVersion",
            json!("banana"),
            "ociVersion: \"banana\" is not a version (1.3.0)",
        ),
        (
            "/ociVersion",
            json!("2.0.0"),
            "ociVersion: 2.0.0 is not supported, only 1.x",
        ),
        ("/root/path", json!(""), "root.path: must not be empty"),
        (
            "/hostname",
            json!("h".repeat(65)),
            "hostname: 65 bytes, the kernel takes at most 64",
        ),
        (
            "/annotations",
            json!({"": "x"}),
            "annotations: a key must not be empty",
        ),
        (
            "/process/env/1",
            json!("TERM"),
            "process.env[1]: invalid environment variable: \"TERM\"",
        ),
        (
            "/process/env/0",
            json!("=x"),
            "process.env[0]: environment variable name can't be empty: \"=x\"",
        ),
        (
            "/process/oomScoreAdj",
            json!(1001),
            "process.oomScoreAdj: 1001 is not in -1000..1000",
        ),
        (
            "/process/user/umask",
            json!(0o1000),
            "process.user.umask: 512 is larger than 511 (0777)",
        ),
        (
            "/process/user/uid",
            json!(u32::MAX),
            "process.user.uid: 4294967295 is not an id",
        ),
        (
            "/process/rlimits/0/soft",
            json!(1025),
            "process.rlimits[0]: the soft limit 1025 is above the hard limit 1024",
        ),
        (
            "/process/rlimits/0/hard",
            Value::Null,
            "process.rlimits[0]: soft and hard must be given",
        ),
        (
            "/process/rlimits/-",
            json!({"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}),
            "process.rlimits[1].type: RLIMIT_NOFILE is given twice",
        ),
        (
            "/mounts/-",
            json!({"type": "tmpfs"}),
            "mounts[7].destination: must not be empty",
        ),
        (
            "/mounts/-",
            json!({"destination": "/m"}),
            "mounts[7].type: must not be empty",
        ),
        (
            "/mounts/-",
            json!({"destination": "/m", "type": "bind", "source": "/s"}),
            "mounts[7].options: type \"bind\" needs \"bind\" or \"rbind\"",
        ),
        (
            "/mounts/-",
            json!({"destination": "/m", "options": ["bind"]}),
            "mounts[7].source: must not be empty",
        ),
        (
            "/mounts/-",
            json!({"destination": "/m", "source": "/s", "options": ["bind", "size=1"]}),
            "mounts[7].options: bind mounts cannot have any filesystem-specific options applied (size=1)",
        ),
        (
            "/linux/maskedPaths/1",
            json!(""),
            "linux.maskedPaths[1]: must not be empty",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": 1}]),
            "linux.devices[0].minor: must be given",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": -1, "minor": 1}]),
            "linux.devices[0].major: -1 is not a device number",
        ),
        (
            "/linux/devices",
            json!([{"type": "p"}]),
            "linux.devices[0].path: must name a file",
        ),
        (
            "/linux/resources/devices",
            json!([{"access": "rx"}]),
            "linux.resources.devices[0].access: \"rx\" is not made of r, w and m",
        ),
        (
            "/linux/resources/devices",
            json!([{"access": "r", "minor": 4294967296_u64}]),
            "linux.resources.devices[0].minor: 4294967296 is not a device number",
        ),
        (
            "/linux/resources/memory",
            json!({"swappiness": 101}),
            "linux.resources.memory.swappiness: invalid memory swappiness value: 101 (valid range is 0-100)",
        ),
        (
            "/linux/resources/blockIO",
            json!({"weight": 9}),
            "linux.resources.blockIO.weight: 9 is not in 10..1000",
        ),
        (
            "/linux/resources/blockIO",
            json!({"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 1001}]}),
            "linux.resources.blockIO.weightDevice[0].leafWeight: 1001 is not in 10..1000",
        ),
        (
            "/linux/resources/blockIO",
            json!({"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}),
            "linux.resources.blockIO.throttleReadBpsDevice[0].rate: must be given",
        ),
        (
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "../2MB", "limit": 1}]),
            "linux.resources.hugepageLimits[0].pageSize: \"../2MB\" is not a size (2MB)",
        ),
        (
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "2MB"}]),
            "linux.resources.hugepageLimits[0].limit: must be given",
        ),
        (
            "/linux/resources/network",
            json!({"priorities": [{"name": ""}]}),
            "linux.resources.network.priorities[0].name: must be the name of an interface",
        ),
        (
            "/linux/resources/unified",
            json!({"..": "1"}),
            "linux.resources.unified: \"..\" is not the name of a file",
        ),
        (
            "/linux/sysctl",
            json!({"net/../kernel/core_pattern": "x"}),
            "linux.sysctl: \"net/../kernel/core_pattern\" is not a name below /proc/sys",
        ),
        (
            "/linux/sysctl",
            json!({"net..x": "x"}),
            "linux.sysctl: \"net..x\" is not a name below /proc/sys",
        ),
    ] {
        refused(at(pointer, value), words);
    }
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    for (pointer, value, words) in [
        (
            "/process/args/0",
            json!(5),
            "config.json: process.args[0]: invalid type: integer `5`, expected a string",
        ),
        (
            "/process/args",
            json!("sh"),
            "config.json: process.args: invalid type: string \"sh\", expected a sequence",
        ),
        (
            "/process",
            json!([true]),
            "config.json: process: invalid type: sequence, expected an object",
        ),
        (
            "/process/user/uid",
            json!(-1),
            "config.json: process.user.uid: invalid value: integer `-1`, expected u32",
        ),
        (
            "/process/user/uid",
            json!(1.0),
            "config.json: process.user.uid: invalid type: floating point `1.0`, expected u32",
        ),
        (
            "/process/args/0",
            json!("a\0b"),
            "config.json: process.args[0]: the string contains a NUL byte",
        ),
        (
            "/mounts/3/options/2",
            Value::Null,
            "config.json: mounts[3].options[2]: invalid type: null, expected a string",
        ),
        (
            "/annotations",
            json!({"a.b": 1}),
            "config.json: annotations[\"a.b\"]: invalid type: integer `1`, expected a string",
        ),
        (
            "/linux/resources/memory",
            json!({"limit": "1g"}),
            "config.json: linux.resources.memory.limit: invalid type: string \"1g\", expected i64",
        ),
        (
            "/linux/seccomp",
            json!(5),
            "config.json: linux.seccomp: invalid type: integer `5`, expected an object",
        ),
        (
            "/process/consoleSize",
            json!({"height": 70000}),
            "config.json: process.consoleSize.height: invalid value: integer `70000`, expected u16",
        ),
    ] {
        let error = at(pointer, value).unwrap_err().to_string();
        let (said, position) = error.split_once(" at line ").unwrap_or((&error, ""));
        assert_eq!(said, words);
        assert!(position.contains("column"), "{error}");
    }
}

#[test]
fn json_that_is_not_a_config() {
    let refuse = |json: &[u8], words: &str| {
        refused(parse(json, "/bundle", &LoadOptions::default()), words);
    };
    refuse(b"", "config.json is empty");
    refuse(b" \n\t", "config.json is empty");
    refuse(b"null", "config cannot be null");
    refuse(
        b"[]",
        "config.json: invalid type: sequence, expected an object at line 1 column 0",
    );
    refuse(
        b"\xff\xfe",
        "config.json is not UTF-8 text: invalid byte at offset 0",
    );
    refuse(
        b"{\"unknown\": \"\xff\"}",
        "config.json is not UTF-8 text: invalid byte at offset 13",
    );
    refuse(
        b"\xef\xbb\xbf{}",
        "config.json: expected value at line 1 column 1",
    );
    refuse(
        b"{\"root\": {\"path\": \"x\", \"path\"",
        "config.json: root.path: duplicate field `path` at line 1 column 29",
    );
    refuse(
        b"{\"annotations\": {\"a\": \"x\", \"a\": \"y\"}}",
        "config.json: annotations.a: duplicate key `a` at line 1 column 30",
    );
    refuse(
        b"{\"root\": {\"path\": nu",
        "config.json: root.path: EOF while parsing a value at line 1 column 20",
    );
    refuse(
        b"{} x",
        "config.json: trailing characters at line 1 column 4",
    );
}

#[test]
fn deep_nesting_and_long_strings_end_in_a_short_error() {
    let error = |json: &str| {
        let error = parse(json.as_bytes(), "/bundle", &LoadOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.len() < 1200, "{} bytes", error.len());
        error
    };
    let deep = 100_000;
    assert!(error(&"[".repeat(deep)).contains("invalid type: sequence"));
    assert!(error(&"{\"linux\":".repeat(deep)).contains("EOF while parsing"));
    let seccomp = format!(
        "{{\"linux\": {{\"seccomp\": {{\"x\": {}",
        "[{\"x\":".repeat(deep)
    );
    assert!(!error(&seccomp).is_empty());
    let seccomp = format!("{{\"linux\": {{\"seccomp\": {}", "{\"x\":".repeat(deep));
    assert!(error(&seccomp).contains("recursion limit exceeded"));
    // What nobody knows is skipped without a stack, however deep it is: runc, too, takes 10,000 levels.
    let unknown = format!("{{\"x\": {}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(error(&unknown), "ociVersion: must be given");

    let long = "x".repeat(1 << 20);
    for (json, words) in [
        (
            format!("{{\"process\": {{\"{long}\": [\"\\ud800\", "),
            "EOF",
        ),
        (format!("{{\"process\": \"{long}\"}}"), "expected an object"),
        (
            format!("{{\"annotations\": {{\"{long}\": \"\", \"{long}\": \"\"}}}}"),
            "duplicate key",
        ),
        (
            format!("{{\"ociVersion\": \"{long}\"}}"),
            "is not a version",
        ),
    ] {
        let error = error(&json);
        assert!(error.contains(words), "{error}");
    }
    let names: Vec<String> = (0..10_000).map(|n| format!("CAP_{n}")).collect();
    let plan = at("/process/capabilities/bounding", json!(names)).unwrap();
    assert!(plan.warnings[0].len() < 1200);
}

#[test]
fn keys_are_exact_and_unknown_ones_ignored() {
    let plan = with(|config| {
        config["HostName"] = "other".into();
        config["windows"] = json!({"layerFolders": [1]});
        config["linux"]["x"] = json!([{"y": 1.5e300}]);
        config["process"]["user"]["username"] = "x".into();
        config["process"]["commandLine"] = "x".into();
    })
    .unwrap();
    assert_eq!(plan, with(|_| {}).unwrap());
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
            node("/dev/b", DeviceKind::Block, 1, 2, 0o4711, 0, 0),
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
fn resources_in_full() {
    let plan = with(|config| {
        config["linux"]["cgroupsPath"] = "/a/../b".into();
        config["linux"]["resources"] = json!({
            "devices": [{"allow": true, "type": "c", "major": 1, "minor": -1, "access": "wm"}],
            "memory": {"limit": -1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
                "disableOOMKiller": true, "useHierarchy": false, "checkBeforeUpdate": true},
            "cpu": {"shares": 1, "quota": -1, "burst": 0, "period": 3, "realtimeRuntime": 4, "realtimePeriod": 5,
                "cpus": "0-1", "mems": "0", "idle": 1},
            "pids": {"limit": 0},
            "blockIO": {"weight": 10, "leafWeight": 1000,
                "weightDevice": [{"major": 8, "minor": 1, "weight": 500}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 2, "rate": 1}],
                "throttleWriteBpsDevice": [{"major": 8, "minor": 3, "rate": 2}],
                "throttleReadIOPSDevice": [{"major": 8, "minor": 4, "rate": 3}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 5, "rate": 0}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
            "network": {"classID": 7, "priorities": [{"name": "eth0", "priority": 1}]},
            "rdma": {"mlx": {"hcaHandles": 1}},
            "unified": {"memory.max": "1"},
        });
    })
    .unwrap();
    assert_eq!(
        plan.cgroup,
        CgroupPlan {
            path: Some("/a/../b".into()),
            resources: Resources {
                devices: vec![DeviceRule {
                    allow: true,
                    kind: Some(DeviceKind::Char),
                    major: Some(1),
                    minor: None,
                    read: false,
                    write: true,
                    mknod: true
                }],
                memory: Memory {
                    limit: Some(-1),
                    reservation: Some(2),
                    swap: Some(3),
                    kernel: Some(4),
                    kernel_tcp: Some(5),
                    swappiness: Some(6),
                    disable_oom_killer: Some(true),
                    use_hierarchy: Some(false),
                    check_before_update: Some(true),
                },
                cpu: Cpu {
                    shares: Some(1),
                    quota: Some(-1),
                    burst: Some(0),
                    period: Some(3),
                    realtime_runtime: Some(4),
                    realtime_period: Some(5),
                    cpus: Some("0-1".into()),
                    mems: Some("0".into()),
                    idle: Some(1),
                },
                pids_limit: Some(0),
                block_io: BlockIo {
                    weight: Some(10),
                    leaf_weight: Some(1000),
                    weight_devices: vec![(8, 1, Some(500), None)],
                    read_bps: vec![(8, 2, 1)],
                    write_bps: vec![(8, 3, 2)],
                    read_iops: vec![(8, 4, 3)],
                    write_iops: vec![(8, 5, 0)],
                },
                hugepages: vec![("2MB".into(), 9)],
                net_class_id: Some(7),
                net_priorities: vec![("eth0".into(), 1)],
                rdma: vec![("mlx".into(), Some(1), None)],
                unified: vec![("memory.max".into(), "1".into())],
            },
        }
    );
}

#[test]
fn what_engines_write_for_not_given_is_not_given() {
    let plan = with(|config| {
        config["linux"]["cgroupsPath"] = "".into();
        config["linux"]["resources"] = json!({
            "devices": null,
            "memory": {"limit": 0, "reservation": 0, "swap": 0, "kernel": null, "swappiness": u64::MAX},
            "cpu": {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "realtimePeriod": 0, "cpus": "", "mems": ""},
            "pids": {}, "blockIO": {"weight": 0, "weightDevice": null}, "network": {"classID": 0}, "rdma": {}, "unified": null,
        });
    })
    .unwrap();
    assert_eq!(plan.cgroup, CgroupPlan::default());
    let plan = at("/linux/resources", Value::Null).unwrap();
    assert_eq!(plan.cgroup, CgroupPlan::default());
}
