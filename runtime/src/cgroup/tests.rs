//! On the real hierarchies of this machine, in groups of our own. They need root and cgroup v1 or hybrid mounts.
#![allow(clippy::unwrap_used)]

mod end;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::plan::{CgroupPlan, Cpu, DeviceRule, Memory, Resources};

/// Groups for one test; removed at its end, whatever happened.
struct Groups {
    paths: CgroupPaths,
    layout: Layout,
    id: String,
}

impl Groups {
    /// `None`, with the reason said, where the machine is not fit.
    fn new(resources: &Resources) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            crate::testing::skip("needs root");
            return None;
        }
        let layout = match Layout::detect() {
            Ok(layout) if layout.mode != Mode::V2 => layout,
            other => {
                crate::testing::skip(&format!("needs cgroup v1 or hybrid: {other:?}"));
                return None;
            }
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!(
            "runc-rs-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let plan = CgroupPlan {
            path: None,
            resources: resources.clone(),
        };
        let paths = CgroupPaths::plan(&layout, &plan, &id).unwrap();
        Some(Self { paths, layout, id })
    }

    fn make(resources: &Resources) -> Option<Self> {
        let groups = Self::new(resources)?;
        let _made = create(&groups.paths, resources).unwrap();
        apply(&groups.paths, resources).unwrap();
        Some(groups)
    }

    fn read(&self, controller: &str, name: &str) -> String {
        let path = format!("{}/{name}", self.paths.get(controller).unwrap());
        fs::read_to_string(path).unwrap().trim_end().to_owned()
    }

    /// A shell in the groups, which is told to go only when it is in.
    fn spawn(&self, script: &str) -> Running {
        let script = format!("read go; {script}");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        join(&self.paths, i32::try_from(child.id()).unwrap()).unwrap();
        drop(child.stdin.take());
        Running(child)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = kill_all(&self.paths);
        if let Err(error) = destroy(&self.paths) {
            eprintln!("left behind: {error}");
        }
    }
}

/// A child that does not survive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Polls; only for things of the kernel that cannot be awaited.
fn eventually(mut what: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

#[test]
fn a_process_is_in_every_group_and_then_none_is_left() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    assert!(processes(&groups.paths).unwrap().is_empty());
    let running = groups.spawn("exec sleep 1000");
    let pid = i32::try_from(running.0.id()).unwrap();
    assert_eq!(processes(&groups.paths).unwrap(), [pid]);
    // The kernel's own view agrees with the plan, hierarchy by hierarchy.
    let table = fs::read(format!("/proc/{pid}/cgroup")).unwrap();
    for one in parse::memberships(&table).unwrap() {
        let first = one.controllers.split(',').next().unwrap();
        let Some(directory) = groups.paths.get(first) else {
            continue;
        };
        assert!(directory.ends_with(one.path), "{directory}: {}", one.path);
    }
    kill_all(&groups.paths).unwrap();
    destroy(&groups.paths).unwrap();
    for directory in groups.paths.directories() {
        assert!(
            !fs::exists(directory).unwrap(),
            "{directory} is still there"
        );
    }
    // Again, from the record alone: nothing to do is no error.
    kill_all(&groups.paths).unwrap();
    destroy(&groups.paths).unwrap();
    assert!(!is_frozen(&groups.paths).unwrap());
    assert_eq!(oom_kills(&groups.paths), None);
}

/// As the creator starts init: the kernel's view is the same as after `join`.
#[test]
fn a_child_can_be_born_in_every_group() {
    use crate::sys::{clone, pidfd};
    use std::io::Read;
    use std::os::fd::AsFd;

    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let entrance = Entrance::open(&groups.paths).unwrap();
    let program = fs::File::open("/bin/busybox").unwrap();
    let (mut read, write) = std::io::pipe().unwrap();
    let what = clone::Spawn {
        namespaces: 0,
        cgroup: entrance.v2(),
        program: program.as_fd(),
        args: &[c"sh", c"-c", c"cat /proc/self/cgroup >&3"],
        env: &[],
        first: clone::FIRST_FD,
        fds: &[write.as_fd()],
        join: &[],
        twice: false,
        user: false,
    };
    let mut child = clone::spawn_in(&what, &entrance.tasks()).unwrap();
    drop((write, entrance));
    let mut table = Vec::new();
    read.read_to_end(&mut table).unwrap();
    pidfd::wait(child.pidfd.as_fd(), false).unwrap();
    child.shared.has_executed();
    let mut seen = 0;
    for one in parse::memberships(&table).unwrap() {
        let first = one.controllers.split(',').next().unwrap();
        let Some(directory) = groups.paths.get(first) else {
            continue;
        };
        assert!(directory.ends_with(one.path), "{directory}: {}", one.path);
        seen += 1;
    }
    assert_eq!(seen, groups.paths.directories().len());
}

#[test]
fn limits_reach_their_files() {
    let resources = Resources {
        memory: Memory {
            limit: Some(64 << 20),
            reservation: Some(32 << 20),
            swap: Some(64 << 20),
            swappiness: Some(10),
            disable_oom_killer: Some(true),
            ..Memory::default()
        },
        cpu: Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(200_000),
            burst: Some(1_000),
            cpus: Some("0".into()),
            ..Cpu::default()
        },
        pids_limit: Some(0),
        ..Resources::default()
    };
    let Some(groups) = Groups::make(&resources) else {
        return;
    };
    for (controller, name, value) in [
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("memory", "memory.memsw.limit_in_bytes", "67108864"),
        ("memory", "memory.soft_limit_in_bytes", "33554432"),
        ("memory", "memory.swappiness", "10"),
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.cfs_period_us", "200000"),
        ("cpu", "cpu.cfs_burst_us", "1000"),
        ("cpuset", "cpuset.cpus", "0"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "0"),
    ] {
        assert_eq!(groups.read(controller, name), value, "{name}");
    }
    assert!(
        groups
            .read("memory", "memory.oom_control")
            .starts_with("oom_kill_disable 1")
    );
    // Up and down again, as `update` does: the order of the two memory limits is found by trying.
    for size in [256 << 20, 16 << 20] {
        let resources = Resources {
            memory: Memory {
                limit: Some(size),
                swap: Some(size),
                ..Memory::default()
            },
            ..Resources::default()
        };
        apply(&groups.paths, &resources).unwrap();
        assert_eq!(
            groups.read("memory", "memory.memsw.limit_in_bytes"),
            size.to_string()
        );
    }
    let unlimited = Resources {
        memory: Memory {
            limit: Some(-1),
            ..Memory::default()
        },
        pids_limit: Some(-1),
        ..Resources::default()
    };
    apply(&groups.paths, &unlimited).unwrap();
    assert_eq!(groups.read("pids", "pids.max"), "max");
    let limit: u64 = groups
        .read("memory", "memory.memsw.limit_in_bytes")
        .parse()
        .unwrap();
    assert!(limit > 1 << 60);
}

#[test]
fn a_refused_value_is_named_with_its_file() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let resources = Resources {
        cpu: Cpu {
            period: Some(1),
            ..Cpu::default()
        },
        ..Resources::default()
    };
    let error = apply(&groups.paths, &resources).unwrap_err().to_string();
    let file = format!("{}/cpu.cfs_period_us", groups.paths.get("cpu").unwrap());
    assert_eq!(
        error,
        format!("failed to write \"1\": write {file}: invalid argument")
    );
}

#[test]
fn a_missing_controller_is_named_before_anything_is_made() {
    let Some(groups) = Groups::new(&Resources::default()) else {
        return;
    };
    let resources = Resources {
        rdma: vec![("mlx5_0".into(), Some(1), None)],
        ..Resources::default()
    };
    if groups.paths.get("rdma").is_some() {
        crate::testing::skip("this host has an rdma controller");
        return;
    }
    let plan = CgroupPlan {
        path: None,
        resources,
    };
    let error = CgroupPaths::plan(&groups.layout, &plan, "x")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "cannot set rdma limit: container could not join or create cgroup"
    );
    let plan = CgroupPlan {
        path: None,
        resources: Resources {
            unified: vec![("memory.max".into(), "1".into())],
            ..Resources::default()
        },
    };
    let error = CgroupPaths::plan(&groups.layout, &plan, "x").unwrap_err();
    assert!(matches!(error, Error::NoUnified));
}

#[test]
fn device_rules_are_what_the_kernel_then_lists() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let list = groups.read("devices", "devices.list");
    let mut lines: Vec<&str> = list.lines().collect();
    lines.sort_unstable();
    let mut expected = [
        "b *:* m",
        "c *:* m",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
        "c 10:200 rwm",
        "c 136:* rwm",
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let all = Resources {
        devices: vec![DeviceRule {
            allow: true,
            kind: None,
            major: None,
            minor: None,
            read: true,
            write: true,
            mknod: true,
        }],
        ..Resources::default()
    };
    apply(&groups.paths, &all).unwrap();
    assert_eq!(groups.read("devices", "devices.list"), "a *:* rwm");
}

#[test]
fn an_occupied_group_is_refused_and_an_empty_one_taken() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let _made = create(&groups.paths, &Resources::default()).unwrap();
    let running = groups.spawn("exec sleep 1000");
    let error = create(&groups.paths, &Resources::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "container's cgroup is not empty: 1 process(es) found"
    );
    // Before there is a record already, of which `delete --force` could take it for the container's own.
    let plan = CgroupPlan {
        path: Some(groups.id.clone()),
        ..CgroupPlan::default()
    };
    let error = CgroupPaths::plan(&groups.layout, &plan, "unused").unwrap_err();
    assert!(matches!(error, Error::NotEmpty(1)), "{error}");
    drop(running);
    freeze(&groups.paths).unwrap();
    let error = create(&groups.paths, &Resources::default()).unwrap_err();
    assert_eq!(error.to_string(), "container's cgroup unexpectedly frozen");
    assert!(is_frozen(&groups.paths).unwrap());
    thaw(&groups.paths).unwrap();
    assert!(!is_frozen(&groups.paths).unwrap());
    // What was refused has removed nothing.
    assert!(fs::exists(groups.paths.get("freezer").unwrap()).unwrap());
}

#[test]
fn rollback_removes_parents_too_and_destroy_leaves_them() {
    let Some(groups) = Groups::new(&Resources::default()) else {
        return;
    };
    let inner = groups
        .paths
        .get("devices")
        .unwrap()
        .rsplit_once('/')
        .unwrap()
        .1
        .to_owned();
    let plan = CgroupPlan {
        path: Some(format!("/{inner}/deep/er")),
        ..CgroupPlan::default()
    };
    let paths = CgroupPaths::plan(&groups.layout, &plan, "unused").unwrap();
    let tops: Vec<String> = paths
        .directories()
        .iter()
        .map(|directory| directory.strip_suffix("/deep/er").unwrap().to_owned())
        .collect();
    let made = create(&paths, &Resources::default()).unwrap();
    assert_eq!(
        fs::read_to_string(format!(
            "{}/deep/cpuset.mems",
            tops.iter().find(|top| top.contains("cpuset")).unwrap()
        ))
        .unwrap(),
        "0\n"
    );
    made.rollback().unwrap();
    assert!(tops.iter().all(|top| !fs::exists(top).unwrap()));

    let _made = create(&paths, &Resources::default()).unwrap();
    destroy(&paths).unwrap();
    for top in tops {
        assert!(!fs::exists(format!("{top}/deep/er")).unwrap());
        fs::remove_dir(format!("{top}/deep")).unwrap();
        fs::remove_dir(top).unwrap();
    }
}
