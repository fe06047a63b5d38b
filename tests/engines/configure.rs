//! The engines' configurations: those of docs/engines.md, and what a sandbox needs beside them. Nothing of the machine's own.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::engine::{Engine, Kind};
use crate::page;
use crate::sandbox::WORK;

/// The ordinary user.
const USER: u32 = 12345;

impl Engine {
    /// containers.conf and storage.conf below `home`, and nothing of the system's own.
    pub fn podman(&mut self, home: &Path, run: &str) {
        let runtime = &self.runtime;
        let binary = self.binary();
        let home_text = home.display();
        let run = home.join(run);
        let run_text = run.display();
        let write = |name: &str, text: String| {
            let path = home.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let containers = write(
            "containers.conf",
            page::with(
                &page::block("toml", "[engine.runtimes]", runtime, &binary),
                "[engine]\n",
                &format!(
                    r#"events_logger = "file"
events_logfile_path = "{home_text}/data/events"
tmp_dir = "{run_text}/libpod"
volume_path = "{home_text}/data/volumes"
"#
                ),
            ) + &format!(
                r#"[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
log_driver = "k8s-file"
netns = "none"
[network]
network_config_dir = "{home_text}/data/networks"
"#
            ),
        );
        let storage = write(
            "storage.conf",
            format!(
                r#"[storage]
driver = "overlay"
graphroot = "{home_text}/data/storage"
runroot = "{run_text}/storage"
"#
            ),
        );
        // For `userns=auto`, whose ranges are this user's.
        append("/etc/subuid", "containers:1000000:1000000\n");
        append("/etc/subgid", "containers:1000000:1000000\n");
        self.client = ["env".to_owned()].to_vec();
        self.client.push(format!("CONTAINERS_CONF={containers}"));
        self.client
            .push(format!("CONTAINERS_STORAGE_CONF={storage}"));
        self.client.push("podman".into());
    }

    /// The same for a user whom the sandbox's /etc gets, with ranges of ids of its own.
    pub fn podman_of_a_user(&mut self) {
        let home = Path::new(WORK).join("home");
        append(
            "/etc/passwd",
            &format!("tester:x:{USER}:{USER}::{WORK}/home:/bin/sh\n"),
        );
        append("/etc/group", &format!("tester:x:{USER}:\n"));
        append("/etc/subuid", "tester:300000:65536\n");
        append("/etc/subgid", "tester:300000:65536\n");
        for d in ["", "data", "run"] {
            std::fs::create_dir_all(home.join(d)).unwrap();
            chown(home.join(d), Some(USER), Some(USER)).unwrap();
        }
        self.podman(&home, "run");
        let user = USER.to_string();
        let mut client = delegated();
        client.extend(["setpriv", "--reuid", &user, "--regid", &user].map(String::from));
        client.extend(["--init-groups", "--inh-caps=-all", "env", "-i"].map(String::from));
        client.push(format!("PATH={}", crate::sandbox::PATH));
        client.push(format!("HOME={}", home.display()));
        client.push(format!("XDG_RUNTIME_DIR={}", home.join("run").display()));
        client.append(&mut self.client);
        self.client = client;
    }

    /// daemon.json, and dockerd.
    pub fn docker(&mut self) {
        let work = WORK;
        std::fs::create_dir_all(format!("{work}/docker")).unwrap();
        std::fs::write(
            format!("{work}/daemon.json"),
            page::with(
                &page::block(
                    "json",
                    "\"runtimes\": {\"runc-rs\": {\"path\": \"/usr/local/bin/runc-rs\"}},",
                    self.name_in_docker(),
                    &self.binary(),
                ),
                "{\n",
                &format!(
                    r#"  "storage-driver": "overlay2",
  "data-root": "{work}/data/docker",
  "exec-root": "{work}/run/docker",
  "pidfile": "{work}/run/docker.pid",
  "hosts": ["unix://{work}/run/docker.sock"],
  "default-ulimits": {{"nofile": {{"Name": "nofile", "Soft": 20000, "Hard": 20000}}}},
"#
                ),
            ),
        )
        .unwrap();
        self.client = [
            "env".to_owned(),
            format!("DOCKER_HOST=unix://{work}/run/docker.sock"),
            format!("DOCKER_CONFIG={work}/docker"),
            "docker".to_owned(),
        ]
        .into();
        self.dockerd(&[]);
    }

    /// containerd's configuration with its CRI plugin, a network for pods, and containerd.
    pub fn containerd(&mut self) {
        let work = WORK;
        std::fs::create_dir_all(format!("{work}/cni")).unwrap();
        std::fs::create_dir_all(format!("{work}/logs")).unwrap();
        std::fs::write(
            format!("{work}/cri_client.py"),
            include_str!("cri_client.py"),
        )
        .unwrap();
        std::fs::write(
            format!("{work}/cni/10-pods.conflist"),
            r#"{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}
"#,
        )
        .unwrap();
        let config = format!("{work}/containerd.toml");
        std::fs::write(
            &config,
            page::with(
                &page::block("toml", "version = 2", &self.runtime, &self.binary()),
                "version = 2\n",
                &format!(
                    r#"root = "{work}/data/containerd"
state = "{work}/run/containerd"
[grpc]
  address = "{work}/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{work}/data/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_tcp_service = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{work}/cni"
"#,
                    pause = crate::image::PAUSE,
                ),
            ),
        )
        .unwrap();
        let mut daemon = Command::new("containerd");
        daemon.args(["--config", &config]);
        self.client = vec![
            "ctr".into(),
            "--address".into(),
            format!("{work}/run/containerd.sock"),
        ];
        if self.kind == Kind::Cri {
            self.client.extend(["-n".into(), "k8s.io".into()]);
        }
        self.await_daemon(daemon, &["version"]);
    }
}

/// What enters the user's own cgroup: a subtree of version 2, as a manager would give it to a session.
fn delegated() -> Vec<String> {
    if !integration::is_v2() {
        return Vec::new();
    }
    let group = Path::new("/sys/fs/cgroup/of-the-user");
    give_group(group, true);
    let all = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap();
    let all: Vec<String> = all.split_whitespace().map(|c| format!("+{c}")).collect();
    std::fs::write(group.join("cgroup.subtree_control"), all.join(" ")).unwrap();
    let inner = group.join("session");
    give_group(&inner, true);
    entering(&inner)
}

/// A prefix for a command in this group.
pub fn entering(group: &Path) -> Vec<String> {
    let enter = format!("echo 0 >{}/cgroup.procs && exec \"$@\"", group.display());
    ["sh", "-c", &enter, "sh"].map(String::from).into()
}

/// A new group of version 2; the user's (cgroups(7), "Delegation") or root's.
pub fn give_group(group: &Path, to_user: bool) {
    std::fs::create_dir(group).unwrap();
    for file in [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        if to_user {
            chown(group.join(file), Some(USER), Some(USER)).unwrap();
        }
    }
}

/// Adds to a file of /etc.
pub fn append(path: &str, text: &str) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
