//! Values that the kernel, or another value beside them, would refuse: each names its field.

use serde_json::{Value, json};

use super::*;

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
            json!([{"pageSize": "02MB", "limit": 1}]),
            "linux.resources.hugepageLimits[0].pageSize: \"02MB\" is not a size (2MB)",
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
            "/linux/resources/unified",
            json!({"cgroup.freeze": "1"}),
            "linux.resources.unified: \"cgroup.freeze\" is no setting of the group, but acts on processes",
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
fn id_maps_offsets_and_paths_that_the_kernel_would_refuse() {
    let user = |uids: Value, gids: Value| {
        with(|config| {
            let list = config["linux"]["namespaces"].as_array_mut().unwrap();
            list.push(json!({"type": "user"}));
            config["linux"]["uidMappings"] = uids;
            config["linux"]["gidMappings"] = gids;
        })
    };
    let map = |container: u32, host: u32, size: u32| json!({"containerID": container, "hostID": host, "size": size});
    let good = || json!([map(0, 1000, 10), map(10, 2000, 5)]);
    assert!(user(good(), good()).is_ok());
    for (uids, words) in [
        (
            json!([map(0, 1, 0)]),
            "linux.uidMappings[0]: size must not be 0",
        ),
        (
            json!([map(0, u32::MAX, 1)]),
            "linux.uidMappings[0]: the range ends above the largest id",
        ),
        (
            json!([map(0, 1000, 10), map(9, 2000, 1)]),
            "linux.uidMappings[1]: the range overlaps an earlier one",
        ),
        (
            json!([map(0, 1000, 10), map(10, 1009, 1)]),
            "linux.uidMappings[1]: the range overlaps an earlier one",
        ),
        (
            json!((0..341).map(|n| map(n, n, 1)).collect::<Vec<_>>()),
            "linux.uidMappings: 341 ranges, the kernel takes at most 340",
        ),
    ] {
        refused(user(uids, good()), words);
    }
    refused(
        at("/linux/uidMappings", good()),
        "user namespace mappings specified, but user namespace isn't enabled in the config",
    );
    refused(
        at("/linux/namespaces/1/path", json!("ns/net")),
        "linux.namespaces[1].path: \"ns/net\" is not absolute",
    );
    refused(
        with(|config| {
            let list = config["linux"]["namespaces"].as_array_mut().unwrap();
            list.push(json!({"type": "time", "path": "/x"}));
            config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}});
        }),
        "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
    );
}

#[test]
fn how_the_process_is_run() {
    let deadline =
        "scheduler runtime/deadline/period can only be specified for SchedDeadline policy";
    let priority = "scheduler.priority can only be specified for SchedFIFO or SchedRR policy";
    for (value, words) in [
        (json!({}), "scheduler policy is required"),
        (
            json!({"policy": "SCHED_X"}),
            "invalid scheduler policy: SCHED_X",
        ),
        (
            json!({"policy": "SCHED_OTHER", "nice": 20}),
            "invalid scheduler.nice: 20 when scheduler.policy is SCHED_OTHER",
        ),
        (
            json!({"policy": "SCHED_BATCH", "nice": -21}),
            "invalid scheduler.nice: -21 when scheduler.policy is SCHED_BATCH",
        ),
        (json!({"policy": "SCHED_IDLE", "priority": 1}), priority),
        (
            json!({"policy": "SCHED_RR", "priority": -1}),
            "invalid scheduler.priority: -1",
        ),
        (json!({"policy": "SCHED_FIFO", "runtime": 1}), deadline),
        (json!({"policy": "SCHED_IDLE", "deadline": 1}), deadline),
        (json!({"policy": "SCHED_IDLE", "period": 1}), deadline),
        (
            json!({"policy": "SCHED_IDLE", "flags": ["SCHED_FLAG_X"]}),
            "invalid scheduler flag: SCHED_FLAG_X",
        ),
    ] {
        refused(at("/process/scheduler", value), words);
    }
    for (value, words) in [
        (json!({}), "invalid io priority class: "),
        (
            json!({"class": "IOPRIO_CLASS_NONE"}),
            "invalid io priority class: IOPRIO_CLASS_NONE",
        ),
        (
            json!({"class": "IOPRIO_CLASS_BE", "priority": 8}),
            "invalid ioPriority.Priority: 8",
        ),
        (
            json!({"class": "IOPRIO_CLASS_BE", "priority": -1}),
            "invalid ioPriority.Priority: -1",
        ),
    ] {
        refused(at("/process/ioPriority", value), words);
    }
    for (list, words) in [
        ("3-1", "invalid range: 3-1"),
        ("x", "\"x\" is not a number"),
        ("1-", "\"\" is not a number"),
        ("0,1024", "values larger than 1023 are not supported"),
        (" , ", "no members found in set \" , \""),
    ] {
        for (field, name) in [("initial", "Initial"), ("final", "Final")] {
            refused(
                at("/process/execCPUAffinity", json!({field: list})),
                &format!("bad CPUAffinity.{name}: {words}"),
            );
        }
        refused(
            at(
                "/linux/memoryPolicy",
                json!({"mode": "MPOL_BIND", "nodes": list}),
            ),
            &format!("invalid memory policy nodes {list:?}: {words}"),
        );
    }
    refused(
        at(
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "flags": ["MPOL_F_X"]}),
        ),
        "invalid memory policy flag \"MPOL_F_X\"",
    );
    refused(
        at("/linux/personality", json!({})),
        "invalid personality domain ",
    );
    assert!(
        at(
            "/process/execCPUAffinity",
            json!({"initial": "", "final": "0-3, 7,"})
        )
        .is_ok()
    );
}

#[test]
fn network_devices() {
    for name in [
        "..",
        ".",
        "a/b",
        "a:b",
        "a b",
        "sixteen-letters-",
        "",
        "eth%d",
    ] {
        refused(
            at("/linux/netDevices", json!({name: {}})),
            &format!("invalid network device name {name:?}"),
        );
        if !name.is_empty() {
            refused(
                at("/linux/netDevices", json!({"a": {"name": name}})),
                &format!("invalid network device name {name:?}"),
            );
        }
    }
    refused(
        at("/linux/netDevices", json!({"a": {}, "b": {"name": "a"}})),
        "linux.netDevices[\"b\"].name: \"a\" is the name of another device",
    );
    let plan = at(
        "/linux/netDevices",
        json!({"a": {"name": ""}, "b": {"name": "fifteen-letters"}}),
    );
    let devices = plan.unwrap().net_devices;
    assert_eq!((&*devices[0].to, &*devices[1].to), ("a", "fifteen-letters"));
    assert!(at("/linux/netDevices", json!({})).is_ok());
}
