//! What the commands on a running container are given.

use std::fs::File;
use std::os::fd::AsRawFd;

use integration::{Config, Container};
use serde_json::{Value, json};

use super::bundle::{PAYLOAD, PROGRAM, has_controller as has};
use super::running::Before;

/// What exec's program is given besides what the container's has.
const EXEC: [&str; 20] = [
    "--user",
    "1001:1002",
    "--additional-gids",
    "1003",
    "--cwd",
    "/bound",
    "--cap",
    "CAP_KILL",
    "--env",
    "EXEC=yes",
    "--env",
    "AS_UID=1001",
    "--env",
    "AS_GID=1002",
    "--env",
    "CWD=/bound",
    "--env",
    "BOUNDING=0000000000000020",
    "--env",
    "GROUP=1003",
];

/// A network namespace for one container after the other: to make one takes longer than a case. It is held by a file, not by a
/// process: the tracer waits for every child of its thread.
#[derive(Debug)]
pub struct Net(#[expect(dead_code, reason = "open as long as it lives")] File);

impl Net {
    /// Makes it, and lets the container join it.
    pub fn of(g: &mut Config) -> Self {
        let busybox = integration::find_busybox();
        let mut child = std::process::Command::new(busybox)
            .args(["unshare", "-n", "sleep", "100000"])
            .spawn()
            .unwrap();
        let path = format!("/proc/{}/ns/net", child.id());
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let made = || std::fs::read_link(&path).is_ok_and(|it| it != own);
        assert!(integration::wait_until(made));
        let file = File::open(&path).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        g.without_namespace("network").push(
            "/linux/namespaces",
            json!({"type": "network", "path": path}),
        );
        Self(file)
    }
}

/// The bundle's container only sleeps: it is not what is tried here.
pub fn config(g: &mut Config, command: &str) {
    g.args(&[&format!("/bin/{PROGRAM}"), "sleep", "1000"]);
    if command.starts_with("update") {
        if has("cpu") {
            g.set(
                "/linux/resources/cpu",
                json!({"shares": 512, "quota": 50000, "period": 100_000}),
            );
        }
        if integration::is_v2() && has("hugetlb") {
            g.set(
                "/linux/resources/hugepageLimits",
                json!([{"pageSize": "2MB", "limit": 8 << 20}]),
            );
        }
    }
}

/// Is there something that the command can do here?
pub fn is_possible(command: &str) -> bool {
    match command {
        // crun 1.8 makes a text of the options that it cannot read itself, now and then.
        "update" => !is_crun() && ["pids", "memory", "cpu"].into_iter().any(has),
        "events" => !is_crun(),
        _ => true,
    }
}

/// It has no `events`, and what its `exec` is not told is not as the container's process has it.
fn is_crun() -> bool {
    integration::runtime_binary().ends_with("crun")
}

/// [`EXEC`] as the `--process` of a runtime that has not all of the options.
fn process(c: &Container, more: Vec<String>, args: &[&str]) -> Value {
    let mut process = c.bundle.config.0["process"].clone();
    process["args"] = json!(args);
    process["user"] = json!({"uid": 1001, "gid": 1002, "additionalGids": [1003]});
    process["cwd"] = json!("/bound");
    for set in ["bounding", "effective", "permitted"] {
        process["capabilities"][set] = json!(["CAP_KILL"]);
    }
    let words = EXEC.iter().filter(|word| word.contains('='));
    let words = words.map(|word| (*word).to_owned()).chain(more);
    // Which crun 1.8 leaves as it is, asked or not.
    let words = words.chain(["OOM=0".to_owned()]);
    if let Some(Value::Array(env)) = process.get_mut("env") {
        env.extend(words.map(Value::from));
    }
    process
}

/// The resources of `update -r`.
pub fn resources() -> Value {
    let mut all = json!({});
    if has("pids") {
        all["pids"] = json!({"limit": 40});
    }
    if has("memory") {
        all["memory"] = json!({"limit": 96 << 20});
    }
    if has("cpu") {
        all["cpu"] = json!({"shares": 256, "quota": 30000, "period": 60000});
    }
    if integration::is_v2() && has("hugetlb") {
        all["unified"] = json!({"hugetlb.2MB.max": "4194304", "hugetlb.2MB.rsvd.max": "6291456"});
    }
    all
}

/// Its arguments.
pub fn args(command: &str, c: &Container, before: &Before) -> Vec<String> {
    let dir = c.bundle.path();
    let file = |name: &str| dir.join(name).display().to_string();
    let mut args: Vec<String> = Vec::new();
    let mut push = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    match command {
        "exec" | "exec-detach" => {
            push(&["exec"]);
            let mut env = Vec::new();
            let spaces = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
            for name in spaces {
                let own = std::fs::read_link(format!("/proc/{}/ns/{name}", before.init));
                env.push(format!("INIT_{name}={}", own.unwrap().display()));
            }
            let after = match command {
                "exec" => "",
                _ => {
                    push(&["--detach", "--pid-file", &file("exec.pid")]);
                    &format!("\nexec /bin/{PROGRAM} sleep 1000")
                }
            };
            let program = format!("/bin/{PROGRAM}");
            let program = [&program, "sh", "-c", &format!("{PAYLOAD}{after}")];
            if is_crun() {
                let path = file("process.json");
                std::fs::write(&path, process(c, env, &program).to_string()).unwrap();
                push(&["--process", &path, &c.id]);
            } else {
                push(&EXEC);
                for word in &env {
                    push(&["--env", word]);
                }
                push(&[&c.id]);
                push(&program);
            }
        }
        "update" => {
            push(&["update"]);
            if has("pids") {
                push(&["--pids-limit", "40"]);
            }
            if has("memory") {
                push(&["--memory", "96m"]);
            }
            if has("cpu") {
                push(&["--cpu-share", "256", "--cpu-quota", "30000"]);
                push(&["--cpu-period", "60000"]);
            }
            push(&[&c.id]);
        }
        "update-file" => push(&["update", "-r", &file("limits.json"), &c.id]),
        "ps" => push(&["ps", "--format", "json", &c.id]),
        "ps-table" => push(&["ps", &c.id]),
        "events" => push(&["events", "--stats", &c.id]),
        other => push(&[other, &c.id]),
    }
    args
}
