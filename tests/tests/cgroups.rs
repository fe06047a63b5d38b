//! cgroups: where a container is put, its limits, its device rules.

use std::path::{Path, PathBuf};

use integration::{
    Container, cgroup_dirs, cgroup_mounts, cgroups_named, is_v2, need_root, skip, this_test,
};
use serde_json::{Value, json};

use crate::hangs::ours_alone;

/// A detached container with these resources, and its directory of one controller; `None`, with the reason printed, when
/// the machine does not have it.
fn with_resources(test: &str, controller: &str, resources: Value) -> Option<(Container, PathBuf)> {
    if !has_controller(controller) {
        skip(
            test,
            &format!("no cgroup controller {controller} is mounted"),
        );
        return None;
    }
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources", resources);
    });
    let pid = c.detach();
    let wanted = if is_v2() { "" } else { controller };
    let dir = cgroup_dirs(pid)
        .into_iter()
        .find(|(names, _)| names.split(',').any(|name| name == wanted))?
        .1;
    assert!(dir.ends_with(&c.id), "{dir:?} is the container's own");
    Some((c, dir))
}

/// Does this machine have a controller, on v1 or v2?
pub fn has_controller(controller: &str) -> bool {
    let root = Path::new("/sys/fs/cgroup");
    if is_v2() {
        let all = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap();
        return all.split_whitespace().any(|one| one == controller);
    }
    root.join(controller).join("tasks").exists()
}

/// A file of a group, without the newline.
pub fn value(dir: &Path, file: &str) -> String {
    std::fs::read_to_string(dir.join(file))
        .unwrap_or_else(|e| panic!("{file}: {e}"))
        .trim()
        .to_owned()
}

/// The files of a group are as they should be on this layout.
#[track_caller]
fn values(dir: &Path, v1: &[(&str, &str)], v2: &[(&str, &str)]) {
    for (file, wanted) in if is_v2() { v2 } else { v1 } {
        assert_eq!(value(dir, file), *wanted, "{file}");
    }
}

#[test]
fn every_hierarchy_has_the_containers_cgroup() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let own = cgroup_dirs(std::process::id());
    for (controllers, dir) in cgroup_dirs(pid) {
        let mut mine = own
            .iter()
            .find(|(c, _)| *c == controllers)
            .unwrap()
            .1
            .as_path();
        if controllers.is_empty() && is_v2() {
            // A group with processes passes no controllers on: beside the caller's own cgroup.
            mine = mine.parent().unwrap();
        }
        assert_eq!(
            dir,
            mine.join(&c.id),
            "without cgroupsPath: below the caller's own cgroup ({controllers})"
        );
        assert_eq!(value(&dir, "cgroup.procs"), pid.to_string());
    }
    c.call(&["delete", "--force"]).ok();
    assert!(cgroups_named(&c.id).is_empty());
}

#[test]
fn an_absolute_cgroups_path_is_below_the_root() {
    need_root!();
    let c = Container::unsaved();
    let path = format!("/rrt-parent/{}", c.id);
    let c = c.with_config(|g| {
        g.args(&["sleep", "1000"])
            .set("/linux/cgroupsPath", path.as_str());
    });
    let pid = c.detach();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let placed = text.lines().filter(|l| l.ends_with(&path)).count();
    assert_eq!(placed, text.lines().count(), "{text}");
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
    // Parents that the runtime made stay (another container may be below): removed here, when empty.
    for dir in cgroups_named("rrt-parent") {
        let _ = std::fs::remove_dir(dir);
    }
}

#[test]
fn memory_limits() {
    need_root!();
    let resources = json!({"memory": {"limit": 33_554_432, "reservation": 16_777_216, "swap": 50_331_648, "swappiness": 10}});
    let Some((_c, dir)) = with_resources("memory_limits", "memory", resources) else {
        return;
    };
    values(
        &dir,
        &[
            ("memory.limit_in_bytes", "33554432"),
            ("memory.soft_limit_in_bytes", "16777216"),
            ("memory.swappiness", "10"),
        ],
        // v1 counts memory and swap together, v2 swap alone; swappiness is the host's alone there.
        &[
            ("memory.max", "33554432"),
            ("memory.low", "16777216"),
            ("memory.swap.max", "16777216"),
        ],
    );
    if dir.join("memory.memsw.limit_in_bytes").exists() {
        assert_eq!(value(&dir, "memory.memsw.limit_in_bytes"), "50331648");
    }
}

#[test]
fn a_process_that_exceeds_its_memory_is_killed() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/linux/resources/memory",
            json!({"limit": 16_777_216, "swap": 16_777_216}),
        )
        .mount("/mnt", "tmpfs", "tmpfs", &["size=100m"])
        .sh("dd if=/dev/zero of=/mnt/f bs=1M count=64 2>/dev/null; echo $?");
    });
    let out = c.run();
    assert!(
        out.code == 137 || out.text() == "137" || out.text() == "1",
        "killed by the kernel: {out}"
    );
}

#[test]
fn pids_limit() {
    need_root!();
    let Some((c, dir)) = with_resources("pids_limit", "pids", json!({"pids": {"limit": 7}})) else {
        return;
    };
    assert_eq!(value(&dir, "pids.max"), "7");
    drop(c);
    let c = Container::new(|g| {
        g.set("/linux/resources/pids/limit", 4)
            .sh("sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & wait");
    });
    let out = c.run();
    assert!(out.code != 0 && out.stderr.contains("can't fork"), "{out}");
}

#[test]
fn an_unlimited_number_of_pids() {
    need_root!();
    let Some((_c, dir)) = with_resources(
        "an_unlimited_number_of_pids",
        "pids",
        json!({"pids": {"limit": -1}}),
    ) else {
        return;
    };
    assert_eq!(value(&dir, "pids.max"), "max");
}

#[test]
fn cpu_limits() {
    need_root!();
    let resources = json!({"cpu": {"shares": 512, "quota": 50_000, "period": 200_000}});
    let Some((_c, dir)) = with_resources("cpu_limits", "cpu", resources) else {
        return;
    };
    values(
        &dir,
        &[
            ("cpu.shares", "512"),
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.cfs_period_us", "200000"),
        ],
        &[("cpu.weight", "20"), ("cpu.max", "50000 200000")],
    );
}

#[test]
fn cpuset() {
    need_root!();
    let Some((_c, dir)) = with_resources(
        "cpuset",
        "cpuset",
        json!({"cpu": {"cpus": "0", "mems": "0"}}),
    ) else {
        return;
    };
    assert_eq!(value(&dir, "cpuset.cpus"), "0");
    assert_eq!(value(&dir, "cpuset.mems"), "0");
    let c = Container::new(|g| {
        g.set("/linux/resources/cpu/cpus", "0").sh("nproc");
    });
    assert_eq!(c.run().ok().text(), "1");
}

#[test]
fn an_impossible_limit_is_a_clear_error() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/linux/resources/cpu/cpus", "4000");
    });
    let out = c.run().exits(1);
    assert!(out.stderr.contains("cpuset.cpus"), "names the file: {out}");
    c.nothing_left();
}

#[test]
fn a_controller_that_is_not_there_is_a_clear_error() {
    need_root!();
    if has_controller("hugetlb") {
        return skip(
            "a_controller_that_is_not_there_is_a_clear_error",
            "this machine has the hugetlb controller",
        );
    }
    let c = Container::new(|g| {
        g.set(
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "2MB", "limit": 0}]),
        );
    });
    let out = c.run().exits(1);
    assert!(out.stderr.contains("hugetlb"), "{out}");
    c.nothing_left();
}

/// What the deny-all of every config leaves allowed, and nothing else. `mknod` itself needs the capability.
#[test]
fn device_rules() {
    need_root!();
    let script = "mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero | wc -c
        mknod /tmp/kmsg c 1 11 || echo no node
        cat /tmp/kmsg > /dev/null || echo no kmsg
        mknod /tmp/fuse c 10 229 && cat /tmp/fuse > /dev/null || echo no fuse";
    let out = |extra: Option<Value>| {
        let c = Container::new(|g| {
            g.caps(&["CAP_MKNOD"])
                .mount("/tmp", "tmpfs", "tmpfs", &[])
                .sh(script);
            if let Some(rule) = extra {
                g.push("/linux/resources/devices", rule);
            }
        });
        c.run()
    };
    let default = out(None);
    assert_eq!(default.lines(), ["1", "no kmsg", "no fuse"], "{default}");
    assert_eq!(
        default.stderr.matches("Operation not permitted").count(),
        2,
        "{default}"
    );
    let more = out(Some(
        json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw"}),
    ));
    assert!(!more.stdout.contains("no node"), "{more}");
}

#[test]
fn the_devices_list() {
    need_root!();
    let resources = json!({"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]});
    let Some((_c, dir)) = with_resources("the_devices_list", "devices", resources) else {
        return;
    };
    let mut lines: Vec<String> = value(&dir, "devices.list")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    // runc 1.1 lets every container have /dev/net/tun; later ones do not.
    lines.retain(|l| l != "c 10:200 rwm");
    let expected = [
        "b *:* m",
        "c *:* m",
        "c 10:229 rw",
        "c 136:* rwm",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn limits_are_there_before_the_program_runs() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/linux/resources/pids/limit", 9)
            .sh("cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max");
    });
    assert_eq!(c.run().ok().text(), "9");
}

#[test]
fn cgroups_below_the_containers_are_removed_with_it() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    for (_, dir) in cgroup_dirs(pid) {
        std::fs::create_dir_all(dir.join("inner/most")).unwrap();
    }
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// A v1 controller that somebody has mounted in a place of their own is listed in /proc/self/cgroup, and changes nothing: what is
/// mounted on /sys/fs/cgroup is the layout, as for runc.
#[test]
fn v2_beside_v1_controllers_that_are_not_mounted_there() {
    need_root!();
    let c = Container::unsaved().with_config(|g| {
        g.sh("cat /proc/self/cgroup; exec cat /sys/fs/cgroup/cgroup.type");
    });
    let args = ["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id];
    let mounts = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup";
    let script = format!("{mounts} && exec \"$@\"");
    let out = c.runtime.with_own_mounts(&script).run(&args).ok();
    assert_eq!(out.lines().last().copied(), Some("domain"), "{out}");
    c.nothing_left();
}

/// Hierarchies that are hidden by a mount on top of them, and mounted once more in other places: as a container finds them whose
/// /sys/fs/cgroup has been made anew.
#[test]
fn hierarchies_that_are_hidden_and_mounted_again() {
    need_root!();
    if is_v2() {
        return skip(&this_test(), "v2 is looked for in one place");
    }
    if !ours_alone(
        "1.1.5 takes the first line of the mount table, and \"no such file or directory\"",
    ) {
        return;
    }
    let mut script = "mount -t tmpfs none /sys/fs/cgroup".to_owned();
    for (controllers, _) in cgroup_mounts() {
        let (fstype, options, name) = match controllers.as_str() {
            "" => ("cgroup2", "rw".to_owned(), "unified".to_owned()),
            named if named.starts_with("name=") => {
                ("cgroup", format!("none,{named}"), format!("again-{named}"))
            }
            some => ("cgroup", some.to_owned(), format!("again-{some}")),
        };
        let place = format!("/sys/fs/cgroup/{name}");
        script += &format!(" && mkdir {place} && mount -t {fstype} -o {options} none {place}");
    }
    script += " && exec \"$@\"";
    let mut c = Container::new(|g| {
        g.set("/linux/resources/memory/limit", 32 << 20)
            .args(&["sleep", "1000"]);
    });
    c.runtime = c.runtime.with_own_mounts(&script);
    c.detach();
    let dirs = cgroup_dirs(c.pid());
    let (_, memory) = dirs.iter().find(|(which, _)| which == "memory").unwrap();
    assert!(memory.to_str().unwrap().contains(&c.id), "{memory:?}");
    let limit = std::fs::read_to_string(memory.join("memory.limit_in_bytes")).unwrap();
    assert_eq!(limit.trim(), (32 << 20).to_string());
    c.runtime.run(&["exec", &c.id, "true"]).ok();
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}
