//! `features`: what is supported, as the specification's features object.

use crate::cli::{COMMIT, SPEC_VERSION, VERSION};
use crate::hooks;
use crate::log::push_json;
use crate::seccomp::Arch;
use crate::spec;

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
    let options: Vec<&str> = spec::MOUNT_OPTION_NAMES.split(' ').collect();
    let capabilities: Vec<String> = spec::CAPABILITY_NAMES
        .split(' ')
        .map(|name| format!("CAP_{name}"))
        .collect();
    let capabilities: Vec<&str> = capabilities.iter().map(String::as_str).collect();
    let actions: Vec<&str> = spec::seccomp::ACTIONS.split(' ').collect();
    let operators: Vec<&str> = spec::seccomp::OPERATORS.split(' ').collect();
    let mut archs: Vec<&str> = Arch::oci_names().collect();
    archs.sort_unstable();
    let namespaces: Vec<&str> = spec::NAMESPACE_NAMES.split(' ').collect();
    let hooks = hooks::Kind::ALL.map(hooks::Kind::name);
    let known_flags: Vec<&str> = spec::seccomp::FLAGS.split(' ').collect();
    let memory_modes: Vec<&str> = spec::MEMORY_MODES.split(' ').collect();
    let memory_flags: Vec<&str> = spec::memory_flags().collect();
    let supported_flags: Vec<&str> = spec::seccomp::supported_flags().collect();
    let mut annotations = vec![("org.opencontainers.runc.checkpoint.enabled", Text("false"))];
    if let Some(commit) = COMMIT {
        annotations.push(("org.opencontainers.runc.commit", Text(commit)));
    }
    annotations.push(("org.opencontainers.runc.version", Text(VERSION)));
    let object = Object(&[
        ("ociVersionMin", Text("1.0.0")),
        ("ociVersionMax", Text(SPEC_VERSION)),
        ("hooks", List(&hooks)),
        ("mountOptions", List(&options)),
        (
            "linux",
            Object(&[
                ("namespaces", List(&namespaces)),
                ("capabilities", List(&capabilities)),
                (
                    "cgroup",
                    Object(&[
                        ("v1", Bool(true)),
                        ("v2", Bool(true)),
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
                (
                    "intelRdt",
                    Object(&[
                        ("enabled", Bool(false)),
                        ("schemata", Bool(false)),
                        ("monitoring", Bool(false)),
                    ]),
                ),
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
        ("annotations", Object(&annotations)),
        ("potentiallyUnsafeConfigAnnotations", List(&["bundle"])),
    ]);
    let mut out = String::with_capacity(4096);
    object.push(&mut out, 0);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests;
