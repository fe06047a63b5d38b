//! `mounts`.

use super::config::{IdMapping, Mount};
use super::error::{Error, Result};
use super::json::Str;
use super::options::{Effect, effect};
use super::path;
use crate::plan::{self, MountIdMap, MountKind, MountPlan};

/// One mount. `bundle` is what a relative source of a bind mount is below.
pub(super) fn plan(
    index: usize,
    mount: Mount<'_>,
    bundle: &str,
    warnings: &mut Vec<String>,
) -> Result<MountPlan> {
    let destination = mount.destination.as_deref().unwrap_or("");
    if destination.is_empty() {
        return Err(Error::invalid(
            field(index, "destination"),
            "must not be empty",
        ));
    }
    if !destination.starts_with('/') {
        warnings.push(format!(
            "mount destination {destination} is not absolute. Support for non-absolute mount destinations will be removed \
             in a future release."
        ));
    }

    let mut plan = MountPlan {
        destination: path::absolute(destination),
        kind: MountKind::Cgroup,
        flags: 0,
        cleared: 0,
        propagation: Vec::new(),
        rec_attr_set: 0,
        rec_attr_clear: 0,
        data: String::new(),
        tmpcopyup: false,
        idmap: None,
    };
    let idmap = take_options(&mut plan, mount.options);
    let bind = plan.flags & libc::MS_BIND != 0;
    let recursive = plan.flags & libc::MS_REC != 0;
    plan.flags &= !(libc::MS_BIND | libc::MS_REC);
    let uid = mappings(mount.uid_mappings, &field(index, "uidMappings"))?;
    let gid = mappings(mount.gid_mappings, &field(index, "gidMappings"))?;
    plan.idmap = idmapped(idmap, uid, gid, bind).map_err(|why| {
        // runc prints the whole mount as Go prints a struct; which one it is can be read here.
        Error::refused(format!("invalid mount {destination:?}: {why}"))
    })?;
    plan.kind = match bind {
        true => bound(
            index,
            mount.source.as_deref(),
            recursive,
            bundle,
            &plan.data,
        )?,
        false => filesystem(index, mount.kind.as_deref(), mount.source.as_deref())?,
    };
    Ok(plan)
}

fn field(index: usize, name: &str) -> String {
    format!("mounts[{index}].{name}")
}

/// What the words mean, the last of opposites; those that nobody knows are the filesystem's. Returns whether there was one that asks for an
/// id-mapped mount, and whether recursively.
fn take_options(plan: &mut MountPlan, options: Option<Vec<Str<'_>>>) -> Option<bool> {
    let mut idmap = None;
    for option in options.iter().flatten() {
        match effect(option) {
            Some(Effect::Set(bits)) => {
                plan.flags |= bits;
                plan.cleared &= !bits;
            }
            Some(Effect::Clear(bits)) => {
                plan.flags &= !bits;
                plan.cleared |= bits;
            }
            Some(Effect::Propagation(bits)) => plan.propagation.push(bits),
            Some(Effect::SetRecursive(bits)) => {
                plan.rec_attr_set |= bits;
                plan.rec_attr_clear &= !bits;
                // mount_setattr(2): the access time is one value of a field, which must be cleared to be set.
                if bits & libc::MOUNT_ATTR__ATIME == bits {
                    plan.rec_attr_clear |= libc::MOUNT_ATTR__ATIME;
                }
            }
            Some(Effect::ClearRecursive(bits)) => {
                plan.rec_attr_clear |= bits;
                plan.rec_attr_set &= !bits;
                // Nor can a part of it be cleared: what is left is the kernel's default, relatime.
                if bits & libc::MOUNT_ATTR__ATIME != 0 {
                    plan.rec_attr_clear |= libc::MOUNT_ATTR__ATIME;
                }
            }
            Some(Effect::CopyUp) => plan.tmpcopyup = true,
            Some(Effect::IdMap(recursive)) => idmap = Some(recursive),
            None => {
                if !plan.data.is_empty() {
                    plan.data.push(',');
                }
                plan.data.push_str(option);
            }
        }
    }
    idmap
}

/// A bind mount: the host's directory or file.
fn bound(
    index: usize,
    source: Option<&str>,
    recursive: bool,
    bundle: &str,
    data: &str,
) -> Result<MountKind> {
    let source = source.unwrap_or("");
    if source.is_empty() {
        return Err(Error::invalid(field(index, "source"), "must not be empty"));
    }
    if !data.is_empty() {
        // The kernel would ignore them. runc's words.
        let why =
            format!("bind mounts cannot have any filesystem-specific options applied ({data})");
        return Err(Error::invalid(field(index, "options"), why));
    }
    // Not cleaned: below the host's root `..` may follow a symbolic link.
    let source = if source.starts_with('/') {
        source.to_owned()
    } else {
        path::join(bundle, source)
    };
    Ok(MountKind::Bind { source, recursive })
}

/// A mount of a new filesystem.
fn filesystem(index: usize, kind: Option<&str>, source: Option<&str>) -> Result<MountKind> {
    let source = source.unwrap_or("");
    match kind.unwrap_or("") {
        "" => Err(Error::invalid(field(index, "type"), "must not be empty")),
        "bind" => Err(Error::invalid(
            field(index, "options"),
            "type \"bind\" needs \"bind\" or \"rbind\"",
        )),
        "cgroup" => Ok(MountKind::Cgroup),
        kind => Ok(MountKind::Filesystem {
            fstype: kind.to_owned(),
            source: if source.is_empty() { kind } else { source }.to_owned(),
        }),
    }
}

/// What runc allows of `idmap`, `ridmap` (`option`: recursive?) and the mappings; its words otherwise.
fn idmapped(
    option: Option<bool>,
    uid: Vec<plan::IdMapping>,
    gid: Vec<plan::IdMapping>,
    bind: bool,
) -> std::result::Result<Option<MountIdMap>, &'static str> {
    if option.is_none() && uid.is_empty() && gid.is_empty() {
        return Ok(None);
    }
    if !bind {
        return Err("id-mapped mounts are only supported for bind-mounts");
    }
    if uid.is_empty() || gid.is_empty() {
        return Err("id-mapped mounts must have both uid and gid mappings specified");
    }
    Ok(Some(MountIdMap {
        recursive: option.unwrap_or(false),
        uid,
        gid,
    }))
}

/// user_namespaces(7): as many lines as the kernel takes.
const MAX_MAPPINGS: usize = 340;

fn mappings(list: Option<Vec<IdMapping>>, field: &str) -> Result<Vec<plan::IdMapping>> {
    let list = list.unwrap_or_default();
    if list.len() > MAX_MAPPINGS {
        return Err(Error::invalid(
            field.to_owned(),
            format!(
                "{} mappings, the kernel takes at most {MAX_MAPPINGS}",
                list.len()
            ),
        ));
    }
    list.into_iter()
        .enumerate()
        .map(|(index, map)| {
            let map = plan::IdMapping {
                container: map.container_id.unwrap_or(0),
                host: map.host_id.unwrap_or(0),
                size: map.size.unwrap_or(0),
            };
            let fits = |first: u32| first.checked_add(map.size).is_some();
            if map.size == 0 || !fits(map.container) || !fits(map.host) {
                return Err(Error::invalid(
                    format!("{field}[{index}]"),
                    "must have a size of at least 1 and end below 4294967296",
                ));
            }
            Ok(map)
        })
        .collect()
}
