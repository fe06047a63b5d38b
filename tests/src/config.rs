//! config.json for tests: what `runc spec` writes, without a terminal, then changed field by field.

use serde_json::{Value, json};

/// A config.json under construction. Paths are JSON pointers ("/process/cwd"); missing objects are made.
#[derive(Debug, Clone)]
pub struct Config(pub Value);

impl Default for Config {
    fn default() -> Self {
        let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
        Self(json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": ["true"],
                "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
                "cwd": "/",
                "capabilities": {"bounding": caps, "effective": caps, "permitted": caps, "ambient": caps},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
                "noNewPrivileges": true
            },
            "root": {"path": "rootfs", "readonly": true},
            "hostname": "runc",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                 "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
                {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                 "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
            ],
            "linux": {
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
                "namespaces": [
                    {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}, {"type": "mount"}
                ],
                "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                    "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
            }
        }))
    }
}

impl Config {
    /// Sets one field; the objects on the way are made when missing.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> &mut Self {
        let mut at = &mut self.0;
        for key in pointer.split('/').skip(1) {
            let key = key.replace("~1", "/").replace("~0", "~");
            at = match at {
                Value::Array(list) => {
                    let i: usize = key.parse().expect("an array index");
                    &mut list[i]
                }
                other => {
                    if other.is_null() {
                        *other = json!({});
                    }
                    other
                        .as_object_mut()
                        .expect("an object on the way")
                        .entry(key)
                        .or_insert(Value::Null)
                }
            };
        }
        *at = value.into();
        self
    }

    /// Removes one field of an object.
    pub fn remove(&mut self, pointer: &str) -> &mut Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        if let Some(Value::Object(map)) = self.0.pointer_mut(parent) {
            map.remove(key);
        }
        self
    }

    /// Appends to a list, which is made when missing.
    pub fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        if !matches!(self.0.pointer(pointer), Some(Value::Array(_))) {
            self.set(pointer, json!([]));
        }
        if let Some(Value::Array(list)) = self.0.pointer_mut(pointer) {
            list.push(value);
        }
        self
    }

    /// `process.args`
    pub fn args(&mut self, args: &[&str]) -> &mut Self {
        self.set("/process/args", args)
    }

    /// `process.args`: a shell script.
    pub fn sh(&mut self, script: &str) -> &mut Self {
        self.args(&["/bin/sh", "-c", script])
    }

    /// Appends a mount.
    pub fn mount(
        &mut self,
        destination: &str,
        fstype: &str,
        source: &str,
        options: &[&str],
    ) -> &mut Self {
        self.push("/mounts", json!({"destination": destination, "type": fstype, "source": source, "options": options}))
    }

    /// Appends a bind mount; `options` get `bind` in front.
    pub fn bind(
        &mut self,
        source: &std::path::Path,
        destination: &str,
        options: &[&str],
    ) -> &mut Self {
        let mut all = vec!["bind"];
        all.extend_from_slice(options);
        self.mount(destination, "bind", source.to_str().expect("UTF-8"), &all)
    }

    /// Removes the mount at this destination.
    pub fn unmount(&mut self, destination: &str) -> &mut Self {
        self.retain("/mounts", |m| m["destination"] != destination)
    }

    /// Removes the namespace of this type.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        self.retain("/linux/namespaces", |n| n["type"] != kind)
    }

    /// A new user namespace, whose ids from 0 are `size` of the host's, users and groups alike, from `first` on.
    pub fn user_namespace(&mut self, first: u32, size: u32) -> &mut Self {
        let map = json!([{"containerID": 0, "hostID": first, "size": size}]);
        self.push("/linux/namespaces", json!({"type": "user"}))
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
    }

    /// What a user without privilege can have: a new user namespace in which root is this user, and nothing else is mapped.
    pub fn rootless(&mut self, uid: u32) -> &mut Self {
        self.user_namespace(uid, 1).without_mount_option("gid=5")
    }

    /// Removes an option from all mounts.
    pub fn without_mount_option(&mut self, option: &str) -> &mut Self {
        for mount in self
            .0
            .pointer_mut("/mounts")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(Value::Array(options)) = mount.get_mut("options") {
                options.retain(|it| it != option);
            }
        }
        self
    }

    /// All five capability sets.
    pub fn caps(&mut self, caps: &[&str]) -> &mut Self {
        for set in [
            "bounding",
            "effective",
            "inheritable",
            "permitted",
            "ambient",
        ] {
            self.set(&format!("/process/capabilities/{set}"), caps);
        }
        self
    }

    fn retain(&mut self, pointer: &str, keep: impl Fn(&Value) -> bool) -> &mut Self {
        if let Some(Value::Array(list)) = self.0.pointer_mut(pointer) {
            list.retain(keep);
        }
        self
    }
}
