//! cgroup v2: `unified`, files of the container's group by their names.

use integration::{Container, is_ours, skip, this_test};
use serde_json::json;

use crate::cgroups::value;
use crate::cgroups_v2::{gives, group, need_v2, refused};

#[test]
fn unified() {
    need_v2!("memory");
    gives(
        json!({"unified": {"memory.high": "50331648", "memory.min": "4096", "cpu.weight": "777", "memory.oom.group": "1",
            "cgroup.max.depth": "5", "pids.max": "max"}}),
        &[
            ("memory.high", "50331648"),
            ("memory.min", "4096"),
            ("cpu.weight", "777"),
            ("memory.oom.group", "1"),
            ("cgroup.max.depth", "5"),
            ("pids.max", "max"),
        ],
    );
    // The last word is its.
    gives(
        json!({"pids": {"limit": 7}, "unified": {"pids.max": "8"}}),
        &[("pids.max", "8")],
    );
    gives(json!({"unified": {}}), &[]);
}

#[test]
fn unified_that_cannot_be() {
    need_v2!("memory");
    let unified = |key: &str, value: &str| json!({"unified": {key: value}});
    refused(
        unified("memory.nosuch", "1"),
        "unable to set unified resource \"memory.nosuch\": ",
    );
    refused(
        unified("nosuch.max", "1"),
        "unified resource \"nosuch.max\" can't be set: controller \"nosuch\" not available",
    );
    refused(
        unified("nosuch", "1"),
        "unified resource \"nosuch\" must be in the form CONTROLLER.PARAMETER",
    );
    for key in ["../memory.max", "/memory.max", "a/b.c", "/", "./pids.max"] {
        refused(
            unified(key, "1"),
            &format!("unified resource \"{key}\" must be a file name (no slashes)"),
        );
    }
    refused(
        unified("memory.max", "much"),
        "unable to set unified resource \"memory.max\": ",
    );
    // A file that only the kernel writes.
    refused(
        unified("memory.current", "1"),
        "unable to set unified resource \"memory.current\": ",
    );
    if is_ours() {
        // runc finds out when it opens them.
        for key in ["..", ".", ""] {
            let words = format!("linux.resources.unified: \"{key}\" is not the name of a file");
            refused(unified(key, "1"), &words);
        }
    }
}

/// Files that set nothing, but do something to processes: in a group that its `unified` has frozen runc's `run` hangs, and by `cgroup.procs` it takes
/// in processes of the host, which `delete --force` kills.
#[test]
fn unified_that_acts_on_processes() {
    need_v2!();
    if !is_ours() {
        return skip(&this_test(), "runc writes them");
    }
    let c = Container::sleeping();
    let own = group(c.detach());
    let number = c.pid().to_string();
    for (key, value) in [
        ("cgroup.procs", &*number),
        ("cgroup.threads", &number),
        ("cgroup.freeze", "1"),
        ("cgroup.kill", "1"),
    ] {
        let words = format!(
            "linux.resources.unified: {key:?} is no setting of the group, but acts on processes"
        );
        let resources = json!({"unified": {key: value}});
        refused(resources.clone(), &words);
        let file = c.bundle.path().join("resources.json");
        std::fs::write(&file, resources.to_string()).unwrap();
        c.call(&["update", "-r", file.to_str().unwrap()])
            .refused(&words);
    }
    assert_eq!(c.status(), "running");
    assert_eq!(value(&own, "cgroup.procs"), number);
}
