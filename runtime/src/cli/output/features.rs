//! `features`: what is supported, as the specification's features object.

use crate::cli::{SPEC_VERSION, VERSION};
use crate::log::push_json;

/// `linux.namespaces`: those that can be created.
const NAMESPACES: &[&str] = &["cgroup", "ipc", "mount", "network", "pid", "uts"];

/// One JSON value; objects keep their order.
enum Json<'a> {
    Bool(bool),
    Text(&'a str),
    List(&'a [&'a str]),
    Object(&'a [(&'a str, Json<'a>)]),
}

impl Json<'_> {
    /// Appends it as Go's `MarshalIndent` with four spaces does.
    fn push(&self, out: &mut String, depth: usize) {
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&"    ".repeat(depth));
        };
        match self {
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Text(text) => push_json(out, text),
            Json::List([]) => out.push_str("[]"),
            Json::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    line(out, depth + 1);
                    push_json(out, item);
                }
                line(out, depth);
                out.push(']');
            }
            Json::Object(fields) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    out.push(if at == 0 { '{' } else { ',' });
                    line(out, depth + 1);
                    push_json(out, name);
                    out.push_str(": ");
                    value.push(out, depth + 1);
                }
                line(out, depth);
                out.push('}');
            }
        }
    }
}

/// The text of `features`.
pub fn features() -> String {
    use Json::{Bool, List, Object, Text};
    let off = || Object(&[("enabled", Bool(false))]);
    let object = Object(&[
        ("ociVersionMin", Text("1.0.0")),
        ("ociVersionMax", Text(SPEC_VERSION)),
        ("hooks", List(&[])),
        ("mountOptions", List(MOUNT_OPTIONS)),
        (
            "linux",
            Object(&[
                ("namespaces", List(NAMESPACES)),
                ("capabilities", List(CAPABILITIES)),
                (
                    "cgroup",
                    Object(&[
                        ("v1", Bool(true)),
                        ("v2", Bool(false)),
                        ("systemd", Bool(false)),
                        ("systemdUser", Bool(false)),
                        ("rdma", Bool(true)),
                    ]),
                ),
                ("seccomp", off()),
                ("apparmor", off()),
                ("selinux", off()),
                ("intelRdt", off()),
                ("mountExtensions", Object(&[("idmap", off())])),
                ("netDevices", off()),
            ]),
        ),
        (
            "annotations",
            Object(&[
                ("org.opencontainers.runc.checkpoint.enabled", Text("false")),
                ("org.opencontainers.runc.version", Text(VERSION)),
            ]),
        ),
        ("potentiallyUnsafeConfigAnnotations", List(&["bundle"])),
    ]);
    let mut out = String::with_capacity(4096);
    object.push(&mut out, 0);
    out.push('\n');
    out
}

/// `linux.capabilities`, in the kernel's order.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// `mountOptions`, sorted: those that are not passed to the filesystem as they are.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];
