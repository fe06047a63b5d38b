//! Our reading of config.json against oci-spec's, the ecosystem's own types: for the same document both accept or both
//! reject, and what both accept has the same meaning. Where they differ on purpose, [`known::Known`] says so, and a test
//! pins it.
#![allow(clippy::unwrap_used)]

mod change;
mod known;
mod meaning;
mod seccomp;

use change::{Change, apply, changes, pointers};
use known::{Known, compare};
use proptest::prelude::*;
use runc_rs::spec::{LoadOptions, parse};
use serde_json::{Value, json};

/// A config with something in every section that both know.
fn full() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "terminal": false, "consoleSize": {"height": 24, "width": 80},
            "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [3, 4]},
            "args": ["sh", "-c", "x"], "env": ["A=1", "B=2"], "cwd": "/w",
            "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"], "inheritable": [],
                "permitted": ["CAP_SYS_ADMIN"], "ambient": ["CAP_BPF"]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 4}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
            "noNewPrivileges": true, "oomScoreAdj": 5, "apparmorProfile": "", "selinuxLabel": "",
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "h", "domainname": "d",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
            {"destination": "/b", "type": "none", "source": "/s", "options": ["rbind", "rprivate"]},
        ],
        "hooks": {"prestart": [], "poststop": []},
        "annotations": {"a": "b"},
        "linux": {
            "uidMappings": [], "gidMappings": [], "sysctl": {"net.x": "1"}, "cgroupsPath": "/x", "mountLabel": "",
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount", "path": ""}],
            "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2, "fileMode": 384, "uid": 5, "gid": 6}],
            "rootfsPropagation": "rslave", "maskedPaths": ["/m"], "readonlyPaths": ["/r"],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5, "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_MIPS"],
                "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"], "listenerPath": "/l", "listenerMetadata": "m",
                "syscalls": [
                    {"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
                    {"names": ["chmod"], "action": "SCMP_ACT_TRACE", "errnoRet": 7, "args": [
                        {"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_NE"}]},
                    {"names": ["chdir"], "action": "SCMP_ACT_NOTIFY"},
                ],
            },
            "resources": {
                "devices": [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
                "memory": {"limit": 1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
                    "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true},
                "cpu": {"shares": 1, "quota": 2, "burst": 3, "period": 4, "realtimeRuntime": 5, "realtimePeriod": 6,
                    "cpus": "0", "mems": "0", "idle": 1},
                "pids": {"limit": 7},
                "blockIO": {"weight": 10, "leafWeight": 11,
                    "weightDevice": [{"major": 8, "minor": 1, "weight": 12, "leafWeight": 13}],
                    "throttleReadBpsDevice": [{"major": 8, "minor": 2, "rate": 1}],
                    "throttleWriteBpsDevice": [{"major": 8, "minor": 3, "rate": 2}],
                    "throttleReadIOPSDevice": [{"major": 8, "minor": 4, "rate": 3}],
                    "throttleWriteIOPSDevice": [{"major": 8, "minor": 5, "rate": 4}]},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
                "network": {"classID": 7, "priorities": [{"name": "eth0", "priority": 1}]},
                "rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 2}},
                "unified": {"memory.max": "1"},
            },
        },
    })
}

#[test]
fn the_full_config_means_the_same_to_both() {
    assert_eq!(compare(&full()), Ok(None));
    assert!(
        parse(
            full().to_string().as_bytes(),
            "/bundle",
            &LoadOptions::default()
        )
        .is_ok()
    );
}

/// Every single change there is: each value by each of the samples, and by every other value.
#[test]
fn one_change_anywhere_means_the_same_to_both() {
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    let mut known = 0;
    for (at, pointer) in all.iter().enumerate() {
        let replaced = [
            json!(null),
            json!(true),
            json!(1),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(""),
            json!("x"),
            json!("/"),
            json!([]),
            json!({}),
            json!([""]),
            json!([1]),
            json!({"a": "b"}),
        ]
        .map(|value| Change::Replace(at, value));
        for change in replaced
            .into_iter()
            .chain([Change::Remove(at), Change::Repeat(at)])
        {
            let mut document = full();
            apply(&mut document, &change);
            match compare(&document) {
                Ok(difference) => known += usize::from(difference.is_some()),
                Err(error) => panic!("{pointer} {change:?}: {error}"),
            }
        }
    }
    assert!(known > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_changes_mean_the_same_to_both(changes in changes()) {
        let mut document = full();
        for change in &changes {
            apply(&mut document, change);
        }
        if let Err(error) = compare(&document) {
            return Err(TestCaseError::fail(error));
        }
    }
}

/// What is known of the difference that a change makes.
fn difference(change: impl FnOnce(&mut Value)) -> Option<Known> {
    let mut document = full();
    change(&mut document);
    compare(&document).unwrap()
}

/// Each difference has a document that shows it: one that goes away (a new version of oci-spec) fails here.
#[test]
fn known_differences_are_there() {
    let resources = "/linux/resources";
    for (pointer, value, known) in [
        ("/process/user/uid".to_owned(), json!(null), Known::Null),
        (
            "/process/capabilities/bounding/0".to_owned(),
            json!("CAP_FOO"),
            Known::Capability,
        ),
        ("/process/user".to_owned(), json!(null), Known::Null),
        (
            format!("{resources}/hugepageLimits/0/limit"),
            json!(u64::MAX),
            Known::Unsigned,
        ),
        (
            format!("{resources}/hugepageLimits/0/limit"),
            json!(-1),
            Known::Unsigned,
        ),
        (
            format!("{resources}/devices/0/type"),
            json!(""),
            Known::EmptyType,
        ),
        (
            format!("{resources}/devices/0/type"),
            json!({"a": null}),
            Known::EnumAsMap,
        ),
        (
            "/linux/seccomp/syscalls/0/names/0".to_owned(),
            json!(""),
            Known::NoName,
        ),
        (
            "/linux/seccomp".to_owned(),
            json!({"flags": ["what"]}),
            Known::Unasked,
        ),
        ("/root".to_owned(), json!(["rootfs", true]), Known::Array),
        ("/process/args/0".to_owned(), json!("a\0b"), Known::Nul),
        (
            "/process/consoleSize/height".to_owned(),
            json!(65536),
            Known::ConsoleSize,
        ),
    ] {
        let found = difference(|document| *document.pointer_mut(&pointer).unwrap() = value.clone());
        assert_eq!(found, Some(known), "{pointer} {value}");
    }
    let found = difference(|document| {
        document["process"].as_object_mut().unwrap().remove("user");
    });
    assert_eq!(found, Some(Known::Required));
}

/// oci-spec's four defects: a valid config that it rejects, two that it misreads, and one it should reject.
#[test]
fn defects_of_the_oracle_are_not_ours() {
    let theirs =
        |document: &Value| serde_json::from_value::<oci_spec::runtime::Spec>(document.clone());
    let ours = |document: &Value| {
        parse(
            document.to_string().as_bytes(),
            "/bundle",
            &LoadOptions::default(),
        )
    };

    // 1. The scheduler's flags are misspelt.
    for (flag, bit) in [
        ("SCHED_FLAG_RESET_ON_FORK", 1),
        ("SCHED_FLAG_DL_OVERRUN", 4),
    ] {
        let mut document = full();
        document["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "flags": [flag]});
        assert!(theirs(&document).is_err());
        let scheduler = ours(&document).unwrap().init.execution.scheduler;
        assert_eq!(scheduler.unwrap().flags, bit);
    }
    // 2. The version is not looked at.
    for version in [json!("banana"), json!(null)] {
        let mut document = full();
        document["ociVersion"] = version.clone();
        if version.is_null() {
            document.as_object_mut().unwrap().remove("ociVersion");
        }
        assert!(theirs(&document).is_ok());
        assert!(
            ours(&document)
                .unwrap_err()
                .to_string()
                .starts_with("ociVersion: ")
        );
    }
    // 3. No limit of processes becomes a limit of 0.
    let mut document = full();
    document["linux"]["resources"]["pids"] = json!({});
    let limit = |spec: oci_spec::runtime::Spec| {
        spec.linux()
            .as_ref()?
            .resources()
            .as_ref()?
            .pids()
            .map(|pids| pids.limit())
    };
    assert_eq!(limit(theirs(&document).unwrap()), Some(0));
    assert_eq!(ours(&document).unwrap().cgroup.resources.pids_limit, None);
    // 4. A capability that it does not know is an error, one that runc does not know is none.
    let mut document = full();
    document["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_FROM_THE_FUTURE"]);
    assert!(theirs(&document).is_err());
    let plan = ours(&document).unwrap();
    assert_eq!(plan.init.process.capabilities.unwrap().bounding, 1 << 5);
    assert_eq!(
        plan.warnings[0],
        "ignoring unknown or unavailable capabilities: [CAP_FROM_THE_FUTURE]"
    );
    document["process"]["capabilities"]["bounding"] = json!(["cap_kill"]);
    assert!(theirs(&document).is_ok());
    assert_eq!(
        ours(&document)
            .unwrap()
            .init
            .process
            .capabilities
            .unwrap()
            .bounding,
        0
    );
}

/// What a tree of JSON values cannot hold: keys that come twice.
#[test]
fn a_key_that_comes_twice() {
    let twice = |good: &str, twice: &str| {
        let text = full().to_string();
        assert!(text.contains(good), "{good}");
        let text = text.replace(good, twice);
        let ours = parse(text.as_bytes(), "/bundle", &LoadOptions::default());
        (
            ours.is_ok(),
            serde_json::from_str::<oci_spec::runtime::Spec>(&text).is_ok(),
        )
    };
    assert_eq!(
        twice(
            "\"hostname\":\"h\"",
            "\"hostname\":\"h\",\"hostname\":\"h\""
        ),
        (false, false)
    );
    // In a free map oci-spec takes the last; which one is meant would be a guess.
    assert_eq!(
        twice("{\"a\":\"b\"}", "{\"a\":\"b\",\"a\":\"c\"}"),
        (false, true)
    );
}
