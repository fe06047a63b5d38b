//! `mounts`.

use super::config::Mount;
use super::error::{Error, Result};
use super::options::{Effect, effect};
use super::{path, refuse};
use crate::plan::{MountKind, MountPlan};

/// One mount. `bundle` is what a relative source of a bind mount is below.
pub(super) fn plan(
    index: usize,
    mount: Mount<'_>,
    bundle: &str,
    warnings: &mut Vec<String>,
) -> Result<MountPlan> {
    let field = |name: &str| format!("mounts[{index}].{name}");
    let destination = mount.destination.as_deref().unwrap_or("");
    if destination.is_empty() {
        return Err(Error::invalid(field("destination"), "must not be empty"));
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
    };
    let mut idmap = false;
    for option in mount.options.iter().flatten() {
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
            }
            Some(Effect::CopyUp) => plan.tmpcopyup = true,
            Some(Effect::IdMap) => idmap = true,
            None => {
                if !plan.data.is_empty() {
                    plan.data.push(',');
                }
                plan.data.push_str(option);
            }
        }
    }
    refuse::idmapped(index, idmap, &mount.uid_mappings, &mount.gid_mappings)?;

    let bind = plan.flags & libc::MS_BIND != 0;
    let recursive = plan.flags & libc::MS_REC != 0;
    plan.flags &= !(libc::MS_BIND | libc::MS_REC);
    let source = mount.source.as_deref().unwrap_or("");
    let kind = mount.kind.as_deref().unwrap_or("");
    plan.kind = if bind {
        if source.is_empty() {
            return Err(Error::invalid(field("source"), "must not be empty"));
        }
        if !plan.data.is_empty() {
            // The kernel would ignore them. runc's words.
            return Err(Error::invalid(
                format!("mounts[{index}].options"),
                format!(
                    "bind mounts cannot have any filesystem-specific options applied ({})",
                    plan.data
                ),
            ));
        }
        // Not cleaned: below the host's root `..` may follow a symbolic link.
        let source = if source.starts_with('/') {
            source.to_owned()
        } else {
            path::join(bundle, source)
        };
        MountKind::Bind { source, recursive }
    } else {
        match kind {
            "" => return Err(Error::invalid(field("type"), "must not be empty")),
            "bind" => {
                return Err(Error::invalid(
                    field("options"),
                    "type \"bind\" needs \"bind\" or \"rbind\"",
                ));
            }
            "cgroup" => MountKind::Cgroup,
            kind => MountKind::Filesystem {
                fstype: kind.to_owned(),
                source: if source.is_empty() { kind } else { source }.to_owned(),
            },
        }
    };
    Ok(plan)
}
