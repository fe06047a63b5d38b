//! config.json -> [`Plan`]: the only place that sees JSON.
//!
//! [`load`] reads the bundle's config.json, checks everything that can be checked before something is created, and returns
//! what will be done. What runc refuses is refused in runc's words; what runc warns of is in [`Plan::warnings`]; what is
//! legal but not there yet is refused by name (`refuse.rs`), never ignored.
//!
//! One direction: text -> `config` (the file as it is written) -> `Plan` (what it means). Nothing here changes the machine.

mod capability;
mod config;
mod devices;
mod env;
mod error;
mod exec;
mod execution;
mod hooks;
mod idmaps;
mod json;
mod limits;
mod linux;
mod locate;
mod mounts;
mod namespaces;
mod net_devices;
mod options;
mod path;
mod process;
mod read;
mod refuse;
mod resources;
mod rootless;
pub mod seccomp;
mod sysctl;
mod template;
mod version;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::Path;

pub use capability::NAMES as CAPABILITY_NAMES;
pub use error::{Error, Result};
pub use exec::{ExecLine, ExecProcess, exec};
pub use execution::{MEMORY_MODES, memory_flags};
pub use limits::limits;
pub use namespaces::NAMES as NAMESPACE_NAMES;
pub use options::NAMES as MOUNT_OPTION_NAMES;
pub use read::{text, text_of};
pub use template::{VERSION, template};

use crate::plan::{InitPlan, Plan};
use crate::sys::close::Batch;

/// The largest config.json that is read, in bytes. runc has no limit, and reads 100 MB of blanks into memory; the largest
/// that an engine is known to write is under 1 MiB.
pub const MAX_SIZE: u64 = 16 << 20;

/// What the plan depends on besides config.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// `--no-pivot`
    pub no_pivot: bool,
    /// The caller is not root.
    pub rootless: bool,
    /// `--systemd-cgroup`: `cgroupsPath` is `slice:prefix:name`.
    pub systemd_cgroup: bool,
    /// `create`, or `run --detach`: nobody holds the terminal.
    pub detach: bool,
    /// `--console-socket` is given.
    pub console_socket: bool,
}

/// A config.json that was read, still open.
#[derive(Debug)]
pub struct ConfigFile {
    /// At its end.
    pub file: OwnedFd,
    /// How many bytes were read.
    pub size: usize,
}

/// Reads `bundle`/config.json. The plan's paths are absolute; the root filesystem exists.
///
/// # Errors
/// Everything of [`Error`]; the text names the field or the path.
pub fn load(bundle: &Path, options: &LoadOptions) -> Result<Plan> {
    load_keeping(bundle, options).map(|(plan, _)| plan)
}

/// As [`load`]; with config.json itself, which is still open.
///
/// # Errors
/// As [`load`].
pub fn load_keeping(bundle: &Path, options: &LoadOptions) -> Result<(Plan, ConfigFile)> {
    let mut files = Batch::with_capacity(1);
    let (text, file) = read::config(bundle)?;
    let (bundle, mut plan) = {
        let bundle = read::bundle(bundle)?;
        let plan = parse(&text, &bundle, options)?;
        (bundle, plan)
    };
    plan.init.rootfs.path = read::rootfs(&bundle, &plan.init.rootfs.path, &mut files)?;
    let config = ConfigFile {
        file: file.into(),
        size: text.len(),
    };
    Ok((plan, config))
}

/// As [`load`], without touching the file system: `json` is config.json, `bundle` the absolute path of its directory, which
/// relative paths of the config are joined to.
///
/// # Errors
/// As [`load`], but for those of the file system.
pub fn parse(json: &[u8], bundle: &str, options: &LoadOptions) -> Result<Plan> {
    let config = read::json(json)?;
    plan(config, bundle, options)
}

/// What `config` means.
fn plan(config: config::Config<'_>, bundle: &str, options: &LoadOptions) -> Result<Plan> {
    let mut warnings = Vec::new();
    let oci_version = version::check(config.oci_version)?;
    let mut process = config
        .process
        .ok_or_else(|| Error::refused("process property must not be empty"))?;
    // runc's order: first what cannot run at all.
    process::check(&process)?;
    let root = config
        .root
        .ok_or_else(|| Error::refused("root must be specified"))?;
    let linux = config.linux.unwrap_or_default();
    refuse::sections(&linux)?;
    let hostname = linux::name("hostname", config.hostname)?;
    let domainname = linux::name("domainname", config.domainname)?;
    let spaces = namespaces::plan(
        &linux,
        hostname.is_some(),
        domainname.is_some(),
        options.no_pivot,
    )?;
    let (namespaces, joined) = (spaces.new, spaces.joined);
    let id_maps = idmaps::plan(linux.uid_mappings, linux.gid_mappings, namespaces, joined)?;
    let time_offsets = namespaces::time_offsets(linux.time_offsets, namespaces, joined)?;
    // A joined namespace is not the host's either.
    let sysctl = sysctl::plan(
        linux.sysctl,
        crate::plan::Namespaces(namespaces.0 | joined.0),
    )?;
    let exec_affinity = (process.exec_cpu_affinity.as_ref())
        .map(execution::cpu_affinity)
        .transpose()?
        .unwrap_or_default();
    let net_devices = net_devices::plan(linux.net_devices, namespaces, joined)?;
    let execution = execution::plan(
        &mut process,
        linux.personality,
        linux.memory_policy,
        &mut warnings,
    )?;
    let process = process::plan(process, options, &mut warnings)?;
    let mut mounts = Vec::with_capacity(config.mounts.as_ref().map_or(0, Vec::len));
    for (index, mount) in config.mounts.unwrap_or_default().into_iter().enumerate() {
        mounts.push(mounts::plan(index, mount, bundle, &mut warnings)?);
    }
    let rootfs = linux::rootfs(
        root,
        linux::Parts {
            propagation: linux.rootfs_propagation,
            devices: linux.devices,
            masked_paths: linux.masked_paths,
            readonly_paths: linux.readonly_paths,
            mount_label: linux.mount_label,
        },
        mounts,
        bundle,
        options,
    )?;
    if options.rootless {
        let any = crate::plan::Namespaces(namespaces.0 | joined.0);
        rootless::check(any, &id_maps, &process, &rootfs.mounts)?;
    }
    idmaps::check_user(&id_maps, &process)?;
    let cgroup = resources::plan(linux.cgroups_path, linux.resources, options, &mut warnings)?;

    let seccomp = seccomp::plan(linux.seccomp, &mut warnings)?;

    let (hooks, init_hooks) = hooks::plan(config.hooks)?;

    let annotations = annotations(config.annotations)?;

    Ok(Plan {
        oci_version,
        init: InitPlan {
            namespaces,
            joined,
            time_offsets,
            rootfs,
            process,
            execution,
            hostname,
            domainname,
            sysctl,
            hooks: init_hooks,
        },
        join: spaces.join,
        id_maps,
        net_devices,
        cgroup,
        exec_affinity,
        seccomp,
        hooks,
        annotations,
        warnings: warnings.into_iter().map(error::clip).collect(),
    })
}

fn annotations(
    annotations: Option<json::Map<'_, json::Str<'_>>>,
) -> Result<std::collections::BTreeMap<String, String>> {
    let mut taken = std::collections::BTreeMap::new();
    for (key, value) in annotations.unwrap_or_default().0 {
        if key.is_empty() {
            return Err(Error::invalid("annotations", "a key must not be empty"));
        }
        taken.insert(key.into_string(), value.into_string());
    }
    Ok(taken)
}
