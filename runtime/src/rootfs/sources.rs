//! Sources of mounts that the creator opens for init: id-mapped ones, and what only the creator can reach.
//!
//! An id-mapped mount needs privileges over the file system's own user namespace, so it is made where they are for certain: by the creator,
//! detached, before anything else exists. Init finds the trees among its descriptors, and attaches them like those that it clones itself.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::error::{Error, MountError};
use crate::plan::{IdMapping, MountIdMap, MountKind, MountPlan, RootfsPlan};
use crate::sys::mount::{clone_tree, set_idmap};
use crate::sys::path as fs;
use crate::sys::{self, userns};

/// Open sources, each with the place of its mount in [`RootfsPlan::mounts`], in that order.
#[derive(Debug, Default)]
pub struct Sources {
    /// Places in the plan.
    pub places: Vec<u32>,
    /// The detached trees.
    pub trees: Vec<OwnedFd>,
}

impl Sources {
    /// Opens what init cannot.
    ///
    /// # Errors
    /// Of the first that cannot be opened or mapped; nothing is left of the others.
    pub fn open(plan: &RootfsPlan) -> Result<Self, Error> {
        let mut sources = Self::default();
        // One namespace for equal mappings: engines give every volume the same.
        let mut known: Vec<(&MountIdMap, OwnedFd)> = Vec::new();
        for (place, mount) in (0..).zip(&plan.mounts) {
            let (Some(map), MountKind::Bind { source, recursive }) = (&mount.idmap, &mount.kind)
            else {
                continue;
            };
            let tree = mapped(map, source, *recursive, &mut known)
                .map_err(|cause| fail(mount, source, cause))?;
            sources.places.push(place);
            sources.trees.push(tree);
        }
        Ok(sources)
    }

    /// One more, of the mount at `place`, which comes after all others in here.
    pub fn add(&mut self, place: usize, tree: OwnedFd) {
        self.places.push(u32::try_from(place).unwrap_or(u32::MAX));
        self.trees.push(tree);
    }

    /// Init's: takes the tree of the mount at `place` of the plan. To be asked in the plan's order.
    pub(super) fn take(&mut self, place: usize) -> Option<OwnedFd> {
        let first = *self.places.first()?;
        if usize::try_from(first).ok() != Some(place) || self.trees.is_empty() {
            return None;
        }
        self.places.remove(0);
        Some(self.trees.remove(0))
    }
}

fn fail(mount: &MountPlan, source: &str, cause: MountError) -> Error {
    Error::Mount {
        source_name: source.to_owned(),
        destination: mount.destination.clone(),
        cause,
    }
}

fn mapped<'p>(
    map: &'p MountIdMap,
    source: &str,
    recursive: bool,
    known: &mut Vec<(&'p MountIdMap, OwnedFd)>,
) -> Result<OwnedFd, MountError> {
    let tree = clone_tree(fs::HERE, source, recursive, source).map_err(super::bind::missing)?;
    let same = |other: &MountIdMap| other.uid == map.uid && other.gid == map.gid;
    let at = match known.iter().position(|(other, _)| same(other)) {
        Some(at) => at,
        None => {
            known.push((map, userns::with_maps(&lines(&map.uid), &lines(&map.gid))?));
            known.len() - 1
        }
    };
    let Some((_, namespace)) = known.get(at) else {
        return Err(sys::Error::new("mount_setattr", source, Errno::EBADF).into());
    };
    set_idmap(tree.as_fd(), namespace.as_fd(), map.recursive, source).map_err(
        |cause| match cause.errno {
            Errno::EINVAL | Errno::EPERM => MountError::IdMap(cause),
            _ => cause.into(),
        },
    )?;
    Ok(tree)
}

/// As /proc/PID/uid_map takes them.
fn lines(mappings: &[IdMapping]) -> String {
    mappings
        .iter()
        .map(|map| format!("{} {} {}\n", map.container, map.host, map.size))
        .collect()
}
