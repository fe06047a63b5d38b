//! The same config.json through Debian's runc and through us: the same groups, the same content of every limit file, the
//! same words for what the kernel refuses.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::plan::CgroupPlan;
use crate::spec::{self, LoadOptions};

/// Controller to directory, and file to content.
type Found = (BTreeMap<String, String>, BTreeMap<String, String>);

/// A bundle with busybox in it, and a state directory for runc. Removed at the end, containers included.
struct Bundle {
    dir: PathBuf,
    id: String,
    parent: Option<String>,
}

impl Bundle {
    fn new(resources: &Value, cgroups_path: Option<&str>) -> Option<Self> {
        if !nix::unistd::geteuid().is_root()
            || !Path::new("/bin/busybox").exists()
            || Command::new("runc").arg("--version").output().is_err()
            || Layout::detect().is_ok_and(|layout| layout.mode == Mode::V2)
        {
            crate::testing::skip("needs root, runc, /bin/busybox, and cgroup v1 or hybrid");
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("runc-rs-diff-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(&id);
        for name in ["rootfs/bin", "rootfs/proc", "rootfs/dev", "state"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", dir.join("rootfs/bin/sleep")).unwrap();
        let mut config = json!({
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "1000"], "cwd": "/"},
            "root": {"path": "rootfs"},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "resources": resources},
        });
        let path = cgroups_path.map(|path| path.replace("ID", &id));
        if let Some(path) = &path {
            config["linux"]["cgroupsPath"] = json!(path);
        }
        let parent = path.and_then(|path| Some(path.strip_suffix("/leaf")?.to_owned()));
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
        Some(Self { dir, id, parent })
    }

    fn runc(&self, args: &[&str]) -> (bool, String) {
        let log = self.dir.join("output");
        let file = fs::File::create(&log).unwrap();
        let done = Command::new("runc")
            .arg("--root")
            .arg(self.dir.join("state"))
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .status()
            .unwrap();
        (done.success(), fs::read_to_string(log).unwrap())
    }

    /// Runs it with runc: where its groups are, and what is in their files.
    fn by_runc(&self) -> std::result::Result<Found, String> {
        let (started, output) = self.runc(&["run", "-d", &self.id]);
        if !started {
            return Err(output);
        }
        let state = self.dir.join("state").join(&self.id).join("state.json");
        let state: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
        let paths: BTreeMap<String, String> =
            serde_json::from_value(state["cgroup_paths"].clone()).unwrap();
        let files = files(&paths);
        let (deleted, output) = self.runc(&["delete", "--force", &self.id]);
        assert!(deleted, "{output}");
        Ok((paths, files))
    }

    /// The same with us, without a container.
    fn by_us(&self) -> Result<Found> {
        let config = fs::read(self.dir.join("config.json")).unwrap();
        let plan =
            spec::parse(&config, self.dir.to_str().unwrap(), &LoadOptions::default()).unwrap();
        let layout = Layout::detect()?;
        let paths = CgroupPaths::plan(&layout, &plan.cgroup, &self.id)?;
        let made = create(&paths, &plan.cgroup.resources)?;
        let applied = apply(&paths, &plan.cgroup.resources);
        let files = files(paths.as_map());
        made.rollback()?;
        applied.map(|_| (paths.as_map().clone(), files))
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.runc(&["delete", "--force", &self.id]);
        // The parent that runc made for "ID-rel/leaf", and leaves.
        if let Some(parent) = &self.parent {
            let plan = CgroupPlan {
                path: Some(parent.clone()),
                ..CgroupPlan::default()
            };
            let paths = Layout::detect().and_then(|layout| CgroupPaths::plan(&layout, &plan, "-"));
            let _ = paths.and_then(|paths| destroy(&paths));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Content of every file that a limit could be in.
fn files(paths: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // What counts, lists processes, or can only be written.
    const MOVING: [&str; 12] = [
        "stat",
        "usage",
        "procs",
        "tasks",
        "threads",
        "pressure",
        "io_service",
        "failcnt",
        "events",
        "peak",
        "current",
        "slabinfo",
    ];
    let mut all = BTreeMap::new();
    for (controller, directory) in paths {
        for entry in fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if MOVING.iter().any(|part| name.contains(part)) {
                continue;
            }
            if let Ok(text) = fs::read_to_string(format!("{directory}/{name}")) {
                all.insert(format!("{controller}: {name}"), text);
            }
        }
    }
    all
}

#[track_caller]
fn same(resources: &Value, cgroups_path: Option<&str>, telling: &[(&str, &str)]) {
    let Some(bundle) = Bundle::new(resources, cgroups_path) else {
        return;
    };
    let theirs = bundle.by_runc().unwrap();
    // runc leaves the parents it made; that is not what is compared here.
    let ours = bundle.by_us().unwrap();
    assert_eq!(ours.0, theirs.0, "places");
    for (file, text) in &theirs.1 {
        assert_eq!(ours.1.get(file), Some(text), "{file}");
    }
    assert_eq!(ours.1.len(), theirs.1.len());
    assert!(
        ours.1.len() > 40,
        "the comparison compares little: {}",
        ours.1.len()
    );
    // That the limits are there at all, and not merely missing on both sides.
    for (file, text) in telling {
        assert_eq!(ours.1[*file].trim_end(), *text, "{file}");
    }
}

#[track_caller]
fn same_words(resources: &Value) {
    let Some(bundle) = Bundle::new(resources, None) else {
        return;
    };
    let theirs = bundle.by_runc().unwrap_err();
    let ours = bundle.by_us().unwrap_err().to_string();
    assert!(
        theirs
            .trim_end()
            .trim_end_matches('"')
            .ends_with(&ours.replace('"', "\\\"")),
        "\n{ours}\n{theirs}"
    );
}

#[test]
fn nothing_asked_for_and_no_path() {
    same(&json!({}), None, &[("cpuset: cpuset.mems", "0")]);
}

#[test]
fn a_relative_path_and_an_absolute_one_with_a_new_parent() {
    same(&json!({}), Some("ID-rel/leaf"), &[]);
    same(&json!({}), Some("/ID-abs/leaf"), &[]);
    same(&json!({}), Some("../..//ID-up"), &[]);
}

#[test]
fn memory_cpu_and_pids() {
    same(
        &json!({
            "memory": {"limit": 134_217_728, "reservation": 67_108_864, "swap": 268_435_456, "swappiness": 17,
                       "disableOOMKiller": true},
            "cpu": {"shares": 333, "quota": 40_000, "period": 80_000, "cpus": "1", "mems": "0"},
            "pids": {"limit": 77},
        }),
        None,
        &[
            ("memory: memory.limit_in_bytes", "134217728"),
            ("memory: memory.memsw.limit_in_bytes", "268435456"),
            ("cpu: cpu.shares", "333"),
            ("cpuset: cpuset.cpus", "1"),
            ("pids: pids.max", "77"),
        ],
    );
}

#[test]
fn unlimited_and_zero() {
    same(
        &json!({"memory": {"limit": -1}, "cpu": {"quota": -1, "shares": 0, "period": 0}, "pids": {"limit": -1}}),
        None,
        &[("pids: pids.max", "max")],
    );
    same(
        &json!({"memory": {"limit": 67_108_864, "swap": -1}}),
        None,
        &[("memory: memory.limit_in_bytes", "67108864")],
    );
}

#[test]
fn device_rules() {
    same(
        &json!({"devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
            {"allow": true, "type": "b", "major": 8, "access": "r"},
            {"allow": true, "type": "b", "major": 8, "access": "w"},
            {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "m"},
        ]}),
        None,
        &[],
    );
    same(
        &json!({"devices": [{"allow": true, "access": "rwm"}]}),
        None,
        &[("devices: devices.list", "a *:* rwm")],
    );
    same(
        &json!({"devices": [
            {"allow": true, "access": "rwm"},
            {"allow": false, "type": "b", "major": 8, "minor": 1, "access": "rw"},
        ]}),
        None,
        &[],
    );
}

#[test]
fn block_io() {
    let Some(device) = block_device() else {
        crate::testing::skip("no block device");
        return;
    };
    let (major, minor) = device;
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    same(
        &json!({"blockIO": {
            "throttleReadBpsDevice": rate(1_048_576),
            "throttleWriteBpsDevice": rate(2_097_152),
            "throttleReadIOPSDevice": rate(100),
            "throttleWriteIOPSDevice": rate(200),
        }}),
        None,
        &[(
            "blkio: blkio.throttle.read_iops_device",
            &format!("{major}:{minor} 100"),
        )],
    );
}

fn block_device() -> Option<(u32, u32)> {
    let entry = fs::read_dir("/sys/block").ok()?.next()?.ok()?;
    let number = fs::read_to_string(entry.path().join("dev")).ok()?;
    let (major, minor) = number.trim_end().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[test]
fn the_words_of_a_refusal() {
    same_words(&json!({"cpu": {"period": 1}}));
    same_words(&json!({"cpu": {"shares": 1}}));
    same_words(&json!({"cpu": {"shares": 1_000_000}}));
    same_words(&json!({"cpu": {"cpus": "9999"}}));
    same_words(&json!({"rdma": {"mlx5_0": {"hcaHandles": 1}}}));
    same_words(&json!({"network": {"classID": 5}}));
    same_words(&json!({"unified": {"memory.max": "1"}}));
    same_words(&json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}));
}
