//! The rest of `linux`, and `root`: what the root filesystem is made of.

use super::config::{Device, Root};
use super::error::{Error, Result};
use super::json::Str;
use super::{LoadOptions, devices, path};
use crate::plan::{MountKind, MountPlan, RootfsPlan};

/// The longest name that the kernel's UTS namespace holds, in bytes.
const NAME_MAX: usize = 64;

/// `hostname` or `domainname`; an empty one asks for nothing.
pub(super) fn name(field: &str, name: Option<Str<'_>>) -> Result<Option<String>> {
    match name {
        Some(name) if name.len() > NAME_MAX => Err(Error::invalid(
            field,
            format!("{} bytes, the kernel takes at most {NAME_MAX}", name.len()),
        )),
        Some(name) if !name.is_empty() => Ok(Some(name.into_string())),
        _ => Ok(None),
    }
}

/// `rootfsPropagation` as `MS_*` bits.
pub(super) fn propagation(word: Option<&str>, no_pivot: bool) -> Result<u64> {
    let word = match word {
        None | Some("") => return Ok(libc::MS_SLAVE | libc::MS_REC),
        Some(word) => word,
    };
    let bits = super::options::propagation(word)
        .ok_or_else(|| Error::refused(format!("rootfsPropagation={word} is not supported")))?;
    if no_pivot && bits & libc::MS_PRIVATE != 0 {
        return Err(Error::refused(
            "rootfsPropagation of [r]private is not safe without pivot_root",
        ));
    }
    Ok(bits)
}

/// What of `linux` the root filesystem needs.
pub(super) struct Parts<'de> {
    pub(super) propagation: Option<Str<'de>>,
    pub(super) devices: Option<Vec<Device<'de>>>,
    pub(super) masked_paths: Option<Vec<Str<'de>>>,
    pub(super) readonly_paths: Option<Vec<Str<'de>>>,
    pub(super) mount_label: Option<Str<'de>>,
}

/// The root filesystem; its path is `bundle` and `root.path` joined as text, not looked up.
pub(super) fn rootfs(
    root: Root<'_>,
    parts: Parts<'_>,
    mounts: Vec<MountPlan>,
    bundle: &str,
    options: &LoadOptions,
) -> Result<RootfsPlan> {
    let given = root.path.as_deref().unwrap_or("");
    if given.is_empty() {
        return Err(Error::invalid("root.path", "must not be empty"));
    }
    // runc leaves /dev alone when the config binds a directory of the host there.
    let setup_dev = !mounts
        .iter()
        .any(|mount| mount.destination == "/dev" && matches!(mount.kind, MountKind::Bind { .. }));
    let nodes = devices::plan(parts.devices.unwrap_or_default())?;
    Ok(RootfsPlan {
        path: path::join(bundle, given),
        readonly: root.readonly.unwrap_or(false),
        propagation: propagation(parts.propagation.as_deref(), options.no_pivot)?,
        no_pivot: options.no_pivot,
        mounts,
        devices: if setup_dev { nodes } else { Vec::new() },
        setup_dev,
        masked_paths: paths("linux.maskedPaths", parts.masked_paths)?,
        readonly_paths: paths("linux.readonlyPaths", parts.readonly_paths)?,
        mount_label: label(parts.mount_label)?,
    })
}

/// Paths in the container; a relative one is below `/`, where runc resolves it.
fn paths(field: &str, list: Option<Vec<Str<'_>>>) -> Result<Vec<String>> {
    list.unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(index, path)| {
            if path.is_empty() {
                return Err(Error::invalid(
                    format!("{field}[{index}]"),
                    "must not be empty",
                ));
            }
            Ok(path::absolute(&path))
        })
        .collect()
}

/// `mountLabel`: it goes between quotes into a mount's data, and must not get out of them.
fn label(label: Option<Str<'_>>) -> Result<String> {
    let label = label.map(Str::into_string).unwrap_or_default();
    if label
        .chars()
        .any(|c| c == '"' || c == '\\' || c.is_control())
    {
        return Err(Error::invalid(
            "linux.mountLabel",
            format!("{label:?} is not an SELinux label"),
        ));
    }
    Ok(label)
}
