//! `features`: what it claims is asked for and had, what it denies is refused by name.
//!
//! Claims are about the runtime, not about the host: where this kernel lacks something, its own error must be told.

use std::process::Command;

use integration::{
    Agent, Answer, Config, Container, Output, TempDir, cgroups_named, is_ours, is_v2, need_root,
    runtime_binary, skip, this_test,
};
use serde_json::{Value, json};

fn features() -> Value {
    let out = Command::new(runtime_binary()).arg("features").output();
    serde_json::from_slice(&out.unwrap().stdout).unwrap()
}

/// The names at this place; none where the runtime does not know the field.
fn names(pointer: &str) -> Vec<String> {
    let features = features();
    let list = features.pointer(pointer).and_then(Value::as_array);
    let name = |v: &Value| v.as_str().unwrap().to_owned();
    let names: Vec<String> = list.into_iter().flatten().map(name).collect();
    assert!(!names.is_empty() || !is_ours(), "{pointer}: nothing");
    names
}

/// A yes or a no; where there is neither, the test is skipped.
fn claim(pointer: &str) -> Option<bool> {
    let claim = features().pointer(pointer).and_then(Value::as_bool);
    if claim.is_none() {
        assert!(!is_ours(), "{pointer}: neither yes nor no");
        skip(
            &this_test(),
            &format!("this runtime says nothing of {pointer}"),
        );
    }
    claim
}

#[track_caller]
fn runs(what: &str, change: impl FnOnce(&mut Config)) -> Output {
    let c = Container::new(change);
    let out = c.run();
    assert_eq!(out.code, 0, "{what}: {out}");
    out
}

#[track_caller]
fn is_refused(what: &str, change: impl FnOnce(&mut Config)) {
    let c = Container::new(change);
    let out = c.run();
    assert_ne!(out.code, 0, "{what}: {out}");
    c.nothing_left();
}

/// Is it done, or does the error come from beyond: the kernel or what was named, not "not supported"?
#[track_caller]
fn agrees(claim: bool, out: &Output, word: &str) {
    let refused = out.code != 0
        && out.stderr.contains(word)
        && (out.stderr.contains("not supported") || out.stderr.contains("no such command"));
    assert_eq!(claim, !refused, "{word}: {out}");
}

#[test]
fn versions() {
    need_root!();
    let all = features();
    for version in ["ociVersionMin", "ociVersionMax"] {
        let version = all[version].as_str().unwrap();
        runs(version, |g| {
            g.set("/ociVersion", version);
        });
    }
    if is_ours() {
        for version in ["0.9.0", "2.0.0", ""] {
            is_refused(version, |g| {
                g.set("/ociVersion", version);
            });
        }
    }
}

#[test]
fn every_hook_runs() {
    need_root!();
    let dir = TempDir::new("hooks");
    let hooks = names("/hooks");
    let said = |hook: &str| {
        let inside = hook == "startContainer";
        let at = if inside {
            "/mnt".into()
        } else {
            dir.path().display().to_string()
        };
        let script = format!("echo {hook} >>{at}/said");
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    let c = Container::new(|g| {
        for hook in &hooks {
            g.set(&format!("/hooks/{hook}"), said(hook));
        }
        g.bind(dir.path(), "/mnt", &[]);
    });
    c.run().ok();
    let file = std::fs::read_to_string(dir.path().join("said")).unwrap();
    let mut seen: Vec<&str> = file.lines().collect();
    seen.sort_unstable();
    let mut hooks: Vec<&str> = hooks.iter().map(String::as_str).collect();
    hooks.sort_unstable();
    assert_eq!(seen, hooks);
}

/// tmpfs takes no option that it does not know: one that it is mounted with was the runtime's own.
#[test]
fn every_mount_option_is_taken() {
    need_root!();
    let dir = TempDir::new("options");
    let source = dir.path().to_str().unwrap();
    let mut options = names("/mountOptions");
    // Known to runc 1.1, and yet handed to the file system.
    options.retain(|option| option != "defaults" || is_ours());
    // Each has a mount point of its name, which an error says.
    runs("all", |g| {
        for option in &options {
            let at = format!("/mnt/{option}");
            match &**option {
                "bind" | "rbind" => g.mount(&at, "none", source, &[option]),
                "idmap" | "ridmap" => {
                    let maps = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
                    g.push(
                        "/mounts",
                        json!({"destination": at, "source": source, "options": ["rbind", option],
                            "uidMappings": maps, "gidMappings": maps}),
                    )
                }
                "remount" => g.mount(&at, "tmpfs", "tmpfs", &[]).mount(
                    &at,
                    "tmpfs",
                    "tmpfs",
                    &["remount", "ro"],
                ),
                _ => g.mount(&at, "tmpfs", "tmpfs", &[option]),
            };
        }
    });
    for unknown in ["rrt_unknown", "RO", "ro ", "recursive"] {
        is_refused(unknown, |g| {
            g.mount("/mnt", "tmpfs", "tmpfs", &[unknown]);
        });
    }
}

#[test]
fn every_namespace_is_new() {
    need_root!();
    for name in names("/linux/namespaces") {
        let file = match &*name {
            "mount" => "mnt",
            "network" => "net",
            other => other,
        };
        let link = format!("/proc/self/ns/{file}");
        let outside = std::fs::read_link(&link).unwrap();
        let out = runs(&name, |g| {
            g.without_namespace(&name)
                .push("/linux/namespaces", json!({"type": name}))
                .args(&["readlink", &link]);
            if name == "user" {
                let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
                g.set("/linux/uidMappings", map.clone())
                    .set("/linux/gidMappings", map);
            }
        });
        assert!(out.text().starts_with(&format!("{file}:[")), "{out}");
        assert_ne!(out.text(), outside.to_str().unwrap(), "{name}");
    }
    is_refused("a namespace of no kind", |g| {
        g.push("/linux/namespaces", json!({"type": "rrt"}));
    });
}

/// In the program's bounding set, as far as this process has them itself.
#[test]
fn every_capability_is_given() {
    need_root!();
    let bounding = |status: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix("CapBnd:"));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    let own = bounding(&std::fs::read_to_string("/proc/self/status").unwrap());
    let names = names("/linux/capabilities");
    let out = runs("all", |g| {
        g.set("/process/capabilities", json!({"bounding": names}))
            .args(&["grep", "CapBnd", "/proc/self/status"]);
    });
    // One that this process lacks nobody can give.
    assert_eq!(bounding(&out.stdout), own, "{names:?}");
    assert!(!out.stderr.contains("CAP_"), "{out}");
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    assert!(names.len() > last.trim().parse().unwrap(), "{names:?}");
    let out = runs("one that is none", |g| {
        g.set("/process/capabilities", json!({"bounding": ["CAP_RRT"]}));
    });
    assert!(out.stderr.contains("CAP_RRT"), "it is warned of: {out}");
}

#[test]
fn every_word_of_seccomp_is_taken() {
    need_root!();
    if claim("/linux/seccomp/enabled") != Some(true) {
        return;
    }
    let profile = |action: &str, args: Value| {
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["getpgid"], "action": action, "args": args}]})
    };
    let with = |what: &str, profile: Value| {
        runs(what, |g| {
            g.set("/linux/seccomp", profile);
        });
    };
    // With an agent, whom nobody asks.
    let notifying = |what: &str, mut profile: Value| {
        let agent = Agent::new();
        profile["listenerPath"] = json!(agent.path());
        let served = agent.serve(|_| Answer::Continue);
        with(what, profile);
        served.join().unwrap();
    };
    for action in names("/linux/seccomp/actions") {
        match &*action {
            "SCMP_ACT_NOTIFY" => notifying(&action, profile(&action, json!([]))),
            _ => with(&action, profile(&action, json!([]))),
        }
    }
    for operator in names("/linux/seccomp/operators") {
        let args = json!([{"index": 0, "value": 7, "valueTwo": 7, "op": operator}]);
        with(&operator, profile("SCMP_ACT_ERRNO", args));
    }
    for arch in names("/linux/seccomp/archs") {
        let mut one = profile("SCMP_ACT_ERRNO", json!([]));
        // runc cannot mix byte orders in one filter.
        if !is_ours() && !["X86_64", "X86", "X32", "ARM", "AARCH64"].contains(&&arch[10..]) {
            continue;
        }
        one["architectures"] = json!(["SCMP_ARCH_X86_64", arch]);
        with(&arch, one);
    }
    for flag in names("/linux/seccomp/supportedFlags") {
        let needs_agent = flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
        let action = ["SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY"][usize::from(needs_agent)];
        let mut one = profile(action, json!([]));
        one["flags"] = json!([flag]);
        match needs_agent {
            true => notifying(&flag, one),
            false => with(&flag, one),
        }
    }
    for (field, value) in [
        ("/linux/seccomp/defaultAction", json!("SCMP_ACT_RRT")),
        (
            "/linux/seccomp/syscalls/0/args",
            json!([{"index": 0, "value": 1, "op": "SCMP_CMP_RRT"}]),
        ),
        ("/linux/seccomp/architectures", json!(["SCMP_ARCH_RRT"])),
        ("/linux/seccomp/flags", json!(["SECCOMP_FILTER_FLAG_RRT"])),
    ] {
        is_refused(field, |g| {
            g.set("/linux/seccomp", profile("SCMP_ACT_ERRNO", json!([])))
                .set(field, value);
        });
    }
}

/// The version of this host's; the other one's run is on another host.
#[test]
fn cgroups_of_this_host_are_claimed() {
    need_root!();
    let version = if is_v2() { "v2" } else { "v1" };
    let claim = claim(&format!("/linux/cgroup/{version}"));
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/linux/resources/pids", json!({"limit": 17}));
    });
    c.create().ok();
    let limits: Vec<String> = cgroups_named(&c.id)
        .iter()
        .filter_map(|dir| std::fs::read_to_string(dir.join("pids.max")).ok())
        .collect();
    assert_eq!(
        claim == Some(true),
        limits.contains(&"17\n".to_owned()),
        "{limits:?}"
    );
}

/// The same code serves both versions, wherever it runs.
#[test]
fn both_versions_are_claimed() {
    let cgroup = &features()["linux"]["cgroup"];
    assert_eq!((&cgroup["v1"], &cgroup["v2"]), (&json!(true), &json!(true)));
}

#[test]
fn the_systemd_driver() {
    need_root!();
    let Some(claim) = claim("/linux/cgroup/systemd") else {
        return;
    };
    let mut c = Container::new(|g| {
        g.set("/linux/cgroupsPath", "system.slice:rrt:features");
    });
    c.runtime.globals = vec!["--systemd-cgroup".to_owned()];
    agrees(claim, &c.run(), "--systemd-cgroup");
}

#[test]
fn rdma() {
    need_root!();
    let Some(claim) = claim("/linux/cgroup/rdma") else {
        return;
    };
    let c = Container::new(|g| {
        g.set("/linux/resources/rdma", json!({"rrt_0": {"hcaHandles": 3}}));
    });
    let out = c.run();
    agrees(claim, &out, "rdma");
    assert!(out.code == 0 || out.stderr.contains("rdma"), "{out}");
}

/// A label without the module that reads it is that module's error, and not nobody's.
#[test]
fn labels() {
    need_root!();
    for (module, field, is_there) in [
        (
            "apparmor",
            "/process/apparmorProfile",
            "/sys/module/apparmor",
        ),
        (
            "selinux",
            "/process/selinuxLabel",
            "/sys/fs/selinux/enforce",
        ),
    ] {
        let Some(claim) = claim(&format!("/linux/{module}/enabled")) else {
            return;
        };
        let c = Container::new(|g| {
            g.set(field, "rrt_no_such:label");
        });
        let out = c.run();
        agrees(claim, &out, "yet");
        if is_ours() || std::path::Path::new(is_there).exists() {
            assert_ne!(out.code, 0, "{module}: {out}");
            assert!(out.stderr.to_lowercase().contains(module), "{out}");
        }
    }
}

#[test]
fn intel_rdt() {
    need_root!();
    for (field, asked) in [
        ("enabled", json!({"closID": "rrt"})),
        (
            "schemata",
            json!({"closID": "rrt", "schemata": ["MB:0=100"]}),
        ),
        (
            "monitoring",
            json!({"closID": "rrt", "enableMonitoring": true}),
        ),
    ] {
        let Some(claim) = claim(&format!("/linux/intelRdt/{field}")) else {
            return;
        };
        let c = Container::new(|g| {
            g.set("/linux/intelRdt", asked);
        });
        agrees(claim, &c.run(), "intelRdt");
    }
}

#[test]
fn memory_policies() {
    need_root!();
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        skip(&this_test(), "a kernel without NUMA");
        return;
    }
    for mode in names("/linux/memoryPolicy/modes") {
        let bare = ["MPOL_DEFAULT", "MPOL_LOCAL"].contains(&&*mode);
        let nodes = if bare { "" } else { "0" };
        runs(&mode, |g| {
            g.set("/linux/memoryPolicy", json!({"mode": mode, "nodes": nodes}));
        });
    }
    for flag in names("/linux/memoryPolicy/flags") {
        runs(&flag, |g| {
            let policy = json!({"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]});
            g.set("/linux/memoryPolicy", policy);
        });
    }
}

#[test]
fn id_mapped_mounts() {
    need_root!();
    let Some(claim) = claim("/linux/mountExtensions/idmap/enabled") else {
        return;
    };
    let dir = TempDir::new("idmap");
    let c = Container::new(|g| {
        let maps = json!([{"containerID": 7000, "hostID": 0, "size": 1}]);
        g.push(
            "/mounts",
            json!({"destination": "/mnt", "source": dir.path(), "options": ["bind"],
                "uidMappings": maps, "gidMappings": maps}),
        )
        .args(&["stat", "-c", "%u", "/mnt"]);
    });
    // The mapping reads the other way round: what is 7000 on the disk is 0.
    let out = c.run();
    assert_eq!(claim, out.code == 0, "{out}");
    assert!(!claim || out.text() != "0", "mapped: {out}");
}

#[test]
fn net_devices() {
    need_root!();
    let Some(claim) = claim("/linux/netDevices/enabled") else {
        return;
    };
    let c = Container::new(|g| {
        g.set("/linux/netDevices", json!({"rrtnone0": {}}));
    });
    let out = c.run();
    assert_ne!(out.code, 0, "there is no such device: {out}");
    agrees(claim, &out, "netDevices");
    assert!(!claim || out.stderr.contains("rrtnone0"), "{out}");
}

#[test]
fn what_the_runtime_says_of_itself() {
    let all = features();
    let said = |key: &str| {
        let key = format!("org.opencontainers.runc.{key}");
        all["annotations"][&key].as_str().map(str::to_owned)
    };
    let out = Command::new(runtime_binary()).arg("--version").output();
    let version = String::from_utf8(out.unwrap().stdout).unwrap();
    let line = |start: &str| {
        let line = version.lines().find_map(|line| line.strip_prefix(start));
        line.map(str::to_owned)
    };
    let first = version.lines().next().unwrap();
    assert!(
        first.ends_with(&format!(" {}", said("version").unwrap())),
        "{version}"
    );
    assert_eq!(said("commit"), line("commit: "));
    assert!(!is_ours() || line("spec: ").as_deref() == all["ociVersionMax"].as_str());
    // runc makes its root even for that.
    let root = TempDir::new("root");
    let checkpoint = Command::new(runtime_binary())
        .arg("--root")
        .arg(root.path())
        .args(["checkpoint", "none"])
        .output();
    let said_no =
        String::from_utf8_lossy(&checkpoint.unwrap().stderr).contains("not supported yet");
    assert_eq!(
        said("checkpoint.enabled").unwrap(),
        if said_no { "false" } else { "true" }
    );
}

/// Those that are not called unsafe change nothing; `bundle`, which is, does not change the bundle.
#[test]
fn annotations_do_nothing() {
    need_root!();
    if !is_ours() {
        skip(&this_test(), "runc lists them since 1.2");
        return;
    }
    assert_eq!(
        features()["potentiallyUnsafeConfigAnnotations"],
        json!(["bundle"])
    );
    let c = Container::new(|g| {
        g.set(
            "/annotations",
            json!({"bundle": "/", "org.systemd.property.TasksMax": "1", "org.criu.config": "/x"}),
        )
        .args(&["sleep", "1000"]);
    });
    c.create().ok();
    let state = c.state();
    assert_eq!(state["bundle"], c.bundle.path().to_str().unwrap());
}
