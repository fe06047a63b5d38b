//! The same bad configs to runc and to us: the same words. Nothing here gets as far as a container.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use integration::{skip, this_test};
use runc_rs::spec::{LoadOptions, load, template};
use serde_json::{Value, json};

/// Debian 12's.
const KNOWN: &str = "runc version 1.1";

/// What `runc run` says last of the bundle, without its prefix.
fn runc(bundle: &Path, root: &Path) -> String {
    let log = bundle.join("log");
    let _ = fs::remove_file(&log);
    let status = Command::new("runc")
        .args(["--log-format", "json", "--log"])
        .arg(&log)
        .arg("--root")
        .arg(root)
        .args(["run", "--bundle"])
        .arg(bundle)
        .arg(format!("runc-rs-spec-{}", std::process::id()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "runc ran it");
    let log = fs::read_to_string(log).unwrap();
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let message = line["msg"].as_str().unwrap();
    message
        .strip_prefix("runc run failed: ")
        .unwrap()
        .to_owned()
}

#[test]
fn runc_says_the_same() {
    let version = Command::new("runc").arg("--version").output();
    let version = version.map(|output| String::from_utf8(output.stdout).unwrap());
    if !version.as_ref().is_ok_and(|text| text.starts_with(KNOWN)) {
        skip(&this_test(), &format!("not {KNOWN}: {version:?}"));
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        skip(&this_test(), "not root");
        return;
    }
    let directory = std::env::temp_dir().join(format!("runc-rs-spec-runc-{}", std::process::id()));
    fs::create_dir_all(directory.join("rootfs")).unwrap();
    let directory = fs::canonicalize(directory).unwrap();
    fs::write(directory.join("file"), "").unwrap();
    std::os::unix::fs::symlink("rootfs", directory.join("link")).unwrap();

    let namespaces = |without: &str| {
        let config: Value = serde_json::from_str(&template(false)).unwrap();
        let mut list = config["linux"]["namespaces"].as_array().unwrap().clone();
        list.retain(|entry| entry["type"] != without);
        json!(list)
    };
    let sysctl = |key: &str| ("/linux/sysctl", json!({key: "1"}));
    let changes: Vec<Vec<(&str, Value)>> = vec![
        vec![("/process", json!(null))],
        vec![("/process/args", json!([]))],
        vec![("/process/cwd", json!(""))],
        vec![("/process/cwd", json!("x"))],
        vec![(
            "/process/rlimits",
            json!([{"type": "RLIMIT_X", "hard": 1, "soft": 1}]),
        )],
        vec![("/root", json!(null))],
        vec![("/root/path", json!("missing"))],
        vec![("/root/path", json!("link"))],
        vec![("/linux/rootfsPropagation", json!("x"))],
        vec![(
            "/linux/namespaces",
            json!([{"type": "pid"}, {"type": "pid", "path": "/x"}]),
        )],
        vec![("/linux/namespaces", json!([{"type": "x\"y"}]))],
        vec![("/linux/namespaces", namespaces("uts"))],
        vec![("/linux/namespaces", namespaces("mount"))],
        vec![("/linux/devices", json!([{"path": "/dev/x", "type": "z"}]))],
        vec![("/linux/resources/devices", json!([{"allow": true}]))],
        vec![(
            "/linux/resources/devices",
            json!([{"type": "p", "access": "r"}]),
        )],
        vec![
            sysctl("kernel.sem"),
            ("/linux/namespaces", namespaces("ipc")),
        ],
        vec![
            sysctl("fs.mqueue.x"),
            ("/linux/namespaces", namespaces("ipc")),
        ],
        vec![
            sysctl("net/x.y/z"),
            ("/linux/namespaces", namespaces("network")),
        ],
        vec![sysctl("kernel.hostname")],
        vec![sysctl("vm.swappiness")],
        vec![sysctl("")],
    ];
    for change in &changes {
        let mut config: Value = serde_json::from_str(&template(false)).unwrap();
        config["process"]["terminal"] = json!(false);
        for (pointer, value) in change {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        fs::write(directory.join("config.json"), config.to_string()).unwrap();
        let theirs = runc(&directory, &directory.join("state"));
        let ours = load(&directory, &LoadOptions::default())
            .unwrap_err()
            .to_string();
        assert_eq!(ours, theirs, "{change:?}");
    }
    fs::remove_file(directory.join("config.json")).unwrap();
    let ours = load(&directory, &LoadOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(ours, runc(&directory, &directory.join("state")));
    fs::remove_dir_all(directory).unwrap();
}
