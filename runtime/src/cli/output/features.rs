//! `features`: what is supported, as the specification's features object.

use crate::cli::{SPEC_VERSION, VERSION};
use crate::log::push_json;
use crate::seccomp::Arch;
use crate::spec;

/// `linux.namespaces`: those that can be created and joined.
const NAMESPACES: &[&str] = &[
    "cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts",
];

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
    let on = || Object(&[("enabled", Bool(true))]);
    let off = || Object(&[("enabled", Bool(false))]);
    let options: Vec<&str> = spec::MOUNT_OPTION_NAMES.split(' ').collect();
    let capabilities: Vec<String> = spec::CAPABILITY_NAMES
        .split(' ')
        .map(|name| format!("CAP_{name}"))
        .collect();
    let capabilities: Vec<&str> = capabilities.iter().map(String::as_str).collect();
    let actions: Vec<&str> = spec::seccomp::ACTIONS.split(' ').collect();
    let operators: Vec<&str> = spec::seccomp::OPERATORS.split(' ').collect();
    let mut archs = Arch::ALL.map(Arch::oci_name);
    archs.sort_unstable();
    let known_flags: Vec<&str> = spec::seccomp::FLAGS.split(' ').collect();
    let memory_modes: Vec<&str> = spec::MEMORY_MODES.split(' ').collect();
    let memory_flags: Vec<&str> = spec::memory_flags().collect();
    let supported_flags: Vec<&str> = spec::seccomp::supported_flags().collect();
    let object = Object(&[
        ("ociVersionMin", Text("1.0.0")),
        ("ociVersionMax", Text(SPEC_VERSION)),
        (
            "hooks",
            List(&[
                "prestart",
                "createRuntime",
                "createContainer",
                "startContainer",
                "poststart",
                "poststop",
            ]),
        ),
        ("mountOptions", List(&options)),
        (
            "linux",
            Object(&[
                ("namespaces", List(NAMESPACES)),
                ("capabilities", List(&capabilities)),
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
                (
                    "seccomp",
                    Object(&[
                        ("enabled", Bool(true)),
                        ("actions", List(&actions)),
                        ("operators", List(&operators)),
                        ("archs", List(&archs)),
                        ("knownFlags", List(&known_flags)),
                        ("supportedFlags", List(&supported_flags)),
                    ]),
                ),
                ("apparmor", on()),
                ("selinux", on()),
                ("intelRdt", off()),
                (
                    "memoryPolicy",
                    Object(&[
                        ("modes", List(&memory_modes)),
                        ("flags", List(&memory_flags)),
                    ]),
                ),
                ("mountExtensions", Object(&[("idmap", on())])),
                ("netDevices", on()),
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
