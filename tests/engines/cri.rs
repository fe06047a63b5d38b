//! containerd as Kubernetes' kubelet uses it: its CRI plugin, called over its socket by a small client (`cri_client.py`).

use serde_json::{Value, json};

use crate::engine::{Engine, run};
use crate::image::BUSYBOX;
use crate::sandbox::WORK;

/// A call; its failure is the status and the details.
fn call(method: &str, request: &Value) -> Result<Value, String> {
    let client = format!("{WORK}/cri_client.py");
    let socket = format!("{WORK}/run/containerd.sock");
    let out = run("python3", &[&client, &socket, method], &request.to_string());
    if out.code == 0 {
        Ok(serde_json::from_str(&out.stdout).unwrap())
    } else {
        Err(out.stderr)
    }
}

#[track_caller]
fn get(method: &str, request: &Value) -> Value {
    call(method, request).unwrap_or_else(|e| panic!("{e}"))
}

/// The other name that a response has for the same number as a string.
fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or(0)
}

pub fn remove_all(_: &Engine) {
    let all = get("ListPodSandbox", &json!({}));
    for item in all["items"].as_array().into_iter().flatten() {
        let id = json!({"pod_sandbox_id": item["id"]});
        get("StopPodSandbox", &id);
        get("RemovePodSandbox", &id);
    }
}

/// A pod's configuration.
fn pod_config(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": name, "namespace": "tests"},
        "hostname": name,
        "log_directory": format!("{WORK}/logs"),
        "linux": {"cgroup_parent": "/kubepods"},
    })
}

/// A running pod sandbox.
struct Pod {
    id: Value,
    config: Value,
}

impl Pod {
    fn new(name: &str) -> Self {
        let config = pod_config(name);
        let id = get("RunPodSandbox", &json!({"config": config}))["pod_sandbox_id"].clone();
        Self { id, config }
    }

    /// A container of a shell script, created.
    fn container(&self, name: &str, script: &str, linux: Value) -> Container {
        self.program(name, &["sh", "-c", script], linux)
    }

    fn program(&self, name: &str, command: &[&str], linux: Value) -> Container {
        let _ = std::fs::remove_file(format!("{WORK}/logs/{name}.log"));
        let request = json!({
            "pod_sandbox_id": self.id,
            "sandbox_config": self.config,
            "config": {
                "metadata": {"name": name},
                "image": {"image": BUSYBOX},
                "command": command,
                "envs": [{"key": "A", "value": "b"}],
                "working_dir": "/tmp",
                "log_path": format!("{name}.log"),
                "linux": linux,
            },
        });
        Container(get("CreateContainer", &request)["container_id"].clone())
    }
}

struct Container(Value);

impl Container {
    fn start(self) -> Self {
        get("StartContainer", &json!({"container_id": self.0}));
        self
    }

    fn status(&self) -> Value {
        get("ContainerStatus", &json!({"container_id": self.0}))["status"].clone()
    }

    /// Waits for its end.
    #[track_caller]
    fn ended(&self) -> Value {
        let mut status = Value::Null;
        let there = crate::engine::until(|| {
            status = self.status();
            number(&status["state"]) == 2
        });
        assert!(there, "{status}");
        status
    }

    /// (exit code, standard output, standard error)
    fn exec(&self, script: &str) -> (i64, String, String) {
        let request = json!({"container_id": self.0, "cmd": ["sh", "-c", script], "timeout": 10});
        let answer = get("ExecSync", &request);
        let text = |name: &str| decode(answer[name].as_str().unwrap_or_default());
        (number(&answer["exit_code"]), text("stdout"), text("stderr"))
    }
}

/// Base64.
fn decode(text: &str) -> String {
    run("base64", &["-d"], text).ok().stdout
}

/// Waits for the words of a container's log.
#[track_caller]
fn logged(name: &str, expected: &str) {
    let mut seen = String::new();
    let there = crate::engine::until(|| {
        seen = log(name);
        seen == expected
    });
    assert!(there, "{name}: {seen:?}, not {expected:?}");
}

/// The words of a container's log, without its times and streams.
fn log(name: &str) -> String {
    let text = std::fs::read_to_string(format!("{WORK}/logs/{name}.log")).unwrap_or_default();
    text.lines()
        .filter_map(|l| l.splitn(4, ' ').nth(3))
        .collect::<Vec<_>>()
        .join("\n")
}

pub fn status(_: &Engine) {
    assert_eq!(get("Version", &json!({}))["runtime_name"], "containerd");
    let mut status = Value::Null;
    let ready = crate::engine::until(|| {
        status = get("Status", &json!({}));
        let all = status["status"]["conditions"].as_array().unwrap();
        all.len() == 2 && all.iter().all(|c| c["status"] == true)
    });
    assert!(ready, "{status}");
}

pub fn sandbox(_: &Engine) {
    let pod = Pod::new("pod");
    let request = json!({"pod_sandbox_id": pod.id});
    let status = get("PodSandboxStatus", &request);
    // 0, which is not sent, is ready.
    assert_eq!(number(&status["status"]["state"]), 0, "{status}");
    let ip = status["status"]["network"]["ip"]
        .as_str()
        .unwrap_or_default();
    assert!(ip.starts_with("10.99.0."), "{status}");
    get("StopPodSandbox", &request);
    let status = get("PodSandboxStatus", &request);
    assert_eq!(number(&status["status"]["state"]), 1, "{status}");
    get("RemovePodSandbox", &request);
}

/// The handler of a RuntimeClass is a runtime's name in containerd's configuration.
pub fn runtime_class(e: &Engine) {
    let handler = |name: &str| {
        call(
            "RunPodSandbox",
            &json!({"config": pod_config("class"), "runtime_handler": name}),
        )
    };
    handler(&e.runtime).unwrap_or_else(|e| panic!("{e}"));
    remove_all(e);
    let refused = handler("no-such").expect_err("a handler that is none");
    assert!(
        refused.contains("no runtime for \"no-such\" is configured"),
        "{refused}"
    );
}

pub fn container(_: &Engine) {
    let pod = Pod::new("pod");
    let c = pod.container("c", "echo $A; pwd; hostname; exit 3", json!({}));
    assert_eq!(number(&c.status()["state"]), 0, "created");
    let status = c.start().ended();
    assert_eq!(number(&status["exit_code"]), 3, "{status}");
    assert_eq!(status["reason"], "Error");
    logged("c", "b\n/tmp\npod");
    let status = pod.container("d", "true", json!({})).start().ended();
    assert_eq!(status["reason"], "Completed");
}

pub fn not_found(_: &Engine) {
    let pod = Pod::new("pod");
    let c = pod.program("c", &["nope"], json!({}));
    let refused = call("StartContainer", &json!({"container_id": c.0})).expect_err("no program");
    assert!(
        refused.contains("exec: \"nope\": executable file not found in $PATH"),
        "{refused}"
    );
    let status = c.ended();
    assert_eq!(
        (number(&status["exit_code"]), &status["reason"]),
        (128, &json!("StartError"))
    );
}

pub fn exec(_: &Engine) {
    let pod = Pod::new("pod");
    let c = pod.container("c", "exec sleep 1000", json!({})).start();
    assert_eq!(
        c.exec("echo out; echo err >&2; exit 5"),
        (5, "out\n".into(), "err\n".into())
    );
    let request = json!({"container_id": c.0, "cmd": ["nope"]});
    let refused = call("ExecSync", &request).expect_err("no program");
    assert!(
        refused.contains("executable file not found in $PATH"),
        "{refused}"
    );
    let request = json!({"container_id": c.0, "cmd": ["sleep", "100"], "timeout": 1});
    let refused = call("ExecSync", &request).expect_err("a timeout");
    assert!(
        refused.contains("DEADLINE_EXCEEDED") || refused.contains("timeout"),
        "{refused}"
    );
}

pub fn stop(_: &Engine) {
    let pod = Pod::new("pod");
    let script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
    let c = pod.container("c", script, json!({})).start();
    logged("c", "up");
    get(
        "StopContainer",
        &json!({"container_id": c.0, "timeout": 10}),
    );
    assert_eq!(number(&c.status()["exit_code"]), 7);
    get("RemoveContainer", &json!({"container_id": c.0}));
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let c = pod.container("d", script, json!({})).start();
    logged("d", "up");
    get("StopContainer", &json!({"container_id": c.0, "timeout": 1}));
    assert_eq!(number(&c.status()["exit_code"]), 137);
}

pub fn update(_: &Engine) {
    let pod = Pod::new("pod");
    let c = pod
        .container(
            "c",
            "exec sleep 1000",
            json!({"resources": {"memory_limit_in_bytes": 134_217_728, "cpu_quota": 50000, "cpu_period": 100_000}}),
        )
        .start();
    let files =
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares";
    assert_eq!(c.exec(files).1, "134217728\n50000\n1024\n");
    let new = json!({"memory_limit_in_bytes": 67_108_864, "cpu_quota": 20000, "cpu_period": 100_000, "cpu_shares": 512});
    get(
        "UpdateContainerResources",
        &json!({"container_id": c.0, "linux": new}),
    );
    assert_eq!(c.exec(files).1, "67108864\n20000\n512\n");
    let stats = get("ContainerStats", &json!({"container_id": c.0}));
    let used = |path: &str| number(stats.pointer(path).unwrap_or(&Value::Null));
    assert!(
        used("/stats/cpu/usage_core_nano_seconds/value") > 0,
        "{stats}"
    );
    assert!(used("/stats/memory/working_set_bytes/value") > 0, "{stats}");
}

pub fn oom(_: &Engine) {
    let pod = Pod::new("pod");
    let status = pod
        .container(
            "c",
            "x=0123456789; while :; do x=$x$x; done",
            json!({"resources": {"memory_limit_in_bytes": 16_777_216}}),
        )
        .start()
        .ended();
    assert_eq!(
        (number(&status["exit_code"]), &status["reason"]),
        (137, &json!("OOMKilled"))
    );
}

pub fn security(_: &Engine) {
    let pod = Pod::new("pod");
    // The log's two streams are read by two threads: their lines have no order among each other.
    let script = "exec 2>&1; id -u; id -g; touch /x; \
                  grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status";
    let status = pod
        .container(
            "c",
            script,
            json!({"security_context": {
                "run_as_user": {"value": 1000},
                "run_as_group": {"value": 2000},
                "readonly_rootfs": true,
                "no_new_privs": true,
                "capabilities": {"drop_capabilities": ["ALL"]},
                "seccomp": {"profile_type": 0},
            }}),
        )
        .start()
        .ended();
    assert_eq!(number(&status["exit_code"]), 0, "{status}");
    logged(
        "c",
        "1000\n2000\ntouch: /x: Read-only file system\n\
         CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2",
    );
    pod.container(
        "added",
        "grep CapEff /proc/self/status",
        json!({"security_context": {"capabilities": {"add_capabilities": ["NET_ADMIN"]}, "seccomp": {"profile_type": 1}}}),
    )
    .start()
    .ended();
    let text = log("added");
    let mask = u64::from_str_radix(text.trim_start_matches("CapEff:\t"), 16).unwrap();
    assert!(mask & (1 << 12) != 0, "{text}");
}

pub fn pid_namespace(_: &Engine) {
    let pod = Pod::new("pod");
    let pod_wide = json!({"security_context": {"namespace_options": {"pid": 0}}});
    let c = pod.container("c", "exec sleep 1000", pod_wide).start();
    let (_, seen, _) = c.exec("cat /proc/1/comm; readlink /proc/self/ns/pid");
    assert!(seen.starts_with("catatonit\n"), "{seen}");
    let own = json!({"security_context": {"namespace_options": {"pid": 1}}});
    let c = pod.container("d", "exec sleep 1000", own).start();
    let (_, own, _) = c.exec("cat /proc/1/comm; readlink /proc/self/ns/pid");
    assert!(
        own.starts_with("sleep\n") && own.lines().nth(1) != seen.lines().nth(1),
        "{own}"
    );
}

pub fn remove(e: &Engine) {
    let pod = Pod::new("pod");
    pod.container("c", "exec sleep 1000", json!({})).start();
    pod.container("d", "exec sleep 1000", json!({}));
    remove_all(e);
}
