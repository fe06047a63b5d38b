//! cgroup v2: each limit that a config can ask for, read back from the group's files.
//!
//! They run where v2 is all that is mounted: `ci/run vm` boots such a machine. What is the same on v1 is in
//! [`cgroups`](super::cgroups), places in [`cgroups_v2_places`](super::cgroups_v2_places), the end of a container in
//! [`cgroups_v2_end`](super::cgroups_v2_end), device rules in [`cgroups_v2_devices`](super::cgroups_v2_devices).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration::{Container, cgroup_dirs, is_ours, skip, this_test, wait_until};
use serde_json::{Value, json};

use crate::cgroups::value;
use crate::differential::with_runc;

/// `need_v2!()` at the top of a test, as [`need_root`]; `need_v2!("io")`: with this controller.
macro_rules! need_v2 {
    ($($controller:literal)?) => {
        integration::need_root!();
        if !integration::is_v2() {
            return integration::skip(
                &integration::this_test(),
                "cgroup v2 is not all that is mounted here: ci/run vm runs it",
            );
        }
        $(if !$crate::cgroups::has_controller($controller) {
            return integration::skip(
                &integration::this_test(),
                concat!("no cgroup controller ", $controller, " here"),
            );
        })?
    };
}
pub(crate) use need_v2;

/// The group of a process.
pub fn group(pid: u32) -> PathBuf {
    let mut dirs = cgroup_dirs(pid).into_iter();
    dirs.find(|(names, _)| names.is_empty()).unwrap().1
}

fn with_resources(resources: &Value) -> Container {
    Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources", resources.clone());
    })
}

/// With these resources, these files of the group have this content.
#[track_caller]
pub fn gives(resources: Value, files: &[(&str, &str)]) {
    let c = with_resources(&resources);
    let dir = group(c.detach());
    assert!(dir.ends_with(&c.id), "{dir:?} is the container's own");
    for (file, wanted) in files {
        assert_eq!(value(&dir, file), *wanted, "{file} of {resources}");
    }
}

/// These resources are refused with these words, and nothing is left.
#[track_caller]
pub fn refused(resources: Value, words: &str) {
    let c = with_resources(&resources);
    c.create().refused(words);
    if !is_ours() {
        // runc removes a group before the init in it has left.
        let dirs = || integration::cgroups_named(&c.id);
        wait_until(|| dirs().iter().all(|dir| std::fs::remove_dir(dir).is_ok()));
    }
    c.nothing_left();
}

fn newer(what: &str) -> bool {
    if !is_ours() {
        skip(&this_test(), &format!("runc 1.1 {what}"));
    }
    is_ours()
}

#[test]
fn memory_and_swap() {
    need_v2!("memory");
    let mib = |count: i64| count << 20;
    let memory = |fields: Value| json!({"memory": fields});
    gives(
        memory(json!({"limit": mib(32)})),
        &[
            ("memory.max", "33554432"),
            ("memory.swap.max", "max"),
            ("memory.low", "0"),
        ],
    );
    gives(
        memory(json!({"limit": mib(32), "swap": mib(32)})),
        &[("memory.max", "33554432"), ("memory.swap.max", "0")],
    );
    gives(
        memory(json!({"limit": mib(32), "swap": -1})),
        &[("memory.max", "33554432"), ("memory.swap.max", "max")],
    );
    gives(
        memory(json!({"limit": -1, "reservation": mib(16)})),
        &[
            ("memory.max", "max"),
            ("memory.swap.max", "max"),
            ("memory.low", "16777216"),
        ],
    );
    gives(
        memory(json!({"reservation": -1})),
        &[("memory.max", "max"), ("memory.low", "max")],
    );
    // Zeros are "not set", as in every runc.
    gives(
        memory(json!({"limit": 0, "reservation": 0, "swap": 0})),
        &[("memory.max", "max"), ("memory.low", "0")],
    );
}

#[test]
fn memory_fields_that_v2_has_no_file_for() {
    need_v2!("memory");
    gives(
        json!({"memory": {"limit": 33_554_432, "swappiness": 10, "disableOOMKiller": true, "kernel": 1_000_000, "kernelTCP": 1_000_000,
            "useHierarchy": true, "checkBeforeUpdate": true}}),
        &[("memory.max", "33554432"), ("memory.oom.group", "0")],
    );
}

#[test]
fn swap_that_cannot_be() {
    need_v2!("memory");
    refused(
        json!({"memory": {"swap": 33_554_432}}),
        "unable to set swap limit without memory limit",
    );
    refused(
        json!({"memory": {"limit": -1, "swap": 33_554_432}}),
        "unable to set swap limit without memory limit",
    );
    refused(
        json!({"memory": {"limit": 33_554_432, "swap": 16_777_216}}),
        "memory+swap limit should be >= memory limit",
    );
}

#[test]
fn cpu_weight_and_time() {
    need_v2!("cpu");
    for (shares, weight) in [(2, "1"), (512, "20"), (1024, "39"), (262_144, "10000")] {
        gives(
            json!({"cpu": {"shares": shares}}),
            &[("cpu.weight", weight)],
        );
    }
    gives(
        json!({"cpu": {"shares": 0, "quota": 0, "period": 0}}),
        &[("cpu.weight", "100"), ("cpu.max", "max 100000")],
    );
    for (cpu, max) in [
        (json!({"quota": 50_000}), "50000 100000"),
        (json!({"period": 50_000}), "max 50000"),
        (json!({"quota": -1, "period": 20_000}), "max 20000"),
        (json!({"quota": 40_000, "period": 20_000}), "40000 20000"),
    ] {
        gives(json!({"cpu": cpu}), &[("cpu.max", max)]);
    }
    // Real-time budgets are v1's alone.
    gives(
        json!({"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 950_000}}),
        &[("cpu.max", "max 100000")],
    );
    for cpu in [json!({"quota": 1}), json!({"quota": 5000, "period": 1})] {
        refused(json!({"cpu": cpu}), "cpu.max: invalid argument");
    }
}

#[test]
fn shares_beyond_the_bounds_are_the_bound() {
    need_v2!("cpu");
    if newer("writes a weight that the kernel refuses") {
        gives(json!({"cpu": {"shares": 1}}), &[("cpu.weight", "1")]);
        gives(
            json!({"cpu": {"shares": 999_999_999}}),
            &[("cpu.weight", "10000")],
        );
    }
}

#[test]
fn cpu_burst_and_idle() {
    need_v2!("cpu");
    if !newer("does not know burst and idle") {
        return;
    }
    gives(
        json!({"cpu": {"quota": 50_000, "burst": 20_000}}),
        &[("cpu.max", "50000 100000"), ("cpu.max.burst", "20000")],
    );
    gives(json!({"cpu": {"idle": 1}}), &[("cpu.idle", "1")]);
    refused(
        json!({"cpu": {"quota": 10_000, "burst": 20_000}}),
        "cpu.max.burst: invalid argument",
    );
    refused(json!({"cpu": {"idle": 2}}), "cpu.idle");
}

#[test]
fn cpuset() {
    need_v2!("cpuset");
    gives(
        json!({"cpu": {"cpus": "0", "mems": "0"}}),
        &[
            ("cpuset.cpus", "0"),
            ("cpuset.mems", "0"),
            ("cpuset.cpus.effective", "0"),
        ],
    );
    // Unlike v1, a group takes its parent's when it has none of its own.
    gives(json!({}), &[("cpuset.cpus", ""), ("cpuset.mems", "")]);
    refused(json!({"cpu": {"mems": "77"}}), "cpuset.mems");
}

#[test]
fn pids() {
    need_v2!("pids");
    gives(json!({"pids": {"limit": 99}}), &[("pids.max", "99")]);
    gives(json!({"pids": {"limit": -1}}), &[("pids.max", "max")]);
    gives(json!({}), &[("pids.max", "max")]);
    refused(json!({"pids": {"limit": 1_i64 << 40}}), "pids.max");
}

/// runtime-spec 1.3: 0 is a limit. Not even init.
#[test]
fn no_pids_at_all() {
    need_v2!("pids");
    if !newer("takes 0 for \"not set\"") {
        return;
    }
    let c = with_resources(&json!({"pids": {"limit": 0}}));
    let out = c.create();
    // The kernel counts one that is born there, too.
    out.refused("resource temporarily unavailable")
        .says("pids limit");
    c.nothing_left();
}

/// The machine's disk.
#[derive(Debug, Clone)]
pub struct Disk {
    /// In /dev.
    pub name: String,
    pub major: u32,
    pub minor: u32,
}

/// `None`, and a skip, where there is none.
pub fn disk() -> Option<Disk> {
    let disks = std::fs::read_dir("/sys/block").unwrap().flatten();
    let found = disks
        .filter(|entry| !entry.path().join("loop").exists())
        .find_map(|entry| {
            let number = std::fs::read_to_string(entry.path().join("dev")).ok()?;
            let (major, minor) = number.trim().split_once(':')?;
            Some(Disk {
                name: entry.file_name().into_string().ok()?,
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        });
    if found.is_none() {
        skip(&this_test(), "no disk");
    }
    found
}

#[test]
fn io_throttles() {
    need_v2!("io");
    let Some(Disk { major, minor, .. }) = disk() else {
        return;
    };
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let resources = json!({"blockIO": {"throttleReadBpsDevice": rate(1_048_576), "throttleWriteBpsDevice": rate(2_097_152),
        "throttleReadIOPSDevice": rate(100), "throttleWriteIOPSDevice": rate(200)}});
    let all = format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=100 wiops=200");
    gives(resources, &[("io.max", &all)]);
    let one = format!("{major}:{minor} rbps=max wbps=max riops=max wiops=7");
    gives(
        json!({"blockIO": {"throttleWriteIOPSDevice": rate(7)}}),
        &[("io.max", &one)],
    );
    refused(
        json!({"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": 1}]}}),
        "io.max: no such device",
    );
    if is_ours() {
        // As v1 takes it: no limit. runc 1.1 writes a 0, which v2 refuses.
        gives(
            json!({"blockIO": {"throttleReadBpsDevice": rate(0)}}),
            &[("io.max", "")],
        );
    }
}

/// The weight goes to BFQ where it is loaded, else it is made one of io.weight's.
#[test]
fn io_weight() {
    need_v2!("io");
    let probe = Container::sleeping();
    let bfq = group(probe.detach()).join("io.bfq.weight").exists();
    drop(probe);
    for (weight, converted) in [(10, "1"), (500, "4950"), (1000, "10000")] {
        let (file, wanted) = match bfq {
            true => ("io.bfq.weight", weight.to_string()),
            false => ("io.weight", converted.to_owned()),
        };
        gives(
            json!({"blockIO": {"weight": weight, "leafWeight": 300}}),
            &[(file, &format!("default {wanted}"))],
        );
    }
    if !bfq {
        return skip(&this_test(), "of one disk: BFQ is not loaded");
    }
    let Some(Disk { major, minor, .. }) = disk() else {
        return;
    };
    gives(
        json!({"blockIO": {"weight": 200, "weightDevice": [{"major": major, "minor": minor, "weight": 300}]}}),
        &[(
            "io.bfq.weight",
            &format!("default 200\n{major}:{minor} 300"),
        )],
    );
}

/// Without BFQ there is no weight of one disk: runc leaves it out.
#[test]
fn io_weight_of_a_disk_without_bfq() {
    need_v2!("io");
    let probe = Container::sleeping();
    if group(probe.detach()).join("io.bfq.weight").exists() {
        return skip(&this_test(), "BFQ is loaded");
    }
    gives(
        json!({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 300}]}}),
        &[("io.weight", "default 100")],
    );
}

#[test]
fn huge_pages() {
    need_v2!("hugetlb");
    for (limit, wanted) in [(4_194_304_u64, "4194304"), (0, "0")] {
        let resources = json!({"hugepageLimits": [{"pageSize": "2MB", "limit": limit}]});
        gives(resources.clone(), &[("hugetlb.2MB.max", wanted)]);
        if is_ours() {
            // runc since 1.2.
            gives(resources, &[("hugetlb.2MB.rsvd.max", wanted)]);
        }
    }
    refused(
        json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}),
        "hugetlb.3MB.max: no such file or directory",
    );
}

/// There is no such hardware in most machines, and the kernel says so.
#[test]
fn rdma() {
    need_v2!("rdma");
    if let Some(device) = std::fs::read_dir("/sys/class/infiniband")
        .ok()
        .and_then(|mut all| Some(all.next()?.ok()?.file_name().into_string().unwrap()))
    {
        let line = format!("{device} hca_handle=3 hca_object=max");
        gives(
            json!({"rdma": {device: {"hcaHandles": 3}}}),
            &[("rdma.max", &line)],
        );
    }
    refused(
        json!({"rdma": {"nosuch_0": {"hcaHandles": 3, "hcaObjects": 4}}}),
        "rdma.max: ",
    );
}

#[test]
fn controllers_that_only_v1_has() {
    need_v2!();
    if !newer("ignores them") {
        return;
    }
    refused(json!({"network": {"classID": 5}}), "net_cls");
    refused(
        json!({"network": {"priorities": [{"name": "lo", "priority": 3}]}}),
        "net_prio",
    );
    gives(json!({"network": {"classID": 0, "priorities": []}}), &[]);
}

/// Everything at once, through runc and through us: every file of the group is the same.
#[test]
fn the_files_are_those_of_runc() {
    need_v2!("memory");
    let Some(Disk { major, minor, .. }) = disk() else {
        return;
    };
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    for resources in [
        json!({}),
        json!({
            "memory": {"limit": 134_217_728, "reservation": 67_108_864, "swap": 268_435_456, "swappiness": 17, "disableOOMKiller": true},
            "cpu": {"shares": 333, "quota": 40_000, "period": 80_000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 77},
            "blockIO": {"weight": 321, "throttleReadBpsDevice": rate(1_048_576), "throttleWriteIOPSDevice": rate(200)},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 6_291_456}],
            "unified": {"memory.high": "100663296"},
        }),
        json!({"memory": {"limit": -1}, "cpu": {"quota": -1, "shares": 0, "period": 0}, "pids": {"limit": -1}}),
        json!({"memory": {"limit": 67_108_864, "swap": -1}}),
    ] {
        let Some((ours, theirs)) = with_runc(
            &this_test(),
            |g| {
                g.args(&["sleep", "1000"])
                    .set("/linux/resources", resources.clone());
            },
            |c| {
                let dir = group(c.detach());
                (dir.parent().unwrap().to_owned(), files(&dir))
            },
        ) else {
            return;
        };
        assert_eq!(ours, theirs, "{resources}: left: ours, right: runc's");
        assert!(
            ours.1.len() > 30,
            "the comparison compares little: {ours:?}"
        );
    }
}

/// Every file of a group that does not count or list processes; nor those of reservations, which runc limits since 1.2.
fn files(dir: &Path) -> BTreeMap<String, String> {
    const MOVING: [&str; 10] = [
        "stat",
        "procs",
        "threads",
        "pressure",
        "events",
        "peak",
        "current",
        "memory.reclaim",
        "usage",
        ".rsvd.",
    ];
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names
        .filter(|name| !MOVING.iter().any(|part| name.contains(part)))
        .filter_map(|name| Some((name.clone(), std::fs::read_to_string(dir.join(&name)).ok()?)))
        .collect()
}
