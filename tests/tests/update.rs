//! `update`: what the kernel has afterwards, on v1 and v2.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use integration::{Container, Output, cgroup_dirs, is_ours, is_v2, need_root, skip, wait_until};
use serde_json::{Value, json};

/// The directory of one controller.
fn group(pid: u32, controller: &str) -> Option<PathBuf> {
    let wanted = if is_v2() { "" } else { controller };
    (cgroup_dirs(pid).into_iter())
        .find(|(names, _)| names.split(',').any(|name| name == wanted))
        .map(|(_, dir)| dir)
}

/// A file's text; `None` where this kernel has no such file.
pub fn value(pid: u32, controller: &str, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(group(pid, controller)?.join(file)).ok()?;
    Some(text.trim_end().to_owned())
}

pub fn update(c: &Container, args: &[&str]) -> Output {
    let mut all = vec!["update"];
    all.extend_from_slice(args);
    all.push(&c.id);
    c.runtime.run(&all)
}

/// `config.cgroups` of the record.
fn recorded(c: &Container) -> Value {
    let text = std::fs::read(c.runtime.root().join(&c.id).join("state.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    json["config"]["cgroups"].clone()
}

/// Options, their controller, and the file with its new content on v1 and on v2. Empty: it has none.
type Case = (
    &'static [&'static str],
    &'static str,
    [(&'static str, &'static str); 2],
);

const CASES: [Case; 14] = [
    (
        &["--memory", "64m", "--memory-swap", "96m"],
        "memory",
        [
            ("memory.limit_in_bytes", "67108864"),
            ("memory.max", "67108864"),
        ],
    ),
    (
        &["--memory-swap=100663296", "--memory=64MiB"],
        "memory",
        [
            ("memory.memsw.limit_in_bytes", "100663296"),
            ("memory.swap.max", "33554432"),
        ],
    ),
    (
        &["--memory-reservation", "32M"],
        "memory",
        [
            ("memory.soft_limit_in_bytes", "33554432"),
            ("memory.low", "33554432"),
        ],
    ),
    (
        &["--cpu-share", "512"],
        "cpu",
        [("cpu.shares", "512"), ("cpu.weight", "20")],
    ),
    (
        &["--cpu-quota", "20000", "--cpu-period", "50000"],
        "cpu",
        [("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")],
    ),
    (
        &["--cpu-period", "40000"],
        "cpu",
        [("cpu.cfs_period_us", "40000"), ("cpu.max", "20000 40000")],
    ),
    (
        &["--cpu-quota", "30000"],
        "cpu",
        [("cpu.cfs_period_us", "40000"), ("cpu.max", "30000 40000")],
    ),
    (
        &["--cpu-quota=-1"],
        "cpu",
        [("cpu.cfs_quota_us", "-1"), ("cpu.max", "max 40000")],
    ),
    (
        &["--cpuset-cpus", "0"],
        "cpuset",
        [("cpuset.cpus", "0"), ("cpuset.cpus", "0")],
    ),
    (
        &["--cpuset-mems", "0"],
        "cpuset",
        [("cpuset.mems", "0"), ("cpuset.mems", "0")],
    ),
    (
        &["--pids-limit", "33"],
        "pids",
        [("pids.max", "33"), ("pids.max", "33")],
    ),
    (
        &["--pids-limit", "0"],
        "pids",
        [("pids.max", "33"), ("pids.max", "33")],
    ),
    (
        &["--pids-limit", "-1"],
        "pids",
        [("pids.max", "max"), ("pids.max", "max")],
    ),
    (
        &["--blkio-weight", "500"],
        "blkio",
        [("blkio.bfq.weight", "500"), ("io.weight", "default 4950")],
    ),
];

#[test]
fn each_limit() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let mut seen = 0;
    for (args, controller, files) in CASES {
        let (file, wanted) = files[usize::from(is_v2())];
        if value(pid, controller, file).is_none() {
            println!("no {file} here");
            continue;
        }
        update(&c, args).ok();
        assert_eq!(value(pid, controller, file).unwrap(), wanted, "{args:?}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
    assert_eq!(c.status(), "running");
    if !is_ours() {
        // runc 1.1.5 forgets the limits that its last update did not name.
        return;
    }
    let record = recorded(&c);
    assert_eq!(record["memory"], 67_108_864);
    assert_eq!(record["memory_swap"], 100_663_296);
    assert_eq!(record["memory_reservation"], 33_554_432);
    assert_eq!(record["cpu_shares"], 512);
    assert_eq!(
        (&record["cpu_quota"], &record["cpu_period"]),
        (&json!(-1), &json!(40_000))
    );
}

/// Where runc has it.
#[test]
fn the_record_has_the_new_limits() {
    need_root!();
    let c = Container::sleeping();
    c.detach();
    let args = [
        "--memory",
        "64m",
        "--memory-swap",
        "96m",
        "--pids-limit",
        "7",
        "--cpuset-cpus",
        "0",
    ];
    update(&c, &args).ok();
    let record = recorded(&c);
    assert_eq!(record["memory"], 67_108_864);
    assert_eq!(record["memory_swap"], 100_663_296);
    assert_eq!(record["pids_limit"], 7);
    assert_eq!(record["cpuset_cpus"], "0");
    assert_eq!(c.status(), "running", "and can still be read");
}

/// All of it or nothing: what was changed before the failure is set back, and the record does not know of it.
#[test]
fn a_failure_leaves_the_old_limits() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_failure_leaves_the_old_limits",
            "runc 1.1.5 tries, and then says that it failed",
        );
    }
    let c = Container::sleeping();
    let pid = c.detach();
    let args = [
        "--memory",
        "64m",
        "--memory-swap",
        "64m",
        "--pids-limit",
        "33",
        "--cpu-share",
        "512",
        "--cpu-quota",
        "20000",
    ];
    update(&c, &args).ok();
    let files = if is_v2() {
        vec![
            ("memory", "memory.max"),
            ("memory", "memory.swap.max"),
            ("pids", "pids.max"),
            ("cpu", "cpu.weight"),
            ("cpu", "cpu.max"),
            ("cpuset", "cpuset.cpus"),
        ]
    } else {
        vec![
            ("memory", "memory.limit_in_bytes"),
            ("memory", "memory.memsw.limit_in_bytes"),
            ("pids", "pids.max"),
            ("cpu", "cpu.shares"),
            ("cpu", "cpu.cfs_quota_us"),
            ("cpuset", "cpuset.cpus"),
        ]
    };
    let all = || -> Vec<_> {
        files
            .iter()
            .map(|(controller, file)| value(pid, controller, file))
            .collect()
    };
    let (before, record) = (all(), recorded(&c));
    let mut args = [
        "--memory",
        "128m",
        "--memory-swap",
        "256m",
        "--pids-limit",
        "44",
        "--cpu-share",
        "1024",
        "--cpu-quota",
        "30000",
        "--cpuset-cpus",
        "4000",
    ];
    for bad in ["4000", "x", "1-0"] {
        args[11] = bad;
        let out = update(&c, &args).exits(1);
        out.clone().says("cpuset.cpus: ");
        assert!(!out.stderr.contains("set back"), "{out}");
        assert_eq!(all(), before);
        assert_eq!(recorded(&c), record);
    }
    // Too small for what is in use.
    if !is_v2() {
        update(&c, &["--pids-limit", "44", "--memory", "4k"])
            .refused("unable to set memory limit to 4096 (current usage: ");
        assert_eq!(all(), before);
    }
}

#[test]
fn a_file_of_resources() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let file = c.bundle.path().join("resources.json");
    let path = file.to_str().unwrap();
    let pids = || value(pid, "pids", "pids.max").unwrap();
    let resources = json!({
        "pids": {"limit": 21}, "cpu": {"shares": 512}, "blockIO": {}, "memory": {"limit": 67_108_864, "swap": 67_108_864},
        // Not for an update, as in runc.
        "devices": [{"allow": true, "access": "rwm"}], "hugepageLimits": [{"pageSize": "2MB", "limit": 0}], "network": {"classID": 5}
    });
    std::fs::write(&file, resources.to_string()).unwrap();
    update(&c, &["--resources", path]).ok();
    assert_eq!(pids(), "21");
    let limit = if is_v2() {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    assert_eq!(value(pid, "memory", limit).unwrap(), "67108864");
    // The other options do not count beside it.
    std::fs::write(&file, r#"{"pids": {"limit": 22}}"#).unwrap();
    update(&c, &["--pids-limit", "5", "--memory", "junk", "-r", path]).ok();
    assert_eq!(pids(), "22");
    // From standard input, as containerd calls it.
    let args = ["update", "--resources", "-", &c.id];
    let feed = |text: &str| {
        let (mut command, out, err) = c.runtime.command(&args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        c.runtime.wait(child, &args, out, err)
    };
    feed(r#"{"pids": {"limit": 23}}"#).ok();
    assert_eq!(pids(), "23");
    feed("").refused("EOF");
    feed("{").exits(1);
    feed("[]").exits(1);
    feed(r#"{"pids": {"limit": "many"}}"#).exits(1);
    update(&c, &["-r", "/nonexistent"]).refused("open /nonexistent: no such file or directory");
    assert_eq!(pids(), "23");
}

/// Files of v2 by their names.
#[test]
fn unified() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let file = c.bundle.path().join("resources.json");
    let with = |resources: Value| {
        std::fs::write(&file, resources.to_string()).unwrap();
        update(&c, &["-r", file.to_str().unwrap()])
    };
    let high = json!({"unified": {"memory.high": "33554432", "pids.max": "17"}});
    if !is_v2() {
        with(high).refused("invalid configuration: cannot use unified on cgroup v1");
        return;
    }
    with(high).ok();
    assert_eq!(value(pid, "memory", "memory.high").unwrap(), "33554432");
    assert_eq!(value(pid, "pids", "pids.max").unwrap(), "17");
    let out = with(json!({"pids": {"limit": 50}, "unified": {"nosuch.file": "1"}})).exits(1);
    assert!(out.stderr.contains("nosuch.file"), "{out}");
    if is_ours() {
        assert_eq!(value(pid, "pids", "pids.max").unwrap(), "17", "set back");
    }
    with(json!({"unified": {"../pids.max": "1"}})).exits(1);
}

#[test]
fn in_every_state() {
    need_root!();
    let c = Container::sh(
        "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max; sleep 1000",
    );
    update(&c, &["--pids-limit", "9"]).refused("container does not exist");
    c.create().ok();
    let pid = c.pid();
    update(&c, &["--pids-limit", "9"]).ok();
    c.start().ok();
    assert!(wait_until(|| c.output() == "9\n"), "{}", c.output());
    c.call(&["pause"]).ok();
    update(&c, &["--pids-limit", "10", "--memory", "64m"]).ok();
    assert_eq!(c.status(), "paused", "it still is");
    assert_eq!(value(pid, "pids", "pids.max").unwrap(), "10");
    c.call(&["resume"]).ok();
    c.kill("KILL").ok();
    c.wait();
    assert!(wait_until(|| c.status() == "stopped"));
    update(&c, &["--pids-limit", "9"]).refused("container not running");
    update(&c, &[]).refused("container not running");
}

#[test]
fn nothing_is_nothing() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    update(&c, &["--pids-limit", "9"]).ok();
    let record = recorded(&c);
    for args in [
        &[][..],
        &["--memory="],
        &["--memory", "0"],
        &["--cpu-quota", "0"],
        &["--pids-limit=0"],
    ] {
        update(&c, args).ok();
    }
    assert_eq!(value(pid, "pids", "pids.max").unwrap(), "9");
    assert!(!is_ours() || recorded(&c) == record);
}

/// They take turns: what is there in the end is one of them, whole, and what the record says.
#[test]
fn updates_at_once() {
    need_root!();
    if !is_ours() {
        return skip("updates_at_once", "runc has no lock");
    }
    let c = Container::sleeping();
    let pid = c.detach();
    for _ in 0..4 {
        let running: Vec<_> = (11..19)
            .map(|n| {
                let pids = format!("--pids-limit={n}");
                let memory = format!("--memory={n}m");
                let args = ["update".to_owned(), pids, memory, c.id.clone()];
                let (mut command, out, err) =
                    c.runtime.command(&args.each_ref().map(String::as_str));
                (command.spawn().unwrap(), out, err)
            })
            .collect();
        for (child, out, err) in running {
            c.runtime.wait(child, &["update"], out, err).ok();
        }
        let limit = if is_v2() {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        };
        let number = |controller, file| {
            value(pid, controller, file)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let (pids, memory) = (number("pids", "pids.max"), number("memory", limit));
        assert_eq!(memory, pids << 20);
        let record = recorded(&c);
        assert_eq!(
            (&record["pids_limit"], &record["memory"]),
            (&json!(pids), &json!(memory))
        );
    }
}
