//! The config.json that `spec` writes: runc's, to the byte, but for `ociVersion`.

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// The version of the runtime-spec that this runtime follows.
pub const VERSION: &str = "1.3.0";

/// With marks for what depends on the kind.
const TEXT: &str = include_str!("template.json");

/// The text of a config.json to begin with: a shell with a terminal, in `rootfs`. `rootless`: for the calling user, in a user
/// namespace. No newline at the end, as runc.
pub fn template(rootless: bool) -> String {
    let unified =
        statfs("/sys/fs/cgroup").is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    let ids = rootless.then(|| {
        (
            nix::unistd::geteuid().as_raw(),
            nix::unistd::getegid().as_raw(),
        )
    });
    render(ids, unified)
}

/// `rootless`: the uid and gid that become root; `unified`: the host has cgroup v2 only.
fn render(rootless: Option<(u32, u32)>, unified: bool) -> String {
    let mut more = Vec::new();
    if unified {
        more.push("cgroup");
    }
    if rootless.is_some() {
        more.push("user");
    }
    let more: String = more
        .iter()
        .map(|kind| format!(",\n\t\t\t{{\n\t\t\t\t\"type\": \"{kind}\"\n\t\t\t}}"))
        .collect();
    let limits = match rootless {
        None => "\t\t\"resources\": {\n\t\t\t\"devices\": [\n\t\t\t\t{\n\t\t\t\t\t\"allow\": false,\n\t\t\t\t\t\"access\": \"rwm\"\n\t\t\t\t}\n\t\t\t]\n\t\t},\n"
            .to_owned(),
        Some((uid, gid)) => mapping("uid", uid) + &mapping("gid", gid),
    };
    let (devpts_gid, network, sys) = if rootless.is_some() {
        // Group 5 is not mapped; sysfs cannot be mounted without a network namespace of one's own.
        (
            "",
            "",
            "none\",\n\t\t\t\"source\": \"/sys\",\n\t\t\t\"options\": [\n\t\t\t\t\"rbind\",",
        )
    } else {
        (
            ",\n\t\t\t\t\"gid=5\"",
            "\t\t\t{\n\t\t\t\t\"type\": \"network\"\n\t\t\t},\n",
            "sysfs\",\n\t\t\t\"source\": \"sysfs\",\n\t\t\t\"options\": [",
        )
    };
    TEXT.replace("@VERSION@", VERSION)
        .replace("@DEVPTS_GID@", devpts_gid)
        .replace("@SYS@", sys)
        .replace("@LIMITS@", &limits)
        .replace("@NETWORK@", network)
        .replace("@MORE@", &more)
}

/// `uidMappings` or `gidMappings`: `host` becomes root.
fn mapping(kind: &str, host: u32) -> String {
    format!(
        "\t\t\"{kind}Mappings\": [\n\t\t\t{{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": {host},\n\t\t\t\t\"size\": 1\n\t\t\t}}\n\t\t],\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options' tree, with the marks filled in, as JSON.
    fn value(rootless: Option<(u32, u32)>, unified: bool) -> serde_json::Value {
        serde_json::from_str(&render(rootless, unified)).expect("the template is JSON")
    }

    #[test]
    fn kinds_differ_where_they_must() {
        let types = |config: &serde_json::Value| {
            let list = config["linux"]["namespaces"].as_array().expect("a list");
            list.iter()
                .map(|entry| entry["type"].as_str().expect("a string").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            types(&value(None, false)),
            ["pid", "network", "ipc", "uts", "mount"]
        );
        assert_eq!(
            types(&value(None, true)),
            ["pid", "network", "ipc", "uts", "mount", "cgroup"]
        );
        assert_eq!(
            types(&value(Some((1000, 100)), true)),
            ["pid", "ipc", "uts", "mount", "cgroup", "user"]
        );
        let rootless = value(Some((1000, 100)), false);
        assert_eq!(rootless["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(rootless["linux"]["gidMappings"][0]["hostID"], 100);
        assert_eq!(rootless["linux"]["resources"], serde_json::Value::Null);
        assert!(!render(None, false).contains('@'));
    }
}
