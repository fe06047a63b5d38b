//! What accepted limits mean: of the cgroup (`resources`), and of the process (`rlimits`).

use serde_json::{Value, json};

use super::*;
use crate::plan::*;

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

#[test]
fn limits_have_the_kernels_numbers() {
    let names = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME";
    let limits: Vec<Value> = names
        .split(' ')
        .map(|name| json!({"type": format!("RLIMIT_{name}"), "soft": 0, "hard": 1}))
        .collect();
    let plan = at("/process/rlimits", json!(limits)).unwrap();
    let numbers: Vec<u32> = plan
        .init
        .process
        .rlimits
        .iter()
        .map(|limit| limit.resource)
        .collect();
    assert_eq!(
        numbers,
        (0..16).collect::<Vec<u32>>(),
        "asm-generic/resource.h"
    );
}
