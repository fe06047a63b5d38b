//! `linux.uidMappings` and `linux.gidMappings`.

use super::config;
use super::error::{Error, Result};
use crate::plan::{IdMapping, IdMaps, Namespaces, ProcessPlan};

/// The kernel's largest number of ranges in one map (`UID_GID_MAP_MAX_EXTENTS`).
const MAX: usize = 340;

/// The maps, checked as the kernel will check them, and for root inside: the container is built as root.
pub(super) fn plan(
    uids: Option<Vec<config::IdMapping>>,
    gids: Option<Vec<config::IdMapping>>,
    new: Namespaces,
    joined: Namespaces,
) -> Result<IdMaps> {
    let maps = IdMaps {
        uids: ranges("linux.uidMappings", uids)?,
        gids: ranges("linux.gidMappings", gids)?,
    };
    let given = !maps.uids.is_empty() || !maps.gids.is_empty();
    if !new.has(Namespaces::USER) && !joined.has(Namespaces::USER) {
        return match given {
            true => Err(Error::refused(
                "user namespace mappings specified, but user namespace isn't enabled in the config",
            )),
            false => Ok(maps),
        };
    }
    if new.has(Namespaces::USER) && !given {
        return Err(Error::refused(
            "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
        ));
    }
    if given {
        for (list, word) in [(&maps.uids, "user"), (&maps.gids, "group")] {
            if !list.iter().any(|map| map.container == 0) {
                return Err(Error::refused(format!(
                    "user namespaces enabled, but no {word} mapping found for root of the container"
                )));
            }
        }
    }
    Ok(maps)
}

/// The process's user and groups must be mapped: init could not become them. runc's words.
pub(super) fn check_user(maps: &IdMaps, process: &ProcessPlan) -> Result<()> {
    let mapped =
        |list: &[IdMapping], id: u32| list.is_empty() || list.iter().any(|map| map.has(id));
    let unmapped = |what: String| {
        Err(Error::refused(format!(
            "unable to setup user: cannot set {what} in user namespace"
        )))
    };
    if !mapped(&maps.uids, process.uid) {
        return unmapped("uid to unmapped user".to_owned());
    }
    if !mapped(&maps.gids, process.gid) {
        return unmapped("gid to unmapped user".to_owned());
    }
    match process
        .additional_gids
        .iter()
        .find(|gid| !mapped(&maps.gids, **gid))
    {
        Some(gid) => unmapped(format!("additional group {gid}, which is not mapped,")),
        None => Ok(()),
    }
}

fn ranges(field: &str, list: Option<Vec<config::IdMapping>>) -> Result<Vec<IdMapping>> {
    let list = list.unwrap_or_default();
    if list.len() > MAX {
        return Err(Error::invalid(
            field,
            format!("{} ranges, the kernel takes at most {MAX}", list.len()),
        ));
    }
    let mut maps: Vec<IdMapping> = Vec::with_capacity(list.len());
    for (index, range) in list.into_iter().enumerate() {
        let map = IdMapping {
            container: range.container_id.unwrap_or(0),
            host: range.host_id.unwrap_or(0),
            size: range.size.unwrap_or(0),
        };
        let bad = |what: &str| Error::invalid(format!("{field}[{index}]"), what.to_owned());
        if map.size == 0 {
            return Err(bad("size must not be 0"));
        }
        // The last number is -1, which is no id.
        if map.container.checked_add(map.size).is_none() || map.host.checked_add(map.size).is_none()
        {
            return Err(bad("the range ends above the largest id"));
        }
        let overlap = |a: u32, b: u32, size: u32| a < b + size && b < a + map.size;
        if maps.iter().any(|other| {
            overlap(map.container, other.container, other.size)
                || overlap(map.host, other.host, other.size)
        }) {
            return Err(bad("the range overlaps an earlier one"));
        }
        maps.push(map);
    }
    Ok(maps)
}
