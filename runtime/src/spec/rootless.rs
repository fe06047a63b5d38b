//! What an ordinary user may not ask for: found before anything exists, in runc's words.

use super::error::{Error, Result};
use crate::plan::{IdMapping, IdMaps, MountKind, MountPlan, Namespaces, ProcessPlan};

/// Checks the plan of a caller who is not root. `any`: the container's namespaces, new and joined.
pub(super) fn check(
    any: Namespaces,
    maps: &IdMaps,
    process: &ProcessPlan,
    mounts: &[MountPlan],
) -> Result<()> {
    if !any.has(Namespaces::USER) {
        return Err(Error::refused(
            "rootless container requires user namespaces",
        ));
    }
    // user_namespaces(7): to map no more than one group, setgroups(2) is given up; more are mapped by newgidmap.
    if let [only] = maps.gids.as_slice()
        && only.size == 1
        && !process.additional_gids.is_empty()
    {
        return Err(Error::refused(
            "unable to setup user: cannot set any additional groups in a rootless container (one group alone is mapped, so \
             setgroups(2) is denied)",
        ));
    }
    for mount in mounts {
        if mount.idmap.is_some() {
            return Err(Error::refused(format!(
                "invalid mount {:?}: gidMappings/uidMappings is not supported when runc is being launched as unprivileged user",
                mount.destination
            )));
        }
        if let MountKind::Filesystem { .. } = mount.kind {
            owners(&mount.data, maps)?;
        }
    }
    Ok(())
}

/// `uid=` and `gid=` among the options: the kernel would say no more than EINVAL. Of a joined namespace the maps need not be given.
fn owners(data: &str, maps: &IdMaps) -> Result<()> {
    for (option, word, list) in [("uid=", "uid", &maps.uids), ("gid=", "gid", &maps.gids)] {
        let ids = data
            .split(',')
            .filter_map(|it| it.strip_prefix(option)?.parse().ok());
        if !list.is_empty() && ids.into_iter().any(|id| !maps_id(list, id)) {
            return Err(Error::refused(format!(
                "cannot specify {word}= mount options for unmapped {word} in rootless containers"
            )));
        }
    }
    Ok(())
}

fn maps_id(list: &[IdMapping], id: u32) -> bool {
    list.iter().any(|map| map.has(id))
}
